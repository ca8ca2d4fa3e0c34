/* Scores of splits. Rows move one by one from the right side to the left, and the score follows from whole numbers that no order of
 * additions can change: counts, squares of counts, sums of n log2 n in fixed point, sums of numbers in fixed point. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "math.h"
#include "split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int br__log_table_open(size_t n, struct br__log_table *out) {
  int bits = 1;
  while (((size_t)1 << bits) <= n) bits++;
  int log_bits = 1;
  while ((1 << log_bits) <= bits) log_bits++;
  *out = (struct br__log_table){.n = n, .shift = 51 - bits - log_bits};
  BR_TRY(br_memory_alloc(n + 2, sizeof *out->value, "table of logarithms", &out->value));
  BR_TRY(br_memory_alloc(n + 2, sizeof *out->step, "table of logarithms", &out->step));
  double scale = ldexp(1, out->shift) / 0.693147180559945309417;
  for (size_t i = 2; i < n + 2; i++) out->value[i] = rint((double)i * br__log((double)i) * scale);
  for (size_t i = 0; i < n + 1; i++) out->step[i] = out->value[i + 1] - out->value[i];
  return BR_OK;
}

void br__log_table_close(struct br__log_table *table) {
  br_memory_free(table->value);
  br_memory_free(table->step);
  *table = (struct br__log_table){0};
}

/* Both sides while rows move. a, b: sums over classes for the left and the right (entropy, gini), or sums of numbers. */
struct sides {
  double a, b;
  int64_t whole_a, whole_b;
};

/* All rows on the right. */
static inline void reset(const struct br__split_node *node, struct br__split_scratch *s, struct sides *sides, enum br__criterion criterion) {
  *sides = (struct sides){.b = node->logs_of_counts, .whole_b = node->whole};
  if (criterion == BR__MSE) return;
  size_t classes = node->data->n_classes;
  if (node->n < classes) {
    for (uint32_t i = 0; i < node->n; i++) {
      uint32_t c = BR__KEY_CLASS(node->key[i]);
      s->left[c] = 0;
      s->right[c] = s->count[c];
    }
  } else {
    memset(s->left, 0, classes * sizeof *s->left);
    memcpy(s->right, s->count, classes * sizeof *s->right);
  }
}

static inline void move(const struct br__split_node *node, struct br__split_scratch *s, struct sides *sides, uint32_t i, enum br__criterion criterion) {
  if (criterion == BR__MSE) {
    int64_t y = node->data->number[node->row[i]];
    sides->whole_a += y;
    sides->whole_b -= y;
    return;
  }
  uint32_t c = BR__KEY_CLASS(node->key[i]);
  int32_t l = s->left[c]++, r = --s->right[c];
  if (criterion == BR__ENTROPY) {
    sides->a += node->logs->step[l];
    sides->b -= node->logs->step[r];
  } else {
    sides->whole_a += 2 * (int64_t)l + 1;
    sides->whole_b -= 2 * (int64_t)r + 1;
  }
}

static inline void move_back(const struct br__split_node *node, struct br__split_scratch *s, struct sides *sides, uint32_t i, enum br__criterion criterion) {
  if (criterion == BR__MSE) {
    int64_t y = node->data->number[node->row[i]];
    sides->whole_a -= y;
    sides->whole_b += y;
    return;
  }
  uint32_t c = BR__KEY_CLASS(node->key[i]);
  int32_t l = --s->left[c], r = s->right[c]++;
  if (criterion == BR__ENTROPY) {
    sides->a -= node->logs->step[l];
    sides->b += node->logs->step[r];
  } else {
    sides->whole_a -= 2 * (int64_t)l + 1;
    sides->whole_b += 2 * (int64_t)r + 1;
  }
}

static inline double score(const struct br__split_node *node, const struct sides *sides, uint32_t n_left, enum br__criterion criterion) {
  uint32_t n_right = node->n - n_left;
  if (criterion == BR__ENTROPY) return sides->a + sides->b - node->logs->value[n_left] - node->logs->value[n_right];
  double a = (double)sides->whole_a, b = (double)sides->whole_b;
  if (criterion == BR__GINI) return a / n_left + b / n_right;
  return a * a / n_left + b * b / n_right;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------- */

static inline void consider(const struct br__split_node *node, const struct sides *sides, uint32_t n_left, uint32_t cut, bool missing_left, struct br__candidate *best, enum br__criterion criterion) {
  uint32_t n_right = node->n - n_left;
  if (n_left < node->min_rows || n_right < node->min_rows) return;
  double value = score(node, sides, n_left, criterion);
  if (best->valid && value <= best->score) return;
  *best = (struct br__candidate){.valid = true, .missing_left = missing_left, .feature = node->feature, .cut = cut, .single = -1, .n_left = n_left, .score = value};
}

static inline __attribute__((always_inline)) void scan(const struct br__split_node *node, struct br__split_scratch *s, uint32_t missing, bool missing_left, struct br__candidate *best, enum br__criterion criterion) {
  const uint32_t *key = node->key;
  uint32_t n = node->n, n_left = 0, only = UINT32_MAX;
  struct sides sides;
  reset(node, s, &sides, criterion);
  for (uint32_t i = 0; missing_left && i < missing; i++, n_left++) move(node, s, &sides, i, criterion);
  if (node->extra && n > missing) { /* one threshold, drawn evenly among the bins between the lowest and the highest */
    uint32_t low = BR__KEY_BIN(key[missing]), high = BR__KEY_BIN(key[n - 1]);
    if (high > low) only = low + (uint32_t)((uint64_t)node->draw * (high - low) >> 32);
  }
  for (uint32_t i = missing; i < n; i++) {
    move(node, s, &sides, i, criterion);
    n_left++;
    uint32_t bin = BR__KEY_BIN(key[i]);
    if (i + 1 < n) {
      uint32_t next = BR__KEY_BIN(key[i + 1]);
      if (next != bin && (only == UINT32_MAX || (bin <= only && only < next))) consider(node, &sides, n_left, bin, missing_left, best, criterion);
    } else if (!missing_left && missing) { /* all values left, the missing ones right */
      consider(node, &sides, n_left, bin, false, best, criterion);
    }
  }
}

static inline __attribute__((always_inline)) struct br__candidate find_number(const struct br__split_node *node, struct br__split_scratch *s, enum br__criterion criterion) {
  struct br__candidate best = {0};
  uint32_t missing = 0;
  if (BR__KEY_BIN(node->key[0]) == BR__KEY_BIN(node->key[node->n - 1])) return best;
  while (missing < node->n && BR__KEY_BIN(node->key[missing]) == 0) missing++;
  scan(node, s, missing, false, &best, criterion);
  if (missing) scan(node, s, missing, true, &best, criterion);
  else best.missing_left = 2 * (uint64_t)best.n_left >= node->n;
  return best;
}

/* --- categories ---------------------------------------------------------------------------------------------------------- */

static int by_order(const void *a, const void *b) {
  const struct br__category_segment *x = a, *y = b;
  if (x->order != y->order) return x->order < y->order ? -1 : 1;
  return x->bin < y->bin ? -1 : x->bin > y->bin;
}

/* The node's categories in the order whose prefixes are tried: by their mean, by the share of class 1 of two, or by the share of the node's
 * commonest class of many. For two classes and for numbers no other set is better than the best prefix (Breiman et al. 1984). */
static uint32_t order_categories(const struct br__split_node *node, struct br__split_scratch *s) {
  uint32_t n = 0;
  int32_t top = node->data->n_classes == 2 ? 1 : node->top_class;
  for (uint32_t i = 0; i < node->n;) {
    struct br__category_segment *g = &s->segment[n++];
    *g = (struct br__category_segment){.bin = BR__KEY_BIN(node->key[i]), .begin = i};
    int64_t sum = 0;
    for (; i < node->n && BR__KEY_BIN(node->key[i]) == g->bin; i++)
      sum += node->criterion == BR__MSE ? node->data->number[node->row[i]] : (int32_t)BR__KEY_CLASS(node->key[i]) == top;
    g->end = i;
    g->order = (double)sum / (g->end - g->begin);
  }
  qsort(s->segment, n, sizeof *s->segment, by_order);
  return n;
}

static struct br__candidate find_set(const struct br__split_node *node, struct br__split_scratch *s) {
  struct br__candidate best = {0};
  enum br__criterion criterion = node->criterion;
  uint32_t segments = order_categories(node, s), n_left = 0;
  struct sides sides;
  if (segments < 2) return best;
  reset(node, s, &sides, criterion);
  for (uint32_t k = 0; k + 1 < segments; k++) {
    for (uint32_t i = s->segment[k].begin; i < s->segment[k].end; i++) move(node, s, &sides, i, criterion);
    n_left += s->segment[k].end - s->segment[k].begin;
    consider(node, &sides, n_left, k + 1, false, &best, criterion);
  }
  if (node->data->n_classes > 2) {
    reset(node, s, &sides, criterion);
    for (uint32_t k = 0; k < segments; k++) {
      const struct br__category_segment *g = &s->segment[k];
      struct br__candidate before = best;
      for (uint32_t i = g->begin; i < g->end; i++) move(node, s, &sides, i, criterion);
      consider(node, &sides, g->end - g->begin, 1, false, &best, criterion);
      if (best.score != before.score || best.valid != before.valid) best.single = (int32_t)g->bin;
      for (uint32_t i = g->begin; i < g->end; i++) move_back(node, s, &sides, i, criterion);
    }
  }
  best.is_set = best.valid;
  if (!best.valid) return best;
  bool known = false; /* where the missing ones go: with their own, or with the larger side */
  for (uint32_t k = 0; k < segments; k++)
    if (s->segment[k].bin == 0) known = true, best.missing_left = best.single >= 0 ? best.single == 0 : k < best.cut;
  if (!known) best.missing_left = 2 * (uint64_t)best.n_left >= node->n;
  return best;
}

struct br__candidate br__split_find(const struct br__split_node *node, struct br__split_scratch *s) {
  if (node->category) return find_set(node, s);
  switch (node->criterion) {
    case BR__ENTROPY: return find_number(node, s, BR__ENTROPY);
    case BR__GINI: return find_number(node, s, BR__GINI);
    default: return find_number(node, s, BR__MSE);
  }
}

void br__split_set(const struct br__split_node *node, const struct br__candidate *candidate, struct br__split_scratch *s, unsigned char *bits) {
  uint32_t segments = order_categories(node, s), n = node->data->bins->feature[node->feature].n;
  memset(bits, candidate->missing_left ? 0xFF : 0, (n + 8) / 8); /* categories not seen here go with the missing ones */
  for (uint32_t k = 0; k < segments; k++) {
    uint32_t bin = s->segment[k].bin;
    bool left = candidate->single >= 0 ? (int32_t)bin == candidate->single : k < candidate->cut;
    unsigned char bit = (unsigned char)(1u << (bin % 8));
    bits[bin / 8] = (unsigned char)(left ? bits[bin / 8] | bit : bits[bin / 8] & ~bit);
  }
}
