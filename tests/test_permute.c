/* Permutation importances are the measures of a file in which one column has been shuffled by hand; a column that a model does not use has none. */
#include "table_fixture.h"

#include "table/bag.h"

#include <bramble/base/random.h>

#define ROWS 1500
#define SEED 7

static double value_of(int row, int column) { return column == 0 ? row * 37 % 211 : column == 1 ? row * 53 % 97 : row * 71 % 83; }

/* y depends on a much, on b a little, on c not at all; every 11th b is missing. `shuffled`: that column is exchanged as permutation `which` says. */
static void write_rows(bool classes, int shuffled, uint32_t which) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "a,b,c,y\n");
  for (int r = 0; r < ROWS; r++) {
    double y = 3 * value_of(r, 0) + value_of(r, 1) + (r % 7);
    for (int c = 0; c < 3; c++) {
      int from = c == shuffled ? (int)br_random_permute(SEED, BR_RANDOM_PERMUTE, which, ROWS, (uint64_t)r) : r;
      if (c == 1 && from % 11 == 0)
        fprintf(file, ",");
      else
        fprintf(file, "%g,", value_of(from, c));
    }
    if (classes)
      fprintf(file, "c%d\n", (int)(y / 200));
    else
      fprintf(file, "%g\n", y);
  }
  fclose(file);
}

static double measure(const struct br_table_model *model, const char *name, int repeats, json_t **report) {
  struct br_table *table;
  *report = json_object();
  if (br_table_read_for(comm, team, model, &(struct br_csv_options){.path = path, .header = -1, .slice_bytes = 1000}, NULL, &table) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(br_table_evaluate(comm, team, model, table, NULL, *report), BR_OK);
  if (repeats && br_table_permute(comm, team, model, table, NULL, SEED, repeats, *report) != BR_OK) fail_msg("%s", br_error_message());
  br_table_close(table);
  return fact(*report, NULL, name);
}

static void check(bool classes, bool forest) {
  const char *name = classes ? "accuracy" : "r2";
  struct br_task_data data;
  struct br_table_model *model;
  json_t *report, *one;
  write_rows(classes, -1, 0);
  struct br_task_options options = {.csv = {.path = path, .header = -1}, .target = "y", .features = forest ? NULL : "a,b,c", .train_share = 0.5, .seed = 1, .missing = BR_MISSING_KEEP};
  if (br_task_open(comm, team, &options, &data) != BR_OK) fail_msg("%s", br_error_message());
  struct br_tree_settings tree = {.max_depth = forest ? 10 : 4, .min_rows = 3};
  int status = forest ? br_forest_train(comm, team, &data.task, &(struct br_forest_settings){.tree = tree, .trees = 9}, &model, NULL) : br_tree_train(comm, team, &data.task, &tree, &model, NULL);
  if (status != BR_OK) fail_msg("%s", br_error_message());
  br_task_close(&data);
  double whole = measure(model, name, 3, &report);
  const json_t *of = json_object_get(report, "permutation");
  assert_string_equal(json_string_value(json_object_get(of, "measure")), name);
  for (int f = 0; f < 3; f++) {
    double sum = 0, fall[3], squares = 0;
    static const char *const names[] = {"a", "b", "c"};
    for (int k = 0; k < 3; k++) {
      write_rows(classes, f, (uint32_t)(f * BR_PERMUTATIONS + k));
      fall[k] = whole - measure(model, name, 0, &one);
      sum += fall[k] / 3;
      json_decref(one);
    }
    for (int k = 0; k < 3; k++) squares += (fall[k] - sum) * (fall[k] - sum);
    near(fact(json_object_get(of, "fall"), NULL, names[f]), sum, 1e-15);
    near(fact(json_object_get(of, "deviation"), NULL, names[f]), sqrt(squares / 2), 1e-12);
  }
  const json_t *fall = json_object_get(of, "fall");
  assert_true(fact(fall, NULL, "a") > 0.3 && fact(fall, NULL, "a") > 4 * fact(fall, NULL, "b") && fact(fall, NULL, "b") > 0.005);
  assert_true(fabs(fact(fall, NULL, "c")) < 0.02);
  json_decref(report);
  br_table_model_close(model);
}

static void test_numbers(void **state) {
  (void)state;
  check(false, false);
  check(false, true);
}

static void test_classes(void **state) {
  (void)state;
  check(true, false);
  check(true, true);
}

static void test_refusals(void **state) {
  (void)state;
  struct br_task_data data;
  struct br_table_model *model;
  json_t *report = json_object();
  write_rows(false, -1, 0);
  assert_int_equal(br_task_open(comm, team, &(struct br_task_options){.csv = {.path = path, .header = -1}, .features = "a,c", .train_share = 1, .seed = 1}, &data), BR_OK);
  assert_int_equal(br_kmeans_train(comm, team, &data.task, &(struct br_kmeans_settings){.clusters = 2, .iterations = 5}, &model, NULL), BR_OK);
  assert_int_equal(br_table_permute(comm, team, model, data.table, NULL, 1, 2, report), BR_ERROR_USAGE);
  json_decref(report);
  br_table_model_close(model);
  br_task_close(&data);
}

/* The share of rows that trees which have not seen them answer rightly, one row after another; feature -1: nothing is exchanged. */
static double naive_accuracy(const struct br_task *task, const struct br_table_model *model, int feature, uint32_t which, double *judged) {
  const struct br__trees *trees = br__model_trees(model);
  static uint8_t weight[64][ROWS];
  int64_t rows = 0, right = 0;
  for (size_t k = 0; k < trees->n_trees; k++) br__forest_draw_rows(task, (uint32_t)k, ROWS, weight[k]);
  for (int r = 0; r < ROWS; r++) {
    double x[3], votes[16] = {0}, best = 0, asked = 0;
    int answer = 0;
    for (int c = 0; c < 3; c++) {
      int from = c == feature ? (int)br_random_permute(task->seed, BR_RANDOM_PERMUTE, which, ROWS, (uint64_t)r) : r;
      x[c] = c == 1 && from % 11 == 0 ? NAN : value_of(from, c);
    }
    for (size_t k = 0; k < trees->n_trees; k++) {
      if (weight[k][r]) continue;
      asked++;
      br__forest_add_answer(model, trees, k, x, votes);
    }
    if (asked == 0) continue;
    for (int c = 0; c < 16; c++)
      if (votes[c] > best) best = votes[c], answer = c;
    rows++;
    right += answer == (int)((3 * value_of(r, 0) + value_of(r, 1) + (r % 7)) / 200);
  }
  *judged = (double)rows;
  return (double)right / (double)rows;
}

static void test_out_of_bag(void **state) {
  (void)state;
  struct br_task_data data;
  struct br_table_model *model;
  json_t *report = json_object();
  static const char *const names[] = {"a", "b", "c"};
  write_rows(true, -1, 0);
  struct br_task_options options = {.csv = {.path = path, .header = -1, .slice_bytes = 1000}, .target = "y", .train_share = 1, .seed = 5, .missing = BR_MISSING_KEEP};
  if (br_task_open(comm, team, &options, &data) != BR_OK) fail_msg("%s", br_error_message());
  struct br_forest_settings settings = {.tree = {.max_depth = 10, .min_rows = 3}, .trees = 9, .permutations = 2};
  if (br_forest_train(comm, team, &data.task, &settings, &model, report) != BR_OK) fail_msg("%s", br_error_message());
  const json_t *oob = json_object_get(report, "oob"), *of = json_object_get(oob, "permutation");
  double rows, whole = naive_accuracy(&data.task, model, -1, 0, &rows);
  assert_true(fact(oob, NULL, "rows") == rows && rows > ROWS * 0.9);
  near(fact(oob, NULL, "accuracy"), whole, 1e-15);
  for (int f = 0; f < 3; f++) {
    double fall = 0;
    for (int k = 0; k < 2; k++) fall += (whole - naive_accuracy(&data.task, model, f, (uint32_t)(f * BR_PERMUTATIONS + k), &rows)) / 2;
    near(1 + fact(of, "fall", names[f]), 1 + fall, 1e-14);
  }
  assert_true(fact(of, "fall", "a") > 0.2 && fact(of, "fall", "a") > 4 * fact(of, "fall", "b") && fabs(fact(of, "fall", "c")) < 0.05);
  br_table_model_close(model);
  json_decref(report);
  settings.extra = true;
  report = json_object();
  assert_int_equal(br_forest_train(comm, team, &data.task, &settings, &model, report), BR_ERROR_USAGE);
  json_decref(report);
  br_task_close(&data);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_classes), cmocka_unit_test(test_refusals), cmocka_unit_test(test_out_of_bag)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
