/* Data sets: the same bytes in any order of access, parts that do not meet, labels that sort, packing that loses nothing; and one clear line for
 * every kind of bad file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_files.h"

#include <bramble/base/hash.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/data/image.h>
#include <bramble/data/pack.h>
#include <bramble/store/file.h>
#include <bramble/store/npy.h>

#include <stdlib.h>
#include <zlib.h>

static struct br_dataset *opened(const char *spec, enum br_data_part part) {
  struct br_dataset *dataset;
  if (br_dataset_open(spec, &(struct br_dataset_options){.part = part, .seed = 1}, &dataset) != BR_OK) fail_msg("%s", br_error_message());
  return dataset;
}

/* Opening fails as bad data, and the message has all the words. */
static void refused(const char *spec, enum br_data_part part, const char *word, const char *second) {
  struct br_dataset *dataset;
  int status = br_dataset_open(spec, &(struct br_dataset_options){.part = part}, &dataset);
  if (status != BR_ERROR_DATA || !strstr(br_error_message(), word) || !strstr(br_error_message(), second) || strchr(br_error_message(), '\n'))
    fail_msg("%s: status %d, '%s' lacks '%s' or '%s'", spec, status, br_error_message(), word, second);
  assert_null(dataset);
}

static const char *spec_of(const char *kind, const char *name) {
  static char specs[4][600];
  static int next;
  char *spec = specs[next++ % 4];
  snprintf(spec, sizeof specs[0], "%s:%s/%s", kind, test_folder, name);
  return spec;
}

/* Reads all samples in two orders, the second by one reader per sample: same bytes, same labels. */
static void check_any_order(const char *spec, enum br_data_part part) {
  struct br_dataset *dataset = opened(spec, part), *again = opened(spec, part);
  const struct br_dataset_info *info = br_dataset_info(dataset);
  assert_int_equal(info->fingerprint, br_dataset_info(again)->fingerprint);
  uint64_t n = info->count;
  uint64_t *hash = malloc(n * sizeof *hash);
  struct br_sample sample = {0};
  for (uint64_t i = 0; i < n; i++) {
    assert_int_equal(br_dataset_read(dataset, i, &sample), BR_OK);
    assert_true(sample.label == br_dataset_label(dataset, i) && sample.label >= 0 && sample.label < info->classes);
    hash[i] = br_hash64((uint64_t)sample.label, sample.pixels, (size_t)sample.H * (size_t)sample.W * (size_t)sample.C * (sample.type == BR_SAMPLE_U8 ? 1 : 4));
  }
  br_sample_free(&sample);
  for (uint64_t k = 0; k < n; k++) {
    uint64_t i = br_random_permute(1, BR_RANDOM_TEST, 0, n, k);
    struct br_sample own = {0};
    assert_int_equal(br_dataset_read(again, i, &own), BR_OK);
    assert_int_equal(hash[i], br_hash64((uint64_t)own.label, own.pixels, (size_t)own.H * (size_t)own.W * (size_t)own.C * (own.type == BR_SAMPLE_U8 ? 1 : 4)));
    br_sample_free(&own);
  }
  assert_int_equal(br_dataset_read(dataset, n, &sample), BR_ERROR_USAGE);
  br_sample_free(&sample);
  free(hash);
  br_dataset_close(dataset);
  br_dataset_close(again);
}

/* --- shapes --------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *spec, const struct br_dataset_options *options, uint64_t first, uint64_t last) {
  struct br_dataset *dataset;
  assert_int_equal(br_dataset_open(spec, options, &dataset), BR_OK);
  struct br_sample sample = {0};
  uint64_t hash = 0;
  for (uint64_t i = first; i < last; i++) {
    assert_int_equal(br_dataset_read(dataset, i, &sample), BR_OK);
    hash = br_hash64(hash, sample.pixels, 32 * 32 * 3);
  }
  br_sample_free(&sample);
  br_dataset_close(dataset);
  return hash;
}

static void test_shapes(void **state) {
  (void)state;
  check_any_order("shapes:300,50", BR_DATA_TRAIN);
  struct br_dataset *dataset = opened("shapes", BR_DATA_TRAIN);
  const struct br_dataset_info *info = br_dataset_info(dataset);
  assert_true(info->count == 8000 && info->classes == 10 && info->H == 32 && info->W == 32 && info->C == 3 && info->type == BR_SAMPLE_U8);
  assert_string_equal(info->class_names[9], "star");
  br_dataset_close(dataset);
  dataset = opened("shapes", BR_DATA_TEST);
  assert_int_equal(br_dataset_info(dataset)->count, 2000);
  br_dataset_close(dataset);

  /* A picture depends on seed, part and index, and on nothing else; its bytes are part of every published result. */
  struct br_dataset_options train = {.part = BR_DATA_TRAIN, .seed = 1}, test = {.part = BR_DATA_TEST, .seed = 1}, other = {.part = BR_DATA_TRAIN, .seed = 2}, few = {.part = BR_DATA_TRAIN, .seed = 1, .limit = 100};
  uint64_t hash = hash_of("shapes", &train, 0, 100);
  assert_int_equal(hash, 0x19330cdb7ac00a40);
  assert_int_equal(hash, hash_of("shapes:100,1", &train, 0, 100));
  assert_int_equal(hash, hash_of("shapes", &few, 0, 100));
  assert_int_not_equal(hash, hash_of("shapes", &test, 0, 100));
  assert_int_not_equal(hash, hash_of("shapes", &other, 0, 100));
  assert_int_equal(hash_of("shapes:30000,1", &train, 25000, 25001), hash_of("shapes:40000,1", &train, 25000, 25001)); /* beyond those kept */
}

static void test_specs(void **state) {
  (void)state;
  static const struct {
    const char *spec, *word;
  } bad[] = {{"cifra10:x", "cifar10"}, {"", "''"}, {"/data/photos", "folder:/data/photos"}, {"cifar10", "cifar10:DIR"}, {"cifar10:", "cifar10:DIR"}, {"shapes:5", "TRAIN,TEST"},
             {"shapes:0,5", "TRAIN,TEST"}, {"shapes:5,5,5", "TRAIN,TEST"}, {"shapes:-5,5", "TRAIN,TEST"}, {"shapes:99999999999999999999,1", "TRAIN,TEST"}, {"npy:a.npy", "LABELS.npy"}, {"tar:", "tar:FILE"}, {"files:,", "files:FILE"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct br_dataset *dataset;
    int status = br_dataset_open(bad[i].spec, &(struct br_dataset_options){0}, &dataset);
    assert_int_equal(status, BR_ERROR_USAGE);
    if (!strstr(br_error_message(), bad[i].word)) fail_msg("'%s' lacks '%s'", br_error_message(), bad[i].word);
  }
}

/* --- CIFAR ---------------------------------------------------------------------------------------------------------------- */

enum { RECORD = 3073, RECORDS = 10000 };

static void make_cifar(void) {
  test_make_folder("c/cifar-10-batches-bin");
  char name[64];
  for (int i = 1; i <= 5; i++) {
    snprintf(name, sizeof name, "c/cifar-10-batches-bin/data_batch_%d.bin", i);
    test_write_zeros(name, (off_t)RECORD * RECORDS);
  }
  test_write_zeros("c/cifar-10-batches-bin/test_batch.bin", (off_t)RECORD * RECORDS);
}

static void test_cifar(void **state) {
  (void)state;
  make_cifar();
  uint8_t record[RECORD];
  for (int k = 0; k < 3; k++) { /* samples 0, 10002 and 20004 */
    record[0] = (uint8_t)(7 + k);
    for (int i = 1; i < RECORD; i++) record[i] = (uint8_t)(i * 13 + k);
    char name[64];
    snprintf(name, sizeof name, "c/cifar-10-batches-bin/data_batch_%d.bin", k + 1);
    test_write_at(name, (off_t)RECORD * 2 * k, record, RECORD);
  }
  const char *outside = spec_of("cifar10", "c"), *inside = spec_of("cifar10", "c/cifar-10-batches-bin");
  for (int way = 0; way < 2; way++) {
    struct br_dataset *dataset = opened(way ? inside : outside, BR_DATA_TRAIN);
    assert_int_equal(br_dataset_info(dataset)->count, 50000);
    struct br_sample sample = {0};
    for (int k = 0; k < 3; k++) {
      assert_int_equal(br_dataset_read(dataset, (uint64_t)(10002 * k), &sample), BR_OK);
      assert_int_equal(sample.label, 7 + k);
      for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++) assert_int_equal(((uint8_t *)sample.pixels)[3 * i + c], (uint8_t)((1 + c * 1024 + i) * 13 + k));
    }
    br_sample_free(&sample);
    br_dataset_close(dataset);
  }
  /* Another byte anywhere is another fingerprint. */
  struct br_dataset *dataset = opened(outside, BR_DATA_TRAIN);
  uint64_t before = br_dataset_info(dataset)->fingerprint;
  br_dataset_close(dataset);
  test_write_at("c/cifar-10-batches-bin/data_batch_5.bin", (off_t)RECORD * RECORDS - 1, "x", 1);
  dataset = opened(outside, BR_DATA_TRAIN);
  assert_int_not_equal(before, br_dataset_info(dataset)->fingerprint);
  br_dataset_close(dataset);
}

static void test_bad_cifar(void **state) {
  (void)state;
  make_cifar();
  const char *spec = spec_of("cifar10", "c");
  const char *path = "c/cifar-10-batches-bin/data_batch_3.bin";
  test_write_at(path, (off_t)RECORD * 77, "\x0a", 1);
  refused(spec, BR_DATA_TRAIN, "data_batch_3.bin", "label 10 at byte 236621");
  const off_t sizes[] = {0, RECORD * 9999, RECORD * 9999 + 17, RECORD * 10001};
  for (int i = 0; i < 4; i++) {
    test_write_zeros(path, sizes[i]);
    refused(spec, BR_DATA_TRAIN, "data_batch_3.bin", "30730000");
  }
  unlink(test_path(path));
  refused(spec, BR_DATA_TRAIN, "data_batch_3.bin", "No such file");
  test_make_folder(path);
  refused(spec, BR_DATA_TRAIN, "data_batch_3.bin", "not a file");
  refused(spec_of("cifar100", "c"), BR_DATA_TEST, "test.bin", "No such file");
  test_write_zeros("test.bin", (off_t)3074 * 10000);
  test_write_at("test.bin", 3074 + 1, "\x64", 1);
  refused(spec_of("cifar100", "."), BR_DATA_TEST, "test.bin", "label 100 at byte 3075");
}

/* --- MNIST ---------------------------------------------------------------------------------------------------------------- */

static void write_gz(const char *name, const void *data, size_t bytes) {
  gzFile file = gzopen(test_path(name), "wb");
  if (!file || gzwrite(file, data, (unsigned)bytes) != (int)bytes || gzclose(file) != Z_OK) abort();
}

enum { MNIST_N = 12, MNIST_IMAGES = 16 + MNIST_N * 5 * 4, MNIST_LABELS = 8 + MNIST_N };

static void make_mnist(uint8_t images[MNIST_IMAGES], uint8_t labels[MNIST_LABELS]) {
  memcpy(images, "\0\0\x08\x03\0\0\0\x0c\0\0\0\x05\0\0\0\x04", 16);
  for (int i = 16; i < MNIST_IMAGES; i++) images[i] = (uint8_t)(i * 7);
  memcpy(labels, "\0\0\x08\x01\0\0\0\x0c", 8);
  for (int i = 0; i < MNIST_N; i++) labels[8 + i] = (uint8_t)(i % 10);
}

static void test_mnist(void **state) {
  (void)state;
  uint8_t images[MNIST_IMAGES], labels[MNIST_LABELS];
  make_mnist(images, labels);
  test_make_folder("m");
  const char *spec = spec_of("mnist", "m");
  uint64_t fingerprint[2];
  for (int packed = 0; packed < 2; packed++) {
    if (packed) {
      unlink(test_path("m/train-images-idx3-ubyte"));
      write_gz("m/train-images-idx3-ubyte.gz", images, sizeof images);
    } else {
      test_write("m/train-images-idx3-ubyte", images, sizeof images);
    }
    test_write("m/train-labels-idx1-ubyte", labels, sizeof labels);
    check_any_order(spec, BR_DATA_TRAIN);
    struct br_dataset *dataset = opened(spec, BR_DATA_TRAIN);
    fingerprint[packed] = br_dataset_info(dataset)->fingerprint;
    assert_true(br_dataset_info(dataset)->H == 5 && br_dataset_info(dataset)->W == 4 && br_dataset_info(dataset)->C == 1);
    struct br_sample sample = {0};
    assert_int_equal(br_dataset_read(dataset, 11, &sample), BR_OK);
    assert_memory_equal(sample.pixels, images + 16 + 11 * 20, 20);
    br_sample_free(&sample);
    br_dataset_close(dataset);
  }
  assert_int_equal(fingerprint[0], fingerprint[1]);
}

static void test_bad_mnist(void **state) {
  (void)state;
  uint8_t images[MNIST_IMAGES + 1] = {0}, labels[MNIST_LABELS];
  make_mnist(images, labels);
  test_make_folder("bad");
  const char *spec = spec_of("mnist", "bad"), *name = "bad/t10k-images-idx3-ubyte";
  refused(spec, BR_DATA_TEST, "bad", "t10k-images-idx3-ubyte");
  test_write("bad/t10k-labels-idx1-ubyte", labels, sizeof labels);
  for (size_t bytes = 0; bytes < MNIST_IMAGES; bytes += 5) {
    test_write(name, images, bytes);
    refused(spec, BR_DATA_TEST, name, "ends at byte");
  }
  test_write(name, images, MNIST_IMAGES + 1);
  refused(spec, BR_DATA_TEST, name, "goes on");
  test_write(name, images, MNIST_IMAGES);
  test_write_at(name, 3, "\x01", 1);
  refused(spec, BR_DATA_TEST, name, "0x00000803");
  test_write(name, images, MNIST_IMAGES);
  test_write_at(name, 4, "\x3f\xff\xff\xff", 4); /* 10^9 pictures: the memory for them is not taken */
  size_t peak = br_memory_peak_bytes();
  refused(spec, BR_DATA_TEST, name, "ends at byte");
  assert_true(br_memory_peak_bytes() - peak < 100 << 20);
  test_write_at(name, 8, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
  refused(spec, BR_DATA_TEST, name, "byte 8");
  test_write(name, images, MNIST_IMAGES);
  test_write_at("bad/t10k-labels-idx1-ubyte", 8 + 4, "\x0a", 1);
  refused(spec, BR_DATA_TEST, "labels", "label 10 at byte 12");
  test_write("bad/t10k-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x03\1\2\3", 11);
  refused(spec, BR_DATA_TEST, "labels", "3 labels for 12");
  unlink(test_path(name));
  write_gz("bad/t10k-images-idx3-ubyte.gz", images, MNIST_IMAGES);
  struct stat info;
  assert_int_equal(stat(test_path("bad/t10k-images-idx3-ubyte.gz"), &info), 0);
  assert_int_equal(truncate(test_path("bad/t10k-images-idx3-ubyte.gz"), info.st_size - 20), 0);
  refused(spec, BR_DATA_TEST, "ubyte.gz", "");
}

/* --- npy ------------------------------------------------------------------------------------------------------------------ */

static void test_npy(void **state) {
  (void)state;
  enum { N = 50 };
  float images[N][6][5];
  int64_t labels[N];
  for (int i = 0; i < N; i++) {
    labels[i] = (i * 7) % 4;
    for (int k = 0; k < 30; k++) images[i][k / 5][k % 5] = (float)(i * 30 + k) / 1500;
  }
  assert_int_equal(br_npy_write(test_path("i.npy"), BR_NPY_F32, 3, (size_t[]){N, 6, 5}, images), BR_OK);
  assert_int_equal(br_npy_write(test_path("l.npy"), BR_NPY_I64, 1, (size_t[]){N}, labels), BR_OK);
  char spec[1100];
  snprintf(spec, sizeof spec, "npy:%s,%s", test_path("i.npy"), test_path("l.npy"));
  check_any_order(spec, BR_DATA_TRAIN);
  /* Both parts together are all samples, each once, in stored order. */
  int seen[N] = {0};
  uint64_t counts[2];
  for (int part = 0; part < 2; part++) {
    struct br_dataset *dataset = opened(spec, (enum br_data_part)part);
    const struct br_dataset_info *info = br_dataset_info(dataset);
    assert_true(info->classes == 4 && info->H == 6 && info->W == 5 && info->C == 1 && info->type == BR_SAMPLE_F32);
    counts[part] = info->count;
    struct br_sample sample = {0};
    int last = -1;
    for (uint64_t i = 0; i < info->count; i++) {
      assert_int_equal(br_dataset_read(dataset, i, &sample), BR_OK);
      int k = (int)(((float *)sample.pixels)[0] * 50 + 0.5f);
      assert_true(k > last && k < N);
      last = k;
      seen[k]++;
      assert_int_equal(sample.label, labels[k]);
      assert_memory_equal(sample.pixels, images[k], sizeof images[k]);
    }
    br_sample_free(&sample);
    br_dataset_close(dataset);
  }
  for (int i = 0; i < N; i++) assert_int_equal(seen[i], 1);
  assert_true(counts[1] >= 4 && counts[1] <= 18);

  labels[3] = -1;
  assert_int_equal(br_npy_write(test_path("l.npy"), BR_NPY_I64, 1, (size_t[]){N}, labels), BR_OK);
  refused(spec, BR_DATA_TRAIN, "l.npy", "label -1 at row 3");
  assert_int_equal(br_npy_write(test_path("l.npy"), BR_NPY_I64, 1, (size_t[]){N - 1}, labels), BR_OK);
  refused(spec, BR_DATA_TRAIN, "l.npy", "49 labels for 50");
  assert_int_equal(br_npy_write(test_path("l.npy"), BR_NPY_F32, 2, (size_t[]){N, 6}, images), BR_OK);
  refused(spec, BR_DATA_TRAIN, "l.npy", "one dimension");
  assert_int_equal(br_npy_write(test_path("i.npy"), BR_NPY_F64, 1, (size_t[]){4}, images), BR_OK);
  refused(spec, BR_DATA_TRAIN, "i.npy", "astype");
}

static void npy_refused(const char *text, const char *word) {
  uint8_t file[300] = "\x93NUMPY\x01\x00";
  size_t n = strlen(text);
  file[8] = (uint8_t)n;
  memcpy(file + 10, text, n);
  struct br_npy npy;
  assert_int_equal(br_npy_parse("a.npy", file, 10 + n, 10 + n + 48, &npy), BR_ERROR_DATA);
  if (!strstr(br_error_message(), "a.npy") || !strstr(br_error_message(), word)) fail_msg("%s: '%s' lacks '%s'", text, br_error_message(), word);
}

static void test_npy_headers(void **state) {
  (void)state;
  static const char *const good[] = {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n", "{'shape':(3,4),'descr':'<f4','fortran_order':False}", "{'descr': \"<f4\", 'fortran_order': False, 'shape': (12,), }   \n",
                                     "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 1,), }"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    uint8_t file[300] = "\x93NUMPY\x01\x00";
    file[8] = (uint8_t)strlen(good[i]);
    memcpy(file + 10, good[i], strlen(good[i]));
    struct br_npy npy;
    if (br_npy_parse("a.npy", file, 10 + strlen(good[i]), 10 + strlen(good[i]) + 48, &npy) != BR_OK) fail_msg("%s: %s", good[i], br_error_message());
    assert_int_equal(npy.count * npy.element_bytes, 48);
  }
  npy_refused("{'descr': '>f4', 'fortran_order': False, 'shape': (3, 4), }", "little-endian");
  npy_refused("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }", "another type");
  npy_refused("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4), }", "C order");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }", "has 117 bytes where its header asks for 129");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", "has 117 bytes where its header asks for 105");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "larger than memory");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "shape");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3 4), }", "shape");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (12), }", "shape");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, -4), }", "shape");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,3,4), }", "shape");
  npy_refused("{'descr': '<f4', 'fortran_order': False, }", "lacks");
  npy_refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", "once");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'more': 1}", "something else");
  npy_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } x", "goes on");
  npy_refused("{'descr': '<f4' 'fortran_order': False, 'shape': (3, 4), }", "comma");
  npy_refused("", "{");
  uint8_t file[128] = "\x93NUMPY\x02\x00\xff\xff\xff\x7f";
  struct br_npy npy;
  assert_int_equal(br_npy_parse("a.npy", file, sizeof file, sizeof file, &npy), BR_ERROR_DATA);
  void *elements;
  double one = 1.5;
  assert_int_equal(br_npy_write(test_path("one.npy"), BR_NPY_F64, 0, NULL, &one), BR_OK);
  assert_int_equal(br_npy_read(test_path("one.npy"), &npy, &elements), BR_OK);
  assert_true(npy.dims == 0 && npy.count == 1 && *(double *)elements == 1.5 && npy.data_offset % 64 == 0);
  br_memory_free(elements);
}

/* --- folders and tars ----------------------------------------------------------------------------------------------------- */

/* A picture file whose colours tell `number`. */
static void write_picture(const char *name, int number) {
  uint8_t pixels[6 * 8 * 3];
  for (int i = 0; i < 6 * 8 * 3; i++) pixels[i] = (uint8_t)(i % 3 == 0 ? number : i);
  struct br_image image = {6, 8, 3, pixels, 0};
  if (br_image_write_png(test_path(name), &image) != BR_OK) abort();
}

static int number_of(struct br_dataset *dataset, uint64_t index) {
  struct br_sample sample = {0};
  if (br_dataset_read(dataset, index, &sample) != BR_OK) fail_msg("%s", br_error_message());
  int number = ((uint8_t *)sample.pixels)[0];
  br_sample_free(&sample);
  return number;
}

static void test_folder_order(void **state) {
  (void)state;
  static const char *const classes[] = {"0", "2", "010", "10", "100", "1a", "Zebra", "ant"}; /* in the order that is expected */
  enum { CLASSES = sizeof classes / sizeof *classes, EACH = 5 };
  int order[CLASSES] = {5, 2, 7, 0, 4, 1, 6, 3};
  for (int k = 0; k < CLASSES; k++) {
    char name[64];
    snprintf(name, sizeof name, "f/%s", classes[order[k]]);
    test_make_folder(name);
    for (int i = 0; i < EACH; i++) {
      snprintf(name, sizeof name, "f/%s/%d.%s", classes[order[k]], EACH - i, i % 2 ? "png" : "JPG"); /* what it is is told by its bytes */
      write_picture(name, 10 * order[k] + EACH - i);
    }
  }
  test_write("f/readme.txt", "x", 1);
  test_write("f/ant/.hidden.png", "x", 1);
  test_write("f/ant/notes.txt", "x", 1);
  const char *spec = spec_of("folder", "f");
  check_any_order(spec, BR_DATA_TRAIN);
  struct br_dataset *part[2] = {opened(spec, BR_DATA_TRAIN), opened(spec, BR_DATA_TEST)};
  assert_int_equal(br_dataset_info(part[0])->count + br_dataset_info(part[1])->count, CLASSES * EACH);
  int seen[10 * CLASSES + EACH + 1] = {0};
  for (int p = 0; p < 2; p++) {
    const struct br_dataset_info *info = br_dataset_info(part[p]);
    assert_int_equal(info->classes, CLASSES);
    for (int k = 0; k < CLASSES; k++) assert_string_equal(info->class_names[k], classes[k]);
    int last = -1;
    for (uint64_t i = 0; i < info->count; i++) {
      int number = number_of(part[p], i), label = br_dataset_label(part[p], i);
      assert_string_equal(info->class_names[label], classes[(number - 1) / 10]);
      char name[64];
      snprintf(name, sizeof name, "%s/%d.", classes[(number - 1) / 10], number % 10);
      assert_memory_equal(br_dataset_sample_name(part[p], i), name, strlen(name));
      assert_true(label * 10 + number % 10 > last);
      last = label * 10 + number % 10;
      seen[number]++;
    }
    br_dataset_close(part[p]);
  }
  for (int k = 0; k < CLASSES; k++)
    for (int i = 1; i <= EACH; i++) assert_int_equal(seen[10 * k + i], 1);
}

static void make_parts(void) {
  test_make_folder("p/train/cat"), test_make_folder("p/train/dog"), test_make_folder("p/val/dog");
  write_picture("p/train/cat/a.png", 1), write_picture("p/train/cat/b.png", 2), write_picture("p/train/dog/c.png", 3), write_picture("p/val/dog/d.png", 4);
}

static void test_folder_parts(void **state) {
  (void)state;
  make_parts();
  const char *spec = spec_of("folder", "p/"); /* a slash at the end does not matter */
  struct br_dataset *train = opened(spec, BR_DATA_TRAIN), *test = opened(spec, BR_DATA_TEST);
  assert_true(br_dataset_info(train)->count == 3 && br_dataset_info(test)->count == 1 && br_dataset_info(test)->classes == 2);
  assert_true(number_of(train, 0) == 1 && number_of(train, 1) == 2 && number_of(train, 2) == 3 && number_of(test, 0) == 4);
  assert_true(br_dataset_label(train, 1) == 0 && br_dataset_label(train, 2) == 1 && br_dataset_label(test, 0) == 1);
  br_dataset_close(train), br_dataset_close(test);
  test_make_folder("p/val/fox");
  write_picture("p/val/fox/e.png", 5);
  refused(spec, BR_DATA_TEST, "val/fox/e.png", "'fox'");
}

/* Pictures without class folders can be read whole, without classes; they are no training data. */
static void test_folder_flat(void **state) {
  (void)state;
  test_make_folder("flat");
  write_picture("flat/b.png", 2), write_picture("flat/a.png", 1);
  const char *spec = spec_of("folder", "flat");
  refused(spec, BR_DATA_TRAIN, "/flat", "one folder a class");
  struct br_dataset *dataset;
  assert_int_equal(br_dataset_open(spec, &(struct br_dataset_options){.part = BR_DATA_TEST, .whole = true}, &dataset), BR_OK);
  assert_true(br_dataset_info(dataset)->count == 2 && br_dataset_info(dataset)->classes == 0);
  assert_true(number_of(dataset, 0) == 1 && number_of(dataset, 1) == 2);
  assert_string_equal(br_dataset_sample_name(dataset, 1), "b.png");
  br_dataset_close(dataset);
}

static void test_files(void **state) {
  (void)state;
  test_make_folder("x");
  write_picture("x/b.png", 2), write_picture("x/a.png", 1);
  char spec[1200];
  snprintf(spec, sizeof spec, "files:%s,%s", test_path("x/b.png"), test_path("x/a.png"));
  for (int part = 0; part < 2; part++) {
    struct br_dataset *dataset = opened(spec, (enum br_data_part)part);
    assert_true(br_dataset_info(dataset)->count == 2 && br_dataset_info(dataset)->classes == 0);
    assert_true(number_of(dataset, 0) == 2 && number_of(dataset, 1) == 1);
    assert_string_equal(br_dataset_sample_name(dataset, 1), test_path("x/a.png"));
    test_write("x/a.png", "changed", 7);
    struct br_sample sample = {0};
    assert_int_equal(br_dataset_read(dataset, 1, &sample), BR_ERROR_DATA);
    assert_non_null(strstr(br_error_message(), "when it was listed"));
    br_sample_free(&sample);
    write_picture("x/a.png", 1);
    br_dataset_close(dataset);
  }
  refused(spec_of("files", "x/c.png"), BR_DATA_TEST, "x/c.png", "No such file");
}

static char last_warning[1024];
static int said;
static void keep_warning(enum br_log_level level, const char *line) {
  snprintf(last_warning, sizeof last_warning, "%s", line);
  said += level == BR_LOG_WARNING;
}

/* Both parts opened, as a training does: `count` files are left out, the first of them `first`, and that is said once. */
static void check_left_out(const char *spec, bool whole, const char *count, const char *first, const char *where) {
  said = 0;
  br_log_to(keep_warning);
  for (int part = 0; part < 2; part++) {
    struct br_dataset *dataset;
    if (br_dataset_open(spec, &(struct br_dataset_options){.part = (enum br_data_part)part, .whole = whole}, &dataset) != BR_OK) fail_msg("%s", br_error_message());
    br_dataset_close(dataset);
  }
  br_log_to(NULL);
  if (said != (count != NULL) || (count && (!strstr(last_warning, count) || !strstr(last_warning, first) || !strstr(last_warning, where)))) fail_msg("%s: %d warnings, the last '%s'", spec, said, last_warning);
}

static void test_left_out(void **state) {
  (void)state;
  test_make_folder("l/a"), test_make_folder("l/b");
  for (int i = 0; i < 40; i++) {
    char name[32];
    snprintf(name, sizeof name, "l/%c/%02d.png", i % 2 ? 'a' : 'b', i);
    write_picture(name, i);
  }
  test_write("l/.hidden", "x", 1), test_write("l/b/.thumbs.png", "x", 1);
  check_left_out(spec_of("folder", "l"), false, NULL, NULL, NULL);
  test_write("l/b/x.webp", "x", 1);
  check_left_out(spec_of("folder", "l"), false, "1 file or folder is left out", "b/x.webp", ".png in class folders");
  test_make_folder("l/a/deep"), test_write("l/labels.txt", "x", 1);
  write_picture("l/c.png", 1);
  check_left_out(spec_of("folder", "l"), false, "4 files or folders are left out", "a/deep", ".png in class folders");
  test_make_folder("l2");
  write_picture("l2/c.png", 1), test_write("l2/notes", "x", 1);
  check_left_out(spec_of("folder", "l2"), true, "1 file or", "the first notes", "in the folder itself");
  make_parts();
  test_make_folder("p/test/dog"), write_picture("p/test/dog/d.png", 4); /* stands for val/ then */
  test_write("p/README", "x", 1);
  check_left_out(spec_of("folder", "p"), false, "2 files or", "the first README", "in class folders");
}

static int warnings;
static void count_warning(enum br_log_level level, const char *line) { warnings += level == BR_LOG_WARNING && strstr(line, "left out") && strstr(line, "broken"); }

static void test_skip_bad(void **state) {
  (void)state;
  test_make_folder("s/a"), test_make_folder("s/b");
  char name[64];
  for (int i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "s/%c/%s%02d.png", i % 2 ? 'a' : 'b', i % 5 == 0 ? "broken" : "good", i);
    if (i % 5 == 0)
      test_write(name, "\x89PNG\r\n\x1a\nxxxxxxxxxxxx", (size_t)(i == 0 ? 0 : 20));
    else
      write_picture(name, i);
  }
  char spec[600];
  snprintf(spec, sizeof spec, "folder:%s/s", test_folder);
  uint64_t kept = 0, skipped = 0, fingerprint[2];
  br_log_to(count_warning);
  for (int part = 0; part < 2; part++) {
    struct br_dataset *dataset;
    assert_int_equal(br_dataset_open(spec, &(struct br_dataset_options){.part = (enum br_data_part)part, .skip_bad = true}, &dataset), BR_OK);
    for (uint64_t i = 0; i < br_dataset_info(dataset)->count; i++) assert_int_not_equal(number_of(dataset, i) % 5, 0);
    kept += br_dataset_info(dataset)->count;
    skipped += br_dataset_info(dataset)->skipped;
    fingerprint[part] = br_dataset_info(dataset)->fingerprint;
    br_dataset_close(dataset);
  }
  br_log_to(NULL);
  assert_true(kept == 32 && skipped == 8 && warnings == 8);
  /* Without it the picture is named where it is read. */
  struct br_dataset *dataset = opened(spec, BR_DATA_TRAIN);
  assert_int_not_equal(br_dataset_info(dataset)->fingerprint, fingerprint[0]);
  struct br_sample sample = {0};
  int bad = 0;
  for (uint64_t i = 0; i < br_dataset_info(dataset)->count; i++) {
    if (br_dataset_read(dataset, i, &sample) == BR_OK) continue;
    assert_non_null(strstr(br_error_message(), "broken"));
    assert_non_null(strstr(br_error_message(), br_dataset_sample_name(dataset, i)));
    bad++;
  }
  assert_true(bad > 0);
  br_sample_free(&sample);
  br_dataset_close(dataset);
}

static void test_bad_folders(void **state) {
  (void)state;
  refused(spec_of("folder", "nowhere"), BR_DATA_TRAIN, "nowhere", "no folder");
  test_make_folder("e");
  refused(spec_of("folder", "e"), BR_DATA_TRAIN, "/e", "no JPEG or PNG");
  test_make_folder("e/cat");
  refused(spec_of("folder", "e"), BR_DATA_TRAIN, "e/cat", "no JPEG or PNG");
}

/* Pictures and labels, class by class and one after the other, are what they were. */
static void check_same(const char *a_spec, const char *b_spec) {
  for (int part = 0; part < 2; part++) {
    struct br_dataset *a = opened(a_spec, (enum br_data_part)part), *b = opened(b_spec, (enum br_data_part)part);
    const struct br_dataset_info *info = br_dataset_info(a);
    assert_int_equal(info->count, br_dataset_info(b)->count);
    assert_int_equal(info->classes, br_dataset_info(b)->classes);
    for (int i = 0; i < info->classes; i++) assert_string_equal(info->class_names[i], br_dataset_info(b)->class_names[i]);
    struct br_sample x = {0}, y = {0};
    for (uint64_t i = 0; i < info->count; i++) {
      assert_int_equal(br_dataset_read(a, i, &x), BR_OK);
      assert_int_equal(br_dataset_read(b, i, &y), BR_OK);
      assert_true(x.label == y.label && x.H == y.H && x.W == y.W && x.C == y.C);
      assert_memory_equal(x.pixels, y.pixels, (size_t)x.H * (size_t)x.W * (size_t)x.C);
    }
    br_sample_free(&x), br_sample_free(&y);
    br_dataset_close(a), br_dataset_close(b);
  }
}

static void test_pack(void **state) {
  (void)state;
  const struct br_dataset_options options = {.seed = 1};
  struct br_pack pack;
  test_make_folder("t");
  assert_int_equal(br_pack_write("shapes:60,20", &options, test_path("t/shapes"), 0, &pack), BR_OK);
  assert_true(pack.samples == 80 && pack.shards == 1);
  check_same("shapes:60,20", spec_of("tar", "t/shapes-00000.tar"));
  check_any_order(spec_of("tar", "t/shapes-00000.tar"), BR_DATA_TRAIN);

  assert_int_equal(br_pack_write("shapes:60,20", &options, test_path("t/shards"), 100000, &pack), BR_OK);
  assert_true(pack.shards > 2 && pack.shards < 6);
  char spec[4000] = "tar:";
  uint64_t bytes = 0;
  for (uint64_t i = 0; i < pack.shards; i++) {
    char name[64];
    struct stat info;
    snprintf(name, sizeof name, "t/shards-%05u.tar", (unsigned)i);
    assert_int_equal(stat(test_path(name), &info), 0);
    assert_true(info.st_size < 110000);
    bytes += (uint64_t)info.st_size;
    snprintf(spec + strlen(spec), sizeof spec - strlen(spec), "%s%s", i ? "," : "", test_path(name));
  }
  assert_int_equal(bytes, pack.bytes);
  check_same("shapes:60,20", spec);

  /* Picture files go in as they are, part by part. */
  test_make_folder("q/train/cat"), test_make_folder("q/train/7"), test_make_folder("q/test/cat");
  write_picture("q/train/cat/b.png", 1), write_picture("q/train/cat/a.png", 2), write_picture("q/train/7/c.png", 3), write_picture("q/test/cat/d.png", 4);
  assert_int_equal(br_pack_write(spec_of("folder", "q"), &options, test_path("t/q"), 0, &pack), BR_OK);
  check_same(spec_of("folder", "q"), spec_of("tar", "t/q-00000.tar"));
  struct br_map picture, archive;
  assert_int_equal(br_map_open(test_path("q/train/7/c.png"), &picture), BR_OK);
  assert_int_equal(br_map_open(test_path("t/q-00000.tar"), &archive), BR_OK);
  assert_non_null(memmem(archive.data, archive.bytes, picture.data, picture.bytes));
  br_map_close(&picture), br_map_close(&archive);
  char command[700];
  snprintf(command, sizeof command, "cd '%s' && mkdir u && tar xf t/q-00000.tar -C u && cmp u/train/7/c.png q/train/7/c.png && tar cf v.tar q", test_folder);
  assert_int_equal(system(command), 0);
  check_same(spec_of("folder", "q"), spec_of("tar", "v.tar")); /* of other tools too: folders above are passed over */

  /* A failure after several shards (a name that no tar header holds): none is left. */
  char long_name[200];
  snprintf(long_name, sizeof long_name, "q/test/cat/%0120d.png", 1);
  write_picture(long_name, 5);
  test_make_folder("w");
  assert_int_equal(br_pack_write(spec_of("folder", "q"), &options, test_path("w/x"), 2048, &pack), BR_ERROR_DATA);
  assert_true(pack.shards > 1);
  assert_int_equal(rmdir(test_path("w")), 0);
  assert_int_equal(br_pack_write("shapes:3,2", &options, test_path("no/such/folder"), 0, &pack), BR_ERROR_FAILED);
}

static void test_bad_tars(void **state) {
  (void)state;
  struct br_pack pack;
  assert_int_equal(br_pack_write("shapes:6,3", &(struct br_dataset_options){0}, test_path("b"), 0, &pack), BR_OK);
  const char *spec = spec_of("tar", "b-00000.tar"), *name = "b-00000.tar";
  struct br_map map;
  assert_int_equal(br_map_open(test_path(name), &map), BR_OK);
  uint8_t *copy = malloc(map.bytes);
  size_t bytes = map.bytes;
  memcpy(copy, map.data, bytes);
  br_map_close(&map);
  for (size_t cut = 0; cut + 1024 < bytes; cut += 509) { /* anywhere, at block ends too */
    test_write(name, copy, cut);
    refused(spec, BR_DATA_TRAIN, name, "copy the file again");
    test_write(name, copy, cut / 512 * 512);
    refused(spec, BR_DATA_TRAIN, name, "copy the file again");
  }
  test_write(name, copy, 1024 + 512 + 700);
  refused(spec, BR_DATA_TRAIN, name, "the member at byte 1024 has");
  test_write(name, copy, bytes);
  test_write_at(name, 512 + 512 + 3, "X", 1); /* in a header */
  refused(spec, BR_DATA_TRAIN, name, "no tar header at byte 1024");
  test_write(name, copy, bytes);
  test_write_at(name, 512, "bird\nfish", 9); /* classes that are others */
  refused(spec, BR_DATA_TRAIN, name, "none of the");
  test_write_zeros(name, 1024);
  refused(spec, BR_DATA_TRAIN, name, "no JPEG or PNG");
  refused(spec_of("tar", "nowhere.tar"), BR_DATA_TRAIN, "nowhere.tar", "No such file");
  free(copy);
}

/* --- real data ------------------------------------------------------------------------------------------------------------ */

static void test_real_mnist(void **state) {
  (void)state;
  const char *folder = test_shared("data/mnist");
  if (!folder) {
    print_message("skipped: real MNIST (no shared data folder)\n");
    skip();
  }
  char spec[1100];
  snprintf(spec, sizeof spec, "mnist:%s", folder);
  struct br_dataset *dataset = opened(spec, BR_DATA_TEST);
  assert_true(br_dataset_info(dataset)->count == 10000 && br_dataset_info(dataset)->H == 28);
  static const int first[] = {7, 2, 1, 0, 4, 1, 4, 9, 5, 9};
  for (uint64_t i = 0; i < 10; i++) assert_int_equal(br_dataset_label(dataset, i), first[i]);
  br_dataset_close(dataset);
}

static void test_real_photos(void **state) {
  (void)state;
  const char *folder = test_shared("data/imagenet/photos/val");
  if (!folder) {
    print_message("skipped: real photos (no shared data folder)\n");
    skip();
  }
  char spec[1100];
  snprintf(spec, sizeof spec, "folder:%s", folder);
  check_any_order(spec, BR_DATA_TEST);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_shapes),       cmocka_unit_test(test_specs),        cmocka_unit_test(test_cifar),     cmocka_unit_test(test_bad_cifar), cmocka_unit_test(test_mnist),
      cmocka_unit_test(test_bad_mnist),    cmocka_unit_test(test_npy),          cmocka_unit_test(test_npy_headers), cmocka_unit_test(test_folder_order), cmocka_unit_test(test_folder_parts),      cmocka_unit_test(test_folder_flat),
      cmocka_unit_test(test_files), cmocka_unit_test(test_left_out),        cmocka_unit_test(test_skip_bad),     cmocka_unit_test(test_bad_folders),  cmocka_unit_test(test_pack),      cmocka_unit_test(test_bad_tars),  cmocka_unit_test(test_real_mnist),
      cmocka_unit_test(test_real_photos),
  };
  test_folder_make();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_folder_remove();
  return failed;
}
