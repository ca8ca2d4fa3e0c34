/* bramble import: an ONNX file as a model of Bramble's. */
#include "cli/setup.h"

#include <bramble/net/onnx.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int import(struct cli *cli, struct br_model **model) {
  const struct options *o = &cli->options;
  const char *out = option_text(o, "out"), *classes = option_text(o, "classes");
  BR_TRY(setup_read_onnx(cli, o->subjects[0], model));
  if (classes) BR_TRY(setup_set_class_names(*model, classes));
  if (option_given(o, "mean") || option_given(o, "std") || option_given(o, "resize-shorter")) {
    struct br_preprocess p;
    BR_TRY(setup_import_preprocess(cli, (*model)->graph, &p));
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
