/* add a b ...: the sum of tensors of one shape. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  node->shape = *inference->in[0];
  for (int k = 1; k < node->n_inputs; k++)
    if (!br_shape_equal(&node->shape, inference->in[k])) {
      char a[80], b[80];
      BR_FAIL(BR_ERROR_DATA, "%s of %s and %s: shapes must be equal", node->op->name, br_shape_text(&node->shape, a), br_shape_text(inference->in[k], b));
    }
  return BR_OK;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  size_t n = br_shape_count(args->out_shape);
  br_add(args->in[0], args->in[1], args->out, n, part);
  for (int k = 2; k < args->n_inputs; k++) br_copy(args->in[k], args->out, true, n, part);
}

static void backward(const struct br_op_args *args, struct br_part part) {
  for (int k = 0; k < args->n_inputs; k++)
    if (args->din[k]) br_copy(args->dout, args->din[k], args->din_accumulate[k], br_shape_count(args->out_shape), part);
}

const struct br_op br_op_add = {.name = "add", .min_inputs = 2, .max_inputs = 16, .shape = shape, .forward = forward, .backward = backward};
