/* bramble predict: the most likely classes of single pictures. */
#include "cli/predict_data.h"
#include "cli/predict_raw.h"
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/memory.h>
#include <bramble/data/image.h>
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
  struct br_preprocess preprocess;
  json_t *names;
  uint8_t *pixels; /* H x W x C of the net */
  float *x;
  struct answer *answers; /* all classes */
};

/* Grey to RGB by copying, RGB to grey by the usual luma weights. */
static void convert_channels(const uint8_t *from, int from_C, uint8_t *to, int to_C, size_t pixels) {
  for (size_t i = 0; i < pixels; i++, from += from_C, to += to_C) {
    if (from_C == to_C)
      memcpy(to, from, (size_t)to_C);
    else if (from_C == 1)
      memset(to, from[0], (size_t)to_C);
    else
      to[0] = (uint8_t)((from[0] * 299 + from[1] * 587 + from[2] * 114 + 500) / 1000);
  }
}

static int load_picture(struct predicting *p, const char *path) {
  const struct br_preprocess *pre = &p->preprocess;
  struct br_image image = {0};
  uint8_t *resized = NULL;
  void *work = NULL;
  BR_TRY(br_image_read(path, &image));
  struct br_resize resize = {.src = image.pixels, .src_H = image.H, .src_W = image.W, .C = image.C, .height = (float)image.H, .width = (float)image.W, .H = pre->H, .W = pre->W};
  if (pre->resize_shorter > 0) { /* the centre that remains when the shorter side becomes resize_shorter */
    float scale = (float)(image.H < image.W ? image.H : image.W) / (float)pre->resize_shorter;
    resize.height = scale * (float)pre->H, resize.width = scale * (float)pre->W;
    resize.top = ((float)image.H - resize.height) / 2, resize.left = ((float)image.W - resize.width) / 2;
  }
  int status = br_memory_alloc((size_t)pre->H * (size_t)pre->W * (size_t)image.C, 1, "picture", &resized);
  resize.dst = resized;
  if (status == BR_OK) status = br_memory_alloc(br_image_resize_work_bytes(&resize), 1, "picture", &work);
  if (status == BR_OK) {
    br_image_resize(&resize, work);
    convert_channels(resized, image.C, p->pixels, pre->C, (size_t)pre->H * (size_t)pre->W);
    float inverse[4];
    for (int c = 0; c < 4; c++) inverse[c] = 1.0f / (c < pre->C ? pre->std[c] : 1);
    br_normalise_bytes(p->pixels, p->x, (size_t)pre->H * (size_t)pre->W, pre->C, pre->mean, inverse, BR_PART_ALL);
  }
  br_image_free(&image);
  br_memory_free(resized);
  br_memory_free(work);
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
  br_softmax_forward(br_exec_output(p->exec), scores, 1, (size_t)classes, BR_PART_ALL);
  for (int c = 0; c < classes; c++) p->answers[c] = (struct answer){c, scores[c]};
  br_memory_free(scores);
  qsort(p->answers, (size_t)classes, sizeof *p->answers, by_probability);
  json_t *list = json_array();
  for (int i = 0; i < top && i < classes; i++) {
    char name[100];
    setup_class_name(p->names, p->answers[i].c, name);
    json_array_append_new(list, json_pack("{s:i,s:s,s:f}", "label", p->answers[i].c, "class", name, "probability", p->answers[i].p));
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
  BR_TRY(setup_preprocess(p->cli, graph, "", &p->preprocess));
  BR_TRY(setup_read_preprocess(p->model, &p->preprocess));
  p->names = setup_class_names(p->model);
  BR_TRY(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true, .prepared = p->net}, &p->exec));
  size_t values = (size_t)p->preprocess.H * (size_t)p->preprocess.W * (size_t)p->preprocess.C;
  BR_TRY(br_memory_alloc(values, 1, "picture", &p->pixels));
  BR_TRY(br_memory_alloc(values, sizeof(float), "input", &p->x));
  BR_TRY(br_memory_alloc((size_t)br_shape_channels(&graph->nodes[graph->output].shape), sizeof *p->answers, "answers", &p->answers));
  for (int i = 1; i < o->n_subjects; i++) BR_TRY(predict_picture(p, o->subjects[i]));
  return BR_OK;
}

int cmd_predict(struct cli *cli) {
  if (cli->options.n_subjects == 1 && table_is_model(cli->options.subjects[0])) return table_predict(cli);
  if (option_given(&cli->options, "times")) BR_FAIL(BR_ERROR_USAGE, "--times is for models of tables; bramble bench predict measures a net");
  if (option_given(&cli->options, "input") && cli->options.n_subjects == 1) return br_comm_agree(cli->comm, cli->speaks ? predict_raw(cli) : BR_OK);
  if (option_given(&cli->options, "data") && cli->options.n_subjects == 1) return predict_data(cli);
  if (cli->options.n_subjects < 2) BR_FAIL(BR_ERROR_USAGE, "bramble predict takes a model and pictures, as in: bramble predict m.safetensors photo.jpg");
  struct predicting p = {.cli = cli};
  int status = cli->speaks ? run(&p) : BR_OK; /* a few pictures are one rank's work */
  json_decref(p.names);
  br_exec_close(p.exec);
  br_prepared_close(p.net);
  br_memory_free(p.pixels);
  br_memory_free(p.x);
  br_memory_free(p.answers);
  br_model_close(p.model);
  return br_comm_agree(cli->comm, status);
}
