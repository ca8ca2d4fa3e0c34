/* Answers for rows: a whole table as CSV in its order, or one row given as text. */
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/store/file.h>
#include <bramble/table/evaluate.h>
#include <bramble/table/task.h>

#include "explain.h"
#include "model.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64 /* blocks turned into text at once */

struct predicting {
  const struct br_table_model *model;
  const struct br_table *table;
  struct br__encoder encoder;
  unsigned what;
  size_t first, last; /* blocks of this batch */
  char *text[BATCH];
  size_t bytes[BATCH];
  atomic_size_t next;
  atomic_uint_fast64_t unknown, unanswered;
  atomic_int status;
};

static size_t likeliest(const double *p, size_t n) {
  size_t best = 0;
  for (size_t c = 1; c < n; c++)
    if (p[c] > p[best]) best = c;
  return best;
}

/* A field of CSV: in quotes where it must be. */
static void put_text(FILE *out, const char *text) {
  if (!strpbrk(text, ",\"\n\r")) {
    fputs(text, out);
    return;
  }
  putc('"', out);
  for (; *text; text++) {
    if (*text == '"') putc('"', out);
    putc(*text, out);
  }
  putc('"', out);
}

static void put_answer(const struct predicting *p, FILE *out, const double *answer) {
  bool none = isnan(answer[0]); /* a number it needs is missing */
  if (p->model->target.type != BR_COLUMN_CATEGORY) {
    if (none)
      fputs("NaN", out); /* an empty line would be none to many readers */
    else
      fprintf(out, "%.10g", answer[0]);
    return;
  }
  if (none) {
    for (size_t c = 0; c < (p->what & BR_PREDICT_PROBABILITIES ? p->model->outputs + 1 : 1); c++) putc(',', out);
    return;
  }
  size_t best = likeliest(answer, p->model->outputs);
  put_text(out, p->model->target.categories[best]);
  fprintf(out, ",%.10g", answer[best]);
  for (size_t c = 0; p->what & BR_PREDICT_PROBABILITIES && c < p->model->outputs; c++) fprintf(out, ",%.10g", answer[c]);
}

/* room: the shares of all features, and what br__explain needs behind them. */
static void put_explanation(const struct predicting *p, FILE *out, const double *x, const double *answer, double *room) {
  double base;
  br__explain(p->model, likeliest(answer, p->model->outputs), x, room, &base, room + p->model->n_features);
  fprintf(out, ",%.10g", base);
  for (size_t f = 0; f < p->model->n_features; f++) fprintf(out, ",%.10g", room[f]);
}

static void predict_part(void *arg, struct br_part part) {
  struct predicting *p = arg;
  (void)part;
  size_t largest = br_table_largest_block(p->table), features = p->encoder.n_features;
  double *x = NULL, *rest = NULL, *room = NULL;
  uint64_t unknown = 0, unanswered = 0;
  int status = br_memory_alloc(largest * features, sizeof *x, "rows of a block", &x);
  if (status == BR_OK && p->what & BR_PREDICT_EXPLANATION) status = br_memory_alloc(features + br__explain_bytes(p->model) / sizeof *room + 1, sizeof *room, "explanations", &room);
  if (status == BR_OK) status = br_memory_alloc(largest + BR__ROWS_AT_ONCE * p->model->outputs, sizeof *rest, "rows of a block", &rest);
  for (size_t b; status == BR_OK && (b = p->first + atomic_fetch_add(&p->next, 1)) < p->last;) {
    FILE *out = open_memstream(&p->text[b - p->first], &p->bytes[b - p->first]);
    if (!out) {
      status = BR_ERROR_MEMORY;
      break;
    }
    br__encoder_rows(&p->encoder, b, x, rest, &unknown);
    for (size_t first = 0, n = br_table_block_rows(p->table, b); first < n; first += BR__ROWS_AT_ONCE) {
      size_t rows = n - first < BR__ROWS_AT_ONCE ? n - first : BR__ROWS_AT_ONCE;
      br_table_model_predict_rows(p->model, x + first * features, rows, rest + largest);
      for (size_t i = 0; i < rows; i++) {
        put_answer(p, out, rest + largest + i * p->model->outputs);
        unanswered += isnan(rest[largest + i * p->model->outputs]);
        if (room) put_explanation(p, out, x + (first + i) * features, rest + largest + i * p->model->outputs, room);
        putc('\n', out);
      }
    }
    if (fclose(out) != 0) status = BR_ERROR_MEMORY;
  }
  if (status != BR_OK) atomic_store(&p->status, status);
  atomic_fetch_add(&p->unknown, unknown);
  atomic_fetch_add(&p->unanswered, unanswered);
  br_memory_free(x);
  br_memory_free(rest);
  br_memory_free(room);
}

static void free_batch(struct predicting *p) {
  for (size_t i = 0; i < BATCH; i++) {
    free(p->text[i]);
    p->text[i] = NULL;
    p->bytes[i] = 0;
  }
}

/* Texts of the next blocks of this rank. */
static int make_batch(struct predicting *p, struct br_team *team, size_t first) {
  size_t blocks = br_table_blocks(p->table);
  p->first = first;
  p->last = first + BATCH < blocks ? first + BATCH : blocks;
  atomic_store(&p->next, 0);
  br_team_run(team, predict_part, p);
  int status = atomic_load(&p->status);
  return status == BR_OK ? BR_OK : br_error_set(BR_ERROR_MEMORY, "no memory for predictions");
}

static void write_header(const struct predicting *p, FILE *out) {
  bool classes = p->model->target.type == BR_COLUMN_CATEGORY;
  fputs(classes ? "prediction,probability" : "prediction", out);
  for (size_t c = 0; classes && p->what & BR_PREDICT_PROBABILITIES && c < p->model->outputs; c++) {
    putc(',', out);
    put_text(out, p->model->target.categories[c]);
  }
  if (p->what & BR_PREDICT_EXPLANATION) fputs(",base", out);
  for (size_t f = 0; p->what & BR_PREDICT_EXPLANATION && f < p->model->n_features; f++) {
    putc(',', out);
    put_text(out, p->model->features[f].name);
  }
  putc('\n', out);
}

static int write_batches(struct br_comm *comm, struct br_team *team, struct predicting *p, struct br_writer *writer) {
  int rank = br_comm_rank(comm), ranks = br_comm_size(comm), status = BR_OK;
  uint64_t mine = br_table_blocks(p->table), *blocks;
  BR_TRY(br_memory_alloc((size_t)ranks, sizeof *blocks, "ranks", &blocks));
  status = br_comm_allgather(comm, &mine, sizeof mine, blocks);
  for (int r = 0; r < ranks && status == BR_OK; r++)
    for (size_t first = 0; first < blocks[r] && status == BR_OK; first += BATCH) {
      unsigned char *text = NULL;
      size_t bytes = 0, at = 0;
      if (r == rank) status = make_batch(p, team, first);
      for (size_t i = 0; r == rank && i < BATCH; i++) bytes += p->bytes[i];
      if (status == BR_OK && r == rank) status = br_memory_alloc(bytes, 1, "predictions", &text);
      for (size_t i = 0; status == BR_OK && r == rank && i < BATCH; i++) {
        if (p->bytes[i]) memcpy(text + at, p->text[i], p->bytes[i]);
        at += p->bytes[i];
      }
      if (r == rank) free_batch(p);
      status = br_comm_agree(comm, status);
      uint64_t size = bytes;
      if (status == BR_OK && r != 0 && rank == r) {
        status = br_comm_send(comm, &size, sizeof size, 0);
        if (status == BR_OK && size) status = br_comm_send(comm, text, bytes, 0);
      } else if (status == BR_OK && r != 0 && rank == 0) {
        status = br_comm_receive(comm, &size, sizeof size, r);
        if (status == BR_OK) status = br_memory_alloc((size_t)size, 1, "predictions", &text);
        if (status == BR_OK && size) status = br_comm_receive(comm, text, (size_t)size, r);
      }
      if (status == BR_OK && rank == 0) status = br_writer_write(writer, text, (size_t)size);
      br_memory_free(text);
      status = br_comm_agree(comm, status);
    }
  br_memory_free(blocks);
  return status;
}

static int begin_file(const struct predicting *p, const char *path, struct br_writer **writer) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  if (!out) BR_FAIL(BR_ERROR_MEMORY, "no memory for predictions");
  write_header(p, out);
  fclose(out);
  int status = br_writer_open(path, writer);
  if (status == BR_OK) status = br_writer_write(*writer, text, bytes);
  free(text);
  return status;
}

static int check_explainable(const struct br_table_model *model, unsigned what) {
  if (!(what & BR_PREDICT_EXPLANATION) || br__explain_possible(model)) return BR_OK;
  BR_FAIL(BR_ERROR_USAGE, "--explain: is for trees, forests and boosting; inspect shows what a %s model weighs", br_table_model_kind_name(model->kind));
}

int br_table_predict_csv(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, unsigned what, const char *path, struct br_predict_counts *counts) {
  struct predicting p = {.model = model, .table = table, .what = what};
  struct br_writer *writer = NULL;
  BR_TRY(check_explainable(model, what));
  int status = br__encoder_open(model, table, false, &p.encoder);
  if (status == BR_OK && br_comm_rank(comm) == 0) status = begin_file(&p, path, &writer);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = write_batches(comm, team, &p, writer);
  free_batch(&p);
  if (writer && status == BR_OK) {
    status = br_writer_commit(writer);
    writer = NULL;
  }
  br_writer_abandon(writer);
  br__encoder_close(&p.encoder);
  BR_TRY(br_comm_agree(comm, status));
  int64_t sums[2] = {(int64_t)atomic_load(&p.unknown), (int64_t)atomic_load(&p.unanswered)};
  BR_TRY(br_comm_sum_i64(comm, sums, 2));
  if (counts) *counts = (struct br_predict_counts){(uint64_t)sums[0], (uint64_t)sums[1]};
  return BR_OK;
}

/* --- one row ------------------------------------------------------------------------------------------------------------- */

/* A text as a field of CSV, which is read as whatever its column is. */
static void put_quoted(FILE *out, const char *text, size_t length) {
  putc('"', out);
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"') putc('"', out);
    putc(text[i], out);
  }
  putc('"', out);
}

/* Whether "name=value,..." gives a value for the column, and which. */
static bool find_value(const char *row, const char *column, const char **value, size_t *length) {
  for (const char *at = row; *at;) {
    size_t n = strcspn(at, ","), name = strcspn(at, "=");
    if (name == strlen(column) && strncmp(at, column, name) == 0) {
      *value = at + name + 1;
      *length = n - name - 1;
      return true;
    }
    at += n + (at[n] == ',');
  }
  return false;
}

static int check_row(const struct br__names *columns, const char *row) {
  for (const char *at = row; *at;) {
    size_t n = strcspn(at, ","), name = strcspn(at, "=");
    if (name >= n) BR_FAIL(BR_ERROR_USAGE, "--row: name=value pairs with commas between were expected, not %.*s", (int)(n < 60 ? n : 60), at);
    char word[64];
    bool known = false;
    snprintf(word, sizeof word, "%.*s", (int)(name < 60 ? name : 60), at);
    for (size_t i = 0; i < columns->n; i++) known = known || (strlen(columns->list[i]) == name && strncmp(columns->list[i], at, name) == 0);
    const char *nearest = known ? NULL : br_text_nearest(word, (const char *const *)columns->list, columns->n);
    const char *first;
    size_t length;
    if (known && find_value(row, word, &first, &length) && first != at + name + 1) BR_FAIL(BR_ERROR_USAGE, "--row: %s is given twice", word);
    if (!known) BR_FAIL(BR_ERROR_USAGE, "--row: the model has no column %s%s%s%s", word, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    at += n + (at[n] == ',');
  }
  return BR_OK;
}

/* The row as a file of one record: columns it does not name are missing. */
static int row_as_csv(const struct br_table_model *model, const char *row, char **text) {
  struct br__names columns = {0};
  size_t bytes;
  int status = BR_OK;
  for (size_t f = 0; status == BR_OK && f < model->n_features; f++) status = br__names_add(&columns, model->features[f].name);
  if (status == BR_OK) status = br__steps_sources(&model->steps, &columns);
  if (status == BR_OK) status = check_row(&columns, row);
  FILE *out = status == BR_OK ? open_memstream(text, &bytes) : NULL;
  if (status == BR_OK && !out) status = br_error_set(BR_ERROR_MEMORY, "no memory for a row");
  for (size_t i = 0; out && i < columns.n; i++) {
    if (i) putc(',', out);
    put_quoted(out, columns.list[i], strlen(columns.list[i]));
  }
  for (size_t i = 0; out && i < columns.n; i++) {
    const char *value = "";
    size_t length = 0;
    find_value(row, columns.list[i], &value, &length);
    putc(i ? ',' : '\n', out);
    put_quoted(out, value, length);
  }
  if (out && fclose(out) != 0) status = br_error_set(BR_ERROR_MEMORY, "no memory for a row");
  br__names_free(&columns);
  return status;
}

static json_t *row_report(const struct br_table_model *model, double *answer) {
  if (model->target.type != BR_COLUMN_CATEGORY) return json_pack("{s:o}", "prediction", isfinite(answer[0]) ? json_real(answer[0]) : json_null());
  if (isnan(answer[0])) return json_pack("{s:n}", "prediction");
  size_t best = likeliest(answer, model->outputs);
  json_t *likely = json_object(), *report = json_pack("{s:s,s:f,s:o}", "prediction", model->target.categories[best], "probability", answer[best], "probabilities", likely);
  for (int i = 0; i < 10; i++) {
    size_t c = likeliest(answer, model->outputs);
    if (!(answer[c] > 0)) break;
    json_object_set_new(likely, model->target.categories[c], json_real(answer[c]));
    answer[c] = -1;
  }
  return report;
}

static int add_explanation(const struct br_table_model *model, size_t output, const double *x, json_t *report) {
  size_t p = model->n_features;
  double *room, base, score;
  BR_TRY(br_memory_alloc(p + br__explain_bytes(model) / sizeof *room + 1, sizeof *room, "an explanation", &room));
  br__explain(model, output, x, room, &base, room + p);
  json_t *features = json_object();
  score = base;
  for (size_t f = 0; f < p; f++) {
    json_object_set_new(features, model->features[f].name, json_real(room[f]));
    score += room[f];
  }
  json_object_set_new(report, "explanation", json_pack("{s:f,s:f,s:o}", "base", base, "score", score, "features", features));
  br_memory_free(room);
  return BR_OK;
}

/* Why there is no answer. */
static void warn_of_no_answer(const struct br_table_model *model, const double *x) {
  char names[200] = "";
  size_t used = 0;
  for (size_t f = 0; f < model->n_features && used < sizeof names; f++)
    if (isnan(x[f]) && model->features[f].type != BR_COLUMN_CATEGORY) used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", model->features[f].name);
  if (used)
    br_warn("the row lacks %s, without which a %s model has no answer", names, br_table_model_kind_name(model->kind));
  else
    br_warn("the answer is no finite number: a number of the row is infinite or too large");
}

/* The model's answer for the first row of a table. */
static int answer_first(const struct br_table_model *model, const struct br_table *table, unsigned what, json_t **report) {
  struct br__encoder encoder;
  size_t p = model->n_features;
  uint64_t unknown = 0;
  double *x;
  BR_TRY(br__encoder_open(model, table, false, &encoder));
  int status = br_memory_alloc(p + model->outputs + br_table_largest_block(table), sizeof *x, "a row", &x);
  if (status == BR_OK) {
    br__encoder_rows(&encoder, 0, x, x + p + model->outputs, &unknown);
    br_table_model_predict(model, x, x + p);
    size_t best = likeliest(x + p, model->outputs);
    if (!isfinite(x[p])) warn_of_no_answer(model, x);
    *report = row_report(model, x + p);
    if (unknown) json_object_set_new(*report, "unknown_categories", json_integer((json_int_t)unknown));
    if (what & BR_PREDICT_EXPLANATION) status = add_explanation(model, best, x, *report);
    br_memory_free(x);
  }
  br__encoder_close(&encoder);
  return status;
}

int br_table_predict_row(const struct br_table_model *model, const char *row, unsigned what, json_t **report) {
  struct br_comm *self = NULL;
  struct br_team *team = NULL;
  struct br_table *table = NULL;
  char *text = NULL;
  BR_TRY(check_explainable(model, what));
  int status = row_as_csv(model, row, &text);
  if (status == BR_OK) status = br_comm_open_self(&self);
  if (status == BR_OK) status = br_team_open(1, &team);
  struct br_csv_options csv = {.text = text, .path = "--row", .separator = ',', .header = 1};
  if (status == BR_OK) status = br_table_read_for(self, team, model, &csv, NULL, &table);
  if (status == BR_OK) status = answer_first(model, table, what, report);
  br_table_close(table);
  br_team_close(team);
  br_comm_close(self);
  free(text);
  return status;
}
