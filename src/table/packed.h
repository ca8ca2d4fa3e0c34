/* Binned columns as histograms want them: four features of a byte each, or two of two bytes, side by side in one 32-bit word a row, so that a row
 * is looked up once for all of them. */
#ifndef BRAMBLE_SRC_TABLE_PACKED_H
#define BRAMBLE_SRC_TABLE_PACKED_H

#include "bins.h"

struct br__packed_place {
  uint32_t group, shift, mask; /* bin = word[group][row] >> shift & mask */
};
struct br__packed_bins {
  size_t rows, n_features, n_groups;
  uint32_t **word;                /* [group][row] */
  struct br__packed_place *place; /* [feature] */
};

/* This rank's rows with role TRAIN in row order, and behind them, if `with_test`, those with role TEST. */
int br__packed_bins_make(struct br_team *team, const struct br_task *task, const struct br__bins *bins, bool with_test, struct br__packed_bins *out);
/* Bytes they take. */
size_t br__packed_bins_bytes(const struct br__bins *bins, size_t rows);
void br__packed_bins_free(struct br__packed_bins *packed);

#endif
