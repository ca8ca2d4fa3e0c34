/* maxpool, avgpool x kernel= [stride= padding= ceil=]: the largest or the mean value of each window; globalpool x: the mean of each picture's
 * channel, one pixel left. */
#include "net/op.h"
#include "net/ops/pool.h"
#include "net/ops/window.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static int need_pictures(const struct br_shape *in) {
  if (in->rank != 4) BR_FAIL(BR_ERROR_DATA, "pooling needs pictures (height, width, channels)");
  return BR_OK;
}

static int shape(struct br_inference *inference) {
  const struct br_shape *in = inference->in[0];
  BR_TRY(need_pictures(in));
  struct br_window window;
  BR_TRY(br_window_find(inference->node, in->d[1], in->d[2], &window));
  for (int i = 0; i < 2; i++)
    if (window.before[i] >= window.kernel[i] || window.after[i] >= window.kernel[i]) BR_FAIL(BR_ERROR_DATA, "padding as wide as the kernel makes windows without a pixel");
  if (window.kernel[0] * window.kernel[1] > 256 && inference->node->op->saved_bytes) BR_FAIL(BR_ERROR_DATA, "a maxpool window has at most 256 pixels");
  inference->node->shape = br_shape4(in->d[0], window.out[0], window.out[1], in->d[3]);
  return BR_OK;
}

struct br_pool_shape br_op_pool_shape(const struct br_node *node, const struct br_shape *in, const struct br_shape *out) {
  struct br_window w;
  br_window_find(node, in->d[1], in->d[2], &w);
  return (struct br_pool_shape){.N = in->d[0], .H = in->d[1], .W = in->d[2], .C = in->d[3], .R = w.kernel[0], .S = w.kernel[1], .P = out->d[1], .Q = out->d[2],
                                .stride_h = w.stride[0], .stride_w = w.stride[1], .pad_top = w.before[0], .pad_left = w.before[1], .pad_bottom = w.after[0], .pad_right = w.after[1]};
}

static struct br_pool_shape pool_shape(const struct br_op_args *args, bool count_include_pad) {
  struct br_pool_shape shape = br_op_pool_shape(args->node, &args->in_shape[0], args->out_shape);
  shape.count_include_pad = count_include_pad;
  return shape;
}

static size_t argmax_bytes(const struct br_op_args *args) { return br_shape_count(args->out_shape); }

static void max_forward(const struct br_op_args *args, struct br_part part) {
  struct br_pool_shape s = pool_shape(args, false);
  s.relu = args->masks_in; /* then nothing goes back to what is 0 */
  br_maxpool_forward(&s, args->in[0], args->out, args->mode == BR_RUN_TRAIN ? args->saved : NULL, part);
}

static void max_backward(const struct br_op_args *args, struct br_part part) {
  struct br_pool_shape s = pool_shape(args, false);
  if (args->din[0]) br_maxpool_backward(&s, args->saved, args->dout, args->din[0], args->din_accumulate[0], part);
}

bool br_maxpool_masks(const struct br_node *node) {
  const struct br_value *kernel = br_node_value(node, "kernel");
  return br_value_int(kernel, 0) * br_value_int(kernel, 1) <= BR_POOL_NONE;
}

static bool counts_padding(const struct br_op_args *args) { return br_node_value(args->node, "countpadding")->v[0] != 0; }

static void avg_forward(const struct br_op_args *args, struct br_part part) {
  struct br_pool_shape s = pool_shape(args, counts_padding(args));
  br_avgpool_forward(&s, args->in[0], args->out, part);
}

static void avg_backward(const struct br_op_args *args, struct br_part part) {
  struct br_pool_shape s = pool_shape(args, counts_padding(args));
  if (args->din[0]) br_avgpool_backward(&s, args->dout, args->din[0], args->din_accumulate[0], part);
}

static int global_shape(struct br_inference *inference) {
  const struct br_shape *in = inference->in[0];
  BR_TRY(need_pictures(in));
  inference->node->shape = br_shape4(in->d[0], 1, 1, in->d[3]);
  return BR_OK;
}

static void global_forward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *in = &args->in_shape[0];
  br_globalpool_forward(args->in[0], args->out, (size_t)in->d[0], (size_t)in->d[1] * (size_t)in->d[2], (size_t)in->d[3], part);
}

static void global_backward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *in = &args->in_shape[0];
  if (args->din[0]) br_globalpool_backward(args->dout, args->din[0], args->din_accumulate[0], (size_t)in->d[0], (size_t)in->d[1] * (size_t)in->d[2], (size_t)in->d[3], part);
}

#define WINDOW \
  {"kernel", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1000, 2, NULL}, {"stride", BR_ATTRIBUTE_NUMBERS, 0, 1, 1000, 2, NULL}, {"padding", BR_ATTRIBUTE_PADDING, 0, 0, 1000, 4, NULL}, {"ceil", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}

const struct br_op br_op_maxpool = {.name = "maxpool", .min_inputs = 1, .max_inputs = 1, .attributes = {WINDOW}, .shape = shape, .saved_bytes = argmax_bytes, .forward = max_forward, .backward = max_backward};
const struct br_op br_op_avgpool = {.name = "avgpool", .min_inputs = 1, .max_inputs = 1, .attributes = {WINDOW, {"countpadding", BR_ATTRIBUTE_BOOL, 1, 0, 1, 1, NULL}}, .shape = shape, .forward = avg_forward, .backward = avg_backward};
const struct br_op br_op_globalpool = {.name = "globalpool", .min_inputs = 1, .max_inputs = 1, .shape = global_shape, .forward = global_forward, .backward = global_backward};
