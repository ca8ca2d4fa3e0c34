/* input H W C, or input C, or up to five sizes: what goes into the net. The batch is put in front. outputs a b ...: the answers of a net that has
 * several, as its last node; no values of its own. */
#include "net/op.h"

#include <bramble/base/error.h>

#include <math.h>

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_value *sizes = br_node_value(node, "sizes");
  node->shape.rank = 1 + sizes->n; /* d[0] is the batch */
  for (int i = 0; i < sizes->n; i++) node->shape.d[1 + i] = (int)sizes->v[i];
  return BR_OK;
}

const struct br_op br_op_input = {
    .name = "input",
    .attributes = {{"sizes", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e9, BR_MAX_RANK - 1, NULL}},
    .shape = shape,
};

static int outputs_shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return BR_OK;
}

const struct br_op br_op_outputs = {.name = "outputs", .min_inputs = 1, .max_inputs = 64, .flags = BR_OP_OUTPUTS, .shape = outputs_shape};
