/* One boosted tree. A leaf is a stretch of the list of rows, and has for every feature and bin the sums of its rows' derivatives: integers, so
 * they are the same whoever adds them in whatever order, and a sibling's are the parent's less one's own, exactly. Ranks add theirs together;
 * from then on all do the same. Rows that are not learned from (not drawn, or of the test part) lie at the end of every stretch and
 * only follow. The gain is that of Chen and Guestrin, "XGBoost" (KDD 2016), equation 7. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include "boost_tree.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_HESSIAN 1e-3 /* of a leaf: below, its value would be noise */
#define SUMS_AT_ONCE 32

struct cell {
  int64_t g, h, n;
};
struct choice {
  bool valid, missing_left;
  int32_t feature;
  uint32_t cut; /* numbers: the last bin on the left; categories: how many of the ordered ones */
  double gain;
  struct cell left;
};
struct leaf {
  size_t begin, active, end; /* rows [begin, active) are learned from, [active, end) follow */
  int32_t node;
  int depth;
  struct cell total;
  struct cell *cells; /* NULL: is not to be split */
  struct choice best;
  unsigned char *goes_left; /* [bin], while it is being split */
};
/* A category of one leaf and what it is ordered by. */
struct ordered {
  double value;
  uint32_t bin;
};

struct br__booster {
  size_t n, n_features;
  uint16_t *const *bin;
  const struct br__bins *bins;
  struct br__booster_settings settings;
  uint32_t *order, *spare_order;               /* rows, leaf after leaf */
  struct br__derivative *learn, *spare_learn;  /* theirs */
  size_t *drawn, n_drawn, *offset, n_cells;    /* the features of this tree, and where the cells of each begin */
  struct ordered **ordered;                    /* per thread */
  int threads;
  struct leaf *leaf;
  size_t n_leaves, capacity;
  double unit_g, unit_h, *score;
  /* what all threads work on */
  size_t *todo, n_todo; /* leaves */
  struct choice *choices;
  atomic_size_t next;
};

static size_t most_leaves(const struct br__booster_settings *s) { return s->max_leaves ? s->max_leaves : (size_t)1 << s->max_depth; }

static size_t all_cells(const struct br__bins *bins) {
  size_t n = 0;
  for (size_t f = 0; f < bins->n_features; f++) n += bins->feature[f].n + 1;
  return n;
}

size_t br__booster_bytes(size_t n, const struct br__bins *bins, const struct br__booster_settings *settings) {
  size_t leaves = most_leaves(settings);
  return n * 24 + leaves * (sizeof(struct leaf) + sizeof(size_t)) + (leaves / 2 + 1) * all_cells(bins) * sizeof(struct cell);
}

static int open_inside(struct br__booster *b) {
  size_t categories = 0;
  for (size_t f = 0; f < b->n_features; f++)
    if (b->bins->feature[f].category && b->bins->feature[f].n > categories) categories = b->bins->feature[f].n;
  BR_TRY(br_memory_alloc(b->n, sizeof *b->order, "boosting", &b->order));
  BR_TRY(br_memory_alloc(b->n, sizeof *b->spare_order, "boosting", &b->spare_order));
  BR_TRY(br_memory_alloc(b->n, sizeof *b->learn, "boosting", &b->learn));
  BR_TRY(br_memory_alloc(b->n, sizeof *b->spare_learn, "boosting", &b->spare_learn));
  BR_TRY(br_memory_alloc(b->n_features, sizeof *b->drawn, "boosting", &b->drawn));
  BR_TRY(br_memory_alloc(b->n_features, sizeof *b->offset, "boosting", &b->offset));
  BR_TRY(br_memory_alloc(b->capacity, sizeof *b->leaf, "boosting", &b->leaf));
  BR_TRY(br_memory_alloc(b->capacity, sizeof *b->todo, "boosting", &b->todo));
  BR_TRY(br_memory_alloc((size_t)b->threads, sizeof *b->ordered, "boosting", &b->ordered));
  for (int t = 0; t < b->threads; t++) BR_TRY(br_memory_alloc(categories, sizeof **b->ordered, "boosting", &b->ordered[t]));
  return BR_OK;
}

int br__booster_open(size_t n, uint16_t *const *bin, const struct br__bins *bins, const struct br__booster_settings *settings, int threads, struct br__booster **out) {
  struct br__booster *b;
  *out = NULL;
  if (n > UINT32_MAX) BR_FAIL(BR_ERROR_MEMORY, "boosting on %zu rows of one rank: at most 4294967295 are possible", n);
  BR_TRY(br_memory_alloc(1, sizeof *b, "boosting", &b));
  b->n = n, b->n_features = bins->n_features, b->bin = bin, b->bins = bins, b->settings = *settings, b->threads = threads;
  b->capacity = most_leaves(settings);
  int status = open_inside(b);
  if (status != BR_OK) {
    br__booster_close(b);
    return status;
  }
  *out = b;
  return BR_OK;
}

void br__booster_close(struct br__booster *b) {
  if (!b) return;
  for (int t = 0; b->ordered && t < b->threads; t++) br_memory_free(b->ordered[t]);
  br_memory_free(b->ordered);
  br_memory_free(b->order);
  br_memory_free(b->spare_order);
  br_memory_free(b->learn);
  br_memory_free(b->spare_learn);
  br_memory_free(b->drawn);
  br_memory_free(b->offset);
  br_memory_free(b->leaf);
  br_memory_free(b->todo);
  br_memory_free(b);
}

/* --- sums ---------------------------------------------------------------------------------------------------------------- */

static void add(struct cell *to, const struct cell *from) { to->g += from->g, to->h += from->h, to->n += from->n; }
static void subtract(struct cell *to, const struct cell *from) { to->g -= from->g, to->h -= from->h, to->n -= from->n; }

static void sum_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  (void)part;
  for (size_t k; (k = atomic_fetch_add(&b->next, 1)) < b->n_todo * b->n_drawn;) {
    const struct leaf *leaf = &b->leaf[b->todo[k / b->n_drawn]];
    const uint16_t *bin = b->bin[b->drawn[k % b->n_drawn]];
    struct cell *cells = leaf->cells + b->offset[k % b->n_drawn];
    for (size_t i = leaf->begin; i < leaf->active; i++) {
      struct cell *cell = &cells[bin[b->order[i]]];
      cell->g += b->learn[i].g;
      cell->h += b->learn[i].h;
      cell->n++;
    }
  }
}

/* The sums of the leaves to do, of all ranks' rows. Several sums are on their way at once. */
static int sum_leaves(struct br__booster *b, struct br_comm *comm, struct br_team *team) {
  int request[SUMS_AT_ONCE];
  atomic_store(&b->next, 0);
  br_team_run(team, sum_part, b);
  for (size_t first = 0; first < b->n_todo; first += SUMS_AT_ONCE) {
    size_t n = b->n_todo - first < SUMS_AT_ONCE ? b->n_todo - first : SUMS_AT_ONCE;
    for (size_t k = 0; k < n; k++) BR_TRY(br_comm_sum_i64_start(comm, &b->leaf[b->todo[first + k]].cells->g, 3 * b->n_cells, &request[k]));
    for (size_t k = 0; k < n; k++) BR_TRY(br_comm_wait(comm, request[k]));
  }
  return BR_OK;
}

/* --- the best split ------------------------------------------------------------------------------------------------------ */

static double score_of(const struct br__booster *b, const struct cell *c) {
  double g = (double)c->g * b->unit_g;
  return g * g / ((double)c->h * b->unit_h + b->settings.l2);
}

static void try_cut(const struct br__booster *b, const struct leaf *leaf, struct cell left, struct choice cut, double parent, struct choice *best) {
  struct cell right = leaf->total;
  subtract(&right, &left);
  int64_t least = (int64_t)b->settings.min_rows;
  if (left.n < least || right.n < least || (double)left.h * b->unit_h < LEAST_HESSIAN || (double)right.h * b->unit_h < LEAST_HESSIAN) return;
  cut.gain = 0.5 * (score_of(b, &left) + score_of(b, &right) - parent);
  if (!(cut.gain > 1e-12 * parent) || cut.gain < b->settings.min_gain || (best->valid && cut.gain <= best->gain)) return;
  cut.valid = true;
  cut.left = left;
  *best = cut;
}

static int by_value(const void *x, const void *y) {
  const struct ordered *a = x, *b = y;
  if (a->value != b->value) return a->value < b->value ? -1 : 1;
  return a->bin < b->bin ? -1 : a->bin > b->bin;
}

/* The bins of a feature that rows of the leaf have, in the order in which they are cut: numbers as they are, categories by slope (Fisher 1958: the
 * best of all sets is a prefix of that order). Returns how many of a category column; numbers need no list. */
static size_t order_categories(const struct br__booster *b, const struct cell *cells, uint32_t n, struct ordered *out) {
  size_t used = 0;
  for (uint32_t bin = 1; bin <= n; bin++)
    if (cells[bin].n) out[used++] = (struct ordered){(double)cells[bin].g * b->unit_g / ((double)cells[bin].h * b->unit_h + b->settings.l2), bin};
  qsort(out, used, sizeof *out, by_value);
  return used;
}

static struct choice choose_feature(const struct br__booster *b, const struct leaf *leaf, size_t k, struct ordered *ordered) {
  const struct br__feature_bins *feature = &b->bins->feature[b->drawn[k]];
  const struct cell *cells = leaf->cells + b->offset[k];
  size_t n = feature->category ? order_categories(b, cells, feature->n, ordered) : feature->n;
  struct choice best = {0};
  struct cell left = {0};
  double parent = score_of(b, &leaf->total);
  for (size_t i = 1; i <= n; i++) {
    const struct cell *cell = &cells[feature->category ? ordered[i - 1].bin : i];
    if (cell->n == 0) continue;
    add(&left, cell);
    struct choice cut = {.feature = (int32_t)b->drawn[k], .cut = (uint32_t)i};
    try_cut(b, leaf, left, cut, parent, &best);
    if (cells[0].n == 0) continue;
    struct cell with_missing = left;
    add(&with_missing, &cells[0]);
    cut.missing_left = true;
    try_cut(b, leaf, with_missing, cut, parent, &best);
  }
  return best;
}

static void choose_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  for (size_t k; (k = atomic_fetch_add(&b->next, 1)) < b->n_todo * b->n_drawn;) b->choices[k] = choose_feature(b, &b->leaf[b->todo[k / b->n_drawn]], k % b->n_drawn, b->ordered[part.index]);
}

/* The best splits of the leaves to do; ties go to the first feature. */
static int choose_splits(struct br__booster *b, struct br_team *team) {
  BR_TRY(br_memory_alloc(b->n_todo * b->n_drawn, sizeof *b->choices, "boosting", &b->choices));
  atomic_store(&b->next, 0);
  br_team_run(team, choose_part, b);
  for (size_t i = 0; i < b->n_todo; i++) {
    struct choice *best = &b->leaf[b->todo[i]].best;
    *best = (struct choice){0};
    for (size_t k = 0; k < b->n_drawn; k++) {
      const struct choice *c = &b->choices[i * b->n_drawn + k];
      if (c->valid && (!best->valid || c->gain > best->gain)) *best = *c;
    }
  }
  br_memory_free(b->choices);
  b->choices = NULL;
  return BR_OK;
}

/* --- splitting ----------------------------------------------------------------------------------------------------------- */

static size_t drawn_place(const struct br__booster *b, int32_t feature) {
  size_t k = 0;
  while (b->drawn[k] != (size_t)feature) k++;
  return k;
}

/* Fills the node of a leaf that is split, and which bins go left. */
static int describe_split(struct br__booster *b, struct leaf *leaf, struct br__nodes *nodes) {
  const struct choice *c = &leaf->best;
  const struct br__feature_bins *feature = &b->bins->feature[c->feature];
  struct br__node node = nodes->node[leaf->node];
  BR_TRY(br_memory_alloc((size_t)feature->n + 1, 1, "boosting", &leaf->goes_left));
  leaf->goes_left[0] = c->missing_left;
  node.feature = c->feature;
  node.missing_left = c->missing_left;
  node.gain = c->gain;
  if (feature->category) {
    unsigned char codes[65536 / 8] = {0};
    order_categories(b, leaf->cells + b->offset[drawn_place(b, c->feature)], feature->n, b->ordered[0]);
    for (size_t i = 0; i < c->cut; i++) {
      uint32_t bin = b->ordered[0][i].bin;
      leaf->goes_left[bin] = 1;
      codes[(bin - 1) / 8] |= (unsigned char)(1 << ((bin - 1) % 8));
    }
    node.is_set = 1;
    BR_TRY(br__nodes_add_set(nodes, codes, (feature->n + 7) / 8, &node.set));
  } else {
    for (uint32_t bin = 1; bin <= c->cut; bin++) leaf->goes_left[bin] = 1;
    node.threshold = c->cut < feature->n ? br__between(feature->high[c->cut], feature->low[c->cut + 1]) : (double)INFINITY;
  }
  nodes->node[leaf->node] = node;
  return BR_OK;
}

/* Parts rows [begin, end), keeping their order; returns where the right ones begin. */
static size_t part_rows(struct br__booster *b, const struct leaf *leaf, size_t begin, size_t end) {
  const uint16_t *bin = b->bin[leaf->best.feature];
  size_t left = begin, right = begin;
  for (size_t i = begin; i < end; i++) {
    uint32_t row = b->order[i];
    struct br__derivative learn = b->learn[i];
    bool to_left = leaf->goes_left[bin[row]];
    b->order[left] = row;
    b->learn[left] = learn;
    b->spare_order[right] = row;
    b->spare_learn[right] = learn;
    left += to_left;
    right += !to_left;
  }
  memcpy(b->order + left, b->spare_order + begin, (right - begin) * sizeof *b->order);
  memcpy(b->learn + left, b->spare_learn + begin, (right - begin) * sizeof *b->learn);
  return left;
}

/* Moves the followers of the left behind its learners: [LL RL][LF RF] becomes [LL LF][RL RF]. */
static void part_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  (void)part;
  for (size_t k; (k = atomic_fetch_add(&b->next, 1)) < b->n_todo / 2;) {
    struct leaf *left = &b->leaf[b->todo[2 * k]], *right = &b->leaf[b->todo[2 * k + 1]];
    size_t begin = left->begin, active = left->active, end = left->end;
    size_t learners = part_rows(b, left, begin, active), followers = part_rows(b, left, active, end);
    size_t n_learners = active - learners, n_followers = followers - active; /* right learners, left followers */
    memcpy(b->spare_order + begin, b->order + learners, n_learners * sizeof *b->order);
    memcpy(b->spare_learn + begin, b->learn + learners, n_learners * sizeof *b->learn);
    memmove(b->order + learners, b->order + active, n_followers * sizeof *b->order);
    memcpy(b->order + learners + n_followers, b->spare_order + begin, n_learners * sizeof *b->order);
    memcpy(b->learn + learners + n_followers, b->spare_learn + begin, n_learners * sizeof *b->learn);
    left->active = learners;
    left->end = learners + n_followers;
    right->begin = left->end;
    right->active = left->end + n_learners;
    right->end = end;
  }
}

static bool may_split(const struct br__booster *b, const struct leaf *leaf) { return leaf->depth < b->settings.max_depth && leaf->total.n >= 2 && leaf->total.n / 2 >= (int64_t)b->settings.min_rows; }

static double leaf_value(const struct br__booster *b, const struct cell *total) {
  double h = (double)total->h * b->unit_h + b->settings.l2;
  return h > 0 ? -((double)total->g * b->unit_g) / h * b->settings.rate : 0;
}

static int add_leaf(struct br__booster *b, struct leaf leaf, struct br__nodes *nodes, size_t *number) {
  struct br__node node = {.feature = -1, .rows = (uint64_t)leaf.total.n, .value = leaf_value(b, &leaf.total)};
  BR_TRY(br__nodes_add(nodes, &node, &leaf.node));
  *number = b->n_leaves;
  b->leaf[b->n_leaves++] = leaf;
  return BR_OK;
}

/* Makes two leaves of one: the left one keeps its place. */
static int divide(struct br__booster *b, size_t number, struct br__nodes *nodes) {
  struct leaf *old = &b->leaf[number];
  int32_t parent = old->node;
  BR_TRY(describe_split(b, old, nodes));
  struct leaf right = {.depth = old->depth + 1, .total = old->total}, left = *old;
  subtract(&right.total, &old->best.left);
  left.total = old->best.left;
  left.depth++;
  struct br__node node = {.feature = -1, .rows = (uint64_t)left.total.n, .value = leaf_value(b, &left.total)};
  BR_TRY(br__nodes_add(nodes, &node, &left.node));
  b->leaf[number] = left;
  size_t other;
  BR_TRY(add_leaf(b, right, nodes, &other));
  nodes->node[parent].left = left.node;
  nodes->node[parent].right = b->leaf[other].node;
  b->todo[b->n_todo++] = number;
  b->todo[b->n_todo++] = other;
  return BR_OK;
}

static void drop_cells(struct leaf *leaf) {
  br_memory_free(leaf->cells);
  leaf->cells = NULL;
}

/* Sums and best splits of new leaves, pairs in todo: the smaller one is summed, the other gets what is left of their parent's. */
static int examine(struct br__booster *b, struct br_comm *comm, struct br_team *team) {
  size_t n_pairs = b->n_todo / 2, n = 0, *pairs;
  BR_TRY(br_memory_alloc(2 * n_pairs, sizeof *pairs, "boosting", &pairs));
  memcpy(pairs, b->todo, 2 * n_pairs * sizeof *pairs);
  int status = BR_OK;
  b->n_todo = 0;
  for (size_t k = 0; k < n_pairs; k++) {
    struct leaf *left = &b->leaf[pairs[2 * k]], *right = &b->leaf[pairs[2 * k + 1]];
    if (!may_split(b, left) && !may_split(b, right)) {
      drop_cells(left);
      continue;
    }
    bool left_is_small = left->total.n <= right->total.n;
    struct leaf *small = left_is_small ? left : right, *large = left_is_small ? right : left;
    struct cell *parent = left->cells;
    left->cells = NULL;
    large->cells = parent;
    if (status == BR_OK) status = br_memory_alloc(b->n_cells, sizeof *small->cells, "sums of a leaf", &small->cells);
    size_t small_number = pairs[2 * k + !left_is_small], large_number = pairs[2 * k + left_is_small];
    b->todo[b->n_todo++] = pairs[2 * n] = small_number;
    pairs[2 * n++ + 1] = large_number;
  }
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = sum_leaves(b, comm, team);
  b->n_todo = 0;
  for (size_t k = 0; status == BR_OK && k < n; k++) {
    struct leaf *small = &b->leaf[pairs[2 * k]], *large = &b->leaf[pairs[2 * k + 1]];
    for (size_t c = 0; c < b->n_cells; c++) subtract(&large->cells[c], &small->cells[c]);
    for (int side = 0; side < 2; side++) {
      struct leaf *leaf = &b->leaf[pairs[2 * k + (size_t)side]];
      leaf->best = (struct choice){0};
      if (may_split(b, leaf))
        b->todo[b->n_todo++] = pairs[2 * k + (size_t)side];
      else
        drop_cells(leaf);
    }
  }
  br_memory_free(pairs);
  BR_TRY(status);
  BR_TRY(br_comm_agree(comm, choose_splits(b, team)));
  for (size_t k = 0; k < b->n_todo; k++)
    if (!b->leaf[b->todo[k]].best.valid) drop_cells(&b->leaf[b->todo[k]]);
  return BR_OK;
}

/* Splits what is to be split next: all leaves of the level, or the best one. False when there is nothing more. */
static int step(struct br__booster *b, struct br_comm *comm, struct br_team *team, struct br__nodes *nodes, bool *more) {
  size_t n = b->n_leaves, best = SIZE_MAX;
  int status = BR_OK;
  b->n_todo = 0;
  if (b->settings.max_leaves) {
    for (size_t k = 0; k < n && n < b->settings.max_leaves; k++)
      if (b->leaf[k].cells && (best == SIZE_MAX || b->leaf[k].best.gain > b->leaf[best].best.gain)) best = k;
    if (best != SIZE_MAX) status = divide(b, best, nodes);
  } else {
    for (size_t k = 0; status == BR_OK && k < n; k++)
      if (b->leaf[k].cells) status = divide(b, k, nodes);
  }
  BR_TRY(br_comm_agree(comm, status));
  *more = b->n_todo > 0;
  if (!*more) return BR_OK;
  atomic_store(&b->next, 0);
  br_team_run(team, part_part, b);
  for (size_t k = 0; k < b->n_todo; k += 2) {
    struct leaf *left = &b->leaf[b->todo[k]];
    br_memory_free(left->goes_left);
    left->goes_left = NULL;
  }
  return examine(b, comm, team);
}

/* --- a tree -------------------------------------------------------------------------------------------------------------- */

static void draw_features(struct br__booster *b, uint32_t tree) {
  size_t p = b->n_features, wanted = (size_t)ceil(b->settings.columns * (double)p);
  b->n_drawn = b->n_cells = 0;
  for (size_t f = 0; f < p; f++) {
    if (wanted < p && br_random_permute(b->settings.seed, BR_RANDOM_BOOTSTRAP, 0x80000000u | tree, p, f) >= (wanted ? wanted : 1)) continue;
    b->drawn[b->n_drawn] = f;
    b->offset[b->n_drawn++] = b->n_cells;
    b->n_cells += b->bins->feature[f].n + 1;
  }
}

static int plant(struct br__booster *b, struct br_comm *comm, struct br_team *team, size_t n_active, struct br__nodes *nodes) {
  struct leaf root = {.active = n_active, .end = b->n};
  size_t number;
  b->n_leaves = 0;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(b->n_cells, sizeof *root.cells, "sums of a leaf", &root.cells)));
  int status = add_leaf(b, root, nodes, &number);
  if (status != BR_OK) br_memory_free(root.cells);
  BR_TRY(br_comm_agree(comm, status));
  b->todo[0] = 0;
  b->n_todo = 1;
  BR_TRY(sum_leaves(b, comm, team));
  struct leaf *leaf = &b->leaf[0];
  for (uint32_t bin = 0; bin <= b->bins->feature[b->drawn[0]].n; bin++) add(&leaf->total, &leaf->cells[bin]);
  nodes->node[0].rows = (uint64_t)leaf->total.n;
  nodes->node[0].value = leaf_value(b, &leaf->total);
  BR_TRY(br_comm_agree(comm, choose_splits(b, team)));
  if (!leaf->best.valid || !may_split(b, leaf)) drop_cells(leaf);
  return BR_OK;
}

struct scoring {
  struct br__booster *booster;
  const struct br__nodes *nodes;
};
static void score_part(void *arg, struct br_part part) {
  struct scoring *s = arg;
  struct br__booster *b = s->booster;
  (void)part;
  for (size_t k; (k = atomic_fetch_add(&b->next, 1)) < b->n_leaves;) {
    double value = s->nodes->node[b->leaf[k].node].value;
    for (size_t i = b->leaf[k].begin; i < b->leaf[k].end; i++) b->score[b->order[i]] += value;
  }
}

int br__booster_grow(struct br__booster *b, struct br_comm *comm, struct br_team *team, uint32_t tree, const uint32_t *row_order, size_t n_active, const struct br__derivative *derivative, double unit_g, double unit_h, double *score, struct br__nodes *out) {
  b->unit_g = unit_g, b->unit_h = unit_h, b->score = score;
  draw_features(b, tree);
  memcpy(b->order, row_order, b->n * sizeof *b->order);
  for (size_t i = 0; i < n_active; i++) b->learn[i] = derivative[row_order[i]];
  bool more = true;
  int status = plant(b, comm, team, n_active, out);
  while (status == BR_OK && more) status = step(b, comm, team, out, &more);
  for (size_t k = 0; k < b->n_leaves; k++) {
    drop_cells(&b->leaf[k]);
    br_memory_free(b->leaf[k].goes_left);
  }
  BR_TRY(status);
  atomic_store(&b->next, 0);
  br_team_run(team, score_part, &(struct scoring){b, out});
  return BR_OK;
}
