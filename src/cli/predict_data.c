/* bramble predict MODEL --data SPEC: a data set on all ranks, several times over; rows of answers, times, accuracy, memory of each rank. */
#include "cli/predict_data.h"
#include "cli/setup.h"
#include "cli/stages.h"

#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/net/cut.h>
#include <bramble/predict/predict.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct task {
  struct br_model *model;  /* this rank's stage of it with --stages */
  struct br_prepared *prepared;
  struct br_graph *net;    /* all of it */
  bool staged;
  struct stages_places places; /* with --stages */
  struct br_dataset *data;
  struct br_loader *loader;
  struct br_team *team;
  struct br_predictor *predictor;
  struct br_answer *answers;
  json_t *names;
  int32_t *label_of; /* class of the data -> class of the net, -1 where it has none; NULL: no accuracy */
  double *seconds;   /* per run */
  int runs;
  struct br_preprocess preprocess;
  struct br_journal_options journal;
  bool has_journal;
  int64_t *rss; /* per rank */
};

static int match_classes(struct task *t) {
  const struct br_dataset_info *info = br_dataset_info(t->data);
  int classes = br_shape_channels(&t->net->nodes[t->net->output].shape);
  if (info->classes == 0) return BR_OK;
  BR_TRY(br_memory_alloc((size_t)info->classes, sizeof *t->label_of, "classes", &t->label_of));
  if (setup_match_classes(t->names, classes, info, t->label_of)) return BR_OK;
  br_memory_free(t->label_of);
  t->label_of = NULL;
  return BR_OK;
}

static int open_all(struct cli *cli, struct task *t) {
  const struct options *o = &cli->options;
  struct br_loader_options loader = {0};
  struct br_dataset_options data = {.part = option_choice(o, "part") == 0 ? BR_DATA_TRAIN : BR_DATA_TEST, .whole = !option_given(o, "part"), .limit = (uint64_t)option_int(o, "limit"), .skip_bad = option_flag(o, "skip-bad"), .seed = 1};
  if (t->staged) {
    BR_TRY(stages_load(cli, o->subjects[0], &t->places, &t->model));
    BR_TRY(setup_prepare(cli, (struct setup_use){br_stages_batch(), br_team_count(t->team), 1}, t->model, &t->prepared));
  } else
    BR_TRY(setup_open_prepared(cli, o->subjects[0], (struct setup_use){br_predictor_chunk(), 1, br_team_count(t->team)}, &t->model, &t->prepared));
  t->net = t->model->graph;
  if (t->staged) BR_TRY(br_model_load_graph(o->subjects[0], &t->net));
  BR_TRY(br_dataset_open(option_text(o, "data"), &data, &t->data));
  BR_TRY(setup_model_preprocess(cli, t->model, t->net, br_dataset_info(t->data), &loader.preprocess));
  loader.dataset = t->data;
  t->preprocess = loader.preprocess;
  BR_TRY(br_loader_open(&loader, &t->loader));
  if (!t->staged) BR_TRY(br_predictor_open(t->prepared, t->data, t->loader, t->team, &t->predictor));
  if (option_given(o, "classes")) BR_TRY(setup_set_class_names(t->model, option_text(o, "classes")));
  t->names = setup_class_names(t->model);
  BR_TRY(match_classes(t));
  t->runs = (int)option_int(o, "runs");
  BR_TRY(br_memory_alloc((size_t)t->runs, sizeof *t->seconds, "runs", &t->seconds));
  return br_memory_alloc((size_t)br_comm_size(cli->comm), sizeof *t->rss, "ranks", &t->rss);
}

static int32_t label_of(const struct task *t, const struct br_answer *a) { return t->label_of ? t->label_of[a->label] : -1; }

/* CSV: fields with commas or quotes in quotes. */
static int write_field(struct br_writer *writer, const char *text) {
  if (!strpbrk(text, ",\"\n")) return br_writer_printf(writer, "%s", text);
  BR_TRY(br_writer_printf(writer, "\""));
  for (; *text; text++) BR_TRY(br_writer_printf(writer, *text == '"' ? "\"\"" : "%c", *text));
  return br_writer_printf(writer, "\"");
}

static int write_rows(const struct task *t, struct br_writer *writer, int top) {
  char name[100];
  BR_TRY(br_writer_printf(writer, "sample,label"));
  for (int k = 1; k <= top; k++) BR_TRY(br_writer_printf(writer, ",class%d,name%d,probability%d", k, k, k));
  BR_TRY(br_writer_printf(writer, "\n"));
  for (uint64_t i = 0; i < br_dataset_info(t->data)->count; i++) {
    const struct br_answer *a = &t->answers[i];
    const char *file = br_dataset_sample_name(t->data, i);
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)i);
    BR_TRY(write_field(writer, file ? file : number));
    if (t->label_of)
      BR_TRY(br_writer_printf(writer, ",%d", label_of(t, a)));
    else
      BR_TRY(br_writer_printf(writer, ","));
    for (int k = 0; k < top && a->top[k] >= 0; k++) {
      BR_TRY(br_writer_printf(writer, ",%d,", a->top[k]));
      BR_TRY(write_field(writer, setup_class_name(t->names, a->top[k], name)));
      BR_TRY(br_writer_printf(writer, ",%.9g", a->probability[k]));
    }
    BR_TRY(br_writer_printf(writer, "\n"));
  }
  return BR_OK;
}

static int write_answers(struct cli *cli, const struct task *t) {
  const char *path = option_text(&cli->options, "out");
  struct br_writer *writer;
  int top = (int)option_int(&cli->options, "top");
  if (!path) return BR_OK;
  BR_TRY(br_writer_open(path, &writer));
  int status = write_rows(t, writer, top > BR_PREDICT_TOP ? BR_PREDICT_TOP : top);
  if (status == BR_OK) return br_writer_commit(writer);
  br_writer_abandon(writer);
  return status;
}

static void print_results(struct cli *cli, const struct task *t) {
  double least = t->seconds[0], most = t->seconds[0], sum = 0;
  uint64_t count = br_dataset_info(t->data)->count, right = 0, right5 = 0;
  json_t *runs = json_array(), *ranks = json_array();
  for (int r = 0; r < t->runs; r++) {
    least = t->seconds[r] < least ? t->seconds[r] : least;
    most = t->seconds[r] > most ? t->seconds[r] : most;
    sum += t->seconds[r];
    json_array_append_new(runs, json_real(t->seconds[r]));
  }
  for (uint64_t i = 0; i < count && t->label_of; i++)
    for (int k = 0; k < BR_PREDICT_TOP; k++) {
      bool hit = t->answers[i].top[k] >= 0 && t->answers[i].top[k] == label_of(t, &t->answers[i]);
      right += hit && k == 0;
      right5 += hit;
    }
  char rss[32];
  int64_t largest = 0;
  for (int r = 0; r < br_comm_size(cli->comm); r++) {
    json_array_append_new(ranks, json_integer(t->rss[r]));
    largest = t->rss[r] > largest ? t->rss[r] : largest;
  }
  if (option_flag(&cli->options, "json")) {
    json_t *line = json_pack("{s:I,s:i,s:i,s:f,s:f,s:f,s:f,s:o,s:o}", "samples", (json_int_t)count, "ranks", br_comm_size(cli->comm), "runs", t->runs, "seconds_min", least, "seconds_avg", sum / t->runs, "seconds_max", most,
                             "samples_per_second", (double)count / least, "run_seconds", runs, "rank_peak_rss_bytes", ranks);
    if (t->label_of) {
      json_object_set_new(line, "top1", json_real((double)right / (double)count));
      json_object_set_new(line, "top5", json_real((double)right5 / (double)count));
    }
    cli_print_json(cli, line);
    return;
  }
  printf("%llu sample%s on %d rank%s, %d run%s: %.3f s least, %.3f s average, %.3f s most; %.1f samples/s\n", (unsigned long long)count, count == 1 ? "" : "s", br_comm_size(cli->comm), br_comm_size(cli->comm) == 1 ? "" : "s", t->runs,
         t->runs == 1 ? "" : "s", least, sum / t->runs, most, (double)count / least);
  if (t->label_of) printf("top-1 %.2f %% (%llu)  top-5 %.2f %% (%llu)\n", 100.0 * (double)right / (double)count, (unsigned long long)right, 100.0 * (double)right5 / (double)count, (unsigned long long)right5);
  printf("largest peak memory of a rank %s\n", br_text_bytes((double)largest, rss));
  json_decref(runs);
  json_decref(ranks);
}

/* A file's bytes, read piece by piece: nothing of it stays in memory. */
static int hash_file(const char *path, uint64_t *hash) {
  unsigned char piece[1 << 16];
  size_t n;
  FILE *file = fopen(path, "rbe");
  if (!file) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  while ((n = fread(piece, 1, sizeof piece, file)) > 0) *hash = br_hash64(*hash, piece, n);
  const bool failed = ferror(file) != 0;
  fclose(file);
  if (failed) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read", path);
  return BR_OK;
}

/* Everything that an answer follows from, as one number. */
static int journal_key(struct cli *cli, const struct task *t, uint64_t *key) {
  const struct br_preprocess *p = &t->preprocess;
  const char *subject = cli->options.subjects[0];
  char text[400];
  int n = snprintf(text, sizeof text, "%s %016llx %d %dx%dx%d %d", br_file_exists(subject) ? "file" : subject, (unsigned long long)br_dataset_info(t->data)->fingerprint, option_flag(&cli->options, "exact"), p->H, p->W, p->C, p->resize_shorter);
  for (int c = 0; c < 4; c++) n += snprintf(text + n, sizeof text - (size_t)n, " %.9g %.9g", (double)p->mean[c], (double)p->std[c]);
  *key = br_hash64(0, text, strlen(text));
  return br_file_exists(subject) ? hash_file(subject, key) : BR_OK;
}

/* One run writes a file, so it can be gone on with. */
static int open_journal(struct cli *cli, struct task *t) {
  const struct options *o = &cli->options;
  t->journal = (struct br_journal_options){.path = option_text(o, "out"), .resume = option_flag(o, "resume")};
  if (t->journal.resume && (!t->journal.path || t->runs > 1)) BR_FAIL(BR_ERROR_USAGE, "--resume goes on with one run that writes --out FILE");
  if (!t->journal.path || t->runs > 1) return BR_OK;
  t->has_journal = true;
  BR_TRY(br_comm_agree(cli->comm, cli->speaks ? journal_key(cli, t, &t->journal.key) : BR_OK));
  return br_comm_broadcast(cli->comm, &t->journal.key, sizeof t->journal.key, 0);
}

static int run(struct cli *cli, struct task *t) {
  t->staged = option_given(&cli->options, "stages");
  BR_TRY(br_comm_agree(cli->comm, cli_open_team(cli, &t->team)));
  if (t->staged) BR_TRY(stages_probe(cli, br_team_count(t->team), &t->places));
  BR_TRY(br_comm_agree(cli->comm, open_all(cli, t)));
  BR_TRY(open_journal(cli, t));
  BR_TRY(br_comm_agree_equal(cli->comm, br_dataset_info(t->data)->fingerprint, "the data"));
  for (int r = 0; r < t->runs; r++) {
    br_memory_free(t->answers);
    if (t->staged)
      BR_TRY(br_stages_run(cli->comm, t->team, t->prepared, t->data, t->loader, t->has_journal ? &t->journal : NULL, &t->answers, &t->seconds[r]));
    else
      BR_TRY(br_predictor_run(t->predictor, cli->comm, t->has_journal ? &t->journal : NULL, &t->answers, &t->seconds[r]));
    cli_progress(cli, (double)(r + 1) / t->runs, "run %d of %d", r + 1, t->runs);
  }
  cli_progress_end(cli);
  int64_t mine = (int64_t)br_memory_peak_rss_bytes();
  BR_TRY(br_comm_allgather(cli->comm, &mine, sizeof mine, t->rss));
  if (cli->speaks) print_results(cli, t);
  BR_TRY(br_comm_agree(cli->comm, cli->speaks ? write_answers(cli, t) : BR_OK));
  if (t->has_journal) br_journal_remove(t->journal.path);
  return BR_OK;
}

int predict_data(struct cli *cli) {
  struct task t = {0};
  int status = run(cli, &t);
  json_decref(t.names);
  br_memory_free(t.answers);
  br_memory_free(t.label_of);
  br_memory_free(t.seconds);
  br_memory_free(t.rss);
  br_memory_free(t.places.nodes);
  br_predictor_close(t.predictor);
  br_prepared_close(t.prepared);
  br_team_close(t.team);
  br_loader_close(t.loader);
  br_dataset_close(t.data);
  if (t.staged) br_graph_close(t.net);
  br_model_close(t.model);
  return status;
}
