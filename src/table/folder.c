/* Columns in files of their own, mapped while their blocks are made. Blocks are those of the CSV file, so that nothing can tell the two apart. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/store/csv.h>
#include <bramble/store/file.h>
#include <bramble/store/npy.h>

#include "folder.h"

#include <jansson.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "bramble.columns.1"

bool br_table_is_folder(const char *path) {
  char *schema = NULL;
  bool is = asprintf(&schema, "%s/schema.json", path) >= 0 && br_file_exists(schema);
  free(schema);
  return is;
}

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

/* --- writing ------------------------------------------------------------------------------------------------------------- */

static int write_json(const char *path, const json_t *json) {
  struct br_writer *writer;
  char *text = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  if (!text) BR_FAIL(BR_ERROR_DATA, "%s: a name of a column or a category is not UTF-8 text", path);
  int status = br_writer_open(path, &writer);
  if (status == BR_OK) {
    status = br_writer_printf(writer, "%s\n", text);
    if (status == BR_OK)
      status = br_writer_commit(writer);
    else
      br_writer_abandon(writer);
  }
  free(text);
  return status;
}

/* The values as doubles or codes, and the smallest type of file that holds them. */
static int write_values(const struct br_table *t, size_t column, const char *file) {
  size_t rows = (size_t)br_table_rows(t), at = 0, shape[1] = {rows};
  bool category = br_table_type(t, column) == BR_COLUMN_CATEGORY, whole = true;
  double *x = NULL;
  int32_t *small = NULL;
  int status = br_memory_alloc(rows, category ? 1 : sizeof *x, "a column", &x);
  if (status == BR_OK) status = br_memory_alloc(rows, sizeof *small, "a column", &small);
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(t); at += br_table_block_rows(t, b++)) {
    if (category)
      br_table_codes(t, column, b, small + at);
    else
      br_table_numbers(t, column, b, x + at);
  }
  for (size_t i = 0; status == BR_OK && !category && whole && i < rows; i++) {
    whole = x[i] >= INT32_MIN && x[i] <= INT32_MAX && x[i] == floor(x[i]) && !(x[i] == 0 && signbit(x[i]));
    small[i] = whole ? (int32_t)x[i] : 0;
  }
  if (status == BR_OK) status = category || whole ? br_npy_write(file, BR_NPY_I32, 1, shape, small) : br_npy_write(file, BR_NPY_F64, 1, shape, x);
  br_memory_free(x);
  br_memory_free(small);
  return status;
}

static json_t *column_schema(const struct br_table *t, size_t column, const char *file) {
  json_t *json = json_pack("{s:s,s:s,s:s}", "name", br_table_name(t, column), "type", br_column_type_name(br_table_type(t, column)), "file", file), *list = json_array();
  bool category = br_table_type(t, column) == BR_COLUMN_CATEGORY;
  for (size_t i = 0; category && i < br_table_categories(t, column); i++) json_array_append_new(list, json_string(br_table_category(t, column, i)));
  for (size_t b = 0; !category && b < br_table_blocks(t); b++) {
    int scale;
    int64_t low, high;
    json_array_append_new(list, json_integer(br_table_is_decimal(t, column, b, &scale, &low, &high) ? scale : -1));
  }
  json_object_set_new(json, category ? "categories" : "scale", list);
  return json;
}

/* A name not of UTF-8 gives no JSON, a category of that kind a list that is too short. */
static bool sound(const struct br_table *t, size_t column, const json_t *json) {
  return json && (br_table_type(t, column) != BR_COLUMN_CATEGORY || json_array_size(json_object_get(json, "categories")) == br_table_categories(t, column));
}

static int write_columns(const struct br_table *t, const char *path, json_t *columns) {
  int status = BR_OK;
  for (size_t c = 0; status == BR_OK && c < br_table_columns(t); c++) {
    char name[32], *file = NULL;
    if (br_table_type(t, c) == BR_COLUMN_TEXT) continue;
    snprintf(name, sizeof name, "column-%04zu.npy", c + 1);
    json_t *json = column_schema(t, c, name);
    if (!sound(t, c, json)) status = br_error_set(BR_ERROR_DATA, "column %s: its name or a category is not UTF-8 text", br_table_name(t, c));
    json_array_append_new(columns, json);
    if (status == BR_OK && asprintf(&file, "%s/%s", path, name) < 0) status = br_error_set(BR_ERROR_MEMORY, "no memory for a path");
    if (status == BR_OK) status = write_values(t, c, file);
    free(file);
  }
  return status;
}

/* What a failed writing has left. */
static void remove_columns(const char *path, const json_t *columns) {
  for (size_t i = 0; i < json_array_size(columns); i++) {
    char *file = NULL;
    if (asprintf(&file, "%s/%s", path, text_of(json_array_get(columns, i), "file")) >= 0) remove(file);
    free(file);
  }
  rmdir(path); /* where it holds nothing else */
}

int br_table_write_folder(const struct br_table *table, const char *path) {
  char *schema = NULL;
  json_t *columns = json_array(), *blocks = json_array(), *json = json_pack("{s:s,s:I,s:o,s:o}", "format", FORMAT, "rows", (json_int_t)br_table_rows(table), "blocks", blocks, "columns", columns);
  for (size_t b = 0; b < br_table_blocks(table); b++) json_array_append_new(blocks, json_integer((json_int_t)br_table_block_rows(table, b)));
  int status = br_folder_make(path);
  if (status == BR_OK && asprintf(&schema, "%s/schema.json", path) < 0) status = br_error_set(BR_ERROR_MEMORY, "no memory for a path");
  if (status == BR_OK) remove(schema); /* what is there from before is no table until the new one is complete */
  if (status == BR_OK) status = write_columns(table, path, columns);
  if (status == BR_OK) status = write_json(schema, json);
  if (status != BR_OK) remove_columns(path, columns);
  json_decref(json);
  free(schema);
  return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

struct source {
  const json_t *schema;
  struct br_map map;
  struct br_npy npy;
};

struct reading {
  const char *path;
  json_t *schema;
  struct br_table *table;
  struct source *source;     /* per column */
  const json_t *blocks;
  size_t first_block, n_blocks; /* this rank's */
  uint64_t *first_row;       /* of these, and the row behind the last */
  atomic_size_t next;
  atomic_int status;
};

static enum br_column_type type_of(const json_t *column) {
  for (enum br_column_type t = BR_COLUMN_NUMBER; t <= BR_COLUMN_DATE; t++)
    if (strcmp(text_of(column, "type"), br_column_type_name(t)) == 0) return t;
  return BR_COLUMN_AUTO;
}

static int load_schema(struct reading *r) {
  char *file = NULL;
  unsigned char *text;
  size_t bytes;
  json_error_t error;
  if (asprintf(&file, "%s/schema.json", r->path) < 0) BR_FAIL(BR_ERROR_MEMORY, "no memory for a path");
  int status = br_file_read(file, (size_t)1 << 30, &text, &bytes);
  free(file);
  BR_TRY(status);
  r->schema = json_loadb((const char *)text, bytes, 0, &error);
  br_memory_free(text);
  if (!r->schema) BR_FAIL(BR_ERROR_DATA, "%s/schema.json:%d: %s", r->path, error.line, error.text);
  r->blocks = json_object_get(r->schema, "blocks");
  if (strcmp(text_of(r->schema, "format"), FORMAT) != 0 || !json_is_array(r->blocks) || !json_is_array(json_object_get(r->schema, "columns")))
    BR_FAIL(BR_ERROR_DATA, "%s/schema.json: is not of the format %s; pack the table again", r->path, FORMAT);
  return BR_OK;
}

static int check_column(const struct reading *r, const json_t *column) {
  enum br_column_type type = type_of(column);
  const json_t *list = json_object_get(column, type == BR_COLUMN_CATEGORY ? "categories" : "scale");
  size_t i;
  json_t *item;
  bool fits = type != BR_COLUMN_AUTO && *text_of(column, "name") && *text_of(column, "file") && !strchr(text_of(column, "file"), '/') && json_is_array(list);
  fits = fits && (type == BR_COLUMN_CATEGORY ? json_array_size(list) <= BR_CATEGORY_LIMIT : json_array_size(list) == json_array_size(r->blocks));
  json_array_foreach((json_t *)(uintptr_t)list, i, item) fits = fits && (type == BR_COLUMN_CATEGORY ? json_is_string(item) : json_is_integer(item) && json_integer_value(item) >= -1 && json_integer_value(item) <= 22);
  if (!fits) BR_FAIL(BR_ERROR_DATA, "%s/schema.json: the column %s is damaged; pack the table again", r->path, text_of(column, "name"));
  return BR_OK;
}

static int open_source(const struct reading *r, const json_t *column, struct source *source) {
  char *file = NULL;
  source->schema = column;
  if (asprintf(&file, "%s/%s", r->path, text_of(column, "file")) < 0) BR_FAIL(BR_ERROR_MEMORY, "no memory for a path");
  int status = br_map_open(file, &source->map);
  if (status == BR_OK) status = br_npy_parse(file, source->map.data, source->map.bytes, source->map.bytes, &source->npy);
  bool fits = status == BR_OK && source->npy.dims == 1 && source->npy.count == r->table->rows && (source->npy.type == BR_NPY_I32 || (source->npy.type == BR_NPY_F64 && type_of(column) != BR_COLUMN_CATEGORY));
  if (status == BR_OK && !fits) status = br_error_set(BR_ERROR_DATA, "%s: is not %llu numbers as its schema says; pack the table again", file, (unsigned long long)r->table->rows);
  free(file);
  return status;
}

static int fill_categories(const json_t *names, struct br__categories *out) {
  size_t bytes = 0, at = 0, i;
  json_t *name;
  out->n = json_array_size(names);
  json_array_foreach((json_t *)(uintptr_t)names, i, name) bytes += json_string_length(name) + 1;
  BR_TRY(br_memory_alloc(bytes + 1, 1, "category names", &out->text));
  BR_TRY(br_memory_alloc(out->n, sizeof *out->at, "category names", &out->at));
  BR_TRY(br_memory_alloc(1, sizeof *out->map, "category codes", &out->map));
  BR_TRY(br_memory_alloc(out->n, sizeof **out->map, "category codes", &out->map[0]));
  json_array_foreach((json_t *)(uintptr_t)names, i, name) {
    out->at[i] = at;
    out->map[0][i] = (int32_t)i;
    memcpy(out->text + at, json_string_value(name), json_string_length(name) + 1);
    at += json_string_length(name) + 1;
  }
  return BR_OK;
}

static bool is_wanted(const struct br_csv_options *options, const char *name) {
  if (!options->wanted) return true;
  for (size_t i = 0; i < options->n_wanted; i++)
    if (strcmp(options->wanted[i], name) == 0) return true;
  return false;
}

static int check_choice(const struct reading *r, const struct br_csv_options *options, const char *name, enum br_column_type type) {
  for (size_t i = 0; i < options->n_choices; i++) {
    const struct br_column_choice *c = &options->choices[i];
    if (strcmp(c->name, name) == 0 && c->type != BR_COLUMN_AUTO && c->type != type)
      BR_FAIL(BR_ERROR_DATA, "%s: the column %s is packed as a %s; pack the file again with --types %s=%s", r->path, name, br_column_type_name(type), name, br_column_type_name(c->type));
  }
  return BR_OK;
}

static int open_columns(struct reading *r, const struct br_csv_options *options) {
  struct br_table *t = r->table;
  const json_t *columns = json_object_get(r->schema, "columns");
  size_t n = json_array_size(columns);
  t->header = true;
  t->separator = ',';
  t->threads = 1;
  t->rows = (uint64_t)json_integer_value(json_object_get(r->schema, "rows"));
  BR_TRY(br_memory_alloc(n, sizeof *t->columns, "columns", &t->columns));
  BR_TRY(br_memory_alloc(n, sizeof *t->file_names, "column names", &t->file_names));
  BR_TRY(br_memory_alloc(n, sizeof *r->source, "columns", &r->source));
  for (size_t c = 0; c < n; c++) {
    const json_t *schema = json_array_get(columns, c);
    BR_TRY(check_column(r, schema));
    const char *name = text_of(schema, "name");
    enum br_column_type type = type_of(schema);
    if (!(t->file_names[t->n_file_names] = strdup(name))) BR_FAIL(BR_ERROR_MEMORY, "no memory for column names");
    t->n_file_names++;
    if (!is_wanted(options, name)) continue;
    BR_TRY(check_choice(r, options, name, type));
    struct br__column *column = &t->columns[t->n_columns];
    *column = (struct br__column){.name = strdup(name), .type = type};
    if (!column->name) BR_FAIL(BR_ERROR_MEMORY, "no memory for column names");
    BR_TRY(open_source(r, schema, &r->source[t->n_columns++]));
    if (type == BR_COLUMN_CATEGORY) BR_TRY(fill_categories(json_object_get(schema, "categories"), &column->categories));
  }
  for (size_t i = 0; i < options->n_wanted && !options->lenient; i++) BR_TRY(br__table_check_name(t, options->wanted[i]));
  return BR_OK;
}

static int cut_blocks(struct br_comm *comm, struct reading *r) {
  size_t all = json_array_size(r->blocks), ranks = (size_t)br_comm_size(comm), rank = (size_t)br_comm_rank(comm);
  r->first_block = (size_t)((unsigned __int128)all * rank / ranks);
  r->n_blocks = (size_t)((unsigned __int128)all * (rank + 1) / ranks) - r->first_block;
  BR_TRY(br_memory_alloc(r->n_blocks + 1, sizeof *r->first_row, "blocks", &r->first_row));
  BR_TRY(br_memory_alloc(r->n_blocks, sizeof *r->table->blocks, "table", &r->table->blocks));
  uint64_t row = 0;
  for (size_t b = 0; b < all; b++) {
    json_int_t rows = json_integer_value(json_array_get(r->blocks, b));
    if (b >= r->first_block && b < r->first_block + r->n_blocks) {
      r->first_row[b - r->first_block] = row;
      if ((size_t)rows > r->table->largest_block) r->table->largest_block = (size_t)rows;
    }
    if (rows < 1 || rows > UINT32_MAX || (uint64_t)rows > r->table->rows - row) BR_FAIL(BR_ERROR_DATA, "%s/schema.json: its blocks are damaged; pack the table again", r->path);
    row += (uint64_t)rows;
    if (b + 1 == r->first_block + r->n_blocks) r->first_row[r->n_blocks] = row;
  }
  if (row != r->table->rows || row == 0) BR_FAIL(BR_ERROR_DATA, "%s/schema.json: its blocks are damaged; pack the table again", r->path);
  return BR_OK;
}

static double power10(int n) {
  double power = 1;
  for (int i = 0; i < n; i++) power *= 10; /* exact up to 10^22 */
  return power;
}

/* A value as it was parsed: digits and scale. */
static void parse_value(double x, int scale, int64_t *digits, int8_t *kind) {
  if (isnan(x)) {
    *kind = BR__SCALE_MISSING;
  } else if (scale >= 0) {
    *digits = (int64_t)rint(x * power10(scale)); /* of more than 50 bits it may be one off */
    for (int64_t d = *digits - 1, end = d + 2; br_number_decimal(*digits, scale) != x && d <= end; d++)
      if (br_number_decimal(d, scale) == x) *digits = d;
    *kind = (int8_t)scale;
  } else {
    memcpy(digits, &x, 8);
    *kind = BR__SCALE_FLOAT;
  }
}

/* What one thread needs for a column of a block. */
struct room {
  int64_t *digits;
  int8_t *scale;
  unsigned char *packed;
  size_t capacity;
};

static int pack_column(const struct reading *r, size_t c, size_t b, struct room *room, struct br__packed *packed, size_t *bytes) {
  const struct source *s = &r->source[c];
  size_t rows = (size_t)(r->first_row[b + 1] - r->first_row[b]), first = (size_t)r->first_row[b], n = r->table->columns[c].categories.n;
  const unsigned char *data = s->map.data + s->npy.data_offset;
  if (type_of(s->schema) == BR_COLUMN_CATEGORY) {
    uint32_t *codes = (uint32_t *)(void *)room->digits;
    for (size_t i = 0; i < rows; i++) {
      int32_t code;
      memcpy(&code, data + (first + i) * sizeof code, sizeof code);
      if (code < -1 || code >= (int64_t)n) BR_FAIL(BR_ERROR_DATA, "%s: the column %s has a code that is no category's; pack the table again", r->path, r->table->columns[c].name);
      codes[i] = (uint32_t)(code + 1);
    }
    *bytes = br__pack_codes_plan(codes, rows, packed);
    return BR_OK;
  }
  int scale = (int)json_integer_value(json_array_get(json_object_get(s->schema, "scale"), r->first_block + b));
  for (size_t i = 0; i < rows; i++) {
    double x;
    int32_t whole;
    if (s->npy.type == BR_NPY_I32) {
      memcpy(&whole, data + (first + i) * sizeof whole, sizeof whole);
      x = whole;
    } else {
      memcpy(&x, data + (first + i) * sizeof x, sizeof x);
    }
    parse_value(x, scale, &room->digits[i], &room->scale[i]);
  }
  *bytes = br__pack_plan(room->digits, room->scale, rows, packed);
  return BR_OK;
}

static int make_block(struct reading *r, size_t b, struct room *room) {
  size_t columns = r->table->n_columns, used = columns * sizeof(struct br__packed), rows = (size_t)(r->first_row[b + 1] - r->first_row[b]);
  struct br__packed *list = (struct br__packed *)(void *)room->packed;
  unsigned char *data;
  for (size_t c = 0; c < columns; c++) {
    size_t bytes = 0;
    BR_TRY(pack_column(r, c, b, room, &list[c], &bytes));
    list[c].offset = used;
    if (type_of(r->source[c].schema) == BR_COLUMN_CATEGORY)
      br__pack_codes((const uint32_t *)(const void *)room->digits, rows, &list[c], room->packed + used);
    else
      br__pack(room->digits, room->scale, rows, &list[c], room->packed + used);
    used = (used + bytes + 7) & ~(size_t)7;
  }
  BR_TRY(br_memory_alloc(used, 1, "table block", &data));
  memcpy(data, room->packed, used);
  r->table->blocks[b] = (struct br__block){.first = r->first_row[b], .rows = (uint32_t)rows, .packed = (struct br__packed *)(void *)data, .data = data, .bytes = used};
  return BR_OK;
}

static void make_part(void *arg, struct br_part part) {
  struct reading *r = arg;
  struct room room = {0};
  size_t most = r->table->largest_block;
  (void)part;
  int status = br_memory_alloc(most, sizeof *room.digits, "values", &room.digits);
  if (status == BR_OK) status = br_memory_alloc(most, sizeof *room.scale, "values", &room.scale);
  if (status == BR_OK) status = br_memory_alloc(r->table->n_columns * (sizeof(struct br__packed) + most * 8 + 8), 1, "packed columns", &room.packed);
  for (size_t b; status == BR_OK && (b = atomic_fetch_add(&r->next, 1)) < r->n_blocks;) status = make_block(r, b, &room);
  if (status != BR_OK) atomic_store(&r->status, status);
  br_memory_free(room.digits);
  br_memory_free(room.scale);
  br_memory_free(room.packed);
}

int br__folder_read(struct br_comm *comm, struct br_team *team, const struct br_csv_options *options, struct br_table **out) {
  struct reading r = {.path = options->path};
  *out = NULL;
  int status = br_memory_alloc(1, sizeof *r.table, "table", &r.table);
  if (status == BR_OK) status = load_schema(&r);
  if (status == BR_OK) status = open_columns(&r, options);
  if (status == BR_OK) status = cut_blocks(comm, &r);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    r.table->n_blocks = r.n_blocks;
    br_team_run(team, make_part, &r);
    status = atomic_load(&r.status);
    if (status != BR_OK) br_error_set(status, status == BR_ERROR_DATA ? "%s: holds codes that are no categories'; pack the table again" : "%s: no memory for its blocks", options->path);
    status = br_comm_agree(comm, status);
  }
  for (size_t c = 0; r.source && r.table && c < r.table->n_columns; c++) br_map_close(&r.source[c].map);
  br_memory_free(r.source);
  br_memory_free(r.first_row);
  json_decref(r.schema);
  if (status == BR_OK)
    *out = r.table;
  else
    br_table_close(r.table);
  return status;
}
