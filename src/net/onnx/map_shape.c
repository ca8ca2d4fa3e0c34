/* Operators that move values or change sizes: mostly they change only how the importer sees a tensor, and make no node. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

#include <string.h>

static int need(const struct call *call, int n) {
  for (int i = 0; i < n; i++)
    if (!call_has(call, i)) BR_FAIL(BR_ERROR_DATA, "input %d is missing", i);
  return call_as_node(call, call->in[0]);
}

/* batch: where it comes to lie, -1 where its place follows from the sizes. */
static int reshaped(const struct call *call, int rank, const int64_t *d, int batch) {
  struct value out;
  BR_TRY(call_reshaped(call, call->in[0], rank, d, &out));
  if (batch >= 0 && call->imp->single) out.batch = batch;
  out.type = call->in[0]->type;
  return call_result_same(call, 0, &out);
}

int map_reshape(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0];
  int64_t d[BR_MAX_RANK], known = 1, all = 1;
  int n, open = -1;
  bool zero_is_zero = call_int(call, "allowzero", 0);
  BR_TRY(call_list(call, "shape", 1, d, BR_MAX_RANK, &n));
  if (n < 0) BR_FAIL(BR_ERROR_DATA, "the new shape is missing");
  for (int i = 0; i < v->rank; i++) all *= v->d[i];
  for (int i = 0; i < n; i++) {
    if (d[i] == 0 && !zero_is_zero && i < v->rank) d[i] = v->d[i];
    if (d[i] == -1 && open < 0) {
      open = i;
    } else {
      if (d[i] < 1 || __builtin_mul_overflow(known, d[i], &known)) BR_FAIL(BR_ERROR_DATA, "a size of %lld", (long long)d[i]);
    }
  }
  if (open >= 0 && all % known == 0) d[open] = all / known, known = all;
  if (known != all) BR_FAIL(BR_ERROR_DATA, "%lld values do not have the sizes wanted", (long long)all);
  return reshaped(call, n, d, -1);
}

int map_flatten(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0];
  int64_t axis = call_int(call, "axis", 1), d[2] = {1, 1};
  if (axis < 0) axis += v->rank;
  if (axis < 0 || axis > v->rank) BR_FAIL(BR_ERROR_DATA, "axis %lld of %d", (long long)axis, v->rank);
  if ((call->imp->batched || call->imp->single) && axis == 0) BR_FAIL(BR_ERROR_DATA, "joins the samples of the batch");
  for (int i = 0; i < v->rank; i++) d[i >= axis] *= v->d[i];
  return reshaped(call, 2, d, -1);
}

int map_squeeze(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0];
  int64_t axes[BR_MAX_RANK], d[BR_MAX_RANK];
  int n, rank = 0;
  bool gone[BR_MAX_RANK] = {false};
  BR_TRY(call_list(call, "axes", 1, axes, BR_MAX_RANK, &n));
  for (int i = 0; i < n; i++) {
    int axis;
    BR_TRY(call_axis(axes[i], v->rank, &axis));
    if (v->d[axis] != 1) BR_FAIL(BR_ERROR_DATA, "axis %d has %lld values", axis, (long long)v->d[axis]);
    gone[axis] = true;
  }
  int batch = -1;
  for (int i = 0; i < v->rank; i++) {
    if (n < 0 ? v->d[i] == 1 && i != (call->imp->batched ? 0 : v->batch) : gone[i]) continue;
    if (i == v->batch) batch = rank;
    d[rank++] = v->d[i];
  }
  if (v->batch >= 0 && batch < 0) BR_FAIL(BR_ERROR_DATA, "takes the batch away");
  return reshaped(call, rank, d, batch);
}

int map_unsqueeze(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0];
  int64_t axes[BR_MAX_RANK], d[BR_MAX_RANK];
  int n;
  bool fresh[BR_MAX_RANK] = {false};
  BR_TRY(call_list(call, "axes", 1, axes, BR_MAX_RANK, &n));
  if (n < 0 || v->rank + n > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "%d more dimensions", n);
  for (int i = 0; i < n; i++) {
    int axis;
    BR_TRY(call_axis(axes[i], v->rank + n, &axis));
    if (fresh[axis]) BR_FAIL(BR_ERROR_DATA, "axis %d twice", axis);
    fresh[axis] = true;
  }
  if (call->imp->batched && fresh[0]) BR_FAIL(BR_ERROR_DATA, "moves the batch");
  int batch = -1;
  for (int i = 0, from = 0; i < v->rank + n; i++) {
    if (!fresh[i] && from == v->batch) batch = i;
    d[i] = fresh[i] ? 1 : v->d[from++];
  }
  return reshaped(call, v->rank + n, d, batch);
}

int call_turned(const struct call *call, struct value *v, const int *perm, struct value *out) {
  int at[BR_MAX_RANK], node;
  if (call->imp->batched && perm[0] != 0) BR_FAIL(BR_ERROR_DATA, "moves the batch");
  BR_TRY(call_ordered(call, v, v->order, &node)); /* no flattened picture */
  *out = *v;
  for (int i = 0; i < v->rank; i++) at[perm[i]] = i, out->d[i] = v->d[perm[i]];
  for (int i = 0; i < v->rank; i++) out->order[i] = at[v->order[i]];
  out->other = -1;
  if (v->batch >= 0) out->batch = at[v->batch];
  return BR_OK;
}

int map_transpose(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0], turned;
  int64_t turn[BR_MAX_RANK];
  int n, perm[BR_MAX_RANK];
  bool seen[BR_MAX_RANK] = {false};
  BR_TRY(call_ints(call, "perm", turn, BR_MAX_RANK, &n));
  if (n < 0)
    for (n = 0; n < v->rank; n++) turn[n] = v->rank - 1 - n;
  if (n != v->rank) BR_FAIL(BR_ERROR_DATA, "perm has %d axes for %d dimensions", n, v->rank);
  for (int i = 0; i < n; i++) {
    if (turn[i] < 0 || turn[i] >= n || seen[turn[i]]) BR_FAIL(BR_ERROR_DATA, "perm must name every axis once");
    seen[turn[i]] = true;
    perm[i] = (int)turn[i];
  }
  BR_TRY(call_turned(call, v, perm, &turned));
  return call_result_same(call, 0, &turned);
}

/* One axis of the net's tensor sliced: start, size and step. */
int call_sliced(const struct call *call, struct value *v, int axis, int64_t start, int64_t size, int64_t step, struct value *out) {
  int node, at;
  int64_t starts[BR_MAX_RANK] = {0}, sizes[BR_MAX_RANK], steps[BR_MAX_RANK];
  char a[160], b[160], c[160];
  if (start == 0 && step == 1 && size == v->d[axis]) {
    *out = *v;
    return BR_OK;
  }
  BR_TRY(call_net_axis(call, v, axis, &at));
  BR_TRY(call_ordered(call, v, v->order, &node));
  const struct br_shape *shape = &call->imp->graph->nodes[node].shape;
  int n = shape->rank - 1;
  for (int i = 0; i < n; i++) sizes[i] = shape->d[i + 1], steps[i] = 1;
  starts[at - 1] = start, sizes[at - 1] = size, steps[at - 1] = step;
  BR_TRY(call_line(call, &node, "slice %s start=%s size=%s step=%s", call_node_name(call, node), call_numbers(starts, n, a), call_numbers(sizes, n, b), call_numbers(steps, n, c)));
  return call_value(call, node, v->rank, v->order, v->type, out);
}

static int64_t clamp(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

int map_slice(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value v = *call->in[0], next;
  int64_t starts[BR_MAX_RANK], ends[BR_MAX_RANK], axes[BR_MAX_RANK], steps[BR_MAX_RANK];
  int n, m;
  BR_TRY(call_list(call, "starts", 1, starts, BR_MAX_RANK, &n));
  BR_TRY(call_list(call, "ends", 2, ends, BR_MAX_RANK, &m));
  if (n < 0 || m != n) BR_FAIL(BR_ERROR_DATA, "starts and ends do not match");
  BR_TRY(call_list(call, "axes", 3, axes, BR_MAX_RANK, &m));
  if (m < 0)
    for (m = 0; m < n; m++) axes[m] = m;
  if (m != n) BR_FAIL(BR_ERROR_DATA, "starts and axes do not match");
  BR_TRY(call_list(call, "steps", 4, steps, BR_MAX_RANK, &m));
  if (m < 0)
    for (m = 0; m < n; m++) steps[m] = 1;
  if (m != n) BR_FAIL(BR_ERROR_DATA, "starts and steps do not match");
  for (int i = 0; i < n; i++) {
    int axis;
    BR_TRY(call_axis(axes[i], v.rank, &axis));
    int64_t size = v.d[axis], step = clamp(steps[i], -(1 << 30), 1 << 30), start, end;
    if (step == 0) BR_FAIL(BR_ERROR_DATA, "a step of 0");
    start = starts[i] < 0 ? (starts[i] < -size ? -1 : starts[i] + size) : starts[i];
    end = ends[i] < 0 ? (ends[i] < -size ? -1 : ends[i] + size) : ends[i];
    start = step > 0 ? clamp(start, 0, size) : clamp(start, 0, size - 1);
    end = step > 0 ? clamp(end, 0, size) : clamp(end, -1, size - 1);
    int64_t count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    if (count < 1) BR_FAIL(BR_ERROR_DATA, "nothing is left of axis %d", axis);
    if (axis == (call->imp->batched ? 0 : v.batch)) {
      if (start == 0 && step == 1 && ends[i] > (int64_t)1 << 30) continue; /* the whole batch */
      BR_FAIL(BR_ERROR_DATA, "takes some of the samples of the batch");
    }
    BR_TRY(call_sliced(call, &v, axis, start, count, step, &next));
    v = next;
  }
  return call_result_same(call, 0, &v);
}

int map_split(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0], out;
  int64_t sizes[256], at = 0;
  int axis, n, count = (int)call->node->n_output;
  BR_TRY(call_axis(call_int(call, "axis", 0), v->rank, &axis));
  BR_TRY(call_list(call, "split", 1, sizes, 256, &n));
  if (n < 0 && count <= 256) { /* equal parts, the last may be smaller */
    int64_t each = (v->d[axis] + count - 1) / count;
    for (n = 0; n < count; n++) sizes[n] = n + 1 < count ? each : v->d[axis] - each * (count - 1);
  }
  if (n != count) BR_FAIL(BR_ERROR_DATA, "%d sizes for %d outputs", n, count);
  for (int i = 0; i < n; i++) {
    if (sizes[i] < 0 || sizes[i] > v->d[axis] - at) BR_FAIL(BR_ERROR_DATA, "part %d has %lld of %lld values", i, (long long)sizes[i], (long long)v->d[axis]);
    if (sizes[i] == 0) { /* nothing: a constant without values, which Concat leaves out */
      struct tensor *none;
      int64_t d[BR_MAX_RANK];
      memcpy(d, v->d, sizeof d);
      d[axis] = 0;
      BR_TRY(br__onnx_new(call->imp, v->type, v->rank, d, &none));
      BR_TRY(call_result_constant(call, i, none));
      continue;
    }
    BR_TRY(call_sliced(call, v, axis, at, sizes[i], 1, &out));
    BR_TRY(call_result_same(call, i, &out));
    at += sizes[i];
  }
  return BR_OK;
}

int map_concat(const struct call *call) {
  char line[7000] = "";
  int axis, at, used = 0, order[BR_MAX_RANK], node;
  struct value *first = NULL;
  enum onnx_type type = ONNX_FLOAT;
  for (int i = 0; i < call->n_in; i++) {
    if (!call->in[i]) BR_FAIL(BR_ERROR_DATA, "input %d is missing", i);
    if (!first && !call->in[i]->constant) first = call->in[i];
  }
  if (call->n_in == 0) BR_FAIL(BR_ERROR_DATA, "has no input");
  if (!first) {
    first = call->in[0];
    BR_TRY(call_as_node(call, first));
  }
  type = first->type;
  BR_TRY(call_axis(call_int(call, "axis", 1), first->rank, &axis));
  memcpy(order, first->order, sizeof order);
  BR_TRY(call_net_axis(call, first, axis, &at));
  for (int i = 0; i < call->n_in; i++) {
    if (call->in[i]->constant && call->in[i]->constant->count == 0) continue;
    BR_TRY(call_as_node(call, call->in[i]));
    if (call->in[i]->rank != first->rank) BR_FAIL(BR_ERROR_DATA, "inputs of %d and %d dimensions", first->rank, call->in[i]->rank);
    BR_TRY(call_ordered(call, call->in[i], order, &node));
    const char *name = call_node_name(call, node);
    size_t n = strlen(name);
    if (used + n + 2 > sizeof line) BR_FAIL(BR_ERROR_DATA, "%d inputs are too many", call->n_in);
    line[used++] = ' ';
    memcpy(line + used, name, n + 1);
    used += (int)n;
  }
  BR_TRY(call_line(call, &node, "concat%s axis=%d", line, at));
  return call_result(call, 0, node, first->rank, order, type);
}

int map_pad(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value v = *call->in[0], next;
  int64_t pads[2 * BR_MAX_RANK], axes[BR_MAX_RANK], before[BR_MAX_RANK] = {0}, after[BR_MAX_RANK] = {0};
  int n, m, node, at;
  double fill;
  char a[160], b[160];
  BR_TRY(call_list(call, "pads", 1, pads, 2 * BR_MAX_RANK, &n));
  BR_TRY(call_number(call, "value", 2, 0, &fill));
  BR_TRY(call_list(call, "axes", 3, axes, BR_MAX_RANK, &m));
  if (m < 0)
    for (m = 0; m < v.rank; m++) axes[m] = m;
  if (n != 2 * m) BR_FAIL(BR_ERROR_DATA, "%d numbers for %d axes", n, m);
  const char *mode = call_word(call, "mode", "constant");
  if (strcmp(mode, "constant") != 0 && strcmp(mode, "reflect") != 0 && strcmp(mode, "edge") != 0 && strcmp(mode, "wrap") != 0) BR_FAIL(BR_ERROR_DATA, "mode=%s is not known", mode);
  bool any = false;
  for (int i = 0; i < m; i++) {
    int axis;
    BR_TRY(call_axis(axes[i], v.rank, &axis));
    int64_t low = pads[i], high = pads[m + i];
    if (low < -(1 << 30) || high < -(1 << 30)) BR_FAIL(BR_ERROR_DATA, "nothing is left of axis %d", axis);
    if (low == 0 && high == 0) continue;
    if (low < 0 || high < 0) { /* cut off */
      int64_t start = low < 0 ? -low : 0, size = v.d[axis] - start + (high < 0 ? high : 0);
      if (size < 1) BR_FAIL(BR_ERROR_DATA, "nothing is left of axis %d", axis);
      BR_TRY(call_sliced(call, &v, axis, start, size, 1, &next));
      v = next;
    }
    BR_TRY(call_net_axis(call, &v, axis, &at));
    before[at - 1] = low > 0 ? low : 0, after[at - 1] = high > 0 ? high : 0;
    any |= low > 0 || high > 0;
  }
  if (!any) return call_result_same(call, 0, &v);
  BR_TRY(call_ordered(call, &v, v.order, &node));
  int axes_behind = call->imp->graph->nodes[node].shape.rank - 1;
  BR_TRY(call_line(call, &node, "pad %s before=%s after=%s mode=%s value=%.9g", call_node_name(call, node), call_numbers(before, axes_behind, a), call_numbers(after, axes_behind, b), call_word(call, "mode", "constant"), fill));
  return call_result(call, 0, node, v.rank, v.order, v.type);
}

int call_tiled(const struct call *call, struct value *v, const int64_t *repeats, struct value *out) {
  int64_t net[BR_MAX_RANK];
  int node, at, n;
  char text[160];
  bool any = false;
  BR_TRY(call_ordered(call, v, v->order, &node));
  n = call->imp->graph->nodes[node].shape.rank - 1;
  for (int i = 0; i < n; i++) net[i] = 1;
  for (int i = 0; i < v->rank; i++) {
    if (repeats[i] == 1) continue;
    if (repeats[i] < 1) BR_FAIL(BR_ERROR_DATA, "%lld repeats", (long long)repeats[i]);
    BR_TRY(call_net_axis(call, v, i, &at));
    net[at - 1] = repeats[i];
    any = true;
  }
  *out = *v;
  if (!any) return BR_OK;
  BR_TRY(call_line(call, &node, "tile %s repeats=%s", call_node_name(call, node), call_numbers(net, n, text)));
  return call_value(call, node, v->rank, v->order, v->type, out);
}

/* The value with leading axes of one until it has `rank`, and copied along axes of one to the sizes d. */
static int broadcast(const struct call *call, struct value *v, int rank, const int64_t *d, struct value *out) {
  int64_t sizes[BR_MAX_RANK], repeats[BR_MAX_RANK];
  struct value wide;
  for (int i = 0; i < rank; i++) sizes[i] = i < rank - v->rank ? 1 : v->d[i - (rank - v->rank)];
  BR_TRY(call_raised(call, v, rank, &wide));
  for (int i = 0; i < rank; i++) {
    if (sizes[i] != 1 && d[i] != sizes[i] && d[i] != 1) BR_FAIL(BR_ERROR_DATA, "%lld values along an axis of %lld", (long long)sizes[i], (long long)d[i]);
    repeats[i] = sizes[i] == 1 ? d[i] : 1;
  }
  return call_tiled(call, &wide, repeats, out);
}

int map_expand(const struct call *call) {
  BR_TRY(need(call, 2));
  struct value *v = call->in[0], out;
  int64_t d[BR_MAX_RANK], whole[BR_MAX_RANK];
  int n;
  BR_TRY(call_list(call, "shape", 1, d, BR_MAX_RANK, &n));
  int rank = n > v->rank ? n : v->rank;
  for (int i = 0; i < rank; i++) whole[i] = i < rank - n ? 1 : d[i - (rank - n)];
  BR_TRY(broadcast(call, v, rank, whole, &out));
  return call_result_same(call, 0, &out);
}

int map_tile(const struct call *call) {
  BR_TRY(need(call, 2));
  struct value out;
  int64_t repeats[BR_MAX_RANK];
  int n;
  BR_TRY(call_list(call, "repeats", 1, repeats, BR_MAX_RANK, &n));
  if (n != call->in[0]->rank) BR_FAIL(BR_ERROR_DATA, "%d repeats for %d dimensions", n, call->in[0]->rank);
  BR_TRY(call_tiled(call, call->in[0], repeats, &out));
  return call_result_same(call, 0, &out);
}

int map_where(const struct call *call) {
  for (int i = 0; i < 3; i++)
    if (!call_has(call, i)) BR_FAIL(BR_ERROR_DATA, "input %d is missing", i);
  int rank = 0, node[3], made;
  int64_t d[BR_MAX_RANK];
  struct value in[3], out[3];
  for (int i = 0; i < 3; i++) {
    int own = call->in[i]->constant ? call->in[i]->constant->rank : call->in[i]->rank;
    if (own > rank) rank = own;
  }
  for (int i = 0; i < 3; i++) {
    BR_TRY(call_raised(call, call->in[i], rank, &in[i]));
    BR_TRY(call_as_node(call, &in[i]));
  }
  for (int i = 0; i < rank; i++) {
    d[i] = 1;
    for (int k = 0; k < 3; k++)
      if (in[k].d[i] > d[i]) d[i] = in[k].d[i];
  }
  for (int i = 0; i < 3; i++) BR_TRY(broadcast(call, &in[i], rank, d, &out[i]));
  for (int i = 0; i < 3; i++) BR_TRY(call_ordered(call, &out[i], out[1].order, &node[i]));
  BR_TRY(call_line(call, &made, "select %s %s %s", call_node_name(call, node[0]), call_node_name(call, node[1]), call_node_name(call, node[2])));
  return call_result(call, 0, made, rank, out[1].order, call->in[1]->type);
}

/* The indices of all values along an axis in their order: PyTorch writes views by strides of the whole batch so. In a file worked out for one sample this is a reshape,
 * also where the batch is joined with the axis. */
static bool takes_all(const struct tensor *index, int64_t length) {
  bool all = (int64_t)index->count == length;
  for (size_t i = 0; all && i < index->count; i++) all = index->v[i] == (double)i;
  return all;
}

int map_gather(const struct call *call) {
  BR_TRY(need(call, 2));
  struct value *v = call->in[0], out, last;
  struct tensor *index;
  int axis, at, node;
  int64_t d[BR_MAX_RANK];
  int rank = 0;
  BR_TRY(call_axis(call_int(call, "axis", 0), v->rank, &axis));
  BR_TRY(call_constant(call, 1, &index));
  if (index->count < 1 || v->rank - 1 + index->rank > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "the indices have %d dimensions", index->rank);
  for (size_t i = 0; i < index->count; i++) {
    if (!(index->v[i] >= (double)-v->d[axis] && index->v[i] < (double)v->d[axis])) BR_FAIL(BR_ERROR_DATA, "index %g of %lld", index->v[i], (long long)v->d[axis]);
  }
  struct tensor *places;
  BR_TRY(br__onnx_new(call->imp, ONNX_INT, 1, (int64_t[]){(int64_t)index->count}, &places));
  for (size_t i = 0; i < index->count; i++) places->v[i] = index->v[i] < 0 ? index->v[i] + (double)v->d[axis] : index->v[i];
  if (call->imp->single && axis == v->batch && v->rank == 1 && takes_all(index, v->d[axis])) {
    out = *v;
  } else if (index->count == 1) {
    BR_TRY(call_sliced(call, v, axis, (int64_t)places->v[0], 1, 1, &out));
  } else {
    BR_TRY(call_net_axis(call, v, axis, &at));
    BR_TRY(call_ordered(call, v, v->order, &node));
    BR_TRY(call_line(call, &node, "gather %s axis=%d count=%zu", call_node_name(call, node), at, index->count));
    BR_TRY(call_fill(call, node, 0, places, 1, places->d, NULL, 1));
    BR_TRY(call_value(call, node, v->rank, v->order, v->type, &out));
  }
  for (int i = 0; i < v->rank; i++) {
    if (i != axis)
      d[rank++] = v->d[i];
    else
      for (int k = 0; k < index->rank; k++) d[rank++] = index->d[k];
  }
  BR_TRY(call_reshaped(call, &out, rank, d, &last));
  last.type = v->type;
  return call_result_same(call, 0, &last);
}

int map_arg(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0], out, last;
  int axis, at, node, rank = 0;
  int64_t d[BR_MAX_RANK];
  BR_TRY(call_axis(call_int(call, "axis", 0), v->rank, &axis));
  BR_TRY(call_net_axis(call, v, axis, &at));
  BR_TRY(call_ordered(call, v, v->order, &node));
  BR_TRY(call_line(call, &node, "%s %s axis=%d last=%s", strcmp(call->node->op_type, "ArgMax") == 0 ? "argmax" : "argmin", call_node_name(call, node), at, call_int(call, "select_last_index", 0) ? "yes" : "no"));
  BR_TRY(call_value(call, node, v->rank, v->order, ONNX_INT, &out));
  if (call_int(call, "keepdims", 1)) return call_result_same(call, 0, &out);
  for (int i = 0; i < v->rank; i++)
    if (i != axis) d[rank++] = v->d[i];
  BR_TRY(call_reshaped(call, &out, rank, d, &last));
  last.type = ONNX_INT;
  return call_result_same(call, 0, &last);
}

int map_topk(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value *v = call->in[0];
  int axis, at, from, node;
  double k;
  BR_TRY(call_axis(call_int(call, "axis", -1), v->rank, &axis));
  BR_TRY(call_number(call, "", 1, (double)call_int(call, "k", 0), &k));
  if (!(k >= 1)) BR_FAIL(BR_ERROR_DATA, "the first %g values", k);
  BR_TRY(call_net_axis(call, v, axis, &at));
  BR_TRY(call_ordered(call, v, v->order, &from));
  for (int i = 0; i < 2; i++) {
    if ((size_t)i >= call->node->n_output || !call->node->output[i][0]) continue;
    BR_TRY(call_line(call, &node, "%s %s axis=%d k=%.0f smallest=%s", i ? "topkindex" : "topk", call_node_name(call, from), at, k, call_int(call, "largest", 1) ? "no" : "yes"));
    BR_TRY(call_result(call, i, node, v->rank, v->order, i ? ONNX_INT : v->type));
  }
  return BR_OK;
}

/* Sizes are known when the file is read: they are constants. */
int map_shape(const struct call *call) {
  if (!call_has(call, 0)) BR_FAIL(BR_ERROR_DATA, "input 0 is missing");
  const struct value *v = call->in[0];
  int rank = v->constant ? v->constant->rank : v->rank;
  const int64_t *d = v->constant ? v->constant->d : v->d;
  int64_t start = call_int(call, "start", 0), end = call_int(call, "end", rank);
  start = clamp(start < 0 ? start + rank : start, 0, rank);
  end = clamp(end < 0 ? end + rank : end, start, rank);
  struct tensor *t;
  BR_TRY(br__onnx_new(call->imp, ONNX_INT, 1, (int64_t[]){end - start}, &t));
  for (int64_t i = start; i < end; i++) t->v[i - start] = (double)d[i];
  return call_result_constant(call, 0, t);
}

int map_size(const struct call *call) {
  if (!call_has(call, 0)) BR_FAIL(BR_ERROR_DATA, "input 0 is missing");
  const struct value *v = call->in[0];
  int rank = v->constant ? v->constant->rank : v->rank;
  const int64_t *d = v->constant ? v->constant->d : v->d;
  struct tensor *t;
  BR_TRY(br__onnx_new(call->imp, ONNX_INT, 0, NULL, &t));
  t->v[0] = 1;
  for (int i = 0; i < rank; i++) t->v[0] *= (double)d[i];
  return call_result_constant(call, 0, t);
}

int map_cast(const struct call *call) {
  BR_TRY(need(call, 1));
  struct value v = *call->in[0];
  int64_t to = call_int(call, "to", 0);
  bool to_bool = to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL;
  bool to_float = to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || to == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE || to == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 || to == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
  bool to_int = !to_float && !to_bool && to >= ONNX__TENSOR_PROTO__DATA_TYPE__UINT8 && to <= ONNX__TENSOR_PROTO__DATA_TYPE__UINT64 && to != ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
  if (!to_float && !to_int && !to_bool) BR_FAIL(BR_ERROR_DATA, "to=%lld is not supported", (long long)to);
  if (to_bool && v.type != ONNX_BOOL) {
    BR_TRY(call_line(call, &v.node, "not %s", call_node_name(call, v.node)));
    BR_TRY(call_line(call, &v.node, "not %s", call_node_name(call, v.node)));
  } else if (to_int && v.type == ONNX_FLOAT) {
    BR_TRY(call_line(call, &v.node, "trunc %s", call_node_name(call, v.node)));
  }
  return call_result_like(call, 0, v.node, &v, to_bool ? ONNX_BOOL : to_int ? ONNX_INT : ONNX_FLOAT);
}

int map_identity(const struct call *call) {
  if (!call_has(call, 0)) BR_FAIL(BR_ERROR_DATA, "input 0 is missing");
  return call_result_same(call, 0, call->in[0]);
}

int map_dropout(const struct call *call) {
  if (call->node->n_output > 1 && call->node->output[1][0]) {
    struct value *v = call->in[0];
    struct tensor *t;
    BR_TRY(need(call, 1));
    BR_TRY(br__onnx_new(call->imp, ONNX_BOOL, v->rank, v->d, &t)); /* the mask of what is kept: all */
    for (size_t i = 0; i < t->count; i++) t->v[i] = 1;
    BR_TRY(call_result_constant(call, 1, t));
  }
  return map_identity(call);
}
