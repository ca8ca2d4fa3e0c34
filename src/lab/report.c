/* Opening the results of a folder and writing them as Markdown or CSV; report_html.c has the page. */
#include "lab/results.h"
#include "lab/summary.h"

#include <bramble/base/error.h>
#include <bramble/lab/report.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A field of CSV: quoted where it must be. */
static void csv_text(FILE *out, const char *text) {
  if (!strpbrk(text, ",\"\n")) {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) fputs(*text == '"' ? "\"\"" : (char[]){*text, 0}, out);
  fputc('"', out);
}

static void csv_number(FILE *out, double x) {
  fputc(',', out);
  if (isfinite(x)) fprintf(out, "%.9g", x);
}

int br_report_csv(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  fprintf(out, "series");
  for (int f = 0; f < e->n_factors; f++) fprintf(out, ",%s", e->factors[f].name);
  fprintf(out, ",metric,unit,runs,mean,deviation,min,max,published\n");
  for (int r = 0; r < s->n_rows; r++)
    for (int m = 0; m < e->n_metrics; m++) {
      const struct br_stat *stat = &s->rows[r].stat[m];
      const char *word = NULL;
      double published = s->rows[r].rival < 0 ? br_summary_published(e, s->rows[r].c, m, &word) : NAN;
      if (stat->n == 0 && isnan(published) && !word) continue;
      csv_text(out, br_summary_series(s, &s->rows[r]));
      for (int f = 0; f < e->n_factors; f++) {
        fputc(',', out);
        csv_text(out, br_experiment_level(e, s->rows[r].c, f)->label);
      }
      fprintf(out, ",%s,", e->metrics[m].name);
      csv_text(out, e->metrics[m].unit);
      fprintf(out, ",%d", stat->n);
      csv_number(out, stat->n ? stat->mean : NAN);
      csv_number(out, stat->n ? stat->deviation : NAN);
      csv_number(out, stat->n ? stat->min : NAN);
      csv_number(out, stat->n ? stat->max : NAN);
      csv_number(out, published);
      if (word) csv_text(out, word);
      fputc('\n', out);
    }
  return BR_OK;
}

static void markdown_text(FILE *out, const char *text) {
  for (; *text; text++) fputs(*text == '|' ? "\\|" : *text == '\n' ? " " : (char[]){*text, 0}, out);
}

static void markdown_cell(const struct br_summary *s, const struct br_row *row, int m, FILE *out) {
  char a[32], b[32];
  const struct br_stat *stat = &row->stat[m];
  fprintf(out, " %s", stat->n ? br_summary_number(&s->experiment->metrics[m], stat->mean, a) : row->ok ? "" : row->failed ? "failed" : row->left_out ? "left out" : "");
  if (stat->n > 1 && stat->deviation > 0) fprintf(out, " ± %s", br_summary_deviation(&s->experiment->metrics[m], stat, b));
  fprintf(out, " |");
}

static void markdown_rows(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  for (int r = 0; r < s->n_rows; r++) {
    const struct br_row *row = &s->rows[r];
    char text[32];
    fprintf(out, "|");
    if (e->n_rivals || br_summary_simulated(s)) fprintf(out, " %s |", br_summary_series(s, row));
    for (int f = 0; f < e->n_factors; f++) {
      fprintf(out, " ");
      markdown_text(out, br_experiment_level(e, row->c, f)->label);
      fprintf(out, " |");
    }
    for (int m = 0; m < e->n_metrics; m++) {
      const char *word = NULL;
      if (e->metrics[m].hidden || br_summary_has_curve(s, m)) continue;
      markdown_cell(s, row, m, out);
      if (!br_summary_has_published(s, m)) continue;
      double published = row->rival < 0 ? br_summary_published(e, row->c, m, &word) : NAN;
      fprintf(out, " %s |", word ? word : br_summary_number(&e->metrics[m], published, text));
    }
    fprintf(out, "\n");
  }
}

/* The cases that something is to be said about. */
static void markdown_remarks(const struct br_summary *s, FILE *out) {
  bool any = false;
  for (int r = 0; r < s->n_rows; r++) {
    const struct br_row *row = &s->rows[r];
    char text[300], remark[1600];
    if (!br_summary_remark(row, remark, sizeof remark)[0]) continue;
    fprintf(out, "%s- ", any ? "" : "\n");
    any = true;
    if (row->rival >= 0) fprintf(out, "%s, ", br_summary_series(s, row));
    markdown_text(out, br_summary_case_text(s->experiment, row->c, NULL, text, sizeof text));
    fprintf(out, ": ");
    markdown_text(out, remark);
    fputc('\n', out);
  }
}

int br_report_markdown(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  int columns = 0;
  fprintf(out, "# %s\n\n", e->title);
  if (e->about) fprintf(out, "%s\n\n", e->about);
  fprintf(out, "|");
  if (e->n_rivals || br_summary_simulated(s)) fprintf(out, " |"), columns++;
  for (int f = 0; f < e->n_factors; f++, columns++) fprintf(out, " %s |", e->factors[f].name);
  for (int m = 0; m < e->n_metrics; m++) {
    if (e->metrics[m].hidden || br_summary_has_curve(s, m)) continue;
    fprintf(out, " %s%s%s |", e->metrics[m].title, e->metrics[m].unit[0] ? ", " : "", e->metrics[m].unit);
    columns++;
    if (br_summary_has_published(s, m)) fprintf(out, " published |"), columns++;
  }
  fprintf(out, "\n|");
  for (int i = 0; i < columns; i++) fprintf(out, "---|");
  fprintf(out, "\n");
  markdown_rows(s, out);
  markdown_remarks(s, out);
  if (br_summary_simulated(s)) fprintf(out, "\nSimulated: the work was done here on one rank; times were computed from the measured times of its units and a link: %s.\n", s->simulation ? s->simulation : "see its file");
  if (e->published_source) fprintf(out, "\nPublished: %s\n", e->published_source);
  const char *cpu = json_string_value(json_object_get(s->session, "cpu")), *isa = json_string_value(json_object_get(s->session, "isa"));
  const char *commit = json_string_value(json_object_get(s->session, "commit")), *hash = json_string_value(json_object_get(s->session, "program_sha256"));
  bool known = commit && *commit;
  if (cpu) fprintf(out, "\nMeasured on %s (%s), %d cores, %s %.40s, %s.\n", cpu, isa ? isa : "", (int)json_integer_value(json_object_get(s->session, "cores")), known ? "commit" : "program sha256", known ? commit : hash ? hash : "unknown", json_string_value(s->date));
  return BR_OK;
}

/* What the last session was run with. */
static void session_settings(json_t *lines, const char **settings, int *n, bool *smoke) {
  *n = 0;
  for (size_t i = json_array_size(lines); i-- > 0;) {
    json_t *line = json_array_get(lines, i), *list = json_object_get(line, "settings");
    if (!json_object_get(line, "session")) continue;
    *smoke = json_is_true(json_object_get(line, "smoke"));
    for (size_t k = 0; k < json_array_size(list) && *n < 64; k++)
      if (json_is_string(json_array_get(list, k))) settings[(*n)++] = json_string_value(json_array_get(list, k));
    return;
  }
}

static int write_report(const struct br_summary *s, enum br_report_format format, char **text) {
  size_t bytes;
  FILE *out = open_memstream(text, &bytes);
  if (!out) BR_FAIL(BR_ERROR_MEMORY, "no memory for the report");
  int status = format == BR_REPORT_CSV ? br_report_csv(s, out) : format == BR_REPORT_MARKDOWN ? br_report_markdown(s, out) : br_report_html(s, out);
  bool bad = ferror(out) != 0;
  if ((fclose(out) != 0 || bad) && status == BR_OK) status = br_error_set(BR_ERROR_MEMORY, "no memory for the report");
  if (status != BR_OK) {
    free(*text);
    *text = NULL;
  }
  return status;
}

int br_report_make(const char *folder, enum br_report_format format, char **text) {
  *text = NULL;
  json_t *lines;
  const char *settings[64];
  int n_settings = 0;
  bool smoke = false;
  char path[600];
  struct br_experiment *experiment = NULL;
  struct br_summary summary = {0};
  BR_TRY(br_results_load(folder, &lines));
  session_settings(lines, settings, &n_settings, &smoke);
  snprintf(path, sizeof path, "%s/experiment.yaml", folder);
  int status = br_experiment_open(path, smoke, settings, n_settings, &experiment);
  if (status == BR_OK) status = br_summary_open(experiment, lines, &summary);
  if (status == BR_OK) {
    status = write_report(&summary, format, text);
    br_summary_close(&summary);
  }
  br_experiment_close(experiment);
  json_decref(lines);
  return status;
}
