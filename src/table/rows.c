/* Roles of rows. The draw for row r is word r mod 4 of random block r / 4, so that one block of numbers serves four rows. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/table/rows.h>

#include <math.h>
#include <stdatomic.h>

struct choosing {
  const struct br_table *table;
  const struct br_rows_options *options;
  struct br_rows *rows;
  double **scratch; /* per thread */
  atomic_size_t next;
  _Atomic int64_t count[3];
};

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

static void choose_part(void *arg, struct br_part part) {
  struct choosing *c = arg;
  double *values = c->scratch[part.index];
  int64_t count[3] = {0, 0, 0};
  for (size_t b; (b = atomic_fetch_add(&c->next, 1)) < br_table_blocks(c->table);) {
    size_t n = br_table_block_rows(c->table, b);
    unsigned char *role = c->rows->role[b];
    if (c->options->folds <= 1 && c->options->train_share >= 1)
      for (size_t i = 0; i < n; i++) role[i] = BR_ROW_TRAIN;
    else
      draw(c->options, br_table_block_first(c->table, b), n, role);
    for (size_t k = 0; k < c->options->n_required; k++) {
      br_table_numbers(c->table, c->options->required[k], b, values);
      for (size_t i = 0; i < n; i++) role[i] = isnan(values[i]) ? BR_ROW_OUT : role[i];
    }
    for (size_t i = 0; i < n; i++) count[role[i]]++;
  }
  for (int k = 0; k < 3; k++) atomic_fetch_add(&c->count[k], count[k]);
}

int br_rows_choose(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows_options *options, struct br_rows *out) {
  struct choosing c = {.table = table, .options = options, .rows = out};
  size_t threads = (size_t)br_team_count(team);
  *out = (struct br_rows){.n_blocks = br_table_blocks(table)};
  int status = br_memory_alloc(out->n_blocks, sizeof *out->role, "roles of rows", &out->role);
  for (size_t b = 0; status == BR_OK && b < out->n_blocks; b++) status = br_memory_alloc(br_table_block_rows(table, b), 1, "roles of rows", &out->role[b]);
  if (status == BR_OK) status = br_memory_alloc(threads, sizeof *c.scratch, "threads", &c.scratch);
  for (size_t t = 0; status == BR_OK && t < threads; t++) status = br_memory_alloc(br_table_largest_block(table), sizeof **c.scratch, "values", &c.scratch[t]);
  status = br_comm_agree(comm, status);
  int64_t count[3] = {0, 0, 0};
  if (status == BR_OK) {
    br_team_run(team, choose_part, &c);
    for (int k = 0; k < 3; k++) count[k] = atomic_load(&c.count[k]);
    status = br_comm_sum_i64(comm, count, 3);
  }
  for (size_t t = 0; c.scratch && t < threads; t++) br_memory_free(c.scratch[t]);
  br_memory_free(c.scratch);
  out->dropped = (uint64_t)count[BR_ROW_OUT];
  out->train = (uint64_t)count[BR_ROW_TRAIN];
  out->test = (uint64_t)count[BR_ROW_TEST];
  if (status == BR_OK && out->train == 0) status = br_error_set(BR_ERROR_DATA, "no row is left to train on: %llu of %llu lack a value", (unsigned long long)out->dropped, (unsigned long long)br_table_rows(table));
  if (status != BR_OK) br_rows_free(out);
  return status;
}

void br_rows_free(struct br_rows *rows) {
  for (size_t b = 0; rows->role && b < rows->n_blocks; b++) br_memory_free(rows->role[b]);
  br_memory_free(rows->role);
  *rows = (struct br_rows){0};
}
