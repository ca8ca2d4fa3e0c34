/* K-means: Lloyd's iterations from a start by k-means++ (Arthur and Vassilvitskii 2007). Values are rounded once to a grid on which the sums of all rows
 * are integers, so centres have the same bits on any number of ranks; the start's draws are by counter, and a row is found by the sum of
 * squared distances before it, which are integers too. Columns count equally (scaled to deviation 1) unless the settings say otherwise. */
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/text.h>
#include <bramble/cluster/exact.h>
#include <bramble/table/train.h>

#include "model.h"
#include "moments.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct kmeans {
  size_t n;                 /* clusters */
  double *centre;           /* [n][features], in the file's units */
  double *mean, *deviation; /* [features]: how distances are scaled */
  int64_t *rows;            /* [n]: of the training */
};

/* --- the model ----------------------------------------------------------------------------------------------------------- */

static size_t kmeans_tensors(const struct br_table_model *model, struct br_tensor_entry *e) {
  const struct kmeans *body = model->body;
  e[0] = (struct br_tensor_entry){.name = "centres", .type = BR_F64, .dims = 1, .shape = {body->n * model->n_features}, .data = body->centre};
  e[1] = (struct br_tensor_entry){.name = "mean", .type = BR_F64, .dims = 1, .shape = {model->n_features}, .data = body->mean};
  e[2] = (struct br_tensor_entry){.name = "deviation", .type = BR_F64, .dims = 1, .shape = {model->n_features}, .data = body->deviation};
  e[3] = (struct br_tensor_entry){.name = "rows", .type = BR_I64, .dims = 1, .shape = {body->n}, .data = body->rows};
  return 4;
}

static void kmeans_free(struct br_table_model *model) {
  const struct kmeans *body = model->body;
  br__model_free_body(model, (void *[]){body->centre, body->mean, body->deviation, body->rows}, 4);
}

static int new_body(struct br_table_model *model, size_t n, struct kmeans **out) {
  struct kmeans *body;
  size_t all;
  BR_TRY(br_memory_alloc(1, sizeof *body, "clusters", &body));
  model->body = *out = body;
  body->n = n;
  if (!br_size_mul(n, model->n_features, &all)) BR_FAIL(BR_ERROR_MEMORY, "too many clusters");
  BR_TRY(br_memory_alloc(all, sizeof *body->centre, "clusters", &body->centre));
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->mean, "clusters", &body->mean));
  BR_TRY(br_memory_alloc(model->n_features, sizeof *body->deviation, "clusters", &body->deviation));
  return br_memory_alloc(n, sizeof *body->rows, "clusters", &body->rows);
}

static int kmeans_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct kmeans *body;
  const void *data;
  size_t n;
  BR_TRY(br__model_tensor(file, "rows", BR_I64, SIZE_MAX, &data, &n));
  if (n == 0) BR_FAIL(BR_ERROR_DATA, "it has no clusters");
  BR_TRY(new_body(model, n, &body));
  BR_TRY(br__model_load_body(model, file));
  for (size_t f = 0; f < model->n_features; f++)
    if (!(body->deviation[f] > 0)) BR_FAIL(BR_ERROR_DATA, "the deviation of column %s is not above 0", model->features[f].name);
  return BR_OK;
}

double br__kmeans_distance(const struct br_table_model *model, const double *x, size_t cluster) {
  const struct kmeans *body = model->body;
  double sum = 0;
  for (size_t f = 0; f < model->n_features; f++) {
    double d = (x[f] - body->centre[cluster * model->n_features + f]) / body->deviation[f];
    sum += d * d;
  }
  return sum;
}

/* The number of the nearest cluster; NaN where a value is missing. */
static void kmeans_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct kmeans *body = model->body;
  double nearest = INFINITY;
  out[0] = NAN;
  for (size_t k = 0; k < body->n; k++) {
    double distance = br__kmeans_distance(model, x, k);
    if (distance < nearest) nearest = distance, out[0] = (double)k;
  }
}

static void kmeans_describe(const struct br_table_model *model, json_t *into) {
  const struct kmeans *body = model->body;
  json_t *clusters = json_array();
  for (size_t k = 0; k < body->n; k++) {
    json_t *centre = json_object();
    for (size_t f = 0; f < model->n_features; f++) json_object_set_new(centre, model->features[f].name, json_real(body->centre[k * model->n_features + f]));
    json_array_append_new(clusters, json_pack("{s:I,s:I,s:o}", "cluster", (json_int_t)k, "rows", (json_int_t)body->rows[k], "centre", centre));
  }
  json_object_set_new(into, "clusters", clusters);
}

const struct br__model_class br__kmeans_class = {.name = "kmeans", .tensors = kmeans_tensors, .load = kmeans_load, .predict = kmeans_predict, .describe = kmeans_describe, .free = kmeans_free};

/* --- rows on the grid ---------------------------------------------------------------------------------------------------- */

/* A column's value v is mean + deviation * unit * (a whole number). */
struct fit {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_task *task;
  struct kmeans *body;
  size_t rows, p, n;
  uint64_t before;         /* rows on lower ranks */
  double *z;               /* [row][feature], scaled and on the grid */
  double unit;
  double *centre;          /* [cluster][feature], scaled */
  int32_t *cluster;        /* [row] */
  double *distance;        /* [row]: squared, to the nearest centre */
  int64_t **sums;          /* per thread: [cluster][feature], then rows of each cluster, then rows that changed theirs */
  size_t n_sums, newest;
  struct br_sum *inertia;  /* [thread] */
};

static int open_fit(struct fit *f) {
  size_t threads = (size_t)br_team_count(f->team), all;
  for (size_t b = 0; b < br_table_blocks(f->task->table); b++)
    for (size_t i = 0; i < br_table_block_rows(f->task->table, b); i++) f->rows += f->task->rows->role[b][i] == BR_ROW_TRAIN;
  f->n_sums = f->n * f->p + f->n + 1;
  size_t need = f->rows * (f->p + 1) * 8 + f->rows * 4 + threads * f->n_sums * 8;
  char a[32], b[32];
  if (f->task->memory_bytes && need > f->task->memory_bytes)
    BR_FAIL(BR_ERROR_MEMORY, "k-means on this rank's %zu rows of %zu columns needs %s, and %s are allowed; raise --memory or use more ranks", f->rows, f->p, br_text_bytes((double)need, a), br_text_bytes((double)f->task->memory_bytes, b));
  if (!br_size_mul(f->rows, f->p, &all)) BR_FAIL(BR_ERROR_MEMORY, "too many rows");
  BR_TRY(br_memory_alloc(all, sizeof *f->z, "rows", &f->z));
  BR_TRY(br_memory_alloc(f->rows, sizeof *f->cluster, "rows", &f->cluster));
  BR_TRY(br_memory_alloc(f->rows, sizeof *f->distance, "rows", &f->distance));
  BR_TRY(br_memory_alloc(f->n * f->p, sizeof *f->centre, "clusters", &f->centre));
  BR_TRY(br_memory_alloc(threads, sizeof *f->inertia, "threads", &f->inertia));
  BR_TRY(br_memory_alloc(threads, sizeof *f->sums, "threads", &f->sums));
  for (size_t t = 0; t < threads; t++) BR_TRY(br_memory_alloc(f->n_sums, sizeof **f->sums, "clusters", &f->sums[t]));
  return BR_OK;
}

static void close_fit(struct fit *f) {
  for (int t = 0; f->sums && t < br_team_count(f->team); t++) br_memory_free(f->sums[t]);
  br_memory_free(f->sums);
  br_memory_free(f->z);
  br_memory_free(f->cluster);
  br_memory_free(f->distance);
  br_memory_free(f->centre);
  br_memory_free(f->inertia);
}

static int read_rows(struct fit *f) {
  const struct br_table *table = f->task->table;
  double *values;
  BR_TRY(br_memory_alloc(br_table_largest_block(table), sizeof *values, "values", &values));
  size_t first = 0;
  for (size_t b = 0; b < br_table_blocks(table); b++) {
    const unsigned char *role = f->task->rows->role[b];
    size_t row = first;
    for (size_t k = 0; k < f->p; k++) {
      br_table_numbers(table, f->task->features[k], b, values);
      row = first;
      for (size_t i = 0; i < br_table_block_rows(table, b); i++)
        if (role[i] == BR_ROW_TRAIN) f->z[row++ * f->p + k] = values[i];
    }
    first = row;
  }
  br_memory_free(values);
  return BR_OK;
}

/* z to mean 0 and deviation 1 (or the deviation as it is), rounded to the grid. */
static int scale(struct fit *f, bool unscaled) {
  struct kmeans *body = f->body;
  BR_TRY(br__feature_moments(f->comm, f->team, f->task, body->mean, body->deviation));
  double largest = 1;
  for (size_t k = 0; unscaled && k < f->p; k++) body->deviation[k] = 1;
  for (size_t i = 0; i < f->rows; i++)
    for (size_t k = 0; k < f->p; k++) {
      double *z = &f->z[i * f->p + k];
      *z = (*z - body->mean[k]) / body->deviation[k];
      if (fabs(*z) > largest) largest = fabs(*z);
    }
  BR_TRY(br__largest(f->comm, &largest));
  int exponent, count = 1;
  frexp(largest, &exponent);
  while ((uint64_t)1 << count < f->task->rows->train) count++;
  f->unit = ldexp(1, exponent - (62 - count < 45 ? 62 - count : 45));
  for (size_t i = 0; i < f->rows * f->p; i++) f->z[i] = rint(f->z[i] / f->unit) * f->unit;
  return BR_OK;
}

/* --- the start ----------------------------------------------------------------------------------------------------------- */

static double squared(const double *a, const double *b, size_t p) {
  double sum = 0;
  for (size_t k = 0; k < p; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

static void distance_part(void *arg, struct br_part part) {
  struct fit *f = arg;
  size_t first, last;
  br_part_range(part, f->rows, 64, &first, &last);
  for (size_t i = first; i < last; i++) {
    double d = squared(f->z + i * f->p, f->centre + f->newest * f->p, f->p);
    if (f->newest == 0 || d < f->distance[i]) f->distance[i] = d;
  }
}

/* Makes row `row` of all ranks the next centre. */
static int take_centre(struct fit *f, uint64_t row) {
  double *centre = f->centre + f->newest * f->p;
  int64_t owner = row >= f->before && row - f->before < f->rows ? br_comm_rank(f->comm) : -1;
  if (owner >= 0) memcpy(centre, f->z + (size_t)(row - f->before) * f->p, f->p * sizeof *centre);
  BR_TRY(br_comm_max_i64(f->comm, &owner, 1));
  BR_TRY(br_comm_broadcast(f->comm, centre, f->p * sizeof *centre, (int)owner));
  br_team_run(f->team, distance_part, f);
  f->newest++;
  return BR_OK;
}

/* A row drawn in proportion to its squared distance; SIZE_MAX-like 2^64 - 1 where all distances are 0. */
static int draw_row(struct fit *f, uint64_t seed, uint64_t *row) {
  int ranks = br_comm_size(f->comm), rank = br_comm_rank(f->comm), count = 1;
  double largest = 0;
  int64_t mine = 0, *all;
  for (size_t i = 0; i < f->rows; i++) largest = f->distance[i] > largest ? f->distance[i] : largest;
  BR_TRY(br__largest(f->comm, &largest));
  *row = UINT64_MAX;
  if (!(largest > 0)) return BR_OK;
  while ((uint64_t)1 << count < f->task->rows->train) count++;
  double scale = ldexp(1, 62 - count - (ilogb(largest) + 1)); /* weights of all rows together stay below 2^62 */
  for (size_t i = 0; i < f->rows; i++) mine += (int64_t)(f->distance[i] * scale);
  BR_TRY(br_comm_agree(f->comm, br_memory_alloc((size_t)ranks, sizeof *all, "ranks", &all)));
  int status = br_comm_allgather(f->comm, &mine, sizeof mine, all);
  uint64_t total = 0, before = 0;
  for (int r = 0; r < ranks; r++) total += (uint64_t)all[r];
  for (int r = 0; r < rank; r++) before += (uint64_t)all[r];
  br_memory_free(all);
  BR_TRY(status);
  uint32_t word[4];
  br_random_block(seed, BR_RANDOM_KMEANS, (uint32_t)f->newest, 0, 0, word);
  uint64_t draw = (uint64_t)(((unsigned __int128)((uint64_t)word[0] << 32 | word[1]) * total) >> 64);
  int64_t found = -1;
  for (size_t i = 0; i < f->rows && found < 0; i++) {
    uint64_t weight = (uint64_t)(int64_t)(f->distance[i] * scale);
    if (draw >= before && draw - before < weight) found = (int64_t)(f->before + i);
    before += weight;
  }
  BR_TRY(br_comm_max_i64(f->comm, &found, 1));
  if (found >= 0) *row = (uint64_t)found;
  return BR_OK;
}

static int start(struct fit *f) {
  int64_t mine = (int64_t)f->rows, *all;
  BR_TRY(br_comm_agree(f->comm, br_memory_alloc((size_t)br_comm_size(f->comm), sizeof *all, "ranks", &all)));
  int status = br_comm_allgather(f->comm, &mine, sizeof mine, all);
  for (int r = 0; r < br_comm_rank(f->comm); r++) f->before += (uint64_t)all[r];
  br_memory_free(all);
  BR_TRY(status);
  struct br_random random = br_random_open(f->task->seed, BR_RANDOM_KMEANS, UINT32_MAX, 0);
  uint64_t row = (uint64_t)(br_random_double(&random) * (double)f->task->rows->train);
  while (f->newest < f->n) {
    BR_TRY(take_centre(f, row));
    if (f->newest == f->n) break;
    BR_TRY(draw_row(f, f->task->seed, &row));
    if (row == UINT64_MAX) BR_FAIL(BR_ERROR_DATA, "only %zu different rows: %zu clusters are not possible", f->newest, f->n);
  }
  return BR_OK;
}

/* --- iterations ---------------------------------------------------------------------------------------------------------- */

static void assign_part(void *arg, struct br_part part) {
  struct fit *f = arg;
  int64_t *sums = f->sums[part.index];
  size_t first, last;
  br_part_range(part, f->rows, 64, &first, &last);
  memset(sums, 0, f->n_sums * sizeof *sums);
  f->inertia[part.index] = (struct br_sum){0};
  for (size_t i = first; i < last; i++) {
    const double *z = f->z + i * f->p;
    size_t nearest = 0;
    double least = INFINITY;
    for (size_t k = 0; k < f->n; k++) {
      double d = squared(z, f->centre + k * f->p, f->p);
      if (d < least) least = d, nearest = k;
    }
    sums[f->n_sums - 1] += f->cluster[i] != (int32_t)nearest;
    sums[f->n * f->p + nearest]++;
    f->cluster[i] = (int32_t)nearest;
    br_sum_add(&f->inertia[part.index], least);
    for (size_t k = 0; k < f->p; k++) sums[nearest * f->p + k] += (int64_t)(z[k] / f->unit);
  }
}

/* One iteration: rows to their nearest centres (ties to the lower number), centres to the means of their rows; one that has none stays. */
static int iterate(struct fit *f, int64_t *changed, double *inertia) {
  int64_t *sums = f->sums[0];
  br_team_run(f->team, assign_part, f);
  for (int t = 1; t < br_team_count(f->team); t++) {
    br_sum_merge(&f->inertia[0], &f->inertia[t]);
    for (size_t i = 0; i < f->n_sums; i++) sums[i] += f->sums[t][i];
  }
  BR_TRY(br_comm_sum_i64(f->comm, sums, f->n_sums));
  BR_TRY(br_comm_sum_exact(f->comm, f->inertia, 1));
  *inertia = br_sum_value(&f->inertia[0]);
  *changed = sums[f->n_sums - 1];
  for (size_t k = 0; k < f->n; k++) {
    int64_t rows = f->body->rows[k] = sums[f->n * f->p + k];
    for (size_t c = 0; rows && c < f->p; c++) f->centre[k * f->p + c] = (double)sums[k * f->p + c] / (double)rows * f->unit;
  }
  return BR_OK;
}

static int fit_model(struct fit *f, const struct br_kmeans_settings *settings, struct br_table_model *model, double *inertia) {
  int64_t changed = 1;
  int steps = 0, status = new_body(model, f->n, &f->body);
  if (status == BR_OK) status = open_fit(f);
  if (status == BR_OK) status = read_rows(f);
  BR_TRY(br_comm_agree(f->comm, status));
  BR_TRY(scale(f, settings->unscaled));
  BR_TRY(start(f));
  for (size_t i = 0; i < f->rows; i++) f->cluster[i] = -1;
  for (; changed && steps < settings->iterations; steps++) BR_TRY(iterate(f, &changed, inertia));
  if (changed) br_warn("k-means: %lld rows still changed their cluster after %d iterations; --iterations allows more", (long long)changed, steps);
  for (size_t i = 0; i < f->n * f->p; i++) f->body->centre[i] = f->centre[i] * f->body->deviation[i % f->p] + f->body->mean[i % f->p];
  json_object_set_new(model->settings, "clusters", json_integer((json_int_t)f->n));
  json_object_set_new(model->settings, "scaled", json_boolean(!settings->unscaled));
  json_object_set_new(model->settings, "iterations", json_integer(steps));
  return BR_OK;
}

int br_kmeans_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_kmeans_settings *settings, struct br_table_model **out, json_t *report) {
  double inertia = 0;
  *out = NULL;
  if (settings->clusters < 1 || settings->clusters > task->rows->train || settings->clusters > 1000000) BR_FAIL(BR_ERROR_USAGE, "--clusters %zu: 1 to the number of rows (%llu), at most 1000000, are possible", settings->clusters, (unsigned long long)task->rows->train);
  for (size_t k = 0; k < task->n_features; k++)
    if (br_table_type(task->table, task->features[k]) == BR_COLUMN_CATEGORY) BR_FAIL(BR_ERROR_DATA, "column %s holds categories, and k-means takes numbers; name the columns to use with --features", br_table_name(task->table, task->features[k]));
  BR_TRY(br_comm_agree(comm, br__model_create(BR_TABLE_KMEANS, task->table, task->features, task->n_features, SIZE_MAX, out)));
  struct fit f = {.comm = comm, .team = team, .task = task, .p = task->n_features, .n = settings->clusters};
  int status = fit_model(&f, settings, *out, &inertia);
  close_fit(&f);
  BR_TRY(br__model_end(status, out));
  if (report) {
    json_object_set_new(report, "rows", json_integer((json_int_t)task->rows->train));
    json_object_set(report, "iterations", json_object_get((*out)->settings, "iterations"));
    json_object_set_new(report, "inertia", json_real(inertia));
    kmeans_describe(*out, report);
  }
  return BR_OK;
}
