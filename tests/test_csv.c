/* Reading tables: numbers round as strtod does, awkward files give the expected columns, and no cut of a file into slices changes the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "table/source.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/store/csv.h>
#include <bramble/table/table.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct br_comm *comm;
static struct br_team *team;
static char folder[] = "/tmp/bramble-csv-XXXXXX", path[64];

static int setup(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/t.csv", folder);
  return br_comm_open_self(&comm) || br_team_open(3, &team);
}

static int teardown(void **state) {
  (void)state;
  unlink(path);
  rmdir(folder);
  br_team_close(team);
  br_comm_close(comm);
  return br_memory_held_bytes() != 0; /* nothing is left over */
}

static void write_file(const char *text, size_t bytes) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, bytes, file), bytes);
  fclose(file);
}

static double value_of(const char *text) {
  unsigned char padded[256] = {0};
  struct br_number number;
  memset(padded, '7', sizeof padded); /* what lies behind a field must not matter */
  memcpy(padded, text, strlen(text));
  switch (br_number_parse(padded, strlen(text), &number)) {
    case BR_NUMBER_DECIMAL: return br_number_decimal(number.digits, number.scale);
    case BR_NUMBER_FLOAT: return number.value;
    default: return NAN;
  }
}

static void test_numbers(void **state) {
  (void)state;
  static const char *const good[] = {"0", "-0", "7", "+7", "12345678", "123456789", "1234567890123456", "12345678901234567890", "0.1", ".5", "5.", "-1.25", "3.14159265358979323846", "1e5", "1E-5", "1.5e+300",
                                     "1e308", "4.9e-324", "2.2250738585072011e-308", "9007199254740993", "9007199254740992", "900719925474099.3", "0.000000000000000000000000000001", "123456.78", "00501", "179769313486231570000e289", "1e22", "1e23", "123456789.", "12345678.123"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(value_of(good[i]) == strtod(good[i], NULL));
  static const char *const bad[] = {"", "-", "+", ".", "-.", "e5", "1e", "1e+", "1.2.3", "12a", "a12", "1 2", "--1", "0x10", "1,5", "12:30", "in", "1e5.5", "1234567.8.9", "1234567890.."};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_true(isnan(value_of(bad[i])));
  assert_true(isinf(value_of("-inf")) && value_of("-inf") < 0);
  struct br_random r = br_random_open(5, BR_RANDOM_TEST, 0, 0);
  char text[64];
  for (int i = 0; i < 200000; i++) {
    uint64_t digits = ((uint64_t)br_random_u32(&r) << 32 | br_random_u32(&r)) >> br_random_below(&r, 64);
    int n = snprintf(text, sizeof text, "%s%llu", i & 1 ? "-" : "", (unsigned long long)digits);
    if (i % 3) { /* a point somewhere */
      int at = (i & 1) + (int)br_random_below(&r, (uint32_t)(n - (i & 1)) + 1);
      memmove(text + at + 1, text + at, (size_t)(n - at) + 1);
      text[at] = '.';
    }
    if (i % 7 == 0) snprintf(text + strlen(text), 16, "e%d", (int)br_random_below(&r, 640) - 320);
    assert_true(value_of(text) == strtod(text, NULL));
  }
}

/* --- tables as text, to compare ------------------------------------------------------------------------------------------ */

static struct br_table *read_with(const struct br_csv_options *options) {
  struct br_table *table;
  int status = br_table_read_csv(comm, team, options, &table);
  if (status != BR_OK) fail_msg("%s", br_error_message());
  return table;
}

/* Every column's name, type and values, one line a column. */
static char *describe(const struct br_table *t) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  double *values = malloc(sizeof *values * (br_table_largest_block(t) + 1));
  for (size_t c = 0; c < br_table_columns(t); c++) {
    fprintf(out, "%s %s:", br_table_name(t, c), br_column_type_name(br_table_type(t, c)));
    for (size_t b = 0; b < br_table_blocks(t); b++) {
      br_table_numbers(t, c, b, values);
      for (size_t i = 0; i < br_table_block_rows(t, b); i++) {
        if (isnan(values[i]))
          fprintf(out, " -");
        else if (br_table_type(t, c) == BR_COLUMN_CATEGORY)
          fprintf(out, " [%s]", br_table_category(t, c, (size_t)values[i]));
        else
          fprintf(out, " %.17g", values[i]);
      }
    }
    fprintf(out, "\n");
  }
  free(values);
  fclose(out);
  return text;
}

static void expect(const char *content, const char *wanted) {
  write_file(content, strlen(content));
  for (size_t slice = 0; slice <= strlen(content); slice++) { /* whole, then cut everywhere */
    struct br_table *t = read_with(&(struct br_csv_options){.path = path, .header = -1, .slice_bytes = slice});
    char *got = describe(t);
    assert_string_equal(got, wanted);
    free(got);
    br_table_close(t);
  }
}

static void test_awkward_files(void **state) {
  (void)state;
  expect("a,b\n1,2\n3,4\n", "a number: 1 3\nb number: 2 4\n");
  expect("a,b\r\n1,x\r\n3,\"y\"\r\n", "a number: 1 3\nb category: [x] [y]\n");
  expect("\xef\xbb\xbf" "a;b\n1;2,5\n3;4", "a number: 1 3\nb number: 2.5 4\n");
  expect("a;b;c\n1,5e3;-0,25;1,2,3\n+,5;1.234,5;4\n", "a number: 1500 0.5\nb category: [-0,25] [1.234,5]\nc category: [1,2,3] [4]\n");
  expect("1,5;x\n2;y\n", "c1 number: 1.5 2\nc2 category: [x] [y]\n");
  expect("a\tb\n1,5\t2\n", "a category: [1,5]\nb number: 2\n");
  expect("a,b\n1,2\n\n3,4\n\n", "a number: 1 3\nb number: 2 4\n");
  expect("1,2\n3,4", "c1 number: 1 3\nc2 number: 2 4\n");
  expect("a,b\n\"x\ny\",\"he said \"\"no\"\"\"\n\",\",\n", "a category: [x\ny] [,]\nb category: [he said \"no\"] -\n");
  expect("a\tb\n1\tNA\nnull\t2\n?\tNaN\nn/a\t\n", "a number: 1 - - -\nb number: - 2 - -\n");
  expect("a,b\n 1 , x y \n2,z\n", "a number: 1 2\nb category: [x y] [z]\n");
  expect("d,h\n2018-06-23,2012-04-17 18:54:43\n1970-01-02,2010-07-09 01:59:28+02:00\n", "d date: 1529712000 86400\nh date: 1334688883 1278633568\n");
  expect("a,b\n5\" pipe,1\n6\"\" pipe,2\n", "a category: [5\" pipe] [6\"\" pipe]\nb number: 1 2\n");
  expect("a\n1\n\n3\n", "a number: 1 - 3\n");
  expect(",x\n0,1\n1,2\n", "c1 number: 0 1\nx number: 1 2\n");
  expect("a,b\n1.5,1e400\n-2,99999999999999999999\n0.001,1\n", "a number: 1.5 -2 0.001\nb number: inf 1e+20 1\n");
}

/* Random records with everything awkward in them. */
static char *random_file(uint64_t seed, bool late_text) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  struct br_random r = br_random_open(seed, BR_RANDOM_TEST, 1, 0);
  const char *end = seed & 1 ? "\r\n" : "\n";
  fprintf(out, "n,t,m%s", end);
  for (int i = 0; i < 60; i++) {
    fprintf(out, "%d.%02u,", (int)br_random_below(&r, 2000) - 1000, br_random_below(&r, 100));
    switch (br_random_below(&r, 6)) {
      case 0: fprintf(out, "\"a\nb,c\""); break;
      case 1: fprintf(out, "\"\"\"q\"\"\"\"\n\n\""); break;
      case 2: fprintf(out, "\"\""); break;
      case 3: fprintf(out, "plain %u", br_random_below(&r, 9)); break;
      case 4: fprintf(out, "\"1,2\r\n3,4\r\n\""); break;
      default: break;
    }
    fprintf(out, ",%s%s", late_text && i == 50 ? "text" : br_random_below(&r, 4) ? "12" : "NA", i == 59 && seed & 2 ? "" : end);
  }
  fclose(out);
  return text;
}

static void test_every_cut_gives_the_same_table(void **state) {
  (void)state;
  for (uint64_t seed = 0; seed < 6; seed++) {
    char *content = random_file(seed, seed > 3), *wanted = NULL;
    size_t bytes = strlen(content);
    write_file(content, bytes);
    for (size_t slice = bytes + 1; slice > 0; slice = slice > 200 ? slice - 37 : slice - 1) {
      struct br_table *t = read_with(&(struct br_csv_options){.path = path, .header = -1, .slice_bytes = slice});
      assert_int_equal(br_table_rows(t), 60);
      char *got = describe(t);
      if (wanted) assert_string_equal(got, wanted);
      if (!wanted)
        wanted = got;
      else
        free(got);
      br_table_close(t);
    }
    free(wanted);
    free(content);
  }
}

/* What costs more than its length in small slices or many columns costs minutes here. */
static void test_long_things_take_no_longer(void **state) {
  (void)state;
  enum { QUOTES = 1 << 20, COLUMNS = 60000 };
  char *content = malloc(QUOTES + 100), *at = content;
  at += sprintf(at, "a,b\n1,2\n\"");
  memset(at, '"', QUOTES);
  at += QUOTES;
  at += sprintf(at, "\",3\n4,5\n");
  write_file(content, (size_t)(at - content));
  struct br_table *t = read_with(&(struct br_csv_options){.path = path, .header = -1, .slice_bytes = 64});
  assert_int_equal(br_table_rows(t), 3);
  assert_int_equal(strlen(br_table_category(t, 0, 0)), QUOTES / 2);
  br_table_close(t);
  free(content);
  FILE *file = fopen(path, "w");
  for (int i = 0; i < COLUMNS; i++) fprintf(file, "c%d,", i);
  fprintf(file, "last\n");
  for (int i = 0; i < COLUMNS; i++) fprintf(file, "%d,", i);
  fprintf(file, "7\n");
  fclose(file);
  t = read_with(&(struct br_csv_options){.path = path, .header = 1});
  assert_int_equal(br_table_columns(t), COLUMNS + 1);
  br_table_close(t);
}

static void expect_failure(const char *content, const struct br_csv_options *options, const char *part) {
  struct br_table *t;
  if (content) write_file(content, strlen(content));
  int status = br_table_read_csv(comm, team, options, &t);
  assert_int_equal(status, BR_ERROR_DATA);
  if (!strstr(br_error_message(), part)) fail_msg("message: %s", br_error_message());
}

static void test_bad_files(void **state) {
  (void)state;
  struct br_csv_options plain = {.path = path, .header = -1}, folder_path = {.path = folder, .header = -1}, missing = {.path = "/tmp/there-is-no-such.csv", .header = -1};
  expect_failure("", &plain, "is empty");
  expect_failure("a,b\n", &plain, "has a header and no rows");
  expect_failure("a,b\n1,2\n1,2,3\n", &plain, "row 2 has 3 fields where 2 are expected");
  expect_failure("a,b\n1,2\n1\n", &plain, "row 2 has 1 fields where 2");
  expect_failure("a,b\n1,2\n1,\"x\n", &plain, "row 2 a quote is opened and never closed");
  expect_failure("a,a\n1,2\n", &plain, "both called a");
  expect_failure(NULL, &folder_path, "is a folder");
  expect_failure(NULL, &missing, "cannot be read");
  const char *wanted[] = {"prise"};
  struct br_csv_options unknown = {.path = path, .header = -1, .wanted = wanted, .n_wanted = 1};
  expect_failure("price,b\n1,2\n", &unknown, "did you mean price?");
  struct br_column_choice number = {.name = "b", .type = BR_COLUMN_NUMBER};
  struct br_csv_options fixed = {.path = path, .header = -1, .choices = &number, .n_choices = 1};
  expect_failure("a,b\n1,2\n2,two\n", &fixed, "row 2 column b: 'two' is no number");
  struct br_csv_options skipping = {.path = path, .header = -1, .skip_bad_rows = true};
  write_file("a,b\n1,2\n1,2,3\n3,4\n", 18);
  struct br_table *t = read_with(&skipping);
  assert_int_equal(br_table_rows(t), 2);
  assert_int_equal(br_table_bad_rows(t), 1);
  br_table_close(t);
}

static void test_files_that_change(void **state) {
  (void)state;
  struct br__sources sources;
  unsigned char text[16];
  write_file("a,b\n1,2\n", 8);
  assert_int_equal(br__sources_open(path, true, &sources), BR_OK);
  assert_int_equal(br__source_read(&sources.list[0], 0, 8, text), BR_OK);
  assert_int_equal(br__sources_check(&sources), BR_OK);
  assert_int_equal(truncate(path, 5), 0);
  assert_int_equal(br__source_read(&sources.list[0], 0, 8, text), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "became shorter while it was read"));
  write_file("a,b\n1,2\n3,4\n", 12);
  assert_int_equal(br__source_read(&sources.list[0], 0, 8, text), BR_OK);
  assert_int_equal(br__sources_check(&sources), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "was changed while it was read"));
  br__sources_close(&sources);
}

static void test_wanted_and_text_found_late(void **state) {
  (void)state;
  const char *wanted[] = {"t", "n"};
  FILE *file = fopen(path, "w");
  fprintf(file, "n,skip,t\n");
  for (int i = 0; i < 100000; i++) fprintf(file, "%d,%d.5,%s\n", i, i, i == 77777 ? "late" : "4");
  fclose(file);
  struct br_table *t = read_with(&(struct br_csv_options){.path = path, .header = -1, .wanted = wanted, .n_wanted = 2});
  assert_int_equal(br_table_columns(t), 2);
  assert_string_equal(br_table_name(t, 0), "n");
  assert_int_equal(br_table_type(t, 1), BR_COLUMN_CATEGORY);
  uint64_t row;
  assert_string_equal(br_table_first_text(t, 1, &row), "late");
  assert_int_equal(row, 77778);
  assert_int_equal(br_table_categories(t, 1), 2);
  br_table_close(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers),   cmocka_unit_test(test_awkward_files),           cmocka_unit_test(test_every_cut_gives_the_same_table),
      cmocka_unit_test(test_bad_files), cmocka_unit_test(test_wanted_and_text_found_late), cmocka_unit_test(test_long_things_take_no_longer), cmocka_unit_test(test_files_that_change),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
