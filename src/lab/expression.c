/* Recursive descent, evaluated as it is read: an expression is a line that somebody wrote by hand. Checking one is evaluating it once with a
 * lookup that knows all names. */
#include "lab/expression.h"

#include <bramble/base/error.h>

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 50
#define MAX_TEXTS 16

typedef struct br_value_or_text value;

struct reader {
  const char *start, *at;
  br_expression_lookup *lookup;
  void *arg;
  int depth, n_texts;
  char texts[MAX_TEXTS][128]; /* quoted ones */
};

static int expression_or(struct reader *r, value *v);

static int fail(struct reader *r, const char *what) { return br_error_set(BR_ERROR_USAGE, "\"%s\", column %d: %s", r->start, (int)(r->at - r->start) + 1, what); }

static void skip_space(struct reader *r) {
  while (isspace((unsigned char)*r->at)) r->at++;
}

static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Takes `word` if it is next; words made of letters must end there. */
static bool take(struct reader *r, const char *word) {
  skip_space(r);
  size_t n = strlen(word);
  if (strncmp(r->at, word, n) != 0 || (is_name(word[0]) && is_name(r->at[n]))) return false;
  r->at += n;
  return true;
}

value br_expression_value(const char *text) {
  char *end;
  double number = strtod(text, &end);
  bool whole = end != text && !*end;
  return (value){whole ? number : NAN, whole ? NULL : text};
}

static int read_name(struct reader *r, char name[64]) {
  skip_space(r);
  size_t n = 0;
  while (is_name(r->at[n])) n++;
  if (n == 0) return fail(r, "a name, a number or a 'text' was expected");
  if (n > 63) return fail(r, "the name is too long");
  memcpy(name, r->at, n);
  name[n] = 0;
  r->at += n;
  return BR_OK;
}

static int read_quoted(struct reader *r, value *v) {
  const char *end = strchr(r->at + 1, '\'');
  if (!end) return fail(r, "the quote does not end");
  size_t n = (size_t)(end - r->at - 1);
  if (n > 127 || r->n_texts == MAX_TEXTS) return fail(r, "too much quoted text");
  char *text = r->texts[r->n_texts++];
  memcpy(text, r->at + 1, n);
  text[n] = 0;
  r->at = end + 1;
  *v = br_expression_value(text);
  return BR_OK;
}

static int read_value(struct reader *r, value *v) {
  char name[64];
  bool base = take(r, "base");
  if (base && !take(r, "(")) return fail(r, "( was expected after base");
  const char *start = r->at;
  BR_TRY(read_name(r, name));
  if (!r->lookup || !r->lookup(r->arg, name, base, v)) {
    r->at = start;
    char what[160] = "nothing is called ";
    strcat(what, name);
    return fail(r, what);
  }
  return !base || take(r, ")") ? BR_OK : fail(r, ") was expected");
}

static int primary(struct reader *r, value *v) {
  skip_space(r);
  if (take(r, "(")) {
    if (++r->depth > MAX_DEPTH) return fail(r, "nested too deeply");
    BR_TRY(expression_or(r, v));
    return take(r, ")") ? BR_OK : fail(r, ") was expected");
  }
  if (take(r, "-")) {
    if (++r->depth > MAX_DEPTH) return fail(r, "nested too deeply");
    BR_TRY(primary(r, v));
    *v = (value){v->text ? NAN : -v->number, NULL};
    return BR_OK;
  }
  if (*r->at == '\'') return read_quoted(r, v);
  if (isdigit((unsigned char)*r->at) || *r->at == '.') {
    char *end;
    *v = (value){strtod(r->at, &end), NULL};
    if (end == r->at || is_name(*end)) return fail(r, "is not a number; write texts in single quotes");
    r->at = end;
    return BR_OK;
  }
  return read_value(r, v);
}

static double number_of(value v) { return v.text ? NAN : v.number; }

static int product(struct reader *r, value *v) {
  BR_TRY(primary(r, v));
  for (;;) {
    bool times = take(r, "*");
    if (!times && !take(r, "/")) return BR_OK;
    value right;
    BR_TRY(primary(r, &right));
    *v = (value){times ? number_of(*v) * number_of(right) : number_of(*v) / number_of(right), NULL};
  }
}

static int sum(struct reader *r, value *v) {
  BR_TRY(product(r, v));
  for (;;) {
    bool plus = take(r, "+");
    if (!plus && !take(r, "-")) return BR_OK;
    value right;
    BR_TRY(product(r, &right));
    *v = (value){plus ? number_of(*v) + number_of(right) : number_of(*v) - number_of(right), NULL};
  }
}

static int comparison(struct reader *r, value *v) {
  static const char *const words[] = {"!=", "<=", ">=", "=", "<", ">"};
  BR_TRY(sum(r, v));
  int word = 0;
  while (word < 6 && !take(r, words[word])) word++;
  if (word == 6) return BR_OK;
  value right;
  BR_TRY(sum(r, &right));
  bool texts = v->text || right.text, equal = texts ? v->text && right.text && strcmp(v->text, right.text) == 0 : v->number == right.number;
  const bool answers[] = {!equal, !texts && v->number <= right.number, !texts && v->number >= right.number, equal, !texts && v->number < right.number, !texts && v->number > right.number};
  *v = (value){answers[word], NULL};
  return BR_OK;
}

static bool truth(value v) { return v.text ? v.text[0] != 0 : v.number != 0; }

static int negation(struct reader *r, value *v) {
  bool not = take(r, "not");
  BR_TRY(comparison(r, v));
  if (not) *v = (value){!truth(*v), NULL};
  return BR_OK;
}

static int expression_and(struct reader *r, value *v) {
  BR_TRY(negation(r, v));
  while (take(r, "and")) {
    value right;
    BR_TRY(negation(r, &right));
    *v = (value){truth(*v) && truth(right), NULL};
  }
  return BR_OK;
}

static int expression_or(struct reader *r, value *v) {
  BR_TRY(expression_and(r, v));
  while (take(r, "or")) {
    value right;
    BR_TRY(expression_and(r, &right));
    *v = (value){truth(*v) || truth(right), NULL};
  }
  return BR_OK;
}

int br_expression_evaluate(const char *text, br_expression_lookup *lookup, void *arg, struct br_value_or_text *out) {
  struct reader r = {.start = text, .at = text, .lookup = lookup, .arg = arg};
  value v;
  BR_TRY(expression_or(&r, &v));
  skip_space(&r);
  if (*r.at) return fail(&r, "was not expected here");
  *out = v;
  if (v.text && v.text >= r.texts[0] && v.text < r.texts[0] + sizeof r.texts) *out = (value){v.text[0] != 0, NULL}; /* its text ends with this call */
  return BR_OK;
}
