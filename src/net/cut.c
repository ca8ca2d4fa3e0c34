/* Parts of a net, made as net text: an input line for every value that comes in, the part's own lines, and the outputs. */
#include "net/fold.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/cut.h>

#include <stdio.h>
#include <string.h>

int br_cut_end(const struct br_graph *graph) {
  int end = graph->n_nodes;
  if (end > 0 && (graph->loss == end - 1 || strcmp(br_node_op(&graph->nodes[end - 1]), "outputs") == 0)) end--;
  return end;
}

int br_cut_allowed(const struct br_graph *graph, bool *allowed) {
  struct br_fold *folds;
  BR_TRY(br_memory_alloc((size_t)graph->n_nodes, sizeof *folds, "cut", &folds));
  int status = br__fold_find(graph, false, folds);
  for (int i = 0, inside = 0; status == BR_OK && i < graph->n_nodes; i++) {
    allowed[i] = i > inside || inside == 0;
    if (folds[i].last) inside = folds[i].last;
  }
  br_memory_free(folds);
  return status;
}

static bool is_answer(const struct br_graph *graph, int value) {
  for (int i = 0; i < graph->n_outputs; i++)
    if (graph->outputs[i] == value) return true;
  return false;
}

int br_cut_values(const struct br_graph *graph, int at, int *list) {
  int n = 0, end = br_cut_end(graph);
  for (int v = 0; v < at; v++) {
    bool used = is_answer(graph, v);
    for (int i = at; i < end && !used; i++)
      for (int k = 0; k < graph->nodes[i].n_inputs && !used; k++) used = graph->nodes[i].inputs[k] == v;
    if (used) list[n++] = v;
  }
  return n;
}

/* "name = input 56 56 24" */
static void add_input(struct br_net_text *text, const struct br_node *node) {
  char sizes[100] = "";
  for (int i = 1; i < node->shape.rank; i++) snprintf(sizes + strlen(sizes), sizeof sizes - strlen(sizes), " %d", node->shape.d[i]);
  br_net_text_add(text, "%s = input%s", node->name, sizes);
}

static int add_outputs(const struct br_graph *graph, const int *values, int n, int last, struct br_net_text *text) {
  char line[64 * (BR_NAME_BYTES + 1)] = "";
  size_t used = 0;
  if (n > 64) BR_FAIL(BR_ERROR_DATA, "%d values cross the cut before %s; at most 64 are possible", n, graph->nodes[last].name);
  if (n == 1 && values[0] == last - 1) return BR_OK;
  for (int i = 0; i < n; i++) used += (size_t)snprintf(line + used, sizeof line - used, " %s", graph->nodes[values[i]].name);
  br_net_text_add(text, "outputs%d = outputs%s", last, line);
  return BR_OK;
}

static int cut_into(const struct br_graph *graph, int first, int last, int *values, const char *printed, struct br_net_text *text) {
  int n = br_cut_values(graph, first, values);
  for (int i = 0; i < n; i++) add_input(text, &graph->nodes[values[i]]);
  for (int i = 0; i < last; i++) {
    size_t length = strcspn(printed, "\n");
    if (i >= first) br_net_text_add(text, "%.*s", (int)length, printed);
    printed += length + (printed[length] == '\n');
  }
  if (last < br_cut_end(graph)) return add_outputs(graph, values, br_cut_values(graph, last, values), last, text);
  return add_outputs(graph, graph->outputs, graph->n_outputs, last, text);
}

int br_graph_cut(const struct br_graph *graph, int first, int last, struct br_graph **out) {
  char *printed;
  int *values;
  struct br_net_text *text;
  *out = NULL;
  BR_TRY(br_graph_print(graph, &printed));
  int status = br_memory_alloc((size_t)graph->n_nodes, sizeof *values, "cut", &values);
  if (status == BR_OK) {
    status = br_net_text_open(&text);
    if (status == BR_OK) {
      int cut = cut_into(graph, first, last, values, printed, text);
      status = br_net_text_graph(text, graph->name, out);
      if (cut != BR_OK) {
        br_graph_close(*out);
        *out = NULL;
        status = cut;
      }
    }
    br_memory_free(values);
  }
  br_memory_free(printed);
  return status;
}
