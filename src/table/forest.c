/* Random forests. A tree is a pure function of the rows, the seed and its number, so it does not matter which thread of which rank grows it. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/text.h>
#include <bramble/table/evaluate.h>
#include <bramble/table/train.h>

#include "bag.h"
#include "checkpoint.h"
#include "gather.h"
#include "prune.h"
#include "tree.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define CLASS_LEAF_ROWS 5 /* with single rows in leaves, shares of classes are noise: log losses and AUCs are better with 5, accuracies the same */

/* --- the model ----------------------------------------------------------------------------------------------------------- */

static size_t forest_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) { return br__trees_tensors(model->body, entries); }

static int forest_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct br__trees *trees;
  BR_TRY(br__trees_load(model, file, &trees));
  model->body = trees;
  if (trees->n_trees == 0) BR_FAIL(BR_ERROR_DATA, "the forest has no trees");
  return BR_OK;
}

void br__forest_add_answer(const struct br_table_model *model, const struct br__trees *t, size_t tree, const double *x, double *out) {
  int32_t leaf = br__tree_leaf(t, tree, x);
  if (model->target.type != BR_COLUMN_CATEGORY) out[0] += t->value[leaf];
  for (int64_t c = t->first_count[leaf]; c < t->first_count[leaf + 1]; c++) out[t->counts[2 * c]] += (double)t->counts[2 * c + 1] / (double)t->rows[leaf];
}

static void forest_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct br__trees *t = model->body;
  for (size_t c = 0; c < model->outputs; c++) out[c] = 0;
  for (size_t k = 0; k < t->n_trees; k++) br__forest_add_answer(model, t, k, x, out);
  for (size_t c = 0; c < model->outputs; c++) out[c] /= (double)t->n_trees;
}

static void forest_describe(const struct br_table_model *model, json_t *into) { br__trees_describe(model, model->body, into); }
static void forest_free(struct br_table_model *model) {
  br__trees_free(model->body);
  model->body = NULL;
}

static const struct br__trees *forest_trees(const struct br_table_model *model) { return model->body; }

const struct br__model_class br__forest_class = {.name = "forest", .tensors = forest_tensors, .load = forest_load, .predict = forest_predict, .describe = forest_describe, .free = forest_free, .trees = forest_trees};

/* --- growing ------------------------------------------------------------------------------------------------------------- */

struct growing {
  const struct br_task *task;
  const struct br_forest_settings *settings;
  struct br__grower *sorted, **grower; /* all rows in order; one per thread for a tree's rows */
  uint8_t **weight;                    /* per thread: how often each row is drawn */
  struct br__nodes *trees;
  size_t rows, n_trees, upto; /* trees done on all ranks; those to be grown now end there */
  int rank, ranks;
  atomic_size_t next;
  atomic_int status;
};

void br__forest_draw_rows(const struct br_task *task, uint32_t tree, size_t rows, uint8_t *weight) {
  struct br_random random = br_random_open(task->seed, BR_RANDOM_BOOTSTRAP, tree, 0);
  memset(weight, 0, rows);
  for (size_t i = 0; i < rows; i++) {
    uint8_t *w = &weight[br_random_below(&random, (uint32_t)rows)];
    *w = (uint8_t)(*w + (*w < UINT8_MAX));
  }
}

static void grow_part(void *arg, struct br_part part) {
  struct growing *g = arg;
  struct br__grower *grower = g->grower[part.index];
  uint8_t *weight = g->settings->extra ? NULL : g->weight[part.index];
  for (size_t k; (k = atomic_fetch_add(&g->next, 1)) < g->upto;) {
    if ((int)(k % (size_t)g->ranks) != g->rank) continue;
    if (weight) br__forest_draw_rows(g->task, (uint32_t)k, g->rows, weight);
    br__grower_fill(grower, NULL, g->sorted, weight, (uint32_t)k);
    int status = br__grower_run(grower, 0, &g->trees[k]);
    if (status == BR_OK) status = br__nodes_prune(&g->trees[k], g->settings->tree.max_leaves, g->settings->tree.prune, (double)g->rows, br_table_categories(g->task->table, g->task->target));
    if (status != BR_OK) atomic_store(&g->status, status);
  }
}

static size_t features_tried(const struct br_task *task, const struct br_forest_settings *settings, enum br__criterion criterion) {
  double p = (double)task->n_features;
  double tried = settings->columns_share > 0 ? ceil(settings->columns_share * p) : criterion == BR__MSE ? floor(p / 3) : floor(sqrt(p));
  return tried < 1 ? 1 : (size_t)tried;
}

static int check_memory(const struct br_task *task, int threads, size_t n_classes, size_t features) {
  size_t rows = (size_t)task->rows->train, p = task->n_features;
  size_t need = (size_t)(threads + 1) * (br__grower_bytes(rows, p, n_classes, features, 1) + rows) + rows * p * 2 + rows * 8;
  char a[32], b[32];
  if (task->memory_bytes && need > task->memory_bytes)
    BR_FAIL(BR_ERROR_MEMORY, "a forest of %zu rows and %zu columns on %d threads needs %s, and %s are allowed; raise --memory, or use fewer threads, rows or columns", rows, p, threads, br_text_bytes((double)need, a), br_text_bytes((double)task->memory_bytes, b));
  return BR_OK;
}

static int open_growers(struct growing *g, const struct br__grow_data *data, const struct br__grow_settings *settings, int threads) {
  BR_TRY(br_memory_alloc((size_t)threads, sizeof *g->grower, "threads", &g->grower));
  BR_TRY(br_memory_alloc((size_t)threads, sizeof *g->weight, "threads", &g->weight));
  BR_TRY(br__grower_open(data, settings, 1, data->n, &g->sorted));
  for (int t = 0; t < threads; t++) {
    BR_TRY(br__grower_open(data, settings, 1, data->n, &g->grower[t]));
    if (!g->settings->extra) BR_TRY(br_memory_alloc(data->n, 1, "bootstrap", &g->weight[t]));
  }
  return br_memory_alloc((size_t)g->settings->trees, sizeof *g->trees, "trees", &g->trees);
}

static void close_growers(struct growing *g, int threads) {
  for (int t = 0; t < threads; t++) {
    if (g->grower) br__grower_close(g->grower[t]);
    if (g->weight) br_memory_free(g->weight[t]);
  }
  br__grower_close(g->sorted);
  br_memory_free(g->grower);
  br_memory_free(g->weight);
  for (int k = 0; g->trees && k < g->settings->trees; k++) br__nodes_free(&g->trees[k]);
  br_memory_free(g->trees);
}

static void keep_settings(struct br_table_model *model, const struct br_task *task, const struct br_forest_settings *settings, enum br__criterion criterion) {
  br__tree_keep_settings(model, &settings->tree, criterion);
  json_object_set_new(model->settings, "trees", json_integer(settings->trees));
  json_object_set_new(model->settings, "columns", json_integer((json_int_t)features_tried(task, settings, criterion)));
  json_object_set_new(model->settings, "extra", json_boolean(settings->extra));
}

static int make_model(const struct growing *g, size_t n_trees, enum br__criterion criterion, struct br_table_model **out) {
  const struct br_task *task = g->task;
  struct br__trees *trees;
  BR_TRY(br__model_create(BR_TABLE_FOREST, task->table, task->features, task->n_features, task->target, out));
  keep_settings(*out, task, g->settings, criterion);
  int status = br__trees_make(g->trees, n_trees, &trees);
  (*out)->body = trees;
  if (status != BR_OK) {
    br_table_model_close(*out);
    *out = NULL;
  }
  return status;
}

/* Grows the trees after those of the checkpoint, a batch at a time where checkpoints are made between. */
static int grow_trees(struct br_comm *comm, struct br_team *team, struct growing *g, enum br__criterion criterion, struct br__checkpoint *checkpoint) {
  struct br_table_model *model = NULL;
  json_t *state = NULL;
  size_t all = (size_t)g->settings->trees, batch = checkpoint->settings.every ? (size_t)checkpoint->settings.every : checkpoint->settings.seconds > 0 ? 8 * (size_t)g->ranks * (size_t)br_team_count(team) : all;
  BR_TRY(br_comm_agree(comm, make_model(g, 0, criterion, &model)));
  int status = br__checkpoint_resume(comm, checkpoint, model, all, g->trees, &g->n_trees, &state);
  br_table_model_close(model);
  json_decref(state);
  checkpoint->last_count = g->n_trees;
  while (status == BR_OK && g->n_trees < all) {
    g->upto = checkpoint->path && all - g->n_trees > batch ? g->n_trees + batch : all;
    atomic_store(&g->next, g->n_trees);
    br_team_run(team, grow_part, g);
    status = atomic_load(&g->status);
    if (status != BR_OK) br_error_set(status, "no memory to grow a forest of %zu rows", g->rows);
    status = br_comm_agree(comm, status);
    if (status == BR_OK) status = br__nodes_share(comm, g->trees + g->n_trees, g->upto - g->n_trees);
    g->n_trees = g->upto;
    if (status == BR_OK && g->rank == 0 && br__checkpoint_due(checkpoint, g->n_trees)) {
      status = make_model(g, g->n_trees, criterion, &model);
      if (status == BR_OK) status = br__checkpoint_save(checkpoint, model, NULL);
      br_table_model_close(model);
    }
    status = br_comm_agree(comm, status);
  }
  return status;
}

static int grow(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_forest_settings *settings, enum br__criterion criterion, struct br_table_model **out) {
  struct br__bins bins = {0};
  struct br__checkpoint checkpoint = {0};
  struct br__gathered rows = {0};
  struct growing g = {.task = task, .settings = settings, .rank = br_comm_rank(comm), .ranks = br_comm_size(comm)};
  int threads = br_team_count(team), status;
  struct br__grow_settings grow_settings = {.criterion = criterion, .max_depth = settings->tree.max_depth, .min_rows = settings->tree.min_rows, .min_gain = settings->tree.min_gain, .features = features_tried(task, settings, criterion), .extra = settings->extra, .seed = task->seed};
  BR_TRY_GOTO(status, br__bins_find(comm, team, task, 65535, 4096, &bins), end);
  BR_TRY_GOTO(status, br__gather_rows(comm, team, task, &bins, &rows), end);
  struct br__grow_data data = {.n = rows.binned.rows, .p = task->n_features, .n_classes = br_table_categories(task->table, task->target), .bin = rows.binned.bin, .bins = &bins, .class_code = rows.class_code, .number = rows.number, .unit = rows.unit, .middle = rows.middle};
  g.rows = data.n;
  BR_TRY_GOTO(status, br_comm_agree(comm, open_growers(&g, &data, &grow_settings, threads)), end);
  br__grower_fill(g.sorted, team, NULL, NULL, 0);
  BR_TRY_GOTO(status, br__checkpoint_open(comm, task, &settings->checkpoint, &checkpoint), end);
  BR_TRY_GOTO(status, grow_trees(comm, team, &g, criterion, &checkpoint), end);
  status = br_comm_agree(comm, make_model(&g, (size_t)settings->trees, criterion, out));
  if (status == BR_OK && g.rank == 0) br__checkpoint_remove(&checkpoint);
end:
  br__checkpoint_close(&checkpoint);
  close_growers(&g, threads);
  br__gathered_free(&rows);
  br__bins_free(&bins);
  return status;
}

/* --- training ------------------------------------------------------------------------------------------------------------ */

int br_forest_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_forest_settings *given, struct br_table_model **out, json_t *report) {
  enum br__criterion criterion = BR__MSE;
  struct br_forest_settings chosen = *given, *settings = &chosen;
  *out = NULL;
  BR_TRY(br__tree_check(task, &settings->tree, &criterion));
  if (settings->tree.min_rows == 0) settings->tree.min_rows = criterion == BR__MSE ? 1 : CLASS_LEAF_ROWS;
  if (settings->permutations > BR_PERMUTATIONS || (settings->permutations && settings->extra)) BR_FAIL(BR_ERROR_USAGE, "1 to %d permutations of each column out of bag are possible, and extremely randomised trees leave no rows out", BR_PERMUTATIONS);
  if (settings->trees < 1 || settings->columns_share < 0 || settings->columns_share > 1) BR_FAIL(BR_ERROR_USAGE, "a forest has at least one tree, and tries a share of the columns from 0 to 1");
  BR_TRY(br_comm_agree(comm, check_memory(task, br_team_count(team), br_table_categories(task->table, task->target), features_tried(task, settings, criterion))));
  BR_TRY(grow(comm, team, task, settings, criterion, out));
  struct br_table_model *model = *out;
  if (!report) return BR_OK;
  json_object_set_new(report, "rows", json_integer((json_int_t)task->rows->train));
  forest_describe(model, report);
  int status = settings->extra ? BR_OK : br__bag_judge(comm, team, task, model, settings->permutations, report);
  if (status != BR_OK) {
    br_table_model_close(model);
    *out = NULL;
  }
  return status;
}
