/* Pictures of either format from memory or a file, upright; and to a file. Called by folders, tars, prediction and the camera's still pictures. */
#include "codec.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int br__image_check(const char *name, uint64_t H, uint64_t W) {
  if (H == 0 || W == 0 || H > BR__MOST_PIXELS || W > BR__MOST_PIXELS || H * W > BR__MOST_PIXELS)
    BR_FAIL(BR_ERROR_DATA, "%s: %llu x %llu pixels are more than 2^28; make it smaller", name, (unsigned long long)W, (unsigned long long)H);
  return BR_OK;
}

int br__image_shape(const char *name, struct br_image *image, uint64_t H, uint64_t W, int C) {
  BR_TRY(br__image_check(name, H, W));
  size_t bytes = (size_t)(H * W) * (size_t)C;
  if (bytes > image->capacity_bytes) {
    br_memory_free(image->pixels);
    image->pixels = NULL;
    image->capacity_bytes = 0;
    BR_TRY(br_memory_alloc(bytes, 1, name, &image->pixels));
    image->capacity_bytes = bytes;
  }
  image->H = (int)H, image->W = (int)W, image->C = C;
  return BR_OK;
}

void br_image_free(struct br_image *image) {
  if (!image) return;
  br_memory_free(image->pixels);
  *image = (struct br_image){0};
}

/* The eight orientations of EXIF; `from` says where the upright picture's first row and column lie, after rows and columns are exchanged. */
static int make_upright(const char *name, int orientation, struct br_image *image) {
  if (orientation == 1) return BR_OK;
  bool swap = orientation >= 5; /* rows are columns */
  bool from_bottom = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  bool from_right = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  struct br_image upright = {0};
  BR_TRY(br__image_shape(name, &upright, (uint64_t)(swap ? image->W : image->H), (uint64_t)(swap ? image->H : image->W), 3));
  uint8_t *to = upright.pixels;
  for (int y = 0; y < upright.H; y++)
    for (int x = 0; x < upright.W; x++, to += 3) {
      int row = from_bottom ? upright.H - 1 - y : y, column = from_right ? upright.W - 1 - x : x;
      size_t at = swap ? (size_t)column * (size_t)image->W + (size_t)row : (size_t)row * (size_t)image->W + (size_t)column;
      memcpy(to, image->pixels + 3 * at, 3);
    }
  br_image_free(image);
  *image = upright;
  return BR_OK;
}

int br_image_decode(const char *name, const void *data, size_t bytes, int shorter_at_least, struct br_image *image) {
  if (bytes == 0) BR_FAIL(BR_ERROR_DATA, "%s: is empty", name);
  if (br__is_png(data, bytes)) return br__png_decode(name, data, bytes, image);
  if (!br__is_jpeg(data, bytes)) BR_FAIL(BR_ERROR_DATA, "%s: is neither JPEG nor PNG; convert it to one of these", name);
  BR_TRY(br__jpeg_decode(name, data, bytes, shorter_at_least, image));
  return make_upright(name, br__jpeg_orientation(data, bytes), image);
}

static int write_piece(void *writer, const void *data, size_t bytes) { return br_writer_write(writer, data, bytes); }

int br_image_write_png(const char *path, const struct br_image *image) {
  struct br_writer *writer;
  BR_TRY(br_writer_open(path, &writer));
  int status = br__png_encode(path, image, write_piece, writer);
  if (status == BR_OK) return br_writer_commit(writer);
  br_writer_abandon(writer);
  return status;
}

static int append_piece(void *stream, const void *data, size_t bytes) {
  if (fwrite(data, 1, bytes, stream) == bytes) return BR_OK;
  BR_FAIL(BR_ERROR_MEMORY, "no memory for a picture");
}

int br_image_encode_png(const struct br_image *image, unsigned char **data, size_t *bytes) {
  char *text = NULL;
  *data = NULL;
  FILE *stream = open_memstream(&text, bytes);
  if (!stream) BR_FAIL(BR_ERROR_MEMORY, "no memory for a picture");
  int status = br__png_encode("picture", image, append_piece, stream);
  if (fclose(stream) != 0 && status == BR_OK) status = br_error_set(BR_ERROR_MEMORY, "no memory for a picture");
  if (status == BR_OK)
    *data = (unsigned char *)text;
  else
    free(text);
  return status;
}
