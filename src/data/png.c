/* PNG by libpng, in and out. The library reports errors by longjmp: each of the two functions that set the target keeps all it changes in one
 * struct outside, so that nothing it releases afterwards is a clobbered local. */
#include "codec.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

bool br__is_png(const uint8_t *data, size_t bytes) { return bytes >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0; }

struct png_job {
  jmp_buf failed;
  png_structp png;
  png_infop info;
  const char *name;
  int status; /* of the first failure that has its own message */
  char message[128];
  /* decoding */
  const uint8_t *data;
  size_t bytes, at;
  struct br_image *image;
  /* encoding */
  int (*write)(void *arg, const void *data, size_t bytes);
  void *arg;
};

static void on_error(png_structp png, png_const_charp text) {
  struct png_job *job = png_get_error_ptr(png);
  snprintf(job->message, sizeof job->message, "%s", text);
  longjmp(job->failed, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t n) {
  struct png_job *job = png_get_io_ptr(png);
  if (n > job->bytes - job->at) png_error(png, "ends in the middle");
  memcpy(to, job->data + job->at, n);
  job->at += n;
}

/* Ends the job with a status that has set its message already. */
static void fail_with(struct png_job *job, int status) {
  job->status = status;
  longjmp(job->failed, 1);
}

/* Alpha over white: in place, from four channels to three. */
static void compose(struct br_image *image) {
  size_t n = (size_t)image->H * (size_t)image->W;
  uint8_t *pixel = image->pixels;
  for (size_t i = 0; i < n; i++) {
    int alpha = pixel[4 * i + 3];
    for (size_t c = 0; c < 3; c++) pixel[3 * i + c] = (uint8_t)((pixel[4 * i + c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  image->C = 3;
}

/* Runs under the jump target of its caller. */
static void decode_rows(struct png_job *job) {
  png_structp png = job->png;
  png_set_read_fn(png, job, read_bytes);
  png_set_user_limits(png, 1 << 20, 1 << 20);
  png_set_chunk_malloc_max(png, 1 << 24);
  png_read_info(png, job->info);
  uint32_t W = png_get_image_width(png, job->info), H = png_get_image_height(png, job->info);
  int status = br__image_check(job->name, H, W);
  if (status != BR_OK) fail_with(job, status);
  /* Deflate makes 1,032 bytes of one at most; so a header that lies costs little memory. */
  if (png_get_rowbytes(png, job->info) / 1032 * H > job->bytes) png_error(png, "its size cannot be in so few bytes; copy the file again");
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_gray_to_rgb(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, job->info);
  int C = png_get_channels(png, job->info);
  status = br__image_shape(job->name, job->image, H, W, C);
  if (status != BR_OK) fail_with(job, status);
  size_t stride = (size_t)W * (size_t)C;
  if ((C != 3 && C != 4) || png_get_rowbytes(png, job->info) != stride) png_error(png, "has pixels of an unknown kind");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < H; y++) png_read_row(png, job->image->pixels + y * stride, NULL);
  png_read_end(png, NULL);
}

static int decode(struct png_job *job) {
  if (setjmp(job->failed)) {
    if (job->status != BR_OK) return job->status;
    BR_FAIL(BR_ERROR_DATA, "%s: does not decode: %s", job->name, job->message);
  }
  decode_rows(job);
  return BR_OK;
}

int br__png_decode(const char *name, const uint8_t *data, size_t bytes, struct br_image *image) {
  struct png_job job = {.name = name, .data = data, .bytes = bytes, .image = image};
  job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
  job.info = job.png ? png_create_info_struct(job.png) : NULL;
  int status = job.info ? decode(&job) : br_error_set(BR_ERROR_MEMORY, "%s: the PNG decoder cannot start", name);
  png_destroy_read_struct(&job.png, &job.info, NULL);
  if (status == BR_OK && image->C == 4) compose(image);
  return status;
}

static void write_bytes(png_structp png, png_bytep from, size_t n) {
  struct png_job *job = png_get_io_ptr(png);
  int status = job->write(job->arg, from, n);
  if (status != BR_OK) fail_with(job, status);
}

static void flush_nothing(png_structp png) { (void)png; }

static int encode(struct png_job *job, const struct br_image *image) {
  if (setjmp(job->failed)) {
    if (job->status != BR_OK) return job->status;
    BR_FAIL(BR_ERROR_FAILED, "%s: cannot be written as PNG: %s", job->name, job->message);
  }
  png_set_write_fn(job->png, job, write_bytes, flush_nothing);
  png_set_IHDR(job->png, job->info, (uint32_t)image->W, (uint32_t)image->H, 8, image->C == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(job->png, job->info);
  for (int y = 0; y < image->H; y++) png_write_row(job->png, image->pixels + (size_t)y * (size_t)image->W * (size_t)image->C);
  png_write_end(job->png, NULL);
  return BR_OK;
}

int br__png_encode(const char *name, const struct br_image *image, int (*write)(void *arg, const void *data, size_t bytes), void *arg) {
  struct png_job job = {.name = name, .write = write, .arg = arg};
  job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
  job.info = job.png ? png_create_info_struct(job.png) : NULL;
  int status = job.info ? encode(&job, image) : br_error_set(BR_ERROR_MEMORY, "%s: the PNG encoder cannot start", name);
  png_destroy_write_struct(&job.png, &job.info);
  return status;
}
