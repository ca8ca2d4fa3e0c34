/* Builds without protobuf-c: the functions of ONNX exist and say what is missing. */
#include <bramble/base/error.h>
#include <bramble/net/onnx.h>
#include <bramble/net/onnx_graph.h>

#define MEND "this build has no ONNX; install libprotobuf-c-dev protobuf-c-compiler libonnx-dev and build again"

int br_onnx_read(const char *path, const struct br_onnx_options *options, struct br_model **out) {
  (void)options;
  *out = NULL;
  BR_FAIL(BR_ERROR_FAILED, "%s: " MEND, path);
}

int br_onnx_write(const struct br_model *model, const char *path) {
  (void)model;
  BR_FAIL(BR_ERROR_FAILED, "%s: " MEND, path);
}

int br_onnx_graph_open(struct br_onnx_graph **out) {
  *out = NULL;
  BR_FAIL(BR_ERROR_FAILED, MEND);
}

/* There is no graph: these are never called. */
void br_onnx_graph_close(struct br_onnx_graph *graph) { (void)graph; }
void br_onnx_graph_input(struct br_onnx_graph *graph, const char *name, enum br_onnx_type type, int64_t columns) { (void)graph, (void)name, (void)type, (void)columns; }
void br_onnx_graph_output(struct br_onnx_graph *graph, const char *name, enum br_onnx_type type, int64_t columns) { (void)graph, (void)name, (void)type, (void)columns; }
const char *br_onnx_graph_values(struct br_onnx_graph *graph, const char *name, enum br_onnx_type type, int rank, const int64_t *sizes, const void *values) {
  (void)graph, (void)type, (void)rank, (void)sizes, (void)values;
  return name;
}
struct br_onnx_node *br_onnx_graph_node(struct br_onnx_graph *graph, const char *op, const char *output, const char *const *inputs) {
  (void)graph, (void)op, (void)output, (void)inputs;
  return NULL;
}
void br_onnx_node_int(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, int64_t value) { (void)graph, (void)node, (void)name, (void)value; }
void br_onnx_node_ints(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const int64_t *values, size_t n) { (void)graph, (void)node, (void)name, (void)values, (void)n; }
void br_onnx_node_word(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const char *word) { (void)graph, (void)node, (void)name, (void)word; }
void br_onnx_node_words(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const char *const *words, size_t n) { (void)graph, (void)node, (void)name, (void)words, (void)n; }
void br_onnx_node_doubles(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const double *values, size_t n) { (void)graph, (void)node, (void)name, (void)values, (void)n; }
int br_onnx_graph_save(struct br_onnx_graph *graph, const char *path) {
  (void)graph;
  BR_FAIL(BR_ERROR_FAILED, "%s: " MEND, path);
}
