/* What happens to rows and columns between a file and a model: formulas, dates, filling, dividing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table/date.h"
#include "table/formula.h"

#include <bramble/base/memory.h>
#include <bramble/table/evaluate.h>
#include <bramble/table/task.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct br_comm *comm;
static struct br_team *team;

static int open_all(void **state) {
  (void)state;
  return br_comm_open_self(&comm) != BR_OK || br_team_open(3, &team) != BR_OK;
}

static int close_all(void **state) {
  (void)state;
  br_team_close(team);
  br_comm_close(comm);
  return 0;
}

static const char cars[] = "year,fuel,price,engine size,when\n"
                           "2010,gas,1000,1.5,2018-06-23 17:05\n"
                           "2015,diesel,,2,2018-06-24\n"
                           ",gas,3000,1,\n"
                           "1990,,0,,2012-02-29\n";

static struct br_table *read_text(const char *text) {
  struct br_table *table;
  if (br_table_read_csv(comm, team, &(struct br_csv_options){.text = text, .path = "text", .header = 1}, &table) != BR_OK) fail_msg("%s", br_error_message());
  return table;
}

/* --- formulas ------------------------------------------------------------------------------------------------------------ */

#define M NAN /* missing */

static void test_formulas(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double values[4];
  } good[] = {
      {"2019 - year", {9, 4, M, 29}},
      {"price / (year - 2010)", {M, M, M, -0.0}}, /* what is divided by 0 is missing */
      {"price > 500 and year >= 1980", {1, M, M, 0}},
      {"price > 500 or year >= 1980", {1, 1, 1, 1}},
      {"not price > 500", {0, M, 0, 1}},
      {"price is missing", {0, 1, 0, 0}},
      {"price is not missing and fuel is not missing", {1, 0, 1, 0}},
      {"fuel = 'gas'", {1, 0, 1, M}},
      {"fuel != 'gas' or fuel is missing", {0, 1, 0, 1}},
      {"fuel = 'no such'", {0, 0, 0, M}},
      {"fuel = fuel", {1, 1, 1, M}},
      {"\"engine size\" * 2 == 4", {0, 1, 0, M}},
      {"when >= '2018-06-24'", {0, 1, M, 0}},
      {"'2018-06-23 17:05' = when", {1, 0, M, 0}},
      {"-year + 1 < 0 and 1 = 1", {1, 1, M, 1}},
      {"2 - 1 - 1 + 8 / 2 / 2", {2, 2, 2, 2}},
      {"'it''s' = 'it''s'", {1, 1, 1, 1}},
  };
  struct br_table *table = read_text(cars);
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    struct br_expression *e;
    struct br__formula *f;
    double out[4], *scratch;
    if (br_expression_parse(good[i].text, NULL, &e) != BR_OK || br__formula_open(e, table, &f) != BR_OK) fail_msg("%s", br_error_message());
    scratch = malloc((br__formula_scratch(f) + 1) * sizeof *scratch);
    br__formula_block(f, 0, scratch, out);
    for (int r = 0; r < 4; r++)
      if (!(isnan(good[i].values[r]) ? isnan(out[r]) : out[r] == good[i].values[r])) fail_msg("%s: row %d is %g, not %g", good[i].text, r, out[r], good[i].values[r]);
    free(scratch);
    br__formula_close(f);
    br_expression_close(e);
  }
  br_table_close(table);
}

static void test_wrong_formulas(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } bad[] = {{"yaer > 1", "column 1: there is no column yaer; did you mean year?"},
             {"year > 'x'", "column 8: 'x' is compared with a number"},
             {"fuel > 'a'", "column 6: texts are equal"},
             {"fuel = 3", "column 8: fuel holds texts"},
             {"fuel + 1", "column 1: column fuel holds texts"},
             {"year and fuel", "column 10: column fuel holds texts"},
             {"fuel", "column 1: column fuel holds texts"},
             {"log(year)", "column 1: log is no function"},
             {"when = 'never'", "column 8: 'never' is no date"},
             {"year is not", "column 12: 'missing' or 'not missing' was expected"},
             {"\"engine size > 3", "column 1: the quote does not end"},
             {"", "column 1: a name, a number"},
             {"1 +* 2", "column 4: a name, a number"},
             {"year = 1, price", "column 9: was not expected"}};
  struct br_table *table = read_text(cars);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct br_expression *e = NULL;
    struct br__formula *f = NULL;
    int status = br_expression_parse(bad[i].text, NULL, &e);
    if (status == BR_OK) status = br__formula_open(e, table, &f);
    assert_int_equal(status, BR_ERROR_USAGE);
    if (!strstr(br_error_message(), bad[i].says)) fail_msg("%s: %s", bad[i].text, br_error_message());
    br_expression_close(e);
  }
  /* long formulas end, one way or the other */
  char *longest = malloc(60001);
  for (size_t i = 0; i < 60000; i++) longest[i] = "1+"[i % 2];
  longest[60000] = 0;
  longest[59999] = '1';
  struct br_expression *e = NULL;
  assert_int_equal(br_expression_parse(longest, NULL, &e), BR_ERROR_USAGE);
  memset(longest, '(', 60000);
  assert_int_equal(br_expression_parse(longest, NULL, &e), BR_ERROR_USAGE);
  free(longest);
  br_table_close(table);
}

/* --- dates --------------------------------------------------------------------------------------------------------------- */

static void test_dates(void **state) {
  (void)state;
  static const struct {
    const char *form, *text, *iso;
  } good[] = {{"%d/%m/%Y", "23/06/2018", "2018-06-23"},           {"%m/%d/%y %I:%M %p", "6/3/99 12:05 AM", "1999-06-03 00:05"}, {"%a %b %d %H:%M:%S %z %Y", "Tue Apr 03 18:00:09 +0000 2012", "2012-04-03 18:00:09"},
              {"%B %e, %Y", "february 29,  2012", "2012-02-29"},  {"%Y%m%d", "20180623", "2018-06-23"},                         {"%Y-%m-%dT%H:%M:%S%z", "2018-06-23T01:00:00.125+02:00", "2018-06-22 23:00"},
              {"%y", "68", "2068-01-01"},                         {"%H h %d.%m.%Y", "7 h 01.01.1969", "1969-01-01 07:00"},      {"%I %p %d %b %Y", "12 pm 1 Sep 2020", "2020-09-01 12:00"}};
  static const struct {
    const char *form, *text;
  } bad[] = {{"%d/%m/%Y", "31/31/2018"}, {"%d/%m/%Y", "23/06/2018 "}, {"%d/%m/%Y", "23-06-2018"}, {"%Y-%m-%d", "2018-02-30"}, {"%b %Y", "Foo 2018"}, {"%H:%M %Y", "24:00 2018"}, {"%Y%%", "2018"}, {"%d/%m/%Y", ""}};
  int64_t a, b;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    if (!br__date_parse_as(good[i].form, (const unsigned char *)good[i].text, strlen(good[i].text), &a)) fail_msg("%s is no %s", good[i].text, good[i].form);
    assert_true(br__date_parse((const unsigned char *)good[i].iso, strlen(good[i].iso), &b));
    if (a != b) fail_msg("%s: %lld, not %lld", good[i].text, (long long)a, (long long)b);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(br__date_parse_as(bad[i].form, (const unsigned char *)bad[i].text, strlen(bad[i].text), &a));
  assert_int_equal(br__date_check_format("%d %Q %Y"), BR_ERROR_USAGE);
  assert_int_equal(br__date_check_format("%d %m"), BR_ERROR_USAGE);
  assert_int_equal(br__date_check_format("%Y %"), BR_ERROR_USAGE);
  for (int64_t day = -800000; day < 800000; day += 97) { /* against the C library's calendar */
    time_t seconds = day * 86400 + 3661;
    struct tm tm;
    int part[BR__DATE_PARTS];
    gmtime_r(&seconds, &tm);
    br__date_split(seconds, part);
    assert_int_equal(part[BR__DATE_YEAR], tm.tm_year + 1900);
    assert_int_equal(part[BR__DATE_MONTH], tm.tm_mon + 1);
    assert_int_equal(part[BR__DATE_DAY], tm.tm_mday);
    assert_int_equal(part[BR__DATE_WEEKDAY], tm.tm_wday ? tm.tm_wday : 7);
    assert_int_equal(part[BR__DATE_HOUR], 1);
  }
}

/* --- tasks --------------------------------------------------------------------------------------------------------------- */

static void open_task(const char *text, struct br_task_options options, struct br_task_data *data) {
  options.csv = (struct br_csv_options){.text = text, .path = "text", .header = 1};
  if (!options.folds && options.train_share == 0) options.train_share = 1;
  if (br_task_open(comm, team, &options, data) != BR_OK) fail_msg("%s", br_error_message());
}

static void expect_column(const struct br_table *table, const char *name, const double *values, size_t n) {
  size_t column;
  double *x = malloc(n * sizeof *x);
  if (br_table_find(table, name, &column) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(br_table_rows(table), n);
  br_table_numbers(table, column, 0, x);
  for (size_t i = 0; i < n; i++)
    if (!(isnan(values[i]) ? isnan(x[i]) : x[i] == values[i])) fail_msg("%s: row %zu is %g, not %g", name, i, x[i], values[i]);
  free(x);
}

static void test_new_columns(void **state) {
  (void)state;
  struct br_task_data data;
  open_task(cars, (struct br_task_options){.target = "price", .dates = "when", .lets = "age = 2019-year, twice=age*2+0.5, weekend=when_weekday>5"}, &data);
  expect_column(data.table, "age", (double[]){9, 4, M, 29}, 4);
  expect_column(data.table, "twice", (double[]){18.5, 8.5, M, 58.5}, 4);
  expect_column(data.table, "when_year", (double[]){2018, 2018, M, 2012}, 4);
  expect_column(data.table, "when_weekday", (double[]){6, 7, M, 3}, 4);
  expect_column(data.table, "when_hour", (double[]){17, 0, M, 0}, 4);
  expect_column(data.table, "weekend", (double[]){1, 1, M, 0}, 4);
  expect_column(data.table, "year", (double[]){2010, 2015, M, 1990}, 4);
  for (size_t f = 0; f < data.task.n_features; f++) assert_string_not_equal(br_table_name(data.table, data.task.features[f]), "when");
  assert_int_equal(data.rows.train, 3);
  br_task_close(&data);
  struct br_task_options twice = {.csv = {.text = cars, .path = "text", .header = 1}, .target = "price", .lets = "year=1", .train_share = 1};
  assert_int_equal(br_task_open(comm, team, &twice, &data), BR_ERROR_USAGE);
  assert_non_null(strstr(br_error_message(), "has a column year already"));
}

static const char gaps[] = "a,k,y\n1,x,1\n,x,2\n3,,3\n10,z,4\n3,z,5\n,z,6\n";

static void test_fills(void **state) {
  (void)state;
  static const struct {
    enum br_missing missing;
    double a[6];
  } fills[] = {{BR_MISSING_KEEP, {1, M, 3, 10, 3, M}}, {BR_MISSING_MEAN, {1, 4.25, 3, 10, 3, 4.25}}, {BR_MISSING_MEDIAN, {1, 3, 3, 10, 3, 3}}, {BR_MISSING_MODE, {1, 3, 3, 10, 3, 3}}};
  for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
    struct br_task_data data;
    open_task(gaps, (struct br_task_options){.target = "y", .missing = fills[i].missing}, &data);
    expect_column(data.table, "a", fills[i].a, 6);
    expect_column(data.table, "k", (double[]){0, 0, i ? 1 : M, 1, 1, 1}, 6); /* z is commoner than x */
    br_task_close(&data);
  }
}

/* A model keeps what filled the training's rows, and its formulas, for rows to come. */
static void test_rows_to_come(void **state) {
  (void)state;
  static const char text[] = "a,k,y\n1,x,5\n2,x,7\n3,z,9\n4,z,11\n,z,10\n6,x,15\n";
  struct br_task_data data;
  struct br_table_model *model, *again;
  char path[] = "/tmp/bramble-rows-XXXXXX";
  json_t *report;
  int file = mkstemp(path);
  assert_true(file >= 0);
  open_task(text, (struct br_task_options){.target = "y", .features = "double,k", .lets = "b=3,double=2*a+b", .missing = BR_MISSING_MEAN}, &data);
  assert_int_equal(br_linear_train(comm, team, &data.task, &(struct br_linear_settings){.ridge = 0}, &model, NULL), BR_OK);
  assert_int_equal(br_table_model_save(model, path), BR_OK);
  if (br_table_model_open(path, &again) != BR_OK) fail_msg("%s", br_error_message());
  static const char *const rows[][2] = {{"a=2,k=x", "a=2.0,k=x"}, {"k=z", "k=z,a="}, {"k=z", "a=3.2,k=z"}, {"a=1", "a=1,k=unknown"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    double answer[2];
    for (int k = 0; k < 2; k++) {
      if (br_table_predict_row(k ? again : model, rows[i][k], 0, &report) != BR_OK) fail_msg("%s", br_error_message());
      answer[k] = json_real_value(json_object_get(report, "prediction"));
      json_decref(report);
    }
    assert_true(fabs(answer[0] - answer[1]) < 1e-9 && fabs(answer[0]) > 1); /* the mean of double is that of a = 3.2 */
  }
  assert_int_equal(br_table_predict_row(again, "b=4", 0, &report), BR_ERROR_USAGE); /* a column of its own making */
  assert_int_equal(br_table_predict_row(again, "a=word", 0, &report), BR_ERROR_DATA);
  br_table_model_close(model);
  br_table_model_close(again);
  br_task_close(&data);
  close(file);
  unlink(path);
}

/* --- dividing ------------------------------------------------------------------------------------------------------------ */

/* 3,000 rows of three classes of 2,400, 597 and 3. */
static char *classes_text(void) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  fprintf(out, "x,c\n");
  for (int i = 0; i < 3000; i++) fprintf(out, "%d,%s\n", i * 7919 % 3000, i % 1000 == 500 ? "rare" : i % 5 == 1 ? "some" : "many");
  fclose(out);
  return text;
}

static void count_roles(const struct br_task_data *data, int count[3][3]) {
  int32_t *codes = malloc(br_table_largest_block(data->table) * sizeof *codes);
  memset(count, 0, 9 * sizeof(int));
  for (size_t b = 0; b < br_table_blocks(data->table); b++) {
    br_table_codes(data->table, data->task.target, b, codes);
    for (size_t i = 0; i < br_table_block_rows(data->table, b); i++) count[codes[i]][data->rows.role[b][i]]++;
  }
  free(codes);
}

static void test_stratify(void **state) {
  (void)state;
  char *text = classes_text();
  struct br_task_data data;
  int count[3][3];
  open_task(text, (struct br_task_options){.target = "c", .train_share = 0.7, .seed = 3, .stratify = true}, &data);
  count_roles(&data, count);
  for (int c = 0; c < 3; c++) {
    int n = count[c][BR_ROW_TRAIN] + count[c][BR_ROW_TEST];
    assert_int_equal(count[c][BR_ROW_TRAIN], (int)floor(0.7 * n + 0.5));
  }
  br_task_close(&data);
  open_task(text, (struct br_task_options){.target = "c", .folds = 3, .seed = 3, .stratify = true}, &data);
  struct br_task_options options = {.target = "c", .folds = 3, .seed = 3, .stratify = true};
  unsigned char *seen = calloc(3000, 1);
  for (unsigned fold = 0; fold < 3; fold++) { /* every row is tested once, every class a third at a time */
    assert_int_equal(br_task_fold(comm, team, &options, fold, &data), BR_OK);
    count_roles(&data, count);
    for (int c = 0; c < 3; c++) {
      int n = count[c][BR_ROW_TRAIN] + count[c][BR_ROW_TEST];
      assert_in_range(count[c][BR_ROW_TEST], n / 3, n / 3 + 1);
    }
    for (size_t b = 0; b < br_table_blocks(data.table); b++)
      for (size_t i = 0; i < br_table_block_rows(data.table, b); i++) seen[br_table_block_first(data.table, b) + i] += data.rows.role[b][i] == BR_ROW_TEST;
  }
  for (int i = 0; i < 3000; i++) assert_int_equal(seen[i], 1);
  assert_int_equal(br_task_fold(comm, team, &options, 3, &data), BR_OK);
  assert_int_equal(data.rows.train, 3000);
  free(seen);
  br_task_close(&data);
  free(text);
}

static void test_where(void **state) {
  (void)state;
  struct br_task_data data;
  open_task(cars, (struct br_task_options){.target = "price", .features = "year", .where = "year < 2012 or year is missing", .missing = BR_MISSING_DROP}, &data);
  assert_int_equal(data.rows.filtered, 1);
  assert_int_equal(data.rows.dropped, 1);
  assert_int_equal(data.rows.train, 2);
  br_task_close(&data);
  struct br_task_options none = {.csv = {.text = cars, .path = "text", .header = 1}, .target = "price", .where = "year > 3000", .train_share = 1};
  assert_int_equal(br_task_open(comm, team, &none, &data), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "no row is left to train on: --where leaves out 4 of 4"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_formulas), cmocka_unit_test(test_wrong_formulas), cmocka_unit_test(test_dates), cmocka_unit_test(test_new_columns),
                                     cmocka_unit_test(test_fills),    cmocka_unit_test(test_rows_to_come),   cmocka_unit_test(test_stratify), cmocka_unit_test(test_where)};
  return cmocka_run_group_tests(tests, open_all, close_all);
}
