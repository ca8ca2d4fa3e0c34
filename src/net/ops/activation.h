/* Which operators are activations, for those that let them ride. Private to the room. */
#ifndef NET_OPS_ACTIVATION_H
#define NET_OPS_ACTIVATION_H

#include "net/op.h"
#include <bramble/kernel/kernel.h>

/* The activation that `op` is; BR_ACTIVATION_NONE if it is none (or prelu, which has parameters). */
enum br_activation br_op_activation(const struct br_op *op);
/* The node's alpha; 0 where its operator has none. */
float br_op_alpha(const struct br_node *node);

#endif
