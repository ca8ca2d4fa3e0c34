/* Roles of rows. The draw for row r is word r mod 4 of random block r / 4, so that one block of numbers serves four rows. Where classes are to be shared
 * out evenly, a row's place is a random permutation's of its number among the rows of its class, in the order of the table. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/table/rows.h>

#include "formula.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct choosing {
  const struct br_table *table;
  const struct br_rows_options *options;
  const struct br__formula *where; /* NULL: none */
  struct br_rows *rows;
  size_t stride;
  double *scratch; /* per thread: a block's values, then what the formula needs */
  atomic_size_t next;
  _Atomic int64_t filtered, dropped, count[3]; /* count: by role, where classes are not divided alike afterwards */
};

static bool divides(const struct br_rows_options *o) { return o->folds > 1 || o->train_share < 1; }

static void draw(const struct br_rows_options *o, uint64_t first, size_t n, unsigned char *role) {
  uint32_t word[4];
  double limit = o->train_share * 0x1p32;
  uint64_t known = UINT64_MAX;
  for (size_t i = 0; i < n; i++) {
    uint64_t row = first + i;
    if (row / 4 != known) br_random_block(o->seed, BR_RANDOM_SPLIT, 0, known = row / 4, 0, word);
    uint32_t w = word[row % 4];
    bool train = o->folds > 1 ? (uint32_t)((uint64_t)w * o->folds >> 32) != o->fold : (double)w < limit;
    role[i] = train ? BR_ROW_TRAIN : BR_ROW_TEST;
  }
}

static void add_roles(const unsigned char *role, size_t n, int64_t count[3]) {
  size_t train = 0, test = 0;
  for (size_t i = 0; i < n; i++) train += role[i] == BR_ROW_TRAIN, test += role[i] == BR_ROW_TEST;
  count[BR_ROW_TRAIN] += (int64_t)train;
  count[BR_ROW_TEST] += (int64_t)test;
  count[BR_ROW_OUT] += (int64_t)(n - train - test);
}

static void choose_part(void *arg, struct br_part part) {
  struct choosing *c = arg;
  const struct br_rows_options *o = c->options;
  double *values = c->scratch + (size_t)part.index * c->stride;
  int64_t filtered = 0, dropped = 0, count[3] = {0};
  for (size_t b; (b = atomic_fetch_add(&c->next, 1)) < br_table_blocks(c->table);) {
    size_t n = br_table_block_rows(c->table, b);
    unsigned char *role = c->rows->role[b];
    memset(role, BR_ROW_TRAIN, n);
    if (divides(o) && !o->stratify) draw(o, br_table_block_first(c->table, b), n, role);
    if (c->where) {
      br__formula_block(c->where, b, values + br_table_largest_block(c->table), values);
      for (size_t i = 0; i < n; i++) {
        bool out = isnan(values[i]) || values[i] == 0;
        role[i] = out ? BR_ROW_OUT : role[i];
        filtered += out;
      }
    }
    for (size_t k = 0; k < o->n_required; k++) {
      br_table_numbers(c->table, o->required[k], b, values);
      for (size_t i = 0; i < n; i++) {
        bool out = isnan(values[i]) && role[i] != BR_ROW_OUT;
        role[i] = out ? BR_ROW_OUT : role[i];
        dropped += out;
      }
    }
    add_roles(role, n, count);
  }
  for (int k = 0; k < 3; k++) atomic_fetch_add(&c->count[k], count[k]);
  atomic_fetch_add(&c->filtered, filtered);
  atomic_fetch_add(&c->dropped, dropped);
}

/* --- classes alike ------------------------------------------------------------------------------------------------------- */

/* Adds up the rows that take part, by class. */
static void count_classes(const struct choosing *c, int32_t *codes, int64_t *count) {
  for (size_t b = 0; b < br_table_blocks(c->table); b++) {
    br_table_codes(c->table, c->options->classes, b, codes);
    for (size_t i = 0; i < br_table_block_rows(c->table, b); i++)
      if (c->rows->role[b][i] != BR_ROW_OUT) count[codes[i]]++;
  }
}

static void assign(const struct choosing *c, int32_t *codes, int64_t *before, const int64_t *total) {
  const struct br_rows_options *o = c->options;
  for (size_t b = 0; b < br_table_blocks(c->table); b++) {
    unsigned char *role = c->rows->role[b];
    br_table_codes(c->table, o->classes, b, codes);
    for (size_t i = 0; i < br_table_block_rows(c->table, b); i++) {
      if (role[i] == BR_ROW_OUT) continue;
      uint64_t n = (uint64_t)total[codes[i]], place = br_random_permute(o->seed, BR_RANDOM_SPLIT, (uint32_t)codes[i] + 1, n, (uint64_t)before[codes[i]]++);
      bool train = o->folds > 1 ? (unsigned)((unsigned __int128)place * o->folds / n) != o->fold : (double)place < floor(o->train_share * (double)n + 0.5);
      role[i] = train ? BR_ROW_TRAIN : BR_ROW_TEST;
    }
  }
}

/* Roles by class, after those that are out are known. Rows must not lack the class. Collective. */
static int stratify(struct br_comm *comm, const struct choosing *c) {
  size_t classes = br_table_categories(c->table, c->options->classes), ranks = (size_t)br_comm_size(comm);
  int64_t *mine = NULL, *all = NULL, *sums = NULL; /* sums: before this rank, total */
  int32_t *codes = NULL;
  int status = br_memory_alloc(classes, sizeof *mine, "classes", &mine);
  if (status == BR_OK) status = br_memory_alloc(classes * ranks, sizeof *all, "classes", &all);
  if (status == BR_OK) status = br_memory_alloc(2 * classes, sizeof *sums, "classes", &sums);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(c->table), sizeof *codes, "classes", &codes);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    count_classes(c, codes, mine);
    status = br_comm_allgather(comm, mine, classes * sizeof *mine, all);
  }
  for (size_t r = 0; status == BR_OK && r < ranks; r++)
    for (size_t k = 0; k < classes; k++) {
      sums[k] += r < (size_t)br_comm_rank(comm) ? all[r * classes + k] : 0;
      sums[classes + k] += all[r * classes + k];
    }
  if (status == BR_OK) assign(c, codes, sums, sums + classes);
  br_memory_free(mine);
  br_memory_free(all);
  br_memory_free(sums);
  br_memory_free(codes);
  return status;
}

/* --- all together -------------------------------------------------------------------------------------------------------- */

static int open_roles(struct choosing *c, struct br_team *team) {
  struct br_rows *rows = c->rows;
  BR_TRY(br_memory_alloc(rows->n_blocks, sizeof *rows->role, "roles of rows", &rows->role));
  for (size_t b = 0; b < rows->n_blocks; b++) BR_TRY(br_memory_alloc(br_table_block_rows(c->table, b), 1, "roles of rows", &rows->role[b]));
  c->stride = br_table_largest_block(c->table) + (c->where ? br__formula_scratch(c->where) : 0);
  return br_memory_alloc((size_t)br_team_count(team) * c->stride, sizeof *c->scratch, "values", &c->scratch);
}

static int check_left(const struct br_rows_options *o, const struct br_table *table, const struct br_rows *rows) {
  bool measures = o->folds <= 1 && o->train_share <= 0;
  if (measures ? rows->test : rows->train) return BR_OK;
  char why[256] = "";
  int n = 0;
  if (rows->filtered) n = snprintf(why, sizeof why, "--where leaves out %llu of %llu", (unsigned long long)rows->filtered, (unsigned long long)br_table_rows(table));
  if (rows->dropped || !rows->filtered)
    snprintf(why + n, sizeof why - (size_t)n, "%s%llu of %llu lack a value of %.60s%s", n ? ", " : "", (unsigned long long)rows->dropped, (unsigned long long)br_table_rows(table), o->n_required ? br_table_name(table, o->required[0]) : "any column",
             o->n_required > 1 ? " or of a feature" : "");
  BR_FAIL(BR_ERROR_DATA, "no row is left to %s: %s", measures ? "measure" : "train on", why);
}

static int choose(struct br_comm *comm, struct br_team *team, struct choosing *c) {
  int64_t count[5] = {0};
  BR_TRY(br_comm_agree(comm, open_roles(c, team)));
  br_team_run(team, choose_part, c);
  for (int k = 0; k < 3; k++) count[k] = atomic_load(&c->count[k]);
  if (divides(c->options) && c->options->stratify) {
    BR_TRY(stratify(comm, c));
    for (int k = 0; k < 3; k++) count[k] = 0;
    for (size_t b = 0; b < c->rows->n_blocks; b++) add_roles(c->rows->role[b], br_table_block_rows(c->table, b), count);
  }
  count[3] = atomic_load(&c->filtered);
  count[4] = atomic_load(&c->dropped);
  BR_TRY(br_comm_sum_i64(comm, count, 5));
  c->rows->train = (uint64_t)count[BR_ROW_TRAIN];
  c->rows->test = (uint64_t)count[BR_ROW_TEST];
  c->rows->filtered = (uint64_t)count[3];
  c->rows->dropped = (uint64_t)count[4];
  return check_left(c->options, c->table, c->rows);
}

int br_rows_choose(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows_options *options, struct br_rows *out) {
  struct choosing c = {.table = table, .options = options, .rows = out};
  struct br_expression *e = NULL;
  struct br__formula *where = NULL;
  *out = (struct br_rows){.n_blocks = br_table_blocks(table)};
  int status = options->where ? br_expression_parse(options->where, NULL, &e) : BR_OK;
  if (status == BR_OK && e) status = br__formula_open(e, table, &where);
  if (status != BR_OK) br_error_prefix(status, "--where");
  status = br_comm_agree(comm, status);
  c.where = where;
  if (status == BR_OK) status = choose(comm, team, &c);
  br_memory_free(c.scratch);
  br__formula_close(where);
  br_expression_close(e);
  if (status != BR_OK) br_rows_free(out);
  return status;
}

void br_rows_free(struct br_rows *rows) {
  for (size_t b = 0; rows->role && b < rows->n_blocks; b++) br_memory_free(rows->role[b]);
  br_memory_free(rows->role);
  *rows = (struct br_rows){0};
}
