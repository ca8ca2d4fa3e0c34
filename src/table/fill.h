/* What stands in for missing values: the mean, the median or the commonest value of the training rows. */
#ifndef BRAMBLE_SRC_TABLE_FILL_H
#define BRAMBLE_SRC_TABLE_FILL_H

#include "table.h"

#include <bramble/table/task.h>

/* Fills the features of a task, and adds what with to the table's steps, for the table's own rows and those to come; fills of before are gone. Categories are
 * filled with the commonest one; ties go to the lower value. `keep` and `drop` fill nothing.
 * Errors: BR_ERROR_DATA naming a feature without any value in the training rows, or with infinite ones. Collective. */
int br__fill_missing(struct br_comm *comm, enum br_missing missing, const struct br_task *task, struct br_table *table);

#endif
