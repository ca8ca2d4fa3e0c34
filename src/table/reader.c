/* Reading a table: the header and first guesses of types from the beginning of the file; then all slices by all threads of all ranks; then what
 * was guessed wrong once more: slices that turned out to begin inside quotes, and everything if a column turned out to be of another
 * type. All ranks take the same decisions at the same points. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include "folder.h"
#include "libsvm.h"
#include "slice.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_BYTES ((size_t)256 << 10)
#define SAMPLE_BYTES ((size_t)256 << 10)
#define NO_SEPARATOR '\x1f' /* of LIBSVM's lines, which are cut otherwise */

/* The first text of a column in the sample, and its row counted from 1. */
struct oddity {
  char *text;
  uint64_t row;
  bool odd; /* most are numbers */
};

struct reader {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_csv_options *options;
  struct br__sources sources;
  struct br__layout layout;
  struct br__slice *slices; /* this rank's */
  size_t n_slices, first_slice, all_slices;
  struct br__slicer *slicers; /* one per thread */
  struct oddity *oddity; /* of each kept column, NULL for LIBSVM text */
  bool libsvm;
  bool again;                 /* some slice was read more than once: dictionaries hold texts no row has */
  char **all_names;
  size_t n_names;
  struct br_table *table;
};

/* --- the header ---------------------------------------------------------------------------------------------------------- */

static char *field_text(const unsigned char *text, uint32_t from, uint32_t to) {
  const unsigned char *start;
  size_t length;
  bool quoted = br_csv_field(text, from, to, &start, &length);
  char *out = calloc(length + 1, 1);
  if (!out) return NULL;
  if (quoted)
    out[br_csv_unquote(start, length, out)] = 0;
  else
    memcpy(out, start, length);
  return out;
}

static int check_repeats(const struct reader *r) {
  struct br__dictionary seen = {0};
  int status = BR_OK;
  for (size_t i = 0; status == BR_OK && i < r->n_names; i++) {
    uint32_t id;
    status = br__dictionary_add(&seen, r->all_names[i], strlen(r->all_names[i]), &id);
    if (status == BR_OK && id < i) status = br_error_set(BR_ERROR_DATA, "%s: columns %u and %zu are both called %s; rename one", r->sources.list[0].path, id + 1, i + 1, r->all_names[i]);
  }
  br__dictionary_free(&seen);
  return status;
}

/* Names of all fields of the first record, or c1, c2, ... */
static int take_names(struct reader *r, const unsigned char *text, const struct br_csv_scan *scan) {
  r->n_names = scan->row[0] - 1;
  BR_TRY(br_memory_alloc(r->n_names, sizeof *r->all_names, "column names", &r->all_names));
  for (size_t i = 0; i < r->n_names; i++) {
    char *name = NULL;
    if (r->table->header) {
      name = field_text(text, scan->mark[i] + 1, scan->mark[i + 1]);
      if (name && *name == 0) {
        free(name);
        name = NULL;
      }
    }
    if (!name && asprintf(&name, "c%zu", i + 1) < 0) BR_FAIL(BR_ERROR_MEMORY, "no memory for column names");
    r->all_names[i] = name;
  }
  return check_repeats(r);
}

/* Reads the first record, however long it is, and a sample behind it. */
static int read_head(struct reader *r, size_t file, unsigned char **text, size_t *bytes, struct br_csv_scan *scan) {
  struct br__source *source = &r->sources.list[file];
  for (size_t want = SAMPLE_BYTES;; want *= 4) {
    *bytes = want < source->bytes ? want : (size_t)source->bytes;
    BR_TRY(br_memory_alloc(*bytes + BR_CSV_PADDING, 1, "beginning of the file", text));
    BR_TRY(br__source_read(source, 0, *bytes, *text));
    source->body = *bytes >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (*bytes == source->body) BR_FAIL(BR_ERROR_DATA, "%s: is empty", source->path);
    if (*bytes >= 2 && (memcmp(*text, "\xff\xfe", 2) == 0 || memcmp(*text, "\xfe\xff", 2) == 0))
      BR_FAIL(BR_ERROR_DATA, "%s: is UTF-16 text; make it UTF-8 (iconv -f UTF-16 -t UTF-8)", source->path);
    if (file == 0) {
      bool guess;
      char separator;
      r->libsvm = br__libsvm_path(r->options->path) || (!r->options->separator && br__libsvm_sniff(*text + source->body, *bytes - source->body, *bytes == source->bytes));
      BR_TRY(br_csv_sniff(*text + source->body, *bytes - source->body, *bytes == source->bytes, &separator, &guess));
      r->table->separator = r->options->separator ? r->options->separator : separator;
      r->table->header = r->options->header < 0 ? guess : r->options->header == 1;
    }
    if (r->libsvm) {
      r->table->libsvm = true;
      r->table->header = false;
      return BR_OK;
    }
    BR_TRY(br_csv_scan_start(scan, r->table->separator, BR_CSV_START, (size_t)source->body));
    BR_TRY(br_csv_scan_text(scan, *text, (size_t)source->body, *bytes));
    if (*bytes == source->bytes) BR_TRY(br_csv_scan_finish(scan, *bytes));
    if (scan->n_rows || *bytes == source->bytes) break;
    br_memory_free(*text);
    *text = NULL;
  }
  if (scan->n_rows == 0) BR_FAIL(BR_ERROR_DATA, "%s: the first record never ends; is a quote unclosed?", source->path);
  if (r->table->header) source->body = scan->mark[scan->row[0] - 1] + (uint64_t)1;
  if (source->body > source->bytes) source->body = source->bytes;
  return BR_OK;
}

static int same_header(struct reader *r, size_t file, const unsigned char *text, const struct br_csv_scan *scan) {
  bool same = scan->row[0] - 1 == r->n_names;
  for (size_t i = 0; same && i < r->n_names; i++) {
    char *name = field_text(text, scan->mark[i] + 1, scan->mark[i + 1]);
    same = !r->table->header || (name && (strcmp(name, r->all_names[i]) == 0 || *name == 0));
    free(name);
  }
  if (!same) BR_FAIL(BR_ERROR_DATA, "%s: its columns are not those of %s", r->sources.list[file].path, r->sources.list[0].path);
  return BR_OK;
}

/* --- columns ------------------------------------------------------------------------------------------------------------- */

static int find_name(char *const *names, size_t n, const char *name, size_t *out) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(name, names[i]) == 0) {
      *out = i;
      return BR_OK;
    }
  const char *nearest = br_text_nearest(name, (const char *const *)names, n);
  if (nearest) BR_FAIL(BR_ERROR_DATA, "there is no column %s; did you mean %s?", name, nearest);
  BR_FAIL(BR_ERROR_DATA, "there is no column %s among the %zu (%s, ...)", name, n, n ? names[0] : "none");
}

int br__table_check_name(const struct br_table *table, const char *name) {
  char **names;
  size_t n = 0, found;
  BR_TRY(br_memory_alloc(table->n_columns + table->n_file_names, sizeof *names, "column names", &names));
  for (size_t i = 0; i < table->n_file_names; i++) names[n++] = table->file_names[i];
  for (size_t i = 0, of_file = n; i < table->n_columns; i++) {
    bool there = false;
    for (size_t k = 0; k < of_file && !there; k++) there = strcmp(names[k], table->columns[i].name) == 0;
    if (!there) names[n++] = table->columns[i].name;
  }
  int status = find_name(names, n, name, &found);
  br_memory_free(names);
  return status;
}

int br_table_find(const struct br_table *table, const char *name, size_t *column) {
  for (*column = 0; *column < table->n_columns; ++*column)
    if (strcmp(table->columns[*column].name, name) == 0) return BR_OK;
  BR_TRY(br__table_check_name(table, name));
  BR_FAIL(BR_ERROR_DATA, "the column %s was not read from the file", name);
}

static int choose_columns(struct reader *r) {
  struct br__layout *layout = &r->layout;
  bool *kept;
  BR_TRY(br_memory_alloc(r->n_names, sizeof *kept, "columns", &kept));
  int status = BR_OK;
  for (size_t i = 0; i < r->n_names && !r->options->wanted; i++) kept[i] = true;
  for (size_t i = 0; status == BR_OK && r->options->wanted && i < r->options->n_wanted; i++) {
    size_t found = 0;
    status = find_name(r->all_names, r->n_names, r->options->wanted[i], &found);
    if (status == BR_OK)
      kept[found] = true;
    else if (r->options->lenient)
      status = BR_OK;
    else
      br_error_prefix(status, "%s", r->sources.list[0].path);
  }
  for (size_t i = 0; i < r->n_names; i++) layout->n_columns += kept[i];
  size_t n = layout->n_columns;
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *layout->field, "columns", &layout->field);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *layout->type, "columns", &layout->type);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *layout->fixed, "columns", &layout->fixed);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *layout->format, "columns", &layout->format);
  if (status == BR_OK) status = br_memory_alloc(n, sizeof *layout->names, "columns", &layout->names);
  size_t k = 0;
  for (size_t i = 0; status == BR_OK && i < r->n_names; i++)
    if (kept[i]) {
      layout->field[k] = i;
      layout->names[k++] = r->all_names[i];
    }
  br_memory_free(kept);
  return status;
}

static int apply_choices(struct reader *r) {
  for (size_t i = 0; i < r->options->n_choices; i++) {
    const struct br_column_choice *choice = &r->options->choices[i];
    size_t in_file;
    if (find_name(r->all_names, r->n_names, choice->name, &in_file) != BR_OK) {
      if (r->options->lenient) continue;
      return br_error_prefix(BR_ERROR_DATA, "%s", r->sources.list[0].path);
    }
    for (size_t c = 0; c < r->layout.n_columns; c++)
      if (r->layout.field[c] == in_file && choice->type != BR_COLUMN_AUTO) {
        r->layout.type[c] = choice->type;
        r->layout.format[c] = choice->format;
        r->layout.fixed[c] = true;
      }
  }
  return BR_OK;
}

/* What a column is when it holds values of both types. */
static enum br_column_type join_types(enum br_column_type a, enum br_column_type b) {
  if (a == BR_COLUMN_AUTO || a == b) return b;
  return b == BR_COLUMN_AUTO ? a : BR_COLUMN_CATEGORY;
}

/* First guesses from the sample; a wrong one costs a second reading, nothing else. */
static void guess_types(struct reader *r, const unsigned char *text, const struct br_csv_scan *scan) {
  for (size_t c = 0; c < r->layout.n_columns; c++) {
    enum br_column_type type = BR_COLUMN_AUTO;
    size_t number = 0, texts = 0, rows = 0;
    for (size_t row = r->table->header ? 1 : 0; row < scan->n_rows; row++) {
      size_t before = row ? scan->row[row - 1] - 1 : 0;
      if (scan->row[row] - 1 - before != r->layout.n_fields) continue;
      const unsigned char *start;
      size_t length, mark = before + r->layout.field[c];
      br_csv_field(text, scan->mark[mark] + 1, scan->mark[mark + 1], &start, &length);
      enum br_column_type own = br__value_type(r->table->separator, start, length);
      type = join_types(type, own);
      rows++;
      number += own == BR_COLUMN_NUMBER;
      if (own == BR_COLUMN_CATEGORY && texts++ == 0) {
        free(r->oddity[c].text);
        r->oddity[c].text = strndup((const char *)start, length < 40 ? length : 40);
        r->oddity[c].row = rows;
      }
    }
    r->oddity[c].odd = number > texts; /* few texts among numbers: worth saying */
    if (!r->layout.fixed[c]) r->layout.type[c] = type == BR_COLUMN_AUTO ? BR_COLUMN_NUMBER : type;
  }
}

/* The columns of CSV text, whose first record and sample have been scanned. */
static int lay_out(struct reader *r, const unsigned char *text, const struct br_csv_scan *scan) {
  BR_TRY(take_names(r, text, scan));
  r->layout.n_fields = r->n_names;
  BR_TRY(choose_columns(r));
  BR_TRY(apply_choices(r));
  BR_TRY(br_memory_alloc(r->layout.n_columns, sizeof *r->oddity, "columns", &r->oddity));
  guess_types(r, text, scan);
  return BR_OK;
}

static int open_files(struct reader *r) {
  struct br_csv_scan scan = {0};
  unsigned char *text = NULL;
  size_t bytes;
  const char *path = br__libsvm_path(r->options->path) ? br__libsvm_path(r->options->path) : r->options->path;
  int status = r->options->text ? br__sources_open_text(path, r->options->text, &r->sources) : br__sources_open(path, br_comm_size(r->comm) == 1, &r->sources);
  for (size_t f = 0; status == BR_OK && f < r->sources.n; f++) {
    status = read_head(r, f, &text, &bytes, &scan);
    if (status == BR_OK && f == 0) r->layout = (struct br__layout){.sources = &r->sources, .slice_bytes = r->options->slice_bytes ? r->options->slice_bytes : SLICE_BYTES, .separator = r->libsvm ? NO_SEPARATOR : r->table->separator, .skip_bad_rows = r->options->skip_bad_rows};
    if (status == BR_OK && !r->libsvm) status = f > 0 ? same_header(r, f, text, &scan) : lay_out(r, text, &scan);
    br_memory_free(text);
    text = NULL;
  }
  br_memory_free(text);
  br_csv_scan_free(&scan);
  return status;
}

/* --- slices -------------------------------------------------------------------------------------------------------------- */

static int cut_slices(struct reader *r) {
  size_t total = 0, k = 0, step = r->layout.slice_bytes;
  for (size_t f = 0; f < r->sources.n; f++) total += (size_t)((r->sources.list[f].bytes - r->sources.list[f].body + step - 1) / step);
  size_t ranks = (size_t)br_comm_size(r->comm), rank = (size_t)br_comm_rank(r->comm);
  r->all_slices = total;
  r->first_slice = (size_t)((unsigned __int128)total * rank / ranks);
  r->n_slices = (size_t)((unsigned __int128)total * (rank + 1) / ranks) - r->first_slice;
  BR_TRY(br_memory_alloc(r->n_slices, sizeof *r->slices, "slices of the file", &r->slices));
  for (size_t f = 0; f < r->sources.n; f++)
    for (uint64_t at = r->sources.list[f].body; at < r->sources.list[f].bytes; at += step, k++)
      if (k >= r->first_slice && k < r->first_slice + r->n_slices) {
        uint64_t end = at + step < r->sources.list[f].bytes ? at + step : r->sources.list[f].bytes;
        r->slices[k - r->first_slice] = (struct br__slice){.source = (uint32_t)f, .from = at, .to = end};
      }
  return BR_OK;
}

struct round {
  struct reader *reader;
  atomic_size_t next;
  bool *ends_if_inside; /* with this: not read, only scanned from inside quotes */
  atomic_int status;
};

static void run_round(void *arg, struct br_part part) {
  struct round *round = arg;
  struct reader *r = round->reader;
  struct br__slicer *slicer = &r->slicers[part.index];
  for (size_t i; (i = atomic_fetch_add(&round->next, 1)) < r->n_slices;) {
    if (round->ends_if_inside) {
      int status = br__slice_end_if_inside(slicer, &r->slices[i], &round->ends_if_inside[i]);
      if (status != BR_OK) atomic_store(&round->status, status);
    } else if (!r->slices[i].complete) {
      br__slice_read(slicer, &r->slices[i]);
      r->slices[i].complete = true;
    }
  }
}

static void read_slices(struct reader *r) {
  struct round round = {.reader = r};
  br_team_run(r->team, run_round, &round);
}

/* --- the columns of LIBSVM text ------------------------------------------------------------------------------------------ */

struct measuring {
  struct reader *reader;
  atomic_size_t next;
  atomic_int status;
  struct br__libsvm_extent *extent; /* [thread] */
};

static void measure_part(void *arg, struct br_part part) {
  struct measuring *m = arg;
  struct reader *r = m->reader;
  struct br__slicer slicer;
  int status = br__slicer_open(&slicer, &r->layout, 0);
  for (size_t i; status == BR_OK && (i = atomic_fetch_add(&m->next, 1)) < r->n_slices;) status = br__slice_measure(&slicer, &r->slices[i], &m->extent[part.index]);
  if (status != BR_OK) atomic_store(&m->status, status);
  br__slicer_close(&slicer);
}

/* The rows and indices of all ranks' slices; an index that somebody asks for by its column's name counts as well. Collective. */
static int measure_all(struct reader *r, struct br__libsvm_extent *out) {
  struct measuring m = {.reader = r};
  size_t threads = (size_t)br_team_count(r->team);
  BR_TRY(br_comm_agree(r->comm, br_memory_alloc(threads, sizeof *m.extent, "threads", &m.extent)));
  for (size_t t = 0; t < threads; t++) m.extent[t] = (struct br__libsvm_extent){.least = 1, .most = -1};
  br_team_run(r->team, measure_part, &m);
  *out = (struct br__libsvm_extent){.least = 1, .most = 0};
  for (size_t t = 0; t < threads; t++) {
    out->rows += m.extent[t].rows;
    if (m.extent[t].least < out->least) out->least = m.extent[t].least;
    if (m.extent[t].most > out->most) out->most = m.extent[t].most;
  }
  br_memory_free(m.extent);
  int status = atomic_load(&m.status);
  if (status != BR_OK) br_error_set(status, "%s: could not be looked through", r->sources.list[0].path);
  for (size_t i = 0; i < r->options->n_wanted; i++) {
    const char *name = r->options->wanted[i];
    char *end;
    long index = name[0] == 'f' ? strtol(name + 1, &end, 10) : -1;
    if (index >= 0 && index <= BR__LIBSVM_MOST_INDEX && end > name + 1 && *end == 0 && index > out->most) out->most = index;
  }
  BR_TRY(br_comm_agree(r->comm, status));
  int64_t limits[2] = {-out->least, out->most};
  BR_TRY(br_comm_max_i64(r->comm, limits, 2));
  out->least = -limits[0];
  out->most = limits[1];
  return br_comm_sum_i64(r->comm, &out->rows, 1);
}

/* label, f1, f2, ... */
static int name_indices(struct reader *r, const struct br__libsvm_extent *extent) {
  r->n_names = (size_t)(extent->most - extent->least + 2);
  r->layout.first_index = (uint64_t)extent->least;
  BR_TRY(br_memory_alloc(r->n_names, sizeof *r->all_names, "column names", &r->all_names));
  for (size_t i = 0; i < r->n_names; i++)
    if (i ? asprintf(&r->all_names[i], "f%llu", (unsigned long long)r->layout.first_index + i - 1) < 0 : !(r->all_names[0] = strdup("label"))) {
      r->all_names[i] = NULL;
      BR_FAIL(BR_ERROR_MEMORY, "no memory for column names");
    }
  return BR_OK;
}

static int lay_out_indices(struct reader *r, const struct br__libsvm_extent *extent) {
  struct br__layout *layout = &r->layout;
  const char *path = r->sources.list[0].path;
  BR_TRY(name_indices(r, extent));
  layout->n_fields = r->n_names;
  BR_TRY(choose_columns(r));
  BR_TRY(apply_choices(r));
  BR_TRY(br_memory_alloc(r->n_names, sizeof *layout->column_of, "columns", &layout->column_of));
  memset(layout->column_of, 0xff, r->n_names * sizeof *layout->column_of);
  for (size_t c = 0; c < layout->n_columns; c++) {
    if (layout->type[c] == BR_COLUMN_AUTO) layout->type[c] = BR_COLUMN_NUMBER;
    if (layout->field[c] == 0) continue;
    layout->column_of[layout->field[c] - 1] = (uint32_t)c;
    if (layout->type[c] != BR_COLUMN_NUMBER) BR_FAIL(BR_ERROR_USAGE, "%s: column %s of LIBSVM text is a number, it cannot be a %s", path, layout->names[c], br_column_type_name(layout->type[c]));
  }
  uint64_t cells = (uint64_t)extent->rows / (uint64_t)br_comm_size(r->comm) * layout->n_columns, limit = br_memory_available_bytes();
  char a[32], b[32];
  if (limit && cells > limit)
    BR_FAIL(BR_ERROR_MEMORY, "%s: %lld rows of %zu columns need %s of each rank, and %s are free; choose fewer --features, or use more ranks", path, (long long)extent->rows, layout->n_columns, br_text_bytes((double)cells, a),
            br_text_bytes((double)limit, b));
  return BR_OK;
}

/* Collective. */
static int find_indices(struct reader *r) {
  struct br__libsvm_extent extent;
  BR_TRY(measure_all(r, &extent));
  return br_comm_agree(r->comm, lay_out_indices(r, &extent));
}

/* --- what was guessed ---------------------------------------------------------------------------------------------------- */

/* Finds the slices that begin inside quotes and marks them to be read again. Needed only where some slice ended inside. Collective. */
static int settle_quotes(struct reader *r) {
  int64_t inside = 0;
  for (size_t i = 0; i < r->n_slices; i++) inside += r->slices[i].ends_inside;
  BR_TRY(br_comm_sum_i64(r->comm, &inside, 1));
  if (inside == 0) return BR_OK;
  bool *ends;
  int32_t *all = NULL; /* of every slice: bit 0 ends inside if it begins outside, bit 1 if it begins inside, bit 2 first of its file */
  BR_TRY(br_memory_alloc(r->n_slices, sizeof *ends, "slices of the file", &ends));
  struct round round = {.reader = r, .ends_if_inside = ends};
  br_team_run(r->team, run_round, &round);
  int status = atomic_load(&round.status);
  if (status != BR_OK) status = br_error_set(status, "%s: could not be read a second time", r->sources.list[0].path);
  if (status == BR_OK) status = br_memory_alloc(r->all_slices, sizeof *all, "slices of the file", &all);
  status = br_comm_agree(r->comm, status);
  for (size_t i = 0; status == BR_OK && i < r->n_slices; i++) {
    const struct br__slice *slice = &r->slices[i];
    all[r->first_slice + i] = slice->ends_inside | ends[i] << 1 | (slice->from == r->sources.list[slice->source].body) << 2;
  }
  if (status == BR_OK) status = br_comm_sum_i32(r->comm, all, r->all_slices);
  bool open = false;
  for (size_t k = 0; status == BR_OK && k < r->all_slices; k++) {
    if (all[k] & 4) open = false;
    if (open && k >= r->first_slice && k < r->first_slice + r->n_slices) {
      struct br__slice *slice = &r->slices[k - r->first_slice];
      slice->begins_inside = true;
      slice->complete = false;
      r->again = true;
    }
    open = open ? all[k] >> 1 & 1 : all[k] & 1;
  }
  br_memory_free(all);
  br_memory_free(ends);
  BR_TRY(status);
  read_slices(r);
  return BR_OK;
}

/* Columns that turned out to hold text become categories on all ranks; *changed tells to read again. Collective. */
static int settle_types(struct reader *r, bool *changed) {
  size_t n = r->layout.n_columns;
  int64_t *rank_of; /* per column: the highest of (ranks - rank) that met text, so the first rank */
  BR_TRY(br_memory_alloc(n, sizeof *rank_of, "columns", &rank_of));
  int ranks = br_comm_size(r->comm), rank = br_comm_rank(r->comm);
  for (size_t i = 0; i < r->n_slices; i++)
    for (size_t c = 0; r->slices[i].conflicts && c < n; c++)
      if (r->slices[i].conflicts[c].any) rank_of[c] = ranks - rank;
  int status = br_comm_max_i64(r->comm, rank_of, n);
  *changed = false;
  uint64_t *first; /* rows before each of this rank's slices are needed to say where the text is */
  if (status == BR_OK) status = br_memory_alloc(r->n_slices + 1, sizeof *first, "slices of the file", &first);
  uint64_t before = 0;
  for (size_t i = 0; status == BR_OK && i < r->n_slices; i++) first[i + 1] = first[i] + r->slices[i].block.rows;
  if (status == BR_OK) {
    uint64_t mine = first[r->n_slices], *each;
    status = br_memory_alloc((size_t)ranks, sizeof *each, "rows of ranks", &each);
    if (status == BR_OK) status = br_comm_allgather(r->comm, &mine, sizeof mine, each);
    for (int k = 0; status == BR_OK && k < rank; k++) before += each[k];
    br_memory_free(each);
  }
  for (size_t c = 0; status == BR_OK && c < n; c++) {
    if (rank_of[c] == 0) continue;
    struct {
      uint64_t row;
      char text[44];
    } found = {0};
    for (size_t i = 0; rank_of[c] == ranks - rank && i < r->n_slices; i++)
      if (r->slices[i].conflicts && r->slices[i].conflicts[c].any) {
        found.row = before + first[i] + r->slices[i].conflicts[c].row + 1;
        memcpy(found.text, r->slices[i].conflicts[c].text, sizeof found.text);
        break;
      }
    status = br_comm_broadcast(r->comm, &found, sizeof found, ranks - (int)rank_of[c]);
    r->table->columns[c].first_text = strdup(found.text);
    r->table->columns[c].first_text_row = found.row;
    r->layout.type[c] = BR_COLUMN_CATEGORY;
    *changed = true;
  }
  br_memory_free(first);
  br_memory_free(rank_of);
  return status;
}

static int read_all(struct reader *r) {
  size_t threads = (size_t)br_team_count(r->team);
  int status = br_memory_alloc(threads, sizeof *r->slicers, "threads", &r->slicers);
  for (size_t t = 0; status == BR_OK && t < threads; t++) status = br__slicer_open(&r->slicers[t], &r->layout, (uint32_t)t);
  BR_TRY(br_comm_agree(r->comm, status));
  for (bool changed = true; changed;) {
    for (size_t i = 0; i < r->n_slices; i++) r->slices[i].complete = false;
    read_slices(r);
    BR_TRY(settle_quotes(r));
    BR_TRY(settle_types(r, &changed));
    r->again = r->again || changed;
  }
  return BR_OK;
}

/* --- the table ----------------------------------------------------------------------------------------------------------- */

/* The number of the line that begins at a byte, counted from 1. */
static uint64_t line_number(const struct br__source *source, uint64_t byte) {
  unsigned char text[4096];
  uint64_t lines = 1;
  for (uint64_t at = 0; at < byte;) {
    size_t n = byte - at < sizeof text ? (size_t)(byte - at) : sizeof text;
    if (br__source_read(source, at, n, text) != BR_OK) break;
    for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
    at += n;
  }
  return lines;
}

/* Gives blocks their row numbers, then reports the first error in the file. Collective. */
static int number_rows(struct reader *r) {
  struct br_table *t = r->table;
  int ranks = br_comm_size(r->comm), rank = br_comm_rank(r->comm), status = BR_OK;
  uint64_t mine[2] = {0, 0}, before = 0, *each;
  for (size_t i = 0; i < r->n_slices; i++) mine[0] += r->slices[i].block.rows, mine[1] += r->slices[i].bad_rows;
  BR_TRY(br_memory_alloc((size_t)ranks, sizeof mine, "rows of ranks", &each));
  status = br_comm_allgather(r->comm, mine, sizeof mine, each);
  for (int k = 0; status == BR_OK && k < ranks; k++) {
    before += k < rank ? each[2 * k] : 0;
    t->rows += each[2 * k];
    t->bad_rows += each[2 * k + 1];
  }
  br_memory_free(each);
  BR_TRY(status);
  for (size_t i = 0; i < r->n_slices && status == BR_OK; i++) {
    struct br__slice *slice = &r->slices[i];
    slice->block.first = before;
    if (slice->error && slice->error_has_row && r->libsvm)
      status = br_error_set(slice->status, "%s: line %llu %s", r->sources.list[slice->source].path, (unsigned long long)line_number(&r->sources.list[slice->source], slice->error_byte), slice->error);
    else if (slice->error && slice->error_has_row)
      status = br_error_set(slice->status, "%s: row %llu %s", r->sources.list[slice->source].path, (unsigned long long)(before + slice->error_row + 1), slice->error);
    else if (slice->error)
      status = br_error_set(slice->status, "%s", slice->error);
    before += slice->block.rows;
  }
  BR_TRY(br_comm_agree(r->comm, status));
  if (t->rows == 0) BR_FAIL(BR_ERROR_DATA, r->libsvm ? "%s: has no rows" : "%s: has a header and no rows", r->sources.list[0].path);
  return BR_OK;
}

/* Which texts of the threads' dictionaries rows really have, after slices were read more than once. */
static void mark_used(const struct reader *r, size_t column, unsigned char *const *used) {
  for (size_t i = 0; i < r->n_slices; i++) {
    const struct br__block *b = &r->slices[i].block;
    const struct br__packed *p = &b->packed[column];
    const void *data = b->data + p->offset;
    for (uint32_t row = 0; row < b->rows; row++) {
      uint32_t code = p->form == BR__U8 ? ((const uint8_t *)data)[row] : p->form == BR__U16 ? ((const uint16_t *)data)[row] : p->form == BR__U32 ? ((const uint32_t *)data)[row] : 0;
      if (code) used[b->thread][code - 1] = 1;
    }
  }
}

static int merge_categories(struct reader *r, size_t column) {
  size_t threads = (size_t)br_team_count(r->team);
  struct br__dictionary **dictionaries;
  unsigned char **used;
  bool full = false;
  int status = br_memory_alloc(threads, sizeof *dictionaries, "category names", &dictionaries);
  if (status == BR_OK) status = br_memory_alloc(threads, sizeof *used, "category names", &used);
  for (size_t t = 0; status == BR_OK && t < threads; t++) {
    dictionaries[t] = &r->slicers[t].dictionaries[column];
    status = br_memory_alloc(dictionaries[t]->n, 1, "category names", &used[t]);
  }
  status = br_comm_agree(r->comm, status);
  if (status == BR_OK && r->again) mark_used(r, column, used);
  if (status == BR_OK) status = br__categories_merge(r->comm, dictionaries, r->again ? used : NULL, threads, &r->table->columns[column].categories, &full);
  if (status == BR_OK && full) {
    br__categories_free(&r->table->columns[column].categories, threads);
    r->table->columns[column].type = BR_COLUMN_TEXT;
  }
  for (size_t t = 0; t < threads && used; t++) br_memory_free(used[t]);
  br_memory_free(used);
  br_memory_free(dictionaries);
  return status;
}

static int finish_table(struct reader *r) {
  struct br_table *t = r->table;
  BR_TRY(number_rows(r));
  t->threads = (size_t)br_team_count(r->team);
  for (size_t c = 0; c < t->n_columns; c++) {
    t->columns[c].type = r->layout.type[c];
    if (t->columns[c].type == BR_COLUMN_CATEGORY) BR_TRY(merge_categories(r, c));
    if (r->oddity && r->oddity[c].odd && !t->columns[c].first_text && !r->layout.fixed[c]) {
      t->columns[c].first_text = r->oddity[c].text;
      t->columns[c].first_text_row = r->oddity[c].row;
      r->oddity[c].text = NULL;
    }
  }
  BR_TRY(br_memory_alloc(r->n_slices, sizeof *t->blocks, "table", &t->blocks));
  for (size_t i = 0; i < r->n_slices; i++) {
    struct br__block *b = &r->slices[i].block;
    if (b->rows > t->largest_block) t->largest_block = b->rows;
    if (b->rows) {
      t->blocks[t->n_blocks++] = *b;
      *b = (struct br__block){0};
    }
  }
  return BR_OK;
}

static int read_table(struct reader *r) {
  BR_TRY(br_comm_agree(r->comm, open_files(r)));
  BR_TRY(br_comm_agree(r->comm, cut_slices(r)));
  if (r->libsvm) BR_TRY(find_indices(r));
  int status = br_memory_alloc(r->layout.n_columns, sizeof *r->table->columns, "columns", &r->table->columns);
  r->table->n_columns = status == BR_OK ? r->layout.n_columns : 0;
  for (size_t c = 0; c < r->table->n_columns && status == BR_OK; c++)
    if (!(r->table->columns[c].name = strdup(r->layout.names[c]))) status = br_error_set(BR_ERROR_MEMORY, "no memory for column names");
  BR_TRY(br_comm_agree(r->comm, status));
  BR_TRY(read_all(r));
  BR_TRY(br_comm_agree(r->comm, br__sources_check(&r->sources)));
  return finish_table(r);
}

int br_table_read_csv(struct br_comm *comm, struct br_team *team, const struct br_csv_options *options, struct br_table **out) {
  if (!options->text && br_table_is_folder(options->path)) return br__folder_read(comm, team, options, out);
  struct reader r = {.comm = comm, .team = team, .options = options};
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *r.table, "table", &r.table));
  int status = read_table(&r);
  for (size_t t = 0; r.slicers && t < (size_t)br_team_count(team); t++)
    if (r.slicers[t].layout) br__slicer_close(&r.slicers[t]);
  for (size_t i = 0; i < r.n_slices && r.slices; i++) br__slice_clear(&r.slices[i]);
  r.table->file_names = r.all_names;
  r.table->n_file_names = r.all_names ? r.n_names : 0;
  br_memory_free(r.slicers);
  br_memory_free(r.slices);
  for (size_t c = 0; r.oddity && c < r.layout.n_columns; c++) free(r.oddity[c].text);
  br_memory_free(r.oddity);
  br_memory_free(r.layout.field);
  br_memory_free(r.layout.type);
  br_memory_free(r.layout.fixed);
  br_memory_free(r.layout.format);
  br_memory_free(r.layout.names);
  br_memory_free(r.layout.column_of);
  br__sources_close(&r.sources);
  if (status != BR_OK) {
    br_table_close(r.table);
    return status;
  }
  *out = r.table;
  return BR_OK;
}
