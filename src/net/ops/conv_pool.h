/* Whether a relu and a maxpool, or a convolution in front of them too, can be one step. Private to the room. */
#ifndef NET_OPS_CONV_POOL_H
#define NET_OPS_CONV_POOL_H

#include "net/op.h"

/* `node` is a convolution, and the two nodes behind it are a relu and a maxpool; `in` is its input. */
bool br_conv_pool_fits(const struct br_node *node, const struct br_shape *in);

/* `node` is a maxpool behind a relu. */
bool br_relu_maxpool_fits(const struct br_node *node);

#endif
