/* What exporters write in several nodes, made one again before the file is translated: hard swish and hard sigmoid, SiLU, Mish, GELU, layer normalisation, and
 * products with a bias, as PyTorch's two exporters, tf2onnx and paddle2onnx write them. The last node of a pattern is replaced; those before it are left out when
 * nothing else needs them. Nothing is allocated for graphs without patterns but a table of names. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

#include <math.h>
#include <string.h>

/* Which node makes a value: value.node of a table by name. Initializers are in the importer's own. */
struct names {
  struct importer table; /* only its table and blocks */
  struct importer *imp;
  const Onnx__GraphProto *graph;
};

/* --- looking ------------------------------------------------------------------------------------------------------------- */

/* The node of that operator that makes the value as its first output; NULL if it is made otherwise. */
static const Onnx__NodeProto *maker(const struct names *n, const char *name, const char *op) {
  const struct value *v = name[0] ? br__onnx_find(&n->table, name) : NULL;
  if (!v) return NULL;
  const Onnx__NodeProto *node = n->graph->node[v->node];
  return node->op_type && strcmp(node->op_type, op) == 0 && node->n_output > 0 && strcmp(node->output[0], name) == 0 ? node : NULL;
}

/* The constant's tensor; NULL if it is none, or one that cannot be read (whoever needs it will say so). */
static struct tensor *constant(const struct names *n, const char *name) {
  const struct value *v = name[0] ? br__onnx_find(n->imp, name) : NULL;
  struct tensor *t = v ? v->constant : NULL;
  const Onnx__NodeProto *node = maker(n, name, "Constant");
  for (size_t i = 0; node && i < node->n_attribute; i++)
    if (node->attribute[i]->t && br__onnx_tensor(n->imp, node->attribute[i]->t, &t) != BR_OK) return NULL;
  return t;
}

static bool number(const struct names *n, const char *name, double *out) {
  const Onnx__NodeProto *node = maker(n, name, "Constant");
  struct tensor *t = constant(n, name);
  if (node && node->n_attribute == 1 && node->attribute[0]->has_f) return *out = (double)node->attribute[0]->f, true;
  if (!t || t->count != 1 || br__onnx_numbers(n->imp, t) != BR_OK) return false;
  *out = t->v[0];
  return true;
}

static bool is_number(const struct names *n, const char *name, double wanted) {
  double x;
  return number(n, name, &x) && fabs(x - wanted) <= 1e-3 * fabs(wanted);
}

static double attribute(const Onnx__NodeProto *node, const char *name, double fallback) {
  for (size_t i = 0; i < node->n_attribute; i++)
    if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0) return node->attribute[i]->has_f ? (double)node->attribute[i]->f : node->attribute[i]->has_i ? (double)node->attribute[i]->i : fallback;
  return fallback;
}

static bool same(const char *a, const char *b) { return a && b && a[0] && strcmp(a, b) == 0; }

/* `name` is op(x, number), for sums and products in either order: x, else NULL. */
static const char *beside(const struct names *n, const char *name, const char *op, double wanted) {
  const Onnx__NodeProto *node = maker(n, name, op);
  if (!node || node->n_input != 2) return NULL;
  if (is_number(n, node->input[1], wanted)) return node->input[0];
  bool either = strcmp(op, "Add") == 0 || strcmp(op, "Mul") == 0;
  return either && is_number(n, node->input[0], wanted) ? node->input[1] : NULL;
}

/* x / number, written as a quotient or as a product. */
static const char *over(const struct names *n, const char *name, double by) {
  const char *x = beside(n, name, "Div", by);
  return x ? x : beside(n, name, "Mul", 1 / by);
}

/* `name` is op(x). */
static const char *behind(const struct names *n, const char *name, const char *op) {
  const Onnx__NodeProto *node = maker(n, name, op);
  return node && node->n_input >= 1 ? node->input[0] : NULL;
}

/* x between low and high: Clip with attributes or inputs, or Min(Relu(x), high). */
static const char *between(const struct names *n, const char *name, double low, double high) {
  const Onnx__NodeProto *node = maker(n, name, "Clip");
  if (node && node->n_input >= 1) {
    double from = attribute(node, "min", -INFINITY), to = attribute(node, "max", INFINITY);
    if (node->n_input > 1 && !number(n, node->input[1], &from)) return NULL;
    if (node->n_input > 2 && !number(n, node->input[2], &to)) return NULL;
    return from == low && to == high ? node->input[0] : NULL;
  }
  const char *x = low == 0 ? beside(n, name, "Min", high) : NULL;
  return x ? behind(n, x, "Relu") : NULL;
}

/* --- the patterns: each gives x, or NULL --------------------------------------------------------------------------------- */

/* max(0, min(1, x / 6 + 1/2)) */
static const char *hard_sigmoid(const struct names *n, const char *name) {
  const Onnx__NodeProto *node = maker(n, name, "HardSigmoid");
  if (node && node->n_input == 1) return fabs(attribute(node, "alpha", 0.2) - 1.0 / 6) < 1e-4 && attribute(node, "beta", 0.5) == 0.5 ? node->input[0] : NULL;
  const char *six = over(n, name, 6), *x = six ? between(n, six, 0, 6) : NULL;
  if (x) return beside(n, x, "Add", 3);
  x = between(n, name, 0, 1);
  x = x ? beside(n, x, "Add", 0.5) : NULL;
  return x ? over(n, x, 6) : NULL;
}

static const char *hard_swish(const struct names *n, const Onnx__NodeProto *root) {
  const char *name = root->output[0], *product = over(n, name, 6), *x;
  const Onnx__NodeProto *node = product ? maker(n, product, "Mul") : NULL;
  for (int i = 0; node && node->n_input == 2 && i < 2; i++) { /* (x clip(x + 3)) / 6 */
    const char *clip = between(n, node->input[i], 0, 6);
    x = clip ? beside(n, clip, "Add", 3) : NULL;
    if (same(x, node->input[1 - i])) return x;
  }
  for (int i = 0; strcmp(root->op_type, "Mul") == 0 && i < 2; i++) {
    x = hard_sigmoid(n, root->input[i]);
    if (same(x, root->input[1 - i])) return x;
    const char *clip = between(n, root->input[i], 0, 6), *sixth = over(n, root->input[1 - i], 6); /* (x / 6) clip(x + 3) */
    x = clip ? beside(n, clip, "Add", 3) : NULL;
    if (same(x, sixth)) return x;
  }
  return NULL;
}

static const char *silu(const struct names *n, const Onnx__NodeProto *root) {
  for (int i = 0; i < 2; i++)
    if (same(behind(n, root->input[i], "Sigmoid"), root->input[1 - i])) return root->input[1 - i];
  return NULL;
}

static const char *mish(const struct names *n, const Onnx__NodeProto *root) {
  for (int i = 0; i < 2; i++) {
    const char *soft = behind(n, root->input[i], "Tanh"), *sum, *x = soft ? behind(n, soft, "Softplus") : NULL;
    if (soft && !x && (sum = behind(n, soft, "Log")) && (sum = beside(n, sum, "Add", 1))) x = behind(n, sum, "Exp");
    if (same(x, root->input[1 - i])) return x;
  }
  return NULL;
}

/* 1 + erf(x / sqrt 2) */
static const char *error_sum(const struct names *n, const char *name) {
  const char *erf = beside(n, name, "Add", 1), *scaled = erf ? behind(n, erf, "Erf") : NULL;
  return scaled ? over(n, scaled, sqrt(2)) : NULL;
}

/* x, that sum and a half, multiplied in any order. */
static const char *gelu(const struct names *n, const Onnx__NodeProto *root) {
  const char *name = root->output[0], *product = over(n, name, 2), *x;
  const Onnx__NodeProto *node = product ? maker(n, product, "Mul") : NULL;
  for (int i = 0; node && node->n_input == 2 && i < 2; i++)
    if ((x = error_sum(n, node->input[i])) && same(x, node->input[1 - i])) return x;
  for (int i = 0; strcmp(root->op_type, "Mul") == 0 && i < 2; i++) {
    const char *half = over(n, root->input[i], 2); /* (sum / 2) x, or (x / 2) sum */
    if (half && (x = error_sum(n, half)) && same(x, root->input[1 - i])) return x;
    if (half && (x = error_sum(n, root->input[1 - i])) && same(x, half)) return x;
  }
  return NULL;
}

/* ReduceMean along the last axis, which stays. */
static const char *mean(const struct names *n, const char *name) {
  const Onnx__NodeProto *node = maker(n, name, "ReduceMean");
  if (!node || node->n_input < 1 || attribute(node, "keepdims", 1) != 1) return NULL;
  if (node->n_input > 1) return is_number(n, node->input[1], -1) ? node->input[0] : NULL;
  for (size_t i = 0; i < node->n_attribute; i++)
    if (node->attribute[i]->n_ints == 1 && node->attribute[i]->ints[0] == -1) return node->input[0];
  return NULL;
}

/* x less its mean: x. */
static const char *centred(const struct names *n, const char *name) {
  const Onnx__NodeProto *node = maker(n, name, "Sub");
  return node && node->n_input == 2 && same(mean(n, node->input[1]), node->input[0]) ? node->input[0] : NULL;
}

/* sqrt(variance + epsilon) of x. */
static const char *deviation(const struct names *n, const char *name, double *epsilon) {
  const char *sum = behind(n, name, "Sqrt"), *square, *x = NULL;
  if (!sum) sum = beside(n, name, "Pow", 0.5);
  const Onnx__NodeProto *node = sum ? maker(n, sum, "Add") : NULL;
  for (int i = 0; node && node->n_input == 2 && i < 2; i++) {
    if (!number(n, node->input[i], epsilon) || !(square = mean(n, node->input[1 - i]))) continue;
    const char *difference = beside(n, square, "Pow", 2);
    const Onnx__NodeProto *product = maker(n, square, "Mul");
    if (product && product->n_input == 2 && same(product->input[0], product->input[1])) difference = product->input[0];
    x = difference ? centred(n, difference) : NULL;
  }
  return x;
}

/* (x - mean) / deviation: as a quotient, or times the reciprocal. */
static const char *normalised(const struct names *n, const char *name, double *epsilon) {
  const Onnx__NodeProto *node = maker(n, name, "Div");
  const char *x = node && node->n_input == 2 ? centred(n, node->input[0]) : NULL;
  if (x) return same(deviation(n, node->input[1], epsilon), x) ? x : NULL;
  node = maker(n, name, "Mul");
  for (int i = 0; node && node->n_input == 2 && i < 2; i++) {
    const char *root = behind(n, node->input[i], "Reciprocal");
    x = centred(n, node->input[1 - i]);
    if (x && root && same(deviation(n, root, epsilon), x)) return x;
  }
  return NULL;
}

/* --- replacing ----------------------------------------------------------------------------------------------------------- */

/* The node becomes another with the same first output. */
static int replace(const struct names *n, Onnx__NodeProto **place, const char *op, const char *const *inputs, size_t n_inputs, double epsilon) {
  Onnx__NodeProto *node;
  Onnx__AttributeProto *a, **list;
  char **in;
  BR_TRY(br__onnx_alloc(n->imp, 1, sizeof *node, &node));
  BR_TRY(br__onnx_alloc(n->imp, n_inputs, sizeof *in, &in));
  BR_TRY(br__onnx_alloc(n->imp, 1, sizeof *a, &a));
  BR_TRY(br__onnx_alloc(n->imp, 1, sizeof *list, &list));
  onnx__node_proto__init(node);
  for (size_t i = 0; i < n_inputs; i++) in[i] = (char *)(uintptr_t)inputs[i];
  node->name = (*place)->name, node->op_type = (char *)(uintptr_t)op;
  node->n_input = n_inputs, node->input = in;
  node->n_output = 1, node->output = (*place)->output;
  if (epsilon >= 0) {
    onnx__attribute_proto__init(a);
    a->name = (char *)"epsilon", a->has_f = 1, a->f = (float)epsilon;
    list[0] = a;
    node->n_attribute = 1, node->attribute = list;
  }
  *place = node;
  return BR_OK;
}

/* x normalised times w, plus b where there is one; both are rows. */
static int layer_norm(const struct names *n, Onnx__NodeProto **place, bool *done) {
  const Onnx__NodeProto *root = *place, *product = strcmp(root->op_type, "Mul") == 0 ? root : NULL;
  const char *bias = NULL;
  for (int i = 0; !product && i < 2; i++)
    if (constant(n, root->input[i]) && (product = maker(n, root->input[1 - i], "Mul")) && product->n_input == 2) bias = root->input[i];
  for (int i = 0; product && product->n_input == 2 && i < 2; i++) {
    double epsilon = 0;
    const char *weight = product->input[1 - i], *x = normalised(n, product->input[i], &epsilon);
    struct tensor *w = constant(n, weight), *b = bias ? constant(n, bias) : NULL;
    if (!x || !w || w->rank != 1 || w->count < 2 || (b && (b->rank != 1 || b->count != w->count))) continue;
    *done = true;
    return replace(n, place, "LayerNormalization", (const char *const[]){x, weight, bias}, bias ? 3 : 2, epsilon);
  }
  return BR_OK;
}

/* MatMul with weights, and a bias for each of its columns: given to MatMul as a third input, which map_matmul knows. */
static int biased_product(const struct names *n, Onnx__NodeProto **place, bool *done) {
  const Onnx__NodeProto *root = *place;
  for (int i = 0; i < 2; i++) {
    const Onnx__NodeProto *product = maker(n, root->input[i], "MatMul");
    struct tensor *w = product && product->n_input == 2 ? constant(n, product->input[1]) : NULL, *b = w ? constant(n, root->input[1 - i]) : NULL;
    if (!w || !b || constant(n, product->input[0]) || w->rank != 2 || b->rank != 1 || b->count != (size_t)w->d[1]) continue;
    *done = true;
    return replace(n, place, "MatMul", (const char *const[]){product->input[0], product->input[1], root->input[1 - i]}, 3, -1);
  }
  return BR_OK;
}

static int try_node(const struct names *n, Onnx__NodeProto **place) {
  static const struct {
    const char *(*find)(const struct names *n, const Onnx__NodeProto *root);
    const char *op;
    bool quotient; /* may end with a division */
  } patterns[] = {{hard_swish, "HardSwish", true}, {silu, "Swish", false}, {mish, "Mish", false}, {gelu, "Gelu", true}};
  const Onnx__NodeProto *root = *place;
  bool product = strcmp(root->op_type, "Mul") == 0, quotient = strcmp(root->op_type, "Div") == 0, sum = strcmp(root->op_type, "Add") == 0, done = false;
  if (root->n_input != 2 || root->n_output != 1 || (root->domain && root->domain[0])) return BR_OK;
  if (product || sum) BR_TRY(layer_norm(n, place, &done));
  if (sum && !done) BR_TRY(biased_product(n, place, &done));
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns && !done && (product || quotient); i++) {
    const char *x = product || patterns[i].quotient ? patterns[i].find(n, root) : NULL;
    if (!x) continue;
    done = true;
    BR_TRY(replace(n, place, patterns[i].op, &x, 1, -1));
  }
  return BR_OK;
}

/* --- the table ----------------------------------------------------------------------------------------------------------- */

static int add_names(struct names *n) {
  const Onnx__GraphProto *g = n->graph;
  size_t total = 16;
  struct value *v;
  for (size_t i = 0; i < g->n_node; i++) total += g->node[i]->n_output;
  n->table.table_size = 2 * total + 1;
  BR_TRY(br__onnx_alloc(&n->table, n->table.table_size, sizeof *n->table.table, &n->table.table));
  for (size_t i = 0; i < g->n_node; i++)
    for (size_t k = 0; k < g->node[i]->n_output; k++) {
      const char *name = g->node[i]->output[k];
      if (!name[0] || br__onnx_find(&n->table, name)) continue;
      BR_TRY(br__onnx_add(&n->table, name, &v));
      v->node = (int)i;
    }
  return BR_OK;
}

int br__onnx_patterns(struct importer *imp, Onnx__GraphProto *graph) {
  struct names n = {.imp = imp, .graph = graph};
  int status = add_names(&n);
  for (size_t i = graph->n_node; status == BR_OK && i-- > 0;) /* the last first: what a longer pattern takes in is not looked at as a shorter one's end before */
    if (graph->node[i]->op_type) status = try_node(&n, &graph->node[i]);
  br__onnx_free(&n.table);
  return status;
}
