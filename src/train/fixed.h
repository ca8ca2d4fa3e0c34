/* The grids of --reduce fixed32 and fixed16: every tensor's gradients are rounded, unit by unit, onto a grid of its own, on which the largest sum over all units of the
 * steps before has so many bits. Sums are made of 64-bit numbers all the same and travel in the bytes they need (cluster/pack.h): one that has grown takes more of
 * them. So what is computed does not depend on the number of ranks, and nothing overflows. Private to the room. */
#ifndef TRAIN_FIXED_H
#define TRAIN_FIXED_H

#include <bramble/base/thread.h>
#include <bramble/net/graph.h>

struct br_fixed {
  const struct br_graph *graph;
  int bits;       /* of the largest sum of a tensor, its sign among them */
  float *shift;   /* per parameter: its grid is 2^-floor(shift) apart, 0 to BR_GRID_SHIFT; state that a checkpoint keeps */
  float *largest; /* per parameter: the largest |sum| of this step */
};

int br_fixed_open(struct br_fixed *fixed, const struct br_graph *graph, int bits);
void br_fixed_close(struct br_fixed *fixed); /* zeroed: nothing */
/* Bytes it takes. */
size_t br_fixed_bytes(const struct br_graph *graph);

/* Adds a unit's gradients [first, last) to the sums, or without `more` sets them to those; returns the largest as br_grid_add does. */
float br_fixed_add(const struct br_fixed *fixed, const float *gradient, int64_t *sum, bool more, size_t first, size_t last, struct br_part part);
/* gradient = mean over the units. */
void br_fixed_get(struct br_fixed *fixed, const int64_t *sum, int64_t units, float *gradient, struct br_part part);
/* The grids of the next step, from the sums that all parts have got; by one thread. */
void br_fixed_follow(struct br_fixed *fixed);

#endif
