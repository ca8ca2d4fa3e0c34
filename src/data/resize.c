/* Bilinear resizing in two passes of floats. Where rows become more, each source row is stretched once and kept while output rows need it;
 * where they become fewer, source rows are summed first and the sum is shrunk. Used for training data and for pictures of other sizes. */
#include "resize.h"

#include <bramble/base/memory.h>
#include <bramble/data/image.h>

#include <string.h>

enum { PADDING = 16 }; /* floats after a row that may be read or written, but mean nothing */

int br__axis_taps(int in, double size, int out_all) {
  double scale = size / out_all, support = scale > 1 ? scale : 1;
  int taps = support < in ? 2 * (int)(support + 1) + 1 : in;
  return taps < in ? taps : in;
}

size_t br__axis_bytes(int in, double size, int out_all, int count) {
  return br_size_align((size_t)count * sizeof(int32_t)) + br_size_align((size_t)count * (size_t)br__axis_taps(in, size, out_all) * sizeof(float));
}

void br__axis_plan(struct br__axis *axis, int in, double start, double size, int out_all, int out_first, int count, void *memory) {
  int taps = br__axis_taps(in, size, out_all);
  *axis = (struct br__axis){.in = in, .out = count, .taps = taps, .first = memory};
  axis->weight = (float *)(void *)((char *)memory + br_size_align((size_t)count * sizeof(int32_t)));
  double scale = size / out_all, support = scale > 1 ? scale : 1;
  if (scale == 1 && start == (int)start && out_first + start >= 0 && out_first + start + count <= in) { /* a copy */
    axis->taps = 1;
    for (int i = 0; i < count; i++) {
      axis->first[i] = out_first + (int)start + i;
      axis->weight[i] = 1;
    }
    return;
  }
  for (int i = 0; i < count; i++) {
    double centre = start + (out_first + i + 0.5) * scale, low = centre - support + 0.5, high = centre + support + 0.5;
    int from = low > 0 ? (int)low : 0, to = high < in ? (int)high : in;
    if (from > in - 1) from = in - 1;
    if (to <= from) to = from + 1;
    int first = from < in - taps ? from : in - taps;
    float *weight = axis->weight + (size_t)i * (size_t)taps;
    double sum = 0;
    for (int pass = 0; pass < 2; pass++)
      for (int k = 0; k < taps; k++) {
        double distance = (first + k - centre + 0.5) / support, w = 1 - (distance < 0 ? -distance : distance);
        if (first + k < from || first + k >= to || w < 0) w = 0;
        if (pass == 0)
          sum += w;
        else
          weight[k] = sum > 0 ? (float)(w / sum) : first + k == from;
      }
    axis->first[i] = first;
  }
}

/* --- one row -------------------------------------------------------------------------------------------------------------- */

typedef float vector4 __attribute__((vector_size(16)));
typedef float vector8 __attribute__((vector_size(32)));
typedef uint8_t bytes8 __attribute__((vector_size(8)));

static void row_from_bytes(const uint8_t *in, float *out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    bytes8 b;
    memcpy(&b, in + i, sizeof b);
    vector8 v = __builtin_convertvector(b, vector8);
    memcpy(out + i, &v, sizeof v);
  }
  for (; i < n; i++) out[i] = in[i];
}

/* out = weight[0] row[0] + weight[1] row[1] + ... of byte rows `stride` apart. */
static void sum_bytes(const uint8_t *in, size_t stride, const float *weight, int taps, float *out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    vector8 sum = {0};
    for (int k = 0; k < taps; k++) {
      bytes8 b;
      memcpy(&b, in + (size_t)k * stride + i, sizeof b);
      sum += weight[k] * __builtin_convertvector(b, vector8);
    }
    memcpy(out + i, &sum, sizeof sum);
  }
  for (; i < n; i++) {
    float sum = 0;
    for (int k = 0; k < taps; k++) sum += weight[k] * (float)in[(size_t)k * stride + i];
    out[i] = sum;
  }
}

/* The same of float rows that are (first + k) mod `ring` of a ring; reads and writes PADDING beyond n at most. */
static void sum_floats(const float *in, size_t stride, int first, int ring, const float *weight, int taps, float *out, size_t n) {
  for (size_t i = 0; i < n; i += 8) {
    vector8 sum = {0};
    for (int k = 0, row = first % ring; k < taps; k++, row = row + 1 == ring ? 0 : row + 1) {
      vector8 v;
      memcpy(&v, in + (size_t)row * stride + i, sizeof v);
      sum += weight[k] * v;
    }
    memcpy(out + i, &sum, sizeof sum);
  }
}

/* Stretches or shrinks a row of C = 3: four lanes, of which the last is overwritten by the next pixel (from the left, so in any order of flip). */
static void stretch_rgb(const float *in, const struct br__axis *axis, bool flip, float *out) {
  for (int i = 0; i < axis->out; i++) {
    int from = flip ? axis->out - 1 - i : i, taps = axis->taps;
    const float *pixel = in + 3 * (size_t)axis->first[from], *weight = axis->weight + (size_t)from * (size_t)taps;
    vector4 sum = {0};
    for (int k = 0; k < taps; k++) {
      vector4 v;
      memcpy(&v, pixel + 3 * k, sizeof v);
      sum += weight[k] * v;
    }
    memcpy(out + 3 * (size_t)i, &sum, sizeof sum);
  }
}

static void stretch_any(const float *in, int C, const struct br__axis *axis, bool flip, float *out) {
  for (int i = 0; i < axis->out; i++) {
    int from = flip ? axis->out - 1 - i : i;
    const float *pixel = in + (size_t)C * (size_t)axis->first[from], *weight = axis->weight + (size_t)from * (size_t)axis->taps;
    for (int c = 0; c < C; c++) {
      float sum = 0;
      for (int k = 0; k < axis->taps; k++) sum += weight[k] * pixel[k * C + c];
      out[(size_t)i * (size_t)C + (size_t)c] = sum;
    }
  }
}

static void stretch(const float *in, int C, const struct br__axis *axis, bool flip, float *out) {
  if (C == 3)
    stretch_rgb(in, axis, flip, out);
  else
    stretch_any(in, C, axis, flip, out);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

/* Floats of a row in the work space. */
static size_t row_floats(int W, int C) { return br_size_align(((size_t)W * (size_t)C + PADDING) * sizeof(float)) / sizeof(float); }

size_t br__resize_work_bytes(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal) {
  size_t in = row_floats(picture->W, picture->C), out = row_floats(horizontal->out, picture->C);
  return sizeof(float) * (in + out + (size_t)vertical->taps * out);
}

/* Row y of the picture as floats, stretched, into `out`; `in` is room for the row before that. */
static void stretch_source_row(const struct br__picture *picture, int y, const struct br__axis *horizontal, bool flip, float *in, float *out) {
  size_t n = (size_t)picture->W * (size_t)picture->C, at = (size_t)y * n;
  bool as_it_is = horizontal->taps == 1 && horizontal->out == picture->W && !flip;
  if (as_it_is) in = out;
  if (picture->type == BR_SAMPLE_U8)
    row_from_bytes((const uint8_t *)picture->pixels + at, in, n);
  else
    memcpy(in, (const float *)picture->pixels + at, n * sizeof(float));
  if (!as_it_is) stretch(in, picture->C, horizontal, flip, out);
}

static void resize_by_stretched_rows(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, float *work, br__row_sink *sink, void *arg) {
  size_t n = row_floats(horizontal->out, picture->C);
  float *in = work, *out = in + row_floats(picture->W, picture->C), *ring = out + n;
  int next = vertical->first[0];
  for (int y = 0; y < vertical->out; y++) {
    if (vertical->taps == 1) {
      stretch_source_row(picture, vertical->first[y], horizontal, flip, in, out);
      sink(arg, y, out);
      continue;
    }
    for (; next < vertical->first[y] + vertical->taps; next++)
      stretch_source_row(picture, next, horizontal, flip, in, ring + (size_t)(next % vertical->taps) * n);
    sum_floats(ring, n, vertical->first[y], vertical->taps, vertical->weight + (size_t)y * (size_t)vertical->taps, vertical->taps, out, (size_t)horizontal->out * (size_t)picture->C);
    sink(arg, y, out);
  }
}

static void resize_by_summed_rows(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, float *work, br__row_sink *sink, void *arg) {
  size_t n = (size_t)picture->W * (size_t)picture->C;
  float *in = work, *out = in + row_floats(picture->W, picture->C);
  for (int y = 0; y < vertical->out; y++) {
    const float *weight = vertical->weight + (size_t)y * (size_t)vertical->taps;
    sum_bytes((const uint8_t *)picture->pixels + (size_t)vertical->first[y] * n, n, weight, vertical->taps, in, n);
    stretch(in, picture->C, horizontal, flip, out);
    sink(arg, y, out);
  }
}

void br__resize(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, void *work, br__row_sink *sink, void *arg) {
  if (vertical->in > vertical->out && picture->type == BR_SAMPLE_U8)
    resize_by_summed_rows(picture, vertical, horizontal, flip, work, sink, arg);
  else
    resize_by_stretched_rows(picture, vertical, horizontal, flip, work, sink, arg);
}

/* --- bytes to bytes ------------------------------------------------------------------------------------------------------- */

struct bytes_out {
  uint8_t *dst;
  size_t n; /* values of a row */
};

static void row_to_bytes(void *arg, int y, const float *row) {
  const struct bytes_out *out = arg;
  uint8_t *dst = out->dst + (size_t)y * out->n;
  for (size_t i = 0; i < out->n; i++) {
    int value = (int)(row[i] + 0.5f);
    dst[i] = (uint8_t)(value > 255 ? 255 : value);
  }
}

size_t br_image_resize_work_bytes(const struct br_resize *r) {
  struct br__axis vertical = {.taps = br__axis_taps(r->src_H, r->height, r->H), .out = r->H}, horizontal = {.out = r->W};
  struct br__picture picture = {.W = r->src_W, .C = r->C};
  return br__axis_bytes(r->src_H, r->height, r->H, r->H) + br__axis_bytes(r->src_W, r->width, r->W, r->W) + br__resize_work_bytes(&picture, &vertical, &horizontal);
}

void br_image_resize(const struct br_resize *r, void *work) {
  struct br__axis vertical, horizontal;
  struct br__picture picture = {r->src, BR_SAMPLE_U8, r->src_H, r->src_W, r->C};
  char *memory = work;
  br__axis_plan(&vertical, r->src_H, r->top, r->height, r->H, 0, r->H, memory);
  memory += br__axis_bytes(r->src_H, r->height, r->H, r->H);
  br__axis_plan(&horizontal, r->src_W, r->left, r->width, r->W, 0, r->W, memory);
  memory += br__axis_bytes(r->src_W, r->width, r->W, r->W);
  struct bytes_out out = {r->dst, (size_t)r->W * (size_t)r->C};
  br__resize(&picture, &vertical, &horizontal, false, memory, row_to_bytes, &out);
}
