/* The grids of --reduce fixed32: every tensor's gradients are rounded, unit by unit, onto a grid of its own that is as fine as lets the sum over all units fit
 * into 32 bits if no gradient of the tensor grows to more than sixteen times the largest of the steps before. Sums are made of 64-bit numbers all the same; only on
 * the wire they are narrow, and in a step in which some unit's gradient has grown too much they travel as they are. So what is computed does not depend on
 * the number of ranks. Private to the room. */
#ifndef TRAIN_FIXED32_H
#define TRAIN_FIXED32_H

#include <bramble/base/thread.h>
#include <bramble/net/graph.h>

struct br_fixed32 {
  const struct br_graph *graph;
  float *shift;     /* per parameter: its grid is 2^-floor(shift) apart, 0 to BR_GRID_SHIFT; state that a checkpoint keeps */
  int64_t *largest; /* per parameter: bits of the largest |gradient| of a unit in this step, which order like the numbers */
  int32_t *narrow;  /* trained_floats: what is on the wire */
};

int br_fixed32_open(struct br_fixed32 *fixed, const struct br_graph *graph);
void br_fixed32_close(struct br_fixed32 *fixed); /* zeroed: nothing */
/* Bytes it takes. */
size_t br_fixed32_bytes(const struct br_graph *graph);

/* Adds a unit's gradients [first, last) to the sums; returns the largest as br_grid_add does. *fits becomes false where so many units of this size could pass 32 bits. */
float br_fixed32_add(struct br_fixed32 *fixed, const float *gradient, int64_t *sum, size_t first, size_t last, int64_t units, bool *fits, struct br_part part);
/* gradient = mean over the units. */
void br_fixed32_get(const struct br_fixed32 *fixed, const int64_t *sum, int64_t units, float *gradient, struct br_part part);
/* Sums [first, last) to what is on the wire, and back. */
void br_fixed32_narrow(struct br_fixed32 *fixed, const int64_t *sum, size_t first, size_t last);
void br_fixed32_widen(const struct br_fixed32 *fixed, int64_t *sum);
/* The grids of the next step, of at most `units` units, from the largest gradients of all ranks, which begin again. */
void br_fixed32_follow(struct br_fixed32 *fixed, int64_t units);

#endif
