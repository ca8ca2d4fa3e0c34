/* Arithmetic on rows of pixels, one table per instruction set (rows.c), for resize.c and loader.c. Everything is single multiplications and
 * additions in a fixed order, so the tables give the same bits. Private to src/data. */
#ifndef BRAMBLE_DATA_ROWS_H
#define BRAMBLE_DATA_ROWS_H

#include "resize.h"

#define BR__ROW_PADDING 16 /* floats after a row that may be read or written, but mean nothing */

struct br__rows {
  void (*from_bytes)(const uint8_t *in, float *out, size_t n);
  void (*to_bytes)(const float *in, uint8_t *out, size_t n);                                                 /* of 0 to 255, rounded */
  void (*blend_floats)(const float *a, float wa, const float *b, float wb, float *out, size_t n);
  void (*sum_bytes)(const uint8_t *in, size_t stride, const float *weight, size_t taps, float *out, size_t n); /* out[i] = sum over k of weight[k] in[k stride + i]; at least 2 taps */
  void (*add_floats)(const float *in, float w, float *out, size_t n);
  void (*stretch_rgb)(const float *in, const struct br__axis *axis, bool flip, float *out);                  /* reads and writes padding */
  void (*normalise)(const float *in, const float *scale, const float *bias, float *out, size_t n);           /* out = in scale + bias */
  void (*normalise_bytes)(const uint8_t *in, const float *scale, const float *bias, float *out, size_t n);
  void (*normalise_in_place)(float *x, const float *scale, const float *bias, size_t n);
};

const struct br__rows *br__rows(void);

#endif
