/* Models of tables against scikit-learn (tests/reference/tables_sklearn.py made the numbers): trees split for split, penalised lines, logistic regression,
 * AUC to the last digit. */
#include "table_fixture.h"

#include "table/trees.h"

static json_t *wanted;

static int open_wanted(void **state) {
  wanted = json_load_file(BRAMBLE_TESTS "/reference/tables/sklearn.json", 0, NULL);
  return !wanted || setup(state);
}
static int close_wanted(void **state) {
  json_decref(wanted);
  return teardown(state);
}

static void open_task(const char *target, struct br_task_data *data) {
  struct br_task_options options = {.csv = {.path = BRAMBLE_TESTS "/reference/tables/table.csv", .header = 1}, .target = target, .features = "a,b,c,d", .train_share = 1, .seed = 1};
  if (br_task_open(comm, team, &options, data) != BR_OK) fail_msg("%s", br_error_message());
}

static void test_trees(void **state) {
  (void)state;
  size_t k;
  json_t *item;
  json_array_foreach(json_object_get(wanted, "trees"), k, item) {
    const json_t *s = json_object_get(item, "settings"), *nodes = json_object_get(item, "nodes");
    const char *criterion = json_string_value(json_object_get(s, "criterion"));
    bool numbers = strcmp(criterion, "squared_error") == 0;
    struct br_tree_settings settings = {.criterion = numbers ? BR_TREE_MSE : strcmp(criterion, "gini") == 0 ? BR_TREE_GINI : BR_TREE_ENTROPY,
                                        .max_depth = (int)json_integer_value(json_object_get(s, "max_depth")),
                                        .min_rows = (uint64_t)json_integer_value(json_object_get(s, "min_samples_leaf")),
                                        .max_leaves = (size_t)json_integer_value(json_object_get(s, "max_leaf_nodes")),
                                        .prune = json_number_value(json_object_get(s, "ccp_alpha"))};
    struct br_task_data data;
    struct br_table_model *model;
    open_task(numbers ? "y" : "three", &data);
    if (br_tree_train(comm, team, &data.task, &settings, &model, NULL) != BR_OK) fail_msg("%s", br_error_message());
    const struct br__trees *t = br__model_trees(model);
    if (t->n_nodes != json_array_size(nodes)) fail_msg("tree %zu has %zu nodes, not %zu", k, t->n_nodes, json_array_size(nodes));
    for (size_t i = 0; i < t->n_nodes; i++) {
      const json_t *node = json_array_get(nodes, i);
      int feature = (int)json_integer_value(json_array_get(node, 0));
      double threshold = json_number_value(json_array_get(node, 1));
      if (t->feature[i] != feature || (feature >= 0 && t->threshold[i] != threshold)) fail_msg("tree %zu, node %zu: column %d at %g, not %d at %g", k, i, t->feature[i], t->threshold[i], feature, threshold);
    }
    br_table_model_close(model);
    br_task_close(&data);
  }
}

static void check_weights(const json_t *got, const json_t *item, double relative) {
  for (size_t f = 0; f < 4; f++) {
    const char name[2] = {(char)('a' + f), 0};
    double value = json_number_value(json_array_get(json_object_get(item, "coefficients"), f)), ours = fact(got, "coefficients", name);
    if (value == 0)
      assert_true(ours == 0);
    else
      near(ours, value, relative);
  }
  near(fact(got, NULL, "intercept"), json_number_value(json_object_get(item, "intercept")), relative);
}

static void test_lines(void **state) {
  (void)state;
  size_t k;
  json_t *item;
  struct br_task_data data;
  open_task("y", &data);
  json_array_foreach(json_object_get(wanted, "lines"), k, item) {
    const json_t *s = json_object_get(item, "settings");
    struct br_linear_settings settings = {.ridge = json_number_value(json_object_get(s, "ridge")), .lasso = json_number_value(json_object_get(s, "lasso")), .l1_ratio = json_number_value(json_object_get(s, "l1_ratio"))};
    struct br_table_model *model;
    json_t *report = json_object();
    if (br_linear_train(comm, team, &data.task, &settings, &model, report) != BR_OK) fail_msg("%s", br_error_message());
    check_weights(report, item, 1e-9);
    br_table_model_close(model);
    json_decref(report);
  }
  br_task_close(&data);
}

static void test_logistic(void **state) {
  (void)state;
  size_t k;
  json_t *item;
  struct br_task_data data;
  open_task("two", &data);
  json_array_foreach(json_object_get(wanted, "logistic"), k, item) {
    struct br_logistic_settings settings = {.l1 = json_number_value(json_object_get(item, "l1")), .l2 = json_number_value(json_object_get(item, "l2"))};
    struct br_table_model *model;
    json_t *report = json_object(), *measures = json_object();
    if (br_logistic_train(comm, team, &data.task, &settings, &model, report) != BR_OK) fail_msg("%s", br_error_message());
    check_weights(json_object_get(json_object_get(report, "against_base"), "c1"), item, 1e-7);
    assert_int_equal(br_table_evaluate(comm, team, model, data.table, NULL, measures), BR_OK);
    near(fact(measures, NULL, "auc"), json_number_value(json_object_get(item, "auc")), 1e-15);
    br_table_model_close(model);
    json_decref(report);
    json_decref(measures);
  }
  br_task_close(&data);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees), cmocka_unit_test(test_lines), cmocka_unit_test(test_logistic)};
  return cmocka_run_group_tests(tests, open_wanted, close_wanted);
}
