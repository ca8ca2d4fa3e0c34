/* A multilayer perceptron on the columns of a table. This room knows how columns become the input of a net, and keeps a trained net with its columns
 * as a table's model like any other; nets are trained by the train room. Who brings the two together is the command line.
 *
 * Inputs: a number column is one, scaled to mean 0 and deviation 1 by the training rows; a category column is as many as it has categories, 1 for the
 * row's own and 0 for the rest (all 0 for a category the training did not have). A number to be predicted is scaled likewise. */
#ifndef BRAMBLE_TABLE_MLP_H
#define BRAMBLE_TABLE_MLP_H

#include <bramble/data/dataset.h>
#include <bramble/net/model.h>
#include <bramble/table/train.h>

/* A model of the task's columns without a net, and its rows as data sets: data[0] those to train on, data[1] those to test on (NULL: there are none).
 * Every rank holds all rows, 4 bytes an input. Rows must not lack a feature. The data sets borrow the model's class names: close them first.
 * Errors: BR_ERROR_MEMORY where the rows do not fit in task->memory_bytes (0: in what is free), with the numbers; BR_ERROR_DATA naming a column with
 * infinite values. Collective. */
int br_mlp_prepare(struct br_comm *comm, struct br_team *team, const struct br_task *task, struct br_table_model **model, struct br_dataset *data[2]);

/* Gives the model the net: a copy of it with its weights as they are now. `settings` are words about the training that the file keeps (NULL: none;
 * copied). Errors: BR_ERROR_USAGE for a net of other inputs or outputs, or of more than 80 parameters. Not collective. */
int br_mlp_set_net(struct br_table_model *model, const struct br_model *net, json_t *settings);

#endif
