/* Cross-validation: a model trained and measured once for each part of the rows, and what the measures are on average. */
#ifndef CLI_FOLDS_H
#define CLI_FOLDS_H

#include "cli/cli.h"

/* Calls one(arg, fold, measures) for each of --folds parts, and adds to `report`: folds (the measures of each), mean and deviation (of a sample) of
 * every measure that is not a count. Collective. */
int folds_run(struct cli *cli, int (*one)(void *arg, unsigned fold, json_t *measures), void *arg, json_t *report);

#endif
