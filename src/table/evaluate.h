/* Measuring with one feature's values exchanged between rows: what evaluate.c offers to permute.c. */
#ifndef BRAMBLE_SRC_TABLE_EVALUATE_H
#define BRAMBLE_SRC_TABLE_EVALUATE_H

#include <bramble/table/evaluate.h>

/* The i-th measured row of all ranks takes the feature's value of row permute(i). */
struct br__exchange {
  size_t feature;
  const double *value; /* [rows]: of the measured rows of all ranks, in the model's codes */
  const size_t *first; /* [block]: how many measured rows are before it, on all ranks */
  uint64_t rows, seed;
  uint32_t which;      /* the permutation's number */
};

/* br_table_evaluate, with an exchange (NULL: none). Collective. */
int br__evaluate(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, const struct br__exchange *exchange, json_t *report);
/* Whether a row is measured. */
static inline bool br__is_measured(const struct br_rows *rows, size_t block, size_t row) { return !rows || rows->role[block][row] == BR_ROW_TEST; }

#endif
