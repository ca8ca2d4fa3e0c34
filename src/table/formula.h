/* A formula on the rows of one table. A comparison with a missing value is neither true nor false but missing, as in SQL; `and` and `or` are true or
 * false where one side decides; what is divided by 0 is missing. */
#ifndef BRAMBLE_SRC_TABLE_FORMULA_H
#define BRAMBLE_SRC_TABLE_FORMULA_H

#include <bramble/base/expression.h>
#include <bramble/table/table.h>

struct br__formula;

/* Finds the columns; the expression and the table are borrowed. Categories are compared with texts for equality, dates with ISO dates.
 * Errors: BR_ERROR_USAGE naming the place: a column that is not there (with the nearest), a text where a number is needed. Not collective. */
int br__formula_open(const struct br_expression *expression, const struct br_table *table, struct br__formula **out);
void br__formula_close(struct br__formula *formula); /* NULL does nothing */

/* Doubles of scratch for one thread. */
size_t br__formula_scratch(const struct br__formula *formula);
/* The values of a block's rows: numbers, 1 and 0 for true and false, NaN for missing. Thread-safe with scratch of one's own. */
void br__formula_block(const struct br__formula *formula, size_t block, double *scratch, double *out);

#endif
