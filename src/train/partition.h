/* Which samples are whose: the shards of virtual workers, a pure function of (data, settings). Private to the room. */
#ifndef TRAIN_PARTITION_H
#define TRAIN_PARTITION_H

#include <bramble/data/dataset.h>
#include <bramble/train/train.h>

struct br_partition {
  int workers;
  uint64_t *samples; /* of all workers, one shard behind the other */
  uint64_t *start;   /* worker r has samples[start[r]] .. samples[start[r + 1] - 1] */
};

/* Errors: BR_ERROR_MEMORY. */
int br_partition_open(struct br_partition *partition, struct br_dataset *data, const struct br_worker_options *options, uint64_t seed);
void br_partition_close(struct br_partition *partition); /* zeroed: nothing */
size_t br_partition_bytes(uint64_t samples, int workers);

static inline uint64_t br_partition_count(const struct br_partition *partition, int worker) { return partition->start[worker + 1] - partition->start[worker]; }

#endif
