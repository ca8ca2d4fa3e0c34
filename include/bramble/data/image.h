/* Pictures: decoding, encoding, resizing, all on 8-bit interleaved pixels in rows. */
#ifndef BRAMBLE_DATA_IMAGE_H
#define BRAMBLE_DATA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct br_image {
  int H, W, C;     /* C 1 (grey) or 3 (RGB) */
  uint8_t *pixels; /* H x W x C */
  size_t capacity_bytes;
};
void br_image_free(struct br_image *image); /* NULL does nothing */

/* Decodes a JPEG or PNG of `bytes` bytes into `image` (grown as needed) as RGB: grey, CMYK, palette and 16-bit are converted,
 * alpha is laid over white, EXIF orientation is applied. `shorter_at_least` > 0 lets the JPEG decoder shrink by its DCT as long as the shorter side stays at
 * least that long. `name` is for messages. More than 2^28 pixels are refused. Errors: BR_ERROR_DATA. */
int br_image_decode(const char *name, const void *data, size_t bytes, int shorter_at_least, struct br_image *image);
/* Writes it as a PNG of its 1 or 3 channels, whole or not at all. Errors: BR_ERROR_FAILED. */
int br_image_write_png(const char *path, const struct br_image *image);
/* The same into memory: *data, to be freed with free(), and its bytes. */
int br_image_encode_png(const struct br_image *image, unsigned char **data, size_t *bytes);

/* Bilinear with half-pixel centres, antialiased when shrinking (triangle filter as wide as the scale): equal to Pillow's BILINEAR
 * within 1 level. Source rectangle (top, left, height, width may be fractions) to H x W. `work` of br_image_resize_work_bytes.
 * dst has H x W x C bytes and does not overlap src. */
struct br_resize {
  const uint8_t *src;
  int src_H, src_W, C;
  float top, left, height, width; /* source rectangle in pixels */
  uint8_t *dst;
  int H, W;
};
size_t br_image_resize_work_bytes(const struct br_resize *resize);
void br_image_resize(const struct br_resize *resize, void *work);

#endif
