/* The measurements of bramble bench that have files of their own (table_bench is table.h's). Private to the room. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli/cli.h"

#include <bramble/net/exec.h>

int bench_predict(struct cli *cli);
/* The table of --steps: the net on one thread, `run` again and again, each step's share of the time and of the bound of `macs_per_second`; with `training`, forward and backward.
 * Errors: BR_ERROR_MEMORY. */
int bench_steps(struct cli *cli, struct br_exec *exec, struct br_run run, bool training, double macs_per_second);
/* Multiply-adds a second of all threads of the team together, the best of several tries. */
double bench_peak(struct br_team *team);
int bench_data(struct cli *cli);

#endif
