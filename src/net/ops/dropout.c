/* dropout x rate=: in training each value is 0 with probability `rate`, the others are scaled by 1 / (1 - rate). Which ones is a pure function of
 * (seed, step, the value's place in the whole batch, the node's name), so neither micro-batch nor rank can be seen in it. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>
#include <string.h>

static int shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return BR_OK;
}

static void apply(const struct br_op_args *args, const float *x, float *y, bool accumulate, struct br_part part) {
  const size_t n = br_shape_count(args->out_shape);
  const double rate = br_node_value(args->node, "rate")->v[0];
  const struct br_dropout dropout = {
      .seed = br_hash64(args->run->seed, args->node->name, strlen(args->node->name)), .place = args->run->position * (n / (uint64_t)args->out_shape->d[0]), .step = (uint32_t)args->run->step,
      .threshold = (uint32_t)(rate * 0x1p32), .scale = (float)(1 / (1 - rate))};
  br_dropout(&dropout, x, y, accumulate, n, part);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  if (args->mode == BR_RUN_TRAIN)
    apply(args, args->in[0], args->out, false, part);
  else if (args->out != args->in[0])
    br_copy(args->in[0], args->out, false, br_shape_count(args->out_shape), part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  if (args->din[0]) apply(args, args->dout, args->din[0], args->din_accumulate[0], part);
}

const struct br_op br_op_dropout = {.name = "dropout", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_IN_PLACE, .attributes = {{"rate", BR_ATTRIBUTE_REAL, 0.5, 0, 0.999, 1, NULL}}, .shape = shape, .forward = forward, .backward = backward};
