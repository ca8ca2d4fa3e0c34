/* Small symmetric systems in 113 bits: what linear models need after their exact sums. */
#ifndef BRAMBLE_SRC_TABLE_SOLVE_H
#define BRAMBLE_SRC_TABLE_SOLVE_H

#include "gram.h"

/* The least squares solution of the normal equations A b = c, A n x n of stride `stride` (its diagonal raised by `ridge`), by Cholesky
 * with the largest remaining pivot first. A column whose rest, after the columns before it explain it, is below 10^-24 of its own square
 * (it equals a combination of them to 12 digits) is left out: excluded[i] is true and b[i] 0. inverse_diagonal (NULL: not wanted): of the inverse of A (over the
 * columns kept). Why 113 bits: a condition number is squared by the normal equations, so exact sums and 113 bits leave what a
 * factorisation of the data in double would at best, without a second pass; n is small, and software arithmetic is the same everywhere.
 * Errors: BR_ERROR_MEMORY. */
int br__solve(const br__wide *A, size_t stride, size_t n, const br__wide *c, double ridge, br__wide *b, br__wide *inverse_diagonal, bool *excluded);

#endif
