/* Checkpoints: all that a run needs to go on, in one safetensors file that is complete or not there, with a hash over its content. It knows nothing of
 * ranks and threads: rank 0 writes and reads it, the others send and get their workers' state. Private to the room. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "train/optimiser.h"

#include <bramble/cluster/comm.h>

struct br_checkpoint_block {
  const char *name;
  float *data;
  size_t count;
};

#define BR_CHECKPOINT_BLOCKS 6

struct br_checkpoint {
  struct br_comm *comm;
  const struct br_checkpoint_options *options;
  const char *settings; /* lines of br_train_settings */
  /* Blocks that are alike on all ranks; `position` is any struct of 8-byte numbers. */
  struct br_checkpoint_block block[BR_CHECKPOINT_BLOCKS];
  int n_blocks;
  int64_t *position;
  size_t position_count;
  /* The optimiser state of workers that keep theirs: worker k of this rank's [first_kept, last_kept) is optimiser[k - first_kept]. */
  int64_t workers, first_kept, last_kept;
  struct br_optimiser *optimiser;
  size_t state_floats; /* of one worker; 0: none keeps any */
};

/* Writes PATH.ckpt-STEP and removes what is older than the last `keep`. Errors: BR_ERROR_FAILED on all ranks; the older ones are then untouched. Collective. */
int br_checkpoint_save(const struct br_checkpoint *checkpoint, int64_t step);
/* Fills blocks, position and states from the newest sound checkpoint; *found is false where there is none. Unsound ones are passed over with a warning.
 * Errors: BR_ERROR_USAGE naming the setting where it was made with others. Collective. */
int br_checkpoint_load(const struct br_checkpoint *checkpoint, bool *found);

#endif
