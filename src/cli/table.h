/* The verbs on tables, for the verbs' own files: whether a subject is a table's, and the same verb for it. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/cli.h"

/* "linear", "logistic", "tree", "forest", "boost": a kind of model for tables. */
bool table_is_kind(const char *word);
/* A model file of a table. */
bool table_is_model(const char *path);
/* A name that ends as CSV files do. */
bool table_is_csv(const char *path);

/* Collective, as all verbs. */
int table_train(struct cli *cli);
int table_eval(struct cli *cli);
int table_predict(struct cli *cli);
int table_inspect(struct cli *cli);

#endif
