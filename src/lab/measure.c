/* Paths into JSON lines, sums over ranks, and regular expressions over plain text. */
#include "lab/measure.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers on their way to one. */
struct gather {
  int n;
  double first, last, sum, min, max;
};

static void gather_add(struct gather *g, double x) {
  if (g->n == 0) *g = (struct gather){.first = x, .min = x, .max = x};
  g->n++;
  g->last = x;
  g->sum += x;
  if (x < g->min) g->min = x;
  if (x > g->max) g->max = x;
}

static double gather_value(const struct gather *g, enum br_metric_take take) {
  if (g->n == 0) return NAN;
  switch (take) {
    case BR_TAKE_FIRST: return g->first;
    case BR_TAKE_SUM: return g->sum;
    case BR_TAKE_MEAN: return g->sum / g->n;
    case BR_TAKE_MIN: return g->min;
    case BR_TAKE_MAX: return g->max;
    default: return g->last;
  }
}

/* All numbers at "a.b.c" below `node`; arrays on the way are gone through. */
static void walk(json_t *node, const char *path, struct gather *g) {
  if (json_is_array(node)) {
    size_t i;
    json_t *item;
    json_array_foreach(node, i, item) walk(item, path, g);
    return;
  }
  if (!*path) {
    if (json_is_number(node)) gather_add(g, json_number_value(node));
    return;
  }
  char key[128];
  size_t n = strcspn(path, ".");
  if (n >= sizeof key) return;
  memcpy(key, path, n);
  key[n] = 0;
  json_t *next = json_object_get(node, key);
  if (next) walk(next, path + n + (path[n] == '.'), g);
}

/* The JSON objects among the lines of an output, as an array. */
static json_t *json_lines(const struct br_process_result *process) {
  json_t *lines = json_array();
  for (const char *line = process->out; line && *line;) {
    size_t n = strcspn(line, "\n");
    json_t *object = *line == '{' ? json_loadb(line, n, 0, NULL) : NULL;
    if (object) json_array_append_new(lines, object);
    line += n + (line[n] == '\n');
  }
  return lines;
}

static void measure_json(const struct br_metric *m, const struct br_step_output *steps, json_t *const *lines, int n_steps, json_t *metrics) {
  struct gather over_lines = {0};
  json_t *curve = json_array();
  for (int s = 0; s < n_steps; s++) {
    size_t i;
    json_t *line;
    if (m->step && strcmp(m->step, steps[s].step) != 0) continue;
    json_array_foreach(lines[s], i, line) {
      struct gather within = {0};
      walk(line, m->text, &within);
      double value = m->scale * gather_value(&within, m->across);
      if (!isfinite(value)) continue;
      gather_add(&over_lines, value);
      json_array_append_new(curve, json_real(value));
    }
  }
  if (m->take == BR_TAKE_ALL)
    json_object_set(metrics, m->name, curve);
  else if (over_lines.n)
    json_object_set_new(metrics, m->name, json_real(gather_value(&over_lines, m->take)));
  json_decref(curve);
}

static void measure_process(const struct br_metric *m, const struct br_step_output *steps, int n_steps, json_t *metrics) {
  double wall = 0, cpu = 0, peak = 0;
  for (int s = 0; s < n_steps; s++) {
    const struct br_process_result *p = &steps[s].process;
    if (m->step && strcmp(m->step, steps[s].step) != 0) continue;
    wall += p->wall_seconds;
    cpu += p->cpu_seconds;
    if (p->peak_rss_bytes > peak) peak = p->peak_rss_bytes;
  }
  const double values[] = {wall, peak, cpu, wall > 0 ? 100 * cpu / wall : 0};
  json_object_set_new(metrics, m->name, json_real(m->scale * values[m->measure]));
}

int br_measure_steps(const struct br_experiment *e, const struct br_step_output *steps, int n_steps, json_t *metrics) {
  json_t **lines;
  BR_TRY(br_memory_alloc((size_t)n_steps, sizeof *lines, "output", &lines));
  for (int s = 0; s < n_steps; s++) lines[s] = json_lines(&steps[s].process);
  for (int i = 0; i < e->n_metrics; i++) {
    if (e->metrics[i].source == BR_METRIC_JSON) measure_json(&e->metrics[i], steps, lines, n_steps, metrics);
    if (e->metrics[i].source == BR_METRIC_MEASURE) measure_process(&e->metrics[i], steps, n_steps, metrics);
  }
  for (int s = 0; s < n_steps; s++) json_decref(lines[s]);
  br_memory_free(lines);
  return BR_OK;
}

static void add_rank_times(json_t *ranks, json_t *times) {
  static const char *const keys[] = {"load_seconds", "compute_seconds", "wait_seconds", "communicate_seconds"};
  size_t r;
  json_t *rank;
  json_array_foreach(ranks, r, rank) {
    if (r == json_array_size(times)) json_array_append_new(times, json_pack("[f,f,f,f]", 0.0, 0.0, 0.0, 0.0));
    json_t *sums = json_array_get(times, r);
    for (size_t k = 0; k < 4; k++) {
      json_t *sum = json_array_get(sums, k);
      json_real_set(sum, json_real_value(sum) + json_number_value(json_object_get(rank, keys[k])));
    }
  }
}

void br_measure_ranks(const struct br_step_output *steps, int n_steps, json_t *line) {
  json_t *times = json_array();
  for (int s = 0; s < n_steps; s++) {
    json_t *lines = json_lines(&steps[s].process), *object;
    size_t i;
    json_array_foreach(lines, i, object) {
      json_t *ranks = json_object_get(object, "ranks"), *machine = json_object_get(json_object_get(object, "machine"), "ranks");
      if (ranks) add_rank_times(ranks, times);
      if (machine) json_object_set(line, "machine", machine);
    }
    json_decref(lines);
  }
  if (json_array_size(times)) json_object_set(line, "rank_times", times);
  json_decref(times);
}

int br_measure_rival(const struct br_experiment *e, const struct br_rival *rival, const struct br_process_result *process, json_t *metrics) {
  const struct br_step_output step = {rival->name, *process};
  for (int i = 0; i < e->n_metrics; i++)
    if (e->metrics[i].source == BR_METRIC_MEASURE && !e->metrics[i].step) measure_process(&e->metrics[i], &step, 1, metrics);
  for (int i = 0; i < rival->n_metrics; i++) {
    regmatch_t match[2];
    double value = NAN;
    for (const char *at = process->out; regexec(&rival->metrics[i].compiled, at, 2, match, at == process->out ? 0 : REG_NOTBOL) == 0; at += match[0].rm_eo > 0 ? match[0].rm_eo : 1) {
      char *end;
      double found = match[1].rm_so >= 0 ? strtod(at + match[1].rm_so, &end) : NAN;
      if (match[1].rm_so >= 0 && end != at + match[1].rm_so) value = found;
      if (!at[match[0].rm_eo]) break;
    }
    if (isfinite(value)) json_object_set_new(metrics, e->metrics[rival->metrics[i].metric].name, json_real(value));
  }
  return BR_OK;
}
