/* The two picture formats, behind br_image_decode and br_image_write_png. Private to src/data. */
#ifndef BRAMBLE_DATA_CODEC_H
#define BRAMBLE_DATA_CODEC_H

#include <bramble/data/image.h>
#include <stdbool.h>

#define BR__MOST_PIXELS ((uint64_t)1 << 28)

/* Refuses no or more than BR__MOST_PIXELS pixels. `name` is for messages. */
int br__image_check(const char *name, uint64_t H, uint64_t W);
/* Makes `image` H x W x C, growing its block, after that check. */
int br__image_shape(const char *name, struct br_image *image, uint64_t H, uint64_t W, int C);

bool br__is_jpeg(const uint8_t *data, size_t bytes);
bool br__is_png(const uint8_t *data, size_t bytes);
/* To RGB, as they are stored; the EXIF orientation of a JPEG is left to br__jpeg_orientation (1 to 8; 1 where there is none). */
int br__jpeg_decode(const char *name, const uint8_t *data, size_t bytes, int shorter_at_least, struct br_image *image);
int br__jpeg_orientation(const uint8_t *data, size_t bytes);
int br__png_decode(const char *name, const uint8_t *data, size_t bytes, struct br_image *image);
/* Hands the file's bytes to `write` piece by piece; a failing write (not 0) ends it with that status. */
int br__png_encode(const char *name, const struct br_image *image, int (*write)(void *arg, const void *data, size_t bytes), void *arg);

#endif
