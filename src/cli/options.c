/* Reads the command line by the table of options. */
#include "cli/options.h"

#include <bramble/base/error.h>
#include <bramble/base/text.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int row_count(void) {
  int n = 0;
  while (option_rows[n].name) n++;
  return n;
}

static int find_row(const char *name, size_t length) {
  for (int i = 0; option_rows[i].name; i++)
    if (strlen(option_rows[i].name) == length && strncmp(option_rows[i].name, name, length) == 0) return i;
  return -1;
}

static int unknown_option(unsigned verb_bit, const char *verb, const char *word) {
  const char *names[256];
  size_t n = 0;
  for (int i = 0; option_rows[i].name && n < 256; i++)
    if (option_rows[i].verbs & verb_bit) names[n++] = option_rows[i].name;
  const char *nearest = br_text_nearest(word + 2, names, n);
  if (nearest) BR_FAIL(BR_ERROR_USAGE, "%s is not an option of bramble %s; did you mean --%s?", word, verb, nearest);
  BR_FAIL(BR_ERROR_USAGE, "%s is not an option of bramble %s; bramble %s --help lists them", word, verb, verb);
}

static int choice_number(const struct option_row *row, const char *value) {
  const char *p = row->choices;
  for (int number = 0; p; number++) {
    size_t n = strcspn(p, "|");
    if (strlen(value) == n && strncmp(p, value, n) == 0) return number;
    p = p[n] ? p + n + 1 : NULL;
  }
  return -1;
}

static int check_value(const struct option_row *row, const char *value) {
  char *end;
  double number;
  switch (row->kind) {
    case OPTION_FLAG:
      return BR_OK;
    case OPTION_TEXT:
      if (!*value) BR_FAIL(BR_ERROR_USAGE, "--%s: its value is empty; write it as in %s", row->name, row->example);
      return BR_OK;
    case OPTION_CHOICE:
      if (choice_number(row, value) < 0) BR_FAIL(BR_ERROR_USAGE, "--%s %s: choose one of %s", row->name, value, row->choices);
      return BR_OK;
    case OPTION_SIZES:
      for (const char *p = value; *p;) {
        char one[32];
        size_t n = strcspn(p, ",");
        snprintf(one, sizeof one, "%.*s", (int)(n < 31 ? n : 31), p);
        number = n ? br_text_parse_bytes(one) : -1;
        if (!(number >= row->min && number <= row->max)) BR_FAIL(BR_ERROR_USAGE, "--%s %s: sizes like 900MB or 2GB were expected, commas between", row->name, value);
        p += n + (p[n] == ',');
      }
      return BR_OK;
    case OPTION_SIZE:
      number = br_text_parse_bytes(value);
      if (number < 0) BR_FAIL(BR_ERROR_USAGE, "--%s %s: a size like 900MB or 2GB was expected", row->name, value);
      break;
    case OPTION_INT:
    case OPTION_FLOAT:
      number = strtod(value, &end);
      if (end == value || *end) BR_FAIL(BR_ERROR_USAGE, "--%s %s: a number was expected", row->name, value);
      if (row->kind == OPTION_INT && number != floor(number)) BR_FAIL(BR_ERROR_USAGE, "--%s %s: a whole number was expected", row->name, value);
      break;
    default:
      return BR_OK;
  }
  if (!(number >= row->min && number <= row->max)) BR_FAIL(BR_ERROR_USAGE, "--%s %s: from %g to %g is possible", row->name, value, row->min, row->max);
  return BR_OK;
}

static int parse_option(struct options *options, int argc, char **argv, int *at) {
  const char *word = argv[*at], *name = word + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  int row = find_row(name, length);
  if (row < 0 || !(option_rows[row].verbs & options->verb_bit)) return unknown_option(options->verb_bit, options->verb, word);
  if (options->values[row]) BR_FAIL(BR_ERROR_USAGE, "--%s is given twice", option_rows[row].name);
  if (option_rows[row].kind == OPTION_FLAG) {
    if (equals) BR_FAIL(BR_ERROR_USAGE, "--%s takes no value", option_rows[row].name);
    options->values[row] = "yes";
    return BR_OK;
  }
  if (!equals && *at + 1 >= argc) BR_FAIL(BR_ERROR_USAGE, "--%s needs a value, as in %s", option_rows[row].name, option_rows[row].example);
  options->values[row] = equals ? equals + 1 : argv[++*at];
  return check_value(&option_rows[row], options->values[row]);
}

int options_parse(struct options *options, const char *verb, unsigned verb_bit, int argc, char **argv) {
  *options = (struct options){.verb = verb, .verb_bit = verb_bit};
  options->values = calloc((size_t)row_count() + 1, sizeof *options->values);
  if (!options->values) BR_FAIL(BR_ERROR_MEMORY, "no memory for the options");
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "-h") == 0) argv[i] = (char *)(uintptr_t) "--help";
    if (strncmp(argv[i], "--", 2) == 0 && argv[i][2]) {
      BR_TRY(parse_option(options, argc, argv, &i));
    } else if (argv[i][0] == '-' && argv[i][1] && (argv[i][1] < '0' || argv[i][1] > '9')) {
      BR_FAIL(BR_ERROR_USAGE, "%s: options are written with two dashes, as in --out", argv[i]);
    } else {
      if (options->n_subjects == MAX_SUBJECTS) BR_FAIL(BR_ERROR_USAGE, "more than %d subjects", MAX_SUBJECTS);
      options->subjects[options->n_subjects++] = argv[i];
    }
  }
  return BR_OK;
}

void options_free(struct options *options) {
  free(options->values);
  *options = (struct options){0};
}

static int row_of(const char *name) {
  int row = find_row(name, strlen(name));
  assert(row >= 0);
  return row;
}

bool option_given(const struct options *options, const char *name) { return options->values[row_of(name)] != NULL; }
bool option_flag(const struct options *options, const char *name) { return option_given(options, name); }

const char *option_first_given(const struct options *options, bool among, const char *words) {
  char word[80];
  for (int i = 0; option_rows[i].name; i++) {
    snprintf(word, sizeof word, " %s ", option_rows[i].name);
    if (options->values[i] && (strstr(words, word) != NULL) == among) return option_rows[i].name;
  }
  return NULL;
}

const char *option_text(const struct options *options, const char *name) {
  int row = row_of(name);
  return options->values[row] ? options->values[row] : option_rows[row].fallback;
}

double option_float(const struct options *options, const char *name) {
  const char *text = option_text(options, name);
  return text ? strtod(text, NULL) : NAN;
}

int64_t option_int(const struct options *options, const char *name) {
  const char *text = option_text(options, name);
  return text ? (int64_t)strtod(text, NULL) : 0;
}

double option_size(const struct options *options, const char *name) {
  const char *text = option_text(options, name);
  return text ? br_text_parse_bytes(text) : 0;
}

double option_sizes(const struct options *options, const char *name, int i) {
  const char *text = option_text(options, name), *next;
  char one[32];
  if (!text) return 0;
  for (; i > 0 && (next = strchr(text, ',')); i--) text = next + 1;
  snprintf(one, sizeof one, "%.*s", (int)strcspn(text, ","), text);
  return br_text_parse_bytes(one);
}

int option_choice(const struct options *options, const char *name) {
  const char *text = option_text(options, name);
  return text ? choice_number(&option_rows[row_of(name)], text) : -1;
}

static const char *placeholder(const struct option_row *row) {
  switch (row->kind) {
    case OPTION_FLAG: return "";
    case OPTION_INT: return "N";
    case OPTION_FLOAT: return "X";
    case OPTION_SIZE: return "SIZE";
    case OPTION_SIZES: return "SIZE,...";
    default: return row->choices;
  }
}

void options_print_help(unsigned verb_bit) {
  for (int i = 0; option_rows[i].name; i++) {
    const struct option_row *row = &option_rows[i];
    if (!(row->verbs & verb_bit)) continue;
    char left[80];
    snprintf(left, sizeof left, "--%s %s", row->name, placeholder(row));
    printf("  %-26s %s", left, row->help);
    if (strlen(left) > 26) printf(" ");
    bool tells = strchr(row->help, ':') && strstr(row->help, "default");
    if (row->fallback && !tells && strcmp(row->fallback, "0") != 0 && strcmp(row->fallback, "-1") != 0) printf(" (default %s)", row->fallback);
    printf("\n");
  }
}

static void print_escaped(const char *text) {
  for (; *text; text++) printf(*text == '|' ? "\\|" : "%c", *text);
}

void options_print_markdown(void) {
  static const char *const verbs[] = {"train", "eval", "predict", "inspect", "plan", "bench", "data", "import", "export", "sweep", "report", "doctor", "advise", "serve"};
  printf("| option | value | default | verbs | meaning |\n|---|---|---|---|---|\n");
  for (int i = 0; option_rows[i].name; i++) {
    const struct option_row *row = &option_rows[i];
    printf("| `--%s` | ", row->name);
    print_escaped(placeholder(row));
    printf(" | %s | ", row->fallback ? row->fallback : "");
    if (row->verbs == FOR_ALL)
      printf("all");
    else
      for (size_t v = 0, n = 0; v < sizeof verbs / sizeof *verbs; v++)
        if (row->verbs & 1u << v) printf("%s%s", n++ ? ", " : "", verbs[v]);
    printf(" | %s |\n", row->help);
  }
}
