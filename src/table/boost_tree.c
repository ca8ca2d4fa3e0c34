/* One boosted tree. A leaf is a stretch of the list of rows, and has for every feature and bin the sums of its rows' derivatives (boost_sums.h). Ranks
 * add theirs together; from then on all do the same. Rows that are not learned from (not drawn, or of the test part) lie at the end of every
 * stretch and only follow. Threads take pieces of leaves, features, or both, as they come: sums are integers, so it does not matter who. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include "boost_quantile.h"
#include "boost_tree.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SUMS_AT_ONCE 32
#define PIECE_ROWS 65536

struct leaf {
  size_t begin, active, end; /* rows [begin, active) are learned from, [active, end) follow */
  int side;                  /* of the two lists, the one its rows are in */
  int32_t node;
  int depth;
  struct br__cell total;
  struct br__bounds bounds;
  struct br__cell *cells; /* NULL: is not to be split */
  struct br__choice best;
  unsigned char *goes_left; /* [bin], while it is being split */
};
/* Rows [begin, end) of one leaf: what a thread works on. */
struct piece {
  size_t leaf, begin, end;
  size_t n_left, left_at, right_at; /* while the leaf is being split: where its rows go */
  bool alone;                       /* there is no other of that leaf */
};
/* The drawn features of one group of packed words, and their cells: one stretch of a leaf's. */
struct group {
  uint32_t number, mask;
  int n_lanes;
  size_t n_cells, lane_offset[4], offset;
  uint32_t shift[4];
};

struct br__booster {
  const struct br__packed_bins *packed;
  const struct br__bins *bins;
  struct br__booster_settings settings;
  int threads;
  uint32_t *order[2];                /* rows, leaf after leaf */
  struct br__derivative *learn[2];   /* theirs */
  size_t *drawn, n_drawn, *offset, n_cells; /* the features of this tree, and where the cells of each begin */
  struct group *group;
  size_t n_groups;                   /* those with drawn features */
  struct br__ordered **ordered;      /* per thread: a category feature's bins */
  struct br__cell **apart;           /* per thread: sums of one piece of a leaf of several */
  struct br__cell **spare;           /* cells of leaves that are not used now */
  size_t n_spare;
  struct leaf *leaf;
  size_t n_leaves, capacity;
  struct piece *piece;
  size_t n_pieces;
  size_t *todo, n_todo;              /* leaves that all threads work on; pairs while they are split */
  pthread_mutex_t mutex;             /* of leaves' best */
  atomic_size_t next;
};

static size_t most_leaves(const struct br__booster_settings *s) { return s->max_leaves ? s->max_leaves : (size_t)1 << s->max_depth; }
static size_t most_pieces(size_t n, const struct br__booster_settings *s) { return 2 * most_leaves(s) + 2 * (n / PIECE_ROWS) + 2; }

static size_t all_cells(const struct br__bins *bins) {
  size_t n = 0;
  for (size_t f = 0; f < bins->n_features; f++) n += bins->feature[f].n + 1;
  return n;
}

size_t br__booster_bytes(size_t n, const struct br__bins *bins, const struct br__booster_settings *settings) {
  size_t leaves = most_leaves(settings), with_cells = settings->max_leaves ? leaves : leaves / 2 + 1;
  return n * 24 + leaves * (sizeof(struct leaf) + sizeof(size_t)) + most_pieces(n, settings) * sizeof(struct piece) + with_cells * all_cells(bins) * sizeof(struct br__cell);
}

static int open_inside(struct br__booster *b) {
  size_t categories = 0, widest = 0, n = b->packed->rows, p = b->bins->n_features;
  for (size_t f = 0; f < p; f++) {
    size_t bins = b->bins->feature[f].n;
    if (bins > widest) widest = bins;
    if (b->bins->feature[f].category && bins > categories) categories = bins;
  }
  for (int side = 0; side < 2; side++) {
    BR_TRY(br_memory_alloc(n, sizeof **b->order, "boosting", &b->order[side]));
    BR_TRY(br_memory_alloc(n, sizeof **b->learn, "boosting", &b->learn[side]));
  }
  BR_TRY(br_memory_alloc(p, sizeof *b->drawn, "boosting", &b->drawn));
  BR_TRY(br_memory_alloc(p, sizeof *b->offset, "boosting", &b->offset));
  BR_TRY(br_memory_alloc(b->packed->n_groups, sizeof *b->group, "boosting", &b->group));
  BR_TRY(br_memory_alloc(b->capacity, sizeof *b->leaf, "boosting", &b->leaf));
  BR_TRY(br_memory_alloc(b->capacity, sizeof *b->todo, "boosting", &b->todo));
  BR_TRY(br_memory_alloc(b->capacity + 1, sizeof *b->spare, "boosting", &b->spare));
  BR_TRY(br_memory_alloc(most_pieces(n, &b->settings), sizeof *b->piece, "boosting", &b->piece));
  BR_TRY(br_memory_alloc((size_t)b->threads, sizeof *b->ordered, "boosting", &b->ordered));
  BR_TRY(br_memory_alloc((size_t)b->threads, sizeof *b->apart, "boosting", &b->apart));
  for (int t = 0; t < b->threads; t++) {
    BR_TRY(br_memory_alloc(categories, sizeof **b->ordered, "boosting", &b->ordered[t]));
    BR_TRY(br_memory_alloc((widest > 255 ? 2 : 4) * (widest + 1), sizeof **b->apart, "boosting", &b->apart[t]));
  }
  return BR_OK;
}

int br__booster_open(const struct br__packed_bins *packed, const struct br__bins *bins, const struct br__booster_settings *settings, int threads, struct br__booster **out) {
  struct br__booster *b;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *b, "boosting", &b));
  b->packed = packed, b->bins = bins, b->settings = *settings, b->threads = threads;
  b->capacity = most_leaves(settings);
  pthread_mutex_init(&b->mutex, NULL);
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
  for (int t = 0; t < b->threads; t++) {
    if (b->ordered) br_memory_free(b->ordered[t]);
    if (b->apart) br_memory_free(b->apart[t]);
  }
  for (size_t k = 0; k < b->n_spare; k++) br_memory_free(b->spare[k]);
  for (int side = 0; side < 2; side++) {
    br_memory_free(b->order[side]);
    br_memory_free(b->learn[side]);
  }
  br_memory_free(b->ordered);
  br_memory_free(b->apart);
  br_memory_free(b->spare);
  br_memory_free(b->drawn);
  br_memory_free(b->offset);
  br_memory_free(b->group);
  br_memory_free(b->leaf);
  br_memory_free(b->piece);
  br_memory_free(b->todo);
  pthread_mutex_destroy(&b->mutex);
  br_memory_free(b);
}

/* Cells for a leaf; they hold anything. */
static int take_cells(struct br__booster *b, struct br__cell **out) {
  if (b->n_spare) {
    *out = b->spare[--b->n_spare];
    return BR_OK;
  }
  return br_memory_alloc(all_cells(b->bins), sizeof **out, "sums of a leaf", out);
}

static void drop_cells(struct br__booster *b, struct leaf *leaf) {
  if (leaf->cells) b->spare[b->n_spare++] = leaf->cells;
  leaf->cells = NULL;
}

static void run(struct br__booster *b, struct br_team *team, void (*work)(void *arg, struct br_part part)) {
  atomic_store(&b->next, 0);
  br_team_run(team, work, b);
}

static bool take(struct br__booster *b, size_t n, size_t *k) { return (*k = atomic_fetch_add(&b->next, 1)) < n; }

/* Rows [begin, end) of a leaf as pieces. */
static void add_pieces(struct br__booster *b, size_t leaf, size_t begin, size_t end) {
  for (size_t at = begin; at < end; at += PIECE_ROWS) b->piece[b->n_pieces++] = (struct piece){.leaf = leaf, .begin = at, .end = end - at < PIECE_ROWS ? end : at + PIECE_ROWS, .alone = end - begin <= PIECE_ROWS};
}

/* --- sums ---------------------------------------------------------------------------------------------------------------- */

static void sum_piece(struct br__booster *b, const struct piece *piece, const struct group *group, struct br__cell *apart) {
  const struct leaf *leaf = &b->leaf[piece->leaf];
  struct br__cell *cells = piece->alone ? leaf->cells + group->offset : apart;
  struct br__sum_lane lane[4];
  for (int k = 0; k < group->n_lanes; k++) lane[k] = (struct br__sum_lane){group->shift[k], cells + group->lane_offset[k]};
  memset(cells, 0, group->n_cells * sizeof *cells);
  br__sum_rows(b->packed->word[group->number], group->mask, lane, group->n_lanes, b->order[leaf->side] + piece->begin, b->learn[leaf->side] + piece->begin, piece->end - piece->begin, &b->settings.rule.form);
  if (!piece->alone) br__cells_merge(leaf->cells + group->offset, cells, group->n_cells);
}

static void sum_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  for (size_t k; take(b, b->n_pieces * b->n_groups, &k);) sum_piece(b, &b->piece[k / b->n_groups], &b->group[k % b->n_groups], b->apart[part.index]);
}

/* The sums of the leaves to do, of all ranks' rows. Several sums are on their way at once. */
static int sum_leaves(struct br__booster *b, struct br_comm *comm, struct br_team *team) {
  int request[SUMS_AT_ONCE];
  b->n_pieces = 0;
  for (size_t k = 0; k < b->n_todo; k++) {
    const struct leaf *leaf = &b->leaf[b->todo[k]];
    size_t before = b->n_pieces;
    add_pieces(b, b->todo[k], leaf->begin, leaf->active);
    if (b->n_pieces != before + 1) memset(leaf->cells, 0, b->n_cells * sizeof *leaf->cells);
  }
  run(b, team, sum_part);
  if (br_comm_size(comm) == 1) return BR_OK;
  for (size_t first = 0; first < b->n_todo; first += SUMS_AT_ONCE) {
    size_t n = b->n_todo - first < SUMS_AT_ONCE ? b->n_todo - first : SUMS_AT_ONCE;
    for (size_t k = 0; k < n; k++) BR_TRY(br_comm_reduce_start(comm, b->leaf[b->todo[first + k]].cells, 2 * b->n_cells, BR_COMM_I64, &request[k]));
    for (size_t k = 0; k < n; k++) BR_TRY(br_comm_wait(comm, request[k]));
  }
  return BR_OK;
}

/* --- the best split ------------------------------------------------------------------------------------------------------ */

static bool may_split(const struct br__booster *b, const struct leaf *leaf) {
  int64_t rows = br__cell_rows(&b->settings.rule.form, leaf->total.hn);
  return leaf->depth < b->settings.max_depth && rows >= 2 && rows / 2 >= (int64_t)b->settings.rule.min_rows;
}

/* Ties go to the first feature. */
static void choose(struct br__booster *b, struct leaf *leaf, size_t k, struct br__ordered *ordered) {
  size_t f = b->drawn[k];
  struct br__choice c = br__choose_split(&b->settings.rule, &b->bins->feature[f], (int32_t)f, leaf->cells + b->offset[k], &leaf->total, leaf->bounds, ordered);
  if (!c.valid) return;
  pthread_mutex_lock(&b->mutex);
  if (!leaf->best.valid || c.gain > leaf->best.gain || (c.gain == leaf->best.gain && c.feature < leaf->best.feature)) leaf->best = c;
  pthread_mutex_unlock(&b->mutex);
}

/* One feature of two sisters: the first was summed, the second's cells are still their parent's. */
static void choose_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  for (size_t k; take(b, b->n_todo / 2 * b->n_drawn, &k);) {
    size_t pair = k / b->n_drawn, drawn = k % b->n_drawn, n = b->bins->feature[b->drawn[drawn]].n + 1;
    struct leaf *summed = &b->leaf[b->todo[2 * pair]], *other = &b->leaf[b->todo[2 * pair + 1]];
    const struct br__cell *less = summed->cells + b->offset[drawn];
    struct br__cell *cells = other->cells + b->offset[drawn];
    for (size_t c = 0; c < n; c++) cells[c].g -= less[c].g, cells[c].hn -= less[c].hn;
    if (may_split(b, summed)) choose(b, summed, drawn, b->ordered[part.index]);
    if (may_split(b, other)) choose(b, other, drawn, b->ordered[part.index]);
  }
}

static void choose_root_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  for (size_t k; take(b, b->n_drawn, &k);) choose(b, &b->leaf[0], k, b->ordered[part.index]);
}

/* --- splitting ----------------------------------------------------------------------------------------------------------- */

static size_t drawn_place(const struct br__booster *b, int32_t feature) {
  size_t k = 0;
  while (b->drawn[k] != (size_t)feature) k++;
  return k;
}

/* Fills the node of a leaf that is split, and which bins go left. */
static int describe_split(struct br__booster *b, struct leaf *leaf, struct br__nodes *nodes) {
  const struct br__choice *c = &leaf->best;
  const struct br__feature_bins *feature = &b->bins->feature[c->feature];
  struct br__node node = nodes->node[leaf->node];
  BR_TRY(br_memory_alloc((size_t)feature->n + 1, 1, "boosting", &leaf->goes_left));
  leaf->goes_left[0] = c->missing_left;
  node.feature = c->feature;
  node.missing_left = c->missing_left;
  node.gain = c->gain;
  if (feature->category) {
    unsigned char codes[65536 / 8] = {0};
    br__order_categories(&b->settings.rule, leaf->cells + b->offset[drawn_place(b, c->feature)], feature->n, b->ordered[0]);
    for (size_t i = 0; i < c->cut; i++) {
      uint32_t bin = b->ordered[0][i].bin;
      leaf->goes_left[bin] = 1;
      codes[(bin - 1) / 8] |= (unsigned char)(1 << ((bin - 1) % 8));
    }
    node.is_set = 1;
    BR_TRY(br__nodes_add_set(nodes, codes, (feature->n + 7) / 8, &node.set));
  } else {
    memset(leaf->goes_left + 1, 1, c->cut);
    node.threshold = c->cut < feature->n ? br__between(feature->high[c->cut], feature->low[c->cut + 1]) : (double)INFINITY;
  }
  nodes->node[leaf->node] = node;
  return BR_OK;
}

static void count_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  (void)part;
  for (size_t k; take(b, b->n_pieces, &k);) {
    struct piece *piece = &b->piece[k];
    const struct leaf *leaf = &b->leaf[piece->leaf];
    const struct br__packed_place place = b->packed->place[leaf->best.feature];
    const uint32_t *word = b->packed->word[place.group], *order = b->order[leaf->side];
    size_t n = 0;
    for (size_t i = piece->begin; i < piece->end; i++) n += leaf->goes_left[word[order[i]] >> place.shift & place.mask];
    piece->n_left = n;
  }
}

/* Copies a piece's rows to the other list, left and right ones, keeping their order. */
static void move_part(void *arg, struct br_part part) {
  struct br__booster *b = arg;
  (void)part;
  for (size_t k; take(b, b->n_pieces, &k);) {
    const struct piece *piece = &b->piece[k];
    const struct leaf *leaf = &b->leaf[piece->leaf];
    const struct br__packed_place place = b->packed->place[leaf->best.feature];
    const uint32_t *word = b->packed->word[place.group], *order = b->order[leaf->side];
    const struct br__derivative *learn = b->learn[leaf->side];
    uint32_t *to_order = b->order[!leaf->side];
    struct br__derivative *to_learn = b->learn[!leaf->side];
    size_t left = piece->left_at, right = piece->right_at;
    for (size_t i = piece->begin; i < piece->end; i++) {
      size_t to_left = leaf->goes_left[word[order[i]] >> place.shift & place.mask], at = to_left ? left : right;
      to_order[at] = order[i];
      to_learn[at] = learn[i];
      left += to_left;
      right += 1 - to_left;
    }
  }
}

/* Splits the rows of leaves todo[0], todo[2], ..., whose right halves todo[1], ... become: learners and followers of the left, then of the right. */
static void part_rows(struct br__booster *b, struct br_team *team) {
  b->n_pieces = 0;
  for (size_t k = 0; k < b->n_todo; k += 2) {
    const struct leaf *leaf = &b->leaf[b->todo[k]];
    add_pieces(b, b->todo[k], leaf->begin, leaf->active);
    add_pieces(b, b->todo[k], leaf->active, leaf->end);
  }
  run(b, team, count_part);
  size_t p = 0, last = 0;
  for (size_t k = 0; k < b->n_todo; k += 2) {
    struct leaf *left = &b->leaf[b->todo[k]], *right = &b->leaf[b->todo[k + 1]];
    size_t n_left[2] = {0, 0}, at[2][2]; /* learners, followers; where the next ones of [left, right][...] go */
    for (last = p; last < b->n_pieces && b->piece[last].leaf == b->todo[k]; last++) n_left[b->piece[last].begin >= left->active] += b->piece[last].n_left;
    right->begin = left->begin + n_left[0] + n_left[1];
    right->active = right->begin + (left->active - left->begin - n_left[0]);
    right->end = left->end;
    at[0][0] = left->begin, at[0][1] = left->begin + n_left[0];
    at[1][0] = right->begin, at[1][1] = right->active;
    for (; p < last; p++) {
      struct piece *piece = &b->piece[p];
      bool follows = piece->begin >= left->active;
      piece->left_at = at[0][follows];
      piece->right_at = at[1][follows];
      at[0][follows] += piece->n_left;
      at[1][follows] += piece->end - piece->begin - piece->n_left;
    }
  }
  run(b, team, move_part);
  for (size_t k = 0; k < b->n_todo; k += 2) {
    struct leaf *left = &b->leaf[b->todo[k]], *right = &b->leaf[b->todo[k + 1]];
    left->active = left->begin + (left->active - left->begin) - (right->active - right->begin);
    left->end = right->begin;
    left->side = right->side = !left->side;
    br_memory_free(left->goes_left);
    left->goes_left = NULL;
  }
}

static int add_node(const struct br__booster *b, struct leaf *leaf, struct br__nodes *nodes) {
  struct br__node node = {.feature = -1, .rows = (uint64_t)br__cell_rows(&b->settings.rule.form, leaf->total.hn), .value = br__leaf_value(&b->settings.rule, &leaf->total, leaf->bounds) * b->settings.rate};
  return br__nodes_add(nodes, &node, &leaf->node);
}

/* A constrained feature parts the children's values at their middle. */
static void narrow_bounds(const struct br__boost_rule *rule, int32_t feature, struct leaf *left, struct leaf *right) {
  int direction = rule->monotone ? rule->monotone[feature] : 0;
  if (direction == 0) return;
  double middle = (br__leaf_value(rule, &left->total, left->bounds) + br__leaf_value(rule, &right->total, right->bounds)) / 2;
  if (direction > 0)
    left->bounds.high = right->bounds.low = middle;
  else
    left->bounds.low = right->bounds.high = middle;
}

/* Makes two leaves of one: the left one keeps its place. Rows and cells are still those of both. */
static int divide(struct br__booster *b, size_t number, struct br__nodes *nodes) {
  struct leaf *old = &b->leaf[number];
  int32_t parent = old->node;
  BR_TRY(describe_split(b, old, nodes));
  struct leaf left = *old, right = {.depth = old->depth + 1, .bounds = old->bounds};
  right.total = (struct br__cell){old->total.g - old->best.left.g, old->total.hn - old->best.left.hn};
  left.total = old->best.left;
  left.depth++;
  narrow_bounds(&b->settings.rule, old->best.feature, &left, &right);
  BR_TRY(add_node(b, &left, nodes));
  BR_TRY(add_node(b, &right, nodes));
  nodes->node[parent].left = left.node;
  nodes->node[parent].right = right.node;
  b->todo[b->n_todo++] = number;
  b->todo[b->n_todo++] = b->n_leaves;
  b->leaf[number] = left;
  b->leaf[b->n_leaves++] = right;
  return BR_OK;
}

/* Of a pair of new leaves, the smaller one is to be summed and gets cells of its own; the parent's go to the larger one. Pairs in todo become (small,
 * large); those that are as deep as they may be are dropped. */
static int prepare_pairs(struct br__booster *b, bool last) {
  size_t n = 0;
  for (size_t k = 0; k < b->n_todo; k += 2) {
    struct leaf *left = &b->leaf[b->todo[k]], *right = &b->leaf[b->todo[k + 1]];
    left->best = (struct br__choice){0};
    if (last || (!may_split(b, left) && !may_split(b, right))) {
      drop_cells(b, left);
      continue;
    }
    size_t pair[2] = {b->todo[k], b->todo[k + 1]};
    bool left_is_small = br__cell_rows(&b->settings.rule.form, left->total.hn) <= br__cell_rows(&b->settings.rule.form, right->total.hn);
    struct leaf *small = left_is_small ? left : right, *large = left_is_small ? right : left;
    struct br__cell *parent = left->cells;
    left->cells = NULL;
    large->cells = parent;
    BR_TRY(take_cells(b, &small->cells));
    b->todo[n++] = pair[!left_is_small];
    b->todo[n++] = pair[left_is_small];
  }
  b->n_todo = n;
  return BR_OK;
}

/* Sums and best splits of new leaves, pairs in todo. */
static int examine(struct br__booster *b, struct br_comm *comm, struct br_team *team, bool last) {
  BR_TRY(br_comm_agree(comm, prepare_pairs(b, last)));
  size_t n = b->n_todo, *pairs;
  if (n == 0) return BR_OK;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(n, sizeof *pairs, "boosting", &pairs)));
  memcpy(pairs, b->todo, n * sizeof *pairs);
  for (size_t k = 0; k < n / 2; k++) b->todo[k] = pairs[2 * k];
  b->n_todo = n / 2;
  int status = sum_leaves(b, comm, team);
  memcpy(b->todo, pairs, n * sizeof *pairs);
  b->n_todo = n;
  br_memory_free(pairs);
  BR_TRY(status);
  run(b, team, choose_part);
  for (size_t k = 0; k < b->n_todo; k++)
    if (!b->leaf[b->todo[k]].best.valid) drop_cells(b, &b->leaf[b->todo[k]]);
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
  part_rows(b, team);
  return examine(b, comm, team, b->settings.max_leaves && b->n_leaves == b->settings.max_leaves);
}

/* --- a tree -------------------------------------------------------------------------------------------------------------- */

static void draw_features(struct br__booster *b, uint32_t tree) {
  size_t p = b->bins->n_features, wanted = (size_t)ceil(b->settings.columns * (double)p);
  b->n_drawn = b->n_cells = b->n_groups = 0;
  for (size_t g = 0; g < b->packed->n_groups; g++) {
    struct group group = {.number = (uint32_t)g, .offset = b->n_cells};
    for (size_t f = 0; f < p; f++) {
      const struct br__packed_place *place = &b->packed->place[f];
      if (place->group != g || (wanted < p && br_random_permute(b->settings.seed, BR_RANDOM_BOOTSTRAP, 0x80000000u | tree, p, f) >= (wanted ? wanted : 1))) continue;
      group.mask = place->mask;
      group.shift[group.n_lanes] = place->shift;
      group.lane_offset[group.n_lanes++] = b->n_cells - group.offset;
      b->drawn[b->n_drawn] = f;
      b->offset[b->n_drawn++] = b->n_cells;
      b->n_cells += b->bins->feature[f].n + 1;
    }
    group.n_cells = b->n_cells - group.offset;
    if (group.n_lanes) b->group[b->n_groups++] = group;
  }
}

/* What one call of br__booster_grow was given. */
struct growing {
  struct br__booster *booster;
  const uint32_t *row_order;
  size_t n_active;
  const struct br__derivative *derivative;
  const struct br__nodes *nodes;
  double *score;
};

static void take_rows_part(void *arg, struct br_part part) {
  const struct growing *g = arg;
  struct br__booster *b = g->booster;
  size_t first, last;
  br_part_range(part, b->packed->rows, 1024, &first, &last);
  for (size_t i = first; i < last; i++) {
    b->order[0][i] = g->row_order[i];
    if (i < g->n_active) b->learn[0][i] = g->derivative[g->row_order[i]];
  }
}

static int plant(struct br__booster *b, struct br_comm *comm, struct br_team *team, size_t n_active, struct br__nodes *nodes) {
  struct leaf *root = &b->leaf[0];
  *root = (struct leaf){.active = n_active, .end = b->packed->rows, .bounds = {-INFINITY, INFINITY}};
  b->n_leaves = 1;
  BR_TRY(br_comm_agree(comm, take_cells(b, &root->cells)));
  b->todo[0] = 0;
  b->n_todo = 1;
  BR_TRY(sum_leaves(b, comm, team));
  for (uint32_t bin = 0; bin <= b->bins->feature[b->drawn[0]].n; bin++) {
    root->total.g += root->cells[b->offset[0] + bin].g;
    root->total.hn += root->cells[b->offset[0] + bin].hn;
  }
  BR_TRY(br_comm_agree(comm, add_node(b, root, nodes)));
  if (may_split(b, root)) run(b, team, choose_root_part);
  if (!root->best.valid) drop_cells(b, root);
  return BR_OK;
}

/* Leaves' values of the pinball loss. */
static int take_quantiles(struct br__booster *b, struct br_comm *comm, struct br_team *team, const double *score, struct br__nodes *nodes) {
  struct br__leaf_rows *rows = NULL;
  double *value = NULL;
  int status = br_memory_alloc(b->n_leaves, sizeof *rows, "leaves", &rows);
  if (status == BR_OK) status = br_memory_alloc(b->n_leaves, sizeof *value, "leaves", &value);
  status = br_comm_agree(comm, status);
  for (size_t k = 0; status == BR_OK && k < b->n_leaves; k++) rows[k] = (struct br__leaf_rows){b->order[b->leaf[k].side] + b->leaf[k].begin, b->leaf[k].active - b->leaf[k].begin};
  if (status == BR_OK) status = br__leaf_quantiles(comm, team, rows, b->n_leaves, b->settings.target, score, b->settings.quantile, value);
  for (size_t k = 0; status == BR_OK && k < b->n_leaves; k++) nodes->node[b->leaf[k].node].value = value[k] * b->settings.rate;
  br_memory_free(rows);
  br_memory_free(value);
  return status;
}

static void score_part(void *arg, struct br_part part) {
  const struct growing *g = arg;
  struct br__booster *b = g->booster;
  (void)part;
  for (size_t k; take(b, b->n_pieces, &k);) {
    const struct piece *piece = &b->piece[k];
    const struct leaf *leaf = &b->leaf[piece->leaf];
    const uint32_t *order = b->order[leaf->side];
    double value = g->nodes->node[leaf->node].value;
    for (size_t i = piece->begin; i < piece->end; i++) g->score[order[i]] += value;
  }
}

int br__booster_grow(struct br__booster *b, struct br_comm *comm, struct br_team *team, uint32_t tree, const uint32_t *row_order, size_t n_active, const struct br__derivative *derivative, double unit_g, double unit_h, double *score, struct br__nodes *out) {
  struct growing g = {b, row_order, n_active, derivative, out, score};
  b->settings.rule.unit_g = unit_g, b->settings.rule.unit_h = unit_h;
  draw_features(b, tree);
  br_team_run(team, take_rows_part, &g);
  bool more = true;
  int status = plant(b, comm, team, n_active, out);
  while (status == BR_OK && more) status = step(b, comm, team, out, &more);
  for (size_t k = 0; k < b->n_leaves; k++) {
    drop_cells(b, &b->leaf[k]);
    br_memory_free(b->leaf[k].goes_left);
    b->leaf[k].goes_left = NULL;
  }
  BR_TRY(status);
  if (b->settings.quantile > 0) BR_TRY(take_quantiles(b, comm, team, score, out));
  b->n_pieces = 0;
  for (size_t k = 0; k < b->n_leaves; k++) add_pieces(b, k, b->leaf[k].begin, b->leaf[k].end);
  atomic_store(&b->next, 0);
  br_team_run(team, score_part, &g);
  return BR_OK;
}
