/* Making an ONNX graph: nodes, attributes, initialisers, all in blocks that are freed together. Private to the folder; used by write.c and graph.c. */
#ifndef NET_ONNX_BUILD_H
#define NET_ONNX_BUILD_H

#include "net/onnx/onnx.h"

/* A list that grows. */
struct list {
  void **items;
  size_t n, capacity;
};

struct build {
  struct importer arena; /* only its blocks */
  const struct br_model *model;
  struct list nodes, initializers;
  int made, status; /* the first failure; what comes after it does nothing */
};

int br__build_push(struct build *b, struct list *list, void *item);
/* A string of the graph's; the first failure is kept in b->status and "" comes back. */
char *br__build_name(struct build *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A node with its inputs, a NULL behind the last, and one output; NULL after a failure (which the attribute functions take). */
Onnx__NodeProto *br__build_node(struct build *b, const char *op, const char *output, const char *const *inputs);
void br__build_int(struct build *b, Onnx__NodeProto *node, const char *name, int64_t value);
void br__build_float(struct build *b, Onnx__NodeProto *node, const char *name, double value);
void br__build_ints(struct build *b, Onnx__NodeProto *node, const char *name, const int64_t *values, size_t n);
void br__build_word(struct build *b, Onnx__NodeProto *node, const char *name, const char *word);
void br__build_words(struct build *b, Onnx__NodeProto *node, const char *name, const char *const *words, size_t n);
void br__build_tensor_attribute(struct build *b, Onnx__NodeProto *node, const char *name, Onnx__TensorProto *tensor);
/* A tensor of elements of so many bytes, copied; with 0 bytes values are pointers to texts. It is no part of the graph yet. */
Onnx__TensorProto *br__build_tensor(struct build *b, const char *name, int rank, const int64_t *d, int type, const void *values, size_t bytes);
/* Initialisers; they give back their name. *values is to be filled (NULL after a failure). */
const char *br__build_floats(struct build *b, const char *name, int rank, const int64_t *d, float **values);
const char *br__build_numbers(struct build *b, const int64_t *values, int n);
const char *br__build_scalar(struct build *b, double value);
/* Axis 0 is symbolic. */
Onnx__ValueInfoProto *br__build_info(struct build *b, const char *name, int rank, const int64_t *d, int type);

/* Puts nodes and initialisers into model->graph and the operator sets into the model (ml: ai.onnx.ml too), and writes the file. Returns the first failure. */
int br__build_save(struct build *b, Onnx__ModelProto *model, bool ml, const char *path);

#endif
