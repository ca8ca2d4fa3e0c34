/* The step of a group of nodes in inference (net/fold.h): a convolution or dense layer with packed weights, residual and activation. No net text names it;
 * net/plan.c puts it where a prepared net is run. */
#include "net/prepared.h"
#include "net/ops/conv.h"

#include <bramble/kernel/infer.h>

extern const struct br_op br_op_dense;

struct br_conv_shape br__packed_shape(const struct br_node *node, const struct br_shape *in, const struct br_shape *out) {
  if (node->op != &br_op_dense) return br_op_conv_shape(node, in, out);
  int rows = (int)br_shape_rows(out); /* at most BR_MAX_ELEMENTS */
  return (struct br_conv_shape){.N = 1, .H = rows, .W = 1, .C = br_shape_channels(in), .K = br_shape_channels(out), .R = 1, .S = 1, .P = rows, .Q = 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
}

static size_t work_bytes(const struct br_op_args *args) {
  const struct br_conv_shape shape = br__packed_shape(args->node, &args->in_shape[0], args->out_shape);
  return br_infer_conv_work_bytes(&shape);
}

struct br_infer_conv br__packed_conv(const struct br_op_args *args) {
  struct br_infer_conv conv = {.shape = br__packed_shape(args->node, &args->in_shape[0], args->out_shape), .packed = args->param[0], .x = args->in[0], .y = args->out, .y_pixel = args->out_pixel};
  conv.epilogue = (struct br_epilogue){.bias = args->param[1], .residual = args->n_inputs > 1 ? args->in[1] : NULL, .activation = (enum br_activation)args->activation, .alpha = args->activation_alpha};
  return conv;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_infer_conv conv = br__packed_conv(args);
  br_infer_conv(&conv, part, args->work);
}

static size_t winograd_work_bytes(const struct br_op_args *args) {
  const struct br_conv_shape shape = br__packed_shape(args->node, &args->in_shape[0], args->out_shape);
  return br_winograd_work_bytes(&shape);
}

static void winograd_forward(const struct br_op_args *args, struct br_part part) {
  const struct br_infer_conv conv = br__packed_conv(args);
  br_winograd_conv(&conv, part, args->work);
}

const struct br_op br_op_packed = {.name = "packed", .min_inputs = 1, .max_inputs = 2, .work_bytes = work_bytes, .forward = forward};
const struct br_op br_op_winograd = {.name = "packed", .min_inputs = 1, .max_inputs = 2, .work_bytes = winograd_work_bytes, .forward = winograd_forward};
