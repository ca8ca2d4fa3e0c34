/* Running an experiment file: every case as often as it says, each run one line in results/NAME/runs.jsonl. docs/lab.md describes both files. */
#ifndef BRAMBLE_LAB_SWEEP_H
#define BRAMBLE_LAB_SWEEP_H

#include <stdbool.h>

enum br_again { BR_AGAIN_NONE, BR_AGAIN_FAILED, BR_AGAIN_ALL };

struct br_sweep_options {
  const char *program;            /* path of bramble itself, which runs the commands that begin with a verb */
  const char *version;
  const char *results;            /* folder of all results; NULL: "results" */
  const char *launcher;           /* how ranks are started; "srun": srun -n {ranks}; NULL: "mpiexec -n {ranks}" */
  const char *hosts;              /* file of machines for mpiexec; NULL: here */
  const char *const *settings;    /* "name=value" for the file's variables */
  int n_settings;
  const char *simulate;           /* as train's --simulate: cases of up to so many nodes run alone here, under NAME-simulated; NULL: as they are */
  int repeats;                    /* instead of the file's; 0: the file's */
  bool smoke;                     /* the tiny sizes of the file, under NAME-smoke */
  enum br_again again;            /* what is measured again although it is there */
};

/* One run as it ended. */
struct br_sweep_run {
  const char *label;  /* "workers=4, sync=weights", with the rival's name in front */
  int repeat;
  const char *status; /* "ok", "failed", "timeout", "skipped" */
  const char *error;  /* "" if it is ok */
  double seconds;
};

struct br_sweep_watch {
  void *arg;
  void (*ran)(void *arg, const struct br_sweep_run *run);
  /* A few times a second: what runs, how many runs are done of all, seconds left (below 0: not known yet). */
  void (*progress)(void *arg, const char *label, int done, int all, double seconds_left);
  bool (*stop)(void *arg);
};

struct br_sweep_result {
  char folder[512]; /* where the results are */
  int runs, known, failed; /* run now, there before, failed among both */
  bool stopped;
};

/* Runs what has not been measured yet. A run that fails is recorded and the sweep goes on; a stop leaves whole lines only, and the next call continues.
 * Errors: BR_ERROR_USAGE for the file, BR_ERROR_FAILED where results cannot be written or a preparing command fails. Not collective. */
int br_sweep(const char *path, const struct br_sweep_options *options, const struct br_sweep_watch *watch, struct br_sweep_result *result);

#endif
