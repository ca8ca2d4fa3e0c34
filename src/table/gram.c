/* Exact Gram matrices by integers: units first (one look at the blocks' ranges), then one pass over all rows. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/csv.h>

#include "gram.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define SLICE_BITS 23
#define CHUNK 1024

/* How one term's values become integers: decimal units 10^-scale, or binary units 2^-shift; `middle` is taken away. */
struct unit {
  bool decimal;
  int scale, shift;
  int64_t middle;
  int slices;
  size_t first_slice;
};

struct computing {
  const struct br_table *table;
  const struct br_rows *rows;
  const struct br__term *terms;
  size_t n_terms, n_slices; /* slice 0 is the constant 1 */
  struct unit *units;
  struct scratch {
    double *values;
    int64_t *integers;
    int32_t *codes;
    uint32_t *index;   /* rows of one role in a block */
    int32_t *slice;    /* n_slices x block rows */
    __int128 *sums[2]; /* per role: n_slices (n_slices + 1) / 2 */
    uint64_t rows[2];
  } *scratch;
  atomic_size_t next;
};

/* --- units --------------------------------------------------------------------------------------------------------------- */

static const int64_t power10[19] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000};
#define LIMIT ((int64_t)1 << 53)

struct range {
  int64_t scale, floats, top_exponent, infinite;
};

/* What this rank's blocks say of a column; exponents only where some block holds doubles. */
static int column_range(const struct computing *c, size_t column, struct range *range, double *values) {
  *range = (struct range){.top_exponent = -2000};
  for (size_t b = 0; b < br_table_blocks(c->table); b++) {
    int scale, exponent;
    int64_t low, high;
    if (br_table_is_decimal(c->table, column, b, &scale, &low, &high)) {
      if (low > high) continue;
      if (scale > range->scale) range->scale = scale;
      frexp(br_number_decimal(-low > high ? -low : high, scale), &exponent);
    } else {
      range->floats = 1;
      br_table_numbers(c->table, column, b, values);
      double size = 0;
      for (size_t i = 0; i < br_table_block_rows(c->table, b); i++) size = fabs(values[i]) > size ? fabs(values[i]) : size;
      if (isinf(size)) range->infinite = 1;
      frexp(size, &exponent);
    }
    if (exponent > range->top_exponent) range->top_exponent = exponent;
  }
  return BR_OK;
}

/* Smallest and largest integer of a decimal column in its common unit; false if it leaves 53 bits. */
static bool decimal_limits(const struct computing *c, size_t column, int scale, int64_t limits[2]) {
  limits[0] = limits[1] = INT64_MIN; /* -low, high */
  for (size_t b = 0; b < br_table_blocks(c->table); b++) {
    int here;
    int64_t low, high;
    br_table_is_decimal(c->table, column, b, &here, &low, &high);
    if (low > high) continue;
    __int128 factor = scale - here > 18 ? (__int128)LIMIT : power10[scale - here];
    __int128 l = low * factor, h = high * factor;
    if (l < -LIMIT || h > LIMIT) return false;
    if (-(int64_t)l > limits[0]) limits[0] = -(int64_t)l;
    if ((int64_t)h > limits[1]) limits[1] = (int64_t)h;
  }
  return true;
}

static int bits_of(uint64_t x) { return x ? 64 - __builtin_clzll(x) : 0; }

static int find_unit(struct br_comm *comm, const struct computing *c, size_t column, double *values, struct unit *unit) {
  struct range range;
  BR_TRY(column_range(c, column, &range, values));
  BR_TRY(br_comm_max_i64(comm, &range.scale, 4));
  if (range.infinite) BR_FAIL(BR_ERROR_DATA, "column %s holds infinite values; mend them or leave the column out", br_table_name(c->table, column));
  int64_t limits[3] = {0, 0, 0};
  bool decimal = !range.floats && decimal_limits(c, column, (int)range.scale, limits);
  limits[2] = !decimal;
  BR_TRY(br_comm_max_i64(comm, limits, 3));
  *unit = (struct unit){.decimal = limits[2] == 0, .scale = (int)range.scale, .shift = 53 - (int)range.top_exponent};
  if (!unit->decimal) {
    unit->slices = 3;
    return BR_OK;
  }
  int64_t low = -limits[0], high = limits[1];
  if (limits[1] == INT64_MIN) low = high = 0;
  unit->middle = low + (high - low) / 2;
  int bits = bits_of((uint64_t)(high - unit->middle) + 1);
  unit->slices = bits < SLICE_BITS ? 1 : (bits + SLICE_BITS) / SLICE_BITS;
  return BR_OK;
}

static int find_units(struct br_comm *comm, struct computing *c, double *values) {
  c->n_slices = 1;
  for (size_t t = 0; t < c->n_terms; t++) {
    struct unit *unit = &c->units[t];
    *unit = (struct unit){.decimal = true, .slices = 1};
    if (c->terms[t].category < 0) BR_TRY(find_unit(comm, c, c->terms[t].column, values, unit));
    unit->first_slice = c->n_slices;
    c->n_slices += (size_t)unit->slices;
  }
  return BR_OK;
}

/* --- the pass ------------------------------------------------------------------------------------------------------------ */

/* The whole block's integers of a term. */
static void block_integers(const struct computing *c, size_t t, size_t block, struct scratch *s) {
  const struct unit *unit = &c->units[t];
  size_t n = br_table_block_rows(c->table, block), column = c->terms[t].column;
  if (c->terms[t].category >= 0) {
    br_table_codes(c->table, column, block, s->codes);
    for (size_t i = 0; i < n; i++) s->integers[i] = s->codes[i] == c->terms[t].category;
  } else if (unit->decimal) {
    int scale;
    int64_t low, high;
    br_table_is_decimal(c->table, column, block, &scale, &low, &high);
    br_table_decimals(c->table, column, block, s->integers);
    int64_t factor = low > high ? 0 : power10[unit->scale - scale];
    for (size_t i = 0; i < n; i++) s->integers[i] = (int64_t)((uint64_t)s->integers[i] * (uint64_t)factor - (uint64_t)unit->middle);
  } else {
    br_table_numbers(c->table, column, block, s->values);
    double up = ldexp(1, unit->shift > 1000 ? 1000 : unit->shift), rest = ldexp(1, unit->shift > 1000 ? unit->shift - 1000 : 0);
    for (size_t i = 0; i < n; i++) s->integers[i] = isnan(s->values[i]) ? 0 : (int64_t)rint(s->values[i] * up * rest);
  }
}

/* Cuts the chosen rows' integers into slices: the lower ones in [0, 2^23), the highest with the sign. */
static void cut(const struct unit *unit, const int64_t *integers, const uint32_t *index, size_t n, int32_t *slice, size_t stride) {
  if (unit->slices == 1) {
    for (size_t i = 0; i < n; i++) slice[i] = (int32_t)integers[index[i]];
    return;
  }
  const int64_t mask = ((int64_t)1 << SLICE_BITS) - 1;
  for (size_t i = 0; i < n; i++) {
    int64_t x = integers[index[i]];
    for (int k = 0; k + 1 < unit->slices; k++) {
      slice[(size_t)k * stride + i] = (int32_t)(x & mask);
      x >>= SLICE_BITS;
    }
    slice[(size_t)(unit->slices - 1) * stride + i] = (int32_t)x;
  }
}

static inline int64_t dot(const int32_t *a, const int32_t *b, size_t n) {
  int64_t sum = 0;
  for (size_t i = 0; i < n; i++) sum += (int64_t)a[i] * b[i];
  return sum;
}

static void add_block(const struct computing *c, size_t block, struct scratch *s) {
  size_t n = br_table_block_rows(c->table, block), stride = n;
  const unsigned char *role = c->rows->role[block];
  size_t kept[2] = {0, 0}, filled = 0;
  for (int k = 0; k < 2; k++) {
    for (size_t i = 0; i < n; i++)
      if (role[i] == (k ? BR_ROW_TEST : BR_ROW_TRAIN)) s->index[filled + kept[k]++] = (uint32_t)i;
    filled += kept[k];
    s->rows[k] += kept[k];
  }
  for (size_t i = 0; i < filled; i++) s->slice[i] = 1;
  for (size_t t = 0; t < c->n_terms; t++) {
    block_integers(c, t, block, s);
    cut(&c->units[t], s->integers, s->index, filled, s->slice + c->units[t].first_slice * stride, stride);
  }
  for (int k = 0; k < 2; k++) {
    size_t begin = k ? kept[0] : 0, end = k ? filled : kept[0];
    for (size_t at = begin; at < end; at += CHUNK) {
      size_t rows = end - at < CHUNK ? end - at : CHUNK;
      __int128 *sum = s->sums[k];
      for (size_t i = 0; i < c->n_slices; i++)
        for (size_t j = 0; j <= i; j++) *sum++ += dot(s->slice + i * stride + at, s->slice + j * stride + at, rows);
    }
  }
}

static void compute_part(void *arg, struct br_part part) {
  struct computing *c = arg;
  for (size_t b; (b = atomic_fetch_add(&c->next, 1)) < br_table_blocks(c->table);) add_block(c, b, &c->scratch[part.index]);
}

/* --- together ------------------------------------------------------------------------------------------------------------ */

/* Adds the threads' sums, then the ranks': a 128-bit number travels as three integers. */
static int sum_everywhere(struct br_comm *comm, struct computing *c, size_t threads, int role, uint64_t *rows) {
  size_t n = c->n_slices * (c->n_slices + 1) / 2;
  __int128 *total = c->scratch[0].sums[role];
  int64_t *limbs, count = 0;
  for (size_t t = 0; t < threads; t++) {
    count += (int64_t)c->scratch[t].rows[role];
    for (size_t i = 0; t && i < n; i++) total[i] += c->scratch[t].sums[role][i];
  }
  int status = br_memory_alloc(3 * n + 1, sizeof *limbs, "sums of products", &limbs);
  BR_TRY(br_comm_agree(comm, status));
  for (size_t i = 0; i < n; i++) {
    limbs[3 * i] = (int64_t)(total[i] & 0xFFFFFFFF);
    limbs[3 * i + 1] = (int64_t)(total[i] >> 32 & 0xFFFFFFFF);
    limbs[3 * i + 2] = (int64_t)(total[i] >> 64);
  }
  limbs[3 * n] = count;
  status = br_comm_sum_i64(comm, limbs, 3 * n + 1);
  for (size_t i = 0; i < n; i++) total[i] = (__int128)limbs[3 * i] + (__int128)limbs[3 * i + 1] * ((__int128)1 << 32) + limbs[3 * i + 2] * ((__int128)1 << 64);
  *rows = (uint64_t)limbs[3 * n];
  br_memory_free(limbs);
  return status;
}

static br__wide power(int base, int exponent) {
  br__wide result = 1, factor = exponent < 0 ? (br__wide)1 / base : (br__wide)base;
  if (exponent < 0 && base == 10) {
    for (int i = 0; i < -exponent; i++) result *= 10; /* exact up to 10^48 */
    return 1 / result;
  }
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent); i++) result *= factor;
  return result;
}

static br__wide unit_value(const struct unit *unit) { return unit->decimal ? power(10, -unit->scale) : power(2, -unit->shift); }

/* The sum of products of two terms' integers from the sums of their slices. */
static br__wide joined(const __int128 *sums, size_t first_a, int slices_a, size_t first_b, int slices_b) {
  br__wide total = 0;
  for (int level = slices_a + slices_b - 2; level >= 0; level--) {
    __int128 sum = 0;
    for (int a = 0; a < slices_a; a++) {
      int b = level - a;
      if (b < 0 || b >= slices_b) continue;
      size_t i = first_a + (size_t)a, j = first_b + (size_t)b;
      sum += i >= j ? sums[i * (i + 1) / 2 + j] : sums[j * (j + 1) / 2 + i];
    }
    total = total * ((int64_t)1 << SLICE_BITS) + (br__wide)sum;
  }
  return total;
}

static int finish(const struct computing *c, const __int128 *sums, uint64_t rows, struct br__gram *out) {
  size_t n = c->n_terms;
  *out = (struct br__gram){.n = n, .rows = rows};
  BR_TRY(br_memory_alloc(n, sizeof *out->mean, "means", &out->mean));
  BR_TRY(br_memory_alloc(n * n, sizeof *out->cross, "products of columns", &out->cross));
  if (rows == 0) return BR_OK;
  for (size_t i = 0; i < n; i++) {
    const struct unit *u = &c->units[i];
    br__wide sum_i = joined(sums, u->first_slice, u->slices, 0, 1), unit_i = unit_value(u);
    out->mean[i] = (sum_i / rows + u->middle) * unit_i;
    for (size_t j = 0; j <= i; j++) {
      const struct unit *v = &c->units[j];
      br__wide sum_j = joined(sums, v->first_slice, v->slices, 0, 1);
      br__wide product = joined(sums, u->first_slice, u->slices, v->first_slice, v->slices);
      out->cross[i * n + j] = out->cross[j * n + i] = (product * rows - sum_i * sum_j) / rows * unit_i * unit_value(v);
    }
  }
  return BR_OK;
}

static int open_scratch(struct computing *c, size_t threads) {
  size_t largest = br_table_largest_block(c->table), pairs = c->n_slices * (c->n_slices + 1) / 2;
  for (size_t t = 0; t < threads; t++) {
    struct scratch *s = &c->scratch[t];
    BR_TRY(br_memory_alloc(largest, sizeof *s->values, "values", &s->values));
    BR_TRY(br_memory_alloc(largest, sizeof *s->integers, "values", &s->integers));
    BR_TRY(br_memory_alloc(largest, sizeof *s->codes, "values", &s->codes));
    BR_TRY(br_memory_alloc(largest, sizeof *s->index, "values", &s->index));
    BR_TRY(br_memory_alloc(largest * c->n_slices, sizeof *s->slice, "values", &s->slice));
    for (int k = 0; k < 2; k++) BR_TRY(br_memory_alloc(pairs, sizeof *s->sums[k], "sums of products", &s->sums[k]));
  }
  return BR_OK;
}

static void close_scratch(struct computing *c, size_t threads) {
  for (size_t t = 0; c->scratch && t < threads; t++) {
    struct scratch *s = &c->scratch[t];
    br_memory_free(s->values);
    br_memory_free(s->integers);
    br_memory_free(s->codes);
    br_memory_free(s->index);
    br_memory_free(s->slice);
    br_memory_free(s->sums[0]);
    br_memory_free(s->sums[1]);
  }
  br_memory_free(c->scratch);
  br_memory_free(c->units);
}

int br__gram_compute(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows *rows, const struct br__term *terms, size_t n_terms, struct br__gram out[2]) {
  struct computing c = {.table = table, .rows = rows, .terms = terms, .n_terms = n_terms};
  size_t threads = (size_t)br_team_count(team);
  double *values = NULL;
  uint64_t count;
  out[0] = out[1] = (struct br__gram){0};
  int status = br_memory_alloc(n_terms, sizeof *c.units, "columns", &c.units);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(table), sizeof *values, "values", &values);
  if (status == BR_OK) status = br_memory_alloc(threads, sizeof *c.scratch, "threads", &c.scratch);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = find_units(comm, &c, values);
  br_memory_free(values);
  if (status == BR_OK) status = br_comm_agree(comm, open_scratch(&c, threads));
  if (status == BR_OK) br_team_run(team, compute_part, &c);
  for (int k = 0; k < 2 && status == BR_OK; k++) {
    status = sum_everywhere(comm, &c, threads, k, &count);
    if (status == BR_OK) status = br_comm_agree(comm, finish(&c, c.scratch[0].sums[k], count, &out[k]));
  }
  close_scratch(&c, threads);
  if (status != BR_OK) br__gram_free(&out[0]), br__gram_free(&out[1]);
  return status;
}

void br__gram_free(struct br__gram *gram) {
  br_memory_free(gram->mean);
  br_memory_free(gram->cross);
  *gram = (struct br__gram){0};
}
