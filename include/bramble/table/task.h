/* From a file and a few words to something to learn from: the table, the target, the features, the rows. */
#ifndef BRAMBLE_TABLE_TASK_H
#define BRAMBLE_TABLE_TASK_H

#include <bramble/table/train.h>

struct br_task_options {
  struct br_csv_options csv;   /* wanted is filled in here */
  const char *target;          /* NULL: none (clustering) */
  const char *features;        /* names with commas between; NULL: all columns but the target */
  const char *types;           /* "zip=category,price=number"; NULL: all inferred */
  bool classes;                /* the target is to be a category whatever it looks like */
  bool drop_missing;           /* rows that lack a feature are left out; otherwise they stay (rows without a target never do) */
  double train_share;          /* 1: all rows are trained on */
  uint64_t seed;
  size_t memory_bytes;
};

/* Owns everything a br_task borrows; not to be copied, since the task points into it. */
struct br_task_data {
  struct br_task task;
  struct br_table *table;
  struct br_rows rows;
  size_t *features;
};

/* Reads the file and makes the task. Columns that cannot be features (texts of more than a million kinds) are left out with a warning when
 * nobody named them, an error otherwise; so is a feature that is equal to the target (a warning). Errors: BR_ERROR_DATA, BR_ERROR_USAGE.
 * Collective. */
int br_task_open(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, struct br_task_data *out);
void br_task_close(struct br_task_data *data);

/* Reads the table a model is to be used on: the columns it needs, with its types; its target too where the file has it. Collective. */
int br_table_read_for(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_csv_options *csv, struct br_table **out);

/* What is in a file: columns with type, missing, distinct (numbers: up to 65,536), lowest, highest, mean, and the first rows. Collective. */
int br_table_inspect(struct br_comm *comm, struct br_team *team, const struct br_csv_options *csv, json_t **report);

#endif
