/* Derivatives are rounded to 2^-30 of the power of two above the largest possible or present one; second ones to the bits that a cell's layout has for
 * them, and are at least one unit. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>

#include "boost_loss.h"
#include "boost_quantile.h"
#include "math.h"
#include "moments.h"

#include <math.h>
#include <string.h>

/* Added to the logarithm in Poisson's second derivative, as XGBoost and LightGBM do: a leaf's step stays short where counts are far above their mean. */
#define POISSON_CAUTION 0.7

void br__softmax(double *score, size_t n) {
  double top = score[0], sum = 0;
  for (size_t c = 1; c < n; c++) top = score[c] > top ? score[c] : top;
  for (size_t c = 0; c < n; c++) sum += score[c] = br__exp(score[c] - top);
  for (size_t c = 0; c < n; c++) score[c] /= sum;
}

double br__logistic(double score) { return 1 / (1 + br__exp(-score)); }

/* --- the start ----------------------------------------------------------------------------------------------------------- */

static int base_of_numbers(struct br_comm *comm, const struct br_task *task, const struct br__loss *loss, const struct br__loss_rows *rows, double *base) {
  const char *name = br_table_name(task->table, task->target);
  struct br_sum sum = {0};
  int64_t negative = 0;
  for (size_t i = 0; i < rows->n_train; i++) {
    br_sum_add(&sum, rows->target[i]);
    negative += rows->target[i] < 0;
  }
  BR_TRY(br_comm_sum_exact(comm, &sum, 1));
  BR_TRY(br_comm_sum_i64(comm, &negative, 1));
  base[0] = br_sum_value(&sum) / (double)task->rows->train;
  if (!isfinite(base[0])) BR_FAIL(BR_ERROR_DATA, "the target %s is too large to be summed", name);
  if (loss->kind != BR_BOOST_POISSON) return BR_OK;
  if (negative) BR_FAIL(BR_ERROR_DATA, "the target %s is below 0 in %lld rows; --loss poisson is for counts", name, (long long)negative);
  if (!(base[0] > 0)) BR_FAIL(BR_ERROR_DATA, "the target %s is 0 in all rows to train on; there is nothing to learn", name);
  base[0] = br__log(base[0]);
  return BR_OK;
}

static int base_of_classes(struct br_comm *comm, const struct br_task *task, const struct br__loss *loss, const struct br__loss_rows *rows, double *base) {
  int64_t *count;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(loss->n_classes, sizeof *count, "classes", &count)));
  for (size_t i = 0; i < rows->n_train; i++) count[(size_t)rows->target[i]]++;
  int status = br_comm_sum_i64(comm, count, loss->n_classes);
  size_t present = 0;
  double all = 0, weight[2] = {0, 0};
  for (size_t c = 0; c < loss->n_classes; c++) {
    double w = (double)count[c] * (loss->weight ? loss->weight[c] : 1);
    present += count[c] > 0;
    all += w;
    weight[c > 0] = w;
  }
  for (size_t c = 0; c < loss->n_scores; c++) /* a class that only the test part has: nearly never */
    base[c] = br__log((count[c] ? (double)count[c] * (loss->weight ? loss->weight[c] : 1) : 1e-3) / all);
  if (loss->n_scores == 1 && present == 2) base[0] = br__log(weight[1] / weight[0]);
  br_memory_free(count);
  BR_TRY(status);
  if (present < 2) BR_FAIL(BR_ERROR_DATA, "all rows to train on have the same class of %s; there is nothing to learn", br_table_name(task->table, task->target));
  return BR_OK;
}

/* The quantile of all targets: of a leaf that is all rows, with scores of 0. */
static int base_of_quantile(struct br_comm *comm, struct br_team *team, const struct br__loss *loss, const struct br__loss_rows *rows, double *base) {
  uint32_t *all = NULL;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(rows->n_train, sizeof *all, "rows", &all)));
  for (size_t i = 0; i < rows->n_train; i++) {
    all[i] = (uint32_t)i;
    rows->score[i] = 0;
  }
  int status = br__leaf_quantiles(comm, team, &(struct br__leaf_rows){all, rows->n_train}, 1, rows->target, rows->score, loss->quantile, base);
  br_memory_free(all);
  return status;
}

int br__loss_base(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br__loss *loss, const struct br__loss_rows *rows, double *base) {
  if (loss->n_classes) return base_of_classes(comm, task, loss, rows, base);
  if (loss->kind == BR_BOOST_QUANTILE) return base_of_quantile(comm, team, loss, rows, base);
  return base_of_numbers(comm, task, loss, rows, base);
}

/* --- derivatives --------------------------------------------------------------------------------------------------------- */

static void derivatives_of_number(const struct br__loss *loss, double score, double target, double *g, double *h) {
  *h = 1;
  switch (loss->kind) {
    case BR_BOOST_POISSON:
      *g = br__exp(score) - target;
      *h = br__exp(score + POISSON_CAUTION);
      break;
    case BR_BOOST_QUANTILE: *g = score < target ? -loss->quantile : 1 - loss->quantile; break;
    default: *g = score - target;
  }
}

int br__loss_units(struct br_comm *comm, struct br__loss *loss, const struct br__loss_rows *rows) {
  double top[2] = {0, 0}, most_h = (double)((1 << loss->form.h_bits) - 1);
  int exponent = 0;
  loss->unit_g = ldexp(loss->top_weight, -BR__DERIVATIVE_BITS);
  loss->unit_h = loss->top_weight / most_h;
  if (loss->n_classes) return BR_OK;
  for (size_t i = 0; i < rows->n_train; i++) {
    double g, h;
    derivatives_of_number(loss, rows->score[i], rows->target[i], &g, &h);
    if (!(fabs(g) <= top[0])) top[0] = fabs(g);
    if (!(h <= top[1])) top[1] = h;
  }
  for (int k = 0; k < 2; k++) BR_TRY(br__largest(comm, &top[k]));
  if (!isfinite(top[0]) || !isfinite(top[1])) BR_FAIL(BR_ERROR_DATA, "boosting has left the range of numbers; use a smaller --lr");
  if (top[0] > 0) frexp(top[0], &exponent);
  loss->unit_g = ldexp(1, exponent - BR__DERIVATIVE_BITS);
  loss->unit_h = loss->kind == BR_BOOST_POISSON ? top[1] / most_h : 1;
  return BR_OK;
}

/* Of values below 2^51, by the rounding of the addition. */
static inline double nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

static inline struct br__derivative rounded(double g, double h) {
  int32_t whole = (int32_t)nearest(h);
  return (struct br__derivative){(int32_t)nearest(g), whole < 1 ? 1 : whole};
}

void br__loss_derive(const struct br__loss *loss, const struct br__loss_rows *rows, size_t first, size_t last, struct br__derivative *derivative) {
  const double *score = rows->score, *target = rows->target;
  size_t n = rows->n, scores = loss->n_scores;
  double per_g = 1 / loss->unit_g, per_h = 1 / loss->unit_h;
  for (size_t i = first; i < last; i++) {
    double w = loss->weight ? loss->weight[(size_t)target[i]] : 1;
    if (loss->n_classes == 0) {
      double g, h;
      derivatives_of_number(loss, score[i], target[i], &g, &h);
      derivative[i] = rounded(g * per_g, h * per_h);
    } else if (scores == 1) {
      double p = br__logistic(score[i]);
      derivative[i] = rounded(w * (p - target[i]) * per_g, w * p * (1 - p) * per_h);
    } else {
      double top = score[i], sum = 0;
      for (size_t c = 1; c < scores; c++) top = score[c * n + i] > top ? score[c * n + i] : top;
      for (size_t c = 0; c < scores; c++) sum += br__exp(score[c * n + i] - top);
      for (size_t c = 0; c < scores; c++) {
        double p = br__exp(score[c * n + i] - top) / sum;
        derivative[c * rows->n_train + i] = rounded(w * (p - ((double)c == target[i])) * per_g, w * 2 * p * (1 - p) * per_h);
      }
    }
  }
}

double br__loss_of(const struct br__loss *loss, const struct br__loss_rows *rows, size_t i) {
  size_t n = rows->n;
  double s = rows->score[i], y = rows->target[i], w = loss->weight ? loss->weight[(size_t)y] : 1;
  if (loss->kind == BR_BOOST_POISSON) return br__exp(s) - y * s;
  if (loss->kind == BR_BOOST_QUANTILE) return s < y ? loss->quantile * (y - s) : (1 - loss->quantile) * (s - y);
  if (loss->n_classes == 0) return (s - y) * (s - y);
  if (loss->n_scores == 1) return w * br__log1p_exp(y > 0 ? -s : s);
  double top = s, sum = 0;
  for (size_t c = 1; c < loss->n_scores; c++) top = rows->score[c * n + i] > top ? rows->score[c * n + i] : top;
  for (size_t c = 0; c < loss->n_scores; c++) sum += br__exp(rows->score[c * n + i] - top);
  return w * (top + br__log(sum) - rows->score[(size_t)y * n + i]);
}
