/* Logistic regression by Newton's method (iteratively reweighted least squares). Columns are scaled to mean 0 and deviation 1 for the fit; the
 * gradient and the second derivatives are rounded per row to a grid that sums of all rows fit, and summed as integers, so a step has the
 * same bits on any number of ranks. The first class is the base: every other one has weights of its own against it. */
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/train.h>

#include "checks.h"
#include "math.h"
#include "model.h"
#include "moments.h"
#include "solve.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define MOST_STEPS 60
#define MOST_UNKNOWNS 1000 /* second derivatives of all pairs are summed and solved for */
#define SMALL_STEP 1e-9

struct logistic {
  size_t n_sets, n_weights; /* classes less one; numbers one weight, categories one each, 0 for the first */
  size_t *offset;           /* [features]: a feature's first weight */
  double *weights;          /* [n_sets][n_weights] */
  double *intercept;        /* [n_sets] */
  double *errors;           /* [n_sets][n_weights]: standard errors; NaN where there is none */
};

/* --- the model ----------------------------------------------------------------------------------------------------------- */

static size_t logistic_tensors(const struct br_table_model *model, struct br_tensor_entry *e) {
  const struct logistic *body = model->body;
  e[0] = (struct br_tensor_entry){.name = "weights", .type = BR_F64, .dims = 1, .shape = {body->n_sets * body->n_weights}, .data = body->weights};
  e[1] = (struct br_tensor_entry){.name = "intercept", .type = BR_F64, .dims = 1, .shape = {body->n_sets}, .data = body->intercept};
  e[2] = (struct br_tensor_entry){.name = "standard_errors", .type = BR_F64, .dims = 1, .shape = {body->n_sets * body->n_weights}, .data = body->errors};
  return 3;
}

static void logistic_free(struct br_table_model *model) {
  const struct logistic *body = model->body;
  br__model_free_body(model, (void *[]){body->offset, body->weights, body->intercept, body->errors}, 4);
}

static int new_body(struct br_table_model *model, struct logistic **out) {
  struct logistic *body;
  size_t all;
  BR_TRY(br_memory_alloc(1, sizeof *body, "weights", &body));
  model->body = *out = body;
  if (model->outputs < 2) BR_FAIL(BR_ERROR_DATA, "a logistic model needs two classes or more");
  body->n_sets = model->outputs - 1;
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->offset, "weights", &body->offset));
  for (size_t f = 0; f < model->n_features; f++) {
    body->offset[f] = body->n_weights;
    body->n_weights += br__feature_width(&model->features[f]);
  }
  if (!br_size_mul(body->n_sets, body->n_weights, &all)) BR_FAIL(BR_ERROR_MEMORY, "too many weights");
  BR_TRY(br_memory_alloc(all, sizeof *body->weights, "weights", &body->weights));
  BR_TRY(br_memory_alloc(all, sizeof *body->errors, "weights", &body->errors));
  return br_memory_alloc(body->n_sets, sizeof *body->intercept, "weights", &body->intercept);
}

static int logistic_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct logistic *body;
  BR_TRY(new_body(model, &body));
  return br__model_load_body(model, file);
}

/* Scores of all classes but the first, at p[1]..., to probabilities; the first class's score is 0. */
static void to_probabilities(double *p, size_t n) {
  double top = 0, sum = 0;
  p[0] = 0;
  for (size_t c = 1; c < n; c++) top = p[c] > top ? p[c] : top;
  for (size_t c = 0; c < n; c++) sum += p[c] = br__exp(p[c] - top);
  for (size_t c = 0; c < n; c++) p[c] /= sum;
}

static void logistic_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct logistic *body = model->body;
  for (size_t s = 0; s < body->n_sets; s++) {
    const double *w = body->weights + s * body->n_weights;
    out[s + 1] = body->intercept[s];
    for (size_t f = 0; f < model->n_features; f++) {
      if (model->features[f].type != BR_COLUMN_CATEGORY)
        out[s + 1] += w[body->offset[f]] * x[f];
      else if (!isnan(x[f])) /* an unknown category counts as the base */
        out[s + 1] += w[body->offset[f] + (size_t)x[f]];
    }
    if (isnan(out[s + 1])) {
      for (size_t c = 0; c < model->outputs; c++) out[c] = NAN;
      return;
    }
  }
  to_probabilities(out, model->outputs);
}

static void logistic_describe(const struct br_table_model *model, json_t *into) {
  const struct logistic *body = model->body;
  json_t *classes = json_object();
  for (size_t s = 0; s < body->n_sets; s++) {
    json_t *coefficients = json_object(), *odds = json_object(), *errors = json_object();
    for (size_t f = 0; f < model->n_features; f++) {
      const struct br_table_model_column *feature = &model->features[f];
      bool category = feature->type == BR_COLUMN_CATEGORY;
      for (size_t k = category; k < (category ? feature->n_categories : 1); k++) {
        char name[512];
        double w = body->weights[s * body->n_weights + body->offset[f] + k], ratio = br__exp(w), error = body->errors[s * body->n_weights + body->offset[f] + k];
        snprintf(name, sizeof name, category ? "%s=%s" : "%s", feature->name, category ? feature->categories[k] : "");
        json_object_set_new(coefficients, name, json_real(w));
        json_object_set_new(odds, name, isfinite(ratio) ? json_real(ratio) : json_null());
        json_object_set_new(errors, name, isfinite(error) ? json_real(error) : json_null());
      }
    }
    json_object_set_new(classes, model->target.categories[s + 1], json_pack("{s:f,s:o,s:o,s:o}", "intercept", body->intercept[s], "coefficients", coefficients, "odds", odds, "standard_errors", errors));
  }
  json_object_set_new(into, "base_class", json_string(model->target.categories[0]));
  json_object_set_new(into, "against_base", classes);
}

const struct br__model_class br__logistic_class = {.name = "logistic", .tensors = logistic_tensors, .load = logistic_load, .predict = logistic_predict, .describe = logistic_describe, .free = logistic_free};

/* --- the fit ------------------------------------------------------------------------------------------------------------- */

struct fit {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_task *task;
  const struct br_table_model *model;
  struct br__encoder encoder;
  size_t n_terms, n_sets, n; /* the intercept and the weights of one set; sets; all unknowns */
  size_t *term;              /* [n_weights]: the term of a weight, 0 for a base */
  double *mean, *deviation;  /* [features]: 0 and 1 for categories */
  double *b, *trial;         /* [n] */
  double *error;             /* [n]: standard errors at the last step; NaN with l1 */
  double unit_g, unit_h, l1, l2;
  bool second;               /* second derivatives are wanted, not only the loss */
  /* per thread */
  int64_t **sums;            /* [n + n n]: gradient, second derivatives */
  struct br_sum *loss;
  double **room;             /* a block's rows, targets, scratch; one row's terms and probabilities */
  double *most;              /* largest scaled value */
  enum { LARGEST, DERIVATIVES } pass;
  atomic_size_t next;
};

/* One row's terms; the intercept's is 1. */
static void row_terms(const struct fit *f, const double *x, double *z) {
  const struct logistic *body = f->model->body;
  memset(z, 0, f->n_terms * sizeof *z);
  z[0] = 1;
  for (size_t k = 0; k < f->model->n_features; k++) {
    bool category = f->model->features[k].type == BR_COLUMN_CATEGORY;
    size_t term = f->term[body->offset[k] + (category ? (size_t)x[k] : 0)];
    if (term) z[term] = category ? 1 : (x[k] - f->mean[k]) / f->deviation[k];
  }
}

static void add_derivatives(const struct fit *f, const double *z, const double *p, size_t target, int64_t *sums) {
  size_t m = f->n_terms;
  for (size_t s = 0; s < f->n_sets; s++) {
    double slope = p[s + 1] - (target == s + 1);
    for (size_t i = 0; i < m; i++) sums[s * m + i] += (int64_t)rint(slope * z[i] / f->unit_g);
    for (size_t r = 0; r <= s; r++) {
      double w = r == s ? p[s + 1] * (1 - p[s + 1]) : -p[s + 1] * p[r + 1];
      for (size_t i = 0; i < m; i++) {
        if (z[i] == 0) continue;
        int64_t *row = sums + f->n + (s * m + i) * f->n + r * m;
        double wz = w * z[i] / f->unit_h;
        for (size_t k = 0; k < m; k++) row[k] += (int64_t)rint(wz * z[k]);
      }
    }
  }
}

static void take_row(struct fit *f, int thread, const double *x, double y, double *z, double *p) {
  size_t m = f->n_terms;
  row_terms(f, x, z);
  if (f->pass == LARGEST) {
    for (size_t i = 0; i < m; i++) f->most[thread] = fabs(z[i]) > f->most[thread] ? fabs(z[i]) : f->most[thread];
    return;
  }
  for (size_t s = 0; s < f->n_sets; s++) {
    p[s + 1] = 0;
    for (size_t i = 0; i < m; i++) p[s + 1] += f->trial[s * m + i] * z[i];
  }
  to_probabilities(p, f->n_sets + 1);
  double likely = p[(size_t)y];
  br_sum_add(&f->loss[thread], likely > 1e-300 ? -br__log(likely) : 690);
  if (f->second) add_derivatives(f, z, p, (size_t)y, f->sums[thread]);
}

static void pass_part(void *arg, struct br_part part) {
  struct fit *f = arg;
  const struct br_table *table = f->task->table;
  size_t most = br_table_largest_block(table), p = f->model->n_features;
  double *x = f->room[part.index], *y = x + most * p, *scratch = y + most, *z = scratch + most, *probability = z + f->n_terms;
  uint64_t unknown = 0;
  for (size_t b; (b = atomic_fetch_add(&f->next, 1)) < br_table_blocks(table);) {
    br__encoder_rows(&f->encoder, b, x, scratch, &unknown);
    br__encoder_target(&f->encoder, b, y);
    for (size_t i = 0; i < br_table_block_rows(table, b); i++)
      if (f->task->rows->role[b][i] == BR_ROW_TRAIN) take_row(f, part.index, x + i * p, y[i], z, probability);
  }
}

static void run_pass(struct fit *f, int pass) {
  f->pass = pass;
  atomic_store(&f->next, 0);
  br_team_run(f->team, pass_part, f);
}

static int scale(struct fit *f) {
  double largest = 1;
  BR_TRY(br__feature_moments(f->comm, f->team, f->task, f->mean, f->deviation));
  run_pass(f, LARGEST);
  for (int t = 0; t < br_team_count(f->team); t++) largest = f->most[t] > largest ? f->most[t] : largest;
  BR_TRY(br__largest(f->comm, &largest));
  int exponent, count = 1;
  frexp(largest, &exponent);
  while (((uint64_t)1 << count) < f->task->rows->train) count++;
  f->unit_g = ldexp(1, exponent - (61 - count));
  f->unit_h = ldexp(1, 2 * exponent - (61 - count));
  return BR_OK;
}

/* The penalised loss at `trial`, and with `second` the derivatives in sums[0]. */
static int evaluate(struct fit *f, bool second, double *loss) {
  int threads = br_team_count(f->team);
  size_t n_sums = f->n + f->n * f->n;
  f->second = second;
  for (int t = 0; t < threads; t++) {
    f->loss[t] = (struct br_sum){0};
    if (second) memset(f->sums[t], 0, n_sums * sizeof **f->sums);
  }
  run_pass(f, DERIVATIVES);
  for (int t = 1; t < threads; t++) {
    br_sum_merge(&f->loss[0], &f->loss[t]);
    for (size_t i = 0; second && i < n_sums; i++) f->sums[0][i] += f->sums[t][i];
  }
  BR_TRY(br_comm_sum_exact(f->comm, f->loss, 1));
  if (second) BR_TRY(br_comm_sum_i64(f->comm, f->sums[0], n_sums));
  *loss = br_sum_value(&f->loss[0]);
  for (size_t i = 0; i < f->n; i++)
    if (i % f->n_terms) *loss += f->l2 / 2 * f->trial[i] * f->trial[i] + f->l1 * fabs(f->trial[i]);
  return BR_OK;
}

/* The step with l1: the smallest of the quadratic A about b plus l1 |weights|, coordinate by coordinate until none moves (Friedman, Hastie, Tibshirani
 * 2010), beginning at b. Weights that are to be 0 become exactly that. */
static void shrink_step(const struct fit *f, const br__wide *A, const br__wide *c, double *step) {
  size_t n = f->n;
  for (size_t i = 0; i < n; i++) step[i] = 0; /* of b less its new value */
  for (int sweep = 0; sweep < 10000; sweep++) {
    double moved = 0;
    for (size_t i = 0; i < n; i++) {
      double slope = (double)c[i], curve = (double)A[i * n + i], l1 = i % f->n_terms ? f->l1 : 0;
      if (!(curve > 0)) continue;
      for (size_t k = 0; k < n; k++) slope -= (double)A[i * n + k] * step[k];
      double now = f->b[i] - step[i], best = now - slope / curve, rest = fabs(best) - l1 / curve;
      best = rest <= 0 ? 0 : best < 0 ? -rest : rest;
      if (fabs(best - now) > moved) moved = fabs(best - now);
      step[i] = f->b[i] - best;
    }
    if (moved < SMALL_STEP / 100) break;
  }
}

/* The Newton step at b from the sums: (H + l2) step = gradient + l2 b. */
static int solve_step(struct fit *f, double *step) {
  size_t n = f->n;
  br__wide *A = NULL, *c = NULL, *x = NULL, *inverse = NULL;
  bool *excluded = NULL;
  int status = br_memory_alloc(n * n, sizeof *A, "second derivatives", &A);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *c, "gradient", &c);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *x, "step", &x);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *inverse, "step", &inverse);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *excluded, "step", &excluded);
  for (size_t i = 0; status == BR_OK && i < n; i++) {
    bool penalised = i % f->n_terms != 0;
    c[i] = (br__wide)f->sums[0][i] * (br__wide)f->unit_g + (penalised ? (br__wide)f->l2 * (br__wide)f->b[i] : 0);
    for (size_t k = 0; k <= i; k++) {
      br__wide h = (br__wide)f->sums[0][n + (i / f->n_terms >= k / f->n_terms ? i * n + k : k * n + i)] * (br__wide)f->unit_h;
      A[i * n + k] = A[k * n + i] = h;
    }
    A[i * n + i] += penalised ? (br__wide)f->l2 : 0;
  }
  if (status == BR_OK) status = br__solve(A, n, n, c, 0, x, inverse, excluded);
  for (size_t i = 0; status == BR_OK && i < n; i++) {
    step[i] = (double)x[i];
    f->error[i] = f->l1 > 0 || excluded[i] ? (double)NAN : sqrt((double)inverse[i]);
  }
  if (status == BR_OK && f->l1 > 0) shrink_step(f, A, c, step);
  br_memory_free(A);
  br_memory_free(c);
  br_memory_free(x);
  br_memory_free(inverse);
  br_memory_free(excluded);
  return status;
}

static int iterate(struct fit *f, int *steps, bool *settled) {
  double *step, loss, before;
  BR_TRY(br_comm_agree(f->comm, br_memory_alloc(f->n, sizeof *step, "step", &step)));
  int status = BR_OK;
  *settled = false;
  for (*steps = 0; status == BR_OK && *steps < MOST_STEPS && !*settled; ++*steps) {
    memcpy(f->trial, f->b, f->n * sizeof *f->b);
    status = evaluate(f, true, &before);
    if (status == BR_OK) status = br_comm_agree(f->comm, solve_step(f, step));
    double share = 1, longest = 0;
    for (size_t i = 0; i < f->n; i++) longest = fabs(step[i]) > longest ? fabs(step[i]) : longest;
    *settled = longest < SMALL_STEP;
    for (int half = 0; status == BR_OK && half < 30; half++, share /= 2) {
      for (size_t i = 0; i < f->n; i++) f->trial[i] = f->b[i] - share * step[i];
      if (*settled) break; /* too short to be judged by the loss */
      status = evaluate(f, false, &loss);
      if (status != BR_OK || loss <= before * (1 + 1e-12)) break;
    }
    memcpy(f->b, f->trial, f->n * sizeof *f->b);
  }
  br_memory_free(step);
  return status;
}

static int open_fit(struct fit *f) {
  const struct logistic *body = f->model->body;
  size_t threads = (size_t)br_team_count(f->team), p = f->model->n_features, most = br_table_largest_block(f->task->table);
  BR_TRY(br_memory_alloc(body->n_weights, sizeof *f->term, "terms", &f->term));
  f->n_terms = 1;
  for (size_t k = 0; k < p; k++) {
    bool category = f->model->features[k].type == BR_COLUMN_CATEGORY;
    for (size_t c = category; c < br__feature_width(&f->model->features[k]); c++) f->term[body->offset[k] + c] = f->n_terms++;
  }
  f->n_sets = body->n_sets;
  if (f->n_terms > MOST_UNKNOWNS / f->n_sets) BR_FAIL(BR_ERROR_DATA, "%zu terms for each of %zu classes: at most %d weights are possible; leave out columns of many categories, or train boost", f->n_terms, f->n_sets, MOST_UNKNOWNS);
  f->n = f->n_sets * f->n_terms;
  BR_TRY(br_memory_alloc(p, sizeof *f->mean, "columns", &f->mean));
  BR_TRY(br_memory_alloc(p, sizeof *f->deviation, "columns", &f->deviation));
  BR_TRY(br_memory_alloc(f->n, sizeof *f->b, "weights", &f->b));
  BR_TRY(br_memory_alloc(f->n, sizeof *f->trial, "weights", &f->trial));
  BR_TRY(br_memory_alloc(f->n, sizeof *f->error, "weights", &f->error));
  BR_TRY(br_memory_alloc(threads, sizeof *f->sums, "threads", &f->sums));
  BR_TRY(br_memory_alloc(threads, sizeof *f->room, "threads", &f->room));
  BR_TRY(br_memory_alloc(threads, sizeof *f->loss, "threads", &f->loss));
  BR_TRY(br_memory_alloc(threads, sizeof *f->most, "threads", &f->most));
  for (size_t t = 0; t < threads; t++) {
    BR_TRY(br_memory_alloc(f->n + f->n * f->n, sizeof **f->sums, "second derivatives", &f->sums[t]));
    BR_TRY(br_memory_alloc(most * (p + 2) + f->n_terms + f->n_sets + 1, sizeof **f->room, "rows", &f->room[t]));
  }
  return br__encoder_open(f->model, f->task->table, true, &f->encoder);
}

static void close_fit(struct fit *f) {
  for (int t = 0; t < br_team_count(f->team); t++) {
    if (f->sums) br_memory_free(f->sums[t]);
    if (f->room) br_memory_free(f->room[t]);
  }
  br_memory_free(f->sums);
  br_memory_free(f->room);
  br_memory_free(f->loss);
  br_memory_free(f->most);
  br_memory_free(f->term);
  br_memory_free(f->mean);
  br_memory_free(f->deviation);
  br_memory_free(f->b);
  br_memory_free(f->trial);
  br_memory_free(f->error);
  br__encoder_close(&f->encoder);
}

/* From scaled columns back to those of the file. */
static void keep_weights(const struct fit *f, struct logistic *body) {
  for (size_t s = 0; s < f->n_sets; s++) {
    const double *b = f->b + s * f->n_terms;
    body->intercept[s] = b[0];
    for (size_t k = 0; k < f->model->n_features; k++) {
      for (size_t c = 0; c < br__feature_width(&f->model->features[k]); c++) {
        size_t term = f->term[body->offset[k] + c];
        double w = term ? b[term] / f->deviation[k] : 0;
        body->weights[s * body->n_weights + body->offset[k] + c] = w;
        body->errors[s * body->n_weights + body->offset[k] + c] = term ? f->error[s * f->n_terms + term] / f->deviation[k] : (double)NAN;
        body->intercept[s] -= w * f->mean[k];
      }
    }
  }
}

static int fit_model(struct fit *f, struct br_table_model *model) {
  struct logistic *body = NULL;
  int steps, status = new_body(model, &body);
  bool settled;
  if (status == BR_OK) status = open_fit(f);
  BR_TRY(br_comm_agree(f->comm, status));
  BR_TRY(scale(f));
  BR_TRY(iterate(f, &steps, &settled));
  if (!settled) br_warn("logistic: %d steps did not settle; the classes may be told apart without error, which --l2 above 0 keeps finite", steps);
  keep_weights(f, body);
  json_object_set_new(model->settings, "l1", json_real(f->l1));
  json_object_set_new(model->settings, "l2", json_real(f->l2));
  json_object_set_new(model->settings, "steps", json_integer(steps));
  return BR_OK;
}

int br_logistic_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_logistic_settings *settings, struct br_table_model **out, json_t *report) {
  *out = NULL;
  BR_TRY(br__need_classes(task));
  BR_TRY(br_comm_agree(comm, br__model_create(BR_TABLE_LOGISTIC, task->table, task->features, task->n_features, task->target, out)));
  struct fit f = {.comm = comm, .team = team, .task = task, .model = *out, .l1 = settings->l1, .l2 = settings->l2};
  int status = fit_model(&f, *out);
  close_fit(&f);
  BR_TRY(br__model_end(status, out));
  if (report) {
    json_object_set_new(report, "rows", json_integer((json_int_t)task->rows->train));
    json_object_set_new(report, "steps", json_incref(json_object_get((*out)->settings, "steps")));
    logistic_describe(*out, report);
  }
  return BR_OK;
}
