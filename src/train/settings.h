/* The settings that make a model, as names and values: what ranks compare before they start, what a checkpoint is compared with, what the model file
 * tells. Nothing of the machines is among them. Private to the room. */
#ifndef TRAIN_SETTINGS_H
#define TRAIN_SETTINGS_H

#include <bramble/train/train.h>

/* Fails unless `lines` (of br_settings_text) are those of the run at hand; names the first setting that differs. `where` is for the message. */
int br_settings_compare(const char *mine, const char *lines, const char *where);

#endif
