/* The measurements of bramble bench that have files of their own (table_bench is table.h's). Private to the room. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli/cli.h"

int bench_predict(struct cli *cli);
/* The table of --steps: the net on one thread, one batch from `x` a run, each step's share of the time and of the bound of `macs_per_second`. Errors: BR_ERROR_MEMORY. */
struct br_exec;
int bench_steps(struct cli *cli, struct br_exec *exec, const float *x, int batch, double macs_per_second);
int bench_data(struct cli *cli);

#endif
