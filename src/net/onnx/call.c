/* What every translation needs: attributes and constant inputs of a node, lines of the net, and values in the order of axes that is wanted. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- attributes ------------------------------------------------------------------------------------------------------------ */

const Onnx__AttributeProto *call_attribute(const struct call *call, const char *name) {
  for (size_t i = 0; i < call->node->n_attribute; i++)
    if (call->node->attribute[i]->name && strcmp(call->node->attribute[i]->name, name) == 0) return call->node->attribute[i];
  return NULL;
}

int64_t call_int(const struct call *call, const char *name, int64_t fallback) {
  const Onnx__AttributeProto *a = call_attribute(call, name);
  return a && a->has_i ? a->i : fallback;
}

double call_float(const struct call *call, const char *name, double fallback) {
  const Onnx__AttributeProto *a = call_attribute(call, name);
  return a && a->has_f ? (double)a->f : fallback;
}

const char *call_word(const struct call *call, const char *name, const char *fallback) {
  static _Thread_local char word[64];
  const Onnx__AttributeProto *a = call_attribute(call, name);
  if (!a || !a->has_s) return fallback;
  if (a->s.len >= sizeof word) return "";
  memcpy(word, a->s.data, a->s.len);
  word[a->s.len] = 0;
  return word;
}

int call_ints(const struct call *call, const char *name, int64_t *out, int room, int *n) {
  const Onnx__AttributeProto *a = call_attribute(call, name);
  *n = -1;
  if (!a) return BR_OK;
  if (a->n_ints > (size_t)room) BR_FAIL(BR_ERROR_DATA, "%s has %zu numbers; at most %d are possible", name, a->n_ints, room);
  *n = (int)a->n_ints;
  for (int i = 0; i < *n; i++) out[i] = a->ints[i];
  return BR_OK;
}

bool call_has(const struct call *call, int i) { return i < call->n_in && call->in[i]; }

int call_weight(const struct call *call, int i, struct tensor **out) {
  if (!call_has(call, i)) BR_FAIL(BR_ERROR_DATA, "input %d is missing", i);
  *out = call->in[i]->constant;
  if (!*out) BR_FAIL(BR_ERROR_DATA, "input %d (%.60s) must be a constant here, and is worked out by the net", i, call->in[i]->name);
  return BR_OK;
}

int call_constant(const struct call *call, int i, struct tensor **out) {
  BR_TRY(call_weight(call, i, out));
  return br__onnx_numbers(call->imp, *out);
}

static int64_t whole(double x) { return x >= 9e18 ? INT64_MAX : x <= -9e18 ? INT64_MIN : (int64_t)x; }

int call_list(const struct call *call, const char *name, int i, int64_t *out, int room, int *n) {
  BR_TRY(call_ints(call, name, out, room, n));
  if (*n >= 0 || !call_has(call, i)) return BR_OK;
  struct tensor *t;
  BR_TRY(call_constant(call, i, &t));
  if (t->count > (size_t)room) BR_FAIL(BR_ERROR_DATA, "%s has %zu numbers; at most %d are possible", name, t->count, room);
  *n = (int)t->count;
  for (int k = 0; k < *n; k++) out[k] = whole(t->v[k]);
  return BR_OK;
}

int call_number(const struct call *call, const char *name, int i, double fallback, double *out) {
  *out = call_float(call, name, fallback);
  if (!call_has(call, i)) return BR_OK;
  struct tensor *t;
  BR_TRY(call_constant(call, i, &t));
  if (t->count != 1) BR_FAIL(BR_ERROR_DATA, "%s must be one number, %zu are given", name, t->count);
  *out = t->v[0];
  return BR_OK;
}

int call_axis(int64_t axis, int rank, int *out) {
  if (axis < -rank || axis >= rank) BR_FAIL(BR_ERROR_DATA, "axis %lld of %d", (long long)axis, rank);
  *out = (int)(axis < 0 ? axis + rank : axis);
  return BR_OK;
}

/* --- lines of the net ------------------------------------------------------------------------------------------------------ */

const char *call_node_name(const struct call *call, int node) { return call->imp->graph->nodes[node].name; }

const char *call_numbers(const int64_t *x, int n, char *text) {
  int used = 0;
  text[0] = 0;
  for (int i = 0; i < n && used < 140; i++) used += snprintf(text + used, (size_t)(160 - used), i ? "x%lld" : "%lld", (long long)x[i]);
  return text;
}

/* A name that net text can have, made from the node's first output and not in use. */
static void make_name(struct importer *imp, const char *from, char name[BR_NAME_BYTES]) {
  size_t n = 0, start = strlen(from) > 70 ? strlen(from) - 70 : 0;
  for (const char *p = from + start; *p; p++) name[n++] = isalnum((unsigned char)*p) || *p == '_' || *p == '.' || *p == '-' ? *p : '_';
  if (n == 0) name[n++] = 'n';
  name[n] = 0;
  while (br_graph_find(imp->graph, name) >= 0) snprintf(name + n, BR_NAME_BYTES - n, "_%d", ++imp->made);
}

int call_line(const struct call *call, int *node, const char *format, ...) {
  struct importer *imp = call->imp;
  char line[8192], name[BR_NAME_BYTES];
  make_name(imp, call->node && call->node->n_output ? call->node->output[0] : "x", name);
  int n = snprintf(line, sizeof line, "%s = ", name);
  va_list args;
  va_start(args, format);
  int more = vsnprintf(line + n, sizeof line - (size_t)n, format, args);
  va_end(args);
  if (more < 0 || n + more >= (int)sizeof line) BR_FAIL(BR_ERROR_DATA, "too many inputs");
  BR_TRY(br__graph_add(imp->graph, line));
  *node = imp->graph->n_nodes - 1;
  return BR_OK;
}

int call_fill(const struct call *call, int node, int param, struct tensor *t, int rank, const int64_t *d, const int *order, double factor) {
  struct importer *imp = call->imp;
  if (imp->n_weights == imp->weights_capacity) {
    size_t capacity = imp->weights_capacity ? 2 * imp->weights_capacity : 256;
    struct weight *grown;
    BR_TRY(br__onnx_alloc(imp, capacity, sizeof *grown, &grown));
    if (imp->n_weights) memcpy(grown, imp->weights, imp->n_weights * sizeof *grown);
    imp->weights = grown;
    imp->weights_capacity = capacity;
  }
  struct weight *w = &imp->weights[imp->n_weights++];
  *w = (struct weight){.param = imp->graph->nodes[node].first_param + param, .t = t, .rank = rank, .factor = factor};
  size_t count = imp->graph->params[w->param].count;
  if (t->count != count && (t->count != 1 || count > 1 << 20)) BR_FAIL(BR_ERROR_DATA, "a constant of %zu values where %zu were expected", t->count, count);
  for (int i = 0; i < rank; i++) w->d[i] = d[i], w->order[i] = order ? order[i] : i;
  return BR_OK;
}

/* --- values and their layouts ---------------------------------------------------------------------------------------------- */

void order_plain(int rank, int *order) {
  for (int i = 0; i < rank; i++) order[i] = i;
}

void order_channels_last(int rank, int *order) {
  order_plain(rank, order);
  for (int i = 1; i + 1 < rank; i++) order[i] = i + 1;
  if (rank > 1) order[rank - 1] = 1;
}

bool order_equal(const int *a, const int *b, int rank) { return memcmp(a, b, (size_t)rank * sizeof *a) == 0; }

/* Where the batch lies in a result of `rank` axes: where it lies in the operator's input, counted from the last axis. */
static int find_batch(const struct call *call, int rank) {
  int most = -1, batch = -1;
  for (int i = 0; i < call->n_in && call->imp->single; i++) {
    const struct value *v = call->in[i];
    if (!v || v->constant || v->batch < 0 || v->rank <= most) continue;
    most = v->rank;
    batch = v->batch + rank - v->rank;
  }
  if (most < 0 || rank == 0) return -1;
  return batch < 0 || batch >= rank ? 0 : batch;
}

/* Sizes in the file's order from the node's shape. */
static int set_node(const struct call *call, struct value *v, int node, int rank, const int *order) {
  const struct importer *imp = call->imp;
  const struct br_shape *shape = &imp->graph->nodes[node].shape;
  if (rank + imp->lead > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "%d dimensions; at most %d are possible here", rank, BR_MAX_RANK - imp->lead);
  v->node = node;
  v->rank = rank;
  v->other = -1;
  v->batch = find_batch(call, rank);
  for (int i = 0; i < rank; i++) {
    v->order[i] = order[i];
    v->d[order[i]] = shape->d[i + imp->lead];
  }
  return BR_OK;
}

int call_value(const struct call *call, int node, int rank, const int *order, enum onnx_type type, struct value *out) {
  *out = (struct value){.name = "", .type = type};
  return set_node(call, out, node, rank, order);
}

static int add_output(const struct call *call, int i, struct value **out) {
  *out = NULL;
  if ((size_t)i >= call->node->n_output || !call->node->output[i] || !call->node->output[i][0]) return BR_OK;
  return br__onnx_add(call->imp, call->node->output[i], out);
}

int call_result(const struct call *call, int i, int node, int rank, const int *order, enum onnx_type type) {
  struct value *v;
  BR_TRY(add_output(call, i, &v));
  if (!v) return BR_OK;
  v->type = type;
  return set_node(call, v, node, rank, order);
}

int call_result_constant(const struct call *call, int i, struct tensor *t) {
  struct value *v;
  BR_TRY(add_output(call, i, &v));
  if (!v) return BR_OK;
  v->constant = t;
  v->type = t->type;
  return BR_OK;
}

int call_result_same(const struct call *call, int i, const struct value *same) {
  struct value *v;
  BR_TRY(add_output(call, i, &v));
  if (!v) return BR_OK;
  const char *name = v->name;
  *v = *same;
  v->name = name;
  return BR_OK;
}

int call_result_like(const struct call *call, int i, int node, const struct value *v, enum onnx_type type) {
  struct value like = *v;
  like.node = node;
  like.type = type;
  like.other = -1;
  return call_result_same(call, i, &like);
}

int call_behind(const struct importer *imp, int rank, const int64_t *d, const int *order, int64_t *out) {
  int n = 0;
  for (int i = 1 - imp->lead; i < rank; i++) out[n++] = d[order ? order[i] : i];
  if (n == 0) out[n++] = 1;
  return n;
}

int call_as_node(const struct call *call, struct value *v) {
  if (!v->constant) return BR_OK;
  struct importer *imp = call->imp;
  struct tensor *t = v->constant;
  int64_t sizes[ONNX_RANK];
  char text[160];
  if (t->rank + imp->lead > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "a constant of %d dimensions", t->rank);
  if (imp->batched && (t->rank == 0 || t->d[0] != 1)) BR_FAIL(BR_ERROR_DATA, "the constant %.60s has no batch of 1", v->name);
  int order[BR_MAX_RANK], node, n = call_behind(imp, t->rank, t->d, NULL, sizes);
  order_plain(t->rank, order);
  BR_TRY(call_line(call, &node, "constant %s sizes=%s", call_node_name(call, 0), call_numbers(sizes, n, text)));
  BR_TRY(call_fill(call, node, 0, t, t->rank, t->d, NULL, 1));
  v->constant = NULL;
  BR_TRY(set_node(call, v, node, t->rank, order));
  v->batch = -1;
  return BR_OK;
}

/* Values in the file's order: a flattened picture becomes one again, is turned, and flattened. */
static int unflatten(const struct call *call, struct value *v) {
  int64_t sizes[BR_MAX_RANK];
  char text[160];
  int node, axes[BR_MAX_RANK], n = v->flat_rank;
  int64_t turn[BR_MAX_RANK];
  for (int i = 0; i < n; i++) axes[v->flat_order[i]] = i;
  for (int i = 1; i < n; i++) sizes[i - 1] = v->flat_d[v->flat_order[i]], turn[i - 1] = axes[i];
  BR_TRY(call_line(call, &node, "reshape %s sizes=%s", call_node_name(call, v->node), call_numbers(sizes, n - 1, text)));
  BR_TRY(call_line(call, &node, "transpose %s order=%s", call_node_name(call, node), call_numbers(turn, n - 1, text)));
  BR_TRY(call_line(call, &node, "flatten %s", call_node_name(call, node)));
  v->flat_rank = 0;
  v->node = node;
  return BR_OK;
}

int call_ordered(const struct call *call, struct value *v, const int *order, int *node) {
  const struct importer *imp = call->imp;
  BR_TRY(call_as_node(call, v));
  if (v->flat_rank) BR_TRY(unflatten(call, v));
  *node = v->node;
  if (order_equal(order, v->order, v->rank)) return BR_OK;
  *node = v->other;
  if (v->other >= 0 && order_equal(order, v->other_order, v->rank)) return BR_OK;
  int64_t turn[BR_MAX_RANK];
  char text[160];
  int at[BR_MAX_RANK], n = 0;
  for (int i = 0; i < v->rank; i++) at[v->order[i]] = i;
  for (int i = 1 - imp->lead; i < v->rank; i++) turn[n++] = at[order[i]] + imp->lead;
  BR_TRY(call_line(call, node, "transpose %s order=%s", call_node_name(call, v->node), call_numbers(turn, n, text)));
  v->other = *node;
  memcpy(v->other_order, order, sizeof v->other_order);
  return BR_OK;
}

int call_net_axis(const struct call *call, const struct value *v, int axis, int *out) {
  if (axis == (call->imp->batched ? 0 : v->batch)) BR_FAIL(BR_ERROR_DATA, "works along the batch");
  for (int i = 0; i < v->rank; i++)
    if (v->order[i] == axis) *out = i + call->imp->lead;
  return BR_OK;
}

/* The axes of more than one element, in the order of the net's tensor. */
static int long_axes(const int *order, const int64_t *d, int rank, int *axes) {
  int n = 0;
  for (int i = 0; i < rank; i++)
    if (d[order[i]] != 1) axes[n++] = order[i];
  return n;
}

/* Where only axes of one element come and go, the values need not be turned: is there an order of the new axes that keeps them? */
static bool keeps_values(const struct value *v, int rank, const int64_t *d, const int *order) {
  int old_axes[BR_MAX_RANK], new_axes[BR_MAX_RANK], rank_of_old[BR_MAX_RANK] = {0}, rank_of_new[BR_MAX_RANK] = {0}, n_old = 0, n_new = 0;
  int64_t old_d[BR_MAX_RANK], new_d[BR_MAX_RANK];
  for (int i = 0; i < v->rank; i++)
    if (v->d[i] != 1) rank_of_old[i] = n_old, old_d[n_old++] = v->d[i];
  for (int i = 0; i < rank; i++)
    if (d[i] != 1) rank_of_new[i] = n_new, new_d[n_new++] = d[i];
  if (n_old != n_new || memcmp(old_d, new_d, (size_t)n_old * sizeof *old_d) != 0) return false;
  long_axes(v->order, v->d, v->rank, old_axes);
  long_axes(order, d, rank, new_axes);
  for (int i = 0; i < n_old; i++)
    if (rank_of_old[old_axes[i]] != rank_of_new[new_axes[i]]) return false;
  return true;
}

int call_resized(const struct call *call, int *node, int n, const int64_t *sizes) {
  char text[160];
  return call_line(call, node, "reshape %s sizes=%s", call_node_name(call, *node), call_numbers(sizes, n, text));
}

/* Where the batch comes to lie under sizes d: the axis with as many values in front of it as now. */
static int move_batch(const struct value *v, int rank, const int64_t *d, int *out) {
  int64_t before = 1, passed = 1;
  for (int i = 0; i < v->batch; i++) before *= v->d[i];
  for (*out = 0; *out < rank; passed *= d[(*out)++])
    if (passed == before) return BR_OK;
  *out = -1;
  if (rank == 0) return BR_OK;
  BR_FAIL(BR_ERROR_DATA, "moves values between the samples of the batch");
}

int call_reshaped(const struct call *call, struct value *v, int rank, const int64_t *d, struct value *out) {
  const struct importer *imp = call->imp;
  int order[BR_MAX_RANK] = {0}, node, was_plain[BR_MAX_RANK];
  int64_t sizes[BR_MAX_RANK];
  char text[160];
  if (rank + imp->lead > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "%d dimensions; at most %d are possible here", rank, BR_MAX_RANK - imp->lead);
  if (imp->batched && (rank == 0 || d[0] != 1)) BR_FAIL(BR_ERROR_DATA, "moves values between the samples of the batch");
  BR_TRY(call_as_node(call, v));
  int batch = -1;
  if (v->batch >= 0) BR_TRY(move_batch(v, rank, d, &batch));
  order_plain(v->rank, was_plain);
  bool same = rank == v->rank && memcmp(d, v->d, (size_t)rank * sizeof *d) == 0;
  if (same) {
    *out = *v;
    return BR_OK;
  }
  order_channels_last(rank, order);
  bool kept = !v->flat_rank && keeps_values(v, rank, d, order);
  if (!kept) {
    order_plain(rank, order);
    kept = !v->flat_rank && keeps_values(v, rank, d, order);
  }
  /* A picture made into one row: dense behind it takes the values in the net's order. */
  bool flat = !kept && imp->batched && rank == 2 && !v->flat_rank && !order_equal(v->order, was_plain, v->rank);
  if (kept || flat)
    node = v->node;
  else
    BR_TRY(call_ordered(call, v, was_plain, &node));
  int n = call_behind(imp, rank, d, order, sizes);
  struct value from = *v;
  BR_TRY(call_line(call, &node, "reshape %s sizes=%s", call_node_name(call, node), call_numbers(sizes, n, text)));
  *out = (struct value){.name = from.name, .type = from.type};
  BR_TRY(set_node(call, out, node, rank, order));
  out->batch = batch;
  if (flat) {
    out->flat_rank = from.rank;
    memcpy(out->flat_d, from.d, sizeof from.d);
    memcpy(out->flat_order, from.order, sizeof from.order);
  }
  return BR_OK;
}

int call_raised(const struct call *call, struct value *v, int rank, struct value *out) {
  int64_t d[ONNX_RANK];
  int own = v->constant ? v->constant->rank : v->rank;
  if (own >= rank) {
    *out = *v;
    return BR_OK;
  }
  if (rank > ONNX_RANK) BR_FAIL(BR_ERROR_DATA, "%d dimensions; at most %d are possible", rank, ONNX_RANK);
  for (int i = 0; i < rank; i++) d[i] = i < rank - own ? 1 : v->constant ? v->constant->d[i - (rank - own)] : v->d[i - (rank - own)];
  if (!v->constant) {
    if (call->imp->batched) BR_FAIL(BR_ERROR_DATA, "values of %d and of %d dimensions meet along the batch", own, rank);
    BR_TRY(call_reshaped(call, v, rank, d, out));
    if (v->batch >= 0) out->batch = v->batch + rank - own;
    return BR_OK;
  }
  struct tensor *t;
  BR_TRY(br__onnx_alloc(call->imp, 1, sizeof *t, &t));
  *out = *v;
  *t = *v->constant;
  t->rank = rank;
  memcpy(t->d, d, sizeof d);
  out->constant = t;
  return BR_OK;
}
