/* Pictures: resizing and decoding against Pillow's results (tests/reference/data_pillow.py made them), PNG out and in, bad files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_files.h"

#include <bramble/base/memory.h>
#include <bramble/data/image.h>
#include <bramble/data/sheet.h>
#include <bramble/store/file.h>
#include <bramble/store/npy.h>

#include <stdlib.h>
#include <zlib.h>

static int distance(uint8_t a, uint8_t b) { return a > b ? a - b : b - a; }

static uint8_t *read_array(const char *name, struct br_npy *npy) {
  void *elements;
  assert_int_equal(br_npy_read(test_reference(name), npy, &elements), BR_OK);
  return elements;
}

static void test_resize_is_pillows(void **state) {
  (void)state;
  static const float box[][4] = {{0}, {0}, {0}, {1.5f, 2.25f, 20.75f, 17}, {0}, {0}, {3, 5, 20, 29}, {0}}; /* left, top, right, bottom */
  for (int i = 0; i < 8; i++) {
    char name[64];
    struct br_npy source_shape, expected_shape;
    snprintf(name, sizeof name, "resize_%d_source.npy", i);
    uint8_t *source = read_array(name, &source_shape);
    snprintf(name, sizeof name, "resize_%d_expected.npy", i);
    uint8_t *expected = read_array(name, &expected_shape), *result = malloc(expected_shape.count + 1);
    result[expected_shape.count] = 77; /* a guard */
    struct br_resize r = {.src = source, .src_H = (int)source_shape.shape[0], .src_W = (int)source_shape.shape[1], .C = (int)source_shape.shape[2],
                          .dst = result, .H = (int)expected_shape.shape[0], .W = (int)expected_shape.shape[1]};
    bool whole = box[i][2] == 0;
    r.left = box[i][0], r.top = box[i][1];
    r.width = whole ? (float)r.src_W : box[i][2] - r.left;
    r.height = whole ? (float)r.src_H : box[i][3] - r.top;
    void *work = malloc(br_image_resize_work_bytes(&r));
    memset(work, 0xFF, br_image_resize_work_bytes(&r)); /* NaN: what is not written must not be used */
    br_image_resize(&r, work);
    for (size_t k = 0; k < expected_shape.count; k++)
      if (distance(result[k], expected[k]) > 1) fail_msg("case %d, value %zu: %d, Pillow has %d", i, k, result[k], expected[k]);
    assert_int_equal(result[expected_shape.count], 77);
    free(work);
    free(result);
    br_memory_free(source);
    br_memory_free(expected);
  }
}

static void test_resize_keeps_constants_and_mirrors(void **state) {
  (void)state;
  for (int H = 1; H < 12; H += 3)
    for (int W = 1; W < 40; W += 7) {
      uint8_t src[20 * 13 * 3], mirrored[20 * 13 * 3], dst[12 * 40 * 3], back[12 * 40 * 3];
      for (int i = 0; i < 20 * 13; i++)
        for (int c = 0; c < 3; c++) {
          src[3 * i + c] = (uint8_t)(c == 0 ? 255 : (i * 37 + c * 11) % 256);
          mirrored[3 * (i / 13 * 13 + 12 - i % 13) + c] = src[3 * i + c];
        }
      struct br_resize r = {src, 20, 13, 3, 0, 0, 20, 13, dst, H, W};
      void *work = malloc(br_image_resize_work_bytes(&r));
      br_image_resize(&r, work);
      r.src = mirrored, r.dst = back;
      br_image_resize(&r, work);
      free(work);
      for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
          assert_int_equal(dst[3 * (y * W + x)], 255);
          for (int c = 0; c < 3; c++) assert_true(distance(dst[3 * (y * W + x) + c], back[3 * (y * W + W - 1 - x) + c]) <= 1);
        }
    }
}

static int read_image(const char *path, struct br_image *image) {
  struct br_map map;
  BR_TRY(br_map_open(path, &map));
  int status = br_image_decode(path, map.data, map.bytes, 0, image);
  br_map_close(&map);
  return status;
}

static void check_decoded(const char *name, const char *ending, int tolerance) {
  char file[64], array[64];
  snprintf(file, sizeof file, "decode_%s.%s", name, ending);
  snprintf(array, sizeof array, "decode_%s.npy", name);
  struct br_image image = {0};
  struct br_npy shape;
  if (read_image(test_reference(file), &image) != BR_OK) fail_msg("%s", br_error_message());
  uint8_t *expected = read_array(array, &shape);
  assert_int_equal(image.H, shape.shape[0]);
  assert_int_equal(image.W, shape.shape[1]);
  assert_int_equal(image.C, 3);
  for (size_t i = 0; i < shape.count; i++)
    if (distance(image.pixels[i], expected[i]) > tolerance) fail_msg("%s, value %zu: %d, Pillow has %d", name, i, image.pixels[i], expected[i]);
  br_memory_free(expected);
  br_image_free(&image);
}

static void test_decode_is_pillows(void **state) {
  (void)state;
  static const char *const png[] = {"rgb", "grey", "alpha", "palette", "bit", "wide"};
  for (size_t i = 0; i < sizeof png / sizeof *png; i++) check_decoded(png[i], "png", 0);
  check_decoded("jpeg_rgb", "jpg", 2); /* versions of libjpeg differ a little in chroma */
  check_decoded("jpeg_grey", "jpg", 1);
  check_decoded("jpeg_cmyk", "jpg", 2);
  for (int orientation = 2; orientation <= 8; orientation++) {
    char name[40];
    snprintf(name, sizeof name, "jpeg_orientation_%d", orientation);
    check_decoded(name, "jpg", 2);
  }
}

static void test_decode_shrinks(void **state) {
  (void)state;
  struct br_map map;
  assert_int_equal(br_map_open(test_reference("decode_jpeg_rgb.jpg"), &map), BR_OK); /* 24 x 40 */
  static const int at_least[] = {0, 25, 24, 13, 12, 7, 6, 3, 1}, H[] = {24, 24, 24, 24, 12, 12, 6, 3, 3};
  struct br_image image = {0};
  for (size_t i = 0; i < sizeof H / sizeof *H; i++) {
    assert_int_equal(br_image_decode("photo", map.data, map.bytes, at_least[i], &image), BR_OK);
    assert_int_equal(image.H, H[i]);
    assert_int_equal(image.W, H[i] * 40 / 24);
  }
  br_image_free(&image);
  br_map_close(&map);
}

static void test_png_comes_back(void **state) {
  (void)state;
  for (int C = 1; C <= 3; C += 2) {
    uint8_t pixels[7 * 5 * 3];
    for (int i = 0; i < 7 * 5 * C; i++) pixels[i] = (uint8_t)(i * 29);
    struct br_image out = {7, 5, C, pixels, 0}, in = {0};
    assert_int_equal(br_image_write_png(test_path("a.png"), &out), BR_OK);
    assert_int_equal(read_image(test_path("a.png"), &in), BR_OK);
    assert_true(in.H == 7 && in.W == 5 && in.C == 3);
    for (int i = 0; i < 35; i++)
      for (int c = 0; c < 3; c++) assert_int_equal(in.pixels[3 * i + c], pixels[C * i + (C == 3 ? c : 0)]);
    br_image_free(&in);
  }
  struct br_image out = {1, 1, 3, (uint8_t[3]){0}, 0};
  assert_int_equal(br_image_write_png(test_path("no/such/folder.png"), &out), BR_ERROR_FAILED);
}

static void refused(const char *name, const void *data, size_t bytes, const char *word) {
  struct br_image image = {0};
  assert_int_equal(br_image_decode(name, data, bytes, 0, &image), BR_ERROR_DATA);
  if (!strstr(br_error_message(), name) || !strstr(br_error_message(), word)) fail_msg("'%s' lacks '%s' or '%s'", br_error_message(), name, word);
  br_image_free(&image);
}

/* Any cut of a good file is refused, save a JPEG that only lacks its end mark or a PNG without its last chunk's end. */
static void test_bad_pictures(void **state) {
  (void)state;
  refused("a.jpg", "", 0, "empty");
  refused("a.jpg", "GIF89a..", 8, "neither JPEG nor PNG");
  static const char *const names[] = {"decode_jpeg_rgb.jpg", "decode_rgb.png"};
  for (int i = 0; i < 2; i++) {
    struct br_map map;
    assert_int_equal(br_map_open(test_reference(names[i]), &map), BR_OK);
    for (size_t bytes = 0; bytes + 16 < map.bytes; bytes += 7) refused(names[i], map.data, bytes, "");
    br_map_close(&map);
  }
}

/* 20,000 x 20,000 pixels, and 16,000 x 16,000 in a few bytes: refused by the header, without the memory. */
static void test_huge_pictures(void **state) {
  (void)state;
  struct br_map map;
  uint8_t copy[4096];
  size_t before = br_memory_peak_bytes(), size_at = 0;
  assert_int_equal(br_map_open(test_reference("decode_jpeg_rgb.jpg"), &map), BR_OK);
  memcpy(copy, map.data, map.bytes);
  for (size_t i = 2; i + 9 < map.bytes; i++)
    if (copy[i] == 0xFF && copy[i + 1] == 0xC0) {
      size_at = i + 5;
      break;
    }
  memcpy(copy + size_at, "\x4e\x20\x4e\x20", 4);
  refused("huge.jpg", copy, map.bytes, "20000 x 20000 pixels are more");
  memcpy(copy + size_at, "\x3e\x80\x3e\x80", 4);
  refused("huge.jpg", copy, map.bytes, "16000 x 16000 pixels cannot be");
  br_map_close(&map);

  static const uint8_t sizes[2][2] = {{0x4e, 0x20}, {0x3e, 0x80}};
  static const char *const words[2] = {"20000 x 20000", "cannot be"};
  for (int i = 0; i < 2; i++) {
    const uint8_t png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, sizes[i][0], sizes[i][1], 0, 0, sizes[i][0], sizes[i][1], 8, 2, 0, 0, 0};
    static const uint8_t idat[] = {0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e};
    unsigned long crc = crc32(0, png + 12, sizeof png - 12);
    memcpy(copy, png, sizeof png);
    for (int k = 0; k < 4; k++) copy[sizeof png + (size_t)k] = (uint8_t)(crc >> (24 - 8 * k));
    memcpy(copy + sizeof png + 4, idat, sizeof idat);
    refused("huge.png", copy, sizeof png + 4 + sizeof idat, words[i]);
  }
  assert_true(br_memory_peak_bytes() - before < 1 << 20);
}

static void test_sheet(void **state) {
  (void)state;
  struct br_dataset *dataset;
  assert_int_equal(br_dataset_open("shapes:100,10", &(struct br_dataset_options){.part = BR_DATA_TRAIN}, &dataset), BR_OK);
  struct br_image image = {0};
  assert_int_equal(br_sheet_draw(dataset, 100, 3, 32, &image), BR_OK);
  assert_true(image.H == 10 * 34 + 2 && image.W == 3 * 34 + 2 && image.C == 3);
  struct br_sample sample = {0};
  for (int row = 0; row < 10; row++)
    for (int column = 0; column < 3; column++) {
      assert_int_equal(br_dataset_read(dataset, (uint64_t)(10 * column + row), &sample), BR_OK);
      for (int y = 0; y < 32; y++)
        assert_memory_equal(image.pixels + 3 * ((2 + 34 * row + y) * image.W + 2 + 34 * column), (uint8_t *)sample.pixels + 96 * y, 96);
    }
  assert_int_equal(image.pixels[0], 255);
  br_sample_free(&sample);
  br_image_free(&image);
  br_dataset_close(dataset);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_resize_is_pillows),  cmocka_unit_test(test_resize_keeps_constants_and_mirrors), cmocka_unit_test(test_decode_is_pillows),
      cmocka_unit_test(test_decode_shrinks),     cmocka_unit_test(test_png_comes_back),                     cmocka_unit_test(test_bad_pictures),
      cmocka_unit_test(test_huge_pictures),      cmocka_unit_test(test_sheet),
  };
  test_folder_make();
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  test_folder_remove();
  return failed;
}
