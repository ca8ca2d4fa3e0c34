/* input H W C, or input C: what goes into the net. The batch is put in front. */
#include "net/op.h"

#include <bramble/base/error.h>

#include <math.h>

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_value *sizes = br_node_value(node, "sizes");
  if (sizes->n != 1 && sizes->n != 3) BR_FAIL(BR_ERROR_DATA, "input takes 1 size (values) or 3 (height width channels), %d given", sizes->n);
  int batch = node->shape.d[0];
  node->shape = sizes->n == 1 ? br_shape2(batch, (int)sizes->v[0]) : br_shape4(batch, (int)sizes->v[0], (int)sizes->v[1], (int)sizes->v[2]);
  return BR_OK;
}

const struct br_op br_op_input = {
    .name = "input",
    .attributes = {{"sizes", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e6, 3}},
    .shape = shape,
};
