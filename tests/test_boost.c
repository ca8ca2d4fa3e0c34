/* Boosting against the closed formula of its paper, by an exhaustive search written again here; its limits, stopping, files and refusals. */
#include "table_fixture.h"

#include <bramble/base/random.h>

static const struct br_boost_settings plain = {.trees = 3, .max_depth = 1, .min_rows = 1, .rate = 0.3, .l2 = 1, .rows_share = 1, .columns_share = 1};

static int train(const char *target, const char *types, double share, const struct br_boost_settings *settings, struct br_table_model **model, json_t *report) {
  struct br_task_data data;
  struct br_task_options options = {.csv = {.path = path, .header = -1}, .target = target, .types = types, .train_share = share, .seed = 1};
  *model = NULL;
  BR_TRY(br_task_open(comm, team, &options, &data));
  int status = br_boost_train(comm, team, &data.task, settings, model, report);
  if (status == BR_OK && data.rows.test && report) {
    json_t *test = json_object();
    json_object_set_new(report, "test", test);
    status = br_table_evaluate(comm, team, *model, data.table, &data.rows, test);
  }
  br_task_close(&data);
  return status;
}

/* --- the formula --------------------------------------------------------------------------------------------------------- */

#define ROWS 60
static double column[2][ROWS], target[ROWS], score[ROWS];

/* Some rows lack a value; both columns have ties. */
static void make_rows(bool classes) {
  FILE *file = fopen(path, "w");
  struct br_random random = br_random_open(3, BR_RANDOM_TEST, classes, 0);
  fprintf(file, "a,b,y\n");
  for (int i = 0; i < ROWS; i++) {
    for (int f = 0; f < 2; f++) column[f][i] = br_random_below(&random, 9) == 0 ? (double)NAN : br_random_below(&random, 25);
    double a = isnan(column[0][i]) ? 20 : column[0][i], b = isnan(column[1][i]) ? 3 : column[1][i];
    double y = 2 * a - b * b / 10 + br_random_below(&random, 9);
    target[i] = classes ? y > 18 : y;
    for (int f = 0; f < 2; f++) fprintf(file, isnan(column[f][i]) ? "," : "%g,", column[f][i]);
    fprintf(file, classes ? "c%g\n" : "%g\n", target[i]);
  }
  fclose(file);
}

static bool goes_left(int f, int i, double cut, bool missing_left) { return isnan(column[f][i]) ? missing_left : column[f][i] <= cut; }

/* One stump: w = -G / (H + l2) on both sides of the split with the largest G^2 / (H + l2) in all. */
static void reference_round(bool classes, double rate, double l2) {
  double g[ROWS], h[ROWS], best = -1, value[2] = {0, 0}, best_cut = 0;
  int best_feature = 0;
  bool best_missing = false;
  for (int i = 0; i < ROWS; i++) {
    double p = 1 / (1 + exp(-score[i]));
    g[i] = classes ? p - target[i] : score[i] - target[i];
    h[i] = classes ? p * (1 - p) : 1;
  }
  for (int f = 0; f < 2; f++)
    for (int cut = 0; cut <= 24; cut++)
      for (int missing = 0; missing < 2; missing++) {
        double G[2] = {0, 0}, H[2] = {0, 0};
        int n[2] = {0, 0};
        for (int i = 0; i < ROWS; i++) {
          int side = goes_left(f, i, cut, missing) ? 0 : 1;
          G[side] += g[i], H[side] += h[i], n[side]++;
        }
        double total = G[0] * G[0] / (H[0] + l2) + G[1] * G[1] / (H[1] + l2);
        if (!n[0] || !n[1] || total <= best * (1 + 1e-9)) continue;
        best = total, best_feature = f, best_cut = cut, best_missing = missing;
        for (int side = 0; side < 2; side++) value[side] = -G[side] / (H[side] + l2) * rate;
      }
  for (int i = 0; i < ROWS; i++) score[i] += value[goes_left(best_feature, i, best_cut, best_missing) ? 0 : 1];
}

static void check_formula(bool classes) {
  struct br_table_model *model;
  double mean = 0, x[2], out[2];
  make_rows(classes);
  for (int i = 0; i < ROWS; i++) mean += target[i] / ROWS;
  for (int i = 0; i < ROWS; i++) score[i] = classes ? log(mean / (1 - mean)) : mean;
  for (int rounds = 1; rounds <= 5; rounds++) {
    struct br_boost_settings settings = plain;
    settings.trees = rounds;
    reference_round(classes, settings.rate, settings.l2);
    assert_int_equal(train("y", NULL, 1, &settings, &model, NULL), BR_OK);
    for (int i = 0; i < ROWS; i++) {
      x[0] = column[0][i], x[1] = column[1][i];
      br_table_model_predict(model, x, out);
      double wanted = classes ? 1 / (1 + exp(-score[i])) : score[i], got = classes ? out[1] : out[0];
      if (fabs(got - wanted) > 1e-7 * (1 + fabs(wanted))) fail_msg("round %d, row %d: %.12g where %.12g is right", rounds, i, got, wanted);
    }
    br_table_model_close(model);
  }
}

static void test_numbers_by_formula(void **state) {
  (void)state;
  check_formula(false);
}
static void test_classes_by_formula(void **state) {
  (void)state;
  check_formula(true);
}

/* --- larger tables ------------------------------------------------------------------------------------------------------- */

static void test_three_classes(void **state) {
  (void)state;
  struct br_boost_settings settings = {.trees = 20, .max_leaves = 15, .max_depth = 200, .min_rows = 5, .rate = 0.2, .l2 = 1, .rows_share = 0.7, .columns_share = 0.5};
  struct br_table_model *model, *again;
  double x[6] = {19, 18, 17.5, 17.2, 17, 0.1}, a[3], b[3];
  assert_int_equal(br_table_generate("sdss", 4000, 5, path), BR_OK);
  json_t *report = json_object();
  if (train("class", NULL, 0.7, &settings, &model, report) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(fact(report, NULL, "trees"), 60);
  assert_true(fact(report, NULL, "leaves") <= 60 * 15);
  assert_true(fact(report, "test", "accuracy") > 0.97);
  assert_int_equal(br_table_model_save(model, model_path), BR_OK);
  assert_int_equal(br_table_model_open(model_path, &again), BR_OK);
  br_table_model_predict(model, x, a);
  br_table_model_predict(again, x, b);
  assert_memory_equal(a, b, sizeof a);
  assert_true(fabs(a[0] + a[1] + a[2] - 1) < 1e-12);
  br_table_model_close(again);
  br_table_model_close(model);
  json_decref(report);
}

/* Only sets of categories tell: every second of 40 names is high. */
static void test_categories(void **state) {
  (void)state;
  struct br_boost_settings settings = plain;
  struct br_table_model *model;
  FILE *file = fopen(path, "w");
  fprintf(file, "name,y\n");
  for (int i = 0; i < 400; i++) fprintf(file, "n%02d,%d\n", i % 40, i % 2 ? 10 : -10);
  fclose(file);
  settings.trees = 1, settings.rate = 1, settings.l2 = 0;
  assert_int_equal(train("y", NULL, 1, &settings, &model, NULL), BR_OK);
  for (int c = 0; c < 40; c++) {
    double x = c, y;
    br_table_model_predict(model, &x, &y);
    assert_true(fabs(y - (c % 2 ? 10 : -10)) < 1e-6);
  }
  br_table_model_close(model);
}

static void test_stops_early(void **state) {
  (void)state;
  struct br_boost_settings settings = {.trees = 400, .max_depth = 6, .min_rows = 1, .rate = 0.5, .l2 = 0, .rows_share = 1, .columns_share = 1, .patience = 5};
  struct br_table_model *model;
  assert_int_equal(br_table_generate("cars", 2000, 5, path), BR_OK);
  json_t *report = json_object(), *longer = json_object();
  assert_int_equal(train("price", NULL, 0.7, &settings, &model, report), BR_OK);
  br_table_model_close(model);
  settings.trees = 60, settings.patience = 0;
  assert_int_equal(train("price", NULL, 0.7, &settings, &model, longer), BR_OK);
  br_table_model_close(model);
  assert_true(fact(report, NULL, "rounds") < 60);
  assert_true(fact(report, "test", "rmse") < fact(longer, "test", "rmse"));
  json_decref(report);
  json_decref(longer);
}

static void refused(const struct br_boost_settings *settings, const char *part) {
  struct br_table_model *model;
  assert_int_not_equal(train("y", NULL, 1, settings, &model, NULL), BR_OK);
  assert_null(model);
  if (!strstr(br_error_message(), part)) fail_msg("%s", br_error_message());
}

static void test_refusals(void **state) {
  (void)state;
  struct br_boost_settings settings = plain;
  make_rows(false);
  settings.max_depth = 17;
  refused(&settings, "give --max-leaves too");
  settings = plain;
  settings.max_leaves = 1;
  refused(&settings, "2 to 65536");
  settings = plain;
  settings.rows_share = 0;
  refused(&settings, "shares");
  FILE *file = fopen(path, "w");
  fprintf(file, "a,y\n1,x\n2,x\n");
  fclose(file);
  refused(&plain, "one class only");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers_by_formula), cmocka_unit_test(test_classes_by_formula), cmocka_unit_test(test_three_classes), cmocka_unit_test(test_categories), cmocka_unit_test(test_stops_early), cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
