/* Evaluation: every sample of a data set through the net exactly once, on all ranks, summed exactly. */
#ifndef BRAMBLE_TRAIN_EVALUATE_H
#define BRAMBLE_TRAIN_EVALUATE_H

#include <bramble/base/thread.h>
#include <bramble/cluster/comm.h>
#include <bramble/data/loader.h>
#include <bramble/net/graph.h>

struct br_evaluation {
  int64_t samples, right, right5; /* right5: the label is among the five highest; both 0 where labels are numbers */
  double loss;                    /* the mean of the samples' losses */
  int classes;
  int64_t *confusion; /* [label][answer], classes x classes */
};

/* Fills *result on every rank; its confusion is freed with br_evaluation_free. `batch` is how many samples run at once: it is not seen in
 * the result. Errors: BR_ERROR_DATA when a label lies outside the net's outputs. Collective. */
int br_evaluate(struct br_comm *comm, struct br_team *team, struct br_graph *graph, const float *trained, const float *statistics, struct br_loader *loader, struct br_dataset *data, int batch,
                struct br_evaluation *result);
void br_evaluation_free(struct br_evaluation *evaluation);

/* Replaces the batch-norm statistics of a net by exact ones over the first `samples` training samples of a fixed permutation, run in units of
 * `micro_batch` with batch statistics upstream, as in training. Nets without batch norm are left alone. Collective. */
int br_recalibrate(struct br_comm *comm, struct br_team *team, struct br_graph *graph, const float *trained, float *statistics, struct br_loader *loader, struct br_dataset *data, int micro_batch, int samples);

/* True if some batch norm's moving averages have kept more than 1 % of their start values after `updates` updates: a net evaluated with them can look like one that
 * has learnt nothing. *share is the largest such share. Not collective. */
bool br_statistics_unsettled(const struct br_graph *graph, int64_t updates, double *share);

#endif
