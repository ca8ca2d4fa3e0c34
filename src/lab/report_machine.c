/* What the machines did during the runs: where the time of each rank went, and processor, memory, disk and network over time. Of each case the last run is shown. */
#include "lab/chart.h"
#include "lab/summary.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 12       /* that are shown over time */
#define MAX_TIME_CHARTS 24 /* of ranks */
#define MAX_POINTS 120     /* of a line: more are averaged */
#define MAX_LINES 8        /* ranks of a chart */

struct drawing {
  const struct br_summary *s;
  FILE *out;
  struct br_chart chart;
  char title[240];
  double numbers[BR_CHART_SERIES + 1][BR_CHART_POINTS]; /* x, then each series */
};

static const char *case_text(const struct br_summary *s, const struct br_row *row, char *text, size_t bytes) {
  char factors[160];
  snprintf(text, bytes, "%s%s%s", row->rival < 0 ? "" : s->experiment->rivals[row->rival].name, row->rival < 0 ? "" : ": ", br_summary_case_text(s->experiment, row->c, NULL, factors, sizeof factors));
  return text;
}

static void begin(struct drawing *d, const struct br_row *row, const char *what, enum br_chart_kind kind, int n) {
  char text[180];
  case_text(d->s, row, text, sizeof text);
  snprintf(d->title, sizeof d->title, "%s%s%s%s", what, *what && *text ? " — " : "", text, row->simulated ? " (simulated)" : "");
  d->chart = (struct br_chart){.kind = kind, .n = n, .x = d->numbers[0], .small = true, .title = d->title};
}

static double *add_series(struct drawing *d, const char *name, int colour) {
  struct br_chart_series *series = &d->chart.series[d->chart.n_series++];
  *series = (struct br_chart_series){.colour = colour, .y = d->numbers[d->chart.n_series]};
  snprintf(series->name, sizeof series->name, "%s", name);
  return series->y;
}

/* --- where the time went --- */

static void draw_times(struct drawing *d, const struct br_row *row) {
  static const char *const names[] = {"compute", "load", "wait", "communicate"};
  static const int column[] = {1, 0, 2, 3}, colour[] = {0, 3, 7, 1};
  char labels[BR_CHART_POINTS][12];
  const char *label[BR_CHART_POINTS];
  int n = (int)json_array_size(row->rank_times);
  if (n > BR_CHART_POINTS) n = BR_CHART_POINTS;
  begin(d, row, "", BR_CHART_STACKED, n);
  d->chart.x = NULL;
  d->chart.labels = label;
  d->chart.y_title = "s";
  for (int r = 0; r < n; r++) {
    snprintf(labels[r], sizeof labels[r], "%d", r);
    label[r] = labels[r];
  }
  for (int k = 0; k < 4; k++) {
    double *y = add_series(d, names[k], colour[k]);
    for (int r = 0; r < n; r++) y[r] = json_number_value(json_array_get(json_array_get(row->rank_times, (size_t)r), (size_t)column[k]));
  }
  br_chart_write(&d->chart, d->out);
}

static void write_times(struct drawing *d) {
  int charts = 0;
  for (int r = 0; r < d->s->n_rows && charts < MAX_TIME_CHARTS; r++) {
    if (json_array_size(d->s->rows[r].rank_times) < 2) continue;
    if (charts++ == 0) fprintf(d->out, "<h2>Where the time of each rank went</h2>\n<p class=\"note\">Seconds of all epochs by rank; the last run of each case.</p>\n<div class=\"grid2\">\n");
    draw_times(d, &d->s->rows[r]);
  }
  if (charts) fprintf(d->out, "</div>\n");
}

/* --- over time --- */

/* y[0 .. n) += factor times column `column` of a list of points, each the mean of those that fall together; also x, from column 0. Returns n. */
static int add_column(json_t *points, int column, double factor, double *x, double *y) {
  int all = (int)json_array_size(points), together = (all + MAX_POINTS - 1) / MAX_POINTS, n = 0;
  for (int first = 0; first < all; first += together, n++) {
    double sum = 0;
    int count = 0;
    for (int i = first; i < all && i < first + together; i++, count++) {
      json_t *point = json_array_get(points, (size_t)i);
      sum += json_number_value(json_array_get(point, (size_t)column));
      x[n] = floor(json_number_value(json_array_get(point, 0)) + 0.5);
    }
    y[n] += factor * sum / count;
  }
  return n;
}

static double *begin_line(struct drawing *d, const char *name, int colour) {
  double *y = add_series(d, name, colour);
  memset(y, 0, sizeof d->numbers[0]);
  return y;
}

/* The numbers of a rank's point, as BR_RANK_POINT_LIST has them. */
enum { USER = 1, SYSTEM = 2, IDLE = 3, DISK_WAIT = 4, RSS = 5, DISK_READ = 6, DISK_WRITTEN = 7, RECEIVED = 8, SENT = 9 };

static json_t *rank_points(const struct br_row *row, int rank) { return json_object_get(json_array_get(row->machine, (size_t)rank), "points"); }

static void draw_processors(struct drawing *d, const struct br_row *row, int ranks) {
  begin(d, row, "Processor time, cores of all ranks", BR_CHART_AREA, 0);
  double *user = begin_line(d, "user", 0), *system = begin_line(d, "system", 1);
  int n = 0;
  for (int r = 0; r < ranks; r++) {
    int m = add_column(rank_points(row, r), USER, 1, d->numbers[0], user);
    add_column(rank_points(row, r), SYSTEM, 1, d->numbers[0], system);
    n = r == 0 || m < n ? m : n;
  }
  d->chart.n = n;
  br_chart_write(&d->chart, d->out);
}

static void draw_memory(struct drawing *d, const struct br_row *row, int ranks) {
  begin(d, row, "Memory of a rank, MB", BR_CHART_LINE, 0);
  d->chart.zero = true;
  for (int r = 0; r < ranks && r < MAX_LINES; r++) {
    char name[24];
    snprintf(name, sizeof name, "rank %d", r);
    int n = add_column(rank_points(row, r), RSS, 1e-6, d->numbers[0], begin_line(d, name, r % 8));
    d->chart.n = r == 0 || n < d->chart.n ? n : d->chart.n;
  }
  br_chart_write(&d->chart, d->out);
}

/* Counters are the machine's: of its ranks the first speaks. */
static bool first_of_host(const struct br_row *row, int rank) {
  const char *host = json_string_value(json_object_get(json_array_get(row->machine, (size_t)rank), "host"));
  for (int r = 0; r < rank; r++) {
    const char *other = json_string_value(json_object_get(json_array_get(row->machine, (size_t)r), "host"));
    if (host && other && strcmp(host, other) == 0) return false;
  }
  return true;
}

/* What is neither idle nor waiting computes. All three are lines of n points that add up to 100 %. */
static void draw_shares(struct drawing *d, double *computing, const double *waiting, const double *idle, int n) {
  for (int i = 0; i < n; i++) computing[i] = fmax(100 - waiting[i] - idle[i], 0);
  d->chart.top = 100;
  d->chart.n = n;
  br_chart_write(&d->chart, d->out);
}

static void draw_cores(struct drawing *d, const struct br_row *row, int ranks) {
  begin(d, row, "Cores of all machines, %", BR_CHART_AREA, 0);
  double *computing = begin_line(d, "computing", 0), *waiting = begin_line(d, "waiting for disks", 3), *idle = begin_line(d, "idle", 7);
  int n = 0, hosts = 0;
  for (int r = 0; r < ranks; r++) hosts += first_of_host(row, r);
  for (int r = 0; r < ranks; r++) {
    if (!first_of_host(row, r)) continue;
    int m = add_column(rank_points(row, r), IDLE, 100.0 / hosts, d->numbers[0], idle);
    add_column(rank_points(row, r), DISK_WAIT, 100.0 / hosts, d->numbers[0], waiting);
    n = r == 0 || m < n ? m : n;
  }
  draw_shares(d, computing, waiting, idle, n);
}

static void draw_traffic(struct drawing *d, const struct br_row *row, int ranks) {
  static const struct {
    const char *name;
    int column, colour;
  } lines[] = {{"disk read", DISK_READ, 2}, {"disk written", DISK_WRITTEN, 3}, {"network received", RECEIVED, 4}, {"network sent", SENT, 5}};
  begin(d, row, "Disk and network of all machines, MB/s", BR_CHART_LINE, 0);
  d->chart.zero = true;
  for (int k = 0; k < 4; k++) {
    double *y = begin_line(d, lines[k].name, lines[k].colour);
    for (int r = 0; r < ranks; r++) {
      if (!first_of_host(row, r)) continue;
      int n = add_column(rank_points(row, r), lines[k].column, 1e-6, d->numbers[0], y);
      d->chart.n = (k == 0 && r == 0) || n < d->chart.n ? n : d->chart.n;
    }
  }
  br_chart_write(&d->chart, d->out);
}

/* The machine that ran the sweep, where the program said nothing of itself. */
static void draw_sweeper(struct drawing *d, const struct br_row *row) {
  begin(d, row, "Cores of this machine, %", BR_CHART_AREA, 0);
  double *computing = begin_line(d, "computing", 0), *waiting = begin_line(d, "waiting for disks", 3), *idle = begin_line(d, "idle", 7);
  int n = add_column(row->points, 1, 100, d->numbers[0], computing);
  add_column(row->points, 2, 100, d->numbers[0], waiting);
  for (int i = 0; i < n; i++) idle[i] = fmax(100 - computing[i] - waiting[i], 0);
  draw_shares(d, computing, waiting, idle, n);
}

static void write_over_time(struct drawing *d) {
  int cases = 0;
  for (int r = 0; r < d->s->n_rows && cases < MAX_CASES; r++) {
    const struct br_row *row = &d->s->rows[r];
    int ranks = (int)json_array_size(row->machine);
    bool own = ranks > 0 && json_array_size(rank_points(row, 0)) >= 3;
    if (!own && json_array_size(row->points) < 3) continue;
    if (cases++ == 0) fprintf(d->out, "<h2>The machines during the runs</h2>\n<p class=\"note\">Over seconds; the last run of each case.</p>\n<div class=\"grid2\">\n");
    if (own) {
      draw_cores(d, row, ranks);
      draw_processors(d, row, ranks);
      draw_memory(d, row, ranks);
      draw_traffic(d, row, ranks);
    } else {
      draw_sweeper(d, row);
    }
  }
  if (cases) fprintf(d->out, "</div>\n");
}

int br_report_machine(const struct br_summary *s, FILE *out) {
  struct drawing *d;
  BR_TRY(br_memory_alloc(1, sizeof *d, "plots of machines", &d));
  d->s = s;
  d->out = out;
  write_times(d);
  write_over_time(d);
  br_memory_free(d);
  return BR_OK;
}
