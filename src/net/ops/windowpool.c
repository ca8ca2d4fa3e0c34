/* windowmax, windowmean x kernel= [stride= padding= ceil= dilation=]: pools whose windows have gaps or are larger than maxpool's; windowmean also
 * [countpadding=yes]. windowplace x: where each maximum lies, as ONNX counts: over the whole tensor in the order N,C,H,W ([columns=yes]: N,C,W,H). They can be
 * used, not trained. */
#include "net/op.h"
#include "net/ops/window.h"

#include <bramble/base/error.h>
#include <bramble/net/exec.h>

#include <math.h>

static int shape(struct br_inference *inference) {
  const struct br_shape *in = inference->in[0];
  if (in->rank != 4) BR_FAIL(BR_ERROR_DATA, "pooling needs pictures (height, width, channels)");
  struct br_window w;
  BR_TRY(br_window_find(inference->node, in->d[1], in->d[2], &w));
  inference->node->shape = br_shape4(in->d[0], w.out[0], w.out[1], in->d[3]);
  return BR_OK;
}

/* Places are floats, and floats are whole numbers up to 2^24. */
static int place_shape(struct br_inference *inference) {
  if (br_shape_count(inference->in[0]) > (size_t)1 << 24) BR_FAIL(BR_ERROR_DATA, "places in a tensor of more than 16,777,216 values");
  return shape(inference);
}

/* The pixels of one window that lie inside: first and behind the last of its taps, for rows and columns. */
static void inside(const struct br_window *w, int axis, int o, int size, int *start, int *from, int *to) {
  *start = o * w->stride[axis] - w->before[axis];
  *from = *start < 0 ? (-*start + w->dilation[axis] - 1) / w->dilation[axis] : 0;
  *to = w->kernel[axis];
  while (*to > *from && *start + (*to - 1) * w->dilation[axis] >= size) --*to;
}

/* Calls `pool` for every output value of this part: x is its picture's channel, C floats between neighbours. */
static void windows(const struct br_op_args *args, struct br_part part, float (*pool)(const struct br_op_args *args, const struct br_window *w, int p, int q, const float *x, size_t plane)) {
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  size_t first, last, C = (size_t)in->d[3], P = (size_t)out->d[1], Q = (size_t)out->d[2], pixels = (size_t)in->d[1] * (size_t)in->d[2];
  struct br_window w;
  br_window_find(args->node, in->d[1], in->d[2], &w); /* it fits: the shape rule has asked */
  br_part_range(part, (size_t)out->d[0] * P * Q, 1, &first, &last);
  for (size_t i = first; i < last; i++)
    for (size_t c = 0; c < C; c++) args->out[i * C + c] = pool(args, &w, (int)(i / Q % P), (int)(i % Q), args->in[0] + i / Q / P * pixels * C + c, i / Q / P * C + c);
}

/* The largest of a window, the first of them (NaN wins), and where it is; -1 in a window of nothing but padding. */
static float largest(const struct br_op_args *args, const struct br_window *w, int p, int q, const float *x, int *h, int *v) {
  const struct br_shape *in = &args->in_shape[0];
  int top, left, r0, r1, s0, s1;
  float best = -INFINITY;
  *h = *v = -1;
  inside(w, 0, p, in->d[1], &top, &r0, &r1);
  inside(w, 1, q, in->d[2], &left, &s0, &s1);
  for (int r = r0; r < r1; r++)
    for (int s = s0; s < s1; s++) {
      int row = top + r * w->dilation[0], column = left + s * w->dilation[1];
      float value = x[((size_t)row * (size_t)in->d[2] + (size_t)column) * (size_t)in->d[3]];
      if (*h >= 0 && !(value > best || value != value)) continue;
      best = value;
      *h = row, *v = column;
    }
  return best;
}

static float pool_max(const struct br_op_args *args, const struct br_window *w, int p, int q, const float *x, size_t plane) {
  int row, column;
  (void)plane;
  return largest(args, w, p, q, x, &row, &column);
}

static float pool_place(const struct br_op_args *args, const struct br_window *w, int p, int q, const float *x, size_t plane) {
  const struct br_shape *in = &args->in_shape[0];
  int row, column;
  largest(args, w, p, q, x, &row, &column);
  if (row < 0) return -1;
  bool columns = br_node_value(args->node, "columns")->v[0] != 0;
  return (float)(plane * (size_t)in->d[1] * (size_t)in->d[2] + (size_t)(columns ? column * in->d[1] + row : row * in->d[2] + column));
}

/* Over the pixels inside, or over all taps that are not beyond the padding (ceil mode). */
static float pool_mean(const struct br_op_args *args, const struct br_window *w, int p, int q, const float *x, size_t plane) {
  const struct br_shape *in = &args->in_shape[0];
  int start[2], from[2], to[2], o[2] = {p, q}, count = 1;
  (void)plane;
  for (int i = 0; i < 2; i++) {
    inside(w, i, o[i], in->d[1 + i], &start[i], &from[i], &to[i]);
    int taps = w->kernel[i];
    while (taps > 0 && start[i] + (taps - 1) * w->dilation[i] >= in->d[1 + i] + w->after[i]) taps--;
    count *= br_node_value(args->node, "countpadding")->v[0] != 0 ? taps : to[i] - from[i];
  }
  float sum = 0;
  for (int r = from[0]; r < to[0]; r++)
    for (int s = from[1]; s < to[1]; s++) sum += x[((size_t)(start[0] + r * w->dilation[0]) * (size_t)in->d[2] + (size_t)(start[1] + s * w->dilation[1])) * (size_t)in->d[3]];
  return count > 0 ? sum / (float)count : 0;
}

#define OP(word, rule, ...)                                                                                                    \
  static void word##_forward(const struct br_op_args *args, struct br_part part) { windows(args, part, pool_##word); }         \
  const struct br_op br_op_window##word = {.name = "window" #word,                                                             \
                                           .min_inputs = 1,                                                                    \
                                           .max_inputs = 1,                                                                    \
                                           .attributes = {{"kernel", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1000, 2, NULL},             \
                                                          {"stride", BR_ATTRIBUTE_NUMBERS, 0, 1, 1000, 2, NULL},               \
                                                          {"padding", BR_ATTRIBUTE_PADDING, 0, 0, 1000, 4, NULL},              \
                                                          {"ceil", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL},                       \
                                                          {"dilation", BR_ATTRIBUTE_NUMBERS, 1, 1, 1000, 2, NULL},             \
                                                          __VA_ARGS__},                                                        \
                                           .shape = rule,                                                                      \
                                           .forward = word##_forward};
OP(max, shape, {0})
OP(mean, shape, {"countpadding", BR_ATTRIBUTE_BOOL, 1, 0, 1, 1, NULL})
OP(place, place_shape, {"columns", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL})
