/* The decision tree as a model: its training from a task, its answers. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/table/train.h>

#include "checks.h"
#include "gather.h"
#include "prune.h"
#include "tree.h"

#include <math.h>
#include <string.h>

static size_t tree_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) { return br__trees_tensors(model->body, entries); }

static int tree_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct br__trees *trees;
  BR_TRY(br__trees_load(model, file, &trees));
  model->body = trees;
  if (trees->n_trees != 1) BR_FAIL(BR_ERROR_DATA, "a decision tree's file holds %zu trees", trees->n_trees);
  return BR_OK;
}

static void tree_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct br__trees *t = model->body;
  int32_t leaf = br__tree_leaf(t, 0, x);
  if (model->target.type != BR_COLUMN_CATEGORY) {
    out[0] = t->value[leaf];
    return;
  }
  for (size_t c = 0; c < model->outputs; c++) out[c] = 0;
  for (int64_t c = t->first_count[leaf]; c < t->first_count[leaf + 1]; c++) out[t->counts[2 * c]] = (double)t->counts[2 * c + 1] / (double)t->rows[leaf];
}

static void tree_describe(const struct br_table_model *model, json_t *into) { br__trees_describe(model, model->body, into); }
static char *tree_text(const struct br_table_model *model, size_t most_lines) { return br__tree_text(model, model->body, 0, most_lines); }
static void tree_free(struct br_table_model *model) {
  br__trees_free(model->body);
  model->body = NULL;
}

static const struct br__trees *tree_trees(const struct br_table_model *model) { return model->body; }

const struct br__model_class br__tree_class = {.name = "tree", .tensors = tree_tensors, .load = tree_load, .predict = tree_predict, .describe = tree_describe, .text = tree_text, .free = tree_free, .trees = tree_trees};

/* --- training ------------------------------------------------------------------------------------------------------------ */

int br__tree_check(const struct br_task *task, const struct br_tree_settings *settings, enum br__criterion *criterion) {
  bool classes = br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY;
  const char *name = br_table_name(task->table, task->target);
  size_t n = br_table_categories(task->table, task->target);
  if (classes && settings->criterion == BR_TREE_MSE) BR_FAIL(BR_ERROR_USAGE, "the target %s is a category, and mse is for numbers; use gini or entropy", name);
  if (!classes && (settings->criterion == BR_TREE_GINI || settings->criterion == BR_TREE_ENTROPY)) BR_FAIL(BR_ERROR_USAGE, "the target %s is a number; give --types %s=category to predict classes, or use mse", name, name);
  if (classes) BR_TRY(br__check_class_count(task));
  if (classes && n < 2) BR_FAIL(BR_ERROR_DATA, "the target %s has one class only; there is nothing to learn", name);
  if (settings->max_depth < 1 || settings->max_depth > 200) BR_FAIL(BR_ERROR_USAGE, "a depth of %d: 1 to 200 are possible", settings->max_depth);
  if (settings->max_leaves == 1 || settings->prune < 0) BR_FAIL(BR_ERROR_USAGE, "a tree has two leaves or more, and is pruned by a number of at least 0");
  *criterion = !classes ? BR__MSE : settings->criterion == BR_TREE_ENTROPY ? BR__ENTROPY : BR__GINI;
  return BR_OK;
}

void br__tree_keep_settings(struct br_table_model *model, const struct br_tree_settings *settings, enum br__criterion criterion) {
  static const char *const names[] = {"entropy", "gini", "mse"};
  json_object_set_new(model->settings, "criterion", json_string(names[criterion]));
  json_object_set_new(model->settings, "max_depth", json_integer(settings->max_depth));
  json_object_set_new(model->settings, "min_rows", json_integer((json_int_t)(settings->min_rows ? settings->min_rows : 1)));
  json_object_set_new(model->settings, "min_gain", json_real(settings->min_gain));
  json_object_set_new(model->settings, "max_leaves", json_integer((json_int_t)settings->max_leaves));
  json_object_set_new(model->settings, "prune", json_real(settings->prune));
}

static int check_memory(const struct br_task *task, int threads, size_t n_classes) {
  size_t rows = (size_t)task->rows->train, p = task->n_features;
  size_t need = br__grower_bytes(rows, p, n_classes, 0, threads) + rows * p * 2 + rows * 8;
  char a[32], b[32];
  if (task->memory_bytes && need > task->memory_bytes)
    BR_FAIL(BR_ERROR_MEMORY, "a tree of %zu rows and %zu columns needs %s, and %s are allowed; raise --memory, or use fewer rows or columns", rows, p, br_text_bytes((double)need, a), br_text_bytes((double)task->memory_bytes, b));
  return BR_OK;
}

static int grow(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_tree_settings *settings, enum br__criterion criterion, struct br__trees **out) {
  struct br__bins bins = {0};
  struct br__gathered rows = {0};
  struct br__nodes nodes = {0};
  struct br__grower *grower = NULL;
  size_t classes = br_table_categories(task->table, task->target);
  int threads = br_team_count(team), status;
  struct br__grow_settings grow_settings = {.criterion = criterion, .max_depth = settings->max_depth, .min_rows = settings->min_rows ? settings->min_rows : 1, .min_gain = settings->min_gain, .seed = task->seed};
  BR_TRY_GOTO(status, br__bins_find(comm, team, task, 65535, 4096, &bins), end);
  BR_TRY_GOTO(status, br__gather_rows(comm, team, task, &bins, &rows), end);
  struct br__grow_data data = {.n = rows.binned.rows, .p = task->n_features, .n_classes = classes, .bin = rows.binned.bin, .bins = &bins, .class_code = rows.class_code, .number = rows.number, .unit = rows.unit, .middle = rows.middle};
  BR_TRY_GOTO(status, br_comm_agree(comm, br__grower_open(&data, &grow_settings, threads, data.n, &grower)), end);
  br__grower_fill(grower, team, NULL, NULL, 0);
  BR_TRY_GOTO(status, br__grower_run_team(grower, comm, team, &nodes), end);
  BR_TRY_GOTO(status, br_comm_agree(comm, br__nodes_prune(&nodes, settings->max_leaves, settings->prune, (double)data.n, classes)), end);
  status = br_comm_agree(comm, br__trees_make(&nodes, 1, out));
end:
  br__grower_close(grower);
  br__nodes_free(&nodes);
  br__gathered_free(&rows);
  br__bins_free(&bins);
  return status;
}

int br_tree_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_tree_settings *settings, struct br_table_model **out, json_t *report) {
  enum br__criterion criterion = BR__MSE;
  struct br__trees *trees = NULL;
  *out = NULL;
  BR_TRY(br__tree_check(task, settings, &criterion));
  BR_TRY(br_comm_agree(comm, check_memory(task, br_team_count(team), br_table_categories(task->table, task->target))));
  BR_TRY(grow(comm, team, task, settings, criterion, &trees));
  int status = br__model_create(BR_TABLE_TREE, task->table, task->features, task->n_features, task->target, out);
  if (status != BR_OK) {
    br__trees_free(trees);
    return status;
  }
  struct br_table_model *model = *out;
  model->body = trees;
  br__tree_keep_settings(model, settings, criterion);
  if (report) {
    json_object_set_new(report, "rows", json_integer((json_int_t)task->rows->train));
    tree_describe(model, report);
  }
  return BR_OK;
}
