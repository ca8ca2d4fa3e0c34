/* Words to columns: what the command line says about a table becomes a task. */
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/store/csv.h>
#include <bramble/table/task.h>

#include <math.h>
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

/* Names with commas between, and `extra` (may be NULL) at the end. */
static int names_split(const char *text, const char *extra, struct names *out) {
  size_t most = 2;
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
  if (extra) out->list[out->n++] = extra;
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

/* "zip=category,..." as choices that point into names; the target's last. */
static int parse_types(const struct br_task_options *options, struct names *names, struct br_column_choice **out, size_t *n) {
  BR_TRY(names_split(options->types, NULL, names));
  struct br_column_choice *choices = calloc(names->n + 1, sizeof *choices);
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
  if (options->classes && options->target) choices[(*n)++] = (struct br_column_choice){options->target, BR_COLUMN_CATEGORY};
  return BR_OK;
}

/* --- the task ------------------------------------------------------------------------------------------------------------ */

static int pick_features(const struct br_task_options *options, const struct names *wanted, struct br_task_data *data) {
  const struct br_table *table = data->table;
  size_t columns = br_table_columns(table), n = 0;
  BR_TRY(br_memory_alloc(columns, sizeof *data->features, "features", &data->features));
  if (options->features) {
    for (size_t i = 0; i < wanted->n - (options->target ? 1 : 0); i++) {
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
      if (options->target && c == data->task.target) continue;
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

/* A feature that holds the target's own values makes a model that knows nothing. */
static int warn_of_copies(struct br_comm *comm, const struct br_task_data *data) {
  const struct br_table *t = data->table;
  double *y = NULL, *x = NULL;
  int64_t *differs = NULL;
  size_t n = data->task.n_features;
  int status = br_memory_alloc(n, sizeof *differs, "columns", &differs);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(t), sizeof *y, "values", &y);
  if (status == BR_OK) status = br_memory_alloc(br_table_largest_block(t), sizeof *x, "values", &x);
  for (size_t b = 0; status == BR_OK && b < br_table_blocks(t); b++) {
    size_t open = 0;
    for (size_t f = 0; f < n; f++) open += !differs[f];
    if (open == 0) break;
    br_table_numbers(t, data->task.target, b, y);
    for (size_t f = 0; f < n; f++) {
      if (differs[f]) continue;
      br_table_numbers(t, data->task.features[f], b, x);
      for (size_t i = 0; i < br_table_block_rows(t, b) && !differs[f]; i++) differs[f] = x[i] != y[i] && !(isnan(x[i]) && isnan(y[i]));
    }
  }
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br_comm_max_i64(comm, differs, n);
  for (size_t f = 0; status == BR_OK && f < n; f++)
    if (!differs[f] && br_table_type(t, data->task.features[f]) == br_table_type(t, data->task.target))
      br_warn("the feature %s is equal to the target %s in every row", br_table_name(t, data->task.features[f]), br_table_name(t, data->task.target));
  br_memory_free(x);
  br_memory_free(y);
  br_memory_free(differs);
  return status;
}

static int make_task(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, const struct names *wanted, struct br_task_data *data) {
  data->task = (struct br_task){.table = data->table, .target = SIZE_MAX, .rows = &data->rows, .seed = options->seed, .memory_bytes = options->memory_bytes};
  if (options->target) BR_TRY(br_table_find(data->table, options->target, &data->task.target));
  BR_TRY(pick_features(options, wanted, data));
  size_t n = data->task.n_features, *required;
  if (options->target && br_table_type(data->table, data->task.target) == BR_COLUMN_TEXT)
    BR_FAIL(BR_ERROR_DATA, "the target %s has more than %d different texts; no model can learn so many classes", options->target, BR_CATEGORY_LIMIT);
  BR_TRY(br_memory_alloc(n + 1, sizeof *required, "columns", &required));
  size_t n_required = 0;
  if (options->target) required[n_required++] = data->task.target;
  for (size_t f = 0; options->drop_missing && f < n; f++) required[n_required++] = data->task.features[f];
  struct br_rows_options rows = {.required = required, .n_required = n_required, .train_share = options->train_share, .seed = options->seed};
  int status = br_rows_choose(comm, team, data->table, &rows, &data->rows);
  br_memory_free(required);
  BR_TRY(status);
  return options->target ? warn_of_copies(comm, data) : BR_OK;
}

int br_task_open(struct br_comm *comm, struct br_team *team, const struct br_task_options *options, struct br_task_data *out) {
  struct names wanted = {0}, typed = {0};
  struct br_column_choice *choices = NULL;
  struct br_csv_options csv = options->csv;
  *out = (struct br_task_data){0};
  int status = names_split(options->features, options->target, &wanted);
  if (status == BR_OK) status = parse_types(options, &typed, &choices, &csv.n_choices);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    csv.choices = choices;
    if (options->features) csv.wanted = wanted.list, csv.n_wanted = wanted.n;
    status = br_table_read_csv(comm, team, &csv, &out->table);
  }
  if (status == BR_OK) status = make_task(comm, team, options, &wanted, out);
  free(choices);
  names_free(&typed);
  names_free(&wanted);
  if (status != BR_OK) br_task_close(out);
  return status;
}

void br_task_close(struct br_task_data *data) {
  br_rows_free(&data->rows);
  br_table_close(data->table);
  br_memory_free(data->features);
  *data = (struct br_task_data){0};
}

/* --- a table for a model ------------------------------------------------------------------------------------------------- */

int br_table_read_for(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_csv_options *csv, struct br_table **out) {
  size_t n = br_table_model_features(model), k = 0;
  const struct br_table_model_column *target = br_table_model_target(model);
  struct br_column_choice *choices = calloc(n + 1, sizeof *choices);
  const char **wanted = calloc(n + 1, sizeof *wanted);
  struct br_csv_options options = *csv;
  int status = choices && wanted ? BR_OK : br_error_set(BR_ERROR_MEMORY, "no memory for the names of columns");
  for (size_t f = 0; status == BR_OK && f <= n; f++) {
    const struct br_table_model_column *column = f < n ? br_table_model_feature(model, f) : target;
    if (!column->name) continue;
    choices[k] = (struct br_column_choice){column->name, column->type == BR_COLUMN_CATEGORY ? BR_COLUMN_CATEGORY : column->type};
    wanted[k++] = column->name;
  }
  status = br_comm_agree(comm, status);
  if (status == BR_OK) {
    options.choices = choices;
    options.n_choices = k;
    options.wanted = wanted;
    options.n_wanted = k;
    options.lenient = true;
    status = br_table_read_csv(comm, team, &options, out);
  }
  free(choices);
  free(wanted);
  return status;
}
