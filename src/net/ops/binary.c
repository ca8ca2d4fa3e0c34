/* Two values to one, broadcast as NumPy does over the axes behind the batch: plus, times, sub, div, pow, mod, min, max, equal, less, greater and so on.
 * The second operand is another node, or with `sizes=` the parameter `value` of these sizes (1 or the output's on every axis); swap=yes puts the
 * parameter first. Comparisons give 1 and 0. `add` and `mul` are the trained, faster forms for equal shapes. select c a b: a where c is not 0,
 * else b. constant x sizes=: the parameter `value` for every sample; x only says how many there are. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>
#include <string.h>

/* x^y: products for small whole y, sqrt, else exp(y log x); of our own, so that every machine gives the same bits. */
static float power(float x, float y) {
  if (y == 0.5f) return sqrtf(x);
  if (y == floorf(y) && fabsf(y) <= 64) {
    float product = 1;
    for (int i = (int)fabsf(y); i > 0; i--) product *= x;
    return y < 0 ? 1 / product : product;
  }
  if (x == 0) return y > 0 ? 0 : INFINITY;
  return br_expf(y * br_logf(x));
}

static float modulo(float a, float b) {
  float r = fmodf(a, b); /* exact */
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

#define OPERATORS(X)                                        \
  X(plus, a + b)                                            \
  X(times, a * b)                                           \
  X(sub, a - b)                                             \
  X(div, a / b)                                             \
  X(pow, power(a, b))                                       \
  X(mod, modulo(a, b))                                      \
  X(fmod, fmodf(a, b))                                      \
  X(min, a < b || a != a ? a : b)                           \
  X(max, a > b || a != a ? a : b)                           \
  X(equal, a == b ? 1.0f : 0.0f)                            \
  X(less, a < b ? 1.0f : 0.0f)                              \
  X(lessequal, a <= b ? 1.0f : 0.0f)                        \
  X(greater, a > b ? 1.0f : 0.0f)                           \
  X(greaterequal, a >= b ? 1.0f : 0.0f)                     \
  X(and, a != 0 && b != 0 ? 1.0f : 0.0f)                    \
  X(or, a != 0 || b != 0 ? 1.0f : 0.0f)                     \
  X(xor, (a != 0) != (b != 0) ? 1.0f : 0.0f)

/* The shapes of both operands, that of a parameter with a batch of 1 in front. */
static bool has_param(const struct br_node *node) { return node->n_inputs == 1; }

static struct br_shape param_shape(const struct br_node *node) {
  const struct br_value *sizes = br_node_value(node, "sizes");
  struct br_shape shape = {.rank = sizes->n};
  for (int i = 0; i < sizes->n; i++) shape.d[i] = (int)sizes->v[i];
  return shape;
}

static struct br_shape with_batch(const struct br_shape *sizes) {
  struct br_shape shape = {.rank = sizes->rank + 1, .d = {1}};
  memcpy(shape.d + 1, sizes->d, (size_t)sizes->rank * sizeof(int));
  return shape;
}

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *a = inference->in[0], *b = inference->in[1];
  struct br_shape sizes = param_shape(node), param = {0};
  if (has_param(node)) {
    if (sizes.d[0] == 0) BR_FAIL(BR_ERROR_DATA, "a second input or sizes= is needed");
    if (sizes.rank >= BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "at most %d sizes", BR_MAX_RANK - 1);
    param = with_batch(&sizes);
    b = &param;
  }
  node->shape = *a;
  bool meet = a->rank == b->rank;
  for (int i = has_param(node); meet && i < a->rank; i++) {
    meet = a->d[i] == b->d[i] || a->d[i] == 1 || b->d[i] == 1;
    if (b->d[i] > a->d[i]) node->shape.d[i] = b->d[i];
  }
  if (!meet) {
    char s[80], t[80];
    BR_FAIL(BR_ERROR_DATA, "%s of %s and %s: sizes must be equal or 1", node->op->name, br_shape_text(a, s), br_shape_text(b, t));
  }
  size_t count = br_shape_count(&sizes);
  if (has_param(node) && count > BR_MAX_ELEMENTS) BR_FAIL(BR_ERROR_DATA, "a parameter of %zu values", count);
  return has_param(node) ? br_op_param(inference, "value", sizes, BR_INIT_ONE, 1, false, false) : BR_OK;
}

struct operand {
  const float *x;
  size_t stride[BR_MAX_RANK]; /* 0 where it is broadcast */
};

static struct operand operand(const float *x, const struct br_shape *shape, const struct br_shape *out) {
  struct operand o = {.x = x};
  size_t stride = 1;
  for (int i = shape->rank - 1; i >= 0; i--) {
    o.stride[i] = shape->d[i] == out->d[i] ? stride : 0;
    stride *= (size_t)shape->d[i];
  }
  return o;
}

static size_t row_offset(const struct operand *o, const struct br_shape *out, size_t row) {
  size_t offset = 0;
  for (int i = out->rank - 2; i >= 0; i--) {
    offset += row % (size_t)out->d[i] * o->stride[i];
    row /= (size_t)out->d[i];
  }
  return offset;
}

/* Calls `loop` for this part's rows of the last axis. */
static void rows(const struct br_op_args *args, struct br_part part, void (*loop)(const float *a, size_t sa, const float *b, size_t sb, float *y, size_t n)) {
  const struct br_shape *out = args->out_shape;
  struct operand a = operand(args->in[0], &args->in_shape[0], out), b;
  if (has_param(args->node)) {
    struct br_shape sizes = param_shape(args->node), whole = with_batch(&sizes);
    b = operand(args->param[0], &whole, out);
    b.stride[0] = 0;
    if (br_node_value(args->node, "swap")->v[0] != 0) {
      struct operand t = a;
      a = b, b = t;
    }
  } else {
    b = operand(args->in[1], &args->in_shape[1], out);
  }
  size_t n = (size_t)br_shape_channels(out), first, last;
  br_part_range(part, br_shape_rows(out), 1, &first, &last);
  for (size_t row = first; row < last; row++)
    loop(a.x + row_offset(&a, out, row), a.stride[out->rank - 1], b.x + row_offset(&b, out, row), b.stride[out->rank - 1], args->out + row * n, n);
}

#define DEFINE(word, expression)                                                                                          \
  static void word##_loop(const float *pa, size_t sa, const float *pb, size_t sb, float *y, size_t n) {                   \
    for (size_t i = 0; i < n; i++) {                                                                                      \
      float a = pa[i * sa], b = pb[i * sb];                                                                               \
      y[i] = expression;                                                                                                  \
    }                                                                                                                     \
  }                                                                                                                       \
  static void word##_forward(const struct br_op_args *args, struct br_part part) { rows(args, part, word##_loop); }       \
  const struct br_op br_op_##word = {.name = #word,                                                                       \
                                     .min_inputs = 1,                                                                     \
                                     .max_inputs = 2,                                                                     \
                                     .attributes = {{"sizes", BR_ATTRIBUTE_NUMBERS, 0, 1, 1e9, BR_MAX_RANK - 1, NULL}, {"swap", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}}, \
                                     .shape = shape,                                                                      \
                                     .forward = word##_forward};
OPERATORS(DEFINE)

static int select_shape(struct br_inference *inference) {
  inference->node->shape = *inference->in[0];
  for (int k = 1; k < 3; k++)
    if (!br_shape_equal(inference->in[0], inference->in[k])) BR_FAIL(BR_ERROR_DATA, "the three inputs of select have one shape");
  return BR_OK;
}

static void select_forward(const struct br_op_args *args, struct br_part part) {
  size_t first, last;
  br_part_range(part, br_shape_count(args->out_shape), 16, &first, &last);
  for (size_t i = first; i < last; i++) args->out[i] = args->in[0][i] != 0 ? args->in[1][i] : args->in[2][i];
}

const struct br_op br_op_select = {.name = "select", .min_inputs = 3, .max_inputs = 3, .shape = select_shape, .forward = select_forward};

static int constant_shape(struct br_inference *inference) {
  struct br_shape sizes = param_shape(inference->node);
  inference->node->shape = with_batch(&sizes);
  inference->node->shape.d[0] = inference->in[0]->d[0];
  return br_op_param(inference, "value", sizes, BR_INIT_ZERO, 1, false, false);
}

static void constant_forward(const struct br_op_args *args, struct br_part part) {
  size_t N = (size_t)args->out_shape->d[0], count = br_shape_count(args->out_shape) / N, first, last;
  br_part_range(part, count, 16, &first, &last);
  for (size_t n = 0; n < N; n++) memcpy(args->out + n * count + first, args->param[0] + first, (last - first) * sizeof(float));
}

const struct br_op br_op_constant = {.name = "constant", .min_inputs = 1, .max_inputs = 1, .attributes = {{"sizes", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e9, BR_MAX_RANK - 1, NULL}}, .shape = constant_shape, .forward = constant_forward};
