/* The verbs on tables, for the verbs' own files: whether a subject is a table's, and the same verb for it. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/cli.h"

#include <bramble/table/evaluate.h>
#include <bramble/table/task.h>

/* "linear", "logistic", "tree", ...: a kind of model for tables that the table room trains itself, so not "mlp". */
bool table_is_kind(const char *word);
/* A model file of a table. */
bool table_is_model(const char *path);
/* A name that ends as CSV files do, or a folder of a packed table. */
bool table_is_csv(const char *path);

/* The task of a table from the options, borrowed from them. */
int table_task_options(struct cli *cli, enum br_table_model_kind kind, struct br_task_options *task);
/* Measures of the model on rows of the table (NULL: all), as br_table_evaluate, with permutation importances where they are asked for. Collective. */
int table_measure(struct cli *cli, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, json_t *measures);
/* How many rows were left out, and why. */
void table_report_rows(const struct br_task_data *data, json_t *report);
/* A report as lines for people; and as --json says, on rank 0, and freed: returns BR_OK. */
void table_print(json_t *object);
int table_report(struct cli *cli, json_t *report);

/* How --separator, --header and so on say to read a file. */
int table_csv_options(struct cli *cli, const char *path, struct br_csv_options *csv);
/* Writes the table of a file as a folder of columns. Not collective. */
int table_pack(struct cli *cli, const char *path, const char *folder);

/* Collective, as all verbs. */
int table_train(struct cli *cli);
int table_eval(struct cli *cli);
int table_predict(struct cli *cli);
int table_inspect(struct cli *cli); /* inspect_table.c */

/* `train` of a kind on a table, or of a net (BR_TABLE_MLP; `table`: on one): fails where an option is given that it would pass over. */
int table_check_options(const struct options *options, enum br_table_model_kind kind, bool table);
/* `eval` and `predict` of a model of a table, or of a net: fails where an option is given that they would pass over. */
int table_check_use(const struct options *options, bool table);
/* Trains a model of that kind with the settings of the options. */
int table_learn(struct cli *cli, struct br_team *team, enum br_table_model_kind kind, const struct br_task *task, struct br_table_model **model, json_t *report);
/* bench table KIND (bench_table.c). */
int table_bench(struct cli *cli);

#endif
