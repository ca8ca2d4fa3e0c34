/* Means and products of columns, exact whatever the order of rows, threads and ranks. */
#ifndef BRAMBLE_SRC_TABLE_GRAM_H
#define BRAMBLE_SRC_TABLE_GRAM_H

#include <bramble/table/rows.h>

typedef _Float128 br__wide; /* 113 bits, the same in software on every machine */

/* One column of the design: a number column as it is (category -1), or whether a category column has that code. */
struct br__term {
  size_t column;
  int32_t category;
};

struct br__gram {
  size_t n;        /* terms */
  uint64_t rows;
  br__wide *mean;  /* n */
  br__wide *cross; /* n x n: sums of (x_i - mean_i)(x_j - mean_j) */
};

/* Sums over the rows with role TRAIN into out[0] and with role TEST into out[1] in one pass. Rows where a term is missing must have role OUT.
 *
 * Every value becomes an integer times a unit of its column: a power of ten where all values of the column are decimals of at most 53 bits, and
 * that is exact; otherwise 2^-53 of the power of two above the column's largest value, to which values are rounded once. Integers are taken from the
 * middle of the column's range and cut into one or two digits of 27 bits; the products of digits over 1,024 rows stay below 2^63 (digits.h), so 64-bit sums
 * hold them, and 128-bit sums hold 2^64 times as many. Nothing is rounded until the sums of all ranks are together, and then once.
 * Errors: BR_ERROR_DATA naming a column with infinite values; BR_ERROR_MEMORY. Collective. */
int br__gram_compute(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows *rows, const struct br__term *terms, size_t n_terms, struct br__gram out[2]);
void br__gram_free(struct br__gram *gram);

#endif
