/* bramble sweep: runs an experiment file. */
#include "cli/cli.h"

#include <bramble/base/text.h>
#include <bramble/lab/sweep.h>
#include <bramble/lab/view.h>

#include <stdio.h>

/* Who is told of a sweep. */
struct watching {
  struct cli *cli;
  struct br_view *view; /* of --view; NULL without */
};

static void on_ran(void *arg, const struct br_sweep_run *run) {
  const struct watching *w = arg;
  struct cli *cli = w->cli;
  if (w->view) br_view_ran(w->view, run);
  cli_progress_end(cli);
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:i,s:s,s:s,s:f}", "run", run->label, "repeat", run->repeat, "status", run->status, "error", run->error, "seconds", run->seconds));
    return;
  }
  char took[32];
  printf("%-8s %2d  %-9s %s%s%s\n", run->status, run->repeat, br_text_seconds(run->seconds, took), run->label, run->error[0] ? "  " : "", run->error);
  fflush(stdout);
}

static void on_progress(void *arg, const char *label, int done, int all, double seconds_left) {
  const struct watching *w = arg;
  char left[32] = "?";
  if (w->view) br_view_case(w->view, label, done, all, seconds_left);
  if (seconds_left >= 0) br_text_seconds(seconds_left, left);
  cli_progress(w->cli, all ? (double)done / all : 0, "run %d of %d  %s left  %s", done + 1, all, left, label);
}

static bool on_stop(void *arg) {
  (void)arg;
  return cli_stopped();
}

static void print_end(struct cli *cli, const struct br_sweep_result *r) {
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:i,s:i,s:i,s:b}", "results", r->folder, "runs", r->runs, "known", r->known, "failed", r->failed, "stopped", r->stopped));
    return;
  }
  printf("%d runs now, %d were there, %d failed: %s\n", r->runs, r->known, r->failed, r->folder);
  if (r->stopped)
    printf("stopped; the same command goes on from here\n");
  else
    printf("bramble report %s --out report.html shows them\n", r->folder);
}

int cmd_sweep(struct cli *cli) {
  const struct options *o = &cli->options;
  if (o->n_subjects < 1) BR_FAIL(BR_ERROR_USAGE, "bramble sweep takes an experiment file, as in: bramble sweep experiments/lenet_nodes.yaml --smoke");
  if (br_comm_size(cli->comm) > 1) BR_FAIL(BR_ERROR_USAGE, "bramble sweep starts ranks by itself; start it without mpiexec, and see --launcher");
  char program[4096];
  BR_TRY(cli_find_self(program, sizeof program));
  struct br_sweep_options options = {.program = program, .version = BRAMBLE_VERSION, .results = option_text(o, "results"), .launcher = option_text(o, "launcher"), .hosts = option_text(o, "hosts"), .settings = o->subjects + 1, .n_settings = o->n_subjects - 1,
                                     .simulate = option_text(o, "simulate"), .repeats = option_given(o, "repeats") ? (int)option_int(o, "repeats") : 0, .smoke = option_flag(o, "smoke"), .again = (enum br_again)option_choice(o, "again")};
  struct watching watching = {.cli = cli};
  if (option_given(o, "view")) {
    BR_TRY(br_view_open(option_text(o, "view"), o->subjects[0], 0, &watching.view));
    br_note("watch it at %s", br_view_url(watching.view));
  }
  struct br_sweep_watch watch = {.arg = &watching, .ran = on_ran, .progress = on_progress, .stop = on_stop};
  struct br_sweep_result result;
  cli_stop_in_order();
  int status = br_sweep(o->subjects[0], &options, &watch, &result);
  br_view_close(watching.view);
  BR_TRY(status);
  cli_progress_end(cli);
  print_end(cli, &result);
  return BR_OK;
}
