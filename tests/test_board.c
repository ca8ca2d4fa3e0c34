/* The board: ranks as processes, sums of all kinds and sizes, several at once, finished in and out of order. */
#include "cluster/board.h"

#include <bramble/base/error.h>

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 3000
#define AT_ONCE 4
#define ROUNDS 300

static void idle(void *arg) {
  (void)arg;
  sched_yield();
}

/* What rank r puts at place i of request q: whole numbers, so that floats are exact too. */
static int64_t put(int rank, int q, size_t i) { return (int64_t)((unsigned)rank * 7919u + (unsigned)q * 104729u + (unsigned)i * 31u) % 1000 - 500; }

struct sum {
  union {
    int64_t i64[MOST];
    int32_t i32[MOST];
    float f32[MOST];
  } x;
  size_t n;
  enum br_comm_type type;
};

static void set(struct sum *s, size_t i, int64_t value) {
  if (s->type == BR_COMM_I32)
    s->x.i32[i] = (int32_t)value;
  else if (s->type == BR_COMM_F32)
    s->x.f32[i] = (float)value;
  else
    s->x.i64[i] = value;
}

static bool right(const struct sum *s, size_t i, int64_t value) { return s->type == BR_COMM_I32 ? s->x.i32[i] == value : s->type == BR_COMM_F32 ? s->x.f32[i] == (float)value : s->x.i64[i] == value; }

static int64_t expected(int size, int q, size_t i, enum br_comm_type type) {
  int64_t sum = 0, most = INT64_MIN;
  for (int r = 0; r < size; r++) {
    int64_t v = put(r, q, i);
    sum += v;
    most = v > most ? v : most;
  }
  return type == BR_COMM_I64_MAX ? most : sum;
}

/* 0: all is right. The same choices on all ranks. */
static int run_rank(struct br_board *board, int rank, int size) {
  static struct sum sums[AT_ONCE];
  unsigned seed = 5;
  for (int round = 0, q = 0; round < ROUNDS; round++) {
    const int count = 1 + rand_r(&seed) % AT_ONCE, turn = rand_r(&seed) % count;
    for (int k = 0; k < count; k++) {
      struct sum *s = &sums[k];
      s->n = (size_t)(rand_r(&seed) % 5 ? rand_r(&seed) % MOST : rand_r(&seed) % 3);
      s->type = (enum br_comm_type)(rand_r(&seed) % 4);
      for (size_t i = 0; i < s->n; i++) set(s, i, put(rank, q + k, i));
      if (!br_board_start(board, &s->x, s->n, s->type, k, idle, NULL) || !br_board_has(board, k)) return 1;
    }
    for (int k = 0; k < count; k++) {
      const int request = (k + turn) % count;
      if (!br_board_finish(board, request, idle, NULL) || br_board_has(board, request)) return 2;
      for (size_t i = 0; i < sums[request].n; i++)
        if (!right(&sums[request], i, expected(size, q + request, i, sums[request].type))) return 3;
    }
    if (br_board_finish(board, 0, idle, NULL)) return 4;
    q += count;
  }
  return br_board_start(board, sums, (size_t)1 << 30, BR_COMM_I32, 0, idle, NULL) ? 5 : 0; /* no room */
}

static void check_ranks(int size) {
  struct br_board *board = NULL;
  void *memory = mmap(NULL, br_board_bytes(size), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(memory, MAP_FAILED);
  memset(memory, 0x55, 4096); /* as memory of others may be */
  assert_int_equal(br_board_open(0, size, memory, &board), BR_OK);
  br_board_clear(board);
  pid_t child[8];
  for (int r = 1; r < size; r++) {
    child[r] = fork();
    assert_true(child[r] >= 0);
    if (child[r] == 0) {
      struct br_board *mine = NULL;
      int status = br_board_open(r, size, memory, &mine) == BR_OK ? run_rank(mine, r, size) : 9;
      br_board_close(mine);
      _exit(status);
    }
  }
  assert_int_equal(run_rank(board, 0, size), 0);
  for (int r = 1; r < size; r++) {
    int status;
    assert_int_equal(waitpid(child[r], &status, 0), child[r]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
  }
  br_board_close(board);
  br_board_close(NULL);
  munmap(memory, br_board_bytes(size));
}

static void test_sums(void **state) {
  (void)state;
  check_ranks(2);
  check_ranks(3);
  check_ranks(5);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
