/* Gains are those of Chen and Guestrin, "XGBoost" (KDD 2016), equation 7, with its soft threshold for l1; under monotone constraints a side's value is
 * clipped to the leaf's bounds and the gain is what such values take off the loss. */
#include "boost_split.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_HESSIAN 1e-3 /* of a leaf: below, its value would be noise */
#define AT_ONCE 64

static double threshold(double g, double l1) {
  double rest = fabs(g) - l1;
  return rest <= 0 ? 0 : g < 0 ? -rest : rest;
}

static double value_of(const struct br__boost_rule *r, double g, double h, struct br__bounds bounds) {
  double below = h + r->l2, w = below > 0 ? -threshold(g, r->l1) / below : 0;
  return w < bounds.low ? bounds.low : w > bounds.high ? bounds.high : w;
}

double br__leaf_value(const struct br__boost_rule *r, const struct br__cell *total, struct br__bounds bounds) {
  return value_of(r, (double)total->g * r->unit_g, (double)br__cell_h(&r->form, total->hn) * r->unit_h, bounds);
}

/* Twice what the best value (within bounds) takes off the loss of rows with these sums. */
static inline __attribute__((always_inline)) double score_of(const struct br__boost_rule *r, double g, double h, struct br__bounds bounds, const bool plain) {
  if (plain) return g * g / (h + r->l2);
  double w = value_of(r, g, h, bounds);
  return -(2 * g * w + (h + r->l2) * w * w + 2 * r->l1 * fabs(w));
}

/* One way of dealing with missing values: `left` holds those on the left before the first cell. */
struct scan {
  const struct br__boost_rule *rule;
  const struct br__cell *cells;
  const struct br__ordered *ordered; /* NULL: the cells as they lie */
  struct br__cell left, total;
  struct br__bounds bounds;
  size_t n;
  int monotone;
};

/* The gains of up to AT_ONCE cuts, without branches; those that are not allowed are -infinity. Moves scan->left on. */
static inline __attribute__((always_inline)) void gains_of(struct scan *s, size_t first, size_t n, double *gain, struct br__cell *left, const bool plain) {
  const struct br__boost_rule *r = s->rule;
  int64_t least = (int64_t)r->min_rows, g = s->left.g, hn = s->left.hn;
  for (size_t i = 0; i < n; i++) {
    const struct br__cell *cell = &s->cells[s->ordered ? s->ordered[first + i].bin : first + i + 1];
    left[i].g = g += cell->g;
    left[i].hn = hn += cell->hn;
  }
  s->left = (struct br__cell){g, hn};
  for (size_t i = 0; i < n; i++) {
    struct br__cell a = left[i], b = {s->total.g - a.g, s->total.hn - a.hn};
    double ga = (double)a.g * r->unit_g, ha = (double)br__cell_h(&r->form, a.hn) * r->unit_h;
    double gb = (double)b.g * r->unit_g, hb = (double)br__cell_h(&r->form, b.hn) * r->unit_h;
    bool allowed = (br__cell_rows(&r->form, a.hn) >= least) & (br__cell_rows(&r->form, b.hn) >= least) & (ha >= LEAST_HESSIAN) & (hb >= LEAST_HESSIAN);
    if (!plain && s->monotone) allowed = allowed && s->monotone * (value_of(r, gb, hb, s->bounds) - value_of(r, ga, ha, s->bounds)) >= 0;
    double sum = score_of(r, ga, ha, s->bounds, plain) + score_of(r, gb, hb, s->bounds, plain);
    gain[i] = allowed ? sum : -INFINITY;
  }
}

static inline __attribute__((always_inline)) struct br__choice run(struct scan *s, bool missing_left, const bool plain) {
  struct br__choice best = {.missing_left = missing_left};
  double gain[AT_ONCE], most = -INFINITY;
  struct br__cell left[AT_ONCE];
  for (size_t first = 0; first < s->n; first += AT_ONCE) {
    size_t n = s->n - first < AT_ONCE ? s->n - first : AT_ONCE;
    gains_of(s, first, n, gain, left, plain);
    for (size_t i = 0; i < n; i++) {
      if (!(gain[i] > most)) continue;
      most = gain[i];
      best.valid = true;
      best.cut = (uint32_t)(first + i + 1);
      best.left = left[i];
    }
  }
  best.gain = most;
  return best;
}

static struct br__choice run_any(struct scan *s, bool missing_left, bool plain) { return plain ? run(s, missing_left, true) : run(s, missing_left, false); }

static int by_value(const void *x, const void *y) {
  const struct br__ordered *a = x, *b = y;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  return a->bin < b->bin ? -1 : a->bin > b->bin;
}

/* By slope (Fisher 1958: the best of all sets is a prefix of that order). */
size_t br__order_categories(const struct br__boost_rule *r, const struct br__cell *cells, uint32_t n, struct br__ordered *out) {
  size_t used = 0;
  for (uint32_t bin = 1; bin <= n; bin++)
    if (cells[bin].hn) out[used++] = (struct br__ordered){(double)cells[bin].g * r->unit_g / ((double)br__cell_h(&r->form, cells[bin].hn) * r->unit_h + r->l2), bin};
  qsort(out, used, sizeof *out, by_value);
  return used;
}

struct br__choice br__choose_split(const struct br__boost_rule *r, const struct br__feature_bins *bins, int32_t feature, const struct br__cell *cells, const struct br__cell *total, struct br__bounds bounds, struct br__ordered *ordered) {
  struct scan scan = {.rule = r, .cells = cells, .total = *total, .bounds = bounds, .n = bins->n, .monotone = r->monotone ? r->monotone[feature] : 0};
  bool plain = r->l1 == 0 && !r->monotone;
  if (bins->category) {
    scan.n = br__order_categories(r, cells, bins->n, ordered);
    scan.ordered = ordered;
  }
  struct br__choice best = run_any(&scan, false, plain);
  if (cells[0].hn) {
    scan.left = cells[0];
    struct br__choice other = run_any(&scan, true, plain);
    if (other.valid && (!best.valid || other.gain > best.gain || (other.gain == best.gain && other.cut < best.cut))) best = other;
  }
  double parent = score_of(r, (double)total->g * r->unit_g, (double)br__cell_h(&r->form, total->hn) * r->unit_h, bounds, plain);
  best.feature = feature;
  best.gain = 0.5 * (best.gain - parent);
  best.valid = best.valid && best.gain > 1e-12 * fabs(parent) && best.gain >= r->min_gain;
  return best;
}
