/* bramble import: an ONNX file as a model of Bramble's. */
#include "cli/setup.h"

#include <bramble/base/memory.h>
#include <bramble/net/onnx.h>
#include <bramble/store/file.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One name a line. */
static int set_classes(struct br_model *model, const char *path) {
  unsigned char *text;
  size_t bytes;
  BR_TRY(br_file_read(path, 64 << 20, &text, &bytes));
  json_t *names = json_array();
  for (char *line = (char *)text; *line;) {
    size_t n = strcspn(line, "\n"), length = n;
    char *next = line + n + (line[n] == '\n');
    while (length && line[length - 1] == '\r') length--;
    line[length] = 0;
    if (length || *next) json_array_append_new(names, json_string(line));
    line = next;
  }
  int classes = br_shape_channels(&model->graph->nodes[model->graph->output].shape), status = BR_OK;
  size_t n = json_array_size(names);
  if (n + 1 == (size_t)classes) json_array_insert_new(names, 0, json_string("background")), n++; /* the usual extra class 0 */
  char *json = json_dumps(names, JSON_COMPACT);
  json_decref(names);
  br_memory_free(text);
  if (n != (size_t)classes || !json)
    status = br_error_set(BR_ERROR_DATA, "%s: has %zu names, or some are not UTF-8; the net has %d outputs", path, n, classes);
  else
    status = br_model_set(model, "classes", json);
  free(json);
  return status;
}

static int import(struct cli *cli, struct br_model **model) {
  const struct options *o = &cli->options;
  const char *out = option_text(o, "out"), *classes = option_text(o, "classes");
  BR_TRY(br_file_check_writable(out));
  BR_TRY(setup_read_onnx(cli, o->subjects[0], model));
  if (classes) BR_TRY(set_classes(*model, classes));
  if (option_given(o, "mean") || option_given(o, "std") || option_given(o, "resize-shorter")) {
    struct br_preprocess p;
    BR_TRY(setup_preprocess(cli, (*model)->graph, "", &p));
    p.resize_shorter = (int)option_int(o, "resize-shorter");
    BR_TRY(setup_store_preprocess(*model, &p));
  }
  return br_model_save(*model, out);
}

int cmd_import(struct cli *cli) {
  if (cli->options.n_subjects != 1 || !option_text(&cli->options, "out")) BR_FAIL(BR_ERROR_USAGE, "bramble import takes one file and --out, as in: bramble import net.onnx --out m.safetensors");
  struct br_model *model = NULL;
  int status = cli->speaks ? import(cli, &model) : BR_OK;
  br_model_close(model);
  return br_comm_agree(cli->comm, status);
}
