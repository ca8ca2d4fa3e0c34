/* The border between the layout of files from outside and the net's own: its description in the metadata, and the copying. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/onnx.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void br_border_free(struct br_border *border) {
  br_memory_free(border->inputs);
  br_memory_free(border->outputs);
  *border = (struct br_border){0};
}

/* Net and outside agree: one sample's sizes in the net, in order, are the sizes outside. */
static bool fits(const struct br_border_tensor *t, bool batched, const struct br_shape *shape) {
  bool seen[BR_MAX_RANK] = {false};
  int lead = !batched;
  if (t->rank < 0 || t->rank + lead > BR_MAX_RANK || shape->rank != (t->rank + lead < 2 ? 2 : t->rank + lead)) return false;
  for (int i = 0; i < t->rank; i++) {
    int from = t->order[i];
    if (from < 0 || from >= t->rank || seen[from]) return false;
    seen[from] = true;
    if (!(batched && i == 0) && t->d[from] != shape->d[i + lead]) return false;
  }
  return !(batched && (t->rank < 1 || t->order[0] != 0));
}

static bool read_tensor(json_t *json, struct br_border_tensor *t) {
  const char *name = json_string_value(json_object_get(json, "name")), *type = json_string_value(json_object_get(json, "type"));
  json_t *sizes = json_object_get(json, "sizes"), *order = json_object_get(json, "order");
  if (!name || !type || strlen(name) >= sizeof t->name || strlen(type) >= sizeof t->type || json_array_size(sizes) != json_array_size(order) || json_array_size(sizes) > BR_MAX_RANK) return false;
  strcpy(t->name, name);
  strcpy(t->type, type);
  t->rank = (int)json_array_size(sizes);
  for (int i = 0; i < t->rank; i++) {
    t->d[i] = json_integer_value(json_array_get(sizes, (size_t)i));
    t->order[i] = (int)json_integer_value(json_array_get(order, (size_t)i));
  }
  t->chosen = json_is_true(json_object_get(json, "chosen"));
  return !t->chosen || (t->rank >= 2 && t->d[t->rank - 1] == 3);
}

static bool read_border(json_t *root, const struct br_graph *graph, struct br_border *border) {
  json_t *inputs = json_object_get(root, "inputs"), *outputs = json_object_get(root, "outputs");
  if (json_array_size(inputs) != (size_t)graph->n_inputs || json_array_size(outputs) != (size_t)graph->n_outputs) return false;
  border->batched = json_is_true(json_object_get(root, "batched"));
  for (int i = 0; i < graph->n_inputs; i++)
    if (!read_tensor(json_array_get(inputs, (size_t)i), &border->inputs[i]) || !fits(&border->inputs[i], border->batched, &graph->nodes[i].shape)) return false;
  for (int i = 0; i < graph->n_outputs; i++)
    if (!read_tensor(json_array_get(outputs, (size_t)i), &border->outputs[i]) || !fits(&border->outputs[i], border->batched, &graph->nodes[graph->outputs[i]].shape)) return false;
  return true;
}

/* A net that was made here: its own names and layout. */
static void own_tensor(const struct br_node *node, struct br_border_tensor *t) {
  *t = (struct br_border_tensor){.type = "f4", .rank = node->shape.rank};
  memcpy(t->name, node->name, sizeof t->name);
  for (int i = 0; i < t->rank; i++) t->d[i] = i == 0 ? 1 : node->shape.d[i], t->order[i] = i;
}

int br_border_open(const struct br_model *model, struct br_border *border) {
  const struct br_graph *graph = model->graph;
  const char *text = br_model_get(model, "tensors");
  *border = (struct br_border){.batched = true, .n_inputs = graph->n_inputs, .n_outputs = graph->n_outputs};
  BR_TRY(br_memory_alloc((size_t)graph->n_inputs, sizeof *border->inputs, "border", &border->inputs));
  BR_TRY(br_memory_alloc((size_t)graph->n_outputs, sizeof *border->outputs, "border", &border->outputs));
  if (text) {
    json_t *root = json_loads(text, 0, NULL);
    bool sound = root && read_border(root, graph, border);
    json_decref(root);
    if (!sound) BR_FAIL(BR_ERROR_DATA, "the model's metadata \"tensors\" do not fit its net");
    return BR_OK;
  }
  for (int i = 0; i < graph->n_inputs; i++) own_tensor(&graph->nodes[i], &border->inputs[i]);
  for (int i = 0; i < graph->n_outputs; i++) own_tensor(&graph->nodes[graph->outputs[i]], &border->outputs[i]);
  return BR_OK;
}

static json_t *write_tensor(const struct br_border_tensor *t) {
  json_t *sizes = json_array(), *order = json_array();
  for (int i = 0; i < t->rank; i++) {
    json_array_append_new(sizes, json_integer(t->d[i]));
    json_array_append_new(order, json_integer(t->order[i]));
  }
  json_t *json = json_pack("{s:s,s:s,s:o,s:o}", "name", t->name, "type", t->type, "sizes", sizes, "order", order);
  if (json && t->chosen) json_object_set_new(json, "chosen", json_true());
  return json;
}

int br_border_store(const struct br_border *border, struct br_model *model) {
  json_t *inputs = json_array(), *outputs = json_array();
  bool sound = true; /* jansson takes no names that are not UTF-8 */
  for (int i = 0; i < border->n_inputs; i++) sound &= json_array_append_new(inputs, write_tensor(&border->inputs[i])) == 0;
  for (int i = 0; i < border->n_outputs; i++) sound &= json_array_append_new(outputs, write_tensor(&border->outputs[i])) == 0;
  json_t *root = json_pack("{s:b,s:o,s:o}", "batched", border->batched, "inputs", inputs, "outputs", outputs);
  char *text = root && sound ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  if (!text) BR_FAIL(BR_ERROR_DATA, "a tensor's name is not UTF-8 text");
  int status = br_model_set(model, "tensors", text);
  free(text);
  return status;
}

/* Sample by sample; `out` tells the direction. */
static void copy(const struct br_border_tensor *t, bool batched, const float *from, float *to, size_t n, bool out) {
  size_t stride[BR_MAX_RANK], step = 1, count;
  int first = batched ? 1 : 0;
  for (int i = t->rank - 1; i >= first; i--) {
    stride[i] = step;
    step *= (size_t)t->d[i];
  }
  count = step;
  for (size_t s = 0; s < n; s++)
    for (size_t e = 0; e < count; e++) { /* e counts the net's elements */
      size_t rest = e, at = 0;
      for (int i = t->rank - 1; i >= first; i--) {
        at += rest % (size_t)t->d[t->order[i]] * stride[t->order[i]];
        rest /= (size_t)t->d[t->order[i]];
      }
      if (out)
        to[s * count + at] = from[s * count + e];
      else
        to[s * count + e] = from[s * count + at];
    }
}

void br_border_in(const struct br_border_tensor *tensor, bool batched, const float *outside, float *inside, size_t n) { copy(tensor, batched, outside, inside, n, false); }
void br_border_out(const struct br_border_tensor *tensor, bool batched, const float *inside, float *outside, size_t n) { copy(tensor, batched, inside, outside, n, true); }

size_t br_border_choose(const struct br_border_tensor *tensor, bool batched, float *values, size_t n) {
  size_t rows = 1, kept = 0;
  for (int i = batched; i + 1 < tensor->rank; i++) rows *= (size_t)tensor->d[i];
  for (size_t r = 0; r < n * rows; r++) {
    if (values[3 * r] < 0) continue;
    memmove(values + 3 * kept, values + 3 * r, 3 * sizeof *values);
    if (batched) values[3 * kept] = (float)(r / rows);
    kept++;
  }
  return kept;
}
