/* Passes over columns that look for what would make a model worthless. */
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>

#include "bins.h"
#include "checks.h"

#include <math.h>

/* --- the target ---------------------------------------------------------------------------------------------------------- */

/* Looks until two rows differ. */
static int check_number(struct br_comm *comm, const struct br_task *task, const char *name) {
  const struct br_table *t = task->table;
  int64_t limits[2] = {INT64_MIN, INT64_MIN}; /* ordered keys: -low, high */
  double *y;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(br_table_largest_block(t), sizeof *y, "targets", &y)));
  for (size_t b = 0; b < br_table_blocks(t) && (limits[1] == INT64_MIN || -limits[0] == limits[1]); b++) {
    br_table_numbers(t, task->target, b, y);
    for (size_t i = 0; i < br_table_block_rows(t, b); i++) {
      if (task->rows->role[b][i] != BR_ROW_TRAIN) continue;
      int64_t key = (int64_t)(br__ordered(y[i]) ^ (uint64_t)1 << 63);
      limits[0] = -key > limits[0] ? -key : limits[0];
      limits[1] = key > limits[1] ? key : limits[1];
    }
  }
  br_memory_free(y);
  BR_TRY(br_comm_max_i64(comm, limits, 2));
  if (-limits[0] == limits[1]) BR_FAIL(BR_ERROR_DATA, "the target %s is the same in all %llu training rows; there is nothing to learn", name, (unsigned long long)task->rows->train);
  return BR_OK;
}

/* Rows of each class by role: count[class] to train on, count[classes + class] to test on. Collective. */
static int count_classes(struct br_comm *comm, const struct br_task *task, size_t classes, int64_t *count) {
  const struct br_table *t = task->table;
  int32_t *codes;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(br_table_largest_block(t), sizeof *codes, "targets", &codes)));
  for (size_t b = 0; b < br_table_blocks(t); b++) {
    br_table_codes(t, task->target, b, codes);
    for (size_t i = 0; i < br_table_block_rows(t, b); i++) {
      unsigned char role = task->rows->role[b][i];
      if (role != BR_ROW_OUT) count[(role == BR_ROW_TEST ? classes : 0) + (size_t)codes[i]]++;
    }
  }
  br_memory_free(codes);
  return br_comm_sum_i64(comm, count, 2 * classes);
}

int br__need_classes(const struct br_task *task) {
  const char *name = br_table_name(task->table, task->target);
  if (br_table_type(task->table, task->target) != BR_COLUMN_CATEGORY) BR_FAIL(BR_ERROR_USAGE, "the target %s is a number; give --types %s=category to predict classes", name, name);
  return BR_OK;
}

int br__check_class_count(const struct br_task *task) {
  size_t classes = br_table_categories(task->table, task->target);
  if (classes > BR_MOST_CLASSES) BR_FAIL(BR_ERROR_DATA, "the target %s has %zu classes, and models tell at most %d apart; is it the right column?", br_table_name(task->table, task->target), classes, BR_MOST_CLASSES);
  return BR_OK;
}

static int check_classes(struct br_comm *comm, const struct br_task *task, const char *name) {
  BR_TRY(br__check_class_count(task));
  size_t classes = br_table_categories(task->table, task->target), trained = 0, last = 0, unseen = 0, first = 0;
  int64_t *count, rows = 0;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(2 * classes, sizeof *count, "classes", &count)));
  int status = count_classes(comm, task, classes, count);
  for (size_t c = 0; status == BR_OK && c < classes; c++) {
    if (count[c]) trained++, last = c;
    if (count[c] || !count[classes + c]) continue;
    if (unseen++ == 0) first = c;
    rows += count[classes + c];
  }
  br_memory_free(count);
  BR_TRY(status);
  if (trained < 2) BR_FAIL(BR_ERROR_DATA, "the target %s has one class only in the training rows, %s; there is nothing to learn", name, br_table_category(task->table, task->target, last));
  if (unseen && br_comm_rank(comm) == 0)
    br_warn("%zu class%s of %s, such as %s, %s in the test part only: its %lld rows will count as wrong; --stratify divides classes alike", unseen, unseen == 1 ? "" : "es", name, br_table_category(task->table, task->target, first),
            unseen == 1 ? "is" : "are", (long long)rows);
  return BR_OK;
}

int br__check_target(struct br_comm *comm, const struct br_task *task) {
  const char *name = br_table_name(task->table, task->target);
  return br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY ? check_classes(comm, task, name) : check_number(comm, task, name);
}

/* --- the features -------------------------------------------------------------------------------------------------------- */

/* Which features differ from the target in some row of this rank; once one does it is looked at no more. */
static void find_differences(const struct br_task *task, double *y, double *x, int64_t *differs) {
  const struct br_table *t = task->table;
  size_t n = task->n_features;
  for (size_t b = 0; b < br_table_blocks(t); b++) {
    size_t open = 0;
    for (size_t f = 0; f < n; f++) open += !differs[f];
    if (open == 0) return;
    br_table_numbers(t, task->target, b, y);
    for (size_t f = 0; f < n; f++) {
      if (differs[f]) continue;
      br_table_numbers(t, task->features[f], b, x);
      for (size_t i = 0; i < br_table_block_rows(t, b) && !differs[f]; i++) differs[f] = x[i] != y[i] && !(isnan(x[i]) && isnan(y[i]));
    }
  }
}

int br__warn_of_copies(struct br_comm *comm, const struct br_task *task) {
  const struct br_table *t = task->table;
  double *y = NULL, *x = NULL;
  int64_t *differs = NULL;
  size_t n = task->n_features;
  int status = br_memory_alloc(n, sizeof *differs, "columns", &differs);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(t), sizeof *y, "values", &y);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(t), sizeof *x, "values", &x);
  if (status == BR_OK) find_differences(task, y, x, differs);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br_comm_max_i64(comm, differs, n);
  for (size_t f = 0; status == BR_OK && br_comm_rank(comm) == 0 && f < n; f++)
    if (!differs[f] && br_table_type(t, task->features[f]) == br_table_type(t, task->target))
      br_warn("the feature %s is equal to the target %s in every row", br_table_name(t, task->features[f]), br_table_name(t, task->target));
  br_memory_free(x);
  br_memory_free(y);
  br_memory_free(differs);
  return status;
}

/* Only blocks of doubles can hold them. */
static int64_t count_infinite(const struct br_task *task, size_t column, double *x) {
  const struct br_table *t = task->table;
  int64_t found = 0, low, high;
  int scale;
  for (size_t b = 0; b < br_table_blocks(t); b++) {
    if (br_table_is_decimal(t, column, b, &scale, &low, &high)) continue;
    br_table_numbers(t, column, b, x);
    for (size_t i = 0; i < br_table_block_rows(t, b); i++) found += isinf(x[i]) && task->rows->role[b][i] != BR_ROW_OUT;
  }
  return found;
}

int br__warn_of_infinities(struct br_comm *comm, const struct br_task *task) {
  int64_t *count = NULL;
  double *x = NULL;
  int status = br_memory_alloc(task->n_features, sizeof *count, "columns", &count);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(task->table), sizeof *x, "values", &x);
  for (size_t f = 0; status == BR_OK && f < task->n_features; f++)
    if (br_table_type(task->table, task->features[f]) != BR_COLUMN_CATEGORY) count[f] = count_infinite(task, task->features[f], x);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br_comm_sum_i64(comm, count, task->n_features);
  for (size_t f = 0; status == BR_OK && br_comm_rank(comm) == 0 && f < task->n_features; f++)
    if (count[f]) br_warn("the feature %s is infinite in %lld row%s", br_table_name(task->table, task->features[f]), (long long)count[f], count[f] == 1 ? "" : "s");
  br_memory_free(x);
  br_memory_free(count);
  return status;
}
