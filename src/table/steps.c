/* The list of steps: read from words, applied, written into models. */
#include <bramble/base/error.h>
#include <bramble/base/expression.h>
#include <bramble/base/memory.h>

#include "date.h"
#include "formula.h"
#include "table.h"

#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lists --------------------------------------------------------------------------------------------------------------- */

static void free_step(struct br__step *step) {
  free(step->name);
  free(step->text);
}

void br__steps_free(struct br__steps *steps) {
  for (size_t i = 0; i < steps->n; i++) free_step(&steps->list[i]);
  for (size_t i = 0; i < steps->n_origins; i++) free(steps->origins[i].name);
  free(steps->list);
  free(steps->origins);
  *steps = (struct br__steps){0};
}

int br__steps_add(struct br__steps *steps, enum br__step_kind kind, const char *name, const char *text, double value) {
  struct br__step *list = realloc(steps->list, (steps->n + 1) * sizeof *list);
  if (list) steps->list = list;
  struct br__step step = {.kind = kind, .name = strdup(name), .text = text ? strdup(text) : NULL, .value = value};
  if (!list || !step.name || (text && !step.text)) {
    free_step(&step);
    BR_FAIL(BR_ERROR_MEMORY, "no memory for the steps of a table");
  }
  steps->list[steps->n++] = step;
  return BR_OK;
}

void br__steps_drop_fills(struct br__steps *steps) {
  size_t n = 0;
  for (size_t i = 0; i < steps->n; i++) {
    if (steps->list[i].kind == BR__STEP_FILL)
      free_step(&steps->list[i]);
    else
      steps->list[n++] = steps->list[i];
  }
  steps->n = n;
}

static bool has_name(const struct br__names *names, const char *name) {
  for (size_t i = 0; i < names->n; i++)
    if (strcmp(names->list[i], name) == 0) return true;
  return false;
}

int br__names_add(struct br__names *names, const char *name) {
  if (has_name(names, name)) return BR_OK;
  char **list = realloc(names->list, (names->n + 1) * sizeof *list), *copy = strdup(name);
  if (list) names->list = list;
  if (!list || !copy) {
    free(copy);
    BR_FAIL(BR_ERROR_MEMORY, "no memory for the names of columns");
  }
  names->list[names->n++] = copy;
  return BR_OK;
}

void br__names_free(struct br__names *names) {
  for (size_t i = 0; i < names->n; i++) free(names->list[i]);
  free(names->list);
  *names = (struct br__names){0};
}

int br__names_of(struct br__names *names, const char *formula) {
  struct br_expression *e;
  BR_TRY(br_expression_parse(formula, NULL, &e));
  int status = BR_OK;
  for (int i = 0; status == BR_OK && i < e->n; i++)
    if (e->nodes[i].kind == BR_EXPRESSION_NAME) status = br__names_add(names, e->nodes[i].text);
  br_expression_close(e);
  return status;
}

static bool has_column(const struct br_table *table, const char *name, size_t *column) {
  for (*column = 0; *column < br_table_columns(table); ++*column)
    if (strcmp(br_table_name(table, *column), name) == 0) return true;
  return false;
}

static void part_name(const struct br__step *step, int part, char *name, size_t room) { snprintf(name, room, "%s_%s", step->name, br__date_part_names[part]); }

/* Whether the step makes one of the named columns; if so they are replaced by what it is made of. */
static int trace(const struct br__step *step, struct br__names *names, bool *makes) {
  char name[512];
  *makes = false;
  for (int part = 0; step->kind == BR__STEP_DATE && part < BR__DATE_PARTS; part++) {
    part_name(step, part, name, sizeof name);
    *makes = *makes || has_name(names, name);
  }
  if (step->kind == BR__STEP_LET) *makes = has_name(names, step->name);
  if (!*makes) return BR_OK;
  size_t kept = 0;
  for (size_t i = 0; i < names->n; i++) {
    bool made = step->kind == BR__STEP_LET && strcmp(names->list[i], step->name) == 0;
    for (int part = 0; step->kind == BR__STEP_DATE && part < BR__DATE_PARTS; part++) {
      part_name(step, part, name, sizeof name);
      made = made || strcmp(names->list[i], name) == 0;
    }
    if (made)
      free(names->list[i]);
    else
      names->list[kept++] = names->list[i];
  }
  names->n = kept;
  return step->kind == BR__STEP_LET ? br__names_of(names, step->text) : br__names_add(names, step->name);
}

int br__steps_sources(const struct br__steps *steps, struct br__names *names) {
  bool makes;
  for (size_t i = steps->n; i-- > 0;) BR_TRY(trace(&steps->list[i], names, &makes));
  return BR_OK;
}

static int add_origin(struct br__steps *steps, const char *name, enum br_column_type type) {
  struct br__origin *origins = realloc(steps->origins, (steps->n_origins + 1) * sizeof *origins);
  char *copy = strdup(name);
  if (origins) steps->origins = origins;
  if (!origins || !copy) {
    free(copy);
    BR_FAIL(BR_ERROR_MEMORY, "no memory for the steps of a table");
  }
  steps->origins[steps->n_origins++] = (struct br__origin){copy, type};
  return BR_OK;
}

int br__steps_copy(const struct br_table *table, const char *const *names, size_t n, struct br__steps *to) {
  const struct br__steps *from = &table->steps;
  struct br__names wanted = {0};
  bool *kept;
  *to = (struct br__steps){0};
  BR_TRY(br_memory_alloc(from->n, sizeof *kept, "steps", &kept));
  int status = BR_OK;
  for (size_t i = 0; status == BR_OK && i < n; i++) status = br__names_add(&wanted, names[i]);
  for (size_t i = 0; status == BR_OK && i < from->n; i++) kept[i] = from->list[i].kind == BR__STEP_FILL && has_name(&wanted, from->list[i].name);
  for (size_t i = from->n; status == BR_OK && i-- > 0;)
    if (from->list[i].kind != BR__STEP_FILL) status = trace(&from->list[i], &wanted, &kept[i]);
  for (size_t i = 0; status == BR_OK && i < from->n; i++) {
    if (!kept[i]) continue;
    status = br__steps_add(to, from->list[i].kind, from->list[i].name, from->list[i].text, from->list[i].value);
    if (status == BR_OK) to->list[to->n - 1].hour = from->list[i].hour;
  }
  for (size_t i = 0, column; status == BR_OK && i < wanted.n; i++)
    if (has_column(table, wanted.list[i], &column)) status = add_origin(to, wanted.list[i], br_table_type(table, column));
  br__names_free(&wanted);
  br_memory_free(kept);
  if (status != BR_OK) br__steps_free(to);
  return status;
}

int br__steps_clone(const struct br__steps *from, struct br__steps *to) {
  *to = (struct br__steps){0};
  int status = BR_OK;
  for (size_t i = 0; status == BR_OK && i < from->n; i++) {
    status = br__steps_add(to, from->list[i].kind, from->list[i].name, from->list[i].text, from->list[i].value);
    if (status == BR_OK) to->list[i].hour = from->list[i].hour;
  }
  if (status != BR_OK) br__steps_free(to);
  return status;
}

/* --- words --------------------------------------------------------------------------------------------------------------- */

/* The end of one date: the comma behind which another name=form begins, or a name alone. */
static const char *date_end(const char *at) {
  for (const char *comma = strchr(at, ','); comma; comma = strchr(comma + 1, ',')) {
    size_t word = strcspn(comma + 1, "=,%");
    if (comma[1 + word] != '%') return comma;
  }
  return at + strlen(at);
}

static int parse_dates(const char *text, struct br__steps *out) {
  while (*text) {
    const char *end = date_end(text);
    char *one = strndup(text, (size_t)(end - text));
    if (!one) BR_FAIL(BR_ERROR_MEMORY, "no memory for --date");
    char *form = strchr(one, '=');
    if (form) *form++ = 0;
    int status = *one ? BR_OK : br_error_set(BR_ERROR_USAGE, "--date: column=FORM was expected, as in when=%%d/%%m/%%Y, or column alone for ISO dates");
    if (status == BR_OK && form) status = br__date_check_format(form);
    if (status == BR_OK) status = br__steps_add(out, BR__STEP_DATE, one, form, 0);
    if (status == BR_OK && form) out->list[out->n - 1].hour = br__date_has_hour(form);
    free(one);
    BR_TRY(status);
    text = *end ? end + 1 : end;
  }
  return BR_OK;
}

static int parse_lets(const char *text, struct br__steps *out) {
  while (*text) {
    while (isspace((unsigned char)*text)) text++;
    size_t n = strcspn(text, "=,");
    if (text[n] != '=' || n == 0) BR_FAIL(BR_ERROR_USAGE, "--let: name=formula was expected, as in age=2019-year, not %.60s", text);
    const char *formula = text + n + 1, *end;
    while (n && isspace((unsigned char)text[n - 1])) n--;
    struct br_expression *e;
    if (br_expression_parse(formula, &end, &e) != BR_OK) return br_error_prefix(BR_ERROR_USAGE, "--let %.*s", (int)n, text);
    br_expression_close(e);
    while (isspace((unsigned char)*formula)) formula++;
    char *name = strndup(text, n), *source = strndup(formula, (size_t)(end - formula));
    int status = name && source ? br__steps_add(out, BR__STEP_LET, name, source, 0) : br_error_set(BR_ERROR_MEMORY, "no memory for --let");
    free(name);
    free(source);
    BR_TRY(status);
    text = *end ? end + 1 : end;
  }
  return BR_OK;
}

int br__steps_parse(const char *dates, const char *lets, struct br__steps *out) {
  *out = (struct br__steps){0};
  int status = dates ? parse_dates(dates, out) : BR_OK;
  if (status == BR_OK && lets) status = parse_lets(lets, out);
  if (status != BR_OK) br__steps_free(out);
  return status;
}

/* --- doing them ---------------------------------------------------------------------------------------------------------- */

struct splitting {
  const struct br_table *table;
  size_t column;
  int parts;
};

static void split_block(void *arg, int thread, size_t block, double *const *out) {
  const struct splitting *s = arg;
  int part[BR__DATE_PARTS];
  (void)thread;
  br_table_numbers(s->table, s->column, block, out[0]);
  for (size_t i = 0; i < br_table_block_rows(s->table, block); i++) {
    double seconds = out[0][i];
    if (!isnan(seconds)) br__date_split((int64_t)seconds, part);
    for (int p = 0; p < s->parts; p++) out[p][i] = isnan(seconds) ? NAN : part[p];
  }
}

/* Whether any row has a time of day. Collective. */
static int find_hours(struct br_comm *comm, const struct br_table *table, size_t column, bool *hour) {
  double *x;
  int64_t any = 0;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(br_table_largest_block(table), sizeof *x, "values", &x)));
  for (size_t b = 0; !any && b < br_table_blocks(table); b++) {
    br_table_numbers(table, column, b, x);
    for (size_t i = 0; i < br_table_block_rows(table, b); i++) any |= !isnan(x[i]) && (int64_t)x[i] % 86400 != 0;
  }
  br_memory_free(x);
  BR_TRY(br_comm_max_i64(comm, &any, 1));
  *hour = any != 0;
  return BR_OK;
}

static int apply_date(struct br_comm *comm, struct br_team *team, struct br__step *step, bool lenient, bool learns, struct br_table *table) {
  size_t column;
  char names[BR__DATE_PARTS][512];
  const char *list[BR__DATE_PARTS];
  if (!has_column(table, step->name, &column)) return lenient ? BR_OK : br_table_find(table, step->name, &column);
  if (br_table_type(table, column) != BR_COLUMN_DATE) BR_FAIL(BR_ERROR_DATA, "--date: the column %s holds no ISO dates; write its form, as in %s=%%d/%%m/%%Y", step->name, step->name);
  if (learns && !step->text) BR_TRY(find_hours(comm, table, column, &step->hour));
  struct splitting splitting = {.table = table, .column = column, .parts = step->hour ? BR__DATE_PARTS : BR__DATE_HOUR};
  for (int p = 0; p < splitting.parts; p++) {
    part_name(step, p, names[p], sizeof names[p]);
    list[p] = names[p];
  }
  return br__table_add_columns(comm, team, table, list, (size_t)splitting.parts, split_block, &splitting);
}

struct working_out {
  const struct br__formula *formula;
  double *scratch;
  size_t stride;
};

static void formula_block(void *arg, int thread, size_t block, double *const *out) {
  const struct working_out *w = arg;
  br__formula_block(w->formula, block, w->scratch + (size_t)thread * w->stride, out[0]);
}

static int apply_let(struct br_comm *comm, struct br_team *team, const struct br__step *step, bool lenient, struct br_table *table) {
  struct br_expression *e = NULL;
  struct br__formula *formula = NULL;
  struct working_out w = {0};
  bool all = true;
  size_t column;
  int status = br_expression_parse(step->text, NULL, &e);
  for (int i = 0; status == BR_OK && i < e->n; i++) all = all && (e->nodes[i].kind != BR_EXPRESSION_NAME || has_column(table, e->nodes[i].text, &column));
  if (status == BR_OK && (all || !lenient)) {
    status = br__formula_open(e, table, &formula);
    if (status != BR_OK) br_error_prefix(status, "--let %s", step->name);
    if (status == BR_OK) {
      w = (struct working_out){.formula = formula, .stride = br__formula_scratch(formula)};
      status = br_memory_alloc((size_t)br_team_count(team) * w.stride, sizeof *w.scratch, "formula", &w.scratch);
    }
    status = br_comm_agree(comm, status);
    if (status == BR_OK) status = br__table_add_columns(comm, team, table, (const char *const *)&step->name, 1, formula_block, &w);
  }
  br_memory_free(w.scratch);
  br__formula_close(formula);
  br_expression_close(e);
  return status;
}

int br__steps_apply(struct br_comm *comm, struct br_team *team, struct br__steps *steps, bool lenient, bool learns, struct br_table *table) {
  for (size_t i = 0; i < steps->n; i++) {
    struct br__step *step = &steps->list[i];
    if (step->kind == BR__STEP_DATE) BR_TRY(apply_date(comm, team, step, lenient, learns, table));
    if (step->kind == BR__STEP_LET) BR_TRY(apply_let(comm, team, step, lenient, table));
  }
  br__steps_free(&table->steps);
  table->steps = *steps;
  *steps = (struct br__steps){0};
  return BR_OK;
}

/* --- in model files ------------------------------------------------------------------------------------------------------ */

json_t *br__steps_json(const struct br__steps *steps) {
  json_t *list = json_array();
  for (size_t i = 0; i < steps->n; i++) {
    const struct br__step *s = &steps->list[i];
    json_t *step = json_object();
    json_array_append_new(list, step);
    json_object_set_new(step, s->kind == BR__STEP_DATE ? "date" : s->kind == BR__STEP_LET ? "let" : "fill", json_string(s->name));
    if (s->kind == BR__STEP_DATE) {
      json_object_set_new(step, "form", s->text ? json_string(s->text) : json_null());
      json_object_set_new(step, "hour", json_boolean(s->hour));
    } else if (s->kind == BR__STEP_LET) {
      json_object_set_new(step, "formula", json_string(s->text));
    } else {
      json_object_set_new(step, "with", s->text ? json_string(s->text) : json_real(s->value));
    }
  }
  json_t *columns = json_array();
  for (size_t i = 0; i < steps->n_origins; i++) json_array_append_new(columns, json_pack("{s:s,s:s}", "name", steps->origins[i].name, "type", br_column_type_name(steps->origins[i].type)));
  return json_pack("{s:o,s:o}", "columns", columns, "steps", list);
}

static int load_step(const json_t *json, struct br__steps *out) {
  const char *date = json_string_value(json_object_get(json, "date")), *let = json_string_value(json_object_get(json, "let")), *fill = json_string_value(json_object_get(json, "fill"));
  const json_t *with = json_object_get(json, "with");
  const char *form = json_string_value(json_object_get(json, "form")), *formula = json_string_value(json_object_get(json, "formula"));
  if (date) {
    if (form) BR_TRY(br__date_check_format(form));
    BR_TRY(br__steps_add(out, BR__STEP_DATE, date, form, 0));
    out->list[out->n - 1].hour = json_is_true(json_object_get(json, "hour"));
    return BR_OK;
  }
  if (let && formula) {
    struct br_expression *e;
    BR_TRY(br_expression_parse(formula, NULL, &e));
    br_expression_close(e);
    return br__steps_add(out, BR__STEP_LET, let, formula, 0);
  }
  if (fill && (json_is_string(with) || json_is_number(with))) return br__steps_add(out, BR__STEP_FILL, fill, json_string_value(with), json_number_value(with));
  BR_FAIL(BR_ERROR_DATA, "a step of its columns is damaged");
}

static int load_origin(const json_t *json, struct br__steps *out) {
  const char *name = json_string_value(json_object_get(json, "name")), *type = json_string_value(json_object_get(json, "type"));
  for (enum br_column_type t = BR_COLUMN_AUTO; name && type && t <= BR_COLUMN_TEXT; t++)
    if (strcmp(type, br_column_type_name(t)) == 0) return add_origin(out, name, t);
  BR_FAIL(BR_ERROR_DATA, "a column of its steps is damaged");
}

int br__steps_load(const json_t *json, struct br__steps *out) {
  size_t i;
  json_t *item;
  *out = (struct br__steps){0};
  int status = BR_OK;
  json_array_foreach(json_object_get(json, "steps"), i, item) if (status == BR_OK) status = load_step(item, out);
  json_array_foreach(json_object_get(json, "columns"), i, item) if (status == BR_OK) status = load_origin(item, out);
  if (status != BR_OK) br__steps_free(out);
  return status == BR_OK ? BR_OK : br_error_set(BR_ERROR_DATA, "a step of its columns is damaged");
}
