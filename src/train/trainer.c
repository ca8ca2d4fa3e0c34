/* The epochs of a run with synchronous gradients: order, steps, statistics, evaluation, and what is told to those who watch. */
#include "train/learner.h"
#include "train/statistics.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/cluster/place.h>
#include <bramble/train/evaluate.h>

#include <math.h>
#include <string.h>

struct trainer {
  struct br_comm *comm;
  struct br_team *team;
  struct br_model *model;
  struct br_loader *train, *test;
  struct br_dataset *train_data, *test_data;
  const struct br_train_options *options;
  const struct br_train_watch *watch;
  struct br_learner learner;
  struct br_crew crew, recalibration; /* recalibration: forward with batch statistics */
  struct br_rank_times *times;        /* of all ranks */
  int64_t units;                      /* of an epoch */
  double epoch_start, last_progress;
  bool stopped;
};

static int check_options(const struct trainer *t) {
  const struct br_train_options *o = t->options;
  const struct br_dataset_info *info = br_dataset_info(t->train_data);
  if (o->micro_batch < 1 || o->batch < 1 || o->epochs < 0) BR_FAIL(BR_ERROR_USAGE, "--batch, --micro-batch and --epochs must be at least 1");
  if (o->batch % o->micro_batch != 0)
    BR_FAIL(BR_ERROR_USAGE, "--batch %d is not a multiple of --micro-batch %d; %d would fit", o->batch, o->micro_batch, (o->batch / o->micro_batch + 1) * o->micro_batch);
  if (info->count < (uint64_t)o->micro_batch)
    BR_FAIL(BR_ERROR_USAGE, "the %llu training samples are fewer than one micro-batch of %d; lower --micro-batch", (unsigned long long)info->count, o->micro_batch);
  int outputs = br_shape_channels(&t->model->graph->nodes[t->model->graph->output].shape);
  if (info->classes > outputs) BR_FAIL(BR_ERROR_USAGE, "the data has %d classes, the net has %d outputs", info->classes, outputs);
  return BR_OK;
}

/* Same program, data and settings everywhere, before anything is computed. */
static int check_alike(const struct trainer *t) {
  const struct br_train_options *o = t->options;
  struct br_train_options plain = *o;
  plain.class_weight = NULL, plain.frozen = NULL, plain.speed = NULL;
  BR_TRY(br_comm_agree_equal(t->comm, br_dataset_info(t->train_data)->fingerprint, "the training data"));
  if (t->test_data) BR_TRY(br_comm_agree_equal(t->comm, br_dataset_info(t->test_data)->fingerprint, "the test data"));
  uint64_t settings = br_hash64(0, &plain.optimiser, sizeof plain.optimiser);
  settings = br_hash64(settings, &plain.schedule, sizeof plain.schedule);
  const int64_t numbers[] = {plain.batch, plain.micro_batch, plain.epochs, (int64_t)plain.seed, plain.sync, plain.bn_recalibrate, plain.reduce_float, plain.no_evaluation};
  settings = br_hash64(settings, numbers, sizeof numbers);
  BR_TRY(br_comm_agree_equal(t->comm, settings, "the settings"));
  return br_comm_agree_equal(t->comm, br_hash64(0, t->model->trained, t->model->graph->trained_floats * sizeof(float)), "the start of the weights (another version of the program?)");
}

static void tell_progress(struct trainer *t, int epoch, int64_t done) {
  double now = br_clock_seconds();
  if (!t->watch->progress || now - t->last_progress < 0.1) return;
  t->last_progress = now;
  const struct br_learner *l = &t->learner;
  double seconds = now - t->epoch_start;
  t->watch->progress(t->watch->arg, epoch + 1, (double)done / (double)t->units, br_sum_value(l->epoch_loss) / (double)l->epoch_samples, seconds > 0 ? (double)l->epoch_samples / seconds : 0);
}

static int run_epoch(struct trainer *t, int epoch) {
  const struct br_train_options *o = t->options;
  struct br_order order = {.seed = o->seed, .epoch = (uint32_t)epoch, .samples = br_dataset_info(t->train_data)->count, .micro_batch = o->micro_batch};
  int64_t per_step = o->batch / o->micro_batch;
  memset(t->learner.epoch_loss, 0, sizeof *t->learner.epoch_loss);
  t->learner.epoch_samples = t->learner.epoch_right = 0;
  for (int64_t first = 0; first < t->units && !t->stopped; first += per_step) {
    struct br_step_units units = {.first = first, .count = t->units - first < per_step ? t->units - first : per_step};
    int64_t mine_first, mine_last;
    br_place_units(units.count, br_comm_size(t->comm), o->speed, br_comm_rank(t->comm), &mine_first, &mine_last);
    units.mine_first = first + mine_first;
    units.mine_last = first + mine_last;
    t->learner.stop = t->watch->stop && t->watch->stop(t->watch->arg);
    BR_TRY(br_learner_step(&t->learner, t->comm, &t->crew, &order, &units));
    t->stopped = t->learner.stop;
    tell_progress(t, epoch, first + units.count);
  }
  return BR_OK;
}

/* Every rank must hold the same weights: a difference is a fault of memory or of mixed programs. */
static int compare_weights(struct trainer *t) {
  uint64_t hash = br_hash64(0, t->model->trained, t->model->graph->trained_floats * sizeof(float));
  hash = br_hash64(hash, t->model->statistics, t->model->graph->statistic_floats * sizeof(float));
  return br_comm_agree_equal(t->comm, hash, "the checksum of the weights after the epoch (bad memory or another build of the program)");
}

static int evaluate(struct trainer *t, int64_t updates, struct br_epoch_result *result) {
  const struct br_train_options *o = t->options;
  struct br_graph *graph = t->model->graph;
  double share;
  if (o->bn_recalibrate > 0 && graph->statistic_floats > 0) {
    BR_TRY(br_statistics_recalibrate(t->comm, &t->recalibration, t->model->trained, t->model->statistics, br_dataset_info(t->train_data)->count, o->bn_recalibrate, o->speed));
  } else if (br_comm_rank(t->comm) == 0 && br_statistics_unsettled(graph, updates, &share)) {
    br_warn("batch norm's moving averages still hold %.0f %% of their start values after %lld updates, so the accuracy below is not the net's; use --bn-recalibrate 4096 or a lower --bn-momentum", share * 100, (long long)updates);
  }
  if (!t->test_data) return BR_OK;
  struct br_evaluation e;
  BR_TRY(br_evaluate(t->comm, t->team, graph, t->model->trained, t->model->statistics, t->test, t->test_data, o->micro_batch, &e));
  result->test_loss = e.loss;
  result->test_accuracy = e.samples ? (double)e.right / (double)e.samples : NAN;
  br_evaluation_free(&e);
  return br_graph_infer(graph, o->micro_batch);
}

static int gather_times(struct trainer *t, double seconds) {
  struct br_rank_times mine = {.load = t->crew.load_seconds, .compute = t->crew.compute_seconds, .communicate = t->learner.communicate_seconds,
                               .peak_rss_bytes = (double)br_memory_peak_rss_bytes(), .bytes_sent = (double)br_comm_bytes_sent(t->comm)};
  mine.wait = seconds - mine.load - mine.compute - mine.communicate;
  if (mine.wait < 0) mine.wait = 0;
  t->crew.load_seconds = t->crew.compute_seconds = t->learner.communicate_seconds = 0;
  return br_comm_allgather(t->comm, &mine, sizeof mine, t->times);
}

static int run_epochs(struct trainer *t) {
  const struct br_train_options *o = t->options;
  for (int epoch = 0; epoch < o->epochs && !t->stopped; epoch++) {
    t->epoch_start = br_clock_seconds();
    BR_TRY(run_epoch(t, epoch));
    struct br_epoch_result result = {.epoch = epoch + 1, .test_loss = NAN, .test_accuracy = NAN, .n_ranks = br_comm_size(t->comm), .ranks = t->times, .samples = t->learner.epoch_samples};
    result.seconds = br_clock_seconds() - t->epoch_start;
    result.images_per_second = (double)result.samples / result.seconds;
    result.loss = br_sum_value(t->learner.epoch_loss) / (double)result.samples;
    result.accuracy = (double)t->learner.epoch_right / (double)result.samples;
    BR_TRY(compare_weights(t));
    if (!o->no_evaluation || epoch + 1 == o->epochs || t->stopped) BR_TRY(evaluate(t, t->learner.optimiser.step, &result));
    BR_TRY(gather_times(t, result.seconds));
    if (t->watch->epoch) t->watch->epoch(t->watch->arg, &result);
  }
  return BR_OK;
}

static int open_all(struct trainer *t) {
  const struct br_train_options *o = t->options;
  struct br_graph *graph = t->model->graph;
  int64_t per_step = o->batch / o->micro_batch, mine_first, mine_last;
  if (per_step > t->units) per_step = t->units;
  br_place_units(per_step, br_comm_size(t->comm), o->speed, br_comm_rank(t->comm), &mine_first, &mine_last);
  if (br_comm_rank(t->comm) == 0 && per_step < br_comm_size(t->comm))
    br_warn("%d ranks share %lld units a step, so %d of them idle; a smaller --micro-batch or a larger --batch gives them work", br_comm_size(t->comm), (long long)per_step, br_comm_size(t->comm) - (int)per_step);
  BR_TRY(br_memory_alloc((size_t)br_comm_size(t->comm), sizeof *t->times, "times", &t->times));
  BR_TRY(br_learner_open(&t->learner, graph, o, t->model->trained, t->model->statistics));
  t->learner.steps_per_epoch = (t->units + per_step - 1) / per_step;
  BR_TRY(br_crew_open(&t->crew, t->team, t->train, graph, BR_EXEC_TRAIN, o->frozen, o->micro_batch, mine_last - mine_first));
  if (o->bn_recalibrate > 0 && graph->statistic_floats > 0) BR_TRY(br_crew_open(&t->recalibration, t->team, t->train, graph, BR_EXEC_STATS, NULL, o->micro_batch, mine_last - mine_first));
  return BR_OK;
}

int br_train(struct br_comm *comm, struct br_team *team, struct br_model *model, struct br_loader *train, struct br_dataset *train_data, struct br_loader *test, struct br_dataset *test_data,
             const struct br_train_options *options, const struct br_train_watch *watch) {
  static const struct br_train_watch nobody;
  struct trainer t = {.comm = comm, .team = team, .model = model, .train = train, .test = test, .train_data = train_data, .test_data = test_data, .options = options, .watch = watch ? watch : &nobody};
  int status = br_comm_agree(comm, check_options(&t));
  if (status == BR_OK) status = check_alike(&t);
  if (status == BR_OK) {
    t.units = (int64_t)(br_dataset_info(train_data)->count / (uint64_t)options->micro_batch);
    status = br_comm_agree(comm, open_all(&t));
  }
  if (status == BR_OK) status = run_epochs(&t);
  br_learner_close(&t.learner);
  br_crew_close(&t.crew);
  br_crew_close(&t.recalibration);
  br_memory_free(t.times);
  return status;
}
