/* The tree of a YAML file: copied out of libyaml's document into one arena. Aliases are followed, with limits against files that
 * refer to themselves. */
#include "lab/yaml.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BR_HAVE_YAML

#include <bramble/store/file.h>
#include <yaml.h>

#define MAX_DEPTH 24
#define MAX_NODES 200000

struct chunk {
  struct chunk *next;
  size_t used, bytes;
  _Alignas(16) unsigned char data[];
};

struct br_yaml_file {
  char path[512];
  struct chunk *chunks;
  struct br_yaml root;
  int nodes;
};

int br_yaml_alloc(struct br_yaml_file *file, size_t count, size_t element_bytes, void *out) {
  size_t bytes;
  if (!br_size_mul(count, element_bytes, &bytes) || bytes > SIZE_MAX - 64) BR_FAIL(BR_ERROR_MEMORY, "%s: too large", file->path);
  bytes = (bytes + 16) & ~(size_t)15;
  if (!file->chunks || file->chunks->bytes - file->chunks->used < bytes) {
    size_t room = bytes > 16384 ? bytes : 16384;
    struct chunk *chunk = calloc(1, sizeof *chunk + room);
    if (!chunk) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory to read it", file->path);
    chunk->bytes = room;
    chunk->next = file->chunks;
    file->chunks = chunk;
  }
  void *block = file->chunks->data + file->chunks->used;
  file->chunks->used += bytes;
  memcpy(out, &block, sizeof block);
  return BR_OK;
}

static int copy_text(struct br_yaml_file *file, const yaml_node_t *node, const char **out) {
  char *text;
  BR_TRY(br_yaml_alloc(file, node->data.scalar.length + 1, 1, &text));
  memcpy(text, node->data.scalar.value, node->data.scalar.length);
  *out = text;
  return BR_OK;
}

static void place(struct br_yaml *to, const yaml_node_t *node) {
  to->line = (int)node->start_mark.line + 1;
  to->column = (int)node->start_mark.column + 1;
}

/* Quotes are a letter on each side; escapes, folded lines and letters of several bytes make another length. */
static void place_text(struct br_yaml *to, const yaml_node_t *node) {
  yaml_scalar_style_t style = node->data.scalar.style;
  size_t quote = style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  if (node->start_mark.line != node->end_mark.line || node->end_mark.column - node->start_mark.column != node->data.scalar.length + 2 * quote) return;
  to->text_line = to->line;
  to->text_column = to->column + (int)quote;
}

static int copy_node(struct br_yaml_file *file, yaml_document_t *document, yaml_node_t *node, int depth, struct br_yaml *to);

static int copy_map(struct br_yaml_file *file, yaml_document_t *document, yaml_node_t *node, int depth, struct br_yaml *to) {
  size_t n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
  BR_TRY(br_yaml_alloc(file, n, sizeof *to->items, &to->items));
  to->kind = BR_YAML_MAP;
  for (size_t i = 0; i < n; i++) {
    yaml_node_t *key = yaml_document_get_node(document, node->data.mapping.pairs.start[i].key);
    struct br_yaml *item = &to->items[i];
    place(item, key);
    if (key->type != YAML_SCALAR_NODE) return br_yaml_fail(file, item, "a name was expected before the colon");
    BR_TRY(copy_text(file, key, &item->key));
    for (size_t k = 0; k < i; k++)
      if (strcmp(to->items[k].key, item->key) == 0) return br_yaml_fail(file, item, "%s is there twice, the first time in line %d", item->key, to->items[k].line);
    BR_TRY(copy_node(file, document, yaml_document_get_node(document, node->data.mapping.pairs.start[i].value), depth + 1, item));
    place(item, key);
    to->n = (int)i + 1;
  }
  return BR_OK;
}

static int copy_list(struct br_yaml_file *file, yaml_document_t *document, yaml_node_t *node, int depth, struct br_yaml *to) {
  size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
  BR_TRY(br_yaml_alloc(file, n, sizeof *to->items, &to->items));
  to->kind = BR_YAML_LIST;
  to->n = (int)n;
  for (size_t i = 0; i < n; i++) BR_TRY(copy_node(file, document, yaml_document_get_node(document, node->data.sequence.items.start[i]), depth + 1, &to->items[i]));
  return BR_OK;
}

static int copy_node(struct br_yaml_file *file, yaml_document_t *document, yaml_node_t *node, int depth, struct br_yaml *to) {
  place(to, node);
  if (depth > MAX_DEPTH || ++file->nodes > MAX_NODES) return br_yaml_fail(file, to, "nested too deeply, or an alias that holds itself");
  switch (node->type) {
    case YAML_SCALAR_NODE:
      to->kind = BR_YAML_TEXT;
      place_text(to, node);
      return copy_text(file, node, &to->text);
    case YAML_SEQUENCE_NODE:
      return copy_list(file, document, node, depth, to);
    case YAML_MAPPING_NODE:
      return copy_map(file, document, node, depth, to);
    default:
      return br_yaml_fail(file, to, "is neither a value, a list nor a map");
  }
}

/* In the parser's words, but for the commonest mistake, and where the thing begins that does not end. */
static int parse_fail(const struct br_yaml_file *file, const yaml_parser_t *parser, const unsigned char *text, size_t bytes) {
  const struct br_yaml at = {.line = (int)parser->problem_mark.line + 1, .column = (int)parser->problem_mark.column + 1};
  if (parser->problem_mark.index < bytes && text[parser->problem_mark.index] == '\t') return br_yaml_fail(file, &at, "a tab, which YAML does not take for spaces; indent with spaces");
  if (!parser->problem) return br_yaml_fail(file, &at, "is not YAML");
  if (!parser->context) return br_yaml_fail(file, &at, "%s", parser->problem);
  return br_yaml_fail(file, &at, "%s, %s that begins in line %d, column %d", parser->problem, parser->context, (int)parser->context_mark.line + 1, (int)parser->context_mark.column + 1);
}

static int parse(struct br_yaml_file *file, const unsigned char *text, size_t bytes) {
  yaml_parser_t parser;
  yaml_document_t document;
  if (!yaml_parser_initialize(&parser)) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory to read it", file->path);
  yaml_parser_set_input_string(&parser, text, bytes);
  int status = BR_OK;
  if (!yaml_parser_load(&parser, &document)) {
    status = parse_fail(file, &parser, text, bytes);
  } else {
    yaml_node_t *root = yaml_document_get_root_node(&document);
    if (root)
      status = copy_node(file, &document, root, 0, &file->root);
    else
      status = br_error_set(BR_ERROR_USAGE, "%s: is empty", file->path);
    yaml_document_delete(&document);
  }
  yaml_parser_delete(&parser);
  return status;
}

int br_yaml_open(const char *path, struct br_yaml_file **out) {
  *out = NULL;
  unsigned char *text;
  size_t bytes;
  BR_TRY(br_file_read(path, 4 << 20, &text, &bytes));
  struct br_yaml_file *file = calloc(1, sizeof *file);
  int status = file ? BR_OK : br_error_set(BR_ERROR_MEMORY, "%s: no memory to read it", path);
  if (file) {
    snprintf(file->path, sizeof file->path, "%s", path);
    status = parse(file, text, bytes);
  }
  br_memory_free(text);
  if (status != BR_OK)
    br_yaml_close(file);
  else
    *out = file;
  return status;
}

void br_yaml_close(struct br_yaml_file *file) {
  if (!file) return;
  while (file->chunks) {
    struct chunk *next = file->chunks->next;
    free(file->chunks);
    file->chunks = next;
  }
  free(file);
}

const struct br_yaml *br_yaml_root(const struct br_yaml_file *file) { return &file->root; }
static const char *path_of(const struct br_yaml_file *file) { return file->path; }

#else /* without the library every file is refused in one place */

struct br_yaml_file {
  struct br_yaml root;
};

int br_yaml_open(const char *path, struct br_yaml_file **out) {
  *out = NULL;
  BR_FAIL(BR_ERROR_FAILED, "%s: this bramble was built without YAML; install libyaml-dev and build it again", path);
}
void br_yaml_close(struct br_yaml_file *file) { (void)file; }
const struct br_yaml *br_yaml_root(const struct br_yaml_file *file) { return &file->root; }
int br_yaml_alloc(struct br_yaml_file *file, size_t count, size_t element_bytes, void *out) {
  (void)file, (void)count, (void)element_bytes, (void)out;
  BR_FAIL(BR_ERROR_FAILED, "this bramble was built without YAML");
}
static const char *path_of(const struct br_yaml_file *file) { return (void)file, ""; }

#endif

int br_yaml_fail(const struct br_yaml_file *file, const struct br_yaml *node, const char *format, ...) {
  char text[800];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  BR_FAIL(BR_ERROR_USAGE, "%s:%d:%d: %s", path_of(file), node->line, node->column, text);
}

struct br_yaml br_yaml_letter(const struct br_yaml *node, size_t at) {
  struct br_yaml place = *node;
  if (node->text_line) place.line = node->text_line, place.column = node->text_column + (int)at;
  return place;
}

const struct br_yaml *br_yaml_get(const struct br_yaml *map, const char *key) {
  for (int i = 0; map && map->kind == BR_YAML_MAP && i < map->n; i++)
    if (strcmp(map->items[i].key, key) == 0) return &map->items[i];
  return NULL;
}

/* The word that was meant, or all that are possible. */
static const char *name_nearest(const char *word, const char *const *words, size_t n, char mend[400]) {
  const char *nearest = br_text_nearest(word, words, n);
  if (nearest) {
    snprintf(mend, 400, "did you mean %s?", nearest);
    return mend;
  }
  snprintf(mend, 400, "possible are");
  for (size_t k = 0; k < n; k++) snprintf(mend + strlen(mend), 400 - strlen(mend), "%s %s", k ? "," : "", words[k]);
  return mend;
}

int br_yaml_check_keys(const struct br_yaml_file *file, const struct br_yaml *node, const char *const *keys, size_t n) {
  if (node->kind != BR_YAML_MAP) return br_yaml_fail(file, node, "a map was expected, as in %s: ...", keys[0]);
  for (int i = 0; i < node->n; i++) {
    bool known = false;
    for (size_t k = 0; k < n; k++) known = known || strcmp(node->items[i].key, keys[k]) == 0;
    if (known) continue;
    char mend[400];
    return br_yaml_fail(file, &node->items[i], "%s is not known here; %s", node->items[i].key, name_nearest(node->items[i].key, keys, n, mend));
  }
  return BR_OK;
}

int br_yaml_text(const struct br_yaml_file *file, const struct br_yaml *map, const char *key, const char **out) {
  const struct br_yaml *node = br_yaml_get(map, key);
  if (!node) return BR_OK;
  if (node->kind != BR_YAML_TEXT) return br_yaml_fail(file, node, "%s: one value was expected", key);
  *out = node->text;
  return BR_OK;
}

int br_yaml_number(const struct br_yaml_file *file, const struct br_yaml *map, const char *key, double min, double max, double *out) {
  const char *text = NULL;
  BR_TRY(br_yaml_text(file, map, key, &text));
  if (!text) return BR_OK;
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end || !(value >= min && value <= max)) return br_yaml_fail(file, br_yaml_get(map, key), "%s: %s is not a number from %g to %g", key, text, min, max);
  *out = value;
  return BR_OK;
}

int br_yaml_choice(const struct br_yaml_file *file, const struct br_yaml *map, const char *key, const char *const *words, int n, int *out) {
  const char *text = NULL;
  BR_TRY(br_yaml_text(file, map, key, &text));
  if (!text) return BR_OK;
  for (int i = 0; i < n; i++)
    if (strcmp(text, words[i]) == 0) {
      *out = i;
      return BR_OK;
    }
  char mend[400];
  return br_yaml_fail(file, br_yaml_get(map, key), "%s: %s is not possible; %s", key, text, name_nearest(text, words, (size_t)n, mend));
}
