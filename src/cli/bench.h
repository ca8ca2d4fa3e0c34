/* The measurements of bramble bench that have files of their own (table_bench is table.h's). Private to the room. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "cli/cli.h"

int bench_predict(struct cli *cli);
int bench_data(struct cli *cli);

#endif
