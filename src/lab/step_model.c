/* The model and its one measurement. */
#include "lab/doctor.h"

#include <bramble/base/error.h>
#include <bramble/base/text.h>
#include <bramble/cluster/link.h>
#include <bramble/lab/step_model.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BACKWARD (2.0 / 3.0) /* of a unit's time: two products for the forward pass' one */
#define PAIR 10.0          /* bytes of the 16 of a pair of statistics, as they travel between machines */
#define MOVED 0.5           /* of what the link could carry in that time: the thread that moves messages shares the node's cores (measured, docs/results/published.md) */

/* Bytes of a gradient's sum, as they travel between machines: lenet's and mobilenetv2's lie within a tenth of them. */
static double sum_bytes(enum br_reduce_kind reduce) {
  switch (reduce) {
    case BR_REDUCE_EXACT: return 4.8;
    case BR_REDUCE_FIXED32: return 4;
    case BR_REDUCE_FIXED16: return 2;
    case BR_REDUCE_FLOAT: break;
  }
  return 4;
}

/* Matrix products of one core in GFLOP/s, as tuned libraries reach them. */
static const struct node_kind {
  const char *name;
  double gflops;
  int cores;
} node_kinds[] = {{"pi3", 4.2, 4}, {"pi4", 9.5, 4}, {"pi5", 30, 4}};

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

void br_step_model_shape(const struct br_plan_request *request, const struct br_train_plan *plan, double unit_seconds, struct br_step_model *model) {
  const struct br_train_options *o = request->options;
  *model = (struct br_step_model){.threads = request->threads, .sum_bytes = sum_bytes(o->reduce) * (double)request->graph->trained_floats + (br_train_keeps_averages(o) ? PAIR * (double)request->graph->statistic_floats : 0), .latency = 1.5e-4, .bandwidth = 940e6 / 8};
  if (o->sync == BR_SYNC_GRADIENTS) {
    model->parts = o->batch / o->micro_batch;
    if (plan->units > 0 && model->parts > plan->units) model->parts = plan->units;
    model->sums = plan->steps > 0 ? plan->steps : 1;
    model->early = plan->sum_early;
    model->part_seconds = unit_seconds;
    return;
  }
  int64_t workers = o->sync == BR_SYNC_FEDAVG ? (int64_t)ceil(o->worker.workers * o->worker.fraction) : o->worker.workers;
  int64_t local_steps = ceil_div(plan->units, workers < 1 ? 1 : workers) / (o->batch / o->micro_batch);
  model->parts = workers < 1 ? 1 : workers;
  model->sums = o->sync == BR_SYNC_WEIGHTS && o->worker.every > 0 ? ceil_div(local_steps, o->worker.every) : 1;
  if (model->sums < 1) model->sums = 1;
  model->part_seconds = unit_seconds * (double)plan->units / (double)model->parts / (double)model->sums;
}

int br_step_model_open(const struct br_plan_request *request, struct br_step_model *model) {
  struct br_train_plan plan;
  double seconds;
  BR_TRY(br_train_plan(request, &plan));
  BR_TRY(br_train_plan_seconds(request, &plan, &seconds));
  br_step_model_shape(request, &plan, plan.units > 0 ? seconds * (double)plan.side_by_side / (double)plan.units : 0, model);
  return BR_OK;
}

/* A number and its unit at *text, which moves on to behind them; the value in the base unit, or NaN. */
static double read_quantity(const char **text, const char *const *units, const double *factors, int n) {
  char *end;
  double value = strtod(*text, &end);
  size_t length = strcspn(end, ",");
  if (end == *text || !(value > 0)) return NAN;
  for (int i = 0; i < n; i++)
    if (strlen(units[i]) == length && strncasecmp(end, units[i], length) == 0) {
      *text = end + length;
      return value * factors[i];
    }
  return NAN;
}

int br_step_model_link(struct br_step_model *model, const char *text) {
  static const char *const rates[] = {"bit", "kbit", "Mbit", "Gbit"}, *const times[] = {"us", "ms", "s"};
  static const double rate_factors[] = {1.0 / 8, 1e3 / 8, 1e6 / 8, 1e9 / 8}, time_factors[] = {1e-6, 1e-3, 1};
  const char *at = text;
  double bandwidth = read_quantity(&at, rates, rate_factors, 4), latency = model->latency;
  if (!isnan(bandwidth) && *at == ',') {
    at++;
    latency = read_quantity(&at, times, time_factors, 3);
  }
  if (isnan(bandwidth) || isnan(latency) || *at) BR_FAIL(BR_ERROR_USAGE, "--link %s: a bandwidth and a latency like 940Mbit,0.15ms were expected", text);
  model->bandwidth = bandwidth;
  model->latency = latency;
  return BR_OK;
}

int br_step_model_node(struct br_step_model *model, const char *name) {
  enum { N = sizeof node_kinds / sizeof *node_kinds };
  const char *names[N + 1] = {"here"};
  if (strcmp(name, "here") == 0) return BR_OK;
  for (int i = 0; i < N; i++) {
    names[i + 1] = node_kinds[i].name;
    if (strcmp(name, node_kinds[i].name) != 0) continue;
    double here;
    BR_TRY(br_doctor_speed(&here));
    model->part_seconds *= here / node_kinds[i].gflops;
    model->threads = node_kinds[i].cores;
    return BR_OK;
  }
  const char *nearest = br_text_nearest(name, names, N + 1);
  BR_FAIL(BR_ERROR_USAGE, "--node %s: known are here, pi3, pi4 and pi5%s%s%s", name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

double br_step_model_compute(const struct br_step_model *m, int64_t parts) {
  if (parts < 1) return 0;
  int64_t groups = parts < m->threads ? parts : m->threads, members = m->threads / groups;
  return m->part_seconds * (double)ceil_div(parts, groups) / (double)members;
}

/* Of the slowest node, which has the most parts. */
static double compute_seconds(const struct br_step_model *m, int nodes) { return br_step_model_compute(m, ceil_div(m->parts, nodes)); }

/* What a step waits for its sum: it begins in pieces during the backward pass of the last parts, the first parameters' piece after it. */
static double sum_seconds(const struct br_step_model *m, int nodes) {
  double whole = br_link_sum_model(nodes, m->sum_bytes, m->latency, m->bandwidth);
  int64_t parts = ceil_div(m->parts, nodes), members = parts < m->threads ? m->threads / (parts < 1 ? 1 : parts) : 1;
  return whole - fmin(m->early * whole, MOVED * BACKWARD * m->part_seconds / (double)members);
}

struct br_step_time br_step_model_time(const struct br_step_model *m, int nodes) {
  struct br_step_time t = {.nodes = nodes};
  double sums = (double)m->sums;
  t.compute = sums * compute_seconds(m, nodes);
  t.communicate = sums * sum_seconds(m, nodes);
  t.epoch = t.compute + t.communicate;
  t.speedup = sums * compute_seconds(m, 1) / t.epoch;
  t.efficiency = t.speedup / nodes;
  t.sent_bytes = 2.0 * (nodes - 1) / nodes * m->sum_bytes;
  return t;
}

int br_step_model_fastest(const struct br_step_model *m, int most) {
  int best = 1;
  for (int n = 2; n <= most; n++)
    if (br_step_model_time(m, n).epoch < 0.999 * br_step_model_time(m, best).epoch) best = n;
  return best;
}

int br_step_model_worth(const struct br_step_model *m, int most, double efficiency) {
  int last = 1;
  for (int n = 2; n <= most; n++)
    if (br_step_model_time(m, n).efficiency >= efficiency) last = n;
  while (last > 1 && br_step_model_time(m, last - 1).epoch <= 1.001 * br_step_model_time(m, last).epoch) last--; /* the parts of a step do not go round */
  return last;
}
