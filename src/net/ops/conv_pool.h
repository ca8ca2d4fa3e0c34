/* Whether a convolution and the relu and maxpool behind it can be one step. Private to the room. */
#ifndef NET_OPS_CONV_POOL_H
#define NET_OPS_CONV_POOL_H

#include "net/op.h"

/* `node` is a convolution, and the two nodes behind it are a relu and a maxpool; `in` is its input. Small pictures with windows side by side: */
bool br_conv_pool_fits(const struct br_node *node, const struct br_shape *in);
/* Large ones, where nobody wants the input's gradient: */
bool br_conv_maxpool_fits(const struct br_node *node, const struct br_shape *in);

#endif
