/* Sums of products of whole numbers, exact: what Gram matrices of tables are made of. A number becomes one or two digits of base 2^27, low + 2^27 high, with signs
 * of their own: low from -2^26 to 2^26, and |high| at most 2^26 + 1 for numbers up to 2^53. So a product of digits is at most 2^52 + 2^27 + 1, and the sum of
 * BR_DIGIT_ROWS products stays below 2^63: nothing overflows, and nothing is rounded. */
#ifndef BRAMBLE_KERNEL_DIGITS_H
#define BRAMBLE_KERNEL_DIGITS_H

#include <stddef.h>
#include <stdint.h>

#define BR_DIGIT_BITS 27
#define BR_DIGIT_ROWS 1024
/* A row of digits has room for a multiple of this; what lies behind its n numbers is 0. */
#define BR_DIGIT_GROUP 16

/* Whole numbers as a table stores them: item * factor + offset, modulo 2^64. Items are unsigned, of `bytes` bytes each: 1, 2, 4, or 0 where all items are 0 and
 * there are none in memory. */
struct br_stored {
  const void *items;
  int bytes;
  int64_t factor, offset;
};

/* The digits of n numbers; 0 where kind[i] is not `wanted`. high NULL: one digit, for numbers up to 2^26. */
void br_digits_of_stored(const struct br_stored *stored, const uint8_t *kind, uint8_t wanted, int32_t *low, int32_t *high, size_t n);

/* The digits of x[i] * up * more rounded to the nearest whole number (even ones at a tie), which must be at most 2^53; 0 where kind[i] is not `wanted`, whatever x[i] is. */
void br_digits_of_doubles(const double *x, double up, double more, const uint8_t *kind, uint8_t wanted, int32_t *low, int32_t *high, size_t n);

/* sum[i (i + 1) / 2 + j] = the sum over r of x[i stride + r] * x[j stride + r] for all j <= i < n; `rows` is at most BR_DIGIT_ROWS, and row groups are full
 * (zeros behind the last). */
void br_digit_products(const int32_t *x, size_t stride, size_t n, size_t rows, int64_t *sum);

#endif
