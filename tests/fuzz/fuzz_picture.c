/* JPEG and PNG from memory: our handling of headers, EXIF, limits and the libraries' errors. */
#include "../data_files.h"
#include "fuzz.h"

#include <bramble/data/image.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct br_image image = {0};
  if (br_image_decode("fuzz", data, bytes, bytes % 2 ? 8 : 0, &image) == 0 && (image.H < 1 || image.W < 1 || image.C != 3)) __builtin_trap();
  br_image_free(&image);
  return 0;
}

size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const char *const names[] = {"decode_jpeg_rgb.jpg", "decode_jpeg_cmyk.jpg", "decode_jpeg_orientation_6.jpg", "decode_rgb.png", "decode_palette.png", "decode_wide.png", "decode_alpha.png"};
  if (which >= (int)(sizeof names / sizeof *names)) return 0;
  FILE *file = fopen(test_reference(names[which]), "rb");
  if (!file) return 0;
  size_t n = fread(data, 1, capacity, file);
  fclose(file);
  return n;
}
