/* Training: from a model, data and settings to the trained model, alone or on many ranks, to the same bytes.
 *
 * An epoch is a permutation of the samples, cut into batches, each cut into units (micro-batches). Every unit's gradient is rounded onto
 * the integer grid and added up over all ranks (cluster/exact.h), so it does not matter where a unit was run. */
#ifndef BRAMBLE_TRAIN_TRAIN_H
#define BRAMBLE_TRAIN_TRAIN_H

#include <bramble/base/thread.h>
#include <bramble/cluster/comm.h>
#include <bramble/data/loader.h>
#include <bramble/net/model.h>

enum br_optimiser_kind { BR_OPTIMISER_SGD, BR_OPTIMISER_ADAM, BR_OPTIMISER_ADAMW, BR_OPTIMISER_LARS, BR_OPTIMISER_LAMB, BR_OPTIMISER_RMSPROP, BR_OPTIMISER_MUON };
enum br_schedule_kind { BR_SCHEDULE_CONSTANT, BR_SCHEDULE_STEP, BR_SCHEDULE_COSINE, BR_SCHEDULE_ONECYCLE };
enum br_sync_kind { BR_SYNC_GRADIENTS, BR_SYNC_WEIGHTS, BR_SYNC_FEDAVG };
enum br_reduce_kind { BR_REDUCE_EXACT, BR_REDUCE_FLOAT, BR_REDUCE_FIXED32, BR_REDUCE_FIXED16 };
extern const char *const br_optimiser_words[], *const br_schedule_words[], *const br_sync_words[], *const br_reduce_words[]; /* in the order of the enums, NULL at the end */

enum br_partition_kind { BR_PARTITION_IID, BR_PARTITION_STRIDED, BR_PARTITION_DIRICHLET };
enum br_server_kind { BR_SERVER_FEDAVG, BR_SERVER_FEDAVGM, BR_SERVER_FEDADAM };

struct br_optimiser_options {
  enum br_optimiser_kind kind;
  float momentum, beta2, eps, weight_decay; /* beta1 is the momentum */
  bool nesterov, decay_all;                 /* decay_all: biases and batch norm too */
  float clip;                               /* largest global norm of the gradient; 0: off */
};

struct br_schedule_options {
  enum br_schedule_kind kind;
  float lr, final_lr;   /* final_lr: where cosine and one-cycle end */
  float warmup_epochs;  /* from 0 to lr, step by step */
  float step_epochs, step_factor;
};

/* Virtual workers, for sync weights and fedavg: each trains on its own shard from the common weights, which then become the mean of theirs. How
 * many there are is a setting of the model; on how many ranks they run is not seen in the result. */
struct br_worker_options {
  int workers;
  enum br_partition_kind partition; /* which samples are whose; strided: worker r has the samples i with i mod workers = r */
  double alpha;                     /* of dirichlet: how evenly each class is spread; small is uneven */
  int64_t every;                    /* weights: local steps between two averages, which also end every epoch; 0: the epoch's end alone */
  bool reset_optimiser;             /* weights: empty optimiser state after every average; else each worker keeps its own. Clients of fedavg start empty */
  double fraction;                  /* fedavg: share of the workers that take part in a round */
  int local_epochs;                 /* fedavg: passes over its shard that each makes in a round */
  float prox;                       /* fedavg: FedProx' pull to the common weights; 0: off */
  enum br_server_kind server;       /* fedavg: how the common weights follow the mean */
  float server_lr, server_momentum;
};

/* Which weights are the run's result: those of the end, those of the best evaluation, or all that were evaluated. The caller keeps them when told of
 * an evaluation. */
enum br_keep_kind { BR_KEEP_LAST, BR_KEEP_BEST, BR_KEEP_ALL };

/* Checkpoints are PATH.ckpt-STEP. Besides these times one is written when the run is asked to stop. */
struct br_checkpoint_options {
  const char *path;     /* NULL: none at all; borrowed */
  int64_t every_steps;  /* 0: not by steps */
  double every_seconds; /* 0: not by time */
  int keep;             /* the last so many; at least 1 */
  bool resume;          /* start from the newest sound one, if there is one */
};

struct br_train_options {
  int batch, micro_batch, epochs; /* batch is a multiple of micro_batch; with workers it is each worker's; epochs are rounds with fedavg */
  uint64_t seed;
  struct br_optimiser_options optimiser;
  struct br_schedule_options schedule;
  float label_smoothing;
  const float *class_weight; /* per class, borrowed; NULL: all 1 */
  float ema;                 /* share of the old weights kept in the moving average (of steps; of rounds with workers) that is evaluated and saved; 0: off */
  const bool *frozen;        /* per parameter, borrowed; NULL: none */
  enum br_sync_kind sync;
  struct br_worker_options worker;
  enum br_reduce_kind reduce; /* gradients between ranks: exact: 64-bit grid; float: not the same bits for other rank counts; fixed32, fixed16: a grid for each
                               * tensor that follows its gradients, so that its largest sum has so many bits */
  const double *speed;       /* per rank, for placing units; NULL: equal */
  bool balance;              /* after each epoch units are placed anew by the speed just measured. Workers that keep their state stay where they are */
  int bn_recalibrate;        /* training samples for recalibrating running statistics before an evaluation; 0: moving averages */
  int evaluation_epochs;     /* epochs between evaluations; 0: none but at the end, which is always evaluated */
  int64_t evaluation_steps;  /* optimiser steps between evaluations; 0: by epochs */
  enum br_keep_kind keep;
  int patience;              /* stop after so many evaluations without a better one; 0: never */
  double until_accuracy;     /* stop once the test accuracy is at least this; 0: never */
  struct br_checkpoint_options checkpoint;
  const char *input_settings; /* "name=value" lines of what the data and the loaders were opened with: part of the settings; borrowed, may be NULL */
};

/* Batch norm's moving averages are summed in every step, but where the statistics are recalibrated before every use. */
static inline bool br_train_keeps_averages(const struct br_train_options *options) { return options->bn_recalibrate < options->micro_batch; }

/* The settings that make the model, as "name=value" lines in *text, which the caller frees with br_memory_free: no machine, no path. */
int br_train_settings(const struct br_train_options *options, const struct br_graph *graph, char **text);

/* Where the time of one rank went, in seconds. */
struct br_rank_times {
  double load, compute, wait, communicate;
  double peak_rss_bytes, bytes_sent;
  double units; /* it ran: micro-batches, or local rounds of workers */
};

/* What one client did in one round of fedavg. */
struct br_client_result {
  int64_t client, samples, rank; /* samples: of its shard */
  double loss, accuracy, seconds;
};

struct br_epoch_result {
  int epoch; /* 1 is the first */
  double loss, accuracy;           /* over the training samples as they were seen; accuracies are NaN where labels are numbers */
  double test_loss, test_accuracy; /* NaN where not evaluated */
  double seconds, images_per_second;
  int64_t samples;
  int n_ranks;
  const struct br_rank_times *ranks; /* of every rank, on every rank; borrowed */
  int n_clients;                     /* fedavg, else 0 */
  const struct br_client_result *clients;
};

/* What one evaluation during training found. While it is told of, the model holds the weights and statistics that were evaluated. */
struct br_train_evaluation {
  int epoch;    /* 1 is the first */
  int64_t step; /* optimiser steps (local ones with workers) so far */
  double test_loss, test_accuracy, seconds; /* seconds since the run began, that before a resume included */
  bool best;                                /* better than all before */
};

enum br_train_end { BR_END_DONE, BR_END_ASKED, BR_END_PATIENCE, BR_END_ACCURACY };
struct br_train_result {
  enum br_train_end end;
  int64_t epochs, steps;
  double seconds;
  double test_loss, test_accuracy; /* of the last evaluation; NaN without one */
  double best_accuracy;            /* NaN without an evaluation, and where labels are numbers: then the lowest loss is the best */
  int64_t best_epoch;
  double seconds_to_accuracy; /* until_accuracy; NaN where it was not reached */
  bool resumed;
};

/* Who watches. Every member may be NULL. Called on every rank from the calling thread. */
struct br_train_watch {
  void *arg;
  void (*epoch)(void *arg, const struct br_epoch_result *result);
  /* About ten times a second: epoch, share of it done (0 to 1), the running mean loss, and images per second so far. */
  void (*progress)(void *arg, int epoch, double share, double loss, double images_per_second);
  /* True asks to stop after the coming step; when it is true on one rank, all stop together. */
  bool (*stop)(void *arg);
  /* After each evaluation, before the epoch is told of. A failure (of keeping the model) ends the run on all ranks. */
  int (*evaluated)(void *arg, const struct br_train_evaluation *evaluation);
  /* Once before the first step: the epochs and optimiser steps that a checkpoint brought; 0, 0 from the beginning. */
  void (*started)(void *arg, int64_t epochs, int64_t steps);
  void (*finished)(void *arg, const struct br_train_result *result);
};

/* Trains `model` in place. `train` feeds it; `test` may be NULL. A run that was asked to stop leaves a checkpoint and weights that are not evaluated. Threads of `team` are used; the caller's is one of them.
 * Errors: BR_ERROR_USAGE for settings that do not fit each other, BR_ERROR_FAILED for a loss or gradient that is no number (naming
 * tensor, epoch, step and unit), BR_ERROR_MEMORY, BR_ERROR_COMM. Collective. */
int br_train(struct br_comm *comm, struct br_team *team, struct br_model *model, struct br_loader *train, struct br_dataset *train_data, struct br_loader *test, struct br_dataset *test_data,
             const struct br_train_options *options, const struct br_train_watch *watch);

#endif
