/* Formulas of an experiment are worked out on numbers and texts of one case: two truth values, and a comparison with what is missing is false. */
#include "lab/expression.h"

#include <bramble/base/expression.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct br_value_or_text value;

struct evaluation {
  const struct br_expression *e;
  br_expression_lookup *lookup;
  void *arg;
};

value br_expression_value(const char *text) {
  char *end;
  double number = strtod(text, &end);
  bool whole = end != text && !*end;
  return (value){whole ? number : NAN, whole ? NULL : text};
}

static double number_of(value v) { return v.text ? NAN : v.number; }
static bool truth(value v) { return v.text ? v.text[0] != 0 : v.number != 0; }

static int look_up(const struct evaluation *x, const struct br_expression_node *name, bool base, value *v) {
  if (name->kind != BR_EXPRESSION_NAME) return br_expression_fail(x->e, name->at, "a name was expected");
  *v = (value){0, NULL};
  if (x->lookup && x->lookup(x->arg, name->text, base, v)) return BR_OK;
  return br_expression_fail(x->e, name->at, "nothing is called %.100s%s%s%s", name->text, v->text ? "; did you mean " : "", v->text ? v->text : "", v->text ? "?" : "");
}

static bool compare(enum br_expression_kind kind, value a, value b) {
  bool texts = a.text || b.text, equal = texts ? a.text && b.text && strcmp(a.text, b.text) == 0 : a.number == b.number;
  switch (kind) {
    case BR_EXPRESSION_EQUAL: return equal;
    case BR_EXPRESSION_UNEQUAL: return !equal;
    case BR_EXPRESSION_LESS: return !texts && a.number < b.number;
    case BR_EXPRESSION_AT_MOST: return !texts && a.number <= b.number;
    case BR_EXPRESSION_GREATER: return !texts && a.number > b.number;
    default: return !texts && a.number >= b.number;
  }
}

static int evaluate(const struct evaluation *x, int at, value *v) {
  const struct br_expression_node *node = &x->e->nodes[at];
  value a = {0}, b = {0};
  switch (node->kind) {
    case BR_EXPRESSION_NUMBER: *v = (value){node->number, NULL}; return BR_OK;
    case BR_EXPRESSION_TEXT: *v = br_expression_value(node->text); return BR_OK;
    case BR_EXPRESSION_NAME: return look_up(x, node, false, v);
    case BR_EXPRESSION_CALL:
      if (strcmp(node->text, "base") != 0) return br_expression_fail(x->e, node->at, "%.100s is no function; there is base(name)", node->text);
      return look_up(x, &x->e->nodes[node->left], true, v);
    default: break;
  }
  BR_TRY(evaluate(x, node->left, &a));
  if (node->right >= 0) BR_TRY(evaluate(x, node->right, &b));
  double left = number_of(a), right = number_of(b);
  v->text = NULL;
  switch (node->kind) {
    case BR_EXPRESSION_NEGATE: v->number = -left; break;
    case BR_EXPRESSION_NOT: v->number = !truth(a); break;
    case BR_EXPRESSION_MISSING: v->number = !a.text && isnan(a.number); break;
    case BR_EXPRESSION_ADD: v->number = left + right; break;
    case BR_EXPRESSION_SUBTRACT: v->number = left - right; break;
    case BR_EXPRESSION_MULTIPLY: v->number = left * right; break;
    case BR_EXPRESSION_DIVIDE: v->number = left / right; break;
    case BR_EXPRESSION_AND: v->number = truth(a) && truth(b); break;
    case BR_EXPRESSION_OR: v->number = truth(a) || truth(b); break;
    default: v->number = compare(node->kind, a, b); break;
  }
  return BR_OK;
}

/* A text that was written in the formula itself ends with this call: it becomes a condition. */
static bool own_text(const struct br_expression *e, const char *text) {
  for (int i = 0; i < e->n; i++)
    if (e->nodes[i].text == text) return true;
  return false;
}

int br_expression_evaluate(const char *text, br_expression_lookup *lookup, void *arg, struct br_value_or_text *out) {
  struct evaluation x = {.lookup = lookup, .arg = arg};
  struct br_expression *e;
  value v;
  BR_TRY(br_expression_parse(text, NULL, &e));
  x.e = e;
  int status = evaluate(&x, e->root, &v);
  if (status == BR_OK) *out = v.text && own_text(e, v.text) ? (value){truth(v), NULL} : v;
  br_expression_close(e);
  return status;
}
