/* One way of `bramble predict`: raw tensors. Private to the room. */
#ifndef CLI_PREDICT_RAW_H
#define CLI_PREDICT_RAW_H

#include "cli/cli.h"

/* --input and --output; on one rank. Not collective. */
int predict_raw(struct cli *cli);

#endif
