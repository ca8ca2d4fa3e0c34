/* Lists of nodes while trees grow, and arrays of them in models. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "trees.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lists --------------------------------------------------------------------------------------------------------------- */

static int enlarge(void *block, size_t used, size_t *capacity, size_t least, size_t element) {
  if (least <= *capacity) return BR_OK;
  size_t larger = *capacity * 2 > least ? *capacity * 2 : least + 64;
  void *fresh, **old = block;
  BR_TRY(br_memory_alloc(larger, element, "nodes of a tree", &fresh));
  if (used) memcpy(fresh, *old, used * element);
  br_memory_free(*old);
  *old = fresh;
  *capacity = larger;
  return BR_OK;
}

int br__nodes_add(struct br__nodes *nodes, const struct br__node *node, int32_t *number) {
  if (nodes->n >= INT32_MAX) BR_FAIL(BR_ERROR_MEMORY, "the tree has more than 2^31 nodes; limit it with --max-depth or --min-rows");
  BR_TRY(enlarge(&nodes->node, nodes->n, &nodes->capacity, nodes->n + 1, sizeof *nodes->node));
  *number = (int32_t)nodes->n;
  nodes->node[nodes->n++] = *node;
  return BR_OK;
}

int br__nodes_add_count(struct br__nodes *nodes, int32_t class_code, int32_t rows) {
  BR_TRY(enlarge(&nodes->count, nodes->n_counts, &nodes->count_capacity, nodes->n_counts + 1, sizeof *nodes->count));
  nodes->count[nodes->n_counts++] = (struct br__count){class_code, rows};
  return BR_OK;
}

int br__nodes_add_set(struct br__nodes *nodes, const unsigned char *set, size_t bytes, uint64_t *at) {
  BR_TRY(enlarge(&nodes->sets, nodes->set_bytes, &nodes->set_capacity, nodes->set_bytes + bytes + 4, 1));
  uint32_t length = (uint32_t)bytes; /* a set begins with its length in bytes */
  *at = nodes->set_bytes;
  memcpy(nodes->sets + nodes->set_bytes, &length, 4);
  memcpy(nodes->sets + nodes->set_bytes + 4, set, bytes);
  nodes->set_bytes += bytes + 4;
  return BR_OK;
}

int br__nodes_copy(struct br__nodes *to, const struct br__nodes *from, int32_t root, int32_t *number) {
  struct br__node node = from->node[root];
  if (node.is_set) {
    uint32_t length;
    memcpy(&length, from->sets + node.set, 4);
    BR_TRY(br__nodes_add_set(to, from->sets + from->node[root].set + 4, length, &node.set));
  }
  node.counts = to->n_counts;
  for (uint32_t i = 0; i < node.n_counts; i++) {
    const struct br__count *c = &from->count[from->node[root].counts + i];
    BR_TRY(br__nodes_add_count(to, c->class_code, c->rows));
  }
  BR_TRY(br__nodes_add(to, &node, number));
  if (node.feature < 0) return BR_OK;
  int32_t child;
  BR_TRY(br__nodes_copy(to, from, node.left, &child));
  to->node[*number].left = child;
  BR_TRY(br__nodes_copy(to, from, node.right, &child));
  to->node[*number].right = child;
  return BR_OK;
}

void br__nodes_free(struct br__nodes *nodes) {
  br_memory_free(nodes->node);
  br_memory_free(nodes->count);
  br_memory_free(nodes->sets);
  *nodes = (struct br__nodes){0};
}

/* --- arrays -------------------------------------------------------------------------------------------------------------- */

/* Every array: its field, type and length. The widest first, so that all lie aligned in the file: they are read where it is mapped. */
#define EACH_FIELD(FIELD)                  \
  FIELD(threshold, BR_F64, t->n_nodes)       \
  FIELD(gain, BR_F64, t->n_nodes)            \
  FIELD(value, BR_F64, t->n_nodes)           \
  FIELD(rows, BR_I64, t->n_nodes)            \
  FIELD(set, BR_I64, t->n_nodes)             \
  FIELD(first_count, BR_I64, t->n_nodes + 1) \
  FIELD(root, BR_I32, t->n_trees)            \
  FIELD(feature, BR_I32, t->n_nodes)         \
  FIELD(left, BR_I32, t->n_nodes)            \
  FIELD(right, BR_I32, t->n_nodes)           \
  FIELD(counts, BR_I32, 2 * t->n_counts)     \
  FIELD(flags, BR_U8, t->n_nodes)            \
  FIELD(sets, BR_U8, t->set_bytes)

static int trees_alloc(size_t n_trees, size_t n_nodes, size_t n_counts, size_t set_bytes, struct br__trees **out) {
  struct br__trees *t;
  BR_TRY(br_memory_alloc(1, sizeof *t, "trees", &t));
  *out = t;
  t->n_trees = n_trees, t->n_nodes = n_nodes, t->n_counts = n_counts, t->set_bytes = set_bytes;
#define ALLOC(field, dtype, count) BR_TRY(br_memory_alloc(count, sizeof *t->field, "trees", &t->field));
  EACH_FIELD(ALLOC)
#undef ALLOC
  return BR_OK;
}

void br__trees_free(struct br__trees *t) {
  if (!t) return;
#define FREE(field, dtype, count) br_memory_free(t->field);
  if (!t->mapped) {
    EACH_FIELD(FREE)
  }
#undef FREE
  br_memory_free(t);
}

int br__trees_make(const struct br__nodes *lists, size_t n_trees, struct br__trees **out) {
  size_t nodes = 0, counts = 0, sets = 0;
  for (size_t k = 0; k < n_trees; k++) nodes += lists[k].n, counts += lists[k].n_counts, sets += lists[k].set_bytes;
  *out = NULL;
  if (nodes > INT32_MAX) BR_FAIL(BR_ERROR_MEMORY, "the trees have more than 2^31 nodes together; limit them with --max-depth or --min-rows");
  int status = trees_alloc(n_trees, nodes, counts, sets, out);
  if (status != BR_OK) {
    br__trees_free(*out);
    *out = NULL;
    return status;
  }
  struct br__trees *t = *out;
  size_t at = 0, count = 0, set = 0;
  for (size_t k = 0; k < n_trees; k++) {
    int32_t base = (int32_t)at;
    t->root[k] = base;
    if (lists[k].set_bytes) memcpy(t->sets + set, lists[k].sets, lists[k].set_bytes);
    for (size_t i = 0; i < lists[k].n; i++, at++) {
      const struct br__node *node = &lists[k].node[i];
      bool leaf = node->feature < 0;
      t->feature[at] = node->feature;
      t->threshold[at] = node->threshold;
      t->left[at] = leaf ? 0 : base + node->left;
      t->right[at] = leaf ? 0 : base + node->right;
      t->flags[at] = (unsigned char)((node->missing_left ? BR__MISSING_LEFT : 0) | (node->is_set ? BR__IS_SET : 0));
      t->rows[at] = (int64_t)node->rows;
      t->gain[at] = node->gain;
      t->value[at] = node->value;
      t->set[at] = node->is_set ? (int64_t)(set + node->set) : 0;
      t->first_count[at] = (int64_t)count;
      for (uint32_t c = 0; c < node->n_counts; c++, count++) {
        t->counts[2 * count] = lists[k].count[node->counts + c].class_code;
        t->counts[2 * count + 1] = lists[k].count[node->counts + c].rows;
      }
    }
    set += lists[k].set_bytes;
  }
  t->first_count[nodes] = (int64_t)count;
  return BR_OK;
}

int br__trees_take(const struct br__trees *t, size_t tree, struct br__nodes *out) {
  int32_t first = t->root[tree], last = tree + 1 < t->n_trees ? t->root[tree + 1] : (int32_t)t->n_nodes, number;
  for (int32_t i = first; i < last; i++) {
    struct br__node node = {.feature = t->feature[i], .missing_left = t->flags[i] & BR__MISSING_LEFT, .is_set = (t->flags[i] & BR__IS_SET) != 0, .threshold = t->threshold[i], .rows = (uint64_t)t->rows[i], .gain = t->gain[i], .value = t->value[i], .counts = out->n_counts, .n_counts = (uint32_t)(t->first_count[i + 1] - t->first_count[i])};
    if (node.feature >= 0) node.left = t->left[i] - first, node.right = t->right[i] - first;
    if (node.is_set) {
      uint32_t length;
      memcpy(&length, t->sets + t->set[i], 4);
      if ((uint64_t)t->set[i] + 4 + length > t->set_bytes) BR_FAIL(BR_ERROR_DATA, "node %d: its categories lie outside the file's", i);
      BR_TRY(br__nodes_add_set(out, t->sets + t->set[i] + 4, length, &node.set));
    }
    for (int64_t c = t->first_count[i]; c < t->first_count[i + 1]; c++) BR_TRY(br__nodes_add_count(out, t->counts[2 * c], t->counts[2 * c + 1]));
    BR_TRY(br__nodes_add(out, &node, &number));
  }
  return BR_OK;
}

bool br__tree_goes_left(const struct br__trees *t, int32_t node, const double *x) {
  double value = x[t->feature[node]];
  if (isnan(value)) return t->flags[node] & BR__MISSING_LEFT;
  if (!(t->flags[node] & BR__IS_SET)) return value <= t->threshold[node];
  uint32_t code = (uint32_t)value;
  return t->sets[(size_t)t->set[node] + 4 + code / 8] >> (code % 8) & 1;
}

int32_t br__tree_leaf(const struct br__trees *t, size_t tree, const double *x) {
  int32_t i = t->root[tree];
  while (t->feature[i] >= 0) i = br__tree_goes_left(t, i, x) ? t->left[i] : t->right[i];
  return i;
}

/* Parents come before their children in the arrays, so one pass gives every node's depth. */
void br__tree_size(const struct br__trees *t, size_t tree, size_t *depth, size_t *leaves) {
  size_t first = (size_t)t->root[tree], last = tree + 1 < t->n_trees ? (size_t)t->root[tree + 1] : t->n_nodes;
  *depth = *leaves = 0;
  uint32_t *level;
  if (br_memory_alloc(last - first, sizeof *level, "depths of nodes", &level) != BR_OK) return;
  for (size_t i = first; i < last; i++) {
    if (level[i - first] > *depth) *depth = level[i - first];
    if (t->feature[i] < 0) {
      ++*leaves;
      continue;
    }
    level[(size_t)t->left[i] - first] = level[(size_t)t->right[i] - first] = level[i - first] + 1;
  }
  br_memory_free(level);
}

/* --- files --------------------------------------------------------------------------------------------------------------- */

size_t br__trees_tensors(const struct br__trees *t, struct br_tensor_entry *e) {
  size_t n = 0;
#define TENSOR(field, dtype, count) e[n++] = (struct br_tensor_entry){.name = #field, .type = dtype, .dims = 1, .shape = {count}, .data = t->field};
  EACH_FIELD(TENSOR)
#undef TENSOR
  return n;
}

/* A damaged file must not lead a row out of the arrays or around in circles. */
static int check_nodes(const struct br_table_model *model, const struct br__trees *t) {
  for (size_t k = 0; k < t->n_trees; k++)
    if (t->root[k] < 0 || (size_t)t->root[k] >= t->n_nodes) BR_FAIL(BR_ERROR_DATA, "tree %zu begins outside the nodes", k + 1);
  for (size_t i = 0; i < t->n_nodes; i++) {
    if (t->first_count[i] < 0 || t->first_count[i] > t->first_count[i + 1] || t->first_count[i + 1] > (int64_t)t->n_counts) BR_FAIL(BR_ERROR_DATA, "node %zu: its counts lie outside the file's", i);
    if (t->feature[i] < 0) continue;
    if ((size_t)t->feature[i] >= model->n_features) BR_FAIL(BR_ERROR_DATA, "node %zu asks for feature %d of %zu", i, t->feature[i], model->n_features);
    if (t->left[i] <= (int64_t)i || t->right[i] <= (int64_t)i || (size_t)t->left[i] >= t->n_nodes || (size_t)t->right[i] >= t->n_nodes) BR_FAIL(BR_ERROR_DATA, "node %zu: a child is not behind it", i);
    const struct br_table_model_column *column = &model->features[t->feature[i]];
    bool is_set = t->flags[i] & BR__IS_SET;
    if (is_set != (column->type == BR_COLUMN_CATEGORY)) BR_FAIL(BR_ERROR_DATA, "node %zu splits column %s as another type", i, column->name);
    if (is_set && (t->set[i] < 0 || (uint64_t)t->set[i] + 4 + (column->n_categories + 7) / 8 > t->set_bytes)) BR_FAIL(BR_ERROR_DATA, "node %zu: its categories lie outside the file's", i);
  }
  for (size_t c = 0; c < t->n_counts; c++)
    if (t->counts[2 * c] < 0 || (size_t)t->counts[2 * c] >= model->outputs || t->counts[2 * c + 1] < 0) BR_FAIL(BR_ERROR_DATA, "a leaf counts class %d of %zu", t->counts[2 * c], model->outputs);
  return BR_OK;
}

static int map_fields(const struct br_safetensors *file, struct br__trees *t) {
  const void *data;
#define MAP(field, dtype, count)                                     \
  BR_TRY(br__model_tensor(file, #field, dtype, count, &data, NULL)); \
  t->field = (void *)(uintptr_t)data;
  EACH_FIELD(MAP)
#undef MAP
  return BR_OK;
}

int br__trees_load(const struct br_table_model *model, const struct br_safetensors *file, struct br__trees **out) {
  const void *data;
  struct br__trees *t, trees = {.mapped = true};
  *out = NULL;
  BR_TRY(br__model_tensor(file, "root", BR_I32, SIZE_MAX, &data, &trees.n_trees));
  BR_TRY(br__model_tensor(file, "feature", BR_I32, SIZE_MAX, &data, &trees.n_nodes));
  BR_TRY(br__model_tensor(file, "counts", BR_I32, SIZE_MAX, &data, &trees.n_counts));
  BR_TRY(br__model_tensor(file, "sets", BR_U8, SIZE_MAX, &data, &trees.set_bytes));
  trees.n_counts /= 2;
  BR_TRY(map_fields(file, &trees));
  BR_TRY(check_nodes(model, &trees));
  BR_TRY(br_memory_alloc(1, sizeof *t, "trees", &t));
  *t = trees;
  *out = t;
  return BR_OK;
}

/* --- for people ---------------------------------------------------------------------------------------------------------- */

void br__trees_describe(const struct br_table_model *model, const struct br__trees *t, json_t *into) {
  size_t deepest = 0, all = 0;
  for (size_t k = 0; k < t->n_trees; k++) {
    size_t depth, leaves;
    br__tree_size(t, k, &depth, &leaves);
    if (depth > deepest) deepest = depth;
    all += leaves;
  }
  json_object_set_new(into, "trees", json_integer((json_int_t)t->n_trees));
  json_object_set_new(into, "nodes", json_integer((json_int_t)t->n_nodes));
  json_object_set_new(into, "leaves", json_integer((json_int_t)all));
  json_object_set_new(into, "depth", json_integer((json_int_t)deepest));
  json_t *importances = json_object();
  double total = 0;
  for (size_t i = 0; i < t->n_nodes; i++) total += t->feature[i] >= 0 ? t->gain[i] : 0;
  for (size_t f = 0; f < model->n_features; f++) {
    double sum = 0;
    for (size_t i = 0; i < t->n_nodes; i++) sum += t->feature[i] == (int32_t)f ? t->gain[i] : 0;
    json_object_set_new(importances, model->features[f].name, json_real(total > 0 ? sum / total : 0));
  }
  json_object_set_new(into, "importances", importances);
}

static void print_leaf(FILE *out, const struct br_table_model *model, const struct br__trees *t, int32_t node) {
  int64_t first = t->first_count[node], last = t->first_count[node + 1], best = first;
  if (first == last) {
    fprintf(out, "%.6g", t->value[node]);
  } else {
    for (int64_t c = first; c < last; c++)
      if (t->counts[2 * c + 1] > t->counts[2 * best + 1]) best = c;
    fprintf(out, "%s (%d of %lld)", model->target.categories[t->counts[2 * best]], t->counts[2 * best + 1], (long long)t->rows[node]);
  }
}

static void print_condition(FILE *out, const struct br_table_model *model, const struct br__trees *t, int32_t node) {
  const struct br_table_model_column *column = &model->features[t->feature[node]];
  if (t->flags[node] & BR__IS_SET) {
    const char *comma = "";
    size_t shown = 0;
    fprintf(out, "%s in {", column->name);
    for (size_t c = 0; c < column->n_categories; c++) {
      if (!(t->sets[(size_t)t->set[node] + 4 + c / 8] >> (c % 8) & 1)) continue;
      if (shown++ < 6) fprintf(out, "%s%s", comma, column->categories[c]);
      comma = ", ";
    }
    fprintf(out, shown > 6 ? ", ... %zu in all}" : "}", shown);
  } else {
    fprintf(out, "%s <= %.10g", column->name, t->threshold[node]);
  }
  if (t->flags[node] & BR__MISSING_LEFT) fprintf(out, " or missing");
}

static void print_node(FILE *out, const struct br_table_model *model, const struct br__trees *t, int32_t node, int depth, size_t *left) {
  if (*left == 0) return;
  --*left;
  for (int i = 0; i < depth; i++) fprintf(out, "  ");
  if (t->feature[node] < 0) {
    print_leaf(out, model, t, node);
    fprintf(out, "\n");
    return;
  }
  print_condition(out, model, t, node);
  fprintf(out, "  [%lld rows]\n", (long long)t->rows[node]);
  print_node(out, model, t, t->left[node], depth + 1, left);
  print_node(out, model, t, t->right[node], depth + 1, left);
}

char *br__tree_text(const struct br_table_model *model, const struct br__trees *t, size_t tree, size_t most_lines) {
  char *text = NULL;
  size_t bytes, left = most_lines;
  FILE *out = open_memstream(&text, &bytes);
  if (!out) return NULL;
  print_node(out, model, t, t->root[tree], 0, &left);
  if (left == 0) fprintf(out, "...\n");
  fclose(out);
  return text;
}
