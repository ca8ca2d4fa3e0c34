/* mul x s: the product of two tensors of one shape, or of pictures with one factor per picture and channel (N,1,1,C: squeeze-excite). */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static bool is_channel_mul(const struct br_shape *x, const struct br_shape *s) { return !br_shape_equal(x, s); }

static int shape(struct br_inference *inference) {
  const struct br_shape *x = inference->in[0], *s = inference->in[1];
  inference->node->shape = *x;
  bool channels = x->rank == 4 && x->d[0] == s->d[0] && br_shape_channels(x) == br_shape_channels(s) && br_shape_count(s) == (size_t)s->d[0] * (size_t)br_shape_channels(s);
  if (!br_shape_equal(x, s) && !channels) {
    char a[80], b[80];
    BR_FAIL(BR_ERROR_DATA, "mul of %s and %s: shapes must be equal, or the second have one value per picture and channel", br_shape_text(x, a), br_shape_text(s, b));
  }
  return BR_OK;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *x = &args->in_shape[0];
  if (is_channel_mul(x, &args->in_shape[1]))
    br_channel_mul(args->in[0], args->in[1], args->out, false, (size_t)x->d[0], (size_t)x->d[1] * (size_t)x->d[2], (size_t)x->d[3], part);
  else
    br_mul(args->in[0], args->in[1], args->out, false, br_shape_count(x), part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *x = &args->in_shape[0];
  if (!is_channel_mul(x, &args->in_shape[1])) {
    if (args->din[0]) br_mul(args->dout, args->in[1], args->din[0], args->din_accumulate[0], br_shape_count(x), part);
    if (args->din[1]) br_mul(args->dout, args->in[0], args->din[1], args->din_accumulate[1], br_shape_count(x), part);
    return;
  }
  size_t N = (size_t)x->d[0], rows = (size_t)x->d[1] * (size_t)x->d[2], C = (size_t)x->d[3];
  if (args->din[0]) br_channel_mul(args->dout, args->in[1], args->din[0], args->din_accumulate[0], N, rows, C, part);
  if (args->din[1]) br_channel_mul_backward_scale(args->in[0], args->dout, args->din[1], args->din_accumulate[1], N, rows, C, part);
}

const struct br_op br_op_mul = {.name = "mul", .min_inputs = 2, .max_inputs = 2, .flags = BR_OP_BACKWARD_IN, .shape = shape, .forward = forward, .backward = backward};
