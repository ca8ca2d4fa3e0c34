/* One optimiser step: the rank's units forward and backward, rounded onto the grid, summed over ranks in one all-reduce, and the update that every
 * rank makes alike. */
#include "train/learner.h"
#include "train/statistics.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/cluster/exact.h>
#include <bramble/kernel/kernel.h>

#include <math.h>
#include <string.h>

void br_order_unit(const struct br_order *order, int64_t unit, uint64_t *index) {
  for (int i = 0; i < order->micro_batch; i++) {
    uint64_t place = br_random_permute(order->seed, BR_RANDOM_SHUFFLE, order->epoch, order->samples, (uint64_t)unit * (uint64_t)order->micro_batch + (uint64_t)i);
    index[i] = order->shard ? order->shard[place] : place;
  }
}

static size_t sums_count(const struct br_graph *graph) { return graph->trained_floats + 2 * graph->statistic_floats + BR_SCALAR_COUNT; }

size_t br_learner_bytes(const struct br_graph *graph, const struct br_train_options *options) {
  return 8 * sums_count(graph) + 4 * (graph->trained_floats + br_optimiser_state_floats(graph, &options->optimiser));
}

int br_learner_open(struct br_learner *learner, const struct br_graph *graph, const struct br_train_options *options, float *trained, float *statistics) {
  *learner = (struct br_learner){.graph = graph, .options = options, .trained = trained, .statistics = statistics};
  struct br_step_sums *sums = &learner->sums;
  sums->count = sums_count(graph);
  BR_TRY(br_memory_alloc(sums->count, sizeof(int64_t), "gradient sums", &sums->block));
  sums->grid = sums->block;
  sums->pairs = (struct br_pair *)(sums->grid + graph->trained_floats);
  sums->scalars = sums->grid + graph->trained_floats + 2 * graph->statistic_floats;
  BR_TRY(br_memory_alloc(graph->trained_floats, sizeof(float), "gradient", &learner->gradient));
  BR_TRY(br_memory_alloc(1, sizeof *learner->epoch_loss, "loss", &learner->epoch_loss));
  return br_optimiser_open(&learner->optimiser, graph, &options->optimiser, options->frozen);
}

void br_learner_close(struct br_learner *learner) {
  br_memory_free(learner->sums.block);
  br_memory_free(learner->gradient);
  br_memory_free(learner->epoch_loss);
  br_optimiser_close(&learner->optimiser);
  *learner = (struct br_learner){0};
}

/* What the threads of a step share. */
struct step {
  struct br_learner *learner;
  const struct br_order *order;
  const struct br_step_units *units;
  float limit;

  struct br_sum loss;
  int64_t right, samples;
  struct br_update update;
};

static int step_samples(void *arg, int64_t unit, uint64_t *index, uint64_t *position) {
  struct step *step = arg;
  br_order_unit(step->order, unit, index);
  *position = (uint64_t)(unit - step->units->first) * (uint64_t)step->order->micro_batch;
  return step->order->micro_batch;
}

static int argmax(const float *x, int n) {
  int best = 0;
  for (int c = 1; c < n; c++)
    if (x[c] > x[best]) best = c;
  return best;
}

/* Scalars of the round by one thread, the rest split between all. */
static void step_merge(void *arg, struct br_crew *crew, int active, struct br_part part) {
  struct step *step = arg;
  struct br_learner *learner = step->learner;
  const struct br_graph *graph = learner->graph;
  for (int g = 0; g < active; g++) {
    float largest = br_grid_add(br_exec_gradient(crew->exec[g]), learner->sums.grid, BR_GRID_SHIFT, graph->trained_floats, part);
    if (!(largest < step->limit)) __atomic_store_n(&learner->sums.scalars[BR_SCALAR_BAD], 1, __ATOMIC_RELAXED);
    br_statistics_add(graph, br_exec_batch_statistics(crew->exec[g]), learner->sums.pairs, part);
  }
  if (part.index != 0) return;
  int classes = br_shape_channels(&graph->nodes[graph->output].shape);
  for (int g = 0; g < active; g++) {
    const float *losses = br_exec_losses(crew->exec[g]), *output = br_exec_output(crew->exec[g]);
    double sum = 0; /* of a unit: one chain, always in the same order */
    for (int i = 0; i < crew->unit_samples; i++) {
      sum += losses[i];
      step->right += argmax(output + (size_t)i * (size_t)classes, classes) == crew->label[g][i];
    }
    br_sum_add(&step->loss, sum);
    step->samples += crew->unit_samples;
  }
}

/* Which tensor of which unit is to blame: the gradients of the last round are still there when a step is found bad. */
static int blame(struct step *step, struct br_crew *crew) {
  const struct br_graph *graph = step->learner->graph;
  long long number = (long long)step->learner->optimiser.step + 1;
  for (int g = 0; g < crew->groups; g++)
    for (int p = 0; p < graph->n_params; p++) {
      const struct br_param *param = &graph->params[p];
      if (param->statistic) continue;
      const float *gradient = br_exec_gradient(crew->exec[g]) + param->offset;
      for (size_t i = 0; i < param->count; i++)
        if (!(fabsf(gradient[i]) < step->limit))
          BR_FAIL(BR_ERROR_FAILED, "the gradient of %s is %g in epoch %d, step %lld: the training has diverged; lower --lr, or use --clip or --warmup", param->name, (double)gradient[i],
                  (int)step->order->epoch + 1, number);
    }
  BR_FAIL(BR_ERROR_FAILED, "a gradient is not a number or too large in epoch %d, step %lld: the training has diverged; lower --lr, or use --clip or --warmup", (int)step->order->epoch + 1, number);
}

static int sum_over_ranks(struct br_learner *learner, struct br_comm *comm) {
  if (br_comm_size(comm) == 1) return BR_OK;
  double start = br_clock_seconds();
  int status = br_comm_sum_i64(comm, learner->sums.block, learner->sums.count);
  learner->communicate_seconds += br_clock_seconds() - start;
  return status;
}

struct finish {
  struct step *step;
  struct br_barrier *barrier;
  float lr;
  double factor;
};

/* The gradient back from the grid, and the update, split between the threads. */
static void finish_member(void *arg, struct br_part part) {
  struct finish *finish = arg;
  struct br_learner *learner = finish->step->learner;
  br_grid_get(learner->sums.grid, finish->factor, learner->gradient, learner->graph->trained_floats, part);
  br_barrier_wait(finish->barrier, part.count);
  if (part.index == 0) finish->step->update = br_optimiser_begin(&learner->optimiser, learner->gradient, finish->lr);
  br_barrier_wait(finish->barrier, part.count);
  br_optimiser_apply(&learner->optimiser, &finish->step->update, learner->trained, learner->gradient, part);
}

int br_learner_step(struct br_learner *learner, struct br_comm *comm, struct br_crew *crew, const struct br_order *order, const struct br_step_units *units) {
  const struct br_train_options *options = learner->options;
  struct step step = {.learner = learner, .order = order, .units = units, .limit = (float)br_grid_limit(units->count)};
  memset(learner->sums.block, 0, learner->sums.count * sizeof(int64_t));
  struct br_crew_work work = {
      .arg = &step, .first = units->mine_first, .last = units->mine_last, .epoch = order->epoch, .samples = step_samples, .merge = step_merge,
      .run = {.trained = learner->trained, .statistics = learner->statistics, .class_weight = options->class_weight, .smoothing = options->label_smoothing,
              .loss_scale = 1.0f / (float)options->micro_batch, .seed = options->seed, .step = learner->optimiser.step}};
  int status = br_crew_run(crew, &work);
  int64_t *scalars = learner->sums.scalars;
  bool bad_here = scalars[BR_SCALAR_BAD] != 0;
  if (status != BR_OK || bad_here) { /* told to all by the sum, then agreed on */
    memset(learner->sums.grid, 0, learner->graph->trained_floats * sizeof(int64_t));
    memset(scalars, 0, BR_SCALAR_COUNT * sizeof(int64_t));
    scalars[BR_SCALAR_BAD] = 1;
  } else {
    br_sum_carry(&step.loss);
    scalars[BR_SCALAR_SAMPLES] = step.samples;
    scalars[BR_SCALAR_RIGHT] = step.right;
    memcpy(&scalars[BR_SCALAR_LOSS], step.loss.limb, sizeof step.loss.limb);
  }
  scalars[BR_SCALAR_STOP] = learner->stop;
  BR_TRY(sum_over_ranks(learner, comm));
  learner->stop = scalars[BR_SCALAR_STOP] != 0;
  if (scalars[BR_SCALAR_BAD] != 0) {
    if (status == BR_OK && bad_here) status = blame(&step, crew);
    return br_comm_agree(comm, status);
  }
  struct br_sum loss;
  memcpy(loss.limb, &scalars[BR_SCALAR_LOSS], sizeof loss.limb);
  if (isnan(br_sum_value(&loss)))
    BR_FAIL(BR_ERROR_FAILED, "the loss is not a number in epoch %d, step %lld: the training has diverged; lower --lr, or use --clip or --warmup", (int)order->epoch + 1, (long long)learner->optimiser.step + 1);
  br_sum_merge(learner->epoch_loss, &loss);
  br_sum_carry(learner->epoch_loss);
  learner->epoch_samples += scalars[BR_SCALAR_SAMPLES];
  learner->epoch_right += scalars[BR_SCALAR_RIGHT];
  br_statistics_blend(learner->graph, learner->sums.pairs, (double)units->count, false, learner->statistics);
  struct finish finish = {.step = &step, .barrier = &crew->barrier, .factor = 0x1p-40 / (double)units->count};
  finish.lr = br_schedule_lr(&options->schedule, learner->optimiser.step, learner->steps_per_epoch, options->epochs);
  br_team_run(crew->team, finish_member, &finish);
  return BR_OK;
}
