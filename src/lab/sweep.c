/* Cases times repeats, each run once: what is in runs.jsonl already is not run again. A run is known by a hash over its commands before folders are
 * filled in, its factors, ranks and cores. */
#include "lab/experiment.h"
#include "lab/limit.h"
#include "lab/measure.h"
#include "lab/process.h"
#include "lab/results.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/base/thread.h>
#include <bramble/cluster/start.h>
#include <bramble/lab/sweep.h>
#include <bramble/record/machine.h>
#include <bramble/store/file.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_STEPS 32
#define MAX_POINTS 600 /* of a run's record of the machine; when it is full, every second point goes and the rate halves */

/* Bramble itself or a rival on one case. */
struct job {
  const struct br_case *c;
  const struct br_rival *rival; /* NULL: bramble */
  char key[20], label[400];
  int ranks, cores;
  double memory;      /* bytes of all ranks; 0: not held */
  int nodes;          /* simulated ones; 0: none */
  char simulate[96];  /* option for train */
};

struct sweep {
  struct br_experiment *experiment;
  const struct br_sweep_options *options;
  const struct br_sweep_watch *watch;
  struct br_sweep_result *result;
  struct br_results *results;
  char work[560];
  char launcher[700];
  bool far; /* ranks may run on other machines, where this one holds them to nothing */
  struct br_limit limit; /* of the run that goes on */
  int most_nodes; /* of the simulated cluster; 0: nothing is simulated */
  struct job *jobs;
  int n_jobs, all, done; /* runs */
  double measured_seconds; /* of the runs of this session */
  const struct job *running;
  double started;
  struct br_counters counters; /* at the last point */
  struct br_sample_point points[MAX_POINTS];
  int n_points;
  double period;
};

/* --- jobs --- */

/* The commands with factors and variables filled in and folders left open, as one text that names the measurement. */
static int hash_command(const struct sweep *s, const struct job *job, const char *text, uint64_t *hash) {
  static const struct br_named_text open[] = {{"out", "OUT", NULL}, {"work", "WORK", NULL}, {"bramble", "BRAMBLE", NULL}, {"experiment", "EXPERIMENT", NULL}, {NULL, NULL, NULL}};
  char *expanded;
  BR_TRY(br_experiment_expand(s->experiment, job->c, open, text, &expanded));
  *hash = br_hash64(*hash, expanded, strlen(expanded) + 1);
  free(expanded);
  return BR_OK;
}

/* The case on its nodes of the simulated cluster: one rank here. */
static int simulate_job(const struct sweep *s, struct job *job) {
  const struct br_experiment *e = s->experiment;
  const char *rest = strchr(s->options->simulate, ',');
  int threads;
  BR_TRY(br_experiment_count(e, job->c, "simulate: nodes", e->nodes ? e->nodes : e->ranks, &job->nodes));
  BR_TRY(br_experiment_count(e, job->c, "simulate: threads", e->node_threads, &threads));
  size_t n = (size_t)snprintf(job->simulate, sizeof job->simulate, "nodes=%d", job->nodes);
  if (threads && !strstr(s->options->simulate, "threads=")) n += (size_t)snprintf(job->simulate + n, sizeof job->simulate - n, ",threads=%d", threads);
  snprintf(job->simulate + n, sizeof job->simulate - n, "%s", rest ? rest : "");
  job->ranks = 1;
  job->cores = 0;
  job->memory = 0;
  return BR_OK;
}

static int open_job(struct sweep *s, const struct br_case *c, const struct br_rival *rival, struct job *job) {
  const struct br_experiment *e = s->experiment;
  *job = (struct job){.c = c, .rival = rival};
  BR_TRY(br_experiment_count(e, c, "ranks", e->ranks, &job->ranks));
  BR_TRY(br_experiment_count(e, c, "cores", e->cores, &job->cores));
  BR_TRY(br_experiment_bytes(e, c, "memory", e->memory, &job->memory));
  if (s->most_nodes) BR_TRY(simulate_job(s, job));
  uint64_t hash = br_hash64(0, job->simulate, strlen(job->simulate));
  size_t used = rival ? (size_t)snprintf(job->label, sizeof job->label, "%s: ", rival->name) : 0;
  for (int f = 0; f < e->n_factors; f++) {
    const char *label = br_experiment_level(e, c, f)->label;
    hash = br_hash64(hash, label, strlen(label) + 1);
    if (used < sizeof job->label) used += (size_t)snprintf(job->label + used, sizeof job->label - used, "%s%s=%s", f ? ", " : "", e->factors[f].name, label);
  }
  if (e->n_factors == 0) snprintf(job->label + used, sizeof job->label - used, "%s", e->name);
  for (int i = 0; !rival && i < e->n_steps; i++) BR_TRY(hash_command(s, job, e->steps[i].text, &hash));
  if (rival) BR_TRY(hash_command(s, job, rival->command, &hash));
  const int numbers[2] = {rival ? 1 : job->ranks, job->cores};
  hash = br_hash64(hash, numbers, sizeof numbers);
  if (job->memory > 0) hash = br_hash64(hash, &job->memory, sizeof job->memory);
  snprintf(job->key, sizeof job->key, "%016llx", (unsigned long long)hash);
  return BR_OK;
}

static int list_jobs(struct sweep *s) {
  const struct br_experiment *e = s->experiment;
  size_t most = (size_t)e->n_cases * (size_t)(1 + e->n_rivals);
  BR_TRY(br_memory_alloc(most, sizeof *s->jobs, "jobs", &s->jobs));
  for (int i = 0; i < e->n_cases; i++)
    for (int r = -1; r < (s->most_nodes ? 0 : e->n_rivals); r++) {
      bool holds;
      const struct br_rival *rival = r < 0 ? NULL : &e->rivals[r];
      BR_TRY(br_experiment_holds(e, &e->cases[i], rival ? rival->when : NULL, &holds));
      if (holds) BR_TRY(open_job(s, &e->cases[i], rival, &s->jobs[s->n_jobs++]));
    }
  return BR_OK;
}

/* --- one run --- */

static bool on_stop(void *arg) {
  struct sweep *s = arg;
  return s->watch->stop && s->watch->stop(s->watch->arg);
}

static void add_point(struct sweep *s, double seconds) {
  struct br_counters now;
  br_counters_read(&now);
  if (s->n_points == MAX_POINTS) {
    for (int i = 0; i < MAX_POINTS / 2; i++) s->points[i] = s->points[2 * i + 1];
    s->n_points = MAX_POINTS / 2;
    s->period *= 2;
  }
  s->points[s->n_points] = br_counters_between(&s->counters, &now);
  s->points[s->n_points++].seconds = seconds;
  s->counters = now;
}

static void on_tick(void *arg, double seconds) {
  struct sweep *s = arg;
  double passed = br_clock_seconds() - s->started, left = -1;
  if (br_clock_seconds() - s->counters.time >= s->period) add_point(s, passed);
  (void)seconds;
  if (!s->watch->progress || !s->running) return;
  if (s->result->runs > 0) {
    double usual = s->measured_seconds / s->result->runs;
    left = usual * (s->all - s->done - 1) + fabs(usual - passed); /* a run that takes longer than the others may well take longer still */
  }
  s->watch->progress(s->watch->arg, s->running->label, s->done, s->all, left);
}

/* words = what runs `text`: bramble under the launcher, bramble alone, or after "!" another program. */
static int command_words(struct sweep *s, const struct job *job, const char *text, bool other_program, char **whole) {
  char out[700], ranks[16];
  snprintf(out, sizeof out, "%s/%s", s->work, job ? job->key : "");
  snprintf(ranks, sizeof ranks, "%d", job ? job->ranks : 1);
  const struct br_named_text extra[] = {{"out", out, NULL}, {"work", s->work, NULL}, {"bramble", s->options->program, NULL}, {"experiment", s->experiment->name, NULL}, {NULL, NULL, NULL}};
  const struct br_named_text launch[] = {{"ranks", ranks, NULL}, {NULL, NULL, NULL}};
  char *expanded, *launcher = NULL;
  BR_TRY(br_experiment_expand(s->experiment, job ? job->c : NULL, extra, text, &expanded));
  const char *command = expanded + strspn(expanded, " \n");
  int status = BR_OK;
  if (*command == '!' || other_program) {
    if (asprintf(whole, "%s%s", s->limit.prefix, command + (*command == '!')) < 0) status = BR_ERROR_MEMORY;
  } else {
    if (job && job->ranks > 1) {
      struct br_experiment plain = {0}; /* the launcher knows {ranks} only, whatever the factors are called */
      status = br_experiment_expand(&plain, NULL, launch, s->launcher, &launcher);
    }
    bool simulated = job && job->nodes && strncmp(command, "train ", 6) == 0;
    if (status == BR_OK && asprintf(whole, "%s%s%s\"%s\" %s%s%s", s->limit.prefix, launcher ? launcher : "", launcher ? " " : "", s->options->program, command, simulated ? " --simulate " : "", simulated ? job->simulate : "") < 0) status = BR_ERROR_MEMORY;
  }
  if (status == BR_ERROR_MEMORY) br_error_set(status, "no memory for a command");
  free(expanded);
  free(launcher);
  return status;
}

/* MPICH's mpiexec is, seldom and on a busy machine, ended by SIGPIPE while it starts its ranks, before one of them has said a word: that is no property of the case. */
static bool launcher_fell(const struct job *job, const struct br_process_result *process) {
  return job && job->ranks > 1 && process->exit_code == 128 + SIGPIPE && !process->last_words[0] && process->wall_seconds < 1;
}

static int run_command(struct sweep *s, const struct job *job, const char *text, bool other_program, json_t *commands, struct br_process_result *process) {
  char *whole, **words;
  *process = (struct br_process_result){0};
  BR_TRY(command_words(s, job, text, other_program, &whole));
  json_array_append_new(commands, json_string(whole));
  int status = br_words_split(whole, &words, NULL);
  free(whole);
  BR_TRY(status);
  struct br_process_options options = {.argv = words, .cores = job ? job->cores : 0, .group = s->limit.group, .timeout = s->experiment->timeout, .arg = s, .stop = on_stop, .tick = on_tick};
  status = br_process_run(&options, process);
  if (status == BR_OK && launcher_fell(job, process)) {
    br_process_free(process);
    *process = (struct br_process_result){0};
    status = br_process_run(&options, process);
  }
  br_memory_free(words);
  return status;
}

static json_t *number(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *state_json(const struct br_machine_state *state) {
  return json_pack("{s:o,s:o,s:o,s:I}", "mhz", number(state->mhz), "mhz_limit", number(state->mhz_limit), "celsius", number(state->celsius), "throttled", (json_int_t)state->throttled);
}

static json_t *points_json(const struct sweep *s) {
  json_t *points = json_array();
  for (int i = 0; i < s->n_points; i++) {
    const struct br_sample_point *p = &s->points[i];
    json_array_append_new(points, json_pack("[o,o,o,o,o,o,o,o]", number(p->seconds), number(p->busy), number(p->wait), number(p->used_bytes), number(p->disk_read), number(p->disk_written),
                                            number(p->net_received), number(p->net_sent)));
  }
  return points;
}

static json_t *factors_json(const struct br_experiment *e, const struct br_case *c) {
  json_t *factors = json_object();
  for (int f = 0; f < e->n_factors; f++) json_object_set_new(factors, e->factors[f].name, json_string(br_experiment_level(e, c, f)->label));
  return factors;
}

static void date_now(char text[32]) {
  time_t now = time(NULL);
  struct tm utc;
  gmtime_r(&now, &utc);
  strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* What happened, in the order in which it is asked. */
static const char *outcome(const struct br_process_result *p, char *error, size_t bytes) {
  error[0] = 0;
  if (p->timed_out) {
    snprintf(error, bytes, "not done after %.0f s", p->wall_seconds);
    return "timeout";
  }
  if (p->exit_code == 0) return "ok";
  if (p->missing)
    snprintf(error, bytes, "the program cannot be run: %s", p->last_words);
  else if (p->exit_code > 128 && !p->last_words[0])
    snprintf(error, bytes, "ended by signal %d", p->exit_code - 128);
  else
    snprintf(error, bytes, "exit %d: %s", p->exit_code, p->last_words);
  return "failed";
}

/* Appends the line of one run. */
static int record(struct sweep *s, const struct job *job, int repeat, const char *status, const char *error, double seconds, json_t *line) {
  const struct br_experiment *e = s->experiment;
  char date[32];
  date_now(date);
  json_t *safe = json_string(error);
  json_object_set_new(line, "run", json_string(job->key));
  json_object_set_new(line, "series", json_string(job->rival ? job->rival->name : "bramble"));
  json_object_set_new(line, "factors", factors_json(e, job->c));
  json_object_set_new(line, "repeat", json_integer(repeat));
  json_object_set_new(line, "warmup", json_boolean(repeat <= e->warmup));
  json_object_set_new(line, "status", json_string(status));
  json_object_set_new(line, "error", safe ? safe : json_string("(not text)"));
  json_object_set_new(line, "seconds", json_real(seconds));
  json_object_set_new(line, "ranks", json_integer(job->rival ? 1 : job->ranks));
  if (job->cores) json_object_set_new(line, "cores", json_integer(job->cores));
  if (job->memory > 0) json_object_set_new(line, "memory_limit_bytes", json_real(job->memory));
  if (job->nodes) json_object_set_new(line, "simulated", json_string(job->simulate));
  json_object_set_new(line, "date", json_string(date));
  BR_TRY(br_results_append(s->results, line));
  if (strcmp(status, "ok") != 0) s->result->failed++;
  struct br_sweep_run run = {job->label, repeat, status, error, seconds};
  if (s->watch->ran) s->watch->ran(s->watch->arg, &run);
  return BR_OK;
}

static int measure_steps(struct sweep *s, const struct job *job, json_t *commands, json_t *metrics, json_t *line, const char **status_word, char *error, size_t error_bytes) {
  const struct br_experiment *e = s->experiment;
  struct br_step_output outputs[MAX_STEPS];
  int n_steps = job->rival ? 1 : e->n_steps < MAX_STEPS ? e->n_steps : MAX_STEPS, ran = 0, status = BR_OK;
  *status_word = "ok";
  for (; ran < n_steps && status == BR_OK && strcmp(*status_word, "ok") == 0 && !s->result->stopped; ran++) {
    outputs[ran].step = job->rival ? job->rival->name : e->steps[ran].name;
    status = run_command(s, job, job->rival ? job->rival->command : e->steps[ran].text, job->rival != NULL, commands, &outputs[ran].process);
    s->result->stopped = outputs[ran].process.stopped;
    if (status == BR_OK) *status_word = outcome(&outputs[ran].process, error, error_bytes);
  }
  if (status == BR_OK && !s->result->stopped && strcmp(*status_word, "ok") == 0)
    status = job->rival ? br_measure_rival(e, job->rival, &outputs[0].process, metrics) : br_measure_steps(e, outputs, ran, metrics);
  if (status == BR_OK && !job->rival) br_measure_ranks(outputs, ran, line);
  for (int i = 0; i < ran; i++) br_process_free(&outputs[i].process);
  for (int m = 0; job->nodes && m < e->n_metrics; m++) /* of this machine, which is not the one that is simulated */
    if (e->metrics[m].source == BR_METRIC_MEASURE) json_object_del(metrics, e->metrics[m].name);
  return status;
}

/* Limits of the case that nothing held its run to. */
static void note_limits(const struct sweep *s, const struct job *job, json_t *line) {
  if ((job->cores > 0 || job->memory > 0) && s->far && job->ranks > 1 && !job->rival)
    json_object_set_new(line, "not_held", json_string("cores and memory are held on the sweep's own machine only"));
  else if (s->limit.why[0])
    json_object_set_new(line, "not_held", json_string(s->limit.why));
}

static int run_job(struct sweep *s, const struct job *job, int repeat) {
  char out[700], error[600] = "", size[32];
  snprintf(out, sizeof out, "%s/%s", s->work, job->key);
  BR_TRY(br_folder_make(out));
  struct br_machine_state before, after;
  json_t *commands = json_array(), *metrics = json_object(), *line = json_object();
  const char *word;
  br_machine_state_read(&before);
  br_counters_read(&s->counters);
  s->n_points = 0;
  s->period = 1;
  s->running = job;
  s->started = br_clock_seconds();
  if (job->memory > 0) br_limit_open(job->memory, &s->limit);
  int status = measure_steps(s, job, commands, metrics, line, &word, error, sizeof error);
  double seconds = br_clock_seconds() - s->started;
  s->running = NULL;
  if (strcmp(word, "failed") == 0 && br_limit_exceeded(&s->limit)) snprintf(error, sizeof error, "ended by the kernel: its ranks together took more than the case's limit of %s", br_text_bytes(job->memory, size));
  note_limits(s, job, line);
  br_limit_close(&s->limit);
  s->limit = (struct br_limit){.group = ""};
  br_machine_state_read(&after);
  if (status != BR_OK || s->result->stopped) { /* a run that was cut short is as if it never began */
    json_decref(commands);
    json_decref(metrics);
    json_decref(line);
    return status;
  }
  bool changed = before.throttled != after.throttled || before.throttle_count != after.throttle_count;
  s->result->runs++;
  s->measured_seconds += seconds;
  json_object_update_new(line, json_pack("{s:o,s:o,s:o,s:o,s:b,s:o}", "metrics", metrics, "commands", commands, "before", state_json(&before), "after", state_json(&after), "throttling_changed", changed, "points", points_json(s)));
  return record(s, job, repeat, word, error, seconds, line);
}

/* --- the whole --- */

/* Whether there are the cores, or the simulated nodes, that the case asks for. */
static bool fits(const struct sweep *s, const struct job *job) { return job->cores <= br_cpu_count() && job->nodes <= s->most_nodes; }

/* True if the run is there and need not be made again. */
static bool known(struct sweep *s, const struct job *job, int repeat) {
  json_t *line = br_results_find(s->results, job->key, repeat);
  if (!line || s->options->again == BR_AGAIN_ALL) return false;
  const char *status = json_string_value(json_object_get(line, "status"));
  bool ok = status && strcmp(status, "ok") == 0, skipped = status && strcmp(status, "skipped") == 0;
  if (skipped && fits(s, job)) return false; /* another machine now, or more cores */
  return ok || skipped || s->options->again != BR_AGAIN_FAILED;
}

static int skip_job(struct sweep *s, const struct job *job, int repeat) {
  char error[100];
  if (job->nodes > s->most_nodes)
    snprintf(error, sizeof error, "needs %d nodes, %d are simulated", job->nodes, s->most_nodes);
  else
    snprintf(error, sizeof error, "needs %d cores, here are %d", job->cores, br_cpu_count());
  return record(s, job, repeat, "skipped", error, 0, json_object());
}

static int prepare(struct sweep *s) {
  const struct br_experiment *e = s->experiment;
  for (int i = 0; i < e->n_prepare && !s->result->stopped; i++) {
    json_t *commands = json_array();
    struct br_process_result process;
    struct job job = {.label = "preparing", .ranks = 1};
    char error[600];
    s->running = &job;
    s->started = br_clock_seconds();
    int status = run_command(s, NULL, e->prepare[i].text, false, commands, &process);
    s->running = NULL;
    s->result->stopped = process.stopped;
    if (status == BR_OK && !process.stopped && strcmp(outcome(&process, error, sizeof error), "ok") != 0)
      status = br_error_set(BR_ERROR_FAILED, "preparing with \"%s\": %s", json_string_value(json_array_get(commands, 0)), error);
    br_process_free(&process);
    json_decref(commands);
    BR_TRY(status);
  }
  return BR_OK;
}

/* The commit of the checkout the program was built in, "" outside of one. */
static void read_commit(const char *program, char text[64]) {
  char folder[4096];
  const char *slash = strrchr(program, '/');
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - program) : 1, slash ? program : ".");
  char *const git[] = {(char *)(uintptr_t)"git", (char *)(uintptr_t)"-C", folder, (char *)(uintptr_t)"describe", (char *)(uintptr_t)"--always", (char *)(uintptr_t)"--dirty", NULL};
  struct br_process_options options = {.argv = git, .timeout = 10};
  struct br_process_result process;
  text[0] = 0;
  if (br_process_run(&options, &process) == BR_OK && process.exit_code == 0) snprintf(text, 64, "%.*s", (int)strcspn(process.out, "\n"), process.out);
  br_process_free(&process);
}

static int begin_session(struct sweep *s) {
  struct br_machine m;
  char commit[64], hash[65] = "", date[32];
  br_machine_read(&m);
  read_commit(s->options->program, commit);
  date_now(date);
  BR_TRY(br_hash_file(s->options->program, hash));
  json_t *settings = json_array();
  for (int i = 0; i < s->options->n_settings; i++) json_array_append_new(settings, json_string(s->options->settings[i]));
  json_t *session = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:o,s:s,s:s,s:s}", "host", m.host, "cpu", m.cpu, "board", m.cpu_model, "kernel", m.kernel, "libc", m.libc, "isa", m.isa, "cores", m.cores, "memory_bytes",
                              number(m.memory_bytes), "version", s->options->version ? s->options->version : "", "program_sha256", hash, "commit", commit);
  json_t *line = json_pack("{s:o,s:s,s:o,s:b}", "session", session, "date", date, "settings", settings, "smoke", s->options->smoke);
  if (s->most_nodes) json_object_set_new(line, "simulate", json_string(s->options->simulate));
  return br_results_append(s->results, line);
}

static int copy_file(const char *from, const char *to) {
  unsigned char *text;
  size_t bytes;
  struct br_writer *writer;
  BR_TRY(br_file_read(from, 4 << 20, &text, &bytes));
  int status = br_writer_open(to, &writer);
  if (status == BR_OK) {
    status = br_writer_write(writer, text, bytes);
    if (status == BR_OK)
      status = br_writer_commit(writer);
    else
      br_writer_abandon(writer);
  }
  br_memory_free(text);
  return status;
}

static int run_all(struct sweep *s) {
  const struct br_experiment *e = s->experiment;
  int repeats = e->warmup + (s->options->repeats ? s->options->repeats : e->repeats), missing = 0;
  s->all = s->n_jobs * repeats;
  for (int r = 1; r <= repeats; r++)
    for (int j = 0; j < s->n_jobs; j++) missing += !known(s, &s->jobs[j], r);
  s->done = s->result->known = s->all - missing;
  for (int r = 1; r <= repeats; r++)
    for (int j = 0; j < s->n_jobs; j++) {
      json_t *line = known(s, &s->jobs[j], r) ? br_results_find(s->results, s->jobs[j].key, r) : NULL;
      const char *status = json_string_value(json_object_get(line, "status"));
      s->result->failed += status && strcmp(status, "ok") != 0;
    }
  if (missing == 0) return BR_OK;
  BR_TRY(begin_session(s));
  BR_TRY(prepare(s));
  /* All cases once, then all again: so that a slow drift of the machine falls on all alike. */
  for (int r = 1; r <= repeats; r++)
    for (int j = 0; j < s->n_jobs; j++) {
      if (on_stop(s)) s->result->stopped = true;
      if (s->result->stopped) return BR_OK;
      if (known(s, &s->jobs[j], r)) continue;
      BR_TRY(fits(s, &s->jobs[j]) ? run_job(s, &s->jobs[j], r) : skip_job(s, &s->jobs[j], r));
      s->done++;
    }
  return BR_OK;
}

static int open_folder(struct sweep *s, const char *path) {
  struct br_sweep_result *result = s->result;
  snprintf(result->folder, sizeof result->folder, "%.400s/%s%s%s", s->options->results ? s->options->results : "results", s->experiment->name, s->most_nodes ? "-simulated" : "", s->options->smoke ? "-smoke" : "");
  snprintf(s->work, sizeof s->work, "%s/work", result->folder);
  BR_TRY(br_folder_make(s->work));
  BR_TRY(br_results_open(result->folder, &s->results));
  char copy[600];
  snprintf(copy, sizeof copy, "%s/experiment.yaml", result->folder);
  return copy_file(path, copy);
}

/* How ranks are started: as was said, or by mpiexec on a file of hosts, whose name its two families want under different options. */
static int choose_launcher(struct sweep *s) {
  const struct br_sweep_options *o = s->options;
  static char *const version[] = {(char *)(uintptr_t)"mpiexec", (char *)(uintptr_t)"--version", NULL};
  struct br_process_result process;
  if (o->launcher && o->hosts) BR_FAIL(BR_ERROR_USAGE, "--hosts is for mpiexec; with --launcher write the hosts into its command");
  s->far = o->launcher || o->hosts;
  if (o->launcher) {
    if (strcmp(o->launcher, "srun") == 0)
      snprintf(s->launcher, sizeof s->launcher, "srun %s -n {ranks}", br_cluster_srun_option());
    else
      snprintf(s->launcher, sizeof s->launcher, "%s", o->launcher);
    if (!strstr(s->launcher, "{ranks}")) BR_FAIL(BR_ERROR_USAGE, "--launcher %s: {ranks} is missing, where the number of ranks goes", o->launcher);
    return BR_OK;
  }
  snprintf(s->launcher, sizeof s->launcher, "mpiexec -n {ranks}");
  if (!o->hosts) return BR_OK;
  FILE *file = fopen(o->hosts, "re");
  if (!file) BR_FAIL(BR_ERROR_USAGE, "--hosts %s: cannot be read", o->hosts);
  fclose(file);
  struct br_process_options ask = {.argv = version, .timeout = 10};
  BR_TRY(br_process_run(&ask, &process));
  bool open_mpi = process.out && strstr(process.out, "Open MPI");
  br_process_free(&process);
  snprintf(s->launcher, sizeof s->launcher, "mpiexec %s \"%s\" -n {ranks}", open_mpi ? "--hostfile" : "-f", o->hosts);
  return BR_OK;
}

/* The first number of "nodes=24,...": how many nodes the simulated cluster has; train reads the rest. */
static int read_simulate(struct sweep *s) {
  const char *text = s->options->simulate;
  char *end;
  if (!text) return BR_OK;
  long nodes = strncmp(text, "nodes=", 6) == 0 ? strtol(text + 6, &end, 10) : 0;
  if (nodes < 1 || nodes > 100000 || (*end && *end != ',') || strlen(text) > 60) BR_FAIL(BR_ERROR_USAGE, "--simulate %s: first comes how many nodes there are, as in nodes=24,link=940Mbit,0.15ms", text);
  s->most_nodes = (int)nodes;
  return BR_OK;
}

int br_sweep(const char *path, const struct br_sweep_options *options, const struct br_sweep_watch *watch, struct br_sweep_result *result) {
  static const struct br_sweep_watch nobody;
  struct sweep *s;
  *result = (struct br_sweep_result){0};
  BR_TRY(br_memory_alloc(1, sizeof *s, "sweep", &s));
  *s = (struct sweep){.options = options, .watch = watch ? watch : &nobody, .result = result};
  int status = br_experiment_open(path, options->smoke, options->settings, options->n_settings, &s->experiment);
  if (status == BR_OK) status = choose_launcher(s);
  if (status == BR_OK) status = read_simulate(s);
  if (status == BR_OK) status = list_jobs(s);
  if (status == BR_OK) status = open_folder(s, path);
  if (status == BR_OK) status = run_all(s);
  br_results_close(s->results);
  br_experiment_close(s->experiment);
  br_memory_free(s->jobs);
  br_memory_free(s);
  return status;
}
