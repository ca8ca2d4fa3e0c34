/* From what a run printed to its metrics. Private to the room. */
#ifndef LAB_MEASURE_H
#define LAB_MEASURE_H

#include "lab/experiment.h"
#include "lab/process.h"

#include <jansson.h>

/* One step of a run that has ended. */
struct br_step_output {
  const char *step;
  struct br_process_result process;
};

/* Sets metrics[name] for every metric of the experiment that is found in the steps' outputs (JSON objects, one a line; other lines are skipped) and
 * their measures; formulas wait for the report. Curves are arrays. What was not printed is left out. */
int br_measure_steps(const struct br_experiment *experiment, const struct br_step_output *steps, int n_steps, json_t *metrics);

/* Sets in a run's line "machine" (what each rank saw second by second) and "rank_times" (its seconds of load, compute, wait and communicate, of all epochs), where the
 * steps printed them. */
void br_measure_ranks(const struct br_step_output *steps, int n_steps, json_t *line);

/* The same of a rival, by its regular expressions; of several matches the last. */
int br_measure_rival(const struct br_experiment *experiment, const struct br_rival *rival, const struct br_process_result *process, json_t *metrics);

#endif
