/* bramble plan predict MODEL: which stage of a net would go where, before anything runs; and the stages of a run. */
#include "cli/setup.h"
#include "cli/stages.h"

#include <bramble/base/clock.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/cluster/link.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/cut.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_BYTES_PER_SECOND 110e6 /* gigabit Ethernet */
#define PROBE 256
#define EQUAL 0.8 /* of the fastest rank's speed and more count as that, so that chance moves no cut */

/* Multiply-adds a second of one thread, from a product that stays in the cache. */
static int measure(double *macs_per_second) {
  float *a, *work;
  size_t floats = PROBE * PROBE;
  BR_TRY(br_memory_alloc(3 * floats, sizeof *a, "probe", &a));
  int status = br_memory_alloc(br_gemm_work_bytes(PROBE, PROBE, PROBE), 1, "probe", &work);
  if (status == BR_OK) {
    struct br_gemm gemm = {.M = PROBE, .N = PROBE, .K = PROBE, .A = a, .lda = PROBE, .B = a + floats, .ldb = PROBE, .C = a + 2 * floats, .ldc = PROBE};
    double least = 1;
    for (int i = 0; i < 10; i++) {
      double start = br_clock_seconds();
      br_gemm(&gemm, BR_PART_ALL, work);
      double seconds = br_clock_seconds() - start;
      least = seconds < least ? seconds : least;
    }
    *macs_per_second = (double)floats * PROBE / least;
    br_memory_free(work);
  }
  br_memory_free(a);
  return status;
}

static int plan(struct cli *cli, const char *path, int n, const struct br_stage_node *nodes, double bytes_per_second, struct br_stage **stages) {
  struct br_graph *graph;
  *stages = NULL;
  BR_TRY(setup_open_graph(cli, path, &graph));
  int status = br_memory_alloc((size_t)n, sizeof **stages, "plan", stages);
  if (status == BR_OK) status = br_stages_plan(graph, option_flag(&cli->options, "exact"), n, br_stages_batch(), nodes, bytes_per_second, *stages);
  br_graph_close(graph);
  return status;
}

int stages_probe(struct cli *cli, int threads, struct stages_places *places) {
  const int n = br_comm_size(cli->comm);
  double mine = 0, *all, fastest = 0;
  struct br_link *links = NULL;
  BR_TRY(br_comm_agree(cli->comm, br_memory_alloc((size_t)n, sizeof *places->nodes + sizeof *links + sizeof *all, "stages", &places->nodes)));
  links = (struct br_link *)(void *)(places->nodes + n), all = (double *)(void *)(links + n);
  BR_TRY(br_comm_agree(cli->comm, measure(&mine)));
  mine *= threads;
  BR_TRY(br_comm_allgather(cli->comm, &mine, sizeof mine, all));
  BR_TRY(br_link_probe(cli->comm, links));
  places->bytes_per_second = links[0].to_next;
  for (int r = 0; r < n; r++) fastest = all[r] > fastest ? all[r] : fastest;
  for (int r = 0; r < n; r++) places->nodes[r] = (struct br_stage_node){all[r] > EQUAL * fastest ? fastest : all[r], (size_t)option_sizes(&cli->options, "memory", r)};
  for (int r = 0; r + 1 < n; r++) places->bytes_per_second = links[r].to_next < places->bytes_per_second ? links[r].to_next : places->bytes_per_second;
  if (n == 1) places->bytes_per_second = LINK_BYTES_PER_SECOND; /* nothing is sent */
  return BR_OK;
}

int stages_load(struct cli *cli, const char *path, const struct stages_places *places, struct br_model **part) {
  const char *wanted = option_text(&cli->options, "stages");
  int n = br_comm_size(cli->comm);
  struct br_stage *stages;
  if (strcmp(wanted, "auto") != 0 && atoi(wanted) != n) BR_FAIL(BR_ERROR_USAGE, "--stages %s: every rank runs one stage, and there are %d ranks; start as many, or say --stages auto", wanted, n);
  int status = plan(cli, path, n, places->nodes, places->bytes_per_second, &stages);
  if (status == BR_OK) {
    const struct br_stage *mine = &stages[br_comm_rank(cli->comm)];
    status = br_model_map_part(path, mine->first, mine->last, part);
  }
  br_memory_free(stages);
  return status;
}

static int print_plan(struct cli *cli, const char *path, int n, const struct br_stage *stages, double macs_per_second) {
  struct br_graph *graph;
  double slowest = 0;
  char a[32], b[32], c[32];
  BR_TRY(setup_open_graph(cli, path, &graph));
  json_t *list = json_array();
  for (int i = 0; i < n; i++) {
    const struct br_stage *s = &stages[i];
    slowest = s->seconds > slowest ? s->seconds : slowest;
    json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:f}", "first", graph->nodes[s->first].name, "last", graph->nodes[s->last - 1].name, "parameter_bytes", (json_int_t)s->parameter_bytes, "run_bytes",
                                          (json_int_t)s->run_bytes, "out_bytes", (json_int_t)s->out_bytes, "seconds", s->seconds));
    if (!option_flag(&cli->options, "json"))
      printf("node %d: %s to %s: weights %s, running %s, sends %s a picture\n", i, graph->nodes[s->first].name, graph->nodes[s->last - 1].name, br_text_bytes((double)s->parameter_bytes, a), br_text_bytes((double)s->run_bytes, b),
             br_text_bytes((double)s->out_bytes, c));
  }
  if (option_flag(&cli->options, "json"))
    cli_print_json(cli, json_pack("{s:o,s:f,s:f}", "stages", list, "samples_per_second", 1 / slowest, "macs_per_second", macs_per_second));
  else
    printf("about %.1f pictures/s at most, if every node has one core as fast as this (%.1f G multiply-adds/s in the cache) and gigabit Ethernet\n", 1 / slowest, macs_per_second / 1e9), json_decref(list);
  br_graph_close(graph);
  return BR_OK;
}

int stages_print_plan(struct cli *cli) {
  const struct options *o = &cli->options;
  if (!cli->speaks) return BR_OK;
  int n = option_int(o, "nodes") ? (int)option_int(o, "nodes") : 1;
  double macs_per_second = 1;
  struct br_stage *stages = NULL;
  struct br_stage_node *nodes;
  BR_TRY(measure(&macs_per_second));
  BR_TRY(br_memory_alloc((size_t)n, sizeof *nodes, "plan", &nodes));
  for (int i = 0; i < n; i++) nodes[i] = (struct br_stage_node){macs_per_second, (size_t)option_sizes(o, "memory", i)};
  int status = plan(cli, o->subjects[1], n, nodes, LINK_BYTES_PER_SECOND, &stages);
  br_memory_free(nodes);
  if (status == BR_OK) status = print_plan(cli, o->subjects[1], n, stages, macs_per_second);
  br_memory_free(stages);
  return status;
}
