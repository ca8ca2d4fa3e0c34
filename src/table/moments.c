/* Two passes over the rows: the means, then the squares of what is left. Every term is a function of its row alone, and the sums are exact. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>

#include "moments.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct pass {
  const struct br_table *table;
  const struct br_rows *rows;
  const size_t *columns;
  size_t n;
  const double *mean; /* NULL: the first pass */
  struct br_sum *sums; /* [thread][n] */
  double *values;      /* [thread][largest block] */
  atomic_size_t next;
};

static void pass_part(void *arg, struct br_part part) {
  struct pass *p = arg;
  struct br_sum *sums = p->sums + (size_t)part.index * p->n;
  double *x = p->values + (size_t)part.index * br_table_largest_block(p->table);
  for (size_t b; (b = atomic_fetch_add(&p->next, 1)) < br_table_blocks(p->table);) {
    const unsigned char *role = p->rows->role[b];
    size_t rows = br_table_block_rows(p->table, b);
    for (size_t k = 0; k < p->n; k++) {
      br_table_numbers(p->table, p->columns[k], b, x);
      for (size_t i = 0; i < rows; i++) {
        if (role[i] != BR_ROW_TRAIN) continue;
        double d = p->mean ? x[i] - p->mean[k] : x[i];
        br_sum_add(&sums[k], p->mean ? d * d : d);
      }
      br_sum_carry(&sums[k]);
    }
  }
}

/* out[k] = the mean over all ranks' rows of the column, or of its squares about mean[k]. */
static int run_pass(struct br_comm *comm, struct br_team *team, struct pass *p, double *out) {
  size_t threads = (size_t)br_team_count(team);
  memset(p->sums, 0, threads * p->n * sizeof *p->sums);
  atomic_store(&p->next, 0);
  br_team_run(team, pass_part, p);
  for (size_t t = 1; t < threads; t++)
    for (size_t k = 0; k < p->n; k++) br_sum_merge(&p->sums[k], &p->sums[t * p->n + k]);
  BR_TRY(br_comm_sum_exact(comm, p->sums, p->n));
  for (size_t k = 0; k < p->n; k++) {
    out[k] = br_sum_value(&p->sums[k]) / (double)p->rows->train;
    if (!isfinite(out[k])) BR_FAIL(BR_ERROR_DATA, "column %s holds infinite or too large values; leave those rows out", br_table_name(p->table, p->columns[k]));
  }
  return BR_OK;
}

int br__moments(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows *rows, const size_t *columns, size_t n, double *mean, double *deviation) {
  struct pass p = {.table = table, .rows = rows, .columns = columns, .n = n};
  size_t threads = (size_t)br_team_count(team);
  int status = br_memory_alloc(threads * n, sizeof *p.sums, "sums", &p.sums);
  if (status == BR_OK) status = br_memory_alloc(threads * br_table_largest_block(table), sizeof *p.values, "values", &p.values);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = run_pass(comm, team, &p, mean);
  p.mean = mean;
  if (status == BR_OK) status = run_pass(comm, team, &p, deviation);
  for (size_t k = 0; status == BR_OK && k < n; k++) deviation[k] = deviation[k] > 0 ? sqrt(deviation[k]) : 1;
  br_memory_free(p.values);
  br_memory_free(p.sums);
  return status;
}

int br__feature_moments(struct br_comm *comm, struct br_team *team, const struct br_task *task, double *mean, double *deviation) {
  size_t n = 0, *columns;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(task->n_features, sizeof *columns, "columns", &columns)));
  for (size_t f = 0; f < task->n_features; f++)
    if (br_table_type(task->table, task->features[f]) != BR_COLUMN_CATEGORY) columns[n++] = task->features[f];
  int status = br__moments(comm, team, task->table, task->rows, columns, n, mean, deviation);
  br_memory_free(columns);
  for (size_t f = task->n_features; f-- > 0;) { /* from the end, as they only move up */
    bool category = br_table_type(task->table, task->features[f]) == BR_COLUMN_CATEGORY;
    mean[f] = category ? 0 : mean[--n];
    deviation[f] = category ? 1 : deviation[n];
  }
  return status;
}

int br__largest(struct br_comm *comm, double *x) {
  int64_t bits;
  memcpy(&bits, x, sizeof bits); /* as integers, doubles that are not negative have the same order */
  BR_TRY(br_comm_max_i64(comm, &bits, 1));
  memcpy(x, &bits, sizeof bits);
  return BR_OK;
}
