/* Decision trees as arrays of nodes: one tree, a forest or boosted trees. */
#ifndef BRAMBLE_SRC_TABLE_TREES_H
#define BRAMBLE_SRC_TABLE_TREES_H

#include "model.h"

/* One node while a tree grows; children are numbers of nodes in the same list, 0 for a leaf (the root is no child). */
struct br__node {
  int32_t feature; /* -1: leaf */
  uint8_t missing_left;
  uint8_t is_set; /* categories: left where its bit in the set is 1 */
  int32_t left, right;
  double threshold; /* numbers: left where x <= threshold */
  uint64_t set;     /* where its set begins in `sets`, in bytes */
  uint64_t rows;
  double gain;      /* what the split took off the impurity, times rows */
  double value;     /* leaves of regression */
  uint64_t counts;  /* leaves of classification: where their counts begin, and how many classes they have */
  uint32_t n_counts;
  uint32_t reserved;
};
struct br__count {
  int32_t class_code, rows;
};

/* A list of nodes that grows, with the sets and counts they point to. Zeroed is empty. */
struct br__nodes {
  struct br__node *node;
  size_t n, capacity;
  struct br__count *count;
  size_t n_counts, count_capacity;
  unsigned char *sets;
  size_t set_bytes, set_capacity;
};
int br__nodes_add(struct br__nodes *nodes, const struct br__node *node, int32_t *number);
int br__nodes_add_count(struct br__nodes *nodes, int32_t class_code, int32_t rows);
int br__nodes_add_set(struct br__nodes *nodes, const unsigned char *set, size_t bytes, uint64_t *at);
/* Copies the subtree `root` of `from` to the end of `to`, parents before children, left before right; *number: its root there. */
int br__nodes_copy(struct br__nodes *to, const struct br__nodes *from, int32_t root, int32_t *number);
void br__nodes_free(struct br__nodes *nodes);
/* One tree of a model as a list again. */
struct br__trees;
int br__trees_take(const struct br__trees *trees, size_t tree, struct br__nodes *out);
/* Brings lists that some rank has filled to all ranks. Collective. */
int br__nodes_share(struct br_comm *comm, struct br__nodes *lists, size_t n_lists);

/* The body of a model: all trees' nodes one after another. */
struct br__trees {
  size_t n_trees, n_nodes, n_counts, set_bytes;
  bool mapped;        /* the arrays are those of the model's file, not to be written or freed */
  int32_t *root;      /* [n_trees] */
  int32_t *feature;   /* [n_nodes], and so on */
  double *threshold;
  int32_t *left, *right;
  unsigned char *flags; /* BR__MISSING_LEFT, BR__IS_SET */
  int64_t *rows;
  double *gain, *value;
  int64_t *set;       /* [n_nodes]: first byte of the node's set */
  unsigned char *sets;
  int64_t *first_count; /* [n_nodes + 1] */
  int32_t *counts;      /* [2 n_counts]: class, rows */
};
enum { BR__MISSING_LEFT = 1, BR__IS_SET = 2 };

/* Turns lists, one per tree, into arrays; set_bytes of a feature are (categories + 7) / 8. */
int br__trees_make(const struct br__nodes *lists, size_t n_trees, struct br__trees **out);
void br__trees_free(struct br__trees *trees);
/* The leaf a row falls into. */
int32_t br__tree_leaf(const struct br__trees *trees, size_t tree, const double *x);
/* Where a row goes at a node that is no leaf. */
bool br__tree_goes_left(const struct br__trees *trees, int32_t node, const double *x);
/* Depth of a tree (a single leaf: 0) and its leaves. */
void br__tree_size(const struct br__trees *trees, size_t tree, size_t *depth, size_t *leaves);

size_t br__trees_tensors(const struct br__trees *trees, struct br_tensor_entry *entries);
/* The trees of a file, which must stay open as long as they are in use. */
int br__trees_load(const struct br_table_model *model, const struct br_safetensors *file, struct br__trees **out);
/* Adds leaves, depth, nodes and importances (shares of the gain, by feature) to a description. */
void br__trees_describe(const struct br_table_model *model, const struct br__trees *trees, json_t *into);
/* One tree as indented lines. */
char *br__tree_text(const struct br_table_model *model, const struct br__trees *trees, size_t tree, size_t most_lines);

#endif
