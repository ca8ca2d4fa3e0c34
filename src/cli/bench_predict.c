/* bramble bench predict NET|FILE: pictures a second side by side, one on every thread; the time of one picture with all threads inside it; each with its share
 * of what the processor's multiply-adds allow. Random pixels that are in memory: no data set. */
#include "cli/bench.h"
#include "cli/setup.h"

#include <bramble/base/clock.h>
#include <bramble/base/cpu.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/text.h>
#include <bramble/kernel/bench.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 0.5 /* of a repeat */
#define REPEATS_MOST 1000

struct predict_bench {
  struct br_model *model;
  struct br_prepared *net;
  struct br_team *team;
  struct br_exec **side, *inside; /* one a thread with room for a batch; one for all threads and one picture */
  struct br_exec_bytes bytes;     /* of an exec of `side` */
  float *x;
  int batch, threads, runs;
  double first; /* seconds from the start of the process to the first answer */
};

static void run_side(void *arg, struct br_part part) {
  struct predict_bench *b = arg;
  for (int i = 0; i < b->runs; i++) br_exec_run(b->side[part.index], &(struct br_run){.x = b->x, .n = b->batch}, BR_PART_ALL);
}

static void run_inside(void *arg, struct br_part part) {
  struct predict_bench *b = arg;
  for (int i = 0; i < b->runs; i++) br_exec_run(b->inside, &(struct br_run){.x = b->x, .n = 1}, part);
}

static int open_inside(struct predict_bench *b) {
  return br_exec_open(b->model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = b->threads, .fuse = true, .prepared = b->net}, &b->inside);
}

/* One a thread, when those of `inside` are done: no user has both. */
static int open_side(struct predict_bench *b) {
  const struct br_exec_options options = {.mode = BR_EXEC_INFER, .N = b->batch, .members = 1, .fuse = true, .prepared = b->net};
  br_exec_close(b->inside);
  b->inside = NULL;
  BR_TRY(br_memory_alloc((size_t)b->threads, sizeof *b->side, "threads", &b->side));
  BR_TRY(br_exec_plan(b->model->graph, &options, &b->bytes));
  for (int i = 0; i < b->threads; i++) BR_TRY(br_exec_open(b->model->graph, &options, &b->side[i]));
  return BR_OK;
}

static int open_bench(struct cli *cli, const char *subject, struct predict_bench *b) {
  BR_TRY(cli_open_team(cli, &b->team));
  b->threads = br_team_count(b->team);
  BR_TRY(setup_open_prepared(cli, subject, (struct setup_use){b->batch, 1, b->threads}, &b->model, &b->net));
  const struct br_graph *graph = b->model->graph;
  if (graph->n_inputs != 1) BR_FAIL(BR_ERROR_USAGE, "bench predict: %s has %d inputs; nets with one are measured", subject, graph->n_inputs);
  if (br_prepared_streams(b->net)) BR_FAIL(BR_ERROR_MEMORY, "bench predict: %s does not fit in --memory with its weights; give more", subject);
  const size_t floats = br_shape_count(&graph->nodes[0].shape) / (size_t)graph->nodes[0].shape.d[0];
  BR_TRY(br_memory_alloc(floats * (size_t)b->batch, sizeof *b->x, "input", &b->x));
  struct br_random random = br_random_open(1, BR_RANDOM_TEST, 0, 0);
  for (size_t i = 0; i < floats; i++) b->x[i] = br_random_float(&random);
  BR_TRY(open_inside(b));
  b->runs = 1;
  br_team_run(b->team, run_inside, b);
  b->first = br_clock_seconds() - cli->start;
  for (int i = 1; i < b->batch; i++) memcpy(b->x + (size_t)i * floats, b->x, floats * sizeof *b->x);
  return BR_OK;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Seconds of one run, median and least; `processor`: of the processor seconds. */
struct times {
  double median, least, processor;
};

static struct times measure(struct predict_bench *b, void (*work)(void *arg, struct br_part part), int repeats) {
  double seconds[REPEATS_MOST];
  struct times t;
  b->runs = 1;
  br_team_run(b->team, work, b); /* a warm-up that also says how long a run takes */
  double begin = br_clock_seconds();
  br_team_run(b->team, work, b);
  b->runs = (int)(SECONDS / (br_clock_seconds() - begin + 1e-9)) + 1;
  double processor = br_clock_cpu_seconds();
  for (int r = 0; r < repeats; r++) {
    begin = br_clock_seconds();
    br_team_run(b->team, work, b);
    seconds[r] = (br_clock_seconds() - begin) / b->runs;
  }
  t.processor = (br_clock_cpu_seconds() - processor) / repeats / b->runs;
  qsort(seconds, (size_t)repeats, sizeof *seconds, by_value);
  t.median = seconds[repeats / 2], t.least = seconds[0];
  return t;
}

static int report(struct cli *cli, const char *subject, struct predict_bench *b, int repeats) {
  const struct times inside = measure(b, run_inside, repeats);
  BR_TRY(open_side(b));
  const struct times side = measure(b, run_side, repeats);
  const double images = (double)b->threads * b->batch, macs = br_graph_cost(b->model->graph).macs / b->model->graph->nodes[0].shape.d[0], bound = bench_peak(b->team) / macs;
  char packed[32], run[32], rss[32];
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:I,s:s,s:s}", "net", subject, "batch", b->batch, "threads", b->threads, "images_per_second", images / side.median, "best_images_per_second",
                                  images / side.least, "processor_seconds_per_image", side.processor / images, "latency_seconds", inside.median, "best_latency_seconds", inside.least, "bound_images_per_second", bound,
                                  "share_of_bound", images / side.median / bound, "first_answer_seconds", b->first, "packed_bytes", (json_int_t)br_prepared_bytes(b->net), "run_bytes_per_thread", (json_int_t)b->bytes.total,
                                  "peak_rss_bytes", (json_int_t)br_memory_peak_rss_bytes(), "kernels", br_kernel_table_name(), "processor", br_cpu_name()));
    return BR_OK;
  }
  printf("%s, %s kernels, %d thread%s, %.0f M multiply-adds a picture\n", subject, br_kernel_table_name(), b->threads, b->threads == 1 ? "" : "s", macs * 1e-6);
  printf("side by side, batch %d  %9.1f images/s median, %.1f best of %d; %.0f %% of the bound of %.1f; %.3f ms of one processor a picture\n", b->batch, images / side.median, images / side.least, repeats, 100 * images / side.median / bound, bound,
         side.processor / images * 1e3);
  printf("one picture             %9.3f ms median, %.3f ms best; %.0f %% of the bound\n", inside.median * 1e3, inside.least * 1e3, 100 / inside.median / bound);
  printf("first answer            %9.3f ms from the start of the process\n", b->first * 1e3);
  printf("weights packed %s, a thread's run %s, peak memory %s\n", br_text_bytes((double)br_prepared_bytes(b->net), packed), br_text_bytes((double)b->bytes.total, run), br_text_bytes((double)br_memory_peak_rss_bytes(), rss));
  return BR_OK;
}

int bench_predict(struct cli *cli) {
  const struct options *o = &cli->options;
  if (o->n_subjects != 2) BR_FAIL(BR_ERROR_USAGE, "bramble bench predict takes a net or a model file, as in: bramble bench predict mobilenetv2");
  if (!cli->speaks) return BR_OK; /* one rank: the others would disturb it */
  struct predict_bench b = {.batch = option_int(o, "batch") ? (int)option_int(o, "batch") : 1};
  int status = open_bench(cli, o->subjects[1], &b);
  if (status == BR_OK && option_flag(o, "steps")) {
    status = open_side(&b);
    if (status == BR_OK) status = bench_steps(cli, b.side[0], (struct br_run){.x = b.x, .n = b.batch}, false, bench_peak(b.team) / b.threads);
  } else if (status == BR_OK) {
    status = report(cli, o->subjects[1], &b, (int)option_int(o, "repeats"));
  }
  for (int i = 0; b.side && i < b.threads; i++) br_exec_close(b.side[i]);
  br_memory_free(b.side);
  br_memory_free(b.x);
  br_exec_close(b.inside);
  br_team_close(b.team);
  br_prepared_close(b.net);
  br_model_close(b.model);
  return status;
}
