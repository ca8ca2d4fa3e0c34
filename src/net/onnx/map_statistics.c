/* Normalisations whose statistics are answers of the net, put together from simpler operators. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

/* Mean and variance along axes, and the values less their mean. */
static int moments(const struct call *call, struct value *v, const bool *axes, struct value *mean, struct value *variance, struct value *centred) {
  struct value square;
  BR_TRY(call_reduced(call, "reducemean", v, axes, mean));
  BR_TRY(call_binary(call, "sub", v, mean, ONNX_FLOAT, centred));
  BR_TRY(call_binary(call, "times", centred, centred, ONNX_FLOAT, &square));
  return call_reduced(call, "reducemean", &square, axes, variance);
}

/* 1 / sqrt(variance + epsilon) */
static int inverse(const struct call *call, struct value *variance, struct value *out) {
  struct value shifted, root;
  BR_TRY(call_scalar(call, "plus", variance, call_float(call, "epsilon", 1e-5f), &shifted));
  BR_TRY(call_unary(call, "sqrt %s", &shifted, &root));
  return call_unary(call, "reciprocal %s", &root, out);
}

int call_row_statistics(const struct call *call, struct value *v, int axis) {
  bool axes[BR_MAX_RANK] = {false};
  struct value mean, variance, centred, out;
  for (int i = axis; i < v->rank; i++) axes[i] = true;
  BR_TRY(moments(call, v, axes, &mean, &variance, &centred));
  BR_TRY(call_result_same(call, 1, &mean));
  BR_TRY(inverse(call, &variance, &out));
  return call_result_same(call, 2, &out);
}

/* Input i, one value per channel, as [1, C, 1, ...]. */
static int channels(const struct call *call, int i, int rank, struct value *out) {
  if (!call_has(call, i) || !call->in[i]->constant) BR_FAIL(BR_ERROR_DATA, "input %d must be a constant", i);
  struct tensor *t;
  *out = *call->in[i];
  BR_TRY(br__onnx_alloc(call->imp, 1, sizeof *t, &t));
  *t = *out->constant;
  if (t->rank != 1 || rank > ONNX_RANK) BR_FAIL(BR_ERROR_DATA, "input %d has %d dimensions", i, t->rank);
  t->rank = rank;
  for (int a = 0; a < rank; a++) t->d[a] = a == 1 ? (int64_t)t->count : 1;
  out->constant = t;
  return BR_OK;
}

/* Output i of the running statistics: momentum times the old (input k) and the rest from this batch, [C]. */
static int running(const struct call *call, int i, int k, struct value *fresh) {
  double momentum = call_float(call, "momentum", 0.9f);
  struct value part, old, kept, sum, out;
  if ((size_t)i >= call->node->n_output || !call->node->output[i][0]) return BR_OK;
  BR_TRY(call_scalar(call, "times", fresh, 1 - momentum, &part));
  BR_TRY(channels(call, k, fresh->rank, &old));
  BR_TRY(call_as_node(call, &old));
  BR_TRY(call_scalar(call, "times", &old, momentum, &kept));
  BR_TRY(call_binary(call, "plus", &part, &kept, ONNX_FLOAT, &sum));
  BR_TRY(call_reshaped(call, &sum, 1, &fresh->d[1], &out));
  return call_result_same(call, i, &out);
}

int call_batch_statistics(const struct call *call) {
  struct value *v = call->in[0], mean, variance, centred, factor, scaled, weight, bias, weighted, out;
  bool axes[BR_MAX_RANK];
  BR_TRY(call_as_node(call, v));
  if (v->rank < 2) BR_FAIL(BR_ERROR_DATA, "works on %d dimensions", v->rank);
  for (int i = 0; i < v->rank; i++) axes[i] = i != 1;
  BR_TRY(moments(call, v, axes, &mean, &variance, &centred));
  BR_TRY(inverse(call, &variance, &factor));
  BR_TRY(call_binary(call, "times", &centred, &factor, ONNX_FLOAT, &scaled));
  BR_TRY(channels(call, 1, v->rank, &weight));
  BR_TRY(channels(call, 2, v->rank, &bias));
  BR_TRY(call_binary(call, "times", &scaled, &weight, ONNX_FLOAT, &weighted));
  BR_TRY(call_binary(call, "plus", &weighted, &bias, ONNX_FLOAT, &out));
  BR_TRY(call_result_same(call, 0, &out));
  BR_TRY(running(call, 1, 3, &mean));
  return running(call, 2, 4, &variance);
}
