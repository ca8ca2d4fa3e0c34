/* The contact sheet of `bramble inspect`. */
#include "codec.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/data/sheet.h>

#include <string.h>

enum { GAP = 2 };

struct sheet {
  struct br_image *image;
  int rows, columns, side;
  struct br_sample sample;
  uint8_t *bytes; /* the sample's pixels, where it has floats */
  size_t bytes_capacity;
  uint8_t *tile; /* side x side x 3 */
  void *work;
  size_t work_bytes;
};

static int reserve(void *block, size_t *capacity, size_t need) {
  void **old = block;
  if (need <= *capacity) return BR_OK;
  br_memory_free(*old);
  *old = NULL;
  *capacity = 0;
  BR_TRY(br_memory_alloc(need, 1, "contact sheet", old));
  *capacity = need;
  return BR_OK;
}

/* The sample's values as bytes. */
static int sample_bytes(struct sheet *sheet, const uint8_t **pixels) {
  const struct br_sample *sample = &sheet->sample;
  *pixels = sample->pixels;
  if (sample->type == BR_SAMPLE_U8) return BR_OK;
  size_t n = (size_t)sample->H * (size_t)sample->W * (size_t)sample->C;
  BR_TRY(reserve(&sheet->bytes, &sheet->bytes_capacity, n));
  for (size_t i = 0; i < n; i++) {
    float v = ((const float *)sample->pixels)[i];
    sheet->bytes[i] = v > 0 ? (uint8_t)((v < 1 ? v : 1) * 255 + 0.5f) : 0;
  }
  *pixels = sheet->bytes;
  return BR_OK;
}

static int draw_sample(struct sheet *sheet, int row, int column) {
  const uint8_t *pixels;
  BR_TRY(sample_bytes(sheet, &pixels));
  const struct br_sample *sample = &sheet->sample;
  struct br_resize resize = {pixels, sample->H, sample->W, sample->C, 0, 0, (float)sample->H, (float)sample->W, sheet->tile, sheet->side, sheet->side};
  BR_TRY(reserve(&sheet->work, &sheet->work_bytes, br_image_resize_work_bytes(&resize)));
  br_image_resize(&resize, sheet->work);
  for (int y = 0; y < sheet->side; y++) {
    size_t at = (size_t)(GAP + row * (sheet->side + GAP) + y) * (size_t)sheet->image->W + (size_t)(GAP + column * (sheet->side + GAP));
    const uint8_t *from = sheet->tile + (size_t)y * (size_t)sheet->side * (size_t)sample->C;
    for (int x = 0; x < sheet->side; x++)
      for (int c = 0; c < 3; c++) sheet->image->pixels[3 * (at + (size_t)x) + (size_t)c] = from[x * sample->C + (sample->C == 3 ? c : 0)];
  }
  return BR_OK;
}

/* Goes through the labels until all rows are full. */
static int draw_rows(struct sheet *sheet, struct br_dataset *dataset, int *drawn) {
  const struct br_dataset_info *info = br_dataset_info(dataset);
  int left = sheet->rows * sheet->columns;
  for (uint64_t i = 0; i < info->count && left > 0; i++) {
    int row = info->classes ? (int)br_dataset_label(dataset, i) : (int)(i / (uint64_t)sheet->columns);
    if (row >= sheet->rows || drawn[row] == sheet->columns) continue;
    BR_TRY(br_dataset_read(dataset, i, &sheet->sample));
    BR_TRY(draw_sample(sheet, row, drawn[row]++));
    left--;
  }
  return BR_OK;
}

int br_sheet_draw(struct br_dataset *dataset, int rows, int columns, int side, struct br_image *image) {
  const struct br_dataset_info *info = br_dataset_info(dataset);
  if (info->C != 1 && info->C != 3) BR_FAIL(BR_ERROR_USAGE, "%s: samples of %d channels cannot be drawn", info->name, info->C);
  if (rows < 1 || columns < 1 || side < 1 || rows > 10000 || columns > 10000 || side > 4096)
    BR_FAIL(BR_ERROR_USAGE, "a contact sheet of %d x %d pictures of %d pixels", rows, columns, side);
  if (info->classes && rows > info->classes) rows = info->classes;
  BR_TRY(br__image_shape("contact sheet", image, (uint64_t)rows * (uint64_t)(side + GAP) + GAP, (uint64_t)columns * (uint64_t)(side + GAP) + GAP, 3));
  memset(image->pixels, 255, (size_t)image->H * (size_t)image->W * 3);
  struct sheet sheet = {.image = image, .rows = rows, .columns = columns, .side = side, .sample = {.shorter_at_least = side}};
  int *drawn = NULL, status = br_memory_alloc((size_t)side * (size_t)side, 3, "contact sheet", &sheet.tile);
  if (status == BR_OK) status = br_memory_alloc((size_t)rows, sizeof *drawn, "contact sheet", &drawn);
  if (status == BR_OK) status = draw_rows(&sheet, dataset, drawn);
  br_memory_free(drawn);
  br_memory_free(sheet.tile);
  br_memory_free(sheet.bytes);
  br_memory_free(sheet.work);
  br_sample_free(&sheet.sample);
  return status;
}
