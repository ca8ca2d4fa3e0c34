/* Proportional placement by rounding the running share. */
#include <bramble/cluster/place.h>

#include <math.h>

static int64_t boundary(int64_t units, int ranks, const double *speed, int rank) {
  if (!speed) return units / ranks * rank + units % ranks * rank / ranks;
  double below = 0, all = 0;
  for (int r = 0; r < ranks; r++) {
    all += speed[r];
    if (r < rank) below += speed[r];
  }
  return rank == ranks ? units : (int64_t)floor((double)units * (below / all) + 0.5);
}

void br_place_units(int64_t units, int ranks, const double *speed, int rank, int64_t *first, int64_t *last) {
  *first = boundary(units, ranks, speed, rank);
  *last = boundary(units, ranks, speed, rank + 1);
}
