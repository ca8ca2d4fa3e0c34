/* What the verbs share: the cluster they run in, their options, and how they speak. Private to the room. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "cli/options.h"

#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/thread.h>
#include <bramble/cluster/comm.h>
#include <jansson.h>

#define BRAMBLE_VERSION "0.1.0"

struct cli {
  struct options options;
  struct br_comm *comm;
  bool speaks; /* rank 0: it prints results and progress */
  double start; /* br_clock_seconds() when the process had begun */
};

/* A verb: runs and returns a status; the message of a failure is this thread's. Collective. */
int cmd_train(struct cli *cli);
int cmd_eval(struct cli *cli);
int cmd_predict(struct cli *cli);
int cmd_inspect(struct cli *cli);
int cmd_data(struct cli *cli);
int cmd_sweep(struct cli *cli);
int cmd_report(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_advise(struct cli *cli);
int cmd_bench(struct cli *cli);
int cmd_import(struct cli *cli);
int cmd_export(struct cli *cli);
int cmd_plan(struct cli *cli);

/* SIGINT and SIGTERM end the process at once, and nothing half-written is left. A verb that can stop in order says so: then the first one is only told by cli_stopped. */
void cli_stop_in_order(void);
bool cli_stopped(void);

/* The team of --threads (default: the node's cores shared by its ranks). */
int cli_open_team(struct cli *cli, struct br_team **team);

/* The path of this very program. */
int cli_find_self(char *path, size_t bytes);

/* A number for JSON, which has no word for what is not finite: null. */
json_t *cli_number(double x);

/* Prints one JSON object on stdout (rank 0 only) and frees it. */
void cli_print_json(struct cli *cli, json_t *object);

/* Progress on stderr: a bar on a terminal, a line every few seconds elsewhere; nothing with --quiet. `share` from 0 to 1. */
void cli_progress(struct cli *cli, double share, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ends the bar's line. */
void cli_progress_end(struct cli *cli);

#endif
