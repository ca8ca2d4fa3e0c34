/* Bilinear resizing in two passes of floats. Where rows become more, each source row is stretched once and kept while output rows need it;
 * where they become fewer, source rows are summed first and the sum is shrunk. Used for training data and for pictures of other sizes. */
#include "rows.h"

#include <bramble/base/memory.h>
#include <bramble/data/image.h>

#include <string.h>

int br__axis_taps(int in, double size, int out_all) {
  double scale = size / out_all, support = scale > 1 ? scale : 1;
  return 2 * support < in ? (int)(2 * support) + (2 * support > (int)(2 * support)) : in;
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
    br__rows()->stretch_rgb(in, axis, flip, out);
  else
    stretch_any(in, C, axis, flip, out);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------ */

/* Floats of a row in the work space. */
static size_t row_floats(int W, int C) { return br_size_align(((size_t)W * (size_t)C + BR__ROW_PADDING) * sizeof(float)) / sizeof(float); }

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
    br__rows()->from_bytes((const uint8_t *)picture->pixels + at, in, n);
  else
    memcpy(in, (const float *)picture->pixels + at, n * sizeof(float));
  if (!as_it_is) stretch(in, picture->C, horizontal, flip, out);
}

static void resize_by_stretched_rows(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, float *work, br__row_sink *sink, void *arg) {
  const struct br__rows *rows = br__rows();
  size_t stride = row_floats(horizontal->out, picture->C), n = (size_t)horizontal->out * (size_t)picture->C;
  float *in = work, *out = in + row_floats(picture->W, picture->C), *ring = out + stride;
  int taps = vertical->taps, next = vertical->first[0];
  for (int y = 0; y < vertical->out; y++) {
    int first = vertical->first[y];
    if (taps == 1) {
      stretch_source_row(picture, first, horizontal, flip, in, out);
    } else {
      const float *weight = vertical->weight + (size_t)y * (size_t)taps;
      for (; next < first + taps; next++) stretch_source_row(picture, next, horizontal, flip, in, ring + (size_t)(next % taps) * stride);
      rows->blend_floats(ring + (size_t)(first % taps) * stride, weight[0], ring + (size_t)((first + 1) % taps) * stride, weight[1], out, n);
      for (int k = 2; k < taps; k++)
        if (weight[k] != 0) rows->add_floats(ring + (size_t)((first + k) % taps) * stride, weight[k], out, n);
    }
    sink(arg, y, out);
  }
}

/* For fewer rows than the picture has, so at least two are summed; of the columns those that the output needs. */
static void resize_by_summed_rows(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, float *work, br__row_sink *sink, void *arg) {
  const size_t C = (size_t)picture->C, n = (size_t)picture->W * C, taps = (size_t)vertical->taps;
  const size_t from = (size_t)horizontal->first[0] * C, to = (size_t)(horizontal->first[horizontal->out - 1] + horizontal->taps) * C;
  float *in = work, *out = in + row_floats(picture->W, picture->C);
  for (int y = 0; y < vertical->out; y++) {
    const uint8_t *source = (const uint8_t *)picture->pixels + (size_t)vertical->first[y] * n;
    br__rows()->sum_bytes(source + from, n, vertical->weight + (size_t)y * taps, taps, in + from, to - from);
    stretch(in, picture->C, horizontal, flip, out);
    sink(arg, y, out);
  }
}

void br__resize(const struct br__picture *picture, const struct br__axis *vertical, const struct br__axis *horizontal, bool flip, void *work, br__row_sink *sink, void *arg) {
  if (vertical->in > vertical->out && vertical->taps > 1 && picture->type == BR_SAMPLE_U8)
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
  br__rows()->to_bytes(row, out->dst + (size_t)y * out->n, out->n);
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
