/* Packed numbers: what comes out went in, in the bytes it needs, and what was cut or made up is not believed. */
#include "cluster/pack.h"

#include <bramble/base/random.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 300 };

static void test_widths(void **state) {
  (void)state;
  static const struct {
    int64_t least, most;
    size_t halves;
  } cases[] = {{0, 0, 0}, {-1, 0, 1}, {-8, 7, 1}, {-9, 0, 2}, {0, 8, 2}, {-128, 127, 2}, {-129, 5, 3}, {0, 128, 3}, {-2048, 2047, 3}, {-32768, 32767, 4}, {0, 32768, 5}, {-(1 << 23), (1 << 23) - 1, 6},
               {0, 1 << 23, 7}, {INT32_MIN, INT32_MAX, 8}, {0, (int64_t)INT32_MAX + 1, 9}, {-((int64_t)1 << 47), ((int64_t)1 << 47) - 1, 12}, {0, (int64_t)1 << 47, 13},
               {-((int64_t)1 << 55), ((int64_t)1 << 55) - 1, 14}, {-((int64_t)1 << 59), 0, 15}, {0, (int64_t)1 << 59, 16}, {INT64_MIN, INT64_MAX, 16}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    int64_t x[64], y[64];
    unsigned char packed[64 * 8 + 1];
    for (int i = 0; i < 64; i++) x[i] = i % 2 ? cases[c].least : cases[c].most;
    assert_true(br_pack(x, 64, packed) == 1 + 32 * cases[c].halves);
    assert_true(br_unpack(packed, 1 + 32 * cases[c].halves, y, 64));
    assert_memory_equal(x, y, sizeof x);
  }
}

/* Any length, any sizes of numbers within it; nothing is written behind the bound. */
static void test_there_and_back(void **state) {
  (void)state;
  struct br_random r = br_random_open(3, BR_RANDOM_TEST, 0, 0);
  for (int round = 0; round < 3000; round++) {
    const size_t n = br_random_below(&r, MOST);
    int64_t x[MOST], y[MOST], sum[MOST];
    unsigned char packed[MOST * 8 + 6];
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++) {
      if (i % 16 == 0) bits = br_random_below(&r, 64);
      x[i] = (int64_t)((uint64_t)br_random_u32(&r) << 32 | br_random_u32(&r)) >> bits;
      sum[i] = (int64_t)br_random_u32(&r);
      y[i] = (int64_t)((uint64_t)sum[i] + (uint64_t)x[i]);
    }
    memset(packed, 0xA5, sizeof packed);
    const size_t bytes = br_pack(x, n, packed);
    assert_true(bytes <= br_pack_bound(n) && packed[br_pack_bound(n)] == 0xA5);
    assert_true(br_unpack_add(packed, bytes, sum, n));
    assert_memory_equal(sum, y, n * sizeof *y);
    assert_true(br_unpack(packed, bytes, sum, n));
    assert_memory_equal(sum, x, n * sizeof *x);
    if (bytes) assert_false(br_unpack(packed, bytes - 1, sum, n));
    assert_false(br_unpack(packed, bytes + 1, sum, n));
  }
}

static void test_made_up(void **state) {
  (void)state;
  unsigned char packed[64 * 9] = {17};
  int64_t x[64];
  assert_false(br_unpack(packed, 1 + 32 * 17, x, 64));
  packed[0] = 255;
  assert_false(br_unpack(packed, sizeof packed, x, 2));
  assert_false(br_unpack(packed, 0, x, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_widths), cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_made_up)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
