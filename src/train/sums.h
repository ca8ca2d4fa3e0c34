/* What the units of a step give, and what it adds up to. All sums are of integers, so that they are the same in any order. Between machines each rank sums its units on a grid of
 * its own and messages add these up. Where all ranks share a machine, or one is alone, what each gives lies in memory that all of them see, its last units' gradients as they are, and the
 * update takes the sum of its share from there: it is made in the first cache and never written. Private to the room. */
#ifndef TRAIN_SUMS_H
#define TRAIN_SUMS_H

#include <bramble/cluster/exact.h>
#include <bramble/net/graph.h>

/* What the training samples gave so far; adds up in any order. */
struct br_tally {
  struct br_sum loss;
  int64_t samples, right;
};
void br_tally_merge(struct br_tally *tally, const struct br_tally *other);

/* Sums of units, all integers, in one block, the last to be known first: the scalars, the grid (gradients, or weights to be averaged), the pairs of batch-norm statistics. */
struct br_step_sums {
  int64_t *block;
  size_t count;          /* int64 in it */
  int64_t *scalars;      /* BR_SCALAR_ROOM */
  int64_t *grid;         /* graph->trained_floats; NULL: there is none */
  struct br_pair *pairs; /* graph->statistic_floats: mean, and E[x^2] in the place of the variance */
};
enum {
  BR_SCALAR_BAD, /* a gradient is not a number or too large, or a unit failed */
  BR_SCALAR_STOP,
  BR_SCALAR_SAVE,
  BR_SCALAR_SAMPLES,
  BR_SCALAR_RIGHT,
  BR_SCALAR_ON_GRID,  /* of a gift: units are on its grid; */
  BR_SCALAR_GROUPS,   /* so many groups' gradients are not; */
  BR_SCALAR_BAD_LATE, /* one of those that the update read was bad */
  BR_SCALAR_LOSS,     /* a br_sum of 8 */
  BR_SCALAR_ROOM = 16 /* so that the grid is aligned */
};
int br_step_sums_open(struct br_step_sums *sums, const struct br_graph *graph, bool grid);
size_t br_step_sums_bytes(const struct br_graph *graph, bool grid);
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

/* What one rank gives to a step where the update reads it. */
struct br_gift {
  struct br_step_sums sums;
  float *gradients; /* of its groups of threads, one behind the other, graph->trained_floats each */
};
/* Memory for the gift of a rank with so many groups; `grid`: it may have more units a step than groups. */
size_t br_gift_bytes(const struct br_graph *graph, int groups, bool grid);
struct br_gift br_gift_at(void *memory, const struct br_graph *graph, bool grid);
/* mean[0 .. n - 1] = the mean over `units` units of the gradients from float `at` on. False: one of those that are not on a grid is not a number or too large. */
bool br_gifts_mean(const struct br_gift *gift, int gifts, size_t stride, size_t at, size_t n, int64_t units, float *mean);
/* Elements of the scalars and, with `pairs`, this part's of the pairs, summed over the gifts. */
void br_gifts_sum_scalars(const struct br_gift *gift, int gifts, int64_t *sum);
void br_gifts_sum_pairs(const struct br_gift *gift, int gifts, struct br_pair *sum, size_t n, struct br_part part);

#endif
