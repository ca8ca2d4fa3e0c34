/* Packing: features of at most 256 bins come first in fours, then the others in twos. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "packed.h"

#include <stdatomic.h>

static void place_features(const struct br__bins *bins, struct br__packed_bins *out) {
  for (int wide = 0; wide < 2; wide++) {
    uint32_t bits = wide ? 16 : 8, shift = 32;
    for (size_t f = 0; f < bins->n_features; f++) {
      if ((bins->feature[f].n > 255) != wide) continue;
      if (shift == 32) shift = 0, out->n_groups++;
      out->place[f] = (struct br__packed_place){(uint32_t)out->n_groups - 1, shift, wide ? 0xFFFF : 0xFF};
      shift += bits;
    }
  }
}

size_t br__packed_bins_bytes(const struct br__bins *bins, size_t rows) {
  size_t features[2] = {0, 0};
  for (size_t f = 0; f < bins->n_features; f++) features[bins->feature[f].n > 255]++;
  return rows * ((features[0] + 3) / 4 + (features[1] + 1) / 2) * sizeof(uint32_t);
}

struct packing {
  const struct br_task *task;
  const struct br__bins *bins;
  struct br__packed_bins *out;
  size_t *first[2]; /* where each block's rows of a role go */
  bool with_test;
  atomic_size_t next;
  atomic_int status;
};

static void pack_block(const struct packing *p, size_t block, double *values) {
  const struct br_task *task = p->task;
  const unsigned char *role = task->rows->role[block];
  for (size_t f = 0; f < task->n_features; f++) {
    const struct br__packed_place place = p->out->place[f];
    uint32_t *word = p->out->word[place.group];
    size_t train = p->first[0][block], test = p->first[1][block];
    br_table_numbers(task->table, task->features[f], block, values);
    for (size_t i = 0; i < br_table_block_rows(task->table, block); i++) {
      if (role[i] == BR_ROW_TRAIN) word[train++] |= br__bin_of(&p->bins->feature[f], values[i]) << place.shift;
      if (role[i] == BR_ROW_TEST && p->with_test) word[test++] |= br__bin_of(&p->bins->feature[f], values[i]) << place.shift;
    }
  }
}

static void pack_part(void *arg, struct br_part part) {
  struct packing *p = arg;
  double *values;
  (void)part;
  if (br_memory_alloc(br_table_largest_block(p->task->table), sizeof *values, "values", &values) != BR_OK) {
    atomic_store(&p->status, BR_ERROR_MEMORY);
    return;
  }
  for (size_t b; (b = atomic_fetch_add(&p->next, 1)) < br_table_blocks(p->task->table);) pack_block(p, b, values);
  br_memory_free(values);
}

static int pack(struct br_team *team, struct packing *p) {
  const struct br_task *task = p->task;
  size_t blocks = br_table_blocks(task->table), rows[2] = {0, 0};
  for (int k = 0; k < 2; k++) BR_TRY(br_memory_alloc(blocks, sizeof *p->first[k], "rows of blocks", &p->first[k]));
  for (size_t b = 0; b < blocks; b++) {
    p->first[0][b] = rows[0];
    p->first[1][b] = rows[1];
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) {
      rows[0] += task->rows->role[b][i] == BR_ROW_TRAIN;
      rows[1] += p->with_test && task->rows->role[b][i] == BR_ROW_TEST;
    }
  }
  for (size_t b = 0; b < blocks; b++) p->first[1][b] += rows[0];
  p->out->rows = rows[0] + rows[1];
  BR_TRY(br_memory_alloc(task->n_features, sizeof *p->out->place, "binned columns", &p->out->place));
  place_features(p->bins, p->out);
  BR_TRY(br_memory_alloc(p->out->n_groups, sizeof *p->out->word, "binned columns", &p->out->word));
  for (size_t g = 0; g < p->out->n_groups; g++) BR_TRY(br_memory_alloc(p->out->rows, sizeof **p->out->word, "binned columns", &p->out->word[g]));
  br_team_run(team, pack_part, p);
  if (atomic_load(&p->status) != BR_OK) BR_FAIL(BR_ERROR_MEMORY, "no memory for the values of a block");
  return BR_OK;
}

int br__packed_bins_make(struct br_team *team, const struct br_task *task, const struct br__bins *bins, bool with_test, struct br__packed_bins *out) {
  struct packing p = {.task = task, .bins = bins, .out = out, .with_test = with_test};
  *out = (struct br__packed_bins){.n_features = task->n_features};
  int status = pack(team, &p);
  br_memory_free(p.first[0]);
  br_memory_free(p.first[1]);
  if (status != BR_OK) br__packed_bins_free(out);
  return status;
}

void br__packed_bins_free(struct br__packed_bins *packed) {
  for (size_t g = 0; packed->word && g < packed->n_groups; g++) br_memory_free(packed->word[g]);
  br_memory_free(packed->word);
  br_memory_free(packed->place);
  *packed = (struct br__packed_bins){0};
}
