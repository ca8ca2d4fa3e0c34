/* Gram sums of adversarial columns, to the last bit: against sums of whole 106-bit products taken row by row, on any number of threads and cuts of the file. */
#include "table_fixture.h"

#include "table/gram.h"
#include "table/solve.h"

#include <bramble/base/random.h>

#define ROWS 5000

typedef __int128 whole;
enum { YEAR, STEP, WIDE, WILD, TINY, LACKS, NUMBERS, TERMS = NUMBERS + 2 };

static double value[NUMBERS][ROWS];
static int kind_of[ROWS];

/* The file is cut where values change their size, so that blocks are packed otherwise. */
static char *make_text(void) {
  struct br_random draw = br_random_open(5, BR_RANDOM_TEST, 0, 0);
  char *text = malloc(ROWS * 400), *at = text + sprintf(text, "year,step,wide,wild,tiny,lacks,kind\n");
  for (int i = 0; i < ROWS; i++) {
    const double r = br_random_u32(&draw) * 0x1p-32, q = br_random_u32(&draw) * 0x1p-32 - 0.5;
    char word[NUMBERS][64];
    snprintf(word[YEAR], 64, "%d", 1990 + (int)(r * 34));
    snprintf(word[STEP], 64, i < ROWS / 3 ? "%.3f" : "%.0f", i < ROWS / 3 ? q : i < ROWS / 2 ? 7 : 4e9 * r); /* in no small block thousandths and thousands of millions: 2 digits of 27 bits */
    snprintf(word[WIDE], 64, "%.17g", q * (i % 7 ? 1e-3 : 1));
    snprintf(word[WILD], 64, "%.17fe%d", q, i % 11 ? (int)(r * 500) - 250 : 300); /* from 10^-250 to 10^300 */
    snprintf(word[TINY], 64, "%.17g", ldexp((double)(br_random_u32(&draw) % 9) - 4, -1074));
    snprintf(word[LACKS], 64, i % 13 ? "%.2f" : "", 100 * q);
    kind_of[i] = (int)(br_random_u32(&draw) % 3);
    for (int c = 0; c < NUMBERS; c++) {
      value[c][i] = *word[c] ? strtod(word[c], NULL) : NAN;
      at += sprintf(at, "%s,", word[c]);
    }
    at += sprintf(at, "%c\n", "abc"[kind_of[i]]);
  }
  return text;
}

/* What gram.h says a value is: whole multiples of a unit, `middle` taken away. */
struct reading {
  whole number[ROWS];
  whole middle;
  br__wide unit;
};

static void read_term(const struct br_table *table, int term, struct reading *out) {
  static const double power[] = {1, 10, 100, 1000};
  double factor = 1; /* 0: not all blocks hold decimals */
  for (size_t b = 0; term < NUMBERS && b < br_table_blocks(table); b++) {
    int scale;
    int64_t least, most;
    const bool decimal = br_table_is_decimal(table, (size_t)term, b, &scale, &least, &most);
    factor = !decimal || factor == 0 ? 0 : power[scale] > factor ? power[scale] : factor;
  }
  whole low = INT64_MAX, high = INT64_MIN;
  int exponent, top = -2000;
  out->middle = 0, out->unit = 1;
  for (int i = 0; term < NUMBERS && i < ROWS; i++)
    if (value[term][i] != 0 && !isnan(value[term][i])) top = (frexp(value[term][i], &exponent), exponent > top ? exponent : top);
  for (int i = 0; i < ROWS; i++) {
    double x = term < NUMBERS ? value[term][i] : 0;
    if (term >= NUMBERS)
      out->number[i] = kind_of[i] == term - NUMBERS + 1;
    else if (isnan(x))
      out->number[i] = 0;
    else if (factor > 0)
      out->number[i] = llrint(x * factor);
    else
      out->number[i] = llrint(ldexp(ldexp(x, 20), 33 - top));
    if (term >= NUMBERS || isnan(x)) continue;
    low = out->number[i] < low ? out->number[i] : low;
    high = out->number[i] > high ? out->number[i] : high;
  }
  if (term >= NUMBERS) return;
  if (factor > 0) {
    out->middle = low + (high - low) / 2;
    for (int i = 0; i < ROWS; i++) out->number[i] -= out->middle;
    out->unit = (br__wide)1 / (br__wide)factor;
  } else {
    for (int i = 0; i < (top < 53 ? 53 - top : top - 53); i++) out->unit *= top < 53 ? (br__wide)0.5 : (br__wide)2;
  }
}

static struct reading reading[TERMS];

static void compare(const struct br_table *table, const struct br_rows *rows, const struct br__gram *gram, enum br_role wanted) {
  static unsigned char role[ROWS];
  uint64_t n = 0;
  for (size_t b = 0; b < br_table_blocks(table); b++) memcpy(role + br_table_block_first(table, b), rows->role[b], br_table_block_rows(table, b));
  for (int i = 0; i < ROWS; i++) n += role[i] == wanted;
  assert_true(gram->rows == n && n > 1000);
  for (int a = 0; a < TERMS; a++)
    for (int b = 0; b <= a; b++) {
      whole sum_a = 0, sum_b = 0, products = 0; /* of at most 106 + 13 bits */
      for (int i = 0; i < ROWS; i++) {
        if (role[i] != wanted) continue;
        sum_a += reading[a].number[i], sum_b += reading[b].number[i];
        products += reading[a].number[i] * reading[b].number[i];
      }
      const br__wide mean = ((br__wide)sum_a / n + (int64_t)reading[a].middle) * reading[a].unit;
      const br__wide cross = ((br__wide)products * n - (br__wide)sum_a * (br__wide)sum_b) / n * reading[a].unit * reading[b].unit;
      if (gram->mean[a] != mean) fail_msg("the mean of term %d", a);
      if (gram->cross[a * TERMS + b] != cross || gram->cross[b * TERMS + a] != cross) fail_msg("the products of terms %d and %d", a, b);
    }
}

static void test_sums(void **state) {
  (void)state;
  static const size_t cuts[] = {1000, 30000, 1 << 20};
  char *text = make_text();
  for (int threads = 1; threads <= 3; threads += 2)
    for (size_t cut = 0; cut < sizeof cuts / sizeof *cuts; cut++) {
      struct br_team *some;
      struct br_table *table;
      struct br_rows rows;
      struct br__gram gram[2];
      const struct br__term terms[TERMS] = {{YEAR, -1}, {STEP, -1}, {WIDE, -1}, {WILD, -1}, {TINY, -1}, {LACKS, -1}, {NUMBERS, 1}, {NUMBERS, 2}};
      assert_int_equal(br_team_open(threads, &some), BR_OK);
      if (br_table_read_csv(comm, some, &(struct br_csv_options){.text = text, .path = "text", .header = 1, .slice_bytes = cuts[cut]}, &table) != BR_OK) fail_msg("%s", br_error_message());
      for (int term = 0; term < TERMS; term++) read_term(table, term, &reading[term]);
      assert_true((cut < 2) == (reading[STEP].middle != 0)); /* decimals where blocks are small */
      assert_int_equal(br_rows_choose(comm, some, table, &(struct br_rows_options){.required = (size_t[]){LACKS}, .n_required = 1, .train_share = 0.6, .seed = 3}, &rows), BR_OK);
      assert_int_equal(br__gram_compute(comm, some, table, &rows, terms, TERMS, gram), BR_OK);
      compare(table, &rows, &gram[0], BR_ROW_TRAIN);
      compare(table, &rows, &gram[1], BR_ROW_TEST);
      br__gram_free(&gram[0]), br__gram_free(&gram[1]);
      br_rows_free(&rows);
      br_table_close(table);
      br_team_close(some);
    }
  free(text);
}

/* Columns far beyond what doubles can square: their squares are 10^600 and 10^-600. */
static void test_far_sizes(void **state) {
  (void)state;
  br__wide big = 1, small = 1;
  for (int i = 0; i < 600; i++) big *= 10, small /= 10;
  const br__wide A[4] = {big, 0, 0, small}, c[2] = {big * 3, small * 5};
  br__wide b[2], inverse[2];
  bool excluded[2];
  assert_int_equal(br__solve(A, 2, 2, c, 0, b, inverse, excluded), BR_OK);
  assert_true(!excluded[0] && !excluded[1]);
  near((double)b[0], 3, 1e-15);
  near((double)b[1], 5, 1e-15);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_far_sizes)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
