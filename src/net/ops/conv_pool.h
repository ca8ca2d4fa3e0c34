/* Whether a convolution, a relu and a maxpool can be one step, or the latter two. Private to the room. */
#ifndef NET_OPS_CONV_POOL_H
#define NET_OPS_CONV_POOL_H

#include "net/op.h"

/* `node` is a convolution, and the two nodes behind it are a relu and a maxpool; `in` is its input. */
bool br_conv_pool_fits(const struct br_node *node, const struct br_shape *in);

/* `node` is a maxpool: can it mask its input's gradient, where that is what a relu gives? */
bool br_maxpool_masks(const struct br_node *node);

#endif
