/* One way of `bramble predict`: a data set. Private to the room. */
#ifndef CLI_PREDICT_DATA_H
#define CLI_PREDICT_DATA_H

#include "cli/cli.h"

/* --data. Collective. */
int predict_data(struct cli *cli);

#endif
