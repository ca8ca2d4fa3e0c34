/* concat a b ... [axis=]: one behind the other along an axis, by default the channels; all other sizes are equal. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <string.h>

static int axis_of(const struct br_node *node, const struct br_shape *shape) {
  int axis = (int)br_node_value(node, "axis")->v[0];
  return axis > 0 ? axis : shape->rank - 1;
}

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  node->shape = *inference->in[0];
  int axis = axis_of(node, &node->shape);
  if (axis >= node->shape.rank) BR_FAIL(BR_ERROR_DATA, "axis %d of %d", axis, node->shape.rank);
  int *size = &node->shape.d[axis];
  for (int k = 1; k < node->n_inputs; k++) {
    struct br_shape other = *inference->in[k];
    int more = axis < other.rank ? other.d[axis] : 0;
    if (other.rank == node->shape.rank) other.d[axis] = *size;
    if (!br_shape_equal(&other, &node->shape)) {
      char a[80], b[80];
      BR_FAIL(BR_ERROR_DATA, "concat of %s and %s: all sizes but that of axis %d must be equal", br_shape_text(&node->shape, a), br_shape_text(inference->in[k], b), axis);
    }
    if (__builtin_add_overflow(*size, more, size)) BR_FAIL(BR_ERROR_DATA, "concat of too many channels");
  }
  return BR_OK;
}

/* A tensor as rows of everything from the axis on. */
static size_t row_floats(const struct br_shape *shape, int axis) {
  size_t n = 1;
  for (int i = axis; i < shape->rank; i++) n *= (size_t)shape->d[i];
  return n;
}

/* Row by row, so that the joined tensor is written in order. */
static void forward(const struct br_op_args *args, struct br_part part) {
  int axis = axis_of(args->node, args->out_shape);
  size_t width = row_floats(args->out_shape, axis), first, last;
  br_part_range(part, br_shape_count(args->out_shape) / width, 1, &first, &last);
  for (size_t row = first; row < last; row++)
    for (size_t k = 0, at = 0, own; k < (size_t)args->n_inputs; k++, at += own) {
      own = row_floats(&args->in_shape[k], axis);
      bool is_there = args->in[k] == args->out + at; /* made in its place (net/plan.c) */
      if (!is_there) memcpy(args->out + row * width + at, args->in[k] + row * own, own * sizeof(float));
    }
}

static void backward(const struct br_op_args *args, struct br_part part) {
  int axis = axis_of(args->node, args->out_shape);
  size_t width = row_floats(args->out_shape, axis), first, last, at = 0;
  br_part_range(part, br_shape_count(args->out_shape) / width, 1, &first, &last);
  for (int k = 0; k < args->n_inputs; k++) {
    size_t own = row_floats(&args->in_shape[k], axis);
    if (args->din[k] && args->din[k] != args->dout + at) /* else it is read in its place */
      for (size_t row = first; row < last; row++) br_copy(args->dout + row * width + at, args->din[k] + row * own, args->din_accumulate[k], own, BR_PART_ALL);
    at += own;
  }
}

const struct br_op br_op_concat = {.name = "concat", .min_inputs = 1, .max_inputs = 64, .attributes = {{"axis", BR_ATTRIBUTE_NUMBERS, -1, 1, BR_MAX_RANK - 1, 1, NULL}}, .shape = shape, .forward = forward, .backward = backward};
