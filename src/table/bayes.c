/* Naive Bayes: a class's share, times for every number column a normal density with the class's mean and variance, times for every category column the
 * category's share in the class. Means and variances are from exact sums, shares from counts; a missing value says nothing, in training and in
 * prediction. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/train.h>

#include "checks.h"
#include "math.h"
#include "model.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define LEAST_VARIANCE 1e-9 /* added, as a share of the largest variance of any column */
#define MOST_NUMBERS 10000000

struct bayes {
  size_t n_classes, n_numbers, n_shares; /* number columns; categories of all category columns */
  size_t *place;                         /* [features]: which number column, or the first of its categories */
  double *prior;                         /* [classes]: logarithms */
  double *mean, *variance;               /* [classes][numbers] */
  double *share;                         /* [classes][categories]: logarithms */
  double *height;                        /* [classes][numbers]: logarithm of the density at the mean; made from the variance */
};

/* --- the model ----------------------------------------------------------------------------------------------------------- */

static size_t bayes_tensors(const struct br_table_model *model, struct br_tensor_entry *e) {
  const struct bayes *body = model->body;
  size_t numbers = body->n_classes * body->n_numbers;
  e[0] = (struct br_tensor_entry){.name = "prior", .type = BR_F64, .dims = 1, .shape = {body->n_classes}, .data = body->prior};
  e[1] = (struct br_tensor_entry){.name = "mean", .type = BR_F64, .dims = 1, .shape = {numbers}, .data = body->mean};
  e[2] = (struct br_tensor_entry){.name = "variance", .type = BR_F64, .dims = 1, .shape = {numbers}, .data = body->variance};
  e[3] = (struct br_tensor_entry){.name = "share", .type = BR_F64, .dims = 1, .shape = {body->n_classes * body->n_shares}, .data = body->share};
  return 4;
}

static void bayes_free(struct br_table_model *model) {
  const struct bayes *body = model->body;
  br__model_free_body(model, (void *[]){body->place, body->prior, body->mean, body->variance, body->share, body->height}, 6);
}

static int new_body(struct br_table_model *model, struct bayes **out) {
  struct bayes *body;
  BR_TRY(br_memory_alloc(1, sizeof *body, "classes", &body));
  model->body = *out = body;
  if (model->outputs < 2) BR_FAIL(BR_ERROR_DATA, "a model of classes needs two of them or more");
  size_t classes = body->n_classes = model->outputs;
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->place, "classes", &body->place));
  for (size_t f = 0; f < model->n_features; f++) {
    size_t *n = model->features[f].type == BR_COLUMN_CATEGORY ? &body->n_shares : &body->n_numbers;
    body->place[f] = *n;
    *n += br__feature_width(&model->features[f]);
  }
  if (body->n_numbers + body->n_shares > MOST_NUMBERS / classes) BR_FAIL(BR_ERROR_DATA, "%zu classes times %zu columns and categories: at most %d are possible; leave out columns of many categories", classes, body->n_numbers + body->n_shares, MOST_NUMBERS);
  BR_TRY(br_memory_alloc(classes, sizeof *body->prior, "classes", &body->prior));
  BR_TRY(br_memory_alloc(classes * body->n_numbers, sizeof *body->mean, "classes", &body->mean));
  BR_TRY(br_memory_alloc(classes * body->n_numbers, sizeof *body->variance, "classes", &body->variance));
  BR_TRY(br_memory_alloc(classes * body->n_numbers, sizeof *body->height, "classes", &body->height));
  return br_memory_alloc(classes * body->n_shares, sizeof *body->share, "classes", &body->share);
}

static void find_heights(struct bayes *body) {
  for (size_t i = 0; i < body->n_classes * body->n_numbers; i++) body->height[i] = -0.5 * br__log(6.28318530717958647693 * body->variance[i]);
}

static int bayes_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct bayes *body;
  BR_TRY(new_body(model, &body));
  BR_TRY(br__model_load_body(model, file));
  for (size_t i = 0; i < body->n_classes * body->n_numbers; i++)
    if (!(body->variance[i] > 0)) BR_FAIL(BR_ERROR_DATA, "a variance is not above 0");
  find_heights(body);
  return BR_OK;
}

static void bayes_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct bayes *body = model->body;
  double top = -INFINITY, sum = 0;
  for (size_t c = 0; c < body->n_classes; c++) {
    double score = body->prior[c];
    for (size_t f = 0; f < model->n_features; f++) {
      if (isnan(x[f])) continue;
      if (model->features[f].type == BR_COLUMN_CATEGORY) {
        score += body->share[c * body->n_shares + body->place[f] + (size_t)x[f]];
      } else {
        size_t i = c * body->n_numbers + body->place[f];
        double d = x[f] - body->mean[i];
        score += body->height[i] - d * d / (2 * body->variance[i]);
      }
    }
    out[c] = score;
    top = score > top ? score : top;
  }
  for (size_t c = 0; c < body->n_classes; c++) sum += out[c] = top > -INFINITY ? br__exp(out[c] - top) : 1;
  for (size_t c = 0; c < body->n_classes; c++) out[c] /= sum;
}

static void bayes_describe(const struct br_table_model *model, json_t *into) {
  const struct bayes *body = model->body;
  json_t *classes = json_object();
  for (size_t c = 0; c < body->n_classes; c++) {
    json_t *columns = json_object();
    for (size_t f = 0; f < model->n_features; f++) {
      const struct br_table_model_column *feature = &model->features[f];
      size_t i = c * body->n_numbers + body->place[f];
      json_t *column = feature->type == BR_COLUMN_CATEGORY ? json_object() : json_pack("{s:f,s:f}", "mean", body->mean[i], "deviation", sqrt(body->variance[i]));
      for (size_t k = 0; feature->type == BR_COLUMN_CATEGORY && k < feature->n_categories; k++) json_object_set_new(column, feature->categories[k], json_real(br__exp(body->share[c * body->n_shares + body->place[f] + k])));
      json_object_set_new(columns, feature->name, column);
    }
    json_object_set_new(classes, model->target.categories[c], json_pack("{s:f,s:o}", "share", br__exp(body->prior[c]), "columns", columns));
  }
  json_object_set_new(into, "by_class", classes);
}

const struct br__model_class br__bayes_class = {.name = "bayes", .tensors = bayes_tensors, .load = bayes_load, .predict = bayes_predict, .describe = bayes_describe, .free = bayes_free};

/* --- training ------------------------------------------------------------------------------------------------------------ */

struct fit {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_task *task;
  const struct br_table_model *model;
  struct bayes *body;
  size_t n_counts;        /* of classes, of values of [class][number], of [class][category] */
  int64_t **count;        /* per thread */
  struct br_sum **sum;    /* per thread: [class][number] */
  bool squares;           /* the second pass: squared differences from the class's mean, and no counts */
  atomic_size_t next;
  atomic_int status;
};

static void take_block(struct fit *f, size_t block, int thread, double *values, double *target) {
  const struct br_task *task = f->task;
  const struct bayes *body = f->body;
  const unsigned char *role = task->rows->role[block];
  size_t rows = br_table_block_rows(task->table, block), classes = body->n_classes;
  int64_t *of_class = f->count[thread], *of_number = of_class + classes, *of_category = of_number + classes * body->n_numbers;
  br_table_numbers(task->table, task->target, block, target);
  for (size_t i = 0; i < rows && !f->squares; i++)
    if (role[i] == BR_ROW_TRAIN) of_class[(size_t)target[i]]++;
  for (size_t k = 0; k < task->n_features; k++) {
    bool category = f->model->features[k].type == BR_COLUMN_CATEGORY;
    if (category && f->squares) continue;
    br_table_numbers(task->table, task->features[k], block, values);
    for (size_t i = 0; i < rows; i++) {
      if (role[i] != BR_ROW_TRAIN || isnan(values[i])) continue;
      size_t c = (size_t)target[i], at = c * body->n_numbers + body->place[k];
      if (category) {
        of_category[c * body->n_shares + body->place[k] + (size_t)values[i]]++;
      } else if (f->squares) {
        br_sum_add(&f->sum[thread][at], (values[i] - body->mean[at]) * (values[i] - body->mean[at]));
      } else {
        of_number[at]++;
        br_sum_add(&f->sum[thread][at], values[i]);
      }
    }
  }
}

static void take_part(void *arg, struct br_part part) {
  struct fit *f = arg;
  size_t most = br_table_largest_block(f->task->table);
  double *values;
  if (br_memory_alloc(2 * most, sizeof *values, "values", &values) != BR_OK) {
    atomic_store(&f->status, BR_ERROR_MEMORY);
    return;
  }
  for (size_t b; (b = atomic_fetch_add(&f->next, 1)) < br_table_blocks(f->task->table);) take_block(f, b, part.index, values, values + most);
  br_memory_free(values);
}

/* Counts and sums of all rows, into those of thread 0. */
static int pass(struct fit *f, bool squares) {
  size_t numbers = f->body->n_classes * f->body->n_numbers;
  int threads = br_team_count(f->team);
  f->squares = squares;
  for (int t = 0; t < threads; t++) memset(f->sum[t], 0, numbers * sizeof **f->sum);
  atomic_store(&f->next, 0);
  br_team_run(f->team, take_part, f);
  int status = atomic_load(&f->status);
  if (status != BR_OK) br_error_set(status, "no memory for the values of a block");
  BR_TRY(br_comm_agree(f->comm, status));
  for (int t = 1; t < threads; t++) {
    for (size_t i = 0; i < numbers; i++) br_sum_merge(&f->sum[0][i], &f->sum[t][i]);
    for (size_t i = 0; i < f->n_counts && !squares; i++) f->count[0][i] += f->count[t][i];
  }
  if (!squares) BR_TRY(br_comm_sum_i64(f->comm, f->count[0], f->n_counts));
  return br_comm_sum_exact(f->comm, f->sum[0], numbers);
}

static int open_fit(struct fit *f) {
  size_t threads = (size_t)br_team_count(f->team), classes = f->body->n_classes;
  f->n_counts = classes * (1 + f->body->n_numbers + f->body->n_shares);
  BR_TRY(br_memory_alloc(threads, sizeof *f->count, "threads", &f->count));
  BR_TRY(br_memory_alloc(threads, sizeof *f->sum, "threads", &f->sum));
  for (size_t t = 0; t < threads; t++) {
    BR_TRY(br_memory_alloc(f->n_counts, sizeof **f->count, "counts of classes", &f->count[t]));
    BR_TRY(br_memory_alloc(classes * f->body->n_numbers, sizeof **f->sum, "sums of classes", &f->sum[t]));
  }
  return BR_OK;
}

static void close_fit(struct fit *f) {
  for (int t = 0; t < br_team_count(f->team); t++) {
    if (f->count) br_memory_free(f->count[t]);
    if (f->sum) br_memory_free(f->sum[t]);
  }
  br_memory_free(f->count);
  br_memory_free(f->sum);
}

/* Means and variances of all classes together, for classes that have no value of a column; and the least variance, from the largest of these. */
static double fill_gaps(struct bayes *body, const int64_t *of_number) {
  size_t n = body->n_numbers;
  double largest = 0;
  for (size_t k = 0; k < n; k++) {
    double rows = 0, mean = 0, variance = 0;
    for (size_t c = 0; c < body->n_classes; c++) rows += (double)of_number[c * n + k], mean += (double)of_number[c * n + k] * body->mean[c * n + k];
    mean = rows > 0 ? mean / rows : 0;
    for (size_t c = 0; c < body->n_classes; c++) {
      double d = body->mean[c * n + k] - mean;
      variance += (double)of_number[c * n + k] * (body->variance[c * n + k] + d * d);
    }
    variance = rows > 0 ? variance / rows : 0;
    for (size_t c = 0; c < body->n_classes; c++)
      if (of_number[c * n + k] == 0) body->mean[c * n + k] = mean, body->variance[c * n + k] = variance;
    largest = variance > largest ? variance : largest;
  }
  return largest > 0 ? largest * LEAST_VARIANCE : LEAST_VARIANCE;
}

/* Shares of categories, each counted once more than it was seen (Laplace). */
static void find_shares(struct fit *f, const int64_t *of_category) {
  struct bayes *body = f->body;
  for (size_t c = 0; c < body->n_classes; c++)
    for (size_t k = 0; k < f->model->n_features; k++) {
      size_t n = f->model->features[k].n_categories, first = c * body->n_shares + body->place[k];
      int64_t all = (int64_t)n;
      if (f->model->features[k].type != BR_COLUMN_CATEGORY) continue;
      for (size_t i = 0; i < n; i++) all += of_category[first + i];
      for (size_t i = 0; i < n; i++) body->share[first + i] = br__log((double)(of_category[first + i] + 1) / (double)all);
    }
}

static int fit_model(struct fit *f, struct br_table_model *model) {
  int status = new_body(model, &f->body);
  if (status == BR_OK) status = open_fit(f);
  BR_TRY(br_comm_agree(f->comm, status));
  BR_TRY(pass(f, false));
  struct bayes *body = f->body;
  size_t numbers = body->n_classes * body->n_numbers, present = 0;
  const int64_t *of_class = f->count[0], *of_number = of_class + body->n_classes;
  for (size_t c = 0; c < body->n_classes; c++) {
    body->prior[c] = br__log((double)of_class[c] / (double)f->task->rows->train);
    present += of_class[c] > 0;
  }
  if (present < 2) BR_FAIL(BR_ERROR_DATA, "all rows to train on have the same class of %s; there is nothing to learn", model->target.name);
  for (size_t i = 0; i < numbers; i++)
    if (of_number[i]) body->mean[i] = br_sum_value(&f->sum[0][i]) / (double)of_number[i];
  BR_TRY(pass(f, true));
  for (size_t i = 0; i < numbers; i++) {
    if (of_number[i]) body->variance[i] = br_sum_value(&f->sum[0][i]) / (double)of_number[i];
    if (!isfinite(body->variance[i])) BR_FAIL(BR_ERROR_DATA, "a column holds infinite or too large values; leave those rows out");
  }
  double least = fill_gaps(body, of_number);
  for (size_t i = 0; i < numbers; i++) body->variance[i] += least;
  find_shares(f, of_number + numbers);
  find_heights(body);
  return BR_OK;
}

int br_bayes_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, struct br_table_model **out, json_t *report) {
  *out = NULL;
  BR_TRY(br__need_classes(task));
  BR_TRY(br_comm_agree(comm, br__model_create(BR_TABLE_BAYES, task->table, task->features, task->n_features, task->target, out)));
  struct fit f = {.comm = comm, .team = team, .task = task, .model = *out};
  int status = fit_model(&f, *out);
  close_fit(&f);
  BR_TRY(br__model_end(status, out));
  if (report) {
    json_object_set_new(report, "rows", json_integer((json_int_t)task->rows->train));
    bayes_describe(*out, report);
  }
  return BR_OK;
}
