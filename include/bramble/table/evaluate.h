/* Using a model on a table: how good it is, and what it says of each row. */
#ifndef BRAMBLE_TABLE_EVALUATE_H
#define BRAMBLE_TABLE_EVALUATE_H

#include <bramble/table/model.h>
#include <bramble/table/rows.h>

/* Measures the model on the rows with a role (rows NULL: all rows of the table). Added to `report`:
 * numbers: rows, r2, rmse, mae; classes: rows, accuracy, log_loss (natural; probabilities below 1e-15 count as that), auc for two
 * classes (exact, ties count half), and classes_unseen, rows whose class the training did not have (they count as wrong). k-means: rows and inertia. Rows without a
 * target or without an answer are left out and counted as rows_without. All sums are exact: integers on a grid of 2^-44 of the
 * largest target (errors beyond 256 times that count as 256 times), so they are the same bits on any number of ranks.
 * Errors: BR_ERROR_DATA where columns lack. Collective. */
int br_table_evaluate(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, json_t *report);

/* Permutation importances: to the measures that br_table_evaluate has made of the same rows is added permutation: {measure, repeats, fall {feature: by how much
 * accuracy, or r2 of numbers, falls when the feature's values are exchanged between the rows, in the mean over `repeats` permutations}, deviation
 * {feature: of these falls}}. 1 to BR_PERMUTATIONS repeats; permutations are by seed and row number. Every rank holds one column of all rows at a time.
 * Errors: BR_ERROR_USAGE for k-means. Collective. */
#define BR_PERMUTATIONS 1000
int br_table_permute(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, uint64_t seed, int repeats, json_t *measures);

/* What is written of each row beside the answer; both may be asked for. */
enum { BR_PREDICT_PROBABILITIES = 1, BR_PREDICT_EXPLANATION = 2 };

/* Writes the answer for every row as CSV, in input order: a column prediction; for classes prediction, probability and, with
 * BR_PREDICT_PROBABILITIES, one column for each class. With BR_PREDICT_EXPLANATION (trees, forests, boosting): base and one column a feature, which
 * add up to the answer of a number or the probability of the class predicted; for boosting to its score before the link (log odds of
 * the second class where there are two). A row that lacks a number the model needs has no answer: NaN for a number, nothing between the commas for a class. `path` is
 * written by rank 0, complete or not at all. *counts may be NULL. Collective. */
struct br_predict_counts {
  uint64_t unknown_categories, unanswered; /* values that are categories the model does not know; rows */
};
int br_table_predict_csv(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, unsigned what, const char *path, struct br_predict_counts *counts);

/* The answer for one row written as "year=2015,odometer=60000,fuel=gas": features not named are missing. *report gets
 * prediction (null, with a warning, where a number is missing that the model needs), unknown_categories where some are (they count as missing), for classes probability and probabilities {class: p} of the ten likeliest, and with BR_PREDICT_EXPLANATION explanation {base, score,
 * features {name: share}}. Not collective. */
int br_table_predict_row(const struct br_table_model *model, const char *row, unsigned what, json_t **report);

#endif
