/* One node of the file: its inputs are found, constants folded, and the rest given to the translation of its operator. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

#include <string.h>

int br__onnx_map_simple(const struct call *call, bool *known);

enum first { ANY, NODE };

static const struct {
  const char *name;
  int (*map)(const struct call *call);
  enum first first;
} table[] = {
#define X(name, function, first) {#name, function, first},
    ONNX_OPERATORS(X)
#undef X
};

static int find_inputs(struct call *call) {
  const Onnx__NodeProto *node = call->node;
  if (node->n_input > 64) BR_FAIL(BR_ERROR_DATA, "%zu inputs; at most 64 are possible", node->n_input);
  for (size_t i = 0; i < node->n_input; i++) {
    call->in[i] = NULL;
    if (node->input[i][0]) {
      call->in[i] = br__onnx_find(call->imp, node->input[i]);
      if (!call->in[i]) BR_FAIL(BR_ERROR_DATA, "takes %.80s, which nothing before it makes: a cycle, or nodes out of order", node->input[i]);
      if (call->in[i]->chosen && strcmp(node->op_type, "Identity") != 0 && strcmp(node->op_type, "Cast") != 0)
        BR_FAIL(BR_ERROR_DATA, "takes the boxes of a NonMaxSuppression, whose number is only known when it has run: cut the model off at %.80s", node->input[i]);
    }
    call->n_in = (int)i + 1;
  }
  return BR_OK;
}

int br__onnx_map(struct call *call) {
  const char *type = call->node->op_type, *domain = call->node->domain;
  BR_TRY(find_inputs(call));
  if (domain && domain[0] && strcmp(domain, "ai.onnx") != 0 && !(strcmp(domain, "com.microsoft") == 0 && strcmp(type, "Gelu") == 0))
    BR_FAIL(BR_ERROR_DATA, "operator %.60s of %.60s is not supported", type, domain);
  int folded = br__onnx_fold(call);
  if (folded) return folded < 0 ? folded : BR_OK;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(type, table[i].name) != 0) continue;
    if (call->n_in == 0 || !call->in[0]) BR_FAIL(BR_ERROR_DATA, "has no input");
    if (table[i].first == NODE) BR_TRY(call_as_node(call, call->in[0]));
    return table[i].map(call);
  }
  bool known;
  int status = br__onnx_map_simple(call, &known);
  if (!known) BR_FAIL(BR_ERROR_DATA, "operator %.60s of opset %lld is not supported", type, (long long)call->imp->opset);
  return status;
}
