/* bramble bench predict NET --steps: where a net's time goes, step by step, so that one can see which layers are worth changing. */
#include "cli/bench.h"

#include <bramble/base/clock.h>
#include <bramble/base/memory.h>
#include <bramble/net/exec.h>

#include <stdio.h>
#include <string.h>

#define SECONDS 0.5 /* of a repeat at least */

/* The least time of each step over some runs: other work on the machine only ever adds. */
static void measure(struct cli *cli, struct br_exec *exec, const struct br_run *run, double *least) {
  const int steps = br_exec_steps(exec);
  const double begin = br_clock_seconds(), enough = SECONDS * (double)option_int(&cli->options, "repeats");
  for (int s = 0; s < steps; s++) least[s] = 1e9;
  for (int r = 0; r < 3 || br_clock_seconds() - begin < enough; r++) {
    memset(run->step_seconds, 0, (size_t)steps * sizeof *run->step_seconds);
    br_exec_run(exec, run, BR_PART_ALL);
    for (int s = 0; s < steps && r > 0; s++) least[s] = run->step_seconds[s] < least[s] ? run->step_seconds[s] : least[s];
  }
}

static void print_step(struct cli *cli, const struct br_exec_step *step, double seconds, double all, double bound) {
  char shape[80];
  br_shape_text(step->out, shape);
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:s,s:s,s:s,s:f,s:f,s:f}", "step", step->name, "op", step->op, "how", step->how, "shape", shape, "seconds", seconds, "share", seconds / all, "share_of_bound", bound / seconds));
    return;
  }
  printf("%-24s %-14s %-8s %-18s %10.1f us %5.1f %%", step->name, step->op, step->how, shape, seconds * 1e6, 100 * seconds / all);
  printf(step->macs > 0 ? " %5.0f %% of the bound\n" : "\n", 100 * bound / seconds);
}

int bench_steps(struct cli *cli, struct br_exec *exec, const float *x, int batch, double macs_per_second) {
  const int steps = br_exec_steps(exec);
  double *seconds, all = 0;
  BR_TRY(br_memory_alloc(2 * (size_t)steps, sizeof *seconds, "steps", &seconds));
  measure(cli, exec, &(struct br_run){.x = x, .n = batch, .step_seconds = seconds + steps}, seconds);
  for (int s = 0; s < steps; s++) all += seconds[s];
  for (int s = 0; s < steps; s++) {
    const struct br_exec_step step = br_exec_step(exec, s);
    print_step(cli, &step, seconds[s], all, step.macs * batch / macs_per_second);
  }
  if (!option_flag(&cli->options, "json")) printf("%d steps, batch %d, one thread: %.3f ms\n", steps, batch, all * 1e3);
  br_memory_free(seconds);
  return BR_OK;
}
