/* Values of a column's training rows come to rank 0, which sorts them; means are exact sums. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>

#include "bins.h"
#include "fill.h"

#include <math.h>

/* The training rows' values of a column that are there, as ordered keys, and whether any row that takes part lacks one. */
static int collect(const struct br_task *task, size_t column, uint64_t **keys, size_t *n, bool *lacks, struct br_sum *sum) {
  const struct br_table *t = task->table;
  double *x;
  size_t rows = 0, k = 0;
  *lacks = false;
  for (size_t b = 0; b < br_table_blocks(t); b++) rows += br_table_block_rows(t, b);
  BR_TRY(br_memory_alloc(br_table_largest_block(t), sizeof *x, "values", &x));
  int status = br_memory_alloc(rows, sizeof **keys, "values", keys);
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(t); b++) {
    br_table_numbers(t, column, b, x);
    for (size_t i = 0; i < br_table_block_rows(t, b); i++) {
      if (task->rows->role[b][i] == BR_ROW_OUT) continue;
      if (isnan(x[i])) {
        *lacks = true;
      } else if (task->rows->role[b][i] == BR_ROW_TRAIN) {
        (*keys)[k++] = br__ordered(x[i]);
        br_sum_add(sum, x[i]);
      }
    }
    br_sum_carry(sum);
  }
  br_memory_free(x);
  *n = k;
  return status;
}

static double median(const uint64_t *sorted, size_t n) {
  double low = br__from_ordered(sorted[(n - 1) / 2]), high = br__from_ordered(sorted[n / 2]);
  return low == high ? low : low / 2 + high / 2;
}

static double mode(const uint64_t *sorted, size_t n) {
  size_t most = 0, best = 0;
  for (size_t i = 0, k; i < n; i = k) {
    for (k = i; k < n && sorted[k] == sorted[i]; k++) {}
    if (k - i > most) most = k - i, best = i;
  }
  return br__from_ordered(sorted[best]);
}

/* The value over all ranks' keys; NaN where there are none. Collective. */
static int middle_value(struct br_comm *comm, bool commonest, const uint64_t *keys, size_t n, double *value) {
  unsigned char *all = NULL;
  uint64_t *scratch = NULL;
  int64_t total = (int64_t)n;
  BR_TRY(br_comm_sum_i64(comm, &total, 1));
  BR_TRY(br_comm_gather(comm, keys, n * sizeof *keys, 0, &all, NULL));
  uint64_t *sorted = (uint64_t *)(void *)all;
  int status = BR_OK;
  *value = NAN;
  if (br_comm_rank(comm) == 0 && total > 0) {
    status = br_memory_alloc((size_t)total, sizeof *scratch, "values", &scratch);
    if (status == BR_OK) br__sort_u64(sorted, scratch, (size_t)total);
    if (status == BR_OK) *value = commonest ? mode(sorted, (size_t)total) : median(sorted, (size_t)total);
  }
  br_memory_free(scratch);
  br_memory_free(all);
  BR_TRY(br_comm_agree(comm, status));
  return br_comm_broadcast(comm, value, sizeof *value, 0);
}

static int fill_column(struct br_comm *comm, enum br_missing missing, const struct br_task *task, struct br_table *table, size_t column) {
  uint64_t *keys = NULL;
  size_t n = 0;
  bool lacks, category = br_table_type(table, column) == BR_COLUMN_CATEGORY;
  struct br_sum sum = {0};
  double value;
  const char *name = br_table_name(table, column);
  int status = br_comm_agree(comm, collect(task, column, &keys, &n, &lacks, &sum));
  int64_t facts[2] = {lacks, (int64_t)n};
  if (status == BR_OK) status = br_comm_sum_i64(comm, facts, 2);
  if (status == BR_OK && facts[1] == 0) status = br_error_set(BR_ERROR_DATA, "no training row has a value of %s, so there is nothing to fill it with; leave the column out", name);
  if (status == BR_OK) {
    if (missing == BR_MISSING_MEAN && !category) {
      status = br_comm_sum_exact(comm, &sum, 1);
      value = br_sum_value(&sum) / (double)facts[1];
    } else {
      status = middle_value(comm, missing == BR_MISSING_MODE || category, keys, n, &value);
    }
    if (status == BR_OK && !isfinite(value)) status = br_error_set(BR_ERROR_DATA, "column %s holds infinite or too large values; leave those rows out", name);
    if (status == BR_OK && facts[0]) br__table_fill(table, column, value); /* else only rows yet to come may need it */
    if (status == BR_OK) status = br__steps_add(&table->steps, BR__STEP_FILL, name, category ? br_table_category(table, column, (size_t)value) : NULL, value);
  }
  br_memory_free(keys);
  return status;
}

int br__fill_missing(struct br_comm *comm, enum br_missing missing, const struct br_task *task, struct br_table *table) {
  br__steps_drop_fills(&table->steps);
  for (size_t f = 0; f < task->n_features; f++) br__table_fill(table, task->features[f], NAN);
  if (missing == BR_MISSING_KEEP || missing == BR_MISSING_DROP) return BR_OK;
  for (size_t f = 0; f < task->n_features; f++) BR_TRY(fill_column(comm, missing, task, table, task->features[f]));
  return BR_OK;
}
