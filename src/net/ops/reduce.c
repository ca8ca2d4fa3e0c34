/* Many values to one along some axes behind the batch: reducesum, reducemean, reducemax, reducemin, reduceprod x axes=1x2 (the axes stay, with size 1);
 * argmax, argmin x axis= [last=no] (the first such place, or the last); topk, topkindex x axis= k= [smallest=no]: the k largest in order and their places.
 * Every output is one chain in the order of the input. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/net/exec.h>

#include <math.h>

/* The input as outer x length x inner around one axis. */
struct view {
  size_t outer, length, inner;
};

static struct view view(const struct br_shape *shape, int axis) {
  struct view v = {1, (size_t)shape->d[axis], 1};
  for (int i = 0; i < axis; i++) v.outer *= (size_t)shape->d[i];
  for (int i = axis + 1; i < shape->rank; i++) v.inner *= (size_t)shape->d[i];
  return v;
}

static bool is_reduced(const struct br_node *node, int axis) {
  const struct br_value *axes = br_node_value(node, "axes");
  for (int i = 0; i < axes->n; i++)
    if ((int)axes->v[i] == axis) return true;
  return false;
}

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_value *axes = br_node_value(node, "axes");
  node->shape = *inference->in[0];
  for (int i = 0; i < axes->n; i++) {
    int axis = (int)axes->v[i];
    if (axis >= node->shape.rank) BR_FAIL(BR_ERROR_DATA, "axis %d of %d", axis, node->shape.rank);
    node->shape.d[axis] = 1;
  }
  return BR_OK;
}

/* Walks the reduced elements of one output in order; a joins acc and x. */
static void reduce(const struct br_op_args *args, struct br_part part, float start, float (*join)(float acc, float x), bool mean) {
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  size_t stride[BR_MAX_RANK], step = 1, first, last, count = 1;
  int reduced[BR_MAX_RANK], n = 0;
  for (int i = in->rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= (size_t)in->d[i];
  }
  for (int i = 0; i < in->rank; i++)
    if (is_reduced(args->node, i)) count *= (size_t)in->d[i], reduced[n++] = i;
  br_part_range(part, br_shape_count(out), 16, &first, &last);
  for (size_t o = first; o < last; o++) {
    size_t rest = o, base = 0;
    for (int i = out->rank - 1; i >= 0; i--) {
      base += rest % (size_t)out->d[i] * stride[i];
      rest /= (size_t)out->d[i];
    }
    float acc = start;
    for (size_t e = 0; e < count; e++) {
      size_t at = base, left = e;
      for (int i = n - 1; i >= 0; i--) {
        at += left % (size_t)in->d[reduced[i]] * stride[reduced[i]];
        left /= (size_t)in->d[reduced[i]];
      }
      acc = join(acc, args->in[0][at]);
    }
    args->out[o] = mean ? acc / (float)count : acc;
  }
}

static float sum(float acc, float x) { return acc + x; }
static float product(float acc, float x) { return acc * x; }
static float larger(float acc, float x) { return x > acc || x != x ? x : acc; }
static float smaller(float acc, float x) { return x < acc || x != x ? x : acc; }

#define OP(word, start, join, mean)                                                                                              \
  static void word##_forward(const struct br_op_args *args, struct br_part part) { reduce(args, part, start, join, mean); }      \
  const struct br_op br_op_##word = {.name = #word,                                                                              \
                                     .min_inputs = 1,                                                                            \
                                     .max_inputs = 1,                                                                            \
                                     .attributes = {{"axes", BR_ATTRIBUTE_NUMBERS, NAN, 1, BR_MAX_RANK - 1, BR_MAX_RANK - 1, NULL}}, \
                                     .shape = shape,                                                                             \
                                     .forward = word##_forward};
OP(reducesum, 0, sum, false)
OP(reducemean, 0, sum, true)
OP(reducemax, -INFINITY, larger, false)
OP(reducemin, INFINITY, smaller, false)
OP(reduceprod, 1, product, false)

static int pick_shape(struct br_inference *inference, int k) {
  struct br_node *node = inference->node;
  int axis = (int)br_node_value(node, "axis")->v[0];
  node->shape = *inference->in[0];
  if (axis >= node->shape.rank) BR_FAIL(BR_ERROR_DATA, "axis %d of %d", axis, node->shape.rank);
  if (k > node->shape.d[axis]) BR_FAIL(BR_ERROR_DATA, "the first %d of %d", k, node->shape.d[axis]);
  node->shape.d[axis] = k;
  return BR_OK;
}

static int arg_shape(struct br_inference *inference) { return pick_shape(inference, 1); }
static int topk_shape(struct br_inference *inference) { return pick_shape(inference, (int)br_node_value(inference->node, "k")->v[0]); }

static void arg(const struct br_op_args *args, struct br_part part, bool smallest) {
  struct view v = view(&args->in_shape[0], (int)br_node_value(args->node, "axis")->v[0]);
  bool take_last = br_node_value(args->node, "last")->v[0] != 0;
  size_t first, last;
  br_part_range(part, v.outer * v.inner, 1, &first, &last);
  for (size_t o = first; o < last; o++) {
    const float *x = args->in[0] + o / v.inner * v.length * v.inner + o % v.inner;
    size_t best = 0;
    for (size_t i = 1; i < v.length; i++) {
      float now = x[i * v.inner], old = x[best * v.inner];
      if (smallest ? now < old : now > old) best = i;
      if (take_last && now == old) best = i;
    }
    args->out[o] = (float)best;
  }
}
static void argmax_forward(const struct br_op_args *args, struct br_part part) { arg(args, part, false); }
static void argmin_forward(const struct br_op_args *args, struct br_part part) { arg(args, part, true); }

/* Each of the k is the best that comes behind the one before it: k passes, no memory. */
static void topk(const struct br_op_args *args, struct br_part part, bool places) {
  struct view v = view(&args->in_shape[0], (int)br_node_value(args->node, "axis")->v[0]);
  size_t k = (size_t)br_node_value(args->node, "k")->v[0], first, last;
  float sign = br_node_value(args->node, "smallest")->v[0] != 0 ? -1 : 1;
  br_part_range(part, v.outer * v.inner, 1, &first, &last);
  for (size_t o = first; o < last; o++) {
    const float *x = args->in[0] + o / v.inner * v.length * v.inner + o % v.inner;
    float *y = args->out + o / v.inner * k * v.inner + o % v.inner;
    size_t before = v.length;
    for (size_t j = 0; j < k; j++) {
      size_t best = v.length;
      for (size_t i = 0; i < v.length; i++) {
        float now = sign * x[i * v.inner];
        if (before < v.length) {
          float old = sign * x[before * v.inner];
          if (now > old || (now == old && i <= before)) continue;
        }
        if (best == v.length || now > sign * x[best * v.inner]) best = i;
      }
      if (best == v.length) best = 0; /* only NaN are left */
      y[j * v.inner] = places ? (float)best : x[best * v.inner];
      before = best;
    }
  }
}
static void topk_forward(const struct br_op_args *args, struct br_part part) { topk(args, part, false); }
static void topkindex_forward(const struct br_op_args *args, struct br_part part) { topk(args, part, true); }

#define AXIS {"axis", BR_ATTRIBUTE_NUMBERS, NAN, 1, BR_MAX_RANK - 1, 1, NULL}
#define PICK {AXIS, {"k", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e9, 1, NULL}, {"smallest", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}}

const struct br_op br_op_argmax = {.name = "argmax", .min_inputs = 1, .max_inputs = 1, .attributes = {AXIS, {"last", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}}, .shape = arg_shape, .forward = argmax_forward};
const struct br_op br_op_argmin = {.name = "argmin", .min_inputs = 1, .max_inputs = 1, .attributes = {AXIS, {"last", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}}, .shape = arg_shape, .forward = argmin_forward};
const struct br_op br_op_topk = {.name = "topk", .min_inputs = 1, .max_inputs = 1, .attributes = PICK, .shape = topk_shape, .forward = topk_forward};
const struct br_op br_op_topkindex = {.name = "topkindex", .min_inputs = 1, .max_inputs = 1, .attributes = PICK, .shape = topk_shape, .forward = topkindex_forward};
