/* relu, relu6, leakyrelu, sigmoid, hardsigmoid, hardswish, tanh, silu, elu, gelu, softplus: one value to one value. They ride on the operator
 * before them where they can (net/plan.c). */
#include "net/op.h"
#include "net/ops/activation.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static int shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return BR_OK;
}

float br_op_alpha(const struct br_node *node) { return node->op->attributes[0].name ? (float)node->attribute[0].v[0] : 0; }

static void run_forward(const struct br_op_args *args, struct br_part part, enum br_activation f) {
  br_activation_forward(f, br_op_alpha(args->node), args->in[0], args->out, br_shape_count(args->out_shape), part);
}

static void run_backward(const struct br_op_args *args, struct br_part part, enum br_activation f) {
  if (args->din[0])
    br_activation_backward(f, br_op_alpha(args->node), args->in[0], args->out, args->dout, args->din[0], args->din_accumulate[0], br_shape_count(args->out_shape), part);
}

#define ACTIVATION(word, f, needs, ...)                                                                                    \
  static void word##_forward(const struct br_op_args *args, struct br_part part) { run_forward(args, part, f); }           \
  static void word##_backward(const struct br_op_args *args, struct br_part part) { run_backward(args, part, f); }         \
  const struct br_op br_op_##word = {.name = #word,                                                                        \
                                     .min_inputs = 1,                                                                      \
                                     .max_inputs = 1,                                                                      \
                                     .flags = BR_OP_IN_PLACE | (needs),                                                    \
                                     .attributes = {__VA_ARGS__},                                                          \
                                     .shape = shape,                                                                       \
                                     .forward = word##_forward,                                                            \
                                     .backward = word##_backward};
#define ALPHA(value) {"alpha", BR_ATTRIBUTE_REAL, value, 0, 1e6, 1, NULL}

/* What each keeps for its backward pass is br_activation_needs_input's answer, which a test holds against this list. */
ACTIVATION(relu, BR_ACTIVATION_RELU, BR_OP_BACKWARD_OUT, {0})
ACTIVATION(relu6, BR_ACTIVATION_RELU6, BR_OP_BACKWARD_OUT, {0})
ACTIVATION(leakyrelu, BR_ACTIVATION_LEAKYRELU, BR_OP_BACKWARD_IN, ALPHA(0.01))
ACTIVATION(sigmoid, BR_ACTIVATION_SIGMOID, BR_OP_BACKWARD_OUT, {0})
ACTIVATION(hardsigmoid, BR_ACTIVATION_HARDSIGMOID, BR_OP_BACKWARD_IN, {0})
ACTIVATION(hardswish, BR_ACTIVATION_HARDSWISH, BR_OP_BACKWARD_IN, {0})
ACTIVATION(tanh, BR_ACTIVATION_TANH, BR_OP_BACKWARD_OUT, {0})
ACTIVATION(silu, BR_ACTIVATION_SILU, BR_OP_BACKWARD_IN, {0})
ACTIVATION(elu, BR_ACTIVATION_ELU, BR_OP_BACKWARD_IN, ALPHA(1))
ACTIVATION(gelu, BR_ACTIVATION_GELU, BR_OP_BACKWARD_IN, {0})
ACTIVATION(softplus, BR_ACTIVATION_SOFTPLUS, BR_OP_BACKWARD_IN, {0})

enum br_activation br_op_activation(const struct br_op *op) {
  static const struct {
    const struct br_op *op;
    enum br_activation f;
  } table[] = {{&br_op_relu, BR_ACTIVATION_RELU},   {&br_op_relu6, BR_ACTIVATION_RELU6},         {&br_op_leakyrelu, BR_ACTIVATION_LEAKYRELU},
               {&br_op_sigmoid, BR_ACTIVATION_SIGMOID}, {&br_op_hardsigmoid, BR_ACTIVATION_HARDSIGMOID}, {&br_op_hardswish, BR_ACTIVATION_HARDSWISH},
               {&br_op_tanh, BR_ACTIVATION_TANH},   {&br_op_silu, BR_ACTIVATION_SILU},           {&br_op_elu, BR_ACTIVATION_ELU},
               {&br_op_gelu, BR_ACTIVATION_GELU},   {&br_op_softplus, BR_ACTIVATION_SOFTPLUS}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (table[i].op == op) return table[i].f;
  return BR_ACTIVATION_NONE;
}
