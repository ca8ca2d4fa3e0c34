/* Operators that only say where each value comes from: transpose, slice, tile, pad, gather. Every axis of the output has a rule from its index to
 * the input's; the batch is never touched. Numbers per axis are given for the axes behind the batch.
 *
 *   transpose x order=2x3x1                              axis i of the output is axis order[i] of x (the batch is 0)
 *   slice x start=0x1 size=4x3 [step=2x-1]
 *   tile x repeats=1x3
 *   pad x before=1x1 after=0x2 [mode=constant|reflect|edge|wrap] [value=0]
 *   gather x axis=1 count=5                              the wanted places are the parameter `index` */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/exec.h>

#include <math.h>
#include <string.h>

enum rule { LINEAR, WRAP, CONSTANT, REFLECT, EDGE, TABLE };

struct axis {
  enum rule rule;
  int out, in, start, step; /* LINEAR: start + step o; the padding rules: o - start, then into the input */
  size_t stride;            /* floats of the input between neighbours */
  const float *table;
};

/* Where index o comes from; -1: from nowhere, it is filled. */
static int source(const struct axis *a, int o) {
  if (a->rule == LINEAR) return a->start + a->step * o;
  if (a->rule == TABLE) return a->table[o] >= 0 && a->table[o] < (float)a->in ? (int)a->table[o] : 0;
  int i = o - a->start, period = a->rule == REFLECT ? 2 * a->in - 2 : a->in;
  if (i >= 0 && i < a->in) return i;
  if (a->rule == CONSTANT) return -1;
  if (a->rule == EDGE) return i < 0 ? 0 : a->in - 1;
  if (period == 0) return 0;
  i = (i % period + period) % period;
  return i < a->in ? i : period - i;
}

/* One row of the last axis. */
static void copy_row(const struct axis *a, const float *in, float *out, float fill) {
  if (a->rule == LINEAR && a->stride == 1 && a->step == 1) {
    memcpy(out, in + a->start, (size_t)a->out * sizeof *out);
  } else if (a->rule == LINEAR) {
    const float *from = in + (ptrdiff_t)a->start * (ptrdiff_t)a->stride;
    ptrdiff_t step = (ptrdiff_t)a->step * (ptrdiff_t)a->stride;
    for (int o = 0; o < a->out; o++) out[o] = from[o * step];
  } else {
    for (int o = 0; o < a->out; o++) {
      int i = source(a, o);
      out[o] = i < 0 ? fill : in[(size_t)i * a->stride];
    }
  }
}

static void copy(const struct axis *axes, int rank, const float *in, float *out, float fill, struct br_part part) {
  size_t rows = 1, first, last, width = (size_t)axes[rank - 1].out;
  for (int i = 0; i < rank - 1; i++) rows *= (size_t)axes[i].out;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t row = first; row < last; row++) {
    size_t rest = row, offset = 0;
    bool outside = false;
    for (int i = rank - 2; i >= 0; i--) {
      int at = source(&axes[i], (int)(rest % (size_t)axes[i].out));
      rest /= (size_t)axes[i].out;
      outside |= at < 0;
      offset += at < 0 ? 0 : (size_t)at * axes[i].stride;
    }
    if (outside)
      for (size_t o = 0; o < width; o++) out[row * width + o] = fill;
    else
      copy_row(&axes[rank - 1], in + offset, out + row * width, fill);
  }
}

/* Every axis as it is; the operators then say what they change. */
static void straight(const struct br_op_args *args, struct axis *axes) {
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  size_t stride = 1;
  for (int i = in->rank - 1; i >= 0; i--) {
    axes[i] = (struct axis){.rule = LINEAR, .out = out->d[i], .in = in->d[i], .step = 1, .stride = stride};
    stride *= (size_t)in->d[i];
  }
}

/* The attribute has one number per axis behind the batch (or one for all). */
static int check_numbers(const struct br_node *node, const char *name, int rank) {
  int n = br_node_value(node, name)->n;
  if (n != 1 && n != rank - 1) BR_FAIL(BR_ERROR_DATA, "%s has %d numbers; the input has %d axes behind the batch", name, n, rank - 1);
  return BR_OK;
}

static int number(const struct br_node *node, const char *name, int axis) { return br_value_int(br_node_value(node, name), axis - 1); }

static int transpose_shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  bool seen[BR_MAX_RANK] = {true};
  if (in->rank < 2 || br_node_value(node, "order")->n != in->rank - 1) BR_FAIL(BR_ERROR_DATA, "order needs %d axes, those behind the batch", in->rank - 1);
  node->shape = *in;
  for (int i = 1; i < in->rank; i++) {
    int from = number(node, "order", i);
    if (from >= in->rank || seen[from]) BR_FAIL(BR_ERROR_DATA, "order must name every axis from 1 to %d once", in->rank - 1);
    seen[from] = true;
    node->shape.d[i] = in->d[from];
  }
  return BR_OK;
}

static void transpose_forward(const struct br_op_args *args, struct br_part part) {
  struct axis from[BR_MAX_RANK], axes[BR_MAX_RANK];
  int rank = args->in_shape[0].rank;
  straight(args, from);
  for (int i = 0; i < rank; i++) {
    axes[i] = from[i == 0 ? 0 : number(args->node, "order", i)];
    axes[i].out = args->out_shape->d[i];
  }
  copy(axes, rank, args->in[0], args->out, 0, part);
}

static int slice_shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  if (in->rank < 2) BR_FAIL(BR_ERROR_DATA, "one value a sample cannot be sliced");
  BR_TRY(check_numbers(node, "start", in->rank));
  BR_TRY(check_numbers(node, "size", in->rank));
  BR_TRY(check_numbers(node, "step", in->rank));
  node->shape = *in;
  for (int i = 1; i < in->rank; i++) {
    int64_t start = number(node, "start", i), size = number(node, "size", i), step = number(node, "step", i), end = start + (size - 1) * step;
    if (start >= in->d[i] || end < 0 || end >= in->d[i]) BR_FAIL(BR_ERROR_DATA, "places %lld to %lld of axis %d, which has %d", (long long)start, (long long)end, i, in->d[i]);
    node->shape.d[i] = (int)size;
  }
  return BR_OK;
}

static void slice_forward(const struct br_op_args *args, struct br_part part) {
  struct axis axes[BR_MAX_RANK];
  straight(args, axes);
  for (int i = 1; i < args->out_shape->rank; i++) axes[i].start = number(args->node, "start", i), axes[i].step = number(args->node, "step", i);
  copy(axes, args->out_shape->rank, args->in[0], args->out, 0, part);
}

static int tile_shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  BR_TRY(check_numbers(node, "repeats", inference->in[0]->rank));
  node->shape = *inference->in[0];
  for (int i = 1; i < node->shape.rank; i++)
    if (__builtin_mul_overflow(node->shape.d[i], number(node, "repeats", i), &node->shape.d[i])) BR_FAIL(BR_ERROR_DATA, "axis %d would be too long", i);
  return BR_OK;
}

static void tile_forward(const struct br_op_args *args, struct br_part part) {
  struct axis axes[BR_MAX_RANK];
  straight(args, axes);
  for (int i = 1; i < args->out_shape->rank; i++)
    if (axes[i].out != axes[i].in) axes[i].rule = WRAP;
  copy(axes, args->out_shape->rank, args->in[0], args->out, 0, part);
}

static int pad_shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  BR_TRY(check_numbers(node, "before", inference->in[0]->rank));
  BR_TRY(check_numbers(node, "after", inference->in[0]->rank));
  node->shape = *inference->in[0];
  for (int i = 1; i < node->shape.rank; i++)
    if (__builtin_add_overflow(node->shape.d[i], number(node, "before", i) + number(node, "after", i), &node->shape.d[i])) BR_FAIL(BR_ERROR_DATA, "axis %d would be too long", i);
  return BR_OK;
}

static void pad_forward(const struct br_op_args *args, struct br_part part) {
  static const enum rule rules[] = {CONSTANT, REFLECT, EDGE, WRAP};
  struct axis axes[BR_MAX_RANK];
  straight(args, axes);
  for (int i = 1; i < args->out_shape->rank; i++) {
    if (axes[i].out == axes[i].in) continue;
    axes[i].rule = rules[(int)br_node_value(args->node, "mode")->v[0]];
    axes[i].start = number(args->node, "before", i);
  }
  copy(axes, args->out_shape->rank, args->in[0], args->out, (float)br_node_value(args->node, "value")->v[0], part);
}

static int gather_shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  int axis = (int)br_node_value(node, "axis")->v[0], count = (int)br_node_value(node, "count")->v[0];
  node->shape = *inference->in[0];
  if (axis >= node->shape.rank) BR_FAIL(BR_ERROR_DATA, "axis %d of %d", axis, node->shape.rank);
  node->shape.d[axis] = count;
  return br_op_param(inference, "index", br_shape1(count), BR_INIT_ZERO, 1, false, true); /* with the statistics: it is not trained */
}

static void gather_forward(const struct br_op_args *args, struct br_part part) {
  struct axis axes[BR_MAX_RANK];
  straight(args, axes);
  struct axis *axis = &axes[(int)br_node_value(args->node, "axis")->v[0]];
  axis->rule = TABLE;
  axis->table = args->param[0];
  copy(axes, args->out_shape->rank, args->in[0], args->out, 0, part);
}

#define PER_AXIS(word, fallback, min, max) {word, BR_ATTRIBUTE_NUMBERS, fallback, min, max, BR_MAX_RANK - 1, NULL}

const struct br_op br_op_transpose = {.name = "transpose", .min_inputs = 1, .max_inputs = 1, .attributes = {PER_AXIS("order", NAN, 1, BR_MAX_RANK - 1)}, .shape = transpose_shape, .forward = transpose_forward};
const struct br_op br_op_slice = {.name = "slice", .min_inputs = 1, .max_inputs = 1, .attributes = {PER_AXIS("start", NAN, 0, 1e9), PER_AXIS("size", NAN, 1, 1e9), PER_AXIS("step", 1, -1e9, 1e9)}, .shape = slice_shape, .forward = slice_forward};
const struct br_op br_op_tile = {.name = "tile", .min_inputs = 1, .max_inputs = 1, .attributes = {PER_AXIS("repeats", NAN, 1, 1e9)}, .shape = tile_shape, .forward = tile_forward};
const struct br_op br_op_pad = {.name = "pad",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .attributes = {PER_AXIS("before", NAN, 0, 1e6), PER_AXIS("after", NAN, 0, 1e6), {"mode", BR_ATTRIBUTE_WORD, 0, 0, 3, 1, "constant|reflect|edge|wrap"}, {"value", BR_ATTRIBUTE_REAL, 0, -1e38, 1e38, 1, NULL}},
                                .shape = pad_shape,
                                .forward = pad_forward};
const struct br_op br_op_gather = {.name = "gather", .min_inputs = 1, .max_inputs = 1, .attributes = {{"axis", BR_ATTRIBUTE_NUMBERS, NAN, 1, BR_MAX_RANK - 1, 1, NULL}, {"count", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e9, 1, NULL}}, .shape = gather_shape, .forward = gather_forward};
