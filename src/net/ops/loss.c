/* crossentropy x [smoothing=]: softmax cross entropy of class scores against labels; mse x: mean squared error against target rows. A net without
 * a loss node is trained with crossentropy (of the scores before a last softmax). Losses are per sample; the gradient is of run->loss_scale times their sum. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static int shape(struct br_inference *inference) {
  const struct br_shape *in = inference->in[0];
  if (br_shape_rows(in) != (size_t)in->d[0]) {
    char text[80];
    BR_FAIL(BR_ERROR_DATA, "a loss takes one row of values a sample, not %s; put globalpool or flatten before it", br_shape_text(in, text));
  }
  inference->node->shape = br_shape1(in->d[0]);
  return BR_OK;
}

/* Forward leaves the losses, backward the gradient; the softmax is worked out twice rather than kept. */
static void cross_entropy(const struct br_op_args *args, float *losses, float *gradient, struct br_part part) {
  const struct br_run *run = args->run;
  float smoothing = (float)br_node_value(args->node, "smoothing")->v[0];
  br_cross_entropy(args->in[0], run->label, run->class_weight, smoothing > 0 ? smoothing : run->smoothing, run->loss_scale, losses, gradient, (size_t)args->in_shape[0].d[0], (size_t)br_shape_channels(&args->in_shape[0]), part);
}

static void cross_entropy_forward(const struct br_op_args *args, struct br_part part) {
  if (args->run->label) cross_entropy(args, args->losses, NULL, part);
}

static void cross_entropy_backward(const struct br_op_args *args, struct br_part part) {
  if (args->run->label && args->din[0]) cross_entropy(args, args->losses, args->din[0], part);
}

/* loss = mean over the row of (x - t)^2, one chain; dx = scale 2 (x - t) / C. */
static void mse(const struct br_op_args *args, float *gradient, struct br_part part) {
  size_t C = (size_t)br_shape_channels(&args->in_shape[0]), first, last;
  if (!args->run->target) return;
  br_part_range(part, (size_t)args->in_shape[0].d[0], 1, &first, &last);
  float factor = args->run->loss_scale * (2.0f / (float)C);
  for (size_t row = first; row < last; row++) {
    const float *x = args->in[0] + row * C, *t = args->run->target + row * C;
    float sum = 0;
    for (size_t c = 0; c < C; c++) {
      float d = x[c] - t[c];
      sum = sum + d * d;
      if (gradient) gradient[row * C + c] = factor * d;
    }
    args->losses[row] = sum / (float)C;
  }
}

static void mse_forward(const struct br_op_args *args, struct br_part part) { mse(args, NULL, part); }
static void mse_backward(const struct br_op_args *args, struct br_part part) { mse(args, args->din[0], part); }

const struct br_op br_op_crossentropy = {.name = "crossentropy", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_LOSS | BR_OP_BACKWARD_IN, .attributes = {{"smoothing", BR_ATTRIBUTE_REAL, 0, 0, 0.999, 1, NULL}}, .shape = shape, .forward = cross_entropy_forward, .backward = cross_entropy_backward};
const struct br_op br_op_mse = {.name = "mse", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_LOSS | BR_OP_BACKWARD_IN, .shape = shape, .forward = mse_forward, .backward = mse_backward};
