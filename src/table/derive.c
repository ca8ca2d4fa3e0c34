/* New columns beside those of the file: every block is made anew with room for them. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "table.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct adding {
  struct br_table *table;
  size_t n;
  void (*values)(void *arg, int thread, size_t block, double *const *out);
  void *arg;
  struct br__block *fresh; /* the blocks with the new columns */
  atomic_size_t next;
  atomic_int status;
};

/* What one thread needs of n columns: their values, and these as they are packed. */
struct room {
  double *values, **out;
  int64_t *digits;
  int8_t *scale;
  struct br__packed *packed;
};

static int open_room(const struct adding *a, struct room *room) {
  size_t rows = br_table_largest_block(a->table);
  *room = (struct room){0};
  BR_TRY(br_memory_alloc(a->n * rows, sizeof *room->values, "new columns", &room->values));
  BR_TRY(br_memory_alloc(a->n, sizeof *room->out, "new columns", &room->out));
  BR_TRY(br_memory_alloc(a->n * rows, sizeof *room->digits, "new columns", &room->digits));
  BR_TRY(br_memory_alloc(a->n * rows, sizeof *room->scale, "new columns", &room->scale));
  BR_TRY(br_memory_alloc(a->n, sizeof *room->packed, "new columns", &room->packed));
  for (size_t k = 0; k < a->n; k++) room->out[k] = room->values + k * rows;
  return BR_OK;
}

static void close_room(struct room *room) {
  br_memory_free(room->values);
  br_memory_free(room->out);
  br_memory_free(room->digits);
  br_memory_free(room->scale);
  br_memory_free(room->packed);
}

/* Whole numbers become integers of scale 0, the rest stay doubles. */
static void to_digits(const double *x, size_t rows, int64_t *digits, int8_t *scale) {
  for (size_t i = 0; i < rows; i++) {
    scale[i] = isnan(x[i]) ? BR__SCALE_MISSING : fabs(x[i]) <= 0x1p53 && x[i] == floor(x[i]) ? 0 : BR__SCALE_FLOAT;
    if (scale[i] == 0)
      digits[i] = (int64_t)x[i];
    else
      memcpy(&digits[i], &x[i], 8);
  }
}

static int add_to_block(const struct adding *a, int thread, size_t b, struct room *room) {
  const struct br__block *old = &a->table->blocks[b];
  size_t rows = old->rows, largest = br_table_largest_block(a->table), columns = a->table->n_columns;
  size_t head = columns * sizeof *old->packed, shift = a->n * sizeof *old->packed, used = (old->bytes + shift + 7) & ~(size_t)7;
  unsigned char *data;
  a->values(a->arg, thread, b, room->out);
  for (size_t k = 0; k < a->n; k++) {
    int64_t *digits = room->digits + k * largest;
    int8_t *scale = room->scale + k * largest;
    to_digits(room->out[k], rows, digits, scale);
    size_t bytes = br__pack_plan(digits, scale, rows, &room->packed[k]);
    room->packed[k].offset = used;
    used = (used + bytes + 7) & ~(size_t)7;
  }
  BR_TRY(br_memory_alloc(used, 1, "table block", &data));
  struct br__packed *packed = (struct br__packed *)(void *)data;
  memcpy(packed, old->packed, head);
  for (size_t c = 0; c < columns; c++) packed[c].offset += shift;
  memcpy(packed + columns, room->packed, shift);
  memcpy(data + head + shift, old->data + head, old->bytes - head);
  for (size_t k = 0; k < a->n; k++) br__pack(room->digits + k * largest, room->scale + k * largest, rows, &room->packed[k], data + room->packed[k].offset);
  a->fresh[b] = (struct br__block){.first = old->first, .rows = old->rows, .thread = old->thread, .packed = packed, .data = data, .bytes = used};
  return BR_OK;
}

static void add_part(void *arg, struct br_part part) {
  struct adding *a = arg;
  struct room room;
  int status = open_room(a, &room);
  for (size_t b; status == BR_OK && (b = atomic_fetch_add(&a->next, 1)) < a->table->n_blocks;) status = add_to_block(a, part.index, b, &room);
  if (status != BR_OK) atomic_store(&a->status, status);
  close_room(&room);
}

/* The table's columns with the new ones behind them, in a block of their own; on failure the new names are freed by free_columns. */
static int make_columns(const struct br_table *table, const char *const *names, size_t n, struct br__column **out) {
  for (size_t k = 0; k < n; k++)
    for (size_t c = 0; c < table->n_columns; c++)
      if (strcmp(table->columns[c].name, names[k]) == 0) BR_FAIL(BR_ERROR_USAGE, "the table has a column %s already; give the new one another name", names[k]);
  BR_TRY(br_memory_alloc(table->n_columns + n, sizeof **out, "columns", out));
  memcpy(*out, table->columns, table->n_columns * sizeof **out);
  for (size_t k = 0; k < n; k++) {
    struct br__column *column = *out + table->n_columns + k;
    *column = (struct br__column){.name = strdup(names[k]), .type = BR_COLUMN_NUMBER};
    if (!column->name) BR_FAIL(BR_ERROR_MEMORY, "no memory for column names");
  }
  return BR_OK;
}

static void free_columns(const struct br_table *table, struct br__column *columns, size_t n) {
  for (size_t k = 0; columns && k < n; k++) free(columns[table->n_columns + k].name);
  br_memory_free(columns);
}

int br__table_add_columns(struct br_comm *comm, struct br_team *team, struct br_table *table, const char *const *names, size_t n, void (*values)(void *arg, int thread, size_t block, double *const *out), void *arg) {
  struct adding a = {.table = table, .n = n, .values = values, .arg = arg};
  struct br__column *columns = NULL;
  int status = make_columns(table, names, n, &columns);
  if (status == BR_OK) status = br_memory_alloc(table->n_blocks, sizeof *a.fresh, "table", &a.fresh);
  if (status == BR_OK) {
    br_team_run(team, add_part, &a);
    status = atomic_load(&a.status);
    if (status != BR_OK) br_error_set(status, "no memory for new columns");
  }
  status = br_comm_agree(comm, status);
  for (size_t b = 0; a.fresh && b < table->n_blocks; b++) {
    struct br__block *gone = status == BR_OK ? &table->blocks[b] : &a.fresh[b];
    br_memory_free(gone->packed);
    if (status == BR_OK) *gone = a.fresh[b];
  }
  br_memory_free(a.fresh);
  if (status != BR_OK) {
    free_columns(table, columns, n);
    return status;
  }
  br_memory_free(table->columns);
  table->columns = columns;
  table->n_columns += n;
  return BR_OK;
}

void br__table_fill(struct br_table *table, size_t column, double value) {
  table->columns[column].filled = !isnan(value);
  table->columns[column].fill = value;
}
