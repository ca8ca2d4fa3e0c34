/* layernorm x [eps=]: every row of channels to mean 0 and deviation 1, then weight and bias per channel (Ba et al. 2016). instancenorm x [eps=]: the
 * same over the pixels of each picture's channel (Ulyanov et al. 2016). lrn x size= [alpha= beta= bias=]: x / (bias + alpha / size sum of squares of
 * the neighbouring channels)^beta (Krizhevsky et al. 2012). They can be used, not trained. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static int shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  struct br_shape channels = br_shape1(br_shape_channels(inference->in[0]));
  BR_TRY(br_op_param(inference, "weight", channels, BR_INIT_ONE, 1, false, false));
  return br_op_param(inference, "bias", channels, BR_INIT_ZERO, 1, false, false);
}

/* n values `stride` apart: mean and 1 / sqrt(variance + eps), in double. */
static void moments(const float *x, size_t n, size_t stride, double eps, float *mean, float *inverse) {
  double sum = 0, square = 0;
  for (size_t i = 0; i < n; i++) sum += x[i * stride];
  double m = sum / (double)n;
  for (size_t i = 0; i < n; i++) square += ((double)x[i * stride] - m) * ((double)x[i * stride] - m);
  *mean = (float)m;
  *inverse = (float)(1 / sqrt(square / (double)n + eps));
}

static void layer_forward(const struct br_op_args *args, struct br_part part) {
  size_t C = (size_t)br_shape_channels(args->out_shape), first, last;
  double eps = br_node_value(args->node, "eps")->v[0];
  br_part_range(part, br_shape_rows(args->out_shape), 1, &first, &last);
  for (size_t row = first; row < last; row++) {
    const float *x = args->in[0] + row * C;
    float *y = args->out + row * C, mean, inverse;
    moments(x, C, 1, eps, &mean, &inverse);
    for (size_t c = 0; c < C; c++) y[c] = (x[c] - mean) * inverse * args->param[0][c] + args->param[1][c];
  }
}

static void instance_forward(const struct br_op_args *args, struct br_part part) {
  size_t N = (size_t)args->out_shape->d[0], C = (size_t)br_shape_channels(args->out_shape), pixels = br_shape_rows(args->out_shape) / N, first, last;
  double eps = br_node_value(args->node, "eps")->v[0];
  br_part_range(part, N * C, 1, &first, &last);
  for (size_t o = first; o < last; o++) {
    size_t n = o / C, c = o % C;
    const float *x = args->in[0] + n * pixels * C + c;
    float *y = args->out + n * pixels * C + c, mean, inverse;
    moments(x, pixels, C, eps, &mean, &inverse);
    for (size_t i = 0; i < pixels; i++) y[i * C] = (x[i * C] - mean) * inverse * args->param[0][c] + args->param[1][c];
  }
}

static int lrn_shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return BR_OK;
}

static void lrn_forward(const struct br_op_args *args, struct br_part part) {
  int C = br_shape_channels(args->out_shape), size = (int)br_node_value(args->node, "size")->v[0];
  float alpha = (float)br_node_value(args->node, "alpha")->v[0] / (float)size, beta = (float)br_node_value(args->node, "beta")->v[0], bias = (float)br_node_value(args->node, "bias")->v[0];
  size_t first, last;
  br_part_range(part, br_shape_rows(args->out_shape), 1, &first, &last);
  for (size_t row = first; row < last; row++) {
    const float *x = args->in[0] + row * (size_t)C;
    for (int c = 0; c < C; c++) {
      int from = c - (size - 1) / 2, to = c + size / 2;
      float sum = 0;
      for (int i = from < 0 ? 0 : from; i <= to && i < C; i++) sum += x[i] * x[i];
      args->out[row * (size_t)C + (size_t)c] = x[c] * br_expf(-beta * br_logf(bias + alpha * sum));
    }
  }
}

#define EPS {"eps", BR_ATTRIBUTE_REAL, 1e-5, 0, 1, 1, NULL}

const struct br_op br_op_layernorm = {.name = "layernorm", .min_inputs = 1, .max_inputs = 1, .attributes = {EPS}, .shape = shape, .forward = layer_forward};
const struct br_op br_op_instancenorm = {.name = "instancenorm", .min_inputs = 1, .max_inputs = 1, .attributes = {EPS}, .shape = shape, .forward = instance_forward};
const struct br_op br_op_lrn = {.name = "lrn",
                                .min_inputs = 1,
                                .max_inputs = 1,
                                .attributes = {{"size", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e6, 1, NULL}, {"alpha", BR_ATTRIBUTE_REAL, 1e-4, 0, 1e6, 1, NULL}, {"beta", BR_ATTRIBUTE_REAL, 0.75, 0, 1e3, 1, NULL}, {"bias", BR_ATTRIBUTE_REAL, 1, 0, 1e6, 1, NULL}},
                                .shape = lrn_shape,
                                .forward = lrn_forward};
