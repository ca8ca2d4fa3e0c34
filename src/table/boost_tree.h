/* Growing one boosted tree on rows that are spread over ranks: what boost.c asks for once a round and class. */
#ifndef BRAMBLE_SRC_TABLE_BOOST_TREE_H
#define BRAMBLE_SRC_TABLE_BOOST_TREE_H

#include "boost_split.h"
#include "trees.h"

struct br__booster_settings {
  int max_depth;
  size_t max_leaves; /* 0: by levels, as deep as max_depth; otherwise the best leaf is split next until there are so many */
  double rate;
  double columns;    /* share of the features drawn for each tree */
  uint64_t seed;
  double quantile;   /* above 0: leaves' values are that quantile of target less score of their rows */
  const double *target;
  struct br__boost_rule rule; /* its units are set by br__booster_grow */
};

/* The room for growing trees on this rank's rows; everything is borrowed. */
struct br__booster;
int br__booster_open(const struct br__packed_bins *packed, const struct br__bins *bins, const struct br__booster_settings *settings, int threads, struct br__booster **out);
void br__booster_close(struct br__booster *booster); /* NULL does nothing */
/* Bytes a booster takes for n rows. */
size_t br__booster_bytes(size_t n, const struct br__bins *bins, const struct br__booster_settings *settings);

/* Grows tree number `tree` and adds its leaves' values to score[row] of all rows. row_order lists all rows, those that are learned from first, of
 * which there are n_active; derivative[row] is read for these. Collective. */
int br__booster_grow(struct br__booster *booster, struct br_comm *comm, struct br_team *team, uint32_t tree, const uint32_t *row_order, size_t n_active, const struct br__derivative *derivative, double unit_g, double unit_h, double *score, struct br__nodes *out);

#endif
