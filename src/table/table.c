/* What a table answers about itself. */
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>

#include "table.h"

#include <stdlib.h>
#include <string.h>

const char *br_column_type_name(enum br_column_type type) {
  static const char *const names[] = {"auto", "number", "category", "date", "text"};
  return names[type];
}

void br_table_close(struct br_table *table) {
  if (!table) return;
  for (size_t c = 0; c < table->n_columns; c++) {
    br__categories_free(&table->columns[c].categories, table->threads);
    free(table->columns[c].name);
    free(table->columns[c].first_text);
  }
  for (size_t b = 0; b < table->n_blocks; b++) br_memory_free(table->blocks[b].packed);
  for (size_t i = 0; i < table->n_file_names; i++) free(table->file_names[i]);
  br_memory_free(table->file_names);
  br__steps_free(&table->steps);
  br_memory_free(table->columns);
  br_memory_free(table->blocks);
  br_memory_free(table);
}

char br_table_separator(const struct br_table *table) { return table->separator; }
bool br_table_has_header(const struct br_table *table) { return table->header; }
bool br_table_is_libsvm(const struct br_table *table) { return table->libsvm; }
uint64_t br_table_bad_rows(const struct br_table *table) { return table->bad_rows; }
size_t br_table_columns(const struct br_table *table) { return table->n_columns; }
const char *br_table_name(const struct br_table *table, size_t column) { return table->columns[column].name; }
enum br_column_type br_table_type(const struct br_table *table, size_t column) { return table->columns[column].type; }
size_t br_table_categories(const struct br_table *table, size_t column) { return table->columns[column].categories.n; }

const char *br_table_category(const struct br_table *table, size_t column, size_t code) {
  const struct br__categories *c = &table->columns[column].categories;
  return c->text + c->at[code];
}

const char *br_table_first_text(const struct br_table *table, size_t column, uint64_t *row) {
  *row = table->columns[column].first_text_row;
  return table->columns[column].first_text;
}

uint64_t br_table_rows(const struct br_table *table) { return table->rows; }
size_t br_table_blocks(const struct br_table *table) { return table->n_blocks; }
size_t br_table_block_rows(const struct br_table *table, size_t block) { return table->blocks[block].rows; }
uint64_t br_table_block_first(const struct br_table *table, size_t block) { return table->blocks[block].first; }
size_t br_table_largest_block(const struct br_table *table) { return table->largest_block; }

int br_table_fingerprint(struct br_comm *comm, const struct br_table *table, uint64_t *out) {
  uint64_t head = 0;
  for (size_t c = 0; c < table->n_columns; c++) {
    head = br_hash64(head, table->columns[c].name, strlen(table->columns[c].name));
    head = br_hash64(head + table->columns[c].type, &table->columns[c].categories.n, sizeof(size_t));
    for (size_t i = 0; i < table->columns[c].categories.n; i++) {
      const char *name = br_table_category(table, c, i);
      head = br_hash64(head, name, strlen(name));
    }
  }
  /* Blocks add up, so it does not matter who holds them; each is bound to its place by its first row. */
  double *values;
  BR_TRY(br_memory_alloc(table->largest_block, sizeof *values, "values", &values));
  int64_t sum = 0;
  for (size_t b = 0; b < table->n_blocks; b++) {
    uint64_t hash = table->blocks[b].first;
    for (size_t c = 0; c < table->n_columns; c++) {
      if (table->columns[c].type == BR_COLUMN_TEXT) continue;
      br_table_numbers(table, c, b, values);
      hash = br_hash64(hash, values, table->blocks[b].rows * sizeof *values);
    }
    sum += (int64_t)(hash >> 24); /* 40 bits: room for 2^23 blocks */
  }
  br_memory_free(values);
  BR_TRY(br_comm_sum_i64(comm, &sum, 1));
  *out = br_hash64(head, &sum, sizeof sum);
  return BR_OK;
}
