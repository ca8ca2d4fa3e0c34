/* Constant folding: nodes whose inputs are all constants are worked out when the file is read. It covers what exporters put around sizes and tables; other
 * operators on constants become nodes of the net. Numbers are double; results of float operators are rounded to float. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>

#include <math.h>
#include <string.h>

static double quotient(double a, double b, bool whole) { return whole ? (b == 0 ? 0 : trunc(a / b)) : a / b; }
static double remainder_of(double a, double b) {
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* One row per operator of numbers: name, expression in a, b, c, whether it gives truth values. */
#define NUMBERS(X)                                                                                                                        \
  X(Add, a + b, 0) X(Sub, a - b, 0) X(Mul, a * b, 0) X(Div, quotient(a, b, whole), 0) X(Mod, remainder_of(a, b), 0) X(Min, a < b ? a : b, 0) \
  X(Max, a > b ? a : b, 0) X(Equal, a == b, 1) X(Less, a < b, 1) X(LessOrEqual, a <= b, 1) X(Greater, a > b, 1) X(GreaterOrEqual, a >= b, 1) \
  X(And, a != 0 && b != 0, 1) X(Or, a != 0 || b != 0, 1) X(Not, a == 0, 1) X(Neg, -a, 0) X(Abs, fabs(a), 0) X(Sqrt, sqrt(a), 0)            \
  X(Floor, floor(a), 0) X(Ceil, ceil(a), 0) X(Reciprocal, 1 / a, 0) X(Relu, a > 0 ? a : 0, 0)                         \
  X(Exp, (double)br_expf((float)a), 0) X(Sigmoid, (double)br_activation_one(BR_ACTIVATION_SIGMOID, 0, (float)a), 0) X(Where, a != 0 ? b : c, 0)

enum number_op {
#define X(name, expression, truth) OP_##name,
  NUMBERS(X)
#undef X
  OP_NONE
};

static enum number_op find(const char *type, bool *truth) {
#define X(name, expression, is_truth)  \
  if (strcmp(type, #name) == 0) {      \
    *truth = is_truth;                 \
    return OP_##name;                  \
  }
  NUMBERS(X)
#undef X
  return OP_NONE;
}

static double apply(enum number_op op, double a, double b, double c, bool whole) {
  (void)b, (void)c, (void)whole;
  switch (op) {
#define X(name, expression, truth) \
  case OP_##name: return expression;
    NUMBERS(X)
#undef X
    case OP_NONE: break;
  }
  return 0;
}

/* Element of an input that is broadcast to the sizes d. */
static double at(const struct tensor *t, int rank, const int64_t *d, size_t element) {
  size_t offset = 0, stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    int own = i - (rank - t->rank);
    size_t place = element % (size_t)d[i];
    element /= (size_t)d[i];
    if (own < 0) continue;
    if (t->d[own] != 1) offset += place * stride;
    stride *= (size_t)t->d[own];
  }
  return t->v[offset];
}

static int fold_numbers(const struct call *call, enum number_op op, bool truth, struct tensor **in) {
  int rank = 0, n = call->n_in;
  int64_t d[ONNX_RANK];
  struct tensor *out;
  if (n < 1 || n > 3) return 0;
  for (int k = 0; k < n; k++) rank = in[k]->rank > rank ? in[k]->rank : rank;
  for (int i = 0; i < rank; i++) {
    d[i] = 1;
    for (int k = 0; k < n; k++) {
      int own = i - (rank - in[k]->rank);
      if (own < 0 || in[k]->d[own] == 1 || in[k]->d[own] == d[i]) continue;
      if (d[i] != 1) BR_FAIL(BR_ERROR_DATA, "constants of %lld and %lld values meet", (long long)d[i], (long long)in[k]->d[own]);
      d[i] = in[k]->d[own];
    }
  }
  const struct tensor *kind = op == OP_Where && n > 1 ? in[1] : in[0];
  BR_TRY(br__onnx_new(call->imp, truth ? ONNX_BOOL : kind->type, rank, d, &out));
  bool whole = kind->type != ONNX_FLOAT;
  for (size_t e = 0; e < out->count; e++) {
    double x = apply(op, at(in[0], rank, d, e), n > 1 ? at(in[1], rank, d, e) : 0, n > 2 ? at(in[2], rank, d, e) : 0, whole);
    out->v[e] = whole || truth ? x : (double)(float)x;
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

/* The constant under new sizes. */
static int resized(const struct call *call, const struct tensor *t, int rank, const int64_t *d) {
  struct tensor *out;
  BR_TRY(br__onnx_new(call->imp, t->type, rank, d, &out));
  if (out->count != t->count) BR_FAIL(BR_ERROR_DATA, "%zu values do not have the sizes wanted", t->count);
  out->v = t->v;
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_reshape(const struct call *call, const struct tensor *t) {
  int64_t d[ONNX_RANK], known = 1;
  int n, open = -1;
  BR_TRY(call_list(call, "shape", 1, d, ONNX_RANK, &n));
  for (int i = 0; i < n; i++) {
    if (d[i] == 0 && i < t->rank) d[i] = t->d[i];
    if (d[i] == -1)
      open = i;
    else if (d[i] < 0 || __builtin_mul_overflow(known, d[i], &known))
      BR_FAIL(BR_ERROR_DATA, "a size of %lld", (long long)d[i]);
  }
  if (open >= 0) d[open] = known ? (int64_t)t->count / known : 0;
  return resized(call, t, n < 0 ? 0 : n, d);
}

static int fold_squeeze(const struct call *call, const struct tensor *t, bool add) {
  int64_t axes[ONNX_RANK], d[ONNX_RANK];
  int n, rank = 0, all;
  bool marked[ONNX_RANK] = {false};
  BR_TRY(call_list(call, "axes", 1, axes, ONNX_RANK, &n));
  all = t->rank + (add && n > 0 ? n : 0);
  if (all > ONNX_RANK) BR_FAIL(BR_ERROR_DATA, "a constant of %d dimensions", all);
  for (int i = 0; i < n; i++) {
    int axis;
    BR_TRY(call_axis(axes[i], all, &axis));
    marked[axis] = true;
  }
  for (int i = 0, from = 0; i < all; i++) {
    if (add)
      d[rank++] = marked[i] || from >= t->rank ? 1 : t->d[from++];
    else if (n < 0 ? t->d[i] != 1 : !marked[i])
      d[rank++] = t->d[i];
  }
  return resized(call, t, rank, d);
}

static int fold_concat(const struct call *call, struct tensor **in) {
  int axis;
  int64_t d[ONNX_RANK];
  struct tensor *out;
  if (in[0]->rank == 0) BR_FAIL(BR_ERROR_DATA, "single numbers cannot be joined");
  BR_TRY(call_axis(call_int(call, "axis", 0), in[0]->rank, &axis));
  memcpy(d, in[0]->d, sizeof d);
  for (int k = 1; k < call->n_in; k++) {
    for (int i = 0; i < in[0]->rank; i++)
      if (in[k]->rank != in[0]->rank || (i != axis && in[k]->d[i] != d[i])) BR_FAIL(BR_ERROR_DATA, "constants of different sizes");
    if (__builtin_add_overflow(d[axis], in[k]->d[axis], &d[axis])) BR_FAIL(BR_ERROR_DATA, "too many values");
  }
  BR_TRY(br__onnx_new(call->imp, in[0]->type, in[0]->rank, d, &out));
  size_t inner = 1, outer = 1, place = 0;
  for (int i = 0; i < axis; i++) outer *= (size_t)d[i];
  for (int i = axis + 1; i < in[0]->rank; i++) inner *= (size_t)d[i];
  for (size_t o = 0; o < outer; o++)
    for (int k = 0; k < call->n_in; k++) {
      size_t n = (size_t)in[k]->d[axis] * inner;
      memcpy(out->v + place, in[k]->v + o * n, n * sizeof(double));
      place += n;
    }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_gather(const struct call *call, struct tensor **in) {
  int axis, rank = 0;
  int64_t d[2 * ONNX_RANK];
  struct tensor *out;
  if (call->n_in < 2) BR_FAIL(BR_ERROR_DATA, "input 1 is missing");
  BR_TRY(call_axis(call_int(call, "axis", 0), in[0]->rank, &axis));
  for (int i = 0; i < in[0]->rank; i++) {
    if (i != axis)
      d[rank++] = in[0]->d[i];
    else
      for (int k = 0; k < in[1]->rank; k++) d[rank++] = in[1]->d[k];
  }
  BR_TRY(br__onnx_new(call->imp, in[0]->type, rank, d, &out));
  size_t inner = 1, length = (size_t)in[0]->d[axis];
  for (int i = axis + 1; i < in[0]->rank; i++) inner *= (size_t)in[0]->d[i];
  for (size_t e = 0; e < out->count; e++) {
    size_t i = e % inner, k = e / inner % in[1]->count, o = e / inner / in[1]->count;
    double index = in[1]->v[k] < 0 ? in[1]->v[k] + (double)length : in[1]->v[k];
    if (!(index >= 0 && index < (double)length)) BR_FAIL(BR_ERROR_DATA, "index %g of %zu", in[1]->v[k], length);
    out->v[e] = in[0]->v[(o * length + (size_t)index) * inner + i];
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_slice(const struct call *call, const struct tensor *t) {
  int64_t starts[ONNX_RANK], ends[ONNX_RANK], axes[ONNX_RANK], steps[ONNX_RANK], from[ONNX_RANK] = {0}, by[ONNX_RANK], d[ONNX_RANK];
  int n, m, axis;
  struct tensor *out;
  BR_TRY(call_list(call, "starts", 1, starts, ONNX_RANK, &n));
  BR_TRY(call_list(call, "ends", 2, ends, ONNX_RANK, &m));
  if (n < 0 || m != n) BR_FAIL(BR_ERROR_DATA, "starts and ends do not match");
  BR_TRY(call_list(call, "axes", 3, axes, ONNX_RANK, &m));
  for (int i = m < 0 ? 0 : n; i < n; i++) axes[i] = i;
  if (m >= 0 && m != n) BR_FAIL(BR_ERROR_DATA, "starts and axes do not match");
  BR_TRY(call_list(call, "steps", 4, steps, ONNX_RANK, &m));
  for (int i = m < 0 ? 0 : n; i < n; i++) steps[i] = 1;
  if (m >= 0 && m != n) BR_FAIL(BR_ERROR_DATA, "starts and steps do not match");
  for (int i = 0; i < t->rank; i++) d[i] = t->d[i], by[i] = 1;
  for (int i = 0; i < n; i++) {
    BR_TRY(call_axis(axes[i], t->rank, &axis));
    int64_t size = t->d[axis], step = steps[i], start = starts[i], end = ends[i];
    if (step == 0 || step > 1 << 30 || step < -(1 << 30)) BR_FAIL(BR_ERROR_DATA, "a step of %lld", (long long)step);
    start = start < 0 ? (start < -size ? -1 : start + size) : start > size ? size : start;
    end = end < 0 ? (end < -size ? -1 : end + size) : end > size ? size : end;
    if (step > 0) start = start < 0 ? 0 : start, end = end < 0 ? 0 : end;
    if (step < 0 && start > size - 1) start = size - 1;
    int64_t count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    from[axis] = start, by[axis] = step, d[axis] = count < 0 ? 0 : count;
  }
  BR_TRY(br__onnx_new(call->imp, t->type, t->rank, d, &out));
  for (size_t e = 0; e < out->count; e++) {
    size_t rest = e, stride = 1;
    int64_t offset = 0;
    for (int i = t->rank - 1; i >= 0; i--) {
      offset += (from[i] + (int64_t)(rest % (size_t)d[i]) * by[i]) * (int64_t)stride;
      rest /= (size_t)d[i];
      stride *= (size_t)t->d[i];
    }
    out->v[e] = t->v[offset];
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_transpose(const struct call *call, const struct tensor *t) {
  int64_t turn[ONNX_RANK], d[ONNX_RANK];
  int n;
  bool seen[ONNX_RANK] = {false};
  struct tensor *out;
  BR_TRY(call_ints(call, "perm", turn, ONNX_RANK, &n));
  if (n < 0)
    for (n = 0; n < t->rank; n++) turn[n] = t->rank - 1 - n;
  if (n != t->rank) BR_FAIL(BR_ERROR_DATA, "perm has %d axes for %d dimensions", n, t->rank);
  for (int i = 0; i < n; i++) {
    if (turn[i] < 0 || turn[i] >= n || seen[turn[i]]) BR_FAIL(BR_ERROR_DATA, "perm must name every axis once");
    seen[turn[i]] = true;
    d[i] = t->d[turn[i]];
  }
  BR_TRY(br__onnx_new(call->imp, t->type, n, d, &out));
  size_t stride[ONNX_RANK], step = 1;
  for (int i = n - 1; i >= 0; i--) stride[i] = step, step *= (size_t)t->d[i];
  for (size_t e = 0; e < out->count; e++) {
    size_t rest = e, offset = 0;
    for (int i = n - 1; i >= 0; i--) {
      offset += rest % (size_t)d[i] * stride[turn[i]];
      rest /= (size_t)d[i];
    }
    out->v[e] = t->v[offset];
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

/* Expand: to the sizes of input 1, broadcast. */
static int fold_expand(const struct call *call, struct tensor *t) {
  int64_t d[ONNX_RANK], whole[ONNX_RANK];
  int n;
  struct tensor *out;
  BR_TRY(call_list(call, "shape", 1, d, ONNX_RANK, &n));
  int rank = n > t->rank ? n : t->rank;
  for (int i = 0; i < rank; i++) {
    int64_t own = i < rank - t->rank ? 1 : t->d[i - (rank - t->rank)], wanted = i < rank - n ? 1 : d[i - (rank - n)];
    whole[i] = own == 1 ? wanted : own;
  }
  BR_TRY(br__onnx_new(call->imp, t->type, rank, whole, &out));
  for (size_t e = 0; e < out->count; e++) out->v[e] = at(t, rank, whole, e);
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

/* Which slice the index p of GatherND and ScatterND names, by its first `named` dimensions. */
static int place_of(const struct tensor *t, const struct tensor *indices, size_t p, int named, size_t *place) {
  *place = 0;
  for (int i = 0; i < named; i++) {
    double index = indices->v[p * (size_t)named + (size_t)i], length = (double)t->d[i];
    if (index < 0) index += length;
    if (!(index >= 0 && index < length)) BR_FAIL(BR_ERROR_DATA, "index %g of %g", index, length);
    *place = *place * (size_t)t->d[i] + (size_t)index;
  }
  return BR_OK;
}

/* ScatterND: copies of slices of the third into the first, at the places that the second names. */
static int fold_scatter(const struct call *call, struct tensor **in) {
  struct tensor *out;
  size_t slice = 1, places = 1;
  int named = call->n_in == 3 && in[1]->rank > 0 ? (int)in[1]->d[in[1]->rank - 1] : 0;
  const char *how = call_word(call, "reduction", "none");
  if (named < 1 || named > in[0]->rank || strcmp(how, "none") != 0) BR_FAIL(BR_ERROR_DATA, "%d indices for %d dimensions, reduction=%s", named, call->n_in ? in[0]->rank : 0, how);
  for (int i = named; i < in[0]->rank; i++) slice *= (size_t)in[0]->d[i];
  for (int i = 0; i + 1 < in[1]->rank; i++) places *= (size_t)in[1]->d[i];
  if (in[2]->count / (slice ? slice : 1) != places || (slice && in[2]->count % slice)) BR_FAIL(BR_ERROR_DATA, "%zu values for %zu places of %zu", in[2]->count, places, slice);
  BR_TRY(br__onnx_new(call->imp, in[0]->type, in[0]->rank, in[0]->d, &out));
  memcpy(out->v, in[0]->v, out->count * sizeof *out->v);
  for (size_t p = 0; p < places && slice; p++) {
    size_t at = 0;
    BR_TRY(place_of(in[0], in[1], p, named, &at));
    memcpy(out->v + at * slice, in[2]->v + p * slice, slice * sizeof *out->v);
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

/* GatherND: slices of the first, at the places that the second names. */
static int fold_gather_nd(const struct call *call, struct tensor **in) {
  struct tensor *out;
  int64_t d[2 * ONNX_RANK];
  size_t slice = 1, places = 1;
  int rank = 0, named = call->n_in == 2 && in[1]->rank > 0 ? (int)in[1]->d[in[1]->rank - 1] : 0;
  if (named < 1 || named > in[0]->rank || call_int(call, "batch_dims", 0) != 0) BR_FAIL(BR_ERROR_DATA, "%d indices for %d dimensions, batch_dims=%lld", named, call->n_in ? in[0]->rank : 0, (long long)call_int(call, "batch_dims", 0));
  for (int i = 0; i + 1 < in[1]->rank; i++) d[rank++] = in[1]->d[i], places *= (size_t)in[1]->d[i];
  for (int i = named; i < in[0]->rank; i++) d[rank++] = in[0]->d[i], slice *= (size_t)in[0]->d[i];
  BR_TRY(br__onnx_new(call->imp, in[0]->type, rank, d, &out));
  for (size_t p = 0; p < places && slice; p++) {
    size_t from = 0;
    BR_TRY(place_of(in[0], in[1], p, named, &from));
    memcpy(out->v + p * slice, in[0]->v + from * slice, slice * sizeof *out->v);
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

/* Rows of the first times a matrix, and a third to be added to each of them (pattern.c). */
static int fold_matmul(const struct call *call, struct tensor **in) {
  struct tensor *out;
  int64_t d[ONNX_RANK];
  int r = in[0]->rank;
  if (call->n_in < 2 || in[1]->rank != 2 || r < 1 || in[0]->d[r - 1] != in[1]->d[0] || in[0]->count > ONNX_FOLD_LIMIT / 16 || (double)in[0]->count * (double)in[1]->d[1] > 1e8) return 0;
  memcpy(d, in[0]->d, sizeof d);
  d[r - 1] = in[1]->d[1];
  BR_TRY(br__onnx_new(call->imp, in[0]->type, r, d, &out));
  size_t K = (size_t)in[1]->d[0], N = (size_t)in[1]->d[1];
  if (call->n_in > 2 && in[2]->count != N) BR_FAIL(BR_ERROR_DATA, "a bias of %zu for %zu columns", in[2]->count, N);
  for (size_t i = 0; i < out->count; i++) {
    double sum = 0;
    for (size_t k = 0; k < K; k++) sum += in[0]->v[i / N * K + k] * in[1]->v[k * N + i % N];
    if (call->n_in > 2) sum += in[2]->v[i % N];
    out->v[i] = (double)(float)sum;
  }
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_range(const struct call *call, struct tensor **in) {
  if (call->n_in != 3 || in[0]->count != 1 || in[1]->count != 1 || in[2]->count != 1 || in[2]->v[0] == 0) BR_FAIL(BR_ERROR_DATA, "start, limit and step must be numbers, and the step not 0");
  double n = ceil((in[1]->v[0] - in[0]->v[0]) / in[2]->v[0]);
  if (!(n < (double)ONNX_FOLD_LIMIT)) BR_FAIL(BR_ERROR_DATA, "%g values", n);
  struct tensor *out;
  BR_TRY(br__onnx_new(call->imp, in[0]->type, 1, (int64_t[]){n > 0 ? (int64_t)n : 0}, &out));
  for (size_t i = 0; i < out->count; i++) out->v[i] = in[0]->v[0] + (double)i * in[2]->v[0];
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_constant_of_shape(const struct call *call, const struct tensor *shape) {
  const Onnx__AttributeProto *a = call_attribute(call, "value");
  int64_t d[ONNX_RANK];
  struct tensor *fill = NULL, *out;
  if (shape->rank != 1 || shape->count > ONNX_RANK) BR_FAIL(BR_ERROR_DATA, "a shape of %zu sizes", shape->count);
  for (size_t i = 0; i < shape->count; i++) {
    if (!(shape->v[i] >= 0 && shape->v[i] < 1e15)) BR_FAIL(BR_ERROR_DATA, "a dimension of %.0f", shape->v[i]);
    d[i] = (int64_t)shape->v[i];
  }
  if (a && a->t) {
    BR_TRY(br__onnx_tensor(call->imp, a->t, &fill));
    BR_TRY(br__onnx_numbers(call->imp, fill));
    if (fill->count != 1) BR_FAIL(BR_ERROR_DATA, "the value must be one number");
  }
  BR_TRY(br__onnx_new(call->imp, fill ? fill->type : ONNX_FLOAT, (int)shape->count, d, &out));
  for (size_t i = 0; i < out->count; i++) out->v[i] = fill ? fill->v[0] : 0;
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_constant(const struct call *call) {
  const Onnx__AttributeProto *a;
  struct tensor *t;
  if ((a = call_attribute(call, "value")) && a->t) {
    BR_TRY(br__onnx_tensor(call->imp, a->t, &t));
  } else if ((a = call_attribute(call, "value_int"))) {
    BR_TRY(br__onnx_new(call->imp, ONNX_INT, 0, NULL, &t));
    t->v[0] = (double)a->i;
  } else if ((a = call_attribute(call, "value_float"))) {
    BR_TRY(br__onnx_new(call->imp, ONNX_FLOAT, 0, NULL, &t));
    t->v[0] = (double)a->f;
  } else if ((a = call_attribute(call, "value_ints"))) {
    BR_TRY(br__onnx_new(call->imp, ONNX_INT, 1, (int64_t[]){(int64_t)a->n_ints}, &t));
    for (size_t i = 0; i < a->n_ints; i++) t->v[i] = (double)a->ints[i];
  } else if ((a = call_attribute(call, "value_floats"))) {
    BR_TRY(br__onnx_new(call->imp, ONNX_FLOAT, 1, (int64_t[]){(int64_t)a->n_floats}, &t));
    for (size_t i = 0; i < a->n_floats; i++) t->v[i] = (double)a->floats[i];
  } else {
    BR_FAIL(BR_ERROR_DATA, "has no value that is supported");
  }
  BR_TRY(call_result_constant(call, 0, t));
  return 1;
}

static int fold_cast(const struct call *call, const struct tensor *t) {
  int64_t to = call_int(call, "to", 0);
  struct tensor *out;
  bool is_float = to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || to == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE || to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 || to == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
  bool is_bool = to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
  BR_TRY(br__onnx_new(call->imp, is_bool ? ONNX_BOOL : is_float ? ONNX_FLOAT : ONNX_INT, t->rank, t->d, &out));
  for (size_t i = 0; i < t->count; i++) out->v[i] = is_bool ? t->v[i] != 0 : is_float ? t->v[i] : trunc(t->v[i]);
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

static int fold_product(const struct call *call, const struct tensor *t) {
  struct tensor *out;
  int64_t d[ONNX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
  BR_TRY(br__onnx_new(call->imp, t->type, call_int(call, "keepdims", 1) ? t->rank : 0, d, &out));
  out->v[0] = 1;
  for (size_t i = 0; i < t->count; i++) out->v[0] *= t->v[i];
  BR_TRY(call_result_constant(call, 0, out));
  return 1;
}

int br__onnx_fold(const struct call *call) {
  const char *type = call->node->op_type;
  struct tensor *in[64];
  bool truth = false;
  if (strcmp(type, "Constant") == 0) return fold_constant(call);
  for (int i = 0; i < call->n_in; i++) {
    if (!call->in[i] || !call->in[i]->constant) return 0;
    in[i] = call->in[i]->constant;
  }
  enum number_op op = find(type, &truth);
  static const char *const others[] = {"Reshape", "Squeeze", "Unsqueeze", "Concat", "Gather", "Slice", "Transpose", "Expand", "Range", "ConstantOfShape", "Cast", "ReduceProd", "ScatterND", "GatherND", "MatMul"};
  bool known = op != OP_NONE;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) known |= strcmp(type, others[i]) == 0;
  if (!known || call->n_in == 0) return 0;
  for (int i = 0; i < call->n_in; i++) BR_TRY(br__onnx_numbers(call->imp, in[i]));
  if (op != OP_NONE) return fold_numbers(call, op, truth, in);
  if (strcmp(type, "Reshape") == 0) return fold_reshape(call, in[0]);
  if (strcmp(type, "Squeeze") == 0) return fold_squeeze(call, in[0], false);
  if (strcmp(type, "Unsqueeze") == 0) return fold_squeeze(call, in[0], true);
  if (strcmp(type, "Concat") == 0) return fold_concat(call, in);
  if (strcmp(type, "Gather") == 0) return fold_gather(call, in);
  if (strcmp(type, "Slice") == 0) return fold_slice(call, in[0]);
  if (strcmp(type, "Transpose") == 0) return fold_transpose(call, in[0]);
  if (strcmp(type, "Expand") == 0) return fold_expand(call, in[0]);
  if (strcmp(type, "Range") == 0) return fold_range(call, in);
  if (strcmp(type, "ConstantOfShape") == 0) return fold_constant_of_shape(call, in[0]);
  if (strcmp(type, "Cast") == 0) return fold_cast(call, in[0]);
  if (strcmp(type, "ScatterND") == 0) return fold_scatter(call, in);
  if (strcmp(type, "GatherND") == 0) return fold_gather_nd(call, in);
  if (strcmp(type, "MatMul") == 0) return fold_matmul(call, in);
  return in[0]->rank == 1 ? fold_product(call, in[0]) : 0;
}
