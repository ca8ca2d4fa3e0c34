/* Cutting a grown tree back: to so many leaves, and to where its splits are worth it. */
#ifndef BRAMBLE_SRC_TABLE_PRUNE_H
#define BRAMBLE_SRC_TABLE_PRUNE_H

#include "trees.h"

/* Makes the tree that would have come of splitting the node of the largest gain next until there were `most_leaves` (0: all of them), and of that the
 * subtree with the least impurity plus `alpha` a leaf (minimal cost-complexity pruning, Breiman et al. 1984; impurity is per row of all `rows`).
 * *tree is replaced. n_classes: 0 for numbers. */
int br__nodes_prune(struct br__nodes *tree, size_t most_leaves, double alpha, double rows, size_t n_classes);

#endif
