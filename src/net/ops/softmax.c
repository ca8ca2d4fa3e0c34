/* softmax x: the channels of each row as probabilities. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static int shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return BR_OK;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  br_softmax_forward(args->in[0], args->out, br_shape_rows(args->out_shape), (size_t)br_shape_channels(args->out_shape), part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  if (args->din[0]) br_softmax_backward(args->out, args->dout, args->din[0], args->din_accumulate[0], br_shape_rows(args->out_shape), (size_t)br_shape_channels(args->out_shape), part);
}

const struct br_op br_op_softmax = {.name = "softmax", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_BACKWARD_OUT, .shape = shape, .forward = forward, .backward = backward};
