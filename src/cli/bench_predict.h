/* bramble bench predict. Private to the room. */
#ifndef CLI_BENCH_PREDICT_H
#define CLI_BENCH_PREDICT_H

#include "cli/cli.h"

int bench_predict(struct cli *cli);

#endif
