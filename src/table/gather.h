/* All ranks' training rows in bins on every rank: what exact trees are grown on. */
#ifndef BRAMBLE_SRC_TABLE_GATHER_H
#define BRAMBLE_SRC_TABLE_GATHER_H

#include "grow.h"

struct br__gathered {
  struct br__binned binned;
  int32_t *class_code; /* of classification */
  int64_t *number;     /* of regression: (target - middle) / unit, rounded to nearest */
  double unit, middle;
};
/* Collects the rows with role TRAIN, in the table's order. Collective. */
int br__gather_rows(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br__bins *bins, struct br__gathered *out);
/* Joins the ranks' parts of one array of elements of `element` bytes, in rank order, on all ranks: *block (a block of br_memory_alloc with `mine` of them) is
 * replaced by one of `all`. Collective. */
int br__join_ranks(struct br_comm *comm, void *block, size_t mine, size_t all, size_t element);
void br__gathered_free(struct br__gathered *gathered);

#endif
