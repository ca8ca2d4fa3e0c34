/* conv, relu and maxpool as one step, where the plan finds them one behind the other in training. It is no word of the net text. What lies
 * between the convolution and the pool never reaches memory, and pixels that are not chosen cost nothing in the backward pass. */
#include "net/ops/conv_pool.h"
#include "net/ops/window.h"

#include <bramble/kernel/conv_pool.h>
#include <bramble/net/exec.h>

/* The step's nodes lie one behind the other: conv, relu, maxpool. */
static struct br_conv_pool block_of(const struct br_node *node, const struct br_shape *in, int N) {
  struct br_window conv, pool;
  const int H = in->d[1], W = in->d[2], C = in->d[3], groups = (int)br_node_value(node, "groups")->v[0];
  br_window_find(node, H, W, &conv);
  br_window_find(node + 2, conv.out[0], conv.out[1], &pool);
  return (struct br_conv_pool){
      .conv = {.N = N, .H = H, .W = W, .C = C, .K = node->shape.d[3], .R = conv.kernel[0], .S = conv.kernel[1], .P = conv.out[0], .Q = conv.out[1], .stride_h = conv.stride[0], .stride_w = conv.stride[1],
               .dilation_h = conv.dilation[0], .dilation_w = conv.dilation[1], .pad_top = conv.before[0], .pad_left = conv.before[1], .groups = groups == 0 ? C : groups},
      .pool_h = pool.kernel[0], .pool_w = pool.kernel[1]};
}

/* Larger pictures leave the first cache for each channel, and few windows fill no vector: then the three are faster one by one. */
#define IMAGE_FLOATS_MOST 8192
#define WINDOWS_LEAST 16

bool br_conv_pool_fits(const struct br_node *node, const struct br_shape *in) {
  const struct br_conv_pool b = block_of(node, in, 1);
  const struct br_conv_shape *d = &b.conv;
  struct br_window pool;
  br_window_find(node + 2, d->P, d->Q, &pool);
  return d->groups == 1 && d->dilation_h == 1 && d->dilation_w == 1 && pool.stride[0] == pool.kernel[0] && pool.stride[1] == pool.kernel[1] && pool.before[0] == 0 && pool.before[1] == 0 &&
         pool.out[0] == d->P / b.pool_h && pool.out[1] == d->Q / b.pool_w && b.pool_h * b.pool_w <= BR_CONV_POOL_MOST && (size_t)(pool.out[0] * pool.out[1]) >= WINDOWS_LEAST &&
         br_shape_count(in) / (size_t)in->d[0] <= IMAGE_FLOATS_MOST;
}

static struct br_conv_pool linked(const struct br_op_args *args) {
  struct br_conv_pool b = block_of(args->node, &args->in_shape[0], args->in_shape[0].d[0]);
  const bool has_bias = br_node_value(args->node, "bias")->v[0] != 0;
  b.x = args->in[0], b.w = args->param[0], b.bias = has_bias ? args->param[1] : NULL;
  b.y = args->out, b.chosen = args->saved;
  b.dy = args->dout, b.dx = args->din[0], b.accumulate_dx = args->din_accumulate[0];
  b.dw = args->dparam[0], b.dbias = has_bias ? args->dparam[1] : NULL;
  return b;
}

static size_t work_bytes(const struct br_op_args *args) {
  const struct br_conv_pool b = block_of(args->node, &args->in_shape[0], args->in_shape[0].d[0]);
  return br_conv_pool_work_bytes(&b);
}

static size_t saved_bytes(const struct br_op_args *args) { return br_shape_count(args->out_shape); }

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_conv_pool b = linked(args);
  br_conv_pool_forward(&b, part, args->work);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  const struct br_conv_pool b = linked(args);
  br_conv_pool_backward(&b, part, args->work);
}

const struct br_op br_op_conv_pool = {.name = "conv pool", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_BACKWARD_IN, .work_bytes = work_bytes, .saved_bytes = saved_bytes, .forward = forward, .backward = backward};
