/* The sums of a step on their way over the ranks, in buckets from the last parameter to the first: the order in which a backward pass finishes gradients, so
 * that a bucket is on the wire while the rest is computed. Their borders follow from the net alone. Private to the room; used by the learner, by the thread
 * that owns the communicator. */
#ifndef TRAIN_BUCKETS_H
#define TRAIN_BUCKETS_H

#include <bramble/cluster/comm.h>

struct br_bucket {
  void *data;
  size_t n; /* of `type` */
  enum br_comm_type type;
  size_t first, last; /* it carries the gradients [first, last); it can begin when all from `first` on are final */
};

#define BR_BUCKETS 56

struct br_buckets {
  struct br_bucket bucket[BR_BUCKETS];
  int count, begun;
  int request[BR_BUCKETS];
  int status;     /* of the first call that failed */
  double seconds; /* spent in the communicator */
};

/* The borders of n gradients: bucket k is [border[k + 1], border[k]); returns how many there are. About 1 MB of int64 each, more where they would be too many,
 * less towards the first parameters, whose gradients come last and hide behind nothing. */
int br_buckets_cut(size_t n, size_t border[BR_BUCKETS]);

/* Begins the next bucket; moves on those that have begun; begins no more, waits for all, and returns the first failure of any of these since the last one.
 * Begin and finish are Collective. */
void br_buckets_begin(struct br_buckets *buckets, struct br_comm *comm);
void br_buckets_progress(struct br_buckets *buckets, struct br_comm *comm);
int br_buckets_finish(struct br_buckets *buckets, struct br_comm *comm);

#endif
