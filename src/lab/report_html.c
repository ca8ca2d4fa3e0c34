/* The page: one file that needs nothing else, readable in light and dark, on a screen and on paper. */
#include "lab/chart.h"
#include "lab/summary.h"

#include <bramble/base/error.h>
#include <bramble/base/text.h>

#include <math.h>
#include <string.h>

static bool shown(const struct br_summary *s, int m) { return !s->experiment->metrics[m].hidden && !br_summary_has_curve(s, m); }

static void cell(FILE *out, const char *tag, const char *class, const char *text) {
  fprintf(out, "<%s class=\"%s\">", tag, class);
  br_html_text(out, text);
  fprintf(out, "</%s>", tag);
}

static void write_head_row(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  fprintf(out, "<thead><tr>");
  if (e->n_rivals || br_summary_simulated(s)) cell(out, "th", "f", "");
  for (int f = 0; f < e->n_factors; f++) cell(out, "th", "f", e->factors[f].name);
  for (int m = 0; m < e->n_metrics; m++) {
    if (!shown(s, m)) continue;
    fprintf(out, "<th>");
    br_html_text(out, e->metrics[m].title);
    if (e->metrics[m].unit[0]) fprintf(out, "<small>");
    br_html_text(out, e->metrics[m].unit);
    if (e->metrics[m].unit[0]) fprintf(out, "</small>");
    fprintf(out, "</th>");
    if (br_summary_has_published(s, m)) cell(out, "th", "p", "published");
  }
  fprintf(out, "</tr></thead>\n<tbody>\n");
}

static void write_metric(const struct br_summary *s, const struct br_row *row, int m, FILE *out) {
  const struct br_metric *metric = &s->experiment->metrics[m];
  const struct br_stat *stat = &row->stat[m];
  char a[32], b[32], c[32];
  if (stat->n == 0) {
    fprintf(out, "<td>–</td>");
  } else if (stat->n == 1) {
    fprintf(out, "<td>%s</td>", br_summary_number(metric, stat->mean, a));
  } else {
    fprintf(out, "<td title=\"%s to %s in %d runs\">%s", br_summary_number(metric, stat->min, a), br_summary_number(metric, stat->max, b), stat->n, br_summary_number(metric, stat->mean, c));
    if (stat->deviation > 0) fprintf(out, " <small>± %s</small>", br_summary_deviation(metric, stat, a));
    fprintf(out, "</td>");
  }
  if (!br_summary_has_published(s, m)) return;
  const char *word = NULL;
  double published = row->rival < 0 ? br_summary_published(s->experiment, row->c, m, &word) : NAN;
  cell(out, "td", "p", word ? word : br_summary_number(metric, published, a));
}

static void write_row_head(const struct br_summary *s, const struct br_row *row, FILE *out) {
  const struct br_experiment *e = s->experiment;
  fprintf(out, "<tr%s>", row->rival >= 0 ? " class=\"rival\"" : "");
  if (e->n_rivals || br_summary_simulated(s)) cell(out, "td", "f", br_summary_series(s, row));
  for (int f = 0; f < e->n_factors; f++) cell(out, "td", "f", br_experiment_level(e, row->c, f)->label);
}

static void write_table(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  fprintf(out, "<div class=\"scroll\"><table>\n");
  write_head_row(s, out);
  for (int r = 0; r < s->n_rows; r++) {
    const struct br_row *row = &s->rows[r];
    write_row_head(s, row, out);
    for (int m = 0; m < e->n_metrics; m++)
      if (shown(s, m)) write_metric(s, row, m, out);
    fprintf(out, "</tr>\n");
  }
  fprintf(out, "</tbody></table></div>\n");
  if (e->published_source) {
    fprintf(out, "<p class=\"note\"><i>Published</i>: ");
    br_html_text(out, e->published_source);
    fprintf(out, "</p>\n");
  }
}

/* The cases that something is to be said about. */
static void write_remarks(const struct br_summary *s, FILE *out) {
  for (int r = 0; r < s->n_rows; r++) {
    const struct br_row *row = &s->rows[r];
    char text[300], remark[1600];
    if (!br_summary_remark(row, remark, sizeof remark)[0]) continue;
    fprintf(out, "<p class=\"note\"><b>");
    if (row->rival >= 0) fprintf(out, "%s, ", br_summary_series(s, row));
    br_html_text(out, br_summary_case_text(s->experiment, row->c, NULL, text, sizeof text));
    fprintf(out, "</b>: ");
    br_html_text(out, remark);
    fprintf(out, "</p>\n");
  }
}

/* Every statistic, for those who want them. */
static void write_details(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  fprintf(out, "<details><summary>Mean, deviation, least and greatest of every metric</summary>\n<div class=\"scroll\"><table><thead><tr>");
  if (e->n_rivals || br_summary_simulated(s)) cell(out, "th", "f", "");
  for (int f = 0; f < e->n_factors; f++) cell(out, "th", "f", e->factors[f].name);
  fprintf(out, "<th class=\"f\">metric</th><th>runs</th><th>mean</th><th>deviation</th><th>least</th><th>greatest</th></tr></thead>\n<tbody>\n");
  for (int r = 0; r < s->n_rows; r++)
    for (int m = 0; m < e->n_metrics; m++) {
      const struct br_stat *stat = &s->rows[r].stat[m];
      const double values[] = {stat->mean, NAN, stat->min, stat->max};
      char text[32];
      if (stat->n == 0) continue;
      write_row_head(s, &s->rows[r], out);
      fprintf(out, "<td class=\"f\">");
      br_html_text(out, e->metrics[m].title);
      fprintf(out, "%s", e->metrics[m].unit[0] ? ", " : "");
      br_html_text(out, e->metrics[m].unit);
      fprintf(out, "</td><td>%d</td>", stat->n);
      for (int k = 0; k < 4; k++) fprintf(out, "<td>%s</td>", k == 1 ? br_summary_deviation(&e->metrics[m], stat, text) : br_summary_number(&e->metrics[m], values[k], text));
      fprintf(out, "</tr>\n");
    }
  fprintf(out, "</tbody></table></div></details>\n");
}

static void write_pair(FILE *out, const char *name, const char *text) {
  if (!text || !*text) return;
  fprintf(out, "<dt>%s</dt><dd>", name);
  br_html_text(out, text);
  fprintf(out, "</dd>\n");
}

static void write_settings(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  static const char *const keys[][2] = {{"host", "machine"}, {"board", "board"}, {"cpu", "processor"}, {"isa", "kernels"}, {"kernel", "system"}, {"libc", "C library"}, {"version", "bramble"}, {"commit", "commit"}, {"program_sha256", "program sha256"}};
  fprintf(out, "<h2>Settings</h2>\n<dl>\n");
  for (int i = 0; i < e->n_steps; i++) {
    fprintf(out, "<dt>%s</dt><dd><code>", e->steps[i].name);
    br_html_text(out, e->steps[i].text);
    fprintf(out, "</code></dd>\n");
  }
  for (int i = 0; i < e->n_rivals; i++) {
    fprintf(out, "<dt>%s</dt><dd><code>", e->rivals[i].name);
    br_html_text(out, e->rivals[i].command);
    fprintf(out, "</code></dd>\n");
  }
  for (int i = 0; i < e->n_variables; i++) write_pair(out, e->variables[i].name, e->variables[i].text);
  int repeats = 0; /* that were made, which --repeats may have changed */
  for (int r = 0; r < s->n_rows; r++) repeats = s->rows[r].ok + s->rows[r].failed > repeats ? s->rows[r].ok + s->rows[r].failed : repeats;
  fprintf(out, "<dt>repeats</dt><dd>%d%s</dd>\n</dl>\n<h2>Machine</h2>\n<dl>\n", repeats, e->warmup ? ", after warm-up runs that do not count" : "");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) write_pair(out, keys[i][1], json_string_value(json_object_get(s->session, keys[i][0])));
  char memory[32];
  double bytes = json_number_value(json_object_get(s->session, "memory_bytes"));
  if (s->session) fprintf(out, "<dt>cores</dt><dd>%d</dd>\n", (int)json_integer_value(json_object_get(s->session, "cores")));
  if (bytes > 0) write_pair(out, "memory", br_text_bytes(bytes, memory));
  write_pair(out, "date", json_string_value(s->date));
  fprintf(out, "</dl>\n");
}

static void write_warnings(const struct br_summary *s, FILE *out) {
  int failed = 0, left_out = 0, simulated = br_summary_simulated(s), throttled = 0;
  for (int r = 0; r < s->n_rows; r++) failed += s->rows[r].failed, left_out += s->rows[r].left_out > 0, throttled += s->rows[r].throttled || s->rows[r].changes[0];
  if (simulated) fprintf(out, "<p class=\"warn\">Times of %d cases are simulated: the work was done here on one rank, the times were computed from the measured times of its units and a link: %s.</p>\n", simulated, s->simulation ? s->simulation : "see its file");
  if (failed) fprintf(out, "<p class=\"warn\">%d runs failed; below the table is why.</p>\n", failed);
  if (left_out) fprintf(out, "<p class=\"warn\">%d cases were left out, for want of cores or nodes.</p>\n", left_out);
  if (throttled) fprintf(out, "<p class=\"warn\">In %d cases a machine throttled or its clock fell during a run.</p>\n", throttled);
  if (s->programs > 1) fprintf(out, "<p class=\"warn\">The runs were made by %d builds of the program.</p>\n", s->programs);
}

int br_report_html(const struct br_summary *s, FILE *out) {
  const struct br_experiment *e = s->experiment;
  fprintf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\n<title>");
  br_html_text(out, e->title);
  fprintf(out, "</title>\n<style>\n%s</style></head>\n<body><main>\n<h1>", br_page_style);
  br_html_text(out, e->title);
  fprintf(out, "</h1>\n");
  if (e->about) {
    fprintf(out, "<p class=\"about\">");
    br_html_text(out, e->about);
    fprintf(out, "</p>\n");
  }
  write_warnings(s, out);
  fprintf(out, "<h2>Results</h2>\n");
  write_table(s, out);
  write_remarks(s, out);
  write_details(s, out);
  if (e->n_plots) fprintf(out, "<h2>Plots</h2>\n<div class=\"grid2\">\n");
  for (int i = 0; i < e->n_plots; i++) BR_TRY(br_report_plot(s, &e->plots[i], out));
  if (e->n_plots) fprintf(out, "</div>\n");
  BR_TRY(br_report_machine(s, out));
  write_settings(s, out);
  fprintf(out, "</main></body></html>\n");
  return BR_OK;
}
