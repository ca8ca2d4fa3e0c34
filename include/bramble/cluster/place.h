/* Placement: which units of work are whose. Places change how long a run takes, never what it gives. */
#ifndef BRAMBLE_CLUSTER_PLACE_H
#define BRAMBLE_CLUSTER_PLACE_H

#include <stddef.h>
#include <stdint.h>

/* The range [*first, *last) of `units` that falls to `rank` when units are dealt out in proportion to speed[0 .. ranks) (NULL: all equal).
 * Ranges of consecutive ranks meet; every unit is somebody's. Speeds are at least 0 and not all 0. */
void br_place_units(int64_t units, int ranks, const double *speed, int rank, int64_t *first, int64_t *last);

#endif
