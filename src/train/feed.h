/* A feed: the units that this rank will run in an epoch, loaded ahead of time while the steps before them compute. Worth its threads where decoding
 * or resizing costs something. Private to the room. */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include "train/learner.h"

#include <pthread.h>

/* What follows from these alone: the steps of the epoch and this rank's units in them. */
struct br_feed_plan {
  struct br_order order;
  int64_t first, units, per_step; /* from unit `first`, where a step begins, to `units` */
  int rank, ranks;
  const double *speed; /* borrowed, not changed while the feed runs */
};

struct br_feed {
  struct br_loader *loader;
  struct br_feed_plan plan;
  int64_t at, mine, mine_last; /* of the running ahead: the step's first unit, the next unit of this rank in it, their end */
  pthread_mutex_t taking;
  int64_t next; /* the unit that comes next */
  bool runs;
};

/* Units in work or ready beside those that compute. */
int br_feed_depth(int groups);
int br_feed_start(struct br_feed *feed, struct br_loader *loader, const struct br_feed_plan *plan, int groups);
/* The units from here on are those of the step from `mine_first`. */
void br_feed_step(struct br_feed *feed, int64_t mine_first);
/* The next unit and its number; any thread. The unit is given back with br_loader_release. */
int br_feed_take(struct br_feed *feed, struct br_unit **unit, int64_t *number);
void br_feed_stop(struct br_feed *feed); /* zeroed or stopped: nothing */

#endif
