/* Recursive descent into a tree of nodes, children before parents, all in one block with a copy of the source and of the words in it. */
#include <bramble/base/expression.h>
#include <bramble/base/memory.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 16, MOST_NESTED = 50 };

struct reader {
  struct br_expression *e;
  const char *at;
  char *words; /* where the next word goes */
  int nested;
};

static int read_or(struct reader *r, int *out);

int br_expression_fail(const struct br_expression *expression, int at, const char *format, ...) {
  char what[400];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  BR_FAIL(BR_ERROR_USAGE, "\"%.300s\", column %d: %s", expression->source, at + 1, what);
}

static int here(const struct reader *r) { return (int)(r->at - r->e->source); }
static int fail(const struct reader *r, const char *what) { return br_expression_fail(r->e, here(r), "%s", what); }

static void skip_space(struct reader *r) {
  while (isspace((unsigned char)*r->at)) r->at++;
}

static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }

/* Takes `word` if it is next; words made of letters must end there. */
static bool take(struct reader *r, const char *word) {
  skip_space(r);
  size_t n = strlen(word);
  if (strncmp(r->at, word, n) != 0 || (is_name(word[0]) && is_name(r->at[n]))) return false;
  r->at += n;
  return true;
}

static int depth_of(const struct br_expression *e, int node) { return node < 0 ? 0 : e->nodes[node].depth; }

static int add(struct reader *r, struct br_expression_node node, int *out) {
  int left = depth_of(r->e, node.left), right = depth_of(r->e, node.right);
  node.depth = 1 + (left > right ? left : right);
  if (node.depth > BR_EXPRESSION_DEPTH) return br_expression_fail(r->e, node.at, "the formula is too long");
  *out = r->e->n;
  r->e->nodes[r->e->n++] = node;
  return BR_OK;
}

static int add_leaf(struct reader *r, enum br_expression_kind kind, int at, double number, const char *text, int *out) {
  return add(r, (struct br_expression_node){.kind = kind, .at = at, .number = number, .text = text, .left = -1, .right = -1}, out);
}

static int add_pair(struct reader *r, enum br_expression_kind kind, int at, int left, int right, int *out) {
  return add(r, (struct br_expression_node){.kind = kind, .at = at, .left = left, .right = right}, out);
}

/* What stands between quotes of one kind, a doubled one being one. */
static int read_quoted(struct reader *r, const char **text) {
  char quote = *r->at;
  int start = here(r);
  *text = r->words;
  for (r->at++;; r->at++) {
    if (!*r->at) return br_expression_fail(r->e, start, "the quote does not end");
    if (*r->at == quote && *++r->at != quote) break;
    *r->words++ = *r->at;
  }
  *r->words++ = 0;
  return BR_OK;
}

static int read_word(struct reader *r, int *out) {
  int at = here(r);
  bool quoted = *r->at == '"';
  const char *text = r->words;
  if (quoted) {
    BR_TRY(read_quoted(r, &text));
  } else {
    if (!is_name(*r->at)) return fail(r, "a name, a number or a 'text' was expected");
    while (is_name(*r->at)) *r->words++ = *r->at++;
    *r->words++ = 0;
  }
  if (quoted || !take(r, "(")) return add_leaf(r, BR_EXPRESSION_NAME, at, 0, text, out);
  int inner;
  BR_TRY(read_or(r, &inner));
  if (!take(r, ")")) return fail(r, ") was expected");
  return add(r, (struct br_expression_node){.kind = BR_EXPRESSION_CALL, .at = at, .text = text, .left = inner, .right = -1}, out);
}

static int read_number(struct reader *r, int *out) {
  char *end;
  int at = here(r);
  double number = strtod(r->at, &end);
  if (end == r->at || is_name(*end)) return fail(r, "is not a number; write texts in single quotes");
  r->at = end;
  return add_leaf(r, BR_EXPRESSION_NUMBER, at, number, NULL, out);
}

static int read_primary(struct reader *r, int *out) {
  skip_space(r);
  int at = here(r), inner;
  if (take(r, "(")) {
    if (++r->nested > MOST_NESTED) return fail(r, "nested too deeply");
    BR_TRY(read_or(r, out));
    r->nested--;
    return take(r, ")") ? BR_OK : fail(r, ") was expected");
  }
  if (take(r, "-")) {
    if (++r->nested > MOST_NESTED) return fail(r, "nested too deeply");
    BR_TRY(read_primary(r, &inner));
    r->nested--;
    return add_pair(r, BR_EXPRESSION_NEGATE, at, inner, -1, out);
  }
  if (*r->at == '\'') {
    const char *text;
    BR_TRY(read_quoted(r, &text));
    return add_leaf(r, BR_EXPRESSION_TEXT, at, 0, text, out);
  }
  return isdigit((unsigned char)*r->at) || *r->at == '.' ? read_number(r, out) : read_word(r, out);
}

/* left op right op right ..., to the left. */
static int read_chain(struct reader *r, int (*operand)(struct reader *, int *), const char *const *words, enum br_expression_kind first, int *out) {
  int right;
  BR_TRY(operand(r, out));
  for (;;) {
    skip_space(r);
    int at = here(r), word = 0;
    while (words[word] && !take(r, words[word])) word++;
    if (!words[word]) return BR_OK;
    BR_TRY(operand(r, &right));
    BR_TRY(add_pair(r, first + (unsigned)word, at, *out, right, out));
  }
}

static int read_product(struct reader *r, int *out) { return read_chain(r, read_primary, (const char *const[]){"*", "/", NULL}, BR_EXPRESSION_MULTIPLY, out); }
static int read_sum(struct reader *r, int *out) { return read_chain(r, read_product, (const char *const[]){"+", "-", NULL}, BR_EXPRESSION_ADD, out); }

static int read_comparison(struct reader *r, int *out) {
  static const struct {
    const char *word;
    enum br_expression_kind kind;
  } words[] = {{"!=", BR_EXPRESSION_UNEQUAL}, {"<=", BR_EXPRESSION_AT_MOST}, {">=", BR_EXPRESSION_AT_LEAST}, {"==", BR_EXPRESSION_EQUAL}, {"=", BR_EXPRESSION_EQUAL}, {"<", BR_EXPRESSION_LESS}, {">", BR_EXPRESSION_GREATER}};
  enum { WORDS = sizeof words / sizeof *words };
  BR_TRY(read_sum(r, out));
  skip_space(r);
  int at = here(r), word = 0, right;
  if (take(r, "is")) {
    bool not = take(r, "not");
    if (!take(r, "missing")) return fail(r, "'missing' or 'not missing' was expected after 'is'");
    BR_TRY(add_pair(r, BR_EXPRESSION_MISSING, at, *out, -1, out));
    return not ? add_pair(r, BR_EXPRESSION_NOT, at, *out, -1, out) : BR_OK;
  }
  while (word < WORDS && !take(r, words[word].word)) word++;
  if (word == WORDS) return BR_OK;
  BR_TRY(read_sum(r, &right));
  return add_pair(r, words[word].kind, at, *out, right, out);
}

static int read_not(struct reader *r, int *out) {
  skip_space(r);
  int at = here(r), inner;
  if (!take(r, "not")) return read_comparison(r, out);
  if (++r->nested > MOST_NESTED) return fail(r, "nested too deeply");
  BR_TRY(read_not(r, &inner));
  r->nested--;
  return add_pair(r, BR_EXPRESSION_NOT, at, inner, -1, out);
}

static int read_and(struct reader *r, int *out) { return read_chain(r, read_not, (const char *const[]){"and", NULL}, BR_EXPRESSION_AND, out); }
static int read_or(struct reader *r, int *out) { return read_chain(r, read_and, (const char *const[]){"or", NULL}, BR_EXPRESSION_OR, out); }

int br_expression_parse(const char *text, const char **end, struct br_expression **out) {
  size_t bytes = strlen(text) + 1, nodes = bytes * sizeof(struct br_expression_node); /* every node takes a letter at least */
  char *block;
  *out = NULL;
  if (bytes > MOST_BYTES) BR_FAIL(BR_ERROR_USAGE, "\"%.60s...\": a formula of more than %d letters", text, MOST_BYTES - 1);
  BR_TRY(br_memory_alloc(sizeof(struct br_expression) + 2 * nodes + 3 * bytes, 1, "formula", &block));
  struct br_expression *e = (struct br_expression *)(void *)block;
  e->nodes = (struct br_expression_node *)(void *)(e + 1);
  char *source = (char *)(e->nodes + 2 * bytes);
  memcpy(source, text, bytes);
  e->source = source;
  struct reader r = {.e = e, .at = source, .words = source + bytes};
  int status = read_or(&r, &e->root);
  skip_space(&r);
  if (status == BR_OK && *r.at && !(end && *r.at == ',')) status = fail(&r, "was not expected here");
  if (status != BR_OK) {
    br_expression_close(e);
    return status;
  }
  if (end) {
    *end = text + (r.at - source);
    source[r.at - source] = 0;
  }
  *out = e;
  return BR_OK;
}

void br_expression_close(struct br_expression *expression) { br_memory_free(expression); }
