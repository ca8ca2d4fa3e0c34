/* JPEG by libjpeg-turbo. The decoder may shrink by 2, 4 or 8 in its inverse DCT (the sizes it has vector code for), which is most of what makes
 * large photos cheap. */
#include "codec.h"

#include <bramble/base/error.h>

#include <string.h>
#include <turbojpeg.h>

/* A block of 8 x 8 pixels takes a bit at least, which is 512; so a header that lies costs little memory. */
enum { MOST_PIXELS_PER_BYTE = 1024 };

bool br__is_jpeg(const uint8_t *data, size_t bytes) { return bytes >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF; }

/* Adobe's CMYK is stored inverted: 255 is no ink. */
static void cmyk_to_rgb(struct br_image *image) {
  size_t n = (size_t)image->H * (size_t)image->W;
  uint8_t *pixel = image->pixels;
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < 3; c++) pixel[3 * i + c] = (uint8_t)((pixel[4 * i + c] * pixel[4 * i + 3] + 127) / 255);
  image->C = 3;
}

/* Some files carry harmless rubbish, of which the library warns; one that stops early is not whole. */
static bool is_whole(tjhandle handle) { return tjGetErrorCode(handle) == TJERR_WARNING && !strstr(tjGetErrorStr2(handle), "remature end"); }

static int decode(tjhandle handle, const char *name, const uint8_t *data, size_t bytes, int shorter_at_least, struct br_image *image) {
  int W, H, subsampling, space;
  if (tjDecompressHeader3(handle, data, bytes, &W, &H, &subsampling, &space) != 0 && !is_whole(handle))
    BR_FAIL(BR_ERROR_DATA, "%s: is no JPEG that can be decoded: %s", name, tjGetErrorStr2(handle));
  BR_TRY(br__image_check(name, (uint64_t)H, (uint64_t)W));
  if ((uint64_t)W * (uint64_t)H / MOST_PIXELS_PER_BYTE > bytes) BR_FAIL(BR_ERROR_DATA, "%s: %d x %d pixels cannot be in %zu bytes; copy the file again", name, W, H, bytes);
  int shrink = 1, shorter = W < H ? W : H;
  while (shorter_at_least > 0 && shrink < 8 && shorter / (2 * shrink) >= shorter_at_least) shrink *= 2;
  tjscalingfactor factor = {1, shrink};
  int small_W = TJSCALED(W, factor), small_H = TJSCALED(H, factor);
  bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
  BR_TRY(br__image_shape(name, image, (uint64_t)small_H, (uint64_t)small_W, cmyk ? 4 : 3));
  if (tjDecompress2(handle, data, bytes, image->pixels, small_W, 0, small_H, cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT) != 0 && !is_whole(handle))
    BR_FAIL(BR_ERROR_DATA, "%s: does not decode: %s", name, tjGetErrorStr2(handle));
  if (cmyk) cmyk_to_rgb(image);
  return BR_OK;
}

int br__jpeg_decode(const char *name, const uint8_t *data, size_t bytes, int shorter_at_least, struct br_image *image) {
  tjhandle handle = tjInitDecompress();
  if (!handle) BR_FAIL(BR_ERROR_MEMORY, "%s: the JPEG decoder cannot start: %s", name, tjGetErrorStr2(NULL));
  int status = decode(handle, name, data, bytes, shorter_at_least, image);
  tjDestroy(handle);
  return status;
}

/* --- EXIF ----------------------------------------------------------------------------------------------------------------- */

/* Numbers of a TIFF block in its own byte order. */
struct tiff {
  const uint8_t *data;
  size_t bytes;
  bool big_endian;
};

static uint32_t tiff_number(const struct tiff *tiff, size_t at, size_t n) {
  uint32_t value = 0;
  if (at > tiff->bytes || tiff->bytes - at < n) return 0;
  for (size_t i = 0; i < n; i++) value |= (uint32_t)tiff->data[at + i] << 8 * (tiff->big_endian ? n - 1 - i : i);
  return value;
}

/* Tag 0x0112 of the first directory. */
static int tiff_orientation(const uint8_t *data, size_t bytes) {
  struct tiff tiff = {data, bytes, bytes > 0 && data[0] == 'M'};
  if (tiff_number(&tiff, 2, 2) != 42) return 1;
  size_t directory = tiff_number(&tiff, 4, 4);
  uint32_t entries = tiff_number(&tiff, directory, 2);
  for (size_t i = 0; i < entries; i++) {
    size_t entry = directory + 2 + 12 * i;
    if (tiff_number(&tiff, entry, 2) != 0x0112) continue;
    uint32_t value = tiff_number(&tiff, entry + 8, 2);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

int br__jpeg_orientation(const uint8_t *data, size_t bytes) {
  size_t at = 2;
  while (at + 4 <= bytes && data[at] == 0xFF && data[at + 1] != 0xDA) {
    size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
    if (length < 2 || length > bytes - at - 2) return 1;
    const uint8_t *segment = data + at + 4;
    if (data[at + 1] == 0xE1 && length >= 8 && memcmp(segment, "Exif\0\0", 6) == 0) return tiff_orientation(segment + 6, length - 8);
    at += 2 + length;
  }
  return 1;
}
