/* Growing a tree. Every feature has its own list of the rows, sorted by bin; a node is the same stretch [begin, end) of all lists, and a split
 * parts each list in place, keeping its order. So sorting is done once, and a node costs a few nanoseconds per row and feature however deep it
 * is, with hundreds of classes as with two. Where few of the features are tried at a node, as in forests, there is one list of rows in no
 * order, and each feature tried is sorted there and then; the tree is the same. Large nodes near the root are searched feature by feature by
 * all threads; the subtrees below them are grown each by one thread, and by different ranks. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include "math.h"
#include "split.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct br__grower {
  const struct br__grow_data *data;
  struct br__grow_settings settings;
  struct br__log_table logs;
  size_t n, capacity; /* entries now, and room for them */
  int threads;
  bool by_node;          /* features are sorted at each node: there is one list, whose keys are classes alone */
  size_t n_lists;        /* 1, or one a feature */
  uint32_t **key, **row; /* [list][entry] */
  unsigned char *side;   /* [row]: 1 left */
  struct br__split_scratch *scratch; /* per thread */
  struct br__candidate *candidate;   /* per feature, for nodes split by all threads */
  /* what all threads work on together */
  struct node_view {
    size_t begin, end;
    uint64_t path; /* number that names the node in draws: 1 for the root, 2 n and 2 n + 1 for children, mixed */
    int depth;
    int32_t top_class;
    double logs_of_counts;
    int64_t whole;
  } shared;
  atomic_size_t next;
  const struct br__grower *sorted;
  const uint8_t *weight;
};

/* Sorting is worth it where fewer than half of the features are tried. */
static bool sorts_by_node(size_t p, size_t features) { return features > 0 && 2 * features < p; }

size_t br__grower_bytes(size_t n, size_t p, size_t n_classes, size_t features, int threads) {
  bool by_node = sorts_by_node(p, features);
  return n * (by_node ? 1 : p) * 8 + n * 17 + (size_t)threads * (n * (by_node ? 24 : 8) + p * 4 + n_classes * 12 + 65536 * sizeof(struct br__category_segment));
}

static int scratch_open(struct br__grower *g, struct br__split_scratch *s) {
  bool categories = false;
  for (size_t f = 0; f < g->data->p; f++) categories = categories || g->data->bins->feature[f].category;
  BR_TRY(br_memory_alloc(g->data->n_classes + 1, sizeof *s->count, "tree", &s->count));
  BR_TRY(br_memory_alloc(g->data->n_classes + 1, sizeof *s->left, "tree", &s->left));
  BR_TRY(br_memory_alloc(g->data->n_classes + 1, sizeof *s->right, "tree", &s->right));
  BR_TRY(br_memory_alloc(g->capacity, sizeof *s->key, "tree", &s->key));
  BR_TRY(br_memory_alloc(g->capacity, sizeof *s->row, "tree", &s->row));
  BR_TRY(br_memory_alloc(g->data->p, sizeof *s->tried, "tree", &s->tried));
  for (int k = 0; g->by_node && k < 2; k++) BR_TRY(br_memory_alloc(g->capacity, sizeof *s->entry[k], "tree", &s->entry[k]));
  return br_memory_alloc(categories ? 65536 : 0, sizeof *s->segment, "tree", &s->segment);
}

static int open_inside(struct br__grower *g) {
  BR_TRY(br_memory_alloc(g->n_lists, sizeof *g->key, "tree", &g->key));
  BR_TRY(br_memory_alloc(g->n_lists, sizeof *g->row, "tree", &g->row));
  BR_TRY(br_memory_alloc(g->data->p, sizeof *g->candidate, "tree", &g->candidate));
  for (size_t f = 0; f < g->n_lists; f++) {
    BR_TRY(br_memory_alloc(g->capacity, sizeof **g->key, "sorted columns", &g->key[f]));
    BR_TRY(br_memory_alloc(g->capacity, sizeof **g->row, "sorted columns", &g->row[f]));
  }
  BR_TRY(br_memory_alloc(g->data->n, 1, "tree", &g->side));
  BR_TRY(br_memory_alloc((size_t)g->threads, sizeof *g->scratch, "tree", &g->scratch));
  for (int t = 0; t < g->threads; t++) BR_TRY(scratch_open(g, &g->scratch[t]));
  return g->settings.criterion == BR__ENTROPY ? br__log_table_open(g->capacity, &g->logs) : BR_OK;
}

int br__grower_open(const struct br__grow_data *data, const struct br__grow_settings *settings, int threads, size_t capacity, struct br__grower **out) {
  struct br__grower *g;
  *out = NULL;
  if (capacity > UINT32_MAX - 1) BR_FAIL(BR_ERROR_MEMORY, "a tree of %zu rows: at most 4294967294 are possible", capacity);
  BR_TRY(br_memory_alloc(1, sizeof *g, "tree", &g));
  g->data = data;
  g->settings = *settings;
  g->threads = threads;
  g->capacity = capacity;
  g->by_node = sorts_by_node(data->p, settings->features);
  g->n_lists = g->by_node ? 1 : data->p;
  int status = open_inside(g);
  if (status != BR_OK) {
    br__grower_close(g);
    return status;
  }
  *out = g;
  return BR_OK;
}

void br__grower_close(struct br__grower *g) {
  if (!g) return;
  for (size_t f = 0; f < g->n_lists; f++) {
    if (g->key) br_memory_free(g->key[f]);
    if (g->row) br_memory_free(g->row[f]);
  }
  for (int t = 0; g->scratch && t < g->threads; t++) {
    struct br__split_scratch *s = &g->scratch[t];
    br_memory_free(s->count);
    br_memory_free(s->left);
    br_memory_free(s->right);
    br_memory_free(s->segment);
    br_memory_free(s->key);
    br_memory_free(s->row);
    br_memory_free(s->tried);
    br_memory_free(s->entry[0]);
    br_memory_free(s->entry[1]);
  }
  br__log_table_close(&g->logs);
  br_memory_free(g->key);
  br_memory_free(g->row);
  br_memory_free(g->candidate);
  br_memory_free(g->side);
  br_memory_free(g->scratch);
  br_memory_free(g);
}

/* --- filling ------------------------------------------------------------------------------------------------------------- */

/* Counting sort by bin: within a bin, rows stay in order. */
static void sort_feature(struct br__grower *g, size_t f, uint32_t *at) {
  const uint16_t *bin = g->data->bin[f];
  const int32_t *code = g->data->class_code;
  memset(at, 0, 65537 * sizeof *at);
  for (size_t i = 0; i < g->data->n; i++) at[bin[i] + 1]++;
  for (size_t b = 1; b < 65537; b++) at[b] += at[b - 1];
  for (size_t i = 0; i < g->data->n; i++) {
    uint32_t k = at[bin[i]]++;
    g->key[f][k] = (uint32_t)bin[i] << 16 | (code ? (uint32_t)code[i] : 0);
    g->row[f][k] = (uint32_t)i;
  }
}

static void draw_feature(struct br__grower *g, size_t f) {
  const uint32_t *key = g->sorted->key[f], *row = g->sorted->row[f];
  size_t n = 0;
  for (size_t i = 0; i < g->sorted->n; i++)
    for (unsigned w = g->weight ? g->weight[row[i]] : 1; w > 0 && n < g->capacity; w--) {
      g->key[f][n] = key[i];
      g->row[f][n++] = row[i];
    }
}

/* The one list of a grower that sorts by node. */
static void list_rows(struct br__grower *g) {
  const int32_t *code = g->data->class_code;
  size_t n = 0;
  for (size_t i = 0; i < g->data->n; i++)
    for (unsigned w = g->weight ? g->weight[i] : 1; w > 0 && n < g->capacity; w--) {
      g->key[0][n] = code ? (uint32_t)code[i] : 0;
      g->row[0][n++] = (uint32_t)i;
    }
}

static void fill_part(void *arg, struct br_part part) {
  struct br__grower *g = arg;
  (void)part;
  uint32_t *at = NULL;
  if (!g->sorted && !(at = malloc(65537 * sizeof *at))) return;
  for (size_t f; (f = atomic_fetch_add(&g->next, 1)) < g->data->p;) {
    if (g->sorted)
      draw_feature(g, f);
    else
      sort_feature(g, f, at);
  }
  free(at);
}

void br__grower_fill(struct br__grower *g, struct br_team *team, const struct br__grower *sorted, const uint8_t *weight, uint32_t tree) {
  g->sorted = sorted;
  g->weight = weight;
  g->settings.tree = tree;
  g->n = g->data->n;
  if (weight) {
    g->n = 0;
    for (size_t i = 0; i < g->data->n; i++) g->n += weight[i];
    if (g->n > g->capacity) g->n = g->capacity;
  }
  atomic_store(&g->next, 0);
  if (g->by_node)
    list_rows(g);
  else if (team)
    br_team_run(team, fill_part, g);
  else
    fill_part(g, BR_PART_ALL);
}

/* --- one node ------------------------------------------------------------------------------------------------------------ */

/* What all features share: class counts (into the scratch), and whether there is anything to split. */
static bool look_at(const struct br__grower *g, struct node_view *v, struct br__split_scratch *s, double *value) {
  size_t n = v->end - v->begin;
  const uint32_t *key = g->key[0] + v->begin, *row = g->row[0] + v->begin;
  v->top_class = 0;
  v->logs_of_counts = 0;
  v->whole = 0;
  *value = 0;
  if (g->data->n_classes == 0) {
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
      int64_t y = g->data->number[row[i]];
      v->whole += y;
      low = y < low ? y : low;
      high = y > high ? y : high;
    }
    *value = (double)v->whole / (double)n * g->data->unit + g->data->middle;
    return low < high;
  }
  for (size_t i = 0; i < n; i++) s->count[BR__KEY_CLASS(key[i])]++;
  int32_t first = (int32_t)BR__KEY_CLASS(key[0]);
  for (size_t i = 0; i < n; i++) { /* each class once: its count is made negative as a mark, then positive again */
    int32_t c = (int32_t)BR__KEY_CLASS(key[i]), count = s->count[c];
    if (count < 0) continue;
    if (g->settings.criterion == BR__ENTROPY) v->logs_of_counts += g->logs.value[count];
    v->whole += (int64_t)count * count;
    if (i == 0 || count > -s->count[v->top_class] || (count == -s->count[v->top_class] && c < v->top_class)) v->top_class = c;
    s->count[c] = -count;
  }
  for (size_t i = 0; i < n; i++) {
    int32_t c = (int32_t)BR__KEY_CLASS(key[i]);
    if (s->count[c] < 0) s->count[c] = -s->count[c];
  }
  return (size_t)s->count[first] < n;
}

static void forget(const struct br__grower *g, const struct node_view *v, struct br__split_scratch *s) {
  const uint32_t *key = g->key[0] + v->begin;
  for (size_t i = 0; g->data->n_classes && i < v->end - v->begin; i++) s->count[BR__KEY_CLASS(key[i])] = 0;
}

/* Entries (bin, class, row) in the order of bins: by counting where there are few bins, by insertion where there are few rows, else byte by byte. */
static const uint64_t *sort_entries(uint64_t *from, uint64_t *to, size_t n, uint32_t bins) {
  if (n <= 32) {
    for (size_t i = 1; i < n; i++) {
      uint64_t entry = from[i];
      size_t k = i;
      for (; k > 0 && from[k - 1] >> 48 > entry >> 48; k--) from[k] = from[k - 1];
      from[k] = entry;
    }
    return from;
  }
  uint32_t count[2][256] = {{0}};
  for (size_t i = 0; i < n; i++) {
    count[0][from[i] >> 48 & 255]++;
    count[1][from[i] >> 56]++;
  }
  for (int byte = 0; byte < (bins > 255 ? 2 : 1); byte++) {
    uint32_t sum = 0, *at = count[byte];
    for (int k = 0; k < 256; k++) {
      uint32_t here = at[k];
      at[k] = sum;
      sum += here;
    }
    for (size_t i = 0; i < n; i++) to[at[from[i] >> (48 + 8 * byte) & 255]++] = from[i];
    uint64_t *swap = from;
    from = to, to = swap;
  }
  return from;
}

/* A node's rows sorted by one feature, into the scratch. */
static void sort_node(const struct br__grower *g, const struct node_view *v, size_t f, struct br__split_scratch *s) {
  const uint16_t *bin = g->data->bin[f];
  const uint32_t *key = g->key[0] + v->begin, *row = g->row[0] + v->begin;
  size_t n = v->end - v->begin;
  for (size_t i = 0; i < n; i++) s->entry[0][i] = (uint64_t)bin[row[i]] << 48 | (uint64_t)key[i] << 32 | row[i];
  const uint64_t *sorted = sort_entries(s->entry[0], s->entry[1], n, g->data->bins->feature[f].n);
  for (size_t i = 0; i < n; i++) {
    s->key[i] = (uint32_t)(sorted[i] >> 32);
    s->row[i] = (uint32_t)sorted[i];
  }
}

/* What split.c looks at: one feature of one node. Of a grower that sorts by node, it lasts until the scratch is used again. */
static struct br__split_node view_of(const struct br__grower *g, const struct node_view *v, size_t f, struct br__split_scratch *s) {
  struct br__split_node node = {.n = (uint32_t)(v->end - v->begin), .feature = (int32_t)f, .category = g->data->bins->feature[f].category, .data = g->data, .logs = &g->logs, .criterion = g->settings.criterion, .min_rows = g->settings.min_rows, .top_class = v->top_class, .logs_of_counts = v->logs_of_counts, .whole = v->whole, .extra = g->settings.extra};
  if (g->by_node) sort_node(g, v, f, s);
  node.key = g->by_node ? s->key : g->key[f] + v->begin;
  node.row = g->by_node ? s->row : g->row[f] + v->begin;
  if (node.extra) {
    uint32_t word[4];
    br_random_block(g->settings.seed, BR_RANDOM_BOOTSTRAP, g->settings.tree, v->path, 0x80000000u + (uint32_t)f, word);
    node.draw = word[0];
  }
  return node;
}

static struct br__candidate better(struct br__candidate a, struct br__candidate b) { return b.valid && (!a.valid || b.score > a.score) ? b : a; }

static int by_number(const void *a, const void *b) { return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : *(const uint32_t *)a > *(const uint32_t *)b; }

/* The features a node may use, ascending: all, or as many as the settings say, each set of them equally likely. Reservoir sampling: feature i takes
 * the place of a random one of the k kept with probability k / (i + 1). */
static size_t draw_features(const struct br__grower *g, const struct node_view *v, uint32_t *tried) {
  size_t k = g->settings.features, p = g->data->p;
  for (size_t i = 0; i < p; i++) tried[i] = (uint32_t)i;
  if (k == 0 || k >= p) return p;
  struct br_random random = br_random_open(g->settings.seed, BR_RANDOM_BOOTSTRAP, g->settings.tree, v->path);
  for (size_t i = k; i < p; i++) {
    size_t at = br_random_below(&random, (uint32_t)i + 1);
    if (at < k) tried[at] = (uint32_t)i;
  }
  qsort(tried, k, sizeof *tried, by_number);
  return k;
}

/* Gain of a candidate per row, in the criterion's unit: bits, squares of probabilities, squares of the target. */
static double gain_per_row(const struct br__grower *g, const struct node_view *v, const struct br__candidate *c) {
  double n = (double)(v->end - v->begin), whole = (double)v->whole;
  if (g->settings.criterion == BR__ENTROPY) return (c->score - (v->logs_of_counts - g->logs.value[v->end - v->begin])) * ldexp(1, -g->logs.shift) / n;
  double gain = g->settings.criterion == BR__GINI ? c->score - whole / n : (c->score - whole * whole / n) * g->data->unit * g->data->unit;
  return gain > 0 ? gain / n : 0;
}

/* Marks the sides of the node's rows; fills the node's split. Returns the number of rows on the left. */
static int apply_split(struct br__grower *g, const struct node_view *v, const struct br__candidate *c, struct br__split_scratch *s, struct br__nodes *nodes, struct br__node *out) {
  size_t f = (size_t)c->feature, n = v->end - v->begin;
  const uint32_t *row = g->row[0] + v->begin;
  const uint16_t *bin_of = g->data->bin[f];
  const struct br__feature_bins *bins = &g->data->bins->feature[f];
  out->feature = c->feature;
  out->missing_left = c->missing_left;
  out->is_set = c->is_set;
  if (c->is_set) {
    struct br__split_node node = view_of(g, v, f, s);
    unsigned char bits[65536 / 8 + 8] = {0}, codes[65536 / 8 + 8] = {0};
    br__split_set(&node, c, s, bits);
    for (size_t i = 0; i < n; i++) g->side[row[i]] = bits[bin_of[row[i]] / 8] >> (bin_of[row[i]] % 8) & 1;
    for (uint32_t code = 0; code < bins->n; code++) codes[code / 8] |= (unsigned char)((bits[(code + 1) / 8] >> ((code + 1) % 8) & 1) << (code % 8));
    return br__nodes_add_set(nodes, codes, (bins->n + 7) / 8, &out->set);
  }
  uint32_t next = UINT32_MAX; /* the lowest bin on the right */
  for (size_t i = 0; i < n; i++) {
    uint32_t bin = bin_of[row[i]];
    bool left = bin == 0 ? c->missing_left : bin <= c->cut;
    if (!left && bin && bin < next) next = bin;
    g->side[row[i]] = left;
  }
  out->threshold = next != UINT32_MAX ? br__between(bins->high[c->cut], bins->low[next]) : (double)INFINITY;
  return BR_OK;
}

static void part_feature(struct br__grower *g, const struct node_view *v, size_t f, struct br__split_scratch *s) {
  uint32_t *key = g->key[f] + v->begin, *row = g->row[f] + v->begin;
  size_t n = v->end - v->begin, left = 0, right = 0;
  for (size_t i = 0; i < n; i++) {
    uint32_t k = key[i], r = row[i];
    unsigned side = g->side[r];
    key[left] = k;
    row[left] = r;
    s->key[right] = k;
    s->row[right] = r;
    left += side;
    right += 1 - side;
  }
  memcpy(key + left, s->key, right * sizeof *key);
  memcpy(row + left, s->row, right * sizeof *row);
}

static int by_class(const void *a, const void *b) { return ((const struct br__count *)a)->class_code - ((const struct br__count *)b)->class_code; }

/* A leaf: its value, or its classes' counts in the order of classes. */
static int make_leaf(const struct br__grower *g, const struct node_view *v, struct br__split_scratch *s, double value, struct br__nodes *nodes, struct br__node *out) {
  out->feature = -1;
  out->value = value;
  if (g->data->n_classes == 0) return BR_OK;
  const uint32_t *key = g->key[0] + v->begin;
  out->counts = nodes->n_counts;
  for (size_t i = 0; i < v->end - v->begin; i++) {
    int32_t c = (int32_t)BR__KEY_CLASS(key[i]);
    if (s->count[c] == 0) continue;
    BR_TRY(br__nodes_add_count(nodes, c, s->count[c]));
    s->count[c] = 0;
  }
  out->n_counts = (uint32_t)(nodes->n_counts - out->counts);
  qsort(nodes->count + out->counts, out->n_counts, sizeof *nodes->count, by_class);
  return BR_OK;
}

static bool may_split(const struct br__grower *g, const struct node_view *v) {
  size_t n = v->end - v->begin;
  return v->depth < g->settings.max_depth && n >= 2 && n / 2 >= g->settings.min_rows;
}

static bool good_enough(const struct br__grower *g, const struct node_view *v, const struct br__candidate *best) { return best->valid && gain_per_row(g, v, best) >= g->settings.min_gain; }

static void children(const struct node_view *v, uint32_t n_left, struct node_view *left, struct node_view *right) {
  uint64_t mixed = v->path * 0x9E3779B97F4A7C15u;
  *left = (struct node_view){.begin = v->begin, .end = v->begin + n_left, .depth = v->depth + 1, .path = (mixed ^ mixed >> 29) + 1};
  *right = (struct node_view){.begin = v->begin + n_left, .end = v->end, .depth = v->depth + 1, .path = (mixed ^ mixed >> 31) + 2};
}

static int grow(struct br__grower *g, struct node_view v, struct br__split_scratch *s, struct br__nodes *nodes, int32_t *number) {
  struct br__node node = {.feature = -1, .rows = v.end - v.begin};
  struct br__candidate best = {0};
  double value;
  bool mixed = look_at(g, &v, s, &value);
  if (mixed && may_split(g, &v)) {
    size_t n = draw_features(g, &v, s->tried);
    for (size_t k = 0; k < n; k++) {
      struct br__split_node view = view_of(g, &v, s->tried[k], s);
      best = better(best, br__split_find(&view, s));
    }
  }
  if (!good_enough(g, &v, &best)) {
    BR_TRY(make_leaf(g, &v, s, value, nodes, &node));
    return br__nodes_add(nodes, &node, number);
  }
  BR_TRY(apply_split(g, &v, &best, s, nodes, &node));
  node.gain = gain_per_row(g, &v, &best) * (double)node.rows;
  node.value = value;
  forget(g, &v, s);
  for (size_t f = 0; f < g->n_lists; f++) part_feature(g, &v, f, s);
  BR_TRY(br__nodes_add(nodes, &node, number));
  struct node_view left, right;
  int32_t child;
  children(&v, best.n_left, &left, &right);
  BR_TRY(grow(g, left, s, nodes, &child));
  nodes->node[*number].left = child;
  BR_TRY(grow(g, right, s, nodes, &child));
  nodes->node[*number].right = child;
  return BR_OK;
}

int br__grower_run(struct br__grower *g, int thread, struct br__nodes *out) {
  int32_t root;
  return grow(g, (struct node_view){.end = g->n, .path = 1}, &g->scratch[thread], out, &root);
}

/* --- all threads and ranks ----------------------------------------------------------------------------------------------- */

/* Subtrees to grow, and the nodes above them: a child -2 - k stands for subtree k. */
struct plan {
  struct br__grower *grower;
  struct br__nodes top;
  struct node_view *subtree;
  struct br__nodes *grown;
  size_t n, capacity;
  size_t *order; /* by size, the largest first */
  int rank, ranks;
  atomic_size_t next;
  atomic_int status;
};

static void find_part(void *arg, struct br_part part) {
  struct br__grower *g = arg;
  for (size_t f; (f = atomic_fetch_add(&g->next, 1)) < g->data->p;) {
    g->candidate[f] = (struct br__candidate){0};
    struct br__split_node view = view_of(g, &g->shared, f, &g->scratch[part.index]);
    struct br__split_scratch scratch = g->scratch[part.index];
    scratch.count = g->scratch[0].count; /* of the node, read only */
    g->candidate[f] = br__split_find(&view, &scratch);
  }
}

static void part_part(void *arg, struct br_part part) {
  struct br__grower *g = arg;
  for (size_t f; (f = atomic_fetch_add(&g->next, 1)) < g->data->p;) part_feature(g, &g->shared, f, &g->scratch[part.index]);
}

static int add_subtree(struct plan *plan, struct node_view v, int32_t *number) {
  if (plan->n == plan->capacity) {
    size_t larger = plan->capacity ? 2 * plan->capacity : 64;
    struct node_view *fresh = realloc(plan->subtree, larger * sizeof *fresh);
    if (!fresh) BR_FAIL(BR_ERROR_MEMORY, "no memory to plan a tree");
    plan->subtree = fresh;
    plan->capacity = larger;
  }
  *number = -2 - (int32_t)plan->n;
  plan->subtree[plan->n++] = v;
  return BR_OK;
}

/* Splits nodes of more rows than `small` by all threads together. */
static int split_top(struct plan *plan, struct br_team *team, struct node_view v, size_t small, int32_t *number) {
  struct br__grower *g = plan->grower;
  struct br__split_scratch *s = &g->scratch[0];
  struct br__candidate best = {0};
  double value;
  if (v.end - v.begin <= small || !may_split(g, &v)) return add_subtree(plan, v, number);
  if (!look_at(g, &v, s, &value)) {
    forget(g, &v, s);
    return add_subtree(plan, v, number);
  }
  g->shared = v;
  atomic_store(&g->next, 0);
  br_team_run(team, find_part, g);
  for (size_t f = 0; f < g->data->p; f++) best = better(best, g->candidate[f]);
  if (!good_enough(g, &v, &best)) {
    forget(g, &v, s);
    return add_subtree(plan, v, number);
  }
  struct br__node node = {.rows = v.end - v.begin, .value = value};
  BR_TRY(apply_split(g, &v, &best, s, &plan->top, &node));
  node.gain = gain_per_row(g, &v, &best) * (double)node.rows;
  forget(g, &v, s);
  atomic_store(&g->next, 0);
  br_team_run(team, part_part, g);
  BR_TRY(br__nodes_add(&plan->top, &node, number));
  struct node_view left, right;
  int32_t child;
  children(&v, best.n_left, &left, &right);
  BR_TRY(split_top(plan, team, left, small, &child));
  plan->top.node[*number].left = child;
  BR_TRY(split_top(plan, team, right, small, &child));
  plan->top.node[*number].right = child;
  return BR_OK;
}

static void subtree_part(void *arg, struct br_part part) {
  struct plan *plan = arg;
  for (size_t i; (i = atomic_fetch_add(&plan->next, 1)) < plan->n;) {
    if ((int)(i % (size_t)plan->ranks) != plan->rank) continue;
    size_t k = plan->order[i];
    int32_t root;
    int status = grow(plan->grower, plan->subtree[k], &plan->grower->scratch[part.index], &plan->grown[k], &root);
    if (status != BR_OK) atomic_store(&plan->status, status);
  }
}

static const struct node_view *sorting; /* qsort has no context; only the thread that plans a tree uses it */
static int by_size(const void *a, const void *b) {
  size_t i = *(const size_t *)a, k = *(const size_t *)b;
  size_t m = sorting[i].end - sorting[i].begin, n = sorting[k].end - sorting[k].begin;
  return m != n ? (m > n ? -1 : 1) : (i < k ? -1 : i > k);
}

/* The whole tree in order: a node, what is left of it, what is right. */
static int stitch(const struct plan *plan, int32_t number, struct br__nodes *out, int32_t *placed) {
  if (number <= -2) return br__nodes_copy(out, &plan->grown[-2 - number], 0, placed);
  struct br__node node = plan->top.node[number];
  if (node.is_set) {
    uint32_t length;
    memcpy(&length, plan->top.sets + node.set, 4);
    BR_TRY(br__nodes_add_set(out, plan->top.sets + plan->top.node[number].set + 4, length, &node.set));
  }
  BR_TRY(br__nodes_add(out, &node, placed));
  int32_t child;
  BR_TRY(stitch(plan, node.left, out, &child));
  out->node[*placed].left = child;
  BR_TRY(stitch(plan, node.right, out, &child));
  out->node[*placed].right = child;
  return BR_OK;
}

int br__grower_run_team(struct br__grower *g, struct br_comm *comm, struct br_team *team, struct br__nodes *out) {
  struct plan plan = {.grower = g, .rank = br_comm_rank(comm), .ranks = br_comm_size(comm)};
  size_t small = g->n / 64 > 4096 ? g->n / 64 : 4096;
  int32_t root, placed;
  int status = split_top(&plan, team, (struct node_view){.end = g->n, .path = 1}, small, &root);
  if (status == BR_OK) status = br_memory_alloc(plan.n, sizeof *plan.grown, "tree", &plan.grown);
  if (status == BR_OK) status = br_memory_alloc(plan.n, sizeof *plan.order, "tree", &plan.order);
  if (status == BR_OK) {
    for (size_t k = 0; k < plan.n; k++) plan.order[k] = k;
    sorting = plan.subtree;
    qsort(plan.order, plan.n, sizeof *plan.order, by_size);
    br_team_run(team, subtree_part, &plan);
    status = atomic_load(&plan.status);
    if (status != BR_OK) br_error_set(status, "no memory to grow a tree of %zu rows", g->n);
  }
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br__nodes_share(comm, plan.grown, plan.n);
  if (status == BR_OK) status = stitch(&plan, root, out, &placed);
  for (size_t k = 0; plan.grown && k < plan.n; k++) br__nodes_free(&plan.grown[k]);
  br__nodes_free(&plan.top);
  br_memory_free(plan.grown);
  br_memory_free(plan.order);
  free(plan.subtree);
  return br_comm_agree(comm, status);
}
