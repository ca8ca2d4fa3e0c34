/* K-means and naive Bayes: clusters that are there are found, a fixed point is one, answers are the nearest centre's; densities and shares are those of
 * the formula; files and refusals. */
#include "table_fixture.h"

#include <bramble/base/random.h>

static int open_task(const char *target, const char *features, bool drop, struct br_task_data *data) {
  struct br_task_options options = {.csv = {.path = path, .header = 1}, .target = target, .features = features, .missing = drop ? BR_MISSING_DROP : BR_MISSING_KEEP, .train_share = 1, .seed = 1};
  return br_task_open(comm, team, &options, data);
}

static int cluster(const char *features, struct br_kmeans_settings settings, struct br_table_model **model, json_t *report) {
  struct br_task_data data;
  BR_TRY(open_task(NULL, features, true, &data));
  int status = br_kmeans_train(comm, team, &data.task, &settings, model, report);
  json_t *again = json_object();
  if (status == BR_OK && report) {
    assert_int_equal(br_table_evaluate(comm, team, *model, data.table, NULL, again), BR_OK);
    near(fact(again, NULL, "inertia"), fact(report, NULL, "inertia"), 1e-9);
  }
  json_decref(again);
  br_task_close(&data);
  return status;
}

/* Five clouds far apart, of different sizes, in columns of very different units; some rows lack a value. */
static void test_finds_clouds(void **state) {
  (void)state;
  static const double at[5][2] = {{0, 0}, {10, 0}, {0, 10}, {10, 10}, {5, 30}};
  struct br_table_model *model;
  struct br_random random = br_random_open(5, BR_RANDOM_TEST, 0, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "a,b,name\n");
  for (int i = 0; i < 3000; i++) {
    int k = i % 15 < 5 ? i % 15 : i % 3;
    fprintf(file, "%.3f,%.1f,n%d\n", at[k][0] + 0.5 * br_random_normal(&random), 1000 * (at[k][1] + 0.5 * br_random_normal(&random)), i % 7);
    if (i % 100 == 0) fprintf(file, "%d,,x\n", i);
  }
  fclose(file);
  json_t *report = json_object();
  if (cluster("a,b", (struct br_kmeans_settings){.clusters = 5, .iterations = 100}, &model, report) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(fact(report, NULL, "rows"), 3000);
  assert_int_equal(json_array_size(json_object_get(report, "clusters")), 5);
  struct br_table_model *again = reopened(model);
  int found = 0;
  for (int k = 0; k < 5; k++) {
    double x[2] = {at[k][0], 1000 * at[k][1]}, a, b;
    br_table_model_predict(model, x, &a);
    br_table_model_predict(again, x, &b);
    assert_true(a == b);
    const json_t *centre = json_object_get(json_array_get(json_object_get(report, "clusters"), (size_t)a), "centre");
    assert_true(fabs(fact(centre, NULL, "a") - at[k][0]) < 0.15 && fabs(fact(centre, NULL, "b") - 1000 * at[k][1]) < 150);
    found |= 1 << (int)a;
  }
  assert_int_equal(found, 31);
  double missing[2] = {NAN, 1}, out;
  br_table_model_predict(model, missing, &out);
  assert_true(isnan(out));
  br_table_model_close(again);
  br_table_model_close(model);
  json_decref(report);
}

static void refused(int status, int wanted, const char *part) {
  assert_int_equal(status, wanted);
  if (!strstr(br_error_message(), part)) fail_msg("%s", br_error_message());
}

static void test_kmeans_refusals(void **state) {
  (void)state;
  struct br_table_model *model;
  FILE *file = fopen(path, "w");
  fprintf(file, "a,b,name\n1,2,x\n1,2,y\n3,4,x\n");
  fclose(file);
  refused(cluster("a,b,name", (struct br_kmeans_settings){.clusters = 2, .iterations = 10}, &model, NULL), BR_ERROR_DATA, "name holds categories");
  refused(cluster("a,b", (struct br_kmeans_settings){.clusters = 3, .iterations = 10}, &model, NULL), BR_ERROR_DATA, "only 2 different rows");
  refused(cluster("a,b", (struct br_kmeans_settings){.clusters = 4, .iterations = 10}, &model, NULL), BR_ERROR_USAGE, "--clusters 4");
}

static int bayes(struct br_table_model **model, json_t *report) {
  struct br_task_data data;
  BR_TRY(open_task("y", NULL, false, &data));
  int status = br_bayes_train(comm, team, &data.task, model, report);
  br_task_close(&data);
  return status;
}

/* Against the formula, written again: x = (2, red), and with either of them missing. */
static void test_bayes_by_formula(void **state) {
  (void)state;
  struct br_table_model *model;
  FILE *file = fopen(path, "w");
  fprintf(file, "v,k,y\n1,red,a\n3,red,a\n5,blue,a\n,blue,a\n2,green,b\n4,red,b\n");
  fclose(file);
  if (bayes(&model, NULL) != BR_OK) fail_msg("%s", br_error_message());
  struct br_table_model *again = reopened(model);
  double mean[2] = {3, 3}, variance[2] = {8. / 3, 1}, prior[2] = {4. / 6, 2. / 6}, red[2] = {3. / 7, 2. / 5};
  /* the least variance: 1e-9 of that of all values, of which the mean is 3 in both classes */
  double all = (3 * variance[0] + 2 * variance[1]) / 5;
  for (int what = 0; what < 4; what++) {
    double x[2] = {what & 1 ? (double)NAN : 2, what & 2 ? (double)NAN : 2}, p[2], q[2], wanted[2]; /* blue, green, red */
    for (int c = 0; c < 2; c++) {
      double v = variance[c] + 1e-9 * all;
      wanted[c] = prior[c] * (what & 1 ? 1 : exp(-(2 - mean[c]) * (2 - mean[c]) / (2 * v)) / sqrt(2 * acos(-1) * v)) * (what & 2 ? 1 : red[c]);
    }
    br_table_model_predict(model, x, p);
    br_table_model_predict(again, x, q);
    assert_memory_equal(p, q, sizeof p);
    near(p[0], wanted[0] / (wanted[0] + wanted[1]), 1e-12);
    near(p[1], wanted[1] / (wanted[0] + wanted[1]), 1e-12);
  }
  br_table_model_close(again);
  br_table_model_close(model);
}

static void test_bayes_learns(void **state) {
  (void)state;
  struct br_table_model *model;
  struct br_task_data data;
  struct br_task_options options = {.csv = {.path = path, .header = 1}, .target = "class", .train_share = 0.7, .seed = 1};
  json_t *report = json_object();
  assert_int_equal(br_table_generate("sdss", 4000, 5, path), BR_OK);
  assert_int_equal(br_task_open(comm, team, &options, &data), BR_OK);
  assert_int_equal(br_bayes_train(comm, team, &data.task, &model, report), BR_OK);
  assert_int_equal(br_table_evaluate(comm, team, model, data.table, &data.rows, report), BR_OK);
  assert_true(fact(report, NULL, "accuracy") > 0.9);
  br_table_model_close(model);
  br_task_close(&data);
  json_decref(report);
  FILE *file = fopen(path, "w");
  fprintf(file, "v,y\n1,a\n2,a\n");
  fclose(file);
  refused(bayes(&model, NULL), BR_ERROR_DATA, "has one class only");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds_clouds), cmocka_unit_test(test_kmeans_refusals), cmocka_unit_test(test_bayes_by_formula), cmocka_unit_test(test_bayes_learns)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
