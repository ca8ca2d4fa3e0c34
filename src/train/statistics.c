/* Pooling of means and variances by exact sums of means and mean squares: var = E[x^2] - mean^2 over all units, which has the between-unit
 * term that a mean of variances lacks. */
#include "train/statistics.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/place.h>

#include <math.h>
#include <string.h>

/* A batch norm's statistics are declared as mean, then variance. */
static bool is_mean(const struct br_graph *graph, int p) {
  return graph->params[p].statistic && p + 1 < graph->n_params && graph->params[p + 1].statistic && strstr(graph->params[p].name, ".running_mean");
}

static double momentum_of(const struct br_graph *graph, int p) {
  for (int i = 0; i < graph->n_nodes; i++) {
    const struct br_node *node = &graph->nodes[i];
    if (p >= node->first_param && p < node->first_param + node->n_params) return node->attribute[0].v[0];
  }
  return 0;
}

void br_statistics_add(const struct br_graph *graph, const float *unit, double weight, struct br_pair *pairs, struct br_part part) {
  for (int p = 0; p < graph->n_params; p++) {
    if (!is_mean(graph, p)) continue;
    const struct br_param *mean = &graph->params[p], *var = &graph->params[p + 1];
    size_t first, last;
    br_part_range(part, mean->count, 16, &first, &last);
    for (size_t c = first; c < last; c++) {
      double m = unit[mean->offset + c];
      br_pair_add(&pairs[mean->offset + c], weight * m);
      br_pair_add(&pairs[var->offset + c], weight * (unit[var->offset + c] + m * m));
    }
  }
}

void br_statistics_blend(const struct br_graph *graph, const struct br_pair *pairs, double units, bool replace, float *running, struct br_part part) {
  for (int p = 0; p < graph->n_params; p++) {
    if (!is_mean(graph, p)) continue;
    const struct br_param *mean = &graph->params[p], *var = &graph->params[p + 1];
    double keep = replace ? 0 : momentum_of(graph, p);
    size_t first, last;
    br_part_range(part, mean->count, 16, &first, &last);
    for (size_t c = first; c < last; c++) {
      double m = br_pair_value(&pairs[mean->offset + c]) / units, v = br_pair_value(&pairs[var->offset + c]) / units - m * m;
      if (v < 0) v = 0;
      float *rm = &running[mean->offset + c], *rv = &running[var->offset + c];
      *rm = (float)(keep * *rm + (1 - keep) * m);
      *rv = (float)(keep * *rv + (1 - keep) * v);
    }
  }
}

struct recalibration {
  struct br_pair *pairs;
  uint64_t samples;
  int unit;
};

/* The recalibration samples are spread evenly over the data set in stored order, so that sorted data does no harm. */
static int recalibration_samples(void *arg, int64_t unit, uint64_t *index, uint64_t *position) {
  struct recalibration *r = arg;
  for (int i = 0; i < r->unit; i++) index[i] = br_random_permute(0, BR_RANDOM_SHUFFLE, 0, r->samples, (uint64_t)unit * (uint64_t)r->unit + (uint64_t)i);
  *position = 0;
  return r->unit;
}

static void recalibration_merge(void *arg, struct br_crew *crew, int active, struct br_part part) {
  struct recalibration *r = arg;
  for (int g = 0; g < active; g++) br_statistics_add(crew->graph, br_exec_batch_statistics(crew->exec[g]), 1, r->pairs, part);
}

int br_statistics_recalibrate(struct br_comm *comm, struct br_crew *crew, const float *trained, float *running, uint64_t data_samples, int samples, const double *speed) {
  if (crew->graph->statistic_floats == 0) return BR_OK;
  struct recalibration r = {.samples = data_samples, .unit = crew->unit_samples};
  int64_t units = ((uint64_t)samples < data_samples ? samples : (int64_t)data_samples) / crew->unit_samples;
  if (units < 1) return BR_OK;
  BR_TRY(br_memory_alloc(crew->graph->statistic_floats, sizeof *r.pairs, "statistics", &r.pairs));
  struct br_crew_work work = {.arg = &r, .run = {.trained = trained, .statistics = running}, .samples = recalibration_samples, .merge = recalibration_merge};
  br_place_units(units, br_comm_size(comm), speed, br_comm_rank(comm), &work.first, &work.last);
  int status = br_comm_agree(comm, br_crew_run(crew, &work));
  if (status == BR_OK) status = br_comm_sum_pairs(comm, r.pairs, crew->graph->statistic_floats);
  if (status == BR_OK) br_statistics_blend(crew->graph, r.pairs, (double)units, true, running, BR_PART_ALL);
  br_memory_free(r.pairs);
  return status;
}

bool br_statistics_unsettled(const struct br_graph *graph, int64_t updates, double *share) {
  *share = 0;
  for (int p = 0; p < graph->n_params; p++) {
    if (!is_mean(graph, p)) continue;
    double kept = 1, base = momentum_of(graph, p);
    for (int64_t n = updates; n; n >>= 1, base *= base)
      if (n & 1) kept *= base;
    if (kept > *share) *share = kept;
  }
  return *share > 0.01;
}
