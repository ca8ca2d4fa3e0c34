/* conv x out=K kernel=RxS [stride= padding= dilation= groups= bias=]: two-dimensional convolution, depthwise where groups equals the input's
 * channels. Weights [R, S, C / groups, K]. groups=0 stands for depthwise: groups = C, and out is a multiple of C (default C). */
#include "net/op.h"
#include "net/ops/conv.h"
#include "net/ops/window.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static int groups_of(const struct br_node *node, int C) {
  int groups = br_value_int(br_node_value(node, "groups"), 0);
  return groups == 0 ? C : groups;
}

static bool has_bias(const struct br_node *node) { return br_node_value(node, "bias")->v[0] != 0; }

struct br_conv_shape br_op_conv_shape(const struct br_node *node, const struct br_shape *in, const struct br_shape *out) {
  struct br_window window;
  br_window_find(node, in->d[1], in->d[2], &window); /* it fits: the shape rule has asked */
  return (struct br_conv_shape){
      .N = in->d[0], .H = in->d[1], .W = in->d[2], .C = in->d[3], .K = out->d[3], .R = window.kernel[0], .S = window.kernel[1], .P = out->d[1], .Q = out->d[2],
      .stride_h = window.stride[0], .stride_w = window.stride[1], .dilation_h = window.dilation[0], .dilation_w = window.dilation[1],
      .pad_top = window.before[0], .pad_left = window.before[1], .groups = groups_of(node, in->d[3])};
}

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  if (in->rank != 4) BR_FAIL(BR_ERROR_DATA, "a convolution needs pictures (height, width, channels); flatten and dense are for values");
  int C = in->d[3], K = (int)br_node_value(node, "out")->v[0], groups = groups_of(node, C);
  if (K == 0) K = C;
  if (C % groups || K % groups) BR_FAIL(BR_ERROR_DATA, "groups=%d divides %d input channels and %d outputs unevenly", groups, C, K);
  struct br_window window;
  BR_TRY(br_window_find(node, in->d[1], in->d[2], &window));
  node->shape = br_shape4(in->d[0], window.out[0], window.out[1], K);
  float fan_in = (float)window.kernel[0] * (float)window.kernel[1] * (float)(C / groups);
  BR_TRY(br_op_param(inference, "weight", br_shape4(window.kernel[0], window.kernel[1], C / groups, K), BR_INIT_HE_UNIFORM, fan_in, true, false));
  if (has_bias(node)) BR_TRY(br_op_param(inference, "bias", br_shape1(K), BR_INIT_ZERO, 1, false, false));
  return BR_OK;
}

static size_t work_bytes(const struct br_op_args *args) {
  struct br_conv_shape shape = br_op_conv_shape(args->node, &args->in_shape[0], args->out_shape);
  return br_conv_work_bytes(&shape);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  struct br_conv_shape s = br_op_conv_shape(args->node, &args->in_shape[0], args->out_shape);
  s.y_pixel = (int)args->out_pixel;
  struct br_epilogue epilogue = {.bias = has_bias(args->node) ? args->param[1] : NULL, .activation = (enum br_activation)args->activation, .alpha = args->activation_alpha};
  br_conv_forward(&s, args->in[0], args->param[0], args->out, &epilogue, part, args->work);
}

/* A product of each pixel's channels, whose gradient can be masked as it is made. */
static void backward_masked(const struct br_op_args *args, const struct br_conv_shape *s, struct br_part part) {
  const size_t C = (size_t)s->C, K = (size_t)s->K;
  const struct br_gemm g = {.M = br_shape_rows(args->out_shape), .N = C, .K = K, .A = args->dout, .lda = args->out_pixel, .B = args->param[0], .ldb = K, .trans_b = true, .C = args->din[0], .ldc = C, .epilogue.mask = args->in[0]};
  br_gemm(&g, part, args->work);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  struct br_conv_shape s = br_op_conv_shape(args->node, &args->in_shape[0], args->out_shape);
  const size_t rows = br_shape_rows(args->out_shape);
  s.y_pixel = (int)args->out_pixel;
  if (args->activation && !args->masked) {
    br_relu_mask(args->out, args->dout, args->out_pixel, rows, (size_t)s.K, part);
    br_barrier_wait(args->barrier, part.count);
  }
  if (args->dparam[0]) br_conv_backward_weight(&s, args->in[0], args->dout, args->dparam[0], false, part, args->work);
  if (has_bias(args->node) && args->dparam[1]) br_column_sum(args->dout, args->out_pixel, rows, (size_t)s.K, args->dparam[1], part);
  if (args->din[0] && args->masks_in)
    backward_masked(args, &s, part);
  else if (args->din[0])
    br_conv_backward_data(&s, args->dout, args->param[0], args->din[0], args->din_accumulate[0], part, args->work);
}

static double macs(const struct br_node *node, const struct br_shape *in) {
  struct br_conv_shape s = br_op_conv_shape(node, in, &node->shape);
  return (double)br_shape_count(&node->shape) * s.R * s.S * (s.C / s.groups);
}

const struct br_op br_op_conv = {
    .name = "conv",
    .min_inputs = 1,
    .max_inputs = 1,
    .flags = BR_OP_BACKWARD_IN,
    .attributes = {{"out", BR_ATTRIBUTE_NUMBERS, 0, 1, 1e6, 1, NULL},
                   {"kernel", BR_ATTRIBUTE_NUMBERS, 1, 1, 1000, 2, NULL},
                   {"stride", BR_ATTRIBUTE_NUMBERS, 1, 1, 1000, 2, NULL},
                   {"padding", BR_ATTRIBUTE_PADDING, 0, 0, 1000, 4, NULL},
                   {"dilation", BR_ATTRIBUTE_NUMBERS, 1, 1, 1000, 2, NULL},
                   {"groups", BR_ATTRIBUTE_NUMBERS, 1, 0, 1e6, 1, NULL},
                   {"bias", BR_ATTRIBUTE_BOOL, 1, 0, 1, 1, NULL}},
    .shape = shape,
    .work_bytes = work_bytes,
    .forward = forward,
    .backward = backward,
    .macs = macs,
};
