/* What a training run will need, worked out before it starts: memory of a rank by kind, arithmetic, and time. */
#ifndef BRAMBLE_TRAIN_PLAN_H
#define BRAMBLE_TRAIN_PLAN_H

#include <bramble/train/train.h>

/* One row per kind of memory: enum name, word. */
#define BR_PLAN_KIND_LIST(X)                 \
  X(BR_PLAN_WEIGHTS, "weights")              \
  X(BR_PLAN_GRADIENTS, "gradients")          \
  X(BR_PLAN_SUMS, "exact sums")              \
  X(BR_PLAN_OPTIMISER, "optimiser")          \
  X(BR_PLAN_ACTIVATIONS, "activations")      \
  X(BR_PLAN_DATA, "data")                    \
  X(BR_PLAN_LOADER, "loader")                \
  X(BR_PLAN_COMMUNICATION, "communication")  \
  X(BR_PLAN_PROGRAM, "program")

enum br_plan_kind {
#define X(name, word) name,
  BR_PLAN_KIND_LIST(X)
#undef X
      BR_PLAN_KINDS
};
const char *br_plan_kind_word(enum br_plan_kind kind);

/* What is planned for; everything is borrowed. */
struct br_plan_request {
  struct br_graph *graph;
  const struct br_train_options *options;
  int ranks, threads; /* threads of one rank */
  struct br_loader *train;
  struct br_dataset *train_data, *test_data; /* test_data: NULL where nothing is evaluated */
};

struct br_train_plan {
  size_t bytes[BR_PLAN_KINDS], total; /* of the rank that needs most */
  double macs;                        /* multiply-adds of one sample forward; training takes about three times that */
  int64_t units, steps;               /* of an epoch: micro-batches on all ranks and workers; optimiser steps */
  int64_t side_by_side;               /* units that run at the same time on all ranks */
  double sum_early;                   /* share of a step's sum over ranks that can begin while the last units still go backward; 0 where weights are averaged */
};

/* Works out the plan. The graph is left inferred for a micro-batch. Errors: BR_ERROR_USAGE, BR_ERROR_DATA. Not collective. */
int br_train_plan(const struct br_plan_request *request, struct br_train_plan *plan);
/* Fails with BR_ERROR_MEMORY, naming the need, the limit and settings that fit, if the plan's total is above `limit` bytes. */
int br_train_plan_check(const struct br_plan_request *request, double limit);
/* Seconds of one epoch, from running one unit for a moment on one thread; waiting and communication are not in it. Not collective. */
int br_train_plan_seconds(const struct br_plan_request *request, const struct br_train_plan *plan, double *seconds);

#endif
