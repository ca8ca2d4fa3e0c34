/* Grids that follow their gradients: coarser at once, finer slowly. Batch norm's own parameters have gradients with long tails, for they hardly matter to a net
 * that normalises again; a tighter or quicker grid would send one step in two twice. */
#include "train/fixed32.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/exact.h>
#include <bramble/kernel/kernel.h>

#include <math.h>
#include <string.h>

#define MARGIN 16.0
#define FINER 0.125f /* bits a step */

size_t br_fixed32_bytes(const struct br_graph *graph) { return (sizeof(float) + sizeof(int64_t)) * (size_t)graph->n_params + sizeof(int32_t) * graph->trained_floats; }

int br_fixed32_open(struct br_fixed32 *f, const struct br_graph *graph) {
  size_t n = (size_t)graph->n_params;
  f->graph = graph;
  BR_TRY(br_memory_alloc(n, sizeof *f->shift, "grids", &f->shift));
  BR_TRY(br_memory_alloc(n, sizeof *f->largest, "grids", &f->largest));
  BR_TRY(br_memory_alloc(graph->trained_floats, sizeof *f->narrow, "sums of 32 bits", &f->narrow));
  for (size_t p = 0; p < n; p++) f->shift[p] = BR_GRID_SHIFT; /* the first step's do not fit, so it is exact */
  return BR_OK;
}

void br_fixed32_close(struct br_fixed32 *f) {
  br_memory_free(f->shift);
  br_memory_free(f->largest);
  br_memory_free(f->narrow);
  *f = (struct br_fixed32){0};
}

/* The bits of numbers from 0 on order like the numbers. */
static void raise_largest(int64_t *largest, float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t now = __atomic_load_n(largest, __ATOMIC_RELAXED);
  while (bits > now && !__atomic_compare_exchange_n(largest, &now, bits, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

float br_fixed32_add(struct br_fixed32 *f, const float *gradient, int64_t *sum, size_t first, size_t last, int64_t units, bool *fits, struct br_part part) {
  float all = 0;
  double room = (double)(INT32_MAX / units) - 1; /* rounding may add a half */
  for (int p = 0; p < f->graph->n_params; p++) {
    const struct br_param *param = &f->graph->params[p];
    size_t from = param->offset > first ? param->offset : first, to = param->offset + param->count < last ? param->offset + param->count : last;
    if (param->statistic || from >= to) continue;
    float largest = br_grid_add(gradient + from, sum + from, (int)f->shift[p], to - from, part);
    if (!(ldexp(largest, (int)f->shift[p]) <= room)) *fits = false;
    if (isnan(largest)) return largest;
    if (largest > all) all = largest;
    raise_largest(&f->largest[p], largest);
  }
  return all;
}

void br_fixed32_get(const struct br_fixed32 *f, const int64_t *sum, int64_t units, float *gradient, struct br_part part) {
  for (int p = 0; p < f->graph->n_params; p++) {
    const struct br_param *param = &f->graph->params[p];
    if (!param->statistic) br_grid_get(sum + param->offset, ldexp(1, -(int)f->shift[p]) / (double)units, gradient + param->offset, param->count, part);
  }
}

void br_fixed32_narrow(struct br_fixed32 *f, const int64_t *sum, size_t first, size_t last) {
  for (size_t i = first; i < last; i++) f->narrow[i] = (int32_t)sum[i];
}

void br_fixed32_widen(const struct br_fixed32 *f, int64_t *sum) {
  for (size_t i = 0; i < f->graph->trained_floats; i++) sum[i] = f->narrow[i];
}

void br_fixed32_follow(struct br_fixed32 *f, int64_t units) {
  for (int p = 0; p < f->graph->n_params; p++) {
    int32_t bits = (int32_t)f->largest[p];
    float largest;
    int exponent;
    memcpy(&largest, &bits, sizeof largest);
    frexp(MARGIN * (double)units * largest, &exponent); /* is below 2^exponent */
    float shift = largest > 0 ? (float)(31 - exponent) : BR_GRID_SHIFT;
    if (shift > f->shift[p] + FINER) shift = f->shift[p] + FINER;
    f->shift[p] = shift < 0 ? 0 : shift < BR_GRID_SHIFT ? shift : BR_GRID_SHIFT;
    f->largest[p] = 0;
  }
}
