/* bramble bench: how fast this machine is. bench machine: its bounds; bench kernel: each kernel's share of them; bench train NET: whole
 * optimiser steps, data included; bench table KIND: a model of a table (bench_table.c); bench predict NET: a prepared net (bench_predict.c);
 * bench data SPEC: samples into inputs (bench_data.c). */
#include "cli/bench.h"
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/cpu.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/cluster/link.h>
#include <bramble/kernel/bench.h>
#include <bramble/kernel/kernel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS_MOST 1000

struct timing {
  double rate[REPEATS_MOST]; /* images per second of each epoch after the warm-up */
  int n, epochs;
  double compute, all;
};

static void on_epoch(void *arg, const struct br_epoch_result *result) {
  struct timing *t = arg;
  if (t->epochs++ == 0 || t->n == REPEATS_MOST) return; /* the first is the warm-up */
  t->rate[t->n++] = result->images_per_second;
  t->compute += result->ranks[0].compute;
  t->all += result->seconds;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* What the multiply-add units of all ranks do at most, at the same time. */
static int peak_of_all(struct cli *cli, struct br_team *team, double *macs_per_second) {
  BR_TRY(br_comm_barrier(cli->comm));
  int64_t millions = (int64_t)(bench_peak(team) * 1e-6);
  BR_TRY(br_comm_sum_i64(cli->comm, &millions, 1));
  *macs_per_second = (double)millions * 1e6;
  return BR_OK;
}

static int report(struct cli *cli, struct br_model *model, const struct br_train_options *options, struct br_team *team, struct timing *t) {
  qsort(t->rate, (size_t)t->n, sizeof *t->rate, by_value);
  double median = t->n ? t->rate[t->n / 2] : 0, best = t->n ? t->rate[t->n - 1] : 0;
  BR_TRY(br_graph_infer(model->graph, 1));
  const double macs = 3 * br_graph_cost(model->graph).macs; /* of a sample: forward, and twice that backward */
  const int threads = br_team_count(team);
  double peak;
  BR_TRY(peak_of_all(cli, team, &peak));
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:i,s:i,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:I,s:s,s:s}", "net", cli->options.subjects[1], "batch", options->batch, "micro_batch", options->micro_batch, "ranks", br_comm_size(cli->comm), "threads",
                                  threads, "images_per_second", median, "best_images_per_second", best, "gflops", 2e-9 * macs * median, "share_of_bound", macs * median / peak, "compute_share", t->all > 0 ? t->compute / t->all : 0.0, "peak_rss_bytes",
                                  (json_int_t)br_memory_peak_rss_bytes(), "kernels", br_kernel_table_name(), "processor", br_cpu_name()));
    return BR_OK;
  }
  char rss[32];
  if (cli->speaks)
    printf("%s batch %d micro-batch %d, %d ranks x %d threads, %s kernels: %.0f images/s median, %.0f best of %d; %.1f GFLOP/s, %.0f %% of the bound; peak RSS %s\n", cli->options.subjects[1], options->batch, options->micro_batch,
           br_comm_size(cli->comm), threads, br_kernel_table_name(), median, best, t->n, 2e-9 * macs * median, 100 * macs * median / peak, br_text_bytes((double)br_memory_peak_rss_bytes(), rss));
  return BR_OK;
}

struct bench {
  struct br_dataset *data;
  struct br_loader *loader;
  struct br_model *model;
  struct br_team *team;
  struct br_exec *exec; /* of --steps, with its unit */
  float *x;
  int32_t *label;
};

/* One unit on one thread, again and again; the weights stay as they are. */
static int train_steps(struct cli *cli, struct bench *b, int n) {
  if (!cli->speaks) return BR_OK; /* one rank: the others would disturb it */
  struct br_graph *graph = b->model->graph;
  const struct br_dataset_info *info = br_dataset_info(b->data);
  const int outputs = br_shape_channels(&graph->nodes[graph->output].shape);
  if (info->numbers || info->classes > outputs) BR_FAIL(BR_ERROR_USAGE, "bench train --steps: the data has %d classes, the net has %d outputs", info->classes, outputs);
  if (graph->loss >= 0) BR_FAIL(BR_ERROR_USAGE, "bench train --steps: %s has a loss of its own; nets for classes are measured", cli->options.subjects[1]);
  if ((uint64_t)n > info->count) BR_FAIL(BR_ERROR_USAGE, "bench train --steps: --micro-batch %d is more than the data's %llu samples", n, (unsigned long long)info->count);
  BR_TRY(br_graph_infer(graph, n));
  BR_TRY(br_memory_alloc(br_shape_count(&graph->nodes[0].shape), sizeof *b->x, "input", &b->x));
  BR_TRY(br_memory_alloc((size_t)n, sizeof *b->label, "labels", &b->label));
  for (int i = 0; i < n; i++) BR_TRY(br_loader_fill(b->loader, 0, &(uint64_t){(uint64_t)i}, 1, b->x + (size_t)i * (br_shape_count(&graph->nodes[0].shape) / (size_t)n), &b->label[i]));
  BR_TRY(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = n, .members = 1, .fuse = true}, &b->exec));
  const struct br_run run = {.trained = b->model->trained, .statistics = b->model->statistics, .x = b->x, .label = b->label, .n = n, .loss_scale = 1.0f / (float)n};
  return bench_steps(cli, b->exec, run, true, bench_peak(b->team) / br_team_count(b->team));
}

static int bench_train(struct cli *cli, struct bench *b) {
  const struct options *o = &cli->options;
  if (o->n_subjects != 2) BR_FAIL(BR_ERROR_USAGE, "bramble bench train takes a net, as in: bramble bench train lenet --batch 32");
  BR_TRY(setup_open_data(cli, BR_DATA_TRAIN, &b->data));
  const struct br_recipe *recipe;
  BR_TRY(setup_open_model(cli, o->subjects[1], br_dataset_info(b->data), &b->model, &recipe));
  struct br_train_options options;
  struct br_loader_options loader = {.dataset = b->data};
  BR_TRY(setup_train_options(cli, recipe, &options, &loader.augment));
  BR_TRY(setup_preprocess(cli, b->model->graph, br_dataset_info(b->data)->name, &loader.preprocess));
  BR_TRY(br_loader_open(&loader, &b->loader));
  BR_TRY(cli_open_team(cli, &b->team));
  if (option_flag(o, "steps")) return train_steps(cli, b, options.micro_batch);
  options.epochs = 1 + (int)option_int(o, "repeats");
  options.evaluation_epochs = 0;
  options.bn_recalibrate = 0;
  struct timing *timing;
  BR_TRY(br_memory_alloc(1, sizeof *timing, "times", &timing));
  br_log_to(NULL); /* settings here are for speed, not for accuracy: no advice about it */
  int status = br_train(cli->comm, b->team, b->model, b->loader, b->data, NULL, NULL, &options, &(struct br_train_watch){.arg = timing, .epoch = on_epoch});
  if (status == BR_OK) status = report(cli, b->model, &options, b->team, timing);
  br_memory_free(timing);
  return status;
}

/* One measurement of the machine or of a kernel. */
static void print_row(void *arg, const struct br_bench_row *row) {
  struct cli *cli = arg;
  double gflops = row->flops / row->seconds * 1e-9, gbytes = row->bytes / row->seconds * 1e-9;
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:s,s:s,s:f,s:f,s:f,s:f}", "table", row->table, "name", row->name, "shape", row->shape, "seconds", row->seconds, "gflops", gflops, "gbytes_per_second", gbytes, "share", row->share));
    return;
  }
  printf("%-8s %-28s %-34s %10.2f us", row->table, row->name, row->shape, row->seconds * 1e6);
  printf(row->flops > 0 ? " %8.1f GFLOP/s" : "                 ", gflops);
  printf(row->bytes > 0 ? " %7.1f GB/s" : "             ", gbytes);
  printf(row->share > 0 ? " %4.0f %%\n" : "\n", row->share * 100);
  fflush(stdout);
}

static int bench_rows(struct cli *cli, int (*measure)(double seconds, void (*row)(void *arg, const struct br_bench_row *row), void *arg)) {
  if (!cli->speaks) return BR_OK; /* one core of one rank: the others would disturb it */
  if (!option_flag(&cli->options, "json")) printf("%s, %s kernels, one thread, best of several\n", br_cpu_name(), br_kernel_table_name());
  return measure(0.02 * (double)option_int(&cli->options, "repeats"), print_row, cli);
}

#define SUM_BYTES 3000000

/* What the wires between ranks carry. */
static int bench_links(struct cli *cli) {
  int ranks = br_comm_size(cli->comm);
  if (ranks == 1) return BR_OK;
  struct br_link *links;
  double sum = 0;
  BR_TRY(br_comm_agree(cli->comm, br_memory_alloc((size_t)ranks, sizeof *links, "links", &links)));
  int status = br_link_probe(cli->comm, links);
  if (status == BR_OK) status = br_link_sum_seconds(cli->comm, SUM_BYTES, 5, &sum);
  if (status == BR_OK && cli->speaks) {
    char shape[40];
    snprintf(shape, sizeof shape, "3 MB of int64, %d ranks", ranks);
    print_row(cli, &(struct br_bench_row){.table = "mpi", .name = "latency", .shape = "rank 0 to 1", .seconds = links[0].latency});
    print_row(cli, &(struct br_bench_row){.table = "mpi", .name = "send", .shape = "1 MB, rank 0 to 1", .seconds = 1e6 / links[0].to_next, .bytes = 1e6});
    print_row(cli, &(struct br_bench_row){.table = "mpi", .name = "sum", .shape = shape, .seconds = sum, .bytes = SUM_BYTES});
  }
  br_memory_free(links);
  return status;
}

static int bench_machine(struct cli *cli) {
  BR_TRY(bench_links(cli));
  return bench_rows(cli, br_bench_machine);
}

int cmd_bench(struct cli *cli) {
  const char *what = cli->options.n_subjects ? cli->options.subjects[0] : "";
  if (strcmp(what, "machine") == 0) return bench_machine(cli);
  if (strcmp(what, "kernel") == 0) return bench_rows(cli, br_bench_kernels);
  if (strcmp(what, "table") == 0) return table_bench(cli);
  if (strcmp(what, "predict") == 0) return br_comm_agree(cli->comm, bench_predict(cli));
  if (strcmp(what, "data") == 0) return br_comm_agree(cli->comm, bench_data(cli));
  if (strcmp(what, "train") != 0) BR_FAIL(BR_ERROR_USAGE, "bramble bench %s: machine, kernel, train NET, predict NET, data SPEC and table KIND are possible", what);
  struct bench b = {0};
  int status = br_comm_agree(cli->comm, bench_train(cli, &b));
  br_exec_close(b.exec);
  br_memory_free(b.x);
  br_memory_free(b.label);
  br_team_close(b.team);
  br_model_close(b.model);
  br_loader_close(b.loader);
  br_dataset_close(b.data);
  return status;
}
