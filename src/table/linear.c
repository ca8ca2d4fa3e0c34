/* Linear regression: one exact pass over the rows (gram.c), a small system (solve.c), and what statistics says about its solution. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/table/train.h>

#include "gram.h"
#include "math.h"
#include "model.h"
#include "solve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* weights: one per number feature, one per category of a category feature (the base's is 0). */
struct linear {
  size_t n_weights;
  size_t *offset; /* per feature */
  double *weights, *errors;
  double intercept[2]; /* and its standard error */
};

/* --- the body ------------------------------------------------------------------------------------------------------------ */

static void linear_free(struct br_table_model *model) {
  const struct linear *body = model->body;
  br__model_free_body(model, (void *[]){body->offset, body->weights, body->errors}, 3);
}

static int linear_open(struct br_table_model *model) {
  struct linear *body;
  BR_TRY(br_memory_alloc(1, sizeof *body, "model", &body));
  model->body = body;
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->offset, "model", &body->offset));
  for (size_t f = 0; f < model->n_features; f++) {
    body->offset[f] = body->n_weights;
    body->n_weights += br__feature_width(&model->features[f]);
  }
  BR_TRY(br_memory_alloc(body->n_weights, sizeof *body->weights, "model", &body->weights));
  return br_memory_alloc(body->n_weights, sizeof *body->errors, "model", &body->errors);
}

static size_t linear_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) {
  const struct linear *body = model->body;
  entries[0] = (struct br_tensor_entry){.name = "weights", .type = BR_F64, .dims = 1, .shape = {body->n_weights}, .data = body->weights};
  entries[1] = (struct br_tensor_entry){.name = "standard_errors", .type = BR_F64, .dims = 1, .shape = {body->n_weights}, .data = body->errors};
  entries[2] = (struct br_tensor_entry){.name = "intercept", .type = BR_F64, .dims = 1, .shape = {2}, .data = body->intercept};
  return 3;
}

static int linear_load(struct br_table_model *model, const struct br_safetensors *file) {
  BR_TRY(linear_open(model));
  return br__model_load_body(model, file);
}

static void linear_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct linear *body = model->body;
  double sum = body->intercept[0];
  for (size_t f = 0; f < model->n_features; f++) {
    if (model->features[f].type != BR_COLUMN_CATEGORY)
      sum += body->weights[body->offset[f]] * x[f];
    else if (!isnan(x[f])) /* a category the training did not have counts as the base */
      sum += body->weights[body->offset[f] + (size_t)x[f]];
  }
  out[0] = sum;
}

/* Calls visit(context, name, weight number) for all weights that have a column: bases have none. */
static void each_weight(const struct br_table_model *model, void (*visit)(void *context, const char *name, size_t weight), void *context) {
  const struct linear *body = model->body;
  for (size_t f = 0; f < model->n_features; f++) {
    const struct br_table_model_column *feature = &model->features[f];
    if (feature->type != BR_COLUMN_CATEGORY) {
      visit(context, feature->name, body->offset[f]);
      continue;
    }
    for (size_t k = 1; k < feature->n_categories; k++) {
      char name[512];
      snprintf(name, sizeof name, "%s=%s", feature->name, feature->categories[k]);
      visit(context, name, body->offset[f] + k);
    }
  }
}

struct listing {
  const double *values;
  json_t *into;
};
static void list_value(void *context, const char *name, size_t weight) {
  struct listing *l = context;
  double value = l->values[weight];
  json_object_set_new(l->into, name, isfinite(value) ? json_real(value) : json_null());
}

static json_t *weights_json(const struct br_table_model *model, const double *values) {
  struct listing l = {values, json_object()};
  each_weight(model, list_value, &l);
  return l.into;
}

static void linear_describe(const struct br_table_model *model, json_t *into) {
  const struct linear *body = model->body;
  json_object_set_new(into, "coefficients", weights_json(model, body->weights));
  json_object_set_new(into, "intercept", json_real(body->intercept[0]));
  json_object_set_new(into, "standard_errors", weights_json(model, body->errors));
  json_object_set_new(into, "intercept_standard_error", isfinite(body->intercept[1]) ? json_real(body->intercept[1]) : json_null());
}

const struct br__model_class br__linear_class = {.name = "linear", .tensors = linear_tensors, .load = linear_load, .predict = linear_predict, .describe = linear_describe, .free = linear_free};

/* --- training ------------------------------------------------------------------------------------------------------------ */

struct fit {
  size_t n; /* terms without the target, which is term n */
  struct br__term *terms;
  size_t *weight; /* of each term */
  struct br__gram gram[2];
  br__wide *b, *inverse, *c;
  bool *excluded;
  br__wide intercept;
};

static void fit_free(struct fit *fit) {
  br_memory_free(fit->terms);
  br_memory_free(fit->weight);
  br_memory_free(fit->b);
  br_memory_free(fit->inverse);
  br_memory_free(fit->c);
  br_memory_free(fit->excluded);
  br__gram_free(&fit->gram[0]);
  br__gram_free(&fit->gram[1]);
}

static int make_terms(const struct br_task *task, const struct br_table_model *model, struct fit *fit) {
  const struct linear *body = model->body;
  size_t most = body->n_weights + 1;
  if (most > 5000) BR_FAIL(BR_ERROR_DATA, "the features have %zu categories and columns together, more than the 5000 a linear model may have; leave a column out", most - 1);
  BR_TRY(br_memory_alloc(most, sizeof *fit->terms, "columns", &fit->terms));
  BR_TRY(br_memory_alloc(most, sizeof *fit->weight, "columns", &fit->weight));
  BR_TRY(br_memory_alloc(most, sizeof *fit->b, "coefficients", &fit->b));
  BR_TRY(br_memory_alloc(most, sizeof *fit->inverse, "coefficients", &fit->inverse));
  BR_TRY(br_memory_alloc(most, sizeof *fit->c, "coefficients", &fit->c));
  BR_TRY(br_memory_alloc(most, sizeof *fit->excluded, "coefficients", &fit->excluded));
  for (size_t f = 0; f < task->n_features; f++) {
    bool category = model->features[f].type == BR_COLUMN_CATEGORY;
    for (size_t k = category ? 1 : 0; k < br__feature_width(&model->features[f]); k++) {
      fit->weight[fit->n] = body->offset[f] + k;
      fit->terms[fit->n++] = (struct br__term){task->features[f], category ? (int32_t)k : -1};
    }
  }
  fit->terms[fit->n] = (struct br__term){task->target, -1};
  return BR_OK;
}

/* Coordinate descent on the products of columns (Friedman, Hastie, Tibshirani 2010), to a step below 10^-13 of the target's deviation. */
static void descend(struct fit *fit, double alpha, double ratio) {
  const struct br__gram *gram = &fit->gram[0];
  size_t n = fit->n, stride = gram->n;
  double rows = (double)gram->rows, l1 = alpha * ratio * rows, l2 = alpha * (1 - ratio) * rows;
  double enough = 1e-13 * sqrt((double)gram->cross[n * stride + n]);
  for (int round = 0; round < 100000; round++) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
      double square = (double)gram->cross[i * stride + i];
      if (!(square > 0)) continue;
      br__wide rest = gram->cross[i * stride + n];
      for (size_t k = 0; k < n; k++)
        if (k != i) rest -= gram->cross[i * stride + k] * fit->b[k];
      double r = (double)rest, size = fabs(r) - l1;
      double value = size > 0 ? (r < 0 ? -size : size) / (square + l2) : 0;
      double move = fabs(value - (double)fit->b[i]) * sqrt(square);
      if (move > most) most = move;
      fit->b[i] = value;
    }
    if (most <= enough) return;
  }
}

/* Sum of squares of what the coefficients leave over in a part of the rows, from its sums alone. */
static br__wide rest_of_squares(const struct fit *fit, const struct br__gram *gram) {
  size_t n = fit->n, stride = gram->n;
  br__wide bias = gram->mean[n] - fit->intercept, sum = gram->cross[n * stride + n];
  for (size_t i = 0; i < n; i++) {
    bias -= fit->b[i] * gram->mean[i];
    br__wide row = -2 * gram->cross[i * stride + n];
    for (size_t k = 0; k < n; k++) row += gram->cross[i * stride + k] * fit->b[k];
    sum += fit->b[i] * row;
  }
  sum += bias * bias * gram->rows;
  return sum > 0 ? sum : 0;
}

static void report_quality(const struct fit *fit, const struct br__gram *gram, json_t *into) {
  double rest = (double)rest_of_squares(fit, gram), all = (double)gram->cross[fit->n * gram->n + fit->n];
  json_object_set_new(into, "rows", json_integer((json_int_t)gram->rows));
  json_object_set_new(into, "r2", all > 0 ? json_real(1 - rest / all) : json_null());
  json_object_set_new(into, "rmse", json_real(sqrt(rest / (double)gram->rows)));
}

static int report_statistics(const struct fit *fit, const struct br_table_model *model, size_t kept, json_t *report) {
  const struct linear *body = model->body;
  double freedom = (double)fit->gram[0].rows - (double)kept - 1, *t, *p;
  BR_TRY(br_memory_alloc(2 * body->n_weights, sizeof *t, "statistics", &t));
  p = t + body->n_weights;
  for (size_t w = 0; w < body->n_weights; w++) {
    t[w] = body->errors[w] > 0 ? body->weights[w] / body->errors[w] : NAN;
    p[w] = br__student_p(t[w], freedom);
  }
  json_object_set_new(report, "t", weights_json(model, t));
  json_object_set_new(report, "p", weights_json(model, p));
  double of_intercept = body->intercept[1] > 0 ? body->intercept[0] / body->intercept[1] : NAN, p_of_intercept = br__student_p(of_intercept, freedom);
  json_object_set_new(report, "intercept_t", isfinite(of_intercept) ? json_real(of_intercept) : json_null());
  json_object_set_new(report, "intercept_p", isfinite(p_of_intercept) ? json_real(p_of_intercept) : json_null());
  br_memory_free(t);
  return BR_OK;
}

static void report_excluded(const struct fit *fit, const struct br_task *task, json_t *report) {
  json_t *names = json_array();
  for (size_t i = 0; i < fit->n; i++) {
    if (!fit->excluded[i]) continue;
    char name[512];
    const struct br_table *table = task->table;
    const struct br__term *term = &fit->terms[i];
    if (term->category < 0)
      snprintf(name, sizeof name, "%s", br_table_name(table, term->column));
    else
      snprintf(name, sizeof name, "%s=%s", br_table_name(table, term->column), br_table_category(table, term->column, (size_t)term->category));
    json_array_append_new(names, json_string(name));
  }
  if (json_array_size(names))
    json_object_set_new(report, "excluded", names);
  else
    json_decref(names);
}

static int solve(struct fit *fit, const struct br_linear_settings *settings, struct br_table_model *model, size_t *kept) {
  const struct br__gram *gram = &fit->gram[0];
  size_t n = fit->n, stride = gram->n;
  struct linear *body = model->body;
  if (!(gram->cross[n * stride + n] > 0)) BR_FAIL(BR_ERROR_DATA, "the target %s is the same in all %llu rows", model->target.name, (unsigned long long)gram->rows);
  for (size_t i = 0; i < n; i++) fit->c[i] = gram->cross[i * stride + n];
  if (settings->lasso > 0)
    descend(fit, settings->lasso, settings->l1_ratio);
  else
    BR_TRY(br__solve(gram->cross, stride, n, fit->c, settings->ridge, fit->b, settings->ridge > 0 ? NULL : fit->inverse, fit->excluded));
  fit->intercept = gram->mean[n];
  *kept = 0;
  for (size_t i = 0; i < n; i++) {
    fit->intercept -= fit->b[i] * gram->mean[i];
    *kept += !fit->excluded[i];
    body->weights[fit->weight[i]] = (double)fit->b[i];
  }
  body->intercept[0] = (double)fit->intercept;
  return BR_OK;
}

/* One kind of NaN, whatever the machine makes: the model's bytes must not show it. */
static double plain_nan(double x) { return isnan(x) ? (double)NAN : x; }

/* Standard errors of plain least squares; NaN where there are no rows to spare. The intercept's needs the whole inverse: m' A^-1 m. */
static int find_errors(struct fit *fit, struct br_table_model *model, size_t kept) {
  const struct br__gram *gram = &fit->gram[0];
  struct linear *body = model->body;
  size_t n = fit->n;
  double freedom = (double)gram->rows - (double)kept - 1;
  br__wide variance = freedom > 0 ? rest_of_squares(fit, gram) / (br__wide)freedom : (br__wide)NAN;
  for (size_t i = 0; i < n; i++) body->errors[fit->weight[i]] = fit->excluded[i] ? (double)NAN : plain_nan(sqrt((double)(variance * fit->inverse[i])));
  br__wide *unused, sum = 0;
  bool *excluded;
  BR_TRY(br_memory_alloc(n + 1, sizeof *unused, "coefficients", &unused));
  int status = br_memory_alloc(n + 1, sizeof *excluded, "coefficients", &excluded);
  if (status == BR_OK) status = br__solve(gram->cross, gram->n, n, gram->mean, 0, unused, NULL, excluded);
  for (size_t i = 0; status == BR_OK && i < n; i++) sum += unused[i] * gram->mean[i];
  br_memory_free(excluded);
  br_memory_free(unused);
  body->intercept[1] = plain_nan(sqrt((double)(variance * (sum + (br__wide)1 / gram->rows))));
  return status;
}

static int train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_linear_settings *settings, struct fit *fit, struct br_table_model *model, json_t *report) {
  size_t kept = 0;
  BR_TRY(br_comm_agree(comm, make_terms(task, model, fit)));
  BR_TRY(br__gram_compute(comm, team, task->table, task->rows, fit->terms, fit->n + 1, fit->gram));
  BR_TRY(solve(fit, settings, model, &kept));
  bool plain = settings->lasso <= 0 && settings->ridge <= 0;
  struct linear *body = model->body;
  for (size_t w = 0; !plain && w < body->n_weights; w++) body->errors[w] = NAN;
  if (plain)
    BR_TRY(find_errors(fit, model, kept));
  else
    body->intercept[1] = NAN;
  if (!report) return BR_OK;
  linear_describe(model, report);
  report_quality(fit, &fit->gram[0], report);
  report_excluded(fit, task, report);
  if (plain) BR_TRY(report_statistics(fit, model, kept, report));
  if (fit->gram[1].rows) {
    json_t *test = json_object();
    report_quality(fit, &fit->gram[1], test);
    json_object_set_new(report, "test", test);
  }
  return BR_OK;
}

int br_linear_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_linear_settings *settings, struct br_table_model **out, json_t *report) {
  struct fit fit = {0};
  struct br_table_model *model = NULL;
  *out = NULL;
  if (br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY) {
    uint64_t row;
    const char *text = br_table_first_text(task->table, task->target, &row), *name = br_table_name(task->table, task->target);
    if (text) BR_FAIL(BR_ERROR_DATA, "the target %s is a category, as row %llu has '%.40s'; a linear model predicts numbers: mend the row, or use logistic or tree", name, (unsigned long long)row, text);
    BR_FAIL(BR_ERROR_DATA, "the target %s is a category; a linear model predicts numbers: use logistic or tree", name);
  }
  int status = br__model_create(BR_TABLE_LINEAR, task->table, task->features, task->n_features, task->target, &model);
  if (status == BR_OK) status = linear_open(model);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    json_object_set_new(model->settings, "ridge", json_real(settings->ridge));
    json_object_set_new(model->settings, "lasso", json_real(settings->lasso));
    if (settings->lasso > 0) json_object_set_new(model->settings, "l1_ratio", json_real(settings->l1_ratio));
    status = train(comm, team, task, settings, &fit, model, report);
  }
  fit_free(&fit);
  if (status != BR_OK) {
    br_table_model_close(model);
    return status;
  }
  *out = model;
  return BR_OK;
}
