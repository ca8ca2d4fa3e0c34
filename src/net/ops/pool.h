/* Maximum pooling, for those that run it another way. Private to the room. */
#ifndef NET_OPS_POOL_H
#define NET_OPS_POOL_H

#include "net/op.h"
#include <bramble/kernel/kernel.h>

/* The shape of a pooling node of these sizes, as a maximum. */
struct br_pool_shape br_op_pool_shape(const struct br_node *node, const struct br_shape *in, const struct br_shape *out);
/* `node` is a maxpool: can it mask its input's gradient, where that is what a relu gives? */
bool br_maxpool_masks(const struct br_node *node);

#endif
