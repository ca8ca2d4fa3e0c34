/* The door: finds the verb, joins the cluster, runs, and turns a failure into one line and an exit code. */
#include "cli/cli.h"
#include "cli/guard.h"
#include "cli/outputs.h"

#include <bramble/base/clock.h>
#include <bramble/base/text.h>
#include <bramble/cluster/start.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb {
  const char *name;
  unsigned bit;
  int (*run)(struct cli *cli);
  const char *subjects, *about;
} verbs[] = {
    {"train", FOR_TRAIN, cmd_train, "NET|MODEL|KIND", "train a zoo net, a net text file, or a model further; linear, logistic, tree, forest, boost, kmeans, bayes or mlp on a table"},
    {"plan", FOR_PLAN, cmd_plan, "train NET|predict MODEL", "what training would need: memory of a rank by kind, arithmetic, time; or which stage of a net goes to which node"},
    {"eval", FOR_EVAL, cmd_eval, "MODEL", "accuracy, loss, per class, confusion matrix; every sample exactly once"},
    {"predict", FOR_PREDICT, cmd_predict, "MODEL [PICTURE...]", "the most likely classes of pictures or a data set (--data); raw tensors (--input)"},
    {"export", FOR_EXPORT, cmd_export, "MODEL", "a model as an ONNX file"},
    {"import", FOR_IMPORT, cmd_import, "FILE.onnx", "an ONNX file as a model of Bramble's"},
    {"inspect", FOR_INSPECT, cmd_inspect, "MODEL|NET|DATA|CSV", "net text, shapes, parameters, work; classes and counts of data; columns of a CSV file"},
    {"bench", FOR_BENCH, cmd_bench, "machine|kernel|train NET|...", "how fast this machine runs it"},
    {"data", FOR_DATA, cmd_data, "pack|show DATA, make KIND", "data sets into tar shards; one sample as a picture; tables: cars, checkins, sdss"},
    {"sweep", FOR_SWEEP, cmd_sweep, "FILE.yaml [NAME=VALUE...]", "run an experiment file: cases, repeats, rivals; goes on where it stopped"},
    {"report", FOR_REPORT, cmd_report, "RESULTS", "tables and plots of a sweep: one HTML file, Markdown or CSV"},
    {"doctor", FOR_DOCTOR, cmd_doctor, "", "is this machine, or under mpiexec this cluster, fit? problems with their mends"},
    {"advise", FOR_ADVISE, cmd_advise, "train NET|MODEL", "measures a little, then says which batch, how many nodes, how often to average, and why"},
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

static volatile sig_atomic_t stop_signals, stops_in_order;

static void on_signal(int number) {
  (void)number;
  if (stop_signals++ == 0 && stops_in_order) return;
  br_writer_remove_unfinished();
  _exit(130);
}

void cli_stop_in_order(void) { stops_in_order = 1; }

bool cli_stopped(void) { return stop_signals != 0; }

/* Which rank the launcher says we are, before MPI runs: so that wrong usage is said once. */
static int launched_rank(void) {
  static const char *const names[] = {"PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (getenv(names[i])) return atoi(getenv(names[i]));
  return 0;
}

static int fail(int status) {
  fprintf(stderr, "bramble: %s\n", br_error_message());
  return br_status_exit_code(status);
}

static void say(enum br_log_level level, const char *line) { fprintf(stderr, level == BR_LOG_WARNING ? "warning: %s\n" : "%s\n", line); }

/* Results that could not be written are a failure; a reader that has seen enough, as in `| head`, is none. */
static int finish_output(void) {
  bool lost = fflush(stdout) != 0;
  if (!lost && !ferror(stdout)) return BR_OK;
  struct pollfd reader = {.fd = STDOUT_FILENO, .events = POLLOUT};
  if (poll(&reader, 1, 0) == 1 && reader.revents & POLLERR) return BR_OK;
  BR_FAIL(BR_ERROR_FAILED, "standard output: writing failed%s%s; what was to be there is cut short", lost ? ": " : "", lost ? strerror(errno) : "");
}

static void print_usage(void) {
  printf("bramble VERB [SUBJECT] [--options]      the same alone and under mpiexec\n\n");
  for (size_t i = 0; i < N_VERBS; i++) printf("  %-8s %-24s %s\n", verbs[i].name, verbs[i].subjects, verbs[i].about);
  printf("  %-8s %-24s %s\n  %-8s %-24s %s\n", "help", "[VERB]", "this, or a verb's options", "version", "", "the version");
  printf("\nFirst steps: bramble train lenet --out m.safetensors; bramble eval m.safetensors --data shapes\n");
}

static const struct verb *find_verb(const char *name) {
  for (size_t i = 0; i < N_VERBS; i++)
    if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
  return NULL;
}

static int unknown_verb(const char *word) {
  const char *names[N_VERBS];
  for (size_t i = 0; i < N_VERBS; i++) names[i] = verbs[i].name;
  const char *nearest = br_text_nearest(word, names, N_VERBS);
  if (nearest) BR_FAIL(BR_ERROR_USAGE, "%s is not a verb; did you mean %s?", word, nearest);
  BR_FAIL(BR_ERROR_USAGE, "%s is not a verb; bramble help lists them", word);
}

static int help(const char *name) {
  const struct verb *verb = find_verb(name);
  if (!verb) return unknown_verb(name);
  printf("bramble %s %s [--options]\n%s\n\n", verb->name, verb->subjects, verb->about);
  options_print_help(verb->bit);
  return BR_OK;
}

int cli_open_team(struct cli *cli, struct br_team **team) {
  int threads = (int)option_int(&cli->options, "threads");
  if (threads == 0) threads = br_cpu_count() / br_comm_node_size(cli->comm);
  if (option_given(&cli->options, "simulate") && threads > br_cpu_count()) threads = br_cpu_count(); /* they are those of another machine */
  return br_team_open(threads < 1 ? 1 : threads > 1024 ? 1024 : threads, team);
}

int cli_find_self(char *path, size_t bytes) {
  ssize_t n = readlink("/proc/self/exe", path, bytes - 1);
  if (n <= 0) BR_FAIL(BR_ERROR_FAILED, "/proc/self/exe cannot be read; is /proc mounted?");
  path[n] = 0;
  return BR_OK;
}

json_t *cli_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

void cli_print_json(struct cli *cli, json_t *object) {
  if (cli->speaks) {
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    fflush(stdout);
  }
  json_decref(object);
}

static bool bar_open;

void cli_progress(struct cli *cli, double share, const char *format, ...) {
  static double last_line;
  bool terminal = isatty(STDERR_FILENO);
  double now = br_clock_seconds();
  if (!cli->speaks || option_flag(&cli->options, "quiet")) return;
  if (!terminal && now - last_line < 5) return;
  if (!terminal && last_line == 0) { /* the first line comes after five seconds, so that short runs print none */
    last_line = now;
    return;
  }
  last_line = now;
  char text[160];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (!terminal) {
    fprintf(stderr, "%3.0f %% %s\n", share * 100, text);
    return;
  }
  char bar[25] = "                        ";
  for (int i = 0; i < 24 && i < (int)(share * 24 + 0.5); i++) bar[i] = '=';
  fprintf(stderr, "\r\033[K[%s] %s", bar, text);
  bar_open = true;
}

void cli_progress_end(struct cli *cli) {
  (void)cli;
  if (bar_open) fprintf(stderr, "\r\033[K");
  bar_open = false;
}

static int run_verb(const struct verb *verb, int argc, char **argv) {
  struct cli cli = {.start = br_clock_seconds()};
  int status = options_parse(&cli.options, verb->name, verb->bit, argc - 2, argv + 2);
  if (status != BR_OK || option_flag(&cli.options, "help")) {
    bool first = launched_rank() == 0;
    int code = status == BR_OK ? (first ? br_status_exit_code(help(verb->name)) : 0) : first ? fail(status) : br_status_exit_code(status);
    options_free(&cli.options);
    return code;
  }
  if (verb->bit == FOR_PREDICT) guard_rank(launched_rank(), option_given(&cli.options, "out") ? ": --resume goes on from what was answered" : "");
  status = br_cluster_start(&argc, &argv, &cli.comm);
  if (status != BR_OK) {
    if (launched_rank() == 0) return fail(status);
    sleep(1); /* a launcher ends all ranks with the first that leaves: the one that says why goes first */
    return br_status_exit_code(status);
  }
  cli.speaks = br_comm_rank(cli.comm) == 0;
  if (cli.speaks && !option_flag(&cli.options, "quiet")) br_log_to(say);
  status = outputs_check(&cli);
  if (status == BR_OK) status = verb->run(&cli);
  if (status == BR_OK && cli.speaks) status = finish_output();
  cli_progress_end(&cli);
  if (status == BR_ERROR_COMM && br_comm_size(cli.comm) > 1 && !br_comm_agreed_failure(cli.comm)) br_cluster_abort(fail(status)); /* who cannot talk cannot agree either */
  int code = status == BR_OK ? 0 : cli.speaks ? fail(status) : br_status_exit_code(status);
  if (cli_stopped() && code == 0) code = 130;
  br_cluster_stop(cli.comm, code);
  options_free(&cli.options);
  return code;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    int status = BR_OK;
    if (argc > 2 && strcmp(argv[2], "options") == 0)
      options_print_markdown();
    else if (argc > 2)
      status = help(argv[2]);
    else
      print_usage();
    if (status == BR_OK) status = finish_output();
    return status == BR_OK ? (argc < 2 ? 2 : 0) : fail(status);
  }
  if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
    printf("bramble %s\n", BRAMBLE_VERSION);
    return 0;
  }
  const struct verb *verb = find_verb(argv[1]);
  if (!verb) return launched_rank() == 0 ? fail(unknown_verb(argv[1])) : 2;
  return run_verb(verb, argc, argv);
}
