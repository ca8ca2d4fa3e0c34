/* What a forest's rows out of bag say of it (bag.c), and what of the forest is needed to ask them (forest.c). */
#ifndef BRAMBLE_SRC_TABLE_BAG_H
#define BRAMBLE_SRC_TABLE_BAG_H

#include "trees.h"

#include <bramble/table/train.h>

/* The rows of one tree: as many as there are, drawn with repeats; how often each is, into weight. */
void br__forest_draw_rows(const struct br_task *task, uint32_t tree, size_t rows, uint8_t *weight);
/* Adds one tree's answer: its leaf's shares of the classes, or its number. */
void br__forest_add_answer(const struct br_table_model *model, const struct br__trees *trees, size_t tree, const double *x, double *out);

/* Adds oob to a report: rows, accuracy or rmse, and with permutations > 0 what br_table_permute says of the rows out of bag. Collective. */
int br__bag_judge(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_table_model *model, int permutations, json_t *report);

#endif
