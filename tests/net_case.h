/* Running a net from its text in a test: filling parameters, running one exec on a team, and the results as copies. */
#ifndef TESTS_NET_CASE_H
#define TESTS_NET_CASE_H

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/thread.h>
#include <bramble/net/exec.h>
#include <bramble/net/graph.h>

#include <stdlib.h>
#include <string.h>

static inline float net_random(uint64_t seed, uint64_t i) {
  struct br_random r = br_random_open(seed, BR_RANDOM_TEST, 0, i);
  return 2 * br_random_float(&r) - 1;
}

static inline float *net_random_block(uint64_t seed, size_t n) {
  float *values = calloc(n + 1, sizeof *values);
  for (size_t i = 0; i < n; i++) values[i] = net_random(seed, i);
  return values;
}

static inline struct br_graph *net_open(const char *text) {
  struct br_graph *graph = NULL;
  int status = br_graph_parse("net", text, &graph);
  if (status != BR_OK) fail_msg("%s", br_error_message());
  return graph;
}

static inline size_t net_sample_floats(const struct br_graph *graph, int node) { return br_shape_count(&graph->nodes[node].shape) / (size_t)graph->nodes[node].shape.d[0]; }

/* Results of one run, each block with its size in floats. */
struct net_result {
  float *output, *losses, *gradient, *statistics;
  size_t n_output, n_losses, n_gradient, n_statistics;
};

static inline float *net_copy(const float *from, size_t n) {
  float *to = calloc(n + 1, sizeof *to);
  if (from && n) memcpy(to, from, n * sizeof *to);
  return to;
}

struct net_call {
  struct br_exec *exec;
  const struct br_run *run;
};

static inline void net_call(void *arg, struct br_part part) {
  struct net_call *call = arg;
  br_exec_run(call->exec, call->run, part);
}

/* Opens an exec, runs it twice (a second run must not see the first; and it must not allocate), copies the results. */
static inline struct net_result net_run(const struct br_graph *graph, const struct br_exec_options *options, const struct br_run *run) {
  struct br_exec *exec = NULL;
  struct br_team *team = NULL;
  if (br_exec_open(graph, options, &exec) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(br_team_open(options->members, &team), BR_OK);
  struct net_call call = {exec, run};
  br_team_run(team, net_call, &call);
  size_t calls = br_memory_alloc_calls(), n = (size_t)run->n;
  br_team_run(team, net_call, &call);
  assert_int_equal(br_memory_alloc_calls(), calls);
  struct net_result r = {.n_output = n * net_sample_floats(graph, graph->output), .n_losses = run->label || run->target ? n : 0};
  r.n_gradient = options->mode == BR_EXEC_TRAIN ? graph->trained_floats : 0;
  r.n_statistics = options->mode == BR_EXEC_INFER ? 0 : graph->statistic_floats;
  r.output = net_copy(br_exec_output(exec), r.n_output);
  r.losses = net_copy(br_exec_losses(exec), r.n_losses);
  r.gradient = net_copy(br_exec_gradient(exec), r.n_gradient);
  r.statistics = net_copy(br_exec_batch_statistics(exec), r.n_statistics);
  br_team_close(team);
  br_exec_close(exec);
  return r;
}

static inline void net_result_free(struct net_result *r) {
  free(r->output);
  free(r->losses);
  free(r->gradient);
  free(r->statistics);
}

#endif
