/* TreeSHAP, path by path: a path to a node keeps, for each feature on it, how much of the rows goes on when the feature is not known (zero) and
 * whether x goes on when it is (one), and the summed weights of all sets of these features by size. */
#include "explain.h"
#include "boost_model.h"

#include <math.h>
#include <string.h>

struct element {
  int32_t feature;
  double zero, one, weight;
};

struct explaining {
  const struct br__trees *trees;
  const double *x;
  size_t output;
  bool classes; /* leaves hold counts of classes */
  double scale; /* of every leaf's value */
  double *share;
};

bool br__explain_possible(const struct br_table_model *model) { return br__model_trees(model) != NULL; }

static size_t deepest(const struct br_table_model *model) {
  const struct br__trees *t = br__model_trees(model);
  size_t most = 0;
  for (size_t k = 0; k < t->n_trees; k++) {
    size_t depth, leaves;
    br__tree_size(t, k, &depth, &leaves);
    if (depth > most) most = depth;
  }
  return most;
}

/* One path for each depth, each one element longer than the last. */
size_t br__explain_bytes(const struct br_table_model *model) {
  size_t depth = deepest(model) + 2;
  return depth * (depth + 1) / 2 * sizeof(struct element);
}

static double leaf_value(const struct explaining *e, int32_t node) {
  const struct br__trees *t = e->trees;
  if (!e->classes) return t->value[node];
  for (int64_t c = t->first_count[node]; c < t->first_count[node + 1]; c++)
    if ((size_t)t->counts[2 * c] == e->output) return (double)t->counts[2 * c + 1] / (double)t->rows[node];
  return 0;
}

static void extend(struct element *path, size_t depth, double zero, double one, int32_t feature) {
  path[depth] = (struct element){feature, zero, one, depth == 0};
  for (size_t i = depth; i-- > 0;) {
    path[i + 1].weight += one * path[i].weight * (double)(i + 1) / (double)(depth + 1);
    path[i].weight = zero * path[i].weight * (double)(depth - i) / (double)(depth + 1);
  }
}

/* Takes element `at` out again, as if it had never been on the path. */
static void unwind(struct element *path, size_t depth, size_t at) {
  double one = path[at].one, zero = path[at].zero, next = path[depth].weight;
  for (size_t i = depth; i-- > 0;) {
    if (one != 0) {
      double before = path[i].weight;
      path[i].weight = next * (double)(depth + 1) / ((double)(i + 1) * one);
      next = before - path[i].weight * zero * (double)(depth - i) / (double)(depth + 1);
    } else {
      path[i].weight = path[i].weight * (double)(depth + 1) / (zero * (double)(depth - i));
    }
  }
  for (size_t i = at; i < depth; i++) {
    path[i].feature = path[i + 1].feature;
    path[i].zero = path[i + 1].zero;
    path[i].one = path[i + 1].one;
  }
}

/* The sum of weights that unwinding would leave. */
static double unwound_sum(const struct element *path, size_t depth, size_t at) {
  double one = path[at].one, zero = path[at].zero, next = path[depth].weight, sum = 0;
  for (size_t i = depth; i-- > 0;) {
    if (one != 0) {
      double here = next * (double)(depth + 1) / ((double)(i + 1) * one);
      sum += here;
      next = path[i].weight - here * zero * (double)(depth - i) / (double)(depth + 1);
    } else {
      sum += path[i].weight * (double)(depth + 1) / (zero * (double)(depth - i));
    }
  }
  return sum;
}

/* `path` has `depth` elements; the next one's room lies behind it. */
static void walk(const struct explaining *e, int32_t node, struct element *path, size_t depth, double zero, double one, int32_t feature) {
  const struct br__trees *t = e->trees;
  extend(path, depth, zero, one, feature);
  if (t->feature[node] < 0) {
    double value = leaf_value(e, node) * e->scale;
    for (size_t i = 1; i <= depth; i++) e->share[path[i].feature] += unwound_sum(path, depth, i) * (path[i].one - path[i].zero) * value;
    return;
  }
  int32_t children[2] = {t->left[node], t->right[node]}, split = t->feature[node];
  int taken = br__tree_goes_left(t, node, e->x) ? 0 : 1;
  double before[2] = {1, 1};
  size_t at = 1;
  while (at <= depth && path[at].feature != split) at++;
  if (at <= depth) {
    before[0] = path[at].zero;
    before[1] = path[at].one;
    unwind(path, depth, at);
    depth--;
  }
  struct element *next = path + depth + 1;
  for (int side = 0; side < 2; side++) {
    memcpy(next, path, (depth + 1) * sizeof *path);
    double rows = (double)t->rows[children[side]] / (double)t->rows[node];
    walk(e, children[side], next, depth + 1, before[0] * rows, side == taken ? before[1] : 0, split);
  }
}

/* What a tree answers when nothing is known. */
static double expectation(const struct explaining *e, int32_t node) {
  const struct br__trees *t = e->trees;
  if (t->feature[node] < 0) return leaf_value(e, node);
  double n = (double)t->rows[node];
  return (double)t->rows[t->left[node]] / n * expectation(e, t->left[node]) + (double)t->rows[t->right[node]] / n * expectation(e, t->right[node]);
}

void br__explain(const struct br_table_model *model, size_t output, const double *x, double *share, double *base, void *room) {
  const struct br__trees *t = br__model_trees(model);
  const struct br__boost *boost = model->kind == BR_TABLE_BOOST ? model->body : NULL;
  size_t score = boost && boost->n_scores > 1 ? output : 0, every = boost ? boost->n_scores : 1;
  struct explaining e = {.trees = t, .x = x, .output = output, .classes = !boost && model->target.type == BR_COLUMN_CATEGORY, .scale = boost ? 1 : 1 / (double)t->n_trees, .share = share};
  memset(share, 0, model->n_features * sizeof *share);
  *base = boost ? boost->base[score] : 0;
  for (size_t k = score; k < t->n_trees; k += every) {
    walk(&e, t->root[k], room, 0, 1, 1, -1);
    *base += expectation(&e, t->root[k]) * e.scale;
  }
}
