/* Laying out what units give, and adding it up. */
#include "train/sums.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>

#include <string.h>

#define PIECE 2048 /* gradients whose sum is made at a time: of int64, in the first cache */

void br_tally_merge(struct br_tally *tally, const struct br_tally *other) {
  br_sum_merge(&tally->loss, &other->loss);
  br_sum_carry(&tally->loss);
  tally->samples += other->samples;
  tally->right += other->right;
}

static size_t sums_count(const struct br_graph *graph, bool grid) { return (grid ? graph->trained_floats : 0) + 2 * graph->statistic_floats + BR_SCALAR_ROOM; }

size_t br_step_sums_bytes(const struct br_graph *graph, bool grid) { return sizeof(int64_t) * sums_count(graph, grid); }

static struct br_step_sums lay_out(int64_t *block, const struct br_graph *graph, bool grid) {
  int64_t *behind = block + BR_SCALAR_ROOM;
  return (struct br_step_sums){.block = block, .count = sums_count(graph, grid), .scalars = block, .grid = grid ? behind : NULL, .pairs = (struct br_pair *)(grid ? behind + graph->trained_floats : behind)};
}

int br_step_sums_open(struct br_step_sums *sums, const struct br_graph *graph, bool grid) {
  int64_t *block;
  BR_TRY(br_memory_alloc(sums_count(graph, grid), sizeof *block, "exact sums", &block));
  *sums = lay_out(block, graph, grid);
  return BR_OK;
}

void br_step_sums_close(struct br_step_sums *sums) { br_memory_free(sums->block); }

void br_step_sums_put(struct br_step_sums *sums, struct br_tally *tally) {
  br_sum_carry(&tally->loss);
  sums->scalars[BR_SCALAR_SAMPLES] = tally->samples;
  sums->scalars[BR_SCALAR_RIGHT] = tally->right;
  memcpy(&sums->scalars[BR_SCALAR_LOSS], tally->loss.limb, sizeof tally->loss.limb);
}

struct br_tally br_step_sums_tally(const struct br_step_sums *sums) {
  struct br_tally tally = {.samples = sums->scalars[BR_SCALAR_SAMPLES], .right = sums->scalars[BR_SCALAR_RIGHT]};
  memcpy(tally.loss.limb, &sums->scalars[BR_SCALAR_LOSS], sizeof tally.loss.limb);
  return tally;
}

void br_step_sums_wish(struct br_step_sums *sums, const struct br_wishes *wishes) {
  sums->scalars[BR_SCALAR_STOP] = wishes->stop;
  sums->scalars[BR_SCALAR_SAVE] = wishes->save;
}

struct br_wishes br_step_sums_wishes(const struct br_step_sums *sums) { return (struct br_wishes){.stop = sums->scalars[BR_SCALAR_STOP] != 0, .save = sums->scalars[BR_SCALAR_SAVE] != 0}; }

/* --- gifts ------------------------------------------------------------------------------------------------------------------- */

static size_t gradients_at(const struct br_graph *graph, bool grid) { return br_size_align(br_step_sums_bytes(graph, grid)); }

size_t br_gift_bytes(const struct br_graph *graph, int groups, bool grid) { return gradients_at(graph, grid) + br_size_align((size_t)groups * graph->trained_floats * sizeof(float)); }

struct br_gift br_gift_at(void *memory, const struct br_graph *graph, bool grid) {
  return (struct br_gift){.sums = lay_out(memory, graph, grid), .gradients = (float *)(void *)((char *)memory + gradients_at(graph, grid))};
}

/* Adds to, or without `more` sets, the sum of n values from `at` on; returns whether there is something in it now. */
static bool add_gift(const struct br_gift *gift, size_t stride, size_t at, size_t n, int64_t *sum, bool more, float limit, bool *sound) {
  const int64_t groups = gift->sums.scalars[BR_SCALAR_GROUPS];
  if (gift->sums.scalars[BR_SCALAR_ON_GRID]) {
    const int64_t *grid = gift->sums.grid + at;
    for (size_t i = 0; i < n; i++) sum[i] = more ? sum[i] + grid[i] : grid[i];
    more = true;
  }
  for (int64_t g = 0; g < groups; g++, more = true)
    if (!(br_grid_add(gift->gradients + (size_t)g * stride + at, sum, more, BR_GRID_SHIFT, n, BR_PART_ALL) < limit)) *sound = false;
  return more;
}

bool br_gifts_mean(const struct br_gift *gift, int gifts, size_t stride, size_t at, size_t n, int64_t units, float *mean) {
  const float limit = (float)br_grid_limit(units);
  bool sound = true;
  for (size_t i = 0; i < n; i += PIECE) {
    _Alignas(64) int64_t sum[PIECE];
    const size_t here = n - i < PIECE ? n - i : PIECE;
    bool more = false;
    for (int r = 0; r < gifts; r++) more = add_gift(&gift[r], stride, at + i, here, sum, more, limit, &sound);
    br_grid_get(sum, 0x1p-40 / (double)units, mean + i, here, BR_PART_ALL);
  }
  return sound;
}

static void sum_of(int64_t *sum, const int64_t *x, bool more, size_t n) {
  for (size_t i = 0; i < n; i++) sum[i] = more ? sum[i] + x[i] : x[i];
}

void br_gifts_sum_scalars(const struct br_gift *gift, int gifts, int64_t *sum) {
  for (int r = 0; r < gifts; r++) sum_of(sum, gift[r].sums.scalars, r > 0, BR_SCALAR_ROOM);
}

void br_gifts_sum_pairs(const struct br_gift *gift, int gifts, struct br_pair *sum, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 16, &first, &last);
  for (int r = 0; r < gifts; r++) sum_of(&sum[first].high, &gift[r].sums.pairs[first].high, r > 0, 2 * (last - first));
}
