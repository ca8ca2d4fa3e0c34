/* What is in a table, column by column, in one pass over what was read. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/task.h>

#include "bins.h"
#include "date.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISTINCT_LIMIT 65536
#define SHOWN_ROWS 5

/* Facts of one number column on this rank. */
struct facts {
  int64_t missing, infinite;
  double low, high;
  struct br_sum sum;
  uint64_t *set; /* ordered keys, hashed */
  size_t n_set, slots; /* slots: a power of two, at least twice the values there can be */
  bool many;
};

static void add_distinct(struct facts *f, uint64_t key) {
  size_t mask = f->slots - 1, s = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & mask;
  for (; f->set[s]; s = (s + 1) & mask)
    if (f->set[s] == key) return;
  if (f->n_set == DISTINCT_LIMIT) {
    f->many = true;
    return;
  }
  f->set[s] = key;
  f->n_set++;
}

static int gather_facts(const struct br_table *t, size_t column, struct facts *f) {
  double *x;
  bool number = br_table_type(t, column) != BR_COLUMN_CATEGORY;
  *f = (struct facts){.low = INFINITY, .high = -INFINITY};
  size_t rows = 0;
  for (size_t b = 0; number && b < br_table_blocks(t); b++) rows += br_table_block_rows(t, b);
  for (f->slots = 2; f->slots < 2 * rows && f->slots < 4 * (size_t)DISTINCT_LIMIT;) f->slots *= 2;
  BR_TRY(br_memory_alloc(f->slots, sizeof *f->set, "distinct values", &f->set));
  BR_TRY(br_memory_alloc(br_table_largest_block(t), sizeof *x, "values", &x));
  for (size_t b = 0; b < br_table_blocks(t); b++) {
    br_table_numbers(t, column, b, x);
    for (size_t i = 0; i < br_table_block_rows(t, b); i++) {
      if (isnan(x[i])) {
        f->missing++;
        continue;
      }
      if (!number) continue;
      f->infinite += isinf(x[i]) != 0;
      f->low = x[i] < f->low ? x[i] : f->low;
      f->high = x[i] > f->high ? x[i] : f->high;
      br_sum_add(&f->sum, x[i]);
      if (!f->many) add_distinct(f, br__ordered(x[i]));
    }
  }
  br_memory_free(x);
  return BR_OK;
}

/* Distinct values on all ranks: -1 when there are more than the limit. */
static int count_distinct(struct br_comm *comm, struct facts *f, int64_t *out) {
  size_t n = 0;
  for (size_t s = 0; s < f->slots; s++)
    if (f->set[s]) f->set[n++] = f->set[s];
  int64_t many = f->many;
  BR_TRY(br_comm_max_i64(comm, &many, 1));
  *out = many ? -1 : (int64_t)n;
  if (many || br_comm_size(comm) == 1) return BR_OK;
  unsigned char *all = NULL;
  size_t *sizes = NULL, total = 0;
  int status = br_memory_alloc((size_t)br_comm_size(comm), sizeof *sizes, "ranks", &sizes);
  if (status == BR_OK) status = br_comm_gather(comm, f->set, n * sizeof *f->set, 0, &all, sizes);
  for (int r = 0; status == BR_OK && br_comm_rank(comm) == 0 && r < br_comm_size(comm); r++) total += sizes[r] / sizeof *f->set;
  uint64_t *keys = (uint64_t *)(void *)all, *scratch = NULL;
  if (status == BR_OK) status = br_memory_alloc(total, sizeof *scratch, "distinct values", &scratch);
  if (status == BR_OK && total) br__sort_u64(keys, scratch, total);
  *out = 0;
  for (size_t i = 0; status == BR_OK && i < total; i++) *out += i == 0 || keys[i] != keys[i - 1];
  if (*out > DISTINCT_LIMIT) *out = -1;
  br_memory_free(scratch);
  br_memory_free(sizes);
  br_memory_free(all);
  BR_TRY(br_comm_agree(comm, status));
  return br_comm_broadcast(comm, out, sizeof *out, 0);
}

/* The lowest and highest of all ranks by ordered keys. */
static int span(struct br_comm *comm, struct facts *f) {
  int64_t x[2] = {-(int64_t)(br__ordered(f->low) ^ (uint64_t)1 << 63), (int64_t)(br__ordered(f->high) ^ (uint64_t)1 << 63)};
  BR_TRY(br_comm_max_i64(comm, x, 2));
  f->low = br__from_ordered((uint64_t)-x[0] ^ (uint64_t)1 << 63);
  f->high = br__from_ordered((uint64_t)x[1] ^ (uint64_t)1 << 63);
  return BR_OK;
}

static json_t *text_json(const char *text) {
  json_t *value = json_string(text);
  return value ? value : json_string("(not UTF-8)");
}

/* The commonest categories: counts are exact sums. */
static int report_categories(struct br_comm *comm, const struct br_table *t, size_t column, json_t *into) {
  size_t n = br_table_categories(t, column);
  int64_t *count;
  int32_t *codes;
  BR_TRY(br_memory_alloc(n, sizeof *count, "categories", &count));
  int status = br_memory_alloc(br_table_largest_block(t), sizeof *codes, "categories", &codes);
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(t); b++) {
    br_table_codes(t, column, b, codes);
    for (size_t i = 0; i < br_table_block_rows(t, b); i++)
      if (codes[i] >= 0) count[codes[i]]++;
  }
  if (status == BR_OK) br_memory_free(codes);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br_comm_sum_i64(comm, count, n);
  json_t *most = json_array();
  for (int k = 0; status == BR_OK && k < 5; k++) {
    size_t best = 0;
    for (size_t c = 1; c < n; c++)
      if (count[c] > count[best]) best = c;
    if (n == 0 || count[best] <= 0) break;
    json_array_append_new(most, json_pack("{s:o,s:I}", "value", text_json(br_table_category(t, column, best)), "rows", (json_int_t)count[best]));
    count[best] = 0;
  }
  json_object_set_new(into, "most", most);
  br_memory_free(count);
  return status;
}

/* A number as it is, a date as ISO text. */
static json_t *value_json(enum br_column_type type, double x) {
  if (!isfinite(x)) return json_null();
  if (type != BR_COLUMN_DATE || fabs(x) > 1e15) return json_real(x);
  int64_t seconds = (int64_t)floor(x), of_day = (seconds % 86400 + 86400) % 86400;
  int part[BR__DATE_PARTS];
  char text[64];
  br__date_split(seconds, part);
  int n = snprintf(text, sizeof text, "%04d-%02d-%02d", part[BR__DATE_YEAR], part[BR__DATE_MONTH], part[BR__DATE_DAY]);
  if (of_day) snprintf(text + n, sizeof text - (size_t)n, " %02d:%02d:%02d", (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
  return json_string(text);
}

static int report_column(struct br_comm *comm, const struct br_table *t, size_t column, json_t *into) {
  struct facts f;
  enum br_column_type type = br_table_type(t, column);
  json_object_set_new(into, "name", text_json(br_table_name(t, column)));
  json_object_set_new(into, "type", json_string(br_column_type_name(type)));
  if (type == BR_COLUMN_TEXT) return BR_OK;
  BR_TRY(br_comm_agree(comm, gather_facts(t, column, &f)));
  int64_t distinct = (int64_t)br_table_categories(t, column), counts[2] = {f.missing, f.infinite};
  int status = br_comm_sum_i64(comm, counts, 2);
  if (status == BR_OK && type != BR_COLUMN_CATEGORY) status = count_distinct(comm, &f, &distinct);
  if (status == BR_OK) status = span(comm, &f);
  if (status == BR_OK) status = br_comm_sum_exact(comm, &f.sum, 1);
  br_memory_free(f.set);
  BR_TRY(status);
  int64_t there = (int64_t)br_table_rows(t) - counts[0];
  json_object_set_new(into, "missing", json_integer(counts[0]));
  if (counts[1]) json_object_set_new(into, "infinite", json_integer(counts[1]));
  json_object_set_new(into, "distinct", distinct < 0 ? json_string("more than 65536") : json_integer(distinct));
  if (type == BR_COLUMN_CATEGORY) return report_categories(comm, t, column, into);
  if (there == 0) return BR_OK;
  double mean = br_sum_value(&f.sum) / (double)there;
  json_object_set_new(into, "low", value_json(type, f.low));
  json_object_set_new(into, "high", value_json(type, f.high));
  json_object_set_new(into, "mean", value_json(type, mean));
  return BR_OK;
}

/* The first rows as lists of values, where they are this rank's. */
static json_t *own_first_rows(const struct br_table *t) {
  json_t *rows = json_array();
  double *x;
  if (br_table_blocks(t) == 0 || br_table_block_first(t, 0) != 0 || br_memory_alloc(br_table_largest_block(t), sizeof *x, "values", &x) != BR_OK) return rows;
  size_t n = br_table_block_rows(t, 0) < SHOWN_ROWS ? br_table_block_rows(t, 0) : SHOWN_ROWS;
  for (size_t i = 0; i < n; i++) json_array_append_new(rows, json_array());
  for (size_t c = 0; c < br_table_columns(t); c++) {
    enum br_column_type type = br_table_type(t, c);
    if (type != BR_COLUMN_TEXT) br_table_numbers(t, c, 0, x);
    for (size_t i = 0; i < n; i++) {
      json_t *value = type == BR_COLUMN_TEXT ? json_string("...") : type == BR_COLUMN_CATEGORY && isfinite(x[i]) ? text_json(br_table_category(t, c, (size_t)x[i])) : value_json(type, x[i]);
      json_array_append_new(json_array_get(rows, i), value);
    }
  }
  br_memory_free(x);
  return rows;
}

/* The same on all ranks: rank 0 need not have any of the table's rows. Collective. */
static int first_rows(struct br_comm *comm, const struct br_table *t, json_t **out) {
  json_t *own = own_first_rows(t);
  char *text = json_array_size(own) ? json_dumps(own, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  int64_t facts[2] = {text ? br_comm_rank(comm) : -1, text ? (int64_t)strlen(text) + 1 : 0};
  char *all = NULL;
  json_decref(own);
  int status = br_comm_max_i64(comm, facts, 2);
  if (status == BR_OK) status = br_comm_agree(comm, br_memory_alloc((size_t)facts[1], 1, "first rows", &all));
  if (status == BR_OK && text) memcpy(all, text, (size_t)facts[1]);
  if (status == BR_OK && facts[0] >= 0) status = br_comm_broadcast(comm, all, (size_t)facts[1], (int)facts[0]);
  *out = status == BR_OK && facts[0] >= 0 ? json_loads(all, 0, NULL) : NULL;
  if (!*out) *out = json_array();
  br_memory_free(all);
  free(text);
  return status;
}

/* What is worth doing about a column: a sentence, or none. */
static json_t *suggestion(const struct br_table *t, const json_t *column) {
  const char *name = json_string_value(json_object_get(column, "name")), *type = json_string_value(json_object_get(column, "type"));
  const json_t *odd = json_object_get(column, "no_number"), *distinct = json_object_get(column, "distinct");
  int64_t rows = (int64_t)br_table_rows(t), missing = json_integer_value(json_object_get(column, "missing")), kinds = json_is_integer(distinct) ? json_integer_value(distinct) : INT64_MAX;
  if (odd) return json_sprintf("%s is a category because of '%s' in row %lld; where that is a mistake, --types %s=number names the row", name, json_string_value(json_object_get(odd, "text")), (long long)json_integer_value(json_object_get(odd, "row")), name);
  if (strcmp(type, "text") == 0) return json_sprintf("%s has more than %d different texts: no model can use it", name, BR_CATEGORY_LIMIT);
  if (missing == rows) return json_sprintf("%s is missing in every row: leave it out of --features", name);
  if (kinds == 1 && missing == 0) return json_sprintf("%s has one value only: leave it out of --features", name);
  if (strcmp(type, "category") == 0 && rows > 20 && kinds > rows / 2) return json_sprintf("%s differs in nearly every row: leave it out of --features", name);
  if (strcmp(type, "date") == 0) return json_sprintf("%s is a date: --date %s makes columns of its year, month, day and weekday", name, name);
  if (missing > 0) return json_sprintf("%s is missing in %lld row%s: --missing %s fills it, --drop-missing leaves the rows out", name, (long long)missing, missing == 1 ? "" : "s", strcmp(type, "category") == 0 ? "mode" : "median");
  if (strcmp(type, "number") == 0 && kinds < 6 && rows > 20) return json_sprintf("%s has %lld different numbers: --types %s=category if they are names of classes", name, (long long)kinds, name);
  return NULL;
}

int br_table_inspect(struct br_comm *comm, struct br_team *team, const struct br_csv_options *csv, json_t **report) {
  struct br_table *t;
  BR_TRY(br_table_read_csv(comm, team, csv, &t));
  char separator[2] = {br_table_separator(t), 0};
  json_t *columns = json_array(), *suggestions = json_array(), *root = json_pack("{s:I,s:s,s:b,s:o}", "rows", (json_int_t)br_table_rows(t), "separator", separator, "header", br_table_has_header(t), "columns", columns);
  int status = BR_OK;
  if (br_table_is_libsvm(t)) json_object_set_new(root, "format", json_string("libsvm"));
  if (br_table_bad_rows(t)) json_object_set_new(root, "bad_rows", json_integer((json_int_t)br_table_bad_rows(t)));
  for (size_t c = 0; status == BR_OK && c < br_table_columns(t); c++) {
    json_t *column = json_object();
    json_array_append_new(columns, column);
    status = report_column(comm, t, c, column);
    uint64_t row;
    const char *text = br_table_first_text(t, c, &row);
    if (text) json_object_set_new(column, "no_number", json_pack("{s:I,s:o}", "row", (json_int_t)row, "text", text_json(text)));
    json_t *said = status == BR_OK ? suggestion(t, column) : NULL;
    if (said) json_array_append_new(suggestions, said);
  }
  json_object_set_new(root, "suggestions", suggestions);
  json_t *rows = NULL;
  if (status == BR_OK) status = first_rows(comm, t, &rows);
  json_object_set_new(root, "first_rows", rows);
  br_table_close(t);
  if (status != BR_OK) {
    json_decref(root);
    return status;
  }
  *report = root;
  return BR_OK;
}
