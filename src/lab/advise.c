/* Measuring a little, then saying much: what is said is put together here, line by line, so that the command only prints. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/cluster/link.h>
#include <bramble/lab/advise.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define KEPT 0.9        /* of the samples' worth that the batch must keep */
#define WORTH 0.7       /* of a node's time that must be of use */
#define SUM_SHARE 0.1   /* of the time that sums may take where weights are averaged */
#define UNSETTLED 0.01  /* of a moving average's start that may be left */

struct advising {
  struct br_comm *comm;
  const struct br_advise_request *request;
  const struct br_train_options *options;
  struct br_advice *advice;
  double samples; /* of the training part */
  double end;     /* of the short run */
};

static void say(char (*lines)[320], int *n, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(char (*lines)[320], int *n, const char *format, ...) {
  if (*n == BR_ADVICE_LINES) return;
  va_list args;
  va_start(args, format);
  vsnprintf(lines[(*n)++], 320, format, args);
  va_end(args);
}

static bool time_is_over(void *arg) {
  const struct advising *a = arg;
  return br_clock_seconds() > a->end;
}

/* At the start of training gradients agree more than later; a few steps take the net out of that. */
static int train_a_little(struct advising *a) {
  const struct br_plan_request *plan = &a->request->plan;
  struct br_train_options options = *a->options;
  options.sync = BR_SYNC_GRADIENTS;
  options.worker = (struct br_worker_options){0};
  options.epochs = 1;
  options.bn_recalibrate = 0;
  options.evaluation_epochs = 0;
  options.evaluation_steps = 0;
  options.checkpoint = (struct br_checkpoint_options){0};
  options.keep = BR_KEEP_LAST;
  struct br_train_watch watch = {.arg = a, .stop = time_is_over};
  a->end = br_clock_seconds() + a->request->train_seconds;
  return br_train(a->comm, a->request->team, a->request->model, plan->train, plan->train_data, NULL, NULL, &options, &watch);
}

static int measure_link(struct advising *a, struct br_step_model *model) {
  int size = br_comm_size(a->comm);
  if (a->request->link) return br_step_model_link(model, a->request->link);
  if (size == 1) return BR_OK; /* the model's own: gigabit */
  struct br_link *links;
  BR_TRY(br_comm_agree(a->comm, br_memory_alloc((size_t)size, sizeof *links, "links", &links)));
  int status = br_link_probe(a->comm, links);
  model->bandwidth = INFINITY;
  model->latency = 0;
  for (int r = 0; r < size && status == BR_OK; r++) {
    model->bandwidth = fmin(model->bandwidth, fmin(links[r].to_next, links[r].from_next));
    model->latency = fmax(model->latency, links[r].latency);
  }
  br_memory_free(links);
  return status;
}

static double effective_batch(const struct advising *a) {
  const struct br_train_options *o = a->options;
  double workers = o->sync == BR_SYNC_GRADIENTS ? 1 : o->sync == BR_SYNC_FEDAVG ? ceil(o->worker.workers * o->worker.fraction) : o->worker.workers;
  return workers * o->batch;
}

static void advise_batch(struct advising *a) {
  struct br_advice *advice = a->advice;
  bool drowned = isinf(advice->noise_scale); /* it is larger than what was compared */
  int micro = a->options->micro_batch;
  double noise = drowned ? advice->noise_batch : advice->noise_scale, batch = floor(noise * (1 / KEPT - 1) / micro) * micro, asked = effective_batch(a);
  bool few_steps = batch > a->samples / 10;
  advice->batch = batch < micro ? micro : few_steps ? (int)(a->samples / 10 / micro + 1) * micro : (int)batch;
  advice->efficiency = noise / (noise + asked); /* samples that count in full at batch B are 1 / (1 + B / noise) (equation 2.11 of the paper) */
  if (drowned)
    say(advice->why, &advice->n_why, "the gradient noise scale is above the %.0f samples compared: larger batches cost nothing yet", noise);
  else
    say(advice->why, &advice->n_why, "the gradient noise scale is about %.0f samples now, and it grows while training goes on", noise);
  say(advice->why, &advice->n_why, "up to batch %d%s nine of ten samples count in full; at %.0f, as asked,%s %.0f %% do", batch < micro ? micro : (int)fmin(batch, 1e9), drowned ? " and farther" : "", asked, drowned ? " at least" : "", 100 * advice->efficiency);
  if (few_steps) say(advice->why, &advice->n_why, "batch %d, since an epoch of %.0f samples should have about ten steps", advice->batch, a->samples);
}

static void advise_nodes(struct advising *a, double unit_seconds) {
  struct br_advice *advice = a->advice;
  struct br_step_model *m = &advice->model;
  char epoch[32], one[32];
  m->parts = advice->batch / a->options->micro_batch;
  m->part_seconds = unit_seconds;
  m->sums = (int64_t)ceil(a->samples / advice->batch);
  advice->nodes = br_step_model_worth(m, a->request->most_nodes, WORTH);
  struct br_step_time time = br_step_model_time(m, advice->nodes), most = br_step_model_time(m, a->request->most_nodes);
  say(advice->why, &advice->n_why, "with one sum a step of batch %d an epoch takes %s on %d node%s (%s on one): the most that are used to 70 %%", advice->batch, br_text_seconds(time.epoch, epoch), advice->nodes, advice->nodes > 1 ? "s" : "",
      br_text_seconds(br_step_model_time(m, 1).epoch, one));
  if (advice->nodes < a->request->most_nodes)
    say(advice->why, &advice->n_why, "%d nodes would take %s an epoch and be used to %.0f %%", a->request->most_nodes, br_text_seconds(most.epoch, epoch), 100 * most.efficiency);
  double sum = br_link_sum_model(a->request->most_nodes, m->sum_bytes, m->latency, m->bandwidth), local = unit_seconds * a->options->batch / a->options->micro_batch / m->threads;
  advice->every = a->request->most_nodes > 1 && local > 0 ? (int64_t)ceil(sum * (1 / SUM_SHARE - 1) / local) : 1;
  if (advice->every < 1) advice->every = 1;
  if (a->request->most_nodes > 1)
    say(advice->why, &advice->n_why, "a sum over %d nodes takes %s; averaging weights every %lld local steps of batch %d holds sums at a tenth of the time", a->request->most_nodes, br_text_seconds(sum, epoch), (long long)advice->every,
        a->options->batch);
}

/* What the study of 48 workers found out afterwards: averaging takes noise out of the step but does not make it longer. With B samples to a step the best
 * learning rate goes as 1 / (1 + noise / B) (equation 2.8 of the paper). */
static void warn_of_averaging(struct advising *a) {
  const struct br_train_options *o = a->options;
  struct br_advice *advice = a->advice;
  if (o->sync == BR_SYNC_GRADIENTS) return;
  double together = effective_batch(a) / o->batch, shard = a->samples / (double)o->worker.workers, noise = advice->noise_scale;
  double steps = o->epochs * floor(shard / o->batch) * (o->sync == BR_SYNC_FEDAVG ? o->worker.local_epochs : 1);
  double longer = isinf(noise) ? together : (1 + noise / o->batch) / (1 + noise / (together * o->batch));
  if (together < 4) return;
  say(advice->warning, &advice->n_warnings, "%.0f workers with %.0f samples each: at one learning rate their average moves no farther than one of them does, %.0f steps where one worker alone would make %.0f. The risk for the accuracy is %s; use --sync gradients --batch %d, or about %.0f times the learning rate",
      (double)o->worker.workers, shard, steps, steps * together, together <= 8 ? "considerable" : "great", advice->batch, longer);
}

static void warn_of_statistics(struct advising *a) {
  const struct br_train_options *o = a->options;
  struct br_advice *advice = a->advice;
  double m = a->request->bn_momentum, updates = o->epochs * floor(a->samples / effective_batch(a)), left = 1;
  if (a->request->plan.graph->statistic_floats == 0 || o->bn_recalibrate > 0) return;
  for (double n = updates; n >= 1 && left > UNSETTLED; n -= 1) left *= m;
  if (left > UNSETTLED)
    say(advice->warning, &advice->n_warnings, "batch norm's moving averages would still hold %.0f %% of their start values after %.0f updates with momentum %g, in every layer: the net would answer nothing, however well it learnt; use --bn-recalibrate 4096", 100 * left, updates, m);
}

int br_advise_train(struct br_comm *comm, const struct br_advise_request *request, struct br_advice *advice) {
  struct advising a = {.comm = comm, .request = request, .options = request->plan.options, .advice = advice, .samples = (double)br_dataset_info(request->plan.train_data)->count};
  *advice = (struct br_advice){0};
  struct br_plan_request alone = request->plan;
  struct br_train_options gradients = *a.options;
  gradients.sync = BR_SYNC_GRADIENTS; /* so that a part is a unit */
  gradients.worker = (struct br_worker_options){0};
  alone.options = &gradients;
  BR_TRY(br_comm_agree(comm, br_step_model_open(&alone, &advice->model)));
  BR_TRY(br_comm_agree(comm, br_step_model_node(&advice->model, request->node)));
  BR_TRY(measure_link(&a, &advice->model));
  BR_TRY(train_a_little(&a));
  BR_TRY(br_comm_agree(comm, br_noise_scale(request, &advice->noise_scale, &advice->noise_batch)));
  advise_batch(&a);
  advise_nodes(&a, advice->model.part_seconds);
  warn_of_averaging(&a);
  warn_of_statistics(&a);
  return BR_OK;
}
