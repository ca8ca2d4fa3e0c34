/* The shape of a convolution node, for those that run it another way. Private to the room. */
#ifndef NET_OPS_CONV_H
#define NET_OPS_CONV_H

#include "net/op.h"
#include <bramble/kernel/kernel.h>

struct br_conv_shape br_op_conv_shape(const struct br_node *node, const struct br_shape *in, const struct br_shape *out);

#endif
