/* Forests: better than their trees, honest out of bag, the mean of what is in the file; extremely randomised trees; refusals. */
#include "table_fixture.h"

static int train(const char *target, const struct br_forest_settings *settings, size_t memory, struct br_table_model **model, json_t *report) {
  struct br_task_data data;
  struct br_task_options options = {.csv = {.path = path, .header = -1}, .target = target, .train_share = 0.7, .seed = 1, .memory_bytes = memory};
  *model = NULL;
  BR_TRY(br_task_open(comm, team, &options, &data));
  int status = br_forest_train(comm, team, &data.task, settings, model, report);
  json_t *test = json_object();
  json_object_set_new(report, "test", test);
  if (status == BR_OK) status = br_table_evaluate(comm, team, *model, data.table, &data.rows, test);
  br_task_close(&data);
  return status;
}

static const struct br_forest_settings plain = {.tree = {.max_depth = 20, .min_rows = 1}, .trees = 25};

/* A measure of one forest on its test part, and out of bag (may be NULL). */
static double measure(const char *target, struct br_forest_settings settings, const char *name, double *oob) {
  struct br_table_model *model;
  json_t *report = json_object();
  if (train(target, &settings, 0, &model, report) != BR_OK) fail_msg("%s", br_error_message());
  double value = fact(report, "test", name);
  if (oob) *oob = fact(report, "oob", name);
  br_table_model_close(model);
  json_decref(report);
  return value;
}

/* Rows a tree has seen would be answered nearly without error: that out of bag is as the test part shows that none of them is counted. A row is
 * out of the bag of 37 % of the trees, so its votes are those of a forest of that size. */
static void test_out_of_bag_is_honest(void **state) {
  (void)state;
  double oob;
  struct br_forest_settings single = plain;
  assert_int_equal(br_table_generate("cars", 3000, 2, path), BR_OK);
  double forest = measure("price", plain, "rmse", &oob);
  assert_true(fabs(oob / forest - 1) < 0.06);
  single.trees = 1;
  assert_true(forest < 0.9 * measure("price", single, "rmse", NULL));
  assert_int_equal(br_table_generate("checkins", 3000, 2, path), BR_OK);
  measure("venue", plain, "accuracy", &oob);
  single.trees = 9;
  forest = measure("venue", single, "accuracy", NULL);
  assert_true(forest > 0.2 && fabs(oob - forest) < 0.05);
}

static void test_extra_trees(void **state) {
  (void)state;
  struct br_forest_settings extra = plain;
  extra.extra = true;
  assert_int_equal(br_table_generate("sdss", 3000, 2, path), BR_OK);
  assert_true(measure("class", extra, "accuracy", NULL) > 0.95);
  assert_true(measure("class", plain, "accuracy", NULL) > 0.97);
}

/* A forest of k trees begins with the trees of a smaller one, and its file gives the same answers. */
static void test_trees_are_independent_and_kept(void **state) {
  (void)state;
  struct br_table_model *one, *two, *again;
  struct br_forest_settings settings = plain;
  json_t *report = json_object();
  double x[2] = {2012, 60000}, a, b, c;
  assert_int_equal(br_table_generate("cars", 2000, 4, path), BR_OK);
  settings.trees = 1;
  assert_int_equal(train("price", &settings, 0, &one, report), BR_OK);
  settings.trees = 2;
  assert_int_equal(train("price", &settings, 0, &two, report), BR_OK);
  br_table_model_predict(one, x, &a);
  br_table_model_predict(two, x, &b);
  assert_true(a != b);
  assert_int_equal(br_table_model_save(two, model_path), BR_OK);
  assert_int_equal(br_table_model_open(model_path, &again), BR_OK);
  br_table_model_predict(again, x, &c);
  assert_memory_equal(&b, &c, sizeof b);
  br_table_model_close(one);
  br_table_model_close(two);
  br_table_model_close(again);
  json_decref(report);
}

static void test_refusals(void **state) {
  (void)state;
  struct br_table_model *model;
  struct br_forest_settings settings = plain;
  json_t *report = json_object();
  assert_int_equal(br_table_generate("cars", 2000, 4, path), BR_OK);
  assert_int_equal(train("price", &settings, 1000, &model, report), BR_ERROR_MEMORY);
  assert_non_null(strstr(br_error_message(), "raise --memory"));
  settings.trees = 0;
  assert_int_equal(train("price", &settings, 0, &model, report), BR_ERROR_USAGE);
  assert_null(model);
  json_decref(report);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_out_of_bag_is_honest), cmocka_unit_test(test_extra_trees), cmocka_unit_test(test_trees_are_independent_and_kept), cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
