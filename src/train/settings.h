/* The settings that make a model, as names and values: what ranks compare before they start, what a checkpoint is compared with, what the model file
 * tells. Nothing of the machines is among them. Private to the room. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include <bramble/train/train.h>

/* Fails with BR_ERROR_USAGE unless `lines` (of br_train_settings) are `mine`; names the first setting that differs. `whose` they are and the `mend` are for the
 * message. */
int br_settings_compare(const char *mine, const char *lines, const char *whose, const char *mend);

#endif
