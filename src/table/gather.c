/* Bringing binned rows together: two bytes a value, one column at a time. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "gather.h"

#include <math.h>
#include <string.h>

int br__join_ranks(struct br_comm *comm, void *block, size_t mine, size_t all, size_t element) {
  if (br_comm_size(comm) == 1) return BR_OK;
  void **at = block;
  unsigned char *gathered = NULL;
  BR_TRY(br_comm_gather(comm, *at, mine * element, 0, &gathered, NULL));
  int status = BR_OK;
  if (br_comm_rank(comm) != 0) status = br_memory_alloc(all, element, "rows of all ranks", &gathered);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br_comm_broadcast(comm, gathered, all * element, 0);
  if (status != BR_OK) {
    br_memory_free(gathered);
    return status;
  }
  br_memory_free(*at);
  *at = gathered;
  return BR_OK;
}

/* This rank's targets in row order, as doubles. */
static int local_targets(const struct br_task *task, size_t rows, double **out) {
  double *values;
  BR_TRY(br_memory_alloc(rows, sizeof **out, "targets", out));
  int status = br_memory_alloc(br_table_largest_block(task->table), sizeof *values, "targets", &values);
  size_t n = 0;
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(task->table); b++) {
    br_table_numbers(task->table, task->target, b, values);
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++)
      if (task->rows->role[b][i] == BR_ROW_TRAIN) (*out)[n++] = values[i];
  }
  if (status == BR_OK) br_memory_free(values);
  return status;
}

/* Numbers on a grid around the middle of their range, fine enough for 2^-45 of it and coarse enough that sums of all rows fit 62 bits. */
static int number_targets(struct br_comm *comm, const struct br_task *task, const double *y, size_t rows, struct br__gathered *out) {
  int64_t limits[2] = {INT64_MIN, INT64_MIN}; /* of ordered keys: -low, high */
  for (size_t i = 0; i < rows; i++) {
    if (!isfinite(y[i])) {
      limits[0] = INT64_MAX;
      continue;
    }
    int64_t key = (int64_t)(br__ordered(y[i]) ^ (uint64_t)1 << 63);
    if (-key > limits[0] && limits[0] != INT64_MAX) limits[0] = -key;
    if (key > limits[1]) limits[1] = key;
  }
  BR_TRY(br_comm_max_i64(comm, limits, 2));
  if (limits[0] == INT64_MAX) BR_FAIL(BR_ERROR_DATA, "the target %s holds infinite values; drop those rows", br_table_name(task->table, task->target));
  double low = br__from_ordered((uint64_t)-limits[0] ^ (uint64_t)1 << 63), high = br__from_ordered((uint64_t)limits[1] ^ (uint64_t)1 << 63);
  int exponent, count_bits = 1;
  frexp(high - low, &exponent);
  while (((uint64_t)1 << count_bits) < task->rows->train) count_bits++;
  int bits = 62 - count_bits < 45 ? 62 - count_bits : 45;
  out->middle = br__between(low, high);
  out->unit = ldexp(1, exponent - bits);
  BR_TRY(br_memory_alloc(rows, sizeof *out->number, "targets", &out->number));
  for (size_t i = 0; i < rows; i++) out->number[i] = (int64_t)rint((y[i] - out->middle) / out->unit);
  return BR_OK;
}

static int targets(struct br_comm *comm, const struct br_task *task, struct br__gathered *out) {
  double *y = NULL;
  size_t rows = out->binned.rows;
  BR_TRY(br_comm_agree(comm, local_targets(task, rows, &y)));
  int status = BR_OK;
  if (br_table_type(task->table, task->target) == BR_COLUMN_CATEGORY) {
    status = br_memory_alloc(rows, sizeof *out->class_code, "targets", &out->class_code);
    for (size_t i = 0; status == BR_OK && i < rows; i++) out->class_code[i] = (int32_t)y[i];
  } else {
    status = number_targets(comm, task, y, rows, out);
  }
  br_memory_free(y);
  return br_comm_agree(comm, status);
}

int br__gather_rows(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br__bins *bins, struct br__gathered *out) {
  *out = (struct br__gathered){.unit = 1};
  int status = br_comm_agree(comm, br__bins_apply(team, task, bins, BR_ROW_TRAIN, &out->binned));
  if (status == BR_OK) status = targets(comm, task, out);
  size_t mine = out->binned.rows, all = (size_t)task->rows->train;
  for (size_t f = 0; status == BR_OK && f < task->n_features; f++) status = br__join_ranks(comm, &out->binned.bin[f], mine, all, sizeof **out->binned.bin);
  if (status == BR_OK && out->class_code) status = br__join_ranks(comm, &out->class_code, mine, all, sizeof *out->class_code);
  if (status == BR_OK && out->number) status = br__join_ranks(comm, &out->number, mine, all, sizeof *out->number);
  out->binned.rows = all;
  if (status != BR_OK) br__gathered_free(out);
  return status;
}

void br__gathered_free(struct br__gathered *gathered) {
  br__binned_free(&gathered->binned);
  br_memory_free(gathered->class_code);
  br_memory_free(gathered->number);
  *gathered = (struct br__gathered){0};
}
