/* The best split of one leaf in one feature, from its sums. */
#ifndef BRAMBLE_SRC_TABLE_BOOST_SPLIT_H
#define BRAMBLE_SRC_TABLE_BOOST_SPLIT_H

#include "boost_sums.h"

/* What a leaf's value may be: monotone constraints narrow it from the root down. */
struct br__bounds {
  double low, high;
};

struct br__boost_rule {
  struct br__cell_form form;
  double unit_g, unit_h;
  uint64_t min_rows; /* of a leaf */
  double min_gain, l1, l2;
  const signed char *monotone; /* [feature]: 1 the answer must not fall where the feature rises, -1 not rise, 0 free; NULL: all free */
};

struct br__choice {
  bool valid, missing_left;
  int32_t feature;
  uint32_t cut; /* numbers: the last bin on the left; categories: how many of the ordered ones */
  double gain;
  struct br__cell left;
};

/* A category of one leaf and what it is ordered by. */
struct br__ordered {
  double value;
  uint32_t bin;
};

/* The leaf's value before shrinkage: -G / (H + l2), G brought nearer to 0 by l1. */
double br__leaf_value(const struct br__boost_rule *rule, const struct br__cell *total, struct br__bounds bounds);
/* Ties go to the lower cut, then to missing values on the right. `ordered` has room for the feature's categories. */
struct br__choice br__choose_split(const struct br__boost_rule *rule, const struct br__feature_bins *bins, int32_t feature, const struct br__cell *cells, const struct br__cell *total, struct br__bounds bounds, struct br__ordered *ordered);
/* The bins of a category feature that rows of the leaf have, in the order in which they are cut. Returns how many. */
size_t br__order_categories(const struct br__boost_rule *rule, const struct br__cell *cells, uint32_t n, struct br__ordered *out);

#endif
