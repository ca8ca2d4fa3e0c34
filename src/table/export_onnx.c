/* Models of tables as ONNX. It reads a model by the tensors of its file, which every kind lists. Linear and logistic models are plain arithmetic in doubles (the ML
 * operators for them are in floats, which years and their intercepts do not survive); trees are TreeEnsembleRegressor with double thresholds. A category is its code,
 * and what a code means (weights, or which way it goes at every split of its column) is looked up in a table with one more row, for what is missing or unknown. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/onnx_graph.h>
#include <bramble/table/export.h>

#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TABLE_BYTES ((size_t)256 << 20)
#define IN(...) ((const char *const[]){__VA_ARGS__, NULL})
enum { MISSING_LEFT = 1, IS_SET = 2 }; /* flags of a node in the file */

struct export {
  const struct br_table_model *model;
  struct br_onnx_graph *graph;
  struct br_tensor_entry tensors[BR__MODEL_TENSORS];
  size_t n_tensors;
  char name[64]; /* the last that was made */
  int made;
};

static bool is_category(const struct export *e, size_t f) { return e->model->features[f].type == BR_COLUMN_CATEGORY; }

/* A name for a value inside that no column has. */
static const char *fresh(struct export *e) {
  snprintf(e->name, sizeof e->name, "value%d", ++e->made);
  for (size_t f = 0; f < e->model->n_features; f++)
    if (strcmp(e->model->features[f].name, e->name) == 0) return fresh(e);
  return e->name;
}

static const void *tensor(const struct export *e, const char *name, size_t *count) {
  for (size_t i = 0; i < e->n_tensors; i++)
    if (strcmp(e->tensors[i].name, name) == 0) {
      if (count) *count = (size_t)e->tensors[i].shape[0];
      return e->tensors[i].data;
    }
  if (count) *count = 0;
  return NULL;
}

/* The inputs; code[f] is the name of a category's codes (its number of categories where it is missing or unknown). */
static int add_inputs(struct export *e, char (*code)[64]) {
  for (size_t f = 0; f < e->model->n_features; f++) {
    const struct br_table_model_column *column = &e->model->features[f];
    if (strcmp(column->name, "prediction") == 0 || strcmp(column->name, "probabilities") == 0) BR_FAIL(BR_ERROR_DATA, "a feature is named %s, like an output of the ONNX file; name the column otherwise and train again", column->name);
    br_onnx_graph_input(e->graph, column->name, is_category(e, f) ? BR_ONNX_TEXT : BR_ONNX_F64, 1);
    if (!is_category(e, f) || column->n_categories == 0) continue;
    int64_t *number;
    BR_TRY(br_memory_alloc(column->n_categories, sizeof *number, "ONNX file", &number));
    for (size_t k = 0; k < column->n_categories; k++) number[k] = (int64_t)k;
    strcpy(code[f], fresh(e));
    struct br_onnx_node *node = br_onnx_graph_node(e->graph, "ml:LabelEncoder", code[f], IN(column->name));
    br_onnx_node_words(e->graph, node, "keys_strings", (const char *const *)column->categories, column->n_categories);
    br_onnx_node_ints(e->graph, node, "values_int64s", number, column->n_categories);
    br_onnx_node_int(e->graph, node, "default_int64", (int64_t)column->n_categories);
    br_memory_free(number);
  }
  return BR_OK;
}

/* Rows of the table [n + 1, columns] for the codes: [rows, columns], under a name into `out`. */
static void look_up(struct export *e, const char *code, const double *table, size_t n, size_t columns, char *out) {
  char values[64], wide[64];
  strcpy(values, fresh(e));
  br_onnx_graph_values(e->graph, values, BR_ONNX_F64, 2, (int64_t[]){(int64_t)n + 1, (int64_t)columns}, table);
  strcpy(wide, fresh(e));
  br_onnx_graph_node(e->graph, "Gather", wide, IN(values, code));
  strcpy(values, fresh(e));
  br_onnx_graph_values(e->graph, values, BR_ONNX_I64, 1, (int64_t[]){1}, (int64_t[]){1});
  strcpy(out, fresh(e));
  br_onnx_graph_node(e->graph, "Squeeze", out, IN(wide, values));
}

/* Columns side by side; `names` ends with NULL. One alone is itself. */
static const char *join(struct export *e, const char *const *names, char *out) {
  if (!names[1]) return names[0];
  strcpy(out, fresh(e));
  br_onnx_node_int(e->graph, br_onnx_graph_node(e->graph, "Concat", out, names), "axis", 1);
  return out;
}

/* The answer: a column of numbers [rows, 1], or probabilities under their own name already. */
static void add_number(struct export *e, const char *from, enum br_onnx_type type) {
  char axes[64];
  strcpy(axes, fresh(e));
  br_onnx_graph_values(e->graph, axes, BR_ONNX_I64, 1, (int64_t[]){1}, (int64_t[]){1});
  br_onnx_graph_node(e->graph, "Squeeze", "prediction", IN(from, axes));
  br_onnx_graph_output(e->graph, "prediction", type, 0);
}

static void add_classes(struct export *e, enum br_onnx_type type) {
  char best[64], names[64];
  const struct br_table_model_column *target = &e->model->target;
  strcpy(best, fresh(e));
  struct br_onnx_node *node = br_onnx_graph_node(e->graph, "ArgMax", best, IN("probabilities"));
  br_onnx_node_int(e->graph, node, "axis", 1);
  br_onnx_node_int(e->graph, node, "keepdims", 0);
  strcpy(names, fresh(e));
  br_onnx_graph_values(e->graph, names, BR_ONNX_TEXT, 1, (int64_t[]){(int64_t)target->n_categories}, target->categories);
  br_onnx_graph_node(e->graph, "Gather", "prediction", IN(names, best));
  br_onnx_graph_output(e->graph, "prediction", BR_ONNX_TEXT, 0);
  br_onnx_graph_output(e->graph, "probabilities", type, (int64_t)e->model->outputs);
}

/* --- linear and logistic ------------------------------------------------------------------------------------------------- */

/* Adds a value to the sum so far ("" for none). */
static void add_to(struct export *e, char *sum, const char *value) {
  char out[64];
  if (!sum[0]) {
    strcpy(sum, value);
    return;
  }
  strcpy(out, fresh(e));
  br_onnx_graph_node(e->graph, "Add", out, IN(sum, value));
  strcpy(sum, out);
}

/* A linear or logistic model's parameters. The scores have `first` columns of zeros in front: a logistic model's first class. */
struct weights {
  const double *w, *b;
  size_t n, sets, first, columns;
};

/* n weights from `at` on as rows of a matrix (zeroed) of w->columns. */
static void put_rows(const struct weights *w, size_t at, size_t n, double *rows) {
  for (size_t k = 0; k < n; k++)
    for (size_t s = 0; s < w->sets; s++) rows[k * w->columns + w->first + s] = w->w[s * w->n + at + k];
}

/* What the number columns give: [rows, numbers] times a matrix. */
static int add_numbers(struct export *e, const struct weights *w, char *sum) {
  size_t n = 0, at = 0;
  const char **names;
  double *matrix;
  char name[64], joined[64];
  BR_TRY(br_memory_alloc(e->model->n_features + 1, sizeof *names, "ONNX file", &names));
  int status = br_memory_alloc(e->model->n_features * w->columns, sizeof *matrix, "ONNX file", &matrix);
  for (size_t f = 0; status == BR_OK && f < e->model->n_features; at += is_category(e, f) ? e->model->features[f].n_categories : 1, f++) {
    if (is_category(e, f)) continue;
    put_rows(w, at, 1, matrix + n * w->columns);
    names[n++] = e->model->features[f].name;
  }
  if (status == BR_OK && n > 0) {
    strcpy(name, fresh(e));
    br_onnx_graph_values(e->graph, name, BR_ONNX_F64, 2, (int64_t[]){(int64_t)n, (int64_t)w->columns}, matrix);
    const char *x = join(e, names, joined);
    char product[64];
    strcpy(product, fresh(e));
    br_onnx_graph_node(e->graph, "MatMul", product, IN(x, name));
    add_to(e, sum, product);
  }
  if (status == BR_OK) br_memory_free(matrix);
  br_memory_free(names);
  return status;
}

/* What category column f, whose weights begin at `at`, gives: nothing where it is missing or unknown. */
static int add_category(struct export *e, const struct weights *w, size_t f, size_t at, const char *code, char *sum) {
  size_t n = e->model->features[f].n_categories;
  double *table;
  char value[64];
  if (n == 0) return BR_OK;
  BR_TRY(br_memory_alloc((n + 1) * w->columns, sizeof *table, "ONNX file", &table));
  put_rows(w, at, n, table);
  look_up(e, code, table, n, w->columns, value);
  add_to(e, sum, value);
  br_memory_free(table);
  return BR_OK;
}

static int write_linear(struct export *e, char (*code)[64]) {
  bool classes = e->model->target.type == BR_COLUMN_CATEGORY;
  struct weights w = {.w = tensor(e, "weights", &w.n), .b = tensor(e, "intercept", NULL), .first = classes, .sets = classes ? e->model->outputs - 1 : 1, .columns = e->model->outputs};
  size_t at = 0;
  char sum[64] = "", value[64];
  double *intercept;
  w.n /= w.sets;
  BR_TRY(add_numbers(e, &w, sum));
  for (size_t f = 0; f < e->model->n_features; f++) {
    if (is_category(e, f)) BR_TRY(add_category(e, &w, f, at, code[f], sum));
    at += is_category(e, f) ? e->model->features[f].n_categories : 1;
  }
  if (!sum[0]) BR_FAIL(BR_ERROR_DATA, "the model has no feature with values");
  BR_TRY(br_memory_alloc(w.columns, sizeof *intercept, "ONNX file", &intercept));
  for (size_t s = 0; s < w.sets; s++) intercept[w.first + s] = w.b[s];
  strcpy(value, fresh(e));
  br_onnx_graph_values(e->graph, value, BR_ONNX_F64, 1, (int64_t[]){(int64_t)w.columns}, intercept);
  br_memory_free(intercept);
  add_to(e, sum, value);
  if (classes) {
    br_onnx_node_int(e->graph, br_onnx_graph_node(e->graph, "Softmax", "probabilities", IN(sum)), "axis", 1);
    add_classes(e, BR_ONNX_F64);
  } else {
    add_number(e, sum, BR_ONNX_F64);
  }
  return BR_OK;
}

/* --- trees --------------------------------------------------------------------------------------------------------------- */

/* The arrays of the model's file, and per node the column of the trees' input that it asks for. */
struct nodes {
  size_t n_trees, n;
  const int32_t *root, *feature, *left, *right, *counts;
  const double *threshold, *value;
  const unsigned char *flags, *sets;
  const int64_t *rows, *set, *first_count;
  int64_t *column;
};

static void find_nodes(const struct export *e, struct nodes *t) {
  *t = (struct nodes){0};
  t->root = tensor(e, "root", &t->n_trees);
  t->feature = tensor(e, "feature", &t->n);
  t->left = tensor(e, "left", NULL), t->right = tensor(e, "right", NULL), t->counts = tensor(e, "counts", NULL);
  t->threshold = tensor(e, "threshold", NULL), t->value = tensor(e, "value", NULL), t->flags = tensor(e, "flags", NULL), t->sets = tensor(e, "sets", NULL);
  t->rows = tensor(e, "rows", NULL), t->set = tensor(e, "set", NULL), t->first_count = tensor(e, "first_count", NULL);
}

static bool is_set(const struct nodes *t, size_t i) { return t->feature[i] >= 0 && t->flags[i] & IS_SET; }

/* A category column becomes one column for each split that asks for it: 0 left, 1 right, by a table. */
static int add_splits(struct export *e, struct nodes *t, size_t f, const char *code, int64_t *next, char *out) {
  size_t n = e->model->features[f].n_categories, splits = 0, at = 0, bytes;
  double *table;
  out[0] = 0;
  for (size_t i = 0; i < t->n; i++) splits += is_set(t, i) && (size_t)t->feature[i] == f;
  if (n == 0 || splits == 0) return BR_OK;
  if (!br_size_mul(n + 1, splits * sizeof *table, &bytes) || bytes > MOST_TABLE_BYTES)
    BR_FAIL(BR_ERROR_DATA, "column %s: %zu categories at %zu splits make a table too large for an ONNX file; train with fewer trees or leave the column out", e->model->features[f].name, n, splits);
  BR_TRY(br_memory_alloc((n + 1) * splits, sizeof *table, "ONNX file", &table));
  for (size_t i = 0; i < t->n; i++) {
    if (!is_set(t, i) || (size_t)t->feature[i] != f) continue;
    const unsigned char *set = t->sets + t->set[i] + 4; /* behind its length */
    for (size_t k = 0; k < n; k++) table[k * splits + at] = !(set[k / 8] >> (k % 8) & 1);
    table[n * splits + at++] = !(t->flags[i] & MISSING_LEFT);
    t->column[i] = (*next)++;
  }
  look_up(e, code, table, n, splits, out);
  br_memory_free(table);
  return BR_OK;
}

/* The input of the trees: number columns, and the splits of the others. */
static int add_columns(struct export *e, struct nodes *t, char (*code)[64], char *x) {
  size_t n = 0;
  int64_t next = 0;
  const char **names;
  char (*made)[64];
  BR_TRY(br_memory_alloc(e->model->n_features + 1, sizeof *names, "ONNX file", &names));
  int status = br_memory_alloc(e->model->n_features, sizeof *made, "ONNX file", &made);
  for (size_t f = 0; status == BR_OK && f < e->model->n_features; f++) {
    if (is_category(e, f)) {
      status = add_splits(e, t, f, code[f], &next, made[f]);
      if (made[f][0]) names[n++] = made[f];
      continue;
    }
    for (size_t i = 0; i < t->n; i++)
      if (t->feature[i] == (int32_t)f) t->column[i] = next;
    next++;
    names[n++] = e->model->features[f].name;
  }
  if (status == BR_OK && n == 0) { /* no tree asks for anything: any number a row will do */
    names[n++] = fresh(e);
    br_onnx_node_int(e->graph, br_onnx_graph_node(e->graph, "Cast", names[0], IN(code[0])), "to", 11);
  }
  if (status == BR_OK) {
    char joined[64];
    strcpy(x, join(e, names, joined));
  }
  if (status == BR_OK) br_memory_free(made);
  br_memory_free(names);
  return status;
}

/* The attributes of a TreeEnsembleRegressor, in arrays of one entry a node and one a weight. */
struct ensemble {
  int64_t *tree, *node, *feature, *yes, *no, *missing;
  double *value;
  const char **mode;
  int64_t *weight_tree, *weight_node, *weight_target;
  double *weight;
  size_t n_weights;
};

static void put_weight(struct ensemble *m, size_t tree, int64_t node, int64_t target, double weight) {
  size_t i = m->n_weights++;
  m->weight_tree[i] = (int64_t)tree, m->weight_node[i] = node, m->weight_target[i] = target, m->weight[i] = weight;
}

/* Nodes of a tree lie one after another from its root on, and are numbered from there. */
static void put_nodes(const struct nodes *t, bool shares, size_t n_targets, struct ensemble *m) {
  for (size_t k = 0; k < t->n_trees; k++) {
    size_t first = (size_t)t->root[k], last = k + 1 < t->n_trees ? (size_t)t->root[k + 1] : t->n;
    for (size_t i = first; i < last; i++) {
      bool leaf = t->feature[i] < 0;
      m->tree[i] = (int64_t)k, m->node[i] = (int64_t)(i - first);
      m->mode[i] = leaf ? "LEAF" : "BRANCH_LEQ";
      if (!leaf) {
        m->feature[i] = t->column[i], m->value[i] = is_set(t, i) ? 0.5 : t->threshold[i], m->missing[i] = t->flags[i] & MISSING_LEFT && !is_set(t, i);
        m->yes[i] = t->left[i] - (int64_t)first, m->no[i] = t->right[i] - (int64_t)first;
      } else if (!shares) {
        put_weight(m, k, m->node[i], (int64_t)(k % n_targets), t->value[i]);
      } else {
        for (int64_t c = t->first_count[i]; c < t->first_count[i + 1]; c++) put_weight(m, k, m->node[i], t->counts[2 * c], (double)t->counts[2 * c + 1] / (double)t->rows[i]);
      }
    }
  }
}

static void write_ensemble(struct export *e, const struct nodes *t, const struct ensemble *m, const char *x, const char *output, size_t n_targets) {
  size_t n_base;
  const double *base = tensor(e, "base", &n_base);
  struct br_onnx_node *node = br_onnx_graph_node(e->graph, "ml:TreeEnsembleRegressor", output, IN(x));
  br_onnx_node_int(e->graph, node, "n_targets", (int64_t)n_targets);
  br_onnx_node_word(e->graph, node, "aggregate_function", e->model->kind == BR_TABLE_FOREST ? "AVERAGE" : "SUM");
  br_onnx_node_ints(e->graph, node, "nodes_treeids", m->tree, t->n);
  br_onnx_node_ints(e->graph, node, "nodes_nodeids", m->node, t->n);
  br_onnx_node_ints(e->graph, node, "nodes_featureids", m->feature, t->n);
  br_onnx_node_words(e->graph, node, "nodes_modes", m->mode, t->n);
  br_onnx_node_doubles(e->graph, node, "nodes_values_as_tensor", m->value, t->n);
  br_onnx_node_ints(e->graph, node, "nodes_truenodeids", m->yes, t->n);
  br_onnx_node_ints(e->graph, node, "nodes_falsenodeids", m->no, t->n);
  br_onnx_node_ints(e->graph, node, "nodes_missing_value_tracks_true", m->missing, t->n);
  br_onnx_node_ints(e->graph, node, "target_treeids", m->weight_tree, m->n_weights);
  br_onnx_node_ints(e->graph, node, "target_nodeids", m->weight_node, m->n_weights);
  br_onnx_node_ints(e->graph, node, "target_ids", m->weight_target, m->n_weights);
  br_onnx_node_doubles(e->graph, node, "target_weights_as_tensor", m->weight, m->n_weights);
  if (base) br_onnx_node_doubles(e->graph, node, "base_values_as_tensor", base, n_base);
}

/* All the arrays in two blocks. */
static int make_ensemble(struct export *e, const struct nodes *t, const char *x, const char *output, size_t n_targets, bool shares) {
  size_t n_counts, weights;
  int64_t *numbers;
  double *reals;
  const char **modes;
  tensor(e, "counts", &n_counts);
  weights = t->n + n_counts / 2;
  BR_TRY(br_memory_alloc(6 * t->n + 3 * weights, sizeof *numbers, "ONNX file", &numbers));
  int status = br_memory_alloc(t->n + weights, sizeof *reals, "ONNX file", &reals);
  if (status == BR_OK) {
    status = br_memory_alloc(t->n, sizeof *modes, "ONNX file", &modes);
    if (status == BR_OK) {
      struct ensemble m = {.tree = numbers, .node = numbers + t->n, .feature = numbers + 2 * t->n, .yes = numbers + 3 * t->n, .no = numbers + 4 * t->n, .missing = numbers + 5 * t->n, .value = reals, .mode = modes,
                           .weight_tree = numbers + 6 * t->n, .weight_node = numbers + 6 * t->n + weights, .weight_target = numbers + 6 * t->n + 2 * weights, .weight = reals + t->n};
      put_nodes(t, shares, n_targets, &m);
      write_ensemble(e, t, &m, x, output, n_targets);
      br_memory_free(modes);
    }
    br_memory_free(reals);
  }
  br_memory_free(numbers);
  return status;
}

/* From the trees' sums to the answer: boosted trees give scores, of probabilities or of a number's logarithm. */
static void add_answer(struct export *e, const char *sums, bool shares) {
  const char *loss = json_string_value(json_object_get(e->model->settings, "loss"));
  char value[64], one[64], rest[64];
  if (e->model->target.type != BR_COLUMN_CATEGORY) {
    strcpy(value, sums);
    if (loss && strcmp(loss, "poisson") == 0) {
      strcpy(value, fresh(e));
      br_onnx_graph_node(e->graph, "Exp", value, IN(sums));
    }
    add_number(e, value, BR_ONNX_F32);
    return;
  }
  if (!shares && e->model->outputs > 2) {
    br_onnx_node_int(e->graph, br_onnx_graph_node(e->graph, "Softmax", "probabilities", IN(sums)), "axis", 1);
  } else if (!shares) {
    strcpy(value, fresh(e));
    br_onnx_graph_node(e->graph, "Sigmoid", value, IN(sums));
    strcpy(one, fresh(e));
    br_onnx_graph_values(e->graph, one, BR_ONNX_F32, 0, NULL, (float[]){1});
    strcpy(rest, fresh(e));
    br_onnx_graph_node(e->graph, "Sub", rest, IN(one, value));
    br_onnx_node_int(e->graph, br_onnx_graph_node(e->graph, "Concat", "probabilities", IN(rest, value)), "axis", 1);
  }
  add_classes(e, BR_ONNX_F32);
}

static int write_trees(struct export *e, char (*code)[64]) {
  bool shares = e->model->kind != BR_TABLE_BOOST && e->model->target.type == BR_COLUMN_CATEGORY;
  size_t n_targets = shares || e->model->outputs > 2 ? e->model->outputs : 1;
  struct nodes t;
  char x[64], sums[64] = "probabilities";
  find_nodes(e, &t);
  for (size_t k = 0; k < t.n_trees; k++)
    if (k ? t.root[k] <= t.root[k - 1] : t.root[k] != 0) BR_FAIL(BR_ERROR_DATA, "its trees are not in order");
  BR_TRY(br_memory_alloc(t.n, sizeof *t.column, "ONNX file", &t.column));
  int status = add_columns(e, &t, code, x);
  if (status == BR_OK && !shares) strcpy(sums, fresh(e));
  if (status == BR_OK) status = make_ensemble(e, &t, x, sums, n_targets, shares);
  if (status == BR_OK) add_answer(e, sums, shares);
  br_memory_free(t.column);
  return status;
}

/* --- the whole ----------------------------------------------------------------------------------------------------------- */

static int write_model(struct export *e, char (*code)[64]) {
  BR_TRY(add_inputs(e, code));
  switch (e->model->kind) {
    case BR_TABLE_LINEAR:
    case BR_TABLE_LOGISTIC: return write_linear(e, code);
    case BR_TABLE_TREE:
    case BR_TABLE_FOREST:
    case BR_TABLE_BOOST: return write_trees(e, code);
    default: BR_FAIL(BR_ERROR_DATA, "a model of kind %s is not written as ONNX; linear, logistic, tree, forest and boost are", br_table_model_kind_name(e->model->kind));
  }
}

int br_table_model_write_onnx(const struct br_table_model *model, const char *path) {
  struct export e = {.model = model};
  char (*code)[64];
  e.n_tensors = br__model_tensors(model, e.tensors);
  BR_TRY(br_onnx_graph_open(&e.graph));
  int status = br_memory_alloc(model->n_features, sizeof *code, "ONNX file", &code);
  if (status == BR_OK) {
    status = write_model(&e, code);
    br_memory_free(code);
  }
  if (status == BR_OK) status = br_onnx_graph_save(e.graph, path);
  br_onnx_graph_close(e.graph);
  return status;
}
