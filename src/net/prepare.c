/* Preparing a net: the groups of fold.c, their weights folded and packed into one block, and beside them the parameters that other operators read. */
#include "net/prepared.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/infer.h>
#include <bramble/net/exec.h>

#include <math.h>
#include <string.h>

enum { GAMMA, BETA, MEAN, VAR }; /* of a batch norm */

static struct br_conv_shape shape_at(const struct br_graph *graph, int i) {
  const struct br_node *node = &graph->nodes[i];
  return br__packed_shape(node, &graph->nodes[node->inputs[0]].shape, &node->shape);
}

/* Where Winograd's method is the faster on every machine that was tried: about twice by tiles of 4 x 4 outputs; by those of 2 x 2 less, so it takes more channels to pay for
 * the transforms. With few tiles a picture its weights, which are more, are read for too little. A rule of shapes: the bits must not depend on where the net runs. */
static bool winograd_wins(const struct br_conv_shape *d) {
  if (d->R != d->S || (d->R != 3 && d->R != 5) || d->stride_h != 1 || d->stride_w != 1 || d->dilation_h != 1 || d->dilation_w != 1 || d->groups != 1) return false;
  const struct br_winograd_form form = br_winograd_form(d);
  const int tiles = ((d->P - 1) / form.outputs + 1) * ((d->Q - 1) / form.outputs + 1), channels = form.outputs == 4 ? 16 : 48;
  return tiles >= 9 && d->C >= channels && d->K >= channels;
}

static size_t whole_lines(size_t floats) { return (floats + 15) / 16 * 16; }

static size_t reserve(struct br_prepared *p, size_t floats) {
  size_t at = p->floats;
  p->floats += whole_lines(floats);
  return at;
}

static void lay_out(struct br_prepared *p) {
  const struct br_graph *graph = p->graph;
  for (int i = 0; i < graph->n_nodes; i++) {
    const struct br_node *node = &graph->nodes[i];
    const struct br_fold *fold = &p->folds[i];
    if (fold->last) {
      const struct br_conv_shape shape = shape_at(graph, i);
      const size_t K = (size_t)shape.K, scratch = whole_lines(2 * K) + whole_lines(graph->params[node->first_param].count), start = p->floats;
      p->winograd[i] = !p->exact && winograd_wins(&shape);
      p->weights[i] = reserve(p, p->winograd[i] ? br_winograd_packed_floats(&shape) : br_infer_packed_floats(&shape));
      p->bias[i] = node->n_params > 1 || fold->norm >= 0 ? reserve(p, K) : BR_NOT_KEPT;
      if (fold->norm >= 0 && scratch > p->scratch_floats) p->scratch_floats = scratch;
      if (p->stream) { /* all in the same place, one at a time */
        if (p->floats - start > p->stream_floats) p->stream_floats = p->floats - start;
        p->weights[i] = 0, p->bias[i] -= p->bias[i] == BR_NOT_KEPT ? 0 : start;
        p->floats = start;
      }
      i = fold->last;
      continue;
    }
    for (int q = node->first_param; q < node->first_param + node->n_params; q++) p->kept[q] = reserve(p, graph->params[q].count);
  }
}

/* w[., k] s[k] and (b[k] - mean[k]) s[k] + beta[k], s = gamma / sqrt(var + eps), each rounded once. *w becomes the result, in scratch. */
static int fold_norm(const struct br_model *model, const struct br_node *norm, const float **w, size_t count, const float *old, size_t K, float *scratch, float *bias) {
  const float *of[4];
  const double eps = br_node_value(norm, "eps")->v[0];
  double *scale = (double *)(void *)scratch;
  float *scaled = scratch + whole_lines(2 * K);
  for (int q = GAMMA; q <= VAR; q++) BR_TRY(br_model_values(model, norm->first_param + q, &of[q]));
  for (size_t k = 0; k < K; k++) {
    scale[k] = (double)of[GAMMA][k] / sqrt((double)of[VAR][k] + eps);
    bias[k] = (float)(((old ? (double)old[k] : 0) - (double)of[MEAN][k]) * scale[k] + (double)of[BETA][k]);
  }
  for (size_t i = 0; i < count; i += K)
    for (size_t k = 0; k < K; k++) scaled[i + k] = (float)((double)(*w)[i + k] * scale[k]);
  *w = scaled;
  return BR_OK;
}

int br__prepared_pack(const struct br_prepared *p, int i, float *place, float *scratch) {
  const struct br_node *node = &p->graph->nodes[i];
  const struct br_fold *fold = &p->folds[i];
  const struct br_conv_shape shape = shape_at(p->graph, i);
  const size_t K = (size_t)shape.K, count = p->graph->params[node->first_param].count;
  const float *w, *old = NULL;
  float *weights = place + p->weights[i], *bias = p->bias[i] == BR_NOT_KEPT ? NULL : place + p->bias[i];
  BR_TRY(br_model_values(p->model, node->first_param, &w));
  if (node->n_params > 1) BR_TRY(br_model_values(p->model, node->first_param + 1, &old));
  if (fold->norm >= 0)
    BR_TRY(fold_norm(p->model, &p->graph->nodes[fold->norm], &w, count, old, K, scratch, bias));
  else if (old)
    memcpy(bias, old, K * sizeof *bias);
  (p->winograd[i] ? br_winograd_pack : br_infer_pack)(&shape, w, weights, BR_PART_ALL);
  br_model_forget(p->model, node->first_param);
  return BR_OK;
}

/* In a streamed net the groups are packed once all the same, to find what is wrong with the file before it is run. */
static int fill(struct br_prepared *p) {
  const struct br_graph *graph = p->graph;
  float *scratch;
  BR_TRY(br_memory_alloc(p->scratch_floats + p->stream_floats, sizeof *scratch, "weights", &scratch));
  float *place = p->stream ? scratch + p->scratch_floats : p->block;
  int status = BR_OK;
  for (int i = 0; status == BR_OK && i < graph->n_nodes; i++)
    if (p->folds[i].last) status = br__prepared_pack(p, i, place, scratch);
  for (int q = 0; status == BR_OK && q < graph->n_params; q++) {
    const float *values;
    if (p->kept[q] == BR_NOT_KEPT) continue;
    status = br_model_values(p->model, q, &values);
    if (status == BR_OK) memcpy(p->block + p->kept[q], values, graph->params[q].count * sizeof(float));
  }
  br_memory_free(scratch);
  return status;
}

static void free_layout(struct br_prepared *p) {
  br_memory_free(p->folds);
  br_memory_free(p->winograd);
  br_memory_free(p->weights);
  br_memory_free(p->bias);
  br_memory_free(p->kept);
}

static int find_layout(struct br_prepared *p) {
  size_t nodes = (size_t)p->graph->n_nodes, params = (size_t)p->graph->n_params;
  BR_TRY(br_memory_alloc(nodes, sizeof *p->folds, "groups of nodes", &p->folds));
  BR_TRY(br_memory_alloc(nodes, sizeof *p->winograd, "groups of nodes", &p->winograd));
  BR_TRY(br_memory_alloc(nodes, sizeof *p->weights, "groups of nodes", &p->weights));
  BR_TRY(br_memory_alloc(nodes, sizeof *p->bias, "groups of nodes", &p->bias));
  BR_TRY(br_memory_alloc(params, sizeof *p->kept, "groups of nodes", &p->kept));
  for (size_t q = 0; q < params; q++) p->kept[q] = BR_NOT_KEPT;
  BR_TRY(br__fold_find(p->graph, p->exact, p->folds));
  lay_out(p);
  return BR_OK;
}

int br_prepared_plan(const struct br_graph *graph, const struct br_prepare_options *options, int N, int members, struct br_prepared_bytes *bytes) {
  struct br_prepared p = {.graph = graph, .exact = options->exact, .stream = options->stream};
  struct br_exec_bytes exec = {0};
  int status = find_layout(&p);
  if (status == BR_OK) status = br_exec_plan(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = N, .members = members, .fuse = true, .prepared = &p}, &exec);
  size_t largest = 0; /* of the file's pages, or the model's block, while it is packed */
  for (int q = 0; q < graph->n_params; q++) largest = graph->params[q].count > largest ? graph->params[q].count : largest;
  *bytes = (struct br_prepared_bytes){p.floats * sizeof(float), (largest + p.scratch_floats + p.stream_floats) * sizeof(float), exec.total + (p.stream ? largest * sizeof(float) : 0)};
  free_layout(&p);
  return status;
}

int br_prepared_weights(const struct br_graph *graph, const struct br_prepare_options *options, size_t *bytes) {
  struct br_prepared p = {.graph = graph, .exact = options->exact};
  int status = find_layout(&p);
  for (int i = 0; status == BR_OK && i < graph->n_nodes; i++) {
    const struct br_node *node = &graph->nodes[i];
    bytes[i] = 0;
    if (p.folds[i].last) {
      const struct br_conv_shape shape = shape_at(graph, i);
      bytes[i] = (p.winograd[i] ? br_winograd_packed_floats(&shape) : br_infer_packed_floats(&shape)) * sizeof(float) + (size_t)shape.K * sizeof(float);
    }
    for (int q = node->first_param; q < node->first_param + node->n_params; q++)
      if (p.kept[q] != BR_NOT_KEPT) bytes[i] += graph->params[q].count * sizeof(float);
  }
  free_layout(&p);
  return status;
}

int br_prepared_open(const struct br_model *model, const struct br_prepare_options *options, struct br_prepared **out) {
  struct br_prepared *p;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *p, "prepared net", &p));
  *p = (struct br_prepared){.model = model, .graph = model->graph, .exact = options->exact, .stream = options->stream};
  int status = find_layout(p);
  if (status == BR_OK) status = br_memory_alloc(p->floats, sizeof *p->block, "packed weights", &p->block);
  if (status == BR_OK) status = fill(p);
  if (status == BR_OK)
    *out = p;
  else
    br_prepared_close(p);
  return status;
}

void br_prepared_close(struct br_prepared *p) {
  if (!p) return;
  free_layout(p);
  br_memory_free(p->block);
  br_memory_free(p);
}

bool br_prepared_streams(const struct br_prepared *p) { return p->stream; }
const struct br_graph *br_prepared_graph(const struct br_prepared *p) { return p->graph; }
size_t br_prepared_bytes(const struct br_prepared *p) { return p->floats * sizeof(float); }
