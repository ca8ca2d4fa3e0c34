/* Forests and boosting in the middle: the trees so far as a model file beside the result, and going on from there on any number of ranks. */
#ifndef BRAMBLE_SRC_TABLE_CHECKPOINT_H
#define BRAMBLE_SRC_TABLE_CHECKPOINT_H

#include <bramble/table/train.h>

#include "trees.h"

struct br__checkpoint {
  struct br_checkpoint_settings settings;
  char *path;        /* NULL: none are made */
  uint64_t table;    /* fingerprint */
  uint64_t seed, rows; /* a hash of which ones are trained on */
  double last_time;
  size_t last_count;
};

/* Collective. */
int br__checkpoint_open(struct br_comm *comm, const struct br_task *task, const struct br_checkpoint_settings *settings, struct br__checkpoint *out);
void br__checkpoint_close(struct br__checkpoint *checkpoint);
/* Whether one is to be saved now that there are `count` trees or rounds. Asked by rank 0 alone. */
bool br__checkpoint_due(struct br__checkpoint *checkpoint, size_t count);
/* Saves the model as one; `state` (NULL: none; taken) is what else training needs. Rank 0 alone. */
int br__checkpoint_save(const struct br__checkpoint *checkpoint, struct br_table_model *model, json_t *state);
/* The trees of a checkpoint on all ranks, at most `most`; *n_trees is 0 where there is none, or it is not to be used. `model`: an empty one with
 * the settings of this run, which must be the checkpoint's (apart from the number of trees). The caller owns *state, NULL on other ranks than
 * 0 and where there is none. Errors: BR_ERROR_DATA where data or settings are others. Collective. */
int br__checkpoint_resume(struct br_comm *comm, const struct br__checkpoint *checkpoint, const struct br_table_model *model, size_t most, struct br__nodes *lists, size_t *n_trees, json_t **state);
/* The run is done: the file goes. Rank 0 alone. */
void br__checkpoint_remove(const struct br__checkpoint *checkpoint);

#endif
