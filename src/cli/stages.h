/* From options to the stages of a net. Private to the room. */
#ifndef CLI_STAGES_H
#define CLI_STAGES_H

#include "cli/cli.h"

#include <bramble/net/model.h>
#include <bramble/predict/stages.h>

/* What a run's cuts go by: the ranks with their speeds and --memory, and the slowest wire from one to the next. */
struct stages_places {
  struct br_stage_node *nodes; /* per rank (br_memory_free) */
  double bytes_per_second;
};
/* Measures it: a few milliseconds of products on `threads` threads' worth of every rank, and the wires. Collective. */
int stages_probe(struct cli *cli, int threads, struct stages_places *places);
/* This rank's part of the model by --stages. Not collective, but every rank finds the same cuts. */
int stages_load(struct cli *cli, const char *path, const struct stages_places *places, struct br_model **part);

/* bramble plan predict. Not collective. */
int stages_print_plan(struct cli *cli);

#endif
