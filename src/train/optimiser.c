/* Optimisers, parameter by parameter. What depends on a whole tensor (LARS, LAMB) or on all (clipping) is one double chain in the
 * order of the block, so that threads and ranks cannot be seen in it. */
#include "train/optimiser.h"

#include "train/muon.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>

#include <math.h>

static int moments(enum br_optimiser_kind kind, float momentum) {
  switch (kind) {
    case BR_OPTIMISER_SGD: return momentum > 0 ? 1 : 0;
    case BR_OPTIMISER_LARS: return 1;
    case BR_OPTIMISER_RMSPROP: return 2;
    default: return 2;
  }
}

size_t br_optimiser_state_floats(const struct br_graph *graph, const struct br_optimiser_options *options) {
  return (size_t)moments(options->kind, options->momentum) * graph->trained_floats;
}

/* A thread's scratch for a matrix of its own; all threads' together are a team's. */
static size_t own_work_bytes(const struct br_graph *graph, const struct br_optimiser_options *options) { return options->kind == BR_OPTIMISER_MUON ? br_muon_work_bytes(graph, 1) : 0; }
static size_t work_bytes(const struct br_graph *graph, const struct br_optimiser_options *options, int threads) { return (size_t)threads * own_work_bytes(graph, options); }

size_t br_optimiser_bytes(const struct br_graph *graph, const struct br_optimiser_options *options, int threads) {
  return sizeof(float) * br_optimiser_state_floats(graph, options) + work_bytes(graph, options, threads);
}

static enum br_optimiser_kind kind_of(const struct br_optimiser *optimiser, int p) {
  const enum br_optimiser_kind kind = optimiser->options.kind;
  return kind == BR_OPTIMISER_MUON && !br_muon_takes(&optimiser->graph->params[p]) ? BR_OPTIMISER_LAMB : kind;
}

static bool is_trained(const struct br_optimiser *optimiser, int p) { return !optimiser->graph->params[p].statistic && !(optimiser->frozen && optimiser->frozen[p]); }

/* --- who makes what ------------------------------------------------------------------------------------------------------------ */

#define ANOTHER_RANKS (-1)
#define TEAM (-2)

/* LARS, LAMB and Muon read whole tensors, so a thread of a rank has all of one, but that matrices that would keep one thread longer than all the others' work are Muon's whole team's; the
 * other optimisers split every tensor. */
static bool reads_tensors(enum br_optimiser_kind kind) { return kind == BR_OPTIMISER_LARS || kind == BR_OPTIMISER_LAMB || kind == BR_OPTIMISER_MUON; }

static double cost_of(const struct br_optimiser *optimiser, int p) {
  const struct br_param *param = &optimiser->graph->params[p];
  if (!is_trained(optimiser, p)) return 0;
  return kind_of(optimiser, p) == BR_OPTIMISER_MUON ? br_muon_cost(param) : (double)param->count;
}

/* The dearest first, each to the one of `parts` that has least; what costs nothing goes to none. The costs are used up. */
static int deal(double *cost, int n, int parts, int *owner) {
  double *load;
  BR_TRY(br_memory_alloc((size_t)parts, sizeof *load, "shares of an update", &load));
  for (;;) {
    int dearest = 0, least = 0;
    for (int p = 1; p < n; p++)
      if (cost[p] > cost[dearest]) dearest = p;
    if (!(cost[dearest] > 0)) break;
    for (int k = 1; k < parts; k++)
      if (load[k] < load[least]) least = k;
    owner[dearest] = least;
    load[least] += cost[dearest];
    cost[dearest] = 0;
  }
  br_memory_free(load);
  return BR_OK;
}

/* To the ranks, then this rank's to its threads. */
static int deal_tensors(struct br_optimiser *optimiser, double *cost, int threads) {
  const int n = optimiser->graph->n_params;
  double all = 0;
  for (int p = 0; p < n; p++) cost[p] = cost_of(optimiser, p);
  BR_TRY(deal(cost, n, optimiser->rank.count, optimiser->owner));
  for (int p = 0; p < n; p++) {
    const bool mine = is_trained(optimiser, p) && optimiser->owner[p] == optimiser->rank.index;
    optimiser->owner[p] = ANOTHER_RANKS;
    cost[p] = mine ? cost_of(optimiser, p) : 0;
    all += cost[p];
  }
  for (int p = 0; p < n; p++) {
    if (kind_of(optimiser, p) != BR_OPTIMISER_MUON || !(cost[p] * threads > all)) continue;
    optimiser->owner[p] = TEAM;
    cost[p] = 0;
  }
  return deal(cost, n, threads, optimiser->owner);
}

static int open_owners(struct br_optimiser *optimiser, int threads) {
  const size_t n = (size_t)optimiser->graph->n_params;
  double *cost;
  BR_TRY(br_memory_alloc(n, sizeof *optimiser->owner, "shares of an update", &optimiser->owner));
  BR_TRY(br_memory_alloc(n, sizeof *cost, "shares of an update", &cost));
  int status = deal_tensors(optimiser, cost, threads);
  br_memory_free(cost);
  return status;
}

bool br_optimiser_share(const struct br_optimiser *optimiser, int p, struct br_part part, size_t *first, size_t *last) {
  const size_t n = optimiser->graph->params[p].count;
  *first = 0, *last = n;
  if (!is_trained(optimiser, p)) return false;
  if (reads_tensors(optimiser->options.kind)) {
    if (optimiser->owner[p] == TEAM) br_part_range(part, n, 16, first, last);
    return optimiser->owner[p] == TEAM || optimiser->owner[p] == part.index;
  }
  size_t from, to;
  br_part_range(optimiser->rank, n, 16, &from, &to);
  br_part_range(part, to - from, 16, first, last);
  *first += from, *last += from;
  return *first < *last;
}

/* --- opening ------------------------------------------------------------------------------------------------------------------- */

int br_optimiser_open(struct br_optimiser *optimiser, const struct br_graph *graph, const struct br_optimiser_options *options, const bool *frozen, int threads, struct br_part rank, float *state) {
  *optimiser = (struct br_optimiser){.graph = graph, .options = *options, .frozen = frozen, .n_moments = moments(options->kind, options->momentum), .rank = rank, .state = state, .borrows_state = state != NULL};
  const size_t work = work_bytes(graph, options, threads);
  if (work > 0) BR_TRY(br_memory_alloc(work, 1, "optimiser scratch", &optimiser->work));
  if (reads_tensors(options->kind)) BR_TRY(open_owners(optimiser, threads));
  return state ? BR_OK : br_memory_alloc(br_optimiser_state_floats(graph, options), sizeof(float), "optimiser state", &optimiser->state);
}

void br_optimiser_close(struct br_optimiser *optimiser) {
  if (!optimiser->borrows_state) br_memory_free(optimiser->state);
  br_memory_free(optimiser->work);
  br_memory_free(optimiser->owner);
  *optimiser = (struct br_optimiser){0};
}

/* --- the steps ----------------------------------------------------------------------------------------------------------------- */

double br_square_sum(const float *x, size_t n) {
  double lane[4] = {0};
  for (size_t i = 0; i < n; i++) lane[i % 4] = lane[i % 4] + (double)x[i] * x[i];
  return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

struct br_update br_optimiser_begin(struct br_optimiser *optimiser, const float *gradient, float lr) {
  struct br_update update = {lr, 1};
  optimiser->step++;
  if (optimiser->options.clip > 0) {
    double norm = sqrt(br_square_sum(gradient, optimiser->graph->trained_floats));
    if (norm > optimiser->options.clip) update.factor = (float)(optimiser->options.clip / norm);
  }
  return update;
}

/* 1 / (1 - beta^t) by repeated multiplication: pow is the machine's. */
static float correction(float beta, uint32_t t) {
  double power = 1, base = beta;
  for (uint32_t n = t; n; n >>= 1, base *= base)
    if (n & 1) power *= base;
  return (float)(1 / (1 - power));
}

/* LARS (You et al. 2017): the step of each weight tensor is scaled to its norm. */
static void lars(const struct br_optimiser_options *o, const struct br_update *update, float *w, float *g, float *v, size_t n, float decay) {
  double w_norm = sqrt(br_square_sum(w, n)), g_norm = sqrt(br_square_sum(g, n));
  float trust = decay > 0 && w_norm > 0 && g_norm > 0 ? (float)(0.001 * w_norm / (g_norm + decay * w_norm)) : 1;
  br_sgd_step(&(struct br_sgd){update->lr * trust, o->momentum, decay, o->nesterov}, w, g, v, n, BR_PART_ALL);
}

/* v = beta2 v + (1 - beta2) g^2; step g / (sqrt v + eps), with momentum as PyTorch has it. */
static void rmsprop(const struct br_optimiser_options *o, float lr, float *w, const float *g, float *m, float *v, size_t n, float decay) {
  for (size_t i = 0; i < n; i++) {
    float d = g[i] + decay * w[i];
    v[i] = o->beta2 * v[i] + (1 - o->beta2) * (d * d);
    m[i] = o->momentum * m[i] + d / (sqrtf(v[i]) + o->eps);
    w[i] -= lr * m[i];
  }
}

static void muon(const struct br_optimiser *optimiser, int p, float lr, float decay, float *w, float *g, float *m, struct br_barrier *barrier, struct br_part part) {
  const bool team = optimiser->owner[p] == TEAM;
  char *work = (char *)optimiser->work + (team ? 0 : (size_t)part.index * own_work_bytes(optimiser->graph, &optimiser->options));
  br_muon_step(&(struct br_muon){lr, optimiser->options.momentum, decay, barrier, work}, &optimiser->graph->params[p], w, g, m, team ? part : BR_PART_ALL);
}

/* LAMB (You et al. 2020): Adam's direction, which takes the gradient's place, scaled to the tensor's norm. By one thread, which owns the tensor. Biases and the
 * factors of batch norm are not `scaled`, as in the authors' code: a bias starts at 0, and by steps in proportion to its norm it would hardly leave it. */
static void lamb(const struct br_optimiser *optimiser, float lr, float *w, float *g, float *m, float *v, size_t n, float decay, bool scaled) {
  const struct br_optimiser_options *o = &optimiser->options;
  const struct br_adam adam = {lr, o->momentum, o->beta2, o->eps, decay, correction(o->momentum, optimiser->step), correction(o->beta2, optimiser->step), true};
  double squares[2] = {0};
  br_lamb_direction(&adam, w, g, m, v, squares, n);
  const float trust = scaled && squares[0] > 0 && squares[1] > 0 ? (float)(sqrt(squares[0]) / sqrt(squares[1])) : 1;
  br_lamb_step(lr * trust, w, g, n);
}

void br_optimiser_apply(const struct br_optimiser *optimiser, const struct br_update *update, int p, float *weights, float *gradient, struct br_barrier *barrier, struct br_part part) {
  const struct br_graph *graph = optimiser->graph;
  const struct br_optimiser_options *o = &optimiser->options;
  const struct br_param *param = &graph->params[p];
  size_t first, last;
  if (!br_optimiser_share(optimiser, p, part, &first, &last)) return;
  const size_t at = param->offset + first, n = last - first;
  const float decay = param->decay || o->decay_all ? o->weight_decay : 0;
  float *w = weights + at, *g = gradient + at;
  float *m = optimiser->n_moments > 0 ? optimiser->state + at : NULL, *v = optimiser->n_moments > 1 ? m + graph->trained_floats : NULL;
  if (update->factor != 1) br_scale(g, update->factor, g, false, n, BR_PART_ALL);
  switch (kind_of(optimiser, p)) {
    case BR_OPTIMISER_SGD: br_sgd_step(&(struct br_sgd){update->lr, o->momentum, decay, o->nesterov}, w, g, m, n, BR_PART_ALL); break;
    case BR_OPTIMISER_LARS: lars(o, update, w, g, m, n, decay); break;
    case BR_OPTIMISER_RMSPROP: rmsprop(o, update->lr, w, g, m, v, n, decay); break;
    case BR_OPTIMISER_MUON: muon(optimiser, p, update->lr, decay, w - first, g - first, m - first, barrier, part); break;
    case BR_OPTIMISER_LAMB: lamb(optimiser, update->lr, w, g, m, v, n, decay, param->decay); break;
    case BR_OPTIMISER_ADAM:
    case BR_OPTIMISER_ADAMW: {
      struct br_adam adam = {update->lr, o->momentum, o->beta2, o->eps, decay, correction(o->momentum, optimiser->step), correction(o->beta2, optimiser->step), o->kind == BR_OPTIMISER_ADAMW};
      br_adam_step(&adam, w, g, m, v, n, BR_PART_ALL);
    }
  }
}
