/* mnist:DIR: LeCun's idx files, as they are or with .gz. Numbers in the header are big-endian; after it come the bytes. All of it is kept
 * in memory (47 MB), because the files come compressed. Fashion-MNIST and others with these file names open too. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <string.h>
#include <zlib.h>

enum { CLASSES = 10, MOST_SIDE = 4096 };

struct mnist {
  uint8_t *pixels, *labels;
  const char **names;
};

static void mnist_close(struct br_dataset *dataset) {
  struct mnist *mnist = dataset->state;
  if (!mnist) return;
  br_memory_free(mnist->pixels);
  br_memory_free(mnist->labels);
  br_memory_free(mnist->names);
  br_memory_free(mnist);
}

static uint32_t big_endian(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* Reads exactly `bytes`, which are at `at` of the unpacked file. */
static int read_exactly(const char *path, gzFile file, uint64_t at, void *data, size_t bytes) {
  uint8_t *to = data;
  while (bytes) {
    int n = gzread(file, to, (unsigned)(bytes > 1 << 20 ? 1 << 20 : bytes)), code;
    if (n <= 0) {
      const char *text = gzerror(file, &code);
      if (n < 0 && code == Z_DATA_ERROR) BR_FAIL(BR_ERROR_DATA, "%s: the compressed data is damaged near byte %llu (%s); copy the file again", path, (unsigned long long)at, text);
      BR_FAIL(BR_ERROR_DATA, "%s: ends at byte %llu, %zu bytes early; copy the file again", path, (unsigned long long)at, bytes);
    }
    to += n, at += (uint64_t)n, bytes -= (size_t)n;
  }
  return BR_OK;
}

/* An idx file of unsigned bytes with `dims` dimensions; all of its elements into *data. */
static int read_idx(const char *path, gzFile file, int dims, uint32_t shape[3], uint8_t **data) {
  uint8_t header[16];
  size_t header_bytes = 4 + 4 * (size_t)dims, bytes = 1;
  BR_TRY(read_exactly(path, file, 0, header, header_bytes));
  if (big_endian(header) != 0x800u + (uint32_t)dims)
    BR_FAIL(BR_ERROR_DATA, "%s: begins with 0x%08x, an idx file of bytes with %d dimensions with 0x%08x", path, big_endian(header), dims, 0x800u + (uint32_t)dims);
  for (int i = 0; i < dims; i++) {
    shape[i] = big_endian(header + 4 + 4 * i);
    if (shape[i] == 0 || shape[i] > (i == 0 ? 1u << 30 : MOST_SIDE)) BR_FAIL(BR_ERROR_DATA, "%s: a size of %u at byte %d; copy the file again", path, shape[i], 4 + 4 * i);
    if (!br_size_mul(bytes, shape[i], &bytes) || bytes > (size_t)1 << 40) BR_FAIL(BR_ERROR_DATA, "%s: more than a terabyte by its header; copy the file again", path);
  }
  /* The elements come in steps, so that a header that lies costs no memory. */
  size_t capacity = 0, used = 0;
  while (used < bytes) {
    size_t want = capacity ? 2 * capacity : 1 << 20;
    if (want > bytes) want = bytes;
    uint8_t *larger;
    BR_TRY(br_memory_alloc(want, 1, path, &larger));
    if (used) memcpy(larger, *data, used);
    br_memory_free(*data);
    *data = larger;
    capacity = want;
    BR_TRY(read_exactly(path, file, header_bytes + used, *data + used, capacity - used));
    used = capacity;
  }
  if (gzread(file, header, 1) != 0) BR_FAIL(BR_ERROR_DATA, "%s: goes on after the %zu bytes that its header tells; copy the file again", path, header_bytes + bytes);
  return BR_OK;
}

static int open_idx(const char *folder, const char *const names[2], int dims, uint32_t shape[3], uint8_t **data, char path[BR__PATH]) {
  static const char *const endings[] = {"", ".gz"};
  for (int i = 0; i < 4; i++) {
    char name[64];
    memcpy(name, names[i / 2], strlen(names[i / 2]) + 1);
    strcat(name, endings[i % 2]);
    BR_TRY(br__path_join(path, folder, name));
    if (!br_file_exists(path)) continue;
    gzFile file = gzopen(path, "rb");
    if (!file) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read", path);
    gzbuffer(file, 1 << 17);
    int status = read_idx(path, file, dims, shape, data);
    gzclose(file);
    return status;
  }
  BR_FAIL(BR_ERROR_DATA, "%s: has no file %s or %s.gz", folder, names[0], names[0]);
}

static int mnist_open(const char *folder, const struct br_dataset_options *options, struct br_dataset *dataset) {
  static const char *const images[2][2] = {{"train-images-idx3-ubyte", "train-images.idx3-ubyte"}, {"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"}};
  static const char *const labels[2][2] = {{"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"}, {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"}};
  int test = options->part == BR_DATA_TEST;
  struct mnist *mnist;
  BR_TRY(br_memory_alloc(1, sizeof *mnist, "mnist", &mnist));
  dataset->state = mnist;
  uint32_t shape[3], n_labels[3];
  char path[BR__PATH];
  BR_TRY(open_idx(folder, images[test], 3, shape, &mnist->pixels, path));
  BR_TRY(open_idx(folder, labels[test], 1, n_labels, &mnist->labels, path));
  if (n_labels[0] != shape[0]) BR_FAIL(BR_ERROR_DATA, "%s: has %u labels for %u pictures", path, n_labels[0], shape[0]);
  for (uint32_t i = 0; i < shape[0]; i++)
    if (mnist->labels[i] >= CLASSES) BR_FAIL(BR_ERROR_DATA, "%s: label %d at byte %u, labels are 0 to %d; copy the file again", path, mnist->labels[i], 8 + i, CLASSES - 1);
  BR_TRY(br__class_names_numbered(CLASSES, &mnist->names));
  struct br_dataset_info *info = &dataset->info;
  info->count = br__limited(shape[0], options->limit);
  info->classes = CLASSES;
  info->class_names = mnist->names;
  info->H = (int)shape[1];
  info->W = (int)shape[2];
  info->C = 1;
  info->type = BR_SAMPLE_U8;
  size_t picture = (size_t)shape[1] * shape[2];
  info->memory_bytes = shape[0] * (picture + 1);
  info->fingerprint = br_hash64(br_hash64(0, mnist->labels, info->count), mnist->pixels, info->count * picture);
  return BR_OK;
}

static int mnist_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  const struct mnist *mnist = dataset->state;
  size_t n = (size_t)dataset->info.H * (size_t)dataset->info.W;
  BR_TRY(br__sample_shape(sample, dataset->info.H, dataset->info.W, 1, BR_SAMPLE_U8));
  memcpy(sample->pixels, mnist->pixels + index * n, n);
  return BR_OK;
}

static int32_t mnist_label(const struct br_dataset *dataset, uint64_t index) { return ((const struct mnist *)dataset->state)->labels[index]; }

const struct br__source br__source_mnist = {.name = "mnist", .argument = "DIR", .open = mnist_open, .read = mnist_read, .label = mnist_label, .close = mnist_close};
