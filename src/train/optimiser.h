/* Optimisers and schedules: one update of a parameter block from its gradient. Private to the room. */
#ifndef TRAIN_OPTIMISER_H
#define TRAIN_OPTIMISER_H

#include <bramble/train/train.h>

struct br_optimiser {
  const struct br_graph *graph;
  struct br_optimiser_options options;
  const bool *frozen;
  float *state;   /* first and second moments, each a block of graph->trained_floats */
  int n_moments;  /* 0, 1 or 2 */
  bool borrows_state;
  void *work;           /* muon's scratch; NULL for the others */
  struct br_part rank;  /* of the ranks that make an update together */
  int *owner;           /* of optimisers that read whole tensors: per parameter the thread of this rank that makes it, or who else (optimiser.c); NULL for the others */
  uint32_t step;        /* updates done */
};

/* `threads`: of the teams that will apply it. `rank`: this one among the ranks that have the weights and `state`, of zeros, in common, and each make their share of an update;
 * BR_PART_ALL and NULL: the update and the state are this rank's alone. */
int br_optimiser_open(struct br_optimiser *optimiser, const struct br_graph *graph, const struct br_optimiser_options *options, const bool *frozen, int threads, struct br_part rank, float *state);
void br_optimiser_close(struct br_optimiser *optimiser);
size_t br_optimiser_state_floats(const struct br_graph *graph, const struct br_optimiser_options *options);
/* State and scratch. */
size_t br_optimiser_bytes(const struct br_graph *graph, const struct br_optimiser_options *options, int threads);

/* Before an update, by one thread: counts the step, and where clipping is on finds the factor that brings the gradient's norm (double, one chain) down. */
struct br_update {
  float lr, factor; /* factor: multiplies the gradient */
};
struct br_update br_optimiser_begin(struct br_optimiser *optimiser, const float *gradient, float lr);
/* What a thread has of parameter p: values [*first, *last) are those whose gradient it must have before it applies the update, and no other thread of any rank has them. False: it has nothing to
 * do there. */
bool br_optimiser_share(const struct br_optimiser *optimiser, int p, struct br_part part, size_t *first, size_t *last);
/* The update of parameter p, by every thread of the team with its part; they may meet at the barrier. */
void br_optimiser_apply(const struct br_optimiser *optimiser, const struct br_update *update, int p, float *weights, float *gradient, struct br_barrier *barrier, struct br_part part);

/* Sum of squares in double: four chains, x[i] in chain i mod 4. */
double br_square_sum(const float *x, size_t n);

/* Learning rate of optimiser step `step` (0 the first) when an epoch has `steps_per_epoch`. */
float br_schedule_lr(const struct br_schedule_options *schedule, int64_t step, int64_t steps_per_epoch, int epochs);

#endif
