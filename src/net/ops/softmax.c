/* softmax x: the channels of each row as probabilities; logsoftmax x: their logarithms (to be used, not trained). */
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

static void log_forward(const struct br_op_args *args, struct br_part part) {
  size_t C = (size_t)br_shape_channels(args->out_shape), first, last;
  br_part_range(part, br_shape_rows(args->out_shape), 1, &first, &last);
  for (size_t row = first; row < last; row++) {
    const float *x = args->in[0] + row * C;
    float *y = args->out + row * C, top = x[0], sum = 0;
    for (size_t c = 1; c < C; c++) top = x[c] > top ? x[c] : top;
    for (size_t c = 0; c < C; c++) sum += br_expf(x[c] - top);
    float shift = top + br_logf(sum);
    for (size_t c = 0; c < C; c++) y[c] = x[c] - shift;
  }
}

const struct br_op br_op_logsoftmax = {.name = "logsoftmax", .min_inputs = 1, .max_inputs = 1, .shape = shape, .forward = log_forward};
