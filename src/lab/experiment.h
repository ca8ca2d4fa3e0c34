/* An experiment file: which commands are run over which factors, what is kept of them, and how it is shown. docs/lab.md describes the file.
 * Private to the room; used by sweep (which measures) and report (which shows). */
#ifndef LAB_EXPERIMENT_H
#define LAB_EXPERIMENT_H

#include "lab/expression.h"
#include "lab/yaml.h"

#include <regex.h>
#include <stddef.h>
#include <stdint.h>

#define BR_MAX_FACTORS 12

/* A value of a factor: what is shown, and what stands in commands. */
struct br_level {
  const char *label, *text;
  const struct br_yaml *place;
};

struct br_factor {
  const char *name;
  struct br_level *levels;
  int n_levels, group; /* factors of one group vary together */
};

/* A case: the level of every factor. */
struct br_case {
  int level[BR_MAX_FACTORS];
};

struct br_named_text {
  const char *name, *text;
  const struct br_yaml *place;
};

enum br_metric_source { BR_METRIC_JSON, BR_METRIC_MEASURE, BR_METRIC_FORMULA };
/* How many values become one: over the lines of a run, and over arrays (ranks) within a line. ALL keeps the lines' values as a curve. */
enum br_metric_take { BR_TAKE_LAST, BR_TAKE_FIRST, BR_TAKE_SUM, BR_TAKE_MEAN, BR_TAKE_MIN, BR_TAKE_MAX, BR_TAKE_ALL };
enum br_measure { BR_MEASURE_WALL, BR_MEASURE_PEAK_RSS, BR_MEASURE_CPU_SECONDS, BR_MEASURE_CPU_PERCENT };

struct br_metric {
  const char *name, *title, *unit;
  enum br_metric_source source;
  const char *text; /* path in the JSON, or formula */
  const char *step; /* only of that step's output; NULL: of all */
  enum br_measure measure;
  enum br_metric_take take, across;
  double scale;
  int digits; /* after the point; -1: as many as the size of the number asks for */
  bool hidden; /* used by formulas and plots, not shown in tables */
};

struct br_rival_metric {
  int metric;
  const char *pattern;
  regex_t compiled;
};

struct br_rival {
  const char *name, *command, *when;
  struct br_rival_metric *metrics;
  int n_metrics;
};

struct br_published_row {
  const char *factor[BR_MAX_FACTORS]; /* label by factor number, NULL: any */
  double *value;                      /* by metric number, NaN: none */
  const char **text;                  /* words such as "oom" where there is no number; NULL: none */
  double **curve;                     /* by metric number, a NaN-ended list; NULL: none */
};

enum br_plot_kind { BR_PLOT_LINE, BR_PLOT_BAR, BR_PLOT_STACKED, BR_PLOT_CURVE };

struct br_plot {
  const char *title, *when;
  enum br_plot_kind kind;
  int x; /* a factor; -1: a curve has none. All other factors that vary make series */
  int y[8], n_y;
  bool log_x, log_y, zero, no_published;
};

struct br_experiment {
  struct br_yaml_file *file;
  const char *name, *title, *about;
  struct br_named_text *variables;
  int n_variables;
  struct br_factor factors[BR_MAX_FACTORS];
  int n_factors, n_groups;
  const char *when, *ranks, *cores, *memory; /* memory: of all ranks of a case, "1920MB"; NULL: not held */
  const char *nodes, *node_threads; /* of a case that is simulated; nodes NULL: as many as ranks, node_threads NULL: all */
  int repeats, warmup;
  double timeout; /* seconds of one command; 0: none */
  struct br_named_text *prepare, *steps;
  int n_prepare, n_steps;
  bool base[BR_MAX_FACTORS];
  struct br_metric *metrics;
  int n_metrics;
  struct br_rival *rivals;
  int n_rivals;
  const char *published_source;
  struct br_published_row *published;
  int n_published;
  struct br_plot *plots;
  int n_plots;
  struct br_case *cases; /* those that `when` lets through */
  int n_cases;
};

/* Reads and checks all of a file: names, conditions, formulas, patterns, templates. settings[0 .. n): "name=value" for its variables.
 * `smoke`: with the tiny sizes of its smoke section. Errors: BR_ERROR_USAGE "PATH:LINE:COLUMN: ...". */
int br_experiment_open(const char *path, bool smoke, const char *const *settings, int n_settings, struct br_experiment **out);
void br_experiment_close(struct br_experiment *experiment); /* NULL does nothing */

const struct br_level *br_experiment_level(const struct br_experiment *experiment, const struct br_case *c, int factor);
int br_experiment_find_factor(const struct br_experiment *experiment, const char *name);
int br_experiment_find_metric(const struct br_experiment *experiment, const char *name);

/* *out = `text` with {names} of factors and variables filled in, again and again until none is left; {out}, {work} and others of
 * `extra` (ends with a NULL name) come last. The caller frees it with free(). c NULL: without factors. */
int br_experiment_expand(const struct br_experiment *experiment, const struct br_case *c, const struct br_named_text *extra, const char *text, char **out);

/* Whether a condition holds for a case; NULL always does. */
int br_experiment_holds(const struct br_experiment *experiment, const struct br_case *c, const char *condition, bool *holds);

/* A number of a case, 1 to 100,000, or bytes from 1 MB on ("1920MB"): `text` with names filled in and, of a number, worked out. 0 where text is NULL. `what` stands
 * in the message. */
int br_experiment_count(const struct br_experiment *experiment, const struct br_case *c, const char *what, const char *text, int *out);
int br_experiment_bytes(const struct br_experiment *experiment, const struct br_case *c, const char *what, const char *text, double *out);

#endif
