/* The gradient noise scale. With g_i the gradient of a micro-batch of b samples and G the mean of K of them, E|g_i|^2 = |G*|^2 + S / b and E|G|^2 = |G*|^2 +
 * S / (K b); two equations for |G*|^2 and S (appendix A.1 of the paper). */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/lab/advise.h>
#include <bramble/net/exec.h>

#include <math.h>

#define SEEN_TIMES 8 /* as many times the samples compared: where the noise scale is larger, their mean gradient drowns in noise and more are compared, */
#define MOST_TIMES 8 /* up to as many times the units asked for */

struct noise {
  const struct br_advise_request *request;
  struct br_exec *exec;
  float *x;
  int32_t *label;
  uint64_t *index;
  double *sum; /* of all gradients */
  double unit_norms;
};

static int open_noise(struct noise *n) {
  const struct br_plan_request *plan = &n->request->plan;
  int b = plan->options->micro_batch;
  BR_TRY(br_graph_infer(plan->graph, b));
  BR_TRY(br_exec_open(plan->graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = b, .members = 1, .fuse = true, .frozen = plan->options->frozen}, &n->exec));
  BR_TRY(br_memory_alloc(br_shape_count(&plan->graph->nodes[0].shape), sizeof(float), "input", &n->x));
  BR_TRY(br_memory_alloc((size_t)b, sizeof(int32_t), "labels", &n->label));
  BR_TRY(br_memory_alloc((size_t)b, sizeof(uint64_t), "samples", &n->index));
  return br_memory_alloc(plan->graph->trained_floats, sizeof(double), "gradients", &n->sum);
}

static int add_unit(struct noise *n, int unit) {
  const struct br_plan_request *plan = &n->request->plan;
  const struct br_train_options *o = plan->options;
  int b = o->micro_batch;
  uint64_t samples = br_dataset_info(plan->train_data)->count, position = (uint64_t)unit * (uint64_t)b;
  for (int i = 0; i < b; i++) n->index[i] = br_random_permute(o->seed, BR_RANDOM_SHUFFLE, 1000, samples, position + (uint64_t)i);
  BR_TRY(br_loader_fill(plan->train, 1000, n->index, b, n->x, n->label));
  struct br_run run = {.trained = n->request->model->trained, .statistics = n->request->model->statistics, .x = n->x, .n = b, .label = n->label, .class_weight = o->class_weight, .smoothing = o->label_smoothing,
                       .loss_scale = 1.0f / (float)b, .seed = o->seed, .step = 1000, .position = position};
  br_exec_run(n->exec, &run, BR_PART_ALL);
  const float *gradient = br_exec_gradient(n->exec);
  for (size_t i = 0; i < plan->graph->trained_floats; i++) {
    n->sum[i] += gradient[i];
    n->unit_norms += (double)gradient[i] * gradient[i];
  }
  return BR_OK;
}

/* From the first K units. */
static double estimate(const struct noise *n, int K) {
  int b = n->request->plan.options->micro_batch;
  double all = 0, B = (double)K * b;
  for (size_t i = 0; i < n->request->plan.graph->trained_floats; i++) all += n->sum[i] * n->sum[i];
  double large = all / ((double)K * K), small = n->unit_norms / K;
  double signal = (B * large - b * small) / (B - b), noise = (small - large) / (1.0 / b - 1 / B);
  return isfinite(large) ? signal > 0 ? fmax(noise, 0) / signal : INFINITY : NAN;
}

int br_noise_scale(const struct br_advise_request *request, double *noise_scale, double *compared) {
  struct noise n = {.request = request};
  int K = request->noise_units, b = request->plan.options->micro_batch, most = MOST_TIMES * K;
  uint64_t samples = br_dataset_info(request->plan.train_data)->count;
  double end = br_clock_seconds() + request->train_seconds;
  *noise_scale = NAN;
  if (K < 8 || samples / (uint64_t)b < (uint64_t)K) BR_FAIL(BR_ERROR_USAGE, "advice needs %d micro-batches of %d samples and there are %llu samples; lower --micro-batch", K, b, (unsigned long long)samples);
  int status = open_noise(&n);
  for (int unit = 0; unit < K && status == BR_OK; unit++) {
    status = add_unit(&n, unit);
    if (status != BR_OK || unit + 1 < K) continue;
    *noise_scale = estimate(&n, K);
    *compared = (double)K * b;
    if (*noise_scale > SEEN_TIMES * *compared && 2 * K <= most && samples / (uint64_t)b >= (uint64_t)(2 * K) && br_clock_seconds() < end) K *= 2;
  }
  br_exec_close(n.exec);
  br_memory_free(n.x);
  br_memory_free(n.label);
  br_memory_free(n.index);
  br_memory_free(n.sum);
  if (status == BR_OK && isnan(*noise_scale)) status = br_error_set(BR_ERROR_FAILED, "the gradients are no numbers after the short run; lower --lr");
  return status;
}
