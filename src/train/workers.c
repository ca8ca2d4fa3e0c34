/* Rounds of virtual workers: local steps by groups of threads, weights and statistics onto exact sums, one all-reduce, the mean. */
#include "train/workers.h"
#include "train/statistics.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/place.h>
#include <bramble/kernel/kernel.h>

#include <math.h>
#include <string.h>

/* A worker's samples and how they are cut. */
struct shard {
  const uint64_t *samples;
  uint64_t count;
  int micro_batch;          /* all its samples where they are fewer than one */
  int64_t units, per_step;  /* units of an epoch, of a step */
  int64_t steps;            /* of an epoch */
};

static struct shard shard_of(const struct br_workers *w, int64_t worker) {
  const struct br_train_options *o = w->options;
  struct shard s = {.samples = w->partition.samples + w->partition.start[worker], .count = br_partition_count(&w->partition, (int)worker), .micro_batch = o->micro_batch, .per_step = o->batch / o->micro_batch};
  if (s.count < (uint64_t)s.micro_batch) s.micro_batch = (int)s.count;
  s.units = s.micro_batch > 0 ? (int64_t)(s.count / (uint64_t)s.micro_batch) : 0;
  s.steps = (s.units + s.per_step - 1) / s.per_step;
  return s;
}

/* The worker that is number `turn` of a round: with fedavg they are drawn without repetition. */
static int64_t worker_of(const struct br_workers *w, uint32_t epoch, int64_t turn) {
  const struct br_train_options *o = w->options;
  if (o->sync != BR_SYNC_FEDAVG) return turn;
  return (int64_t)br_random_permute(o->seed, BR_RANDOM_PARTITION, epoch + 1, (uint64_t)o->worker.workers, (uint64_t)turn);
}

/* What a worker counts for in the mean: all alike, or with fedavg by its samples. */
static int64_t weight_of(const struct br_workers *w, const struct shard *shard) { return w->options->sync == BR_SYNC_FEDAVG ? (int64_t)shard->count : shard->count > 0; }

/* --- opening --------------------------------------------------------------------------------------------------------------- */

int br_workers_in_round(const struct br_train_options *o) {
  if (o->sync != BR_SYNC_FEDAVG) return o->worker.workers;
  int n = (int)(o->worker.fraction * o->worker.workers + 0.5);
  return n < 1 ? 1 : n;
}

bool br_workers_keep_state(const struct br_graph *graph, const struct br_train_options *o) {
  return o->sync == BR_SYNC_WEIGHTS && !o->worker.reset_optimiser && br_optimiser_state_floats(graph, &o->optimiser) > 0;
}

static int open_group(struct br_workers *w, int g) {
  const struct br_graph *graph = w->graph;
  BR_TRY(br_memory_alloc(graph->trained_floats, sizeof(float), "a worker's weights", &w->trained[g]));
  BR_TRY(br_memory_alloc(graph->statistic_floats, sizeof(float), "a worker's statistics", &w->statistics[g]));
  if (!w->keeps) BR_TRY(br_optimiser_open(&w->optimiser[g], graph, &w->options->optimiser, w->options->frozen, w->crew.members, BR_PART_ALL, NULL));
  const struct br_sums_place place = {.gifts = true, .rank = BR_PART_ALL, .grid = w->options->batch > w->options->micro_batch};
  BR_TRY(br_learner_open(&w->learner[g], &place, graph, w->options, w->keeps ? NULL : &w->optimiser[g], w->trained[g], w->statistics[g]));
  w->learner[g].gift[0].gradients = w->crew.gradients + (size_t)g * graph->trained_floats;
  return BR_OK;
}

static int open_rank(struct br_workers *w, struct br_team *team, struct br_loader *loader, struct br_dataset *data, struct br_graph *graph) {
  const struct br_train_options *o = w->options;
  BR_TRY(br_partition_open(&w->partition, data, &o->worker, o->seed));
  for (int r = 0; r < o->worker.workers; r++) {
    struct shard shard = shard_of(w, r);
    if (shard.steps > w->steps_per_epoch) w->steps_per_epoch = shard.steps;
  }
  int64_t first, last;
  br_place_units(w->round_workers, br_comm_size(w->comm), o->speed, br_comm_rank(w->comm), &first, &last);
  BR_TRY(br_crew_open(&w->crew, team, loader, graph, BR_EXEC_TRAIN, o->frozen, o->micro_batch, last - first, NULL));
  size_t groups = (size_t)w->crew.groups;
  if (w->keeps) w->first_kept = first, w->last_kept = last;
  BR_TRY(br_memory_alloc(w->keeps ? (size_t)(last - first) : groups, sizeof *w->optimiser, "workers", &w->optimiser));
  BR_TRY(br_memory_alloc(groups, sizeof *w->learner, "workers", &w->learner));
  BR_TRY(br_memory_alloc(groups, sizeof *w->trained, "workers", &w->trained));
  BR_TRY(br_memory_alloc(groups, sizeof *w->statistics, "workers", &w->statistics));
  BR_TRY(br_memory_alloc(groups, sizeof *w->failed, "workers", &w->failed));
  BR_TRY(br_memory_alloc(groups, sizeof *w->turn, "workers", &w->turn));
  BR_TRY(br_memory_alloc(groups, sizeof *w->run, "workers", &w->run));
  for (int g = 0; g < w->crew.groups; g++) BR_TRY(open_group(w, g));
  for (int64_t k = w->first_kept; k < w->last_kept; k++) BR_TRY(br_optimiser_open(&w->optimiser[k - first], w->graph, &o->optimiser, o->frozen, w->crew.members, BR_PART_ALL, NULL));
  if (o->sync == BR_SYNC_FEDAVG) BR_TRY(br_memory_alloc((size_t)w->round_workers, sizeof *w->clients, "client results", &w->clients));
  BR_TRY(br_server_open(&w->server, &o->worker, graph->trained_floats));
  return br_step_sums_open(&w->sums, graph, true);
}

int br_workers_open(struct br_workers *w, struct br_comm *comm, struct br_team *team, struct br_loader *loader, struct br_dataset *data, struct br_graph *graph, const struct br_train_options *options) {
  *w = (struct br_workers){.graph = graph, .options = options, .comm = comm, .round_workers = br_workers_in_round(options), .keeps = br_workers_keep_state(graph, options)};
  pthread_mutex_init(&w->merging, NULL);
  w->mutex_is_open = true;
  return br_comm_agree(comm, open_rank(w, team, loader, data, graph));
}

void br_workers_close(struct br_workers *w) {
  for (int g = 0; g < w->crew.groups; g++) {
    if (w->learner) br_learner_close(&w->learner[g]);
    if (w->trained) br_memory_free(w->trained[g]);
    if (w->statistics) br_memory_free(w->statistics[g]);
    if (w->optimiser && !w->keeps) br_optimiser_close(&w->optimiser[g]);
  }
  for (int64_t k = w->first_kept; w->optimiser && k < w->last_kept; k++) br_optimiser_close(&w->optimiser[k - w->first_kept]);
  br_memory_free(w->optimiser);
  br_memory_free(w->learner);
  br_memory_free(w->trained);
  br_memory_free(w->statistics);
  br_memory_free(w->failed);
  br_memory_free(w->turn);
  br_memory_free(w->run);
  br_memory_free(w->clients);
  br_server_close(&w->server);
  br_step_sums_close(&w->sums);
  br_partition_close(&w->partition);
  br_crew_close(&w->crew);
  if (w->mutex_is_open) pthread_mutex_destroy(&w->merging);
  *w = (struct br_workers){0};
}

/* --- local steps, by all members of a group ---------------------------------------------------------------------------------- */

/* What the threads of a round share. */
struct shared_round {
  struct br_workers *w;
  const struct br_round *round;
  const float *trained, *statistics; /* common */
  int64_t next, last;                /* turns of this rank not yet taken */
  int64_t total;                     /* weight of all that take part, on all ranks */
  int shift;                         /* of the grid the weights are put on */
  struct br_tally tally;
};

/* One unit's samples into the group's input; by the group's first member. */
static void load_unit(struct shared_round *shared, int group, const struct br_order *order, const struct br_step *step, int64_t unit) {
  struct br_workers *w = shared->w;
  struct br_crew *crew = &w->crew;
  double start = group == 0 ? br_clock_seconds() : 0;
  struct br_run *run = &w->run[group];
  *run = br_learner_run(&w->learner[group], order, step);
  run->position = (uint64_t)(unit - step->first) * (uint64_t)order->micro_batch;
  br_order_unit(order, unit, crew->index[group]);
  br_crew_load(crew, group, unit, order->epoch, order->micro_batch, run);
  if (group == 0) crew->load_seconds += br_clock_seconds() - start;
}

static void local_step(struct shared_round *shared, int group, const struct br_order *order, const struct br_step *step, struct br_part inner) {
  struct br_workers *w = shared->w;
  struct br_crew *crew = &w->crew;
  struct br_learner *learner = &w->learner[group];
  struct br_barrier *meeting = &crew->meeting[group];
  const int64_t last = step->first + step->count - 1;
  if (inner.index == 0) br_learner_clear(learner);
  for (int64_t unit = step->first; unit <= last; unit++) {
    if (inner.index == 0) load_unit(shared, group, order, step, unit);
    br_exec_run(crew->exec[group], &w->run[group], inner);
    if (unit < last)
      br_learner_collect(learner, crew, group, unit > step->first, step->count, inner);
    else
      br_learner_keep(learner, crew, group, inner);
  }
  br_barrier_wait(meeting, inner.count);
  br_learner_update(learner, meeting, step->count, step->lr, inner);
  br_barrier_wait(meeting, inner.count);
  if (inner.index == 0) {
    int status = br_learner_check(learner, crew, group, group + 1, order, step);
    if (status != BR_OK) br_crew_note_failure(crew, status);
    w->failed[group] = __atomic_load_n(&crew->status, __ATOMIC_ACQUIRE) != BR_OK;
  }
  br_barrier_wait(meeting, inner.count);
}

static void copy_part(float *to, const float *from, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 16, &first, &last);
  if (from)
    memcpy(to + first, from + first, (last - first) * sizeof *to);
  else
    memset(to + first, 0, (last - first) * sizeof *to);
}

static void become_worker(struct shared_round *shared, int group, int64_t turn, int64_t steps_done, struct br_part inner) {
  struct br_workers *w = shared->w;
  const struct br_graph *graph = w->graph;
  struct br_learner *learner = &w->learner[group];
  if (inner.index == 0) {
    if (w->keeps) learner->optimiser = &w->optimiser[turn - w->first_kept];
    learner->optimiser->step = w->keeps ? (uint32_t)steps_done : 0;
    learner->anchor = w->options->worker.prox > 0 ? shared->trained : NULL;
    learner->tally = (struct br_tally){0};
  }
  br_barrier_wait(&w->crew.meeting[group], inner.count);
  copy_part(w->trained[group], shared->trained, graph->trained_floats, inner);
  copy_part(w->statistics[group], shared->statistics, graph->statistic_floats, inner);
  if (!w->keeps) copy_part(learner->optimiser->state, NULL, br_optimiser_state_floats(graph, &w->options->optimiser), inner);
  br_barrier_wait(&w->crew.meeting[group], inner.count);
}

/* The worker's weights, as often as it counts, and statistics onto the sums of the round; one group at a time. */
static void add_worker(struct shared_round *shared, int group, int64_t weight, struct br_part inner) {
  struct br_workers *w = shared->w;
  struct br_step_sums *sums = &w->sums;
  const float *trained = w->trained[group];
  double factor = ldexp(1, shared->shift), limit = ldexp(1, 62 - shared->shift) / (double)shared->total;
  bool sound = true;
  size_t first, last;
  br_part_range(inner, w->graph->trained_floats, 16, &first, &last);
  for (size_t i = first; i < last; i++) {
    sound = sound && fabs((double)trained[i]) < limit;
    if (sound) sums->grid[i] += weight * llrint(trained[i] * factor);
  }
  if (!sound) __atomic_store_n(&sums->scalars[BR_SCALAR_BAD], 1, __ATOMIC_RELAXED);
  br_statistics_add(w->graph, w->statistics[group], (double)weight, sums->pairs, inner);
}

static void run_worker(struct shared_round *shared, int group, int64_t turn, struct br_part inner) {
  struct br_workers *w = shared->w;
  const struct br_train_options *o = w->options;
  const struct br_round *round = shared->round;
  bool federated = o->sync == BR_SYNC_FEDAVG;
  int64_t worker = worker_of(w, round->epoch, turn);
  struct shard shard = shard_of(w, worker);
  int64_t passes = federated ? o->worker.local_epochs : 1, last = passes * shard.steps;
  if (!federated && round->last < last) last = round->last;
  uint32_t first_epoch = round->epoch * (uint32_t)passes;
  double start = br_clock_seconds();
  become_worker(shared, group, turn, (int64_t)round->epoch * shard.steps + (round->first < shard.steps ? round->first : shard.steps), inner);
  for (int64_t s = round->first; s < last && !w->failed[group]; s++) {
    int64_t within = s % shard.steps;
    struct br_order order = {.seed = o->seed + (uint64_t)worker * UINT64_C(0x9E3779B97F4A7C15), .epoch = first_epoch + (uint32_t)(s / shard.steps), .samples = shard.count, .shard = shard.samples, .micro_batch = shard.micro_batch};
    struct br_step step = {.first = within * shard.per_step, .count = shard.per_step};
    if (step.count > shard.units - step.first) step.count = shard.units - step.first;
    step.number = order.epoch * (uint32_t)shard.steps + (uint32_t)within;
    step.lr = federated ? br_schedule_lr(&o->schedule, round->epoch, 1, o->epochs) : br_schedule_lr(&o->schedule, (int64_t)round->epoch * w->steps_per_epoch + s, w->steps_per_epoch, o->epochs);
    local_step(shared, group, &order, &step, inner);
  }
  struct br_barrier *meeting = &w->crew.meeting[group];
  if (inner.index == 0) pthread_mutex_lock(&w->merging);
  br_barrier_wait(meeting, inner.count);
  if (!w->failed[group]) add_worker(shared, group, weight_of(w, &shard), inner);
  br_barrier_wait(meeting, inner.count);
  if (inner.index != 0) return;
  struct br_tally *tally = &w->learner[group].tally;
  br_tally_merge(&shared->tally, tally);
  pthread_mutex_unlock(&w->merging);
  double seconds = br_clock_seconds() - start;
  if (group == 0) w->crew.compute_seconds += seconds;
  if (w->clients)
    w->clients[turn] = (struct br_client_result){.client = worker, .samples = (int64_t)shard.count, .rank = br_comm_rank(w->comm), .seconds = seconds,
                                                 .loss = tally->samples ? br_sum_value(&tally->loss) / (double)tally->samples : 0,
                                                 .accuracy = tally->samples ? (double)tally->right / (double)tally->samples : 0};
}

/* Groups take workers as they come: integers add up the same in any order. */
static void round_member(void *arg, struct br_part part) {
  struct shared_round *shared = arg;
  struct br_workers *w = shared->w;
  struct br_crew *crew = &w->crew;
  int group = part.index / crew->members;
  if (group >= crew->groups) return;
  struct br_part inner = {part.index % crew->members, crew->members};
  for (;;) {
    if (inner.index == 0) w->turn[group] = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
    br_barrier_wait(&crew->meeting[group], inner.count);
    int64_t turn = w->turn[group];
    bool failed = w->failed[group];
    br_barrier_wait(&crew->meeting[group], inner.count);
    if (turn >= shared->last || failed) return;
    run_worker(shared, group, turn, inner);
  }
}

/* --- the round ------------------------------------------------------------------------------------------------------------- */

struct renewal {
  struct br_workers *w;
  float *trained, *mean;
  double factor;
  struct br_barrier *barrier;
};

static void renew_member(void *arg, struct br_part part) {
  struct renewal *renewal = arg;
  br_grid_get(renewal->w->sums.grid, renewal->factor, renewal->mean, renewal->w->graph->trained_floats, part);
  br_barrier_wait(renewal->barrier, part.count);
  br_server_apply(&renewal->w->server, renewal->trained, renewal->mean, part);
}

/* The sum over all that take part, and a grid on which weights up to 2^12 fit so often. */
static void weigh(struct shared_round *shared) {
  struct br_workers *w = shared->w;
  for (int64_t turn = 0; turn < w->round_workers; turn++) {
    struct shard shard = shard_of(w, worker_of(w, shared->round->epoch, turn));
    shared->total += weight_of(w, &shard);
  }
  shared->shift = BR_GRID_SHIFT;
  while (shared->shift > 0 && ldexp(1, 62 - 12 - shared->shift) < (double)shared->total) shared->shift--;
}

static int run_local(struct shared_round *shared) {
  struct br_workers *w = shared->w;
  memset(w->sums.block, 0, w->sums.count * sizeof(int64_t));
  memset(w->failed, 0, (size_t)w->crew.groups * sizeof *w->failed);
  if (w->clients) memset(w->clients, 0, (size_t)w->round_workers * sizeof *w->clients);
  w->crew.status = BR_OK;
  double loaded = w->crew.load_seconds;
  br_team_run(w->crew.team, round_member, shared);
  w->crew.compute_seconds -= w->crew.load_seconds - loaded;
  if (w->crew.status != BR_OK) return br_error_set(w->crew.status, "%s", w->crew.message);
  if (w->sums.scalars[BR_SCALAR_BAD] != 0)
    BR_FAIL(BR_ERROR_FAILED, "a worker's weights are too large or not numbers after epoch %d: the training has diverged; lower --lr, or use --clip or --warmup", (int)shared->round->epoch + 1);
  return BR_OK;
}

static int sum_over_ranks(struct br_workers *w, struct br_learner *account) {
  if (br_comm_size(w->comm) == 1) return BR_OK;
  double start = br_clock_seconds();
  int status = br_comm_sum_i64(w->comm, w->sums.block, w->sums.count);
  /* Only the rank that ran a client has filled its entry, so a sum of integers puts them together. */
  if (status == BR_OK && w->clients) status = br_comm_sum_i64(w->comm, &w->clients->client, (size_t)w->round_workers * (sizeof *w->clients / sizeof(int64_t)));
  account->communicate_seconds += br_clock_seconds() - start;
  return status;
}

int br_workers_round(struct br_workers *w, struct br_round *round, float *trained, float *statistics) {
  struct shared_round shared = {.w = w, .round = round, .trained = trained, .statistics = statistics};
  br_place_units(w->round_workers, br_comm_size(w->comm), w->options->speed, br_comm_rank(w->comm), &shared.next, &shared.last);
  weigh(&shared);
  int status = run_local(&shared);
  if (status == BR_OK) {
    br_step_sums_put(&w->sums, &shared.tally);
  } else { /* told to all by the sum, then agreed on */
    memset(w->sums.block, 0, w->sums.count * sizeof(int64_t));
    w->sums.scalars[BR_SCALAR_BAD] = 1;
  }
  br_step_sums_wish(&w->sums, &round->wishes);
  BR_TRY(sum_over_ranks(w, &w->learner[0]));
  round->wishes = br_step_sums_wishes(&w->sums);
  if (w->sums.scalars[BR_SCALAR_BAD] != 0) return br_comm_agree(w->comm, status);
  round->tally = br_step_sums_tally(&w->sums);
  if (shared.total == 0) return BR_OK; /* clients without a sample have nothing to say */
  br_statistics_blend(w->graph, w->sums.pairs, (double)shared.total, true, statistics, BR_PART_ALL);
  struct renewal renewal = {.w = w, .trained = trained, .mean = w->learner[0].gradient, .factor = ldexp(1, -shared.shift) / (double)shared.total, .barrier = &w->crew.barrier};
  br_team_run(w->crew.team, renew_member, &renewal);
  return BR_OK;
}
