/* What is told is kept under one lock; the server's thread draws the page from it when somebody looks. Curves keep a bounded number of points. */
#include "lab/chart.h"
#include "lab/http.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/lab/view.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RANKS 1024 /* that are shown */
#define MAX_RUNS 40    /* of a sweep, the newest */
#define REFRESH_MS 2000

/* Points of a curve; when it is full every second one goes. */
struct curve {
  int n, every, seen;
  double x[BR_CHART_POINTS], y[2][BR_CHART_POINTS];
};

struct rank_row {
  char host[64];
  struct br_rank_point point;
  struct br_rank_times times;
  bool has_point, has_times;
};

struct run_row {
  char label[160], status[12], error[200];
  int repeat;
  double seconds;
};

struct br_view {
  struct br_http *http;
  char title[200], url[80];
  pthread_mutex_t lock; /* of all below */
  double start, told, last_point; /* clock: opened, last heard of, last point of the running loss */
  int epoch, epochs;
  double share, loss, images_per_second;
  struct curve running, losses, accuracies; /* by fraction of an epoch; by epoch: training, test */
  struct rank_row *ranks;
  int n_ranks;
  bool is_sweep;
  char label[200];
  int done, all;
  double seconds_left;
  struct run_row runs[MAX_RUNS];
  int n_runs; /* all so far */
};

/* --- what is told --- */

static void add_point(struct curve *c, double x, double y0, double y1) {
  if (c->every == 0) c->every = 1;
  if (c->seen++ % c->every != 0) return;
  if (c->n == BR_CHART_POINTS) {
    for (int i = 0; i < BR_CHART_POINTS / 2; i++) {
      c->x[i] = c->x[2 * i];
      for (int k = 0; k < 2; k++) c->y[k][i] = c->y[k][2 * i];
    }
    c->n = BR_CHART_POINTS / 2;
    c->every *= 2;
  }
  c->x[c->n] = x;
  c->y[0][c->n] = y0;
  c->y[1][c->n++] = y1;
}

static void begin_telling(struct br_view *v) {
  pthread_mutex_lock(&v->lock);
  v->told = br_clock_seconds();
}

void br_view_progress(struct br_view *v, int epoch, int epochs, double share, double loss, double images_per_second) {
  begin_telling(v);
  v->epoch = epoch;
  v->epochs = epochs;
  v->share = share;
  v->loss = loss;
  v->images_per_second = images_per_second;
  if (v->told - v->last_point >= 0.5) {
    add_point(&v->running, epoch - 1 + share, loss, NAN);
    v->last_point = v->told;
  }
  pthread_mutex_unlock(&v->lock);
}

void br_view_epoch(struct br_view *v, const struct br_epoch_result *r) {
  begin_telling(v);
  v->epoch = r->epoch;
  v->share = 1;
  v->loss = r->loss;
  v->images_per_second = r->images_per_second;
  add_point(&v->losses, r->epoch, r->loss, r->test_loss);
  add_point(&v->accuracies, r->epoch, 100 * r->accuracy, 100 * r->test_accuracy);
  for (int i = 0; i < r->n_ranks && i < v->n_ranks; i++) {
    v->ranks[i].times = r->ranks[i];
    v->ranks[i].has_times = true;
  }
  pthread_mutex_unlock(&v->lock);
}

void br_view_rank(struct br_view *v, int rank, const char *host, const struct br_rank_point *point) {
  if (rank >= v->n_ranks) return;
  pthread_mutex_lock(&v->lock);
  snprintf(v->ranks[rank].host, sizeof v->ranks[rank].host, "%s", host);
  v->ranks[rank].point = *point;
  v->ranks[rank].has_point = true;
  pthread_mutex_unlock(&v->lock);
}

void br_view_case(struct br_view *v, const char *label, int done, int all, double seconds_left) {
  begin_telling(v);
  v->is_sweep = true;
  snprintf(v->label, sizeof v->label, "%s", label);
  v->done = done;
  v->all = all;
  v->seconds_left = seconds_left;
  pthread_mutex_unlock(&v->lock);
}

void br_view_ran(struct br_view *v, const struct br_sweep_run *run) {
  begin_telling(v);
  struct run_row *row = &v->runs[v->n_runs++ % MAX_RUNS];
  v->is_sweep = true;
  *row = (struct run_row){.repeat = run->repeat, .seconds = run->seconds};
  snprintf(row->label, sizeof row->label, "%s", run->label);
  snprintf(row->status, sizeof row->status, "%s", run->status);
  snprintf(row->error, sizeof row->error, "%s", run->error);
  pthread_mutex_unlock(&v->lock);
}

/* --- the page --- */

static void write_curve(FILE *out, struct curve *c, const char *title, const char *const names[2]) {
  struct br_chart chart = {.title = title, .x_title = "epoch", .kind = BR_CHART_LINE, .n = c->n, .x = c->x};
  for (int k = 0; k < 2; k++) {
    bool any = false;
    for (int i = 0; i < c->n; i++) any = any || isfinite(c->y[k][i]);
    if (!any) continue;
    struct br_chart_series *series = &chart.series[chart.n_series++];
    *series = (struct br_chart_series){.colour = k, .y = c->y[k]};
    snprintf(series->name, sizeof series->name, "%s", names[k]);
  }
  if (chart.n_series) br_chart_write(&chart, out);
}

/* A cell of the table; NaN is none. */
static void write_number(FILE *out, double x, const char *form) {
  fprintf(out, "<td>");
  if (isfinite(x)) fprintf(out, form, x);
  fprintf(out, isfinite(x) ? "</td>" : "–</td>");
}

static void write_rank(FILE *out, int number, const struct rank_row *r) {
  char size[32];
  const struct br_rank_times *t = &r->times;
  double all = t->load + t->compute + t->wait + t->communicate, percent = all > 0 ? 100 / all : NAN;
  fprintf(out, "<tr><td class=\"f\">%d</td><td class=\"f\">", number);
  br_html_text(out, r->host);
  fprintf(out, "</td>");
  write_number(out, t->compute * percent, "%.0f %%");
  write_number(out, t->load * percent, "%.0f %%");
  write_number(out, t->wait * percent, "%.0f %%");
  write_number(out, t->communicate * percent, "%.0f %%");
  write_number(out, r->has_times && all > 0 ? t->units / all : NAN, "%.1f");
  write_number(out, r->has_point ? r->point.user + r->point.system : NAN, "%.2f");
  fprintf(out, "<td>%s</td>", r->has_point ? br_text_bytes(r->point.rss_bytes, size) : "–");
  write_number(out, r->has_point ? r->point.mhz : NAN, "%.0f MHz");
  write_number(out, r->has_point ? r->point.celsius : NAN, "%.0f °C");
  fprintf(out, "</tr>\n");
}

static void write_training(struct br_view *v, FILE *out) {
  static const char *const running[2] = {"running mean of the epoch", ""}, *const parts[2] = {"training", "test"};
  double share = v->epochs > 0 ? (fmax(v->epoch - 1, 0) + v->share) / v->epochs : 0;
  fprintf(out, "<progress value=\"%.4f\"></progress>\n<p class=\"about\">epoch %d of %d, %.0f %% of it · loss %.4f · %.0f samples/s</p>\n<div class=\"grid2\">\n", share, v->epoch, v->epochs, 100 * v->share, v->loss, v->images_per_second);
  if (v->running.n > 1) write_curve(out, &v->running, "Loss as it goes", running);
  if (v->losses.n) write_curve(out, &v->losses, "Loss", parts);
  if (v->accuracies.n) write_curve(out, &v->accuracies, "Accuracy, %", parts);
  fprintf(out, "</div>\n<h2>Ranks</h2>\n<div class=\"scroll\"><table><thead><tr><th class=\"f\">rank</th><th class=\"f\">host</th><th>compute</th><th>load</th><th>wait</th><th>sums</th><th>units/s</th><th>cores</th><th>memory</th><th>clock</th><th>heat</th></tr></thead><tbody>\n");
  for (int r = 0; r < v->n_ranks; r++) write_rank(out, r, &v->ranks[r]);
  fprintf(out, "</tbody></table></div>\n<p class=\"note\">Shares of the last epoch's time. Rank 0 is as it was within the last second, the others as they were at the end of the last epoch.</p>\n");
}

static void write_sweep(const struct br_view *v, FILE *out) {
  char text[32];
  fprintf(out, "<progress value=\"%.4f\"></progress>\n<p class=\"about\">%d of %d runs", v->all ? (double)v->done / v->all : 0, v->done, v->all);
  if (v->seconds_left >= 0) fprintf(out, ", %s left", br_text_seconds(v->seconds_left, text));
  fprintf(out, " · now ");
  br_html_text(out, v->label);
  fprintf(out, "</p>\n<h2>Runs</h2>\n<div class=\"scroll\"><table><thead><tr><th class=\"f\">case</th><th>repeat</th><th class=\"f\">how it went</th><th>time</th></tr></thead><tbody>\n");
  for (int i = v->n_runs; i-- > 0 && i >= v->n_runs - MAX_RUNS;) {
    const struct run_row *row = &v->runs[i % MAX_RUNS];
    fprintf(out, "<tr><td class=\"f\">");
    br_html_text(out, row->label);
    fprintf(out, "</td><td>%d</td><td class=\"f\">%s ", row->repeat, row->status);
    br_html_text(out, row->error);
    fprintf(out, "</td><td>%s</td></tr>\n", br_text_seconds(row->seconds, text));
  }
  fprintf(out, "</tbody></table></div>\n");
}

static void write_body(struct br_view *v, FILE *out) {
  char since[32], ran[32];
  double now = br_clock_seconds();
  pthread_mutex_lock(&v->lock);
  fprintf(out, "<h1>");
  br_html_text(out, v->title);
  fprintf(out, "</h1>\n<p class=\"note\">running for %s, last heard of %s ago</p>\n", br_text_seconds(now - v->start, ran), br_text_seconds(now - v->told, since));
  if (v->is_sweep)
    write_sweep(v, out);
  else
    write_training(v, out);
  pthread_mutex_unlock(&v->lock);
}

static void write_page(struct br_view *v, FILE *out) {
  fprintf(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\n"
               "<noscript><meta http-equiv=\"refresh\" content=\"%d\"></noscript><title>", REFRESH_MS / 1000);
  br_html_text(out, v->title);
  fprintf(out, "</title>\n<style>\n%s</style></head>\n<body><main id=\"m\">\n", br_page_style);
  write_body(v, out);
  fprintf(out, "</main><script>\nsetInterval(async () => {\n  try {\n    const answer = await fetch('now');\n    if (answer.ok) document.getElementById('m').innerHTML = await answer.text();\n"
               "  } catch (e) { document.title = 'ended: ' + document.title.replace('ended: ', ''); }\n}, %d);\n</script></body></html>\n", REFRESH_MS);
}

static char *page(void *arg, const char *path, size_t *bytes, const char **type) {
  char *text = NULL;
  bool whole = strcmp(path, "/") == 0;
  if (!whole && strcmp(path, "/now") != 0) return NULL;
  FILE *out = open_memstream(&text, bytes);
  if (!out) return NULL;
  if (whole)
    write_page(arg, out);
  else
    write_body(arg, out);
  *type = "text/html; charset=utf-8";
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

/* --- opening --- */

/* "8080", "10.0.0.5:8080" or ":8080". */
static int read_address(const char *text, char host[64], int *port) {
  const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : text;
  char *end;
  long value = strtol(digits, &end, 10);
  snprintf(host, 64, "%.*s", colon && colon > text ? (int)(colon - text) : 9, colon && colon > text ? text : "127.0.0.1");
  *port = (int)value;
  if (end == digits || *end || value < 0 || value > 65535 || (colon && colon - text > 60)) BR_FAIL(BR_ERROR_USAGE, "--view %s: a port from 0 to 65535 was expected, as in 8080 or 0.0.0.0:8080", text);
  return BR_OK;
}

int br_view_open(const char *address, const char *title, int ranks, struct br_view **out) {
  char host[64];
  int port;
  struct br_view *v;
  *out = NULL;
  BR_TRY(read_address(address, host, &port));
  BR_TRY(br_memory_alloc(1, sizeof *v, "live view", &v));
  pthread_mutex_init(&v->lock, NULL);
  snprintf(v->title, sizeof v->title, "%s", title);
  v->n_ranks = ranks < MAX_RANKS ? ranks : MAX_RANKS;
  v->start = v->told = br_clock_seconds();
  int status = br_memory_alloc((size_t)v->n_ranks, sizeof *v->ranks, "live view", &v->ranks);
  if (status == BR_OK) status = br_http_open(host, port, page, v, &v->http, &port);
  if (status != BR_OK) {
    br_view_close(v);
    return status;
  }
  snprintf(v->url, sizeof v->url, "http://%s:%d/", host, port);
  *out = v;
  return BR_OK;
}

void br_view_close(struct br_view *v) {
  if (!v) return;
  br_http_close(v->http);
  br_memory_free(v->ranks);
  br_memory_free(v);
}

const char *br_view_url(const struct br_view *v) { return v->url; }
