/* From the plots of an experiment file to charts: which rows make which series. */
#include "lab/chart.h"
#include "lab/summary.h"

#include <bramble/base/memory.h>
#include <bramble/base/error.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct plotting {
  const struct br_summary *s;
  const struct br_experiment *e;
  const struct br_plot *plot;
  const struct br_row **rows; /* those that `when` lets through */
  int n_rows;
  bool varies[BR_MAX_FACTORS]; /* factors that tell series apart */
  struct br_chart chart;
  double *numbers; /* room for all series: y, low, high */
  size_t used;
  char y_title[200], title[220];
  bool simulated; /* some of the rows are */
};

static int select_rows(struct plotting *p) {
  BR_TRY(br_memory_alloc((size_t)p->s->n_rows, sizeof *p->rows, "plot", &p->rows));
  for (int i = 0; i < p->s->n_rows; i++) {
    bool holds;
    BR_TRY(br_experiment_holds(p->e, p->s->rows[i].c, p->plot->when, &holds));
    if (!holds) continue;
    p->rows[p->n_rows++] = &p->s->rows[i];
    p->simulated = p->simulated || p->s->rows[i].simulated;
  }
  for (int f = 0; f < p->e->n_factors; f++) {
    bool beside_x = p->plot->x >= 0 && p->plot->kind != BR_PLOT_STACKED && p->e->factors[f].group == p->e->factors[p->plot->x].group;
    for (int i = 1; i < p->n_rows && !beside_x; i++) p->varies[f] = p->varies[f] || p->rows[i]->c->level[f] != p->rows[0]->c->level[f];
  }
  for (int f = 0; f < p->e->n_factors; f++) /* of factors that go together the first is enough */
    if (p->e->factors[f].group != f && p->varies[p->e->factors[f].group]) p->varies[f] = false;
  return BR_OK;
}

static bool same_series(const struct plotting *p, const struct br_case *a, const struct br_case *b) {
  for (int f = 0; f < p->e->n_factors; f++)
    if (p->varies[f] && a->level[f] != b->level[f]) return false;
  return true;
}

/* The labels of the factors that tell the case from others: "plain, 4". */
static void short_label(const struct plotting *p, const struct br_case *c, char *text, size_t bytes) {
  size_t used = 0;
  text[0] = 0;
  for (int f = 0; f < p->e->n_factors; f++) {
    if (!p->varies[f] || used >= bytes) continue;
    const char *label = br_experiment_level(p->e, c, f)->label;
    bool number = !br_expression_value(label).text;
    used += (size_t)snprintf(text + used, bytes - used, "%s%s%s%s", used ? ", " : "", number ? p->e->factors[f].name : "", number ? " " : "", label);
  }
}

static struct br_chart_series *add_series(struct plotting *p, const char *who, const struct br_case *c, int metric) {
  struct br_chart *chart = &p->chart;
  if (chart->n_series == BR_CHART_SERIES) return NULL;
  struct br_chart_series *s = &chart->series[chart->n_series];
  char label[120] = "";
  if (c) short_label(p, c, label, sizeof label);
  const char *title = p->plot && p->plot->n_y > 1 ? p->e->metrics[metric].title : "";
  const char *parts[3] = {who, title, label};
  size_t used = 0;
  for (int i = 0; i < 3; i++)
    if (parts[i][0] && used < sizeof s->name) used += (size_t)snprintf(s->name + used, sizeof s->name - used, "%s%s", used ? ", " : "", parts[i]);
  if (used == 0) snprintf(s->name, sizeof s->name, p->simulated ? "simulated" : "measured");
  s->colour = chart->n_series % 8;
  s->y = p->numbers + p->used;
  s->low = s->y + chart->n;
  s->high = s->low + chart->n;
  p->used += 3 * (size_t)chart->n;
  for (int i = 0; i < 3 * chart->n; i++) s->y[i] = NAN;
  chart->n_series++;
  return s;
}

/* A series that shows nothing, or what an earlier dashed one shows, goes. */
static void drop_if_idle(struct plotting *p) {
  struct br_chart *chart = &p->chart;
  struct br_chart_series *last = &chart->series[chart->n_series - 1];
  bool empty = true, twin = false;
  for (int i = 0; i < chart->n; i++) empty = empty && isnan(last->y[i]);
  for (int s = 0; last->dashed && s + 1 < chart->n_series; s++) twin = twin || (chart->series[s].dashed && memcmp(chart->series[s].y, last->y, (size_t)chart->n * sizeof(double)) == 0);
  if (empty || twin) chart->n_series--;
}

static bool first_of_series(const struct plotting *p, int i) {
  for (int k = 0; k < i; k++)
    if (p->rows[k]->rival == p->rows[i]->rival && same_series(p, p->rows[k]->c, p->rows[i]->c)) return false;
  return true;
}

static void add_measured(struct plotting *p, int i, int metric) {
  struct br_chart_series *series = add_series(p, p->rows[i]->rival < 0 ? "" : p->e->rivals[p->rows[i]->rival].name, p->rows[i]->c, metric);
  for (int k = 0; series && k < p->n_rows; k++) {
    const struct br_row *row = p->rows[k];
    int at = row->c->level[p->plot->x];
    if (row->rival != p->rows[i]->rival || !same_series(p, row->c, p->rows[i]->c) || !row->stat[metric].n) continue;
    series->y[at] = row->stat[metric].mean;
    series->low[at] = row->stat[metric].min;
    series->high[at] = row->stat[metric].max;
  }
  if (series) drop_if_idle(p);
}

static void add_published(struct plotting *p, int i, int metric) {
  struct br_chart_series *series = add_series(p, "published", p->rows[i]->c, metric);
  const char *word;
  if (!series) return;
  series->dashed = true;
  for (int k = 0; k < p->n_rows; k++)
    if (p->rows[k]->rival < 0 && same_series(p, p->rows[k]->c, p->rows[i]->c)) series->y[p->rows[k]->c->level[p->plot->x]] = br_summary_published(p->e, p->rows[k]->c, metric, &word);
  drop_if_idle(p);
}

static int fill_lines(struct plotting *p) {
  const struct br_factor *x = &p->e->factors[p->plot->x];
  struct br_chart *chart = &p->chart;
  chart->n = x->n_levels;
  chart->x_title = x->name;
  BR_TRY(br_memory_alloc((size_t)chart->n, sizeof *chart->x, "plot", &chart->x));
  BR_TRY(br_memory_alloc((size_t)chart->n, sizeof *chart->labels, "plot", &chart->labels));
  bool numbers = true;
  for (int i = 0; i < chart->n; i++) {
    struct br_value_or_text value = br_expression_value(x->levels[i].label);
    chart->labels[i] = x->levels[i].label;
    chart->x[i] = value.number;
    numbers = numbers && !value.text;
  }
  if (!numbers) {
    br_memory_free(chart->x);
    chart->x = NULL;
    if (chart->kind == BR_CHART_LINE) chart->kind = BR_CHART_BAR;
  }
  BR_TRY(br_memory_alloc(3 * (size_t)chart->n * BR_CHART_SERIES, sizeof(double), "plot", &p->numbers));
  for (int m = 0; m < p->plot->n_y; m++)
    for (int i = 0; i < p->n_rows; i++) {
      if (!first_of_series(p, i)) continue;
      add_measured(p, i, p->plot->y[m]);
      if (p->rows[i]->rival < 0 && !p->plot->no_published && chart->n_series < BR_CHART_SERIES) add_published(p, i, p->plot->y[m]);
    }
  return BR_OK;
}

static int fill_stacked(struct plotting *p) {
  struct br_chart *chart = &p->chart;
  int n = 0;
  for (int i = 0; i < p->n_rows; i++)
    if (p->rows[i]->ok && p->rows[i]->rival < 0) p->rows[n++] = p->rows[i];
  p->n_rows = n;
  chart->n = n;
  BR_TRY(br_memory_alloc((size_t)n, sizeof *chart->labels + 64, "plot", &chart->labels));
  BR_TRY(br_memory_alloc(3 * (size_t)n * BR_CHART_SERIES, sizeof(double), "plot", &p->numbers));
  char *text = (char *)(chart->labels + n);
  for (int i = 0; i < n; i++, text += 64) {
    short_label(p, p->rows[i]->c, text, 64);
    chart->labels[i] = text;
  }
  for (int m = 0; m < p->plot->n_y; m++) {
    struct br_chart_series *series = add_series(p, "", NULL, p->plot->y[m]);
    for (int i = 0; i < n; i++) series->y[i] = p->rows[i]->stat[p->plot->y[m]].n ? p->rows[i]->stat[p->plot->y[m]].mean : NAN;
  }
  return BR_OK;
}

static int fill_curves(struct plotting *p) {
  struct br_chart *chart = &p->chart;
  chart->x_title = "epoch";
  for (int i = 0; i < p->n_rows; i++)
    for (int m = 0; m < p->plot->n_y; m++) {
      const double *published = br_summary_published_curve(p->e, p->rows[i]->c, p->plot->y[m]);
      int n = p->rows[i]->curve[p->plot->y[m]].n, k = 0;
      while (published && !isnan(published[k])) k++;
      n = n > k ? n : k;
      if (n > chart->n) chart->n = n < BR_CHART_POINTS ? n : BR_CHART_POINTS;
    }
  BR_TRY(br_memory_alloc((size_t)chart->n, sizeof *chart->x, "plot", &chart->x));
  BR_TRY(br_memory_alloc(3 * (size_t)chart->n * BR_CHART_SERIES, sizeof(double), "plot", &p->numbers));
  for (int i = 0; i < chart->n; i++) chart->x[i] = i + 1;
  for (int i = 0; i < p->n_rows; i++)
    for (int m = 0; m < p->plot->n_y; m++) {
      const struct br_curve *curve = &p->rows[i]->curve[p->plot->y[m]];
      const double *published = p->rows[i]->rival < 0 && !p->plot->no_published ? br_summary_published_curve(p->e, p->rows[i]->c, p->plot->y[m]) : NULL;
      struct br_chart_series *series = add_series(p, p->rows[i]->rival < 0 ? "" : p->e->rivals[p->rows[i]->rival].name, p->rows[i]->c, p->plot->y[m]);
      if (!series) return BR_OK;
      int colour = series->colour;
      for (int k = 0; k < curve->n && k < chart->n; k++) series->y[k] = curve->y[k];
      drop_if_idle(p);
      series = published ? add_series(p, "published", p->rows[i]->c, p->plot->y[m]) : NULL;
      if (!series) continue;
      series->dashed = true;
      series->colour = colour;
      for (int k = 0; k < chart->n && !isnan(published[k]); k++) series->y[k] = published[k];
    }
  return BR_OK;
}

int br_report_plot(const struct br_summary *s, const struct br_plot *plot, FILE *out) {
  static const enum br_chart_kind kinds[] = {BR_CHART_LINE, BR_CHART_BAR, BR_CHART_STACKED, BR_CHART_LINE};
  struct plotting p = {.s = s, .e = s->experiment, .plot = plot};
  const struct br_metric *first = &p.e->metrics[plot->y[0]];
  p.chart = (struct br_chart){.title = p.title, .kind = kinds[plot->kind], .log_x = plot->log_x, .log_y = plot->log_y, .zero = plot->zero};
  if (plot->n_y == 1)
    snprintf(p.y_title, sizeof p.y_title, "%s%s%s", first->title, first->unit[0] ? ", " : "", first->unit);
  else
    snprintf(p.y_title, sizeof p.y_title, "%s", first->unit);
  p.chart.y_title = p.y_title[0] ? p.y_title : NULL;
  int status = select_rows(&p);
  snprintf(p.title, sizeof p.title, "%.180s%s", plot->title ? plot->title : first->title, p.simulated ? " (simulated)" : "");
  if (status == BR_OK && p.n_rows) status = plot->kind == BR_PLOT_CURVE ? fill_curves(&p) : plot->kind == BR_PLOT_STACKED ? fill_stacked(&p) : fill_lines(&p);
  if (status == BR_OK && p.chart.n_series && p.chart.n) br_chart_write(&p.chart, out);
  br_memory_free(p.rows);
  br_memory_free(p.chart.x);
  br_memory_free(p.chart.labels);
  br_memory_free(p.numbers);
  return status;
}
