/* The table's columns become the data sets of a training run, and the trained net a model of the table. */
#include "cli/table_net.h"
#include "cli/table.h"

#include <bramble/table/evaluate.h>
#include <bramble/table/mlp.h>

#include <string.h>

bool table_net_wanted(const struct cli *cli) {
  const char *data = option_text(&cli->options, "data");
  return strcmp(cli->options.subjects[0], br_table_model_kind_name(BR_TABLE_MLP)) == 0 && (option_given(&cli->options, "target") || (data && table_is_csv(data)));
}

int table_net_open(struct cli *cli, struct table_net *net, struct setup_run *run) {
  struct br_task_options options;
  int status = table_task_options(cli, BR_TABLE_MLP, &options);
  if (status == BR_OK) status = cli_open_team(cli, &run->team);
  BR_TRY(br_comm_agree(cli->comm, status));
  BR_TRY(br_task_open(cli->comm, run->team, &options, &net->data));
  return br_mlp_prepare(cli->comm, run->team, &net->data.task, &net->model, run->data);
}

/* The words of the training that the model keeps: those of the run but for how pictures would be read. */
static json_t *settings_of(const struct br_model *model) {
  static const char *const of_pictures[] = {"input", "mean", "std", "augment", "bn_recalibrate"};
  const char *text = br_model_get(model, "settings"), *data = br_model_get(model, "data");
  json_t *settings = text ? json_loads(text, 0, NULL) : NULL;
  for (size_t i = 0; i < sizeof of_pictures / sizeof *of_pictures; i++) json_object_del(settings, of_pictures[i]);
  if (settings && data) json_object_set_new(settings, "data", json_string(data));
  return settings;
}

int table_net_take(struct table_net *net, const struct setup_run *run) {
  json_t *settings = settings_of(run->model);
  int status = br_mlp_set_net(net->model, run->model, settings);
  json_decref(settings);
  return status;
}

int table_net_save(struct table_net *net, const struct setup_run *run, const char *path) {
  BR_TRY(table_net_take(net, run));
  return br_table_model_save(net->model, path);
}

int table_net_measure(struct cli *cli, struct table_net *net, const struct setup_run *run, json_t *report) {
  json_object_set_new(report, "rows", json_integer((json_int_t)net->data.rows.train));
  json_object_set_new(report, "dropped", json_integer((json_int_t)net->data.rows.dropped));
  if (net->data.rows.test == 0) return BR_OK;
  json_t *test = json_object();
  json_object_set_new(report, "test", test);
  return br_table_evaluate(cli->comm, run->team, net->model, net->data.table, &net->data.rows, test);
}

void table_net_close(struct table_net *net) {
  br_table_model_close(net->model);
  br_task_close(&net->data);
  *net = (struct table_net){0};
}
