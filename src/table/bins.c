/* Cutting features into bins, the same on any number of ranks: the distinct values of all ranks are united where they are few, and
 * quantiles come from a sample that row numbers choose. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include "bins.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define SAMPLE_ROWS 200000

/* --- sorting ------------------------------------------------------------------------------------------------------------- */

uint64_t br__ordered(double x) {
  uint64_t bits;
  x += 0.0; /* -0 becomes 0 */
  memcpy(&bits, &x, 8);
  return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

double br__from_ordered(uint64_t key) {
  uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
  double x;
  memcpy(&x, &bits, 8);
  return x;
}

static void insertion_sort(uint64_t *keys, size_t n) {
  for (size_t i = 1; i < n; i++) {
    uint64_t key = keys[i];
    size_t k = i;
    for (; k > 0 && keys[k - 1] > key; k--) keys[k] = keys[k - 1];
    keys[k] = key;
  }
}

/* Radix sort by bytes; bytes that are the same in all keys cost one look. */
void br__sort_u64(uint64_t *keys, uint64_t *scratch, size_t n) {
  if (n < 64) {
    insertion_sort(keys, n);
    return;
  }
  uint64_t *from = keys, *to = scratch;
  for (int shift = 0; shift < 64; shift += 8) {
    size_t count[256] = {0}, at[256], sum = 0;
    for (size_t i = 0; i < n; i++) count[from[i] >> shift & 255]++;
    if (count[from[0] >> shift & 255] == n) continue;
    for (int k = 0; k < 256; k++) at[k] = sum, sum += count[k];
    for (size_t i = 0; i < n; i++) to[at[from[i] >> shift & 255]++] = from[i];
    uint64_t *swap = from;
    from = to, to = swap;
  }
  if (from != keys) memcpy(keys, from, n * sizeof *keys);
}

/* --- finding ------------------------------------------------------------------------------------------------------------- */

/* A set of at most `limit` keys; key 0 (a NaN's) never occurs. */
struct key_set {
  uint64_t *slot;
  size_t slots, n, limit;
};

/* False when the set is full. */
static bool key_set_add(struct key_set *set, uint64_t key) {
  size_t s = (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & (set->slots - 1);
  for (; set->slot[s]; s = (s + 1) & (set->slots - 1))
    if (set->slot[s] == key) return true;
  if (set->n == set->limit) return false;
  set->slot[s] = key;
  set->n++;
  return true;
}

struct finding {
  const struct br_task *task;
  uint32_t exact;
  uint64_t sample_below; /* a row is in the sample if its random word is below */
  uint32_t **sample;     /* [block]: the training rows in the sample, behind their number */
  uint64_t **keys;       /* per feature: distinct values, or the sample's values */
  size_t *n_keys;
  int64_t *many;         /* per feature: more than `exact` distinct values */
  bool sampling;
  atomic_size_t next;
  atomic_int status;
};

/* Which training rows of a block are in the sample. */
static int draw_sample(struct finding *f, size_t block) {
  const unsigned char *role = f->task->rows->role[block];
  size_t rows = br_table_block_rows(f->task->table, block);
  uint64_t first = br_table_block_first(f->task->table, block);
  uint32_t word[4], n = 0, *drawn;
  BR_TRY(br_memory_alloc(rows + 1, sizeof *drawn, "sample of rows", &drawn));
  for (size_t i = 0; i < rows; i++) {
    if (role[i] != BR_ROW_TRAIN) continue;
    br_random_block(f->task->seed, BR_RANDOM_SPLIT, 1, first + i, 0, word);
    if (word[0] < f->sample_below) drawn[++n] = (uint32_t)i;
  }
  drawn[0] = n;
  f->sample[block] = drawn;
  return BR_OK;
}

static void draw_part(void *arg, struct br_part part) {
  struct finding *f = arg;
  (void)part;
  for (size_t b; (b = atomic_fetch_add(&f->next, 1)) < br_table_blocks(f->task->table);) {
    int status = draw_sample(f, b);
    if (status != BR_OK) atomic_store(&f->status, status);
  }
}

static int collect_distinct(struct finding *f, size_t feature, double *values) {
  const struct br_task *task = f->task;
  struct key_set set = {.limit = f->exact, .slots = 64};
  while (set.slots < 2 * (size_t)f->exact) set.slots *= 2;
  BR_TRY(br_memory_alloc(set.slots, sizeof *set.slot, "distinct values", &set.slot));
  for (size_t b = 0; b < br_table_blocks(task->table) && !f->many[feature]; b++) {
    br_table_numbers(task->table, task->features[feature], b, values);
    const unsigned char *role = task->rows->role[b];
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++)
      if (role[i] == BR_ROW_TRAIN && !isnan(values[i]) && !key_set_add(&set, br__ordered(values[i]))) {
        f->many[feature] = 1;
        break;
      }
  }
  size_t n = 0;
  for (size_t s = 0; s < set.slots; s++)
    if (set.slot[s]) set.slot[n++] = set.slot[s];
  f->keys[feature] = set.slot;
  f->n_keys[feature] = f->many[feature] ? 0 : n;
  return BR_OK;
}

static int collect_sample(struct finding *f, size_t feature, double *values) {
  const struct br_task *task = f->task;
  size_t n = 0, capacity = 0;
  for (size_t b = 0; b < br_table_blocks(task->table); b++) capacity += f->sample[b][0];
  uint64_t *keys;
  BR_TRY(br_memory_alloc(capacity, sizeof *keys, "sample of values", &keys));
  for (size_t b = 0; b < br_table_blocks(task->table); b++) {
    const uint32_t *drawn = f->sample[b];
    br_table_numbers(task->table, task->features[feature], b, values);
    for (uint32_t i = 1; i <= drawn[0]; i++)
      if (!isnan(values[drawn[i]])) keys[n++] = br__ordered(values[drawn[i]]);
  }
  br_memory_free(f->keys[feature]);
  f->keys[feature] = keys;
  f->n_keys[feature] = n;
  return BR_OK;
}

static void find_part(void *arg, struct br_part part) {
  struct finding *f = arg;
  (void)part;
  double *values;
  int status = br_memory_alloc(br_table_largest_block(f->task->table), sizeof *values, "values", &values);
  for (size_t k; status == BR_OK && (k = atomic_fetch_add(&f->next, 1)) < f->task->n_features;) {
    if (br_table_type(f->task->table, f->task->features[k]) == BR_COLUMN_CATEGORY) continue;
    if (!f->sampling)
      status = collect_distinct(f, k, values);
    else if (f->many[k])
      status = collect_sample(f, k, values);
  }
  if (status != BR_OK) atomic_store(&f->status, status);
  if (values) br_memory_free(values);
}

static int run(struct br_comm *comm, struct br_team *team, struct finding *f, bool sampling) {
  f->sampling = sampling;
  bool any = false;
  for (size_t k = 0; k < f->task->n_features; k++) any = any || f->many[k];
  if (sampling && any && !f->sample) {
    int drawn = br_memory_alloc(br_table_blocks(f->task->table), sizeof *f->sample, "sample of rows", &f->sample);
    if (drawn != BR_OK) atomic_store(&f->status, drawn);
    atomic_store(&f->next, 0);
    if (drawn == BR_OK) br_team_run(team, draw_part, f);
  }
  atomic_store(&f->next, 0);
  if (atomic_load(&f->status) == BR_OK) br_team_run(team, find_part, f);
  int status = atomic_load(&f->status);
  if (status != BR_OK) status = br_error_set(status, "no memory for the distinct values of %zu columns", f->task->n_features);
  return br_comm_agree(comm, status);
}

/* All ranks' keys of a feature, sorted, on every rank. */
static int unite(struct br_comm *comm, uint64_t *mine, size_t n_mine, uint64_t **all, size_t *n_all) {
  unsigned char *gathered = NULL;
  int status = BR_OK;
  uint64_t total = n_mine;
  size_t *sizes = NULL, bytes = 0;
  if (br_comm_rank(comm) == 0) status = br_memory_alloc((size_t)br_comm_size(comm), sizeof *sizes, "ranks", &sizes);
  BR_TRY(br_comm_agree(comm, status));
  BR_TRY(br_comm_gather(comm, mine, n_mine * sizeof *mine, 0, &gathered, sizes));
  for (int r = 0; sizes && r < br_comm_size(comm); r++) bytes += sizes[r];
  br_memory_free(sizes);
  total = bytes / sizeof *mine;
  BR_TRY(br_comm_broadcast(comm, &total, sizeof total, 0));
  uint64_t *keys = (uint64_t *)(void *)gathered, *scratch = NULL;
  if (br_comm_rank(comm) != 0)
    status = br_memory_alloc((size_t)total, sizeof *keys, "values of a column", &keys);
  else
    status = br_memory_alloc((size_t)total, sizeof *keys, "values of a column", &scratch);
  status = br_comm_agree(comm, status);
  if (status == BR_OK && scratch) br__sort_u64(keys, scratch, (size_t)total);
  br_memory_free(scratch);
  if (status == BR_OK && total) status = br_comm_broadcast(comm, keys, (size_t)total * sizeof *keys, 0);
  if (status != BR_OK) {
    br_memory_free(keys);
    return status;
  }
  *all = keys;
  *n_all = (size_t)total;
  return BR_OK;
}

double br__between(double a, double b) {
  double middle = a + (b - a) / 2;
  return isfinite(middle) && middle < b ? middle : a;
}

static int bins_of_keys(struct br__feature_bins *out, const uint64_t *keys, size_t n, uint32_t quantiles) {
  size_t most = out->exact ? n : quantiles;
  BR_TRY(br_memory_alloc(most + 1, sizeof *out->low, "bins", &out->low));
  BR_TRY(br_memory_alloc(most + 1, sizeof *out->high, "bins", &out->high));
  for (size_t i = 0; out->exact && i < n; i++) {
    if (i && keys[i] == keys[i - 1]) continue;
    out->low[++out->n] = br__from_ordered(keys[i]);
    out->high[out->n] = out->low[out->n];
  }
  for (uint32_t q = 1; !out->exact && q <= quantiles; q++) {
    size_t at = (size_t)((uint64_t)n * q / quantiles);
    double cut = INFINITY;
    if (q < quantiles) {
      cut = br__between(br__from_ordered(keys[at ? at - 1 : 0]), br__from_ordered(keys[at < n ? at : n - 1]));
    }
    if (out->n && cut <= out->high[out->n]) continue;
    double low = out->n ? out->high[out->n] : -INFINITY;
    out->low[++out->n] = low;
    out->high[out->n] = cut;
  }
  return BR_OK;
}

static int finish(struct br_comm *comm, struct finding *f, size_t k, uint32_t quantiles, struct br__feature_bins *out) {
  const struct br_task *task = f->task;
  if (br_table_type(task->table, task->features[k]) == BR_COLUMN_CATEGORY) {
    size_t n = br_table_categories(task->table, task->features[k]);
    if (n > 65534) BR_FAIL(BR_ERROR_DATA, "column %s has %zu categories, more than the 65534 a tree can use; leave it out", br_table_name(task->table, task->features[k]), n);
    *out = (struct br__feature_bins){.category = true, .n = (uint32_t)n};
    return BR_OK;
  }
  uint64_t *keys;
  size_t n;
  BR_TRY(unite(comm, f->keys[k], f->n_keys[k], &keys, &n));
  size_t distinct = 0;
  for (size_t i = 0; i < n; i++) distinct += i == 0 || keys[i] != keys[i - 1];
  out->exact = !f->many[k] && distinct <= f->exact;
  if (!out->exact && !f->many[k]) f->many[k] = 2; /* few on each rank, many together: the caller samples */
  int status = f->many[k] == 2 ? BR_OK : bins_of_keys(out, keys, n, quantiles);
  br_memory_free(keys);
  return status;
}

int br__bins_find(struct br_comm *comm, struct br_team *team, const struct br_task *task, uint32_t exact, uint32_t quantiles, struct br__bins *out) {
  size_t p = task->n_features;
  struct finding f = {.task = task, .exact = exact};
  double share = (double)SAMPLE_ROWS / (double)task->rows->train;
  f.sample_below = share >= 1 ? (uint64_t)1 << 32 : (uint64_t)(share * 0x1p32);
  *out = (struct br__bins){.n_features = p};
  int status = br_memory_alloc(p, sizeof *out->feature, "bins", &out->feature);
  if (status == BR_OK) status = br_memory_alloc(p, sizeof *f.keys, "bins", &f.keys);
  if (status == BR_OK) status = br_memory_alloc(p, sizeof *f.n_keys, "bins", &f.n_keys);
  if (status == BR_OK) status = br_memory_alloc(p, sizeof *f.many, "bins", &f.many);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = run(comm, team, &f, false);
  if (status == BR_OK) status = br_comm_max_i64(comm, f.many, p);
  for (int round = 0; status == BR_OK && round < 2; round++) {
    if (status == BR_OK) status = run(comm, team, &f, true);
    bool again = false;
    for (size_t k = 0; status == BR_OK && k < p; k++) {
      if (round && f.many[k] != 2) continue;
      if (round) f.many[k] = 1;
      status = finish(comm, &f, k, quantiles, &out->feature[k]);
      again = again || f.many[k] == 2;
    }
    if (!again) break;
  }
  for (size_t b = 0; f.sample && b < br_table_blocks(task->table); b++) br_memory_free(f.sample[b]);
  br_memory_free(f.sample);
  for (size_t k = 0; f.keys && k < p; k++) br_memory_free(f.keys[k]);
  br_memory_free(f.keys);
  br_memory_free(f.n_keys);
  br_memory_free(f.many);
  if (status != BR_OK) br__bins_free(out);
  return status;
}

void br__bins_free(struct br__bins *bins) {
  for (size_t k = 0; bins->feature && k < bins->n_features; k++) {
    br_memory_free(bins->feature[k].low);
    br_memory_free(bins->feature[k].high);
  }
  br_memory_free(bins->feature);
  *bins = (struct br__bins){0};
}

/* --- applying ------------------------------------------------------------------------------------------------------------ */

uint32_t br__bin_of(const struct br__feature_bins *feature, double value) {
  if (isnan(value) || feature->n == 0) return 0;
  if (feature->category) return (uint32_t)value + 1;
  const double *high = feature->high + 1;
  size_t at = 0, n = feature->n; /* the first bin whose high is not below the value, or the last */
  while (n > 1) {
    size_t half = n / 2;
    at += high[at + half - 1] < value ? half : 0;
    n -= half;
  }
  return (uint32_t)at + 1;
}

struct applying {
  const struct br_task *task;
  const struct br__bins *bins;
  enum br_role role;
  struct br__binned *out;
  size_t *first; /* rows of the role before each block */
  atomic_size_t next;
  atomic_int status;
};

static void apply_part(void *arg, struct br_part part) {
  struct applying *a = arg;
  const struct br_task *task = a->task;
  (void)part;
  double *values;
  if (br_memory_alloc(br_table_largest_block(task->table), sizeof *values, "values", &values) != BR_OK) {
    atomic_store(&a->status, BR_ERROR_MEMORY);
    return;
  }
  for (size_t b; (b = atomic_fetch_add(&a->next, 1)) < br_table_blocks(task->table);) {
    const unsigned char *role = task->rows->role[b];
    for (size_t k = 0; k < task->n_features; k++) {
      uint16_t *bin = a->out->bin[k] + a->first[b];
      br_table_numbers(task->table, task->features[k], b, values);
      for (size_t i = 0, n = 0; i < br_table_block_rows(task->table, b); i++)
        if (role[i] == (unsigned char)a->role) bin[n++] = (uint16_t)br__bin_of(&a->bins->feature[k], values[i]);
    }
  }
  br_memory_free(values);
}

int br__bins_apply(struct br_team *team, const struct br_task *task, const struct br__bins *bins, enum br_role role, struct br__binned *out) {
  struct applying a = {.task = task, .bins = bins, .role = role, .out = out};
  size_t blocks = br_table_blocks(task->table);
  *out = (struct br__binned){.n_features = task->n_features};
  BR_TRY(br_memory_alloc(blocks + 1, sizeof *a.first, "rows of blocks", &a.first));
  for (size_t b = 0; b < blocks; b++) {
    a.first[b + 1] = a.first[b];
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) a.first[b + 1] += task->rows->role[b][i] == (unsigned char)role;
  }
  out->rows = a.first[blocks];
  int status = br_memory_alloc(task->n_features, sizeof *out->bin, "binned columns", &out->bin);
  for (size_t k = 0; status == BR_OK && k < task->n_features; k++) status = br_memory_alloc(out->rows, sizeof **out->bin, "binned columns", &out->bin[k]);
  if (status == BR_OK) {
    br_team_run(team, apply_part, &a);
    if (atomic_load(&a.status) != BR_OK) status = br_error_set(BR_ERROR_MEMORY, "no memory for the values of a block");
  }
  br_memory_free(a.first);
  if (status != BR_OK) br__binned_free(out);
  return status;
}

void br__binned_free(struct br__binned *binned) {
  for (size_t k = 0; binned->bin && k < binned->n_features; k++) br_memory_free(binned->bin[k]);
  br_memory_free(binned->bin);
  *binned = (struct br__binned){0};
}
