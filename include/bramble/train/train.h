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

enum br_optimiser_kind { BR_OPTIMISER_SGD, BR_OPTIMISER_ADAM, BR_OPTIMISER_ADAMW, BR_OPTIMISER_LARS, BR_OPTIMISER_LAMB, BR_OPTIMISER_RMSPROP };
enum br_schedule_kind { BR_SCHEDULE_CONSTANT, BR_SCHEDULE_STEP, BR_SCHEDULE_COSINE, BR_SCHEDULE_ONECYCLE };
enum br_sync_kind { BR_SYNC_GRADIENTS, BR_SYNC_WEIGHTS, BR_SYNC_FEDAVG };

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

struct br_train_options {
  int batch, micro_batch, epochs; /* batch is a multiple of micro_batch */
  uint64_t seed;
  struct br_optimiser_options optimiser;
  struct br_schedule_options schedule;
  float label_smoothing;
  const float *class_weight; /* per class, borrowed; NULL: all 1 */
  float ema;                 /* share of the old weights kept in the moving average that is evaluated and saved; 0: off */
  const bool *frozen;        /* per parameter, borrowed; NULL: none */
  enum br_sync_kind sync;
  bool reduce_float;         /* sums of floats over ranks: not the same bits for other rank counts */
  const double *speed;       /* per rank, for placing units; NULL: equal */
  int bn_recalibrate;        /* training samples for recalibrating running statistics before an evaluation; 0: moving averages */
  bool no_evaluation;        /* only the last epoch is evaluated */
};

/* Where the time of one rank went, in seconds. */
struct br_rank_times {
  double load, compute, wait, communicate;
  double peak_rss_bytes, bytes_sent;
};

struct br_epoch_result {
  int epoch; /* 1 is the first */
  double loss, accuracy;           /* over the training samples as they were seen */
  double test_loss, test_accuracy; /* NaN where not evaluated */
  double seconds, images_per_second;
  int64_t samples;
  int n_ranks;
  const struct br_rank_times *ranks; /* of every rank, on every rank; borrowed */
};

/* Who watches. Every member may be NULL. Called on every rank from the calling thread. */
struct br_train_watch {
  void *arg;
  void (*epoch)(void *arg, const struct br_epoch_result *result);
  /* About ten times a second: epoch, share of it done (0 to 1), the running mean loss, and images per second so far. */
  void (*progress)(void *arg, int epoch, double share, double loss, double images_per_second);
  /* True asks to stop after the coming step; when it is true on one rank, all stop together. */
  bool (*stop)(void *arg);
};

/* Trains `model` in place. `train` feeds it; `test` may be NULL. Threads of `team` are used; the caller's is one of them.
 * Errors: BR_ERROR_USAGE for settings that do not fit each other, BR_ERROR_FAILED for a loss or gradient that is no number (naming
 * tensor, epoch, step and unit), BR_ERROR_MEMORY, BR_ERROR_COMM. Collective. */
int br_train(struct br_comm *comm, struct br_team *team, struct br_model *model, struct br_loader *train, struct br_dataset *train_data, struct br_loader *test, struct br_dataset *test_data,
             const struct br_train_options *options, const struct br_train_watch *watch);

#endif
