/* bramble export: a model, of a net or of a table, as an ONNX file. */
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/net/onnx.h>
#include <bramble/table/export.h>

static int export_table(const char *path, const char *out) {
  struct br_table_model *model;
  BR_TRY(br_table_model_open(path, &model));
  int status = br_table_model_write_onnx(model, out);
  br_table_model_close(model);
  return status == BR_OK ? BR_OK : br_error_prefix(status, "%s", path);
}

static int export_model(struct cli *cli, struct br_model **model) {
  const char *out = option_text(&cli->options, "out");
  if (table_is_model(cli->options.subjects[0])) return export_table(cli->options.subjects[0], out);
  BR_TRY(br_model_load(cli->options.subjects[0], model));
  return br_onnx_write(*model, out);
}

int cmd_export(struct cli *cli) {
  if (cli->options.n_subjects != 1 || !option_text(&cli->options, "out")) BR_FAIL(BR_ERROR_USAGE, "bramble export takes one model and --out, as in: bramble export m.safetensors --out m.onnx");
  struct br_model *model = NULL;
  int status = cli->speaks ? export_model(cli, &model) : BR_OK;
  br_model_close(model);
  return br_comm_agree(cli->comm, status);
}
