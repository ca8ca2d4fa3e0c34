/* Forests out of bag (Breiman 2001): every training row is answered by the trees that have not seen it; and once more for every feature, its values exchanged between
 * the rows at random: how far the answers fall is what the feature is worth. Rows are numbered in the table's order, sums are exact: the same on any
 * number of ranks. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/evaluate.h>

#include "bag.h"
#include "gather.h"
#include "moments.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct judging {
  const struct br_task *task;
  const struct br_table_model *model;
  struct br__encoder encoder;
  size_t rows, *first;   /* of all ranks; the number of each block's first training row among them */
  unsigned char **drawn; /* [tree]: one bit a row */
  atomic_size_t next, next_tree;
  atomic_int status;
  _Atomic int64_t judged, right;
  struct br_sum *squares; /* per thread */
  const double *value;    /* of all ranks' rows: a feature's, exchanged between them by permutation `which`; NULL: none is */
  size_t feature;
  uint32_t which;
};

static void draw_part(void *arg, struct br_part part) {
  struct judging *j = arg;
  const struct br__trees *trees = j->model->body;
  uint8_t *weight;
  (void)part;
  if (br_memory_alloc(j->rows, 1, "bootstrap", &weight) != BR_OK) {
    atomic_store(&j->status, BR_ERROR_MEMORY);
    return;
  }
  for (size_t k; (k = atomic_fetch_add(&j->next_tree, 1)) < trees->n_trees;) {
    br__forest_draw_rows(j->task, (uint32_t)k, j->rows, weight);
    for (size_t i = 0; i < j->rows; i++) j->drawn[k][i / 8] |= (unsigned char)((weight[i] > 0) << (i % 8));
  }
  br_memory_free(weight);
}

static void judge_row(struct judging *j, const double *x, double y, size_t row, double *votes, struct br_sum *squares) {
  const struct br__trees *trees = j->model->body;
  size_t n = 0, best = 0, outputs = j->model->outputs;
  for (size_t c = 0; c < outputs; c++) votes[c] = 0;
  for (size_t k = 0; k < trees->n_trees; k++) {
    if (j->drawn[k][row / 8] >> (row % 8) & 1) continue;
    br__forest_add_answer(j->model, trees, k, x, votes);
    n++;
  }
  if (n == 0) return;
  for (size_t c = 1; c < outputs; c++)
    if (votes[c] > votes[best]) best = c;
  double error = votes[0] / (double)n - y;
  atomic_fetch_add(&j->judged, 1);
  if (j->model->target.type == BR_COLUMN_CATEGORY)
    atomic_fetch_add(&j->right, (double)best == y);
  else
    br_sum_add(squares, error * error);
}

static void judge_part(void *arg, struct br_part part) {
  struct judging *j = arg;
  const struct br_table *table = j->task->table;
  size_t most = br_table_largest_block(table), p = j->task->n_features;
  double *x = NULL, *y = NULL, *scratch = NULL, *votes = NULL;
  uint64_t unknown = 0;
  int status = br_memory_alloc(most * p, sizeof *x, "rows", &x);
  if (status == BR_OK) status = br_memory_alloc(most, sizeof *y, "rows", &y);
  if (status == BR_OK) status = br_memory_alloc(most, sizeof *scratch, "rows", &scratch);
  if (status == BR_OK) status = br_memory_alloc(j->model->outputs, sizeof *votes, "rows", &votes);
  for (size_t b; status == BR_OK && (b = atomic_fetch_add(&j->next, 1)) < br_table_blocks(table);) {
    br__encoder_rows(&j->encoder, b, x, scratch, &unknown);
    br__encoder_target(&j->encoder, b, y);
    size_t row = j->first[b];
    for (size_t i = 0; i < br_table_block_rows(table, b); i++)
      if (j->task->rows->role[b][i] == BR_ROW_TRAIN) {
        if (j->value) x[i * p + j->feature] = j->value[br_random_permute(j->task->seed, BR_RANDOM_PERMUTE, j->which, j->rows, row)];
        judge_row(j, x + i * p, y[i], row++, votes, &j->squares[part.index]);
      }
  }
  if (status != BR_OK) atomic_store(&j->status, status);
  br_memory_free(x);
  br_memory_free(y);
  br_memory_free(scratch);
  br_memory_free(votes);
}

static int open_judging(struct judging *j, int threads) {
  const struct br__trees *trees = j->model->body;
  BR_TRY(br_memory_alloc(br_table_blocks(j->task->table) + 1, sizeof *j->first, "rows", &j->first));
  BR_TRY(br_memory_alloc((size_t)threads, sizeof *j->squares, "threads", &j->squares));
  BR_TRY(br_memory_alloc(trees->n_trees, sizeof *j->drawn, "bootstrap", &j->drawn));
  for (size_t k = 0; k < trees->n_trees; k++) BR_TRY(br_memory_alloc(j->rows / 8 + 1, 1, "bootstrap", &j->drawn[k]));
  return br__encoder_open(j->model, j->task->table, true, &j->encoder);
}

/* Which of all training rows each block begins with: rows are numbered by rank, then by block, as they were gathered. */
static int number_rows(struct br_comm *comm, struct judging *j) {
  int64_t mine = 0, *all;
  BR_TRY(br_comm_agree(comm, br_memory_alloc((size_t)br_comm_size(comm), sizeof *all, "ranks", &all)));
  for (size_t b = 0; b < br_table_blocks(j->task->table); b++) {
    j->first[b] = (size_t)mine;
    for (size_t i = 0; i < br_table_block_rows(j->task->table, b); i++) mine += j->task->rows->role[b][i] == BR_ROW_TRAIN;
  }
  int status = br_comm_allgather(comm, &mine, sizeof mine, all);
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(j->task->table); b++)
    for (int r = 0; r < br_comm_rank(comm); r++) j->first[b] += (size_t)all[r];
  br_memory_free(all);
  return status;
}

struct judgement {
  int64_t rows;
  double right, squares; /* of classes: rows judged rightly; of numbers: the sum of squares of errors */
};

/* One look at all rows. Collective. */
static int judge_rows(struct br_comm *comm, struct br_team *team, struct judging *j, struct judgement *out) {
  int threads = br_team_count(team);
  memset(j->squares, 0, (size_t)threads * sizeof *j->squares);
  atomic_store(&j->next, 0), atomic_store(&j->judged, 0), atomic_store(&j->right, 0);
  br_team_run(team, judge_part, j);
  int status = atomic_load(&j->status);
  if (status != BR_OK) br_error_set(status, "no memory to judge %zu rows out of bag", j->rows);
  BR_TRY(br_comm_agree(comm, status));
  int64_t counts[2] = {atomic_load(&j->judged), atomic_load(&j->right)};
  for (int t = 1; t < threads; t++) br_sum_merge(&j->squares[0], &j->squares[t]);
  BR_TRY(br_comm_sum_i64(comm, counts, 2));
  BR_TRY(br_comm_sum_exact(comm, j->squares, 1));
  *out = (struct judgement){counts[0], (double)counts[1], br_sum_value(&j->squares[0])};
  return BR_OK;
}

/* --- permutations ---------------------------------------------------------------------------------------------------------- */

/* What a judgement says as br_table_permute does: accuracy, or r2 against the training rows' deviation. */
static double quality(const struct judging *j, const struct judgement *of, double deviation) {
  if (j->model->target.type == BR_COLUMN_CATEGORY) return of->right / (double)of->rows;
  return 1 - of->squares / (double)of->rows / (deviation * deviation);
}

static int permute_feature(struct br_comm *comm, struct br_team *team, struct judging *j, size_t feature, int repeats, double whole, double scale, double *mean, double *deviation) {
  double *value = NULL, fall[BR_PERMUTATIONS] = {0}, squares = 0;
  size_t mine = 0;
  for (size_t b = 0; b < br_table_blocks(j->task->table); b++)
    for (size_t i = 0; i < br_table_block_rows(j->task->table, b); i++) mine += j->task->rows->role[b][i] == BR_ROW_TRAIN;
  int status = br_memory_alloc(mine, sizeof *value, "values of a column", &value);
  if (status == BR_OK) status = br__encoder_feature(&j->encoder, j->task->rows, BR_ROW_TRAIN, feature, value);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br__join_ranks(comm, &value, mine, j->rows, sizeof *value);
  j->value = value, j->feature = feature;
  *mean = 0;
  for (int k = 0; status == BR_OK && k < repeats; k++) {
    struct judgement of;
    j->which = (uint32_t)(feature * BR_PERMUTATIONS) + (uint32_t)k;
    status = judge_rows(comm, team, j, &of);
    fall[k] = status == BR_OK ? whole - quality(j, &of, scale) : 0;
    *mean += fall[k] / repeats;
  }
  for (int k = 0; k < repeats; k++) squares += (fall[k] - *mean) * (fall[k] - *mean);
  *deviation = repeats > 1 ? sqrt(squares / (repeats - 1)) : 0;
  j->value = NULL;
  br_memory_free(value);
  return status;
}

static int permute_all(struct br_comm *comm, struct br_team *team, struct judging *j, const struct judgement *judged, int repeats, json_t *oob) {
  const bool classes = j->model->target.type == BR_COLUMN_CATEGORY;
  double middle, scale = 1;
  if (!classes) BR_TRY(br__moments(comm, team, j->task->table, j->task->rows, &j->task->target, 1, &middle, &scale));
  json_t *mean = json_object(), *deviation = json_object();
  json_object_set_new(oob, "permutation", json_pack("{s:s,s:i,s:o,s:o}", "measure", classes ? "accuracy" : "r2", "repeats", repeats, "fall", mean, "deviation", deviation));
  for (size_t f = 0; f < j->model->n_features; f++) {
    double m, d;
    BR_TRY(permute_feature(comm, team, j, f, repeats, quality(j, judged, scale), scale, &m, &d));
    json_object_set_new(mean, j->model->features[f].name, json_real(m));
    json_object_set_new(deviation, j->model->features[f].name, json_real(d));
  }
  return BR_OK;
}

static int judge(struct br_comm *comm, struct br_team *team, struct judging *j, int permutations, json_t *report) {
  struct judgement judged;
  BR_TRY(br_comm_agree(comm, open_judging(j, br_team_count(team))));
  BR_TRY(number_rows(comm, j));
  br_team_run(team, draw_part, j);
  int status = atomic_load(&j->status);
  if (status != BR_OK) br_error_set(status, "no memory to judge %zu rows out of bag", j->rows);
  BR_TRY(br_comm_agree(comm, status));
  BR_TRY(judge_rows(comm, team, j, &judged));
  if (judged.rows == 0) return BR_OK;
  json_t *oob = json_object();
  json_object_set_new(report, "oob", oob);
  json_object_set_new(oob, "rows", json_integer(judged.rows));
  if (j->model->target.type == BR_COLUMN_CATEGORY)
    json_object_set_new(oob, "accuracy", json_real(judged.right / (double)judged.rows));
  else
    json_object_set_new(oob, "rmse", json_real(sqrt(judged.squares / (double)judged.rows)));
  return permutations ? permute_all(comm, team, j, &judged, permutations, oob) : BR_OK;
}

int br__bag_judge(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_table_model *model, int permutations, json_t *report) {
  struct judging j = {.task = task, .model = model, .rows = (size_t)task->rows->train};
  int status = judge(comm, team, &j, permutations, report);
  for (size_t k = 0; j.drawn && k < ((const struct br__trees *)model->body)->n_trees; k++) br_memory_free(j.drawn[k]);
  br_memory_free(j.drawn);
  br_memory_free(j.first);
  br_memory_free(j.squares);
  br__encoder_close(&j.encoder);
  return status;
}
