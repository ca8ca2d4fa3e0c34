/* Models in and out of safetensors files. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/cut.h>
#include <bramble/net/model.h>
#include <bramble/store/safetensors.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "bramble net 1"

static int open_without_parameters(struct br_graph *graph, struct br_model **out) {
  int status = br_memory_alloc(1, sizeof **out, "model", out);
  if (status == BR_OK)
    (*out)->graph = graph;
  else
    br_graph_close(graph);
  return status;
}

int br_model_open(struct br_graph *graph, struct br_model **out) {
  struct br_model *model;
  *out = NULL;
  BR_TRY(open_without_parameters(graph, &model));
  int status = br_memory_alloc(graph->trained_floats, sizeof(float), "weights", &model->trained);
  if (status == BR_OK) status = br_memory_alloc(graph->statistic_floats, sizeof(float), "running statistics", &model->statistics);
  if (status == BR_OK)
    *out = model;
  else
    br_model_close(model);
  return status;
}

void br_model_drop(struct br_model *model) {
  br_memory_free(model->trained);
  br_memory_free(model->statistics);
  br_safetensors_close(model->file);
  model->trained = model->statistics = NULL;
  model->file = NULL;
}

void br_model_close(struct br_model *model) {
  if (!model) return;
  for (int i = 0; i < model->n_entries; i++) {
    free(model->entries[i].key);
    free(model->entries[i].value);
  }
  free(model->entries);
  br_graph_close(model->graph);
  br_model_drop(model);
  br_memory_free(model);
}

const char *br_model_get(const struct br_model *model, const char *key) {
  for (int i = 0; i < model->n_entries; i++)
    if (strcmp(model->entries[i].key, key) == 0) return model->entries[i].value;
  return NULL;
}

int br_model_set(struct br_model *model, const char *key, const char *value) {
  char *copy = strdup(value);
  if (!copy) BR_FAIL(BR_ERROR_MEMORY, "no memory for metadata");
  for (int i = 0; i < model->n_entries; i++)
    if (strcmp(model->entries[i].key, key) == 0) {
      free(model->entries[i].value);
      model->entries[i].value = copy;
      return BR_OK;
    }
  struct br_model_entry *grown = realloc(model->entries, (size_t)(model->n_entries + 1) * sizeof *grown);
  char *name = strdup(key);
  if (grown) model->entries = grown;
  if (!grown || !name) {
    free(copy);
    free(name);
    BR_FAIL(BR_ERROR_MEMORY, "no memory for metadata");
  }
  model->entries[model->n_entries++] = (struct br_model_entry){name, copy};
  return BR_OK;
}

static float *block_of(const struct br_model *model, const struct br_param *param) { return (param->statistic ? model->statistics : model->trained) + param->offset; }

void br_model_tensors(const struct br_model *model, struct br_tensor_entry *tensors) {
  for (int p = 0; p < model->graph->n_params; p++) {
    const struct br_param *param = &model->graph->params[p];
    tensors[p] = (struct br_tensor_entry){.name = param->name, .type = BR_F32, .dims = param->shape.rank, .data = block_of(model, param)};
    for (int d = 0; d < param->shape.rank; d++) tensors[p].shape[d] = (uint64_t)param->shape.d[d];
  }
}

int br_model_save(const struct br_model *model, const char *path) {
  const struct br_graph *graph = model->graph;
  char *text = NULL;
  struct br_tensor_entry *tensors = NULL;
  struct br_metadata_entry *metadata = NULL;
  size_t n_metadata = 2 + (size_t)model->n_entries;
  int status = br_graph_print(graph, &text);
  if (status == BR_OK) status = br_memory_alloc((size_t)graph->n_params, sizeof *tensors, "tensor list", &tensors);
  if (status == BR_OK) status = br_memory_alloc(n_metadata, sizeof *metadata, "metadata", &metadata);
  if (status == BR_OK) {
    br_model_tensors(model, tensors);
    metadata[0] = (struct br_metadata_entry){"format", FORMAT};
    metadata[1] = (struct br_metadata_entry){"net", text};
    for (int i = 0; i < model->n_entries; i++) metadata[2 + i] = (struct br_metadata_entry){model->entries[i].key, model->entries[i].value};
    status = br_safetensors_write(path, tensors, (size_t)graph->n_params, metadata, n_metadata);
  }
  br_memory_free(text);
  br_memory_free(tensors);
  br_memory_free(metadata);
  return status;
}

/* Before anything is allocated for a net that the file may only pretend to hold. */
static int check_param(const struct br_safetensors *file, const char *path, const struct br_param *param) {
  const struct br_tensor_entry *tensor = br_safetensors_find(file, param->name);
  if (!tensor) BR_FAIL(BR_ERROR_DATA, "%s: its net needs the tensor %s, which it does not hold", path, param->name);
  bool fits = tensor->type == BR_F32 && tensor->dims == param->shape.rank;
  for (int d = 0; fits && d < tensor->dims; d++) fits = tensor->shape[d] == (uint64_t)param->shape.d[d];
  char text[80];
  if (!fits) BR_FAIL(BR_ERROR_DATA, "%s: tensor %s is not float32 of %s, as its net needs", path, param->name, br_shape_text(&param->shape, text));
  return BR_OK;
}

/* Without a way out of the loop, which is then made of vectors. */
static bool all_finite(const float *values, size_t n) {
  int bad = 0;
  for (size_t i = 0; i < n; i++) bad |= !(fabsf(values[i]) <= FLT_MAX);
  return !bad;
}

static int file_values(const struct br_safetensors *file, const char *path, const struct br_param *param, const float **values) {
  *values = br_safetensors_find(file, param->name)->data;
  if (all_finite(*values, param->count)) return BR_OK;
  size_t i = 0;
  while (isfinite((*values)[i])) i++;
  BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: element %zu is not a finite number; the training went wrong or the file is damaged", path, param->name, i);
}

int br_model_values(const struct br_model *model, int number, const float **values) {
  const struct br_param *param = &model->graph->params[number];
  if (model->file) return file_values(model->file, model->graph->name, param, values);
  *values = block_of(model, param);
  return BR_OK;
}

void br_model_forget(const struct br_model *model, int number) {
  if (model->file) br_safetensors_forget(model->file, br_safetensors_find(model->file, model->graph->params[number].name));
}

/* The graph of a net text whose parameters the file holds. */
static int fitting_graph(const struct br_safetensors *file, const char *path, const char *text, struct br_graph **out) {
  struct br_graph *graph;
  BR_TRY(br_graph_parse(path, text, &graph));
  int status = BR_OK;
  for (int p = 0; status == BR_OK && p < graph->n_params; p++) status = check_param(file, path, &graph->params[p]);
  if (status == BR_OK)
    *out = graph;
  else
    br_graph_close(graph);
  return status;
}

static int load_graph(const struct br_safetensors *file, const char *path, struct br_graph **out) {
  const char *format = br_safetensors_metadata(file, "format"), *text = br_safetensors_metadata(file, "net");
  if (!format || strcmp(format, FORMAT) != 0 || !text)
    BR_FAIL(BR_ERROR_DATA, "%s: is a safetensors file but not a net of Bramble's (its metadata has no format \"%s\")", path, FORMAT);
  return fitting_graph(file, path, text, out);
}

int br_model_read(const struct br_safetensors *file, const char *path, const char *net, struct br_model **out) {
  struct br_graph *graph;
  *out = NULL;
  BR_TRY(fitting_graph(file, path, net, &graph));
  BR_TRY(br_model_open(graph, out));
  int status = BR_OK;
  for (int p = 0; status == BR_OK && p < graph->n_params; p++) {
    const float *values;
    status = file_values(file, path, &graph->params[p], &values);
    if (status == BR_OK) memcpy(block_of(*out, &graph->params[p]), values, graph->params[p].count * sizeof(float));
  }
  if (status == BR_OK) return BR_OK;
  br_model_close(*out);
  *out = NULL;
  return status;
}

/* A model of `graph` with the file's metadata; it takes both, also when it fails. */
static int map_from(struct br_safetensors *file, struct br_graph *graph, struct br_model **out) {
  struct br_model *model;
  const char *key, *value;
  int status = open_without_parameters(graph, &model);
  if (status != BR_OK) {
    br_safetensors_close(file);
    return status;
  }
  model->file = file;
  for (size_t i = 0; status == BR_OK && br_safetensors_metadata_at(file, i, &key, &value); i++)
    if (strcmp(key, "format") != 0 && strcmp(key, "net") != 0) status = br_model_set(model, key, value);
  if (status == BR_OK)
    *out = model;
  else
    br_model_close(model);
  return status;
}

static int map_nodes(const char *path, bool whole, int first, int last, struct br_model **out) {
  struct br_safetensors *file;
  struct br_graph *graph, *part = NULL;
  *out = NULL;
  BR_TRY(br_safetensors_open(path, &file));
  int status = load_graph(file, path, &graph);
  if (status == BR_OK && !whole) {
    status = br_graph_cut(graph, first, last, &part);
    br_graph_close(graph);
    graph = part;
  }
  if (status == BR_OK) return map_from(file, graph, out);
  br_safetensors_close(file);
  return status;
}

int br_model_map(const char *path, struct br_model **out) { return map_nodes(path, true, 0, 0, out); }
int br_model_map_part(const char *path, int first, int last, struct br_model **out) { return map_nodes(path, false, first, last, out); }

static int load_blocks(struct br_model *model) {
  const struct br_graph *graph = model->graph;
  BR_TRY(br_memory_alloc(graph->trained_floats, sizeof(float), "weights", &model->trained));
  BR_TRY(br_memory_alloc(graph->statistic_floats, sizeof(float), "running statistics", &model->statistics));
  for (int p = 0; p < graph->n_params; p++) {
    const float *values;
    BR_TRY(br_model_values(model, p, &values));
    memcpy(block_of(model, &graph->params[p]), values, graph->params[p].count * sizeof(float));
  }
  br_safetensors_close(model->file);
  model->file = NULL;
  return BR_OK;
}

int br_model_load(const char *path, struct br_model **out) {
  BR_TRY(br_model_map(path, out));
  int status = load_blocks(*out);
  if (status == BR_OK) return status;
  br_model_close(*out);
  *out = NULL;
  return status;
}

int br_model_load_graph(const char *path, struct br_graph **out) {
  struct br_safetensors *file;
  *out = NULL;
  BR_TRY(br_safetensors_open(path, &file));
  int status = load_graph(file, path, out);
  br_safetensors_close(file);
  return status;
}

void br_model_copy_params(struct br_model *model, const struct br_model *source, int *missing) {
  *missing = 0;
  for (int p = 0; p < model->graph->n_params; p++) {
    const struct br_param *param = &model->graph->params[p];
    int other = br_graph_find_param(source->graph, param->name);
    if (other >= 0 && br_shape_equal(&param->shape, &source->graph->params[other].shape))
      memcpy(block_of(model, param), block_of(source, &source->graph->params[other]), param->count * sizeof(float));
    else
      ++*missing;
  }
}
