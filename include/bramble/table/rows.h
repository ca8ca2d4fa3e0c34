/* Which rows of a table take part: those left out, those to train on, those to test on. */
#ifndef BRAMBLE_TABLE_ROWS_H
#define BRAMBLE_TABLE_ROWS_H

#include <bramble/table/table.h>

enum br_role { BR_ROW_OUT, BR_ROW_TRAIN, BR_ROW_TEST };

struct br_rows {
  unsigned char **role;       /* [block][row]: br_role */
  size_t n_blocks;
  uint64_t train, test, dropped, filtered; /* on all ranks; dropped: for what they lack; filtered: by `where` */
};

struct br_rows_options {
  const size_t *required; /* columns that must not be missing */
  size_t n_required;
  double train_share;     /* of the rows, drawn by a hash of seed and row number; 1: all; 0: all are to test on */
  uint64_t seed;
  unsigned folds, fold;   /* folds > 1: rows whose hash falls into part `fold` are for testing; train_share is ignored */
  const char *where;      /* a formula: rows for which it is not true are left out; NULL: none */
  bool stratify;          /* train_share or folds of every class of the column `classes` alike, to the row */
  size_t classes;
};

/* Gives every row its role: a function of the row's number, the seed and the rows' values alone. Errors: BR_ERROR_DATA when no
 * row is left to train on, or with train_share 0 to test on; BR_ERROR_USAGE for `where`, naming the place; BR_ERROR_MEMORY. Collective. */
int br_rows_choose(struct br_comm *comm, struct br_team *team, const struct br_table *table, const struct br_rows_options *options, struct br_rows *out);
void br_rows_free(struct br_rows *rows);

#endif
