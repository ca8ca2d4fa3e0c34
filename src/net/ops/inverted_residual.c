/* conv 1x1, batchnorm + relu6, conv depthwise, batchnorm + relu6, conv 1x1 as one step (or the last three alone), where the plan finds them one behind
 * the other in training. It is no word of the net text. Activations between the first and the last convolution never reach memory. */
#include "net/op.h"
#include "net/ops/window.h"

#include <bramble/kernel/inverted_residual.h>
#include <bramble/net/exec.h>

/* The step's nodes lie one behind the other from args->node; with an expansion there are seven, else four. */
static bool expands(const struct br_node *node) { return (int)br_node_value(node, "groups")->v[0] == 1; }
static const struct br_node *depthwise_node(const struct br_node *node) { return expands(node) ? node + 3 : node; }

/* Places of the parameters: weight; weight, bias, mean, var; weight; weight, bias, mean, var; weight. */
enum { EXPAND, GAMMA1, BETA1, MEAN1, VAR1, DEPTHWISE, GAMMA2, BETA2, MEAN2, VAR2, PROJECT };

static struct br_inverted_residual block_of(const struct br_op_args *args) {
  const struct br_node *node = args->node, *depthwise = depthwise_node(node);
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  struct br_window w;
  br_window_find(depthwise, in->d[1], in->d[2], &w);
  int E = depthwise->shape.d[3];
  return (struct br_inverted_residual){
      .depthwise = {.N = in->d[0], .H = in->d[1], .W = in->d[2], .C = E, .K = E, .R = w.kernel[0], .S = w.kernel[1], .P = out->d[1], .Q = out->d[2], .stride_h = w.stride[0], .stride_w = w.stride[1],
                    .dilation_h = 1, .dilation_w = 1, .pad_top = w.before[0], .pad_left = w.before[1], .groups = E},
      .C = in->d[3], .K = out->d[3], .expand = expands(node), .eps = (float)br_node_value(depthwise + 1, "eps")->v[0], .barrier = args->barrier};
}

static struct br_inverted_residual linked(const struct br_op_args *args) {
  struct br_inverted_residual b = block_of(args);
  int skip = b.expand ? 0 : DEPTHWISE; /* without an expansion the list starts at the depthwise weights */
#define P(place) args->param[(place) - skip]
#define D(place) args->dparam[(place) - skip]
  b.x = args->in[0], b.y = args->out;
  if (br_inverted_residual_is_narrow(&b))
    b.moments = args->saved;
  else
    b.keep = args->saved;
  b.dy = args->dout, b.dx = args->din[0], b.accumulate_dx = args->din_accumulate[0];
  if (b.expand) {
    b.w_expand = P(EXPAND), b.gamma1 = P(GAMMA1), b.beta1 = P(BETA1), b.mean1 = D(MEAN1), b.var1 = D(VAR1);
    b.dw_expand = D(EXPAND), b.dgamma1 = D(GAMMA1), b.dbeta1 = D(BETA1);
  }
  b.w_depthwise = P(DEPTHWISE), b.gamma2 = P(GAMMA2), b.beta2 = P(BETA2), b.mean2 = D(MEAN2), b.var2 = D(VAR2), b.w_project = P(PROJECT);
  b.dw_depthwise = D(DEPTHWISE), b.dgamma2 = D(GAMMA2), b.dbeta2 = D(BETA2), b.dw_project = D(PROJECT);
#undef P
#undef D
  return b;
}

/* Keeping the inner matrices for the backward pass is faster than computing them again from so many channels on. From fewer, the products are as
 * fast as memory, and the matrices are large: they would be most of the memory. The results have the same bits either way. */
#define KEEP_CHANNELS 48

static size_t saved_bytes(const struct br_op_args *args) {
  const struct br_inverted_residual b = block_of(args);
  const struct br_conv_shape *d = &b.depthwise;
  if (br_inverted_residual_is_narrow(&b)) return br_inverted_residual_moments(&b) * sizeof(double);
  if (args->mode != BR_RUN_TRAIN || !b.expand || b.C < KEEP_CHANNELS) return 0;
  return (size_t)d->N * ((size_t)d->H * (size_t)d->W + (size_t)d->P * (size_t)d->Q) * (size_t)d->C * sizeof(float);
}

static size_t shared_bytes(const struct br_op_args *args) {
  struct br_inverted_residual b = block_of(args);
  return br_inverted_residual_work_bytes(&b, args->members);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  struct br_inverted_residual b = linked(args);
  br_inverted_residual_forward(&b, part, args->shared);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  struct br_inverted_residual b = linked(args);
  br_inverted_residual_backward(&b, part, args->shared);
}

const struct br_op br_op_inverted_residual = {.name = "inverted residual", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_BACKWARD_IN, .shared_bytes = shared_bytes, .saved_bytes = saved_bytes, .forward = forward, .backward = backward};
