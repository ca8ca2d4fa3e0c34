/* bramble train: opens data and net, trains, saves the model and its log. */
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/store/file.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct training {
  struct cli *cli;
  const char *subject, *out;
  struct br_dataset *data[2]; /* train, test */
  struct br_loader *loader[2];
  struct br_model *model;
  const struct br_recipe *recipe;
  struct br_train_options options;
  struct br_team *team;
  FILE *log; /* beside the model, one JSON line an epoch; NULL without --out */
  struct br_epoch_result last;
};

static json_t *number_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *epoch_json(const struct br_epoch_result *r) {
  json_t *ranks = json_array();
  for (int i = 0; i < r->n_ranks; i++) {
    const struct br_rank_times *t = &r->ranks[i];
    json_array_append_new(ranks, json_pack("{s:i,s:f,s:f,s:f,s:f,s:I,s:I}", "rank", i, "load_seconds", t->load, "compute_seconds", t->compute, "wait_seconds", t->wait, "communicate_seconds", t->communicate,
                                           "peak_rss_bytes", (json_int_t)t->peak_rss_bytes, "bytes_sent", (json_int_t)t->bytes_sent));
  }
  return json_pack("{s:i,s:f,s:f,s:o,s:o,s:f,s:f,s:I,s:o}", "epoch", r->epoch, "loss", r->loss, "accuracy", r->accuracy, "test_loss", number_or_null(r->test_loss), "test_accuracy",
                   number_or_null(r->test_accuracy), "seconds", r->seconds, "images_per_second", r->images_per_second, "samples", (json_int_t)r->samples, "ranks", ranks);
}

static void on_epoch(void *arg, const struct br_epoch_result *r) {
  struct training *t = arg;
  t->last = *r;
  cli_progress_end(t->cli);
  if (!t->cli->speaks) return;
  json_t *line = epoch_json(r);
  if (t->log) {
    json_dumpf(line, t->log, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', t->log);
    fflush(t->log);
  }
  if (option_flag(&t->cli->options, "json")) {
    cli_print_json(t->cli, line);
    return;
  }
  json_decref(line);
  char took[32];
  printf("epoch %3d  loss %.4f  accuracy %5.2f %%", r->epoch, r->loss, r->accuracy * 100);
  if (isfinite(r->test_accuracy)) printf("  test loss %.4f  test accuracy %5.2f %%", r->test_loss, r->test_accuracy * 100);
  printf("  %s  %.0f images/s\n", br_text_seconds(r->seconds, took), r->images_per_second);
  fflush(stdout);
}

static void on_progress(void *arg, int epoch, double share, double loss, double images_per_second) {
  struct training *t = arg;
  char left[32];
  double remaining = images_per_second > 0 ? (1 - share) * (double)br_dataset_info(t->data[0])->count / images_per_second : 0;
  cli_progress(t->cli, share, "epoch %d/%d  loss %.4f  %.0f images/s  %s left", epoch, t->options.epochs, loss, images_per_second, br_text_seconds(remaining, left));
}

static bool on_stop(void *arg) {
  (void)arg;
  return cli_stopped();
}

static int open_inputs(struct training *t) {
  struct cli *cli = t->cli;
  BR_TRY(setup_open_data(cli, BR_DATA_TRAIN, &t->data[0]));
  BR_TRY(setup_open_data(cli, BR_DATA_TEST, &t->data[1]));
  const struct br_dataset_info *info = br_dataset_info(t->data[0]);
  BR_TRY(setup_open_model(cli, t->subject, info, &t->model, &t->recipe));
  struct br_augment augment;
  BR_TRY(setup_train_options(cli, t->recipe, t->model->graph, &t->options, &augment));
  struct br_preprocess preprocess;
  BR_TRY(setup_preprocess(cli, t->model->graph, info->name, &preprocess));
  BR_TRY(setup_read_preprocess(t->model, &preprocess));
  struct br_loader_options loader = {.dataset = t->data[0], .preprocess = preprocess, .augment = augment, .seed = t->options.seed};
  BR_TRY(br_loader_open(&loader, &t->loader[0]));
  loader.dataset = t->data[1];
  loader.augment = (struct br_augment){0};
  BR_TRY(br_loader_open(&loader, &t->loader[1]));
  BR_TRY(setup_store_preprocess(t->model, &preprocess));
  return cli_open_team(cli, &t->team);
}

/* What makes the model, in words: no machine, no path. */
static int store_settings(struct training *t) {
  const struct br_dataset_info *info = br_dataset_info(t->data[0]);
  const struct br_train_options *o = &t->options;
  json_t *names = json_array();
  for (int c = 0; c < info->classes; c++) json_array_append_new(names, json_string(info->class_names[c]));
  char *classes = json_dumps(names, JSON_COMPACT), text[600];
  json_decref(names);
  if (!classes) BR_FAIL(BR_ERROR_DATA, "the class names are not UTF-8 text");
  int status = br_model_set(t->model, "classes", classes);
  free(classes);
  BR_TRY(status);
  snprintf(text, sizeof text, "{\"batch\":%d,\"micro_batch\":%d,\"epochs\":%d,\"optimiser\":%d,\"lr\":%.9g,\"momentum\":%.9g,\"weight_decay\":%.9g,\"schedule\":%d,\"warmup\":%.9g,\"label_smoothing\":%.9g,\"bn_recalibrate\":%d}",
           o->batch, o->micro_batch, o->epochs, (int)o->optimiser.kind, o->schedule.lr, o->optimiser.momentum, o->optimiser.weight_decay, (int)o->schedule.kind, o->schedule.warmup_epochs,
           o->label_smoothing, o->bn_recalibrate);
  BR_TRY(br_model_set(t->model, "settings", text));
  snprintf(text, sizeof text, "%llu", (unsigned long long)o->seed);
  BR_TRY(br_model_set(t->model, "seed", text));
  snprintf(text, sizeof text, "%s %llu %016llx", info->name, (unsigned long long)info->count, (unsigned long long)info->fingerprint);
  return br_model_set(t->model, "data", text);
}

static int open_log(struct training *t) {
  if (!t->out || !t->cli->speaks) return BR_OK;
  BR_TRY(br_file_check_writable(t->out));
  char path[4096];
  snprintf(path, sizeof path, "%s.jsonl", t->out);
  t->log = fopen(path, "we");
  if (!t->log) BR_FAIL(BR_ERROR_USAGE, "%s: cannot be written; choose another --out", path);
  return BR_OK;
}

static int save(struct training *t) {
  if (!t->out || !t->cli->speaks) return BR_OK;
  BR_TRY(br_model_save(t->model, t->out));
  char hash[65];
  BR_TRY(br_hash_file(t->out, hash));
  if (!option_flag(&t->cli->options, "json")) printf("%s  sha256 %s\n", t->out, hash);
  return BR_OK;
}

static void close_all(struct training *t) {
  if (t->log) fclose(t->log);
  br_team_close(t->team);
  br_model_close(t->model);
  for (int i = 0; i < 2; i++) {
    br_loader_close(t->loader[i]);
    br_dataset_close(t->data[i]);
  }
}

static int run(struct training *t) {
  struct br_comm *comm = t->cli->comm;
  BR_TRY(br_comm_agree(comm, open_inputs(t)));
  BR_TRY(br_comm_agree(comm, open_log(t)));
  struct br_train_watch watch = {.arg = t, .epoch = on_epoch, .progress = on_progress, .stop = on_stop};
  BR_TRY(br_train(comm, t->team, t->model, t->loader[0], t->data[0], t->loader[1], t->data[1], &t->options, &watch));
  BR_TRY(store_settings(t));
  return br_comm_agree(comm, save(t));
}

int cmd_train(struct cli *cli) {
  if (cli->options.n_subjects != 1) BR_FAIL(BR_ERROR_USAGE, "bramble train takes one net or model, as in: bramble train lenet --out m.safetensors");
  if (table_is_kind(cli->options.subjects[0])) return table_train(cli);
  struct training t = {.cli = cli, .subject = cli->options.subjects[0], .out = option_text(&cli->options, "out")};
  int status = run(&t);
  close_all(&t);
  return status;
}
