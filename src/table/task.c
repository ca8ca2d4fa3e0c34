/* Words to columns: what the command line says about a table becomes a task. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/store/csv.h>
#include <bramble/table/task.h>

#include "checks.h"
#include "fill.h"
#include "model.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A list of names cut from one text; the text is copied and owned. */
struct names {
  char *text;
  const char **list;
  size_t n;
};

static void names_free(struct names *names) {
  free(names->text);
  free(names->list);
  *names = (struct names){0};
}

/* Names with commas between. */
static int names_split(const char *text, struct names *out) {
  size_t most = 1;
  for (const char *p = text; p && *p; p++) most += *p == ',';
  *out = (struct names){.text = strdup(text ? text : ""), .list = calloc(most, sizeof *out->list)};
  if (!out->text || !out->list) {
    names_free(out);
    BR_FAIL(BR_ERROR_MEMORY, "no memory for the names of columns");
  }
  for (char *p = out->text; *p;) {
    size_t length = strcspn(p, ",");
    bool last = p[length] == 0;
    p[length] = 0;
    if (length) out->list[out->n++] = p;
    p += length + !last;
  }
  return BR_OK;
}

static int parse_type(const char *word, enum br_column_type *out) {
  for (enum br_column_type t = BR_COLUMN_NUMBER; t <= BR_COLUMN_DATE; t++)
    if (strcmp(word, br_column_type_name(t)) == 0) {
      *out = t;
      return BR_OK;
    }
  BR_FAIL(BR_ERROR_USAGE, "--types: %s is no type; there are number, category and date", word);
}

/* Columns of dates are read as their form says. */
static void add_dates(const struct br__steps *steps, struct br_column_choice *choices, size_t *n) {
  for (size_t i = 0; i < steps->n; i++)
    if (steps->list[i].kind == BR__STEP_DATE) choices[(*n)++] = (struct br_column_choice){steps->list[i].name, BR_COLUMN_DATE, steps->list[i].text};
}

/* "zip=category,..." as choices that point into names; then the dates', then the target's. */
static int parse_types(const struct br_task_options *options, const struct br__steps *steps, struct names *names, struct br_column_choice **out, size_t *n) {
  BR_TRY(names_split(options->types, names));
  struct br_column_choice *choices = calloc(names->n + steps->n + 1, sizeof *choices);
  if (!choices) BR_FAIL(BR_ERROR_MEMORY, "no memory for types");
  *out = choices;
  *n = 0;
  for (size_t i = 0; i < names->n; i++) {
    char *equal = strchr(names->list[i], '=');
    if (!equal) BR_FAIL(BR_ERROR_USAGE, "--types: name=type was expected, not %s", names->list[i]);
    *equal = 0;
    choices[*n].name = names->list[i];
    BR_TRY(parse_type(equal + 1, &choices[*n].type));
    ++*n;
  }
  add_dates(steps, choices, n);
  if (options->classes && options->target) choices[(*n)++] = (struct br_column_choice){.name = options->target, .type = BR_COLUMN_CATEGORY};
  return BR_OK;
}

/* --- the task ------------------------------------------------------------------------------------------------------------ */

/* A date that has given place to its parts. */
static bool is_split(const struct br_table *table, size_t column) {
  for (size_t i = 0; i < table->steps.n; i++)
    if (table->steps.list[i].kind == BR__STEP_DATE && strcmp(table->steps.list[i].name, br_table_name(table, column)) == 0) return true;
  return false;
}

static int pick_features(const struct br_task_options *options, const struct names *wanted, struct br_task_data *data) {
  const struct br_table *table = data->table;
  size_t columns = br_table_columns(table), n = 0;
  BR_TRY(br_memory_alloc(columns, sizeof *data->features, "features", &data->features));
  if (options->features) {
    for (size_t i = 0; i < wanted->n; i++) {
      size_t column;
      BR_TRY(br_table_find(table, wanted->list[i], &column));
      if (options->target && column == data->task.target) BR_FAIL(BR_ERROR_USAGE, "%s is the target and among the features", wanted->list[i]);
      for (size_t k = 0; k < n; k++)
        if (data->features[k] == column) BR_FAIL(BR_ERROR_USAGE, "the feature %s is named twice", wanted->list[i]);
      if (br_table_type(table, column) == BR_COLUMN_TEXT) BR_FAIL(BR_ERROR_DATA, "column %s has more than %d different texts; it cannot be a feature", wanted->list[i], BR_CATEGORY_LIMIT);
      data->features[n++] = column;
    }
  } else {
    for (size_t c = 0; c < columns; c++) {
      if ((options->target && c == data->task.target) || is_split(table, c)) continue;
      if (br_table_type(table, c) == BR_COLUMN_TEXT)
        br_warn("column %s has more than %d different texts and is left out", br_table_name(table, c), BR_CATEGORY_LIMIT);
      else
        data->features[n++] = c;
    }
  }
  if (n == 0) BR_FAIL(BR_ERROR_DATA, "%s: there is no column beside the target to learn from", options->csv.path);
  data->task.features = data->features;
  data->task.n_features = n;
  return BR_OK;
}

static int choose_rows(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, unsigned fold, struct br_task_data *data) {
  size_t n = data->task.n_features, *required, n_required = 0;
  BR_TRY(br_memory_alloc(n + 1, sizeof *required, "columns", &required));
  if (options->target) required[n_required++] = data->task.target;
  for (size_t f = 0; options->missing == BR_MISSING_DROP && f < n; f++) required[n_required++] = data->task.features[f];
  for (size_t f = 0; f < n; f++) br__table_fill(data->table, data->task.features[f], NAN); /* those of other training rows */
  br_rows_free(&data->rows);
  struct br_rows_options rows = {.required = required, .n_required = n_required, .train_share = options->train_share, .seed = options->seed, .where = options->where, .folds = options->folds, .fold = fold,
                                 .stratify = options->stratify, .classes = data->task.target};
  int status = br_rows_choose(comm, team, data->table, &rows, &data->rows);
  br_memory_free(required);
  BR_TRY(status);
  if (options->target) BR_TRY(br__check_target(comm, &data->task));
  return br__fill_missing(comm, options->missing, &data->task, data->table);
}

int br_task_fold(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, unsigned fold, struct br_task_data *data) { return choose_rows(comm, team, options, fold, data); }

static int make_task(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, const struct names *wanted, struct br_task_data *data) {
  data->task = (struct br_task){.table = data->table, .target = SIZE_MAX, .rows = &data->rows, .seed = options->seed, .memory_bytes = options->memory_bytes};
  if (options->target) BR_TRY(br_table_find(data->table, options->target, &data->task.target));
  BR_TRY(pick_features(options, wanted, data));
  enum br_column_type type = options->target ? br_table_type(data->table, data->task.target) : BR_COLUMN_NUMBER;
  if (type == BR_COLUMN_TEXT) BR_FAIL(BR_ERROR_DATA, "the target %s has more than %d different texts; no model can learn so many classes", options->target, BR_CATEGORY_LIMIT);
  if (options->stratify && type != BR_COLUMN_CATEGORY) BR_FAIL(BR_ERROR_USAGE, "--stratify divides classes alike, and the target %s is a %s", options->target ? options->target : "none", br_column_type_name(type));
  BR_TRY(choose_rows(comm, team, options, options->folds, data));
  if (options->folds > data->rows.train) BR_FAIL(BR_ERROR_USAGE, "--folds %u: there are %llu rows; choose fewer parts", options->folds, (unsigned long long)data->rows.train);
  BR_TRY(br__warn_of_infinities(comm, &data->task));
  return options->target ? br__warn_of_copies(comm, &data->task) : BR_OK;
}

/* The columns of the file that the options speak of, where they name the features. */
static int name_columns(const struct br_task_options *options, const struct br__steps *steps, const struct names *features, struct br__names *columns) {
  for (size_t i = 0; i < features->n; i++) BR_TRY(br__names_add(columns, features->list[i]));
  if (options->target) BR_TRY(br__names_add(columns, options->target));
  if (options->where && br__names_of(columns, options->where) != BR_OK) return br_error_prefix(BR_ERROR_USAGE, "--where");
  return br__steps_sources(steps, columns);
}

/* Reading is lenient, so that whoever misses a column says where it was named; but types are of columns that are there. */
static int check_types(const struct br_table *table, const struct br_column_choice *choices, size_t n) {
  for (size_t i = 0; i < n; i++) BR_TRY(br__table_check_name(table, choices[i].name));
  return BR_OK;
}

int br_task_open(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, struct br_task_data *out) {
  struct names features = {0}, typed = {0};
  struct br__names columns = {0};
  struct br__steps steps = {0};
  struct br_column_choice *choices = NULL;
  struct br_csv_options csv = options->csv;
  *out = (struct br_task_data){0};
  int status = br__steps_parse(options->dates, options->lets, &steps);
  if (status == BR_OK) status = names_split(options->features, &features);
  if (status == BR_OK) status = parse_types(options, &steps, &typed, &choices, &csv.n_choices);
  if (status == BR_OK) status = name_columns(options, &steps, &features, &columns);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    csv.choices = choices;
    csv.lenient = true;
    if (options->features) csv.wanted = (const char *const *)columns.list, csv.n_wanted = columns.n;
    out->load_seconds = -br_clock_seconds();
    status = br_table_read_csv(comm, team, &csv, &out->table);
    out->load_seconds += br_clock_seconds();
  }
  double loaded = br_clock_seconds();
  if (status == BR_OK) status = check_types(out->table, choices, csv.n_choices);
  if (status == BR_OK) status = br__steps_apply(comm, team, &steps, false, true, out->table);
  if (status == BR_OK) status = make_task(comm, team, options, &features, out);
  out->transform_seconds = br_clock_seconds() - loaded;
  free(choices);
  names_free(&typed);
  names_free(&features);
  br__names_free(&columns);
  br__steps_free(&steps);
  if (status != BR_OK) br_task_close(out);
  return status;
}

int br_table_read_typed(struct br_comm *comm, struct br_team *team, const struct br_csv_options *csv, const char *types, struct br_table **out) {
  struct names typed = {0};
  struct br__steps none = {0};
  struct br_column_choice *choices = NULL;
  struct br_csv_options options = *csv;
  *out = NULL;
  int status = br_comm_agree(comm, parse_types(&(struct br_task_options){.types = types}, &none, &typed, &choices, &options.n_choices));
  options.choices = choices;
  if (status == BR_OK) status = br_table_read_csv(comm, team, &options, out);
  free(choices);
  names_free(&typed);
  return status;
}

void br_task_close(struct br_task_data *data) {
  br_rows_free(&data->rows);
  br_table_close(data->table);
  br_memory_free(data->features);
  *data = (struct br_task_data){0};
}

/* --- a table for a model ------------------------------------------------------------------------------------------------- */

/* The columns of the file that the model's features come from, and behind the first *n_needed of them those that are welcome. */
static int model_sources(const struct br_table_model *model, const char *where, struct br__names *names, size_t *n_needed) {
  for (size_t f = 0; f < model->n_features; f++) BR_TRY(br__names_add(names, model->features[f].name));
  BR_TRY(br__steps_sources(&model->steps, names));
  *n_needed = names->n;
  struct br__names welcome = {0};
  int status = model->target.name ? br__names_add(&welcome, model->target.name) : BR_OK;
  if (status == BR_OK && where && br__names_of(&welcome, where) != BR_OK) status = br_error_prefix(BR_ERROR_USAGE, "--where");
  if (status == BR_OK) status = br__steps_sources(&model->steps, &welcome);
  for (size_t i = 0; status == BR_OK && i < welcome.n; i++) status = br__names_add(names, welcome.list[i]);
  br__names_free(&welcome);
  return status;
}

static enum br_column_type source_type(const struct br_table_model *model, const char *name) {
  if (model->target.name && strcmp(model->target.name, name) == 0) return model->target.type;
  for (size_t f = 0; f < model->n_features; f++)
    if (strcmp(model->features[f].name, name) == 0) return model->features[f].type;
  for (size_t i = 0; i < model->steps.n_origins; i++)
    if (strcmp(model->steps.origins[i].name, name) == 0) return model->steps.origins[i].type;
  return BR_COLUMN_AUTO;
}

static int check_columns(const struct br_table *table, const struct br__names *names, size_t n) {
  char lacking[256] = "";
  size_t used = 0;
  for (size_t i = 0; i < n; i++) {
    bool there = false;
    for (size_t c = 0; c < br_table_columns(table) && !there; c++) there = strcmp(br_table_name(table, c), names->list[i]) == 0;
    if (!there && used < sizeof lacking - 8) used += (size_t)snprintf(lacking + used, sizeof lacking - used, "%s%s", used ? ", " : "", names->list[i]);
  }
  if (used) BR_FAIL(BR_ERROR_DATA, "the data lacks columns the model needs: %s", lacking);
  return BR_OK;
}

/* Columns of a form of dates are read as it says, the rest as they were in the training. */
static void choose_types(const struct br_table_model *model, const struct br__names *names, struct br_column_choice *choices) {
  for (size_t i = 0; i < names->n; i++) {
    choices[i] = (struct br_column_choice){.name = names->list[i], .type = source_type(model, names->list[i])};
    for (size_t k = 0; k < model->steps.n; k++)
      if (model->steps.list[k].kind == BR__STEP_DATE && strcmp(model->steps.list[k].name, names->list[i]) == 0) choices[i].format = model->steps.list[k].text;
  }
}

int br_table_read_for(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_csv_options *csv, const char *where, struct br_table **out) {
  struct br__names names = {0};
  struct br__steps steps = {0};
  struct br_column_choice *choices = NULL;
  struct br_csv_options options = *csv;
  size_t n_needed = 0;
  *out = NULL;
  int status = model_sources(model, where, &names, &n_needed);
  if (status == BR_OK) status = br_memory_alloc(names.n, sizeof *choices, "columns", &choices);
  if (status == BR_OK) status = br__steps_clone(&model->steps, &steps);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    choose_types(model, &names, choices);
    options.choices = choices;
    options.n_choices = names.n;
    options.wanted = (const char *const *)names.list;
    options.n_wanted = names.n;
    options.lenient = true;
    status = br_table_read_csv(comm, team, &options, out);
  }
  if (status == BR_OK) status = check_columns(*out, &names, n_needed);
  if (status == BR_OK) status = br__steps_apply(comm, team, &steps, true, false, *out);
  br_memory_free(choices);
  br__names_free(&names);
  br__steps_free(&steps);
  if (status == BR_OK) return BR_OK;
  br_table_close(*out);
  *out = NULL;
  return status;
}

int br_rows_to_measure(struct br_comm *comm, struct br_team *team, const struct br_table *table, const char *where, struct br_rows *out) {
  return br_rows_choose(comm, team, table, &(struct br_rows_options){.where = where}, out);
}
