/* bramble train: opens data and net, trains, saves the model and its log. */
#include "cli/setup.h"
#include "cli/table.h"
#include "cli/table_net.h"
#include "cli/watch.h"

#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/data/sheet.h>
#include <bramble/lab/simulate.h>
#include <bramble/lab/view.h>
#include <bramble/record/events.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct training {
  struct cli *cli;
  const char *subject, *out;
  struct setup_run run;
  struct table_net table; /* of a net on a table; else model is NULL */
  FILE *log; /* beside the model, one JSON line an epoch; NULL without --out */
  struct br_events *events; /* of --log-dir; NULL without */
  struct br_view *view; /* of --view, on rank 0 */
  struct br_sampler *sampler;
  json_t *machine;    /* what it saw on all ranks, until it is written */
  double samples;     /* gone through so far */
  struct br_simulation simulation; /* of --simulate; nodes 0 without */
  struct br_train_result result;
};

static json_t *ranks_json(const struct br_epoch_result *r) {
  json_t *ranks = json_array();
  for (int i = 0; i < r->n_ranks; i++) {
    const struct br_rank_times *t = &r->ranks[i];
    json_array_append_new(ranks, json_pack("{s:i,s:f,s:f,s:f,s:f,s:I,s:I,s:I}", "rank", i, "load_seconds", t->load, "compute_seconds", t->compute, "wait_seconds", t->wait, "communicate_seconds", t->communicate,
                                           "peak_rss_bytes", (json_int_t)t->peak_rss_bytes, "bytes_sent", (json_int_t)t->bytes_sent, "units", (json_int_t)t->units));
  }
  return ranks;
}

static json_t *epoch_json(const struct br_epoch_result *r) {
  json_t *line = json_pack("{s:i,s:f,s:o,s:o,s:o,s:f,s:f,s:I,s:o}", "epoch", r->epoch, "loss", r->loss, "accuracy", cli_number(r->accuracy), "test_loss", cli_number(r->test_loss), "test_accuracy",
                           cli_number(r->test_accuracy), "seconds", r->seconds, "images_per_second", r->images_per_second, "samples", (json_int_t)r->samples, "ranks", ranks_json(r));
  if (r->n_clients == 0) return line;
  json_t *clients = json_array();
  for (int i = 0; i < r->n_clients; i++) {
    const struct br_client_result *c = &r->clients[i];
    json_array_append_new(clients, json_pack("{s:I,s:I,s:f,s:f,s:f,s:I}", "client", (json_int_t)c->client, "samples", (json_int_t)c->samples, "loss", c->loss, "accuracy", c->accuracy, "seconds", c->seconds, "rank", (json_int_t)c->rank));
  }
  json_object_set_new(line, "clients", clients);
  return line;
}

/* That the times are computed, from what, and what was measured. */
static json_t *simulated_json(const struct br_simulation *s, double measured_seconds) {
  return json_pack("{s:i,s:i,s:f,s:f,s:f,s:f}", "nodes", s->nodes, "threads", s->model.threads, "bytes_per_second", s->model.bandwidth, "latency_seconds", s->model.latency, "slower", s->slower, "measured_seconds", measured_seconds);
}

static json_t *result_json(const struct training *t, const char *hash) {
  static const char *const ends[] = {"done", "asked", "patience", "accuracy"};
  const struct br_train_result *r = &t->result;
  json_t *result = json_pack("{s:s,s:I,s:I,s:f,s:o,s:o,s:o,s:I,s:o,s:b,s:I}", "end", ends[r->end], "epochs", (json_int_t)r->epochs, "steps", (json_int_t)r->steps, "seconds", t->simulation.nodes ? t->simulation.seconds : r->seconds, "test_loss",
                             cli_number(r->test_loss), "test_accuracy", cli_number(r->test_accuracy), "best_accuracy", cli_number(r->best_accuracy), "best_epoch", (json_int_t)r->best_epoch,
                             "seconds_to_accuracy", cli_number(r->seconds_to_accuracy), "resumed", r->resumed, "peak_rss_bytes", (json_int_t)br_memory_peak_rss_bytes());
  if (t->simulation.nodes) json_object_set_new(result, "simulated", simulated_json(&t->simulation, r->seconds));
  if (t->out) json_object_set_new(result, "out", json_string(t->out));
  if (hash) json_object_set_new(result, "sha256", json_string(hash));
  return json_pack("{s:o}", "result", result);
}

/* One line to the log, and with --json to stdout. */
static void put_line(struct training *t, json_t *line) {
  if (t->log) {
    json_dumpf(line, t->log, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', t->log);
    if (fflush(t->log) != 0) { /* a full disk for the log is no reason to lose the run */
      br_warn("%s.jsonl: writing failed: %s; no more lines are written", t->out, strerror(errno));
      fclose(t->log);
      t->log = NULL;
    }
  }
  if (option_flag(&t->cli->options, "json"))
    cli_print_json(t->cli, line);
  else
    json_decref(line);
}

static int put_events(struct training *t, const struct br_epoch_result *r) {
  const struct br_graph *graph = t->run.model->graph;
  const struct {
    const char *tag;
    double value;
  } scalars[] = {{"loss/train", r->loss}, {"loss/test", r->test_loss}, {"accuracy/train", r->accuracy}, {"accuracy/test", r->test_accuracy}, {"speed/images_per_second", r->images_per_second}, {"speed/epoch_seconds", r->seconds}};
  for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
    if (!isnan(scalars[i].value)) BR_TRY(br_events_scalar(t->events, r->epoch, scalars[i].tag, scalars[i].value));
  for (int i = 0; i < r->n_ranks; i++) {
    const struct br_rank_times *rank = &r->ranks[i];
    const double values[] = {rank->load, rank->compute, rank->wait, rank->communicate, rank->peak_rss_bytes / 1e6};
    static const char *const names[] = {"load_seconds", "compute_seconds", "wait_seconds", "communicate_seconds", "peak_rss_megabytes"};
    for (int k = 0; k < 5; k++) {
      char tag[64];
      snprintf(tag, sizeof tag, "rank_%d/%s", i, names[k]);
      BR_TRY(br_events_scalar(t->events, r->epoch, tag, values[k]));
    }
  }
  for (int p = 0; p < graph->n_params; p++) {
    const struct br_param *param = &graph->params[p];
    if (!param->statistic) BR_TRY(br_events_histogram(t->events, r->epoch, param->name, t->run.model->trained + param->offset, param->count));
  }
  return BR_OK;
}

static const char *samples_word(const struct training *t) { return t->table.model ? "rows" : "images"; }

static int save_model(struct training *t, const char *path) { return t->table.model ? table_net_save(&t->table, &t->run, path) : br_model_save(t->run.model, path); }

static void on_epoch(void *arg, const struct br_epoch_result *r) {
  struct training *t = arg;
  struct br_epoch_result there;
  cli_progress_end(t->cli);
  br_sampler_mark(t->sampler);
  if (option_given(&t->cli->options, "view")) watch_show(t->cli, t->sampler, t->view);
  t->samples += (double)r->samples;
  if (!t->cli->speaks) return;
  json_t *simulated = NULL;
  if (t->simulation.nodes) {
    simulated = simulated_json(&t->simulation, r->seconds);
    br_simulation_epoch(&t->simulation, r, &there);
    r = &there;
  }
  if (t->view) br_view_epoch(t->view, r);
  json_t *line = epoch_json(r);
  if (simulated) json_object_set_new(line, "simulated", simulated);
  put_line(t, line);
  if (t->events && put_events(t, r) != BR_OK) { /* a full disk for curves is no reason to lose the run */
    br_warn("%s; no more events are written", br_error_message());
    br_events_close(t->events);
    t->events = NULL;
  }
  if (option_flag(&t->cli->options, "json")) return;
  char took[32];
  printf("%s %3d  loss %.4f", r->n_clients ? "round" : "epoch", r->epoch, r->loss);
  if (isfinite(r->accuracy)) printf("  accuracy %5.2f %%", r->accuracy * 100);
  if (isfinite(r->test_loss)) printf("  test loss %.4f", r->test_loss);
  if (isfinite(r->test_accuracy)) printf("  test accuracy %5.2f %%", r->test_accuracy * 100);
  printf("  %s  %.0f %s/s", br_text_seconds(r->seconds, took), r->images_per_second, samples_word(t));
  if (t->simulation.nodes) printf("  (simulated: %d nodes)", t->simulation.nodes);
  printf("\n");
  fflush(stdout);
}

/* The model of an evaluation to be kept: the best under its own name, each one beside it with its step in the name. */
static int on_evaluated(void *arg, const struct br_train_evaluation *e) {
  struct training *t = arg;
  if (t->table.model && e->best) BR_TRY(table_net_take(&t->table, &t->run)); /* on all ranks: all measure it at the end */
  if (!t->cli->speaks) return BR_OK;
  if (t->run.options.evaluation_steps > 0) {
    cli_progress_end(t->cli);
    put_line(t, json_pack("{s:I,s:i,s:o,s:o,s:o,s:b}", "step", (json_int_t)e->step, "epoch", e->epoch, "test_loss", cli_number(e->test_loss), "test_accuracy", cli_number(e->test_accuracy), "seconds", cli_number(t->simulation.nodes ? NAN : e->seconds), "best", e->best));
    if (!option_flag(&t->cli->options, "json")) {
      printf("step %lld  test loss %.4f", (long long)e->step, e->test_loss);
      if (isfinite(e->test_accuracy)) printf("  test accuracy %5.2f %%", e->test_accuracy * 100);
      printf("\n");
    }
  }
  if (t->run.options.keep == BR_KEEP_BEST && e->best) return save_model(t, t->out);
  if (t->run.options.keep != BR_KEEP_ALL) return BR_OK;
  const char *dot = strrchr(t->out, '.');
  int stem = dot && !strchr(dot, '/') ? (int)(dot - t->out) : (int)strlen(t->out);
  char path[4096];
  snprintf(path, sizeof path, "%.*s.step-%lld%s", stem, t->out, (long long)e->step, t->out + stem);
  return save_model(t, path);
}

/* A resumed run goes on in its log behind the last line that its checkpoint knows of. */
static void on_started(void *arg, int64_t epochs, int64_t steps) {
  struct training *t = arg;
  if (!t->log) return;
  char *line = NULL;
  size_t room = 0;
  long keep = 0;
  for (rewind(t->log); steps > 0 && getline(&line, &room, t->log) > 0; keep = ftell(t->log)) {
    json_t *object = json_loads(line, 0, NULL);
    const json_t *step = json_object_get(object, "step");
    bool known = object && !json_object_get(object, "result") && (step ? json_integer_value(step) <= steps : json_integer_value(json_object_get(object, "epoch")) <= epochs);
    json_decref(object);
    if (!known) break;
  }
  free(line);
  if (fseek(t->log, keep, SEEK_SET) != 0 || ftruncate(fileno(t->log), keep) != 0) br_warn("%s.jsonl: cannot be cut to where the run goes on; lines of the run before may be in it twice", t->out);
}

static void on_finished(void *arg, const struct br_train_result *result) {
  struct training *t = arg;
  t->result = *result;
  if (t->simulation.nodes && isfinite(result->seconds_to_accuracy)) t->result.seconds_to_accuracy = t->simulation.seconds;
}

static void on_progress(void *arg, int epoch, double share, double loss, double images_per_second) {
  struct training *t = arg;
  char left[32];
  double epochs = t->run.options.epochs - epoch + 1 - share, remaining = images_per_second > 0 ? epochs * (double)br_dataset_info(t->run.data[0])->count / images_per_second : 0;
  if (t->view) {
    struct br_rank_point point;
    br_view_progress(t->view, epoch, t->run.options.epochs, share, loss, images_per_second);
    if (br_sampler_last(t->sampler, &point)) br_view_rank(t->view, 0, br_comm_host(t->cli->comm), &point);
  }
  cli_progress(t->cli, share, "epoch %d/%d  loss %.4f  %.0f %s/s  %s left", epoch, t->run.options.epochs, loss, images_per_second, samples_word(t), br_text_seconds(remaining, left));
}

static bool on_stop(void *arg) {
  (void)arg;
  return cli_stopped();
}

/* "name=value" lines as a JSON object; numbers as numbers. */
static json_t *settings_json(const char *lines) {
  json_t *object = json_object();
  for (const char *at = lines; *at; at += strcspn(at, "\n") + 1) {
    int name = (int)strcspn(at, "="), length = (int)strcspn(at, "\n");
    char *end, *key = NULL;
    double number = strtod(at + name + 1, &end);
    json_t *value = end == at + length && end != at + name + 1 ? (number == floor(number) && fabs(number) < 1e15 ? json_integer((json_int_t)number) : json_real(number)) : json_stringn(at + name + 1, (size_t)(length - name - 1));
    if (asprintf(&key, "%.*s", name, at) >= 0) json_object_set_new(object, key, value);
    free(key);
  }
  return object;
}

/* What makes the model, in words: no machine, no path. */
static int store_settings(struct training *t) {
  const struct br_dataset_info *info = br_dataset_info(t->run.data[0]);
  json_t *names = json_array();
  for (int c = 0; c < info->classes; c++) json_array_append_new(names, json_string(info->class_names[c]));
  char *classes = json_dumps(names, JSON_COMPACT), *lines, text[600];
  json_decref(names);
  if (!classes) BR_FAIL(BR_ERROR_DATA, "the class names are not UTF-8 text");
  int status = br_model_set(t->run.model, "classes", classes);
  free(classes);
  BR_TRY(status);
  BR_TRY(br_train_settings(&t->run.options, t->run.model->graph, &lines));
  json_t *settings = settings_json(lines);
  char *dump = json_dumps(settings, JSON_COMPACT | JSON_REAL_PRECISION(9));
  status = dump ? br_model_set(t->run.model, "settings", dump) : br_error_set(BR_ERROR_MEMORY, "no memory for the settings");
  free(dump);
  json_decref(settings);
  br_memory_free(lines);
  BR_TRY(status);
  snprintf(text, sizeof text, "%llu", (unsigned long long)t->run.options.seed);
  BR_TRY(br_model_set(t->run.model, "seed", text));
  snprintf(text, sizeof text, "%s %llu %016llx", info->name, (unsigned long long)info->count, (unsigned long long)info->fingerprint);
  return br_model_set(t->run.model, "data", text);
}

/* The data at one look, at the head of the events. Data without pictures has none. */
static int put_sheet(struct training *t) {
  const struct br_dataset_info *info = br_dataset_info(t->run.data[0]);
  struct br_image sheet = {0};
  unsigned char *png = NULL;
  size_t bytes;
  if ((info->C != 1 && info->C != 3) || (info->H == 1 && info->W == 1)) return BR_OK;
  int status = br_sheet_draw(t->run.data[0], 10, 10, 64, &sheet);
  if (status == BR_OK) status = br_image_encode_png(&sheet, &png, &bytes);
  if (status == BR_OK) status = br_events_image(t->events, 0, "data", sheet.W, sheet.H, sheet.C, png, bytes);
  free(png);
  br_image_free(&sheet);
  return status;
}

static int open_view(struct training *t) {
  const char *address = option_text(&t->cli->options, "view");
  char title[120];
  if (!address || !t->cli->speaks) return BR_OK;
  snprintf(title, sizeof title, "%.60s on %.40s", t->subject, br_dataset_info(t->run.data[0])->name);
  BR_TRY(br_view_open(address, title, t->simulation.nodes ? t->simulation.nodes : br_comm_size(t->cli->comm), &t->view));
  br_note("watch it at %s", br_view_url(t->view));
  return BR_OK;
}

static int open_log(struct training *t) {
  const char *events = option_text(&t->cli->options, "log-dir");
  if (events && t->cli->speaks) {
    BR_TRY(br_events_open(events, &t->events));
    BR_TRY(put_sheet(t));
  }
  if (!t->out || !t->cli->speaks) return BR_OK;
  char path[4096];
  snprintf(path, sizeof path, "%s.jsonl", t->out);
  t->log = fopen(path, option_flag(&t->cli->options, "resume") ? "a+e" : "we");
  if (!t->log) BR_FAIL(BR_ERROR_USAGE, "%s: cannot be written; choose another --out", path);
  return BR_OK;
}

/* `measures`: of a table's test part; NULL: there are none; added to the result. */
static int save(struct training *t, json_t *measures) {
  char hash[65];
  if (!t->cli->speaks) return BR_OK;
  if (t->result.end == BR_END_ASKED) {
    if (t->out) br_note("stopped after step %lld; the same command with --resume goes on from there", (long long)t->result.steps);
    return BR_OK;
  }
  if (t->out && (t->run.options.keep != BR_KEEP_BEST || t->result.best_epoch == 0)) BR_TRY(save_model(t, t->out));
  if (t->out) BR_TRY(br_hash_file(t->out, hash));
  put_line(t, t->machine);
  t->machine = NULL;
  json_t *result = result_json(t, t->out ? hash : NULL);
  if (measures) json_object_update(json_object_get(result, "result"), measures);
  put_line(t, result);
  if (option_flag(&t->cli->options, "json")) return BR_OK;
  char took[32];
  if (isfinite(t->result.seconds_to_accuracy)) printf("test accuracy %.2f %% reached after %s\n", t->result.test_accuracy * 100, br_text_seconds(t->result.seconds_to_accuracy, took));
  if (t->result.end == BR_END_PATIENCE) {
    printf("stopped early: %d evaluations without a better one; the best was epoch %lld", t->run.options.patience, (long long)t->result.best_epoch);
    if (isfinite(t->result.best_accuracy)) printf(" with %.2f %%", t->result.best_accuracy * 100);
    printf("\n");
  }
  if (measures) table_print(measures);
  if (t->out) printf("%s  sha256 %s\n", t->out, hash);
  return BR_OK;
}

/* What the run will need, told first; and whether it fits. */
static int plan(struct training *t) {
  struct br_plan_request request = setup_plan_request(t->cli, &t->run);
  struct br_train_plan needs;
  BR_TRY(br_train_plan(&request, &needs));
  char text[600];
  if (t->cli->speaks) br_note("memory: %s", setup_plan_text(&needs, text));
  double limit = setup_memory_limit(t->cli);
  return limit > 0 ? br_train_plan_check(&request, limit) : BR_OK;
}

/* Which folder became which class: names that are numbers sort as numbers, and a model answers by these. */
static void tell_classes(const struct training *t) {
  const struct br_dataset_info *info = br_dataset_info(t->run.data[0]);
  char text[400];
  size_t n = 0;
  int c = 0;
  if (!t->cli->speaks || info->H > 0 || info->classes == 0) return; /* no pictures in folders or archives */
  for (; c < info->classes && n + 80 < sizeof text; c++) n += (size_t)snprintf(text + n, sizeof text - n, "%s%d %.50s", c ? ", " : "", c, info->class_names[c]);
  br_note("classes: %s%s", text, c < info->classes ? ", ..." : "");
}

/* --simulate NODES: the run is here, its times are those of a cluster. */
static int simulate(struct training *t) {
  const char *text = option_text(&t->cli->options, "simulate");
  if (!text) return BR_OK;
  if (br_comm_size(t->cli->comm) > 1) BR_FAIL(BR_ERROR_USAGE, "--simulate computes the times of many nodes from one rank; start it without mpiexec");
  struct br_plan_request request = setup_plan_request(t->cli, &t->run);
  char whole[160];
  snprintf(whole, sizeof whole, "%.120s", text);
  if (option_int(&t->cli->options, "threads") > 0 && !strstr(text, "threads=")) snprintf(whole, sizeof whole, "%.120s,threads=%lld", text, (long long)option_int(&t->cli->options, "threads"));
  BR_TRY(br_simulation_open(&request, whole, &t->simulation));
  br_note("times are simulated: %s", t->simulation.text);
  return BR_OK;
}

static int train(struct training *t) {
  struct br_comm *comm = t->cli->comm;
  struct setup_run *r = &t->run;
  bool done = false;
  if (table_net_wanted(t->cli)) BR_TRY(table_net_open(t->cli, &t->table, r, &done));
  if (done) return table_report(t->cli, json_incref(t->table.folds));
  int status = setup_open_run(t->cli, t->subject, r);
  if (status == BR_OK && t->table.model) status = table_net_take(&t->table, r);
  BR_TRY(br_comm_agree(comm, status));
  tell_classes(t);
  BR_TRY(br_comm_agree(comm, plan(t)));
  BR_TRY(br_comm_agree(comm, simulate(t)));
  BR_TRY(br_comm_agree(comm, open_view(t)));
  BR_TRY(br_comm_agree(comm, open_log(t)));
  BR_TRY(br_comm_agree(comm, store_settings(t)));
  struct br_train_watch watch = {.arg = t, .epoch = on_epoch, .progress = on_progress, .stop = on_stop, .evaluated = on_evaluated, .started = on_started, .finished = on_finished};
  BR_TRY(br_comm_agree(comm, watch_start(t->cli, &t->sampler)));
  cli_stop_in_order();
  BR_TRY(br_train(comm, r->team, r->model, r->loader[0], r->data[0], r->loader[1], r->data[1], &r->options, &watch));
  BR_TRY(watch_finish(t->cli, t->sampler, t->samples, &t->machine));
  json_t *measures = t->table.model ? json_object() : NULL;
  if (measures && (r->options.keep != BR_KEEP_BEST || t->result.best_epoch == 0)) BR_TRY(br_comm_agree(comm, table_net_take(&t->table, r)));
  status = measures && t->result.end != BR_END_ASKED ? table_net_measure(t->cli, &t->table, r, measures) : BR_OK;
  if (status == BR_OK) status = br_comm_agree(comm, save(t, measures));
  json_decref(measures);
  return status;
}

int cmd_train(struct cli *cli) {
  if (cli->options.n_subjects != 1) BR_FAIL(BR_ERROR_USAGE, "bramble train takes one net or model, as in: bramble train lenet --out m.safetensors");
  const char *data = option_text(&cli->options, "data");
  if (table_is_kind(cli->options.subjects[0])) {
    if (option_given(&cli->options, "view")) BR_FAIL(BR_ERROR_USAGE, "--view is for nets; training a %s shows its progress on stderr", cli->options.subjects[0]);
    if (option_given(&cli->options, "simulate")) BR_FAIL(BR_ERROR_USAGE, "--simulate is for nets; the time of a %s on so many nodes is not known before", cli->options.subjects[0]);
    return table_train(cli);
  }
  if (option_given(&cli->options, "times")) BR_FAIL(BR_ERROR_USAGE, "--times is for linear, tree and the other models of tables; a net's training says where its time went in every line of --json");
  BR_TRY(table_check_options(&cli->options, BR_TABLE_MLP, table_net_wanted(cli) || (data && table_is_csv(data))));
  if (data && table_is_csv(data) && !table_net_wanted(cli)) {
    enum br_table_model_kind kind;
    return br_table_model_kind_parse(cli->options.subjects[0], &kind);
  }
  struct training t = {.cli = cli, .subject = cli->options.subjects[0], .out = option_text(&cli->options, "out")};
  int status = train(&t);
  if (t.log) fclose(t.log);
  br_events_close(t.events);
  br_simulation_close(&t.simulation);
  br_view_close(t.view);
  br_sampler_close(t.sampler);
  json_decref(t.machine);
  setup_close_run(&t.run);
  table_net_close(&t.table);
  return status;
}
