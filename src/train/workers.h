/* Virtual workers: each trains on its own shard from the common weights; then the common weights follow the exact mean of theirs. A worker is the
 * unit of this work: groups of threads take workers side by side, ranks have ranges of them, and neither is seen in the result.
 *
 * What a worker owns between rounds is its optimiser state alone (where that is kept): weights and statistics start each round as the common ones,
 * so a rank needs one copy of them per group of threads, not per worker. Private to the room. */
#ifndef TRAIN_WORKERS_H
#define TRAIN_WORKERS_H

#include "train/learner.h"
#include "train/partition.h"
#include "train/server.h"

#include <pthread.h>

struct br_workers {
  const struct br_graph *graph;
  const struct br_train_options *options;
  struct br_comm *comm;
  struct br_crew crew;
  struct br_partition partition;
  int64_t steps_per_epoch; /* of the worker with the most */
  int round_workers;       /* that take part in a round */
  /* Per group: the worker it is just now. */
  struct br_learner *learner;
  float **trained, **statistics;
  bool *failed;
  int64_t *turn;
  struct br_run *run;
  struct br_optimiser *optimiser; /* kept: of this rank's workers first_kept ..; else of each group */
  bool keeps;
  int64_t first_kept, last_kept;
  struct br_step_sums sums; /* of a round: weights, statistics, scalars */
  struct br_server server;
  struct br_client_result *clients; /* fedavg: of the last round */
  pthread_mutex_t merging;
  bool mutex_is_open;
};

/* A round: local steps [first, last) of epoch `epoch` on every worker that takes part; with fedavg a round is an epoch and all its steps. */
struct br_round {
  uint32_t epoch;
  int64_t first, last;
  struct br_wishes wishes;
  struct br_tally tally; /* out: of all ranks */
};

/* Workers that take part in a round, and whether they keep optimiser state between rounds. */
int br_workers_in_round(const struct br_train_options *options);
bool br_workers_keep_state(const struct br_graph *graph, const struct br_train_options *options);

/* Collective. */
int br_workers_open(struct br_workers *workers, struct br_comm *comm, struct br_team *team, struct br_loader *loader, struct br_dataset *data, struct br_graph *graph, const struct br_train_options *options);
void br_workers_close(struct br_workers *workers); /* zeroed: nothing */

/* One round from the common `trained` and `statistics`, which it leaves renewed and alike on all ranks. Collective. */
int br_workers_round(struct br_workers *workers, struct br_round *round, float *trained, float *statistics);

#endif
