/* Growing one tree on binned rows that this process holds all of. */
#ifndef BRAMBLE_SRC_TABLE_GROW_H
#define BRAMBLE_SRC_TABLE_GROW_H

#include "bins.h"
#include "trees.h"

enum br__criterion { BR__ENTROPY, BR__GINI, BR__MSE };

/* The rows: bins by feature, and the class or the number to predict of each. Numbers are integers times `unit` plus `middle`. */
struct br__grow_data {
  size_t n, p, n_classes; /* classes: 0 for numbers; at most 65,536 */
  uint16_t *const *bin;
  const struct br__bins *bins;
  const int32_t *class_code;
  const int64_t *number;
  double unit, middle;
};

struct br__grow_settings {
  enum br__criterion criterion;
  int max_depth;
  uint64_t min_rows; /* of a leaf */
  double min_gain;   /* per row, of the impurity */
  size_t features;   /* tried at each node, drawn by node; 0: all */
  bool extra;        /* one random threshold a feature instead of the best */
  uint64_t seed;
  uint32_t tree;     /* number of the tree, for draws */
};

/* The shared state of growing on one set of rows. `rows` may hold repeats (a bootstrap sample). */
struct br__grower;
/* Bytes a grower needs for n entries of p features, of which `features` (0: all) are tried at a node, and `threads` threads. */
size_t br__grower_bytes(size_t n, size_t p, size_t n_classes, size_t features, int threads);
int br__grower_open(const struct br__grow_data *data, const struct br__grow_settings *settings, int threads, size_t capacity, struct br__grower **out);
void br__grower_close(struct br__grower *grower);
/* Takes rows: all (weight NULL), or row i weight[i] times; from a grower `sorted` that holds all (NULL: from the data). `team` NULL: on this thread alone. */
void br__grower_fill(struct br__grower *grower, struct br_team *team, const struct br__grower *sorted, const uint8_t *weight, uint32_t tree);
/* Grows everything below one root on this thread. */
int br__grower_run(struct br__grower *grower, int thread, struct br__nodes *out);
/* The same by all ranks and threads together, every rank holding the same rows; for growers that try all features. Collective. */
int br__grower_run_team(struct br__grower *grower, struct br_comm *comm, struct br_team *team, struct br__nodes *out);

#endif
