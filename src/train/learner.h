/* A learner: one set of weights on its way. With synchronous gradients there is one for the whole cluster; with averaged weights every
 * group of threads has one, which is each of its virtual workers in turn. Private to the room. */
#ifndef TRAIN_LEARNER_H
#define TRAIN_LEARNER_H

#include "train/buckets.h"
#include "train/crew.h"
#include "train/fixed.h"
#include "train/optimiser.h"
#include "train/sums.h"

/* Where a learner's sums are made. */
struct br_sums_place {
  bool gifts;          /* the update reads what its ranks give (sums.h); false: every rank sums all its units on a grid, and messages these; the rest is nothing then */
  struct br_part rank; /* this one among those */
  int groups;          /* of the rank with the most */
  bool grid;           /* some rank has more units a step than groups */
  void *memory;        /* br_sums_place_bytes that the ranks have in common, zeros; borrowed; NULL: one rank, with memory of its own */
};
size_t br_sums_place_bytes(const struct br_sums_place *place, const struct br_graph *graph);

struct br_learner {
  const struct br_graph *graph;
  const struct br_train_options *options;
  float *trained, *statistics;    /* the blocks it works on; borrowed */
  struct br_optimiser *optimiser; /* borrowed */
  const float *anchor;            /* FedProx: the weights it is pulled to; NULL: none; borrowed */
  float *gradient;                /* of the batch, after summing; where the ranks have their gifts in common, this too, and each sets its share */
  struct br_sums_place place;
  struct br_step_sums sums;  /* of this rank's units */
  struct br_step_sums total; /* of all ranks; of gifts without the grid, which is nowhere */
  struct br_gift *gift;      /* of each rank of the place, this one's among them; NULL and 0: there are none */
  int gifts;
  const struct br_comm_common *common; /* has the weights, where the ranks of a machine make an update together; NULL: they do not; borrowed */
  struct br_buckets buckets; /* where there are no gifts */
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

/* Its own rank's gift still lacks the gradients where the place has no memory: the caller sets them. */
int br_learner_open(struct br_learner *learner, const struct br_sums_place *place, const struct br_graph *graph, const struct br_train_options *options, struct br_optimiser *optimiser, float *trained, float *statistics);
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
/* The parts of a step. The sums of a step begin at nothing, but the grid, which its first unit sets; by one thread. */
void br_learner_clear(struct br_learner *learner);
/* By every member of a group of threads with its part, which meet at a barrier of the caller's in between: the result of the crew's group `group` added, its gradients to the grid, where `more`
 * came before; the same without the gradients, which the update will read where they are; the update from the sums, which are over `units` units. */
void br_learner_collect(struct br_learner *learner, const struct br_crew *crew, int group, bool more, int64_t units, struct br_part part);
void br_learner_keep(struct br_learner *learner, const struct br_crew *crew, int group, struct br_part part);
void br_learner_update(struct br_learner *learner, struct br_barrier *barrier, int64_t units, float lr, struct br_part part);
/* Fails naming the tensor to blame where the last step's sums are bad: some gradient among the crew's groups first .. last - 1 is not a number or too large. */
int br_learner_check(const struct br_learner *learner, const struct br_crew *crew, int first, int last, const struct br_order *order, const struct br_step *step);

/* One whole step on all ranks: the rank's units on the groups of its crew, their sums over ranks, and the update, of which it makes its share. By the
 * thread that owns the communicator. Collective. */
int br_learner_step(struct br_learner *learner, struct br_comm *comm, struct br_crew *crew, const struct br_order *order, struct br_step *step);

#endif
