/* A table: columns of numbers and categories read from CSV files by all threads of all ranks.
 *
 * A file is cut into slices of a fixed number of bytes; the rows that begin in a slice are a block, so blocks depend on the file
 * alone and not on who reads them. Each rank holds the blocks of its slices. Columns are packed: decimal numbers as
 * unsigned integers of 1, 2 or 4 bytes with a base and a power of ten, exactly; only numbers that do not fit are doubles. A value
 * leaves the table as the double nearest to what the file says, NaN where it is missing. */
#ifndef BRAMBLE_TABLE_TABLE_H
#define BRAMBLE_TABLE_TABLE_H

#include <bramble/base/thread.h>
#include <bramble/cluster/comm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum br_column_type {
  BR_COLUMN_AUTO,    /* in options: found from the whole column */
  BR_COLUMN_NUMBER,
  BR_COLUMN_CATEGORY,
  BR_COLUMN_DATE,    /* seconds since 1970-01-01 00:00, written in ISO form */
  BR_COLUMN_TEXT     /* more than BR_CATEGORY_LIMIT different texts: present, but of no use to a model */
};
#define BR_CATEGORY_LIMIT 1000000

/* "number", "category", "date", "text"; "auto". */
const char *br_column_type_name(enum br_column_type type);

/* A type fixed for a column by name (`--types zip=category`, or a model's). */
struct br_column_choice {
  const char *name;
  enum br_column_type type;
  const char *format; /* of a date, as of strptime; NULL: ISO */
};

struct br_csv_options {
  const char *text;        /* NULL: the file of `path`; else this is the file, ending with a 0, and `path` its name in messages */
  const char *path;        /* a file, or a pattern such as part-*.csv, with "libsvm:" before it or not: files are read in the order of their names as one table */
  char separator;          /* 0: sniffed */
  int header;              /* 1 first record holds names, 0 it does not, -1 guessed */
  const char *const *wanted; /* columns to keep; NULL: all */
  size_t n_wanted;
  const struct br_column_choice *choices;
  size_t n_choices;
  bool skip_bad_rows;      /* rows with another number of fields are counted and left out; otherwise they are an error */
  bool lenient;            /* wanted or chosen columns that the file lacks are left out: who needs them says so better */
  size_t slice_bytes;      /* 0: 256 KiB; tests use small ones */
};

struct br_table;

/* Reads the columns. LIBSVM text (known by its look, or by "libsvm:" before the path) is the column `label` and number columns f1, f2, ... up to the largest index
 * in the file or among the wanted columns; what a line does not have is 0. Types are those of the whole column: a column is a number where every value that is not missing is one.
 * Files: plain or gzip (decompressed in memory by every rank); a pipe is read once, by one rank alone.
 * Errors: BR_ERROR_DATA naming file, row and column (LIBSVM: line); BR_ERROR_MEMORY. The options are borrowed for the call. Collective. */
int br_table_read_csv(struct br_comm *comm, struct br_team *team, const struct br_csv_options *options, struct br_table **out);
void br_table_close(struct br_table *table); /* NULL does nothing */

/* How the file was understood. */
char br_table_separator(const struct br_table *table);
bool br_table_has_header(const struct br_table *table);
bool br_table_is_libsvm(const struct br_table *table);
uint64_t br_table_bad_rows(const struct br_table *table); /* left out, on all ranks */

/* Columns: those kept, in file order. Names without a header are c1, c2, ... */
size_t br_table_columns(const struct br_table *table);
const char *br_table_name(const struct br_table *table, size_t column);
enum br_column_type br_table_type(const struct br_table *table, size_t column);
/* The column of that name; BR_ERROR_DATA naming the nearest one if there is none. */
int br_table_find(const struct br_table *table, const char *name, size_t *column);
/* Categories of a column in byte order of their texts: code c is text c. 0 for numbers. */
size_t br_table_categories(const struct br_table *table, size_t column);
const char *br_table_category(const struct br_table *table, size_t column, size_t code);
/* Why a column is no number: the first text in it and its row (counted from 1); NULL if it is one. */
const char *br_table_first_text(const struct br_table *table, size_t column, uint64_t *row);

/* Rows on all ranks, and this rank's blocks. Row numbers count from 0 over the whole table, in file order. */
uint64_t br_table_rows(const struct br_table *table);
size_t br_table_blocks(const struct br_table *table);
size_t br_table_block_rows(const struct br_table *table, size_t block);
uint64_t br_table_block_first(const struct br_table *table, size_t block);
size_t br_table_largest_block(const struct br_table *table); /* rows, on this rank */

/* The values of a block: out has room for its rows. Numbers and dates as doubles (NaN: missing), categories as codes (-1: missing).
 * A category column asked for numbers gives its codes, and a number column must not be asked for codes. Thread-safe. */
void br_table_numbers(const struct br_table *table, size_t column, size_t block, double *out);
void br_table_codes(const struct br_table *table, size_t column, size_t block, int32_t *out);

/* How a block of a number column is stored: 0 as doubles, otherwise as whole multiples of 10^-*scale between *low and *high (low > high:
 * all missing), which br_table_decimals gives, with INT64_MIN where missing. Not for categories. */
bool br_table_is_decimal(const struct br_table *table, size_t column, size_t block, int *scale, int64_t *low, int64_t *high);
void br_table_decimals(const struct br_table *table, size_t column, size_t block, int64_t *out);

/* A fingerprint of names, types, categories and all values, the same on any number of ranks. Collective. */
int br_table_fingerprint(struct br_comm *comm, const struct br_table *table, uint64_t *out);

#endif
