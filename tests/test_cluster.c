/* Exact sums: the same bits in any order, right to the last bit, poisoned by what is not a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/comm.h>
#include <bramble/cluster/exact.h>

#include <math.h>
#include <string.h>

static double any_double(struct br_random *r) {
  int exponent = (int)br_random_below(r, 200) - 100;
  double x = ldexp(br_random_double(r) + 0.5, exponent);
  return br_random_u32(r) & 1 ? -x : x;
}

static void test_sum_ignores_order(void **state) {
  (void)state;
  enum { N = 3000 };
  double x[N];
  struct br_random r = br_random_open(1, BR_RANDOM_TEST, 0, 0);
  for (int i = 0; i < N; i++) x[i] = any_double(&r);
  struct br_sum forward = {{0}}, backward = {{0}}, half[2] = {{{0}}, {{0}}};
  for (int i = 0; i < N; i++) br_sum_add(&forward, x[i]);
  for (int i = N; i-- > 0;) br_sum_add(&backward, x[i]);
  for (int i = 0; i < N; i++) br_sum_add(&half[i % 3 == 0], x[i]);
  br_sum_merge(&half[0], &half[1]);
  double a = br_sum_value(&forward), b = br_sum_value(&backward), c = br_sum_value(&half[0]);
  assert_memory_equal(&a, &b, sizeof a);
  assert_memory_equal(&a, &c, sizeof a);
  for (int i = 0; i < N; i++) br_sum_add(&forward, -x[i]); /* everything taken away again leaves nothing */
  assert_true(br_sum_value(&forward) == 0);
}

static void test_sum_is_right(void **state) {
  (void)state;
  struct br_random r = br_random_open(2, BR_RANDOM_TEST, 0, 0);
  for (int i = 0; i < 20000; i++) { /* one number comes back as itself; two as their rounded sum */
    double x = any_double(&r), y = any_double(&r);
    struct br_sum s = {{0}};
    br_sum_add(&s, x);
    assert_true(br_sum_value(&s) == x || fabs(x) < 0x1p-70);
    br_sum_add(&s, y);
    assert_true(fabs(x) < 0x1p-70 || fabs(y) < 0x1p-70 || br_sum_value(&s) == x + y);
  }
  struct br_sum s = {{0}}; /* what doubles lose: 2^60 + 1 - 2^60 */
  br_sum_add(&s, 0x1p60), br_sum_add(&s, 1), br_sum_add(&s, -0x1p60);
  assert_true(br_sum_value(&s) == 1);
  br_sum_add(&s, NAN);
  br_sum_add(&s, 5);
  assert_true(isnan(br_sum_value(&s)));
}

static void test_pair(void **state) {
  (void)state;
  struct br_pair p = {0, 0};
  br_pair_add(&p, 0x1p20), br_pair_add(&p, 0x1p-40), br_pair_add(&p, -0x1p20);
  assert_true(br_pair_value(&p) == 0x1p-40);
  br_pair_add(&p, INFINITY);
  br_pair_add(&p, -1);
  assert_true(isnan(br_pair_value(&p)));
}

static void test_alone(void **state) {
  (void)state;
  struct br_comm *comm;
  assert_int_equal(br_comm_open_self(&comm), BR_OK);
  int64_t x[3] = {1, 2, 3};
  assert_int_equal(br_comm_sum_i64(comm, x, 3), BR_OK);
  assert_int_equal(x[2], 3);
  unsigned char *all;
  size_t size;
  assert_int_equal(br_comm_gather(comm, "abc", 3, 0, &all, &size), BR_OK);
  assert_memory_equal(all, "abc", 3);
  assert_int_equal(size, 3);
  br_memory_free(all);
  struct br_counter *counter;
  int64_t old;
  assert_int_equal(br_counter_open(comm, &counter), BR_OK);
  br_counter_next(counter, 5, &old);
  br_counter_next(counter, 5, &old);
  assert_int_equal(old, 5);
  br_counter_close(counter);
  assert_int_equal(br_comm_agree(comm, br_error_set(BR_ERROR_DATA, "bad")), BR_ERROR_DATA);
  br_comm_close(comm);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sum_ignores_order),
      cmocka_unit_test(test_sum_is_right),
      cmocka_unit_test(test_pair),
      cmocka_unit_test(test_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
