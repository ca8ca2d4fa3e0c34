/* The inner loop of boosting: one load of a word a row gives the bins of up to four features. */
#include <bramble/base/error.h>

#include "boost_sums.h"

#define AHEAD 24 /* rows: the words of a small leaf's rows lie far apart */

typedef int64_t pair __attribute__((vector_size(16), may_alias));
typedef int32_t narrow __attribute__((vector_size(8), may_alias));

int br__cell_form(uint64_t rows, struct br__cell_form *out) {
  int count = 1;
  while (count < 63 && (uint64_t)1 << count <= rows) count++;
  if (count > 28) BR_FAIL(BR_ERROR_DATA, "boosting on %llu rows: at most 268435455 are possible; train on a part of them with --split", (unsigned long long)rows);
  out->h_bits = 63 - 2 * count < 30 ? 63 - 2 * count : 30;
  out->shift = out->h_bits + count;
  return BR_OK;
}

static inline __attribute__((always_inline)) void add_rows(const uint32_t *word, uint32_t mask, const struct br__sum_lane *lane, const int n_lanes, const int width, const uint32_t *order, const struct br__derivative *learn, size_t n, const struct br__cell_form *form) {
  const pair one = {0, (int64_t)1 << form->shift};
  struct br__sum_lane l[4];
#pragma GCC unroll 4
  for (int k = 0; k < n_lanes; k++) l[k] = lane[k];
  for (size_t i = 0; i < n; i++) {
    uint32_t w = word[order[i]];
    __builtin_prefetch(&word[order[i + AHEAD < n ? i + AHEAD : i]]);
    pair v = __builtin_convertvector(*(const narrow *)&learn[i], pair) + one;
#pragma GCC unroll 4
    for (int k = 0; k < n_lanes; k++) {
      uint32_t bin = w >> (width ? (uint32_t)(width * k) : l[k].shift) & mask;
      *(pair *)&l[k].cells[bin] += v;
    }
  }
}

void br__sum_rows(const uint32_t *word, uint32_t mask, const struct br__sum_lane *lane, int n_lanes, const uint32_t *order, const struct br__derivative *learn, size_t n, const struct br__cell_form *form) {
  bool bytes = mask == 0xFF;
  if (bytes && n_lanes == 4)
    add_rows(word, 0xFF, lane, 4, 8, order, learn, n, form);
  else if (!bytes && n_lanes == 2)
    add_rows(word, 0xFFFF, lane, 2, 16, order, learn, n, form);
  else if (n_lanes == 3)
    add_rows(word, mask, lane, 3, 0, order, learn, n, form);
  else if (n_lanes == 2)
    add_rows(word, mask, lane, 2, 0, order, learn, n, form);
  else
    add_rows(word, mask, lane, 1, 0, order, learn, n, form);
}

void br__cells_merge(struct br__cell *to, const struct br__cell *from, size_t n) {
  for (size_t c = 0; c < n; c++) {
    if (from[c].hn == 0) continue;
    __atomic_fetch_add(&to[c].g, from[c].g, __ATOMIC_RELAXED);
    __atomic_fetch_add(&to[c].hn, from[c].hn, __ATOMIC_RELAXED);
  }
}
