/* What ranks give to a step: the mean made of gradients as they lie and of grids is that of all rounded onto one grid, wherever a share begins; a bad gradient shows. */
#include "train/sums.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/kernel/kernel.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { FLOATS = 5008, STATISTICS = 48, RANKS = 4, GROUPS = 3 };
static const struct {
  int groups; /* whose gradients are not on the grid */
  bool on_grid;
} given[RANKS] = {{GROUPS, false}, {0, true}, {0, false}, {2, true}}; /* the third has no units */

static struct br_graph graph = {.trained_floats = FLOATS, .statistic_floats = STATISTICS};
static struct br_gift gift[RANKS];
static int64_t sum[FLOATS]; /* of all units */
static int64_t units;

static void fill(void) {
  struct br_random random = br_random_open(7, BR_RANDOM_TEST, 0, 0);
  units = 0;
  memset(sum, 0, sizeof sum);
  for (int r = 0; r < RANKS; r++) {
    void *memory;
    assert_int_equal(br_memory_alloc(br_gift_bytes(&graph, GROUPS, true), 1, "gift", &memory), BR_OK);
    gift[r] = br_gift_at(memory, &graph, true);
    gift[r].sums.scalars[BR_SCALAR_ON_GRID] = given[r].on_grid;
    gift[r].sums.scalars[BR_SCALAR_GROUPS] = given[r].groups;
    gift[r].sums.scalars[BR_SCALAR_SAMPLES] = 10 + r;
    for (int i = 0; i < STATISTICS; i++) gift[r].sums.pairs[i] = (struct br_pair){r + 1, (r + 1) * i};
    for (int i = 0; i < FLOATS; i++) { /* what is not given is there, and is not to be read */
      const int64_t on_grid = (int64_t)br_random_u32(&random) - INT32_MAX;
      gift[r].sums.grid[i] = on_grid;
      if (given[r].on_grid) sum[i] += on_grid;
    }
    for (int g = 0; g < GROUPS; g++)
      for (int i = 0; i < FLOATS; i++) {
        const float x = (float)((double)br_random_u32(&random) / 0x1p31 - 1);
        gift[r].gradients[g * FLOATS + i] = x;
        if (g < given[r].groups) sum[i] += llrint((double)x * 0x1p40);
      }
    units += given[r].groups + given[r].on_grid;
  }
}

static void empty(void) {
  for (int r = 0; r < RANKS; r++) br_memory_free(gift[r].sums.block);
}

static void test_mean(void **state) {
  (void)state;
  float mean[FLOATS + 1];
  fill();
  const size_t border[] = {0, 16, 48, 4400, 4416, FLOATS};
  for (int k = 0; k < 5; k++) {
    const size_t at = border[k], n = border[k + 1] - at;
    mean[n] = 42;
    assert_true(br_gifts_mean(gift, RANKS, FLOATS, at, n, units, mean));
    assert_true(mean[n] == 42);
    for (size_t i = 0; i < n; i++) assert_true(mean[i] == (float)((double)sum[at + i] * (0x1p-40 / (double)units)));
  }
  empty();
}

static void test_bad(void **state) {
  (void)state;
  float mean[FLOATS];
  const float bad[] = {NAN, INFINITY, -(float)br_grid_limit(6)};
  for (int k = 0; k < 3; k++) {
    fill();
    gift[0].gradients[2 * FLOATS + 3001] = bad[k];
    gift[2].gradients[5] = NAN; /* given by nobody */
    assert_int_equal(units, 7);
    assert_true(br_gifts_mean(gift, RANKS, FLOATS, 0, 3001, units, mean));
    assert_false(br_gifts_mean(gift, RANKS, FLOATS, 0, FLOATS, units, mean));
    assert_false(br_gifts_mean(gift, RANKS, FLOATS, 3001, 1, units, mean));
    empty();
  }
}

static void test_sums(void **state) {
  (void)state;
  int64_t scalars[BR_SCALAR_ROOM];
  struct br_pair pairs[STATISTICS];
  fill();
  br_gifts_sum_scalars(gift, RANKS, scalars);
  assert_int_equal(scalars[BR_SCALAR_SAMPLES], 46);
  assert_int_equal(scalars[BR_SCALAR_BAD], 0);
  for (int part = 0; part < 2; part++) br_gifts_sum_pairs(gift, RANKS, pairs, STATISTICS, (struct br_part){part, 2});
  for (int i = 0; i < STATISTICS; i++) assert_true(pairs[i].high == 10 && pairs[i].low == 10 * i);
  empty();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_mean), cmocka_unit_test(test_bad), cmocka_unit_test(test_sums)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
