/* Why a tree model answers what it answers: each feature's share of the score, after TreeSHAP. */
#ifndef BRAMBLE_SRC_TABLE_EXPLAIN_H
#define BRAMBLE_SRC_TABLE_EXPLAIN_H

#include "trees.h"

/* Whether a model of this kind can be explained. */
bool br__explain_possible(const struct br_table_model *model);
/* Bytes of room an explanation takes. */
size_t br__explain_bytes(const struct br_table_model *model);
/* Shapley values of the row x for one output: share[features]; *base and the shares add up to the raw score, which is the output itself for trees and
 * forests, and for boosting the score before its link (of the class; for two classes the log odds of the second one, whatever `output`). Features
 * that are not known are averaged over the training rows of each node (Lundberg, Erion, Lee 2018, algorithm 2). Thread-safe. */
void br__explain(const struct br_table_model *model, size_t output, const double *x, double *share, double *base, void *room);

#endif
