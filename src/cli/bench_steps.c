/* bramble bench predict NET --steps and bench train NET --steps: where a net's time goes, step by step, so that one can see which layers are worth changing. */
#include "cli/bench.h"

#include <bramble/base/clock.h>
#include <bramble/base/memory.h>
#include <bramble/net/exec.h>

#include <stdio.h>
#include <string.h>

#define SECONDS 0.5 /* of a repeat at least */

/* The least time of each step over some runs: other work on the machine only ever adds. */
static void measure(struct cli *cli, struct br_exec *exec, const struct br_run *run, int times, double *least) {
  const double begin = br_clock_seconds(), enough = SECONDS * (double)option_int(&cli->options, "repeats");
  for (int s = 0; s < times; s++) least[s] = 1e9;
  for (int r = 0; r < 3 || br_clock_seconds() - begin < enough; r++) {
    memset(run->step_seconds, 0, (size_t)times * sizeof *run->step_seconds);
    br_exec_run(exec, run, BR_PART_ALL);
    for (int s = 0; s < times && r > 0; s++) least[s] = run->step_seconds[s] < least[s] ? run->step_seconds[s] : least[s];
  }
}

/* One direction of a step; `pass` is NULL where there is only one. */
static void print_step(struct cli *cli, const struct br_exec_step *step, const char *pass, double seconds, double all, double bound) {
  char shape[80];
  br_shape_text(step->out, shape);
  if (option_flag(&cli->options, "json")) {
    json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:f,s:f,s:f}", "step", step->name, "op", step->op, "how", step->how, "shape", shape, "seconds", seconds, "share", seconds / all, "share_of_bound", bound / seconds);
    if (pass) json_object_set_new(row, "pass", json_string(pass));
    cli_print_json(cli, row);
    return;
  }
  printf("%-24s %-14s %-8s %-18s %10.1f us %5.1f %%", step->name, step->op, pass ? pass : step->how, shape, seconds * 1e6, 100 * seconds / all);
  printf(bound > 0 ? " %5.0f %% of the bound\n" : "\n", 100 * bound / seconds);
}

int bench_steps(struct cli *cli, struct br_exec *exec, struct br_run run, bool training, double macs_per_second) {
  const int steps = br_exec_steps(exec), times = training ? 2 * steps : steps;
  double *seconds, all = 0, bounds = 0;
  BR_TRY(br_memory_alloc(2 * (size_t)times, sizeof *seconds, "steps", &seconds));
  run.step_seconds = seconds + times;
  measure(cli, exec, &run, times, seconds);
  for (int s = 0; s < times; s++) all += seconds[s];
  for (int s = 0; s < times; s++) { /* in the order of the run */
    const bool back = s >= steps;
    const int at = back ? times - 1 - s : s;
    const struct br_exec_step step = br_exec_step(exec, at);
    const double bound = (back ? step.backward_macs : step.macs) * run.n / macs_per_second, took = seconds[back ? steps + at : at];
    bounds += bound;
    if (took > 0) print_step(cli, &step, !training ? NULL : back ? "backward" : "forward", took, all, bound);
  }
  if (!option_flag(&cli->options, "json")) printf("%d steps, batch %d, one thread: %.3f ms, %.0f %% of the bound\n", steps, run.n, all * 1e3, 100 * bounds / all);
  br_memory_free(seconds);
  return BR_OK;
}
