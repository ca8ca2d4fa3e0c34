/* Finding the best split of one node in one feature. Rows of the node lie sorted by bin. */
#ifndef BRAMBLE_SRC_TABLE_SPLIT_H
#define BRAMBLE_SRC_TABLE_SPLIT_H

#include "grow.h"

/* One entry a row: its bin in the high 16 bits, its class in the low ones. */
#define BR__KEY_BIN(key) ((key) >> 16)
#define BR__KEY_CLASS(key) ((key) & 0xFFFFu)

struct br__candidate {
  bool valid, is_set, missing_left;
  int32_t feature;
  uint32_t cut;   /* numbers: the last bin that goes left; sets: how many of the ordered categories */
  int32_t single; /* sets: the one category (bin) that goes left alone, -1: a prefix of the order */
  uint32_t n_left;
  double score;   /* higher is better; comparable within a node */
};

/* Entropy's n log2 n as whole numbers, so that sums in any order are exact: value[n] = round(n log2 n 2^shift), all below 2^52. */
struct br__log_table {
  int shift;
  size_t n;
  double *value, *step; /* step[k] = value[k + 1] - value[k] */
};
int br__log_table_open(size_t n, struct br__log_table *out);
void br__log_table_close(struct br__log_table *table);

struct br__category_segment {
  uint32_t bin, begin, end;
  double order;
};

/* What one thread needs. */
struct br__split_scratch {
  int32_t *count;        /* [classes] of the node */
  int32_t *left, *right; /* [classes] */
  struct br__category_segment *segment; /* [65536] where there are categories */
  uint32_t *key, *row;   /* for partitions, and rows sorted for one node */
  uint32_t *tried;       /* [features]: those of a node */
  uint64_t *entry[2];    /* for sorting rows at a node */
};

struct br__split_node {
  const uint32_t *key, *row; /* the feature's entries of the node */
  uint32_t n;
  int32_t feature;
  bool category;
  const struct br__grow_data *data;
  const struct br__log_table *logs;
  enum br__criterion criterion;
  uint64_t min_rows;
  int32_t top_class;  /* the node's commonest */
  double logs_of_counts; /* sum of value[count] over its classes, for entropy */
  int64_t whole;         /* sum of squares of counts (gini) or of numbers (mse) */
  bool extra;
  uint32_t draw;      /* a random number for `extra` */
};

/* The best split, or valid = false. Ties: the lower bin; missing to the right. */
struct br__candidate br__split_find(const struct br__split_node *node, struct br__split_scratch *scratch);
/* The set of bins that go left, one bit per bin from 0, for a candidate with is_set. */
void br__split_set(const struct br__split_node *node, const struct br__candidate *candidate, struct br__split_scratch *scratch, unsigned char *bits);

#endif
