/* prelu x: x where it is not negative, else x times a trained slope of its channel (start 0.25; He et al. 2015). */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static int shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return br_op_param(inference, "weight", br_shape1(br_shape_channels(inference->in[0])), BR_INIT_CONSTANT, 0.25f, false, false);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  br_prelu_forward(args->in[0], args->param[0], args->out, br_shape_rows(args->out_shape), (size_t)br_shape_channels(args->out_shape), part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  br_prelu_backward(args->in[0], args->param[0], args->dout, args->din[0], args->din_accumulate[0], args->dparam[0], br_shape_rows(args->out_shape), (size_t)br_shape_channels(args->out_shape), part);
}

const struct br_op br_op_prelu = {
    .name = "prelu",
    .min_inputs = 1,
    .max_inputs = 1,
    .flags = BR_OP_BACKWARD_IN,
    .shape = shape,
    .forward = forward,
    .backward = backward,
};
