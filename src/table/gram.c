/* Exact Gram matrices by integers: units first (the blocks' ranges; columns of doubles are looked at once), then one pass over all rows, 1,024 at a time: what is in
 * memory as 1 to 4 bytes a value becomes digits, which never leave the first cache, and their products. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/digits.h>
#include <bramble/store/csv.h>

#include "gram.h"
#include "table.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* How one term's values become integers: decimal units 10^-scale, or binary units 2^-shift; `middle` is taken away. */
struct unit {
  bool decimal;
  int scale, shift;
  int64_t middle;
  int digits;
  size_t first_digit;
};

/* What one rank's blocks say of a column. */
struct range {
  int64_t scale, floats, top_exponent, infinite;
};

struct computing {
  const struct br_table *table;
  const struct br_rows *rows;
  const struct br__term *terms;
  size_t n_terms, n_digits; /* digit 0 is the constant 1 */
  struct unit *units;
  struct scratch {
    double values[BR_DIGIT_ROWS];
    int32_t codes[BR_DIGIT_ROWS];
    struct range *ranges; /* one per term */
    int32_t *digits;      /* n_digits x BR_DIGIT_ROWS */
    int64_t *products;    /* of BR_DIGIT_ROWS rows: n_digits (n_digits + 1) / 2 */
    __int128 *sums[2];    /* the same per role */
  } *scratch;
  atomic_size_t next;
};

/* --- units --------------------------------------------------------------------------------------------------------------- */

static const int64_t power10[19] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000};
#define LIMIT ((int64_t)1 << 53)

/* What one block says of a column; exponents of decimals by their ends, of doubles by all values. */
static void add_range(const struct computing *c, size_t column, size_t block, double *values, struct range *range) {
  int scale, exponent;
  int64_t low, high;
  if (br_table_is_decimal(c->table, column, block, &scale, &low, &high)) {
    if (low > high) return;
    if (scale > range->scale) range->scale = scale;
    frexp(br_number_decimal(-low > high ? -low : high, scale), &exponent);
  } else {
    double size = 0;
    size_t n = br_table_block_rows(c->table, block);
    range->floats = 1;
    for (size_t at = 0; at < n; at += BR_DIGIT_ROWS) {
      size_t rows = n - at < BR_DIGIT_ROWS ? n - at : BR_DIGIT_ROWS;
      br__table_numbers_part(c->table, column, block, at, rows, values);
      for (size_t i = 0; i < rows; i++) size = fabs(values[i]) > size ? fabs(values[i]) : size;
    }
    if (isinf(size)) range->infinite = 1;
    frexp(size, &exponent);
  }
  if (exponent > range->top_exponent) range->top_exponent = exponent;
}

static void range_part(void *arg, struct br_part part) {
  struct computing *c = arg;
  struct scratch *s = &c->scratch[part.index];
  for (size_t t = 0; t < c->n_terms; t++) s->ranges[t] = (struct range){.top_exponent = -2000};
  for (size_t b; (b = atomic_fetch_add(&c->next, 1)) < br_table_blocks(c->table);)
    for (size_t t = 0; t < c->n_terms; t++)
      if (c->terms[t].category < 0) add_range(c, c->terms[t].column, b, s->values, &s->ranges[t]);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* All threads' ranges into the first one's. */
static void find_ranges(struct br_team *team, struct computing *c) {
  atomic_store(&c->next, 0);
  br_team_run(team, range_part, c);
  for (int thread = 1; thread < br_team_count(team); thread++)
    for (size_t t = 0; t < c->n_terms; t++) {
      const struct range *other = &c->scratch[thread].ranges[t];
      struct range *r = &c->scratch[0].ranges[t];
      *r = (struct range){larger(r->scale, other->scale), larger(r->floats, other->floats), larger(r->top_exponent, other->top_exponent), larger(r->infinite, other->infinite)};
    }
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

static int find_unit(struct br_comm *comm, const struct computing *c, size_t column, struct range range, struct unit *unit) {
  BR_TRY(br_comm_max_i64(comm, &range.scale, 4));
  if (range.infinite) BR_FAIL(BR_ERROR_DATA, "column %s holds infinite values; mend them or leave the column out", br_table_name(c->table, column));
  int64_t limits[3] = {0, 0, 0};
  bool decimal = !range.floats && decimal_limits(c, column, (int)range.scale, limits);
  limits[2] = !decimal;
  BR_TRY(br_comm_max_i64(comm, limits, 3));
  *unit = (struct unit){.decimal = limits[2] == 0, .scale = (int)range.scale, .shift = 53 - (int)range.top_exponent, .digits = 2};
  if (!unit->decimal) return BR_OK;
  int64_t low = -limits[0], high = limits[1];
  if (limits[1] == INT64_MIN) low = high = 0;
  unit->middle = low + (high - low) / 2;
  unit->digits = high - unit->middle < (int64_t)1 << (BR_DIGIT_BITS - 1) ? 1 : 2;
  return BR_OK;
}

static int find_units(struct br_comm *comm, struct computing *c) {
  c->n_digits = 1;
  for (size_t t = 0; t < c->n_terms; t++) {
    struct unit *unit = &c->units[t];
    *unit = (struct unit){.decimal = true, .digits = 1};
    if (c->terms[t].category < 0) BR_TRY(find_unit(comm, c, c->terms[t].column, c->scratch[0].ranges[t], unit));
    unit->first_digit = c->n_digits;
    c->n_digits += (size_t)unit->digits;
  }
  return BR_OK;
}

/* --- the pass ------------------------------------------------------------------------------------------------------------ */

/* Up to BR_DIGIT_ROWS rows of a block, and which of them count. */
struct chunk {
  size_t block, first, rows;
  const uint8_t *role;
  uint8_t wanted;
};

static void category_digits(const struct computing *c, const struct br__term *term, const struct chunk *k, bool known, int32_t *codes, int32_t *digits) {
  if (!known) br__table_codes_part(c->table, term->column, k->block, k->first, k->rows, codes);
  for (size_t i = 0; i < k->rows; i++) digits[i] = (codes[i] == term->category) & (k->role[i] == k->wanted);
  for (size_t i = k->rows; i % BR_DIGIT_GROUP; i++) digits[i] = 0;
}

/* Fills the digits of all terms for one chunk. */
static void chunk_digits(const struct computing *c, const struct chunk *k, struct scratch *s) {
  br_digits_of_stored(&(struct br_stored){.offset = 1}, k->role, k->wanted, s->digits, NULL, k->rows);
  for (size_t t = 0; t < c->n_terms; t++) {
    const struct br__term *term = &c->terms[t];
    const struct unit *unit = &c->units[t];
    int32_t *low = s->digits + unit->first_digit * BR_DIGIT_ROWS, *high = unit->digits == 2 ? low + BR_DIGIT_ROWS : NULL;
    if (term->category >= 0) {
      category_digits(c, term, k, t > 0 && term[-1].category >= 0 && term[-1].column == term->column, s->codes, low);
    } else if (unit->decimal) {
      struct br_stored stored;
      br__table_stored(c->table, term->column, k->block, k->first, unit->scale, &stored);
      stored.offset = (int64_t)((uint64_t)stored.offset - (uint64_t)unit->middle);
      br_digits_of_stored(&stored, k->role, k->wanted, low, high, k->rows);
    } else {
      br__table_numbers_part(c->table, term->column, k->block, k->first, k->rows, s->values);
      const int first = unit->shift > 1000 ? 1000 : unit->shift; /* in two steps, as no double is 2^1126 */
      br_digits_of_doubles(s->values, ldexp(1, first), ldexp(1, unit->shift - first), k->role, k->wanted, low, high, k->rows);
    }
  }
}

static void add_block(const struct computing *c, size_t block, struct scratch *s) {
  const size_t n = br_table_block_rows(c->table, block), pairs = c->n_digits * (c->n_digits + 1) / 2;
  struct chunk k = {.block = block};
  for (; k.first < n; k.first += BR_DIGIT_ROWS) {
    k.rows = n - k.first < BR_DIGIT_ROWS ? n - k.first : BR_DIGIT_ROWS;
    k.role = c->rows->role[block] + k.first;
    for (int part = 0; part < 2; part++) {
      k.wanted = part ? BR_ROW_TEST : BR_ROW_TRAIN;
      if (!memchr(k.role, k.wanted, k.rows)) continue;
      chunk_digits(c, &k, s);
      br_digit_products(s->digits, BR_DIGIT_ROWS, c->n_digits, (k.rows + BR_DIGIT_GROUP - 1) / BR_DIGIT_GROUP * BR_DIGIT_GROUP, s->products);
      for (size_t i = 0; i < pairs; i++) s->sums[part][i] += s->products[i];
    }
  }
}

static void compute_part(void *arg, struct br_part part) {
  struct computing *c = arg;
  for (size_t b; (b = atomic_fetch_add(&c->next, 1)) < br_table_blocks(c->table);) add_block(c, b, &c->scratch[part.index]);
}

/* --- together ------------------------------------------------------------------------------------------------------------ */

/* Adds the threads' sums, then the ranks': a 128-bit number travels as three integers. */
static int sum_everywhere(struct br_comm *comm, struct computing *c, size_t threads, int role) {
  size_t n = c->n_digits * (c->n_digits + 1) / 2;
  __int128 *total = c->scratch[0].sums[role];
  int64_t *limbs;
  for (size_t t = 1; t < threads; t++)
    for (size_t i = 0; i < n; i++) total[i] += c->scratch[t].sums[role][i];
  int status = br_memory_alloc(3 * n, sizeof *limbs, "sums of products", &limbs);
  BR_TRY(br_comm_agree(comm, status));
  for (size_t i = 0; i < n; i++) {
    limbs[3 * i] = (int64_t)(total[i] & 0xFFFFFFFF);
    limbs[3 * i + 1] = (int64_t)(total[i] >> 32 & 0xFFFFFFFF);
    limbs[3 * i + 2] = (int64_t)(total[i] >> 64);
  }
  status = br_comm_sum_i64(comm, limbs, 3 * n);
  for (size_t i = 0; i < n; i++) total[i] = (__int128)limbs[3 * i] + (__int128)limbs[3 * i + 1] * ((__int128)1 << 32) + limbs[3 * i + 2] * ((__int128)1 << 64);
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

/* The sum of products of two terms' integers from the sums of their digits: carried as integers, so that it is rounded once, to 113 bits. */
static br__wide joined(const __int128 *sums, size_t first_a, int digits_a, size_t first_b, int digits_b) {
  const __int128 mask = ((__int128)1 << BR_DIGIT_BITS) - 1;
  __int128 level[3] = {0};
  for (int a = 0; a < digits_a; a++)
    for (int b = 0; b < digits_b; b++) {
      size_t i = first_a + (size_t)a, j = first_b + (size_t)b;
      level[a + b] += i >= j ? sums[i * (i + 1) / 2 + j] : sums[j * (j + 1) / 2 + i];
    }
  level[1] += level[0] >> BR_DIGIT_BITS;
  level[2] += level[1] >> BR_DIGIT_BITS;
  return (br__wide)level[2] * ((int64_t)1 << (2 * BR_DIGIT_BITS)) + (br__wide)((level[1] & mask) << BR_DIGIT_BITS | (level[0] & mask));
}

static int finish(const struct computing *c, const __int128 *sums, struct br__gram *out) {
  size_t n = c->n_terms;
  const uint64_t rows = (uint64_t)sums[0]; /* of 1 times 1 */
  *out = (struct br__gram){.n = n, .rows = rows};
  BR_TRY(br_memory_alloc(n, sizeof *out->mean, "means", &out->mean));
  BR_TRY(br_memory_alloc(n * n, sizeof *out->cross, "products of columns", &out->cross));
  if (rows == 0) return BR_OK;
  for (size_t i = 0; i < n; i++) {
    const struct unit *u = &c->units[i];
    br__wide sum_i = joined(sums, u->first_digit, u->digits, 0, 1), unit_i = unit_value(u);
    out->mean[i] = (sum_i / rows + u->middle) * unit_i;
    for (size_t j = 0; j <= i; j++) {
      const struct unit *v = &c->units[j];
      br__wide sum_j = joined(sums, v->first_digit, v->digits, 0, 1);
      br__wide product = joined(sums, u->first_digit, u->digits, v->first_digit, v->digits);
      out->cross[i * n + j] = out->cross[j * n + i] = (product * rows - sum_i * sum_j) / rows * unit_i * unit_value(v);
    }
  }
  return BR_OK;
}

static int open_ranges(struct computing *c, size_t threads) {
  BR_TRY(br_memory_alloc(threads, sizeof *c->scratch, "threads", &c->scratch));
  for (size_t t = 0; t < threads; t++) BR_TRY(br_memory_alloc(c->n_terms, sizeof *c->scratch[t].ranges, "columns", &c->scratch[t].ranges));
  return br_memory_alloc(c->n_terms, sizeof *c->units, "columns", &c->units);
}

static int open_sums(struct computing *c, size_t threads) {
  size_t pairs = c->n_digits * (c->n_digits + 1) / 2;
  for (size_t t = 0; t < threads; t++) {
    struct scratch *s = &c->scratch[t];
    BR_TRY(br_memory_alloc(BR_DIGIT_ROWS * c->n_digits, sizeof *s->digits, "values", &s->digits));
    BR_TRY(br_memory_alloc(pairs, sizeof *s->products, "sums of products", &s->products));
    for (int k = 0; k < 2; k++) BR_TRY(br_memory_alloc(pairs, sizeof *s->sums[k], "sums of products", &s->sums[k]));
  }
  return BR_OK;
}

static void close_scratch(struct computing *c, size_t threads) {
  for (size_t t = 0; c->scratch && t < threads; t++) {
    struct scratch *s = &c->scratch[t];
    br_memory_free(s->ranges);
    br_memory_free(s->digits);
    br_memory_free(s->products);
    br_memory_free(s->sums[0]);
    br_memory_free(s->sums[1]);
  }
  br_memory_free(c->scratch);
  br_memory_free(c->units);
}

int br__gram_compute(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows *rows, const struct br__term *terms, size_t n_terms, struct br__gram out[2]) {
  struct computing c = {.table = table, .rows = rows, .terms = terms, .n_terms = n_terms};
  size_t threads = (size_t)br_team_count(team);
  out[0] = out[1] = (struct br__gram){0};
  int status = br_comm_agree(comm, open_ranges(&c, threads));
  if (status == BR_OK) {
    find_ranges(team, &c);
    status = find_units(comm, &c);
  }
  if (status == BR_OK) status = br_comm_agree(comm, open_sums(&c, threads));
  if (status == BR_OK) {
    atomic_store(&c.next, 0);
    br_team_run(team, compute_part, &c);
  }
  for (int k = 0; k < 2 && status == BR_OK; k++) {
    status = sum_everywhere(comm, &c, threads, k);
    if (status == BR_OK) status = br_comm_agree(comm, finish(&c, c.scratch[0].sums[k], &out[k]));
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
