/* One value to one, beside the activations that ride on other operators (activation.c): exp, log, sqrt, neg, abs, erf, reciprocal, floor, ceil, round
 * (half to even), trunc, sign, not, mish, softsign, selu x [alpha=] [gamma=] and clip x [min=] [max=]. They can be used, not trained. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

static float one(enum br_activation f, float x) { return br_activation_one(f, 0, x); }

#define OPERATORS(X)                                                       \
  X(exp, br_expf(x))                                                       \
  X(log, br_logf(x))                                                       \
  X(sqrt, sqrtf(x))                                                        \
  X(neg, -x)                                                               \
  X(abs, fabsf(x))                                                         \
  X(erf, br_erff(x))                                                       \
  X(reciprocal, 1 / x)                                                     \
  X(floor, floorf(x))                                                      \
  X(ceil, ceilf(x))                                                        \
  X(round, rintf(x))                                                       \
  X(trunc, truncf(x))                                                      \
  X(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f)                             \
  X(not, x == 0 ? 1.0f : 0.0f)                                             \
  X(mish, x * one(BR_ACTIVATION_TANH, one(BR_ACTIVATION_SOFTPLUS, x)))     \
  X(selu, high * (x > 0 ? x : low * (br_expf(x) - 1)))                     \
  X(softsign, x / (1 + fabsf(x)))                                          \
  X(clip, fminf(fmaxf(x, low), high))

static int shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  return BR_OK;
}

/* low and high: the two attributes of clip (min, max) and selu (alpha, gamma); the others have none. */
#define DEFINE(word, expression)                                                                                       \
  static void word##_forward(const struct br_op_args *args, struct br_part part) {                                     \
    size_t first, last;                                                                                                \
    const float *in = args->in[0];                                                                                     \
    float low = (float)args->node->attribute[0].v[0], high = (float)args->node->attribute[1].v[0];                     \
    (void)low, (void)high;                                                                                             \
    br_part_range(part, br_shape_count(args->out_shape), 16, &first, &last);                                           \
    for (size_t i = first; i < last; i++) {                                                                            \
      float x = in[i];                                                                                                 \
      args->out[i] = expression;                                                                                       \
    }                                                                                                                  \
  }
OPERATORS(DEFINE)

#define OP(word, ...) const struct br_op br_op_##word = {.name = #word, .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_IN_PLACE, .attributes = {__VA_ARGS__}, .shape = shape, .forward = word##_forward};
OP(exp, {0})
OP(log, {0})
OP(sqrt, {0})
OP(neg, {0})
OP(abs, {0})
OP(erf, {0})
OP(reciprocal, {0})
OP(floor, {0})
OP(ceil, {0})
OP(round, {0})
OP(trunc, {0})
OP(sign, {0})
OP(not, {0})
OP(mish, {0})
OP(selu, {"alpha", BR_ATTRIBUTE_REAL, 1.6732632423543772, -1e6, 1e6, 1, NULL}, {"gamma", BR_ATTRIBUTE_REAL, 1.0507009873554805, -1e6, 1e6, 1, NULL})
OP(softsign, {0})
OP(clip, {"min", BR_ATTRIBUTE_REAL, -3e38, -3.5e38, 3.5e38, 1, NULL}, {"max", BR_ATTRIBUTE_REAL, 3e38, -3.5e38, 3.5e38, 1, NULL})
