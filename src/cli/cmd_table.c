/* The verbs for tables: train linear|logistic|tree|forest|boost, eval, predict and inspect on CSV files and models of tables. The verbs' own files ask
 * table_subject() first and come here. Results are JSON objects; without --json they are printed as lines. */
#include "cli/table.h"
#include "cli/table_times.h"
#include "cli/folds.h"
#include "cli/setup.h"

#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/data/dataset.h>
#include <bramble/store/file.h>
#include <bramble/store/safetensors.h>
#include <bramble/table/evaluate.h>
#include <bramble/table/folder.h>
#include <bramble/table/task.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool table_is_kind(const char *word) {
  enum br_table_model_kind kind;
  return br_table_model_kind_parse(word, &kind) == BR_OK && kind != BR_TABLE_MLP;
}

bool table_is_model(const char *path) {
  struct br_safetensors *file;
  size_t n = strlen(path);
  if (n < 12 || strcmp(path + n - 12, ".safetensors") != 0 || br_safetensors_open(path, &file) != BR_OK) return false;
  const char *format = br_safetensors_metadata(file, "format");
  bool is = format && strncmp(format, "bramble.table.", 14) == 0;
  br_safetensors_close(file);
  return is;
}

bool table_is_csv(const char *path) {
  static const char *const ends[] = {".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt", ".libsvm", ".svm", ".svmlight"};
  size_t n = strlen(path);
  if (br_dataset_known(path)) return false;
  if (br_table_is_folder(path) || strncmp(path, "libsvm:", 7) == 0) return true;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (n >= strlen(ends[i]) && strcmp(path + n - strlen(ends[i]), ends[i]) == 0) return true;
  return false;
}

/* --- printing ------------------------------------------------------------------------------------------------------------ */

static void print_value(const json_t *value) {
  if (json_is_real(value))
    printf("%.9g", json_real_value(value));
  else if (json_is_integer(value))
    printf("%lld", (long long)json_integer_value(value));
  else if (json_is_boolean(value))
    printf(json_is_true(value) ? "yes" : "no");
  else if (json_is_string(value))
    printf("%s", json_string_value(value));
  else
    printf("-");
}

static bool all_plain(const json_t *array) {
  size_t i;
  json_t *value;
  json_array_foreach(array, i, value) if (json_is_object(value) || json_is_array(value)) return false;
  return true;
}

/* An object as lines: one fact a line, inner objects indented, lists of plain values on one line. */
static void print_object(json_t *object, int indent) {
  const char *key;
  json_t *value;
  json_object_foreach(object, key, value) {
    printf("%*s%-*s ", indent, "", 20 - indent, key);
    if (json_is_object(value)) {
      printf("\n");
      print_object(value, indent + 2);
    } else if (json_is_array(value) && all_plain(value)) {
      size_t i;
      json_t *item;
      json_array_foreach(value, i, item) {
        printf(i ? ", " : "");
        print_value(item);
      }
      printf("\n");
    } else if (json_is_array(value)) {
      size_t i;
      json_t *item;
      printf("\n");
      json_array_foreach(value, i, item) {
        if (json_is_object(item)) print_object(item, indent + 2);
        printf("\n");
      }
    } else {
      print_value(value);
      printf("\n");
    }
  }
}

void table_print(json_t *object) { print_object(object, 0); }

int table_report(struct cli *cli, json_t *report) {
  if (cli->speaks && option_flag(&cli->options, "json")) {
    json_dumpf(report, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
    putchar('\n');
  } else if (cli->speaks) {
    print_object(report, 0);
  }
  fflush(stdout);
  json_decref(report);
  return BR_OK;
}

/* --- options ------------------------------------------------------------------------------------------------------------- */

int table_csv_options(struct cli *cli, const char *path, struct br_csv_options *csv) {
  const struct options *o = &cli->options;
  const char *separator = option_text(o, "separator");
  *csv = (struct br_csv_options){.path = path, .header = option_choice(o, "header") == 0 ? -1 : option_choice(o, "header") == 1, .skip_bad_rows = option_choice(o, "bad-rows") == 1};
  if (separator) {
    csv->separator = strcmp(separator, "tab") == 0 || strcmp(separator, "\\t") == 0 ? '\t' : separator[0];
    if (separator[1] && csv->separator != '\t') BR_FAIL(BR_ERROR_USAGE, "--separator %s: one character, or tab, was expected", separator);
  }
  return BR_OK;
}

static int need_data(struct cli *cli, const char **path) {
  *path = option_text(&cli->options, "data");
  if (!*path) BR_FAIL(BR_ERROR_USAGE, "--data is missing: a CSV file, or a pattern such as 'part-*.csv'");
  return BR_OK;
}

/* What becomes of rows that lack a feature: models of weights cannot do without. */
static int missing_option(const struct options *o, enum br_table_model_kind kind, enum br_missing *missing) {
  bool weights = kind == BR_TABLE_LINEAR || kind == BR_TABLE_LOGISTIC || kind == BR_TABLE_KMEANS || kind == BR_TABLE_MLP, drop = option_flag(o, "drop-missing");
  static const enum br_missing words[] = {BR_MISSING_MEAN, BR_MISSING_MEDIAN, BR_MISSING_MODE, BR_MISSING_KEEP};
  *missing = drop || weights ? BR_MISSING_DROP : BR_MISSING_KEEP;
  if (!option_given(o, "missing")) return BR_OK;
  if (drop) BR_FAIL(BR_ERROR_USAGE, "--missing %s and --drop-missing: choose one", option_text(o, "missing"));
  *missing = words[option_choice(o, "missing")];
  if (*missing == BR_MISSING_KEEP && weights) BR_FAIL(BR_ERROR_USAGE, "--missing keep: a %s model cannot use missing values; choose mean, median or mode", br_table_model_kind_name(kind));
  return BR_OK;
}

int table_task_options(struct cli *cli, enum br_table_model_kind kind, struct br_task_options *task) {
  const struct options *o = &cli->options;
  const char *path;
  BR_TRY(need_data(cli, &path));
  *task = (struct br_task_options){.target = option_text(o, "target"), .features = option_text(o, "features"), .types = option_text(o, "types"), .dates = option_text(o, "date"), .lets = option_text(o, "let"),
                                   .where = option_text(o, "where"), .train_share = option_float(o, "split"), .seed = (uint64_t)option_int(o, "seed"), .folds = (unsigned)option_int(o, "folds"), .stratify = option_flag(o, "stratify")};
  BR_TRY(missing_option(o, kind, &task->missing));
  if (task->folds && option_given(o, "split")) BR_FAIL(BR_ERROR_USAGE, "--folds and --split: each fold is the test part in its turn; leave out --split");
  bool out_of_bag = kind == BR_TABLE_FOREST && !option_flag(o, "extra") && !task->folds;
  if (option_int(o, "permutation") && !(task->train_share < 1) && !out_of_bag) BR_FAIL(BR_ERROR_USAGE, "--permutation measures on the test part; give --split, as in --split 0.7, or use it with eval");
  int criterion = option_choice(o, "criterion");
  task->classes = kind != BR_TABLE_LINEAR && (criterion == BR_TREE_GINI || criterion == BR_TREE_ENTROPY);
  task->memory_bytes = (size_t)setup_memory_limit(cli);
  if (kind == BR_TABLE_KMEANS && task->target) BR_FAIL(BR_ERROR_USAGE, "--target: k-means has none; --features names the columns to use");
  if (kind != BR_TABLE_KMEANS && !task->target) BR_FAIL(BR_ERROR_USAGE, "--target is missing: the column to predict");
  return table_csv_options(cli, path, &task->csv);
}

/* --- the verbs ----------------------------------------------------------------------------------------------------------- */

/* Rows that were no records of the table, where there are any. */
static void report_bad_rows(const struct br_table *table, json_t *report) {
  if (br_table_bad_rows(table)) json_object_set_new(report, "bad_rows", json_integer((json_int_t)br_table_bad_rows(table)));
}

void table_report_rows(const struct br_task_data *data, json_t *report) {
  report_bad_rows(data->table, report);
  json_object_set_new(report, "dropped", json_integer((json_int_t)data->rows.dropped));
  if (data->rows.filtered) json_object_set_new(report, "filtered", json_integer((json_int_t)data->rows.filtered));
}

static int save(struct cli *cli, const struct br_table_model *model, json_t *report) {
  const char *path = option_text(&cli->options, "out");
  if (!path || !cli->speaks) return BR_OK;
  char hash[65];
  BR_TRY(br_table_model_save(model, path));
  BR_TRY(br_hash_file(path, hash));
  json_object_set_new(report, "file", json_string(path));
  json_object_set_new(report, "sha256", json_string(hash));
  return BR_OK;
}

/* What a training has, for all folds. */
struct learning {
  struct cli *cli;
  struct br_team *team;
  enum br_table_model_kind kind;
  struct br_task_options options;
  struct br_task_data data;
  struct table_times times;
};

int table_measure(struct cli *cli, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, json_t *measures) {
  int64_t repeats = option_int(&cli->options, "permutation");
  BR_TRY(br_table_evaluate(cli->comm, team, model, table, rows, measures));
  return repeats ? br_table_permute(cli->comm, team, model, table, rows, (uint64_t)option_int(&cli->options, "seed"), (int)repeats, measures) : BR_OK;
}

static int learn_and_measure(struct learning *l, struct br_table_model **model, json_t *report, json_t *test) {
  BR_TRY(table_learn(l->cli, l->team, l->kind, &l->data.task, model, report));
  table_times_mark(&l->times, "train");
  if (!l->data.rows.test) return BR_OK;
  BR_TRY(table_measure(l->cli, l->team, *model, l->data.table, &l->data.rows, test));
  table_times_mark(&l->times, "evaluate");
  return BR_OK;
}

static int learn_fold(void *arg, unsigned fold, json_t *measures) {
  struct learning *l = arg;
  struct br_table_model *model = NULL;
  BR_TRY(br_task_fold(l->cli->comm, l->team, &l->options, fold, &l->data));
  table_times_mark(&l->times, "transform");
  int status = learn_and_measure(l, &model, NULL, measures);
  br_table_model_close(model);
  return status;
}

static int learn_all(struct learning *l, json_t *report) {
  struct br_table_model *model = NULL;
  json_t *test = json_object();
  int status = learn_and_measure(l, &model, report, test);
  if (status == BR_OK && l->data.rows.test) json_object_set(report, "test", test);
  if (status == BR_OK) status = br_comm_agree(l->cli->comm, save(l->cli, model, report));
  table_times_mark(&l->times, "save");
  br_table_model_close(model);
  json_decref(test);
  return status;
}

static int train(struct learning *l, json_t *report) {
  const char *out = option_text(&l->cli->options, "out");
  int status = table_task_options(l->cli, l->kind, &l->options);
  BR_TRY(br_comm_agree(l->cli->comm, status));
  BR_TRY(table_times_open(l->cli, &l->times));
  BR_TRY(br_task_open(l->cli->comm, l->team, &l->options, &l->data));
  table_times_take(&l->times, "load", l->data.load_seconds);
  table_times_mark(&l->times, "transform");
  json_object_set_new(report, "model", json_string(br_table_model_kind_name(l->kind)));
  table_report_rows(&l->data, report);
  if (l->options.folds) {
    BR_TRY(folds_run(l->cli, learn_fold, l, report));
    if (!out) return BR_OK;
    BR_TRY(br_task_fold(l->cli->comm, l->team, &l->options, l->options.folds, &l->data));
  }
  return learn_all(l, report);
}

int table_train(struct cli *cli) {
  enum br_table_model_kind kind;
  struct br_team *team = NULL;
  BR_TRY(br_table_model_kind_parse(cli->options.subjects[0], &kind));
  BR_TRY(table_check_options(&cli->options, kind, true));
  BR_TRY(br_comm_agree(cli->comm, cli_open_team(cli, &team)));
  json_t *report = json_object();
  struct learning learning = {.cli = cli, .team = team, .kind = kind};
  int status = train(&learning, report);
  double rows = learning.data.table ? (double)br_table_rows(learning.data.table) : 0;
  br_task_close(&learning.data);
  if (status == BR_OK)
    table_report(cli, report);
  else
    json_decref(report);
  if (status == BR_OK) status = table_times_report(cli, &learning.times, rows);
  table_times_close(&learning.times);
  br_team_close(team);
  return status;
}

/* A model and a table for it. */
static int open_both(struct cli *cli, struct br_team *team, const char *where, struct table_times *times, struct br_table_model **model, struct br_table **table) {
  struct br_csv_options csv = {0};
  const char *path = NULL;
  int status = br_table_model_open(cli->options.subjects[0], model);
  if (status == BR_OK) status = need_data(cli, &path);
  if (status == BR_OK) status = table_csv_options(cli, path, &csv);
  BR_TRY(br_comm_agree(cli->comm, status));
  table_times_mark(times, "load_model");
  BR_TRY(br_table_read_for(cli->comm, team, *model, &csv, where, table));
  table_times_mark(times, "load");
  return BR_OK;
}

int table_eval(struct cli *cli) {
  BR_TRY(table_check_use(&cli->options, true));
  struct br_table_model *model = NULL;
  struct br_table *table = NULL;
  struct br_team *team = NULL;
  struct br_rows rows = {0};
  json_t *report = json_object();
  const char *where = option_text(&cli->options, "where");
  int status = br_comm_agree(cli->comm, cli_open_team(cli, &team));
  if (status == BR_OK) status = open_both(cli, team, where, &(struct table_times){0}, &model, &table);
  if (status == BR_OK && where) status = br_rows_to_measure(cli->comm, team, table, where, &rows);
  if (status == BR_OK) report_bad_rows(table, report);
  if (status == BR_OK) status = table_measure(cli, team, model, table, where ? &rows : NULL, report);
  br_rows_free(&rows);
  if (status == BR_OK)
    table_report(cli, report);
  else
    json_decref(report);
  br_table_close(table);
  br_table_model_close(model);
  br_team_close(team);
  return status;
}

static unsigned what_to_write(struct cli *cli) { return (option_flag(&cli->options, "probabilities") ? BR_PREDICT_PROBABILITIES : 0) | (option_flag(&cli->options, "explain") ? BR_PREDICT_EXPLANATION : 0); }

static int predict_row(struct cli *cli, const char *row, struct table_times *times) {
  struct br_table_model *model = NULL;
  json_t *report = NULL;
  int status = br_table_model_open(cli->options.subjects[0], &model);
  table_times_mark(times, "load_model");
  if (status == BR_OK) status = br_table_predict_row(model, row, what_to_write(cli), &report);
  table_times_mark(times, "predict");
  if (status == BR_OK) table_report(cli, report);
  br_table_model_close(model);
  return status;
}

static int predict_file(struct cli *cli, struct table_times *times, double *rows) {
  struct br_table_model *model = NULL;
  struct br_table *table = NULL;
  struct br_team *team = NULL;
  const char *out = option_text(&cli->options, "out");
  struct br_predict_counts counts = {0};
  if (!out) BR_FAIL(BR_ERROR_USAGE, "--out is missing: the CSV file for the predictions");
  int status = br_comm_agree(cli->comm, cli_open_team(cli, &team));
  if (status == BR_OK) status = open_both(cli, team, NULL, times, &model, &table);
  if (status == BR_OK) status = br_table_predict_csv(cli->comm, team, model, table, what_to_write(cli), out, &counts);
  table_times_mark(times, "predict");
  *rows = table ? (double)br_table_rows(table) : 0;
  if (status == BR_OK && counts.unknown_categories) br_warn("categories that the model does not know count as missing: %llu values", (unsigned long long)counts.unknown_categories);
  if (status == BR_OK && counts.unanswered) br_warn("no answer for %llu of %llu rows: a number is missing that the model needs", (unsigned long long)counts.unanswered, (unsigned long long)br_table_rows(table));
  if (status == BR_OK)
    table_report(cli, json_pack("{s:s,s:I,s:I,s:I}", "file", out, "rows", (json_int_t)br_table_rows(table), "unknown_categories", (json_int_t)counts.unknown_categories, "unanswered", (json_int_t)counts.unanswered));
  br_table_close(table);
  br_table_model_close(model);
  br_team_close(team);
  return status;
}

int table_predict(struct cli *cli) {
  const char *row = option_text(&cli->options, "row");
  struct table_times times;
  double rows = 1;
  BR_TRY(table_check_use(&cli->options, true));
  if (row && option_given(&cli->options, "out")) BR_FAIL(BR_ERROR_USAGE, "--out: the answer of --row is printed; leave it out, or give the row as a file by --data");
  int status = table_times_open(cli, &times);
  if (status == BR_OK) status = row ? br_comm_agree(cli->comm, cli->speaks ? predict_row(cli, row, &times) : BR_OK) : predict_file(cli, &times, &rows);
  if (status == BR_OK) status = table_times_report(cli, &times, rows);
  table_times_close(&times);
  return status;
}

/* One rank's work, whatever others there are: they wait outside. */
int table_pack(struct cli *cli, const char *path, const char *folder) {
  struct br_comm *self = NULL;
  struct br_team *team = NULL;
  struct br_table *table = NULL;
  struct br_csv_options csv;
  if (br_file_same(path, folder)) BR_FAIL(BR_ERROR_USAGE, "%s: is the table that is read; choose another name for the folder", folder);
  int status = table_csv_options(cli, path, &csv);
  if (status == BR_OK) status = br_comm_open_self(&self);
  if (status == BR_OK) status = cli_open_team(cli, &team);
  if (status == BR_OK) status = br_table_read_typed(self, team, &csv, option_text(&cli->options, "types"), &table);
  if (status == BR_OK) status = br_table_write_folder(table, folder);
  if (status == BR_OK) {
    json_t *report = json_pack("{s:s,s:I,s:I}", "folder", folder, "rows", (json_int_t)br_table_rows(table), "columns", (json_int_t)br_table_columns(table));
    report_bad_rows(table, report);
    table_report(cli, report);
  }
  br_table_close(table);
  br_team_close(team);
  br_comm_close(self);
  return status;
}
