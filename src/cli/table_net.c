/* The table's columns become the data sets of a training run, and the trained net a model of the table. */
#include "cli/table_net.h"
#include "cli/folds.h"
#include "cli/table.h"

#include <bramble/table/evaluate.h>
#include <bramble/table/mlp.h>

#include <string.h>

bool table_net_wanted(const struct cli *cli) {
  const char *data = option_text(&cli->options, "data");
  return strcmp(cli->options.subjects[0], br_table_model_kind_name(BR_TABLE_MLP)) == 0 && (option_given(&cli->options, "target") || (data && table_is_csv(data)));
}

struct validation {
  struct cli *cli;
  struct table_net *net;
  const struct br_task_options *options;
  struct br_team *team;
};

/* One fold, trained without a word. */
static int train_fold(struct validation *v, struct setup_run *run, json_t *measures) {
  struct br_comm *comm = v->cli->comm;
  BR_TRY(br_mlp_prepare(comm, v->team, &v->net->data.task, &v->net->model, run->data));
  int status = setup_open_run(v->cli, br_table_model_kind_name(BR_TABLE_MLP), run);
  if (status == BR_OK) status = table_net_take(v->net, run);
  BR_TRY(br_comm_agree(comm, status));
  run->options.checkpoint.path = NULL;
  run->options.keep = BR_KEEP_LAST;
  BR_TRY(br_train(comm, v->team, run->model, run->loader[0], run->data[0], run->loader[1], run->data[1], &run->options, NULL));
  BR_TRY(br_comm_agree(comm, table_net_take(v->net, run)));
  return br_table_evaluate(comm, v->team, v->net->model, v->net->data.table, &v->net->data.rows, measures);
}

static int validate_fold(void *arg, unsigned fold, json_t *measures) {
  struct validation *v = arg;
  struct setup_run run = {.team = v->team};
  BR_TRY(br_task_fold(v->cli->comm, v->team, v->options, fold, &v->net->data));
  int status = train_fold(v, &run, measures);
  run.team = NULL; /* it is for all folds */
  setup_close_run(&run);
  br_table_model_close(v->net->model);
  v->net->model = NULL;
  return status;
}

int table_net_open(struct cli *cli, struct table_net *net, struct setup_run *run, bool *done) {
  struct br_task_options options;
  *done = false;
  int status = table_task_options(cli, BR_TABLE_MLP, &options);
  if (status == BR_OK) status = cli_open_team(cli, &run->team);
  BR_TRY(br_comm_agree(cli->comm, status));
  BR_TRY(br_task_open(cli->comm, run->team, &options, &net->data));
  if (options.folds) {
    struct validation validation = {cli, net, &options, run->team};
    net->folds = json_object();
    BR_TRY(folds_run(cli, validate_fold, &validation, net->folds));
    *done = !option_given(&cli->options, "out");
    if (*done) return BR_OK;
    BR_TRY(br_task_fold(cli->comm, run->team, &options, options.folds, &net->data));
  }
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
  table_report_rows(&net->data, report);
  if (net->folds) json_object_update(report, net->folds);
  if (net->data.rows.test == 0) return BR_OK;
  json_t *test = json_object();
  json_object_set_new(report, "test", test);
  return table_measure(cli, run->team, net->model, net->data.table, &net->data.rows, test);
}

void table_net_close(struct table_net *net) {
  br_table_model_close(net->model);
  br_task_close(&net->data);
  json_decref(net->folds);
  *net = (struct table_net){0};
}
