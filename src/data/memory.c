/* Rows of numbers that the caller has made in memory: a table's columns as the input of a net. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>

#include <string.h>

struct memory {
  float *x; /* count x C */
  int32_t *label;
};

static void memory_close(struct br_dataset *dataset) {
  struct memory *memory = dataset->state;
  if (!memory) return;
  br_memory_free(memory->x);
  br_memory_free(memory->label);
  br_memory_free(memory);
}

static const void *memory_pixels(const struct br_dataset *dataset, uint64_t index) { return ((const struct memory *)dataset->state)->x + index * (size_t)dataset->info.C; }

static int memory_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  BR_TRY(br__sample_shape(sample, 1, 1, dataset->info.C, BR_SAMPLE_F32));
  memcpy(sample->pixels, memory_pixels(dataset, index), (size_t)dataset->info.C * sizeof(float));
  return BR_OK;
}

static int32_t memory_label(const struct br_dataset *dataset, uint64_t index) { return ((const struct memory *)dataset->state)->label[index]; }

static const struct br__source source = {.name = "rows", .read = memory_read, .label = memory_label, .pixels = memory_pixels, .close = memory_close};

int br_dataset_open_rows(const struct br_dataset_rows *rows, struct br_dataset **out) {
  struct br_dataset *dataset = NULL;
  struct memory *memory = NULL;
  int status = br_memory_alloc(1, sizeof *dataset, "data set", &dataset);
  if (status == BR_OK) status = br_memory_alloc(1, sizeof *memory, "data set", &memory);
  if (status != BR_OK) {
    br_memory_free(dataset);
    br_memory_free(rows->x);
    br_memory_free(rows->label);
    return status;
  }
  size_t floats = (size_t)rows->count * (size_t)rows->C; /* fits: it is in memory */
  *memory = (struct memory){rows->x, rows->label};
  dataset->source = &source;
  dataset->state = memory;
  dataset->info = (struct br_dataset_info){.name = "rows", .count = rows->count, .classes = rows->numbers ? 0 : rows->classes, .class_names = rows->class_names, .numbers = rows->numbers, .H = 1, .W = 1, .C = rows->C,
                                           .type = BR_SAMPLE_F32, .memory_bytes = floats * sizeof(float) + (size_t)rows->count * sizeof(int32_t)};
  dataset->info.fingerprint = br_hash64(br_hash64((uint64_t)rows->C, rows->x, floats * sizeof(float)), rows->label, (size_t)rows->count * sizeof(int32_t));
  *out = dataset;
  return BR_OK;
}
