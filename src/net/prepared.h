/* What a prepared net holds. Private to the room: plan.c makes steps of its groups, exec.c points them at their weights. */
#ifndef NET_PREPARED_H
#define NET_PREPARED_H

#include "net/fold.h"
#include "net/op.h"

#include <bramble/kernel/infer.h>
#include <bramble/net/prepare.h>

#define BR_NOT_KEPT SIZE_MAX

struct br_prepared {
  const struct br_model *model;
  const struct br_graph *graph;
  bool exact, stream;
  struct br_fold *folds;  /* per node */
  bool *winograd;         /* per node: its group runs by Winograd's method */
  size_t *weights, *bias; /* per node that begins a group: where they lie in the block, or in the place they are streamed to; BR_NOT_KEPT for no bias */
  size_t *kept;           /* per parameter: where it lies in the block as it was; BR_NOT_KEPT: it is in a group's weights */
  float *block;
  size_t floats;
  size_t stream_floats;  /* of the place they are streamed to; 0 if they are kept */
  size_t scratch_floats; /* to fold the largest weights; whole cache lines */
};

/* The weights and bias of the group at node i to their places from `place` on; `scratch` is prepared->scratch_floats long. Errors: BR_ERROR_DATA for values that
 * are not finite (none where the net has been prepared before). */
int br__prepared_pack(const struct br_prepared *prepared, int i, float *place, float *scratch);

/* A group's step: inputs x and perhaps a residual, param[0] the packed weights, param[1] the bias or NULL. */
extern const struct br_op br_op_packed, br_op_winograd;
/* Such a step as the kernels take it. */
struct br_infer_conv br__packed_conv(const struct br_op_args *args);
/* The convolution that the conv or dense node is, for an input of this shape. */
struct br_conv_shape br__packed_shape(const struct br_node *node, const struct br_shape *in, const struct br_shape *out);

#endif
