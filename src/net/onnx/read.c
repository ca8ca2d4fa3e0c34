/* Reading an ONNX file: the nodes that its outputs need are translated in order into lines of the net, then the parameters are filled in. The three ways
 * to understand its batch (onnx.h) are tried in turn. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_OPSET 7
#define MAX_OPSET 28

static int find_opset(struct importer *imp) {
  const Onnx__ModelProto *m = imp->model;
  for (size_t i = 0; i < m->n_opset_import; i++) {
    const char *domain = m->opset_import[i]->domain;
    if (!domain || !domain[0] || strcmp(domain, "ai.onnx") == 0) imp->opset = m->opset_import[i]->version;
  }
  if (imp->opset < MIN_OPSET || imp->opset > MAX_OPSET) BR_FAIL(BR_ERROR_DATA, "opset %lld; %d to %d are supported: export the model again", (long long)imp->opset, MIN_OPSET, MAX_OPSET);
  return BR_OK;
}

/* Which nodes the outputs need: bit per node, from the last to the first. */
static int find_needed(struct importer *imp, const Onnx__GraphProto *g, bool **out) {
  bool *needed;
  struct importer names = *imp; /* a table of its own, of the names that are wanted */
  names.blocks = NULL;
  size_t total = g->n_output + 16;
  for (size_t i = 0; i < g->n_node; i++) total += g->node[i]->n_input;
  names.table_size = 2 * total + 1;
  BR_TRY(br__onnx_alloc(imp, g->n_node, sizeof *needed, &needed));
  int status = br__onnx_alloc(&names, names.table_size, sizeof *names.table, &names.table);
  struct value *v;
  for (size_t i = 0; status == BR_OK && i < g->n_output; i++)
    if (g->output[i]->name && !br__onnx_find(&names, g->output[i]->name)) status = br__onnx_add(&names, g->output[i]->name, &v);
  for (size_t n = g->n_node; status == BR_OK && n-- > 0;) {
    const Onnx__NodeProto *node = g->node[n];
    for (size_t i = 0; i < node->n_output; i++) needed[n] |= node->output[i][0] && br__onnx_find(&names, node->output[i]);
    for (size_t i = 0; status == BR_OK && needed[n] && i < node->n_input; i++)
      if (node->input[i][0] && !br__onnx_find(&names, node->input[i])) status = br__onnx_add(&names, node->input[i], &v);
  }
  names.graph = NULL;
  br__onnx_free(&names);
  *out = needed;
  return status;
}

static bool is_initializer(const Onnx__GraphProto *g, const char *name) {
  for (size_t i = 0; i < g->n_initializer; i++)
    if (g->initializer[i]->name && strcmp(g->initializer[i]->name, name) == 0) return true;
  return false;
}

/* Sizes of an input: the file's, the caller's where it leaves them open. */
static int input_sizes(const struct importer *imp, const Onnx__ValueInfoProto *info, int number, const struct br_onnx_options *options, int *rank, int64_t *d, enum onnx_type *type) {
  const Onnx__TypeProto__Tensor *t = info->type ? info->type->tensor_type : NULL;
  if (!info->type || info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || !t) BR_FAIL(BR_ERROR_DATA, "input %.80s is no tensor", info->name);
  const struct br_onnx_size *given = NULL;
  for (int i = 0; i < options->n_sizes; i++)
    if (options->sizes[i].name ? strcmp(options->sizes[i].name, info->name) == 0 : number == 0) given = &options->sizes[i];
  *rank = t->shape ? (int)t->shape->n_dim : given ? given->rank : -1;
  if (*rank < 0 || *rank > BR_MAX_RANK || (t->shape && t->shape->n_dim > BR_MAX_RANK)) BR_FAIL(BR_ERROR_DATA, "input %.80s has no shape, or more than %d dimensions", info->name, BR_MAX_RANK);
  if (given && given->rank != *rank) BR_FAIL(BR_ERROR_DATA, "input %.80s has %d dimensions, %d are given", info->name, *rank, given->rank);
  for (int i = 0; i < *rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = t->shape ? t->shape->dim[i] : NULL;
    bool fixed = dim && dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value > 0;
    bool bad = dim && dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && (dim->dim_value < -1 || dim->dim_value > 1 << 30);
    d[i] = fixed ? dim->dim_value : given ? given->d[i] : i == 0 ? 1 : *rank == 4 && i == 2 ? options->H : *rank == 4 && i == 3 ? options->W : 0;
    if (bad) BR_FAIL(BR_ERROR_DATA, "input %.80s: dimension %d is %lld", info->name, i, (long long)dim->dim_value);
    if (fixed && given && given->d[i] != d[i] && !(i == 0 && (imp->batched || imp->single))) BR_FAIL(BR_ERROR_DATA, "input %.80s: dimension %d is %lld, %lld are given", info->name, i, (long long)d[i], (long long)given->d[i]);
    if (d[i] < 1) BR_FAIL(BR_ERROR_DATA, "input %.80s: dimension %d is open; give the size of its pictures, as in --input 224 or --input 240x320", info->name, i);
  }
  *type = t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL ? ONNX_BOOL
          : t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE || t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 || t->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16 ? ONNX_FLOAT
                                                                                                                                                                                                                                               : ONNX_INT;
  if ((imp->batched || imp->single) && *rank > 0) d[0] = 1;
  return BR_OK;
}

static void describe(const struct value *v, const char *name, struct br_border_tensor *t) {
  *t = (struct br_border_tensor){.rank = v->rank};
  snprintf(t->name, sizeof t->name, "%s", name);
  snprintf(t->type, sizeof t->type, "%s", v->type == ONNX_FLOAT ? "f4" : v->type == ONNX_INT ? "i8" : "u1");
  memcpy(t->d, v->d, sizeof t->d);
  memcpy(t->order, v->order, sizeof t->order);
  t->chosen = v->chosen;
}

/* Input nodes come first; then, where the file's tensors have an axis of one for the one sample, so do the values. */
static int widen_inputs(struct importer *imp, const Onnx__GraphProto *g) {
  for (size_t i = 0; i < g->n_input && imp->single; i++) {
    struct value *v = br__onnx_find(imp, g->input[i]->name);
    int64_t sizes[BR_MAX_RANK];
    if (!v || v->constant) continue;
    struct call call = {.imp = imp, .node = &(Onnx__NodeProto){.n_output = 1, .output = (char *[]){g->input[i]->name}}};
    BR_TRY(call_resized(&call, &v->node, call_behind(imp, v->rank, v->d, v->order, sizes), sizes));
  }
  return BR_OK;
}

static int add_inputs(struct importer *imp, const Onnx__GraphProto *g, const struct br_onnx_options *options, struct br_border *border) {
  BR_TRY(br_memory_alloc(g->n_input, sizeof *border->inputs, "border", &border->inputs));
  for (size_t i = 0; i < g->n_input; i++) {
    const char *name = g->input[i]->name;
    if (!name || !name[0]) BR_FAIL(BR_ERROR_DATA, "input %zu has no name", i);
    if (is_initializer(g, name)) continue;
    int rank = 0, order[BR_MAX_RANK], node;
    int64_t d[BR_MAX_RANK] = {0}, sizes[BR_MAX_RANK];
    enum onnx_type type = ONNX_FLOAT;
    char text[160];
    BR_TRY(input_sizes(imp, g->input[i], border->n_inputs, options, &rank, d, &type));
    bool sampled = imp->batched || imp->single;
    if (sampled && rank < 1) BR_FAIL(BR_ERROR_DATA, "input %.80s has no batch", name);
    if (sampled && rank == 1) BR_FAIL(BR_ERROR_DATA, "input %.80s has nothing behind its batch", name);
    if (rank + imp->lead > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "input %.80s has %d dimensions; at most %d are possible here", name, rank, BR_MAX_RANK - imp->lead);
    order_plain(rank, order);
    if (rank == 4 && sampled) order_channels_last(rank, order);
    int n = call_behind(imp, rank, d, order, sizes), first = imp->single; /* its 1 comes behind */
    call_numbers(sizes + first, n - first, text);
    for (char *p = text; *p; p++)
      if (*p == 'x') *p = ' ';
    struct call call = {.imp = imp, .node = &(Onnx__NodeProto){.n_output = 1, .output = (char *[]){(char *)(uintptr_t)name}}};
    struct value *v;
    BR_TRY(call_line(&call, &node, "input %s", text));
    BR_TRY(br__onnx_add(imp, name, &v));
    v->type = type, v->node = node, v->rank = rank, v->batch = imp->single ? 0 : -1;
    memcpy(v->d, d, sizeof v->d);
    memcpy(v->order, order, sizeof v->order);
    describe(v, name, &border->inputs[border->n_inputs++]);
  }
  if (border->n_inputs == 0) BR_FAIL(BR_ERROR_DATA, "the graph has no input");
  return widen_inputs(imp, g);
}

static int add_initializers(struct importer *imp, const Onnx__GraphProto *g) {
  for (size_t i = 0; i < g->n_initializer; i++) {
    const char *name = g->initializer[i]->name;
    struct value *v;
    struct tensor *t;
    if (!name || !name[0]) BR_FAIL(BR_ERROR_DATA, "initializer %zu has no name", i);
    BR_TRY(br__onnx_tensor(imp, g->initializer[i], &t));
    BR_TRY(br__onnx_add(imp, name, &v));
    v->constant = t;
    v->type = t->type;
  }
  return BR_OK;
}

/* single: the answer without its axis of one for the sample, which is the net's batch outside. */
static int narrow_output(const struct call *call, struct value *v, int *node) {
  int64_t sizes[BR_MAX_RANK];
  int order[BR_MAX_RANK] = {0}, n = 0;
  if (v->batch != 0 || v->d[0] != 1) BR_FAIL(BR_ERROR_DATA, "output %.80s does not have the batch as its axis 0", v->name);
  for (int i = 0; i < v->rank; i++)
    if (v->order[i] != 0) order[1 + n] = v->order[i], sizes[n++] = v->d[v->order[i]];
  memcpy(v->order, order, sizeof order);
  return n ? call_resized(call, node, n, sizes) : BR_OK;
}

/* The answers; one that is an input or a constant gets a node of its own. */
static int add_outputs(struct importer *imp, const Onnx__GraphProto *g, struct br_border *border) {
  char line[7000] = "";
  size_t used = 0;
  int last = -1;
  if (g->n_output < 1 || g->n_output > 64) BR_FAIL(BR_ERROR_DATA, "%zu outputs; 1 to 64 are possible", g->n_output);
  BR_TRY(br_memory_alloc(g->n_output, sizeof *border->outputs, "border", &border->outputs));
  for (size_t i = 0; i < g->n_output; i++) {
    const char *name = g->output[i]->name ? g->output[i]->name : "";
    struct value *v = br__onnx_find(imp, name);
    if (!v) BR_FAIL(BR_ERROR_DATA, "output %.80s is made by no node", name);
    struct call call = {.imp = imp, .node = &(Onnx__NodeProto){.n_output = 1, .output = (char *[]){(char *)(uintptr_t)name}}};
    if (v->constant && (imp->batched || imp->single)) BR_FAIL(BR_ERROR_DATA, "output %.80s is the same for every sample of the batch", name);
    BR_TRY(call_as_node(&call, v));
    int node = v->node;
    if (v->flat_rank) BR_TRY(call_ordered(&call, v, v->order, &node));
    struct value inner = *v;
    if (imp->single) BR_TRY(narrow_output(&call, &inner, &node));
    if (imp->graph->nodes[node].n_inputs == 0) BR_TRY(call_line(&call, &node, "tile %s repeats=1", call_node_name(&call, node)));
    describe(&inner, name, &border->outputs[border->n_outputs++]);
    used += (size_t)snprintf(line + used, sizeof line - used, " %s", call_node_name(&call, node));
    last = node;
  }
  struct call call = {.imp = imp};
  return g->n_output == 1 && last == imp->graph->n_nodes - 1 ? BR_OK : call_line(&call, &last, "outputs%s", line);
}

static int translate(struct importer *imp, const struct br_onnx_options *options, struct br_border *border) {
  Onnx__GraphProto own = *imp->model->graph, *g = &own; /* with a list of nodes that may be changed */
  bool *needed;
  size_t names = g->n_initializer + g->n_input + 16;
  if (g->n_sparse_initializer) BR_FAIL(BR_ERROR_DATA, "sparse initializers are not supported");
  for (size_t i = 0; i < g->n_node; i++) names += g->node[i]->n_output;
  imp->table_size = 2 * names + 1;
  BR_TRY(br__onnx_alloc(imp, imp->table_size, sizeof *imp->table, &imp->table));
  BR_TRY(br__onnx_alloc(imp, g->n_node, sizeof *g->node, &g->node));
  memcpy(g->node, imp->model->graph->node, g->n_node * sizeof *g->node);
  BR_TRY(add_inputs(imp, g, options, border));
  BR_TRY(add_initializers(imp, g));
  BR_TRY(br__onnx_patterns(imp, g));
  BR_TRY(find_needed(imp, g, &needed));
  for (size_t i = 0; i < g->n_node; i++) {
    imp->done = i;
    if (!needed[i]) continue;
    struct call call = {.imp = imp, .node = g->node[i]};
    int status = g->node[i]->op_type && g->node[i]->op_type[0] ? br__onnx_map(&call) : br_error_set(BR_ERROR_DATA, "has no operator");
    if (status != BR_OK)
      return br_error_prefix(status, "node %zu %.60s (%.40s, opset %lld)", i, g->node[i]->name && g->node[i]->name[0] ? g->node[i]->name : g->node[i]->n_output ? g->node[i]->output[0] : "", g->node[i]->op_type, (long long)imp->opset);
  }
  BR_TRY(add_outputs(imp, g, border));
  return br__graph_finish(imp->graph);
}

/* Masks add or choose infinity; a model file holds none, and the largest float does the same there. In weights it is damage. */
static float bounded(const struct br_param *param, float x) {
  size_t n = strlen(param->name);
  return isinf(x) && n > 6 && strcmp(param->name + n - 6, ".value") == 0 ? copysignf(FLT_MAX, x) : x;
}

/* The constant into the parameter's place: seen as w->d, its axes in w->order. */
static int fill(struct importer *imp, const struct weight *w, struct br_model *model) {
  const struct br_param *param = &model->graph->params[w->param];
  float *out = (param->statistic ? model->statistics : model->trained) + param->offset, *in;
  BR_TRY(br_memory_alloc(w->t->count, sizeof *in, "weights", &in));
  int status = br__onnx_floats(imp, w->t, 0, w->t->count, in);
  size_t stride[ONNX_RANK], step = 1;
  int64_t size[ONNX_RANK];
  for (int i = w->rank - 1; i >= 0; i--) stride[i] = step, step *= (size_t)w->d[i];
  for (int i = 0; i < w->rank; i++) size[i] = w->d[w->order[i]];
  for (size_t e = 0; status == BR_OK && e < param->count; e++) {
    size_t rest = e, at = 0;
    for (int i = w->rank - 1; i >= 0 && w->t->count > 1; i--) {
      at += rest % (size_t)size[i] * stride[w->order[i]];
      rest /= (size_t)size[i];
    }
    out[e] = bounded(param, w->factor == 1 ? in[at] : (float)(w->factor * (double)in[at]));
    if (!isfinite(out[e])) status = br_error_set(BR_ERROR_DATA, "%.80s: value %zu is not a finite number", param->name, e);
  }
  br_memory_free(in);
  return status;
}

static int make_model(struct importer *imp, const struct br_border *border, struct br_model **out) {
  struct br_model *model;
  struct br_graph *graph = imp->graph;
  imp->graph = NULL;
  BR_TRY(br_model_open(graph, &model));
  int status = BR_OK;
  for (size_t i = 0; status == BR_OK && i < imp->n_weights; i++) status = fill(imp, &imp->weights[i], model);
  if (status == BR_OK) status = br_border_store(border, model);
  static const char *const keys[] = {"classes", "preprocess", "settings", "seed", "data"};
  for (size_t i = 0; status == BR_OK && i < imp->model->n_metadata_props; i++) {
    const Onnx__StringStringEntryProto *entry = imp->model->metadata_props[i];
    for (size_t k = 0; status == BR_OK && k < sizeof keys / sizeof *keys; k++)
      if (entry->key && entry->value && strcmp(entry->key, keys[k]) == 0) status = br_model_set(model, keys[k], entry->value);
  }
  if (status == BR_OK)
    *out = model;
  else
    br_model_close(model);
  return status;
}

/* One way to understand the file; *done: how many of its nodes that went. */
static int attempt(const char *path, const Onnx__ModelProto *message, size_t bytes, bool batched, bool single, const struct br_onnx_options *options, size_t *done, struct br_model **out) {
  struct importer imp = {.path = path, .folder_end = strrchr(path, '/') ? strrchr(path, '/') + 1 : path, .model = message, .batched = batched, .single = single, .lead = !batched, .fold_room = ONNX_FOLD_ROOM + 16 * bytes};
  struct br_border border = {.batched = batched || single};
  int status = find_opset(&imp);
  if (status == BR_OK) status = br__graph_open(path, &imp.graph);
  if (status == BR_OK) status = translate(&imp, options, &border);
  if (status == BR_OK) status = make_model(&imp, &border, out);
  *done = imp.done;
  br_border_free(&border);
  br__onnx_free(&imp);
  return status;
}

/* Names of the file are in the message, and may hold anything: it stays one line. */
static int one_line(int status) {
  char text[1024];
  if (status == BR_OK) return status;
  snprintf(text, sizeof text, "%s", br_error_message());
  for (char *p = text; *p; p++)
    if ((unsigned char)*p < 32) *p = '?';
  return br_error_set(status, "%s", text);
}

int br_onnx_read(const char *path, const struct br_onnx_options *options, struct br_model **out) {
  Onnx__ModelProto *message;
  static const struct br_onnx_options none;
  static const struct {
    bool batched, single;
  } ways[] = {{true, false}, {false, true}, {false, false}};
  char message_of_best[1024];
  size_t done, best = 0, bytes;
  *out = NULL;
  if (!options) options = &none;
  BR_TRY(br__onnx_load(path, &message, &bytes));
  int status = BR_ERROR_DATA;
  for (int i = 0; i < 3 && status == BR_ERROR_DATA; i++) {
    status = attempt(path, message, bytes, ways[i].batched, ways[i].single, options, &done, out);
    if (status != BR_ERROR_DATA || (i > 0 && done <= best)) continue;
    best = done;
    snprintf(message_of_best, sizeof message_of_best, "%s", br_error_message()); /* of the way that went furthest */
  }
  if (status == BR_ERROR_DATA) br_error_set(status, "%s: %s", path, message_of_best);
  br__onnx_unload(message);
  return one_line(status);
}
