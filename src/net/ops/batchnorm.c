/* batchnorm x [momentum= eps=]: normalises each channel by the statistics of the unit (training) or the running ones (inference). An
 * activation may ride on it. momentum is the share of the old running value that is kept at each step. The statistics block receives
 * this unit's mean and biased variance; the trainer pools them exactly (train/statistics.c). */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

enum { GAMMA, BETA, MEAN, VAR };

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  node->shape = *inference->in[0];
  struct br_shape channels = br_shape1(br_shape_channels(&node->shape));
  BR_TRY(br_op_param(inference, "weight", channels, BR_INIT_ONE, 1, false, false));
  BR_TRY(br_op_param(inference, "bias", channels, BR_INIT_ZERO, 1, false, false));
  BR_TRY(br_op_param(inference, "running_mean", channels, BR_INIT_ZERO, 1, false, true));
  return br_op_param(inference, "running_var", channels, BR_INIT_ONE, 1, false, true);
}

/* Kept for the backward pass: mean and 1 / sqrt(var + eps). Shared scratch: gamma / sqrt(var + eps) in the forward pass; in the backward pass the
 * sums that the input's gradient needs where those of frozen parameters are not wanted. */
static size_t saved_bytes(const struct br_op_args *args) { return 2 * sizeof(float) * (size_t)br_shape_channels(args->out_shape); }
static size_t shared_bytes(const struct br_op_args *args) { return 2 * sizeof(float) * (size_t)br_shape_channels(args->out_shape); }

static void forward(const struct br_op_args *args, struct br_part part) {
  size_t rows = br_shape_rows(args->out_shape), C = (size_t)br_shape_channels(args->out_shape), first, last;
  float eps = (float)br_node_value(args->node, "eps")->v[0];
  float *mean = args->saved, *inv_std = mean + C, *scale = args->shared;
  br_part_range(part, C, 16, &first, &last);
  const float *use_mean = args->param[MEAN], *use_var = args->param[VAR];
  if (args->mode != BR_RUN_INFER) {
    br_batchnorm_stats(args->in[0], rows, C, args->dparam[MEAN], args->dparam[VAR], part);
    br_barrier_wait(args->barrier, part.count);
    use_mean = args->dparam[MEAN];
    use_var = args->dparam[VAR];
  }
  for (size_t c = first; c < last; c++) {
    mean[c] = use_mean[c];
    inv_std[c] = 1.0f / sqrtf(use_var[c] + eps);
    scale[c] = args->param[GAMMA][c] * inv_std[c];
  }
  br_barrier_wait(args->barrier, part.count);
  br_batchnorm_forward(args->in[0], rows, C, mean, scale, args->param[BETA], (enum br_activation)args->activation, args->out, part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  size_t rows = br_shape_rows(args->out_shape), C = (size_t)br_shape_channels(args->out_shape);
  const float *mean = args->saved, *inv_std = mean + C;
  enum br_activation f = (enum br_activation)args->activation;
  float *scratch = args->shared, *dgamma = args->dparam[GAMMA] ? args->dparam[GAMMA] : scratch, *dbeta = args->dparam[BETA] ? args->dparam[BETA] : scratch + C;
  br_batchnorm_backward_sums(args->in[0], args->dout, rows, C, mean, inv_std, args->param[GAMMA], args->param[BETA], f, dgamma, dbeta, part);
  br_barrier_wait(args->barrier, part.count);
  if (args->din[0])
    br_batchnorm_backward_data(args->in[0], args->dout, rows, C, mean, inv_std, args->param[GAMMA], args->param[BETA], f, dgamma, dbeta, args->din[0], args->din_accumulate[0], part);
}

const struct br_op br_op_batchnorm = {
    .name = "batchnorm",
    .min_inputs = 1,
    .max_inputs = 1,
    .flags = BR_OP_BACKWARD_IN | BR_OP_IN_PLACE,
    .attributes = {{"momentum", BR_ATTRIBUTE_REAL, 0.9, 0, 1, 1, NULL}, {"eps", BR_ATTRIBUTE_REAL, 1e-5, 0, 1, 1, NULL}},
    .shape = shape,
    .saved_bytes = saved_bytes,
    .shared_bytes = shared_bytes,
    .forward = forward,
    .backward = backward,
};
