/* Models of tables against scikit-learn (tests/reference/tables_sklearn.py made the numbers): trees split for split, penalised lines, logistic regression,
 * AUC to the last digit; and the first trees of boosting against XGBoost's by its exact method (tables_xgboost.py). */
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

/* Column m is b where a is above 0, otherwise it is missing. */
static void open_columns(const char *target, const char *features, struct br_task_data *data) {
  struct br_task_options options = {.csv = {.path = BRAMBLE_TESTS "/reference/tables/table.csv", .header = 1}, .target = target, .features = features, .lets = "m=b/(a>0)", .train_share = 1, .seed = 1, .missing = BR_MISSING_KEEP};
  if (br_task_open(comm, team, &options, data) != BR_OK) fail_msg("%s", br_error_message());
}

static void open_task(const char *target, struct br_task_data *data) { open_columns(target, "a,b,c,d", data); }

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

/* Walks both trees from a node down, left before right: the same columns part the same rows, with the same leaves. Where between two rows' values a cut lies is
 * each program's own choice; XGBoost's numbers are floats, and its gain is twice ours. */
static void check_node(const struct br__trees *t, int32_t node, const json_t *nodes, size_t *at, const char *where) {
  const json_t *item = json_array_get(nodes, (*at)++), *missing = json_array_get(item, 3);
  int feature = (int)json_integer_value(json_array_get(item, 1));
  double number = json_number_value(json_array_get(item, 2)), ours = feature < 0 ? t->value[node] : 2 * t->gain[node];
  if (t->feature[node] != feature) fail_msg("%s, node %zu: column %d, not %d", where, *at - 1, t->feature[node], feature);
  if (t->rows[node] != json_integer_value(json_array_get(item, 0))) fail_msg("%s, node %zu: %lld rows, not %lld", where, *at - 1, (long long)t->rows[node], (long long)json_integer_value(json_array_get(item, 0)));
  if (fabs(ours - number) > (feature < 0 ? 2e-6 : 1e-4) * (1e-2 + fabs(number))) fail_msg("%s, node %zu: a %s of %.9g, not %.9g", where, *at - 1, feature < 0 ? "leaf" : "gain", ours, number);
  if (feature < 0) return;
  if (json_is_boolean(missing) && json_is_true(missing) != (bool)(t->flags[node] & BR__MISSING_LEFT)) fail_msg("%s, node %zu: missing values go to the other side", where, *at - 1);
  check_node(t, t->left[node], nodes, at, where);
  check_node(t, t->right[node], nodes, at, where);
}

static void test_boosting(void **state) {
  (void)state;
  size_t k, n;
  json_t *item, *nodes, *cases = json_load_file(BRAMBLE_TESTS "/reference/tables/xgboost.json", 0, NULL);
  assert_int_equal(json_array_size(cases), 5);
  json_array_foreach(cases, k, item) {
    const char *target = json_string_value(json_object_get(item, "target"));
    struct br_boost_settings settings = {.trees = (int)json_integer_value(json_object_get(item, "rounds")), .max_depth = (int)json_integer_value(json_object_get(item, "max_depth")), .min_rows = 1, .rows_share = 1, .columns_share = 1, .bins = 65535,
                                         .rate = fact(item, NULL, "rate"), .l1 = fact(item, NULL, "l1"), .l2 = fact(item, NULL, "l2")};
    struct br_task_data data;
    struct br_table_model *model;
    open_columns(target, "a,m,c,d", &data);
    if (br_boost_train(comm, team, &data.task, &settings, &model, NULL) != BR_OK) fail_msg("%s", br_error_message());
    const struct br__trees *t = br__model_trees(model);
    assert_int_equal(t->n_trees, json_array_size(json_object_get(item, "trees")));
    json_array_foreach(json_object_get(item, "trees"), n, nodes) {
      char where[64];
      size_t at = 0;
      snprintf(where, sizeof where, "case %zu (%s), tree %zu", k, target, n);
      check_node(t, t->root[n], nodes, &at, where);
      assert_int_equal(at, json_array_size(nodes));
    }
    br_table_model_close(model);
    br_task_close(&data);
  }
  json_decref(cases);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_boosting), cmocka_unit_test(test_trees), cmocka_unit_test(test_lines), cmocka_unit_test(test_logistic)};
  return cmocka_run_group_tests(tests, open_wanted, close_wanted);
}
