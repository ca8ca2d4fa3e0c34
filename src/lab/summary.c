/* Statistics over repeats, and formulas, which need them. */
#include "lab/summary.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <math.h>
#include <string.h>

struct run {
  int row;
  json_t *line;
  double *value; /* by metric */
};

struct summing {
  struct br_summary *summary;
  const struct br_experiment *e;
  struct run *runs;
  int n_runs;
  double *values;
  const struct run *now; /* the run a formula is evaluated for */
};

static int open_rows(struct br_summary *s) {
  const struct br_experiment *e = s->experiment;
  size_t M = (size_t)e->n_metrics;
  BR_TRY(br_memory_alloc((size_t)e->n_cases * (size_t)(1 + e->n_rivals), sizeof *s->rows, "rows", &s->rows));
  for (int i = 0; i < e->n_cases; i++)
    for (int r = -1; r < e->n_rivals; r++) {
      bool holds;
      BR_TRY(br_experiment_holds(e, &e->cases[i], r < 0 ? NULL : e->rivals[r].when, &holds));
      if (!holds) continue;
      struct br_row *row = &s->rows[s->n_rows++];
      *row = (struct br_row){.c = &e->cases[i], .rival = r, .error = "", .changes = "", .not_held = ""};
      BR_TRY(br_memory_alloc(M, sizeof *row->stat, "row", &row->stat));
      BR_TRY(br_memory_alloc(M, sizeof *row->curve, "row", &row->curve));
    }
  return BR_OK;
}

static int row_of_line(const struct br_summary *s, json_t *line) {
  const struct br_experiment *e = s->experiment;
  const char *series = json_string_value(json_object_get(line, "series"));
  json_t *factors = json_object_get(line, "factors");
  for (int i = 0; series && i < s->n_rows; i++) {
    const struct br_row *row = &s->rows[i];
    bool same = strcmp(series, row->rival < 0 ? "bramble" : e->rivals[row->rival].name) == 0;
    for (int f = 0; same && f < e->n_factors; f++) {
      const char *label = json_string_value(json_object_get(factors, e->factors[f].name));
      same = label && strcmp(label, br_experiment_level(e, row->c, f)->label) == 0;
    }
    if (same) return i;
  }
  return -1;
}

/* True if a later line has the same case and repeat. */
static bool replaced(const struct summing *g, json_t *lines, size_t i, int row) {
  json_int_t repeat = json_integer_value(json_object_get(json_array_get(lines, i), "repeat"));
  for (size_t k = i + 1; k < json_array_size(lines); k++) {
    json_t *later = json_array_get(lines, k);
    if (json_object_get(later, "run") && json_integer_value(json_object_get(later, "repeat")) == repeat && row_of_line(g->summary, later) == row) return true;
  }
  return false;
}

static void add_run(struct summing *g, json_t *line, int row_number) {
  struct br_row *row = &g->summary->rows[row_number];
  const char *status = json_string_value(json_object_get(line, "status")), *error = json_string_value(json_object_get(line, "error"));
  if (json_is_true(json_object_get(line, "warmup"))) return;
  row->simulated = row->simulated || json_object_get(line, "simulated");
  if (!status || strcmp(status, "ok") != 0) {
    if (status && strcmp(status, "skipped") == 0)
      row->left_out++;
    else
      row->failed++;
    if (error) row->error = error;
    return;
  }
  const char *not_held = json_string_value(json_object_get(line, "not_held"));
  if (not_held) row->not_held = not_held;
  row->ok++;
  row->points = json_object_get(line, "points");
  row->machine = json_object_get(line, "machine");
  row->rank_times = json_object_get(line, "rank_times");
  for (size_t i = 0; i < json_array_size(row->machine); i++) {
    const char *changes = json_string_value(json_object_get(json_array_get(row->machine, i), "changes"));
    if (changes && *changes) row->changes = changes;
  }
  row->throttled = row->throttled || json_is_true(json_object_get(line, "throttling_changed"));
  struct run *run = &g->runs[g->n_runs];
  *run = (struct run){row_number, line, g->values + (size_t)g->n_runs * (size_t)g->e->n_metrics};
  g->n_runs++;
}

static int gather_runs(struct summing *g, json_t *lines) {
  struct br_summary *s = g->summary;
  size_t n = json_array_size(lines);
  char program[65] = "";
  BR_TRY(br_memory_alloc(n, sizeof *g->runs, "runs", &g->runs));
  BR_TRY(br_memory_alloc(n * (size_t)g->e->n_metrics, sizeof *g->values, "runs", &g->values));
  for (size_t i = 0; i < n; i++) {
    json_t *line = json_array_get(lines, i), *session = json_object_get(line, "session");
    if (session) {
      const char *hash = json_string_value(json_object_get(session, "program_sha256"));
      s->session = session;
      s->date = json_object_get(line, "date");
      s->simulation = json_string_value(json_object_get(line, "simulate"));
      s->sessions++;
      s->programs += hash && strcmp(hash, program) != 0;
      if (hash) snprintf(program, sizeof program, "%s", hash);
      continue;
    }
    int row = row_of_line(s, line);
    if (row >= 0 && !replaced(g, lines, i, row)) add_run(g, line, row);
  }
  return BR_OK;
}

static int base_row(const struct br_summary *s, int of) {
  const struct br_experiment *e = s->experiment;
  for (int i = 0; i < s->n_rows; i++) {
    bool same = s->rows[i].rival == s->rows[of].rival;
    for (int f = 0; same && f < e->n_factors; f++) same = s->rows[i].c->level[f] == (e->base[f] ? 0 : s->rows[of].c->level[f]);
    if (same) return i;
  }
  return -1;
}

static bool lookup(void *arg, const char *name, bool base, struct br_value_or_text *value) {
  const struct summing *g = arg;
  int metric = br_experiment_find_metric(g->e, name), factor = br_experiment_find_factor(g->e, name);
  *value = (struct br_value_or_text){NAN, NULL};
  if (metric >= 0 && base) {
    int row = base_row(g->summary, g->now->row);
    if (row >= 0 && g->summary->rows[row].stat[metric].n) value->number = g->summary->rows[row].stat[metric].mean;
  } else if (metric >= 0) {
    value->number = g->now->value[metric];
  } else if (factor >= 0) {
    *value = br_expression_value(br_experiment_level(g->e, g->summary->rows[g->now->row].c, factor)->label);
  } else {
    return false;
  }
  return true;
}

static int set_values(struct summing *g, int m) {
  for (int i = 0; i < g->n_runs; i++) {
    struct run *run = &g->runs[i];
    if (g->e->metrics[m].source != BR_METRIC_FORMULA) {
      json_t *value = json_object_get(json_object_get(run->line, "metrics"), g->e->metrics[m].name);
      run->value[m] = json_is_number(value) ? json_number_value(value) : NAN;
      continue;
    }
    struct br_value_or_text value;
    g->now = run;
    BR_TRY(br_expression_evaluate(g->e->metrics[m].text, lookup, g, &value));
    run->value[m] = value.text ? NAN : value.number;
  }
  return BR_OK;
}

/* Two passes: mean and extremes, then the deviation. */
static void summarise(struct summing *g, int m) {
  for (int i = 0; i < g->n_runs; i++) {
    double x = g->runs[i].value[m];
    struct br_stat *stat = &g->summary->rows[g->runs[i].row].stat[m];
    if (!isfinite(x)) continue;
    if (stat->n == 0 || x < stat->min) stat->min = x;
    if (stat->n == 0 || x > stat->max) stat->max = x;
    stat->mean += (x - stat->mean) / ++stat->n;
  }
  for (int i = 0; i < g->n_runs; i++) {
    struct br_stat *stat = &g->summary->rows[g->runs[i].row].stat[m];
    double d = g->runs[i].value[m] - stat->mean;
    if (isfinite(d)) stat->deviation += d * d;
  }
  for (int r = 0; r < g->summary->n_rows; r++) {
    struct br_stat *stat = &g->summary->rows[r].stat[m];
    stat->deviation = stat->n > 1 ? sqrt(stat->deviation / (stat->n - 1)) : 0;
  }
}

static int average_curve(struct summing *g, int row, int m) {
  struct br_curve *curve = &g->summary->rows[row].curve[m];
  const char *name = g->e->metrics[m].name;
  for (int i = 0; i < g->n_runs; i++) {
    int n = (int)json_array_size(json_object_get(json_object_get(g->runs[i].line, "metrics"), name));
    if (g->runs[i].row == row && n > curve->n) curve->n = n;
  }
  BR_TRY(br_memory_alloc((size_t)curve->n, sizeof *curve->y, "curve", &curve->y));
  for (int k = 0; k < curve->n; k++) {
    int n = 0;
    for (int i = 0; i < g->n_runs; i++) {
      json_t *y = json_array_get(json_object_get(json_object_get(g->runs[i].line, "metrics"), name), (size_t)k);
      if (g->runs[i].row == row && y) curve->y[k] += (json_number_value(y) - curve->y[k]) / ++n;
    }
    if (n == 0) curve->y[k] = NAN;
  }
  return BR_OK;
}

static int fill(struct summing *g, json_t *lines) {
  BR_TRY(open_rows(g->summary));
  BR_TRY(gather_runs(g, lines));
  for (int m = 0; m < g->e->n_metrics; m++) {
    BR_TRY(set_values(g, m));
    summarise(g, m);
    for (int r = 0; g->e->metrics[m].take == BR_TAKE_ALL && r < g->summary->n_rows; r++) BR_TRY(average_curve(g, r, m));
  }
  return BR_OK;
}

int br_summary_open(const struct br_experiment *experiment, json_t *lines, struct br_summary *summary) {
  *summary = (struct br_summary){.experiment = experiment};
  struct summing g = {.summary = summary, .e = experiment};
  int status = fill(&g, lines);
  br_memory_free(g.runs);
  br_memory_free(g.values);
  if (status != BR_OK) br_summary_close(summary);
  return status;
}

void br_summary_close(struct br_summary *s) {
  for (int i = 0; i < s->n_rows; i++) {
    for (int m = 0; s->rows[i].curve && m < s->experiment->n_metrics; m++) br_memory_free(s->rows[i].curve[m].y);
    br_memory_free(s->rows[i].curve);
    br_memory_free(s->rows[i].stat);
  }
  br_memory_free(s->rows);
  *s = (struct br_summary){0};
}

/* --- what the three forms share --- */

static bool row_matches(const struct br_experiment *e, const struct br_published_row *row, const struct br_case *c) {
  for (int f = 0; f < e->n_factors; f++)
    if (row->factor[f] && strcmp(row->factor[f], br_experiment_level(e, c, f)->label) != 0) return false;
  return true;
}

double br_summary_published(const struct br_experiment *e, const struct br_case *c, int metric, const char **text) {
  *text = NULL;
  for (int i = 0; i < e->n_published; i++) {
    const struct br_published_row *row = &e->published[i];
    if (!row_matches(e, row, c) || (isnan(row->value[metric]) && !row->text[metric])) continue;
    *text = row->text[metric];
    return row->value[metric];
  }
  return NAN;
}

const double *br_summary_published_curve(const struct br_experiment *e, const struct br_case *c, int metric) {
  for (int i = 0; i < e->n_published; i++)
    if (e->published[i].curve[metric] && row_matches(e, &e->published[i], c)) return e->published[i].curve[metric];
  return NULL;
}

bool br_summary_has_published(const struct br_summary *s, int metric) {
  const char *text;
  for (int i = 0; i < s->n_rows; i++)
    if (!isnan(br_summary_published(s->experiment, s->rows[i].c, metric, &text)) || text) return true;
  return false;
}

bool br_summary_has_curve(const struct br_summary *s, int metric) { return s->experiment->metrics[metric].take == BR_TAKE_ALL; }

const char *br_summary_series(const struct br_summary *s, const struct br_row *row) { return row->rival >= 0 ? s->experiment->rivals[row->rival].name : row->simulated ? "bramble, simulated" : "bramble"; }

int br_summary_simulated(const struct br_summary *s) {
  int n = 0;
  for (int r = 0; r < s->n_rows; r++) n += s->rows[r].simulated;
  return n;
}

/* Digits after the point. */
static int digits_of(const struct br_metric *metric, double x) {
  double size = fabs(x);
  if (metric->digits >= 0) return metric->digits;
  return size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4;
}

const char *br_summary_number(const struct br_metric *metric, double x, char *text) {
  double size = fabs(x);
  if (isnan(x))
    text[0] = 0;
  else if (size >= 1e9 || (size < 1e-4 && size > 0))
    snprintf(text, 32, "%.3g", x);
  else
    snprintf(text, 32, "%.*f", metric->digits < 0 && x == floor(x) ? 0 : digits_of(metric, x), x);
  return text;
}

const char *br_summary_deviation(const struct br_metric *metric, const struct br_stat *stat, char *text) {
  int digits = digits_of(metric, stat->mean);
  if (stat->deviation < 0.5 * pow(10, -digits) || stat->deviation >= 1e9)
    snprintf(text, 32, "%.1g", stat->deviation);
  else
    snprintf(text, 32, "%.*f", digits, stat->deviation);
  return text;
}

const char *br_summary_case_text(const struct br_experiment *e, const struct br_case *c, const bool *with, char *text, size_t bytes) {
  size_t used = 0;
  text[0] = 0;
  for (int f = 0; f < e->n_factors; f++)
    if ((!with || with[f]) && used < bytes) used += (size_t)snprintf(text + used, bytes - used, "%s%s=%s", used ? ", " : "", e->factors[f].name, br_experiment_level(e, c, f)->label);
  return text;
}

const char *br_summary_remark(const struct br_row *row, char *text, size_t bytes) {
  size_t used = (size_t)snprintf(text, bytes, "%s%s%s%s%s%s", row->throttled ? "the machine throttled during a run. " : "", row->changes[0] ? "the machine was not the same all the time: " : "", row->changes,
                                 row->changes[0] ? ". " : "", row->not_held, row->not_held[0] ? ". " : "");
  if (used >= bytes) return text;
  if (used > 0 && !row->failed && !row->left_out) text[used - 1] = 0; /* nothing follows */
  if (row->failed)
    snprintf(text + used, bytes - used, "%d of %d runs failed: %s", row->failed, row->failed + row->ok, row->error);
  else if (row->left_out)
    snprintf(text + used, bytes - used, "left out: %s", row->error);
  return text;
}
