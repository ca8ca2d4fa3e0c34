/* Means, deviations and largest values of columns, for models that want their inputs scaled. */
#ifndef BRAMBLE_SRC_TABLE_MOMENTS_H
#define BRAMBLE_SRC_TABLE_MOMENTS_H

#include <bramble/table/train.h>

/* The mean and the standard deviation (of the population; 1 for a column that is constant) of each of `columns`, which are no categories, over the rows
 * with role TRAIN, which must not lack them. Exact sums: the same bits on any number of ranks and threads.
 * Errors: BR_ERROR_DATA naming a column with infinite values; BR_ERROR_MEMORY. Collective. */
int br__moments(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows *rows, const size_t *columns, size_t n, double *mean, double *deviation);

/* The same of a task's number features, into [features]; categories have mean 0 and deviation 1. */
int br__feature_moments(struct br_comm *comm, struct br_team *team, const struct br_task *task, double *mean, double *deviation);

/* The largest of all ranks' *x, which must not be negative. Collective. */
int br__largest(struct br_comm *comm, double *x);

#endif
