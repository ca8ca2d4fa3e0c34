/* The parts of an ONNX message, made one by one. */
#include "net/onnx/build.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *make(struct build *b, size_t count, size_t bytes) {
  void *out = NULL;
  if (b->status == BR_OK) b->status = br__onnx_alloc(&b->arena, count, bytes, &out);
  return b->status == BR_OK ? out : NULL;
}

int br__build_push(struct build *b, struct list *list, void *item) {
  if (b->status == BR_OK && list->n == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 64;
    void **grown = make(b, capacity, sizeof *grown);
    if (grown && list->n) memcpy(grown, list->items, list->n * sizeof *grown);
    if (grown) list->items = grown, list->capacity = capacity;
  }
  if (b->status == BR_OK) list->items[list->n++] = item;
  return b->status;
}

char *br__build_name(struct build *b, const char *format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  char *name = make(b, strlen(text) + 1, 1);
  return name ? strcpy(name, text) : (char *)"";
}

Onnx__NodeProto *br__build_node(struct build *b, const char *op, const char *output, const char *const *inputs) {
  Onnx__NodeProto *node = make(b, 1, sizeof *node);
  size_t n = 0;
  while (inputs[n]) n++;
  char **in = make(b, n + 1, sizeof *in), **out = make(b, 1, sizeof *out);
  if (!node || !in || !out) return NULL;
  onnx__node_proto__init(node);
  for (size_t i = 0; i < n; i++) in[i] = br__build_name(b, "%s", inputs[i]);
  out[0] = br__build_name(b, "%s", output);
  node->op_type = br__build_name(b, "%s", op);
  node->name = out[0];
  node->n_input = n, node->input = in;
  node->n_output = 1, node->output = out;
  return br__build_push(b, &b->nodes, node) == BR_OK ? node : NULL;
}

static Onnx__AttributeProto *attribute(struct build *b, Onnx__NodeProto *node, const char *name, int type) {
  if (!node) return NULL;
  Onnx__AttributeProto *a = make(b, 1, sizeof *a), **grown = make(b, node->n_attribute + 1, sizeof *grown);
  if (!a || !grown) return NULL;
  onnx__attribute_proto__init(a);
  a->name = br__build_name(b, "%s", name);
  a->has_type = 1;
  a->type = type;
  if (node->n_attribute) memcpy(grown, node->attribute, node->n_attribute * sizeof *grown);
  grown[node->n_attribute++] = a;
  node->attribute = grown;
  return a;
}

void br__build_int(struct build *b, Onnx__NodeProto *node, const char *name, int64_t value) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  if (a) a->has_i = 1, a->i = value;
}

void br__build_float(struct build *b, Onnx__NodeProto *node, const char *name, double value) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
  if (a) a->has_f = 1, a->f = (float)value;
}

void br__build_ints(struct build *b, Onnx__NodeProto *node, const char *name, const int64_t *values, size_t n) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
  int64_t *copy = make(b, n, sizeof *copy);
  if (!a || !copy) return;
  memcpy(copy, values, n * sizeof *copy);
  a->n_ints = n, a->ints = copy;
}

void br__build_word(struct build *b, Onnx__NodeProto *node, const char *name, const char *word) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
  if (!a) return;
  a->has_s = 1;
  a->s = (ProtobufCBinaryData){strlen(word), (uint8_t *)br__build_name(b, "%s", word)};
}

/* Texts as bytes, of any length. */
static ProtobufCBinaryData *texts(struct build *b, const char *const *words, size_t n) {
  ProtobufCBinaryData *list = make(b, n, sizeof *list);
  for (size_t i = 0; list && i < n; i++) {
    size_t length = strlen(words[i]);
    uint8_t *copy = make(b, length + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, words[i], length);
    list[i] = (ProtobufCBinaryData){length, copy};
  }
  return list;
}

void br__build_words(struct build *b, Onnx__NodeProto *node, const char *name, const char *const *words, size_t n) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS);
  ProtobufCBinaryData *list = texts(b, words, n);
  if (a && list) a->n_strings = n, a->strings = list;
}

void br__build_tensor_attribute(struct build *b, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *tensor) {
  Onnx__AttributeProto *a = attribute(b, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
  if (a && tensor) a->t = tensor;
}

/* A tensor without its values. */
static Onnx__TensorProto *tensor(struct build *b, const char *name, int rank, const int64_t *d, int type) {
  Onnx__TensorProto *t = make(b, 1, sizeof *t);
  int64_t *dims = make(b, (size_t)rank + 1, sizeof *dims);
  if (!t || !dims) return NULL;
  onnx__tensor_proto__init(t);
  for (int i = 0; i < rank; i++) dims[i] = d[i];
  t->name = br__build_name(b, "%s", name);
  t->n_dims = (size_t)rank, t->dims = dims;
  t->has_data_type = 1, t->data_type = type;
  return t;
}

Onnx__TensorProto *br__build_tensor(struct build *b, const char *name, int rank, const int64_t *d, int type, const void *values, size_t bytes) {
  Onnx__TensorProto *t = tensor(b, name, rank, d, type);
  size_t count = 1;
  for (int i = 0; i < rank; i++) count *= (size_t)d[i];
  if (bytes == 0) {
    ProtobufCBinaryData *list = texts(b, values, count);
    if (t && list) t->n_string_data = count, t->string_data = list;
    return t && list ? t : NULL;
  }
  uint8_t *copy = make(b, count, bytes);
  if (!t || !copy) return NULL;
  if (count) memcpy(copy, values, count * bytes);
  t->has_raw_data = 1, t->raw_data = (ProtobufCBinaryData){count * bytes, copy};
  return t;
}

static Onnx__TensorProto *initializer(struct build *b, const char *name, int rank, const int64_t *d, int type, void *bytes, size_t n) {
  Onnx__TensorProto *t = tensor(b, name, rank, d, type);
  if (!t) return NULL;
  t->has_raw_data = 1, t->raw_data = (ProtobufCBinaryData){n, bytes};
  br__build_push(b, &b->initializers, t);
  return t;
}

const char *br__build_floats(struct build *b, const char *name, int rank, const int64_t *d, float **values) {
  size_t count = 1;
  for (int i = 0; i < rank; i++) count *= (size_t)d[i];
  *values = make(b, count, sizeof **values);
  Onnx__TensorProto *t = *values ? initializer(b, name, rank, d, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, *values, count * sizeof **values) : NULL;
  return t ? t->name : "";
}

const char *br__build_numbers(struct build *b, const int64_t *values, int n) {
  int64_t *copy = make(b, (size_t)n, sizeof *copy);
  if (!copy) return "";
  memcpy(copy, values, (size_t)n * sizeof *copy);
  Onnx__TensorProto *t = initializer(b, br__build_name(b, "numbers%d", ++b->made), 1, (int64_t[]){n}, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, copy, (size_t)n * sizeof *copy);
  return t ? t->name : "";
}

const char *br__build_scalar(struct build *b, double value) {
  float *v;
  const char *name = br__build_floats(b, br__build_name(b, "scalar%d", ++b->made), 0, NULL, &v);
  if (v) *v = (float)value;
  return name;
}

Onnx__ValueInfoProto *br__build_info(struct build *b, const char *name, int rank, const int64_t *d, int type) {
  Onnx__ValueInfoProto *info = make(b, 1, sizeof *info);
  Onnx__TypeProto *kind = make(b, 1, sizeof *kind);
  Onnx__TypeProto__Tensor *tensor = make(b, 1, sizeof *tensor);
  Onnx__TensorShapeProto *shape = make(b, 1, sizeof *shape);
  Onnx__TensorShapeProto__Dimension **list = make(b, (size_t)rank + 1, sizeof *list), *dims = make(b, (size_t)rank + 1, sizeof *dims);
  if (!info || !kind || !tensor || !shape || !list || !dims) return NULL;
  onnx__value_info_proto__init(info);
  onnx__type_proto__init(kind);
  onnx__type_proto__tensor__init(tensor);
  onnx__tensor_shape_proto__init(shape);
  for (int i = 0; i < rank; i++) {
    onnx__tensor_shape_proto__dimension__init(&dims[i]);
    if (i == 0) {
      dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      dims[i].dim_param = br__build_name(b, "N");
    } else {
      dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      dims[i].dim_value = d[i];
    }
    list[i] = &dims[i];
  }
  shape->n_dim = (size_t)rank, shape->dim = list;
  tensor->has_elem_type = 1, tensor->elem_type = type, tensor->shape = shape;
  kind->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE, kind->tensor_type = tensor;
  info->name = br__build_name(b, "%s", name);
  info->type = kind;
  return info;
}

static int write_file(const Onnx__ModelProto *m, const char *path) {
  size_t bytes = onnx__model_proto__get_packed_size(m);
  unsigned char *packed;
  struct br_writer *writer;
  if (bytes >= (size_t)1 << 31) BR_FAIL(BR_ERROR_FAILED, "%s: %zu bytes; an ONNX file holds at most 2 GB", path, bytes);
  BR_TRY(br_memory_alloc(bytes, 1, "ONNX file", &packed));
  onnx__model_proto__pack(m, packed);
  int status = br_writer_open(path, &writer);
  if (status == BR_OK) {
    status = br_writer_write(writer, packed, bytes);
    if (status == BR_OK)
      status = br_writer_commit(writer);
    else
      br_writer_abandon(writer);
  }
  br_memory_free(packed);
  return status;
}

int br__build_save(struct build *b, Onnx__ModelProto *model, bool ml, const char *path) {
  Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, ml_opset = opset, *opsets[] = {&opset, &ml_opset};
  Onnx__GraphProto *graph = model->graph;
  opset.domain = (char *)"", opset.has_version = 1, opset.version = 17;
  ml_opset.domain = (char *)"ai.onnx.ml", ml_opset.has_version = 1, ml_opset.version = 3;
  graph->name = (char *)"bramble";
  graph->n_node = b->nodes.n, graph->node = (Onnx__NodeProto **)b->nodes.items;
  graph->n_initializer = b->initializers.n, graph->initializer = (Onnx__TensorProto **)b->initializers.items;
  model->has_ir_version = 1, model->ir_version = 8;
  model->n_opset_import = ml ? 2 : 1, model->opset_import = opsets;
  model->producer_name = (char *)"bramble";
  return b->status == BR_OK ? write_file(model, path) : b->status;
}
