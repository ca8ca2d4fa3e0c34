/* Explanations: base and shares add up to the raw score, and are Shapley's values by their definition, summed over all sets of features. */
#include "table_fixture.h"

#include <bramble/base/random.h>

#include "table/boost_model.h"
#include "table/explain.h"

#define FEATURES 4

/* Numbers with gaps, a category, classes a feature appears for more than once on a path. */
static void write_table(int classes) {
  FILE *file = fopen(path, "w");
  struct br_random random = br_random_open(21, BR_RANDOM_TEST, (uint32_t)classes, 0);
  fprintf(file, "a,b,c,k,y\n");
  for (int i = 0; i < 400; i++) {
    int a = (int)br_random_below(&random, 30), b = (int)br_random_below(&random, 30), c = (int)br_random_below(&random, 5), k = (int)br_random_below(&random, 6);
    double y = a * (b > 12) + 3 * (k % 3) * c - b + (int)br_random_below(&random, 6);
    if (i % 9) fprintf(file, "%d", a);
    fprintf(file, ",%d,%d,n%d,", b, c, k);
    if (classes)
      fprintf(file, "c%d\n", y < 0 ? 0 : y < 14 || classes == 2 ? 1 : 2);
    else
      fprintf(file, "%g\n", y);
  }
  fclose(file);
}

static struct br_table_model *trained(enum br_table_model_kind kind) {
  struct br_task_data data;
  struct br_table_model *model = NULL;
  struct br_task_options options = {.csv = {.path = path, .header = 1}, .target = "y", .train_share = 1, .seed = 1};
  struct br_tree_settings tree = {.max_depth = 6, .min_rows = 3};
  struct br_forest_settings forest = {.tree = tree, .trees = 5};
  struct br_boost_settings boost = {.trees = 6, .max_depth = 5, .min_rows = 3, .rate = 0.4, .l2 = 1, .rows_share = 0.8, .columns_share = 1};
  assert_int_equal(br_task_open(comm, team, &options, &data), BR_OK);
  int status = kind == BR_TABLE_TREE ? br_tree_train(comm, team, &data.task, &tree, &model, NULL) : kind == BR_TABLE_FOREST ? br_forest_train(comm, team, &data.task, &forest, &model, NULL) : br_boost_train(comm, team, &data.task, &boost, &model, NULL);
  if (status != BR_OK) fail_msg("%s", br_error_message());
  br_task_close(&data);
  return model;
}

/* What a tree says when only the features in `known` are: other nodes go both ways, by their rows. */
static double value_of(const struct br_table_model *model, const struct br__trees *t, int32_t node, const double *x, unsigned known, size_t output) {
  if (t->feature[node] < 0) {
    if (model->kind == BR_TABLE_BOOST || model->target.type != BR_COLUMN_CATEGORY) return t->value[node];
    for (int64_t c = t->first_count[node]; c < t->first_count[node + 1]; c++)
      if ((size_t)t->counts[2 * c] == output) return (double)t->counts[2 * c + 1] / (double)t->rows[node];
    return 0;
  }
  if (known >> t->feature[node] & 1) return value_of(model, t, br__tree_goes_left(t, node, x) ? t->left[node] : t->right[node], x, known, output);
  double left = (double)t->rows[t->left[node]], right = (double)t->rows[t->right[node]];
  return (left * value_of(model, t, t->left[node], x, known, output) + right * value_of(model, t, t->right[node], x, known, output)) / (left + right);
}

static double score_of(const struct br_table_model *model, const double *x, unsigned known, size_t output) {
  const struct br__trees *t = br__model_trees(model);
  const struct br__boost *boost = model->kind == BR_TABLE_BOOST ? model->body : NULL;
  size_t every = boost ? boost->n_scores : 1, first = every > 1 ? output : 0;
  double sum = boost ? boost->base[first] : 0;
  for (size_t k = first; k < t->n_trees; k += every) sum += value_of(model, t, t->root[k], x, known, output) / (boost ? 1 : (double)t->n_trees);
  return sum;
}

static void check(enum br_table_model_kind kind, int classes) {
  static const double factorial[] = {1, 1, 2, 6, 24};
  write_table(classes);
  struct br_table_model *model = trained(kind);
  struct br_random random = br_random_open(22, BR_RANDOM_TEST, 0, 0);
  double x[FEATURES], share[FEATURES], base, out[3];
  void *room = malloc(br__explain_bytes(model));
  for (int row = 0; row < 40; row++) {
    for (int f = 0; f < FEATURES; f++) x[f] = br_random_below(&random, 7) == 0 ? (double)NAN : br_random_below(&random, f == 3 ? 6 : f == 2 ? 5 : 30);
    for (size_t output = 0; output < br_table_model_outputs(model); output++) {
      br__explain(model, output, x, share, &base, room);
      double all = base, whole = score_of(model, x, 15, output);
      for (int f = 0; f < FEATURES; f++) {
        double wanted = 0;
        for (unsigned set = 0; set < 16; set++) {
          if (set >> f & 1) continue;
          int n = __builtin_popcount(set);
          wanted += factorial[n] * factorial[FEATURES - n - 1] / factorial[FEATURES] * (score_of(model, x, set | 1u << f, output) - score_of(model, x, set, output));
        }
        if (fabs(share[f] - wanted) > 1e-9) fail_msg("feature %d of row %d, output %zu: %.12g where %.12g is right", f, row, output, share[f], wanted);
        all += share[f];
      }
      assert_true(fabs(all - whole) < 1e-9 && fabs(base - score_of(model, x, 0, output)) < 1e-9);
      br_table_model_predict(model, x, out);
      if (kind != BR_TABLE_BOOST || classes == 0) assert_true(fabs(out[output] - all) < 1e-9);
      if (kind == BR_TABLE_BOOST && classes == 2) assert_true(fabs(log(out[1] / out[0]) - all) < 1e-9);
    }
  }
  free(room);
  br_table_model_close(model);
}

static void test_numbers(void **state) {
  (void)state;
  check(BR_TABLE_TREE, 0);
  check(BR_TABLE_FOREST, 0);
  check(BR_TABLE_BOOST, 0);
}
static void test_classes(void **state) {
  (void)state;
  check(BR_TABLE_TREE, 3);
  check(BR_TABLE_FOREST, 3);
  check(BR_TABLE_BOOST, 2);
  check(BR_TABLE_BOOST, 3);
}

/* The columns of a file of explanations add up to its predictions. */
static void test_file(void **state) {
  (void)state;
  struct br_csv_options csv = {.path = path, .header = 1};
  struct br_table *table;
  char line[400];
  int rows = 0;
  write_table(0);
  struct br_table_model *model = trained(BR_TABLE_BOOST);
  assert_int_equal(br_table_read_for(comm, team, model, &csv, NULL, &table), BR_OK);
  assert_int_equal(br_table_predict_csv(comm, team, model, table, BR_PREDICT_EXPLANATION, model_path, NULL), BR_OK);
  FILE *file = fopen(model_path, "r");
  assert_non_null(fgets(line, sizeof line, file));
  assert_string_equal(line, "prediction,base,a,b,c,k\n");
  for (; fgets(line, sizeof line, file); rows++) {
    double v[6];
    assert_int_equal(sscanf(line, "%lf,%lf,%lf,%lf,%lf,%lf", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5]), 6);
    assert_true(fabs(v[0] - v[1] - v[2] - v[3] - v[4] - v[5]) < 1e-7);
  }
  assert_int_equal(rows, 400);
  fclose(file);
  json_t *report;
  assert_int_equal(br_table_predict_row(model, "a=3,b=20,c=2,k=n1", BR_PREDICT_EXPLANATION, &report), BR_OK);
  near(fact(report, "explanation", "score"), fact(report, NULL, "prediction"), 1e-12);
  json_decref(report);
  br_table_close(table);
  br_table_model_close(model);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_classes), cmocka_unit_test(test_file)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
