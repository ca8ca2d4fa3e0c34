/* Gradient boosting: losses, rounds, early stopping, and the model. boost_tree.c grows the trees. A row's score is the base plus its leaves'
 * values in the order of trees, in training as in prediction, so both have the same bits. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/train.h>

#include "boost_tree.h"
#include "math.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct boost {
  struct br__trees *trees;
  size_t n_scores; /* 1, or the classes where there are more than two */
  double *base;    /* [n_scores] */
};

/* --- the model ----------------------------------------------------------------------------------------------------------- */

static size_t scores_of(const struct br_table_model *model) { return model->outputs > 2 ? model->outputs : 1; }

static size_t boost_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) {
  const struct boost *body = model->body;
  size_t n = br__trees_tensors(body->trees, entries);
  entries[n++] = (struct br_tensor_entry){.name = "base", .type = BR_F64, .dims = 1, .shape = {body->n_scores}, .data = body->base};
  return n;
}

static void boost_free(struct br_table_model *model) {
  struct boost *body = model->body;
  br__trees_free(body->trees);
  br_memory_free(body->base);
  br_memory_free(body);
  model->body = NULL;
}

static int new_body(struct br_table_model *model, struct boost **out) {
  struct boost *body;
  BR_TRY(br_memory_alloc(1, sizeof *body, "boosted trees", &body));
  model->body = *out = body;
  body->n_scores = scores_of(model);
  return br_memory_alloc(body->n_scores, sizeof *body->base, "boosted trees", &body->base);
}

static int boost_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct boost *body;
  const void *data;
  BR_TRY(new_body(model, &body));
  BR_TRY(br__model_tensor(file, "base", BR_F64, body->n_scores, &data, NULL));
  memcpy(body->base, data, body->n_scores * sizeof *body->base);
  BR_TRY(br__trees_load(model, file, &body->trees));
  if (body->trees->n_trees % body->n_scores) BR_FAIL(BR_ERROR_DATA, "%zu trees are no whole number of rounds of %zu classes", body->trees->n_trees, body->n_scores);
  return BR_OK;
}

/* Scores to probabilities, in place. */
static void softmax(double *score, size_t n) {
  double top = score[0], sum = 0;
  for (size_t c = 1; c < n; c++) top = score[c] > top ? score[c] : top;
  for (size_t c = 0; c < n; c++) sum += score[c] = br__exp(score[c] - top);
  for (size_t c = 0; c < n; c++) score[c] /= sum;
}

static double logistic(double score) { return 1 / (1 + br__exp(-score)); }

static void boost_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct boost *body = model->body;
  for (size_t c = 0; c < body->n_scores; c++) out[c] = body->base[c];
  for (size_t t = 0; t < body->trees->n_trees; t++) out[t % body->n_scores] += body->trees->value[br__tree_leaf(body->trees, t, x)];
  if (model->outputs > 2) softmax(out, model->outputs);
  if (model->outputs == 2) {
    out[1] = logistic(out[0]);
    out[0] = 1 - out[1];
  }
}

static void boost_describe(const struct br_table_model *model, json_t *into) {
  const struct boost *body = model->body;
  json_object_set_new(into, "rounds", json_integer((json_int_t)(body->trees->n_trees / body->n_scores)));
  br__trees_describe(model, body->trees, into);
}

const struct br__model_class br__boost_class = {.name = "boost", .tensors = boost_tensors, .load = boost_load, .predict = boost_predict, .describe = boost_describe, .free = boost_free};

/* --- rows ---------------------------------------------------------------------------------------------------------------- */

/* One training: this rank's rows, those of the training part first, then, if stopping early, those of the test part. */
struct training {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_task *task;
  const struct br_boost_settings *settings;
  size_t n, n_train, n_classes, n_scores;
  struct br__bins bins;
  struct br__packed_bins packed;
  struct br__cell_form form;
  double *target;                    /* [n]: numbers, or codes of classes */
  double *base, *score;              /* [n_scores], [n_scores][n] */
  struct br__derivative *derivative; /* [n_scores][n_train] */
  uint32_t *order;                   /* [n]: the drawn rows first */
  size_t n_drawn;
  double unit;                       /* of numbers' derivatives */
  struct br_sum *losses;             /* per thread */
  struct br__booster *booster;
  struct br__nodes *trees;           /* [trees * n_scores] */
  size_t n_trees;
};

static bool stops_early(const struct training *t) { return t->settings->patience > 0 && t->task->rows->test > 0; }

static size_t rows_with(const struct br_task *task, enum br_role role) {
  size_t n = 0;
  for (size_t b = 0; b < br_table_blocks(task->table); b++)
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) n += task->rows->role[b][i] == (unsigned char)role;
  return n;
}

static int read_targets(struct training *t) {
  const struct br_task *task = t->task;
  double *values;
  BR_TRY(br_memory_alloc(t->n, sizeof *t->target, "targets", &t->target));
  BR_TRY(br_memory_alloc(br_table_largest_block(task->table), sizeof *values, "targets", &values));
  size_t train = 0, test = t->n_train;
  for (size_t b = 0; b < br_table_blocks(task->table); b++) {
    br_table_numbers(task->table, task->target, b, values);
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) {
      if (task->rows->role[b][i] == BR_ROW_TRAIN) t->target[train++] = values[i];
      if (task->rows->role[b][i] == BR_ROW_TEST && t->n > t->n_train) t->target[test++] = values[i];
    }
  }
  br_memory_free(values);
  for (size_t i = 0; i < t->n; i++)
    if (!isfinite(t->target[i])) BR_FAIL(BR_ERROR_DATA, "the target %s holds infinite values; drop those rows", br_table_name(task->table, task->target));
  return BR_OK;
}

static int check_memory(const struct training *t, const struct br__booster_settings *booster) {
  size_t need = br__booster_bytes(t->n, &t->bins, booster) + br__packed_bins_bytes(&t->bins, t->n) + t->n * (12 + t->n_scores * 16);
  if (t->task->memory_bytes && need > t->task->memory_bytes)
    BR_FAIL(BR_ERROR_MEMORY, "boosting on this rank's %zu rows of %zu columns needs %zu MB, and %zu MB are allowed; raise --memory, use more ranks, or fewer leaves", t->n, t->task->n_features, need >> 20, t->task->memory_bytes >> 20);
  return BR_OK;
}

static int open_local(struct training *t) {
  const struct br_boost_settings *s = t->settings;
  BR_TRY(br__cell_form(t->task->rows->train, &t->form));
  struct br__boost_rule rule = {.form = t->form, .min_rows = s->min_rows ? s->min_rows : 1, .min_gain = s->min_gain, .l2 = s->l2};
  struct br__booster_settings booster = {.max_depth = s->max_depth, .max_leaves = s->max_leaves, .rate = s->rate, .columns = s->columns_share, .seed = t->task->seed, .rule = rule};
  BR_TRY(check_memory(t, &booster));
  BR_TRY(read_targets(t));
  BR_TRY(br__packed_bins_make(t->team, t->task, &t->bins, t->n > t->n_train, &t->packed));
  BR_TRY(br_memory_alloc(t->n_scores, sizeof *t->base, "scores", &t->base));
  BR_TRY(br_memory_alloc(t->n_scores * t->n, sizeof *t->score, "scores", &t->score));
  BR_TRY(br_memory_alloc(t->n_scores * t->n_train, sizeof *t->derivative, "derivatives", &t->derivative));
  BR_TRY(br_memory_alloc(t->n, sizeof *t->order, "rows", &t->order));
  BR_TRY(br_memory_alloc((size_t)br_team_count(t->team), sizeof *t->losses, "threads", &t->losses));
  BR_TRY(br_memory_alloc((size_t)s->trees * t->n_scores, sizeof *t->trees, "trees", &t->trees));
  return br__booster_open(&t->packed, &t->bins, &booster, br_team_count(t->team), &t->booster);
}

static void close_training(struct training *t) {
  br__booster_close(t->booster);
  for (size_t k = 0; t->trees && k < t->n_trees; k++) br__nodes_free(&t->trees[k]);
  br__packed_bins_free(&t->packed);
  br_memory_free(t->trees);
  br_memory_free(t->target);
  br_memory_free(t->base);
  br_memory_free(t->score);
  br_memory_free(t->derivative);
  br_memory_free(t->order);
  br_memory_free(t->losses);
  br__bins_free(&t->bins);
}

/* --- the loss ------------------------------------------------------------------------------------------------------------ */

/* The scores before the first tree: the mean, or the logarithms of the classes' shares. */
static int find_base(struct training *t) {
  double rows = (double)t->task->rows->train;
  if (t->n_classes == 0) {
    struct br_sum sum = {0};
    for (size_t i = 0; i < t->n_train; i++) br_sum_add(&sum, t->target[i]);
    BR_TRY(br_comm_sum_exact(t->comm, &sum, 1));
    t->base[0] = br_sum_value(&sum) / rows;
    if (!isfinite(t->base[0])) BR_FAIL(BR_ERROR_DATA, "the target %s is too large to be summed", br_table_name(t->task->table, t->task->target));
  } else {
    int64_t *count;
    BR_TRY(br_comm_agree(t->comm, br_memory_alloc(t->n_classes, sizeof *count, "classes", &count)));
    for (size_t i = 0; i < t->n_train; i++) count[(size_t)t->target[i]]++;
    int status = br_comm_sum_i64(t->comm, count, t->n_classes);
    size_t present = 0;
    for (size_t c = 0; c < t->n_classes; c++) present += count[c] > 0;
    for (size_t c = 0; c < t->n_scores; c++) t->base[c] = br__log(((double)count[c] + (count[c] == 0) * 1e-3) / rows); /* a class that only the test part has: nearly never */
    if (t->n_scores == 1 && present == 2) t->base[0] = br__log((double)count[1] / (double)count[0]);
    br_memory_free(count);
    BR_TRY(status);
    if (present < 2) BR_FAIL(BR_ERROR_DATA, "all rows to train on have the same class of %s; there is nothing to learn", br_table_name(t->task->table, t->task->target));
  }
  for (size_t c = 0; c < t->n_scores; c++)
    for (size_t i = 0; i < t->n; i++) t->score[c * t->n + i] = t->base[c];
  return BR_OK;
}

/* The unit of numbers' derivatives: 2^-30 of the power of two above the largest residual of all ranks. */
static int find_unit(struct training *t) {
  t->unit = ldexp(1, -BR__DERIVATIVE_BITS);
  if (t->n_classes) return BR_OK;
  double largest = 0;
  int64_t bits;
  for (size_t i = 0; i < t->n_train; i++) {
    double r = fabs(t->score[i] - t->target[i]);
    if (!(r <= largest)) largest = r;
  }
  memcpy(&bits, &largest, 8); /* as integers, doubles that are not negative have the same order */
  BR_TRY(br_comm_max_i64(t->comm, &bits, 1));
  memcpy(&largest, &bits, 8);
  int exponent = 0;
  if (largest > 0) frexp(largest, &exponent);
  t->unit = ldexp(1, exponent - BR__DERIVATIVE_BITS);
  return BR_OK;
}

/* Of values below 2^51, by the rounding of the addition. */
static inline double nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

static struct br__derivative rounded(const struct training *t, double g, double h) {
  int32_t whole = (int32_t)nearest(h * (double)((1 << t->form.h_bits) - 1));
  return (struct br__derivative){(int32_t)nearest(g * (double)(1 << BR__DERIVATIVE_BITS)), whole < 1 ? 1 : whole};
}

static void derive_part(void *arg, struct br_part part) {
  struct training *t = arg;
  size_t first, last, n = t->n;
  br_part_range(part, t->n_train, 64, &first, &last);
  for (size_t i = first; i < last; i++) {
    if (t->n_classes == 0) {
      t->derivative[i] = (struct br__derivative){(int32_t)nearest((t->score[i] - t->target[i]) / t->unit), 1};
    } else if (t->n_scores == 1) {
      double p = logistic(t->score[i]);
      t->derivative[i] = rounded(t, p - t->target[i], p * (1 - p));
    } else {
      double top = t->score[i], sum = 0;
      for (size_t c = 1; c < t->n_scores; c++) top = t->score[c * n + i] > top ? t->score[c * n + i] : top;
      for (size_t c = 0; c < t->n_scores; c++) sum += br__exp(t->score[c * n + i] - top);
      for (size_t c = 0; c < t->n_scores; c++) {
        double p = br__exp(t->score[c * n + i] - top) / sum;
        t->derivative[c * t->n_train + i] = rounded(t, p - ((double)c == t->target[i]), 2 * p * (1 - p));
      }
    }
  }
}

static double loss_of(const struct training *t, size_t i) {
  size_t n = t->n;
  double s = t->score[i], y = t->target[i];
  if (t->n_classes == 0) return (s - y) * (s - y);
  if (t->n_scores == 1) return br__log1p_exp(y > 0 ? -s : s);
  double top = s, sum = 0;
  for (size_t c = 1; c < t->n_scores; c++) top = t->score[c * n + i] > top ? t->score[c * n + i] : top;
  for (size_t c = 0; c < t->n_scores; c++) sum += br__exp(t->score[c * n + i] - top);
  return top + br__log(sum) - t->score[(size_t)y * n + i];
}

static void loss_part(void *arg, struct br_part part) {
  struct training *t = arg;
  size_t first, last;
  br_part_range(part, t->n - t->n_train, 64, &first, &last);
  t->losses[part.index] = (struct br_sum){0};
  for (size_t i = first; i < last; i++) br_sum_add(&t->losses[part.index], loss_of(t, t->n_train + i));
}

/* The mean loss of the test part: an exact sum. */
static int test_loss(struct training *t, double *out) {
  br_team_run(t->team, loss_part, t);
  for (int k = 1; k < br_team_count(t->team); k++) br_sum_merge(&t->losses[0], &t->losses[k]);
  BR_TRY(br_comm_sum_exact(t->comm, t->losses, 1));
  *out = br_sum_value(&t->losses[0]) / (double)t->task->rows->test;
  return BR_OK;
}

/* --- rounds -------------------------------------------------------------------------------------------------------------- */

/* The rows of a round, drawn by their numbers in the table, in front of all others. */
static void draw_rows(struct training *t, uint32_t round) {
  const struct br_task *task = t->task;
  size_t row = 0, drawn = 0, left = t->n;
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
  for (; row < t->n; row++) t->order[drawn++] = (uint32_t)row;
}

static int play_round(struct training *t, uint32_t round) {
  if (round == 0 || t->settings->rows_share < 1) draw_rows(t, round);
  BR_TRY(find_unit(t));
  br_team_run(t->team, derive_part, t);
  for (size_t c = 0; c < t->n_scores; c++) {
    uint32_t tree = (uint32_t)t->n_trees;
    double unit_h = t->n_classes ? 1 / (double)((1 << t->form.h_bits) - 1) : 1;
    BR_TRY(br__booster_grow(t->booster, t->comm, t->team, tree, t->order, t->n_drawn, t->derivative + c * t->n_train, t->unit, unit_h, t->score + c * t->n, &t->trees[t->n_trees++]));
  }
  return BR_OK;
}

/* All rounds; *best is how many of them are kept. */
static int play(struct training *t, int *best) {
  double lowest = INFINITY, loss;
  for (int round = 0; round < t->settings->trees; round++) {
    BR_TRY(play_round(t, (uint32_t)round));
    *best = stops_early(t) ? *best : round + 1;
    if (!stops_early(t)) continue;
    BR_TRY(test_loss(t, &loss));
    if (loss < lowest) lowest = loss, *best = round + 1;
    if (round + 1 - *best >= t->settings->patience) break;
  }
  return BR_OK;
}

static int check(const struct br_task *task, const struct br_boost_settings *s) {
  size_t n = br_table_categories(task->table, task->target);
  const char *name = br_table_name(task->table, task->target);
  if (br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY && n < 2) BR_FAIL(BR_ERROR_DATA, "the target %s has one class only; there is nothing to learn", name);
  if (s->trees < 1 || n > INT32_MAX / (size_t)s->trees) BR_FAIL(BR_ERROR_USAGE, "%d rounds of %zu classes: at least 1 round, and at most 2^31 trees are possible", s->trees, n);
  if (s->max_depth < 1 || s->max_depth > 200) BR_FAIL(BR_ERROR_USAGE, "a depth of %d: 1 to 200 are possible", s->max_depth);
  if (s->max_depth > 16 && !s->max_leaves) BR_FAIL(BR_ERROR_USAGE, "boosting level by level goes to depth 16, not %d; give --max-leaves too", s->max_depth);
  if (s->max_leaves == 1 || s->max_leaves > 65536) BR_FAIL(BR_ERROR_USAGE, "%zu leaves: 2 to 65536 are possible", s->max_leaves);
  if (!(s->rows_share > 0 && s->rows_share <= 1 && s->columns_share > 0 && s->columns_share <= 1)) BR_FAIL(BR_ERROR_USAGE, "shares of rows and columns lie above 0 and not above 1");
  return BR_OK;
}

static void keep_settings(struct br_table_model *model, const struct br_boost_settings *s) {
  json_t *o = model->settings;
  json_object_set_new(o, "trees", json_integer(s->trees));
  json_object_set_new(o, "max_depth", json_integer(s->max_depth));
  json_object_set_new(o, "max_leaves", json_integer((json_int_t)s->max_leaves));
  json_object_set_new(o, "min_rows", json_integer((json_int_t)s->min_rows));
  json_object_set_new(o, "min_gain", json_real(s->min_gain));
  json_object_set_new(o, "rate", json_real(s->rate));
  json_object_set_new(o, "l2", json_real(s->l2));
  json_object_set_new(o, "sample_rows", json_real(s->rows_share));
  json_object_set_new(o, "sample_columns", json_real(s->columns_share));
  json_object_set_new(o, "patience", json_integer(s->patience));
}

static int make_model(const struct training *t, int rounds, struct br_table_model **out) {
  const struct br_task *task = t->task;
  struct boost *body = NULL;
  BR_TRY(br__model_create(BR_TABLE_BOOST, task->table, task->features, task->n_features, task->target, out));
  int status = new_body(*out, &body);
  if (status == BR_OK) memcpy(body->base, t->base, t->n_scores * sizeof *body->base);
  if (status == BR_OK) status = br__trees_make(t->trees, (size_t)rounds * t->n_scores, &body->trees);
  if (status != BR_OK) {
    br_table_model_close(*out);
    *out = NULL;
    return status;
  }
  keep_settings(*out, t->settings);
  return BR_OK;
}

int br_boost_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_boost_settings *settings, struct br_table_model **out, json_t *report) {
  struct training t = {.comm = comm, .team = team, .task = task, .settings = settings, .n_classes = br_table_categories(task->table, task->target)};
  int rounds = 0, status;
  *out = NULL;
  BR_TRY(check(task, settings));
  t.n_scores = t.n_classes > 2 ? t.n_classes : 1;
  t.n = t.n_train = rows_with(task, BR_ROW_TRAIN);
  if (stops_early(&t)) t.n += rows_with(task, BR_ROW_TEST);
  BR_TRY_GOTO(status, br__bins_find(comm, team, task, 255, 255, &t.bins), end);
  BR_TRY_GOTO(status, br_comm_agree(comm, open_local(&t)), end);
  BR_TRY_GOTO(status, find_base(&t), end);
  BR_TRY_GOTO(status, play(&t, &rounds), end);
  status = br_comm_agree(comm, make_model(&t, rounds, out));
  if (status == BR_OK && report) {
    json_object_set_new(report, "rows", json_integer((json_int_t)task->rows->train));
    boost_describe(*out, report);
  }
end:
  close_training(&t);
  return status;
}
