/* What reader.c, dictionary.c, column.c and table.c of this room share: the table's inside. */
#ifndef BRAMBLE_SRC_TABLE_TABLE_H
#define BRAMBLE_SRC_TABLE_TABLE_H

#include "steps.h"

#include <bramble/kernel/digits.h>
#include <bramble/table/table.h>

/* --- packed columns (column.c) --- */

enum br__form { BR__EMPTY, BR__U8, BR__U16, BR__U32, BR__F64 };

/* One column of one block. Integers are stored as value - base + 1, and 0 is missing; doubles have NaN for it. */
struct br__packed {
  uint8_t form, scale;
  int64_t base, high; /* smallest and largest integer stored (U forms) */
  size_t offset;      /* of the values in the block's data */
};

/* One value as parsed, before packing: what `scale` says about `bits`. */
enum { BR__SCALE_FLOAT = -1, BR__SCALE_MISSING = -2 };
/* Chooses the form for `rows` values; returns the bytes it needs. Rescales `digits` to one common scale in place. */
size_t br__pack_plan(int64_t *digits, int8_t *scale, size_t rows, struct br__packed *packed);
void br__pack(const int64_t *digits, const int8_t *scale, size_t rows, const struct br__packed *packed, void *out);
/* `rows` values of a block from its row `first` on, as br_table_numbers and br_table_codes give them. */
void br__table_numbers_part(const struct br_table *table, size_t column, size_t block, size_t first, size_t rows, double *out);
void br__table_codes_part(const struct br_table *table, size_t column, size_t block, size_t first, size_t rows, int32_t *out);
/* How a decimal block is stored from its row `first` on, in units of 10^-scale (at least the block's own scale); what stands for missing values gives some number. */
void br__table_stored(const struct br_table *table, size_t column, size_t block, size_t first, int scale, struct br_stored *out);
/* Category codes: id + 1 per row, 0 missing. */
size_t br__pack_codes_plan(const uint32_t *codes, size_t rows, struct br__packed *packed);
void br__pack_codes(const uint32_t *codes, size_t rows, const struct br__packed *packed, void *out);

/* --- dictionaries (dictionary.c) --- */

/* A set of texts with numbers in order of arrival: one per thread and category column while reading. */
struct br__dictionary {
  char *text;          /* all texts, one after another, each with a 0 behind it */
  size_t text_used, text_capacity;
  uint64_t *at;        /* text i begins at at[i] */
  uint32_t *slot;      /* hash table: id + 1, 0 free */
  size_t n, capacity, slots;
};
/* The number of a text, added if it is new; UINT32_MAX when the dictionary is full (BR_CATEGORY_LIMIT + 1 texts). Errors: BR_ERROR_MEMORY. */
int br__dictionary_add(struct br__dictionary *dictionary, const char *text, size_t length, uint32_t *id);
void br__dictionary_free(struct br__dictionary *dictionary);

/* The categories of one column on all ranks, sorted. */
struct br__categories {
  char *text;
  uint64_t *at;
  size_t n;
  int32_t **map; /* [thread][id of that thread's dictionary] = code, -1 unused */
};
/* Makes the categories from all ranks' thread dictionaries; used[t][id] says which texts rows really have (NULL: all). Sets *full
 * where there are more than BR_CATEGORY_LIMIT. Collective. */
int br__categories_merge(struct br_comm *comm, struct br__dictionary *const *dictionaries, unsigned char *const *used, size_t threads, struct br__categories *out, bool *full);
void br__categories_free(struct br__categories *categories, size_t threads);

/* --- the table --- */

struct br__block {
  uint64_t first;
  uint32_t rows;
  uint32_t thread;           /* whose dictionaries its codes speak of */
  struct br__packed *packed; /* one per column; the start of the block's memory */
  unsigned char *data;
  size_t bytes;
};

struct br__column {
  char *name;
  enum br_column_type type;
  struct br__categories categories;
  char *first_text;
  uint64_t first_text_row;
  bool filled; /* missing values are read as `fill` */
  double fill;
};

struct br_table {
  struct br__column *columns;
  size_t n_columns;
  struct br__block *blocks;
  size_t n_blocks, threads, largest_block;
  uint64_t rows, bad_rows;
  char separator;
  bool header, libsvm;
  char **file_names;      /* of all columns of the file, for messages */
  size_t n_file_names;
  struct br__steps steps; /* that made columns of it beside the file's */
};

/* Adds number columns to all blocks: values(arg, thread, block, out) writes the block's rows of each new column, NaN where missing. Whole numbers are
 * packed like any others. Collective. */
int br__table_add_columns(struct br_comm *comm, struct br_team *team, struct br_table *table, const char *const *names, size_t n, void (*values)(void *arg, int thread, size_t block, double *const *out), void *arg);
/* BR_OK if the table or its file has a column of that name; else BR_ERROR_DATA naming the nearest. */
int br__table_check_name(const struct br_table *table, const char *name);
/* What missing values of a column are read as from now on: a number, or a code; NaN: missing. */
void br__table_fill(struct br_table *table, size_t column, double value);

#endif
