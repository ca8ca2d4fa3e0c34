/* The part of models that is the same for all kinds: columns, the file, and rows of a table brought to a model's codes. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "model.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct br__model_class *const classes[BR_TABLE_KINDS] = {&br__linear_class, &br__logistic_class, &br__tree_class, &br__forest_class, &br__boost_class, &br__kmeans_class, &br__bayes_class, &br__mlp_class};

const char *br_table_model_kind_name(enum br_table_model_kind kind) { return classes[kind]->name; }

int br_table_model_kind_parse(const char *name, enum br_table_model_kind *out) {
  for (int k = 0; k < BR_TABLE_KINDS; k++)
    if (strcmp(name, classes[k]->name) == 0) {
      *out = (enum br_table_model_kind)k;
      return BR_OK;
    }
  BR_FAIL(BR_ERROR_USAGE, "%s is no kind of model for tables; there are linear, logistic, tree, forest, boost, kmeans, bayes and mlp", name);
}

/* --- columns ------------------------------------------------------------------------------------------------------------- */

static int copy_column(const struct br_table *table, size_t column, struct br_table_model_column *out) {
  out->type = br_table_type(table, column);
  out->name = strdup(br_table_name(table, column));
  size_t n = out->type == BR_COLUMN_CATEGORY ? br_table_categories(table, column) : 0;
  out->categories = calloc(n + 1, sizeof *out->categories);
  if (!out->name || !out->categories) BR_FAIL(BR_ERROR_MEMORY, "no memory for the names of categories");
  for (size_t i = 0; i < n; i++) {
    out->categories[i] = strdup(br_table_category(table, column, i));
    if (!out->categories[i]) BR_FAIL(BR_ERROR_MEMORY, "no memory for the names of categories");
    out->n_categories = i + 1;
  }
  return BR_OK;
}

static void free_column(struct br_table_model_column *column) {
  for (size_t i = 0; i < column->n_categories; i++) free(column->categories[i]);
  free(column->categories);
  free(column->name);
}

static int new_model(enum br_table_model_kind kind, size_t n_features, struct br_table_model **out) {
  *out = calloc(1, sizeof **out);
  struct br_table_model_column *features = calloc(n_features + 1, sizeof *features);
  if (!*out || !features) {
    free(features);
    free(*out);
    *out = NULL;
    BR_FAIL(BR_ERROR_MEMORY, "no memory for a model of %zu columns", n_features);
  }
  **out = (struct br_table_model){.kind = kind, .features = features, .n_features = n_features};
  return BR_OK;
}

/* The steps of the table that the model's columns come from. */
static int copy_steps(const struct br_table *table, struct br_table_model *model) {
  const char **names;
  size_t n = 0;
  BR_TRY(br_memory_alloc(model->n_features + 1, sizeof *names, "column names", &names));
  for (size_t i = 0; i < model->n_features; i++) names[n++] = model->features[i].name;
  if (model->target.name) names[n++] = model->target.name;
  int status = br__steps_copy(table, names, n, &model->steps);
  br_memory_free(names);
  return status;
}

int br__model_create(enum br_table_model_kind kind, const struct br_table *table, const size_t *features, size_t n_features, size_t target, struct br_table_model **out) {
  BR_TRY(new_model(kind, n_features, out));
  int status = BR_OK;
  for (size_t i = 0; status == BR_OK && i < n_features; i++) status = copy_column(table, features[i], &(*out)->features[i]);
  if (status == BR_OK && target != SIZE_MAX) status = copy_column(table, target, &(*out)->target);
  if (status == BR_OK) status = copy_steps(table, *out);
  (*out)->outputs = (*out)->target.type == BR_COLUMN_CATEGORY ? (*out)->target.n_categories : 1;
  if (status == BR_OK && !((*out)->settings = json_object())) status = br_error_set(BR_ERROR_MEMORY, "no memory for a model");
  if (status != BR_OK) {
    br_table_model_close(*out);
    *out = NULL;
  }
  return status;
}

void br_table_model_close(struct br_table_model *model) {
  if (!model) return;
  if (model->body) classes[model->kind]->free(model);
  br_safetensors_close(model->file);
  for (size_t i = 0; i < model->n_features; i++) free_column(&model->features[i]);
  free_column(&model->target);
  free(model->features);
  br__steps_free(&model->steps);
  json_decref(model->settings);
  free(model);
}

enum br_table_model_kind br_table_model_kind(const struct br_table_model *model) { return model->kind; }
size_t br_table_model_outputs(const struct br_table_model *model) { return model->outputs; }
void br_table_model_predict(const struct br_table_model *model, const double *x, double *out) { classes[model->kind]->predict(model, x, out); }
void br_table_model_predict_rows(const struct br_table_model *model, const double *x, size_t n, double *out) {
  const struct br__model_class *class = classes[model->kind];
  if (class->predict_rows)
    class->predict_rows(model, x, n, out);
  else
    for (size_t i = 0; i < n; i++) class->predict(model, x + i * model->n_features, out + i * model->outputs);
}

/* The steps as people would write them. */
static json_t *steps_words(const struct br__steps *steps) {
  json_t *list = json_array();
  for (size_t i = 0; i < steps->n; i++) {
    const struct br__step *s = &steps->list[i];
    if (s->kind == BR__STEP_DATE)
      json_array_append_new(list, json_sprintf("date %s=%s", s->name, s->text ? s->text : "ISO"));
    else if (s->kind == BR__STEP_LET)
      json_array_append_new(list, json_sprintf("let %s=%s", s->name, s->text));
    else
      json_array_append_new(list, s->text ? json_sprintf("missing %s=%s", s->name, s->text) : json_sprintf("missing %s=%.9g", s->name, s->value));
  }
  return list;
}

json_t *br_table_model_describe(const struct br_table_model *model) {
  json_t *root = json_object();
  if (!root) return NULL;
  json_object_set_new(root, "model", json_string(classes[model->kind]->name));
  if (model->target.name) json_object_set_new(root, "target", json_string(model->target.name));
  if (model->outputs > 1) json_object_set_new(root, "classes", json_integer((json_int_t)model->outputs));
  json_t *features = json_array();
  for (size_t i = 0; i < model->n_features; i++) json_array_append_new(features, json_string(model->features[i].name));
  json_object_set_new(root, "features", features);
  if (model->steps.n) json_object_set_new(root, "steps", steps_words(&model->steps));
  json_object_set(root, "settings", model->settings);
  classes[model->kind]->describe(model, root);
  return root;
}

size_t br__model_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) { return classes[model->kind]->tensors(model, entries); }

char *br_table_model_text(const struct br_table_model *model, size_t most_lines) { return classes[model->kind]->text ? classes[model->kind]->text(model, most_lines) : NULL; }

const struct br__trees *br__model_trees(const struct br_table_model *model) { return classes[model->kind]->trees ? classes[model->kind]->trees(model) : NULL; }

/* --- the file ------------------------------------------------------------------------------------------------------------ */

static json_t *column_json(const struct br_table_model_column *column) {
  json_t *categories = json_array();
  for (size_t i = 0; i < column->n_categories; i++) {
    json_t *name = json_string(column->categories[i]);
    json_array_append_new(categories, name ? name : json_stringn_nocheck("?", 1)); /* not UTF-8 */
  }
  return json_pack("{s:s,s:s,s:o}", "name", column->name, "type", br_column_type_name(column->type), "categories", categories);
}

static char *columns_text(const struct br_table_model *model) {
  json_t *features = json_array();
  for (size_t i = 0; i < model->n_features; i++) json_array_append_new(features, column_json(&model->features[i]));
  json_t *root = json_pack("{s:o}", "features", features);
  if (model->target.name) json_object_set_new(root, "target", column_json(&model->target));
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  return text;
}

int br_table_model_save(const struct br_table_model *model, const char *path) {
  struct br_tensor_entry tensors[BR__MODEL_TENSORS];
  size_t n = classes[model->kind]->tensors(model, tensors);
  char *columns = columns_text(model), *settings = json_dumps(model->settings, JSON_COMPACT);
  int status = BR_OK;
  if (!columns || !settings) status = br_error_set(BR_ERROR_FAILED, "%s: a column name is not UTF-8 text", path);
  json_t *json = model->steps.n ? br__steps_json(&model->steps) : NULL;
  char *steps = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(json);
  const struct br_metadata_entry metadata[] = {{"format", "bramble.table.1"}, {"kind", classes[model->kind]->name}, {"columns", columns}, {"settings", settings}, {"steps", steps}};
  if (model->steps.n && !steps && status == BR_OK) status = br_error_set(BR_ERROR_FAILED, "%s: a formula is not UTF-8 text", path);
  if (status == BR_OK) status = br_safetensors_write(path, tensors, n, metadata, steps ? 5 : 4);
  free(steps);
  free(columns);
  free(settings);
  return status;
}

static int parse_column(const char *path, const json_t *json, struct br_table_model_column *out) {
  const char *name = json_string_value(json_object_get(json, "name")), *type = json_string_value(json_object_get(json, "type"));
  const json_t *categories = json_object_get(json, "categories");
  if (!name || !type || !json_is_array(categories)) BR_FAIL(BR_ERROR_DATA, "%s: a column's description is damaged", path);
  for (enum br_column_type t = BR_COLUMN_AUTO; t <= BR_COLUMN_TEXT; t++)
    if (strcmp(type, br_column_type_name(t)) == 0) out->type = t;
  size_t n = json_array_size(categories);
  out->name = strdup(name);
  out->categories = calloc(n + 1, sizeof *out->categories);
  if (!out->name || !out->categories) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory for it", path);
  for (size_t i = 0; i < n; i++) {
    const char *text = json_string_value(json_array_get(categories, i));
    if (!text || !(out->categories[i] = strdup(text))) BR_FAIL(BR_ERROR_DATA, "%s: a category of column %s is damaged", path, name);
    out->n_categories = i + 1;
  }
  return BR_OK;
}

static int load_model(const char *path, const struct br_safetensors *file, struct br_table_model **out) {
  const char *format = br_safetensors_metadata(file, "format"), *kind_name = br_safetensors_metadata(file, "kind");
  const char *columns = br_safetensors_metadata(file, "columns"), *settings = br_safetensors_metadata(file, "settings");
  enum br_table_model_kind kind = BR_TABLE_KINDS;
  if (!format || strncmp(format, "bramble.table.", 14) != 0 || !kind_name || !columns || !settings) BR_FAIL(BR_ERROR_DATA, "%s: is no model of a table", path);
  if (strcmp(format, "bramble.table.1") != 0) BR_FAIL(BR_ERROR_DATA, "%s: is a %s, which this bramble does not know", path, format);
  if (br_table_model_kind_parse(kind_name, &kind) != BR_OK) BR_FAIL(BR_ERROR_DATA, "%s: holds a %s, which this bramble does not know", path, kind_name);
  json_t *root = json_loads(columns, 0, NULL), *features = json_object_get(root, "features"), *target = json_object_get(root, "target");
  size_t n = json_array_size(features);
  int status = json_is_array(features) ? new_model(kind, n, out) : br_error_set(BR_ERROR_DATA, "%s: its columns are damaged", path);
  for (size_t i = 0; status == BR_OK && i < n; i++) status = parse_column(path, json_array_get(features, i), &(*out)->features[i]);
  if (status == BR_OK && target) status = parse_column(path, target, &(*out)->target);
  json_decref(root);
  BR_TRY(status);
  (*out)->outputs = (*out)->target.type == BR_COLUMN_CATEGORY ? (*out)->target.n_categories : 1;
  (*out)->settings = json_loads(settings, 0, NULL);
  if (!json_is_object((*out)->settings)) BR_FAIL(BR_ERROR_DATA, "%s: its settings are damaged", path);
  const char *steps = br_safetensors_metadata(file, "steps");
  if (steps) {
    json_t *json = json_loads(steps, 0, NULL);
    status = json ? br__steps_load(json, &(*out)->steps) : br_error_set(BR_ERROR_DATA, "its steps are damaged");
    json_decref(json);
  }
  if (status == BR_OK) status = classes[kind]->load(*out, file);
  return status == BR_OK ? BR_OK : br_error_prefix(status, "%s", path);
}

int br_table_model_open(const char *path, struct br_table_model **out) {
  struct br_safetensors *file;
  *out = NULL;
  BR_TRY(br_safetensors_open(path, &file));
  int status = load_model(path, file, out);
  if (status != BR_OK) {
    br_table_model_close(*out);
    br_safetensors_close(file);
    *out = NULL;
  } else {
    (*out)->file = file;
  }
  return status;
}

int br__model_tensor(const struct br_safetensors *file, const char *name, enum br_dtype type, size_t count, const void **data, size_t *elements) {
  const struct br_tensor_entry *t = br_safetensors_find(file, name);
  if (!t || t->type != type || t->dims != 1) BR_FAIL(BR_ERROR_DATA, "tensor %s is missing or of another type", name);
  if (count != SIZE_MAX && t->shape[0] != count) BR_FAIL(BR_ERROR_DATA, "tensor %s has %llu numbers where %zu are needed", name, (unsigned long long)t->shape[0], count);
  *data = t->data;
  if (elements) *elements = (size_t)t->shape[0];
  return BR_OK;
}

/* --- bodies -------------------------------------------------------------------------------------------------------------- */

size_t br__feature_width(const struct br_table_model_column *feature) { return feature->type == BR_COLUMN_CATEGORY ? feature->n_categories : 1; }

int br__model_load_body(const struct br_table_model *model, const struct br_safetensors *file) {
  struct br_tensor_entry wanted[BR__MODEL_TENSORS];
  size_t n = classes[model->kind]->tensors(model, wanted);
  for (size_t i = 0; i < n; i++) {
    const void *data;
    BR_TRY(br__model_tensor(file, wanted[i].name, wanted[i].type, (size_t)wanted[i].shape[0], &data, NULL));
    if (wanted[i].shape[0]) memcpy((void *)(uintptr_t)wanted[i].data, data, (size_t)wanted[i].shape[0] * br_dtype_bytes(wanted[i].type));
  }
  return BR_OK;
}

void br__model_free_body(struct br_table_model *model, void *const *blocks, size_t n) {
  for (size_t i = 0; i < n; i++) br_memory_free(blocks[i]);
  br_memory_free(model->body);
  model->body = NULL;
}

int br__model_end(int status, struct br_table_model **model) {
  if (status == BR_OK) return BR_OK;
  br_table_model_close(*model);
  *model = NULL;
  return status;
}

/* --- rows for a model ---------------------------------------------------------------------------------------------------- */

/* The code of a category in the model's order of bytes; -1: it has none such. */
static int32_t find_category(const struct br_table_model_column *column, const char *name) {
  size_t low = 0, high = column->n_categories;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = strcmp(column->categories[middle], name);
    if (order == 0) return (int32_t)middle;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

static int32_t *code_map(const struct br_table *table, size_t column, const struct br_table_model_column *wanted) {
  size_t n = br_table_categories(table, column);
  int32_t *map = malloc((n + 1) * sizeof *map);
  for (size_t i = 0; map && i < n; i++) map[i] = find_category(wanted, br_table_category(table, column, i));
  return map;
}

static double find_fill(const struct br_table_model *model, const struct br_table_model_column *feature) {
  for (size_t i = 0; i < model->steps.n; i++) {
    const struct br__step *step = &model->steps.list[i];
    if (step->kind != BR__STEP_FILL || strcmp(step->name, feature->name) != 0) continue;
    int32_t code = step->text ? find_category(feature, step->text) : -1;
    return !step->text ? step->value : code >= 0 ? code : NAN;
  }
  return NAN;
}

static bool table_has(const struct br_table *table, const char *name, size_t *column) {
  for (*column = 0; *column < br_table_columns(table); ++*column)
    if (strcmp(br_table_name(table, *column), name) == 0) return true;
  return false;
}

static int bind_column(const struct br_table *table, const struct br_table_model_column *wanted, size_t column, int32_t **map) {
  bool category = wanted->type == BR_COLUMN_CATEGORY;
  if (category != (br_table_type(table, column) == BR_COLUMN_CATEGORY))
    BR_FAIL(BR_ERROR_DATA, "column %s is a %s where the model wants a %s", wanted->name, br_column_type_name(br_table_type(table, column)), br_column_type_name(wanted->type));
  if (category && !(*map = code_map(table, column, wanted))) BR_FAIL(BR_ERROR_MEMORY, "no memory for category codes");
  return BR_OK;
}

int br__encoder_open(const struct br_table_model *model, const struct br_table *table, bool need_target, struct br__encoder *out) {
  *out = (struct br__encoder){.table = table, .n_features = model->n_features, .target = SIZE_MAX};
  char missing[256] = "";
  size_t used = 0;
  out->column = calloc(model->n_features + 1, sizeof *out->column);
  out->code = calloc(model->n_features + 1, sizeof *out->code);
  out->fill = calloc(model->n_features + 1, sizeof *out->fill);
  int status = out->column && out->code && out->fill ? BR_OK : br_error_set(BR_ERROR_MEMORY, "no memory for %zu columns", model->n_features);
  for (size_t i = 0; status == BR_OK && i < model->n_features; i++) {
    out->fill[i] = find_fill(model, &model->features[i]);
    if (table_has(table, model->features[i].name, &out->column[i]))
      status = bind_column(table, &model->features[i], out->column[i], &out->code[i]);
    else if (used < sizeof missing - 8)
      used += (size_t)snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "", model->features[i].name);
  }
  if (status == BR_OK && used) status = br_error_set(BR_ERROR_DATA, "the data lacks columns the model needs: %s", missing);
  if (status == BR_OK && model->target.name && table_has(table, model->target.name, &out->target))
    status = bind_column(table, &model->target, out->target, &out->class_code);
  else
    out->target = SIZE_MAX;
  if (status == BR_OK && need_target && out->target == SIZE_MAX) status = br_error_set(BR_ERROR_DATA, "the data lacks the column %s that the model predicts", model->target.name ? model->target.name : "");
  if (status != BR_OK) br__encoder_close(out);
  return status;
}

void br__encoder_close(struct br__encoder *encoder) {
  for (size_t i = 0; encoder->code && i < encoder->n_features; i++) free(encoder->code[i]);
  free(encoder->code);
  free(encoder->column);
  free(encoder->fill);
  free(encoder->class_code);
  *encoder = (struct br__encoder){0};
}

void br__encoder_rows(const struct br__encoder *e, size_t block, double *x, double *scratch, uint64_t *unknown) {
  size_t n = br_table_block_rows(e->table, block), p = e->n_features;
  for (size_t f = 0; f < p; f++) {
    br_table_numbers(e->table, e->column[f], block, scratch);
    const int32_t *code = e->code[f];
    for (size_t i = 0; i < n; i++) {
      double value = scratch[i];
      if (code && !isnan(value)) {
        int32_t c = code[(size_t)value];
        *unknown += c < 0;
        value = c < 0 ? NAN : c;
      }
      x[i * p + f] = isnan(value) ? e->fill[f] : value;
    }
  }
}

int br__encoder_feature(const struct br__encoder *e, const struct br_rows *rows, enum br_role role, size_t feature, double *out) {
  size_t most = br_table_largest_block(e->table), n = e->n_features;
  double *x;
  uint64_t unknown = 0;
  BR_TRY(br_memory_alloc(most * (n + 1), sizeof *x, "rows of a block", &x));
  for (size_t b = 0; b < br_table_blocks(e->table); b++) {
    br__encoder_rows(e, b, x, x + most * n, &unknown);
    for (size_t i = 0; i < br_table_block_rows(e->table, b); i++)
      if (!rows || rows->role[b][i] == role) *out++ = x[i * n + feature];
  }
  br_memory_free(x);
  return BR_OK;
}

void br__encoder_target(const struct br__encoder *e, size_t block, double *y) {
  size_t n = br_table_block_rows(e->table, block);
  br_table_numbers(e->table, e->target, block, y);
  for (size_t i = 0; e->class_code && i < n; i++)
    if (!isnan(y[i])) y[i] = e->class_code[(size_t)y[i]];
}
