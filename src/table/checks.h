/* What is worth saying of a task before hours go into it. All are Collective, and warn once, on rank 0. */
#ifndef BRAMBLE_SRC_TABLE_CHECKS_H
#define BRAMBLE_SRC_TABLE_CHECKS_H

#include <bramble/table/train.h>

/* Errors: BR_ERROR_USAGE for a target that is no category. Not collective. */
int br__need_classes(const struct br_task *task);
/* Errors: BR_ERROR_DATA with the number, for a target of more classes than models can tell apart. Not collective. */
int br__check_class_count(const struct br_task *task);
/* Errors: BR_ERROR_DATA for too many classes, and for a target that is the same in all training rows. Warns of classes that are in the test part only. */
int br__check_target(struct br_comm *comm, const struct br_task *task);
/* Warns of features that are equal to the target: a model of them knows nothing. */
int br__warn_of_copies(struct br_comm *comm, const struct br_task *task);
/* Warns of features with infinite values in rows that take part. */
int br__warn_of_infinities(struct br_comm *comm, const struct br_task *task);

#endif
