/* Which splits stay is decided on the grown tree: a split does not depend on what else has been split. Nodes come before their children in the list, so
 * one pass from its end sees children before their parents. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "prune.h"

#include <string.h>

struct pruning {
  const struct br__nodes *tree;
  unsigned char *kept; /* [node]: its split stays */
  int64_t *count;      /* [class]: of the rows below a node that becomes a leaf; zero between two uses */
  size_t n_classes;
};

/* The open node of the largest gain is split next; ties go to the first one. */
static int keep_best(struct pruning *p, size_t most_leaves) {
  const struct br__node *node = p->tree->node;
  int32_t *open;
  size_t n = 0, leaves = 1;
  BR_TRY(br_memory_alloc(most_leaves + 1, sizeof *open, "leaves", &open));
  if (node[0].feature >= 0) open[n++] = 0;
  for (; n && leaves < most_leaves; leaves++) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
      if (node[open[i]].gain > node[open[best]].gain || (node[open[i]].gain == node[open[best]].gain && open[i] < open[best])) best = i;
    int32_t split = open[best];
    open[best] = open[--n];
    p->kept[split] = 1;
    if (node[node[split].left].feature >= 0) open[n++] = node[split].left;
    if (node[node[split].right].feature >= 0) open[n++] = node[split].right;
  }
  br_memory_free(open);
  return BR_OK;
}

/* A split stays if what it and those below take off the impurity is more than alpha for each leaf they add. */
static int keep_worthy(struct pruning *p, double alpha, double rows) {
  double *worth;
  BR_TRY(br_memory_alloc(p->tree->n, sizeof *worth, "nodes", &worth));
  for (size_t i = p->tree->n; i-- > 0;) {
    const struct br__node *node = &p->tree->node[i];
    if (!p->kept[i]) continue;
    worth[i] = node->gain / rows - alpha + worth[node->left] + worth[node->right];
    if (worth[i] <= 0) {
      worth[i] = 0;
      p->kept[i] = 0;
    }
  }
  br_memory_free(worth);
  return BR_OK;
}

static void count_below(struct pruning *p, int32_t number) {
  const struct br__node *node = &p->tree->node[number];
  for (uint32_t i = 0; i < node->n_counts; i++) p->count[p->tree->count[node->counts + i].class_code] += p->tree->count[node->counts + i].rows;
  if (node->feature < 0) return;
  count_below(p, node->left);
  count_below(p, node->right);
}

static int copy(struct pruning *p, int32_t from, struct br__nodes *out, int32_t *number) {
  struct br__node node = p->tree->node[from];
  bool kept = p->kept[from];
  if (kept && node.is_set) {
    uint32_t length;
    memcpy(&length, p->tree->sets + node.set, 4);
    BR_TRY(br__nodes_add_set(out, p->tree->sets + p->tree->node[from].set + 4, length, &node.set));
  }
  if (!kept) {
    node.feature = -1;
    node.is_set = node.missing_left = 0;
    node.left = node.right = 0;
    node.threshold = node.gain = 0;
    node.set = 0;
    node.counts = out->n_counts;
    count_below(p, from);
    for (size_t c = 0; c < p->n_classes; c++) {
      if (p->count[c]) BR_TRY(br__nodes_add_count(out, (int32_t)c, (int32_t)p->count[c]));
      p->count[c] = 0;
    }
    node.n_counts = (uint32_t)(out->n_counts - node.counts);
  }
  BR_TRY(br__nodes_add(out, &node, number));
  if (!kept) return BR_OK;
  int32_t child;
  BR_TRY(copy(p, p->tree->node[from].left, out, &child));
  out->node[*number].left = child;
  BR_TRY(copy(p, p->tree->node[from].right, out, &child));
  out->node[*number].right = child;
  return BR_OK;
}

int br__nodes_prune(struct br__nodes *tree, size_t most_leaves, double alpha, double rows, size_t n_classes) {
  struct pruning p = {.tree = tree, .n_classes = n_classes};
  struct br__nodes out = {0};
  int32_t root;
  if (most_leaves == 0 && alpha <= 0) return BR_OK;
  int status = br_memory_alloc(tree->n, 1, "nodes", &p.kept);
  if (status == BR_OK) status = br_memory_alloc(n_classes, sizeof *p.count, "classes", &p.count);
  for (size_t i = 0; status == BR_OK && i < tree->n && most_leaves == 0; i++) p.kept[i] = tree->node[i].feature >= 0;
  if (status == BR_OK && most_leaves) status = keep_best(&p, most_leaves);
  if (status == BR_OK && alpha > 0) status = keep_worthy(&p, alpha, rows);
  if (status == BR_OK) status = copy(&p, 0, &out, &root);
  br_memory_free(p.kept);
  br_memory_free(p.count);
  if (status != BR_OK) {
    br__nodes_free(&out);
    return status;
  }
  br__nodes_free(tree);
  *tree = out;
  return BR_OK;
}
