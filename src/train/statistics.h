/* Batch-norm statistics: pooled exactly over units, ranks and workers, into running averages or, recalibrated, into plain ones. */
#ifndef TRAIN_STATISTICS_H
#define TRAIN_STATISTICS_H

#include "train/crew.h"
#include <bramble/cluster/exact.h>

/* Adds `weight` times a unit's or worker's statistics block (means and biased variances) to pairs of the same layout, E[x^2] in the place of variances. The
 * part's share. */
void br_statistics_add(const struct br_graph *graph, const float *unit, double weight, struct br_pair *pairs, struct br_part part);
/* Mean and biased variance over units of together `units` weight from their pooled pairs, the between-unit term included; blended into `running`:
 * running = keep running + (1 - keep) pooled, keep from each batch norm's momentum (replace: keep 0). The part's share. */
void br_statistics_blend(const struct br_graph *graph, const struct br_pair *pairs, double units, bool replace, float *running, struct br_part part);

/* Replaces `running` by the exact statistics of the training samples 0 .. samples - 1 of `order`, run in units of the crew's size with batch statistics
 * upstream as in training. The crew is in BR_EXEC_STATS mode. Collective. */
int br_statistics_recalibrate(struct br_comm *comm, struct br_crew *crew, const float *trained, float *running, uint64_t data_samples, int samples, const double *speed);

#endif
