/* Reading experiment files. Everything is checked here, with its place in the file, so that a sweep of hours does not end at a misspelt word. */
#include "lab/experiment.h"

#include <bramble/base/error.h>
#include <bramble/base/text.h>

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 20000
#define MAX_EXPANDED 65536

static const char *const builtin_names[] = {"out", "work", "bramble", "experiment"};
#define N_BUILTINS (sizeof builtin_names / sizeof *builtin_names)

/* --- names and templates --- */

int br_experiment_find_factor(const struct br_experiment *e, const char *name) {
  for (int i = 0; i < e->n_factors; i++)
    if (strcmp(e->factors[i].name, name) == 0) return i;
  return -1;
}

int br_experiment_find_metric(const struct br_experiment *e, const char *name) {
  for (int i = 0; i < e->n_metrics; i++)
    if (strcmp(e->metrics[i].name, name) == 0) return i;
  return -1;
}

const struct br_level *br_experiment_level(const struct br_experiment *e, const struct br_case *c, int factor) { return &e->factors[factor].levels[c->level[factor]]; }

static const char *value_of(const struct br_experiment *e, const struct br_case *c, const struct br_named_text *extra, const char *name) {
  int factor = br_experiment_find_factor(e, name);
  if (factor >= 0 && c) return br_experiment_level(e, c, factor)->text;
  for (int i = 0; i < e->n_variables; i++)
    if (strcmp(e->variables[i].name, name) == 0) return e->variables[i].text;
  for (; extra && extra->name; extra++)
    if (strcmp(extra->name, name) == 0) return extra->text;
  return NULL;
}

static int unknown_name(const struct br_experiment *e, const char *name) {
  const char *names[256];
  size_t n = 0;
  for (int i = 0; i < e->n_factors; i++) names[n++] = e->factors[i].name;
  for (int i = 0; i < e->n_variables && n < 200; i++) names[n++] = e->variables[i].name;
  for (size_t i = 0; i < N_BUILTINS; i++) names[n++] = builtin_names[i];
  const char *nearest = br_text_nearest(name, names, n);
  BR_FAIL(BR_ERROR_USAGE, "{%s} is neither a factor nor a variable%s%s%s", name, nearest ? "; did you mean {" : "", nearest ? nearest : "", nearest ? "}?" : "");
}

/* A {name} at `at`: its length with braces, and the name; 0 if it is none. */
static size_t placeholder(const char *at, char name[64]) {
  if (*at != '{') return 0;
  size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
  if (n == 0 || n > 63 || at[1 + n] != '}') return 0;
  memcpy(name, at + 1, n);
  name[n] = 0;
  return n + 2;
}

static int expand_once(const struct br_experiment *e, const struct br_case *c, const struct br_named_text *extra, const char *text, char *out, bool *again) {
  size_t used = 0;
  *again = false;
  while (*text) {
    char name[64];
    size_t n = placeholder(text, name);
    const char *value = n ? value_of(e, c, extra, name) : NULL;
    if (n && !value) return unknown_name(e, name);
    size_t bytes = value ? strlen(value) : 1;
    if (used + bytes + 1 > MAX_EXPANDED) BR_FAIL(BR_ERROR_USAGE, "the text grows without end when its {names} are filled in");
    memcpy(out + used, value ? value : text, bytes);
    used += bytes;
    text += n ? n : 1;
    *again = *again || value;
  }
  out[used] = 0;
  return BR_OK;
}

int br_experiment_expand(const struct br_experiment *e, const struct br_case *c, const struct br_named_text *extra, const char *text, char **out) {
  *out = NULL;
  char *a = malloc(MAX_EXPANDED), *b = malloc(MAX_EXPANDED);
  int status = a && b ? BR_OK : br_error_set(BR_ERROR_MEMORY, "no memory for a command");
  bool again = status == BR_OK;
  if (again) snprintf(a, MAX_EXPANDED, "%s", text);
  for (int round = 0; status == BR_OK && again; round++) {
    status = round < 16 ? expand_once(e, c, extra, a, b, &again) : br_error_set(BR_ERROR_USAGE, "\"%s\": a name in braces holds itself", text);
    char *swap = a;
    a = b;
    b = swap;
  }
  free(b);
  if (status != BR_OK)
    free(a);
  else
    *out = a;
  return status;
}

static const char *nearest_factor(const struct br_experiment *e, const char *name) {
  const char *names[BR_MAX_FACTORS];
  for (int i = 0; i < e->n_factors; i++) names[i] = e->factors[i].name;
  return br_text_nearest(name, names, (size_t)e->n_factors);
}

struct case_names {
  const struct br_experiment *experiment;
  const struct br_case *c;
};

static bool case_lookup(void *arg, const char *name, bool base, struct br_value_or_text *value) {
  const struct case_names *names = arg;
  int factor = br_experiment_find_factor(names->experiment, name);
  if (factor < 0 || base) {
    *value = (struct br_value_or_text){.text = base ? NULL : nearest_factor(names->experiment, name)};
    return false;
  }
  *value = br_expression_value(br_experiment_level(names->experiment, names->c, factor)->label);
  return true;
}

int br_experiment_holds(const struct br_experiment *e, const struct br_case *c, const char *condition, bool *holds) {
  *holds = true;
  if (!condition) return BR_OK;
  struct case_names names = {e, c};
  struct br_value_or_text value;
  BR_TRY(br_expression_evaluate(condition, case_lookup, &names, &value));
  *holds = value.text ? value.text[0] != 0 : value.number != 0;
  return BR_OK;
}

int br_experiment_count(const struct br_experiment *e, const struct br_case *c, const char *what, const char *text, int *out) {
  *out = 0;
  if (!text) return BR_OK;
  char *expanded, *end;
  BR_TRY(br_experiment_expand(e, c, NULL, text, &expanded));
  struct br_value_or_text v;
  double value = strtod(expanded, &end);
  int status = BR_OK;
  if (*end) status = br_expression_evaluate(expanded, NULL, NULL, &v), value = status == BR_OK ? v.number : 0;
  if (status == BR_OK && !(value >= 1 && value <= 100000 && value == floor(value))) status = br_error_set(BR_ERROR_USAGE, "%s: \"%s\" is not a number from 1 to 100000", what, expanded);
  *out = status == BR_OK ? (int)value : 0;
  free(expanded);
  return status;
}

int br_experiment_bytes(const struct br_experiment *e, const struct br_case *c, const char *what, const char *text, double *out) {
  *out = 0;
  if (!text) return BR_OK;
  char *expanded;
  BR_TRY(br_experiment_expand(e, c, NULL, text, &expanded));
  *out = br_text_parse_bytes(expanded);
  int status = *out >= 1e6 ? BR_OK : br_error_set(BR_ERROR_USAGE, "%s: \"%s\" is not a size from 1 MB on, as in 1920MB", what, expanded);
  free(expanded);
  return status;
}

/* --- reading --- */

/* Puts the place in front of the message that is already set. */
static int at_place(const struct br_experiment *e, const struct br_yaml *node) {
  char message[700];
  snprintf(message, sizeof message, "%s", br_error_message());
  return br_yaml_fail(e->file, node, "%s", message);
}

static int check_name(const struct br_experiment *e, const struct br_yaml *node, const char *name) {
  bool good = isalpha((unsigned char)name[0]) && strlen(name) < 48;
  for (const char *p = name; *p; p++) good = good && (isalnum((unsigned char)*p) || *p == '_');
  return good ? BR_OK : br_yaml_fail(e->file, node, "%s: names are letters, digits and _, and start with a letter", name);
}

/* A map of names to texts, or for commands also one text (named "run") or a list of texts. */
static int read_texts(struct br_experiment *e, const struct br_yaml *node, struct br_named_text **out, int *n_out) {
  *n_out = 0;
  if (!node) return BR_OK;
  int n = node->kind == BR_YAML_TEXT ? 1 : node->n;
  BR_TRY(br_yaml_alloc(e->file, (size_t)n + 1, sizeof **out, out));
  for (int i = 0; i < n; i++) {
    const struct br_yaml *item = node->kind == BR_YAML_TEXT ? node : &node->items[i];
    if (item->kind != BR_YAML_TEXT) return br_yaml_fail(e->file, item, "one line of text was expected");
    (*out)[i] = (struct br_named_text){node->kind == BR_YAML_MAP ? item->key : "run", item->text, item};
    if (node->kind == BR_YAML_MAP) BR_TRY(check_name(e, item, item->key));
  }
  *n_out = n;
  return BR_OK;
}

static int read_levels(struct br_experiment *e, const struct br_yaml *node, struct br_factor *factor) {
  if (node->kind != BR_YAML_LIST || node->n == 0) return br_yaml_fail(e->file, node, "%s: a list of values was expected, as in [1, 2, 4]", node->key);
  BR_TRY(br_yaml_alloc(e->file, (size_t)node->n, sizeof *factor->levels, &factor->levels));
  factor->n_levels = node->n;
  for (int i = 0; i < node->n; i++) {
    const struct br_yaml *item = &node->items[i];
    if (item->kind == BR_YAML_MAP && item->n == 1 && item->items[0].kind == BR_YAML_TEXT)
      factor->levels[i] = (struct br_level){item->items[0].key, item->items[0].text, item};
    else if (item->kind == BR_YAML_TEXT)
      factor->levels[i] = (struct br_level){item->text, item->text, item};
    else
      return br_yaml_fail(e->file, item, "a value of %s is a word, a number, or \"label: text\"", node->key);
  }
  return BR_OK;
}

static int read_factors(struct br_experiment *e, const struct br_yaml *node, const struct br_yaml *smoke) {
  for (int i = 0; node && i < node->n; i++) {
    const struct br_yaml *item = &node->items[i];
    if (e->n_factors == BR_MAX_FACTORS) return br_yaml_fail(e->file, item, "more than %d factors", BR_MAX_FACTORS);
    BR_TRY(check_name(e, item, item->key));
    struct br_factor *factor = &e->factors[e->n_factors];
    *factor = (struct br_factor){.name = item->key, .group = e->n_factors};
    const struct br_yaml *small = br_yaml_get(smoke, item->key);
    BR_TRY(read_levels(e, small ? small : item, factor));
    e->n_factors++;
  }
  return BR_OK;
}

static int factor_of(const struct br_experiment *e, const struct br_yaml *node, const char *name, int *out) {
  *out = br_experiment_find_factor(e, name);
  if (*out >= 0) return BR_OK;
  const char *nearest = nearest_factor(e, name);
  return br_yaml_fail(e->file, node, "%s is not a factor%s%s%s", name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static const char *nearest_metric(const struct br_experiment *e, const char *name, bool or_factor) {
  const char *names[256 + BR_MAX_FACTORS];
  size_t n = 0;
  for (int i = 0; i < e->n_metrics && n < 256; i++) names[n++] = e->metrics[i].name;
  for (int i = 0; or_factor && i < e->n_factors; i++) names[n++] = e->factors[i].name;
  return br_text_nearest(name, names, n);
}

static int metric_of(const struct br_experiment *e, const struct br_yaml *node, const char *name, int *out) {
  *out = br_experiment_find_metric(e, name);
  if (*out >= 0) return BR_OK;
  const char *nearest = nearest_metric(e, name, false);
  return br_yaml_fail(e->file, node, "%s is not a metric%s%s%s", name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

/* zip: [a, b] or [[a, b], [c, d]]: the factors of a list vary together. */
static int read_zip(struct br_experiment *e, const struct br_yaml *node) {
  if (!node) return BR_OK;
  if (node->kind != BR_YAML_LIST || node->n == 0) return br_yaml_fail(e->file, node, "zip: a list of factors was expected");
  bool nested = node->items[0].kind == BR_YAML_LIST;
  for (int g = 0; g < (nested ? node->n : 1); g++) {
    const struct br_yaml *list = nested ? &node->items[g] : node;
    int first = -1;
    for (int i = 0; i < list->n; i++) {
      int factor;
      if (list->items[i].kind != BR_YAML_TEXT) return br_yaml_fail(e->file, &list->items[i], "zip: a factor's name was expected");
      BR_TRY(factor_of(e, &list->items[i], list->items[i].text, &factor));
      if (first < 0) first = factor;
      if (e->factors[factor].n_levels != e->factors[first].n_levels)
        return br_yaml_fail(e->file, &list->items[i], "zip: %s has %d values, %s has %d; they must be as many", e->factors[factor].name, e->factors[factor].n_levels, e->factors[first].name, e->factors[first].n_levels);
      e->factors[factor].group = e->factors[first].group;
    }
  }
  return BR_OK;
}

/* No two positions of a group may be the same in all its factors: they would be one case. */
static int check_repeated(const struct br_experiment *e) {
  for (int g = 0; g < e->n_factors; g++)
    for (int i = 1; e->factors[g].group == g && i < e->factors[g].n_levels; i++)
      for (int k = 0; k < i; k++) {
        bool same = true;
        for (int f = g; f < e->n_factors; f++)
          if (e->factors[f].group == g) same = same && strcmp(e->factors[f].levels[i].label, e->factors[f].levels[k].label) == 0;
        if (same) return br_yaml_fail(e->file, e->factors[g].levels[i].place, "%s is in the list twice", e->factors[g].levels[i].label);
      }
  return BR_OK;
}

static int read_base(struct br_experiment *e, const struct br_yaml *node) {
  for (int i = 0; node && i < (node->kind == BR_YAML_TEXT ? 1 : node->n); i++) {
    const struct br_yaml *item = node->kind == BR_YAML_TEXT ? node : &node->items[i];
    int factor;
    if (item->kind != BR_YAML_TEXT) return br_yaml_fail(e->file, item, "base: a factor's name was expected");
    BR_TRY(factor_of(e, item, item->text, &factor));
    e->base[factor] = true;
  }
  return BR_OK;
}

static int read_metric(struct br_experiment *e, const struct br_yaml *node, struct br_metric *m) {
  static const char *const keys[] = {"json", "measure", "formula", "step", "take", "across", "scale", "unit", "title", "digits", "hidden"};
  static const char *const measures[] = {"wall_seconds", "peak_rss_bytes", "cpu_seconds", "cpu_percent"};
  static const char *const takes[] = {"last", "first", "sum", "mean", "min", "max", "all"};
  BR_TRY(check_name(e, node, node->key));
  BR_TRY(br_yaml_check_keys(e->file, node, keys, sizeof keys / sizeof *keys));
  *m = (struct br_metric){.name = node->key, .title = node->key, .unit = "", .scale = 1, .digits = -1, .across = BR_TAKE_MEAN};
  const char *json = NULL, *formula = NULL, *hidden = NULL;
  int measure = -1, take = BR_TAKE_LAST, across = BR_TAKE_MEAN;
  double digits = -1;
  BR_TRY(br_yaml_text(e->file, node, "json", &json));
  BR_TRY(br_yaml_text(e->file, node, "formula", &formula));
  BR_TRY(br_yaml_text(e->file, node, "step", &m->step));
  BR_TRY(br_yaml_text(e->file, node, "unit", &m->unit));
  BR_TRY(br_yaml_text(e->file, node, "title", &m->title));
  BR_TRY(br_yaml_text(e->file, node, "hidden", &hidden));
  BR_TRY(br_yaml_choice(e->file, node, "measure", measures, 4, &measure));
  BR_TRY(br_yaml_choice(e->file, node, "take", takes, 7, &take));
  BR_TRY(br_yaml_choice(e->file, node, "across", takes, 6, &across));
  BR_TRY(br_yaml_number(e->file, node, "scale", -1e30, 1e30, &m->scale));
  BR_TRY(br_yaml_number(e->file, node, "digits", 0, 9, &digits));
  if (!!json + !!formula + (measure >= 0) != 1) return br_yaml_fail(e->file, node, "%s: a metric has one of json, measure and formula", node->key);
  m->source = json ? BR_METRIC_JSON : formula ? BR_METRIC_FORMULA : BR_METRIC_MEASURE;
  m->text = json ? json : formula;
  m->measure = measure >= 0 ? (enum br_measure)measure : BR_MEASURE_WALL;
  m->take = (enum br_metric_take)take;
  m->across = (enum br_metric_take)across;
  m->digits = (int)digits;
  m->hidden = hidden && strcmp(hidden, "yes") == 0;
  for (int i = 0; m->step && i <= e->n_steps; i++) {
    if (i == e->n_steps) return br_yaml_fail(e->file, br_yaml_get(node, "step"), "no step is called %s", m->step);
    if (strcmp(e->steps[i].name, m->step) == 0) break;
  }
  return BR_OK;
}

static bool formula_lookup(void *arg, const char *name, bool base, struct br_value_or_text *value) {
  const struct br_experiment *e = arg;
  bool known = br_experiment_find_metric(e, name) >= 0 || (!base && br_experiment_find_factor(e, name) >= 0);
  *value = known ? (struct br_value_or_text){1, NULL} : (struct br_value_or_text){0, nearest_metric(e, name, !base)};
  return known;
}

static int read_metrics(struct br_experiment *e, const struct br_yaml *node) {
  const struct br_yaml *root = br_yaml_root(e->file);
  if (!node || node->kind != BR_YAML_MAP) return br_yaml_fail(e->file, node ? node : root, "metrics: a map of what to keep was expected");
  BR_TRY(br_yaml_alloc(e->file, (size_t)node->n, sizeof *e->metrics, &e->metrics));
  for (int i = 0; i < node->n; i++) {
    BR_TRY(read_metric(e, &node->items[i], &e->metrics[i]));
    if (br_experiment_find_factor(e, node->items[i].key) >= 0) return br_yaml_fail(e->file, &node->items[i], "%s is a factor already", node->items[i].key);
    e->n_metrics++;
  }
  for (int i = 0; i < node->n; i++) {
    struct br_value_or_text value;
    if (e->metrics[i].source == BR_METRIC_FORMULA && br_expression_evaluate(e->metrics[i].text, formula_lookup, e, &value) != BR_OK) return at_place(e, br_yaml_get(&node->items[i], "formula"));
  }
  return BR_OK;
}

static int read_rival(struct br_experiment *e, const struct br_yaml *node, struct br_rival *rival) {
  static const char *const keys[] = {"run", "when", "metrics"};
  BR_TRY(br_yaml_check_keys(e->file, node, keys, 3));
  *rival = (struct br_rival){.name = node->key};
  BR_TRY(br_yaml_text(e->file, node, "run", &rival->command));
  BR_TRY(br_yaml_text(e->file, node, "when", &rival->when));
  if (!rival->command) return br_yaml_fail(e->file, node, "%s: a rival needs run: COMMAND", node->key);
  const struct br_yaml *metrics = br_yaml_get(node, "metrics");
  if (!metrics || metrics->kind != BR_YAML_MAP) return br_yaml_fail(e->file, node, "%s: metrics: a map of metrics to regular expressions was expected", node->key);
  BR_TRY(br_yaml_alloc(e->file, (size_t)metrics->n, sizeof *rival->metrics, &rival->metrics));
  for (int i = 0; i < metrics->n; i++) {
    const struct br_yaml *item = &metrics->items[i];
    struct br_rival_metric *m = &rival->metrics[i];
    BR_TRY(metric_of(e, item, item->key, &m->metric));
    if (item->kind != BR_YAML_TEXT) return br_yaml_fail(e->file, item, "a regular expression with one (group) was expected");
    m->pattern = item->text;
    int code = regcomp(&m->compiled, item->text, REG_EXTENDED | REG_NEWLINE);
    char why[200];
    if (code != 0) {
      regerror(code, &m->compiled, why, sizeof why);
      return br_yaml_fail(e->file, item, "the regular expression %s: %s", item->text, why);
    }
    rival->n_metrics = i + 1;
    if (m->compiled.re_nsub < 1) return br_yaml_fail(e->file, item, "the regular expression %s has no (group) for the number", item->text);
  }
  return BR_OK;
}

static int read_rivals(struct br_experiment *e, const struct br_yaml *node) {
  if (!node) return BR_OK;
  if (node->kind != BR_YAML_MAP) return br_yaml_fail(e->file, node, "rivals: a map of names was expected");
  BR_TRY(br_yaml_alloc(e->file, (size_t)node->n, sizeof *e->rivals, &e->rivals));
  for (int i = 0; i < node->n; i++) {
    e->n_rivals = i + 1;
    BR_TRY(read_rival(e, &node->items[i], &e->rivals[i]));
  }
  return BR_OK;
}

static int read_curve(struct br_experiment *e, const struct br_yaml *item, double **out) {
  BR_TRY(br_yaml_alloc(e->file, (size_t)item->n + 1, sizeof **out, out));
  for (int k = 0; k < item->n; k++) {
    struct br_value_or_text v = item->items[k].text ? br_expression_value(item->items[k].text) : (struct br_value_or_text){0, ""};
    if (v.text) return br_yaml_fail(e->file, &item->items[k], "a number was expected");
    (*out)[k] = v.number;
  }
  (*out)[item->n] = NAN;
  return BR_OK;
}

static int read_published_row(struct br_experiment *e, const struct br_yaml *node, struct br_published_row *row) {
  if (node->kind != BR_YAML_MAP) return br_yaml_fail(e->file, node, "a map was expected, as in {ranks: 2, seconds: 4241.69}");
  BR_TRY(br_yaml_alloc(e->file, (size_t)e->n_metrics, sizeof *row->value, &row->value));
  BR_TRY(br_yaml_alloc(e->file, (size_t)e->n_metrics, sizeof *row->text, &row->text));
  BR_TRY(br_yaml_alloc(e->file, (size_t)e->n_metrics, sizeof *row->curve, &row->curve));
  for (int m = 0; m < e->n_metrics; m++) row->value[m] = NAN;
  for (int i = 0; i < node->n; i++) {
    const struct br_yaml *item = &node->items[i];
    int factor = br_experiment_find_factor(e, item->key), metric;
    if (factor >= 0 && item->kind == BR_YAML_TEXT) {
      row->factor[factor] = item->text;
      continue;
    }
    const char *meant = br_experiment_find_metric(e, item->key) < 0 ? nearest_metric(e, item->key, true) : NULL;
    if (meant) return br_yaml_fail(e->file, item, "%s is neither a factor nor a metric; did you mean %s?", item->key, meant);
    BR_TRY(metric_of(e, item, item->key, &metric));
    if (item->kind == BR_YAML_LIST) {
      BR_TRY(read_curve(e, item, &row->curve[metric]));
    } else if (item->kind == BR_YAML_TEXT) {
      struct br_value_or_text v = br_expression_value(item->text);
      row->value[metric] = v.number;
      row->text[metric] = v.text;
    } else {
      return br_yaml_fail(e->file, item, "a number was expected");
    }
  }
  return BR_OK;
}

static int read_published(struct br_experiment *e, const struct br_yaml *node) {
  static const char *const keys[] = {"source", "rows"};
  if (!node) return BR_OK;
  BR_TRY(br_yaml_check_keys(e->file, node, keys, 2));
  BR_TRY(br_yaml_text(e->file, node, "source", &e->published_source));
  const struct br_yaml *rows = br_yaml_get(node, "rows");
  if (!rows || rows->kind != BR_YAML_LIST) return br_yaml_fail(e->file, node, "published: rows: a list was expected");
  BR_TRY(br_yaml_alloc(e->file, (size_t)rows->n, sizeof *e->published, &e->published));
  for (int i = 0; i < rows->n; i++) BR_TRY(read_published_row(e, &rows->items[i], &e->published[i]));
  e->n_published = rows->n;
  return BR_OK;
}

static int read_flag(struct br_experiment *e, const struct br_yaml *node, const char *key, bool *out) {
  static const char *const words[] = {"no", "yes"};
  int word = *out;
  BR_TRY(br_yaml_choice(e->file, node, key, words, 2, &word));
  *out = word != 0;
  return BR_OK;
}

static int read_plot(struct br_experiment *e, const struct br_yaml *node, struct br_plot *plot) {
  static const char *const keys[] = {"title", "kind", "x", "y", "when", "log_x", "log_y", "zero", "published"};
  static const char *const kinds[] = {"line", "bar", "stacked", "curve"};
  BR_TRY(br_yaml_check_keys(e->file, node, keys, sizeof keys / sizeof *keys));
  *plot = (struct br_plot){.x = -1};
  const char *x = NULL;
  int kind = BR_PLOT_LINE;
  bool published = true;
  BR_TRY(br_yaml_text(e->file, node, "title", &plot->title));
  BR_TRY(br_yaml_text(e->file, node, "x", &x));
  BR_TRY(br_yaml_text(e->file, node, "when", &plot->when));
  BR_TRY(br_yaml_choice(e->file, node, "kind", kinds, 4, &kind));
  BR_TRY(read_flag(e, node, "log_x", &plot->log_x));
  BR_TRY(read_flag(e, node, "log_y", &plot->log_y));
  BR_TRY(read_flag(e, node, "zero", &plot->zero));
  BR_TRY(read_flag(e, node, "published", &published));
  plot->kind = (enum br_plot_kind)kind;
  plot->no_published = !published;
  if (x) BR_TRY(factor_of(e, br_yaml_get(node, "x"), x, &plot->x));
  if (!x && kind != BR_PLOT_CURVE) return br_yaml_fail(e->file, node, "a plot needs x: FACTOR");
  const struct br_yaml *y = br_yaml_get(node, "y");
  if (!y || y->kind == BR_YAML_MAP) return br_yaml_fail(e->file, node, "a plot needs y: METRIC, or a list of metrics");
  for (int i = 0; i < (y->kind == BR_YAML_TEXT ? 1 : y->n); i++) {
    const struct br_yaml *item = y->kind == BR_YAML_TEXT ? y : &y->items[i];
    if (i == 8 || !item->text) return br_yaml_fail(e->file, item, "y: up to 8 metrics are possible");
    BR_TRY(metric_of(e, item, item->text, &plot->y[plot->n_y++]));
  }
  return BR_OK;
}

static int read_plots(struct br_experiment *e, const struct br_yaml *node) {
  if (!node) return BR_OK;
  if (node->kind != BR_YAML_LIST) return br_yaml_fail(e->file, node, "plots: a list was expected");
  BR_TRY(br_yaml_alloc(e->file, (size_t)node->n, sizeof *e->plots, &e->plots));
  for (int i = 0; i < node->n; i++) BR_TRY(read_plot(e, &node->items[i], &e->plots[i]));
  e->n_plots = node->n;
  return BR_OK;
}

static int read_variables(struct br_experiment *e, const struct br_yaml *node, const struct br_yaml *smoke, const char *const *settings, int n_settings) {
  BR_TRY(read_texts(e, node, &e->variables, &e->n_variables));
  for (int i = 0; i < e->n_variables; i++) {
    const struct br_yaml *small = br_yaml_get(smoke, e->variables[i].name);
    if (small && small->kind == BR_YAML_TEXT) e->variables[i].text = small->text;
  }
  for (int s = 0; s < n_settings; s++) {
    const char *equals = strchr(settings[s], '=');
    if (!equals) BR_FAIL(BR_ERROR_USAGE, "%s: a setting NAME=VALUE was expected after the file", settings[s]);
    size_t n = (size_t)(equals - settings[s]);
    struct br_named_text *found = NULL;
    const char *names[200];
    int count = 0;
    for (int i = 0; i < e->n_variables; i++) {
      if (strlen(e->variables[i].name) == n && strncmp(e->variables[i].name, settings[s], n) == 0) found = &e->variables[i];
      if (count < 200) names[count++] = e->variables[i].name;
    }
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)n, settings[s]);
    const char *nearest = br_text_nearest(name, names, (size_t)count);
    if (!found) BR_FAIL(BR_ERROR_USAGE, "%s is not among the variables of this experiment%s%s%s", name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    char *copy;
    BR_TRY(br_yaml_alloc(e->file, strlen(equals), 1, &copy));
    memcpy(copy, equals + 1, strlen(equals));
    found->text = copy;
  }
  return BR_OK;
}

/* The next case in the order of the file, the last factor fastest; false after the last. */
static bool next_case(const struct br_experiment *e, struct br_case *c) {
  for (int g = e->n_factors - 1; g >= 0; g--) {
    if (e->factors[g].group != g) continue;
    bool wraps = c->level[g] + 1 == e->factors[g].n_levels;
    for (int f = g; f < e->n_factors; f++)
      if (e->factors[f].group == g) c->level[f] = wraps ? 0 : c->level[f] + 1;
    if (!wraps) return true;
  }
  return false;
}

static int list_cases(struct br_experiment *e) {
  size_t all = 1;
  const struct br_yaml *root = br_yaml_root(e->file);
  for (int f = 0; f < e->n_factors; f++)
    if (e->factors[f].group == f) all *= (size_t)e->factors[f].n_levels;
  if (all > MAX_CASES) return br_yaml_fail(e->file, br_yaml_get(root, "factors"), "the factors make %zu cases, more than %d", all, MAX_CASES);
  BR_TRY(br_yaml_alloc(e->file, all, sizeof *e->cases, &e->cases));
  struct br_case c = {{0}};
  do {
    bool holds;
    if (br_experiment_holds(e, &c, e->when, &holds) != BR_OK) return at_place(e, br_yaml_get(root, "when"));
    if (holds) e->cases[e->n_cases++] = c;
  } while (next_case(e, &c));
  return e->n_cases ? BR_OK : br_yaml_fail(e->file, br_yaml_get(root, "when"), "no case meets this condition");
}

static int check_template(struct br_experiment *e, const struct br_yaml *place, const char *text, bool with_factors) {
  const struct br_named_text extra[] = {{"out", "out", NULL}, {"work", "work", NULL}, {"bramble", "bramble", NULL}, {"experiment", "experiment", NULL}, {NULL, NULL, NULL}};
  char name[64];
  for (const char *at = text; *at; at++) /* a wrong name in the text itself, to the letter */
    if (placeholder(at, name) && !value_of(e, with_factors ? &e->cases[0] : NULL, extra, name)) {
      struct br_yaml letter = br_yaml_letter(place, (size_t)(at - text));
      unknown_name(e, name);
      return at_place(e, &letter);
    }
  for (int i = 0; i < (with_factors ? e->n_cases : 1); i++) {
    char *expanded;
    if (br_experiment_expand(e, with_factors ? &e->cases[i] : NULL, extra, text, &expanded) != BR_OK) return at_place(e, place);
    free(expanded);
  }
  return BR_OK;
}

/* The numbers of all cases. */
static int check_count(struct br_experiment *e, const struct br_yaml *map, const char *key, const char *text) {
  const struct br_yaml *place = br_yaml_get(map, key);
  if (!place) return BR_OK;
  BR_TRY(check_template(e, place, text, true));
  for (int i = 0, count; i < e->n_cases; i++)
    if (br_experiment_count(e, &e->cases[i], key, text, &count) != BR_OK) return at_place(e, place);
  return BR_OK;
}

static int check_memory(struct br_experiment *e, const struct br_yaml *place) {
  double bytes;
  if (!place) return BR_OK;
  BR_TRY(check_template(e, place, e->memory, true));
  for (int i = 0; i < e->n_cases; i++)
    if (br_experiment_bytes(e, &e->cases[i], "memory", e->memory, &bytes) != BR_OK) return at_place(e, place);
  return BR_OK;
}

/* Commands and conditions, with the names of all cases filled in once. */
static int check_texts(struct br_experiment *e, const struct br_yaml *root) {
  bool holds;
  for (int i = 0; i < e->n_prepare; i++) BR_TRY(check_template(e, e->prepare[i].place, e->prepare[i].text, false));
  for (int i = 0; i < e->n_steps; i++) BR_TRY(check_template(e, e->steps[i].place, e->steps[i].text, true));
  BR_TRY(check_count(e, root, "ranks", e->ranks));
  BR_TRY(check_count(e, root, "cores", e->cores));
  BR_TRY(check_memory(e, br_yaml_get(root, "memory")));
  BR_TRY(check_count(e, br_yaml_get(root, "simulate"), "nodes", e->nodes));
  BR_TRY(check_count(e, br_yaml_get(root, "simulate"), "threads", e->node_threads));
  const struct br_yaml *rivals = br_yaml_get(root, "rivals"), *plots = br_yaml_get(root, "plots");
  for (int i = 0; i < e->n_rivals; i++) {
    BR_TRY(check_template(e, br_yaml_get(&rivals->items[i], "run"), e->rivals[i].command, true));
    if (br_experiment_holds(e, &e->cases[0], e->rivals[i].when, &holds) != BR_OK) return at_place(e, br_yaml_get(&rivals->items[i], "when"));
  }
  for (int i = 0; i < e->n_plots; i++)
    if (br_experiment_holds(e, &e->cases[0], e->plots[i].when, &holds) != BR_OK) return at_place(e, br_yaml_get(&plots->items[i], "when"));
  return BR_OK;
}

static int read_smoke(struct br_experiment *e, const struct br_yaml *smoke) {
  static const char *const keys[] = {"variables", "factors", "repeats"};
  if (!smoke) return BR_OK;
  BR_TRY(br_yaml_check_keys(e->file, smoke, keys, 3));
  const struct br_yaml *root = br_yaml_root(e->file);
  static const char *const sections[] = {"variables", "factors"};
  for (int s = 0; s < 2; s++) {
    const struct br_yaml *small = br_yaml_get(smoke, sections[s]), *full = br_yaml_get(root, sections[s]);
    const char *names[200];
    size_t n = 0;
    for (int i = 0; full && i < full->n && n < 200; i++) names[n++] = full->items[i].key;
    if (small && small->kind == BR_YAML_MAP && n == 0) return br_yaml_fail(e->file, small, "the file has no %s of its own to make smaller", sections[s]);
    if (small) BR_TRY(br_yaml_check_keys(e->file, small, names, n));
  }
  return BR_OK;
}

/* simulate: what a case occupies on a cluster that is not there. */
static int read_simulate(struct br_experiment *e, const struct br_yaml *node) {
  static const char *const keys[] = {"nodes", "threads"};
  if (!node) return BR_OK;
  BR_TRY(br_yaml_check_keys(e->file, node, keys, 2));
  BR_TRY(br_yaml_text(e->file, node, "nodes", &e->nodes));
  return br_yaml_text(e->file, node, "threads", &e->node_threads);
}

static int read_all(struct br_experiment *e, bool with_smoke, const char *const *settings, int n_settings) {
  static const char *const keys[] = {"name", "title", "about", "variables", "factors", "zip", "when", "ranks", "cores", "memory", "simulate", "repeats", "warmup", "timeout", "prepare", "run", "base", "metrics", "rivals", "published", "plots", "smoke"};
  const struct br_yaml *root = br_yaml_root(e->file);
  BR_TRY(br_yaml_check_keys(e->file, root, keys, sizeof keys / sizeof *keys));
  const struct br_yaml *smoke = br_yaml_get(root, "smoke"), *factors = br_yaml_get(root, "factors");
  BR_TRY(read_smoke(e, smoke));
  if (!with_smoke) smoke = NULL;
  BR_TRY(br_yaml_text(e->file, root, "name", &e->name));
  if (!e->name) return br_yaml_fail(e->file, root, "the experiment needs a name: NAME, which names its folder of results");
  BR_TRY(check_name(e, br_yaml_get(root, "name"), e->name));
  e->title = e->name;
  BR_TRY(br_yaml_text(e->file, root, "title", &e->title));
  BR_TRY(br_yaml_text(e->file, root, "about", &e->about));
  BR_TRY(read_variables(e, br_yaml_get(root, "variables"), br_yaml_get(smoke, "variables"), settings, n_settings));
  if (factors && factors->kind != BR_YAML_MAP) return br_yaml_fail(e->file, factors, "factors: a map of names to lists was expected");
  BR_TRY(read_factors(e, factors, br_yaml_get(smoke, "factors")));
  BR_TRY(read_zip(e, br_yaml_get(root, "zip")));
  BR_TRY(check_repeated(e));
  BR_TRY(read_base(e, br_yaml_get(root, "base")));
  BR_TRY(br_yaml_text(e->file, root, "when", &e->when));
  e->ranks = "1";
  BR_TRY(br_yaml_text(e->file, root, "ranks", &e->ranks));
  BR_TRY(br_yaml_text(e->file, root, "cores", &e->cores));
  BR_TRY(br_yaml_text(e->file, root, "memory", &e->memory));
  BR_TRY(read_simulate(e, br_yaml_get(root, "simulate")));
  double repeats = 1, warmup = 0;
  BR_TRY(br_yaml_number(e->file, root, "repeats", 1, 1000, &repeats));
  BR_TRY(br_yaml_number(e->file, smoke, "repeats", 1, 1000, &repeats));
  BR_TRY(br_yaml_number(e->file, root, "warmup", 0, 100, &warmup));
  BR_TRY(br_yaml_number(e->file, root, "timeout", 0, 1e9, &e->timeout));
  e->repeats = (int)repeats;
  e->warmup = (int)warmup;
  BR_TRY(read_texts(e, br_yaml_get(root, "prepare"), &e->prepare, &e->n_prepare));
  BR_TRY(read_texts(e, br_yaml_get(root, "run"), &e->steps, &e->n_steps));
  if (e->n_steps == 0) return br_yaml_fail(e->file, root, "the experiment needs run: COMMAND");
  BR_TRY(read_metrics(e, br_yaml_get(root, "metrics")));
  BR_TRY(list_cases(e));
  BR_TRY(read_rivals(e, br_yaml_get(root, "rivals")));
  BR_TRY(read_published(e, br_yaml_get(root, "published")));
  BR_TRY(read_plots(e, br_yaml_get(root, "plots")));
  return check_texts(e, root);
}

int br_experiment_open(const char *path, bool smoke, const char *const *settings, int n_settings, struct br_experiment **out) {
  *out = NULL;
  struct br_yaml_file *file;
  BR_TRY(br_yaml_open(path, &file));
  struct br_experiment *e = calloc(1, sizeof *e);
  if (!e) {
    br_yaml_close(file);
    BR_FAIL(BR_ERROR_MEMORY, "%s: no memory to read it", path);
  }
  e->file = file;
  int status = read_all(e, smoke, settings, n_settings);
  if (status != BR_OK)
    br_experiment_close(e);
  else
    *out = e;
  return status;
}

void br_experiment_close(struct br_experiment *e) {
  if (!e) return;
  for (int i = 0; i < e->n_rivals; i++)
    for (int k = 0; k < e->rivals[i].n_metrics; k++) regfree(&e->rivals[i].metrics[k].compiled);
  br_yaml_close(e->file);
  free(e);
}
