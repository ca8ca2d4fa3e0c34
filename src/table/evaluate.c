/* Measures of a model over a table. Each thread sums integers over its blocks; the ranks' integers add up to the same bits anywhere. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/base/random.h>

#include "bins.h"
#include "evaluate.h"
#include "math.h"
#include "model.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define GRID_BITS 44

/* What one thread has summed up. Numbers are in units of the grid. */
struct sums {
  __int128 error, error_square, target, target_square;
  int64_t rows, without, right, unseen;
  struct br_sum loss; /* log losses, or squared distances from centres */
};

struct evaluating {
  const struct br_table_model *model;
  const struct br_table *table;
  const struct br_rows *rows;
  struct br__encoder encoder;
  const struct br__exchange *exchange;
  bool classes, clusters, rank_scores;
  double scale; /* 1 / grid */
  struct sums *sums;
  uint64_t *keys[2]; /* room for all scores of this rank, filled from both ends by block */
  atomic_size_t used[2];
  atomic_size_t next;
  atomic_int status;
};

/* --- the pass ------------------------------------------------------------------------------------------------------------ */

static void add_number(const struct evaluating *e, struct sums *s, double y, double answer) {
  double limit = ldexp(1, GRID_BITS + 8), error = fabs(y - answer) * e->scale;
  int64_t d = (int64_t)rint(error < limit ? error : limit), t = (int64_t)rint(y * e->scale);
  s->error += d;
  s->error_square += (__int128)d * d;
  s->target += t;
  s->target_square += (__int128)t * t;
  s->rows++;
}

static void add_class(struct evaluating *e, struct sums *s, double y, const double *p) {
  size_t best = 0;
  for (size_t c = 1; c < e->model->outputs; c++)
    if (p[c] > p[best]) best = c;
  double own = y < 0 ? 0 : p[(size_t)y];
  s->rows++;
  s->unseen += y < 0;
  s->right += y >= 0 && best == (size_t)y;
  br_sum_add(&s->loss, -br__log(own > 1e-15 ? own : 1e-15));
  if (e->rank_scores && y >= 0) {
    size_t k = (size_t)y;
    e->keys[k][atomic_fetch_add(&e->used[k], 1)] = br__ordered(p[1]);
  }
}

/* The rows of a block that are to be measured, moved to its front; how many. */
static size_t choose_rows(const struct evaluating *e, size_t b, double *x, double *y) {
  size_t n = br_table_block_rows(e->table, b), p = e->encoder.n_features, kept = 0;
  if (!e->rows) return n;
  for (size_t i = 0; i < n; i++) {
    if (!br__is_measured(e->rows, b, i)) continue;
    if (kept < i) memcpy(x + kept * p, x + i * p, p * sizeof *x);
    y[kept++] = y[i];
  }
  return kept;
}

static void exchange_values(const struct br__exchange *e, size_t b, double *x, size_t n, size_t p) {
  for (size_t i = 0; i < n; i++) x[i * p + e->feature] = e->value[br_random_permute(e->seed, BR_RANDOM_PERMUTE, e->which, e->rows, e->first[b] + i)];
}

static void evaluate_block(struct evaluating *e, struct sums *s, size_t b, double *x, double *y, double *scratch, double *answers) {
  size_t p = e->encoder.n_features, outputs = e->model->outputs;
  uint64_t unknown = 0;
  br__encoder_rows(&e->encoder, b, x, scratch, &unknown);
  if (!e->clusters) br__encoder_target(&e->encoder, b, y);
  size_t n = choose_rows(e, b, x, y);
  if (e->exchange) exchange_values(e->exchange, b, x, n, p);
  for (size_t first = 0; first < n; first += BR__ROWS_AT_ONCE) {
    size_t rows = n - first < BR__ROWS_AT_ONCE ? n - first : BR__ROWS_AT_ONCE;
    br_table_model_predict_rows(e->model, x + first * p, rows, answers);
    for (size_t i = 0; i < rows; i++) {
      const double *answer = answers + i * outputs;
      double target = e->clusters ? 0 : y[first + i];
      if (isnan(target) || isnan(answer[0])) {
        s->without++;
      } else if (e->clusters) {
        s->rows++;
        br_sum_add(&s->loss, br__kmeans_distance(e->model, x + (first + i) * p, (size_t)answer[0]));
      } else if (e->classes) {
        add_class(e, s, target, answer);
      } else {
        add_number(e, s, target, answer[0]);
      }
    }
  }
}

static void evaluate_part(void *arg, struct br_part part) {
  struct evaluating *e = arg;
  size_t largest = br_table_largest_block(e->table), p = e->encoder.n_features;
  double *x = NULL, *rest = NULL;
  int status = br_memory_alloc(largest * p, sizeof *x, "rows of a block", &x);
  if (status == BR_OK) status = br_memory_alloc(2 * largest + BR__ROWS_AT_ONCE * e->model->outputs, sizeof *rest, "rows of a block", &rest);
  for (size_t b; status == BR_OK && (b = atomic_fetch_add(&e->next, 1)) < br_table_blocks(e->table);)
    evaluate_block(e, &e->sums[part.index], b, x, rest, rest + largest, rest + 2 * largest);
  if (status != BR_OK) atomic_store(&e->status, status);
  br_memory_free(x);
  br_memory_free(rest);
}

/* --- together ------------------------------------------------------------------------------------------------------------ */

static void to_limbs(__int128 x, int64_t *limbs) {
  limbs[0] = (int64_t)(x & 0xFFFFFFFF);
  limbs[1] = (int64_t)(x >> 32 & 0xFFFFFFFF);
  limbs[2] = (int64_t)(x >> 64);
}
static __int128 from_limbs(const int64_t *limbs) { return (__int128)limbs[0] + (__int128)limbs[1] * ((__int128)1 << 32) + limbs[2] * ((__int128)1 << 64); }

/* Everything of all threads and ranks into sums[0]. */
static int sum_up(struct br_comm *comm, struct evaluating *e, int threads) {
  struct sums *all = &e->sums[0];
  for (int t = 1; t < threads; t++) {
    const struct sums *s = &e->sums[t];
    all->error += s->error, all->error_square += s->error_square, all->target += s->target, all->target_square += s->target_square;
    all->rows += s->rows, all->without += s->without, all->right += s->right, all->unseen += s->unseen;
    br_sum_merge(&all->loss, &s->loss);
  }
  int64_t x[16] = {[12] = all->rows, all->without, all->right, all->unseen};
  __int128 *wide[4] = {&all->error, &all->error_square, &all->target, &all->target_square};
  for (int i = 0; i < 4; i++) to_limbs(*wide[i], x + 3 * i);
  BR_TRY(br_comm_sum_i64(comm, x, 16));
  for (int i = 0; i < 4; i++) *wide[i] = from_limbs(x + 3 * i);
  all->rows = x[12], all->without = x[13], all->right = x[14], all->unseen = x[15];
  return br_comm_sum_exact(comm, &all->loss, 1);
}

/* The share of pairs (one of each class) that the scores put in the right order; ties count half. */
static double area(const uint64_t *negative, size_t n, const uint64_t *positive, size_t m) {
  unsigned __int128 twice = 0;
  size_t below = 0, upto = 0;
  for (size_t i = 0; i < m; i++) {
    while (below < n && negative[below] < positive[i]) below++;
    if (upto < below) upto = below;
    while (upto < n && negative[upto] == positive[i]) upto++;
    twice += below + upto;
  }
  return (double)twice / 2 / ((double)n * (double)m);
}

/* Collects the scores of one class on rank 0, sorted. */
static int collect_scores(struct br_comm *comm, struct evaluating *e, int k, uint64_t **out, size_t *n) {
  unsigned char *all = NULL;
  size_t mine = atomic_load(&e->used[k]);
  int64_t total = (int64_t)mine;
  BR_TRY(br_comm_sum_i64(comm, &total, 1));
  BR_TRY(br_comm_gather(comm, e->keys[k], mine * sizeof(uint64_t), 0, &all, NULL));
  *out = (uint64_t *)(void *)all;
  *n = (size_t)total;
  if (br_comm_rank(comm) != 0) return br_comm_agree(comm, BR_OK);
  uint64_t *scratch;
  int status = br_memory_alloc(*n, sizeof *scratch, "scores", &scratch);
  if (status == BR_OK) {
    br__sort_u64(*out, scratch, *n);
    br_memory_free(scratch);
  }
  return br_comm_agree(comm, status);
}

static int find_area(struct br_comm *comm, struct evaluating *e, double *auc) {
  uint64_t *keys[2] = {NULL, NULL};
  size_t n[2] = {0, 0};
  int status = collect_scores(comm, e, 0, &keys[0], &n[0]);
  if (status == BR_OK) status = collect_scores(comm, e, 1, &keys[1], &n[1]);
  *auc = NAN;
  if (status == BR_OK && br_comm_rank(comm) == 0 && n[0] && n[1]) *auc = area(keys[0], n[0], keys[1], n[1]);
  br_memory_free(keys[0]);
  br_memory_free(keys[1]);
  BR_TRY(status);
  return br_comm_broadcast(comm, auc, sizeof *auc, 0);
}

static json_t *number_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static void report_numbers(const struct evaluating *e, const struct sums *s, json_t *report) {
  double n = (double)s->rows, grid = 1 / e->scale;
  double rest = (double)s->error_square * grid * grid;
  /* the target's squares about its mean, before anything is rounded: n sum t^2 - (sum t)^2 in 113 bits */
  _Float128 whole = ((_Float128)s->target_square * s->rows - (_Float128)s->target * (_Float128)s->target) / (s->rows ? s->rows : 1);
  double about_mean = (double)whole * grid * grid;
  json_object_set_new(report, "r2", number_or_null(about_mean > 0 ? 1 - rest / about_mean : NAN));
  json_object_set_new(report, "rmse", number_or_null(sqrt(rest / n)));
  json_object_set_new(report, "mae", number_or_null((double)s->error * grid / n));
}

/* The grid for numbers, from the largest target on all ranks. */
static int find_grid(struct br_comm *comm, struct evaluating *e) {
  double *y, most = 0;
  int status = br_memory_alloc(br_table_largest_block(e->table), sizeof *y, "targets", &y);
  BR_TRY(br_comm_agree(comm, status));
  for (size_t b = 0; b < br_table_blocks(e->table); b++) {
    br__encoder_target(&e->encoder, b, y);
    for (size_t i = 0; i < br_table_block_rows(e->table, b); i++) most = fabs(y[i]) > most && isfinite(y[i]) ? fabs(y[i]) : most;
  }
  br_memory_free(y);
  int exponent;
  frexp(most, &exponent);
  int64_t top = most > 0 ? exponent : -900;
  BR_TRY(br_comm_max_i64(comm, &top, 1));
  e->scale = ldexp(1, GRID_BITS - (int)top);
  return BR_OK;
}

static int evaluate(struct br_comm *comm, struct br_team *team, struct evaluating *e, json_t *report) {
  int threads = br_team_count(team), status = br_memory_alloc((size_t)threads, sizeof *e->sums, "sums", &e->sums);
  size_t local = 0;
  for (size_t b = 0; b < br_table_blocks(e->table); b++) local += br_table_block_rows(e->table, b);
  for (int k = 0; e->rank_scores && k < 2 && status == BR_OK; k++) status = br_memory_alloc(local, sizeof *e->keys[k], "scores", &e->keys[k]);
  BR_TRY(br_comm_agree(comm, status));
  if (!e->classes && !e->clusters) BR_TRY(find_grid(comm, e));
  br_team_run(team, evaluate_part, e);
  status = atomic_load(&e->status);
  if (status != BR_OK) status = br_error_set(status, "no memory for the rows of a block");
  BR_TRY(br_comm_agree(comm, status));
  BR_TRY(sum_up(comm, e, threads));
  const struct sums *s = &e->sums[0];
  json_object_set_new(report, "rows", json_integer(s->rows));
  if (s->without) json_object_set_new(report, "rows_without", json_integer(s->without));
  if (s->rows == 0) BR_FAIL(BR_ERROR_DATA, "no row has both a target and an answer: there is nothing to measure");
  if (e->clusters) {
    json_object_set_new(report, "inertia", number_or_null(br_sum_value(&s->loss)));
    return BR_OK;
  }
  if (!e->classes) {
    report_numbers(e, s, report);
    return BR_OK;
  }
  json_object_set_new(report, "accuracy", json_real((double)s->right / (double)s->rows));
  json_object_set_new(report, "log_loss", number_or_null(br_sum_value(&s->loss) / (double)s->rows));
  if (s->unseen) json_object_set_new(report, "classes_unseen", json_integer(s->unseen));
  if (!e->rank_scores) return BR_OK;
  double auc;
  BR_TRY(find_area(comm, e, &auc));
  json_object_set_new(report, "auc", number_or_null(auc));
  return BR_OK;
}

int br_table_evaluate(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, json_t *report) {
  return br__evaluate(comm, team, model, table, rows, NULL, report);
}

int br__evaluate(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, const struct br__exchange *exchange, json_t *report) {
  struct evaluating e = {.model = model, .table = table, .rows = rows, .exchange = exchange, .classes = model->target.type == BR_COLUMN_CATEGORY, .clusters = !model->target.name, .rank_scores = model->outputs == 2};
  BR_TRY(br_comm_agree(comm, br__encoder_open(model, table, !e.clusters, &e.encoder)));
  int status = evaluate(comm, team, &e, report);
  br_memory_free(e.sums);
  br_memory_free(e.keys[0]);
  br_memory_free(e.keys[1]);
  br__encoder_close(&e.encoder);
  return status;
}
