/* Arithmetic: two values to one with broadcasting, products of matrices, sums along axes, softmax, clipping. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- two values to one ----------------------------------------------------------------------------------------------------- */

/* A node and a constant: the constant becomes a parameter with its axes where the node's are. */
static int with_constant(const struct call *call, const char *op, struct value *v, struct tensor *t, bool swap, enum onnx_type type, struct value *out) {
  const struct importer *imp = call->imp;
  struct value wide = *v;
  int64_t sizes[BR_MAX_RANK], d[BR_MAX_RANK];
  char text[160];
  int node;
  if (t->rank > v->rank) {
    if (imp->batched || t->rank + imp->lead > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "a constant of %d dimensions and values of %d", t->rank, v->rank);
    BR_TRY(call_raised(call, v, t->rank, &wide));
    v = &wide;
  }
  int at = v->batch - (v->rank - t->rank); /* of the constant's axes */
  if (imp->single && at >= 0 && v->d[v->batch] == 1 && t->d[at] != 1) BR_FAIL(BR_ERROR_DATA, "a constant that differs between the samples of a batch");
  if (imp->batched && t->rank == v->rank && t->d[0] != 1) BR_FAIL(BR_ERROR_DATA, "a constant that differs between the samples of a batch");
  node = v->node;
  if (v->flat_rank && t->count != 1) BR_TRY(call_ordered(call, v, v->order, &node));
  for (int i = 0; i < v->rank; i++) d[i] = i < v->rank - t->rank ? 1 : t->d[i - (v->rank - t->rank)];
  int n = call_behind(imp, v->rank, d, v->order, sizes);
  BR_TRY(call_line(call, &node, "%s %s sizes=%s%s", op, call_node_name(call, node), call_numbers(sizes, n, text), swap ? " swap=yes" : ""));
  BR_TRY(call_fill(call, node, 0, t, v->rank, d, v->order, 1));
  struct value like = *v;
  BR_TRY(call_value(call, node, v->rank, v->order, type, out));
  out->flat_rank = like.flat_rank;
  memcpy(out->flat_d, like.flat_d, sizeof like.flat_d);
  memcpy(out->flat_order, like.flat_order, sizeof like.flat_order);
  return BR_OK;
}

static int64_t count(const struct value *v) {
  int64_t n = 1;
  for (int i = 0; i < v->rank; i++) n *= v->d[i];
  return n;
}

static bool is_channels(const struct value *x, const struct value *s, const int *order) {
  int last[BR_MAX_RANK];
  order_channels_last(4, last);
  return x->rank == 4 && order_equal(order, last, 4) && s->d[0] == x->d[0] && s->d[1] == x->d[1] && s->d[2] == 1 && s->d[3] == 1;
}

static int two_nodes(const struct call *call, const char *op, struct value *a, struct value *b, enum onnx_type type, struct value *out) {
  struct value wide;
  int na, nb, node;
  if (a->rank < b->rank) {
    BR_TRY(call_raised(call, a, b->rank, &wide));
    a = &wide;
  } else if (b->rank < a->rank) {
    BR_TRY(call_raised(call, b, a->rank, &wide));
    b = &wide;
  }
  const struct value *larger = count(b) > count(a) ? b : a;
  int order[BR_MAX_RANK];
  memcpy(order, larger->order, sizeof order);
  BR_TRY(call_ordered(call, a, order, &na));
  BR_TRY(call_ordered(call, b, order, &nb));
  bool equal = memcmp(a->d, b->d, (size_t)a->rank * sizeof *a->d) == 0, times = strcmp(op, "times") == 0;
  if (times && call->imp->batched && is_channels(b, a, order) && !equal) {
    int t = na;
    na = nb, nb = t;
    op = "mul";
  } else if (times && (equal || (call->imp->batched && is_channels(a, b, order)))) {
    op = "mul";
  } else if (strcmp(op, "plus") == 0 && equal) {
    op = "add";
  }
  BR_TRY(call_line(call, &node, "%s %s %s", op, call_node_name(call, na), call_node_name(call, nb)));
  return call_value(call, node, a->rank, order, type, out);
}

int call_binary(const struct call *call, const char *op, struct value *a, struct value *b, enum onnx_type type, struct value *out) {
  if (a->constant && b->constant) BR_TRY(call_as_node(call, a));
  if (b->constant) return with_constant(call, op, a, b->constant, false, type, out);
  if (a->constant) return with_constant(call, op, b, a->constant, true, type, out);
  return two_nodes(call, op, a, b, type, out);
}

static int need(const struct call *call, int n) {
  for (int i = 0; i < n; i++)
    if (!call_has(call, i)) BR_FAIL(BR_ERROR_DATA, "input %d is missing", i);
  return BR_OK;
}

static int binary(const struct call *call, const char *op, enum onnx_type type) {
  struct value out;
  BR_TRY(need(call, 2));
  BR_TRY(call_binary(call, op, call->in[0], call->in[1], type, &out));
  return call_result_same(call, 0, &out);
}

int map_div(const struct call *call) {
  struct value out;
  BR_TRY(need(call, 2));
  enum onnx_type type = call->in[0]->type;
  BR_TRY(call_binary(call, "div", call->in[0], call->in[1], type, &out));
  if (type != ONNX_FLOAT) BR_TRY(call_line(call, &out.node, "trunc %s", call_node_name(call, out.node)));
  return call_result_same(call, 0, &out);
}

int map_mod(const struct call *call) { return binary(call, call_int(call, "fmod", 0) ? "fmod" : "mod", call->n_in && call->in[0] ? call->in[0]->type : ONNX_FLOAT); }

/* Sum, Min, Max of any number of inputs. */
static int many(const struct call *call, const char *op, struct value *out) {
  BR_TRY(need(call, 1));
  *out = *call->in[0];
  for (int i = 1; i < call->n_in; i++) {
    struct value next;
    BR_TRY(need(call, i + 1));
    BR_TRY(call_binary(call, op, out, call->in[i], out->type, &next));
    *out = next;
  }
  return BR_OK;
}

int map_fold_many(const struct call *call) {
  const char *type = call->node->op_type;
  struct value out;
  BR_TRY(many(call, strcmp(type, "Sum") == 0 ? "plus" : strcmp(type, "Min") == 0 ? "min" : "max", &out));
  return call_result_same(call, 0, &out);
}

/* A line of the net with one number as its parameter. */
int call_scalar(const struct call *call, const char *op, struct value *v, double number, struct value *out) {
  struct tensor *t;
  BR_TRY(br__onnx_new(call->imp, ONNX_FLOAT, 0, NULL, &t));
  t->v[0] = number;
  return with_constant(call, op, v, t, false, v->type, out);
}

int map_mean(const struct call *call) {
  struct value sum, out;
  BR_TRY(many(call, "plus", &sum));
  BR_TRY(call_as_node(call, &sum));
  BR_TRY(call_scalar(call, "div", &sum, call->n_in, &out));
  return call_result_same(call, 0, &out);
}

/* --- one value to one ------------------------------------------------------------------------------------------------------ */

static int unary(const struct call *call, const char *line, enum onnx_type type) {
  struct value *v = call->in[0];
  char op[32];
  int node, n = (int)strcspn(line, " ");
  BR_TRY(need(call, 1));
  BR_TRY(call_as_node(call, v));
  snprintf(op, sizeof op, "%.*s", n, line);
  BR_TRY(call_line(call, &node, "%s %s%s", op, call_node_name(call, v->node), line + n));
  return call_result_like(call, 0, node, v, type);
}

static int with_alpha(const struct call *call, const char *op, double fallback) {
  char line[64];
  snprintf(line, sizeof line, "%s alpha=%.9g", op, call_float(call, "alpha", fallback));
  return unary(call, line, ONNX_FLOAT);
}

int map_clip(const struct call *call) {
  double low, high;
  char line[80];
  BR_TRY(need(call, 1));
  BR_TRY(call_number(call, "min", 1, -INFINITY, &low));
  BR_TRY(call_number(call, "max", 2, INFINITY, &high));
  if (low == 0 && high == 6) return unary(call, "relu6", call->in[0]->type);
  if (low == 0 && high > 3e38) return unary(call, "relu", call->in[0]->type);
  if (low < -3e38) low = -3e38;
  if (high > 3e38) high = 3e38;
  snprintf(line, sizeof line, "clip min=%.9g max=%.9g", low, high);
  return unary(call, line, call->in[0]->type);
}

int map_hardsigmoid(const struct call *call) {
  double alpha = call_float(call, "alpha", 0.2f), beta = call_float(call, "beta", 0.5);
  if (fabs(alpha - 1.0 / 6) < 1e-6 && beta == 0.5) return unary(call, "hardsigmoid", ONNX_FLOAT);
  struct value a, b;
  int node;
  BR_TRY(need(call, 1));
  BR_TRY(call_as_node(call, call->in[0]));
  BR_TRY(call_scalar(call, "times", call->in[0], alpha, &a));
  BR_TRY(call_scalar(call, "plus", &a, beta, &b));
  BR_TRY(call_line(call, &node, "clip %s min=0 max=1", call_node_name(call, b.node)));
  return call_result_like(call, 0, node, &b, ONNX_FLOAT);
}

/* Approximate: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
int map_gelu(const struct call *call) {
  BR_TRY(need(call, 1));
  if (strcmp(call_word(call, "approximate", "none"), "none") == 0) return unary(call, "gelu", ONNX_FLOAT);
  struct value *x = call->in[0], a, b;
  BR_TRY(call_as_node(call, x));
  BR_TRY(call_scalar(call, "pow", x, 3, &a));
  BR_TRY(call_scalar(call, "times", &a, 0.044715, &b));
  BR_TRY(call_binary(call, "plus", x, &b, ONNX_FLOAT, &a));
  BR_TRY(call_scalar(call, "times", &a, 0.7978845608028654, &b));
  BR_TRY(call_line(call, &b.node, "tanh %s", call_node_name(call, b.node)));
  b.other = -1;
  BR_TRY(call_scalar(call, "plus", &b, 1, &a));
  BR_TRY(call_scalar(call, "times", &a, 0.5, &b));
  BR_TRY(call_binary(call, "times", x, &b, ONNX_FLOAT, &a));
  return call_result_same(call, 0, &a);
}

int map_prelu(const struct call *call) {
  BR_TRY(need(call, 2));
  struct value *v = call->in[0], *s = call->in[1], low, high, scaled, out;
  BR_TRY(call_as_node(call, v));
  struct tensor *t = s->constant;
  int order[BR_MAX_RANK], node;
  bool per_channel = t && v->rank >= 2 && (t->count == 1 || (t->count == (size_t)v->d[1] && (v->rank == 2 ? t->rank >= 1 && t->d[t->rank - 1] == v->d[1] : t->rank >= v->rank - 1 && t->d[t->rank - v->rank + 1] == v->d[1])));
  if (per_channel) {
    order_channels_last(v->rank, order);
    BR_TRY(call_ordered(call, v, order, &node));
    BR_TRY(call_line(call, &node, "prelu %s", call_node_name(call, node)));
    BR_TRY(call_fill(call, node, 0, t, t->rank, t->d, NULL, 1));
    return call_result(call, 0, node, v->rank, order, ONNX_FLOAT);
  }
  BR_TRY(call_scalar(call, "min", v, 0, &low));
  BR_TRY(call_scalar(call, "max", v, 0, &high));
  BR_TRY(call_binary(call, "times", &low, s, ONNX_FLOAT, &scaled));
  BR_TRY(call_binary(call, "plus", &high, &scaled, ONNX_FLOAT, &out));
  return call_result_same(call, 0, &out);
}

int map_softmax(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0], merged = {0}, out;
  const char *op = strcmp(call->node->op_type, "Softmax") == 0 ? "softmax" : "logsoftmax";
  bool old = call->imp->opset < 13;
  int axis, order[BR_MAX_RANK], node, n = 0;
  BR_TRY(call_as_node(call, v));
  BR_TRY(call_axis(call_int(call, "axis", old ? 1 : -1), v->rank, &axis));
  int64_t d[BR_MAX_RANK], behind = 1;
  for (int i = axis + 1; i < v->rank; i++) behind *= v->d[i];
  struct value *x = v;
  if (old && behind > 1) { /* everything from the axis on is one row */
    for (int i = 0; i < axis; i++) d[i] = v->d[i];
    d[axis] = v->d[axis] * behind;
    BR_TRY(call_reshaped(call, v, axis + 1, d, &merged));
    x = &merged;
  }
  if (axis == (call->imp->batched ? 0 : x->batch)) BR_FAIL(BR_ERROR_DATA, "works along the batch");
  for (int i = 0; i < x->rank; i++)
    if (x->order[i] != axis) order[n++] = x->order[i];
  order[n] = axis;
  BR_TRY(call_ordered(call, x, order, &node));
  BR_TRY(call_line(call, &node, "%s %s", op, call_node_name(call, node)));
  if (x == v) return call_result(call, 0, node, v->rank, order, ONNX_FLOAT);
  BR_TRY(call_value(call, node, x->rank, order, ONNX_FLOAT, &merged));
  BR_TRY(call_reshaped(call, &merged, v->rank, v->d, &out));
  return call_result_same(call, 0, &out);
}

/* --- products -------------------------------------------------------------------------------------------------------------- */

/* x [.., K] times the constant t, [K, N] or [N, K]: a dense node without bias, or with room for it. */
static int dense(const struct call *call, struct value *x, const int *order, struct tensor *t, bool turned, double factor, bool bias, int *node) {
  int64_t K = turned ? t->d[1] : t->d[0], N = turned ? t->d[0] : t->d[1], d[ONNX_RANK];
  int weight_order[ONNX_RANK], rank = 2;
  if (x->d[order[x->rank - 1]] != K) BR_FAIL(BR_ERROR_DATA, "%lld values times weights for %lld", (long long)x->d[order[x->rank - 1]], (long long)K);
  *node = x->node;
  if (x->flat_rank) { /* a flattened picture: the rows of the weights are put in the net's order instead */
    rank = x->flat_rank;
    for (int i = 1; i < rank; i++) {
      d[i - !turned] = x->flat_d[i];
      weight_order[i - 1] = x->flat_order[i] - !turned;
    }
    d[turned ? 0 : rank - 1] = N;
    weight_order[rank - 1] = turned ? 0 : rank - 1;
  } else {
    BR_TRY(call_ordered(call, x, order, node));
    d[0] = t->d[0], d[1] = t->d[1];
    weight_order[0] = turned, weight_order[1] = !turned;
  }
  BR_TRY(call_line(call, node, "dense %s out=%lld bias=%s", call_node_name(call, *node), (long long)N, bias ? "yes" : "no"));
  return call_fill(call, *node, 0, t, rank, d, weight_order, factor);
}

/* Matrices of equal rank, at least 2, both as nodes. */
static int product(const struct call *call, struct value *a, struct value *b, const int *order_a, const int *order_b, struct value *out) {
  int na, nb, node, order[BR_MAX_RANK];
  if (call->imp->single && ((b->batch >= 0 && b->batch >= b->rank - 2) || (a->batch >= 0 && a->batch == a->rank - 1))) BR_FAIL(BR_ERROR_DATA, "works along the batch");
  BR_TRY(call_ordered(call, a, order_a, &na));
  BR_TRY(call_ordered(call, b, order_b, &nb));
  BR_TRY(call_line(call, &node, "matmul %s %s", call_node_name(call, na), call_node_name(call, nb)));
  order_plain(a->rank, order);
  return call_value(call, node, a->rank, order, ONNX_FLOAT, out);
}

int call_product(const struct call *call, struct value *a, struct value *b, struct value *out) {
  int order[BR_MAX_RANK];
  order_plain(BR_MAX_RANK, order);
  return product(call, a, b, order, order, out);
}

int map_matmul(const struct call *call) {
  BR_TRY(need(call, 2));
  struct value *a = call->in[0], *b = call->in[1], wide_a, wide_b, out, last;
  int order[BR_MAX_RANK], node;
  if (call_has(call, 2) && (!call->in[2]->constant || !b->constant || a->constant)) BR_FAIL(BR_ERROR_DATA, "a third input");
  if (a->constant && b->constant) BR_TRY(call_as_node(call, a));
  if (b->constant && b->constant->rank == 2 && !a->constant && a->rank >= 1 && !(call->imp->batched && a->rank < 2)) {
    order_plain(a->rank, order);
    BR_TRY(dense(call, a, order, b->constant, false, 1, call_has(call, 2), &node));
    if (call_has(call, 2)) BR_TRY(call_fill(call, node, 1, call->in[2]->constant, 1, call->in[2]->constant->d, NULL, 1)); /* a bias, from pattern.c */
    return call_result(call, 0, node, a->rank, order, ONNX_FLOAT);
  }
  BR_TRY(call_as_node(call, a));
  BR_TRY(call_as_node(call, b));
  bool row = a->rank == 1, column = b->rank == 1;
  wide_a = *a, wide_b = *b;
  if (row) BR_TRY(call_reshaped(call, a, 2, (int64_t[]){1, a->d[0]}, &wide_a));
  if (column) BR_TRY(call_reshaped(call, b, 2, (int64_t[]){b->d[0], 1}, &wide_b));
  struct value x = wide_a, y = wide_b;
  if (x.rank < y.rank) BR_TRY(call_raised(call, &wide_a, y.rank, &x));
  if (y.rank < x.rank) BR_TRY(call_raised(call, &wide_b, x.rank, &y));
  BR_TRY(call_product(call, &x, &y, &out));
  last = out;
  if (row || column) {
    int64_t d[BR_MAX_RANK];
    int n = 0;
    for (int i = 0; i < out.rank; i++)
      if (!(row && i == out.rank - 2) && !(column && i == out.rank - 1)) d[n++] = out.d[i];
    BR_TRY(call_reshaped(call, &out, n, d, &last));
  }
  return call_result_same(call, 0, &last);
}

int map_gemm(const struct call *call) {
  BR_TRY(need(call, 2));
  struct value *a = call->in[0], *b = call->in[1], out, scaled;
  bool turn_a = call_int(call, "transA", 0), turn_b = call_int(call, "transB", 0);
  double alpha = call_float(call, "alpha", 1), beta = call_float(call, "beta", 1);
  int order_a[BR_MAX_RANK] = {turn_a, !turn_a}, order_b[BR_MAX_RANK] = {turn_b, !turn_b}, order[BR_MAX_RANK], node;
  BR_TRY(call_as_node(call, a));
  int rank_b = b->constant ? b->constant->rank : b->rank;
  if (a->rank != 2 || rank_b != 2) BR_FAIL(BR_ERROR_DATA, "works on matrices, not on %d and %d dimensions", a->rank, rank_b);
  if (turn_a && (call->imp->batched || call->imp->single)) BR_FAIL(BR_ERROR_DATA, "transA turns the batch");
  order_plain(2, order);
  struct tensor *c = call_has(call, 2) ? call->in[2]->constant : NULL;
  if (b->constant) {
    int64_t N = turn_b ? b->constant->d[0] : b->constant->d[1];
    bool bias = c && (c->count == 1 || (c->count == (size_t)N && c->rank >= 1 && c->d[c->rank - 1] == N));
    BR_TRY(dense(call, a, order_a, b->constant, turn_b, alpha, bias, &node));
    if (bias) BR_TRY(call_fill(call, node, 1, c, c->rank, c->d, NULL, beta));
    BR_TRY(call_value(call, node, 2, order, ONNX_FLOAT, &out));
    if (bias || !call_has(call, 2)) return call_result_same(call, 0, &out);
  } else {
    BR_TRY(product(call, a, b, order_a, order_b, &out));
    if (alpha != 1) {
      BR_TRY(call_scalar(call, "times", &out, alpha, &scaled));
      out = scaled;
    }
    if (!call_has(call, 2)) return call_result_same(call, 0, &out);
  }
  struct value *add = call->in[2], last;
  if (beta != 1) {
    BR_TRY(call_as_node(call, add));
    BR_TRY(call_scalar(call, "times", add, beta, &scaled));
    add = &scaled;
  }
  BR_TRY(call_binary(call, "plus", &out, add, ONNX_FLOAT, &last));
  return call_result_same(call, 0, &last);
}

/* --- along axes ------------------------------------------------------------------------------------------------------------ */

int call_unary(const struct call *call, const char *line, struct value *v, struct value *out) {
  int node;
  BR_TRY(call_ordered(call, v, v->order, &node)); /* no flattened picture */
  BR_TRY(call_line(call, &node, line, call_node_name(call, node), call_node_name(call, node)));
  return call_value(call, node, v->rank, v->order, v->type, out);
}

int call_reduced(const struct call *call, const char *op, struct value *v, const bool *axes, struct value *out) {
  int64_t net_axes[BR_MAX_RANK];
  int node, n = 0, at, last[BR_MAX_RANK];
  char text[160];
  BR_TRY(call_ordered(call, v, v->order, &node)); /* no flattened picture */
  for (int i = 0; i < v->rank; i++) {
    if (!axes[i]) continue;
    BR_TRY(call_net_axis(call, v, i, &at));
    net_axes[n++] = at;
  }
  order_channels_last(v->rank, last);
  bool pictures = v->rank == 4 && call->imp->batched && order_equal(v->order, last, 4) && n == 2 && axes[2] && axes[3] && strcmp(op, "reducemean") == 0;
  if (pictures)
    BR_TRY(call_line(call, &node, "globalpool %s", call_node_name(call, node)));
  else if (n > 0)
    BR_TRY(call_line(call, &node, "%s %s axes=%s", op, call_node_name(call, node), call_numbers(net_axes, n, text)));
  return call_value(call, node, v->rank, v->order, v->type, out);
}

/* `before` and `after` are lines around the reduction, NULL for none. */
static int reduce(const struct call *call, const char *before, const char *op, const char *after) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0], x, y, out;
  int64_t list[BR_MAX_RANK], d[BR_MAX_RANK];
  int n, rank = 0;
  bool axes[BR_MAX_RANK] = {false};
  BR_TRY(call_as_node(call, v));
  BR_TRY(call_list(call, "axes", 1, list, BR_MAX_RANK, &n));
  for (int i = 0; i < n; i++) {
    int axis;
    BR_TRY(call_axis(list[i], v->rank, &axis));
    axes[axis] = true;
  }
  for (int i = 0; i < v->rank && n <= 0; i++) axes[i] = !call_int(call, "noop_with_empty_axes", 0);
  x = *v;
  if (before) BR_TRY(call_unary(call, before, v, &x));
  BR_TRY(call_reduced(call, op, &x, axes, &y));
  out = y;
  if (after) BR_TRY(call_unary(call, after, &y, &out));
  if (call_int(call, "keepdims", 1)) return call_result_same(call, 0, &out);
  for (int i = 0; i < v->rank; i++)
    if (!axes[i]) d[rank++] = v->d[i];
  BR_TRY(call_reshaped(call, &out, rank, d, &x));
  return call_result_same(call, 0, &x);
}

/* --- tables ---------------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name, *op;
  int result; /* enum onnx_type; -1: the input's */
} binaries[] = {{"Add", "plus", -1}, {"Sub", "sub", -1}, {"Mul", "times", -1}, {"Pow", "pow", -1}, {"Equal", "equal", ONNX_BOOL}, {"Less", "less", ONNX_BOOL}, {"LessOrEqual", "lessequal", ONNX_BOOL},
                {"Greater", "greater", ONNX_BOOL}, {"GreaterOrEqual", "greaterequal", ONNX_BOOL}, {"And", "and", ONNX_BOOL}, {"Or", "or", ONNX_BOOL}, {"Xor", "xor", ONNX_BOOL}};

static const struct {
  const char *name, *op;
  int result;
} unaries[] = {{"Relu", "relu", -1}, {"Sigmoid", "sigmoid", -1}, {"HardSwish", "hardswish", -1}, {"Tanh", "tanh", -1}, {"Softplus", "softplus", -1}, {"Mish", "mish", -1}, 
               {"Softsign", "softsign", -1}, {"Erf", "erf", -1}, {"Exp", "exp", -1}, {"Log", "log", -1}, {"Neg", "neg", -1}, {"Abs", "abs", -1}, {"Sqrt", "sqrt", -1}, {"Reciprocal", "reciprocal", -1},
               {"Floor", "floor", -1}, {"Ceil", "ceil", -1}, {"Round", "round", -1}, {"Sign", "sign", -1}, {"Not", "not", ONNX_BOOL}};

static const struct {
  const char *name, *before, *op, *after;
} reductions[] = {{"ReduceMean", NULL, "reducemean", NULL}, {"ReduceSum", NULL, "reducesum", NULL}, {"ReduceMax", NULL, "reducemax", NULL}, {"ReduceMin", NULL, "reducemin", NULL}, {"ReduceProd", NULL, "reduceprod", NULL},
                  {"ReduceL1", "abs %s", "reducesum", NULL}, {"ReduceL2", "mul %s %s", "reducesum", "sqrt %s"}, {"ReduceSumSquare", "mul %s %s", "reducesum", NULL}, {"ReduceLogSum", NULL, "reducesum", "log %s"},
                  {"ReduceLogSumExp", "exp %s", "reducesum", "log %s"}};

#define LENGTH(list) (sizeof(list) / sizeof *(list))

/* Operators that differ in a word only. *known: it is one of them. */
int br__onnx_map_simple(const struct call *call, bool *known) {
  const char *type = call->node->op_type;
  *known = true;
  for (size_t i = 0; i < LENGTH(binaries); i++)
    if (strcmp(type, binaries[i].name) == 0) return binary(call, binaries[i].op, binaries[i].result >= 0 ? (enum onnx_type)binaries[i].result : call->n_in && call->in[0] ? call->in[0]->type : ONNX_FLOAT);
  for (size_t i = 0; i < LENGTH(unaries); i++)
    if (strcmp(type, unaries[i].name) == 0) return unary(call, unaries[i].op, unaries[i].result >= 0 ? (enum onnx_type)unaries[i].result : call->n_in && call->in[0] ? call->in[0]->type : ONNX_FLOAT);
  for (size_t i = 0; i < LENGTH(reductions); i++)
    if (strcmp(type, reductions[i].name) == 0) return reduce(call, reductions[i].before, reductions[i].op, reductions[i].after);
  if (strcmp(type, "Swish") == 0 && call_float(call, "alpha", 1) == 1) return unary(call, "silu", ONNX_FLOAT);
  if (strcmp(type, "LeakyRelu") == 0) return with_alpha(call, "leakyrelu", 0.01f);
  if (strcmp(type, "Elu") == 0) return with_alpha(call, "elu", 1);
  if (strcmp(type, "Selu") == 0) {
    char line[80];
    snprintf(line, sizeof line, "selu alpha=%.9g gamma=%.9g", call_float(call, "alpha", 1.67326319217681884765625), call_float(call, "gamma", 1.05070102214813232421875));
    return unary(call, line, ONNX_FLOAT);
  }
  *known = false;
  return BR_OK;
}
