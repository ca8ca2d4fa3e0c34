/* Writing a model as ONNX. A value of four axes is N,C,H,W in the file, others lie as in the net; where an operator needs the net's order a transpose is put
 * in front. */
#include "net/onnx/build.h"
#include "net/ops/window.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define IN(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct br_node *node_at(const struct build *b, int i) { return &b->model->graph->nodes[i]; }
static const char *name_of(const struct build *b, int i) { return node_at(b, i)->name; }

/* Axis of the file for an axis of the net, and back. */
static int file_axis(int rank, int axis) { return rank != 4 || axis == 0 ? axis : axis == 3 ? 1 : axis + 1; }
static int net_axis(int rank, int axis) { return rank != 4 || axis == 0 ? axis : axis == 1 ? 3 : axis - 1; }

static void file_sizes(const struct br_shape *shape, int64_t *d) {
  for (int i = 0; i < shape->rank; i++) d[i] = shape->d[net_axis(shape->rank, i)];
}

/* The input k in the net's order of axes. */
static const char *plain(struct build *b, const struct br_node *node, int k) {
  const struct br_node *from = node_at(b, node->inputs[k]);
  if (from->shape.rank != 4) return from->name;
  const char *name = br__build_name(b, "%s.nhwc%d", from->name, ++b->made);
  br__build_ints(b, br__build_node(b, "Transpose", name, IN(from->name)), "perm", (int64_t[]){0, 2, 3, 1}, 4);
  return name;
}

/* Where a result in the net's order goes: under the node's own name, or turned into it by plain_end. */
static const char *plain_name(struct build *b, const struct br_node *node) { return node->shape.rank == 4 ? br__build_name(b, "%s.nhwc", node->name) : node->name; }
static void plain_end(struct build *b, const struct br_node *node, const char *name) {
  if (node->shape.rank == 4) br__build_ints(b, br__build_node(b, "Transpose", node->name, IN(name)), "perm", (int64_t[]){0, 3, 1, 2}, 4);
}

static const float *param(const struct build *b, const struct br_node *node, int i, const struct br_param **out) {
  *out = &b->model->graph->params[node->first_param + i];
  return ((*out)->statistic ? b->model->statistics : b->model->trained) + (*out)->offset;
}

/* Parameter i as an initialiser: axis a of the file's is axis order[a] of the parameter's (NULL: the same), with `lead` sizes of one in front and `tail` behind. */
static const char *weight(struct build *b, const struct br_node *node, int i, const int *order, int lead, int tail) {
  const struct br_param *p;
  const float *from = param(b, node, i, &p);
  int64_t d[2 * BR_MAX_RANK];
  size_t stride[BR_MAX_RANK], step = 1;
  int rank = p->shape.rank;
  float *to;
  for (int a = 0; a < lead; a++) d[a] = 1;
  for (int a = 0; a < rank; a++) d[lead + a] = p->shape.d[order ? order[a] : a];
  for (int a = 0; a < tail; a++) d[lead + rank + a] = 1;
  const char *name = br__build_floats(b, p->name, lead + rank + tail, d, &to);
  for (int a = rank - 1; a >= 0; a--) stride[a] = step, step *= (size_t)p->shape.d[a];
  for (size_t e = 0; to && e < p->count; e++) {
    size_t rest = e, at = 0;
    for (int a = rank - 1; a >= 0; a--) {
      at += rest % (size_t)d[lead + a] * stride[order ? order[a] : a];
      rest /= (size_t)d[lead + a];
    }
    to[e] = from[at];
  }
  return name;
}

static double number(const struct br_node *node, const char *name, int i) {
  const struct br_value *v = br_node_value(node, name);
  return v->v[v->n == 1 ? 0 : i];
}
static bool flag(const struct br_node *node, const char *name) { return number(node, name, 0) != 0; }

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static int window_attributes(struct build *b, const struct br_node *node, Onnx__NodeProto *made, bool dilations) {
  const struct br_shape *in = &node_at(b, node->inputs[0])->shape;
  struct br_window w;
  BR_TRY(br_window_find(node, in->d[1], in->d[2], &w));
  br__build_ints(b, made, "kernel_shape", (int64_t[]){w.kernel[0], w.kernel[1]}, 2);
  br__build_ints(b, made, "strides", (int64_t[]){w.stride[0], w.stride[1]}, 2);
  br__build_ints(b, made, "pads", (int64_t[]){w.before[0], w.before[1], w.after[0], w.after[1]}, 4);
  if (dilations) br__build_ints(b, made, "dilations", (int64_t[]){w.dilation[0], w.dilation[1]}, 2);
  return BR_OK;
}

static int write_conv(struct build *b, const struct br_node *node) {
  const char *x = name_of(b, node->inputs[0]), *w = weight(b, node, 0, (int[]){3, 2, 0, 1}, 0, 0), *bias = flag(node, "bias") ? weight(b, node, 1, NULL, 0, 0) : NULL;
  Onnx__NodeProto *made = br__build_node(b, "Conv", node->name, IN(x, w, bias));
  int groups = (int)number(node, "groups", 0);
  br__build_int(b, made, "group", groups ? groups : br_shape_channels(&node_at(b, node->inputs[0])->shape));
  return window_attributes(b, node, made, true);
}

static int write_convtranspose(struct build *b, const struct br_node *node) {
  const char *x = name_of(b, node->inputs[0]), *w = weight(b, node, 0, (int[]){3, 2, 0, 1}, 0, 0), *bias = flag(node, "bias") ? weight(b, node, 1, NULL, 0, 0) : NULL;
  Onnx__NodeProto *made = br__build_node(b, "ConvTranspose", node->name, IN(x, w, bias));
  int64_t v[4];
  static const char *const names[][2] = {{"kernel", "kernel_shape"}, {"stride", "strides"}, {"dilation", "dilations"}, {"extra", "output_padding"}};
  for (int a = 0; a < 4; a++) {
    for (int i = 0; i < 2; i++) v[i] = (int64_t)number(node, names[a][0], i);
    br__build_ints(b, made, names[a][1], v, 2);
  }
  const struct br_value *padding = br_node_value(node, "padding");
  for (int i = 0; i < 4; i++) v[i] = (int64_t)(padding->n == 4 ? padding->v[i] : number(node, "padding", i % 2));
  br__build_ints(b, made, "pads", v, 4);
  br__build_int(b, made, "group", (int64_t)number(node, "groups", 0));
  return BR_OK;
}

static int write_pool(struct build *b, const struct br_node *node) {
  bool average = strcmp(node->op->name, "avgpool") == 0;
  Onnx__NodeProto *made = br__build_node(b, average ? "AveragePool" : "MaxPool", node->name, IN(name_of(b, node->inputs[0])));
  br__build_int(b, made, "ceil_mode", flag(node, "ceil"));
  if (average) br__build_int(b, made, "count_include_pad", flag(node, "countpadding"));
  return window_attributes(b, node, made, false);
}

static int write_resize(struct build *b, const struct br_node *node) {
  static const char *const coords[] = {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}, *const modes[] = {"nearest", "linear", "cubic"}, *const rounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  const struct br_shape *in = &node_at(b, node->inputs[0])->shape;
  int place = (int)number(node, "coords", 0);
  if (place > 3 || flag(node, "antialias")) BR_FAIL(BR_ERROR_DATA, "coords=halfpixelsymmetric, coords=crop and antialias=yes are not written");
  float *scales;
  const char *list = br__build_floats(b, br__build_name(b, "%s.scales", node->name), 1, (int64_t[]){4}, &scales);
  for (int i = 0; scales && i < 4; i++) {
    int axis = net_axis(4, i);
    double given = axis == 1 || axis == 2 ? number(node, "scales", axis - 1) : 0;
    scales[i] = (float)(given > 0 ? given : (double)node->shape.d[axis] / in->d[axis]);
  }
  Onnx__NodeProto *made = br__build_node(b, "Resize", node->name, IN(name_of(b, node->inputs[0]), "", list));
  br__build_word(b, made, "mode", modes[(int)number(node, "mode", 0)]);
  br__build_word(b, made, "coordinate_transformation_mode", coords[place]);
  br__build_word(b, made, "nearest_mode", rounds[(int)number(node, "round", 0)]);
  br__build_float(b, made, "cubic_coeff_a", number(node, "cubic", 0));
  br__build_int(b, made, "exclude_outside", flag(node, "exclude"));
  return BR_OK;
}

/* Normalisations with parameters per channel; `n` of them. */
static int write_channels(struct build *b, const struct br_node *node, const char *op, int n) {
  const char *in[6] = {name_of(b, node->inputs[0])};
  if (node->shape.rank != 4 && node->shape.rank != 2) BR_FAIL(BR_ERROR_DATA, "%s of %d axes has no counterpart", node->op->name, node->shape.rank);
  for (int i = 0; i < n; i++) in[1 + i] = weight(b, node, i, NULL, 0, 0);
  br__build_float(b, br__build_node(b, op, node->name, in), "epsilon", number(node, "eps", 0));
  return BR_OK;
}
static int write_batchnorm(struct build *b, const struct br_node *node) { return write_channels(b, node, "BatchNormalization", 4); }
static int write_instancenorm(struct build *b, const struct br_node *node) { return write_channels(b, node, "InstanceNormalization", 2); }

static int write_layernorm(struct build *b, const struct br_node *node) {
  const char *name = plain_name(b, node);
  Onnx__NodeProto *made = br__build_node(b, "LayerNormalization", name, IN(plain(b, node, 0), weight(b, node, 0, NULL, 0, 0), weight(b, node, 1, NULL, 0, 0)));
  br__build_float(b, made, "epsilon", number(node, "eps", 0));
  plain_end(b, node, name);
  return BR_OK;
}

static int write_lrn(struct build *b, const struct br_node *node) {
  Onnx__NodeProto *made = br__build_node(b, "LRN", node->name, IN(name_of(b, node->inputs[0])));
  br__build_int(b, made, "size", (int64_t)number(node, "size", 0));
  br__build_float(b, made, "alpha", number(node, "alpha", 0));
  br__build_float(b, made, "beta", number(node, "beta", 0));
  br__build_float(b, made, "bias", number(node, "bias", 0));
  return BR_OK;
}

/* --- products -------------------------------------------------------------------------------------------------------------- */

static int write_dense(struct build *b, const struct br_node *node) {
  const char *x = plain(b, node, 0), *w = weight(b, node, 0, NULL, 0, 0), *bias = flag(node, "bias") ? weight(b, node, 1, NULL, 0, 0) : NULL, *name = plain_name(b, node);
  if (node->shape.rank == 2) {
    br__build_node(b, "Gemm", node->name, IN(x, w, bias));
    return BR_OK;
  }
  const char *product = bias ? br__build_name(b, "%s.product", node->name) : name;
  br__build_node(b, "MatMul", product, IN(x, w));
  if (bias) br__build_node(b, "Add", name, IN(product, bias));
  plain_end(b, node, name);
  return BR_OK;
}

static int write_matmul(struct build *b, const struct br_node *node) {
  const char *name = plain_name(b, node);
  br__build_node(b, "MatMul", name, IN(plain(b, node, 0), plain(b, node, 1)));
  plain_end(b, node, name);
  return BR_OK;
}

/* --- values moved ---------------------------------------------------------------------------------------------------------- */

static int write_concat(struct build *b, const struct br_node *node) {
  const char *in[65] = {NULL};
  int axis = (int)number(node, "axis", 0);
  for (int k = 0; k < node->n_inputs; k++) in[k] = name_of(b, node->inputs[k]);
  br__build_int(b, br__build_node(b, "Concat", node->name, in), "axis", file_axis(node->shape.rank, axis > 0 ? axis : node->shape.rank - 1));
  return BR_OK;
}

static int write_reshape(struct build *b, const struct br_node *node) {
  int64_t sizes[BR_MAX_RANK] = {0}; /* 0 keeps the batch */
  const struct br_shape *in = &node_at(b, node->inputs[0])->shape;
  const char *name = plain_name(b, node), *x = in->rank == 4 && in->d[1] == 1 && in->d[2] == 1 ? name_of(b, node->inputs[0]) : plain(b, node, 0);
  for (int i = 1; i < node->shape.rank; i++) sizes[i] = node->shape.d[i];
  br__build_node(b, "Reshape", name, IN(x, br__build_numbers(b, sizes, node->shape.rank)));
  plain_end(b, node, name);
  return BR_OK;
}

static int write_transpose(struct build *b, const struct br_node *node) {
  int64_t perm[BR_MAX_RANK] = {0};
  int rank = node->shape.rank;
  for (int a = 1; a < rank; a++) perm[a] = file_axis(rank, (int)number(node, "order", net_axis(rank, a) - 1));
  br__build_ints(b, br__build_node(b, "Transpose", node->name, IN(name_of(b, node->inputs[0]))), "perm", perm, rank);
  return BR_OK;
}

static int write_slice(struct build *b, const struct br_node *node) {
  int64_t start[BR_MAX_RANK], end[BR_MAX_RANK], axes[BR_MAX_RANK], step[BR_MAX_RANK];
  int n = node->shape.rank - 1;
  for (int i = 0; i < n; i++) {
    axes[i] = file_axis(node->shape.rank, i + 1);
    start[i] = (int64_t)number(node, "start", i);
    step[i] = (int64_t)number(node, "step", i);
    end[i] = start[i] + (int64_t)number(node, "size", i) * step[i];
    if (end[i] < 0) end[i] = INT64_MIN;
  }
  br__build_node(b, "Slice", node->name, IN(name_of(b, node->inputs[0]), br__build_numbers(b, start, n), br__build_numbers(b, end, n), br__build_numbers(b, axes, n), br__build_numbers(b, step, n)));
  return BR_OK;
}

static int write_tile(struct build *b, const struct br_node *node) {
  int64_t repeats[BR_MAX_RANK] = {1};
  for (int a = 1; a < node->shape.rank; a++) repeats[a] = (int64_t)number(node, "repeats", net_axis(node->shape.rank, a) - 1);
  br__build_node(b, "Tile", node->name, IN(name_of(b, node->inputs[0]), br__build_numbers(b, repeats, node->shape.rank)));
  return BR_OK;
}

static int write_pad(struct build *b, const struct br_node *node) {
  static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
  int64_t pads[2 * BR_MAX_RANK] = {0};
  int rank = node->shape.rank, mode = (int)number(node, "mode", 0);
  if (mode == 3) BR_FAIL(BR_ERROR_DATA, "mode=wrap has no counterpart in opset 17");
  for (int a = 1; a < rank; a++) {
    pads[a] = (int64_t)number(node, "before", net_axis(rank, a) - 1);
    pads[rank + a] = (int64_t)number(node, "after", net_axis(rank, a) - 1);
  }
  br__build_word(b, br__build_node(b, "Pad", node->name, IN(name_of(b, node->inputs[0]), br__build_numbers(b, pads, 2 * rank), br__build_scalar(b, number(node, "value", 0)))), "mode", modes[mode]);
  return BR_OK;
}

/* --- one and two values to one --------------------------------------------------------------------------------------------- */

static int write_same(struct build *b, const struct br_node *node) {
  br__build_node(b, "Identity", node->name, IN(name_of(b, node->inputs[0])));
  return BR_OK;
}

static int write_clip(struct build *b, const struct br_node *node) {
  bool six = strcmp(node->op->name, "relu6") == 0;
  br__build_node(b, "Clip", node->name, IN(name_of(b, node->inputs[0]), br__build_scalar(b, six ? 0 : number(node, "min", 0)), br__build_scalar(b, six ? 6 : number(node, "max", 0))));
  return BR_OK;
}

static int write_hardsigmoid(struct build *b, const struct br_node *node) {
  Onnx__NodeProto *made = br__build_node(b, "HardSigmoid", node->name, IN(name_of(b, node->inputs[0])));
  br__build_float(b, made, "alpha", 1.0 / 6);
  br__build_float(b, made, "beta", 0.5);
  return BR_OK;
}

static int write_with_alpha(struct build *b, const struct br_node *node) {
  br__build_float(b, br__build_node(b, strcmp(node->op->name, "elu") == 0 ? "Elu" : "LeakyRelu", node->name, IN(name_of(b, node->inputs[0]))), "alpha", number(node, "alpha", 0));
  return BR_OK;
}

static int write_selu(struct build *b, const struct br_node *node) {
  Onnx__NodeProto *made = br__build_node(b, "Selu", node->name, IN(name_of(b, node->inputs[0])));
  br__build_float(b, made, "alpha", number(node, "alpha", 0));
  br__build_float(b, made, "gamma", number(node, "gamma", 0));
  return BR_OK;
}

/* x times f(x), in two nodes. */
static int write_silu(struct build *b, const struct br_node *node) {
  const char *x = name_of(b, node->inputs[0]), *gate = br__build_name(b, "%s.gate", node->name);
  br__build_node(b, "Sigmoid", gate, IN(x));
  br__build_node(b, "Mul", node->name, IN(x, gate));
  return BR_OK;
}

static int write_mish(struct build *b, const struct br_node *node) {
  const char *x = name_of(b, node->inputs[0]), *soft = br__build_name(b, "%s.softplus", node->name), *gate = br__build_name(b, "%s.gate", node->name);
  br__build_node(b, "Softplus", soft, IN(x));
  br__build_node(b, "Tanh", gate, IN(soft));
  br__build_node(b, "Mul", node->name, IN(x, gate));
  return BR_OK;
}

/* x (1 + erf(x / sqrt 2)) / 2 */
static int write_gelu(struct build *b, const struct br_node *node) {
  const char *x = name_of(b, node->inputs[0]), *scaled = br__build_name(b, "%s.scaled", node->name), *erf = br__build_name(b, "%s.erf", node->name), *one = br__build_name(b, "%s.one", node->name), *twice = br__build_name(b, "%s.twice", node->name);
  br__build_node(b, "Mul", scaled, IN(x, br__build_scalar(b, 0.70710678118654752)));
  br__build_node(b, "Erf", erf, IN(scaled));
  br__build_node(b, "Add", one, IN(erf, br__build_scalar(b, 1)));
  br__build_node(b, "Mul", twice, IN(x, one));
  br__build_node(b, "Mul", node->name, IN(twice, br__build_scalar(b, 0.5)));
  return BR_OK;
}

static int write_prelu(struct build *b, const struct br_node *node) {
  br__build_node(b, "PRelu", node->name, IN(name_of(b, node->inputs[0]), weight(b, node, 0, NULL, 0, node->shape.rank == 4 ? 2 : 0)));
  return BR_OK;
}

static int write_softmax(struct build *b, const struct br_node *node) {
  br__build_int(b, br__build_node(b, strcmp(node->op->name, "softmax") == 0 ? "Softmax" : "LogSoftmax", node->name, IN(name_of(b, node->inputs[0]))), "axis", file_axis(node->shape.rank, node->shape.rank - 1));
  return BR_OK;
}

static int write_sum(struct build *b, const struct br_node *node) {
  const char *in[17] = {NULL};
  for (int k = 0; k < node->n_inputs; k++) in[k] = name_of(b, node->inputs[k]);
  br__build_node(b, node->n_inputs == 2 ? "Add" : "Sum", node->name, in);
  return BR_OK;
}

static int write_reduce(struct build *b, const struct br_node *node, const char *op) {
  const struct br_value *axes = br_node_value(node, "axes");
  int64_t list[BR_MAX_RANK];
  for (int i = 0; i < axes->n; i++) list[i] = file_axis(node->shape.rank, (int)axes->v[i]);
  if (strcmp(op, "ReduceSum") == 0)
    br__build_node(b, op, node->name, IN(name_of(b, node->inputs[0]), br__build_numbers(b, list, axes->n)));
  else
    br__build_ints(b, br__build_node(b, op, node->name, IN(name_of(b, node->inputs[0]))), "axes", list, axes->n);
  return BR_OK;
}

/* With a parameter: its axes in the file's order. */
static int write_binary(struct build *b, const struct br_node *node, const char *op) {
  const char *x = name_of(b, node->inputs[0]), *y;
  if (node->n_inputs == 2) {
    y = name_of(b, node->inputs[1]);
  } else {
    int rank = node->shape.rank, order[BR_MAX_RANK];
    for (int a = 1; a < rank; a++) order[a - 1] = net_axis(rank, a) - 1;
    y = weight(b, node, 0, order, 1, 0);
    if (flag(node, "swap")) {
      const char *t = x;
      x = y, y = t;
    }
  }
  br__build_node(b, op, node->name, IN(x, y));
  return BR_OK;
}

static const struct {
  const char *name;
  int (*write)(struct build *b, const struct br_node *node);
} writers[] = {{"conv", write_conv}, {"convtranspose", write_convtranspose}, {"maxpool", write_pool}, {"avgpool", write_pool}, {"resize", write_resize}, {"batchnorm", write_batchnorm}, {"instancenorm", write_instancenorm},
               {"layernorm", write_layernorm}, {"lrn", write_lrn}, {"dense", write_dense}, {"matmul", write_matmul}, {"concat", write_concat}, {"reshape", write_reshape}, {"flatten", write_reshape}, {"transpose", write_transpose},
               {"slice", write_slice}, {"tile", write_tile}, {"pad", write_pad}, {"dropout", write_same}, {"relu6", write_clip}, {"clip", write_clip}, {"hardsigmoid", write_hardsigmoid}, {"elu", write_with_alpha},
               {"leakyrelu", write_with_alpha}, {"silu", write_silu}, {"mish", write_mish}, {"selu", write_selu}, {"gelu", write_gelu}, {"prelu", write_prelu}, {"softmax", write_softmax}, {"logsoftmax", write_softmax}, {"add", write_sum}};

/* Operators that are the same in both but for the word. */
static const struct {
  const char *name, *op;
} words[] = {{"relu", "Relu"}, {"sigmoid", "Sigmoid"}, {"hardswish", "HardSwish"}, {"tanh", "Tanh"}, {"softplus", "Softplus"}, {"softsign", "Softsign"}, {"erf", "Erf"}, {"exp", "Exp"}, {"log", "Log"},
             {"neg", "Neg"}, {"abs", "Abs"}, {"sqrt", "Sqrt"}, {"reciprocal", "Reciprocal"}, {"floor", "Floor"}, {"ceil", "Ceil"}, {"round", "Round"}, {"sign", "Sign"}, {"globalpool", "GlobalAveragePool"}, {"mul", "Mul"}},
  binaries[] = {{"plus", "Add"}, {"times", "Mul"}, {"sub", "Sub"}, {"div", "Div"}, {"pow", "Pow"}, {"min", "Min"}, {"max", "Max"}},
  reductions[] = {{"reducesum", "ReduceSum"}, {"reducemean", "ReduceMean"}, {"reducemax", "ReduceMax"}, {"reducemin", "ReduceMin"}, {"reduceprod", "ReduceProd"}};

#define LENGTH(list) (sizeof(list) / sizeof *(list))

static int write_node(struct build *b, const struct br_node *node) {
  const char *word = node->op->name;
  for (size_t i = 0; i < LENGTH(writers); i++)
    if (strcmp(word, writers[i].name) == 0) return writers[i].write(b, node);
  for (size_t i = 0; i < LENGTH(binaries); i++)
    if (strcmp(word, binaries[i].name) == 0) return write_binary(b, node, binaries[i].op);
  for (size_t i = 0; i < LENGTH(reductions); i++)
    if (strcmp(word, reductions[i].name) == 0) return write_reduce(b, node, reductions[i].op);
  for (size_t i = 0; i < LENGTH(words); i++) {
    if (strcmp(word, words[i].name) != 0) continue;
    br__build_node(b, words[i].op, node->name, node->n_inputs == 2 ? IN(name_of(b, node->inputs[0]), name_of(b, node->inputs[1])) : IN(name_of(b, node->inputs[0])));
    return BR_OK;
  }
  BR_FAIL(BR_ERROR_DATA, "operator %s has no counterpart in ONNX", word);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------- */

/* Where the border wants another order of axes than the file's nodes have: a transpose from one to the other. */
static bool turn(const struct br_border_tensor *t, int64_t *perm, bool out) {
  bool same = true;
  for (int a = 0; a < t->rank; a++) { /* axis order[i] outside is axis i of the net, which is axis file_axis(i) of the file */
    int i = 0;
    while (t->order[i] != a) i++;
    int at = file_axis(t->rank, i);
    if (out)
      perm[a] = at;
    else
      perm[at] = a;
    same = same && at == a;
  }
  return !same;
}

static int write_border(struct build *b, const struct br_border *border, Onnx__GraphProto *g, bool out) {
  const struct br_graph *graph = b->model->graph;
  int n = out ? border->n_outputs : border->n_inputs;
  for (int i = 0; i < n; i++) {
    const struct br_border_tensor *t = out ? &border->outputs[i] : &border->inputs[i];
    const struct br_node *node = &graph->nodes[out ? graph->outputs[i] : i];
    int64_t perm[BR_MAX_RANK], d[BR_MAX_RANK];
    bool own = br_model_get(b->model, "tensors") == NULL; /* a net made here: its pictures are N,C,H,W outside */
    bool turned = !own && turn(t, perm, out);
    bool named = strcmp(t->name, node->name) == 0; /* then the node itself is the tensor outside, unless it must be turned */
    const char *outside = named && turned ? br__build_name(b, "%s%s", t->name, out ? ".output" : ".input") : t->name;
    if (own)
      file_sizes(&node->shape, d);
    else
      memcpy(d, t->d, sizeof d);
    if (!named || turned) {
      Onnx__NodeProto *made = br__build_node(b, turned ? "Transpose" : "Identity", out ? outside : node->name, IN(out ? node->name : outside));
      if (turned) br__build_ints(b, made, "perm", perm, t->rank);
    }
    Onnx__ValueInfoProto *info = br__build_info(b, outside, t->rank, d, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    if (b->status != BR_OK) return b->status;
    if (out)
      g->output[g->n_output++] = info;
    else
      g->input[g->n_input++] = info;
  }
  return BR_OK;
}

static int write_graph(struct build *b, const struct br_border *border, Onnx__GraphProto *g) {
  const struct br_graph *graph = b->model->graph;
  BR_TRY(br__onnx_alloc(&b->arena, (size_t)border->n_inputs, sizeof *g->input, &g->input));
  BR_TRY(br__onnx_alloc(&b->arena, (size_t)border->n_outputs, sizeof *g->output, &g->output));
  BR_TRY(write_border(b, border, g, false));
  for (int i = graph->n_inputs; i < graph->n_nodes; i++) {
    const struct br_node *node = &graph->nodes[i];
    if (node->op->flags & (BR_OP_LOSS | BR_OP_OUTPUTS)) continue;
    int status = write_node(b, node);
    if (status != BR_OK) return br_error_prefix(status, "node %s", node->name);
    BR_TRY(b->status);
  }
  BR_TRY(write_border(b, border, g, true));
  return b->status;
}

/* Class names, preprocessing and the like, as they are. */
static int write_metadata(struct build *b, Onnx__ModelProto *m) {
  size_t n = (size_t)b->model->n_entries;
  Onnx__StringStringEntryProto *entries;
  BR_TRY(br__onnx_alloc(&b->arena, n, sizeof *entries, &entries));
  BR_TRY(br__onnx_alloc(&b->arena, n, sizeof *m->metadata_props, &m->metadata_props));
  for (size_t i = 0; i < n; i++) {
    if (strcmp(b->model->entries[i].key, "tensors") == 0) continue;
    onnx__string_string_entry_proto__init(&entries[i]);
    entries[i].key = b->model->entries[i].key, entries[i].value = b->model->entries[i].value;
    m->metadata_props[m->n_metadata_props++] = &entries[i];
  }
  return BR_OK;
}

int br_onnx_write(const struct br_model *model, const char *path) {
  struct build b = {.model = model};
  struct br_border border = {0};
  Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
  Onnx__GraphProto g = ONNX__GRAPH_PROTO__INIT;
  int status = br_border_open(model, &border);
  if (status == BR_OK && !border.batched) status = br_error_set(BR_ERROR_DATA, "%s: this net was read for one size of batch and cannot be written with an open one", model->graph->name);
  if (status == BR_OK) status = write_graph(&b, &border, &g);
  if (status == BR_OK) status = write_metadata(&b, &m);
  if (status == BR_OK) {
    m.graph = &g;
    status = br__build_save(&b, &m, false, path);
  }
  br_border_free(&border);
  br__onnx_free(&b.arena);
  return status;
}
