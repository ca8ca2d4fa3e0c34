/* One slice of a file becomes one block of a table: what reader.c asks of slice.c. */
#ifndef BRAMBLE_SRC_TABLE_SLICE_H
#define BRAMBLE_SRC_TABLE_SLICE_H

#include <bramble/store/csv.h>

#include "source.h"
#include "table.h"

/* What all slices of a table share. */
struct br__layout {
  const struct br__sources *sources;
  size_t slice_bytes;
  char separator;
  size_t n_fields;  /* of every record */
  size_t n_columns; /* kept */
  size_t *field;    /* the field each kept column is */
  enum br_column_type *type;
  const char **format; /* of dates, NULL: ISO */
  bool *fixed;      /* the type was asked for: other text is an error */
  char **names;
  bool skip_bad_rows;
  /* LIBSVM text (libsvm.h): the kept column of each index from first_index on, UINT32_MAX where it is not kept; NULL for CSV */
  uint32_t *column_of;
  uint64_t first_index;
};

/* The first text in one column of a slice that is not of the column's type. */
struct br__conflict {
  bool any;
  uint32_t row;
  char text[44];
};

struct br__slice {
  uint32_t source;
  uint64_t from, to; /* bytes; the end grows past quotes when it is read */
  bool begins_inside; /* a quote of an earlier slice is open: guessed false, then known */
  bool ends_inside;
  bool complete;     /* read with what is now known */
  uint32_t bad_rows;
  int status;        /* of reading it; `error` says why */
  char *error;
  uint32_t error_row;
  uint64_t error_byte;            /* of LIBSVM text: where its line begins */
  bool error_has_row;
  struct br__conflict *conflicts; /* n_columns, or NULL where there is none */
  struct br__block block;
};

/* What one thread needs to read slices; zeroed to begin with. */
struct br__slicer {
  const struct br__layout *layout;
  uint32_t thread;
  unsigned char *buffer;
  size_t buffer_capacity;
  uint64_t base;           /* where in the file the buffer begins */
  struct br_csv_scan scan;
  const uint32_t *marks;   /* the scan's, or those of LIBSVM's labels */
  uint32_t *first; /* per record kept: the mark before its first field */
  int64_t *digits;
  int8_t *scale;
  size_t row_capacity;
  char *text;
  size_t text_capacity;
  unsigned char *packed;
  size_t packed_capacity;
  struct br__dictionary *dictionaries; /* n_columns */
  struct br__libsvm *libsvm;           /* NULL until such text is read */
};
int br__slicer_open(struct br__slicer *slicer, const struct br__layout *layout, uint32_t thread);
void br__slicer_close(struct br__slicer *slicer);

/* Reads the slice; what goes wrong is left in slice->status and slice->error, to be told once its row number is known. */
void br__slice_read(struct br__slicer *slicer, struct br__slice *slice);
/* Whether a quote is open at the slice's end if one is open at its start. Errors: BR_ERROR_DATA, BR_ERROR_MEMORY. */
int br__slice_end_if_inside(struct br__slicer *slicer, const struct br__slice *slice, bool *inside);
/* How far LIBSVM text in the slice reaches. Errors: BR_ERROR_DATA, BR_ERROR_MEMORY. */
struct br__libsvm_extent;
int br__slice_measure(struct br__slicer *slicer, struct br__slice *slice, struct br__libsvm_extent *extent);
/* Leaves br_error_message() in the slice, if it is its first, as that of a row whose text begins at byte `at` of the buffer. */
void br__slice_keep_error(const struct br__slicer *slicer, struct br__slice *slice, int status, size_t row, size_t at);
/* Makes *(void **)block hold `least` elements, if *capacity is less; the first `keep` stay. */
int br__slice_enlarge(void *block, size_t keep, size_t *capacity, size_t least, size_t element, const char *what);
/* Frees what reading left. */
void br__slice_clear(struct br__slice *slice);

/* The type one value's text alone would have in a file with that separator: NUMBER, DATE, CATEGORY, or AUTO if it is missing. */
enum br_column_type br__value_type(char separator, const unsigned char *text, size_t length);

#endif
