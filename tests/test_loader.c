/* The loader: what comes out is a function of (seed, epoch, index); each augmentation does what its name says; running ahead changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_files.h"

#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/data/image.h>
#include <bramble/data/loader.h>
#include <bramble/store/npy.h>

#include <math.h>
#include <stdlib.h>

enum { SIDE = 32, C = 3, N = 40, VALUES = SIDE * SIDE * C };

static struct br_dataset *shapes;

static int open_shapes(void **state) {
  (void)state;
  return br_dataset_open("shapes:400,100", &(struct br_dataset_options){.part = BR_DATA_TRAIN, .seed = 7}, &shapes);
}

static int close_shapes(void **state) {
  (void)state;
  br_dataset_close(shapes);
  return 0;
}

static struct br_loader_options plain(void) {
  return (struct br_loader_options){.dataset = shapes, .preprocess = {.H = SIDE, .W = SIDE, .C = C, .mean = {0.5f, 0.4f, 0.3f}, .std = {0.25f, 0.2f, 0.5f}}, .seed = 3};
}

/* The first N samples of an epoch; the caller frees them. */
static float *fill(const struct br_loader_options *options, uint32_t epoch) {
  struct br_loader *loader;
  if (br_loader_open(options, &loader) != BR_OK) fail_msg("%s", br_error_message());
  const struct br_preprocess *p = &options->preprocess;
  float *x = malloc(sizeof(float) * N * (size_t)p->H * (size_t)p->W * (size_t)p->C);
  uint64_t index[N];
  int32_t label[N];
  for (int i = 0; i < N; i++) index[i] = (uint64_t)i;
  if (br_loader_fill(loader, epoch, index, N, x, label) != BR_OK) fail_msg("%s", br_error_message());
  for (int i = 0; i < N; i++) assert_int_equal(label[i], i % 10);
  br_loader_close(loader);
  return x;
}

static float at(const float *x, int i, int y, int column, int c) { return x[((i * SIDE + y) * SIDE + column) * C + c]; }

static void test_values(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  float *x = fill(&options, 0);
  struct br_sample sample = {0};
  for (int i = 0; i < N; i++) {
    assert_int_equal(br_dataset_read(shapes, (uint64_t)i, &sample), BR_OK);
    for (int k = 0; k < VALUES; k++) {
      int c = k % C;
      double expected = (((const uint8_t *)sample.pixels)[k] / 255.0 - (double)options.preprocess.mean[c]) / (double)options.preprocess.std[c];
      assert_true(fabs((double)x[i * VALUES + k] - expected) < 1e-5);
    }
  }
  br_sample_free(&sample);
  free(x);
}

static bool is_mirror(const float *a, const float *b, int i) {
  for (int y = 0; y < SIDE; y++)
    for (int column = 0; column < SIDE; column++)
      for (int c = 0; c < C; c++)
        if (at(a, i, y, column, c) != at(b, i, y, SIDE - 1 - column, c)) return false;
  return true;
}

/* Mirrored or not, nothing else, and about as often; another choice in the next epoch. Also where the picture is resized. */
static void test_flip(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  float *base = fill(&options, 0);
  options.augment.flip = true;
  int flipped = 0, changed = 0;
  float *first = fill(&options, 0), *second = fill(&options, 1);
  for (int i = 0; i < N; i++) {
    bool same = memcmp(base + i * VALUES, first + i * VALUES, VALUES * sizeof(float)) == 0;
    assert_true(same || is_mirror(base, first, i));
    flipped += !same;
    changed += memcmp(second + i * VALUES, first + i * VALUES, VALUES * sizeof(float)) != 0;
  }
  assert_true(flipped > N / 5 && flipped < 4 * N / 5 && changed > N / 5 && changed < 4 * N / 5);
  free(base), free(first), free(second);

  options.preprocess.H = 50, options.preprocess.W = 71;
  float *larger = fill(&options, 0);
  options.augment.flip = false;
  base = fill(&options, 0);
  int count = 0;
  for (int i = 0; i < N; i++) {
    const float *a = base + (size_t)i * 50 * 71 * 3, *b = larger + (size_t)i * 50 * 71 * 3;
    bool mirror = true, same = memcmp(a, b, 50 * 71 * 3 * sizeof(float)) == 0;
    for (int k = 0; k < 50 * 71; k++)
      for (int c = 0; c < 3; c++) mirror = mirror && a[3 * k + c] == b[3 * (k / 71 * 71 + 70 - k % 71) + c];
    assert_true(same || mirror);
    count += mirror;
  }
  assert_int_equal(count, flipped);
  free(base), free(larger);
}

/* Every sample is the picture moved by at most the padding, black (which is -mean / std) beyond its edge. */
static void test_padded_crop(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  float *base = fill(&options, 0);
  options.augment.crop_padding = 3;
  float *x = fill(&options, 2);
  int seen[7][7] = {{0}}, places = 0;
  for (int i = 0; i < N; i++) {
    int found = 0;
    for (int dy = -3; dy <= 3; dy++)
      for (int dx = -3; dx <= 3; dx++) {
        bool same = true;
        for (int y = 0; y < SIDE && same; y++)
          for (int column = 0; column < SIDE && same; column++)
            for (int c = 0; c < C && same; c++) {
              bool inside = y - dy >= 0 && y - dy < SIDE && column - dx >= 0 && column - dx < SIDE;
              double black = -(double)options.preprocess.mean[c] / (double)options.preprocess.std[c];
              same = inside ? at(x, i, y, column, c) == at(base, i, y - dy, column - dx, c) : fabs((double)at(x, i, y, column, c) - black) < 1e-6;
            }
        if (same) found++, places += !seen[dy + 3][dx + 3]++;
      }
    assert_int_equal(found, 1);
  }
  assert_true(places > 15);
  free(base), free(x);
}

static void test_cutout(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  float *base = fill(&options, 0);
  options.augment.cutout = 8;
  float *x = fill(&options, 0);
  for (int i = 0; i < N; i++) {
    int top = SIDE, bottom = -1, left = SIDE, right = -1, changed = 0;
    for (int k = 0; k < SIDE * SIDE; k++) {
      const float *a = base + i * VALUES + k * C, *b = x + i * VALUES + k * C;
      if (memcmp(a, b, sizeof(float) * C) == 0) continue;
      for (int c = 0; c < C; c++) assert_true(b[c] == 0);
      int y = k / SIDE, column = k % SIDE;
      changed++;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
      if (column < left) left = column;
      if (column > right) right = column;
    }
    assert_true(changed == (bottom - top + 1) * (right - left + 1) && changed >= 16 && changed <= 64);
  }
  free(base), free(x);
}

/* Values stay in range, differ between samples and epochs, and a range of 0 changes nothing. */
static void test_colours(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  float *base = fill(&options, 0);
  options.augment.brightness = 0.5f;
  float *bright = fill(&options, 0);
  double least = 9, most = 0;
  for (int i = 0; i < N; i++) {
    double ratio_sum = 0;
    int count = 0;
    for (int k = 0; k < VALUES; k++) {
      int c = k % C;
      double mean = (double)options.preprocess.mean[c], std = (double)options.preprocess.std[c];
      double before = (double)base[i * VALUES + k] * std + mean, after = (double)bright[i * VALUES + k] * std + mean;
      assert_true(after > -1e-6 && after < 1 + 1e-6);
      if (before > 0.1 && after < 0.99) ratio_sum += after / before, count++;
    }
    if (!count) continue;
    double ratio = ratio_sum / count;
    assert_true(ratio > 0.49 && ratio < 1.51);
    if (ratio < least) least = ratio;
    if (ratio > most) most = ratio;
  }
  assert_true(least < 0.7 && most > 1.3);
  options.augment = (struct br_augment){.contrast = 0.4f, .saturation = 0.4f};
  float *x = fill(&options, 0), *again = fill(&options, 0), *next = fill(&options, 1);
  assert_memory_equal(x, again, sizeof(float) * N * VALUES);
  for (int i = 0; i < N; i++) {
    assert_memory_not_equal(x + i * VALUES, base + i * VALUES, sizeof(float) * VALUES);
    assert_memory_not_equal(x + i * VALUES, next + i * VALUES, sizeof(float) * VALUES);
  }
  free(base), free(bright), free(x), free(again), free(next);
}

/* Of the whole area and a square, no ratio but 1 fits: the picture itself. Of less, values stay within the picture's. */
static void test_resized_crop(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  float *base = fill(&options, 0);
  options.augment.resized_crop = 1;
  float *whole = fill(&options, 0);
  int same = 0;
  for (int i = 0; i < N; i++) same += memcmp(base + i * VALUES, whole + i * VALUES, sizeof(float) * VALUES) == 0;
  assert_true(same > N - 4); /* a ratio that rounds to 1 by chance is the same too */
  options.augment.resized_crop = 0.2f;
  float *x = fill(&options, 0), *next = fill(&options, 1);
  for (int i = 0; i < N; i++) {
    assert_memory_not_equal(x + i * VALUES, next + i * VALUES, sizeof(float) * VALUES);
    for (int c = 0; c < C; c++) {
      float low = 99, high = -99;
      for (int k = c; k < VALUES; k += C) low = fminf(low, base[i * VALUES + k]), high = fmaxf(high, base[i * VALUES + k]);
      for (int k = c; k < VALUES; k += C) assert_true(x[i * VALUES + k] > low - 1e-4f && x[i * VALUES + k] < high + 1e-4f);
    }
  }
  free(base), free(whole), free(x), free(next);
}

/* The middle of the picture after its shorter side was resized. */
static void test_resize_shorter(void **state) {
  (void)state;
  uint8_t pixels[3][20][50][3], large[24 * 60 * 3];
  for (size_t i = 0; i < sizeof pixels; i++) ((uint8_t *)pixels)[i] = (uint8_t)(i * 2654435761u >> 13);
  const uint8_t labels[3] = {0, 1, 2};
  assert_int_equal(br_npy_write(test_path("x.npy"), BR_NPY_U8, 4, (size_t[]){3, 20, 50, 3}, pixels), BR_OK);
  assert_int_equal(br_npy_write(test_path("y.npy"), BR_NPY_U8, 1, (size_t[]){3}, labels), BR_OK);
  char spec[1100];
  snprintf(spec, sizeof spec, "npy:%s,%s", test_path("x.npy"), test_path("y.npy"));
  struct br_loader_options options = plain();
  if (br_dataset_open(spec, &(struct br_dataset_options){.part = BR_DATA_TRAIN}, &options.dataset) != BR_OK) fail_msg("%s", br_error_message());
  options.preprocess.resize_shorter = 24;
  for (int d = -1; d <= 1; d++) { /* 4 rows and 20 columns are left out before; halves go to the even number */
    int H = 16 + d, W = 20 + d;
    options.preprocess.H = H, options.preprocess.W = W;
    struct br_loader *loader;
    assert_int_equal(br_loader_open(&options, &loader), BR_OK);
    float x[17 * 21 * 3];
    int32_t label;
    assert_int_equal(br_loader_fill(loader, 0, (uint64_t[]){0}, 1, x, &label), BR_OK);
    struct br_resize r = {&pixels[label][0][0][0], 20, 50, 3, 0, 0, 20, 50, large, 24, 60};
    void *work = malloc(br_image_resize_work_bytes(&r));
    br_image_resize(&r, work);
    for (int y = 0; y < H; y++)
      for (int column = 0; column < W; column++)
        for (int c = 0; c < 3; c++) {
          float value = (x[(y * W + column) * 3 + c] * options.preprocess.std[c] + options.preprocess.mean[c]) * 255;
          assert_true(fabsf(value - large[((y + 4) * 60 + column + 20) * 3 + c]) < 0.51f);
        }
    free(work);
    br_loader_close(loader);
  }
  br_dataset_close(options.dataset);
}

static void test_channels(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  options.preprocess.C = 1;
  float *grey = fill(&options, 0);
  struct br_sample sample = {0};
  assert_int_equal(br_dataset_read(shapes, 5, &sample), BR_OK);
  const uint8_t *p = sample.pixels;
  for (int k = 0; k < SIDE * SIDE; k++, p += 3) {
    double luma = (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]) / 255;
    assert_true(fabs((double)grey[5 * SIDE * SIDE + k] * 0.25 + 0.5 - luma) < 0.003);
  }
  br_sample_free(&sample);
  free(grey);
  struct br_loader *loader;
  options.preprocess.C = 2;
  assert_int_equal(br_loader_open(&options, &loader), BR_ERROR_USAGE);
  options = plain();
  options.preprocess.std[1] = 0;
  assert_int_equal(br_loader_open(&options, &loader), BR_ERROR_USAGE);
  options = plain();
  options.augment.crop_padding = SIDE;
  assert_int_equal(br_loader_open(&options, &loader), BR_ERROR_USAGE);
}

static struct br_loader_options everything(void) {
  struct br_loader_options options = plain();
  options.preprocess.H = 41, options.preprocess.W = 37;
  options.augment = (struct br_augment){.flip = true, .crop_padding = 4, .cutout = 9, .brightness = 0.3f, .contrast = 0.3f, .saturation = 0.3f};
  return options;
}

/* The bits of everything at once: the same on every machine (tests/data_cpu.sh runs this with other instruction sets), and never changed unseen. */
static void test_known_bits(void **state) {
  (void)state;
  struct br_loader_options options = everything();
  float *x = fill(&options, 1);
  uint64_t hash = br_hash64(0, x, sizeof(float) * N * 41 * 37 * 3);
  free(x);
  options.augment.resized_crop = 0.3f;
  x = fill(&options, 1);
  hash = br_hash64(hash, x, sizeof(float) * N * 41 * 37 * 3);
  free(x);
  options.preprocess.H = 9, options.preprocess.W = 7;
  options.augment.cutout = 3;
  x = fill(&options, 1);
  hash = br_hash64(hash, x, sizeof(float) * N * 9 * 7 * 3);
  free(x);
  assert_int_equal(hash, 0x54d83b27d3093d12);
}

/* --- running ahead -------------------------------------------------------------------------------------------------------- */

enum { UNIT = 6, UNITS = 23, LAST = 4 }; /* samples of a unit, units, samples of the last one */

static uint64_t sample_of(int unit, int i) { return (uint64_t)((unit * 31 + i * 17) % 400); }

static int next_unit(void *arg, uint32_t *epoch, uint64_t *index) {
  int *unit = arg;
  if (*unit == UNITS) return 0;
  int n = *unit == UNITS - 1 ? LAST : UNIT;
  for (int i = 0; i < n; i++) index[i] = sample_of(*unit, i);
  *epoch = (uint32_t)*unit / 10;
  ++*unit;
  return n;
}

static void test_stream_is_fill(void **state) {
  (void)state;
  struct br_loader_options options = everything();
  enum { SIZE = 41 * 37 * 3 };
  float *x = malloc(sizeof(float) * UNIT * SIZE);
  for (int depth = 1; depth <= 3; depth++)
    for (int threads = 1; threads <= 3; threads++) {
      struct br_loader *loader;
      int unit = 0;
      assert_int_equal(br_loader_open(&options, &loader), BR_OK);
      assert_int_equal(br_loader_start(loader, next_unit, &unit, UNIT, depth, threads), BR_OK);
      for (int u = 0; u < UNITS; u++) {
        struct br_unit *got;
        assert_int_equal(br_loader_next(loader, &got), BR_OK);
        assert_non_null(got);
        assert_int_equal(got->n, u == UNITS - 1 ? LAST : UNIT);
        assert_int_equal(got->epoch, u / 10);
        uint64_t index[UNIT];
        int32_t label[UNIT];
        for (int i = 0; i < got->n; i++) index[i] = sample_of(u, i);
        assert_int_equal(br_loader_fill(loader, got->epoch, index, got->n, x, label), BR_OK);
        assert_memory_equal(got->x, x, sizeof(float) * (size_t)got->n * SIZE);
        assert_memory_equal(got->label, label, sizeof(int32_t) * (size_t)got->n);
        br_loader_release(loader, got);
      }
      struct br_unit *end;
      for (int again = 0; again < 2; again++) {
        assert_int_equal(br_loader_next(loader, &end), BR_OK);
        assert_null(end);
      }
      br_loader_close(loader);
    }
  free(x);
}

static void test_stream_stops_early(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  for (int taken = 0; taken < 4; taken++) {
    struct br_loader *loader;
    int unit = 0;
    assert_int_equal(br_loader_open(&options, &loader), BR_OK);
    assert_int_equal(br_loader_start(loader, next_unit, &unit, UNIT, 2, 2), BR_OK);
    assert_int_equal(br_loader_start(loader, next_unit, &unit, UNIT, 2, 2), BR_ERROR_USAGE);
    for (int u = 0; u < taken; u++) {
      struct br_unit *got;
      assert_int_equal(br_loader_next(loader, &got), BR_OK);
      if (u < 2) br_loader_release(loader, got);
    }
    br_loader_close(loader);
  }
}

static int next_with_error(void *arg, uint32_t *epoch, uint64_t *index) {
  int *unit = arg;
  *epoch = 0;
  index[0] = *unit == 5 ? 4000000 : (uint64_t)*unit;
  ++*unit;
  return 1;
}

/* The error comes where its unit would, after all units before it. */
static void test_stream_passes_errors(void **state) {
  (void)state;
  struct br_loader_options options = plain();
  struct br_loader *loader;
  int unit = 0;
  assert_int_equal(br_loader_open(&options, &loader), BR_OK);
  assert_int_equal(br_loader_start(loader, next_with_error, &unit, 1, 3, 2), BR_OK);
  struct br_unit *got;
  for (int u = 0; u < 5; u++) {
    assert_int_equal(br_loader_next(loader, &got), BR_OK);
    assert_int_equal(got->label[0], u);
    br_loader_release(loader, got);
  }
  br_error_set(BR_ERROR_FAILED, "another message");
  assert_int_equal(br_loader_next(loader, &got), BR_ERROR_USAGE);
  assert_null(got);
  assert_non_null(strstr(br_error_message(), "4000000"));
  br_loader_close(loader);
}

/* Rows in memory come out normalised, whichever are asked for. */
static void test_rows_in_memory(void **state) {
  (void)state;
  enum { ROWS = 50, WIDTH = 3, ASKED = 5 };
  float *rows, out[ASKED * WIDTH];
  int32_t *labels, label[ASKED];
  const uint64_t index[ASKED] = {49, 0, 7, 7, 31}, beyond = ROWS;
  assert_int_equal(br_memory_alloc(ROWS * WIDTH, sizeof *rows, "rows", &rows), BR_OK);
  assert_int_equal(br_memory_alloc(ROWS, sizeof *labels, "labels", &labels), BR_OK);
  for (int i = 0; i < ROWS * WIDTH; i++) rows[i] = (float)i / 7;
  for (int i = 0; i < ROWS; i++) labels[i] = br_number_label(0.5f - (float)i);
  struct br_dataset *data;
  assert_int_equal(br_dataset_open_rows(&(struct br_dataset_rows){.count = ROWS, .C = WIDTH, .x = rows, .label = labels, .numbers = true}, &data), BR_OK);
  assert_int_equal(br_dataset_info(data)->classes, 0);
  struct br_loader_options options = {.dataset = data, .preprocess = {.H = 1, .W = 1, .C = WIDTH, .mean = {1, 2, 3}, .std = {0.5f, 2, 4}}};
  struct br_loader *loader;
  assert_int_equal(br_loader_open(&options, &loader), BR_OK);
  assert_true(br_loader_gives_numbers(loader));
  assert_int_equal(br_loader_fill(loader, 0, index, ASKED, out, label), BR_OK);
  assert_int_equal(br_loader_fill(loader, 0, &beyond, 1, out, label), BR_ERROR_USAGE);
  br_loader_close(loader);
  for (int i = 0; i < ASKED; i++) {
    assert_float_equal(br_label_number(label[i]), 0.5f - (float)index[i], 0);
    for (int c = 0; c < WIDTH; c++) {
      float scale = (float)(1 / (double)options.preprocess.std[c]), bias = (float)(-(double)options.preprocess.mean[c] / (double)options.preprocess.std[c]);
      assert_float_equal(out[i * WIDTH + c], rows[index[i] * WIDTH + (uint64_t)c] * scale + bias, 0);
    }
  }
  br_dataset_close(data);
}

/* Pictures of bytes in memory, as large as the input: normalised where they lie, but not if they are enlarged and cut first. */
static void test_bytes_in_memory(void **state) {
  (void)state;
  enum { PICTURES = 12, H = 5, W = 7, BYTES = H * W * 3 };
  uint8_t pixels[PICTURES][BYTES];
  for (size_t i = 0; i < sizeof pixels; i++) ((uint8_t *)pixels)[i] = (uint8_t)(i * 2654435761u >> 13);
  uint8_t labels[PICTURES];
  for (int i = 0; i < PICTURES; i++) labels[i] = (uint8_t)i;
  assert_int_equal(br_npy_write(test_path("x.npy"), BR_NPY_U8, 4, (size_t[]){PICTURES, H, W, 3}, pixels), BR_OK);
  assert_int_equal(br_npy_write(test_path("y.npy"), BR_NPY_U8, 1, (size_t[]){PICTURES}, labels), BR_OK);
  char spec[1100];
  snprintf(spec, sizeof spec, "npy:%s,%s", test_path("x.npy"), test_path("y.npy"));
  struct br_loader_options options = plain();
  if (br_dataset_open(spec, &(struct br_dataset_options){.whole = true}, &options.dataset) != BR_OK) fail_msg("%s", br_error_message());
  options.preprocess.H = H, options.preprocess.W = W;
  for (int enlarged = 0; enlarged < 2; enlarged++) {
    options.preprocess.resize_shorter = enlarged ? H + 2 : 0;
    struct br_loader *loader;
    assert_int_equal(br_loader_open(&options, &loader), BR_OK);
    float x[PICTURES * BYTES];
    int32_t label[PICTURES];
    int same = 0;
    assert_int_equal(br_loader_fill(loader, 0, (uint64_t[]){11, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, PICTURES, x, label), BR_OK);
    for (int i = 0; i < PICTURES; i++)
      for (int k = 0; k < BYTES; k++) {
        const struct br_preprocess *p = &options.preprocess;
        float scale = (float)(1 / (255 * (double)p->std[k % 3])), bias = (float)(-(double)p->mean[k % 3] / (double)p->std[k % 3]);
        same += x[i * BYTES + k] == (float)pixels[label[i]][k] * scale + bias;
      }
    assert_int_equal(label[0], 11);
    assert_int_equal(same == PICTURES * BYTES, !enlarged);
    br_loader_close(loader);
  }
  br_dataset_close(options.dataset);
}

static void test_nothing_is_allocated(void **state) {
  (void)state;
  struct br_loader_options options = everything();
  options.augment.resized_crop = 0.3f;
  struct br_loader *loader;
  assert_int_equal(br_loader_open(&options, &loader), BR_OK);
  float *x = malloc(sizeof(float) * UNIT * 41 * 37 * 3);
  int32_t label[UNIT];
  uint64_t index[UNIT] = {0, 1, 2, 3, 4, 5};
  size_t calls = 0;
  for (uint32_t epoch = 0; epoch < 20; epoch++) {
    assert_int_equal(br_loader_fill(loader, epoch, index, UNIT, x, label), BR_OK);
    if (epoch == 9) calls = br_memory_alloc_calls();
  }
  assert_int_equal(br_memory_alloc_calls(), calls);
  free(x);
  br_loader_close(loader);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values),         cmocka_unit_test(test_flip),         cmocka_unit_test(test_padded_crop),        cmocka_unit_test(test_cutout),
      cmocka_unit_test(test_colours),        cmocka_unit_test(test_resized_crop), cmocka_unit_test(test_resize_shorter),     cmocka_unit_test(test_channels),
      cmocka_unit_test(test_known_bits),     cmocka_unit_test(test_stream_is_fill), cmocka_unit_test(test_stream_stops_early), cmocka_unit_test(test_stream_passes_errors),
      cmocka_unit_test(test_nothing_is_allocated), cmocka_unit_test(test_rows_in_memory), cmocka_unit_test(test_bytes_in_memory),
  };
  test_folder_make();
  int failed = cmocka_run_group_tests(tests, open_shapes, close_shapes);
  test_folder_remove();
  return failed;
}
