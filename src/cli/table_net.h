/* Training a net on the columns of a table: what cmd_train.c needs of the table's side. */
#ifndef CLI_TABLE_NET_H
#define CLI_TABLE_NET_H

#include "cli/setup.h"

#include <bramble/table/task.h>

/* Zero before. */
struct table_net {
  struct br_task_data data;
  struct br_table_model *model; /* whose net run->model becomes */
  json_t *folds;                /* measures of cross-validation; NULL: none */
};

/* True for `train mlp` on a table: a target is named, or the data is a table. */
bool table_net_wanted(const struct cli *cli);
/* Reads --data and opens the run on its rows: run->team and run->data, the rest is setup_open_run's. With --folds that is done for each fold, which is
 * trained and measured, and what comes of it is left in net->folds; the run is then one on all rows, or none at all without --out: *done. Collective. */
int table_net_open(struct cli *cli, struct table_net *net, struct setup_run *run, bool *done);
/* Gives the net of the run, as it is now, to the table's model: before the training, so that one that does not fit is refused, and whenever it is to be kept. */
int table_net_take(struct table_net *net, const struct setup_run *run);
int table_net_save(struct table_net *net, const struct setup_run *run, const char *path);
/* Rows and, where there is a test part, how good the table's model is on it, into `report`. Collective. */
int table_net_measure(struct cli *cli, struct table_net *net, const struct setup_run *run, json_t *report);
/* Before setup_close_run has closed the data sets nothing of the table may go; so after it. */
void table_net_close(struct table_net *net);

#endif
