/* What single trees and forests have in common beside the growing: the checks of their settings. */
#ifndef BRAMBLE_SRC_TABLE_TREE_H
#define BRAMBLE_SRC_TABLE_TREE_H

#include "grow.h"

/* Settings against the target; *criterion is the one to use. */
int br__tree_check(const struct br_task *task, const struct br_tree_settings *settings, enum br__criterion *criterion);
void br__tree_keep_settings(struct br_table_model *model, const struct br_tree_settings *settings, enum br__criterion criterion);

#endif
