/* Runs put together: for every case and every metric mean, deviation, least and greatest over the repeats, and what was published. Private to the
 * room; made for the report. */
#ifndef LAB_SUMMARY_H
#define LAB_SUMMARY_H

#include "lab/experiment.h"

#include <jansson.h>
#include <stdio.h>

struct br_stat {
  int n;
  double mean, deviation, min, max; /* deviation of the sample (n - 1), 0 for one */
};

struct br_curve {
  int n;
  double *y; /* means over repeats, NaN where no run came so far */
};

/* A case, of bramble or of a rival. */
struct br_row {
  const struct br_case *c;
  int rival; /* -1: bramble */
  int ok, failed, left_out; /* runs; left out: for want of cores or nodes */
  bool simulated, throttled;
  const char *error; /* of the last run that failed or was left out, else "" */
  struct br_stat *stat;   /* by metric */
  struct br_curve *curve; /* by metric; only those that are curves */
  const char *not_held; /* limits of the case that nothing held it to, "" if it was held */
  const char *changes; /* of a machine during a run, "" if there were none */
  json_t *points, *machine, *rank_times; /* of the last run that was ok: the sweep's machine, what ranks saw and where their time went; borrowed, may be NULL */
};

struct br_summary {
  const struct br_experiment *experiment;
  struct br_row *rows; /* cases in order, each followed by its rivals */
  int n_rows;
  json_t *session, *date; /* of the last session; borrowed */
  const char *simulation; /* what the last session simulated, NULL: nothing */
  int sessions, programs; /* how many sessions, and how many builds of the program made them */
};

/* Both `experiment` and `lines` are borrowed and must outlive the summary. Warm-up runs do not count; of runs with one case and repeat the newest does. */
int br_summary_open(const struct br_experiment *experiment, json_t *lines, struct br_summary *summary);
void br_summary_close(struct br_summary *summary);

/* What was published of a metric in a case: a number, or NaN and perhaps a word (*text, else NULL). */
double br_summary_published(const struct br_experiment *experiment, const struct br_case *c, int metric, const char **text);
/* A published curve, or NULL. */
const double *br_summary_published_curve(const struct br_experiment *experiment, const struct br_case *c, int metric);
bool br_summary_has_published(const struct br_summary *summary, int metric);
bool br_summary_has_curve(const struct br_summary *summary, int metric);

/* "bramble", "bramble, simulated", or the rival's name; and how many rows are simulated. */
const char *br_summary_series(const struct br_summary *summary, const struct br_row *row);
int br_summary_simulated(const struct br_summary *summary);

/* A number as the metric wants it, into text (at least 32 bytes). */
const char *br_summary_number(const struct br_metric *metric, double x, char *text);
/* The deviation of a mean, with as many digits as the mean has. */
const char *br_summary_deviation(const struct br_metric *metric, const struct br_stat *stat, char *text);
/* "workers=4, how=plain" of the factors for which `with` is true (NULL: all), into text. */
const char *br_summary_case_text(const struct br_experiment *experiment, const struct br_case *c, const bool *with, char *text, size_t bytes);

/* What is to be said about a case, as "2 of 2 runs failed: ...", into text: what failed or was left out and why, what was not held, how the machine changed. "" where all is well. */
const char *br_summary_remark(const struct br_row *row, char *text, size_t bytes);

/* A plot of the experiment file, or what the machines did during the runs, as figures. Nothing where there is nothing to show. */
int br_report_plot(const struct br_summary *summary, const struct br_plot *plot, FILE *out);
int br_report_machine(const struct br_summary *summary, FILE *out);

/* The three forms of a report. */
int br_report_html(const struct br_summary *summary, FILE *out);
int br_report_markdown(const struct br_summary *summary, FILE *out);
int br_report_csv(const struct br_summary *summary, FILE *out);

#endif
