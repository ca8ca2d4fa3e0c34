/* Logistic regression at its optimum: fitted shares are the data's own, and the score equations hold; files; refusals. */
#include "table_fixture.h"

#include <bramble/base/random.h>

static int train(double l2, struct br_table_model **model) {
  struct br_task_data data;
  struct br_task_options options = {.csv = {.path = path, .header = 1}, .target = "y", .missing = BR_MISSING_DROP, .train_share = 1, .seed = 1};
  struct br_logistic_settings settings = {.l2 = l2};
  *model = NULL;
  BR_TRY(br_task_open(comm, team, &options, &data));
  int status = br_logistic_train(comm, team, &data.task, &settings, model, NULL);
  br_task_close(&data);
  return status;
}

/* With one category as the only feature and no penalty, the model's probabilities are each category's shares. */
static void test_shares(void **state) {
  (void)state;
  static const int counts[2][3] = {{50, 30, 20}, {10, 25, 65}};
  struct br_table_model *model;
  FILE *file = fopen(path, "w");
  fprintf(file, "k,y\n");
  for (int k = 0; k < 2; k++)
    for (int c = 0; c < 3; c++)
      for (int i = 0; i < counts[k][c]; i++) fprintf(file, "k%d,c%d\n", k, c);
  fclose(file);
  if (train(0, &model) != BR_OK) fail_msg("%s", br_error_message());
  for (int k = 0; k < 2; k++) {
    double x = k, p[3];
    br_table_model_predict(model, &x, p);
    for (int c = 0; c < 3; c++) assert_true(fabs(p[c] - counts[k][c] / 100.) < 1e-10);
  }
  br_table_model_close(model);
}

/* At the optimum sum (p - y) x + l2 w = 0, with w and x of scaled columns; columns of very different size. */
static void test_score_equations(void **state) {
  (void)state;
  enum { N = 300 };
  static double x[N][2];
  static int y[N];
  struct br_table_model *model, *again;
  struct br_random random = br_random_open(5, BR_RANDOM_TEST, 0, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,b,y\n");
  for (int i = 0; i < N; i++) {
    x[i][0] = br_random_below(&random, 1000) / 1000.;
    x[i][1] = br_random_below(&random, 1000000);
    y[i] = x[i][0] * 4 - x[i][1] / 400000 + (double)br_random_normal(&random) > 0.7;
    fprintf(file, "%.3f,%.0f,c%d\n", x[i][0], x[i][1], y[i]);
  }
  fclose(file);
  for (int l2 = 0; l2 < 3; l2 += 2) {
    double mean[2] = {0, 0}, deviation[2] = {0, 0}, sum[3] = {0, 0, 0}, p[2], q[2], low[2], high[2];
    if (train(l2, &model) != BR_OK) fail_msg("%s", br_error_message());
    for (int i = 0; i < N; i++)
      for (int k = 0; k < 2; k++) mean[k] += x[i][k] / N;
    for (int i = 0; i < N; i++)
      for (int k = 0; k < 2; k++) deviation[k] += (x[i][k] - mean[k]) * (x[i][k] - mean[k]) / N;
    for (int i = 0; i < N; i++) {
      br_table_model_predict(model, x[i], p);
      sum[2] += p[1] - y[i];
      for (int k = 0; k < 2; k++) sum[k] += (p[1] - y[i]) * (x[i][k] - mean[k]) / sqrt(deviation[k]);
    }
    for (int k = 0; k < 2; k++) { /* the weight of a scaled column: the change of the log odds over one deviation */
      memcpy(low, mean, sizeof low);
      memcpy(high, mean, sizeof high);
      high[k] += sqrt(deviation[k]);
      br_table_model_predict(model, low, p);
      br_table_model_predict(model, high, q);
      sum[k] += l2 * (log(q[1] / q[0]) - log(p[1] / p[0]));
    }
    for (int k = 0; k < 3; k++) assert_true(fabs(sum[k]) < 1e-7);
    assert_int_equal(br_table_model_save(model, model_path), BR_OK);
    assert_int_equal(br_table_model_open(model_path, &again), BR_OK);
    br_table_model_predict(model, x[0], p);
    br_table_model_predict(again, x[0], q);
    assert_memory_equal(p, q, sizeof p);
    br_table_model_close(again);
    br_table_model_close(model);
  }
}

static void test_refusals(void **state) {
  (void)state;
  struct br_table_model *model;
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n1,2\n2,3\n");
  fclose(file);
  assert_int_equal(train(1, &model), BR_ERROR_USAGE);
  assert_null(model);
  file = fopen(path, "w");
  fprintf(file, "a,y\n1,x\n2,x\n");
  fclose(file);
  assert_int_equal(train(1, &model), BR_ERROR_DATA);
  assert_null(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_score_equations), cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
