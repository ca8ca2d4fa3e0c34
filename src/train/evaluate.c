/* Evaluation in chunks of the data set's stored order, dealt out over ranks; the sums are integers, so who ran what cannot be seen. */
#include "train/crew.h"
#include "train/statistics.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/cluster/place.h>
#include <bramble/train/evaluate.h>

#include <string.h>

struct evaluation {
  uint64_t count;
  int batch, classes;
  /* Per group: confusion, then right5, then the loss sum of 8. */
  int64_t **sums;
};

static size_t sums_count(int classes) { return (size_t)classes * (size_t)classes + 1 + 8; }

static int chunk_samples(void *arg, int64_t chunk, uint64_t *index, uint64_t *position) {
  struct evaluation *e = arg;
  uint64_t first = (uint64_t)chunk * (uint64_t)e->batch, last = first + (uint64_t)e->batch;
  if (last > e->count) last = e->count;
  for (uint64_t i = first; i < last; i++) index[i - first] = i;
  *position = first;
  return (int)(last - first);
}

/* The answer is the first highest score; the rank of the label counts scores above its own, and equal ones before it. */
static void chunk_done(void *arg, struct br_crew *crew, int group, int64_t chunk, int n) {
  (void)chunk;
  struct evaluation *e = arg;
  size_t C = (size_t)e->classes;
  int64_t *sums = e->sums[group];
  struct br_sum *loss = (struct br_sum *)(sums + C * C + 1);
  const float *output = br_exec_output(crew->exec[group]), *losses = br_exec_losses(crew->exec[group]);
  for (int i = 0; i < n; i++, output += C) {
    size_t label = crew->numbers ? 0 : (size_t)crew->label[group][i], best = 0, above = 0;
    for (size_t c = 0; c < C; c++) {
      if (output[c] > output[best]) best = c;
      above += output[c] > output[label] || (c < label && output[c] == output[label]);
    }
    sums[label * C + best]++;
    sums[C * C] += above < 5;
    br_sum_add(loss, losses[i]);
  }
}

void br_evaluation_free(struct br_evaluation *evaluation) {
  br_memory_free(evaluation->confusion);
  evaluation->confusion = NULL;
}

static int run(struct br_comm *comm, struct br_crew *crew, struct evaluation *e, const float *trained, const float *statistics, struct br_evaluation *result) {
  size_t count = sums_count(e->classes), C = (size_t)e->classes;
  BR_TRY(br_memory_alloc((size_t)crew->groups, sizeof *e->sums, "evaluation", &e->sums));
  for (int g = 0; g < crew->groups; g++) BR_TRY(br_memory_alloc(count, sizeof(int64_t), "evaluation", &e->sums[g]));
  struct br_crew_work work = {.arg = e, .samples = chunk_samples, .done = chunk_done, .run = {.trained = trained, .statistics = statistics, .loss_scale = 1}};
  br_place_units((int64_t)((e->count + (uint64_t)e->batch - 1) / (uint64_t)e->batch), br_comm_size(comm), NULL, br_comm_rank(comm), &work.first, &work.last);
  BR_TRY(br_comm_agree(comm, br_crew_run(crew, &work)));
  int64_t *total = e->sums[0];
  for (int g = 0; g < crew->groups; g++) br_sum_carry((struct br_sum *)(e->sums[g] + C * C + 1));
  for (int g = 1; g < crew->groups; g++)
    for (size_t i = 0; i < count; i++) total[i] += e->sums[g][i];
  BR_TRY(br_comm_sum_i64(comm, total, count));
  BR_TRY(br_memory_alloc(C * C, sizeof(int64_t), "confusion matrix", &result->confusion));
  memcpy(result->confusion, total, C * C * sizeof(int64_t));
  result->classes = e->classes;
  for (size_t i = 0; i < C * C; i++) result->samples += total[i];
  for (size_t c = 0; c < C && !crew->numbers; c++) result->right += total[c * C + c];
  result->right5 = crew->numbers ? 0 : total[C * C];
  if (result->samples > 0) result->loss = br_sum_value((struct br_sum *)(total + C * C + 1)) / (double)result->samples;
  return BR_OK;
}

int br_evaluate(struct br_comm *comm, struct br_team *team, struct br_graph *graph, const float *trained, const float *statistics, struct br_loader *loader, struct br_dataset *data, int batch,
                struct br_evaluation *result) {
  *result = (struct br_evaluation){0};
  const struct br_dataset_info *info = br_dataset_info(data);
  struct evaluation e = {.count = info->count, .batch = batch, .classes = br_shape_channels(&graph->nodes[graph->output].shape)};
  if (info->classes > e.classes) BR_FAIL(BR_ERROR_DATA, "the data has %d classes, the net has %d outputs", info->classes, e.classes);
  struct br_crew crew = {0};
  int status = br_comm_agree(comm, br_crew_open(&crew, team, loader, graph, BR_EXEC_INFER, NULL, batch, (int64_t)(e.count / (uint64_t)batch + 1), NULL));
  if (status == BR_OK) status = run(comm, &crew, &e, trained, statistics, result);
  for (int g = 0; e.sums && g < crew.groups; g++) br_memory_free(e.sums[g]);
  br_memory_free(e.sums);
  br_crew_close(&crew);
  if (status != BR_OK) br_evaluation_free(result);
  return status;
}

int br_recalibrate(struct br_comm *comm, struct br_team *team, struct br_graph *graph, const float *trained, float *statistics, struct br_loader *loader, struct br_dataset *data, int micro_batch, int samples) {
  if (graph->statistic_floats == 0) return BR_OK;
  struct br_crew crew = {0};
  int status = br_comm_agree(comm, br_crew_open(&crew, team, loader, graph, BR_EXEC_STATS, NULL, micro_batch, samples / micro_batch, NULL));
  if (status == BR_OK) status = br_statistics_recalibrate(comm, &crew, trained, statistics, br_dataset_info(data)->count, samples, NULL);
  br_crew_close(&crew);
  return status;
}
