/* One optimiser step: the rank's units forward and backward, rounded onto the grid, summed over ranks in buckets, and the update, the same
 * on every machine, of which its ranks and their threads make shares. */
#include "train/learner.h"
#include "train/statistics.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/kernel/kernel.h>

#include <math.h>
#include <string.h>

void br_order_unit(const struct br_order *order, int64_t unit, uint64_t *index) {
  const struct br_permutation shuffle = br_permutation_open(order->seed, BR_RANDOM_SHUFFLE, order->epoch, order->samples);
  for (int i = 0; i < order->micro_batch; i++) {
    uint64_t place = br_permutation_at(&shuffle, (uint64_t)unit * (uint64_t)order->micro_batch + (uint64_t)i);
    index[i] = order->shard ? order->shard[place] : place;
  }
}

/* --- the learner ----------------------------------------------------------------------------------------------------------- */

/* What is known first goes first: statistics after the forward pass, the gradients from the last on, the scalars with the first ones. */
static void fill_buckets(struct br_learner *learner) {
  struct br_buckets *buckets = &learner->buckets;
  struct br_step_sums *sums = &learner->sums;
  size_t border[BR_BUCKETS], n = learner->graph->trained_floats;
  int parts = br_buckets_cut(n, border);
  enum br_reduce_kind reduce = learner->options->reduce;
  if (learner->averages) buckets->bucket[buckets->count++] = (struct br_bucket){.data = sums->pairs, .n = 2 * learner->graph->statistic_floats, .type = BR_COMM_I64, .first = n, .last = n};
  for (int k = 0; k < parts; k++) {
    struct br_bucket bucket = {.first = border[k + 1], .last = border[k], .n = border[k] - border[k + 1], .type = BR_COMM_I64, .data = sums->grid + border[k + 1]};
    if (reduce == BR_REDUCE_FLOAT) bucket.data = learner->gradient + bucket.first, bucket.type = BR_COMM_F32;
    buckets->bucket[buckets->count++] = bucket;
  }
  struct br_bucket scalars = {.data = sums->scalars, .n = BR_SCALAR_ROOM, .type = BR_COMM_I64};
  if (reduce == BR_REDUCE_FLOAT)
    buckets->bucket[buckets->count++] = scalars;
  else /* the first gradients lie behind them */
    buckets->bucket[buckets->count - 1].data = sums->scalars, buckets->bucket[buckets->count - 1].n += BR_SCALAR_ROOM;
}

/* In the place's memory: the mean gradient, then the gifts. */
static size_t mean_bytes(const struct br_graph *graph) { return br_size_align(sizeof(float) * graph->trained_floats); }

size_t br_sums_place_bytes(const struct br_sums_place *place, const struct br_graph *graph) { return mean_bytes(graph) + (size_t)place->rank.count * br_gift_bytes(graph, place->groups, place->grid); }

static int open_gifts(struct br_learner *learner) {
  const struct br_sums_place *place = &learner->place;
  const struct br_graph *graph = learner->graph;
  BR_TRY(br_memory_alloc((size_t)place->rank.count, sizeof *learner->gift, "exact sums", &learner->gift));
  learner->gifts = place->rank.count;
  if (!place->memory) {
    BR_TRY(br_step_sums_open(&learner->sums, graph, place->grid));
    learner->gift[0].sums = learner->total = learner->sums;
    return br_memory_alloc(graph->trained_floats, sizeof(float), "gradient", &learner->gradient);
  }
  learner->gradient = place->memory;
  for (int r = 0; r < learner->gifts; r++) learner->gift[r] = br_gift_at((char *)place->memory + mean_bytes(graph) + (size_t)r * br_gift_bytes(graph, place->groups, place->grid), graph, place->grid);
  learner->sums = learner->gift[place->rank.index].sums;
  return br_step_sums_open(&learner->total, graph, false);
}

static int open_messages(struct br_learner *learner) {
  BR_TRY(br_step_sums_open(&learner->sums, learner->graph, true));
  learner->total = learner->sums;
  BR_TRY(br_memory_alloc(learner->graph->trained_floats, sizeof(float), "gradient", &learner->gradient));
  if (learner->options->reduce == BR_REDUCE_FIXED32) BR_TRY(br_fixed_open(&learner->fixed, learner->graph, 32));
  if (learner->options->reduce == BR_REDUCE_FIXED16) BR_TRY(br_fixed_open(&learner->fixed, learner->graph, 16));
  fill_buckets(learner);
  return BR_OK;
}

int br_learner_open(struct br_learner *learner, const struct br_sums_place *place, const struct br_graph *graph, const struct br_train_options *options, struct br_optimiser *optimiser, float *trained, float *statistics) {
  *learner = (struct br_learner){.graph = graph, .options = options, .optimiser = optimiser, .trained = trained, .statistics = statistics, .place = *place};
  learner->averages = graph->statistic_floats > 0 && (options->sync != BR_SYNC_GRADIENTS || br_train_keeps_averages(options));
  return place->gifts ? open_gifts(learner) : open_messages(learner);
}

void br_learner_close(struct br_learner *learner) {
  if (!learner->place.memory) {
    br_step_sums_close(&learner->sums);
    br_memory_free(learner->gradient);
  } else {
    br_step_sums_close(&learner->total);
  }
  br_memory_free(learner->gift);
  br_fixed_close(&learner->fixed);
  *learner = (struct br_learner){0};
}

struct br_run br_learner_run(const struct br_learner *learner, const struct br_order *order, const struct br_step *step) {
  const struct br_train_options *o = learner->options;
  return (struct br_run){.trained = learner->trained, .statistics = learner->statistics, .class_weight = o->class_weight, .smoothing = o->label_smoothing,
                         .loss_scale = 1.0f / (float)order->micro_batch, .seed = order->seed, .step = step->number};
}

void br_learner_clear(struct br_learner *learner) {
  memset(learner->sums.scalars, 0, BR_SCALAR_ROOM * sizeof *learner->sums.scalars);
  if (learner->averages) memset(learner->sums.pairs, 0, learner->graph->statistic_floats * sizeof *learner->sums.pairs);
}

static int argmax(const float *x, int n) {
  int best = 0;
  for (int c = 1; c < n; c++)
    if (x[c] > x[best]) best = c;
  return best;
}

/* A group's gradients [first, last), of a step of so many units; `more`: others came before. */
static void collect_gradients(struct br_learner *learner, struct br_exec *exec, bool more, size_t first, size_t last, int64_t units, struct br_part part) {
  float largest;
  if (learner->fixed.shift)
    largest = br_fixed_add(&learner->fixed, br_exec_gradient(exec), learner->sums.grid, more, first, last, part);
  else
    largest = br_grid_add(br_exec_gradient(exec) + first, learner->sums.grid + first, more, BR_GRID_SHIFT, last - first, part);
  if (!(largest < (float)br_grid_limit(units))) __atomic_store_n(&learner->sums.scalars[BR_SCALAR_BAD], 1, __ATOMIC_RELAXED);
}

static void collect_statistics(struct br_learner *learner, struct br_exec *exec, struct br_part part) {
  if (learner->averages) br_statistics_add(learner->graph, br_exec_batch_statistics(exec), 1, learner->sums.pairs, part);
}

static void collect_tally(struct br_learner *learner, const struct br_crew *crew, int group) {
  const struct br_graph *graph = learner->graph;
  struct br_exec *exec = crew->exec[group];
  int classes = br_shape_channels(&graph->nodes[graph->output].shape);
  const float *losses = br_exec_losses(exec), *output = br_exec_output(exec);
  double sum = 0; /* of a unit: one chain, always in the same order */
  for (int i = 0; i < crew->n[group]; i++) {
    sum += losses[i];
    learner->tally.right += !crew->numbers && argmax(output + (size_t)i * (size_t)classes, classes) == crew->label[group][i];
  }
  br_sum_add(&learner->tally.loss, sum);
  br_sum_carry(&learner->tally.loss);
  learner->tally.samples += crew->n[group];
}

void br_learner_keep(struct br_learner *learner, const struct br_crew *crew, int group, struct br_part part) {
  collect_statistics(learner, crew->exec[group], part);
  if (part.index != 0) return;
  collect_tally(learner, crew, group);
  learner->sums.scalars[BR_SCALAR_GROUPS]++;
}

/* Scalars by one thread, the rest split between all. */
void br_learner_collect(struct br_learner *learner, const struct br_crew *crew, int group, bool more, int64_t units, struct br_part part) {
  collect_gradients(learner, crew->exec[group], more, 0, learner->graph->trained_floats, units, part);
  collect_statistics(learner, crew->exec[group], part);
  if (part.index != 0) return;
  collect_tally(learner, crew, group);
  learner->sums.scalars[BR_SCALAR_ON_GRID] = 1;
}

static void pull_to_anchor(struct br_learner *learner, struct br_part part) {
  float prox = learner->options->worker.prox;
  size_t first, last;
  br_part_range(part, learner->graph->trained_floats, 16, &first, &last);
  for (size_t i = first; i < last; i++) learner->gradient[i] = fmaf(prox, learner->trained[i] - learner->anchor[i], learner->gradient[i]);
}

/* Ranks that have memory in common. */
static void meet(struct br_learner *learner) {
  if (!learner->common) return;
  const double start = br_clock_seconds();
  br_comm_common_meet(learner->common);
  learner->communicate_seconds += br_clock_seconds() - start;
}

/* Values [at, at + n) of the mean gradient. */
static void get_part(struct br_learner *learner, size_t at, size_t n, int64_t units) {
  if (!learner->gift)
    br_grid_get(learner->total.grid + at, 0x1p-40 / (double)units, learner->gradient + at, n, BR_PART_ALL);
  else if (!br_gifts_mean(learner->gift, learner->gifts, learner->graph->trained_floats, at, n, units, learner->gradient + at))
    __atomic_store_n(&learner->sums.scalars[BR_SCALAR_BAD_LATE], 1, __ATOMIC_RELAXED);
}

/* This thread's share of it. */
static void get_shares(struct br_learner *learner, int64_t units, struct br_part part) {
  size_t first, last;
  for (int p = 0; p < learner->graph->n_params; p++)
    if (br_optimiser_share(learner->optimiser, p, part, &first, &last)) get_part(learner, learner->graph->params[p].offset + first, last - first, units);
}

/* The whole mean gradient, pulled. */
static void get_gradient(struct br_learner *learner, struct br_barrier *barrier, int64_t units, struct br_part part) {
  if (learner->gift)
    get_shares(learner, units, part);
  else if (learner->summed_floats)
    br_scale(learner->gradient, 1.0f / (float)units, learner->gradient, false, learner->graph->trained_floats, part);
  else if (learner->fixed.shift)
    br_fixed_get(&learner->fixed, learner->total.grid, units, learner->gradient, part);
  else
    br_grid_get(learner->total.grid, 0x1p-40 / (double)units, learner->gradient, learner->graph->trained_floats, part);
  br_barrier_wait(barrier, part.count);
  if (learner->gift && part.index == 0) meet(learner);
  if (learner->anchor) pull_to_anchor(learner, part); /* which splits the block otherwise than the sums do */
  br_barrier_wait(barrier, part.count);
}

/* Of all ranks, where each has its gift. */
static void sum_pairs(struct br_learner *learner, struct br_barrier *barrier, struct br_part part) {
  if (learner->gifts < 2) return;
  br_gifts_sum_pairs(learner->gift, learner->gifts, learner->total.pairs, learner->graph->statistic_floats, part);
  br_barrier_wait(barrier, part.count);
}

/* A share of the update needs no more than its gradients, and has them while they are in the cache; clipping and pulling need them all, and sums of the other kinds have them. */
void br_learner_update(struct br_learner *learner, struct br_barrier *barrier, int64_t units, float lr, struct br_part part) {
  struct br_optimiser *optimiser = learner->optimiser;
  const bool whole = learner->summed_floats || learner->fixed.shift || learner->anchor || optimiser->options.clip > 0;
  if (whole) get_gradient(learner, barrier, units, part);
  if (part.index == 0) learner->update = br_optimiser_begin(optimiser, learner->gradient, lr);
  if (part.index == 0 && whole && learner->gift) meet(learner); /* all ranks have seen the whole before some change their shares */
  if (learner->averages) {
    sum_pairs(learner, barrier, part);
    br_statistics_blend(learner->graph, learner->total.pairs, (double)units, false, learner->statistics, part);
  }
  br_barrier_wait(barrier, part.count);
  for (int p = 0; p < learner->graph->n_params; p++) {
    size_t first, last;
    if (!br_optimiser_share(optimiser, p, part, &first, &last)) continue;
    if (!whole) get_part(learner, learner->graph->params[p].offset + first, last - first, units);
    br_optimiser_apply(optimiser, &learner->update, p, learner->trained, learner->gradient, barrier, part);
  }
}

static const char mend[] = "the training has diverged; lower --lr, or use --clip or --warmup";

/* The gradients of the last units are still there when a step is found bad. */
static int check_gradients(const struct br_learner *learner, const struct br_crew *crew, int first, int last, const struct br_order *order, const struct br_step *step) {
  const struct br_graph *graph = learner->graph;
  int epoch = (int)order->epoch + 1;
  long long number = (long long)step->number + 1;
  float limit = (float)br_grid_limit(step->count);
  for (int g = first; g < last; g++)
    for (int p = 0; p < graph->n_params; p++) {
      const struct br_param *param = &graph->params[p];
      if (param->statistic) continue;
      const float *gradient = br_exec_gradient(crew->exec[g]) + param->offset;
      for (size_t i = 0; i < param->count; i++)
        if (!(fabsf(gradient[i]) < limit))
          BR_FAIL(BR_ERROR_FAILED, "the gradient of %s is %g in epoch %d, step %lld, unit %lld: %s", param->name, (double)gradient[i], epoch, number, (long long)crew->unit[g] - (long long)step->first + 1, mend);
    }
  return BR_OK;
}

static int fail_unnamed(const struct br_order *order, const struct br_step *step) {
  BR_FAIL(BR_ERROR_FAILED, "a gradient is not a number or too large in epoch %d, step %lld: %s", (int)order->epoch + 1, (long long)step->number + 1, mend);
}

int br_learner_check(const struct br_learner *learner, const struct br_crew *crew, int first, int last, const struct br_order *order, const struct br_step *step) {
  const int64_t *scalars = learner->sums.scalars;
  if (scalars[BR_SCALAR_BAD] == 0 && scalars[BR_SCALAR_BAD_LATE] == 0) {
    if (isnan(br_sum_value(&learner->tally.loss))) BR_FAIL(BR_ERROR_FAILED, "the loss is not a number in epoch %d, step %lld: %s", (int)order->epoch + 1, (long long)step->number + 1, mend);
    return BR_OK;
  }
  BR_TRY(check_gradients(learner, crew, first, last, order, step));
  return fail_unnamed(order, step);
}

/* --- one step of all ranks --------------------------------------------------------------------------------------------------- */

/* What the threads of a step share. */
struct shared_step {
  struct br_learner *learner;
  struct br_comm *comm;
  const struct br_order *order;
  const struct br_step *step;
  struct br_barrier *barrier;
};

static int step_samples(void *arg, int64_t unit, uint64_t *index, uint64_t *position) {
  struct shared_step *shared = arg;
  br_order_unit(shared->order, unit, index);
  *position = (uint64_t)(unit - shared->step->first) * (uint64_t)shared->order->micro_batch;
  return shared->order->micro_batch;
}

/* With gifts the last round's gradients stay where they are. Of what buckets have taken already the rest is collected. */
static void step_merge(void *arg, struct br_crew *crew, int active, struct br_part part) {
  struct shared_step *shared = arg;
  struct br_learner *learner = shared->learner;
  const struct br_buckets *buckets = &learner->buckets;
  for (int g = 0; g < active; g++) {
    const bool more = crew->later || g > 0;
    if (learner->gift && crew->final) {
      br_learner_keep(learner, crew, g, part);
    } else if (buckets->begun == 0) {
      br_learner_collect(learner, crew, g, more, shared->step->count, part);
    } else {
      collect_gradients(learner, crew->exec[g], more, 0, buckets->bucket[buckets->begun - 1].first, shared->step->count, part);
      if (part.index == 0) collect_tally(learner, crew, g);
    }
  }
}

static void begin_bucket(struct br_learner *learner, struct br_comm *comm) {
  const struct br_bucket *next = &learner->buckets.bucket[learner->buckets.begun];
  if (next->type == BR_COMM_F32) br_grid_get(learner->sums.grid + next->first, 0x1p-40, learner->gradient + next->first, next->last - next->first, BR_PART_ALL);
  br_buckets_begin(&learner->buckets, comm);
}

/* The buckets whose numbers are all there, but the last, which wait for the tally. */
static void step_settled(void *arg, struct br_crew *crew, int active, size_t from) {
  struct shared_step *shared = arg;
  struct br_learner *learner = shared->learner;
  struct br_buckets *buckets = &learner->buckets;
  for (const struct br_bucket *next = &buckets->bucket[buckets->begun]; next->first > 0 && from <= next->first; next++) {
    for (int g = 0; g < active; g++) {
      if (buckets->begun == 0) collect_statistics(learner, crew->exec[g], BR_PART_ALL);
      collect_gradients(learner, crew->exec[g], crew->later || g > 0, next->first, next->last, shared->step->count, BR_PART_ALL);
    }
    begin_bucket(learner, shared->comm);
  }
  br_buckets_progress(buckets, shared->comm);
}

static void update_member(void *arg, struct br_part part) {
  struct shared_step *shared = arg;
  br_learner_update(shared->learner, shared->barrier, shared->step->count, shared->step->lr, part);
}

/* Gifts are there when all have come. Of messages, what the backward pass has not begun. */
static int sum_over_ranks(struct br_learner *learner, struct br_comm *comm) {
  struct br_buckets *buckets = &learner->buckets;
  if (br_comm_size(comm) == 1) return BR_OK;
  if (learner->gift) {
    meet(learner);
    br_gifts_sum_scalars(learner->gift, learner->gifts, learner->total.scalars);
    return BR_OK;
  }
  while (buckets->begun < buckets->count) begin_bucket(learner, comm);
  return br_buckets_finish(buckets, comm);
}

/* Only the update has looked at the gradients of gifts, each thread of all ranks at its share. */
static bool was_bad(const struct br_learner *learner) {
  for (int r = 0; r < learner->gifts; r++)
    if (learner->gift[r].sums.scalars[BR_SCALAR_BAD_LATE] != 0) return true;
  return false;
}

int br_learner_step(struct br_learner *learner, struct br_comm *comm, struct br_crew *crew, const struct br_order *order, struct br_step *step) {
  bool alone = br_comm_size(comm) == 1;
  struct shared_step shared = {.learner = learner, .comm = comm, .order = order, .step = step, .barrier = &crew->barrier};
  struct br_tally before = learner->tally;
  int64_t units = step->mine_last - step->mine_first, used = units < crew->groups ? units : crew->groups;
  learner->tally = (struct br_tally){0};
  learner->summed_floats = learner->options->reduce == BR_REDUCE_FLOAT && !alone;
  learner->buckets.seconds = 0;
  br_learner_clear(learner);
  if (units == 0 && !learner->gift) memset(learner->sums.grid, 0, learner->graph->trained_floats * sizeof *learner->sums.grid);
  struct br_crew_work work = {.arg = &shared, .first = step->mine_first, .last = step->mine_last, .epoch = order->epoch, .samples = step_samples, .merge = step_merge, .settled = alone || learner->gift ? NULL : step_settled, .run = br_learner_run(learner, order, step)};
  int status = br_crew_run(crew, &work);
  crew->compute_seconds -= learner->buckets.seconds;
  if (status == BR_OK) status = br_learner_check(learner, crew, 0, (int)used, order, step);
  if (status == BR_OK)
    br_step_sums_put(&learner->sums, &learner->tally);
  else /* told to all by the sum, then agreed on */
    learner->sums.scalars[BR_SCALAR_BAD] = 1;
  br_step_sums_wish(&learner->sums, &step->wishes);
  BR_TRY(sum_over_ranks(learner, comm));
  learner->communicate_seconds += learner->buckets.seconds;
  step->wishes = br_step_sums_wishes(&learner->total);
  if (learner->total.scalars[BR_SCALAR_BAD] != 0) return br_comm_agree(comm, status);
  learner->tally = br_step_sums_tally(&learner->total);
  br_tally_merge(&learner->tally, &before);
  br_team_run(crew->team, update_member, &shared);
  meet(learner);
  if (was_bad(learner)) {
    BR_TRY(br_comm_agree(comm, check_gradients(learner, crew, 0, (int)used, order, step)));
    return fail_unnamed(order, step);
  }
  if (learner->fixed.shift) br_fixed_follow(&learner->fixed);
  return BR_OK;
}
