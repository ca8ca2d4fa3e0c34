/* The plan adds up what trainer.c, workers.c and evaluate.c will open, by the same functions that open it. */
#include "train/buckets.h"
#include "train/feed.h"
#include "train/learner.h"
#include "train/partition.h"
#include "train/server.h"
#include "train/workers.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/cluster/place.h>
#include <bramble/train/plan.h>

#include <stdio.h>

const char *br_plan_kind_word(enum br_plan_kind kind) {
  static const char *const words[] = {
#define X(name, word) word,
      BR_PLAN_KIND_LIST(X)
#undef X
  };
  return words[kind];
}

static bool has_workers(const struct br_train_options *o) { return o->sync != BR_SYNC_GRADIENTS; }

/* The most of `parts` that one rank has. */
static int64_t largest_share(int64_t parts, int ranks, const double *speed) {
  int64_t most = 0;
  for (int r = 0; r < ranks; r++) {
    int64_t first, last;
    br_place_units(parts, ranks, speed, r, &first, &last);
    if (last - first > most) most = last - first;
  }
  return most;
}

static int add_crew(const struct br_plan_request *request, enum br_exec_mode mode, const bool *frozen, int64_t units, struct br_train_plan *plan, int *groups) {
  struct br_crew_bytes crew;
  BR_TRY(br_crew_plan(request->graph, mode, frozen, request->threads, request->options->micro_batch, units, &crew));
  plan->bytes[BR_PLAN_ACTIVATIONS] += crew.activations;
  plan->bytes[BR_PLAN_GRADIENTS] += crew.gradients;
  plan->bytes[BR_PLAN_LOADER] += crew.input;
  *groups = crew.groups;
  return BR_OK;
}

static int add_workers(const struct br_plan_request *request, struct br_train_plan *plan) {
  const struct br_train_options *o = request->options;
  const struct br_graph *graph = request->graph;
  uint64_t samples = br_dataset_info(request->train_data)->count;
  int taking = br_workers_in_round(o), groups;
  int64_t mine = largest_share(taking, request->ranks, o->speed);
  size_t state = br_optimiser_bytes(graph, &o->optimiser, request->threads), copy = sizeof(float) * (graph->trained_floats + graph->statistic_floats);
  BR_TRY(add_crew(request, BR_EXEC_TRAIN, o->frozen, mine, plan, &groups));
  plan->bytes[BR_PLAN_WEIGHTS] += (size_t)groups * copy;
  plan->bytes[BR_PLAN_GRADIENTS] += (size_t)groups * sizeof(float) * graph->trained_floats;
  plan->bytes[BR_PLAN_SUMS] += (size_t)groups * br_step_sums_bytes(graph, o->batch > o->micro_batch) + br_step_sums_bytes(graph, true);
  plan->bytes[BR_PLAN_OPTIMISER] += br_workers_keep_state(graph, o) ? (size_t)mine * state : (size_t)groups * state;
  plan->bytes[BR_PLAN_OPTIMISER] += sizeof(float) * br_server_state_floats(&o->worker, graph->trained_floats);
  plan->bytes[BR_PLAN_DATA] += br_partition_bytes(samples, o->worker.workers);
  int64_t shard = (int64_t)(samples / (uint64_t)o->worker.workers) / o->micro_batch, per_step = o->batch / o->micro_batch, passes = o->sync == BR_SYNC_FEDAVG ? o->worker.local_epochs : 1;
  if (shard < 1) shard = 1;
  plan->units = shard * taking * passes;
  plan->steps = (shard + per_step - 1) / per_step * passes;
  int64_t at_once = (int64_t)groups * request->ranks;
  plan->side_by_side = at_once < taking ? at_once : taking;
  return BR_OK;
}

/* All but the bucket of the first parameters. */
static double early_share(size_t n) {
  size_t border[BR_BUCKETS];
  int buckets = br_buckets_cut(n, border);
  return buckets > 1 ? 1 - (double)border[buckets - 1] / (double)n : 0;
}

static int add_gradients(const struct br_plan_request *request, struct br_train_plan *plan) {
  const struct br_train_options *o = request->options;
  const struct br_graph *graph = request->graph;
  int groups;
  plan->units = (int64_t)(br_dataset_info(request->train_data)->count / (uint64_t)o->micro_batch);
  int64_t per_step = o->batch / o->micro_batch;
  if (per_step > plan->units) per_step = plan->units;
  if (per_step < 1) per_step = 1;
  plan->steps = (plan->units + per_step - 1) / per_step;
  const int64_t mine = o->balance ? per_step : largest_share(per_step, request->ranks, o->speed);
  BR_TRY(add_crew(request, BR_EXEC_TRAIN, o->frozen, mine, plan, &groups));
  if (br_loader_is_costly(request->train)) plan->bytes[BR_PLAN_LOADER] += br_loader_stream_bytes(request->train, o->micro_batch, br_feed_depth(groups));
  plan->bytes[BR_PLAN_GRADIENTS] += sizeof(float) * graph->trained_floats;
  const bool fixed = o->reduce == BR_REDUCE_FIXED32 || o->reduce == BR_REDUCE_FIXED16;
  plan->bytes[BR_PLAN_SUMS] += br_step_sums_bytes(graph, request->ranks > 1 || fixed || mine > groups) + (fixed ? br_fixed_bytes(graph) : 0);
  plan->bytes[BR_PLAN_OPTIMISER] += br_optimiser_bytes(graph, &o->optimiser, request->threads);
  int64_t at_once = (int64_t)groups * request->ranks;
  plan->side_by_side = at_once < per_step ? at_once : per_step;
  plan->sum_early = early_share(graph->trained_floats);
  return BR_OK;
}

int br_train_plan(const struct br_plan_request *request, struct br_train_plan *plan) {
  const struct br_train_options *o = request->options;
  struct br_graph *graph = request->graph;
  *plan = (struct br_train_plan){0};
  if (o->micro_batch < 1 || o->batch < o->micro_batch) BR_FAIL(BR_ERROR_USAGE, "--batch and --micro-batch must be at least 1, and a batch at least one micro-batch");
  if (has_workers(o) && o->worker.workers < 1) BR_FAIL(BR_ERROR_USAGE, "--sync %s needs --workers", br_sync_words[o->sync]);
  size_t *bytes = plan->bytes;
  bytes[BR_PLAN_WEIGHTS] = sizeof(float) * (graph->trained_floats * (o->ema > 0 ? 2 : 1) + graph->statistic_floats);
  bytes[BR_PLAN_DATA] = br_dataset_info(request->train_data)->memory_bytes + (request->test_data ? br_dataset_info(request->test_data)->memory_bytes : 0);
  BR_TRY(has_workers(o) ? add_workers(request, plan) : add_gradients(request, plan));
  if (o->bn_recalibrate > 0 && graph->statistic_floats > 0) {
    int groups;
    BR_TRY(add_crew(request, BR_EXEC_STATS, NULL, o->bn_recalibrate / o->micro_batch / request->ranks, plan, &groups));
    bytes[BR_PLAN_SUMS] += sizeof(struct br_pair) * graph->statistic_floats;
  }
  if (request->test_data) {
    int groups;
    BR_TRY(add_crew(request, BR_EXEC_INFER, NULL, (int64_t)(br_dataset_info(request->test_data)->count / (uint64_t)o->micro_batch) + 1, plan, &groups));
  }
  if (request->ranks > 1) bytes[BR_PLAN_COMMUNICATION] = br_step_sums_bytes(graph, true); /* what MPI copies while it sums */
  size_t held = br_memory_held_bytes(), rss = br_memory_rss_bytes();
  bytes[BR_PLAN_PROGRAM] = rss > held ? rss - held : 0;
  for (int k = 0; k < BR_PLAN_KINDS; k++) plan->total += bytes[k];
  BR_TRY(br_graph_infer(graph, 1));
  plan->macs = br_graph_cost(graph).macs;
  return br_graph_infer(graph, o->micro_batch);
}

/* The first setting below the one asked for that fits: fewer threads, which change nothing, then a smaller micro-batch, which changes the model. */
static bool find_fit(const struct br_plan_request *request, double limit, char *text, size_t room, size_t *least) {
  struct br_train_options options = *request->options;
  struct br_plan_request trial = *request;
  struct br_train_plan plan;
  trial.options = &options;
  *least = SIZE_MAX;
  for (int micro = options.micro_batch; micro >= 1; micro--) {
    if (options.batch % micro != 0) continue;
    options.micro_batch = micro;
    for (int threads = request->threads; threads >= 1; threads /= 2) {
      trial.threads = threads;
      if (br_train_plan(&trial, &plan) != BR_OK) continue;
      if (plan.total < *least) *least = plan.total;
      if ((double)plan.total > limit) continue;
      int n = 0;
      if (threads != request->threads) n = snprintf(text, room, "--threads %d", threads);
      if (micro != request->options->micro_batch) snprintf(text + n, room - (size_t)n, "%s--micro-batch %d", n ? " " : "", micro);
      return true;
    }
  }
  return false;
}

int br_train_plan_check(const struct br_plan_request *request, double limit) {
  struct br_train_plan plan;
  BR_TRY(br_train_plan(request, &plan));
  if ((double)plan.total <= limit) return BR_OK;
  char need[32], have[32], at_least[32], fit[80];
  size_t least;
  bool fits = find_fit(request, limit, fit, sizeof fit, &least);
  BR_TRY(br_graph_infer(request->graph, request->options->micro_batch));
  br_text_bytes((double)plan.total, need);
  br_text_bytes(limit, have);
  if (fits) BR_FAIL(BR_ERROR_MEMORY, "each rank needs %s and may take %s; %s fits", need, have, fit);
  BR_FAIL(BR_ERROR_MEMORY, "each rank needs %s and may take %s; even --threads 1 --micro-batch 1 needs %s: take a smaller net or input, or a larger --memory", need, have, br_text_bytes((double)least, at_least));
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

static int first_samples(void *arg, int64_t unit, uint64_t *index, uint64_t *position) {
  const struct br_plan_request *request = arg;
  (void)unit;
  for (int i = 0; i < request->options->micro_batch; i++) index[i] = (uint64_t)i;
  *position = 0;
  return request->options->micro_batch;
}

static int time_unit(const struct br_plan_request *request, struct br_crew *crew, const float *trained, const float *statistics, double *seconds) {
  struct br_crew_work work = {.arg = (void *)(uintptr_t)request, .last = 1, .samples = first_samples, .run = {.trained = trained, .statistics = statistics, .loss_scale = 1}};
  BR_TRY(br_crew_run(crew, &work)); /* warms caches and pages */
  double start = br_clock_seconds(), now = start, delayed = br_clock_delayed_seconds();
  int runs = 0;
  for (; runs < 2 || (now - start < 0.3 && runs < 1000); runs++) {
    BR_TRY(br_crew_run(crew, &work));
    now = br_clock_seconds();
  }
  delayed = br_clock_delayed_seconds() - delayed; /* other programs had the processor: that is no property of the unit */
  *seconds = (now - start - (delayed < now - start ? delayed : 0)) / runs;
  return BR_OK;
}

int br_train_plan_seconds(const struct br_plan_request *request, const struct br_train_plan *plan, double *seconds) {
  const struct br_train_options *o = request->options;
  *seconds = 0;
  if (br_dataset_info(request->train_data)->count < (uint64_t)o->micro_batch) BR_FAIL(BR_ERROR_USAGE, "the training samples are fewer than one micro-batch of %d; lower --micro-batch", o->micro_batch);
  struct br_team *team = NULL;
  struct br_crew crew = {0};
  float *trained = NULL, *statistics = NULL;
  double unit = 0;
  int status = br_team_open(1, &team);
  if (status == BR_OK) status = br_crew_open(&crew, team, request->train, request->graph, BR_EXEC_TRAIN, o->frozen, o->micro_batch, 1, NULL);
  if (status == BR_OK) status = br_memory_alloc(request->graph->trained_floats, sizeof(float), "weights", &trained);
  if (status == BR_OK) status = br_memory_alloc(request->graph->statistic_floats, sizeof(float), "statistics", &statistics);
  if (status == BR_OK) {
    br_graph_init(request->graph, 1, trained, statistics);
    status = time_unit(request, &crew, trained, statistics, &unit);
  }
  br_memory_free(trained);
  br_memory_free(statistics);
  br_crew_close(&crew);
  br_team_close(team);
  *seconds = unit * (double)plan->units / (double)(plan->side_by_side > 0 ? plan->side_by_side : 1);
  return status;
}
