/* The graph as data: nodes, parameters, shapes, start values, costs. Reading and printing its text is in text.c. */
#include "net/graph.h"
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct br_op br_op_batchnorm, br_op_conv;

#define PARAM_GRAIN 16 /* floats: every parameter starts on a cache line */

const char *br_shape_text(const struct br_shape *shape, char *text) {
  int n = 0;
  text[0] = 0;
  for (int i = 0; i < shape->rank && n < 66; i++) n += sprintf(text + n, i ? "x%d" : "%d", shape->d[i]);
  return text;
}

void br_graph_close(struct br_graph *graph) {
  if (!graph) return;
  for (int i = 0; i < graph->n_nodes; i++) free(graph->nodes[i].inputs);
  free(graph->nodes);
  free(graph->by_name);
  free(graph->params);
  br_memory_free(graph);
}

int br_op_param(struct br_inference *inference, const char *suffix, struct br_shape shape, enum br_init init, float fan_in, bool decay, bool statistic) {
  struct br_graph *graph = inference->graph;
  struct br_node *node = inference->node;
  size_t count = br_shape_count(&shape);
  char text[80];
  if (count > BR_MAX_ELEMENTS) BR_FAIL(BR_ERROR_DATA, "a %s of %s is more than a tensor can have", suffix, br_shape_text(&shape, text));
  if (inference->next_param < node->n_params) { /* a later inference: the batch may change, parameters may not */
    const struct br_param *old = &graph->params[node->first_param + inference->next_param++];
    if (!br_shape_equal(&old->shape, &shape)) BR_FAIL(BR_ERROR_DATA, "parameter %s would change its shape with the input's size", old->name);
    return BR_OK;
  }
  struct br_param *grown = realloc(graph->params, (size_t)(graph->n_params + 1) * sizeof *grown);
  if (!grown) BR_FAIL(BR_ERROR_MEMORY, "no memory for the list of parameters");
  graph->params = grown;
  struct br_param *param = &grown[graph->n_params++];
  *param = (struct br_param){.shape = shape, .count = count, .statistic = statistic, .decay = decay, .init = init, .fan_in = fan_in};
  snprintf(param->name, sizeof param->name, "%s.%s", node->name, suffix);
  size_t *block = statistic ? &graph->statistic_floats : &graph->trained_floats;
  param->offset = *block;
  *block += (count + PARAM_GRAIN - 1) / PARAM_GRAIN * PARAM_GRAIN;
  node->n_params++;
  inference->next_param++;
  return BR_OK;
}

int br__graph_infer_node(struct br_graph *graph, int i) {
  struct br_node *node = &graph->nodes[i];
  struct br_inference inference = {.graph = graph, .node = node};
  for (int k = 0; k < node->n_inputs; k++) inference.in[k] = &graph->nodes[node->inputs[k]].shape;
  if (node->n_params == 0) node->first_param = graph->n_params;
  BR_TRY(node->op->shape(&inference));
  size_t count = 1;
  for (int d = 0; d < node->shape.rank; d++)
    if (node->shape.d[d] < 1 || !br_size_mul(count, (size_t)node->shape.d[d], &count) || count > BR_MAX_ELEMENTS) {
      char text[80];
      BR_FAIL(BR_ERROR_DATA, "an output of %s is not possible", br_shape_text(&node->shape, text));
    }
  return BR_OK;
}

int br_graph_infer(struct br_graph *graph, int N) {
  if (N < 1 || N > 1 << 20) BR_FAIL(BR_ERROR_DATA, "a batch of %d samples: 1 to 1048576 are possible", N);
  for (int i = 0; i < graph->n_nodes; i++) {
    struct br_node *node = &graph->nodes[i];
    if (node->n_inputs == 0) node->shape.d[0] = N;
    int status = br__graph_infer_node(graph, i);
    if (status != BR_OK) return br_error_prefix(status, "%s:%d: node %s", graph->name, node->line, node->name);
  }
  return BR_OK;
}

/* Where the name is in the table, or the free place for it. */
static size_t name_place(const struct br_graph *graph, const char *name) {
  size_t mask = (size_t)graph->by_name_size - 1, at = (size_t)br_hash64(0, name, strlen(name)) & mask;
  while (graph->by_name[at] && strcmp(graph->nodes[graph->by_name[at] - 1].name, name) != 0) at = (at + 1) & mask;
  return at;
}

int br_graph_find(const struct br_graph *graph, const char *name) { return graph->by_name_size ? graph->by_name[name_place(graph, name)] - 1 : -1; }

int br__graph_add_name(struct br_graph *graph) {
  int first = graph->n_nodes - 1;
  if (2 * graph->n_nodes > graph->by_name_size) { /* twice as large, and all names again */
    int size = graph->by_name_size ? 2 * graph->by_name_size : 128, *table = calloc((size_t)size, sizeof *table);
    if (!table) BR_FAIL(BR_ERROR_MEMORY, "no memory for the graph");
    free(graph->by_name);
    graph->by_name = table;
    graph->by_name_size = size;
    first = 0;
  }
  for (int i = first; i < graph->n_nodes; i++) graph->by_name[name_place(graph, graph->nodes[i].name)] = i + 1;
  return BR_OK;
}

int br_graph_find_param(const struct br_graph *graph, const char *name) {
  for (int i = 0; i < graph->n_params; i++)
    if (strcmp(graph->params[i].name, name) == 0) return i;
  return -1;
}

static bool is_output(const struct br_graph *graph, int node) {
  for (int i = 0; i < graph->n_outputs; i++)
    if (graph->outputs[i] == node) return true;
  return false;
}

static bool feeds_batchnorm(const struct br_graph *graph, int node) {
  for (int n = node + 1; n < graph->n_nodes; n++)
    if (graph->nodes[n].op == &br_op_batchnorm && graph->nodes[n].inputs[0] == node) return true;
  return false;
}

/* Weights start uniform in +-bound. He et al. 2015: variance 2/fan_in keeps the spread of what rectifiers see. Where batch norm follows, that spread is
 * no matter, and the form that keeps the spread of gradients, 2/fan_out, trains better: at the rates of its recipe mobilenetv2 learns nothing in an epoch
 * from fan_in. fan_out is kernel times output channels, also of depthwise convolutions, as in torchvision. A last layer starts smaller, with
 * 1/sqrt(fan_in), so that the first answers are about even and the first loss about ln(classes). */
static float start_bound(const struct br_graph *graph, int node, const struct br_param *param) {
  if (is_output(graph, node)) return sqrtf(1.0f / param->fan_in);
  const int *size = param->shape.d;
  if (graph->nodes[node].op == &br_op_conv && feeds_batchnorm(graph, node)) return sqrtf(6.0f / ((float)size[0] * (float)size[1] * (float)size[3]));
  return sqrtf(6.0f / param->fan_in);
}

/* The stream of a parameter is named by its name, so that adding a layer elsewhere does not change its start. */
static void init_param(const struct br_param *param, float bound, uint64_t seed, float *values) {
  uint64_t key = br_hash64(seed, param->name, strlen(param->name));
  for (size_t i = 0; i < param->count; i++) {
    struct br_random random = br_random_open(key, BR_RANDOM_INIT, 0, i);
    switch (param->init) {
      case BR_INIT_ZERO: values[i] = 0; break;
      case BR_INIT_ONE: values[i] = 1; break;
      case BR_INIT_CONSTANT: values[i] = param->fan_in; break;
      case BR_INIT_HE_UNIFORM: values[i] = (2 * br_random_float(&random) - 1) * bound; break;
    }
  }
}

void br_graph_init(const struct br_graph *graph, uint64_t seed, float *trained, float *statistics) {
  for (int n = 0; n < graph->n_nodes; n++)
    for (int p = graph->nodes[n].first_param; p < graph->nodes[n].first_param + graph->nodes[n].n_params; p++) {
      const struct br_param *param = &graph->params[p];
      float bound = param->init == BR_INIT_HE_UNIFORM ? start_bound(graph, n, param) : 0;
      init_param(param, bound, seed, (param->statistic ? statistics : trained) + param->offset);
    }
}

static size_t count_params(const struct br_graph *graph, bool statistic) {
  size_t n = 0;
  for (int p = 0; p < graph->n_params; p++)
    if (graph->params[p].statistic == statistic) n += graph->params[p].count;
  return n;
}
size_t br_graph_trained_count(const struct br_graph *graph) { return count_params(graph, false); }
size_t br_graph_statistic_count(const struct br_graph *graph) { return count_params(graph, true); }

struct br_cost br_node_cost(const struct br_graph *graph, int i) {
  const struct br_node *node = &graph->nodes[i];
  struct br_cost cost = {0, 4.0 * (double)br_shape_count(&node->shape)};
  for (int k = 0; k < node->n_inputs; k++) cost.bytes += 4.0 * (double)br_shape_count(&graph->nodes[node->inputs[k]].shape);
  for (int p = 0; p < node->n_params; p++) cost.bytes += 4.0 * (double)graph->params[node->first_param + p].count;
  if (node->op->macs) cost.macs = node->op->macs(node, node->n_inputs ? &graph->nodes[node->inputs[0]].shape : NULL);
  return cost;
}

struct br_cost br_graph_cost(const struct br_graph *graph) {
  struct br_cost total = {0, 0};
  for (int i = 0; i < graph->n_nodes; i++) {
    struct br_cost cost = br_node_cost(graph, i);
    total.macs += cost.macs;
    total.bytes += cost.bytes;
  }
  return total;
}

const char *br_node_op(const struct br_node *node) { return node->op->name; }

const struct br_value *br_node_value(const struct br_node *node, const char *name) {
  for (int i = 0; node->op->attributes[i].name; i++)
    if (strcmp(node->op->attributes[i].name, name) == 0) return &node->attribute[i];
  assert(!"the operator has no such attribute");
  return NULL;
}
