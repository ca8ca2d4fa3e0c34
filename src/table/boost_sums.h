/* Sums of rows' derivatives by bin, the histograms that boosted trees are grown from. A row adds 16 bytes to one cell of each feature in one
 * vector addition: its first derivative, and its second one together with a count. All are integers, so whoever adds them in whatever
 * order gets the same, and a leaf's are its parent's less its sibling's. */
#ifndef BRAMBLE_SRC_TABLE_BOOST_SUMS_H
#define BRAMBLE_SRC_TABLE_BOOST_SUMS_H

#include "packed.h"

#define BR__DERIVATIVE_BITS 30 /* of the first derivative: at most 2^30 of its units */

/* One row's derivatives, h at least 0 and below 2^(bits of br__cell_form). */
struct br__derivative {
  int32_t g, h;
};

/* A cell: the sum of g, and the number of rows times 2^shift plus the sum of h. */
struct br__cell {
  _Alignas(16) int64_t g;
  int64_t hn;
};
/* How cells of `rows` rows on all ranks are laid out: a count and a sum of h have to fit 63 bits, so h has 30 bits up to 130,000 rows, 23 for a
 * million, 7 for 268 million, which is the most. Errors: BR_ERROR_DATA beyond that. */
struct br__cell_form {
  int shift, h_bits;
};
int br__cell_form(uint64_t rows, struct br__cell_form *out);

static inline int64_t br__cell_rows(const struct br__cell_form *form, int64_t hn) { return hn >> form->shift; }
static inline int64_t br__cell_h(const struct br__cell_form *form, int64_t hn) { return hn & (((int64_t)1 << form->shift) - 1); }

/* Adds n rows to the cells of some features of one group: row order[i] with derivatives learn[i]. lane[k]: where a feature lies in the group's words,
 * and its cells. */
struct br__sum_lane {
  uint32_t shift;
  struct br__cell *cells;
};
void br__sum_rows(const uint32_t *word, uint32_t mask, const struct br__sum_lane *lane, int n_lanes, const uint32_t *order, const struct br__derivative *learn, size_t n, const struct br__cell_form *form);
/* Adds n cells to others that other threads add to at the same time. */
void br__cells_merge(struct br__cell *to, const struct br__cell *from, size_t n);

#endif
