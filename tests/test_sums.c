/* Sums of all kinds and sizes over the ranks this is started on, several at once, waited for in and out of order, other messages between; and the counter that
 * ranks draw from. Alone it is a test of one rank; sums.sh starts it on several. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/start.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define AT_ONCE 5
#define ROUNDS 25
#define MOST 200000

static struct br_comm *comm;

/* What a rank adds at place i of sum q: as wide as the place says, so that widths change within a sum. */
static int64_t put(int rank, int q, size_t i) {
  uint64_t x = ((uint64_t)i * 0x9E3779B97F4A7C15u + (uint64_t)q * 0xD1B54A32D192ED03u) ^ (uint64_t)rank * 0x8CB92BA72F3D8DD7u;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9u;
  return (int64_t)x >> (8 + i / 500 % 50);
}

static int64_t expected(int q, size_t i, enum br_comm_type type) {
  uint64_t sum = 0;
  int64_t most = INT64_MIN;
  for (int r = 0; r < br_comm_size(comm); r++) {
    sum += (uint64_t)put(r, q, i);
    if (put(r, q, i) > most) most = put(r, q, i);
  }
  return type == BR_COMM_I64_MAX ? most : (int64_t)sum;
}

static void test_many_at_once(void **state) {
  (void)state;
  struct br_random random = br_random_open(4, BR_RANDOM_TEST, 0, 0);
  int64_t *x[AT_ONCE];
  for (int k = 0; k < AT_ONCE; k++) assert_int_equal(br_memory_alloc(MOST, sizeof *x[k], "numbers", &x[k]), BR_OK);
  for (int round = 0, q = 0; round < ROUNDS; round++) {
    const int count = 1 + (int)br_random_below(&random, AT_ONCE), turn = (int)br_random_below(&random, (uint32_t)count);
    size_t n[AT_ONCE];
    enum br_comm_type type[AT_ONCE];
    int request[AT_ONCE];
    for (int k = 0; k < count; k++) {
      n[k] = br_random_below(&random, br_random_below(&random, 3) ? 9000 : MOST);
      type[k] = br_random_below(&random, 4) ? BR_COMM_I64 : BR_COMM_I64_MAX;
      for (size_t i = 0; i < n[k]; i++) x[k][i] = put(br_comm_rank(comm), q + k, i);
      assert_int_equal(br_comm_reduce_start(comm, x[k], n[k], type[k], &request[k]), BR_OK);
    }
    for (uint32_t i = br_random_below(&random, 4); i > 0; i--) assert_int_equal(br_comm_progress(comm), BR_OK);
    for (int k = 0; k < count; k++) {
      const int at = (k + turn) % count;
      assert_int_equal(br_comm_wait(comm, request[at]), BR_OK);
      for (size_t i = 0; i < n[at]; i += 1 + i % 7) assert_true(x[at][i] == expected(q + at, i, type[at]));
    }
    int64_t last = round;
    assert_int_equal(br_comm_broadcast(comm, &last, sizeof last, round % br_comm_size(comm)), BR_OK);
    assert_true(last == round);
    q += count;
  }
  for (int k = 0; k < AT_ONCE; k++) br_memory_free(x[k]);
}

/* Sums and nothing between, as of a training's steps, whose pieces fill the slots of packed sums just once: request numbers come again at once. */
static void test_steps(void **state) {
  (void)state;
  enum { PARTS = 4, LONGEST = 31000 };
  static const size_t times[PARTS] = {4, 2, 1, 1};
  int64_t *x[PARTS];
  for (int k = 0; k < PARTS; k++) assert_int_equal(br_memory_alloc(times[k] * LONGEST, sizeof(int64_t), "numbers", &x[k]), BR_OK);
  for (int round = 0; round < 60; round++) {
    const size_t piece = round % 2 ? 15000 : LONGEST; /* of two ranks, of more */
    int request[PARTS];
    for (int k = 0; k < PARTS; k++) {
      for (size_t i = 0; i < times[k] * piece; i++) x[k][i] = put(br_comm_rank(comm), round + k, i);
      assert_int_equal(br_comm_reduce_start(comm, x[k], times[k] * piece, BR_COMM_I64, &request[k]), BR_OK);
    }
    for (int k = 0; k < PARTS; k++) assert_int_equal(br_comm_wait(comm, request[k]), BR_OK);
    for (int k = 0; k < PARTS; k++)
      for (size_t i = 0; i < times[k] * piece; i += 1 + i % 7) assert_true(x[k][i] == expected(round + k, i, BR_COMM_I64));
  }
  for (int k = 0; k < PARTS; k++) br_memory_free(x[k]);
}

/* Memory in common, opened again and again: what the others wrote before a meeting is there after it. More than there can be is nobody's. */
static void test_common(void **state) {
  (void)state;
  enum { NUMBERS = 5000 };
  const int size = br_comm_node_size(comm), rank = br_comm_node_rank(comm);
  assert_null(br_comm_common_open(comm, (size_t)1 << 50).memory);
  for (int time = 0; time < 3; time++) {
    const struct br_comm_common common = br_comm_common_open(comm, NUMBERS * sizeof(int64_t));
    int64_t *x = common.memory;
    assert_true((x != NULL) == (size > 1));
    assert_int_equal(common.part.index, rank);
    assert_int_equal(common.part.count, size);
    for (size_t i = 0; x && i < NUMBERS; i++) assert_true(x[i] == 0);
    for (int round = 0; round < 50; round++) {
      size_t first, last;
      br_part_range((struct br_part){(common.part.index + round) % size, size}, NUMBERS, 1, &first, &last);
      br_comm_common_meet(&common);
      if (round % size == rank) usleep(500);
      for (size_t i = first; x && i < last; i++) x[i] += (int64_t)i * round + 1;
      br_comm_common_meet(&common);
      for (size_t i = 0; x && i < NUMBERS; i++) assert_true(x[i] == (int64_t)i * (round * (round + 1) / 2) + round + 1);
    }
  }
}

/* Every number is drawn once, whoever draws it. */
static void test_counter(void **state) {
  (void)state;
  enum { NUMBERS = 400 };
  for (int round = 0; round < 3; round++) {
    struct br_counter *counter;
    int64_t times[NUMBERS] = {0}, at = 0;
    assert_int_equal(br_counter_open(comm, &counter), BR_OK);
    for (;;) {
      assert_int_equal(br_counter_next(counter, 2, &at), BR_OK);
      if (at >= NUMBERS) break;
      times[at]++, times[at + 1]++;
    }
    br_counter_close(counter);
    assert_int_equal(br_comm_sum_i64(comm, times, NUMBERS), BR_OK);
    for (int i = 0; i < NUMBERS; i++) assert_true(times[i] == 1);
  }
}

int main(int argc, char **argv) {
  if (br_cluster_start(&argc, &argv, &comm) != BR_OK) {
    fprintf(stderr, "%s\n", br_error_message());
    return 1;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_at_once), cmocka_unit_test(test_steps), cmocka_unit_test(test_common), cmocka_unit_test(test_counter)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  if (failed) br_cluster_abort(1); /* the other ranks may wait */
  if (br_comm_rank(comm) == 0) printf("%d ranks on %d machines, %.0f MB sent\n", br_comm_size(comm), br_comm_size(comm) / br_comm_node_size(comm), (double)br_comm_bytes_sent(comm) / 1e6);
  br_cluster_stop(comm, 0);
  return 0;
}
