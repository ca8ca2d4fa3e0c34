/* Runs units on groups of threads, one round of units after another. */
#include "train/crew.h"
#include "train/feed.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>

int br_crew_groups(int threads, int64_t units) { return units < 1 ? 1 : units < threads ? (int)units : threads; }

static size_t sample_floats(const struct br_graph *graph) { return br_shape_count(&graph->nodes[0].shape) / (size_t)graph->nodes[0].shape.d[0]; }

static int outputs(const struct br_graph *graph) { return br_shape_channels(&graph->nodes[graph->output].shape); }

int br_crew_plan(struct br_graph *graph, enum br_exec_mode mode, const bool *frozen, int threads, int unit_samples, int64_t units, struct br_crew_bytes *bytes) {
  bytes->groups = br_crew_groups(threads, units);
  BR_TRY(br_graph_infer(graph, unit_samples));
  struct br_exec_bytes exec;
  BR_TRY(br_exec_plan(graph, &(struct br_exec_options){.mode = mode, .N = unit_samples, .members = threads / bytes->groups, .fuse = true, .frozen = frozen}, &exec));
  size_t groups = (size_t)bytes->groups, sample = sample_floats(graph) * sizeof(float) + sizeof(int32_t) + sizeof(uint64_t) + (graph->loss >= 0 ? (size_t)outputs(graph) * sizeof(float) : 0);
  bytes->activations = groups * (exec.total - exec.gradients);
  bytes->gradients = groups * exec.gradients;
  bytes->input = groups * (size_t)unit_samples * sample;
  return BR_OK;
}

int br_crew_open(struct br_crew *crew, struct br_team *team, struct br_loader *loader, struct br_graph *graph, enum br_exec_mode mode, const bool *frozen, int unit_samples, int64_t units, float *gradients) {
  *crew = (struct br_crew){.team = team, .loader = loader, .graph = graph, .unit_samples = unit_samples, .numbers = br_loader_gives_numbers(loader), .gradients = gradients, .borrows_gradients = gradients != NULL};
  crew->groups = br_crew_groups(br_team_count(team), units);
  crew->members = br_team_count(team) / crew->groups;
  size_t groups = (size_t)crew->groups, samples = (size_t)unit_samples;
  BR_TRY(br_graph_infer(graph, unit_samples));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->exec, "groups", &crew->exec));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->x, "groups", &crew->x));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->label, "groups", &crew->label));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->index, "groups", &crew->index));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->target, "groups", &crew->target));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->fed, "groups", &crew->fed));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->n, "groups", &crew->n));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->unit, "groups", &crew->unit));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->meeting, "groups", &crew->meeting));
  BR_TRY(br_memory_alloc(groups, sizeof *crew->watch, "groups", &crew->watch));
  if (mode == BR_EXEC_TRAIN && !gradients) BR_TRY(br_memory_alloc(groups * graph->trained_floats, sizeof(float), "gradients", &crew->gradients));
  for (size_t g = 0; g < groups; g++) {
    struct br_exec_options options = {.mode = mode, .N = unit_samples, .members = crew->members, .fuse = true, .frozen = frozen};
    if (crew->gradients) options.gradient = crew->gradients + g * graph->trained_floats;
    BR_TRY(br_exec_open(graph, &options, &crew->exec[g]));
    BR_TRY(br_memory_alloc(samples * sample_floats(graph), sizeof(float), "input", &crew->x[g]));
    BR_TRY(br_memory_alloc(samples, sizeof(int32_t), "labels", &crew->label[g]));
    BR_TRY(br_memory_alloc(samples, sizeof(uint64_t), "sample numbers", &crew->index[g]));
    if (graph->loss >= 0) BR_TRY(br_memory_alloc(samples * (size_t)outputs(graph), sizeof(float), "targets", &crew->target[g]));
  }
  return BR_OK;
}

void br_crew_close(struct br_crew *crew) {
  for (int g = 0; g < crew->groups; g++) {
    if (crew->exec) br_exec_close(crew->exec[g]);
    if (crew->x) br_memory_free(crew->x[g]);
    if (crew->label) br_memory_free(crew->label[g]);
    if (crew->index) br_memory_free(crew->index[g]);
    if (crew->target) br_memory_free(crew->target[g]);
  }
  if (!crew->borrows_gradients) br_memory_free(crew->gradients);
  br_memory_free(crew->exec);
  br_memory_free(crew->x);
  br_memory_free(crew->label);
  br_memory_free(crew->index);
  br_memory_free(crew->target);
  br_memory_free(crew->fed);
  br_memory_free(crew->n);
  br_memory_free(crew->unit);
  br_memory_free(crew->meeting);
  br_memory_free(crew->watch);
  *crew = (struct br_crew){0};
}

void br_crew_note_failure(struct br_crew *crew, int status) {
  int none = BR_OK;
  if (__atomic_compare_exchange_n(&crew->status, &none, status, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) snprintf(crew->message, sizeof crew->message, "%s", br_error_message());
}

static void set_targets(struct br_crew *crew, int group, int n) {
  int classes = outputs(crew->graph);
  float *row = crew->target[group];
  if (crew->numbers) {
    for (int i = 0; i < n; i++) row[i] = br_label_number(crew->label[group][i]);
    return;
  }
  memset(row, 0, (size_t)n * (size_t)classes * sizeof *row);
  for (int i = 0; i < n; i++, row += classes) row[crew->label[group][i]] = 1;
}

static void point(struct br_crew *crew, int group, int64_t unit, int n, struct br_run *run) {
  crew->unit[group] = unit;
  crew->n[group] = n;
  run->x = crew->x[group];
  run->label = crew->label[group];
  run->target = crew->target[group];
  run->n = n;
}

void br_crew_load(struct br_crew *crew, int group, int64_t unit, uint32_t epoch, int n, struct br_run *run) {
  int status = br_loader_fill(crew->loader, epoch, crew->index[group], n, crew->x[group], crew->label[group]);
  if (status != BR_OK)
    br_crew_note_failure(crew, status);
  else if (crew->target[group])
    set_targets(crew, group, n);
  point(crew, group, unit, n, run);
}

/* The next unit of the feed, whichever it is: its number comes out. Labels are copied, since they are wanted after the unit is given back. */
static int64_t take_unit(struct br_crew *crew, int group, int n, struct br_run *run) {
  int64_t number;
  struct br_unit *unit = NULL;
  int status = br_feed_take(crew->feed, &unit, &number);
  crew->fed[group] = unit;
  if (status != BR_OK) br_crew_note_failure(crew, status);
  if (unit) memcpy(crew->label[group], unit->label, (size_t)unit->n * sizeof *unit->label);
  if (unit && crew->target[group]) set_targets(crew, group, n);
  point(crew, group, number, n, run);
  if (unit) run->x = unit->x;
  return number;
}

static void give_back(struct br_crew *crew, int group) {
  if (crew->fed[group]) br_loader_release(crew->loader, crew->fed[group]);
  crew->fed[group] = NULL;
}

struct crew_call {
  struct br_crew *crew;
  const struct br_crew_work *work;
  struct br_run *run; /* per group */
  int active;         /* groups of the last round */
};

/* By a group's first thread: the unit's samples into its input. With a feed it may be another unit of the same step. */
static void load_unit(struct crew_call *call, int group, int64_t unit) {
  struct br_crew *crew = call->crew;
  const struct br_crew_work *work = call->work;
  struct br_run *run = &call->run[group];
  *run = work->run;
  if (crew->feed) unit = take_unit(crew, group, crew->unit_samples, run);
  int n = work->samples(work->arg, unit, crew->index[group], &run->position);
  if (!crew->feed) br_crew_load(crew, group, unit, work->epoch, n, run);
}

/* From this float on in every group. */
static size_t settled_in_all(const struct crew_call *call) {
  size_t from = 0;
  for (int g = 0; g < call->active; g++) {
    size_t settled = __atomic_load_n(&call->crew->watch[g].settled, __ATOMIC_ACQUIRE);
    if (settled > from) from = settled;
  }
  return from;
}

static void tell_settled(void *arg) {
  const struct crew_call *call = arg;
  call->work->settled(call->work->arg, call->crew, call->active, settled_in_all(call));
}

/* By a group's first thread, before the last round. */
static void watch_group(struct crew_call *call, int group, int active) {
  struct br_exec_watch *watch = &call->crew->watch[group];
  call->run[group].watch = watch;
  if (group != 0) return;
  call->active = active;
  watch->step = tell_settled;
  watch->arg = call;
}

static void crew_member(void *arg, struct br_part part) {
  struct crew_call *call = arg;
  struct br_crew *crew = call->crew;
  const struct br_crew_work *work = call->work;
  int group = part.index / crew->members, threads = part.count;
  struct br_part inner = {part.index % crew->members, crew->members};
  for (int64_t first = work->first; first < work->last; first += crew->groups) {
    int64_t left = work->last - first, unit = first + group;
    int active = left < crew->groups ? (int)left : crew->groups;
    double start = part.index == 0 ? br_clock_seconds() : 0, loaded = 0;
    if (part.index == 0) crew->later = first > work->first, crew->final = left <= crew->groups;
    if (group < active) {
      if (inner.index == 0) load_unit(call, group, unit);
      if (part.index == 0) loaded = br_clock_seconds();
      bool watched = work->settled && left <= crew->groups;
      if (watched && inner.index == 0) watch_group(call, group, active);
      br_exec_run(crew->exec[group], &call->run[group], inner);
      while (watched && part.index == 0 && settled_in_all(call) > 0) { /* other groups are behind */
        tell_settled(call);
        sched_yield();
      }
      if (inner.index == 0) give_back(crew, group);
      if (inner.index == 0 && work->done) work->done(work->arg, crew, group, unit, call->run[group].n);
    }
    if (work->merge) {
      br_barrier_wait(&crew->barrier, threads);
      work->merge(work->arg, crew, active, part);
      br_barrier_wait(&crew->barrier, threads);
    }
    if (part.index == 0) {
      crew->load_seconds += loaded - start;
      crew->compute_seconds += br_clock_seconds() - loaded;
    }
  }
}

int br_crew_run(struct br_crew *crew, const struct br_crew_work *work) {
  struct br_run run[1024]; /* one per group; a team has at most 1,024 members */
  struct crew_call call = {.crew = crew, .work = work, .run = run};
  crew->status = BR_OK;
  for (int g = 0; g < crew->groups; g++) crew->watch[g] = (struct br_exec_watch){.settled = SIZE_MAX};
  br_team_run(crew->team, crew_member, &call);
  return crew->status == BR_OK ? BR_OK : br_error_set(crew->status, "%s", crew->message);
}
