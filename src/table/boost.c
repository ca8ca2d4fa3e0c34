/* Gradient boosting: rows, rounds, early stopping. boost_loss.c says where to, boost_tree.c grows the trees, boost_model.c is the result. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/text.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/train.h>

#include "boost_model.h"
#include "boost_tree.h"
#include "checkpoint.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* One training: this rank's rows, those that are learned from first, then, if stopping early, those that are watched. */
struct training {
  struct br_comm *comm;
  struct br_team *team;
  struct br_task task; /* its rows are `rows_of` */
  struct br_rows rows_of;
  const struct br_boost_settings *settings;
  bool watches;
  double *weight;                    /* [class], of balanced classes */
  struct br__loss loss;
  struct br__loss_rows rows;
  double *target, *score, *base;
  struct br__bins bins;
  struct br__packed_bins packed;
  struct br__derivative *derivative; /* [n_scores][n_train] */
  uint32_t *order;                   /* [n]: the drawn rows first */
  size_t n_drawn;
  struct br_sum *losses;             /* per thread */
  struct br__booster *booster;
  struct br__nodes *trees;           /* [trees * n_scores] */
  size_t n_trees;
  struct br__checkpoint checkpoint;
  int best;                          /* rounds that are kept */
  double lowest;                     /* loss of the watched rows after them */
};

/* --- rows ---------------------------------------------------------------------------------------------------------------- */

/* The roles of this training: with a validation part, it is what is watched, and test rows take no part. */
static int assign_roles(struct training *t, const struct br_task *task) {
  const struct br_table *table = task->table;
  double share = t->settings->validation;
  int64_t counts[2] = {0, 0};
  struct br_rows *out = &t->rows_of;
  *out = (struct br_rows){.dropped = task->rows->dropped};
  int status = br_memory_alloc(br_table_blocks(table), sizeof *out->role, "roles of rows", &out->role);
  for (; status == BR_OK && out->n_blocks < br_table_blocks(table); out->n_blocks++) {
    size_t b = out->n_blocks, n = br_table_block_rows(table, b);
    uint32_t word[4];
    status = br_memory_alloc(n, 1, "roles of rows", &out->role[b]);
    for (size_t i = 0; status == BR_OK && i < n; i++) {
      unsigned char role = task->rows->role[b][i];
      if (share > 0 && role == BR_ROW_TEST) role = BR_ROW_OUT;
      if (share > 0 && role == BR_ROW_TRAIN) {
        br_random_block(task->seed, BR_RANDOM_SPLIT, 2, br_table_block_first(table, b) + i, 0, word);
        if (word[0] < share * 0x1p32) role = BR_ROW_TEST;
      }
      out->role[b][i] = role;
      counts[0] += role == BR_ROW_TRAIN;
      counts[1] += role == BR_ROW_TEST;
    }
  }
  BR_TRY(br_comm_agree(t->comm, status));
  t->rows.n_train = (size_t)counts[0];
  t->rows.n = (size_t)counts[0];
  BR_TRY(br_comm_sum_i64(t->comm, counts, 2));
  out->train = (uint64_t)counts[0];
  out->test = (uint64_t)counts[1];
  if (counts[0] == 0) BR_FAIL(BR_ERROR_DATA, "--validation %g leaves no row to train on", share);
  t->watches = t->settings->patience > 0 && out->test > 0;
  t->task = *task;
  t->task.rows = out;
  for (size_t b = 0; t->watches && b < out->n_blocks; b++)
    for (size_t i = 0; i < br_table_block_rows(table, b); i++) t->rows.n += out->role[b][i] == BR_ROW_TEST;
  return BR_OK;
}

static int read_targets(struct training *t) {
  const struct br_task *task = &t->task;
  double *values;
  BR_TRY(br_memory_alloc(t->rows.n, sizeof *t->target, "targets", &t->target));
  BR_TRY(br_memory_alloc(br_table_largest_block(task->table), sizeof *values, "targets", &values));
  size_t train = 0, watched = t->rows.n_train;
  for (size_t b = 0; b < br_table_blocks(task->table); b++) {
    br_table_numbers(task->table, task->target, b, values);
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) {
      if (task->rows->role[b][i] == BR_ROW_TRAIN) t->target[train++] = values[i];
      if (task->rows->role[b][i] == BR_ROW_TEST && t->watches) t->target[watched++] = values[i];
    }
  }
  br_memory_free(values);
  for (size_t i = 0; i < t->rows.n; i++)
    if (!isfinite(t->target[i])) BR_FAIL(BR_ERROR_DATA, "the target %s holds infinite values; drop those rows", br_table_name(task->table, task->target));
  t->rows.target = t->target;
  return BR_OK;
}

static int check_memory(const struct training *t, const struct br__booster_settings *booster) {
  size_t n = t->rows.n, need = br__booster_bytes(n, &t->bins, booster) + br__packed_bins_bytes(&t->bins, n) + n * (12 + t->loss.n_scores * 16);
  char a[32], b[32];
  if (t->task.memory_bytes && need > t->task.memory_bytes)
    BR_FAIL(BR_ERROR_MEMORY, "boosting on this rank's %zu rows of %zu columns needs %s, and %s are allowed; raise --memory, use more ranks, or fewer leaves", n, t->task.n_features, br_text_bytes((double)need, a), br_text_bytes((double)t->task.memory_bytes, b));
  return BR_OK;
}

static int open_local(struct training *t) {
  const struct br_boost_settings *s = t->settings;
  size_t scores = t->loss.n_scores;
  BR_TRY(br__cell_form(t->task.rows->train, &t->loss.form));
  struct br__boost_rule rule = {.form = t->loss.form, .min_rows = s->min_rows ? s->min_rows : 1, .min_gain = s->min_gain, .l1 = s->l1, .l2 = s->l2, .monotone = s->monotone};
  struct br__booster_settings booster = {.max_depth = s->max_depth, .max_leaves = s->max_leaves, .rate = s->rate, .columns = s->columns_share, .seed = t->task.seed, .quantile = t->loss.kind == BR_BOOST_QUANTILE ? s->quantile : 0, .rule = rule};
  BR_TRY(check_memory(t, &booster));
  BR_TRY(read_targets(t));
  booster.target = t->target;
  BR_TRY(br__packed_bins_make(t->team, &t->task, &t->bins, t->watches, &t->packed));
  BR_TRY(br_memory_alloc(scores, sizeof *t->base, "scores", &t->base));
  BR_TRY(br_memory_alloc(scores * t->rows.n, sizeof *t->score, "scores", &t->score));
  BR_TRY(br_memory_alloc(scores * t->rows.n_train, sizeof *t->derivative, "derivatives", &t->derivative));
  BR_TRY(br_memory_alloc(t->rows.n, sizeof *t->order, "rows", &t->order));
  BR_TRY(br_memory_alloc((size_t)br_team_count(t->team), sizeof *t->losses, "threads", &t->losses));
  BR_TRY(br_memory_alloc((size_t)s->trees * scores, sizeof *t->trees, "trees", &t->trees));
  t->rows.score = t->score;
  return br__booster_open(&t->packed, &t->bins, &booster, br_team_count(t->team), &t->booster);
}

static void close_training(struct training *t) {
  br__booster_close(t->booster);
  for (size_t k = 0; t->trees && k < t->n_trees; k++) br__nodes_free(&t->trees[k]);
  br__packed_bins_free(&t->packed);
  br_rows_free(&t->rows_of);
  br__checkpoint_close(&t->checkpoint);
  br_memory_free(t->trees);
  br_memory_free(t->weight);
  br_memory_free(t->target);
  br_memory_free(t->base);
  br_memory_free(t->score);
  br_memory_free(t->derivative);
  br_memory_free(t->order);
  br_memory_free(t->losses);
  br__bins_free(&t->bins);
}

/* --- settings ------------------------------------------------------------------------------------------------------------ */

static int check(const struct br_task *task, const struct br_boost_settings *s) {
  size_t n = br_table_categories(task->table, task->target);
  const char *name = br_table_name(task->table, task->target);
  bool classes = br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY;
  if (classes && n < 2) BR_FAIL(BR_ERROR_DATA, "the target %s has one class only; there is nothing to learn", name);
  if (classes && s->loss != BR_BOOST_AUTO) BR_FAIL(BR_ERROR_USAGE, "the target %s is a category, and this loss is for numbers", name);
  if (!classes && (s->class_weight || s->balanced)) BR_FAIL(BR_ERROR_USAGE, "the target %s is a number; weights are for classes", name);
  if (s->loss == BR_BOOST_QUANTILE && !(s->quantile > 0 && s->quantile < 1)) BR_FAIL(BR_ERROR_USAGE, "a quantile of %g: above 0 and below 1 are possible", s->quantile);
  if (s->trees < 1 || n > INT32_MAX / (size_t)s->trees) BR_FAIL(BR_ERROR_USAGE, "%d rounds of %zu classes: at least 1 round, and at most 2^31 trees are possible", s->trees, n);
  if (s->max_depth < 1 || s->max_depth > 200) BR_FAIL(BR_ERROR_USAGE, "a depth of %d: 1 to 200 are possible", s->max_depth);
  if (s->max_depth > 16 && !s->max_leaves) BR_FAIL(BR_ERROR_USAGE, "boosting level by level goes to depth 16, not %d; give --max-leaves too", s->max_depth);
  if (s->max_leaves == 1 || s->max_leaves > 65536) BR_FAIL(BR_ERROR_USAGE, "%zu leaves: 2 to 65536 are possible", s->max_leaves);
  if (s->bins == 1 || s->bins > 65535) BR_FAIL(BR_ERROR_USAGE, "%u bins: 2 to 65535 are possible", s->bins);
  if (!(s->rows_share > 0 && s->rows_share <= 1 && s->columns_share > 0 && s->columns_share <= 1)) BR_FAIL(BR_ERROR_USAGE, "shares of rows and columns lie above 0 and not above 1");
  if (!(s->validation >= 0 && s->validation < 1)) BR_FAIL(BR_ERROR_USAGE, "a validation share of %g: 0 to below 1 are possible", s->validation);
  if (s->validation > 0 && s->patience == 0) BR_FAIL(BR_ERROR_USAGE, "--validation is for stopping early; give --patience too");
  if (s->monotone && s->loss == BR_BOOST_QUANTILE) BR_FAIL(BR_ERROR_USAGE, "a monotone model of a quantile is not possible: its leaves' values are not those of the gain");
  for (size_t f = 0; s->monotone && f < task->n_features; f++)
    if (s->monotone[f] && br_table_type(task->table, task->features[f]) == BR_COLUMN_CATEGORY) BR_FAIL(BR_ERROR_USAGE, "column %s holds categories, which have no order; it cannot be monotone", br_table_name(task->table, task->features[f]));
  return BR_OK;
}

/* Weights that make all classes count the same in sum: rows / (classes rows of the class). */
static int balance(struct training *t) {
  size_t n = t->loss.n_classes;
  const struct br_task *task = &t->task;
  int64_t *count = NULL;
  double *values = NULL;
  int status = br_memory_alloc(n, sizeof *count, "classes", &count);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *t->weight, "classes", &t->weight);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(task->table), sizeof *values, "targets", &values);
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(task->table); b++) {
    br_table_numbers(task->table, task->target, b, values);
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++)
      if (task->rows->role[b][i] == BR_ROW_TRAIN) count[(size_t)values[i]]++;
  }
  status = br_comm_agree(t->comm, status);
  if (status == BR_OK) status = br_comm_sum_i64(t->comm, count, n);
  for (size_t c = 0; status == BR_OK && c < n; c++) t->weight[c] = count[c] ? (double)task->rows->train / ((double)n * (double)count[c]) : 1;
  br_memory_free(count);
  br_memory_free(values);
  t->loss.weight = t->weight;
  return status;
}

static int choose_loss(struct training *t) {
  const struct br_boost_settings *s = t->settings;
  size_t classes = br_table_categories(t->task.table, t->task.target);
  t->loss = (struct br__loss){.kind = s->loss == BR_BOOST_AUTO ? BR_BOOST_SQUARES : s->loss, .n_classes = classes, .n_scores = classes > 2 ? classes : 1, .quantile = s->quantile, .weight = s->class_weight, .top_weight = 1};
  if (s->balanced) BR_TRY(balance(t));
  for (size_t c = 0; t->loss.weight && c < classes; c++) {
    if (!(t->loss.weight[c] > 0 && t->loss.weight[c] < 1e9)) BR_FAIL(BR_ERROR_USAGE, "a class's weight of %g: it must be above 0", t->loss.weight[c]);
    if (c == 0 || t->loss.weight[c] > t->loss.top_weight) t->loss.top_weight = t->loss.weight[c];
  }
  return BR_OK;
}

static void keep_settings(struct br_table_model *model, const struct training *t) {
  static const char *const losses[] = {"log", "squares", "poisson", "quantile"};
  const struct br_boost_settings *s = t->settings;
  json_t *o = model->settings;
  json_object_set_new(o, "loss", json_string(losses[t->loss.n_classes ? 0 : t->loss.kind]));
  if (t->loss.kind == BR_BOOST_QUANTILE) json_object_set_new(o, "quantile", json_real(s->quantile));
  json_object_set_new(o, "trees", json_integer(s->trees));
  json_object_set_new(o, "max_depth", json_integer(s->max_depth));
  json_object_set_new(o, "max_leaves", json_integer((json_int_t)s->max_leaves));
  json_object_set_new(o, "min_rows", json_integer((json_int_t)s->min_rows));
  json_object_set_new(o, "min_gain", json_real(s->min_gain));
  json_object_set_new(o, "rate", json_real(s->rate));
  json_object_set_new(o, "l1", json_real(s->l1));
  json_object_set_new(o, "l2", json_real(s->l2));
  json_object_set_new(o, "bins", json_integer(s->bins ? s->bins : 255));
  json_object_set_new(o, "sample_rows", json_real(s->rows_share));
  json_object_set_new(o, "sample_columns", json_real(s->columns_share));
  json_object_set_new(o, "patience", json_integer(s->patience));
  json_object_set_new(o, "validation", json_real(s->validation));
  json_t *weights = json_array(), *monotone = json_object();
  for (size_t c = 0; t->loss.weight && c < t->loss.n_classes; c++) json_array_append_new(weights, json_real(t->loss.weight[c]));
  for (size_t f = 0; s->monotone && f < model->n_features; f++)
    if (s->monotone[f]) json_object_set_new(monotone, model->features[f].name, json_integer(s->monotone[f]));
  if (json_array_size(weights)) json_object_set(o, "class_weights", weights);
  if (json_object_size(monotone)) json_object_set(o, "monotone", monotone);
  json_decref(weights);
  json_decref(monotone);
}

/* --- rounds -------------------------------------------------------------------------------------------------------------- */

static void derive_part(void *arg, struct br_part part) {
  struct training *t = arg;
  size_t first, last;
  br_part_range(part, t->rows.n_train, 64, &first, &last);
  br__loss_derive(&t->loss, &t->rows, first, last, t->derivative);
}

static void loss_part(void *arg, struct br_part part) {
  struct training *t = arg;
  size_t first, last;
  br_part_range(part, t->rows.n - t->rows.n_train, 64, &first, &last);
  t->losses[part.index] = (struct br_sum){0};
  for (size_t i = first; i < last; i++) br_sum_add(&t->losses[part.index], br__loss_of(&t->loss, &t->rows, t->rows.n_train + i));
}

/* The mean loss of the watched rows: an exact sum. */
static int watched_loss(struct training *t, double *out) {
  br_team_run(t->team, loss_part, t);
  for (int k = 1; k < br_team_count(t->team); k++) br_sum_merge(&t->losses[0], &t->losses[k]);
  BR_TRY(br_comm_sum_exact(t->comm, t->losses, 1));
  *out = br_sum_value(&t->losses[0]) / (double)t->task.rows->test;
  return BR_OK;
}

/* The rows of a round, drawn by their numbers in the table, in front of all others. */
static void draw_rows(struct training *t, uint32_t round) {
  const struct br_task *task = &t->task;
  size_t row = 0, drawn = 0, left = t->rows.n;
  uint64_t below = (uint64_t)(t->settings->rows_share * 0x1p32);
  uint32_t word[4];
  for (size_t b = 0; b < br_table_blocks(task->table); b++)
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) {
      if (task->rows->role[b][i] != BR_ROW_TRAIN) continue;
      if (t->settings->rows_share < 1) br_random_block(task->seed, BR_RANDOM_BOOTSTRAP, round, br_table_block_first(task->table, b) + i, 0, word);
      if (t->settings->rows_share >= 1 || word[0] < below)
        t->order[drawn++] = (uint32_t)row++;
      else
        t->order[--left] = (uint32_t)row++;
    }
  t->n_drawn = drawn;
  for (; row < t->rows.n; row++) t->order[drawn++] = (uint32_t)row;
}

static int play_round(struct training *t, uint32_t round) {
  if (t->n_drawn == 0 || t->settings->rows_share < 1) draw_rows(t, round);
  BR_TRY(br__loss_units(t->comm, &t->loss, &t->rows));
  br_team_run(t->team, derive_part, t);
  for (size_t c = 0; c < t->loss.n_scores; c++) {
    uint32_t tree = (uint32_t)t->n_trees;
    BR_TRY(br__booster_grow(t->booster, t->comm, t->team, tree, t->order, t->n_drawn, t->derivative + c * t->rows.n_train, t->loss.unit_g, t->loss.unit_h, t->score + c * t->rows.n, &t->trees[t->n_trees++]));
  }
  return BR_OK;
}

static int make_model(const struct training *t, size_t n_trees, struct br_table_model **out) {
  const struct br_task *task = &t->task;
  struct br__boost *body = NULL;
  BR_TRY(br__model_create(BR_TABLE_BOOST, task->table, task->features, task->n_features, task->target, out));
  keep_settings(*out, t);
  int status = br__boost_body(*out, &body);
  if (status == BR_OK) memcpy(body->base, t->base, t->loss.n_scores * sizeof *body->base);
  if (status == BR_OK) status = br__trees_make(t->trees, n_trees, &body->trees);
  if (status != BR_OK) {
    br_table_model_close(*out);
    *out = NULL;
  }
  return status;
}

/* Rank 0 saves now and then; the others learn when that has failed at the next agreement. */
static int save_checkpoint(struct training *t, int rounds) {
  struct br_table_model *model;
  if (br_comm_rank(t->comm) != 0 || !br__checkpoint_due(&t->checkpoint, (size_t)rounds)) return BR_OK;
  BR_TRY(make_model(t, t->n_trees, &model));
  int status = br__checkpoint_save(&t->checkpoint, model, json_pack("{s:i,s:o}", "best", t->best, "lowest", isfinite(t->lowest) ? json_real(t->lowest) : json_null()));
  br_table_model_close(model);
  return status;
}

/* All rounds that are still to be played. */
static int play(struct training *t) {
  for (int round = (int)(t->n_trees / t->loss.n_scores); round < t->settings->trees; round++) {
    double loss;
    if (t->watches && round - t->best >= t->settings->patience) break;
    BR_TRY(play_round(t, (uint32_t)round));
    if (t->watches) BR_TRY(watched_loss(t, &loss));
    if (!t->watches || loss < t->lowest) {
      t->best = round + 1;
      if (t->watches) t->lowest = loss;
    }
    BR_TRY(br_comm_agree(t->comm, save_checkpoint(t, round + 1)));
  }
  return BR_OK;
}

/* --- going on ------------------------------------------------------------------------------------------------------------ */

struct replay {
  struct training *t;
  const struct br__trees *trees;
  struct br__encoder encoder;
  size_t *first[2]; /* where each block's learned and watched rows lie */
  atomic_size_t next;
  atomic_int status;
};

static void replay_block(const struct replay *r, size_t b, double *x, double *scratch) {
  struct training *t = r->t;
  uint64_t unknown = 0;
  size_t at[2] = {r->first[0][b], r->first[1][b]}, scores = t->loss.n_scores;
  br__encoder_rows(&r->encoder, b, x, scratch, &unknown);
  for (size_t i = 0; i < br_table_block_rows(t->task.table, b); i++) {
    unsigned char role = t->task.rows->role[b][i];
    if (role != BR_ROW_TRAIN && !(role == BR_ROW_TEST && t->watches)) continue;
    size_t row = at[role == BR_ROW_TEST]++;
    for (size_t k = 0; k < r->trees->n_trees; k++) t->score[k % scores * t->rows.n + row] += r->trees->value[br__tree_leaf(r->trees, k, x + i * t->task.n_features)];
  }
}

static void replay_part(void *arg, struct br_part part) {
  struct replay *r = arg;
  size_t most = br_table_largest_block(r->t->task.table), p = r->t->task.n_features;
  double *x;
  (void)part;
  if (br_memory_alloc(most * (p + 1), sizeof *x, "rows", &x) != BR_OK) {
    atomic_store(&r->status, BR_ERROR_MEMORY);
    return;
  }
  for (size_t b; (b = atomic_fetch_add(&r->next, 1)) < br_table_blocks(r->t->task.table);) replay_block(r, b, x, x + most * p);
  br_memory_free(x);
}

/* Adds the checkpoint's trees to the scores, one after another as training did. */
static int replay(struct training *t, const struct br_table_model *model) {
  struct replay r = {.t = t, .trees = br__model_trees(model)};
  size_t blocks = br_table_blocks(t->task.table), at[2] = {0, t->rows.n_train};
  int status = br_memory_alloc(blocks, sizeof *r.first[0], "blocks", &r.first[0]);
  if (status == BR_OK) status = br_memory_alloc(blocks, sizeof *r.first[1], "blocks", &r.first[1]);
  for (size_t b = 0; status == BR_OK && b < blocks; b++)
    for (size_t i = 0; i < br_table_block_rows(t->task.table, b); i++) {
      if (i == 0) r.first[0][b] = at[0], r.first[1][b] = at[1];
      at[0] += t->task.rows->role[b][i] == BR_ROW_TRAIN;
      at[1] += t->task.rows->role[b][i] == BR_ROW_TEST;
    }
  if (status == BR_OK) status = br__encoder_open(model, t->task.table, true, &r.encoder);
  if (status == BR_OK) {
    br_team_run(t->team, replay_part, &r);
    if (atomic_load(&r.status) != BR_OK) status = br_error_set(BR_ERROR_MEMORY, "no memory for the rows of a block");
  }
  br__encoder_close(&r.encoder);
  br_memory_free(r.first[0]);
  br_memory_free(r.first[1]);
  return status;
}

static int resume(struct training *t) {
  struct br_table_model *model = NULL;
  json_t *state = NULL;
  double kept[2] = {0, INFINITY};
  BR_TRY(br_comm_agree(t->comm, make_model(t, 0, &model)));
  int status = br__checkpoint_resume(t->comm, &t->checkpoint, model, (size_t)t->settings->trees * t->loss.n_scores, t->trees, &t->n_trees, &state);
  br_table_model_close(model);
  model = NULL;
  if (state) kept[0] = json_number_value(json_object_get(state, "best"));
  if (json_is_real(json_object_get(state, "lowest"))) kept[1] = json_real_value(json_object_get(state, "lowest"));
  json_decref(state);
  if (status != BR_OK || t->n_trees == 0) return status;
  BR_TRY(br_comm_broadcast(t->comm, kept, sizeof kept, 0));
  t->best = (int)kept[0];
  t->lowest = kept[1];
  t->checkpoint.last_count = t->n_trees / t->loss.n_scores;
  status = make_model(t, t->n_trees, &model);
  if (status == BR_OK) status = replay(t, model);
  br_table_model_close(model);
  return br_comm_agree(t->comm, status);
}

/* --- together ------------------------------------------------------------------------------------------------------------ */

static int train(struct training *t, const struct br_task *task) {
  BR_TRY(assign_roles(t, task));
  BR_TRY(choose_loss(t));
  uint32_t bins = t->settings->bins ? t->settings->bins : 255;
  BR_TRY(br__bins_find(t->comm, t->team, &t->task, bins, bins, &t->bins));
  BR_TRY(br_comm_agree(t->comm, open_local(t)));
  BR_TRY(br__loss_base(t->comm, t->team, &t->task, &t->loss, &t->rows, t->base));
  for (size_t c = 0; c < t->loss.n_scores; c++)
    for (size_t i = 0; i < t->rows.n; i++) t->score[c * t->rows.n + i] = t->base[c];
  BR_TRY(br__checkpoint_open(t->comm, &t->task, &t->settings->checkpoint, &t->checkpoint));
  BR_TRY(resume(t));
  return play(t);
}

int br_boost_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_boost_settings *settings, struct br_table_model **out, json_t *report) {
  struct training t = {.comm = comm, .team = team, .settings = settings, .lowest = INFINITY};
  *out = NULL;
  BR_TRY(check(task, settings));
  int status = train(&t, task);
  if (status == BR_OK) status = br_comm_agree(comm, make_model(&t, (size_t)t.best * t.loss.n_scores, out));
  if (status == BR_OK && br_comm_rank(comm) == 0) br__checkpoint_remove(&t.checkpoint);
  if (status == BR_OK && report) {
    json_object_set_new(report, "rows", json_integer((json_int_t)t.task.rows->train));
    br__boost_describe(*out, report);
  }
  close_training(&t);
  return status;
}
