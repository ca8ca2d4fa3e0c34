/* Every node gets a type once, when the formula is opened; then rows are worked out in pieces small enough for the stack. */
#include <bramble/base/memory.h>

#include "date.h"
#include "formula.h"

#include <math.h>
#include <string.h>

enum { PIECE = 128 };

/* What a node is on this table. */
struct bound {
  bool is_text;
  size_t column; /* of NAME; SIZE_MAX else */
  size_t slot;   /* of NAME: which of the loaded columns */
  double number; /* of a date written as a text */
  bool is_number_literal;
};

struct br__formula {
  const struct br_expression *e;
  const struct br_table *table;
  struct bound *bound; /* per node */
  size_t *column, n_columns; /* to be loaded */
};

/* --- types --------------------------------------------------------------------------------------------------------------- */

static int bind_name(struct br__formula *f, int at) {
  const struct br_expression_node *node = &f->e->nodes[at];
  struct bound *b = &f->bound[at];
  if (br_table_find(f->table, node->text, &b->column) != BR_OK) {
    char why[300];
    strncpy(why, br_error_message(), sizeof why - 1);
    why[sizeof why - 1] = 0;
    return br_expression_fail(f->e, node->at, "%s", why);
  }
  enum br_column_type type = br_table_type(f->table, b->column);
  if (type == BR_COLUMN_TEXT) return br_expression_fail(f->e, node->at, "column %s has too many different texts to be used", node->text);
  b->is_text = type == BR_COLUMN_CATEGORY;
  for (b->slot = 0; b->slot < f->n_columns && f->column[b->slot] != b->column; b->slot++) {}
  if (b->slot == f->n_columns) f->column[f->n_columns++] = b->column;
  return BR_OK;
}

static int need_number(const struct br__formula *f, int at) {
  const struct br_expression_node *node = &f->e->nodes[at];
  if (!f->bound[at].is_text) return BR_OK;
  if (node->kind == BR_EXPRESSION_NAME) return br_expression_fail(f->e, node->at, "column %s holds texts, a number was expected", node->text);
  return br_expression_fail(f->e, node->at, "'%s' is a text, a number was expected", node->text);
}

/* Texts are compared with texts, dates with texts that are dates. */
static int bind_comparison(struct br__formula *f, int at) {
  const struct br_expression_node *node = &f->e->nodes[at];
  const int sides[2] = {node->left, node->right};
  for (int s = 0; s < 2; s++) {
    const struct br_expression_node *text = &f->e->nodes[sides[s]], *other = &f->e->nodes[sides[1 - s]];
    const struct bound *b = &f->bound[sides[1 - s]];
    int64_t seconds;
    if (text->kind != BR_EXPRESSION_TEXT || b->is_text) continue;
    bool date = other->kind == BR_EXPRESSION_NAME && br_table_type(f->table, b->column) == BR_COLUMN_DATE;
    if (!date) return br_expression_fail(f->e, text->at, "'%s' is compared with a number; write numbers without quotes", text->text);
    if (!br__date_parse((const unsigned char *)text->text, strlen(text->text), &seconds)) return br_expression_fail(f->e, text->at, "'%s' is no date; write it as '2018-06-23' or '2018-06-23 17:05'", text->text);
    f->bound[sides[s]] = (struct bound){.column = SIZE_MAX, .number = (double)seconds, .is_number_literal = true};
  }
  bool left = f->bound[node->left].is_text, right = f->bound[node->right].is_text;
  if (left != right) {
    const struct br_expression_node *text = &f->e->nodes[left ? node->left : node->right];
    return br_expression_fail(f->e, f->e->nodes[left ? node->right : node->left].at, "%s holds texts; write what it is compared with in single quotes", text->kind == BR_EXPRESSION_NAME ? text->text : "one side");
  }
  if (left && node->kind != BR_EXPRESSION_EQUAL && node->kind != BR_EXPRESSION_UNEQUAL) return br_expression_fail(f->e, node->at, "texts are equal (=) or not (!=), they have no order");
  return BR_OK;
}

static int bind(struct br__formula *f, int at) {
  const struct br_expression_node *node = &f->e->nodes[at];
  struct bound *b = &f->bound[at];
  *b = (struct bound){.column = SIZE_MAX, .is_text = node->kind == BR_EXPRESSION_TEXT, .number = node->number, .is_number_literal = node->kind == BR_EXPRESSION_NUMBER};
  if (node->kind == BR_EXPRESSION_NAME) return bind_name(f, at);
  if (node->kind == BR_EXPRESSION_CALL) return br_expression_fail(f->e, node->at, "%s is no function; there are + - * /, comparisons, and, or, not and is missing", node->text);
  if (node->left >= 0) BR_TRY(bind(f, node->left));
  if (node->right >= 0) BR_TRY(bind(f, node->right));
  if (node->kind >= BR_EXPRESSION_EQUAL && node->kind <= BR_EXPRESSION_AT_LEAST) return bind_comparison(f, at);
  if (node->kind == BR_EXPRESSION_MISSING) return BR_OK;
  if (node->left >= 0) BR_TRY(need_number(f, node->left));
  return node->right >= 0 ? need_number(f, node->right) : BR_OK;
}

int br__formula_open(const struct br_expression *expression, const struct br_table *table, struct br__formula **out) {
  struct br__formula *f;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *f, "formula", &f));
  f->e = expression;
  f->table = table;
  int status = br_memory_alloc((size_t)expression->n, sizeof *f->bound, "formula", &f->bound);
  if (status == BR_OK) status = br_memory_alloc((size_t)expression->n, sizeof *f->column, "formula", &f->column);
  if (status == BR_OK) status = bind(f, expression->root);
  if (status == BR_OK) status = need_number(f, expression->root);
  if (status == BR_OK)
    *out = f;
  else
    br__formula_close(f);
  return status;
}

void br__formula_close(struct br__formula *formula) {
  if (!formula) return;
  br_memory_free(formula->bound);
  br_memory_free(formula->column);
  br_memory_free(formula);
}

/* --- values -------------------------------------------------------------------------------------------------------------- */

struct piece {
  const struct br__formula *f;
  const double *columns; /* loaded, one after another */
  size_t stride, first, n;
};

static const double *values_of(const struct piece *p, int at) { return p->columns + p->f->bound[at].slot * p->stride + p->first; }

/* The text of a row of a text node; NULL: missing. */
static const char *text_of(const struct piece *p, int at, size_t row) {
  if (p->f->bound[at].column == SIZE_MAX) return p->f->e->nodes[at].text;
  double code = values_of(p, at)[row];
  return isnan(code) ? NULL : br_table_category(p->f->table, p->f->bound[at].column, (size_t)code);
}

static void compare_texts(const struct piece *p, const struct br_expression_node *node, double *out) {
  for (size_t i = 0; i < p->n; i++) {
    const char *a = text_of(p, node->left, i), *b = text_of(p, node->right, i);
    out[i] = a && b ? (strcmp(a, b) == 0) == (node->kind == BR_EXPRESSION_EQUAL) : NAN;
  }
}

static double truth_and(double a, double b) { return a == 0 || b == 0 ? 0 : isnan(a) || isnan(b) ? NAN : 1; }
static double truth_or(double a, double b) { return (a != 0 && !isnan(a)) || (b != 0 && !isnan(b)) ? 1 : isnan(a) || isnan(b) ? NAN : 0; }

#define EACH(expression)                  \
  for (size_t i = 0; i < n; i++) {        \
    double a = left[i], b = right[i];     \
    (void)a;                              \
    (void)b;                              \
    left[i] = (expression);               \
  }                                       \
  break
#define COMPARE(operator) EACH(isnan(a) || isnan(b) ? NAN : (double)(a operator b))

/* left = left op right. */
static void combine(enum br_expression_kind kind, size_t n, double *left, const double *right) {
  switch (kind) {
    case BR_EXPRESSION_NEGATE: EACH(-a);
    case BR_EXPRESSION_NOT: EACH(isnan(a) ? NAN : (double)(a == 0));
    case BR_EXPRESSION_MISSING: EACH((double)isnan(a));
    case BR_EXPRESSION_ADD: EACH(a + b);
    case BR_EXPRESSION_SUBTRACT: EACH(a - b);
    case BR_EXPRESSION_MULTIPLY: EACH(a * b);
    case BR_EXPRESSION_DIVIDE: EACH(b == 0 ? NAN : a / b);
    case BR_EXPRESSION_EQUAL: COMPARE(==);
    case BR_EXPRESSION_UNEQUAL: COMPARE(!=);
    case BR_EXPRESSION_LESS: COMPARE(<);
    case BR_EXPRESSION_AT_MOST: COMPARE(<=);
    case BR_EXPRESSION_GREATER: COMPARE(>);
    case BR_EXPRESSION_AT_LEAST: COMPARE(>=);
    case BR_EXPRESSION_AND: EACH(truth_and(a, b));
    case BR_EXPRESSION_OR: EACH(truth_or(a, b));
    default: break;
  }
}

static void evaluate(const struct piece *p, int at, double *out) {
  const struct br_expression_node *node = &p->f->e->nodes[at];
  const struct bound *bound = &p->f->bound[at];
  if (bound->is_number_literal) {
    for (size_t i = 0; i < p->n; i++) out[i] = bound->number;
  } else if (node->kind == BR_EXPRESSION_NAME) {
    memcpy(out, values_of(p, at), p->n * sizeof *out);
  } else if (node->kind == BR_EXPRESSION_MISSING && p->f->bound[node->left].is_text) {
    for (size_t i = 0; i < p->n; i++) out[i] = !text_of(p, node->left, i);
  } else if (node->right >= 0 && p->f->bound[node->left].is_text) {
    compare_texts(p, node, out);
  } else {
    double right[PIECE] = {0};
    evaluate(p, node->left, out);
    if (node->right >= 0) evaluate(p, node->right, right);
    combine(node->kind, p->n, out, right);
  }
}

size_t br__formula_scratch(const struct br__formula *formula) { return formula->n_columns * br_table_largest_block(formula->table); }

void br__formula_block(const struct br__formula *formula, size_t block, double *scratch, double *out) {
  size_t rows = br_table_block_rows(formula->table, block), stride = br_table_largest_block(formula->table);
  for (size_t c = 0; c < formula->n_columns; c++) br_table_numbers(formula->table, formula->column[c], block, scratch + c * stride);
  for (size_t first = 0; first < rows; first += PIECE) {
    struct piece p = {.f = formula, .columns = scratch, .stride = stride, .first = first, .n = rows - first < PIECE ? rows - first : PIECE};
    evaluate(&p, formula->e->root, out + first);
  }
}
