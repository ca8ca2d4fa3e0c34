/* Grids that follow their gradients: coarser at once, finer slowly. */
#include "train/fixed.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/kernel/kernel.h>

#include <math.h>

#define FINER 0.125f /* bits a step */

size_t br_fixed_bytes(const struct br_graph *graph) { return 2 * sizeof(float) * (size_t)graph->n_params; }

int br_fixed_open(struct br_fixed *f, const struct br_graph *graph, int bits) {
  size_t n = (size_t)graph->n_params;
  f->graph = graph;
  f->bits = bits;
  BR_TRY(br_memory_alloc(n, sizeof *f->shift, "grids", &f->shift));
  BR_TRY(br_memory_alloc(n, sizeof *f->largest, "grids", &f->largest));
  for (size_t p = 0; p < n; p++) f->shift[p] = BR_GRID_SHIFT; /* the first step is exact */
  return BR_OK;
}

void br_fixed_close(struct br_fixed *f) {
  br_memory_free(f->shift);
  br_memory_free(f->largest);
  *f = (struct br_fixed){0};
}

float br_fixed_add(const struct br_fixed *f, const float *gradient, int64_t *sum, bool more, size_t first, size_t last, struct br_part part) {
  float all = 0;
  for (int p = 0; p < f->graph->n_params; p++) {
    const struct br_param *param = &f->graph->params[p];
    size_t from = param->offset > first ? param->offset : first, to = param->offset + param->count < last ? param->offset + param->count : last;
    if (param->statistic || from >= to) continue;
    float largest = br_grid_add(gradient + from, sum + from, more, (int)f->shift[p], to - from, part);
    if (isnan(largest)) return largest;
    if (largest > all) all = largest;
  }
  return all;
}

static void raise(float *largest, float x) {
  float now;
  __atomic_load(largest, &now, __ATOMIC_RELAXED);
  while (x > now && !__atomic_compare_exchange(largest, &now, &x, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

void br_fixed_get(struct br_fixed *f, const int64_t *sum, int64_t units, float *gradient, struct br_part part) {
  for (int p = 0; p < f->graph->n_params; p++) {
    const struct br_param *param = &f->graph->params[p];
    if (!param->statistic) raise(&f->largest[p], (float)units * br_grid_get(sum + param->offset, ldexp(1, -(int)f->shift[p]) / (double)units, gradient + param->offset, param->count, part));
  }
}

void br_fixed_follow(struct br_fixed *f) {
  for (int p = 0; p < f->graph->n_params; p++) {
    int exponent;
    frexpf(f->largest[p], &exponent); /* is below 2^exponent */
    float shift = f->largest[p] > 0 ? (float)(f->bits - 1 - exponent) : BR_GRID_SHIFT;
    if (shift > f->shift[p] + FINER) shift = f->shift[p] + FINER;
    f->shift[p] = shift < 0 ? 0 : shift < BR_GRID_SHIFT ? shift : BR_GRID_SHIFT;
    f->largest[p] = 0;
  }
}
