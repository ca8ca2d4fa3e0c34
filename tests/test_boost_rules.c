/* Boosting's losses and rules, each on data where the answer is known: Poisson and quantiles, L1, monotone columns, class weights, many bins, a
 * validation part. */
#include "table_fixture.h"

#include <bramble/base/random.h>

static const struct br_boost_settings plain = {.trees = 1, .max_depth = 1, .min_rows = 1, .rate = 1, .rows_share = 1, .columns_share = 1};

static int train(struct br_boost_settings settings, struct br_table_model **model, json_t *report) {
  struct br_task_data data;
  struct br_task_options options = {.csv = {.path = path, .header = 1}, .target = "y", .train_share = 1, .seed = 1};
  *model = NULL;
  BR_TRY(br_task_open(comm, team, &options, &data));
  int status = br_boost_train(comm, team, &data.task, &settings, model, report);
  br_task_close(&data);
  return status;
}

static struct br_table_model *trained(struct br_boost_settings settings) {
  struct br_table_model *model;
  if (train(settings, &model, NULL) != BR_OK) fail_msg("%s", br_error_message());
  return model;
}

static double answer(const struct br_table_model *model, double a, double b) {
  double x[2] = {a, b}, out[4];
  br_table_model_predict(model, x, out);
  return br_table_model_outputs(model) == 1 ? out[0] : out[1];
}

static void refused(struct br_boost_settings settings, const char *part) {
  struct br_table_model *model;
  assert_int_not_equal(train(settings, &model, NULL), BR_OK);
  assert_null(model);
  if (!strstr(br_error_message(), part)) fail_msg("%s", br_error_message());
}

/* Two groups of 30 and 20 rows, y = 1 and 6 or thereabouts. */
static void write_groups(void) {
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n");
  for (int i = 0; i < 50; i++) fprintf(file, "%d,%d\n", i < 30 ? 0 : 1, i < 30 ? i % 3 : 4 + i % 5);
  fclose(file);
}

static void test_l1(void **state) {
  (void)state;
  write_groups(); /* means 1 and 6, of all 3: sums of derivatives 60 and -60 */
  struct br_boost_settings settings = plain;
  settings.l1 = 15, settings.l2 = 10;
  struct br_table_model *model = trained(settings);
  near(answer(model, 0, 0), 3 - (60. - 15) / (30 + 10), 1e-8);
  near(answer(model, 1, 0), 3 + (60. - 15) / (20 + 10), 1e-8);
  br_table_model_close(model);
}

static void test_poisson(void **state) {
  (void)state;
  write_groups();
  struct br_boost_settings settings = plain;
  settings.trees = 400, settings.rate = 0.3, settings.loss = BR_BOOST_POISSON;
  struct br_table_model *model = trained(settings), *again = reopened(model);
  near(answer(model, 0, 0), 1, 1e-6);
  near(answer(model, 1, 0), 6, 1e-6);
  assert_true(answer(again, 1, 0) == answer(model, 1, 0));
  br_table_model_close(model);
  br_table_model_close(again);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n1,2\n2,-1\n3,5\n");
  fclose(file);
  refused(settings, "below 0 in 1 rows");
}

/* One round at full rate gives each group its exact quantile: the smallest value that at least that share of it does not exceed. */
static void test_quantile(void **state) {
  (void)state;
  static const double shares[] = {0.1, 0.25, 0.5, 0.9, 0.95};
  double group[2][80];
  int n[2] = {0, 0};
  struct br_random random = br_random_open(11, BR_RANDOM_TEST, 0, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n");
  for (int i = 0; i < 80; i++) {
    int g = i % 5 == 0;
    double y = (br_random_normal(&random) + 20 * g - 7);
    y = rint(y * 1000) / 1000;
    fprintf(file, "%d,%.3f\n", g, y);
    int k = n[g]++;
    for (; k > 0 && group[g][k - 1] > y; k--) group[g][k] = group[g][k - 1];
    group[g][k] = y;
  }
  fclose(file);
  for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
    struct br_boost_settings settings = plain;
    settings.loss = BR_BOOST_QUANTILE, settings.quantile = shares[s];
    struct br_table_model *model = trained(settings);
    for (int g = 0; g < 2; g++) near(answer(model, g, 0), group[g][(int)ceil(shares[s] * n[g]) - 1], 1e-12);
    br_table_model_close(model);
  }
  struct br_boost_settings settings = plain;
  settings.loss = BR_BOOST_QUANTILE, settings.quantile = 1;
  refused(settings, "above 0 and below 1");
}

/* How often the answer falls while a rises, b anything. */
static int falls(const struct br_table_model *model) {
  int n = 0;
  for (int b = 0; b < 10; b++)
    for (int a = 0; a < 100; a++) n += answer(model, a / 10., b) > answer(model, (a + 1) / 10., b);
  return n;
}

static void test_monotone(void **state) {
  (void)state;
  struct br_random random = br_random_open(12, BR_RANDOM_TEST, 0, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,b,y\n");
  for (int i = 0; i < 3000; i++) {
    double a = br_random_double(&random) * 10, b = br_random_below(&random, 10);
    fprintf(file, "%.2f,%g,%.3f\n", a, b, a + 3 * ((int)a % 2) * (b > 4) + b + 4 * br_random_normal(&random));
  }
  fclose(file);
  static const signed char up[2] = {1, 0}, down[2] = {-1, 0};
  for (int leaves = 0; leaves <= 12; leaves += 12) {
    struct br_boost_settings settings = plain;
    settings.trees = 40, settings.rate = 0.2, settings.max_depth = 5, settings.max_leaves = (size_t)leaves;
    struct br_table_model *model = trained(settings);
    assert_true(falls(model) > 20);
    br_table_model_close(model);
    settings.monotone = up;
    model = trained(settings);
    assert_int_equal(falls(model), 0);
    assert_true(answer(model, 9.9, 5) > answer(model, 0.1, 5) + 5);
    br_table_model_close(model);
    settings.monotone = down;
    model = trained(settings);
    for (int b = 0; b < 10; b++)
      for (int a = 0; a < 100; a++) assert_true(answer(model, a / 10., b) >= answer(model, (a + 1) / 10., b));
    br_table_model_close(model);
  }
}

/* A weight of 3 is the same as three such rows. */
static void test_class_weights(void **state) {
  (void)state;
  struct br_table_model *models[2];
  static const double three[2] = {1, 3};
  for (int copies = 0; copies < 2; copies++) {
    FILE *file = fopen(path, "w");
    struct br_random random = br_random_open(13, BR_RANDOM_TEST, 0, 0);
    fprintf(file, "a,b,y\n");
    for (int i = 0; i < 400; i++) {
      int a = (int)br_random_below(&random, 20), b = (int)br_random_below(&random, 20), yes = a + (int)br_random_below(&random, 20) > 30;
      for (int k = 0; k < (copies && yes ? 3 : 1); k++) fprintf(file, "%d,%d,%s\n", a, b, yes ? "yes" : "no");
    }
    fclose(file);
    struct br_boost_settings settings = plain;
    settings.trees = 10, settings.max_depth = 2, settings.rate = 0.3, settings.l2 = 1, settings.class_weight = copies ? NULL : three;
    models[copies] = trained(settings);
  }
  for (int a = 0; a < 20; a++)
    for (int b = 0; b < 20; b++) near(answer(models[0], a, b), answer(models[1], a, b), 1e-6);
  br_table_model_close(models[0]);
  br_table_model_close(models[1]);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n"); /* balanced: with nothing to tell the classes apart, both are as likely */
  for (int i = 0; i < 100; i++) fprintf(file, "1,%s\n", i % 10 ? "no" : "yes");
  fclose(file);
  struct br_boost_settings settings = plain;
  settings.balanced = true;
  struct br_table_model *model = trained(settings);
  near(answer(model, 1, 0), 0.5, 1e-8);
  br_table_model_close(model);
}

/* A step between two of 3,000 values: found to the digit with a bin a value, not with 16 bins. */
static void test_bins(void **state) {
  (void)state;
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n");
  for (int i = 0; i < 3000; i++) fprintf(file, "%d,%d\n", i * 7 % 3000, i * 7 % 3000 > 1234);
  fclose(file);
  for (int wide = 0; wide < 2; wide++) {
    struct br_boost_settings settings = plain;
    settings.bins = wide ? 4000 : 16;
    struct br_table_model *model = trained(settings);
    bool exact = fabs(answer(model, 1234, 0)) < 1e-6 && fabs(answer(model, 1235, 0) - 1) < 1e-6;
    assert_true(exact == (wide == 1));
    br_table_model_close(model);
  }
}

static void test_validation(void **state) {
  (void)state;
  struct br_random random = br_random_open(14, BR_RANDOM_TEST, 0, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n");
  for (int i = 0; i < 2000; i++) {
    double a = br_random_double(&random);
    fprintf(file, "%.4f,%.4f\n", a, a + br_random_normal(&random));
  }
  fclose(file);
  struct br_boost_settings settings = plain;
  settings.trees = 500, settings.max_depth = 4, settings.rate = 0.3, settings.patience = 4, settings.validation = 0.25;
  struct br_table_model *model;
  json_t *report = json_object();
  assert_int_equal(train(settings, &model, report), BR_OK);
  assert_true(fact(report, NULL, "rows") > 1400 && fact(report, NULL, "rows") < 1600);
  assert_true(fact(report, NULL, "rounds") < 60);
  br_table_model_close(model);
  json_decref(report);
  settings.patience = 0;
  refused(settings, "give --patience too");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_l1), cmocka_unit_test(test_poisson), cmocka_unit_test(test_quantile), cmocka_unit_test(test_monotone), cmocka_unit_test(test_class_weights), cmocka_unit_test(test_bins), cmocka_unit_test(test_validation),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
