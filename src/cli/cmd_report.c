/* bramble report: the results of a sweep for people. */
#include "cli/cli.h"

#include <bramble/lab/report.h>
#include <bramble/store/file.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_out(const char *path, const char *text) {
  struct br_writer *writer;
  BR_TRY(br_writer_open(path, &writer));
  int status = br_writer_write(writer, text, strlen(text));
  if (status == BR_OK) return br_writer_commit(writer);
  br_writer_abandon(writer);
  return status;
}

int cmd_report(struct cli *cli) {
  const struct options *o = &cli->options;
  if (o->n_subjects != 1) BR_FAIL(BR_ERROR_USAGE, "bramble report takes a folder of results, as in: bramble report results/lenet_nodes --out report.html");
  if (option_flag(o, "csv") && option_flag(o, "markdown")) BR_FAIL(BR_ERROR_USAGE, "choose one of --csv and --markdown");
  if (!cli->speaks) return BR_OK;
  enum br_report_format format = option_flag(o, "csv") ? BR_REPORT_CSV : option_flag(o, "markdown") ? BR_REPORT_MARKDOWN : BR_REPORT_HTML;
  const char *out = option_text(o, "out");
  char *text;
  BR_TRY(br_report_make(o->subjects[0], format, &text));
  int status = BR_OK;
  if (out)
    status = write_out(out, text);
  else
    fputs(text, stdout);
  free(text);
  if (status == BR_OK && out && !option_flag(o, "quiet")) printf("%s\n", out);
  return status;
}
