/* One fold after another; all threads and ranks work on each. */
#include "cli/folds.h"

#include <math.h>

/* Means and deviations of the real numbers that all folds have. */
static void summarise(json_t *folds, json_t *report) {
  json_t *mean = json_object(), *deviation = json_object(), *value, *fold;
  const char *key;
  size_t n = json_array_size(folds), i;
  json_object_foreach(json_array_get(folds, 0), key, value) {
    double sum = 0, squares = 0;
    bool whole = json_is_real(value);
    json_array_foreach(folds, i, fold) {
      whole = whole && json_is_real(json_object_get(fold, key));
      sum += json_real_value(json_object_get(fold, key));
    }
    if (!whole) continue;
    json_array_foreach(folds, i, fold) {
      double d = json_real_value(json_object_get(fold, key)) - sum / (double)n;
      squares += d * d;
    }
    json_object_set_new(mean, key, json_real(sum / (double)n));
    json_object_set_new(deviation, key, json_real(sqrt(squares / (double)(n - 1))));
  }
  json_object_set_new(report, "mean", mean);
  json_object_set_new(report, "deviation", deviation);
}

int folds_run(struct cli *cli, int (*one)(void *arg, unsigned fold, json_t *measures), void *arg, json_t *report) {
  unsigned n = (unsigned)option_int(&cli->options, "folds");
  json_t *folds = json_array();
  json_object_set_new(report, "folds", folds);
  for (unsigned fold = 0; fold < n; fold++) {
    json_t *measures = json_object();
    json_array_append_new(folds, measures);
    BR_TRY(one(arg, fold, measures));
    cli_progress(cli, (double)(fold + 1) / n, "fold %u of %u", fold + 1, n);
  }
  cli_progress_end(cli);
  summarise(folds, report);
  return BR_OK;
}
