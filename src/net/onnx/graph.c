/* ONNX graphs for other rooms (onnx_graph.h), on the parts of build.c. */
#include "net/onnx/build.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/onnx_graph.h>

#include <string.h>

struct br_onnx_graph {
  struct build build;
  struct list inputs, outputs;
};

static const struct {
  int type;
  size_t bytes; /* 0: texts */
} elements[] = {[BR_ONNX_F32] = {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4}, [BR_ONNX_F64] = {ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE, 8}, [BR_ONNX_I64] = {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 8}, [BR_ONNX_TEXT] = {ONNX__TENSOR_PROTO__DATA_TYPE__STRING, 0}};

int br_onnx_graph_open(struct br_onnx_graph **out) { return br_memory_alloc(1, sizeof **out, "ONNX graph", out); }

void br_onnx_graph_close(struct br_onnx_graph *graph) {
  if (graph) br__onnx_free(&graph->build.arena);
  br_memory_free(graph);
}

static void border(struct br_onnx_graph *g, struct list *list, const char *name, enum br_onnx_type type, int64_t columns) {
  Onnx__ValueInfoProto *info = br__build_info(&g->build, name, columns ? 2 : 1, (int64_t[]){0, columns}, elements[type].type);
  if (info) br__build_push(&g->build, list, info);
}
void br_onnx_graph_input(struct br_onnx_graph *g, const char *name, enum br_onnx_type type, int64_t columns) { border(g, &g->inputs, name, type, columns); }
void br_onnx_graph_output(struct br_onnx_graph *g, const char *name, enum br_onnx_type type, int64_t columns) { border(g, &g->outputs, name, type, columns); }

const char *br_onnx_graph_values(struct br_onnx_graph *g, const char *name, enum br_onnx_type type, int rank, const int64_t *sizes, const void *values) {
  Onnx__TensorProto *t = br__build_tensor(&g->build, name, rank, sizes, elements[type].type, values, elements[type].bytes);
  if (t) br__build_push(&g->build, &g->build.initializers, t);
  return t ? t->name : "";
}

struct br_onnx_node *br_onnx_graph_node(struct br_onnx_graph *g, const char *op, const char *output, const char *const *inputs) {
  bool ml = strncmp(op, "ml:", 3) == 0;
  Onnx__NodeProto *node = br__build_node(&g->build, ml ? op + 3 : op, output, inputs);
  if (node && ml) node->domain = br__build_name(&g->build, "ai.onnx.ml");
  return (struct br_onnx_node *)node;
}

#define NODE ((Onnx__NodeProto *)(void *)node)
void br_onnx_node_int(struct br_onnx_graph *g, struct br_onnx_node *node, const char *name, int64_t value) { br__build_int(&g->build, NODE, name, value); }
void br_onnx_node_ints(struct br_onnx_graph *g, struct br_onnx_node *node, const char *name, const int64_t *values, size_t n) { br__build_ints(&g->build, NODE, name, values, n); }
void br_onnx_node_word(struct br_onnx_graph *g, struct br_onnx_node *node, const char *name, const char *word) { br__build_word(&g->build, NODE, name, word); }
void br_onnx_node_words(struct br_onnx_graph *g, struct br_onnx_node *node, const char *name, const char *const *words, size_t n) { br__build_words(&g->build, NODE, name, words, n); }
void br_onnx_node_doubles(struct br_onnx_graph *g, struct br_onnx_node *node, const char *name, const double *values, size_t n) {
  br__build_tensor_attribute(&g->build, NODE, name, br__build_tensor(&g->build, name, 1, (int64_t[]){(int64_t)n}, elements[BR_ONNX_F64].type, values, 8));
}

int br_onnx_graph_save(struct br_onnx_graph *g, const char *path) {
  Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  graph.n_input = g->inputs.n, graph.input = (Onnx__ValueInfoProto **)g->inputs.items;
  graph.n_output = g->outputs.n, graph.output = (Onnx__ValueInfoProto **)g->outputs.items;
  model.graph = &graph;
  return br__build_save(&g->build, &model, true, path);
}
