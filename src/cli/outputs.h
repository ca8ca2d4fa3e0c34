/* What a command writes must be possible to write, and not what it reads. Private to the room. */
#ifndef CLI_OUTPUTS_H
#define CLI_OUTPUTS_H

#include "cli/cli.h"

/* Fails (BR_ERROR_USAGE) where a file of --out or --output is a subject, or a file of --data, --input or --classes: the writer would put the result in the place
 * of what the user cannot make again; and where it could not be written, so that this is known before the work. `train M.safetensors --out M.safetensors` is a wish, to train a model further, and allowed. Collective. */
int outputs_check(struct cli *cli);

#endif
