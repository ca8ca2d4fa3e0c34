/* From options to the stages of a net. Private to the room. */
#ifndef CLI_STAGES_H
#define CLI_STAGES_H

#include "cli/cli.h"

#include <bramble/net/model.h>
#include <bramble/predict/stages.h>

/* The stages of the model file for `n` places, by --memory; *stages of n (br_memory_free). `macs_per_second` of one place. */
int stages_plan(struct cli *cli, const char *path, int n, double macs_per_second, struct br_stage **stages);
/* This rank's part of the model by --stages. Collective. */
int stages_load(struct cli *cli, const char *path, struct br_model **part);

/* bramble plan predict. Not collective. */
int stages_print_plan(struct cli *cli);

#endif
