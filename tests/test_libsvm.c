/* LIBSVM text: the same table as CSV with its zeros written out, however it is cut into slices; what is wrong in it is named by line. */
#include "table_fixture.h"

#include <bramble/table/table.h>

static void write_text(const char *text) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fputs(text, file) >= 0, 1);
  fclose(file);
}

static int read_as(const struct br_csv_options *more, struct br_table **table) {
  static char named[80];
  struct br_csv_options options = *more;
  snprintf(named, sizeof named, "libsvm:%s", path);
  options.path = named;
  options.header = -1;
  return br_table_read_csv(comm, team, &options, table);
}

static double value(const struct br_table *table, size_t column, size_t row) {
  static double values[65536];
  for (size_t b = 0; b < br_table_blocks(table); b++) {
    size_t first = (size_t)br_table_block_first(table, b);
    if (row < first || row - first >= br_table_block_rows(table, b)) continue;
    br_table_numbers(table, column, b, values);
    return values[row - first];
  }
  fail_msg("there is no row %zu", row);
  return 0;
}

static void refused(const char *text, const char *message) {
  struct br_table *table;
  write_text(text);
  assert_int_equal(read_as(&(struct br_csv_options){0}, &table), BR_ERROR_DATA);
  if (!strstr(br_error_message(), message)) fail_msg("'%s' where '%s' was expected", br_error_message(), message);
}

static void test_values(void **state) {
  (void)state;
  static const double wanted[4][6] = {{1, 0.5, 0, 2, 0, 0}, {-1, 0, 1000, 0, 0, 0}, {1, 0, 0, NAN, 0, 7.25}, {-1, 0, 0, 0, 0, 0.1}};
  write_text("# made by hand\n+1 1:0.5 3:2 # a comment\r\n-1\t2:1e3 \n\n  \n1 3:nan 5:7.25\n-1 5:0.1");
  for (size_t slice = 1; slice < 90; slice++) {
    struct br_table *table;
    if (br_table_read_csv(comm, team, &(struct br_csv_options){.path = path, .header = -1, .slice_bytes = slice}, &table) != BR_OK) fail_msg("%s", br_error_message());
    assert_true(br_table_is_libsvm(table));
    assert_int_equal(br_table_rows(table), 4);
    assert_int_equal(br_table_columns(table), 6);
    assert_string_equal(br_table_name(table, 0), "label");
    assert_string_equal(br_table_name(table, 5), "f5");
    for (size_t r = 0; r < 4; r++)
      for (size_t c = 0; c < 6; c++) {
        double got = value(table, c, r);
        if (memcmp(&got, &wanted[r][c], 8) != 0 && !(isnan(got) && isnan(wanted[r][c]))) fail_msg("row %zu, column %zu: %g with slices of %zu bytes", r, c, got, slice);
      }
    br_table_close(table);
  }
}

/* Names say what is wanted: also indices that this file does not have, and classes that are texts. */
static void test_columns(void **state) {
  (void)state;
  static const char *const wanted[] = {"f0", "f9", "label", "f2"};
  struct br_table *table;
  write_text("good 0:4 2:5\nbad 1:3\n");
  assert_int_equal(read_as(&(struct br_csv_options){.wanted = wanted, .n_wanted = 4}, &table), BR_OK);
  assert_int_equal(br_table_columns(table), 4);
  assert_int_equal(br_table_type(table, 0), BR_COLUMN_CATEGORY);
  assert_string_equal(br_table_category(table, 0, (size_t)value(table, 0, 0)), "good");
  assert_string_equal(br_table_name(table, 1), "f0");
  assert_string_equal(br_table_name(table, 3), "f9");
  assert_true(value(table, 1, 0) == 4 && value(table, 2, 0) == 5 && value(table, 3, 0) == 0 && value(table, 1, 1) == 0);
  br_table_close(table);
  assert_int_equal(read_as(&(struct br_csv_options){.choices = (struct br_column_choice[]){{.name = "f1", .type = BR_COLUMN_CATEGORY}}, .n_choices = 1}, &table), BR_ERROR_USAGE);
}

/* The same model comes of CSV text with all the zeros. */
static void test_model(void **state) {
  (void)state;
  char *sparse = malloc(200000), *full = malloc(200000), *s = sparse, *f = full;
  f += sprintf(f, "label,f1,f2,f3\n");
  for (int i = 0; i < 3000; i++) {
    int a = i * 37 % 101, b = i * 53 % 89;
    s += sprintf(s, "%d", a > b);
    f += sprintf(f, "%d,%s%d,%.2f,0\n", a > b, a % 3 ? "" : "-", a, b % 2 ? b / 4. : 0.);
    s += sprintf(s, " 1:%s%d", a % 3 ? "" : "-", a);
    s += b % 2 ? sprintf(s, " 2:%.2f 3:0\n", b / 4.) : sprintf(s, "%s\n", i ? "" : " 3:0.0");
  }
  char *trees[2];
  for (int k = 0; k < 2; k++) {
    struct br_task_data data;
    struct br_table_model *model;
    write_text(k ? sparse : full);
    struct br_task_options options = {.csv = {.path = path, .header = -1, .slice_bytes = 5000}, .target = "label", .classes = true, .train_share = 1, .seed = 1, .missing = BR_MISSING_KEEP};
    if (br_task_open(comm, team, &options, &data) != BR_OK) fail_msg("%s", br_error_message());
    assert_int_equal(br_tree_train(comm, team, &data.task, &(struct br_tree_settings){.max_depth = 6, .min_rows = 1}, &model, NULL), BR_OK);
    trees[k] = br_table_model_text(model, 1000);
    assert_true(strlen(trees[k]) > 500);
    br_table_model_close(model);
    br_task_close(&data);
  }
  assert_string_equal(trees[0], trees[1]);
  free(trees[0]);
  free(trees[1]);
  free(sparse);
  free(full);
}

static void test_errors(void **state) {
  (void)state;
  refused("1 1:2\n\n# three\n2 3:4 x:1\n", "t.csv: line 4 has 'x:1' where index:value is expected");
  refused("1 1:2\n2 3:4 2:1\n", "line 2 has the index 2 behind 3, and indices must rise");
  refused("1 1:2 1:2\n", "line 1 has the index 1 behind 1");
  refused("1 1:two\n", "line 1 has '1:two', whose value is no number");
  refused("1 1:\n", "line 1 has '1:' where");
  refused("1 qid:7 1:2\n", "line 1 has a group of a ranking");
  refused("1 1:1\n1 1000001:2\n", "line 2 has the index 1000001, at most 1000000 are possible");
  refused("1 99999999999999999999999:2\n", "line 1 has");
  refused("1 1:1\n\"2 1:1\n", "line 2 a quote is opened and never closed");
  refused("# nothing\n\n", "has no rows");
  struct br_table *table;
  write_text("1 1:2\n2 3:4 2:1\n3\n1 1:\n");
  assert_int_equal(read_as(&(struct br_csv_options){.skip_bad_rows = true, .slice_bytes = 7}, &table), BR_OK);
  assert_int_equal(br_table_bad_rows(table), 2);
  assert_int_equal(br_table_rows(table), 2);
  br_table_close(table);
}

/* What is taken for LIBSVM without being called so. */
static void test_sniffing(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool is;
  } cases[] = {{"1 1:2\n", true}, {"-1.5 7:nan # x\n\n2\n", true}, {"1\n2\n", false}, {"a b\n1 2:3\n", false}, {"1,2\n3,4\n", false}, {"yes 1:2\nno 1:3\n", false}, {"1 1:2 x\n1 1:2 y\n", false}, {"12:30 1\n12:31 2\n", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct br_table *table;
    write_text(cases[i].text);
    if (br_table_read_csv(comm, team, &(struct br_csv_options){.path = path, .header = -1}, &table) != BR_OK) fail_msg("%s: %s", cases[i].text, br_error_message());
    if (br_table_is_libsvm(table) != cases[i].is) fail_msg("%s is taken for another format", cases[i].text);
    br_table_close(table);
  }
  struct br_table *table; /* a separator that is given makes it CSV */
  write_text("1 1:2\n2 1:3\n");
  assert_int_equal(br_table_read_csv(comm, team, &(struct br_csv_options){.path = path, .header = 0, .separator = ' '}, &table), BR_OK);
  assert_false(br_table_is_libsvm(table));
  assert_string_equal(br_table_name(table, 1), "c2");
  br_table_close(table);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_columns), cmocka_unit_test(test_model), cmocka_unit_test(test_errors), cmocka_unit_test(test_sniffing)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
