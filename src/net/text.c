/* The net text: reading it with the line and column of every error, printing it in one canonical form, and building it line by line. */
#include "net/graph.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NODES 20000

struct reader {
  struct br_graph *graph;
  const char *at; /* the next character */
  const char *line_start;
  int line;
};

#define FAIL_AT(r, place, ...) \
  return (br_error_set(BR_ERROR_DATA, __VA_ARGS__), br_error_prefix(BR_ERROR_DATA, "%s:%d:%d", (r)->graph->name, (r)->line, (int)((place) - (r)->line_start) + 1))

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '/'; }

static void skip_blanks(struct reader *r) {
  while (*r->at == ' ' || *r->at == '\t' || *r->at == '\r') r->at++;
}

/* The word at the cursor, of at most BR_NAME_BYTES - 1 characters. */
static int read_word(struct reader *r, const char *what, char word[BR_NAME_BYTES]) {
  skip_blanks(r);
  size_t n = 0;
  while (is_word(r->at[n])) n++;
  if (n == 0) {
    if (*r->at == 0 || *r->at == '\n' || *r->at == '#') FAIL_AT(r, r->at, "the line ends where %s was expected", what);
    if (isprint((unsigned char)*r->at)) FAIL_AT(r, r->at, "'%c' where %s was expected", *r->at, what);
    FAIL_AT(r, r->at, "byte %d where %s was expected", (unsigned char)*r->at, what);
  }
  if (n >= BR_NAME_BYTES) FAIL_AT(r, r->at, "a word of %zu letters; at most %d are possible", n, BR_NAME_BYTES - 1);
  memcpy(word, r->at, n);
  word[n] = 0;
  r->at += n;
  return BR_OK;
}

/* A plain decimal of n characters: no hexadecimal, infinity or NaN, which strtod would take. */
static bool read_number(const char *p, size_t n, double *number) {
  char digits[BR_NAME_BYTES], *end;
  if (n == 0 || n >= sizeof digits || strspn(p, "0123456789.eE+-") < n) return false;
  memcpy(digits, p, n);
  digits[n] = 0;
  *number = strtod(digits, &end);
  return *end == 0;
}

/* "3", "3x5" into a value. */
static int parse_numbers(struct reader *r, const char *place, const char *word, const struct br_attribute *attribute, struct br_value *value) {
  const char *p = word;
  value->n = 0;
  for (;;) {
    const char *end = p + strcspn(p, "x,");
    double number;
    if (!read_number(p, (size_t)(end - p), &number)) FAIL_AT(r, place, "%s=%s: a number was expected", attribute->name, word);
    if (attribute->kind != BR_ATTRIBUTE_REAL && number != floor(number)) FAIL_AT(r, place, "%s=%s: a whole number was expected", attribute->name, word);
    if (!(number >= attribute->min && number <= attribute->max))
      FAIL_AT(r, place, "%s=%s: %g is not within %g to %g", attribute->name, word, number, attribute->min, attribute->max);
    if (value->n == attribute->max_numbers) FAIL_AT(r, place, "%s=%s: at most %d numbers", attribute->name, word, attribute->max_numbers);
    value->v[value->n++] = number + 0.0; /* -0 is 0 */
    if (*end == 0) return BR_OK;
    p = end + 1;
  }
}

/* 3x3 is 3 where one number stands for all; not where the numbers are the sizes of a tensor. */
static void collapse(const struct br_attribute *attribute, struct br_value *value) {
  if (attribute->kind != BR_ATTRIBUTE_PADDING && attribute->max_numbers != 2) return;
  for (int i = 1; i < value->n; i++)
    if (value->v[i] != value->v[0]) return;
  value->n = 1;
}

/* Which of "this|that" the word is, -1 if none. */
static int word_number(const char *words, const char *word) {
  size_t length = strlen(word);
  for (int number = 0;; number++) {
    size_t n = strcspn(words, "|");
    if (n == length && strncmp(words, word, n) == 0) return number;
    if (words[n] == 0) return -1;
    words += n + 1;
  }
}

static int parse_value(struct reader *r, const char *place, const char *word, const struct br_attribute *attribute, struct br_value *value) {
  if (attribute->kind == BR_ATTRIBUTE_BOOL) {
    int yes = strcmp(word, "yes") == 0;
    if (!yes && strcmp(word, "no") != 0) FAIL_AT(r, place, "%s=%s: yes or no was expected", attribute->name, word);
    *value = (struct br_value){1, {yes}};
    return BR_OK;
  }
  if (attribute->kind == BR_ATTRIBUTE_WORD) {
    int number = word_number(attribute->words, word);
    if (number < 0) FAIL_AT(r, place, "%s=%s: one of %s was expected", attribute->name, word, attribute->words);
    *value = (struct br_value){1, {number}};
    return BR_OK;
  }
  if (attribute->kind == BR_ATTRIBUTE_PADDING) {
    bool same = strcmp(word, "same") == 0;
    if (same || strcmp(word, "valid") == 0) {
      *value = (struct br_value){1, {same ? -1 : 0}};
      return BR_OK;
    }
  }
  BR_TRY(parse_numbers(r, place, word, attribute, value));
  if (attribute->kind == BR_ATTRIBUTE_PADDING && value->n == 3) FAIL_AT(r, place, "%s=%s: give 1 number, 2 (rows x columns) or 4 (top x left x bottom x right)", attribute->name, word);
  collapse(attribute, value);
  return BR_OK;
}

static int unknown_attribute(struct reader *r, const char *place, const struct br_op *op, const char *name) {
  const char *names[BR_MAX_ATTRIBUTES];
  size_t n = 0;
  for (; op->attributes[n].name; n++) names[n] = op->attributes[n].name;
  const char *nearest = br_text_nearest(name, names, n);
  if (nearest) FAIL_AT(r, place, "%s has no %s; did you mean %s?", op->name, name, nearest);
  FAIL_AT(r, place, "%s has no %s", op->name, name);
}

static int read_attribute(struct reader *r, struct br_node *node, const char *place, const char *name) {
  const struct br_op *op = node->op;
  int i = 0;
  while (op->attributes[i].name && strcmp(op->attributes[i].name, name) != 0) i++;
  if (!op->attributes[i].name) return unknown_attribute(r, place, op, name);
  if (node->attribute[i].n) FAIL_AT(r, place, "%s is given twice", name);
  r->at++; /* the = */
  const char *at = r->at;
  char word[BR_NAME_BYTES];
  size_t n = 0;
  while (is_word(at[n]) || at[n] == ',' || at[n] == '+') n++;
  if (n == 0 || n >= sizeof word) FAIL_AT(r, at, "%s= is followed by no value", name);
  memcpy(word, at, n);
  word[n] = 0;
  r->at += n;
  return parse_value(r, at, word, &op->attributes[i], &node->attribute[i]);
}

static int read_operator(struct reader *r, struct br_node *node) {
  char word[BR_NAME_BYTES];
  skip_blanks(r);
  const char *place = r->at;
  BR_TRY(read_word(r, "an operator", word));
  node->op = br_op_find(word);
  if (node->op) return BR_OK;
  const char *names[128];
  size_t n = 0;
  for (; n < 128 && br_op_at((int)n); n++) names[n] = br_op_at((int)n)->name;
  const char *nearest = br_text_nearest(word, names, n);
  if (nearest) FAIL_AT(r, place, "%s is not an operator; did you mean %s?", word, nearest);
  FAIL_AT(r, place, "%s is not an operator", word);
}

static int add_input(struct reader *r, struct br_node *node, const char *place, const char *name) {
  int input = br_graph_find(r->graph, name);
  if (input < 0 && strcmp(name, node->name) == 0) FAIL_AT(r, place, "%s takes its own output; a net has no cycles", name);
  if (input < 0) FAIL_AT(r, place, "%s is not a node above this line (nodes come in order; a net has no cycles)", name);
  if (node->n_inputs == node->op->max_inputs) FAIL_AT(r, place, "%s takes at most %d inputs", node->op->name, node->op->max_inputs);
  int *grown = realloc(node->inputs, (size_t)(node->n_inputs + 1) * sizeof *grown);
  if (!grown) BR_FAIL(BR_ERROR_MEMORY, "no memory for the graph");
  node->inputs = grown;
  node->inputs[node->n_inputs++] = input;
  return BR_OK;
}

/* What follows the operator: names of inputs, bare numbers of `input`, key=value. */
static int read_arguments(struct reader *r, struct br_node *node) {
  for (;;) {
    skip_blanks(r);
    if (*r->at == 0 || *r->at == '\n' || *r->at == '#') return BR_OK;
    const char *place = r->at;
    char word[BR_NAME_BYTES];
    BR_TRY(read_word(r, "an input or an attribute", word));
    if (*r->at == '=') {
      BR_TRY(read_attribute(r, node, place, word));
    } else if (node->op->max_inputs == 0) { /* input 128 128 3: sizes */
      struct br_value number;
      BR_TRY(parse_numbers(r, place, word, &node->op->attributes[0], &number));
      struct br_value *sizes = &node->attribute[0];
      if (sizes->n + number.n > node->op->attributes[0].max_numbers) FAIL_AT(r, place, "at most %d sizes", node->op->attributes[0].max_numbers);
      for (int i = 0; i < number.n; i++) sizes->v[sizes->n++] = number.v[i];
    } else {
      BR_TRY(add_input(r, node, place, word));
    }
  }
}

static int check_node(struct reader *r, struct br_node *node, const char *place) {
  if (node->n_inputs < node->op->min_inputs)
    FAIL_AT(r, place, "%s needs %d input%s, %d given", node->op->name, node->op->min_inputs, node->op->min_inputs == 1 ? "" : "s", node->n_inputs);
  for (int i = 0; node->op->attributes[i].name; i++) {
    const struct br_attribute *attribute = &node->op->attributes[i];
    if (node->attribute[i].n) continue;
    if (isnan(attribute->fallback)) FAIL_AT(r, place, "%s needs %s=", node->op->name, attribute->name);
    node->attribute[i] = (struct br_value){1, {attribute->fallback}};
  }
  if (r->graph->loss >= 0) FAIL_AT(r, place, "a node after the loss %s; the loss is the last", r->graph->nodes[r->graph->loss].name);
  if (r->graph->n_nodes && r->graph->nodes[r->graph->n_nodes - 1].op->flags & BR_OP_OUTPUTS) FAIL_AT(r, place, "a node after the outputs; they are the last");
  return BR_OK;
}

static int read_line(struct reader *r) {
  struct br_graph *graph = r->graph;
  skip_blanks(r);
  if (*r->at == 0 || *r->at == '\n' || *r->at == '#') return BR_OK;
  const char *place = r->at;
  if (graph->n_nodes == MAX_NODES) FAIL_AT(r, place, "more than %d nodes", MAX_NODES);
  int n = graph->n_nodes;
  if (n == 0 || (n >= 64 && (n & (n - 1)) == 0)) { /* 64 nodes, then twice as many whenever they are full */
    struct br_node *grown = realloc(graph->nodes, (n ? 2 * (size_t)n : 64) * sizeof *grown);
    if (!grown) BR_FAIL(BR_ERROR_MEMORY, "no memory for the graph");
    graph->nodes = grown;
  }
  struct br_node *node = &graph->nodes[graph->n_nodes];
  memset(node, 0, sizeof *node);
  node->line = r->line;
  BR_TRY(read_word(r, "a node's name", node->name));
  if (br_graph_find(graph, node->name) >= 0) FAIL_AT(r, place, "%s is defined already, on line %d", node->name, graph->nodes[br_graph_find(graph, node->name)].line);
  skip_blanks(r);
  if (*r->at != '=') FAIL_AT(r, r->at, "'=' was expected after the name %s", node->name);
  r->at++;
  BR_TRY(read_operator(r, node));
  int status = read_arguments(r, node);
  if (status == BR_OK) status = check_node(r, node, place);
  graph->n_nodes++; /* from here on br_graph_close frees it */
  if (status == BR_OK) status = br__graph_add_name(graph);
  BR_TRY(status);
  if (node->n_inputs == 0) node->shape.d[0] = 1;
  status = br__graph_infer_node(graph, graph->n_nodes - 1);
  if (status != BR_OK) return br_error_prefix(status, "%s:%d:%d: node %s", graph->name, r->line, (int)(place - r->line_start) + 1, node->name);
  if (node->op->flags & BR_OP_LOSS) {
    graph->loss = graph->n_nodes - 1;
    graph->output = node->inputs[0];
  } else {
    graph->output = node->op->flags & BR_OP_OUTPUTS ? node->inputs[0] : graph->n_nodes - 1;
  }
  return BR_OK;
}

static int read_lines(struct reader *r) {
  for (;;) {
    BR_TRY(read_line(r));
    r->at += strcspn(r->at, "\n");
    if (*r->at == 0) break;
    r->line_start = ++r->at;
    r->line++;
  }
  return BR_OK;
}

int br__graph_finish(struct br_graph *graph) {
  if (graph->n_nodes == 0) BR_FAIL(BR_ERROR_DATA, "%s: is an empty net; the first line is like: x = input 32 32 3", graph->name);
  if (graph->n_nodes == 1) BR_FAIL(BR_ERROR_DATA, "%s: nothing follows %s; a net has at least one node after its input", graph->name, graph->nodes[0].name);
  const struct br_node *last = &graph->nodes[graph->n_nodes - 1];
  while (graph->n_inputs < graph->n_nodes && graph->nodes[graph->n_inputs].n_inputs == 0) graph->n_inputs++;
  for (int i = graph->n_inputs; i < graph->n_nodes; i++)
    if (graph->nodes[i].n_inputs == 0) BR_FAIL(BR_ERROR_DATA, "%s: input %s comes late: the inputs are the first nodes", graph->name, graph->nodes[i].name);
  if (graph->n_inputs == 0) BR_FAIL(BR_ERROR_DATA, "%s: a net has an input, and it is the first node", graph->name);
  bool several = last->op->flags & BR_OP_OUTPUTS;
  graph->outputs = several ? last->inputs : &graph->output;
  graph->n_outputs = several ? last->n_inputs : 1;
  return BR_OK;
}

int br__graph_open(const char *name, struct br_graph **out) {
  BR_TRY(br_memory_alloc(1, sizeof **out, "graph", out));
  snprintf((*out)->name, sizeof (*out)->name, "%s", name);
  (*out)->loss = -1;
  return BR_OK;
}

int br__graph_add(struct br_graph *graph, const char *line) {
  struct reader r = {.graph = graph, .at = line, .line_start = line, .line = graph->n_nodes + 1};
  return read_line(&r);
}

int br_graph_parse(const char *name, const char *text, struct br_graph **out) {
  *out = NULL;
  struct br_graph *graph;
  BR_TRY(br__graph_open(name, &graph));
  struct reader r = {.graph = graph, .at = text, .line_start = text, .line = 1};
  int status = read_lines(&r);
  if (status == BR_OK) status = br__graph_finish(graph);
  if (status == BR_OK)
    *out = graph;
  else
    br_graph_close(graph);
  return status;
}

struct br_net_text {
  char *text;
  size_t used, capacity;
  bool failed;
};

int br_net_text_open(struct br_net_text **out) { return br_memory_alloc(1, sizeof **out, "net text", out); }

static void append(struct br_net_text *text, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (n < 0 || text->failed) return;
  if (text->used + (size_t)n + 2 > text->capacity) {
    size_t capacity = 2 * (text->used + (size_t)n + 2);
    char *grown = realloc(text->text, capacity);
    if (!grown) {
      text->failed = true;
      return;
    }
    text->text = grown;
    text->capacity = capacity;
  }
  vsnprintf(text->text + text->used, (size_t)n + 1, format, args);
  text->used += (size_t)n;
}

static void append_part(struct br_net_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append_part(struct br_net_text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  append(text, format, args);
  va_end(args);
}

void br_net_text_add(struct br_net_text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  append(text, format, args);
  va_end(args);
  append_part(text, "\n");
}

int br_net_text_graph(struct br_net_text *text, const char *name, struct br_graph **out) {
  int status = text->failed ? br_error_set(BR_ERROR_MEMORY, "%s: no memory for its text", name) : br_graph_parse(name, text->text ? text->text : "", out);
  free(text->text);
  br_memory_free(text);
  return status;
}

/* The shortest decimal that reads back as the same double. */
static void print_number(struct br_net_text *out, double number) {
  char digits[40];
  if (number == (double)(long long)number) {
    append_part(out, "%lld", (long long)number);
    return;
  }
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, number);
    if (strtod(digits, NULL) == number) break;
  }
  append_part(out, "%s", digits);
}

static void print_value(struct br_net_text *out, const struct br_attribute *attribute, const struct br_value *value) {
  if (attribute->kind == BR_ATTRIBUTE_BOOL) {
    append_part(out, value->v[0] != 0 ? "yes" : "no");
  } else if (attribute->kind == BR_ATTRIBUTE_WORD) {
    const char *word = attribute->words;
    for (int i = 0; i < (int)value->v[0]; i++) word += strcspn(word, "|") + 1;
    append_part(out, "%.*s", (int)strcspn(word, "|"), word);
  } else if (attribute->kind == BR_ATTRIBUTE_PADDING && value->v[0] < 0) {
    append_part(out, "same");
  } else {
    for (int i = 0; i < value->n; i++) {
      if (i) append_part(out, "x");
      print_number(out, value->v[i]);
    }
  }
}

static void print_node(struct br_net_text *out, const struct br_graph *graph, const struct br_node *node) {
  append_part(out, "%s = %s", node->name, node->op->name);
  for (int k = 0; k < node->n_inputs; k++) append_part(out, " %s", graph->nodes[node->inputs[k]].name);
  for (int i = 0; node->op->attributes[i].name; i++) {
    const struct br_attribute *attribute = &node->op->attributes[i];
    const struct br_value *value = &node->attribute[i];
    if (node->op->max_inputs == 0) { /* input: bare sizes */
      for (int k = 0; k < value->n; k++) append_part(out, " %d", (int)value->v[k]);
      continue;
    }
    if (value->n == 1 && value->v[0] == attribute->fallback) continue;
    append_part(out, " %s=", attribute->name);
    print_value(out, attribute, value);
  }
  append_part(out, "\n");
}

int br_graph_print(const struct br_graph *graph, char **text) {
  struct br_net_text out = {0};
  for (int i = 0; i < graph->n_nodes; i++) print_node(&out, graph, &graph->nodes[i]);
  int status = out.failed ? br_error_set(BR_ERROR_MEMORY, "no memory for the net's text") : br_memory_alloc(out.used + 1, 1, "net text", text);
  if (status == BR_OK) memcpy(*text, out.text ? out.text : "", out.used);
  free(out.text);
  return status;
}
