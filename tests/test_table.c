/* Models of tables: linear regression against NIST's certified values, trees against an exhaustive search, files and answers. */
#include "table_fixture.h"

#include <bramble/base/hash.h>
#include <bramble/base/random.h>
#include "table/math.h"

static void open_task(struct br_task_options options, struct br_task_data *data) {
  options.csv = (struct br_csv_options){.path = path, .header = -1, .slice_bytes = options.csv.slice_bytes};
  if (options.train_share == 0) options.train_share = 1;
  if (br_task_open(comm, team, &options, data) != BR_OK) fail_msg("%s", br_error_message());
}

static json_t *train_linear(const char *target, const char *features, struct br_linear_settings settings) {
  struct br_task_data data;
  open_task((struct br_task_options){.target = target, .features = features, .missing = BR_MISSING_DROP}, &data);
  struct br_table_model *model;
  json_t *report = json_object();
  if (br_linear_train(comm, team, &data.task, &settings, &model, report) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(br_table_model_save(model, model_path), BR_OK);
  br_table_model_close(model);
  br_task_close(&data);
  return report;
}

/* --- linear -------------------------------------------------------------------------------------------------------------- */

static void test_longley(void **state) {
  (void)state;
  static const double rows[16][7] = {
      {60323, 83.0, 234289, 2356, 1590, 107608, 1947}, {61122, 88.5, 259426, 2325, 1456, 108632, 1948},  {60171, 88.2, 258054, 3682, 1616, 109773, 1949},  {61187, 89.5, 284599, 3351, 1650, 110929, 1950},
      {63221, 96.2, 328975, 2099, 3099, 112075, 1951}, {63639, 98.1, 346999, 1932, 3594, 113270, 1952},  {64989, 99.0, 365385, 1870, 3547, 115094, 1953},  {63761, 100.0, 363112, 3578, 3350, 116219, 1954},
      {66019, 101.2, 397469, 2904, 3048, 117388, 1955}, {67857, 104.6, 419180, 2822, 2857, 118734, 1956}, {68169, 108.4, 442769, 2936, 2798, 120445, 1957}, {66513, 110.8, 444546, 4681, 2637, 121950, 1958},
      {68655, 112.6, 482704, 3813, 2552, 123366, 1959}, {69564, 114.2, 502601, 3931, 2514, 125368, 1960}, {69331, 115.7, 518173, 4806, 2572, 127852, 1961}, {70551, 116.9, 554894, 4007, 2827, 130081, 1962}};
  static const double certified[7][2] = {{-3482258.63459582, 890420.383607373},    {15.0618722713733, 84.9149257747669},    {-0.358191792925910E-01, 0.334910077722432E-01}, {-2.02022980381683, 0.488399681651699},
                                         {-1.03322686717359, 0.214274163161675}, {-0.511041056535807E-01, 0.226073200069370}, {1829.15146461355, 455.478499142212}};
  FILE *file = fopen(path, "w");
  fprintf(file, "y,x1,x2,x3,x4,x5,x6\n");
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < 7; k++) fprintf(file, "%.10g%c", rows[i][k], k == 6 ? '\n' : ',');
  fclose(file);
  json_t *report = train_linear("y", NULL, (struct br_linear_settings){0});
  near(fact(report, NULL, "intercept"), certified[0][0], 1e-13);
  for (int k = 1; k < 7; k++) {
    char name[4];
    snprintf(name, sizeof name, "x%d", k);
    near(fact(report, "coefficients", name), certified[k][0], 1e-13);
    near(fact(report, "standard_errors", name), certified[k][1], 1e-13);
  }
  near(fact(report, NULL, "intercept_standard_error"), certified[0][1], 1e-13);
  near(fact(report, NULL, "intercept_t"), certified[0][0] / certified[0][1], 1e-13);
  near(fact(report, NULL, "intercept_p"), 0.00356040366372623, 1e-10); /* scipy.stats.t.sf */
  near(fact(report, NULL, "r2"), 0.995479004577296, 1e-14);
  near(fact(report, NULL, "rmse") * sqrt(16. / 9), 304.854073561965, 1e-13);
  near(fact(report, "p", "x6"), 0.003036803341, 1e-8); /* of t = 4.016 with 9 degrees of freedom */
  json_decref(report);
}

/* Powers of x from 0 to 20: coefficients are exactly 1 (Wampler 1) and 10^-k (Wampler 2). */
static void test_wampler(void **state) {
  (void)state;
  for (int set = 1; set <= 2; set++) {
    FILE *file = fopen(path, "w");
    fprintf(file, "y,x1,x2,x3,x4,x5\n");
    for (long long x = 0; x <= 20; x++) {
      long long power = 1, sum = 0, tens = 100000;
      for (int k = 0; k <= 5; k++, power *= x, tens /= 10) sum += set == 1 ? power : power * tens;
      if (set == 1)
        fprintf(file, "%lld", sum);
      else
        fprintf(file, "%lld.%05lld", sum / 100000, sum % 100000);
      fprintf(file, ",%lld,%lld,%lld,%lld,%lld\n", x, x * x, x * x * x, x * x * x * x, x * x * x * x * x);
    }
    fclose(file);
    json_t *report = train_linear("y", NULL, (struct br_linear_settings){0});
    near(fact(report, NULL, "intercept"), 1, 1e-15);
    double wanted = 1;
    for (int k = 1; k <= 5; k++) {
      char name[4];
      snprintf(name, sizeof name, "x%d", k);
      wanted = set == 1 ? 1 : wanted / 10;
      near(fact(report, "coefficients", name), wanted, 1e-14);
    }
    json_decref(report);
  }
}

/* Wampler 3 to 5: the powers with residuals of 1, 100 and 10,000 times a pattern, certified by NIST: coefficients of 1, and these standard errors. */
static void test_wampler_residuals(void **state) {
  (void)state;
  static const int residual[21] = {759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759};
  static const double certified[6] = {2152.32624678170, 2363.55173469681, 779.343524331583, 101.475507550350, 5.64566512170752, 0.112324854679312};
  for (long long times = 1; times <= 10000; times *= 100) {
    FILE *file = fopen(path, "w");
    fprintf(file, "y,x1,x2,x3,x4,x5\n");
    for (long long x = 0; x <= 20; x++) {
      long long power = 1, y = times * residual[x];
      for (int k = 0; k <= 5; k++, power *= x) y += power;
      fprintf(file, "%lld,%lld,%lld,%lld,%lld,%lld\n", y, x, x * x, x * x * x, x * x * x * x, x * x * x * x * x);
    }
    fclose(file);
    json_t *report = train_linear("y", NULL, (struct br_linear_settings){0});
    near(fact(report, NULL, "intercept"), 1, 1e-10);
    near(fact(report, NULL, "intercept_standard_error"), certified[0] * (double)times, 1e-13);
    for (int k = 1; k <= 5; k++) {
      char name[4];
      snprintf(name, sizeof name, "x%d", k);
      near(fact(report, "coefficients", name), 1, 1e-10);
      near(fact(report, "standard_errors", name), certified[k] * (double)times, 1e-13);
    }
    near(fact(report, NULL, "rmse") * sqrt(21. / 15), 2360.14502379268 * (double)times, 1e-13);
    json_decref(report);
  }
}

static void test_collinear_ridge_lasso(void **state) {
  (void)state;
  FILE *file = fopen(path, "w");
  struct br_random r = br_random_open(3, BR_RANDOM_TEST, 0, 0);
  fprintf(file, "y,a,b,c,k\n");
  for (int i = 0; i < 400; i++) {
    int a = (int)br_random_below(&r, 1000), b = (int)br_random_below(&r, 1000);
    fprintf(file, "%d.5,%d,%d,%d,%s\n", 3 * a - 2 * b + (int)br_random_below(&r, 40) + (i % 3) * 10, a, b, 2 * a + b, i % 3 == 0 ? "x" : i % 3 == 1 ? "y" : "z");
  }
  fclose(file);
  json_t *report = train_linear("y", "a,b,c", (struct br_linear_settings){0});
  assert_int_equal(json_array_size(json_object_get(report, "excluded")), 1);
  json_decref(report);
  report = train_linear("y", "a,b,k", (struct br_linear_settings){0});
  near(fact(report, "coefficients", "a"), 3, 0.01);
  near(fact(report, "coefficients", "k=y"), 10, 0.3);
  near(fact(report, "coefficients", "k=z"), 20, 0.15);
  json_decref(report);
  json_t *none = train_linear("y", "a,b", (struct br_linear_settings){0}), *ridge = train_linear("y", "a,b", (struct br_linear_settings){.ridge = 1e9}), *lasso = train_linear("y", "a,b", (struct br_linear_settings){.lasso = 1e9, .l1_ratio = 1});
  assert_true(fact(ridge, "coefficients", "a") > 0 && fact(ridge, "coefficients", "a") < fact(none, "coefficients", "a") / 2);
  assert_true(fact(lasso, "coefficients", "a") == 0 && fact(lasso, "coefficients", "b") == 0);
  json_t *tiny = train_linear("y", "a,b", (struct br_linear_settings){.lasso = 1e-9, .l1_ratio = 0.5});
  near(fact(tiny, "coefficients", "b"), fact(none, "coefficients", "b"), 1e-9);
  json_decref(none), json_decref(ridge), json_decref(lasso), json_decref(tiny);
}

static void test_functions(void **state) {
  (void)state;
  struct br_random r = br_random_open(9, BR_RANDOM_TEST, 0, 0);
  for (int i = 0; i < 100000; i++) {
    double x = (br_random_double(&r) - 0.5) * 1400, y = ldexp(br_random_double(&r) + 1e-9, (int)br_random_below(&r, 2000) - 1000);
    if (fabs(x) < 700) near(br__exp(x), exp(x), 1e-15);
    near(br__log(y), log(y), 1e-15);
  }
  assert_true(br__exp(0) == 1 && br__log(1) == 0 && br__exp(800) == INFINITY && br__exp(-800) == 0);
  near(br__student_p(2.228138852, 10), 0.05, 1e-8); /* quantiles from tables */
  near(br__student_p(12.70620474, 1), 0.05, 1e-8);
  near(br__student_p(1.959963985, 1e9), 0.05, 1e-7);
}

/* --- trees --------------------------------------------------------------------------------------------------------------- */

/* Random rows with coarse values (so that ties abound), missing ones and a category. */
enum { ROWS = 300 };
static double X[ROWS][3];
static int Y[ROWS];

static void write_rows(uint64_t seed, int classes) {
  static const char *const letters = "abcdefgh";
  struct br_random r = br_random_open(seed, BR_RANDOM_TEST, 7, 0);
  FILE *file = fopen(path, "w");
  fprintf(file, "u,v,w,y\n");
  for (int i = 0; i < ROWS; i++) {
    X[i][0] = br_random_below(&r, 40) / 4.0;
    X[i][1] = br_random_below(&r, 8) == 0 ? NAN : br_random_below(&r, 1000) / 100.0;
    X[i][2] = br_random_below(&r, 6);
    double score = X[i][0] - (isnan(X[i][1]) ? 3 : X[i][1]) + ((int)X[i][2] % 2) * 4 + 3 * br_random_double(&r);
    Y[i] = (int)(((long)floor(score) % classes + classes) % classes);
    fprintf(file, "%.2f,", X[i][0]);
    if (isnan(X[i][1]))
      fprintf(file, ",");
    else
      fprintf(file, "%.2f,", X[i][1]);
    fprintf(file, "%c,class %d\n", letters[(int)X[i][2]], Y[i]);
  }
  fclose(file);
}

static double impurity(const int *rows, int n, int classes, bool entropy) {
  double sum = 0;
  for (int c = 0; c < classes; c++) {
    int k = 0;
    for (int i = 0; i < n; i++) k += Y[rows[i]] == c;
    if (k) sum += entropy ? -(double)k / n * log2((double)k / n) : (double)k / n * (1 - (double)k / n);
  }
  return sum;
}

/* The largest gain any threshold or single category or (for two classes) any set of categories gives, by trying all. */
static double best_gain(const int *rows, int n, int classes, bool entropy) {
  double best = -1, whole = impurity(rows, n, classes, entropy);
  for (int f = 0; f < 3; f++)
    for (int cut = 0; cut < (f == 2 ? 64 : n); cut++)
      for (int missing = 0; missing < 2; missing++) {
        int left[ROWS], right[ROWS], l = 0, k = 0, bits = __builtin_popcount((unsigned)cut);
        if (f == 2 && classes > 2 && bits != 1 && bits != 5) continue;
        if (f < 2 && isnan(X[rows[cut]][f])) continue;
        for (int i = 0; i < n; i++) {
          double x = X[rows[i]][f];
          bool goes_left = isnan(x) ? missing == 1 : f == 2 ? cut >> (int)x & 1 : x <= X[rows[cut]][f];
          if (goes_left)
            left[l++] = rows[i];
          else
            right[k++] = rows[i];
        }
        if (l == 0 || k == 0) continue;
        double gain = whole - ((double)l * impurity(left, l, classes, entropy) + (double)k * impurity(right, k, classes, entropy)) / n;
        if (gain > best) best = gain;
      }
  return best;
}

static struct br_table_model *train_tree(struct br_tree_settings settings, const char *features, size_t slice) {
  struct br_task_data data;
  open_task((struct br_task_options){.target = "y", .features = features, .csv.slice_bytes = slice}, &data);
  struct br_table_model *model;
  if (br_tree_train(comm, team, &data.task, &settings, &model, NULL) != BR_OK) fail_msg("%s", br_error_message());
  br_task_close(&data);
  return model;
}

/* Depth 1: the root's gain is the best there is. */
static void test_tree_finds_the_best_split(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 12; seed++) {
    int classes = seed % 2 ? 2 : 5, rows[ROWS];
    for (int i = 0; i < ROWS; i++) rows[i] = i;
    write_rows(seed, classes);
    for (int entropy = 0; entropy < 2; entropy++) {
      struct br_table_model *model = train_tree((struct br_tree_settings){.criterion = entropy ? BR_TREE_ENTROPY : BR_TREE_GINI, .max_depth = 1}, NULL, 0);
      int left[ROWS], right[ROWS], l = 0, k = 0;
      double reference[8], p[8], whole = impurity(rows, ROWS, classes, entropy);
      br_table_model_predict(model, X[0], reference);
      for (int i = 0; i < ROWS; i++) {
        br_table_model_predict(model, X[i], p);
        if (memcmp(p, reference, (size_t)classes * sizeof *p) == 0)
          left[l++] = i;
        else
          right[k++] = i;
      }
      assert_true(l > 0 && k > 0);
      double gain = whole - ((double)l * impurity(left, l, classes, entropy) + (double)k * impurity(right, k, classes, entropy)) / ROWS;
      double best = best_gain(rows, ROWS, classes, entropy);
      if (classes == 2)
        near(gain, best, 1e-9);
      else
        assert_true(gain >= best * (1 - 1e-9)); /* with many classes sets of categories are tried beyond single ones */
      br_table_model_close(model);
    }
  }
}

static void test_tree_full_depth_and_limits(void **state) {
  (void)state;
  write_rows(77, 5);
  struct br_table_model *model = train_tree((struct br_tree_settings){.criterion = BR_TREE_ENTROPY, .max_depth = 60}, NULL, 0);
  int wrong = 0;
  for (int i = 0; i < ROWS; i++) {
    double p[5];
    br_table_model_predict(model, X[i], p);
    wrong += p[Y[i]] < 1;
  }
  for (int i = 0; i < ROWS; i++) /* rows that are alike but of different classes cannot be told apart */
    for (int k = 0; k < ROWS; k++)
      if (k != i && Y[i] != Y[k] && X[i][0] == X[k][0] && X[i][2] == X[k][2] && (X[i][1] == X[k][1] || (isnan(X[i][1]) && isnan(X[k][1])))) {
        wrong--;
        break;
      }
  assert_true(wrong <= 0);
  br_table_model_close(model);
  model = train_tree((struct br_tree_settings){.criterion = BR_TREE_GINI, .max_depth = 60, .min_rows = 20}, NULL, 0);
  for (int i = 0; i < ROWS; i++) {
    int same = 0;
    double p[5], q[5];
    br_table_model_predict(model, X[i], p);
    for (int k = 0; k < ROWS; k++) {
      br_table_model_predict(model, X[k], q);
      same += memcmp(p, q, sizeof p) == 0;
    }
    assert_true(same >= 20);
  }
  br_table_model_close(model);
}

/* Reading, cutting, threads: nothing shows in the file. Saving and loading change no answer. */
static void test_tree_file(void **state) {
  (void)state;
  char hash[2][65];
  write_rows(5, 5);
  for (int k = 0; k < 2; k++) {
    struct br_team *other = team;
    assert_int_equal(br_team_open(k ? 1 : 4, &team), BR_OK);
    struct br_table_model *model = train_tree((struct br_tree_settings){.max_depth = 20}, NULL, k ? 300 : 0), *loaded;
    assert_int_equal(br_table_model_save(model, model_path), BR_OK);
    assert_int_equal(br_hash_file(model_path, hash[k]), BR_OK);
    if (br_table_model_open(model_path, &loaded) != BR_OK) fail_msg("%s", br_error_message());
    for (int i = 0; i < ROWS; i++) {
      double p[5], q[5];
      br_table_model_predict(model, X[i], p);
      br_table_model_predict(loaded, X[i], q);
      assert_memory_equal(p, q, sizeof p);
    }
    char *text = br_table_model_text(loaded, 10);
    assert_non_null(strstr(text, "<="));
    free(text);
    br_table_model_close(model);
    br_table_model_close(loaded);
    br_team_close(team);
    team = other;
  }
  assert_string_equal(hash[0], hash[1]);
}

static void test_regression_tree(void **state) {
  (void)state;
  FILE *file = fopen(path, "w");
  fprintf(file, "x,y\n");
  for (int i = 0; i < 200; i++) fprintf(file, "%d,%s\n", i, i < 50 ? "1.25" : i < 120 ? "-3.5" : "7");
  fclose(file);
  struct br_table_model *model = train_tree((struct br_tree_settings){.max_depth = 10}, NULL, 0);
  for (int i = 0; i < 200; i++) {
    double x = i, y;
    br_table_model_predict(model, &x, &y);
    near(y, i < 50 ? 1.25 : i < 120 ? -3.5 : 7, 1e-12);
  }
  json_t *about = br_table_model_describe(model);
  assert_int_equal(json_integer_value(json_object_get(about, "leaves")), 3);
  json_decref(about);
  br_table_model_close(model);
}

/* --- measures and answers ------------------------------------------------------------------------------------------------ */

static void test_measures(void **state) {
  (void)state;
  FILE *file = fopen(path, "w");
  fprintf(file, "x,y\n");
  for (int i = 0; i < 100; i++) fprintf(file, "%d,%d\n", i, 2 * i + (i % 2 ? 1 : -1));
  fclose(file);
  json_t *fitted = train_linear("y", NULL, (struct br_linear_settings){0}), *report = json_object();
  struct br_table_model *model;
  struct br_table *table;
  assert_int_equal(br_table_model_open(model_path, &model), BR_OK);
  assert_int_equal(br_table_read_for(comm, team, model, &(struct br_csv_options){.path = path, .header = -1}, NULL, &table), BR_OK);
  assert_int_equal(br_table_evaluate(comm, team, model, table, NULL, report), BR_OK);
  near(fact(report, NULL, "r2"), fact(fitted, NULL, "r2"), 1e-9);
  near(fact(report, NULL, "rmse"), fact(fitted, NULL, "rmse"), 1e-9);
  char out[80];
  snprintf(out, sizeof out, "%s/p.csv", folder);
  assert_int_equal(br_table_predict_csv(comm, team, model, table, 0, out, NULL), BR_OK);
  file = fopen(out, "r");
  char line[64];
  assert_non_null(fgets(line, sizeof line, file));
  assert_string_equal(line, "prediction\n");
  for (int i = 0; i < 100; i++) {
    double x = i, y;
    br_table_model_predict(model, &x, &y);
    assert_non_null(fgets(line, sizeof line, file));
    near(atof(line), y, 1e-9);
  }
  assert_null(fgets(line, sizeof line, file));
  fclose(file);
  unlink(out);
  json_t *row;
  assert_int_equal(br_table_predict_row(model, "x=10", 0, &row), BR_OK);
  near(json_number_value(json_object_get(row, "prediction")), 20, 0.05);
  json_decref(row);
  assert_int_equal(br_table_predict_row(model, "z=10", 0, &row), BR_ERROR_USAGE);
  br_table_close(table);
  br_table_model_close(model);
  json_decref(report);
  json_decref(fitted);
}

static void expect_refusal(const char *content, struct br_task_options options, const char *part) {
  struct br_task_data data = {0};
  struct br_table_model *model = NULL;
  FILE *file = fopen(path, "w");
  fputs(content, file);
  fclose(file);
  options.csv = (struct br_csv_options){.path = path, .header = -1};
  options.train_share = 1;
  int status = br_task_open(comm, team, &options, &data);
  if (status == BR_OK) status = options.classes ? br_tree_train(comm, team, &data.task, &(struct br_tree_settings){.max_depth = 5}, &model, NULL) : br_linear_train(comm, team, &data.task, &(struct br_linear_settings){0}, &model, NULL);
  assert_true(status == BR_ERROR_DATA || status == BR_ERROR_USAGE);
  if (!strstr(br_error_message(), part)) fail_msg("message: %s", br_error_message());
  br_task_close(&data);
}

static void test_refusals(void **state) {
  (void)state;
  expect_refusal("x,y\n1,2\n2,2\n3,2\n", (struct br_task_options){.target = "y"}, "the same in all 3 training rows");
  expect_refusal("x,y\n1,2\n", (struct br_task_options){.target = "Y"}, "there is no column Y");
  expect_refusal("x,y\n1,\n2,NA\n", (struct br_task_options){.target = "y"}, "no row is left");
  expect_refusal("x,y\n1,a\n2,b\n", (struct br_task_options){.target = "y"}, "is a category");
  expect_refusal("x,y\n1,a\n2,a\n", (struct br_task_options){.target = "y", .classes = true}, "one class only");
  expect_refusal("x,y\n1,1\n2,inf\n", (struct br_task_options){.target = "y"}, "infinite");
  expect_refusal("x,y\n1,1\n2,5\n", (struct br_task_options){.target = "y", .features = "x,y"}, "is the target and among the features");
  expect_refusal("y\n1\n2\n", (struct br_task_options){.target = "y"}, "no column beside the target");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_longley),         cmocka_unit_test(test_wampler), cmocka_unit_test(test_wampler_residuals), cmocka_unit_test(test_collinear_ridge_lasso), cmocka_unit_test(test_functions), cmocka_unit_test(test_tree_finds_the_best_split), cmocka_unit_test(test_tree_full_depth_and_limits), cmocka_unit_test(test_tree_file),
      cmocka_unit_test(test_regression_tree), cmocka_unit_test(test_measures), cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
