/* The text of comma-separated files: where fields end, what a field's text is, and the number it stands for. RFC 4180 with what people
 * really have: other separators, line breaks in quotes, CRLF, a byte order mark, blanks around values. Nothing here reads files or
 * knows columns' types; table/reader.c does.
 *
 * Rules: a quote opens a quoted field only as the field's first byte, "" inside stands for one quote; a record ends at LF or CR LF. */
#ifndef BRAMBLE_STORE_CSV_H
#define BRAMBLE_STORE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that must be readable (any content) after the end of a text given to these functions. */
#define BR_CSV_PADDING 32

/* What a scan knows between two bytes. */
enum br_csv_state {
  BR_CSV_START,    /* a field begins here */
  BR_CSV_PLAIN,    /* inside an unquoted field */
  BR_CSV_QUOTED,   /* inside quotes */
  BR_CSV_QUOTE_END /* just after a quote inside quotes: it closed them or was the first of two */
};

/* The fields found in one stretch of text. mark[i] is the offset of the byte that ends field i (a separator, a line feed, or the end of
 * the text), row[r] the number of the first mark after record r. mark[0] is a sentinel: the byte before the first record,
 * so field i + 1 always begins at mark[i] + 1. */
struct br_csv_scan {
  char separator;
  enum br_csv_state state;
  uint32_t *mark, *row;
  size_t n_marks, mark_capacity, n_rows, row_capacity;
};

/* Empties the scan (its memory is kept) for a text whose first record begins at offset `first`. */
int br_csv_scan_start(struct br_csv_scan *scan, char separator, enum br_csv_state state, size_t first);
/* Appends the marks in text[from..to), to less than 2^32 - 1. Errors: BR_ERROR_MEMORY. */
int br_csv_scan_text(struct br_csv_scan *scan, const unsigned char *text, size_t from, size_t to);
/* Ends the last record at offset `end` if the text does not end in a line feed. */
int br_csv_scan_finish(struct br_csv_scan *scan, size_t end);
void br_csv_scan_free(struct br_csv_scan *scan);

/* The state after text[from..to) alone, without marks. */
enum br_csv_state br_csv_state_after(char separator, enum br_csv_state state, const unsigned char *text, size_t from, size_t to);

/* One field's text: *start and *length without blanks around it and without a CR at its end; true if it is quoted
 * (then *start is after the opening quote, *length up to the closing one, and doubled quotes are still doubled). */
bool br_csv_field(const unsigned char *text, size_t from, size_t to, const unsigned char **start, size_t *length);
/* Copies a quoted field's text with doubled quotes made single; out holds `length` bytes. Returns the new length. */
size_t br_csv_unquote(const unsigned char *start, size_t length, char *out);

/* True for what stands for a missing value: nothing, NA, N/A, NaN, null (any case), ?. */
bool br_csv_is_missing(const unsigned char *start, size_t length);

enum br_number_kind { BR_NUMBER_NONE, BR_NUMBER_DECIMAL, BR_NUMBER_FLOAT };
struct br_number {
  int64_t digits; /* DECIMAL: the value is digits / 10^scale, |digits| at most 2^53, scale 0 to 22 */
  int scale;
  double value; /* FLOAT: the nearest double (also of "inf") */
};
/* Reads a whole field as a number: sign, digits, a point, an exponent. Correctly rounded. */
enum br_number_kind br_number_parse(const unsigned char *start, size_t length, struct br_number *out);
/* The same in a file with that separator: between semicolons a comma is a decimal point (1,5 is 1.5), as it is where such files come from. */
enum br_number_kind br_number_parse_between(char separator, const unsigned char *start, size_t length, struct br_number *out);
/* digits / 10^scale, correctly rounded; |digits| at most 2^53, scale 0 to 22. */
double br_number_decimal(int64_t digits, int scale);

/* Guesses from the beginning of a file (`complete`: all of it): the separator among comma, semicolon, tab, bar and blank that gives the same
 * number of fields, more than one, in most records; whether the first record holds names (none of its fields is a number).
 * Errors: BR_ERROR_MEMORY. */
int br_csv_sniff(const unsigned char *text, size_t bytes, bool complete, char *separator, bool *header);

#endif
