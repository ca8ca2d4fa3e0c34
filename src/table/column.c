/* Packing: the numbers of one column in one block go into the narrowest integers that hold them all with one power of ten. Prices,
 * years, counts and measured values of up to nine digits take 1 to 4 bytes and lose nothing; the rest become doubles. */
#include <bramble/store/csv.h>

#include "table.h"

#include <math.h>
#include <string.h>

static const int64_t power10[19] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000};
#define EXACT ((int64_t)1 << 53)

static size_t form_bytes(enum br__form form) { return form == BR__U8 ? 1 : form == BR__U16 ? 2 : form == BR__U32 ? 4 : form == BR__F64 ? 8 : 0; }

static size_t plan_doubles(struct br__packed *packed, size_t rows) {
  packed->form = BR__F64;
  return rows * 8;
}

/* Brings all integers to the largest scale; false if one of them would leave the range in which quotients are exact. */
static bool rescale(int64_t *digits, int8_t *scale, size_t rows, int common) {
  for (size_t i = 0; i < rows; i++) {
    if (scale[i] < 0 || scale[i] == common) continue;
    if (common - scale[i] > 18) return false;
    int64_t wide;
    if (__builtin_mul_overflow(digits[i], power10[common - scale[i]], &wide) || wide > EXACT || wide < -EXACT) return false;
    digits[i] = wide;
    scale[i] = (int8_t)common;
  }
  return true;
}

size_t br__pack_plan(int64_t *digits, int8_t *scale, size_t rows, struct br__packed *packed) {
  int least = 127, most = -1, lowest = 127;
  *packed = (struct br__packed){.form = BR__EMPTY, .base = 0, .high = -1};
  for (size_t i = 0; i < rows; i++) {
    int s = scale[i];
    lowest = s < lowest ? s : lowest;
    most = s > most ? s : most;
    int wanted = s < 0 ? 127 : s;
    least = wanted < least ? wanted : least;
  }
  bool floats = false;
  if (lowest == BR__SCALE_FLOAT)
    floats = true;
  else if (lowest == BR__SCALE_MISSING)
    for (size_t i = 0; i < rows && !floats; i++) floats = scale[i] == BR__SCALE_FLOAT;
  if (floats) return plan_doubles(packed, rows);
  if (most < 0) return 0;
  if (least != most && !rescale(digits, scale, rows, most)) return plan_doubles(packed, rows);
  int64_t low = INT64_MAX, high = INT64_MIN;
  for (size_t i = 0; i < rows; i++) {
    bool there = scale[i] >= 0;
    low = there && digits[i] < low ? digits[i] : low;
    high = there && digits[i] > high ? digits[i] : high;
  }
  uint64_t range = (uint64_t)high - (uint64_t)low + 1;
  if (range > UINT32_MAX) return plan_doubles(packed, rows);
  packed->form = range <= UINT8_MAX ? BR__U8 : range <= UINT16_MAX ? BR__U16 : BR__U32;
  packed->scale = (uint8_t)most;
  packed->base = low;
  packed->high = high;
  return rows * form_bytes(packed->form);
}

#define PACK(type)                                                                                                      \
  for (size_t i = 0; i < rows; i++) ((type *)out)[i] = scale[i] < 0 ? 0 : (type)(digits[i] - packed->base + 1)

void br__pack(const int64_t *digits, const int8_t *scale, size_t rows, const struct br__packed *packed, void *out) {
  switch (packed->form) {
    case BR__U8: PACK(uint8_t); break;
    case BR__U16: PACK(uint16_t); break;
    case BR__U32: PACK(uint32_t); break;
    case BR__F64:
      for (size_t i = 0; i < rows; i++) {
        double value = NAN;
        if (scale[i] >= 0)
          value = br_number_decimal(digits[i], scale[i]);
        else if (scale[i] == BR__SCALE_FLOAT)
          memcpy(&value, &digits[i], 8);
        ((double *)out)[i] = value;
      }
      break;
    default: break;
  }
}

size_t br__pack_codes_plan(const uint32_t *codes, size_t rows, struct br__packed *packed) {
  uint32_t high = 0;
  for (size_t i = 0; i < rows; i++) high = codes[i] > high ? codes[i] : high;
  *packed = (struct br__packed){.form = high == 0 ? BR__EMPTY : high <= UINT8_MAX ? BR__U8 : high <= UINT16_MAX ? BR__U16 : BR__U32, .high = (int64_t)high - 1};
  return rows * form_bytes(packed->form);
}

void br__pack_codes(const uint32_t *codes, size_t rows, const struct br__packed *packed, void *out) {
  switch (packed->form) {
    case BR__U8:
      for (size_t i = 0; i < rows; i++) ((uint8_t *)out)[i] = (uint8_t)codes[i];
      break;
    case BR__U16:
      for (size_t i = 0; i < rows; i++) ((uint16_t *)out)[i] = (uint16_t)codes[i];
      break;
    case BR__U32: memcpy(out, codes, rows * 4); break;
    default: break;
  }
}

/* --- reading back -------------------------------------------------------------------------------------------------------- */

/* Where value `first` of a column is. */
static const void *stored_at(const struct br__block *block, const struct br__packed *packed, size_t first) { return block->data + packed->offset + first * form_bytes((enum br__form)packed->form); }

#define UNPACK(type, expression, absent)                    \
  for (size_t i = 0; i < rows; i++) {                       \
    uint32_t stored = ((const type *)data)[i];              \
    out[i] = stored ? (expression) : (absent);              \
  }
#define UNPACK_FORMS(expression, absent)                    \
  switch (p->form) {                                        \
    case BR__U8: UNPACK(uint8_t, expression, absent) break;   \
    case BR__U16: UNPACK(uint16_t, expression, absent) break; \
    case BR__U32: UNPACK(uint32_t, expression, absent) break; \
    default:                                                \
      for (size_t i = 0; i < rows; i++) out[i] = (absent);  \
      break;                                                \
  }

void br__table_codes_part(const struct br_table *table, size_t column, size_t block, size_t first, size_t rows, int32_t *out) {
  const struct br__block *b = &table->blocks[block];
  const struct br__packed *p = &b->packed[column];
  const int32_t *map = table->columns[column].categories.map[b->thread];
  const void *data = stored_at(b, p, first);
  int32_t absent = table->columns[column].filled ? (int32_t)table->columns[column].fill : -1;
  UNPACK_FORMS(map[stored - 1], absent)
}

/* What a missing value is read as. */
static double absent_number(const struct br_table *table, size_t column) { return table->columns[column].filled ? table->columns[column].fill : NAN; }

static void category_numbers(const struct br_table *table, size_t column, size_t block, size_t first, size_t rows, double *out) {
  const struct br__block *b = &table->blocks[block];
  const struct br__packed *p = &b->packed[column];
  const int32_t *map = table->columns[column].categories.map[b->thread];
  const void *data = stored_at(b, p, first);
  double absent = absent_number(table, column);
  UNPACK_FORMS((double)map[stored - 1], absent)
}

void br__table_numbers_part(const struct br_table *table, size_t column, size_t block, size_t first, size_t rows, double *out) {
  const struct br__block *b = &table->blocks[block];
  const struct br__packed *p = &b->packed[column];
  const void *data = stored_at(b, p, first);
  if (table->columns[column].type == BR_COLUMN_CATEGORY) {
    category_numbers(table, column, block, first, rows, out);
  } else if (p->form == BR__F64) {
    memcpy(out, data, rows * 8);
    for (size_t i = 0; table->columns[column].filled && i < rows; i++) out[i] = isnan(out[i]) ? table->columns[column].fill : out[i];
  } else {
    double absent = absent_number(table, column);
    double divisor = br_number_decimal(1, 0);
    for (int i = 0; i < p->scale; i++) divisor *= 10; /* exact up to 10^22 */
    int64_t base = p->base - 1;
    if (p->scale == 0)
      UNPACK_FORMS((double)(base + (int64_t)stored), absent)
    else
      UNPACK_FORMS((double)(base + (int64_t)stored) / divisor, absent)
  }
}

void br_table_codes(const struct br_table *table, size_t column, size_t block, int32_t *out) { br__table_codes_part(table, column, block, 0, table->blocks[block].rows, out); }

void br_table_numbers(const struct br_table *table, size_t column, size_t block, double *out) { br__table_numbers_part(table, column, block, 0, table->blocks[block].rows, out); }

bool br_table_is_decimal(const struct br_table *table, size_t column, size_t block, int *scale, int64_t *low, int64_t *high) {
  const struct br__packed *p = &table->blocks[block].packed[column];
  if (p->form == BR__F64 || table->columns[column].filled) return false; /* a fill may be any double */
  *scale = p->scale;
  *low = p->base;
  *high = p->high;
  return true;
}

void br_table_decimals(const struct br_table *table, size_t column, size_t block, int64_t *out) {
  const struct br__block *b = &table->blocks[block];
  const struct br__packed *p = &b->packed[column];
  const void *data = b->data + p->offset;
  size_t rows = b->rows;
  int64_t base = p->base - 1;
  UNPACK_FORMS(base + (int64_t)stored, INT64_MIN)
}

void br__table_stored(const struct br_table *table, size_t column, size_t block, size_t first, int scale, struct br_stored *out) {
  const struct br__block *b = &table->blocks[block];
  const struct br__packed *p = &b->packed[column];
  const size_t bytes = form_bytes((enum br__form)p->form);
  const int64_t factor = bytes && scale - p->scale <= 18 ? power10[scale - p->scale] : 0; /* further apart, all are 0 */
  *out = (struct br_stored){.items = bytes ? stored_at(b, p, first) : NULL, .bytes = (int)bytes, .factor = factor, .offset = (int64_t)((uint64_t)(p->base - 1) * (uint64_t)factor)};
}
