/* A learner: one set of weights on its way, with its optimiser, statistics and position in the data. With synchronous gradients there is
 * one for the whole cluster; with averaged weights every virtual worker has one. Private to the room. */
#ifndef TRAIN_LEARNER_H
#define TRAIN_LEARNER_H

#include "train/crew.h"
#include "train/optimiser.h"

/* Sums of one step, all integers, in one block so that one all-reduce carries them: the gradient grid, then the pairs of batch statistics, then
 * the scalars. */
struct br_step_sums {
  int64_t *block;
  size_t count;      /* int64 in it */
  int64_t *grid;     /* graph->trained_floats */
  struct br_pair *pairs; /* graph->statistic_floats: mean, and E[x^2] in the place of the variance */
  int64_t *scalars;
};
enum { BR_SCALAR_BAD, BR_SCALAR_STOP, BR_SCALAR_SAMPLES, BR_SCALAR_RIGHT, BR_SCALAR_LOSS /* a br_sum of 8 */, BR_SCALAR_COUNT = BR_SCALAR_LOSS + 8 };

struct br_learner {
  const struct br_graph *graph;
  const struct br_train_options *options;
  float *trained, *statistics; /* the blocks it works on; borrowed */
  float *gradient;             /* of the batch, after summing */
  struct br_step_sums sums;
  struct br_optimiser optimiser;
  int64_t steps_per_epoch;
  int64_t epoch_samples, epoch_right; /* of the epoch so far */
  struct br_sum *epoch_loss;
  double communicate_seconds;
  bool stop; /* wish of this rank before a step, wish of any rank after it */
};

/* How the samples of a learner's epoch are ordered and cut: unit u of an epoch is positions u m .. u m + m - 1 of the permutation. */
struct br_order {
  uint64_t seed;
  uint32_t epoch;
  uint64_t samples;      /* of the whole epoch */
  const uint64_t *shard; /* the worker's samples, NULL: all of them in stored order */
  int micro_batch;
};
/* Sample numbers of unit `unit`. */
void br_order_unit(const struct br_order *order, int64_t unit, uint64_t *index);

int br_learner_open(struct br_learner *learner, const struct br_graph *graph, const struct br_train_options *options, float *trained, float *statistics);
void br_learner_close(struct br_learner *learner);
/* Bytes br_learner_open takes. */
size_t br_learner_bytes(const struct br_graph *graph, const struct br_train_options *options);

/* One optimiser step on units [first_unit, first_unit + n_units) of the order, of which this rank runs [mine_first, mine_last): forward, backward, sum over `comm`,
 * update. Collective on comm. */
struct br_step_units {
  int64_t first, count;           /* of the whole step */
  int64_t mine_first, mine_last;  /* this rank's */
};
int br_learner_step(struct br_learner *learner, struct br_comm *comm, struct br_crew *crew, const struct br_order *order, const struct br_step_units *units);

#endif
