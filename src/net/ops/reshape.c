/* flatten x: all values of a sample in one row. reshape x sizes=HxWxC: the same values under other sizes; one of them may be 0, which is
 * worked out. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static size_t sample_count(const struct br_shape *in) { return br_shape_count(in) / (size_t)in->d[0]; }

static int flatten_shape(struct br_inference *inference) {
  const struct br_shape *in = inference->in[0];
  inference->node->shape = br_shape2(in->d[0], (int)sample_count(in));
  return BR_OK;
}

static int reshape_shape(struct br_inference *inference) {
  const struct br_shape *in = inference->in[0];
  const struct br_value *sizes = br_node_value(inference->node, "sizes");
  struct br_shape out = {.rank = sizes->n + 1, .d = {in->d[0]}};
  size_t known = 1, all = sample_count(in);
  int open = -1;
  for (int i = 0; i < sizes->n; i++) {
    out.d[i + 1] = (int)sizes->v[i];
    if (out.d[i + 1] == 0 && open < 0)
      open = i + 1;
    else if (!br_size_mul(known, (size_t)out.d[i + 1], &known) || known > BR_MAX_ELEMENTS)
      BR_FAIL(BR_ERROR_DATA, "these sizes are more than a tensor can have");
  }
  if (open > 0 && known > 0 && all % known == 0) out.d[open] = (int)(all / known), known = all;
  if (known != all) BR_FAIL(BR_ERROR_DATA, "a sample of %zu values does not have these sizes", all);
  inference->node->shape = out;
  return BR_OK;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  if (args->out != args->in[0]) br_copy(args->in[0], args->out, false, br_shape_count(args->out_shape), part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  if (args->din[0] && (args->din[0] != args->dout || args->din_accumulate[0])) br_copy(args->dout, args->din[0], args->din_accumulate[0], br_shape_count(args->out_shape), part);
}

const struct br_op br_op_flatten = {.name = "flatten", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_IN_PLACE, .shape = flatten_shape, .forward = forward, .backward = backward};
const struct br_op br_op_reshape = {.name = "reshape", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_IN_PLACE, .attributes = {{"sizes", BR_ATTRIBUTE_NUMBERS, NAN, 0, 2147483647, BR_MAX_RANK - 1, NULL}}, .shape = reshape_shape, .forward = forward, .backward = backward};
