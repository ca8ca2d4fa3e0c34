/* concat a b ...: channels one after the other; all other sizes are equal. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <string.h>

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  node->shape = *inference->in[0];
  int *channels = &node->shape.d[node->shape.rank - 1];
  for (int k = 1; k < node->n_inputs; k++) {
    struct br_shape other = *inference->in[k];
    int more = br_shape_channels(&other);
    if (other.rank == node->shape.rank) other.d[other.rank - 1] = *channels;
    if (!br_shape_equal(&other, &node->shape)) {
      char a[80], b[80];
      BR_FAIL(BR_ERROR_DATA, "concat of %s and %s: all sizes but the channels must be equal", br_shape_text(&node->shape, a), br_shape_text(inference->in[k], b));
    }
    if (__builtin_add_overflow(*channels, more, channels)) BR_FAIL(BR_ERROR_DATA, "concat of too many channels");
  }
  return BR_OK;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  size_t C = (size_t)br_shape_channels(args->out_shape), first, last, at = 0;
  br_part_range(part, br_shape_rows(args->out_shape), 1, &first, &last);
  for (int k = 0; k < args->n_inputs; k++) {
    size_t c = (size_t)br_shape_channels(&args->in_shape[k]);
    for (size_t row = first; row < last; row++) memcpy(args->out + row * C + at, args->in[k] + row * c, c * sizeof(float));
    at += c;
  }
}

static void backward(const struct br_op_args *args, struct br_part part) {
  size_t C = (size_t)br_shape_channels(args->out_shape), first, last, at = 0;
  br_part_range(part, br_shape_rows(args->out_shape), 1, &first, &last);
  for (int k = 0; k < args->n_inputs; k++) {
    size_t c = (size_t)br_shape_channels(&args->in_shape[k]);
    if (args->din[k])
      for (size_t row = first; row < last; row++) br_copy(args->dout + row * C + at, args->din[k] + row * c, args->din_accumulate[k], c, BR_PART_ALL);
    at += c;
  }
}

const struct br_op br_op_concat = {.name = "concat", .min_inputs = 1, .max_inputs = 64, .shape = shape, .forward = forward, .backward = backward};
