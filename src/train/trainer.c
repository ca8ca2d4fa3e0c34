/* A run: epochs of steps (synchronous gradients) or rounds (virtual workers), evaluations, checkpoints, and what is told to those who watch. */
#include "train/checkpoint.h"
#include "train/feed.h"
#include "train/learner.h"
#include "train/settings.h"
#include "train/statistics.h"
#include "train/workers.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/place.h>
#include <bramble/train/evaluate.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where the run stands: with the blocks of weights and states, all that a checkpoint needs. Only 8-byte numbers. */
struct position {
  int64_t epoch, done; /* epochs behind us; units (gradients) or local steps (workers) of the one under way */
  int64_t step;        /* optimiser steps; local ones of the longest shard with workers */
  struct br_tally tally;
  int64_t evaluations, best_evaluation, best_epoch;
  double best_score, test_loss, test_accuracy;    /* the score is the accuracy, of numbers minus the loss; the last two of the last evaluation */
  double seconds, epoch_seconds;                  /* of the run, of the epoch under way, up to the checkpoint */
};
_Static_assert(sizeof(struct position) % sizeof(int64_t) == 0, "a checkpoint keeps it as 64-bit numbers");

struct trainer {
  struct br_comm *comm;
  struct br_team *team;
  struct br_model *model;
  struct br_loader *train, *test;
  struct br_dataset *train_data, *test_data;
  struct br_train_options options; /* the caller's, with our speeds where units are balanced */
  const struct br_train_watch *watch;
  char *settings;
  struct position at;
  /* Synchronous gradients: */
  struct br_comm_common common; /* the weights and the optimiser's state, where ranks share a machine */
  struct br_optimiser optimiser;
  struct br_learner learner;
  struct br_crew crew;
  int64_t units; /* of an epoch */
  struct br_feed feed; /* runs where loading is costly */
  /* Workers: */
  struct br_workers workers;
  struct br_crew recalibration; /* forward with batch statistics */
  float *ema;                   /* NULL: none is kept */
  double *speed;                /* of all ranks, where units are balanced */
  struct br_rank_times *times;  /* of all ranks */
  struct br_checkpoint checkpoint;
  double start, epoch_start, last_progress, last_save; /* clock */
  int64_t last_saved_step;
  double units_run; /* by this rank, this epoch */
  struct br_wishes wishes;
  double seconds_to_accuracy;
  enum br_train_end end;
  bool finished, resumed;
};

static bool has_classes(const struct trainer *t) { return !br_loader_gives_numbers(t->train); }
static bool has_workers(const struct trainer *t) { return t->options.sync != BR_SYNC_GRADIENTS; }
static double run_seconds(const struct trainer *t) { return t->at.seconds + br_clock_seconds() - t->start; }

/* --- before the first step --------------------------------------------------------------------------------------------------- */

static int check_workers(const struct br_train_options *o, uint64_t samples) {
  const struct br_worker_options *w = &o->worker;
  if (w->workers < 1) BR_FAIL(BR_ERROR_USAGE, "--sync %s needs --workers: how many workers there are is a setting of the model, not of the machines", br_sync_words[o->sync]);
  if ((uint64_t)w->workers > samples) BR_FAIL(BR_ERROR_USAGE, "--workers %d: there are only %llu training samples; give at most so many", w->workers, (unsigned long long)samples);
  if (o->reduce != BR_REDUCE_EXACT) BR_FAIL(BR_ERROR_USAGE, "--reduce %s is for --sync gradients; weights are averaged exactly", br_reduce_words[o->reduce]);
  if (w->partition == BR_PARTITION_DIRICHLET && !(w->alpha > 0)) BR_FAIL(BR_ERROR_USAGE, "--partition dirichlet needs a number above 0, as in dirichlet:0.5");
  if (o->sync == BR_SYNC_FEDAVG && (!(w->fraction > 0 && w->fraction <= 1) || w->local_epochs < 1)) BR_FAIL(BR_ERROR_USAGE, "--fraction is above 0 and at most 1, --local-epochs at least 1");
  return BR_OK;
}

static int check_options(const struct trainer *t) {
  const struct br_train_options *o = &t->options;
  const struct br_dataset_info *info = br_dataset_info(t->train_data);
  if (o->micro_batch < 1 || o->batch < 1 || o->epochs < 0) BR_FAIL(BR_ERROR_USAGE, "--batch, --micro-batch and --epochs must be at least 1");
  if (o->batch % o->micro_batch != 0)
    BR_FAIL(BR_ERROR_USAGE, "--batch %d is not a multiple of --micro-batch %d; %d would fit", o->batch, o->micro_batch, (o->batch / o->micro_batch + 1) * o->micro_batch);
  if (info->count < (uint64_t)o->micro_batch)
    BR_FAIL(BR_ERROR_USAGE, "the %llu training samples are fewer than one micro-batch of %d; lower --micro-batch", (unsigned long long)info->count, o->micro_batch);
  int outputs = br_shape_channels(&t->model->graph->nodes[t->model->graph->output].shape);
  if (info->classes > outputs) BR_FAIL(BR_ERROR_USAGE, "the data has %d classes, the net has %d outputs", info->classes, outputs);
  if (!has_classes(t) && (outputs != 1 || t->model->graph->loss < 0)) BR_FAIL(BR_ERROR_USAGE, "the data has numbers to be predicted: the net must have one output and a loss of its own, mse");
  if (!has_classes(t) && o->until_accuracy > 0) BR_FAIL(BR_ERROR_USAGE, "--until-accuracy: the target is a number, which has no accuracy");
  if (!t->test_data && (o->patience > 0 || o->until_accuracy > 0 || o->keep == BR_KEEP_BEST)) BR_FAIL(BR_ERROR_USAGE, "--patience, --until-accuracy and --keep best need a test part, as --split 0.8 makes of a table");
  if (o->checkpoint.path && o->checkpoint.keep < 1) BR_FAIL(BR_ERROR_USAGE, "--checkpoints %d: at least one is kept", o->checkpoint.keep);
  return has_workers(t) ? check_workers(o, info->count) : BR_OK;
}

/* Same program, data and settings everywhere, before anything is computed. */
static int check_alike(const struct trainer *t) {
  char *theirs;
  size_t bytes = strlen(t->settings) + 1;
  BR_TRY(br_comm_broadcast(t->comm, &bytes, sizeof bytes, 0));
  BR_TRY(br_comm_agree(t->comm, br_memory_alloc(bytes, 1, "settings", &theirs)));
  if (br_comm_rank(t->comm) == 0) memcpy(theirs, t->settings, bytes);
  int status = br_comm_broadcast(t->comm, theirs, bytes, 0);
  if (status == BR_OK) status = br_comm_agree(t->comm, br_settings_compare(t->settings, theirs, "the run on rank 0", "give every rank the same command, data and program"));
  br_memory_free(theirs);
  return status;
}

/* The caller's settings, and what they start from. */
static int write_settings(struct trainer *t) {
  const struct br_dataset_info *info = br_dataset_info(t->train_data), *test = t->test_data ? br_dataset_info(t->test_data) : NULL;
  const struct br_graph *graph = t->model->graph;
  char *net = NULL, *text = NULL;
  int status = br_graph_print(graph, &net);
  if (status == BR_OK) status = br_train_settings(&t->options, graph, &text);
  size_t room = (text ? strlen(text) : 0) + 400;
  if (status == BR_OK) status = br_memory_alloc(room, 1, "settings", &t->settings);
  if (status == BR_OK)
    snprintf(t->settings, room, "%sthe data=%s, %llu samples, %016llx\nthe test data=%llu samples, %016llx\nthe net=%016llx\nthe start of the weights=%016llx\n", text, info->name, (unsigned long long)info->count, (unsigned long long)info->fingerprint,
             test ? (unsigned long long)test->count : 0, test ? (unsigned long long)test->fingerprint : 0, (unsigned long long)br_hash64(0, net, strlen(net)), (unsigned long long)br_hash64(0, t->model->trained, graph->trained_floats * sizeof(float)));
  br_memory_free(net);
  br_memory_free(text);
  return status;
}

static int64_t units_per_step(const struct trainer *t) {
  int64_t per_step = t->options.batch / t->options.micro_batch;
  return per_step < t->units ? per_step : t->units;
}

static void warn_idle_ranks(const struct trainer *t, int64_t parts, const char *what, const char *mend) {
  int ranks = br_comm_size(t->comm);
  if (br_comm_rank(t->comm) == 0 && parts < ranks) br_warn("%d ranks share %lld %s, so %d of them %s; %s", ranks, (long long)parts, what, ranks - (int)parts, ranks - parts == 1 ? "idles" : "idle", mend);
}

/* The most that this rank may have in a step. An epoch's last, which may be shorter, is placed by itself. */
static int64_t most_units(const struct trainer *t) {
  const int64_t per_step = units_per_step(t), steps[] = {per_step, t->units % per_step};
  int64_t most = 0;
  if (t->options.balance) return per_step;
  for (int k = 0; k < 2; k++) {
    int64_t first, last;
    br_place_units(steps[k], br_comm_size(t->comm), t->options.speed, br_comm_rank(t->comm), &first, &last);
    if (last - first > most) most = last - first;
  }
  return most;
}

/* Alone, or all on one machine, ranks give their gradients as they are; other kinds of sums need them on a grid. */
static int find_place(struct trainer *t, int64_t units, struct br_sums_place *place) {
  const struct br_train_options *o = &t->options;
  const int ranks = br_comm_size(t->comm), groups = br_crew_groups(br_team_count(t->team), units);
  int64_t most[] = {groups, units > groups};
  BR_TRY(br_comm_max_i64(t->comm, most, 2));
  const bool exact = o->reduce == BR_REDUCE_EXACT || (o->reduce == BR_REDUCE_FLOAT && ranks == 1);
  *place = (struct br_sums_place){.gifts = exact && br_comm_node_size(t->comm) == ranks, .rank = {br_comm_rank(t->comm), ranks}, .groups = (int)most[0], .grid = most[1] != 0};
  return BR_OK;
}

/* Ranks of one machine make an update together: the model's weights, alike on all of them, go into memory that they have in common, behind them the optimiser's state and what they give to sums. */
static int open_optimiser(struct trainer *t, struct br_sums_place *place) {
  const struct br_train_options *o = &t->options;
  const struct br_graph *graph = t->model->graph;
  const size_t weights = br_size_align(graph->trained_floats * sizeof(float)), states = br_size_align(sizeof(float) * br_optimiser_state_floats(graph, &o->optimiser));
  float *state = NULL;
  t->common = br_comm_common_open(t->comm, weights + states + (place->gifts ? br_sums_place_bytes(place, graph) : 0));
  if (t->common.memory) {
    char *memory = t->common.memory;
    memcpy(memory, t->model->trained, graph->trained_floats * sizeof(float));
    br_memory_free(t->model->trained);
    t->model->trained = (float *)(void *)memory;
    state = (float *)(void *)(memory + weights);
    place->memory = memory + weights + states;
  } else if (place->rank.count > 1) {
    place->gifts = false;
  }
  return br_optimiser_open(&t->optimiser, graph, &o->optimiser, o->frozen, br_team_count(t->team), t->common.part, state);
}

/* The weights back into the model's own memory. */
static int take_weights(struct trainer *t) {
  if (!t->common.memory) return BR_OK;
  t->model->trained = NULL;
  BR_TRY(br_memory_alloc(t->model->graph->trained_floats, sizeof(float), "weights", &t->model->trained));
  memcpy(t->model->trained, t->common.memory, t->model->graph->trained_floats * sizeof(float));
  return BR_OK;
}

static int open_gradients(struct trainer *t) {
  const struct br_train_options *o = &t->options;
  t->units = (int64_t)(br_dataset_info(t->train_data)->count / (uint64_t)o->micro_batch);
  warn_idle_ranks(t, units_per_step(t), "units a step", "a smaller --micro-batch or a larger --batch gives them work");
  struct br_graph *graph = t->model->graph;
  struct br_learner *learner = &t->learner;
  const int64_t units = most_units(t);
  struct br_sums_place place;
  BR_TRY(find_place(t, units, &place));
  BR_TRY(br_comm_agree(t->comm, open_optimiser(t, &place)));
  BR_TRY(br_learner_open(learner, &place, graph, o, &t->optimiser, t->model->trained, t->model->statistics));
  learner->common = &t->common;
  struct br_gift *gift = learner->gift ? &learner->gift[place.rank.index] : NULL;
  BR_TRY(br_crew_open(&t->crew, t->team, t->train, graph, BR_EXEC_TRAIN, o->frozen, o->micro_batch, units, gift ? gift->gradients : NULL));
  if (gift) gift->gradients = t->crew.gradients;
  return BR_OK;
}

static int open_workers(struct trainer *t) {
  BR_TRY(br_workers_open(&t->workers, t->comm, t->team, t->train, t->train_data, t->model->graph, &t->options));
  warn_idle_ranks(t, t->workers.round_workers, "workers a round", "they are fewer than the ranks");
  return BR_OK;
}

static int open_common(struct trainer *t) {
  struct br_graph *graph = t->model->graph;
  const struct br_train_options *o = &t->options;
  size_t ranks = (size_t)br_comm_size(t->comm);
  BR_TRY(br_memory_alloc(ranks, sizeof *t->times, "times", &t->times));
  if (o->balance) {
    BR_TRY(br_memory_alloc(ranks, sizeof *t->speed, "speeds", &t->speed));
    for (size_t r = 0; r < ranks; r++) t->speed[r] = 1;
    t->options.speed = t->speed;
  }
  if (o->ema > 0) {
    BR_TRY(br_memory_alloc(graph->trained_floats, sizeof(float), "moving average of the weights", &t->ema));
    memcpy(t->ema, t->model->trained, graph->trained_floats * sizeof(float));
  }
  if (o->bn_recalibrate > 0 && graph->statistic_floats > 0) {
    int64_t units = o->bn_recalibrate / o->micro_batch / br_comm_size(t->comm);
    BR_TRY(br_crew_open(&t->recalibration, t->team, t->train, graph, BR_EXEC_STATS, NULL, o->micro_batch, units, NULL));
  }
  return BR_OK;
}

static void add_block(struct br_checkpoint *c, const char *name, float *data, size_t count) {
  if (data && count > 0) c->block[c->n_blocks++] = (struct br_checkpoint_block){name, data, count};
}

static void describe_checkpoint(struct trainer *t) {
  const struct br_graph *graph = t->model->graph;
  const struct br_train_options *o = &t->options;
  struct br_checkpoint *c = &t->checkpoint;
  *c = (struct br_checkpoint){.comm = t->comm, .options = &o->checkpoint, .settings = t->settings, .position = &t->at.epoch, .position_count = sizeof t->at / sizeof(int64_t)};
  add_block(c, "weights", t->model->trained, graph->trained_floats);
  add_block(c, "statistics", t->model->statistics, graph->statistic_floats);
  add_block(c, "ema", t->ema, graph->trained_floats);
  if (!has_workers(t)) {
    add_block(c, "optimiser", t->optimiser.state, br_optimiser_state_floats(graph, &o->optimiser));
    add_block(c, "shifts", t->learner.fixed.shift, (size_t)graph->n_params);
    return;
  }
  const struct br_workers *w = &t->workers;
  add_block(c, "server", w->server.state, br_server_state_floats(&o->worker, graph->trained_floats));
  c->workers = o->worker.workers;
  c->optimiser = w->optimiser;
  c->first_kept = w->first_kept, c->last_kept = w->last_kept;
  c->state_floats = w->keeps ? br_optimiser_state_floats(graph, &o->optimiser) : 0;
}

static int resume(struct trainer *t) {
  if (!t->options.checkpoint.resume) return BR_OK;
  BR_TRY(br_checkpoint_load(&t->checkpoint, &t->resumed));
  t->optimiser.step = (uint32_t)t->at.step;
  t->learner.tally = t->at.tally;
  t->last_saved_step = t->at.step;
  if (!t->resumed && br_comm_rank(t->comm) == 0) br_note("there is no checkpoint %s.ckpt-... to go on from; the run starts at its beginning", t->options.checkpoint.path);
  return BR_OK;
}

/* --- steps ------------------------------------------------------------------------------------------------------------------- */

static struct br_order epoch_order(const struct trainer *t) {
  return (struct br_order){.seed = t->options.seed, .epoch = (uint32_t)t->at.epoch, .samples = br_dataset_info(t->train_data)->count, .micro_batch = t->options.micro_batch};
}

/* Units are loaded ahead where that costs something, from where the epoch stands. */
static int start_feed(struct trainer *t) {
  struct br_feed_plan plan = {.order = epoch_order(t), .first = t->at.done, .units = t->units, .per_step = units_per_step(t), .rank = br_comm_rank(t->comm), .ranks = br_comm_size(t->comm), .speed = t->options.speed};
  t->crew.feed = &t->feed;
  return br_feed_start(&t->feed, t->train, &plan, t->crew.groups);
}

/* One optimiser step of all ranks. */
static int step_gradients(struct trainer *t) {
  const struct br_train_options *o = &t->options;
  int64_t per_step = units_per_step(t), mine_first, mine_last;
  struct br_order order = epoch_order(t);
  struct br_step step = {.first = t->at.done, .count = t->units - t->at.done < per_step ? t->units - t->at.done : per_step, .number = (uint32_t)t->at.step, .wishes = t->wishes};
  br_place_units(step.count, br_comm_size(t->comm), o->speed, br_comm_rank(t->comm), &mine_first, &mine_last);
  step.mine_first = step.first + mine_first;
  step.mine_last = step.first + mine_last;
  step.lr = br_schedule_lr(&o->schedule, t->at.step, (t->units + per_step - 1) / per_step, o->epochs);
  if (t->feed.runs) br_feed_step(&t->feed, step.mine_first);
  BR_TRY(br_learner_step(&t->learner, t->comm, &t->crew, &order, &step));
  t->wishes = step.wishes;
  t->units_run += (double)(mine_last - mine_first);
  t->at.tally = t->learner.tally;
  t->at.done += step.count;
  t->at.step++;
  return BR_OK;
}

/* One round of all workers. */
static int step_workers(struct trainer *t) {
  const struct br_train_options *o = &t->options;
  struct br_workers *w = &t->workers;
  int64_t all = w->steps_per_epoch * (o->sync == BR_SYNC_FEDAVG ? o->worker.local_epochs : 1), mine_first, mine_last;
  struct br_round round = {.epoch = (uint32_t)t->at.epoch, .first = t->at.done, .last = all, .wishes = t->wishes};
  if (o->sync == BR_SYNC_WEIGHTS && o->worker.every > 0 && all - round.first > o->worker.every) round.last = round.first + o->worker.every;
  BR_TRY(br_workers_round(w, &round, t->model->trained, t->model->statistics));
  br_place_units(w->round_workers, br_comm_size(t->comm), o->speed, br_comm_rank(t->comm), &mine_first, &mine_last);
  t->wishes = round.wishes;
  t->units_run += (double)(mine_last - mine_first);
  br_tally_merge(&t->at.tally, &round.tally);
  t->at.done = round.last;
  t->at.step += round.last - round.first;
  return BR_OK;
}

static void ema_member(void *arg, struct br_part part) {
  struct trainer *t = arg;
  const float *weights = t->model->trained;
  float keep = t->options.ema;
  size_t first, last;
  br_part_range(part, t->model->graph->trained_floats, 16, &first, &last);
  for (size_t i = first; i < last; i++) t->ema[i] = fmaf(keep, t->ema[i] - weights[i], weights[i]);
}

static int64_t epoch_length(const struct trainer *t) {
  if (!has_workers(t)) return t->units;
  return t->workers.steps_per_epoch * (t->options.sync == BR_SYNC_FEDAVG ? t->options.worker.local_epochs : 1);
}

static void tell_progress(struct trainer *t) {
  double now = br_clock_seconds();
  const struct br_tally *tally = &t->at.tally;
  if (!t->watch->progress || now - t->last_progress < 0.1 || tally->samples == 0) return;
  t->last_progress = now;
  double seconds = t->at.epoch_seconds + now - t->epoch_start;
  t->watch->progress(t->watch->arg, (int)t->at.epoch + 1, (double)t->at.done / (double)epoch_length(t), br_sum_value(&tally->loss) / (double)tally->samples, seconds > 0 ? (double)tally->samples / seconds : 0);
}

/* --- evaluations ------------------------------------------------------------------------------------------------------------- */

/* Every machine must hold the same weights, and every rank the same statistics: a difference is a fault of memory or of mixed programs. */
static int compare_weights(struct trainer *t) {
  uint64_t hash = br_hash64(0, t->model->trained, t->model->graph->trained_floats * sizeof(float));
  hash = br_hash64(hash, t->model->statistics, t->model->graph->statistic_floats * sizeof(float));
  return br_comm_agree_equal(t->comm, hash, "the checksum of the weights after the epoch (bad memory or another build of the program)");
}

static int settle_statistics(struct trainer *t) {
  const struct br_train_options *o = &t->options;
  struct br_graph *graph = t->model->graph;
  double share;
  if (o->bn_recalibrate > 0 && graph->statistic_floats > 0)
    return br_statistics_recalibrate(t->comm, &t->recalibration, t->model->trained, t->model->statistics, br_dataset_info(t->train_data)->count, o->bn_recalibrate, o->speed);
  if (br_comm_rank(t->comm) == 0 && br_statistics_unsettled(graph, t->at.step, &share))
    br_warn("batch norm's moving averages still hold %.0f %% of their start values after %lld updates, so the accuracy below is not the net's; use --bn-recalibrate 4096 or a lower --bn-momentum", share * 100, (long long)t->at.step);
  return BR_OK;
}

/* Whether the run is to go on after an evaluation. */
static void judge(struct trainer *t, struct br_train_evaluation *e) {
  const struct br_train_options *o = &t->options;
  struct position *at = &t->at;
  at->evaluations++;
  at->test_loss = e->test_loss;
  at->test_accuracy = e->test_accuracy;
  double score = has_classes(t) ? e->test_accuracy : -e->test_loss;
  e->best = at->best_evaluation == 0 || score > at->best_score;
  if (e->best) {
    at->best_evaluation = at->evaluations;
    at->best_score = score;
    at->best_epoch = e->epoch;
  }
  if (o->until_accuracy > 0 && e->test_accuracy >= o->until_accuracy) {
    t->seconds_to_accuracy = e->seconds;
    t->end = BR_END_ACCURACY;
    t->finished = true;
  } else if (o->patience > 0 && at->evaluations - at->best_evaluation >= o->patience) {
    t->end = BR_END_PATIENCE;
    t->finished = true;
  }
}

/* With the weights that count in the model: those of training, or their moving average. */
static int evaluate_model(struct trainer *t) {
  const struct br_train_options *o = &t->options;
  struct br_model *model = t->model;
  struct br_train_evaluation e = {.epoch = (int)t->at.epoch + 1, .step = t->at.step, .test_loss = NAN, .test_accuracy = NAN};
  BR_TRY(settle_statistics(t));
  if (t->test_data) {
    struct br_evaluation found;
    BR_TRY(br_evaluate(t->comm, t->team, model->graph, model->trained, model->statistics, t->test, t->test_data, o->micro_batch, &found));
    e.test_loss = found.loss;
    e.test_accuracy = found.samples && has_classes(t) ? (double)found.right / (double)found.samples : NAN;
    br_evaluation_free(&found);
    BR_TRY(br_graph_infer(model->graph, o->micro_batch));
  }
  e.seconds = run_seconds(t);
  judge(t, &e);
  return br_comm_agree(t->comm, t->watch->evaluated ? t->watch->evaluated(t->watch->arg, &e) : BR_OK);
}

static void swap_ema(struct trainer *t) {
  if (!t->ema) return;
  float *weights = t->model->trained;
  t->model->trained = t->ema;
  t->ema = weights;
}

static int evaluate(struct trainer *t) {
  swap_ema(t);
  int status = evaluate_model(t);
  swap_ema(t);
  return status;
}

/* --- epochs ------------------------------------------------------------------------------------------------------------------ */

static int gather_times(struct trainer *t, double seconds) {
  struct br_crew *crew = has_workers(t) ? &t->workers.crew : &t->crew;
  struct br_learner *account = has_workers(t) ? &t->workers.learner[0] : &t->learner;
  struct br_rank_times mine = {.load = crew->load_seconds, .compute = crew->compute_seconds, .communicate = account->communicate_seconds, .peak_rss_bytes = (double)br_memory_peak_rss_bytes(),
                               .bytes_sent = (double)br_comm_bytes_sent(t->comm), .units = t->units_run};
  mine.wait = seconds - mine.load - mine.compute - mine.communicate;
  if (mine.wait < 0) mine.wait = 0;
  crew->load_seconds = crew->compute_seconds = account->communicate_seconds = t->units_run = 0;
  return br_comm_allgather(t->comm, &mine, sizeof mine, t->times);
}

/* Speeds for the next epoch from this one's units and seconds; a rank that had none counts as the mean of the others, so that it is tried. */
static void balance(struct trainer *t) {
  if (!t->options.balance || (has_workers(t) && t->workers.keeps)) return;
  int ranks = br_comm_size(t->comm), known = 0;
  double sum = 0;
  for (int r = 0; r < ranks; r++) {
    double seconds = t->times[r].load + t->times[r].compute;
    t->speed[r] = t->times[r].units > 0 && seconds > 0 ? t->times[r].units / seconds : 0;
    sum += t->speed[r];
    known += t->speed[r] > 0;
  }
  for (int r = 0; r < ranks; r++)
    if (!(t->speed[r] > 0)) t->speed[r] = known ? sum / known : 1;
}

static bool passed(int64_t before, int64_t now, int64_t every) { return every > 0 && now / every > before / every; }

/* Whether the step just made, which began at optimiser step `before`, is to be evaluated; the run's last one always is. */
static bool wants_evaluation(const struct trainer *t, int64_t before, bool ends) {
  const struct br_train_options *o = &t->options;
  if (ends && t->at.epoch + 1 == o->epochs) return true;
  if (o->evaluation_steps > 0) return passed(before, t->at.step, o->evaluation_steps);
  return ends && passed(t->at.epoch, t->at.epoch + 1, o->evaluation_epochs);
}

static int end_epoch(struct trainer *t, bool evaluates) {
  br_feed_stop(&t->feed); /* it reads the speeds that balancing changes */
  const struct br_train_options *o = &t->options;
  const struct br_tally *tally = &t->at.tally;
  double n = tally->samples > 0 ? (double)tally->samples : 1;
  struct br_epoch_result result = {.epoch = (int)t->at.epoch + 1, .test_loss = NAN, .test_accuracy = NAN, .n_ranks = br_comm_size(t->comm), .ranks = t->times, .samples = tally->samples,
                                   .seconds = t->at.epoch_seconds + br_clock_seconds() - t->epoch_start, .loss = br_sum_value(&tally->loss) / n, .accuracy = has_classes(t) ? (double)tally->right / n : NAN};
  result.images_per_second = (double)result.samples / result.seconds;
  if (o->sync == BR_SYNC_FEDAVG) result.n_clients = t->workers.round_workers, result.clients = t->workers.clients;
  BR_TRY(compare_weights(t));
  if (evaluates) {
    BR_TRY(evaluate(t));
    result.test_loss = t->at.test_loss;
    result.test_accuracy = t->at.test_accuracy;
  }
  BR_TRY(gather_times(t, result.seconds));
  balance(t);
  if (t->watch->epoch) t->watch->epoch(t->watch->arg, &result);
  t->at.epoch++;
  t->at.done = 0;
  t->at.tally = t->learner.tally = (struct br_tally){0};
  t->at.epoch_seconds = 0;
  t->epoch_start = br_clock_seconds();
  return BR_OK;
}

static int save(struct trainer *t) {
  struct position now = t->at;
  double clock = br_clock_seconds();
  t->at.seconds = run_seconds(t);
  t->at.epoch_seconds += clock - t->epoch_start;
  int status = br_checkpoint_save(&t->checkpoint, t->at.step);
  t->at = now;
  t->last_save = br_clock_seconds();
  t->last_saved_step = t->at.step;
  t->wishes.save = false;
  return status;
}

/* After a step: by its number on all ranks alike, by rank 0's clock as wished before the step, or because the run is to stop. */
static bool wants_checkpoint(const struct trainer *t) {
  const struct br_checkpoint_options *c = &t->options.checkpoint;
  if (!c->path) return false;
  return t->wishes.stop || t->wishes.save || (c->every_steps > 0 && t->at.step - t->last_saved_step >= c->every_steps);
}

static void wish(struct trainer *t) {
  const struct br_checkpoint_options *c = &t->options.checkpoint;
  t->wishes.stop = t->watch->stop && t->watch->stop(t->watch->arg);
  t->wishes.save = c->path && c->every_seconds > 0 && br_comm_rank(t->comm) == 0 && br_clock_seconds() - t->last_save >= c->every_seconds;
}

static int run(struct trainer *t) {
  const struct br_train_options *o = &t->options;
  t->epoch_start = t->last_save = br_clock_seconds();
  if (t->watch->started) t->watch->started(t->watch->arg, t->at.epoch, t->at.step);
  while (t->at.epoch < o->epochs && !t->finished) {
    int64_t before = t->at.step;
    wish(t);
    if (!has_workers(t) && !t->feed.runs && br_loader_is_costly(t->train)) BR_TRY(br_comm_agree(t->comm, start_feed(t)));
    BR_TRY(has_workers(t) ? step_workers(t) : step_gradients(t));
    if (t->ema) br_team_run(t->team, ema_member, t);
    tell_progress(t);
    bool ends = t->at.done >= epoch_length(t), evaluates = wants_evaluation(t, before, ends);
    if (ends)
      BR_TRY(end_epoch(t, evaluates));
    else if (evaluates)
      BR_TRY(evaluate(t));
    if (wants_checkpoint(t)) BR_TRY(save(t));
    if (!t->wishes.stop || t->finished) continue;
    t->end = BR_END_ASKED;
    t->finished = true;
  }
  return BR_OK;
}

static void finish(struct trainer *t) {
  if (t->ema && t->end != BR_END_ASKED) {
    br_comm_common_meet(&t->common); /* the last epoch's watch of some rank may still look at the weights */
    memcpy(t->model->trained, t->ema, t->model->graph->trained_floats * sizeof(float));
  }
  if (!t->watch->finished) return;
  const struct position *at = &t->at;
  struct br_train_result result = {.end = t->end, .epochs = at->epoch, .steps = at->step, .seconds = run_seconds(t), .test_loss = at->evaluations ? at->test_loss : NAN,
                                   .test_accuracy = at->evaluations ? at->test_accuracy : NAN, .best_accuracy = at->evaluations && has_classes(t) ? at->best_score : NAN, .best_epoch = at->best_epoch,
                                   .seconds_to_accuracy = t->seconds_to_accuracy, .resumed = t->resumed};
  t->watch->finished(t->watch->arg, &result);
}

static void close_all(struct trainer *t) {
  br_feed_stop(&t->feed);
  br_learner_close(&t->learner);
  br_optimiser_close(&t->optimiser);
  br_crew_close(&t->crew);
  br_workers_close(&t->workers);
  br_crew_close(&t->recalibration);
  br_memory_free(t->ema);
  br_memory_free(t->speed);
  br_memory_free(t->times);
  br_memory_free(t->settings);
}

int br_train(struct br_comm *comm, struct br_team *team, struct br_model *model, struct br_loader *train, struct br_dataset *train_data, struct br_loader *test, struct br_dataset *test_data,
             const struct br_train_options *options, const struct br_train_watch *watch) {
  static const struct br_train_watch nobody;
  struct trainer t = {.comm = comm, .team = team, .model = model, .train = train, .test = test, .train_data = train_data, .test_data = test_data, .options = *options, .watch = watch ? watch : &nobody,
                      .start = br_clock_seconds(), .seconds_to_accuracy = NAN};
  int status = br_comm_agree(comm, check_options(&t));
  if (status == BR_OK) status = br_comm_agree(comm, write_settings(&t));
  if (status == BR_OK) status = check_alike(&t);
  if (status == BR_OK) status = br_comm_agree(comm, open_common(&t));
  if (status == BR_OK) status = has_workers(&t) ? open_workers(&t) : br_comm_agree(comm, open_gradients(&t));
  if (status == BR_OK) {
    describe_checkpoint(&t);
    status = resume(&t);
  }
  if (status == BR_OK) status = run(&t);
  if (status == BR_OK) finish(&t);
  close_all(&t);
  const int taken = take_weights(&t);
  return status == BR_OK ? taken : status;
}
