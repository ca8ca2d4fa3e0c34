/* LIBSVM text (SVMlight's): a line is a label and pairs of index:value with rising indices; what has no pair is 0. As a table it is the column `label` and one
 * number column for every index up to the largest, called f1, f2, ... (f0 first where an index is 0). '#' begins a comment; empty lines are no rows. */
#ifndef BRAMBLE_SRC_TABLE_LIBSVM_H
#define BRAMBLE_SRC_TABLE_LIBSVM_H

#include "slice.h"

#define BR__LIBSVM_MOST_INDEX 1000000

/* The path behind "libsvm:", which says what a file is; NULL where it does not begin so. */
const char *br__libsvm_path(const char *path);
/* Whether the beginning of a file (`complete`: all of it) looks like it: its first lines are a number and pairs, and there is a pair. */
bool br__libsvm_sniff(const unsigned char *text, size_t bytes, bool complete);

/* What a file holds, as far as it has been looked through. */
struct br__libsvm_extent {
  int64_t rows, least, most; /* indices; least > most: there are none */
};
/* Widens the extent by one line; what is wrong in it is left for the reading. */
void br__libsvm_measure(const unsigned char *text, size_t from, size_t to, struct br__libsvm_extent *extent);

/* What one thread has parsed of a slice. */
struct br__libsvm;
void br__libsvm_close(struct br__libsvm *parsed);
/* Parses the slice's lines, as the slicer lists them; *rows: how many are rows. The labels lie where `marks` say, as in a scan of CSV: two a row. Lines that are
 * wrong are left in the slice as errors, or counted. Errors: BR_ERROR_MEMORY. */
int br__libsvm_take(struct br__slicer *slicer, struct br__slice *slice, size_t *rows, const uint32_t **marks);
/* The values of one kept column that is not the label into the slicer's digits and scale. */
void br__libsvm_column(const struct br__slicer *slicer, size_t column, size_t rows);

#endif
