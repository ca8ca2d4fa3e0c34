/* bramble bench table KIND: the times of train KIND with the same options, part by part: from the CSV file to columns, from columns in memory to a
 * model, and one answer of that model in a loop. bench/compare runs it in turn with other programs on the same file. */
#include "cli/table.h"

#include <bramble/base/clock.h>
#include <bramble/base/cpu.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include <stdio.h>
#include <stdlib.h>

#define REPEATS_MOST 1000
#define ANSWERED_ROWS 4096   /* they go through the model again and again */
#define ANSWER_SECONDS 0.2

struct times {
  double read[REPEATS_MOST], fit[REPEATS_MOST], both[REPEATS_MOST];
  int n;
};

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Seconds of one answer, rows taken in turn from this rank's first block. */
static int time_answers(const struct br_task *task, const struct br_table_model *model, double *seconds) {
  size_t p = task->n_features, n = br_table_blocks(task->table) ? br_table_block_rows(task->table, 0) : 0, answers = 0;
  double *x = NULL, *column = NULL, *out = NULL;
  *seconds = 0;
  if (n == 0) return BR_OK;
  int status = br_memory_alloc(n, sizeof *column, "rows to answer", &column);
  size_t rows = n < ANSWERED_ROWS ? n : ANSWERED_ROWS;
  if (status == BR_OK) status = br_memory_alloc(rows * p, sizeof *x, "rows to answer", &x);
  if (status == BR_OK) status = br_memory_alloc(br_table_model_outputs(model), sizeof *out, "answers", &out);
  for (size_t f = 0; status == BR_OK && f < p; f++) {
    br_table_numbers(task->table, task->features[f], 0, column);
    for (size_t i = 0; i < rows; i++) x[i * p + f] = column[i];
  }
  double begin = br_clock_seconds(), now = begin;
  for (; status == BR_OK && now - begin < ANSWER_SECONDS; now = br_clock_seconds())
    for (size_t i = 0; i < rows; i++, answers++) br_table_model_predict(model, x + i * p, out);
  if (answers) *seconds = (now - begin) / (double)answers;
  br_memory_free(column);
  br_memory_free(x);
  br_memory_free(out);
  return status;
}

static int measure_once(struct cli *cli, struct br_team *team, enum br_table_model_kind kind, const struct br_task_options *options, struct times *times, bool counts, double *answer) {
  struct br_task_data data;
  struct br_table_model *model = NULL;
  double begin = br_clock_seconds();
  BR_TRY(br_task_open(cli->comm, team, options, &data));
  double read = br_clock_seconds();
  int status = table_learn(cli, team, kind, &data.task, &model, NULL);
  double end = br_clock_seconds();
  if (counts) {
    times->read[times->n] = read - begin;
    times->fit[times->n] = end - read;
    times->both[times->n++] = end - begin;
  }
  if (status == BR_OK && answer) status = time_answers(&data.task, model, answer);
  if (status == BR_OK && answer && cli->speaks && option_given(&cli->options, "out")) status = br_table_model_save(model, option_text(&cli->options, "out"));
  br_table_model_close(model);
  br_task_close(&data);
  return br_comm_agree(cli->comm, status);
}

static void report(struct cli *cli, enum br_table_model_kind kind, int threads, struct times *t, double answer) {
  const char *name = br_table_model_kind_name(kind);
  qsort(t->read, (size_t)t->n, sizeof *t->read, by_value);
  qsort(t->fit, (size_t)t->n, sizeof *t->fit, by_value);
  qsort(t->both, (size_t)t->n, sizeof *t->both, by_value);
  int middle = t->n / 2;
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:s}", "model", name, "ranks", br_comm_size(cli->comm), "threads", threads, "read_seconds", t->read[middle], "best_read_seconds", t->read[0],
                                  "fit_seconds", t->fit[middle], "best_fit_seconds", t->fit[0], "seconds", t->both[middle], "best_seconds", t->both[0], "answer_seconds", answer, "peak_rss_bytes",
                                  (json_int_t)br_memory_peak_rss_bytes(), "processor", br_cpu_name()));
    return;
  }
  char rss[32];
  if (cli->speaks)
    printf("%s, %d ranks x %d threads, median (best) of %d: read %.3f s (%.3f), fit %.3f s (%.3f), together %.3f s (%.3f); one answer %.2f us; peak RSS %s\n", name, br_comm_size(cli->comm), threads, t->n, t->read[middle], t->read[0],
           t->fit[middle], t->fit[0], t->both[middle], t->both[0], answer * 1e6, br_text_bytes((double)br_memory_peak_rss_bytes(), rss));
}

int table_bench(struct cli *cli) {
  enum br_table_model_kind kind = BR_TABLE_KINDS;
  struct br_task_options options;
  struct br_team *team = NULL;
  struct times *times = NULL;
  double answer = 0;
  int repeats = (int)option_int(&cli->options, "repeats"), warm = repeats > 1; /* a single one is taken as it comes */
  if (cli->options.n_subjects != 2) BR_FAIL(BR_ERROR_USAGE, "bramble bench table takes a kind of model, as in: bramble bench table tree --data t.csv --target y");
  int status = br_table_model_kind_parse(cli->options.subjects[1], &kind);
  if (status == BR_OK) status = table_task_options(cli, kind, &options);
  if (status == BR_OK) status = br_memory_alloc(1, sizeof *times, "times", &times);
  if (status == BR_OK) status = cli_open_team(cli, &team);
  status = br_comm_agree(cli->comm, status);
  for (int k = 0; status == BR_OK && k < repeats + warm; k++) status = measure_once(cli, team, kind, &options, times, k >= warm, k + 1 == repeats + warm ? &answer : NULL);
  if (status == BR_OK) report(cli, kind, br_team_count(team), times, answer);
  br_memory_free(times);
  br_team_close(team);
  return status;
}
