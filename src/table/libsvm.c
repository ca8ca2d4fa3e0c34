/* LIBSVM text: lines to pairs, pairs to columns. Pairs of a slice are sorted by column, so that a column is filled without a look at the others. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "libsvm.h"

#include <string.h>

#define SNIFFED_LINES 100

struct entry {
  int64_t digits;
  uint32_t row, column;
  int8_t scale;
};

struct br__libsvm {
  struct entry *entry, *sorted;
  size_t n, capacity, sorted_capacity;
  size_t *first;   /* [columns + 1]: where a column's pairs begin among the sorted */
  uint32_t *mark;  /* [2 rows]: the byte before a label, the byte behind it */
  size_t mark_capacity;
};

const char *br__libsvm_path(const char *path) { return strncmp(path, "libsvm:", 7) == 0 ? path + 7 : NULL; }

/* --- lines --------------------------------------------------------------------------------------------------------------- */

static bool is_blank(unsigned char c) { return c == ' ' || c == '\t' || c == '\r'; }

static size_t skip_blanks(const unsigned char *text, size_t at, size_t to) {
  while (at < to && is_blank(text[at])) at++;
  return at;
}

static size_t word_end(const unsigned char *text, size_t at, size_t to) {
  while (at < to && !is_blank(text[at])) at++;
  return at;
}

/* Without its comment. */
static size_t line_end(const unsigned char *text, size_t from, size_t to) {
  const unsigned char *comment = memchr(text + from, '#', to - from);
  return comment ? (size_t)(comment - text) : to;
}

/* The word text[from..to) as index:value: the index, and where the value begins. */
static bool read_index(const unsigned char *text, size_t from, size_t to, uint64_t *index, size_t *value) {
  size_t at = from;
  for (*index = 0; at < to && at < from + 12 && text[at] >= '0' && text[at] <= '9'; at++) *index = *index * 10 + (uint64_t)(text[at] - '0');
  *value = at + 1;
  return at > from && at + 1 < to && text[at] == ':';
}

static bool is_number(const unsigned char *text, size_t from, size_t to) {
  struct br_number number;
  return br_number_parse(text + from, to - from, &number) != BR_NUMBER_NONE;
}

/* Whether a line is a number and pairs; *pairs counts them. */
static bool is_line(const unsigned char *text, size_t from, size_t to, size_t *pairs) {
  size_t at = skip_blanks(text, from, to), end = word_end(text, at, to), value;
  uint64_t index;
  if (at == to) return true;
  if (!is_number(text, at, end)) return false;
  for (; (at = skip_blanks(text, end, to)) < to; ++*pairs) {
    end = word_end(text, at, to);
    if (!read_index(text, at, end, &index, &value) || (!is_number(text, value, end) && !br_csv_is_missing(text + value, end - value))) return false;
  }
  return true;
}

bool br__libsvm_sniff(const unsigned char *text, size_t bytes, bool complete) {
  size_t pairs = 0, at = 0;
  for (int line = 0; line < SNIFFED_LINES && at < bytes; line++) {
    const unsigned char *feed = memchr(text + at, '\n', bytes - at);
    if (!feed && !complete) break;
    size_t to = feed ? (size_t)(feed - text) : bytes;
    if (!is_line(text, at, line_end(text, at, to), &pairs)) return false;
    at = to + 1;
  }
  return pairs > 0;
}

void br__libsvm_measure(const unsigned char *text, size_t from, size_t to, struct br__libsvm_extent *extent) {
  to = line_end(text, from, to);
  size_t at = skip_blanks(text, from, to), end = word_end(text, at, to), value;
  uint64_t index;
  if (at == to) return;
  extent->rows++;
  while ((at = skip_blanks(text, end, to)) < to) {
    end = word_end(text, at, to);
    if (!read_index(text, at, end, &index, &value) || index > BR__LIBSVM_MOST_INDEX) continue;
    if ((int64_t)index < extent->least) extent->least = (int64_t)index;
    if ((int64_t)index > extent->most) extent->most = (int64_t)index;
  }
}

/* --- a slice ------------------------------------------------------------------------------------------------------------- */

void br__libsvm_close(struct br__libsvm *p) {
  if (!p) return;
  br_memory_free(p->entry);
  br_memory_free(p->sorted);
  br_memory_free(p->first);
  br_memory_free(p->mark);
  br_memory_free(p);
}

static int add_entry(struct br__libsvm *p, struct entry entry) {
  BR_TRY(br__slice_enlarge(&p->entry, p->n, &p->capacity, p->n + 1, sizeof *p->entry, "values of a slice"));
  p->entry[p->n++] = entry;
  return BR_OK;
}

/* The pairs of one row. Errors: BR_ERROR_DATA saying what is wrong with the line. */
static int take_pairs(struct br__libsvm *p, const struct br__layout *layout, const unsigned char *text, size_t at, size_t to, uint32_t row) {
  uint64_t index, last = UINT64_MAX;
  size_t end = at, value;
  while ((at = skip_blanks(text, end, to)) < to) {
    end = word_end(text, at, to);
    int shown = (int)(end - at < 40 ? end - at : 40);
    if (end - at > 4 && memcmp(text + at, "qid:", 4) == 0) BR_FAIL(BR_ERROR_DATA, "has a group of a ranking, '%.*s', which is not read; take these out of the file", shown, (const char *)text + at);
    if (!read_index(text, at, end, &index, &value)) BR_FAIL(BR_ERROR_DATA, "has '%.*s' where index:value is expected; mend it", shown, (const char *)text + at);
    if (index > BR__LIBSVM_MOST_INDEX) BR_FAIL(BR_ERROR_DATA, "has the index %llu, at most %d are possible", (unsigned long long)index, BR__LIBSVM_MOST_INDEX);
    if (last != UINT64_MAX && index <= last) BR_FAIL(BR_ERROR_DATA, "has the index %llu behind %llu, and indices must rise; sort the line", (unsigned long long)index, (unsigned long long)last);
    last = index;
    struct br_number number;
    enum br_number_kind kind = br_number_parse(text + value, end - value, &number);
    if (kind == BR_NUMBER_NONE && !br_csv_is_missing(text + value, end - value)) BR_FAIL(BR_ERROR_DATA, "has '%.*s', whose value is no number; mend it", shown, (const char *)text + at);
    uint32_t column = index - layout->first_index < layout->n_fields - 1 ? layout->column_of[index - layout->first_index] : UINT32_MAX;
    if (column == UINT32_MAX) continue; /* nobody wants it */
    struct entry entry = {.row = row, .column = column, .digits = number.digits, .scale = (int8_t)number.scale};
    if (kind == BR_NUMBER_FLOAT) memcpy(&entry.digits, &number.value, 8);
    if (kind != BR_NUMBER_DECIMAL) entry.scale = kind == BR_NUMBER_FLOAT ? BR__SCALE_FLOAT : BR__SCALE_MISSING;
    BR_TRY(add_entry(p, entry));
  }
  return BR_OK;
}

/* One line: a row, none, or an error. */
static int take_line(struct br__slicer *s, struct br__slice *slice, size_t from, size_t to, size_t *rows) {
  struct br__libsvm *p = s->libsvm;
  const unsigned char *text = s->buffer;
  to = line_end(text, from, to);
  size_t label = skip_blanks(text, from, to), end = word_end(text, label, to), before = p->n;
  if (label == to) return BR_OK;
  int status = take_pairs(p, s->layout, text, end, to, (uint32_t)*rows);
  if (status == BR_OK) {
    p->mark[2 * *rows] = (uint32_t)label - 1; /* of a label at the buffer's first byte: 2^32 - 1, and 0 when 1 is added */
    p->mark[2 * *rows + 1] = (uint32_t)end;
    ++*rows;
    return BR_OK;
  }
  p->n = before;
  if (status == BR_ERROR_MEMORY) return status;
  slice->bad_rows++;
  if (!s->layout->skip_bad_rows) br__slice_keep_error(s, slice, status, *rows, from);
  return BR_OK;
}

static int sort_entries(struct br__libsvm *p, size_t columns) {
  BR_TRY(br__slice_enlarge(&p->sorted, 0, &p->sorted_capacity, p->n, sizeof *p->sorted, "values of a slice"));
  memset(p->first, 0, (columns + 1) * sizeof *p->first);
  for (size_t i = 0; i < p->n; i++) p->first[p->entry[i].column + 1]++;
  for (size_t c = 0; c < columns; c++) p->first[c + 1] += p->first[c];
  for (size_t i = 0; i < p->n; i++) p->sorted[p->first[p->entry[i].column]++] = p->entry[i];
  for (size_t c = columns; c > 0; c--) p->first[c] = p->first[c - 1]; /* each has moved to the next one's beginning */
  p->first[0] = 0;
  return BR_OK;
}

int br__libsvm_take(struct br__slicer *s, struct br__slice *slice, size_t *rows, const uint32_t **marks) {
  size_t lines = *rows;
  if (!s->libsvm) {
    BR_TRY(br_memory_alloc(1, sizeof *s->libsvm, "values of a slice", &s->libsvm));
    BR_TRY(br_memory_alloc(s->layout->n_columns + 1, sizeof *s->libsvm->first, "values of a slice", &s->libsvm->first));
  }
  struct br__libsvm *p = s->libsvm;
  BR_TRY(br__slice_enlarge(&p->mark, 0, &p->mark_capacity, 2 * lines, sizeof *p->mark, "labels of a slice"));
  p->n = *rows = 0;
  for (size_t i = 0; i < lines; i++) BR_TRY(take_line(s, slice, s->scan.mark[s->first[i]] + 1, s->scan.mark[s->first[i] + 1], rows));
  for (size_t i = 0; i < *rows; i++) s->first[i] = (uint32_t)(2 * i);
  *marks = p->mark;
  return sort_entries(p, s->layout->n_columns);
}

void br__libsvm_column(const struct br__slicer *s, size_t column, size_t rows) {
  const struct br__libsvm *p = s->libsvm;
  if (rows == 0) return; /* nor is there memory */
  memset(s->digits, 0, rows * sizeof *s->digits);
  memset(s->scale, 0, rows * sizeof *s->scale);
  for (size_t i = p->first[column]; i < p->first[column + 1]; i++) {
    s->digits[p->sorted[i].row] = p->sorted[i].digits;
    s->scale[p->sorted[i].row] = p->sorted[i].scale;
  }
}
