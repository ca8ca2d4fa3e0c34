/* bramble eval: a model over a part of a data set, every sample exactly once. */
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/train/evaluate.h>

#include <math.h>
#include <stdio.h>

static json_t *evaluation_json(const struct br_evaluation *e, json_t *names) {
  size_t C = (size_t)e->classes;
  json_t *classes = json_array(), *confusion = json_array();
  for (size_t c = 0; c < C; c++) {
    int64_t all = 0;
    json_t *row = json_array();
    for (size_t k = 0; k < C; k++) {
      all += e->confusion[c * C + k];
      json_array_append_new(row, json_integer(e->confusion[c * C + k]));
    }
    char name[100];
    json_array_append_new(classes, json_pack("{s:s,s:I,s:f}", "class", setup_class_name(names, (int)c, name), "samples", (json_int_t)all, "accuracy", all ? (double)e->confusion[c * C + c] / (double)all : 0.0));
    json_array_append_new(confusion, row);
  }
  double n = e->samples > 0 ? (double)e->samples : 1;
  return json_pack("{s:I,s:o,s:f,s:f,s:o,s:o}", "samples", (json_int_t)e->samples, "loss", cli_number(e->loss), "accuracy", (double)e->right / n, "top5_accuracy", (double)e->right5 / n, "per_class", classes, "confusion", confusion);
}

static void print_evaluation(const struct br_evaluation *e, json_t *names) {
  size_t C = (size_t)e->classes;
  double n = e->samples > 0 ? (double)e->samples : 1;
  printf("samples %lld  loss %.4f  accuracy %.2f %%  top-5 %.2f %%\n", (long long)e->samples, e->loss, 100 * (double)e->right / n, 100 * (double)e->right5 / n);
  for (size_t c = 0; c < C; c++) {
    int64_t all = 0;
    for (size_t k = 0; k < C; k++) all += e->confusion[c * C + k];
    if (all == 0) continue;
    char name[100];
    printf("%-16.16s %6lld  %6.2f %%", setup_class_name(names, (int)c, name), (long long)all, 100 * (double)e->confusion[c * C + c] / (double)all);
    for (size_t k = 0; C <= 20 && k < C; k++) printf(" %6lld", (long long)e->confusion[c * C + k]);
    printf("\n");
  }
}

struct evaluating {
  struct br_model *model;
  struct br_dataset *data;
  struct br_loader *loader;
  struct br_team *team;
};

/* A sample's label is its class's number in the data, which must be the net's number for it. */
static int check_classes(const struct evaluating *e) {
  const struct br_dataset_info *info = br_dataset_info(e->data);
  int classes = br_shape_channels(&e->model->graph->nodes[e->model->graph->output].shape);
  json_t *names = setup_class_names(e->model);
  int32_t *label_of;
  int status = br_memory_alloc((size_t)info->classes + 1, sizeof *label_of, "classes", &label_of);
  bool named = status == BR_OK && setup_match_classes(names, classes, info, label_of);
  for (int d = 0; named && status == BR_OK && d < info->classes; d++)
    if (label_of[d] != d) status = br_error_set(BR_ERROR_DATA, "%s: class %d, %s, is not the model's class %d; bramble predict --data matches classes by name", info->name, d, info->class_names[d], d);
  br_memory_free(label_of);
  json_decref(names);
  return status;
}

static int open_inputs(struct cli *cli, struct evaluating *e) {
  BR_TRY(br_model_load(cli->options.subjects[0], &e->model));
  BR_TRY(setup_open_data(cli, option_choice(&cli->options, "part") == 0 ? BR_DATA_TRAIN : BR_DATA_TEST, &e->data));
  struct br_loader_options loader = {.dataset = e->data};
  BR_TRY(setup_preprocess(cli, e->model->graph, br_dataset_info(e->data)->name, &loader.preprocess));
  if (!option_given(&cli->options, "mean") && !option_given(&cli->options, "std")) BR_TRY(setup_read_preprocess(e->model, &loader.preprocess));
  BR_TRY(check_classes(e));
  BR_TRY(br_loader_open(&loader, &e->loader));
  return cli_open_team(cli, &e->team);
}

/* A whole number of the settings that a model was trained with, at least 1; `otherwise` where they do not say. */
static int64_t trained_with(const json_t *settings, const char *name, int64_t otherwise) {
  json_int_t n = json_integer_value(json_object_get(settings, name));
  return n >= 1 && n <= 1000000 ? (int64_t)n : otherwise;
}

static json_t *read_settings(const struct br_model *model) {
  const char *text = br_model_get(model, "settings");
  return text ? json_loads(text, 0, NULL) : NULL;
}

/* Trained with moving averages, a net may still hold much of what they started from: said here as in the training, for about so many updates as settings and data came to. */
static void warn_unsettled(const struct evaluating *e) {
  const char *data = br_model_get(e->model, "data");
  unsigned long long samples;
  double share;
  json_t *settings = read_settings(e->model);
  const json_t *recalibrated = json_object_get(settings, "bn_recalibrate");
  if (data && json_is_integer(recalibrated) && json_integer_value(recalibrated) == 0 && sscanf(data, "%*s %llu", &samples) == 1) {
    double batch = (double)trained_with(settings, "batch", 1) * (double)trained_with(settings, "workers", 1), passes = (double)trained_with(settings, "epochs", 1) * (double)trained_with(settings, "local_epochs", 1);
    double updates = ceil((double)samples / batch) * passes;
    if (updates < 1e15 && br_statistics_unsettled(e->model->graph, (int64_t)updates, &share))
      br_warn("batch norm's moving averages still hold %.0f %% of their start values after about %.0f updates, so the accuracy below is not the net's; use --bn-recalibrate 4096", share * 100, updates);
  }
  json_decref(settings);
}

/* --bn-recalibrate N: exact batch-norm statistics from N training samples, for models that carry moving averages. */
static int recalibrate(struct cli *cli, struct evaluating *e) {
  int samples = (int)option_int(&cli->options, "bn-recalibrate");
  if (!option_given(&cli->options, "bn-recalibrate") || samples == 0) {
    if (cli->speaks) warn_unsettled(e);
    return BR_OK;
  }
  struct br_dataset *data;
  struct br_loader *loader = NULL;
  BR_TRY(br_comm_agree(cli->comm, setup_open_data(cli, BR_DATA_TRAIN, &data)));
  struct br_loader_options options = {.dataset = data};
  int status = setup_preprocess(cli, e->model->graph, br_dataset_info(data)->name, &options.preprocess);
  if (status == BR_OK) status = setup_read_preprocess(e->model, &options.preprocess);
  if (status == BR_OK) status = br_loader_open(&options, &loader);
  status = br_comm_agree(cli->comm, status);
  json_t *settings = read_settings(e->model);
  if (status == BR_OK) status = br_recalibrate(cli->comm, e->team, e->model->graph, e->model->trained, e->model->statistics, loader, data, (int)trained_with(settings, "micro_batch", 32), samples);
  json_decref(settings);
  br_loader_close(loader);
  br_dataset_close(data);
  return status;
}

int cmd_eval(struct cli *cli) {
  if (cli->options.n_subjects != 1) BR_FAIL(BR_ERROR_USAGE, "bramble eval takes one model file, as in: bramble eval m.safetensors --data cifar10:DIR");
  if (table_is_model(cli->options.subjects[0])) return table_eval(cli);
  BR_TRY(table_check_use(&cli->options, false));
  struct evaluating e = {0};
  struct br_evaluation result = {0};
  int status = br_comm_agree(cli->comm, open_inputs(cli, &e));
  if (status == BR_OK) status = recalibrate(cli, &e);
  if (status == BR_OK) status = br_evaluate(cli->comm, e.team, e.model->graph, e.model->trained, e.model->statistics, e.loader, e.data, 32, &result);
  if (status == BR_OK && cli->speaks) {
    json_t *names = setup_class_names(e.model);
    if (option_flag(&cli->options, "json"))
      cli_print_json(cli, evaluation_json(&result, names));
    else
      print_evaluation(&result, names);
    json_decref(names);
  }
  br_evaluation_free(&result);
  br_team_close(e.team);
  br_loader_close(e.loader);
  br_dataset_close(e.data);
  br_model_close(e.model);
  return status;
}
