/* A contact sheet: what is in a data set, at one look. */
#ifndef BRAMBLE_DATA_SHEET_H
#define BRAMBLE_DATA_SHEET_H

#include <bramble/data/dataset.h>
#include <bramble/data/image.h>

/* Draws the first `columns` samples of each of the first `rows` classes (where labels are no classes: of all samples), a class to a row, each
 * `side` x `side` pixels, on white, as RGB into `image` (grown as needed). Only samples of 1 or 3 channels can be drawn (else BR_ERROR_USAGE);
 * floats are taken as 0 to 1. Other errors are those of reading. */
int br_sheet_draw(struct br_dataset *dataset, int rows, int columns, int side, struct br_image *image);

#endif
