/* What the machines of a run did, second by second: a sampler on every rank, gathered into one JSON line at the end. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/cli.h"

#include <bramble/lab/view.h>
#include <bramble/record/sampler.h>

/* Starts this rank's sampler; one rank of each machine measures energy, by --watts or what is there. */
int watch_start(struct cli *cli, struct br_sampler **sampler);

/* Tells rank 0's live view (NULL elsewhere) the newest second of every rank. Collective. */
void watch_show(struct cli *cli, struct br_sampler *sampler, struct br_view *view);

/* Ends it; *line = {"machine": ...} of all ranks on rank 0, NULL elsewhere. `samples`: how many were computed in all, for energy. Collective. */
int watch_finish(struct cli *cli, struct br_sampler *sampler, double samples, json_t **line);

#endif
