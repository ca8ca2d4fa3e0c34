/* Small formulas that people write: conditions on rows of a table or cases of an experiment, and numbers made of others. This reads one into a tree;
 * what names mean, and what happens to missing values, is up to who evaluates it (lab/expression.c, table/formula.c).
 *
 * Numbers, 'texts' ('' stands for a quote), names ("in quotes" where they are not letters, digits and _), + - * /, comparisons = == != < <= > >=,
 * `is missing`, `is not missing`, not, and, or, ( ), and word(...). Comparisons bind tighter than not, not than and, and than or. */
#ifndef BRAMBLE_BASE_EXPRESSION_H
#define BRAMBLE_BASE_EXPRESSION_H

#include <bramble/base/error.h>

enum br_expression_kind {
  BR_EXPRESSION_NUMBER,
  BR_EXPRESSION_TEXT,
  BR_EXPRESSION_NAME,
  BR_EXPRESSION_CALL, /* word(left) */
  BR_EXPRESSION_NEGATE,
  BR_EXPRESSION_NOT,
  BR_EXPRESSION_MISSING, /* left is missing */
  BR_EXPRESSION_ADD,
  BR_EXPRESSION_SUBTRACT,
  BR_EXPRESSION_MULTIPLY,
  BR_EXPRESSION_DIVIDE,
  BR_EXPRESSION_EQUAL,
  BR_EXPRESSION_UNEQUAL,
  BR_EXPRESSION_LESS,
  BR_EXPRESSION_AT_MOST,
  BR_EXPRESSION_GREATER,
  BR_EXPRESSION_AT_LEAST,
  BR_EXPRESSION_AND,
  BR_EXPRESSION_OR
};

struct br_expression_node {
  enum br_expression_kind kind;
  int at;           /* where it stands in the source, from 0: of an operator, its own place */
  double number;
  const char *text; /* of TEXT, NAME and CALL, without quotes */
  int left, right;  /* numbers of nodes; -1: none */
  int depth;        /* 1 for a leaf; at most BR_EXPRESSION_DEPTH */
};
#define BR_EXPRESSION_DEPTH 1000

struct br_expression {
  const char *source;
  struct br_expression_node *nodes;
  int n, root;
};

/* Reads `text`. With `end`, a comma outside of brackets and quotes ends the expression too, and *end is the place behind what was read; without, all
 * of the text is one. Closed with br_expression_close. Errors: BR_ERROR_USAGE with the column of the mistake; BR_ERROR_MEMORY. Thread-safe. */
int br_expression_parse(const char *text, const char **end, struct br_expression **out);
void br_expression_close(struct br_expression *expression); /* NULL does nothing */

/* Records `"source", column N: what` as a BR_ERROR_USAGE and returns it; `at` counts from 0. */
int br_expression_fail(const struct br_expression *expression, int at, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
