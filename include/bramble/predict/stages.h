/* One net over several ranks: each runs a stage, a run of nodes, and hands the values that the rest needs to the next rank. Pictures flow through in a pipeline. */
#ifndef BRAMBLE_PREDICT_STAGES_H
#define BRAMBLE_PREDICT_STAGES_H

#include <bramble/predict/predict.h>

/* What is known of the places a stage may be. */
struct br_stage_node {
  double macs_per_second;
  size_t memory_bytes; /* 0: no limit */
};

struct br_stage {
  int first, last;        /* nodes first .. last - 1 */
  size_t parameter_bytes, run_bytes; /* packed weights, and what running takes beside them */
  size_t out_bytes;       /* that go to the next, a sample */
  double seconds;         /* expected, a sample */
};

/* Cuts the net into n stages, stage i for place i, so that the slowest stage is as fast as can be and every stage fits; never inside what a prepared net runs as one step, so that the
 * answers are those of the whole net, bit for bit. Memory is that of the net prepared with or without `exact`. Its graph is inferred for batches of
 * `batch`. Errors: BR_ERROR_MEMORY with the numbers where no cut fits; BR_ERROR_USAGE where the net has fewer nodes. */
int br_stages_plan(struct br_graph *graph, bool exact, int n, int batch, const struct br_stage_node *nodes, double bytes_per_second, struct br_stage *stages);
/* Samples that are together in the pipeline: the batch of the plan. */
int br_stages_batch(void);

/* One pass over the data set: rank r runs stage r with `part`, its net; every rank has opened the data set (its samples are read on rank 0). Journal (its chunks are
 * br_predictor_run's, so that either goes on where the other was cut short), answers and seconds as br_predictor_run's. Collective. */
int br_stages_run(struct br_comm *comm, struct br_team *team, const struct br_prepared *part, struct br_dataset *dataset, struct br_loader *loader, const struct br_journal_options *journal, struct br_answer **answers, double *seconds);

#endif
