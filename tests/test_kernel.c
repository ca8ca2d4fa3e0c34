/* Every kernel of every table this machine can run, against its naive twin, to the last bit (kernel_checks.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/cpu.h>
#include <bramble/kernel/bench.h>
#include <math.h>

#include "kernel_checks.h"

/* tables[i] of br__kernels_all, where the processor has what it needs. */
static void test_tables_equal_reference(void **state) {
  (void)state;
  uint64_t hash = 0;
  const struct br_kernels *const *tables = br__kernels_all();
  for (size_t t = 0; tables[t]; t++) {
    check_table(tables[t], 40);
    if (t > 0) assert_true(outputs_hash == hash);
    hash = outputs_hash;
    if (tables[t] == br__kernels()) break; /* those above are not for this processor, or not allowed by BRAMBLE_CPU */
  }
  assert_int_equal(failures, 0);
}

/* The distance between two floats in units of the last place of the exact value. */
static double ulps(float got, double exact) {
  int exponent;
  frexp(exact, &exponent);
  return fabs((double)got - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void test_exp_and_log(void **state) {
  (void)state;
  double worst_exp = 0, worst_log = 0;
  for (int i = -103000; i <= 88000; i++) {
    float x = (float)i * 0.001f, y = (float)ldexp(1 + (i & 1023) / 1024.0, i / 750);
    worst_exp = fmax(worst_exp, ulps(br_expf(x), exp((double)x)));
    worst_log = fmax(worst_log, ulps(br_logf(y), log((double)y)));
  }
  assert_true(worst_exp < 1.03 && worst_log < 0.85);
  assert_true(br_expf(-105) == 0 && br_expf(89) == INFINITY && br_expf(-INFINITY) == 0 && isnan(br_expf(NAN)));
  assert_true(br_logf(0) == -INFINITY && isnan(br_logf(-1)) && br_logf(INFINITY) == INFINITY && isnan(br_logf(NAN)) && br_logf(1) == 0);
}

/* Activations against the C library's double functions. */
static void test_activations(void **state) {
  (void)state;
  for (int i = -9000; i <= 9000; i++) {
    float x = (float)i * 0.001f;
    double d = (double)x, sigmoid = 1 / (1 + exp(-d));
    assert_true(ulps(br_activation_one(BR_ACTIVATION_SIGMOID, 0, x), sigmoid) < 2.5);
    assert_true(ulps(br_activation_one(BR_ACTIVATION_TANH, 0, x), tanh(d)) < 2);
    assert_true(fabs((double)br_activation_one(BR_ACTIVATION_GELU, 0, x) - d * (1 + erf(d / sqrt(2))) / 2) < 1e-6);
    assert_true(fabs((double)br_activation_one(BR_ACTIVATION_SOFTPLUS, 0, x) - log1p(exp(d))) < 1e-6);
    assert_true(fabs((double)br_activation_one(BR_ACTIVATION_HARDSIGMOID, 0, x) - fmin(fmax(d + 3, 0), 6) / 6) < 1e-6);
    assert_true(fabs((double)br_activation_one(BR_ACTIVATION_ELU, 0.7f, x) - (d < 0 ? (double)0.7f * expm1(d) : d)) < 1e-6);
  }
}

/* The slopes are those of the functions: central differences. */
static void test_slopes(void **state) {
  (void)state;
  for (int f = 0; f < BR_ACTIVATION_COUNT; f++)
    for (int i = -40; i <= 40; i++) {
      float h = 1e-3f, x = (float)i * 0.137f + 0.05f, alpha = 0.3f, one = 1, slope;
      if (f == BR_ACTIVATION_LOG && x <= 0.1f) continue;
      float y = br_activation_one((enum br_activation)f, alpha, x);
      br_activation_backward((enum br_activation)f, alpha, &x, &y, &one, &slope, false, 1, BR_PART_ALL);
      double high = (double)br_activation_one((enum br_activation)f, alpha, x + h), low = (double)br_activation_one((enum br_activation)f, alpha, x - h);
      assert_true(fabs((double)slope - (high - low) / (double)((x + h) - (x - h))) < 4e-3 * fmax(1, fabs((double)slope)));
    }
}

static void count_row(void *arg, const struct br_bench_row *row) {
  bool moves = row->flops + row->bytes > 0 || strcmp(row->name, "barrier") == 0;
  assert_true(row->seconds > 0 && moves && row->name && row->shape && row->table);
  ++*(int *)arg;
}

/* The bench runs; what it says of time is nobody's promise. */
static void test_bench(void **state) {
  (void)state;
  int rows = 0;
  assert_int_equal(br_bench_machine(1e-6, count_row, &rows), 0);
  assert_int_equal(br_bench_kernels(1e-6, count_row, &rows), 0);
  assert_true(rows > 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tables_equal_reference),
      cmocka_unit_test(test_exp_and_log),
      cmocka_unit_test(test_activations),
      cmocka_unit_test(test_slopes),
      cmocka_unit_test(test_bench),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
