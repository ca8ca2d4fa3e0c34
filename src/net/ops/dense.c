/* dense x out=K [bias=]: every output from every input. Weights [C, K]; an input of pictures is taken as its rows of channels. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static bool has_bias(const struct br_node *node) { return br_node_value(node, "bias")->v[0] != 0; }

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  int C = br_shape_channels(in), K = (int)br_node_value(node, "out")->v[0];
  node->shape = *in;
  node->shape.d[in->rank - 1] = K;
  BR_TRY(br_op_param(inference, "weight", br_shape2(C, K), BR_INIT_HE_UNIFORM, (float)C, true, false));
  if (has_bias(node)) BR_TRY(br_op_param(inference, "bias", br_shape1(K), BR_INIT_ZERO, 1, false, false));
  return BR_OK;
}

static size_t work_bytes(const struct br_op_args *args) {
  size_t M = br_shape_rows(args->out_shape), N = (size_t)br_shape_channels(args->out_shape), K = (size_t)br_shape_channels(&args->in_shape[0]);
  size_t a = br_gemm_work_bytes(M, N, K), b = br_gemm_work_bytes(K, N, M), c = br_gemm_work_bytes(M, K, N);
  return a > b ? (a > c ? a : c) : (b > c ? b : c);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  size_t M = br_shape_rows(args->out_shape), N = (size_t)br_shape_channels(args->out_shape), K = (size_t)br_shape_channels(&args->in_shape[0]);
  struct br_gemm gemm = {.M = M, .N = N, .K = K, .A = args->in[0], .lda = K, .B = args->param[0], .ldb = N, .C = args->out, .ldc = N};
  gemm.epilogue = (struct br_epilogue){.bias = has_bias(args->node) ? args->param[1] : NULL, .activation = (enum br_activation)args->activation, .alpha = args->activation_alpha};
  br_gemm(&gemm, part, args->work);
}

/* dw [C,K] = x^T dy; db = column sums of dy; dx [M,C] = dy w^T. */
static void backward(const struct br_op_args *args, struct br_part part) {
  size_t M = br_shape_rows(args->out_shape), N = (size_t)br_shape_channels(args->out_shape), K = (size_t)br_shape_channels(&args->in_shape[0]);
  if (args->dparam[0])
    br_gemm(&(struct br_gemm){.M = K, .N = N, .K = M, .A = args->in[0], .lda = K, .trans_a = true, .B = args->dout, .ldb = N, .C = args->dparam[0], .ldc = N}, part, args->work);
  if (has_bias(args->node) && args->dparam[1]) br_column_sum(args->dout, N, M, N, args->dparam[1], part);
  if (args->din[0])
    br_gemm(&(struct br_gemm){.M = M, .N = K, .K = N, .A = args->dout, .lda = N, .B = args->param[0], .ldb = N, .trans_b = true, .C = args->din[0], .ldc = K, .accumulate = args->din_accumulate[0]}, part,
            args->work);
}

static double macs(const struct br_node *node, const struct br_shape *in) { return (double)br_shape_count(&node->shape) * br_shape_channels(in); }

const struct br_op br_op_dense = {
    .name = "dense",
    .min_inputs = 1,
    .max_inputs = 1,
    .flags = BR_OP_BACKWARD_IN,
    .attributes = {{"out", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e8, 1, NULL}, {"bias", BR_ATTRIBUTE_BOOL, 1, 0, 1, 1, NULL}},
    .shape = shape,
    .work_bytes = work_bytes,
    .forward = forward,
    .backward = backward,
    .macs = macs,
};
