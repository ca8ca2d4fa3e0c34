/* bramble predict: the most likely classes of single pictures. */
#include "cli/predict_data.h"
#include "cli/predict_raw.h"
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/memory.h>
#include <bramble/data/loader.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
  int c;
  float p;
};

struct predicting {
  struct cli *cli;
  struct br_model *model;
  struct br_prepared *net;
  struct br_exec *exec;
  json_t *names;
  float *x;
  struct answer *answers; /* all classes */
};

/* One photo goes into the net the very way a data set's do. */
static int load_picture(struct predicting *p, const char *path) {
  struct br_loader_options options = {0};
  struct br_loader *loader = NULL;
  int32_t label;
  uint64_t first = 0;
  BR_TRY(br_dataset_open_file(path, &options.dataset));
  int status = setup_model_preprocess(p->cli, p->model, p->model->graph, br_dataset_info(options.dataset), &options.preprocess);
  if (status == BR_OK) status = br_loader_open(&options, &loader);
  if (status == BR_OK) status = br_loader_fill(loader, 0, &first, 1, p->x, &label);
  br_loader_close(loader);
  br_dataset_close(options.dataset);
  return status;
}

static int by_probability(const void *a, const void *b) {
  const struct answer *x = a, *y = b;
  if (x->p != y->p) return x->p > y->p ? -1 : 1;
  return x->c - y->c;
}

static int predict_picture(struct predicting *p, const char *path) {
  BR_TRY(load_picture(p, path));
  struct br_run run = {.x = p->x, .n = 1};
  br_exec_run(p->exec, &run, BR_PART_ALL);
  int classes = br_shape_channels(&p->model->graph->nodes[p->model->graph->output].shape), top = (int)option_int(&p->cli->options, "top");
  float *scores;
  BR_TRY(br_memory_alloc((size_t)classes, sizeof *scores, "scores", &scores));
  if (strcmp(br_node_op(&p->model->graph->nodes[p->model->graph->output]), "softmax") == 0)
    memcpy(scores, br_exec_output(p->exec), (size_t)classes * sizeof *scores);
  else
    br_softmax_forward(br_exec_output(p->exec), scores, 1, (size_t)classes, BR_PART_ALL);
  for (int c = 0; c < classes; c++) p->answers[c] = (struct answer){c, scores[c]};
  br_memory_free(scores);
  qsort(p->answers, (size_t)classes, sizeof *p->answers, by_probability);
  json_t *list = json_array();
  for (int i = 0; i < top && i < classes; i++) {
    char name[100];
    setup_class_name(p->names, p->answers[i].c, name);
    json_array_append_new(list, json_pack("{s:i,s:s,s:o}", "label", p->answers[i].c, "class", name, "probability", cli_number(p->answers[i].p)));
    if (!option_flag(&p->cli->options, "json")) printf("%s  %6.2f %%  %s\n", path, p->answers[i].p * 100, name);
  }
  json_t *line = json_pack("{s:s,s:o}", "picture", path, "answers", list);
  if (option_flag(&p->cli->options, "json"))
    cli_print_json(p->cli, line);
  else
    json_decref(line);
  return BR_OK;
}

static int run(struct predicting *p) {
  const struct options *o = &p->cli->options;
  BR_TRY(setup_open_prepared(p->cli, o->subjects[0], (struct setup_use){1, 1, 1}, &p->model, &p->net));
  struct br_graph *graph = p->model->graph;
  if (option_given(o, "classes")) BR_TRY(setup_set_class_names(p->model, option_text(o, "classes")));
  p->names = setup_class_names(p->model);
  BR_TRY(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true, .prepared = p->net}, &p->exec));
  BR_TRY(br_memory_alloc(br_shape_count(&graph->nodes[0].shape), sizeof(float), "input", &p->x));
  BR_TRY(br_memory_alloc((size_t)br_shape_channels(&graph->nodes[graph->output].shape), sizeof *p->answers, "answers", &p->answers));
  for (int i = 1; i < o->n_subjects; i++) BR_TRY(predict_picture(p, o->subjects[i]));
  return BR_OK;
}

static bool is_onnx(const char *path) {
  const size_t n = strlen(path);
  return n > 5 && strcmp(path + n - 5, ".onnx") == 0;
}

int cmd_predict(struct cli *cli) {
  if (cli->options.n_subjects == 1 && (option_given(&cli->options, "row") || table_is_model(cli->options.subjects[0]))) return table_predict(cli);
  BR_TRY(table_check_use(&cli->options, false));
  if (cli->speaks && cli->options.n_subjects > 0 && br_zoo_find(cli->options.subjects[0])) br_warn("%s: has the weights that training starts from, so its answers mean nothing; give the file of a trained model", cli->options.subjects[0]);
  const bool sized = option_given(&cli->options, "data") && cli->options.n_subjects == 1 && is_onnx(cli->options.subjects[0]); /* --input is the size that the file leaves open */
  if (option_given(&cli->options, "input") && cli->options.n_subjects == 1 && !sized) return br_comm_agree(cli->comm, cli->speaks ? predict_raw(cli) : BR_OK);
  if (option_given(&cli->options, "data") && cli->options.n_subjects == 1) return predict_data(cli);
  if (cli->options.n_subjects < 2) BR_FAIL(BR_ERROR_USAGE, "bramble predict takes a model and pictures, as in: bramble predict m.safetensors photo.jpg");
  struct predicting p = {.cli = cli};
  int status = cli->speaks ? run(&p) : BR_OK; /* a few pictures are one rank's work */
  json_decref(p.names);
  br_exec_close(p.exec);
  br_prepared_close(p.net);
  br_memory_free(p.x);
  br_memory_free(p.answers);
  br_model_close(p.model);
  return br_comm_agree(cli->comm, status);
}
