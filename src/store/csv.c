/* Fields are found eight bytes at a time in ordinary registers (no instruction set is assumed): a word without quotes gives the places
 * of its separators and line feeds by a few additions; only words with quotes are walked byte by byte. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/csv.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ONES 0x0101010101010101u
#define LOW7 0x7f7f7f7f7f7f7f7fu

static inline uint64_t load8(const unsigned char *p) {
  uint64_t word;
  memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/* 0x80 in every byte of `word` that equals the byte repeated in `pattern`; exact in every byte. */
static inline uint64_t equal_bytes(uint64_t word, uint64_t pattern) {
  uint64_t x = word ^ pattern;
  return ~(((x & LOW7) + LOW7) | x | LOW7);
}

static int grow(uint32_t **block, size_t used, size_t *capacity) {
  size_t larger = *capacity ? 2 * *capacity : 4096;
  uint32_t *fresh;
  BR_TRY(br_memory_alloc(larger, sizeof **block, "places of fields", &fresh));
  if (used) memcpy(fresh, *block, used * sizeof **block);
  br_memory_free(*block);
  *block = fresh;
  *capacity = larger;
  return BR_OK;
}

/* Room for the marks and records of eight more bytes. */
static inline int reserve(struct br_csv_scan *scan) {
  if (scan->n_marks + 9 > scan->mark_capacity) BR_TRY(grow(&scan->mark, scan->n_marks, &scan->mark_capacity));
  if (scan->n_rows + 9 > scan->row_capacity) BR_TRY(grow(&scan->row, scan->n_rows, &scan->row_capacity));
  return BR_OK;
}

int br_csv_scan_start(struct br_csv_scan *scan, char separator, enum br_csv_state state, size_t first) {
  scan->separator = separator;
  scan->state = state;
  scan->n_marks = scan->n_rows = 0;
  BR_TRY(reserve(scan));
  scan->mark[scan->n_marks++] = (uint32_t)(first - 1);
  return BR_OK;
}

void br_csv_scan_free(struct br_csv_scan *scan) {
  br_memory_free(scan->mark);
  br_memory_free(scan->row);
  *scan = (struct br_csv_scan){0};
}

static inline enum br_csv_state step(enum br_csv_state state, unsigned char separator, unsigned char c) {
  if (state == BR_CSV_QUOTED) return c == '"' ? BR_CSV_QUOTE_END : BR_CSV_QUOTED;
  if (c == '"' && state == BR_CSV_START) return BR_CSV_QUOTED;
  if (c == '"' && state == BR_CSV_QUOTE_END) return BR_CSV_QUOTED;
  return c == separator || c == '\n' ? BR_CSV_START : BR_CSV_PLAIN;
}

enum br_csv_state br_csv_state_after(char separator, enum br_csv_state state, const unsigned char *text, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) state = step(state, (unsigned char)separator, text[i]);
  return state;
}

int br_csv_scan_text(struct br_csv_scan *scan, const unsigned char *text, size_t from, size_t to) {
  const unsigned char separator = (unsigned char)scan->separator;
  const uint64_t separators = ONES * separator, feeds = ONES * '\n', quotes = ONES * '"';
  enum br_csv_state state = scan->state;
  for (size_t i = from; i < to;) {
    BR_TRY(reserve(scan));
    uint32_t *mark = scan->mark + scan->n_marks, *row = scan->row + scan->n_rows;
    uint32_t marks = (uint32_t)scan->n_marks;
    if (i + 8 <= to && state != BR_CSV_QUOTE_END) {
      uint64_t word = load8(text + i);
      if (equal_bytes(word, quotes) == 0) {
        if (state != BR_CSV_QUOTED) {
          uint64_t feed = equal_bytes(word, feeds), found = equal_bytes(word, separators) | feed;
          state = found >> 63 ? BR_CSV_START : BR_CSV_PLAIN;
          for (; found; found &= found - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(found);
            *mark++ = (uint32_t)i + bit / 8;
            *row = ++marks;
            row += feed >> bit & 1;
          }
          scan->n_marks = marks;
          scan->n_rows = (size_t)(row - scan->row);
        }
        i += 8;
        continue;
      }
    }
    for (size_t stop = i + 8 < to ? i + 8 : to; i < stop; i++) {
      state = step(state, separator, text[i]);
      if (state != BR_CSV_START) continue;
      scan->mark[scan->n_marks++] = (uint32_t)i;
      if (text[i] == '\n') scan->row[scan->n_rows++] = (uint32_t)scan->n_marks;
    }
  }
  scan->state = state;
  return BR_OK;
}

int br_csv_scan_finish(struct br_csv_scan *scan, size_t end) {
  BR_TRY(reserve(scan));
  size_t last = scan->mark[scan->n_marks - 1]; /* the sentinel of a text at offset 0 is 2^32 - 1 */
  bool ended = scan->n_rows ? scan->row[scan->n_rows - 1] == scan->n_marks : scan->n_marks == 1;
  if (ended && (uint32_t)(last + 1) == (uint32_t)end) return BR_OK;
  scan->mark[scan->n_marks++] = (uint32_t)end;
  scan->row[scan->n_rows++] = (uint32_t)scan->n_marks;
  return BR_OK;
}

/* --- one field ----------------------------------------------------------------------------------------------------------- */

static inline bool blank(unsigned char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool br_csv_field(const unsigned char *text, size_t from, size_t to, const unsigned char **start, size_t *length) {
  if (from < to && text[from] == '"') {
    size_t end = to;
    while (end > from + 1 && text[end - 1] != '"') end--; /* what follows the closing quote (CR, blanks) is not the field's */
    *start = text + from + 1;
    *length = end > from + 1 ? end - from - 2 : to - from - 1;
    return true;
  }
  while (from < to && blank(text[from])) from++;
  while (to > from && blank(text[to - 1])) to--;
  *start = text + from;
  *length = to - from;
  return false;
}

size_t br_csv_unquote(const unsigned char *start, size_t length, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < length; i++) {
    out[n++] = (char)start[i];
    if (start[i] == '"' && i + 1 < length && start[i + 1] == '"') i++;
  }
  return n;
}

bool br_csv_is_missing(const unsigned char *start, size_t length) {
  static const char *const words[] = {"na", "n/a", "nan", "null"};
  if (length == 0) return true;
  if (length > 4) return false;
  if (length == 1) return start[0] == '?';
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    const char *word = words[i];
    size_t n = 0;
    while (n < length && word[n] && (start[n] | 0x20) == (word[n] | 0x20)) n++;
    if (n == length && !word[n]) return true;
  }
  return false;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------- */

static const double power10[23] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT ((int64_t)1 << 53) /* integers up to here are doubles */

double br_number_decimal(int64_t digits, int scale) { return (double)digits / power10[scale]; /* both exact, so rounded once */ }

static inline bool all_digits(uint64_t word) {
  return ((word & 0xf0f0f0f0f0f0f0f0u) | (((word + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4)) == 0x3333333333333333u;
}

/* Eight digit characters, the first in the lowest byte: pairs, then fours, then all (the known trick of three multiplications). */
static inline uint32_t eight_digits(uint64_t word) {
  word -= 0x3030303030303030u;
  word = word * 10 + (word >> 8);
  return (uint32_t)(((word & 0x000000ff000000ffu) * 0x000f424000000064u + (word >> 16 & 0x000000ff000000ffu) * 0x0000271000000001u) >> 32);
}

/* Up to eight characters, digits with at most one point, as most fields are. False: not of this kind. */
static inline bool parse_short(const unsigned char *start, size_t length, struct br_number *out) {
  unsigned missing = (unsigned)(8 - length) * 8; /* bits */
  uint64_t word = load8(start);
  if (missing) word = word << missing | 0x3030303030303030u >> (64 - missing);
  uint64_t point = equal_bytes(word, ONES * '.');
  int scale = 0;
  if (point) {
    unsigned bit = (unsigned)__builtin_ctzll(point) - 7; /* of the point's byte */
    if (point & (point - 1) || length == 1) return false;
    uint64_t before = ((uint64_t)1 << bit) - 1;
    uint64_t after = bit == 56 ? 0 : ~(uint64_t)0 << (bit + 8);
    word = (word & after) | (word & before) << 8 | '0';
    scale = 7 - (int)bit / 8;
  }
  if (!all_digits(word)) return false;
  out->digits = eight_digits(word);
  out->scale = scale;
  return true;
}

/* Everything else goes to strtod, which rounds correctly; the program never leaves the C locale. */
static enum br_number_kind parse_slow(const unsigned char *start, size_t length, struct br_number *out) {
  char text[1200]; /* a field of more digits is not a number */
  if (length >= sizeof text) return BR_NUMBER_NONE;
  memcpy(text, start, length);
  text[length] = 0;
  char *end;
  out->value = strtod(text, &end);
  return end == text + length ? BR_NUMBER_FLOAT : BR_NUMBER_NONE;
}

static bool is_infinity(const unsigned char *s, size_t n) {
  static const char word[] = "infinity";
  if (n != 3 && n != 8) return false;
  for (size_t i = 0; i < n; i++)
    if ((s[i] | 0x20) != word[i]) return false;
  return true;
}

static enum br_number_kind parse_general(const unsigned char *start, size_t length, bool negative, struct br_number *out) {
  const unsigned char *p = start, *end = start + length;
  if (is_infinity(p, length)) {
    out->value = negative ? -INFINITY : INFINITY;
    return BR_NUMBER_FLOAT;
  }
  uint64_t digits = 0;
  int significant = 0, exponent = 0;
  bool any = false, point = false;
  for (; p < end; p++) {
    if (*p == '.' && !point) {
      point = true;
      continue;
    }
    unsigned digit = (unsigned)*p - '0';
    if (digit > 9) break;
    any = true;
    if (point) exponent--;
    if (significant || digit) significant++;
    if (significant <= 18) digits = digits * 10 + digit;
  }
  if (!any) return BR_NUMBER_NONE;
  if (p < end) {
    if ((*p | 0x20) != 'e' || ++p == end) return BR_NUMBER_NONE;
    bool minus = *p == '-';
    if ((*p == '-' || *p == '+') && ++p == end) return BR_NUMBER_NONE;
    int written = 0;
    for (; p < end; p++) {
      unsigned digit = (unsigned)*p - '0';
      if (digit > 9) return BR_NUMBER_NONE;
      if (written < 100000) written = written * 10 + (int)digit;
    }
    exponent += minus ? -written : written;
  }
  enum br_number_kind kind = BR_NUMBER_NONE;
  if (significant <= 18) {
    while (exponent > 0 && exponent <= 22 && digits && digits <= (uint64_t)EXACT / 10) digits *= 10, exponent--;
    while (exponent < -22 && digits && digits % 10 == 0) digits /= 10, exponent++;
    if (digits == 0) exponent = 0;
    if (digits <= (uint64_t)EXACT && exponent <= 0 && exponent >= -22) {
      out->digits = negative ? -(int64_t)digits : (int64_t)digits;
      out->scale = -exponent;
      return BR_NUMBER_DECIMAL;
    }
    if (digits <= (uint64_t)EXACT && exponent > 0 && exponent <= 22) {
      out->value = (double)digits * power10[exponent];
      kind = BR_NUMBER_FLOAT;
    }
  }
  if (kind == BR_NUMBER_NONE) kind = parse_slow(start, length, out);
  if (kind == BR_NUMBER_FLOAT && negative) out->value = -out->value;
  return kind;
}

enum br_number_kind br_number_parse(const unsigned char *start, size_t length, struct br_number *out) {
  if (length == 0) return BR_NUMBER_NONE;
  bool negative = *start == '-';
  if (negative || *start == '+') start++, length--;
  if (length == 0) return BR_NUMBER_NONE;
  if (length <= 8 && parse_short(start, length, out)) {
    if (negative) out->digits = -out->digits;
    return BR_NUMBER_DECIMAL;
  }
  if (length > 8 && length <= 16) { /* a head of digits and a tail as above */
    uint64_t head = load8(start);
    struct br_number tail;
    if (all_digits(head) && parse_short(start + 8, length - 8, &tail)) {
      static const int64_t shift[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
      size_t n = length - 8 - (tail.scale > 0 || start[length - 1] == '.');
      int64_t digits = (int64_t)eight_digits(head) * shift[n] + tail.digits;
      if (digits <= EXACT) {
        out->digits = negative ? -digits : digits;
        out->scale = tail.scale;
        return BR_NUMBER_DECIMAL;
      }
    }
  }
  return parse_general(start, length, negative, out);
}

#define COMMA_LENGTH 64 /* longer numbers with a comma are texts */

enum br_number_kind br_number_parse_between(char separator, const unsigned char *start, size_t length, struct br_number *out) {
  enum br_number_kind kind = br_number_parse(start, length, out);
  const unsigned char *comma = kind == BR_NUMBER_NONE && separator == ';' && length <= COMMA_LENGTH ? memchr(start, ',', length) : NULL;
  if (!comma || memchr(start, '.', length)) return kind;
  unsigned char text[COMMA_LENGTH + BR_CSV_PADDING] = {0};
  memcpy(text, start, length);
  text[comma - start] = '.';
  return br_number_parse(text, length, out);
}

/* --- guessing ------------------------------------------------------------------------------------------------------------ */

/* How many of the first records agree on the commonest number of fields, and that number. */
static void agreement(const struct br_csv_scan *scan, size_t rows, size_t *fields, size_t *agreeing) {
  size_t best = 0, best_fields = 0;
  for (size_t r = 0; r < rows; r++) {
    size_t n = scan->row[r] - (r ? scan->row[r - 1] : 1), same = 0;
    for (size_t q = 0; q < rows; q++) same += scan->row[q] - (q ? scan->row[q - 1] : 1) == n;
    if (same > best || (same == best && n > best_fields)) best = same, best_fields = n;
  }
  *fields = best_fields;
  *agreeing = best;
}

static bool looks_like_header(const struct br_csv_scan *scan, const unsigned char *text) {
  if (scan->n_rows == 0) return false;
  for (size_t i = 1; i < scan->row[0]; i++) {
    const unsigned char *start;
    size_t length;
    struct br_number number;
    br_csv_field(text, (uint32_t)(scan->mark[i - 1] + 1), scan->mark[i], &start, &length);
    if (length && br_number_parse_between(scan->separator, start, length, &number) != BR_NUMBER_NONE) return false;
  }
  return true;
}

int br_csv_sniff(const unsigned char *text, size_t bytes, bool complete, char *separator, bool *header) {
  static const char candidates[] = {',', ';', '\t', '|', ' '};
  struct br_csv_scan scan = {0};
  double best = 0;
  int status = BR_OK;
  *separator = ',';
  for (size_t i = 0; i < sizeof candidates && status == BR_OK; i++) {
    status = br_csv_scan_start(&scan, candidates[i], BR_CSV_START, 0);
    if (status == BR_OK) status = br_csv_scan_text(&scan, text, 0, bytes);
    if (status == BR_OK && (complete || scan.n_rows == 0)) status = br_csv_scan_finish(&scan, bytes);
    if (status != BR_OK || scan.n_rows == 0) continue;
    size_t rows = scan.n_rows < 100 ? scan.n_rows : 100, fields, agreeing;
    agreement(&scan, rows, &fields, &agreeing);
    double score = fields < 2 ? 0 : (double)agreeing / (double)rows * (candidates[i] == ' ' ? 0.9 : 1);
    if (score > best * 1.0001) best = score, *separator = candidates[i];
  }
  if (status == BR_OK) status = br_csv_scan_start(&scan, *separator, BR_CSV_START, 0);
  if (status == BR_OK) status = br_csv_scan_text(&scan, text, 0, bytes);
  if (status == BR_OK) status = br_csv_scan_finish(&scan, bytes);
  if (status == BR_OK) *header = looks_like_header(&scan, text);
  br_csv_scan_free(&scan);
  return status;
}
