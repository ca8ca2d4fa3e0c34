/* From a file and a few words to something to learn from: the table, the target, the features, the rows. */
#ifndef BRAMBLE_TABLE_TASK_H
#define BRAMBLE_TABLE_TASK_H

#include <bramble/table/train.h>

/* What becomes of missing features. */
enum br_missing { BR_MISSING_KEEP, BR_MISSING_DROP, BR_MISSING_MEAN, BR_MISSING_MEDIAN, BR_MISSING_MODE };

struct br_task_options {
  struct br_csv_options csv;   /* wanted is filled in here */
  const char *target;          /* NULL: none (clustering) */
  const char *features;        /* names with commas between; NULL: all columns but the target */
  const char *types;           /* "zip=category,price=number"; NULL: all inferred */
  bool classes;                /* the target is to be a category whatever it looks like */
  const char *dates;           /* "when=%d/%m/%Y,...": a date's column gives place to when_year, _month, _day, _weekday and _hour; NULL: none */
  const char *lets;            /* "age=2019-year,...": new columns; NULL: none */
  const char *where;           /* rows for which this formula is not true are left out; NULL: none */
  enum br_missing missing;     /* DROP: rows that lack a feature are left out; else they stay (rows without a target never do), filled by the training rows */
  double train_share;          /* 1: all rows are trained on */
  unsigned folds;              /* above 1: cross-validation, see br_task_fold */
  bool stratify;               /* every class is divided alike */
  uint64_t seed;
  size_t memory_bytes;
};

/* Owns everything a br_task borrows; not to be copied, since the task points into it. */
struct br_task_data {
  struct br_task task;
  struct br_table *table;
  struct br_rows rows;
  size_t *features;
  double load_seconds, transform_seconds; /* of br_task_open: reading the file; all that came after */
};

/* Reads the file and makes the task. Columns that cannot be features (texts of more than a million kinds) are left out with a warning when
 * nobody named them, an error otherwise; so is a feature that is equal to the target (a warning). Errors: BR_ERROR_DATA, BR_ERROR_USAGE.
 * Collective. */
int br_task_open(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, struct br_task_data *out);
void br_task_close(struct br_task_data *data);

/* The same rows divided otherwise: part `fold` of options->folds is to test on, the rest to train on; with fold = options->folds all are to train on.
 * Fills are those of the new training rows. Collective. */
int br_task_fold(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, unsigned fold, struct br_task_data *data);

/* The rows of a table that are to be measured: all, or those for which `where` is true, with role TEST. Collective. */
int br_rows_to_measure(struct br_comm *comm, struct br_team *team, const struct br_table *table, const char *where, struct br_rows *out);

/* Reads all columns of a file; types as in the options above. Collective. */
int br_table_read_typed(struct br_comm *comm, struct br_team *team, const struct br_csv_options *csv, const char *types, struct br_table **out);

/* Reads the table a model is to be used on: the columns it needs, with its types, made ready by the steps of its training; its target too where the file has
 * it, and the columns of the formula `where` (NULL: none). Errors: BR_ERROR_DATA naming all the columns that the file lacks. Collective. */
int br_table_read_for(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_csv_options *csv, const char *where, struct br_table **out);

/* What is in a file: columns with type, missing, distinct (numbers: up to 65,536), lowest, highest, mean (dates as ISO text), the commonest categories, why a column that
 * holds numbers is a category (no_number: row, text); the first rows; and suggestions, sentences about columns. Collective. */
int br_table_inspect(struct br_comm *comm, struct br_team *team, const struct br_csv_options *csv, json_t **report);

#endif
