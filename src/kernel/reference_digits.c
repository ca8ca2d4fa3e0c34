/* The naive twins of digits.h. */
#include "reference.h"

#include <math.h>
#include <string.h>

void br_ref_digits_of_stored(const struct br_stored *stored, const uint8_t *kind, uint8_t wanted, int32_t *low, int32_t *high, size_t n) {
  for (size_t i = 0; i % BR_DIGIT_GROUP || i < n; i++) {
    uint64_t item = 0;
    bool counts = i < n && kind[i] == wanted;
    if (counts && stored->bytes) memcpy(&item, (const uint8_t *)stored->items + i * (size_t)stored->bytes, (size_t)stored->bytes); /* the lowest bytes first, as in memory */
    const int64_t x = counts ? (int64_t)(item * (uint64_t)stored->factor + (uint64_t)stored->offset) : 0;
    const int64_t middle = (int64_t)1 << (BR_DIGIT_BITS - 1), least = ((x + middle) & (((int64_t)1 << BR_DIGIT_BITS) - 1)) - middle;
    low[i] = high ? (int32_t)least : (int32_t)x;
    if (high) high[i] = (int32_t)((x - least) >> BR_DIGIT_BITS);
  }
}

void br_ref_digits_of_doubles(const double *x, double up, double more, const uint8_t *kind, uint8_t wanted, int32_t *low, int32_t *high, size_t n) {
  for (size_t i = 0; i % BR_DIGIT_GROUP || i < n; i++) {
    const double number = i < n && kind[i] == wanted ? rint(x[i] * up * more) : 0, upper = rint(ldexp(number, -BR_DIGIT_BITS));
    low[i] = (int32_t)(number - ldexp(upper, BR_DIGIT_BITS));
    high[i] = (int32_t)upper;
  }
}

void br_ref_digit_products(const int32_t *x, size_t stride, size_t n, size_t rows, int64_t *sum) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {
      sum[i * (i + 1) / 2 + j] = 0;
      for (size_t r = 0; r < rows; r++) sum[i * (i + 1) / 2 + j] += (int64_t)x[i * stride + r] * x[j * stride + r];
    }
}
