/* Muon: directions are kept and their sizes made nearly equal, wide, tall and square; the same bits on any number of threads; what is no matrix is left to LAMB. */
#include "train/muon.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MOST 96

static struct br_param matrix(int rows, int columns) { return (struct br_param){.name = "fc.weight", .shape = {2, {rows, columns}}, .count = (size_t)rows * (size_t)columns, .decay = true}; }

/* x = H x, with the reflection H = 1 - 2 v v' / |v|^2 of a random v. */
static void reflect(struct br_random *random, float *x, int rows, int columns, size_t row_step, size_t column_step) {
  float v[MOST];
  double square = 0;
  for (int i = 0; i < rows; i++) {
    v[i] = br_random_float(random) - 0.5f;
    square += (double)v[i] * v[i];
  }
  for (int c = 0; c < columns; c++) {
    double dot = 0;
    for (int i = 0; i < rows; i++) dot += (double)v[i] * x[(size_t)i * row_step + (size_t)c * column_step];
    for (int i = 0; i < rows; i++) x[(size_t)i * row_step + (size_t)c * column_step] -= (float)(2 * dot / square * v[i]);
  }
}

struct call {
  struct br_muon muon;
  const struct br_param *param;
  float *w, *g, *m;
};

static void step_member(void *arg, struct br_part part) {
  struct call *call = arg;
  br_muon_step(&call->muon, call->param, call->w, call->g, call->m, part);
}

static void step(const struct br_param *param, int threads, float lr, float *w, float *g, float *m) {
  struct br_team *team;
  struct br_barrier barrier = {0};
  struct br_graph graph = {.params = (struct br_param *)param, .n_params = 1};
  struct call call = {{.lr = lr, .momentum = 0.5f, .barrier = &barrier}, param, w, g, m};
  assert_int_equal(br_team_open(threads, &team), BR_OK);
  assert_int_equal(br_memory_alloc(br_muon_work_bytes(&graph, threads), 1, "scratch", &call.muon.work), BR_OK);
  br_team_run(team, step_member, &call);
  br_memory_free(call.muon.work);
  br_team_close(team);
}

/* A gradient that is two reflections of a diagonal from 1 to 0.05: the step, reflected back, is a diagonal of nearly equal numbers. */
static void check_directions(int rows, int columns) {
  static float g[MOST * MOST], w[MOST * MOST], m[MOST * MOST];
  const struct br_param param = matrix(rows, columns);
  const int side = rows < columns ? rows : columns;
  struct br_random left = br_random_open(7, BR_RANDOM_TEST, 1, 0), right = br_random_open(7, BR_RANDOM_TEST, 2, 0);
  memset(g, 0, sizeof g);
  memset(m, 0, sizeof m);
  for (int i = 0; i < side; i++) g[i * columns + i] = i % 2 ? 1 : 0.05f;
  reflect(&left, g, rows, columns, (size_t)columns, 1);
  reflect(&right, g, columns, rows, 1, (size_t)columns);
  for (size_t i = 0; i < param.count; i++) w[i] = 1;
  step(&param, 1, 0.5f, w, g, m);
  double norm = 0, least = INFINITY, most = 0;
  for (size_t i = 0; i < param.count; i++) {
    w[i] = 1 - w[i];
    norm += (double)w[i] * w[i];
  }
  assert_true(fabs(sqrt(norm) - 0.5 * sqrt((double)param.count)) < 1e-3 * sqrt((double)param.count)); /* lr |w| */
  left = br_random_open(7, BR_RANDOM_TEST, 1, 0), right = br_random_open(7, BR_RANDOM_TEST, 2, 0);
  reflect(&left, w, rows, columns, (size_t)columns, 1);
  reflect(&right, w, columns, rows, 1, (size_t)columns);
  for (int i = 0; i < rows; i++)
    for (int c = 0; c < columns; c++) {
      const double x = w[i * columns + c];
      if (i != c) assert_true(fabs(x) < 1e-3);
      if (i == c && x < least) least = x;
      if (i == c && x > most) most = x;
    }
  assert_true(least > 0 && most / least < 1.8); /* of 20 before */
}

static void test_directions(void **state) {
  (void)state;
  check_directions(24, 24);
  check_directions(17, 60);
  check_directions(96, 11);
  check_directions(70, 90); /* several bands of rows */
  check_directions(2, 5);
}

static void test_threads(void **state) {
  (void)state;
  enum { ROWS = 45, COLUMNS = 80, N = ROWS * COLUMNS };
  static float w[2][N], g[N], m[2][N];
  const struct br_param param = matrix(ROWS, COLUMNS);
  for (int k = 0; k < 2; k++) {
    struct br_random random = br_random_open(8, BR_RANDOM_TEST, 0, 0);
    for (int i = 0; i < N; i++) w[k][i] = br_random_float(&random);
    memset(m[k], 0, sizeof m[k]);
    for (int round = 0; round < 3; round++) {
      for (int i = 0; i < N; i++) g[i] = br_random_float(&random) - 0.5f;
      step(&param, k ? 3 : 1, 0.1f, w[k], g, m[k]);
    }
  }
  assert_memory_equal(w[0], w[1], sizeof w[0]);
  assert_memory_equal(m[0], m[1], sizeof m[0]);
}

static void test_zeros_change_nothing(void **state) {
  (void)state;
  float w[6] = {1, 2, 3, 4, 5, 6}, before[6], g[6] = {0}, m[6] = {0};
  const struct br_param param = matrix(2, 3);
  memcpy(before, w, sizeof w);
  step(&param, 2, 0.1f, w, g, m);
  assert_memory_equal(w, before, sizeof w);
  memset(w, 0, sizeof w);
  g[1] = 1;
  step(&param, 2, 0.1f, w, g, m);
  assert_true(w[1] < -0.06f && w[1] > -0.12f); /* weights of zeros leave it */
}

static void test_what_is_a_matrix(void **state) {
  (void)state;
  struct br_param param = matrix(64, 10);
  assert_true(br_muon_takes(&param));
  param.decay = false;
  assert_false(br_muon_takes(&param));
  param = matrix(2000, 1025);
  assert_false(br_muon_takes(&param));
  param = matrix(2000, 1024);
  assert_true(br_muon_takes(&param));
  param = matrix(64, 1);
  assert_false(br_muon_takes(&param));
  param = (struct br_param){.shape = {4, {3, 3, 1, 32}}, .count = 288, .decay = true}; /* depthwise */
  assert_false(br_muon_takes(&param));
  param = (struct br_param){.shape = {4, {3, 3, 3, 16}}, .count = 432, .decay = true};
  assert_true(br_muon_takes(&param));
  param = (struct br_param){.shape = {1, {32}}, .count = 32, .decay = true};
  assert_false(br_muon_takes(&param));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_directions), cmocka_unit_test(test_threads), cmocka_unit_test(test_zeros_change_nothing), cmocka_unit_test(test_what_is_a_matrix)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
