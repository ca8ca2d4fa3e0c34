/* Logistic regression at its optimum: fitted shares are the data's own, and the score equations hold; files; refusals. */
#include "table_fixture.h"

#include <bramble/base/random.h>

static int train_with(struct br_logistic_settings settings, struct br_table_model **model, json_t *report) {
  struct br_task_data data;
  struct br_task_options options = {.csv = {.path = path, .header = 1}, .target = "y", .missing = BR_MISSING_DROP, .train_share = 1, .seed = 1};
  *model = NULL;
  BR_TRY(br_task_open(comm, team, &options, &data));
  int status = br_logistic_train(comm, team, &data.task, &settings, model, report);
  br_task_close(&data);
  return status;
}

static int train(double l2, struct br_table_model **model) { return train_with((struct br_logistic_settings){.l2 = l2}, model, NULL); }

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

/* Of a table of two by two counts the error of the log odds ratio is the root of the sum of their inverses (Woolf 1955). */
static void test_standard_error(void **state) {
  (void)state;
  static const int counts[2][2] = {{30, 12}, {9, 25}};
  struct br_table_model *model;
  FILE *file = fopen(path, "w");
  fprintf(file, "k,y\n");
  for (int k = 0; k < 2; k++)
    for (int c = 0; c < 2; c++)
      for (int i = 0; i < counts[k][c]; i++) fprintf(file, "k%d,c%d\n", k, c);
  fclose(file);
  json_t *report = json_object();
  assert_int_equal(train_with((struct br_logistic_settings){0}, &model, report), BR_OK);
  const json_t *against = json_object_get(json_object_get(report, "against_base"), "c1");
  near(fact(against, "coefficients", "k=k1"), log(25. * 30 / (9. * 12)), 1e-8);
  near(fact(against, "standard_errors", "k=k1"), sqrt(1. / 30 + 1. / 12 + 1. / 9 + 1. / 25), 1e-6);
  br_table_model_close(reopened(model));
  br_table_model_close(model);
  json_decref(report);
}

/* The optimum with l1: a weight that is not 0 has a slope of l1 against it, one that is 0 a slope of at most l1. */
static void test_l1(void **state) {
  (void)state;
  enum { ROWS = 300, COLUMNS = 6 };
  static double x[ROWS][COLUMNS];
  static int y[ROWS];
  struct br_random random = br_random_open(31, BR_RANDOM_TEST, 0, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,b,c,d,e,f,y\n");
  for (int i = 0; i < ROWS; i++) {
    for (int k = 0; k < COLUMNS; k++) {
      x[i][k] = rint(100 * (double)br_random_normal(&random) * (k + 1)) / 100;
      fprintf(file, "%.2f,", x[i][k]);
    }
    y[i] = x[i][0] * 2 - x[i][1] + 2 * (double)br_random_normal(&random) > 0;
    fprintf(file, "c%d\n", y[i]);
  }
  fclose(file);
  for (int strong = 0; strong < 2; strong++) {
    double l1 = strong ? 25 : 4;
    struct br_table_model *model;
    json_t *report = json_object();
    int zeros = 0;
    assert_int_equal(train_with((struct br_logistic_settings){.l1 = l1, .l2 = 0.5}, &model, report), BR_OK);
    for (int k = 0; k < COLUMNS; k++) {
      const char name[2] = {(char)('a' + k), 0};
      double mean = 0, square = 0, slope = 0, p[2], w = fact(json_object_get(json_object_get(report, "against_base"), "c1"), "coefficients", name);
      for (int i = 0; i < ROWS; i++) mean += x[i][k] / ROWS;
      for (int i = 0; i < ROWS; i++) square += (x[i][k] - mean) * (x[i][k] - mean) / ROWS;
      for (int i = 0; i < ROWS; i++) {
        br_table_model_predict(model, x[i], p);
        slope += (p[1] - y[i]) * (x[i][k] - mean) / sqrt(square);
      }
      w *= sqrt(square); /* of the scaled column */
      zeros += w == 0;
      if (w == 0)
        assert_true(fabs(slope) <= l1 * (1 + 1e-9));
      else
        assert_true(fabs(slope + 0.5 * w + l1 * (w > 0 ? 1 : -1)) < 1e-5);
    }
    assert_true(strong ? zeros >= 3 && zeros <= 5 : zeros < 4);
    br_table_model_close(model);
    json_decref(report);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_score_equations), cmocka_unit_test(test_standard_error), cmocka_unit_test(test_l1), cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
