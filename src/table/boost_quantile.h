/* Exact quantiles of what is left of targets, leaf by leaf, over rows on all ranks: the leaf values of the pinball loss. */
#ifndef BRAMBLE_SRC_TABLE_BOOST_QUANTILE_H
#define BRAMBLE_SRC_TABLE_BOOST_QUANTILE_H

#include "bins.h"

/* This rank's rows of one leaf. */
struct br__leaf_rows {
  const uint32_t *row;
  size_t n;
};
/* value[leaf]: the smallest target[row] - score[row] that at least a share `quantile` of the leaf's rows do not exceed; 0 for a leaf without rows.
 * Collective. */
int br__leaf_quantiles(struct br_comm *comm, struct br_team *team, const struct br__leaf_rows *leaf, size_t n_leaves, const double *target, const double *score, double quantile, double *value);

#endif
