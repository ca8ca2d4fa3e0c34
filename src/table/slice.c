/* One slice of a file becomes one block: the records that begin in it are found, their fields parsed column by column and packed.
 *
 * A slice cannot know whether it begins inside quotes. It is read as if not; reader.c reads it again where that was wrong. A slice's end is moved
 * past any quotes that touch it, so that "inside" and "outside" are all there is to know about a border. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "date.h"
#include "libsvm.h"
#include "slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_LIMIT ((size_t)1 << 30)

/* --- memory that grows --------------------------------------------------------------------------------------------------- */

int br__slice_enlarge(void *block, size_t keep, size_t *capacity, size_t least, size_t element, const char *what) {
  if (least <= *capacity) return BR_OK;
  size_t larger = *capacity * 2 > least ? *capacity * 2 : least;
  void *fresh, **old = block;
  BR_TRY(br_memory_alloc(larger, element, what, &fresh));
  if (keep) memcpy(fresh, *old, keep * element);
  br_memory_free(*old);
  *old = fresh;
  *capacity = larger;
  return BR_OK;
}

int br__slicer_open(struct br__slicer *slicer, const struct br__layout *layout, uint32_t thread) {
  *slicer = (struct br__slicer){.layout = layout, .thread = thread};
  return br_memory_alloc(layout->n_columns, sizeof *slicer->dictionaries, "category names", &slicer->dictionaries);
}

void br__slicer_close(struct br__slicer *slicer) {
  br_memory_free(slicer->buffer);
  br_csv_scan_free(&slicer->scan);
  br_memory_free(slicer->first);
  br_memory_free(slicer->digits);
  br_memory_free(slicer->scale);
  br_memory_free(slicer->text);
  br_memory_free(slicer->packed);
  for (size_t c = 0; slicer->dictionaries && c < slicer->layout->n_columns; c++) br__dictionary_free(&slicer->dictionaries[c]);
  br_memory_free(slicer->dictionaries);
  br__libsvm_close(slicer->libsvm);
  *slicer = (struct br__slicer){0};
}

void br__slice_clear(struct br__slice *slice) {
  br_memory_free(slice->block.packed);
  br_memory_free(slice->conflicts);
  free(slice->error);
  slice->block = (struct br__block){0};
  slice->conflicts = NULL;
  slice->error = NULL;
  slice->status = BR_OK;
  slice->bad_rows = 0;
  slice->error_byte = 0;
  slice->error_has_row = false;
}

static void keep_error(struct br__slice *slice, bool has_row, size_t row) {
  if (slice->error) return;
  slice->error = strdup(br_error_message());
  slice->error_has_row = has_row;
  slice->error_row = (uint32_t)row;
}

void br__slice_keep_error(const struct br__slicer *slicer, struct br__slice *slice, int status, size_t row, size_t at) {
  if (slice->error) return;
  slice->status = status;
  slice->error_byte = slicer->base + at;
  keep_error(slice, true, row);
}

/* --- records ------------------------------------------------------------------------------------------------------------- */

/* The text around a slice as it lies in the buffer. */
struct view {
  const struct br__source *source;
  uint64_t base; /* file offset of the buffer's first byte */
  size_t have, from, to;
};

/* What is read beyond a slice at once, for the end of its last record. */
static size_t tail_bytes(const struct br__slicer *s) { return s->layout->slice_bytes / 16 + 64; }

/* Makes the buffer hold `n` bytes from the view's base, or all up to the end of the file. */
static int view_extend(struct br__slicer *s, struct view *v, size_t n) {
  uint64_t left = v->source->bytes - v->base;
  if (n > left) n = (size_t)left;
  if (n <= v->have) return BR_OK;
  if (n > RECORD_LIMIT) BR_FAIL(BR_ERROR_DATA, "%s: a record that begins near byte %llu is longer than 1 GiB; is a quote unclosed?", v->source->path, (unsigned long long)(v->base + v->from));
  BR_TRY(br__slice_enlarge(&s->buffer, v->have, &s->buffer_capacity, n + BR_CSV_PADDING, 1, "file slice"));
  BR_TRY(br__source_read(v->source, v->base + v->have, n - v->have, s->buffer + v->have));
  v->have = n;
  return BR_OK;
}

/* Reads a slice with the byte before it, and moves both ends past quotes. A slice that is all quotes behind a quote is empty wherever its end goes: only
 * the one in which a run of quotes begins follows it, so that a long run is walked once. */
static int view_open(struct br__slicer *s, const struct br__slice *slice, struct view *v) {
  const struct br__source *source = &s->layout->sources->list[slice->source];
  uint64_t base = slice->from > source->body ? slice->from - 1 : slice->from;
  *v = (struct view){.source = source, .base = base, .from = (size_t)(slice->from - base), .to = (size_t)(slice->to - base)};
  s->base = base;
  BR_TRY(view_extend(s, v, v->to + tail_bytes(s)));
  while (v->from > 0 && v->from < v->to && s->buffer[v->from - 1] == '"') v->from++;
  if (v->from == v->to) return BR_OK;
  while (v->to < v->have && s->buffer[v->to - 1] == '"') {
    v->to++;
    if (v->to == v->have) BR_TRY(view_extend(s, v, v->have + tail_bytes(s)));
  }
  return BR_OK;
}

static enum br_csv_state state_at(const struct br__slicer *s, const struct view *v, bool inside) {
  if (inside) return BR_CSV_QUOTED;
  if (v->from == 0) return BR_CSV_START;
  unsigned char before = s->buffer[v->from - 1];
  return before == '\n' || before == (unsigned char)s->layout->separator ? BR_CSV_START : BR_CSV_PLAIN;
}

int br__slice_end_if_inside(struct br__slicer *s, const struct br__slice *slice, bool *inside) {
  struct view v;
  BR_TRY(view_open(s, slice, &v));
  *inside = br_csv_state_after(s->layout->separator, BR_CSV_QUOTED, s->buffer, v.from, v.to) == BR_CSV_QUOTED;
  return BR_OK;
}

/* Marks the fields of the records that begin in the slice; *skip is set where the first record found began before it. */
static int find_records(struct br__slicer *s, struct br__slice *slice, bool *skip) {
  struct view v;
  struct br_csv_scan *scan = &s->scan;
  BR_TRY(view_open(s, slice, &v));
  bool at_start = !slice->begins_inside && (v.from == 0 || s->buffer[v.from - 1] == '\n');
  *skip = !at_start;
  BR_TRY(br_csv_scan_start(scan, s->layout->separator, state_at(s, &v, slice->begins_inside), v.from));
  BR_TRY(br_csv_scan_text(scan, s->buffer, v.from, v.to));
  slice->ends_inside = scan->state == BR_CSV_QUOTED;
  size_t rows = scan->n_rows;
  bool ended = rows ? scan->row[rows - 1] == scan->n_marks && scan->mark[scan->n_marks - 1] + 1 == v.to : v.from == v.to;
  if (ended || (rows == 0 && *skip)) return BR_OK; /* none of its records is open at the end */
  size_t at = v.to;
  while (scan->n_rows == rows) {
    if (at == v.have) BR_TRY(view_extend(s, &v, at + at / 2 + tail_bytes(s)));
    if (at == v.have) break;
    size_t next = v.have - at < 512 ? v.have : at + 512;
    BR_TRY(br_csv_scan_text(scan, s->buffer, at, next));
    at = next;
  }
  if (scan->n_rows == rows) {
    if (scan->state == BR_CSV_QUOTED) {
      size_t row = rows - (*skip ? 1 : 0);
      size_t from = rows ? scan->mark[scan->row[rows - 1] - 1] + 1 : v.from;
      br__slice_keep_error(s, slice, br_error_set(BR_ERROR_DATA, "a quote is opened and never closed"), row, from);
      return BR_OK;
    }
    BR_TRY(br_csv_scan_finish(scan, at));
  }
  scan->n_rows = rows + 1 < scan->n_rows ? rows + 1 : scan->n_rows;
  return BR_OK;
}

/* Lists the records to keep in s->first: blank lines are none, wrong numbers of fields an error or left out. */
static int list_records(struct br__slicer *s, struct br__slice *slice, bool skip, size_t *rows) {
  const struct br_csv_scan *scan = &s->scan;
  const struct br__layout *layout = s->layout;
  size_t expected = layout->column_of ? 1 : layout->n_fields; /* LIBSVM's lines are fields of one record each */
  if (s->row_capacity < scan->n_rows) {
    size_t none = 0, most = scan->n_rows;
    size_t a = s->row_capacity, b = s->row_capacity;
    BR_TRY(br__slice_enlarge(&s->first, none, &a, most, sizeof *s->first, "records"));
    BR_TRY(br__slice_enlarge(&s->digits, none, &b, most, sizeof *s->digits, "values"));
    BR_TRY(br__slice_enlarge(&s->scale, none, &s->row_capacity, most, 1, "values"));
  }
  size_t n = 0;
  for (size_t r = skip ? 1 : 0; r < scan->n_rows; r++) {
    uint32_t before = r ? scan->row[r - 1] - 1 : 0;
    size_t fields = scan->row[r] - 1 - before;
    if (__builtin_expect(fields != expected || (fields == 1 && expected > 1), 0)) {
      const unsigned char *start;
      size_t length;
      bool quoted = br_csv_field(s->buffer, (uint32_t)(scan->mark[before] + 1), scan->mark[before + 1], &start, &length);
      if (fields == 1 && length == 0 && !quoted) continue;
      slice->bad_rows++;
      if (!layout->skip_bad_rows && !slice->error) {
        slice->status = br_error_set(BR_ERROR_DATA, "has %zu fields where %zu are expected; mend the row or use --bad-rows skip", fields, expected);
        keep_error(slice, true, n);
      }
      continue;
    }
    s->first[n++] = before;
  }
  *rows = n;
  return BR_OK;
}

/* --- values -------------------------------------------------------------------------------------------------------------- */

static int conflict(struct br__slicer *s, struct br__slice *slice, size_t column, size_t row, const unsigned char *start, size_t length) {
  const struct br__layout *layout = s->layout;
  int shown = (int)(length < 40 ? length : 40);
  if (layout->fixed[column]) {
    if (slice->error) return BR_OK;
    const char *format = layout->format[column];
    slice->status = br_error_set(BR_ERROR_DATA, "column %s: '%.*s' is no %s%s%s; mend it or leave the column out", layout->names[column], shown, (const char *)start, br_column_type_name(layout->type[column]), format ? " of the form " : "", format ? format : "");
    keep_error(slice, true, row);
    return BR_OK;
  }
  if (!slice->conflicts) BR_TRY(br_memory_alloc(layout->n_columns, sizeof *slice->conflicts, "columns", &slice->conflicts));
  struct br__conflict *c = &slice->conflicts[column];
  if (c->any) return BR_OK;
  c->any = true;
  c->row = (uint32_t)row;
  snprintf(c->text, sizeof c->text, "%.*s", shown, (const char *)start);
  return BR_OK;
}

static int parse_numbers(struct br__slicer *s, struct br__slice *slice, size_t column, size_t rows) {
  const uint32_t *mark = s->marks + s->layout->field[column];
  const unsigned char *text = s->buffer;
  bool date = s->layout->type[column] == BR_COLUMN_DATE;
  const char *format = s->layout->format[column];
  for (size_t i = 0; i < rows; i++) {
    uint32_t from = mark[s->first[i]] + 1, to = mark[s->first[i] + 1];
    struct br_number number;
    enum br_number_kind kind = date ? BR_NUMBER_NONE : br_number_parse(text + from, to - from, &number);
    if (__builtin_expect(kind == BR_NUMBER_DECIMAL, 1)) {
      s->digits[i] = number.digits;
      s->scale[i] = (int8_t)number.scale;
      continue;
    }
    const unsigned char *start;
    size_t length;
    br_csv_field(text, from, to, &start, &length);
    if (date && (format ? br__date_parse_as(format, start, length, &s->digits[i]) : br__date_parse(start, length, &s->digits[i]))) {
      s->scale[i] = 0;
      continue;
    }
    if (!date) kind = br_number_parse_between(s->layout->separator, start, length, &number);
    s->scale[i] = BR__SCALE_MISSING;
    if (kind == BR_NUMBER_DECIMAL) {
      s->digits[i] = number.digits;
      s->scale[i] = (int8_t)number.scale;
    } else if (kind == BR_NUMBER_FLOAT) {
      memcpy(&s->digits[i], &number.value, 8);
      s->scale[i] = BR__SCALE_FLOAT;
    } else if (!br_csv_is_missing(start, length)) {
      BR_TRY(conflict(s, slice, column, i, start, length));
    }
  }
  return BR_OK;
}

static int parse_categories(struct br__slicer *s, size_t column, size_t rows) {
  const uint32_t *mark = s->marks + s->layout->field[column];
  const unsigned char *text = s->buffer;
  struct br__dictionary *dictionary = &s->dictionaries[column];
  uint32_t *codes = (uint32_t *)(void *)s->digits;
  for (size_t i = 0; i < rows; i++) {
    const unsigned char *start;
    size_t length;
    bool quoted = br_csv_field(text, mark[s->first[i]] + 1, mark[s->first[i] + 1], &start, &length);
    if (br_csv_is_missing(start, length)) {
      codes[i] = 0;
      continue;
    }
    if (quoted || memchr(start, 0, length)) {
      BR_TRY(br__slice_enlarge(&s->text, 0, &s->text_capacity, length + 1, 1, "a quoted text"));
      length = quoted ? br_csv_unquote(start, length, s->text) : (memcpy(s->text, start, length), length);
      for (size_t k = 0; k < length; k++)
        if (s->text[k] == 0) s->text[k] = ' '; /* names end at a 0 */
      start = (const unsigned char *)s->text;
    }
    uint32_t id;
    BR_TRY(br__dictionary_add(dictionary, (const char *)start, length, &id));
    codes[i] = id + 1; /* a full dictionary gives 0; the column will be text */
  }
  return BR_OK;
}

/* Parses and packs all columns into the slicer's buffer, then copies them into one block of the right size. */
static int make_block(struct br__slicer *s, struct br__slice *slice, size_t rows) {
  const struct br__layout *layout = s->layout;
  size_t head = layout->n_columns * sizeof(struct br__packed), used = head;
  BR_TRY(br__slice_enlarge(&s->packed, 0, &s->packed_capacity, head, 1, "packed columns"));
  for (size_t c = 0; c < layout->n_columns; c++) {
    bool category = layout->type[c] == BR_COLUMN_CATEGORY;
    struct br__packed packed;
    if (layout->column_of && layout->field[c] > 0)
      br__libsvm_column(s, c, rows);
    else
      BR_TRY(category ? parse_categories(s, c, rows) : parse_numbers(s, slice, c, rows));
    const uint32_t *codes = (const uint32_t *)(const void *)s->digits;
    size_t bytes = category ? br__pack_codes_plan(codes, rows, &packed) : br__pack_plan(s->digits, s->scale, rows, &packed);
    used = (used + 7) & ~(size_t)7;
    packed.offset = used;
    BR_TRY(br__slice_enlarge(&s->packed, used, &s->packed_capacity, used + bytes, 1, "packed columns"));
    if (category)
      br__pack_codes(codes, rows, &packed, s->packed + used);
    else
      br__pack(s->digits, s->scale, rows, &packed, s->packed + used);
    memcpy(s->packed + c * sizeof packed, &packed, sizeof packed);
    used += bytes;
  }
  unsigned char *data;
  BR_TRY(br_memory_alloc(used, 1, "table block", &data));
  memcpy(data, s->packed, used);
  slice->block = (struct br__block){.rows = (uint32_t)rows, .thread = s->thread, .packed = (struct br__packed *)(void *)data, .data = data, .bytes = used};
  return BR_OK;
}

void br__slice_read(struct br__slicer *s, struct br__slice *slice) {
  bool skip;
  size_t rows = 0;
  br__slice_clear(slice);
  int status = find_records(s, slice, &skip);
  if (status == BR_OK) status = list_records(s, slice, skip, &rows);
  s->marks = s->scan.mark;
  if (status == BR_OK && s->layout->column_of) status = br__libsvm_take(s, slice, &rows, &s->marks);
  if (status == BR_OK) status = make_block(s, slice, rows);
  if (status == BR_OK) return;
  slice->status = status;
  keep_error(slice, false, 0);
}

int br__slice_measure(struct br__slicer *s, struct br__slice *slice, struct br__libsvm_extent *extent) {
  bool skip;
  BR_TRY(find_records(s, slice, &skip));
  for (size_t r = skip ? 1 : 0; r < s->scan.n_rows; r++) {
    uint32_t before = r ? s->scan.row[r - 1] - 1 : 0;
    br__libsvm_measure(s->buffer, (uint32_t)(s->scan.mark[before] + 1), s->scan.mark[s->scan.row[r] - 1], extent);
  }
  return BR_OK;
}

enum br_column_type br__value_type(char separator, const unsigned char *text, size_t length) {
  struct br_number number;
  int64_t seconds;
  if (br_csv_is_missing(text, length)) return BR_COLUMN_AUTO;
  if (br_number_parse_between(separator, text, length, &number) != BR_NUMBER_NONE) return BR_COLUMN_NUMBER;
  return br__date_parse(text, length, &seconds) ? BR_COLUMN_DATE : BR_COLUMN_CATEGORY;
}
