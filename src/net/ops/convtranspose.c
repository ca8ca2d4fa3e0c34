/* convtranspose x out=K kernel= [stride= padding= dilation= groups= extra= bias=]: the transposed convolution, which is the gradient of a convolution
 * from K to C channels by its input. Weights [R, S, K / groups, C] as that convolution has them. padding is that convolution's; extra are rows and
 * columns that it would leave over below and right. It can be used, not trained. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static int number(const struct br_node *node, const char *name, int i) { return br_value_int(br_node_value(node, name), i); }
static int pad_after(const struct br_node *node, int i) { return br_node_value(node, "padding")->n == 4 ? number(node, "padding", 2 + i) : number(node, "padding", i); }

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  if (in->rank != 4) BR_FAIL(BR_ERROR_DATA, "a transposed convolution needs pictures (height, width, channels)");
  if (br_node_value(node, "padding")->v[0] < 0) BR_FAIL(BR_ERROR_DATA, "padding=same is not for transposed convolutions; give numbers");
  int C = in->d[3], K = number(node, "out", 0), groups = number(node, "groups", 0), out[2];
  if (C % groups || K % groups) BR_FAIL(BR_ERROR_DATA, "groups=%d divides %d input channels and %d outputs unevenly", groups, C, K);
  for (int i = 0; i < 2; i++) {
    int64_t size = (int64_t)(in->d[1 + i] - 1) * number(node, "stride", i) + (int64_t)(number(node, "kernel", i) - 1) * number(node, "dilation", i) + 1 + number(node, "extra", i) - number(node, "padding", i) - pad_after(node, i);
    if (size < 1 || size > 1 << 24) BR_FAIL(BR_ERROR_DATA, "an output of %lld is not possible", (long long)size);
    out[i] = (int)size;
  }
  node->shape = br_shape4(in->d[0], out[0], out[1], K);
  BR_TRY(br_op_param(inference, "weight", br_shape4(number(node, "kernel", 0), number(node, "kernel", 1), K / groups, C), BR_INIT_HE_UNIFORM, (float)C, true, false));
  return number(node, "bias", 0) ? br_op_param(inference, "bias", br_shape1(K), BR_INIT_ZERO, 1, false, false) : BR_OK;
}

/* The convolution whose gradient it is: from the output back to the input. */
static struct br_conv_shape conv_shape(const struct br_op_args *args) {
  const struct br_node *node = args->node;
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  return (struct br_conv_shape){.N = in->d[0], .H = out->d[1], .W = out->d[2], .C = out->d[3], .K = in->d[3], .R = number(node, "kernel", 0), .S = number(node, "kernel", 1), .P = in->d[1], .Q = in->d[2],
                                .stride_h = number(node, "stride", 0), .stride_w = number(node, "stride", 1), .dilation_h = number(node, "dilation", 0), .dilation_w = number(node, "dilation", 1),
                                .pad_top = number(node, "padding", 0), .pad_left = number(node, "padding", 1), .groups = number(node, "groups", 0)};
}

static size_t work_bytes(const struct br_op_args *args) {
  struct br_conv_shape s = conv_shape(args);
  return br_conv_work_bytes(&s);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  struct br_conv_shape s = conv_shape(args);
  br_conv_backward_data(&s, args->in[0], args->param[0], args->out, false, part, args->work);
  if (!number(args->node, "bias", 0)) return;
  br_barrier_wait(args->barrier, part.count);
  size_t K = (size_t)br_shape_channels(args->out_shape), first, last;
  br_part_range(part, br_shape_rows(args->out_shape), 1, &first, &last);
  for (size_t row = first; row < last; row++)
    for (size_t k = 0; k < K; k++) args->out[row * K + k] += args->param[1][k];
}

static double macs(const struct br_node *node, const struct br_shape *in) {
  return (double)br_shape_count(in) * number(node, "kernel", 0) * number(node, "kernel", 1) * (node->shape.d[3] / number(node, "groups", 0));
}

const struct br_op br_op_convtranspose = {.name = "convtranspose",
                                          .min_inputs = 1,
                                          .max_inputs = 1,
                                          .attributes = {{"out", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e6, 1, NULL},
                                                         {"kernel", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1000, 2, NULL},
                                                         {"stride", BR_ATTRIBUTE_NUMBERS, 1, 1, 1000, 2, NULL},
                                                         {"padding", BR_ATTRIBUTE_PADDING, 0, 0, 1000, 4, NULL},
                                                         {"dilation", BR_ATTRIBUTE_NUMBERS, 1, 1, 1000, 2, NULL},
                                                         {"groups", BR_ATTRIBUTE_NUMBERS, 1, 1, 1e6, 1, NULL},
                                                         {"extra", BR_ATTRIBUTE_NUMBERS, 0, 0, 1000, 2, NULL},
                                                         {"bias", BR_ATTRIBUTE_BOOL, 1, 0, 1, 1, NULL}},
                                          .shape = shape,
                                          .work_bytes = work_bytes,
                                          .forward = forward,
                                          .macs = macs};
