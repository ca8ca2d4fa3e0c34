/* A learner: one set of weights on its way. With synchronous gradients there is one for the whole cluster; with averaged weights every
 * group of threads has one, which is each of its virtual workers in turn. Private to the room. */
#ifndef TRAIN_LEARNER_H
#define TRAIN_LEARNER_H

#include "train/buckets.h"
#include "train/crew.h"
#include "train/fixed.h"
#include "train/optimiser.h"

#include <bramble/cluster/exact.h>

/* What the training samples gave so far; adds up in any order. */
struct br_tally {
  struct br_sum loss;
  int64_t samples, right;
};
void br_tally_merge(struct br_tally *tally, const struct br_tally *other);

/* Sums between units and ranks, all integers, in one block, the last to be known first: the scalars, the grid (gradients, or weights to be averaged), the pairs
 * of batch-norm statistics. */
struct br_step_sums {
  int64_t *block;
  size_t count;          /* int64 in it */
  int64_t *scalars;      /* BR_SCALAR_ROOM */
  int64_t *grid;         /* graph->trained_floats */
  struct br_pair *pairs; /* graph->statistic_floats: mean, and E[x^2] in the place of the variance */
};
enum { BR_SCALAR_BAD, BR_SCALAR_STOP, BR_SCALAR_SAVE, BR_SCALAR_SAMPLES, BR_SCALAR_RIGHT, BR_SCALAR_LOSS /* a br_sum of 8 */, BR_SCALAR_ROOM = 16 /* so that the grid is aligned */ };
int br_step_sums_open(struct br_step_sums *sums, const struct br_graph *graph);
size_t br_step_sums_bytes(const struct br_graph *graph);
void br_step_sums_close(struct br_step_sums *sums);
/* The tally in and out of the scalars. */
void br_step_sums_put(struct br_step_sums *sums, struct br_tally *tally);
struct br_tally br_step_sums_tally(const struct br_step_sums *sums);

/* What some rank may wish before a step and all know after it. */
struct br_wishes {
  bool stop, save;
};
void br_step_sums_wish(struct br_step_sums *sums, const struct br_wishes *wishes);
struct br_wishes br_step_sums_wishes(const struct br_step_sums *sums);

struct br_learner {
  const struct br_graph *graph;
  const struct br_train_options *options;
  float *trained, *statistics;    /* the blocks it works on; borrowed */
  struct br_optimiser *optimiser; /* borrowed */
  const float *anchor;            /* FedProx: the weights it is pulled to; NULL: none; borrowed */
  float *gradient;                /* of the batch, after summing */
  struct br_step_sums sums;  /* of this rank's units */
  struct br_step_sums total; /* of all ranks: the same, or what the ranks of a machine have in common; borrowed */
  const struct br_comm_common *common; /* has the weights, where the ranks of a machine make an update together; NULL: they do not; borrowed */
  struct br_comm_block block; /* the memory of both, where they are summed as they are */
  struct br_buckets buckets; /* of the sums, where there are several ranks */
  struct br_fixed fixed; /* reduce fixed32, fixed16: the tensors' grids; else empty */
  struct br_tally tally;   /* grows with every step */
  struct br_update update; /* of the step under way */
  double communicate_seconds;
  bool averages;      /* batch norm's moving averages are kept; where the statistics are recalibrated before every use, they are not */
  bool summed_floats; /* the gradient holds the sum already (reduce float), not the grid */
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

/* `comm`: the ranks whose sums its steps are, in br_learner_step; NULL for one whose sums are its own. */
int br_learner_open(struct br_learner *learner, struct br_comm *comm, const struct br_graph *graph, const struct br_train_options *options, struct br_optimiser *optimiser, float *trained, float *statistics);
void br_learner_close(struct br_learner *learner);

/* One step of a learner: its place in the run, and its units, of which this rank runs [mine_first, mine_last). */
struct br_step {
  int64_t first, count; /* units of the whole step, in the order's numbering */
  int64_t mine_first, mine_last;
  uint32_t number; /* steps done before: dropout's counter */
  float lr;
  struct br_wishes wishes; /* this rank's before, of all ranks after it */
};

/* The run that the step's units have in common. */
struct br_run br_learner_run(const struct br_learner *learner, const struct br_order *order, const struct br_step *step);
/* The parts of a step, by every member of a group of threads with its part: sums to zero, the gradients' `grid` only where no unit will set it; the result of the crew's group `group` added, or without
 * `more` the first on the grid; the update
 * from the sums, which are over `units` units. Between them the members meet at a barrier of the caller's. */
void br_learner_clear(struct br_learner *learner, bool grid, struct br_part part);
void br_learner_collect(struct br_learner *learner, const struct br_crew *crew, int group, bool more, int64_t units, struct br_part part);
void br_learner_update(struct br_learner *learner, struct br_barrier *barrier, int64_t units, float lr, struct br_part part);
/* Fails naming the tensor to blame where the last step's sums are bad: some gradient among the crew's groups first .. last - 1 is not a number or too large. */
int br_learner_check(const struct br_learner *learner, const struct br_crew *crew, int first, int last, const struct br_order *order, const struct br_step *step);

/* One whole step on all ranks: the rank's units on the groups of its crew, their sums over ranks, and the update, of which it makes its share. By the
 * thread that owns the communicator. Collective. */
int br_learner_step(struct br_learner *learner, struct br_comm *comm, struct br_crew *crew, const struct br_order *order, struct br_step *step);

#endif
