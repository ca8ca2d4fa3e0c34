/* Where to cut: dynamic programming over the places of the cuts. The time of a stage is its multiply-adds by its node's speed, or the sending of what
 * crosses its end, whichever is longer; its memory is its weights as they are packed, the values that live at once, and two buffers at each end. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/net/cut.h>
#include <bramble/net/prepare.h>
#include <bramble/predict/stages.h>

#include <math.h>
#include <string.h>

#define PROCESS_BYTES ((size_t)24 << 20) /* what a rank takes before it has a net: code, MPI, the data set's list */

/* Per node of the graph, or per place of a cut. */
struct cut_table {
  int start, end;
  double *macs;    /* of nodes before this one */
  size_t *weights; /* bytes of packed parameters of nodes before this one */
  size_t *live;    /* bytes of values that live while the node runs */
  size_t *cross;   /* bytes that cross a cut before the node */
  bool *allowed;   /* a cut before the node */
};

static size_t value_bytes(const struct br_graph *graph, int v) { return br_shape_count(&graph->nodes[v].shape) * sizeof(float); }

static int make_table(const struct br_graph *graph, bool exact, struct cut_table *t, double *block) {
  size_t n = (size_t)graph->n_nodes + 1;
  *t = (struct cut_table){.start = graph->n_inputs, .end = br_cut_end(graph), .macs = block, .weights = (size_t *)(block + n), .live = (size_t *)(block + 2 * n), .cross = (size_t *)(block + 3 * n), .allowed = (bool *)(block + 4 * n)};
  size_t *packed;
  int *list;
  BR_TRY(br_cut_allowed(graph, t->allowed));
  BR_TRY(br_memory_alloc(n, sizeof *packed + sizeof *list, "plan", &packed));
  list = (int *)(packed + n);
  int status = br_prepared_weights(graph, &(struct br_prepare_options){.exact = exact}, packed);
  if (status != BR_OK) {
    br_memory_free(packed);
    return status;
  }
  for (int i = t->start; i <= t->end; i++) {
    int values = i < t->end ? br_cut_values(graph, i, list) : 0;
    for (int k = 0; k < values; k++) t->cross[i] += value_bytes(graph, list[k]);
    if (i == t->end) break;
    t->live[i] = t->cross[i] + value_bytes(graph, i);
    t->macs[i + 1] = t->macs[i] + br_node_cost(graph, i).macs;
    t->weights[i + 1] = t->weights[i] + packed[i];
  }
  br_memory_free(packed);
  return BR_OK;
}

static struct br_stage stage_of(const struct cut_table *t, int first, int last, size_t live, int batch, const struct br_stage_node *node, double bytes_per_second) {
  size_t in = first > t->start ? t->cross[first] : 0, out = last < t->end ? t->cross[last] : 0;
  double work = (t->macs[last] - t->macs[first]) / node->macs_per_second, send = (double)out / (double)batch / bytes_per_second;
  work /= batch;
  return (struct br_stage){.first = first, .last = last, .parameter_bytes = t->weights[last] - t->weights[first], .run_bytes = live + 2 * (in + out) + PROCESS_BYTES, .out_bytes = out / (size_t)batch, .seconds = work > send ? work : send};
}

static bool fits(const struct br_stage *s, const struct br_stage_node *node) { return node->memory_bytes == 0 || s->parameter_bytes + s->run_bytes <= node->memory_bytes; }

/* best[k * places + j]: the slowest of stages 0 .. k when stage k ends before node j; from[]: where stage k then begins. */
static int search(const struct cut_table *t, int n, int batch, const struct br_stage_node *nodes, double bytes_per_second, double *best, int *from, struct br_stage *stages) {
  int places = t->end + 1;
  for (int i = 0; i < n * places; i++) best[i] = INFINITY;
  for (int k = 0; k < n; k++)
    for (int j = t->start + k + 1; j <= t->end; j++) {
      if (j < t->end && !t->allowed[j]) continue;
      size_t live = 0;
      for (int i = j - 1; i >= t->start + k; i--) { /* stage k is nodes i .. j - 1 */
        if (t->live[i] > live) live = t->live[i];
        if (!t->allowed[i] && i > t->start) continue;
        double before = k == 0 ? (i == t->start ? 0 : INFINITY) : best[(k - 1) * places + i];
        if (before == INFINITY) continue;
        struct br_stage s = stage_of(t, i, j, live, batch, &nodes[k], bytes_per_second);
        double slowest = s.seconds > before ? s.seconds : before;
        if (fits(&s, &nodes[k]) && slowest < best[k * places + j]) best[k * places + j] = slowest, from[k * places + j] = i;
      }
    }
  if (best[(n - 1) * places + t->end] == INFINITY) return 0;
  for (int k = n - 1, j = t->end; k >= 0; k--) {
    int i = from[k * places + j];
    size_t live = 0;
    for (int v = i; v < j; v++) live = t->live[v] > live ? t->live[v] : live;
    stages[k] = stage_of(t, i, j, live, batch, &nodes[k], bytes_per_second);
    j = i;
  }
  return 1;
}

int br_stages_plan(struct br_graph *graph, bool exact, int n, int batch, const struct br_stage_node *nodes, double bytes_per_second, struct br_stage *stages) {
  BR_TRY(br_graph_infer(graph, batch));
  struct cut_table table;
  double *block, *best = NULL;
  int *from = NULL;
  size_t places = (size_t)br_cut_end(graph) + 1;
  BR_TRY(br_memory_alloc(5 * ((size_t)graph->n_nodes + 1), sizeof *block, "plan", &block));
  int status = make_table(graph, exact, &table, block);
  if (status == BR_OK) {
    int most = 1; /* stages: steps of the prepared net */
    for (int i = table.start + 1; i < table.end; i++) most += table.allowed[i];
    if (n < 1 || n > most) status = br_error_set(BR_ERROR_USAGE, "%d stages: the net has %d steps to divide", n, most);
  }
  if (status == BR_OK) status = br_memory_alloc((size_t)n * places, sizeof *best, "plan", &best);
  if (status == BR_OK) status = br_memory_alloc((size_t)n * places, sizeof *from, "plan", &from);
  if (status == BR_OK && !search(&table, n, batch, nodes, bytes_per_second, best, from, stages)) {
    size_t live = 0, most = nodes[0].memory_bytes;
    char a[32], b[32], c[32];
    for (int i = table.start; i < table.end; i++) live = table.live[i] > live ? table.live[i] : live;
    for (int k = 1; k < n; k++) most = nodes[k].memory_bytes > most ? nodes[k].memory_bytes : most;
    status = br_error_set(BR_ERROR_MEMORY, "the net does not fit in %d stage%s of at most %s: it has %s of weights, and %s of values at once in its widest place; give more ranks, or more with --memory", n, n == 1 ? "" : "s",
                          br_text_bytes((double)most, a), br_text_bytes((double)table.weights[table.end], b), br_text_bytes((double)(live + PROCESS_BYTES), c));
  }
  br_memory_free(block);
  br_memory_free(best);
  br_memory_free(from);
  return status;
}
