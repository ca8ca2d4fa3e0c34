/* The importer's own words: constants, values, and the translation of one node. Private to the folder.
 *
 * Every value of the file is a constant or a node of the net. A node's tensor may have its axes in another order than the file's: `order` says so, and
 * a transpose is only made where an operator needs one order. So the transposes of exporters, and the change from N,C,H,W to N,H,W,C, cost nothing where
 * they meet each other. Constants are numbers and are folded.
 *
 * A file is understood in one of three ways, the first that fits:
 *   batched  axis 0 of every value is the batch, and the net's
 *   single   the file is worked out for one sample, which is a tensor of its own behind the net's batch: the batch may move to other axes and be joined with
 *            them (windows of attention), as long as nothing mixes samples; each value knows where it is
 *   whole    the file works along the batch: its whole input is one sample of the net */
#ifndef NET_ONNX_ONNX_H
#define NET_ONNX_ONNX_H

#include "net/graph.h"
#include "onnx.pb-c.h"

#include <bramble/net/onnx.h>

#define ONNX_RANK 8 /* axes of a constant */
#define ONNX_FOLD_LIMIT ((size_t)1 << 27) /* numbers of a folded constant */
#define ONNX_FOLD_ROOM ((size_t)48 << 20) /* bytes of all of them, beside what grows with the file */

enum onnx_type { ONNX_FLOAT, ONNX_INT, ONNX_BOOL };

struct tensor {
  int rank;
  int64_t d[ONNX_RANK];
  size_t count;
  enum onnx_type type;
  const Onnx__TensorProto *proto; /* where it is still as in the file */
  const unsigned char *raw;       /* its bytes, where they are raw */
  double *v;                      /* its numbers, once they are wanted */
};

struct value {
  const char *name;         /* in the file */
  struct tensor *constant;  /* NULL: it is a node */
  enum onnx_type type;
  int node;                 /* of the net */
  int rank;
  int64_t d[BR_MAX_RANK];   /* sizes as in the file, for one sample */
  int order[BR_MAX_RANK];   /* axis i of the net's tensor (behind its lead) is axis order[i] of the file's */
  int batch;                /* single: the axis of the file's with the batch, which its other values lie behind; -1: none */
  int other, other_order[BR_MAX_RANK]; /* the same values in another order, once that was made; -1: not yet */
  /* A flattened picture whose values are not yet in the file's order: rows of the weights that follow are put in order instead. */
  int flat_rank;            /* 0: it is not such */
  int64_t flat_d[BR_MAX_RANK];
  int flat_order[BR_MAX_RANK];
  bool chosen;              /* rows of NonMaxSuppression, some of which are not there: only an answer can be such */
};

/* Parameter values to be filled in when the graph is complete: tensor `t` seen as d[rank], its axes in `order`, times factor. */
struct weight {
  int param;
  struct tensor *t;
  int rank;
  int64_t d[ONNX_RANK];
  int order[ONNX_RANK];
  double factor;
};

struct importer {
  const char *path, *folder_end; /* the folder of the file is path .. folder_end */
  const Onnx__ModelProto *model;
  int64_t opset;
  bool batched, single;
  int lead; /* axes of the net in front of the file's: 0 batched, else 1 */
  struct br_graph *graph;
  struct value **table; /* by hash of the name */
  size_t table_size;
  struct weight *weights;
  size_t n_weights, weights_capacity;
  struct block *blocks; /* everything allocated, freed together */
  int made;             /* for names */
  size_t folded_bytes, fold_room; /* of constants that were worked out, and how much they may be: a small file has few */
  size_t done;          /* nodes of the file that are translated */
};

/* One node of the file. */
struct call {
  struct importer *imp;
  const Onnx__NodeProto *node;
  struct value *in[64]; /* NULL: left out */
  int n_in;
};

/* memory.c */
int br__onnx_alloc(struct importer *imp, size_t count, size_t bytes, void *out);
void br__onnx_free(struct importer *imp);
struct value *br__onnx_find(const struct importer *imp, const char *name);
int br__onnx_add(struct importer *imp, const char *name, struct value **out); /* fails for repeated names */

/* constant.c */
int br__onnx_tensor(struct importer *imp, const Onnx__TensorProto *proto, struct tensor **out);
int br__onnx_numbers(struct importer *imp, struct tensor *t); /* makes t->v */
int br__onnx_new(struct importer *imp, enum onnx_type type, int rank, const int64_t *d, struct tensor **out); /* with v */
int br__onnx_floats(struct importer *imp, struct tensor *t, size_t first, size_t n, float *out);

/* load.c */
int br__onnx_load(const char *path, Onnx__ModelProto **out, size_t *bytes); /* and how large the file is */
void br__onnx_unload(Onnx__ModelProto *model);

/* call.c: attributes and inputs of a node, lines of the net, layouts */
const Onnx__AttributeProto *call_attribute(const struct call *call, const char *name);
int64_t call_int(const struct call *call, const char *name, int64_t fallback);
double call_float(const struct call *call, const char *name, double fallback);
const char *call_word(const struct call *call, const char *name, const char *fallback); /* "" for words too long to be one */
/* An attribute's list of at most `room` numbers; *n = -1 where it is not there. */
int call_ints(const struct call *call, const char *name, int64_t *out, int room, int *n);
/* A list given as an attribute or (newer opsets) as constant input i. */
int call_list(const struct call *call, const char *name, int i, int64_t *out, int room, int *n);
/* A number given as an attribute or as constant input i. */
int call_number(const struct call *call, const char *name, int i, double fallback, double *out);
int call_axis(int64_t axis, int rank, int *out);
bool call_has(const struct call *call, int i);
int call_constant(const struct call *call, int i, struct tensor **out); /* numbers made; fails when it is none */
int call_weight(const struct call *call, int i, struct tensor **out);   /* numbers not made */

/* Adds "name = line" to the net; the name is made from the node's. */
int call_line(const struct call *call, int *node, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *call_node_name(const struct call *call, int node);
/* "1x2x3" of n numbers, in a buffer of 160 bytes. */
const char *call_numbers(const int64_t *x, int n, char *text);
int call_fill(const struct call *call, int node, int param, struct tensor *t, int rank, const int64_t *d, const int *order, double factor);

/* Output i of the node is this node of the net, or this constant. */
int call_result(const struct call *call, int i, int node, int rank, const int *order, enum onnx_type type);
int call_result_constant(const struct call *call, int i, struct tensor *t);
/* A value that is not an output: one step of several. */
int call_value(const struct call *call, int node, int rank, const int *order, enum onnx_type type, struct value *out);
/* Output i has the layout of v: the same axes, each value from the same place. */
int call_result_like(const struct call *call, int i, int node, const struct value *v, enum onnx_type type);
/* The value itself under another name. */
int call_result_same(const struct call *call, int i, const struct value *v);

/* Sizes behind the net's lead, in order (NULL: the file's), for lines of the net; their number. A value of no axes has one. */
int call_behind(const struct importer *imp, int rank, const int64_t *d, const int *order, int64_t *out);
void order_plain(int rank, int *order);
void order_channels_last(int rank, int *order); /* 0, 2, 3, ..., 1 */
bool order_equal(const int *a, const int *b, int rank);
/* The value as a node (a constant becomes one that every sample shares), in that order. */
int call_ordered(const struct call *call, struct value *v, const int *order, int *node);
int call_as_node(const struct call *call, struct value *v); /* makes it one, in any order */
/* The value with axes of one in front until it has `rank` of them; constants stay constants. */
int call_raised(const struct call *call, struct value *v, int rank, struct value *out);
/* Axis of the net's tensor where the file's axis lies; fails for the batch. */
int call_net_axis(const struct call *call, const struct value *v, int axis, int *out);
/* A node of the net for one sample, without its axis of one behind the batch or with one more, of these sizes behind it. */
int call_resized(const struct call *call, int *node, int n, const int64_t *sizes);
/* The value with other sizes (the same count, in the file's order). */
int call_reshaped(const struct call *call, struct value *v, int rank, const int64_t *d, struct value *out);

/* map_math.c: one of plus, times, ... of two values, broadcast. */
int call_binary(const struct call *call, const char *op, struct value *a, struct value *b, enum onnx_type type, struct value *out);
/* The same with one number, and one value to one by a line of the net with its place as %s, and a reduction along axes of the file's, which stay. */
int call_scalar(const struct call *call, const char *op, struct value *v, double number, struct value *out);
int call_unary(const struct call *call, const char *line, struct value *v, struct value *out);
int call_reduced(const struct call *call, const char *op, struct value *v, const bool *axes, struct value *out);
/* The product of matrices of equal rank, at least 2, in the file's order of axes. */
int call_product(const struct call *call, struct value *a, struct value *b, struct value *out);
/* map_statistics.c: BatchNormalization in training mode, and outputs 1 and 2 of LayerNormalization. */
int call_batch_statistics(const struct call *call);
int call_row_statistics(const struct call *call, struct value *v, int axis);
/* map_shape.c */
int call_sliced(const struct call *call, struct value *v, int axis, int64_t start, int64_t size, int64_t step, struct value *out);
/* Axis i of the result is axis perm[i]: only how the tensor is seen. */
int call_turned(const struct call *call, struct value *v, const int *perm, struct value *out);
int call_tiled(const struct call *call, struct value *v, const int64_t *repeats, struct value *out); /* one repeat per axis of the file's */

/* fold.c: 1 done, 0 cannot, negative failed */
int br__onnx_fold(const struct call *call);

/* pattern.c: `graph`'s list of nodes, which is the importer's own, with what exporters write in several nodes as one; the initializers are known. */
int br__onnx_patterns(struct importer *imp, Onnx__GraphProto *graph);

/* map.c */
int br__onnx_map(struct call *call);

/* The translations: X(name in ONNX, function, whether input 0 may be a constant or is made a node). */
#define ONNX_OPERATORS(X)                                                                                                                           \
  X(Conv, map_conv, NODE) X(ConvTranspose, map_convtranspose, NODE) X(MaxPool, map_pool, NODE) X(AveragePool, map_pool, NODE)                       \
  X(GlobalAveragePool, map_globalpool, NODE) X(GlobalMaxPool, map_globalmax, NODE) X(BatchNormalization, map_batchnorm, NODE)                       \
  X(InstanceNormalization, map_instancenorm, NODE) X(LRN, map_lrn, NODE) X(LayerNormalization, map_layernorm, NODE) X(Resize, map_resize, NODE)     \
  X(Upsample, map_resize, NODE) X(DepthToSpace, map_depthtospace, NODE) X(SpaceToDepth, map_spacetodepth, NODE) X(Gemm, map_gemm, NODE)             \
  X(MatMul, map_matmul, ANY) X(PRelu, map_prelu, NODE) X(Clip, map_clip, NODE) X(Softmax, map_softmax, NODE) X(LogSoftmax, map_softmax, NODE)       \
  X(HardSigmoid, map_hardsigmoid, NODE) X(Gelu, map_gelu, NODE) X(Concat, map_concat, ANY) X(Split, map_split, NODE) X(Slice, map_slice, NODE)      \
  X(Pad, map_pad, NODE) X(Reshape, map_reshape, NODE) X(Flatten, map_flatten, NODE) X(Transpose, map_transpose, NODE) X(Squeeze, map_squeeze, NODE) \
  X(Unsqueeze, map_unsqueeze, NODE) X(Expand, map_expand, NODE) X(Tile, map_tile, NODE) X(Gather, map_gather, NODE) X(ArgMax, map_arg, NODE)        \
  X(ArgMin, map_arg, NODE) X(TopK, map_topk, NODE) X(Shape, map_shape, ANY) X(Size, map_size, ANY) X(Cast, map_cast, NODE)                          \
  X(Identity, map_identity, ANY) X(Dropout, map_dropout, ANY) X(Where, map_where, ANY) X(Div, map_div, ANY) X(Mod, map_mod, ANY)                    \
  X(NonMaxSuppression, map_nms, NODE) X(Einsum, map_einsum, NODE) X(Sum, map_fold_many, ANY) X(Min, map_fold_many, ANY) X(Max, map_fold_many, ANY) X(Mean, map_mean, ANY)

#define X(name, function, input) int function(const struct call *call);
ONNX_OPERATORS(X)
#undef X

#endif
