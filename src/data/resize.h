/* The resizing engine, row by row: what br_image_resize and the loader share. An axis says of each output which inputs it is made of; rows of
 * the result come out one after the other as floats (of 0 to 255 for bytes), so that rounding or normalising is done while they are in cache.
 * All sums are plain multiplications and additions in ascending order of the input: the same bits everywhere. Private to src/data. */
#ifndef BRAMBLE_DATA_RESIZE_H
#define BRAMBLE_DATA_RESIZE_H

#include <bramble/data/dataset.h>

/* Output i is the sum over k < taps of weight[i * taps + k] times input first[i] + k; all of them are inside the input. */
struct br__axis {
  int in, out, taps;
  int32_t *first;
  float *weight;
};

/* Plans the outputs [out_first, out_first + count) of `out_all` that cover [start, start + size) of `in` inputs, with a triangle filter as wide as
 * the scale when it shrinks. `memory` of br__axis_bytes is used by the axis as long as it lives. */
int br__axis_taps(int in, double size, int out_all); /* the most that one output can be made of */
size_t br__axis_bytes(int in, double size, int out_all, int count);
void br__axis_plan(struct br__axis *axis, int in, double start, double size, int out_all, int out_first, int count, void *memory);

struct br__picture {
  const void *pixels; /* H x W x C */
  enum br_sample_type type;
  int H, W, C;
};

/* Row y of the result: horizontal->out x C floats. */
typedef void br__row_sink(void *arg, int y, const float *row);

/* Resizes `picture` by the two axes and gives each row to `sink`, from the first to the last; with `flip` from right to left. */
size_t br__resize_work_bytes(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal);
void br__resize(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, void *work, br__row_sink *sink, void *arg);

#endif
