/* Nets that nobody thought of: every three bytes are a line of net text, lines that do not fit are left out. Fusing, frozen neighbours and room for
 * more samples must not change a bit of what the net gives. */
#include "fuzz.h"

#include <bramble/base/memory.h>
#include <bramble/net/exec.h>
#include <bramble/net/graph.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 2, MOST_LINES = 24, MOST_FLOATS = 20000 };

/* Node `i`'s line: what it is from `what`, its sizes from `how`; `a` and `b` are the nodes it takes. */
static void print_line(char *line, size_t capacity, int i, uint8_t what, uint8_t how, int a, int b) {
  static const char *const plain[] = {"batchnorm", "relu6", "relu", "hardswish", "sigmoid", "prelu", "leakyrelu", "tanh", "flatten", "globalpool", "softmax", "dropout", "silu", "batchnorm", "relu6"};
  const int n_plain = sizeof plain / sizeof *plain, kind = what % (n_plain + 9);
  if (kind < n_plain) {
    snprintf(line, capacity, "n%d = %s n%d\n", i, plain[kind], a);
    return;
  }
  switch (kind - n_plain) {
    case 0: snprintf(line, capacity, "n%d = conv n%d out=%d bias=no\n", i, a, 1 + how % 12); break; /* pointwise, as blocks have them */
    case 1: snprintf(line, capacity, "n%d = conv n%d out=%d\n", i, a, 1 + how % 7); break;
    case 2: snprintf(line, capacity, "n%d = conv n%d groups=0 kernel=3 padding=1 stride=%d bias=no\n", i, a, 1 + how % 2); break;
    case 3: snprintf(line, capacity, "n%d = conv n%d out=%d kernel=%dx%d padding=same stride=%d\n", i, a, 1 + how % 5, 1 + how / 5 % 3, 1 + how / 15 % 3, 1 + how / 45 % 2); break;
    case 4: snprintf(line, capacity, "n%d = %s n%d kernel=2 stride=%d\n", i, how % 2 ? "maxpool" : "avgpool", a, 1 + how / 2 % 2); break;
    case 5: snprintf(line, capacity, "n%d = add n%d n%d\n", i, a, b); break;
    case 6: snprintf(line, capacity, "n%d = mul n%d n%d\n", i, a, b); break;
    case 7: snprintf(line, capacity, "n%d = concat n%d n%d\n", i, a, b); break;
    default: snprintf(line, capacity, "n%d = dense n%d out=%d\n", i, a, 1 + how % 6);
  }
}

static struct br_graph *parse(const char *text) {
  struct br_graph *graph;
  return br_graph_parse("fuzz", text, &graph) == 0 ? graph : NULL;
}

static struct br_graph *make_net(const uint8_t *data, size_t bytes) {
  char text[64 * (MOST_LINES + 3)] = "n0 = input 6 5 3\n";
  int nodes = 1;
  for (size_t at = 0; at + 3 <= bytes && nodes < MOST_LINES; at += 3) {
    size_t length = strlen(text);
    int a = data[at + 2] % 4 ? nodes - 1 : data[at + 2] / 4 % nodes, b = data[at + 1] % nodes;
    print_line(text + length, sizeof text - length, nodes, data[at], data[at + 1], a, b);
    struct br_graph *graph = parse(text);
    if (graph)
      nodes++;
    else
      text[length] = 0;
    br_graph_close(graph);
  }
  size_t length = strlen(text);
  snprintf(text + length, sizeof text - length, "last = flatten n%d\n", nodes - 1);
  return parse(text);
}

struct result {
  float values[3 * MOST_FLOATS];
  size_t n;
};

static void keep(struct result *result, const float *values, size_t n) {
  if (n) memcpy(result->values + result->n, values, n * sizeof *values);
  result->n += n;
}

/* Output, losses, statistics and gradient of one run. */
static void run(const struct br_graph *graph, const struct br_exec_options *options, const struct br_run *run, struct result *result) {
  struct br_exec *exec;
  if (br_exec_open(graph, options, &exec) != 0) __builtin_trap();
  br_exec_run(exec, run, BR_PART_ALL);
  result->n = 0;
  keep(result, br_exec_output(exec), N * br_shape_count(&graph->nodes[graph->output].shape));
  keep(result, br_exec_losses(exec), N);
  if (options->mode != BR_EXEC_INFER) keep(result, br_exec_batch_statistics(exec), graph->statistic_floats);
  if (options->mode == BR_EXEC_TRAIN) keep(result, br_exec_gradient(exec), graph->trained_floats);
  br_exec_close(exec);
}

static void expect_same(const struct result *a, const struct result *b) {
  if (a->n != b->n || memcmp(a->values, b->values, a->n * sizeof *a->values) != 0) __builtin_trap();
}

static void check_frozen(const struct br_graph *graph, const struct br_run *r, const struct result *whole, unsigned pick) {
  static struct result part;
  bool frozen[256] = {false};
  for (int p = 0; p < graph->n_params; p++) frozen[p] = p < (int)(pick % 8) || (pick >> p % 24 & 1);
  run(graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = N, .members = 1, .fuse = true, .frozen = frozen}, r, &part);
  size_t gradient = part.n - graph->trained_floats;
  if (memcmp(part.values, whole->values, gradient * sizeof(float)) != 0) __builtin_trap();
  for (int p = 0; p < graph->n_params; p++) {
    const struct br_param *param = &graph->params[p];
    if (!param->statistic && !frozen[p] && memcmp(part.values + gradient + param->offset, whole->values + gradient + param->offset, param->count * sizeof(float)) != 0) __builtin_trap();
  }
}

static bool is_small(const struct br_graph *graph) {
  size_t most = 0;
  for (int i = 0; i < graph->n_nodes; i++) most = br_shape_count(&graph->nodes[i].shape) > most ? br_shape_count(&graph->nodes[i].shape) : most;
  return N * most <= MOST_FLOATS && graph->trained_floats <= MOST_FLOATS && graph->statistic_floats < MOST_FLOATS && graph->n_params <= 256;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static float trained[MOST_FLOATS], statistics[MOST_FLOATS], x[N * 6 * 5 * 3];
  static const int32_t label[N] = {0, 0};
  static struct result first, other;
  struct br_graph *graph = make_net(data, bytes);
  if (!graph) __builtin_trap(); /* the input alone fits, and so does flatten behind anything */
  if (is_small(graph)) {
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float)((i * 2654435761u >> 8) % 2001) / 1000 - 1;
    br_graph_init(graph, 1, trained, statistics);
    struct br_run r = {.trained = trained, .statistics = statistics, .x = x, .n = N, .label = label, .loss_scale = 1, .seed = 1};
    for (enum br_exec_mode mode = BR_EXEC_INFER; mode <= BR_EXEC_TRAIN; mode++) {
      run(graph, &(struct br_exec_options){.mode = mode, .N = N, .members = 1, .fuse = true}, &r, &first);
      run(graph, &(struct br_exec_options){.mode = mode, .N = N + 1, .members = 1, .fuse = false}, &r, &other);
      expect_same(&first, &other);
    }
    check_frozen(graph, &r, &first, bytes > 3 ? data[0] * 2654435761u + data[bytes - 1] * 40503u : 1);
  }
  br_graph_close(graph);
  return 0;
}

/* Random lines; the last seed starts with a block of MobileNetV2. */
size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const uint8_t block[] = {15, 11, 1, 0, 0, 1, 1, 0, 1, 17, 0, 1, 0, 0, 1, 1, 0, 1, 15, 2, 1, 0, 0, 1, 20, 0, 1, 5, 0, 1};
  const size_t n = 3 * MOST_LINES;
  if (which > 16 || capacity < n) return 0;
  for (size_t i = 0; i < n; i++) data[i] = (uint8_t)((((size_t)which * 977 + i + 1) * 2654435761u) >> 13);
  if (which == 16) memcpy(data, block, sizeof block);
  return n;
}
