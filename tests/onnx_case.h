/* ONNX files for tests, from a line of text, as bytes: statements with ; between.
 *
 *   opset 13                              the default is 17
 *   in x 1 3 8 8 [:type]                  an input; ? is an open size
 *   w name 4 3 3 3 [= 1 2 ...] [:type]    an initializer; without numbers all its values are 0.5. Types are f4 (the default), f2, b2 (bfloat16), i1, u1, i8
 *   n Op a b , c -> y z [key=value ...]   a node; , is an input left out; values are 1,2,3 or 1, (ints), 1 (int), 0.5 (float, with a point) or a word
 *   out y                                 an output */
#ifndef TESTS_ONNX_CASE_H
#define TESTS_ONNX_CASE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct onnx_bytes {
  unsigned char *data;
  size_t n, room;
};

static inline void onnx_put(struct onnx_bytes *b, const void *data, size_t n) {
  if (b->n + n > b->room) b->data = realloc(b->data, b->room = 2 * (b->n + n));
  if (n) memcpy(b->data + b->n, data, n);
  b->n += n;
}

static inline void onnx_varint(struct onnx_bytes *b, uint64_t x) {
  for (; x > 127; x >>= 7) onnx_put(b, &(unsigned char){(unsigned char)(x | 128)}, 1);
  onnx_put(b, &(unsigned char){(unsigned char)x}, 1);
}

static inline void onnx_number(struct onnx_bytes *b, unsigned field, int64_t x) {
  onnx_varint(b, field << 3);
  onnx_varint(b, (uint64_t)x);
}

static inline void onnx_block(struct onnx_bytes *b, unsigned field, const void *data, size_t n) {
  onnx_varint(b, field << 3 | 2);
  onnx_varint(b, n);
  onnx_put(b, data, n);
}

static inline void onnx_text(struct onnx_bytes *b, unsigned field, const char *text) { onnx_block(b, field, text, strlen(text)); }

/* The message becomes a field of another and is freed. */
static inline void onnx_inside(struct onnx_bytes *b, unsigned field, struct onnx_bytes *message) {
  onnx_block(b, field, message->data, message->n);
  free(message->data);
  *message = (struct onnx_bytes){0};
}

static const struct onnx_element {
  const char *name;
  int type, bytes;
} onnx_elements[] = {{"f4", 1, 4}, {"f2", 10, 2}, {"b2", 16, 2}, {"i1", 3, 1}, {"u1", 2, 1}, {"i8", 7, 8}};

static inline void onnx_element(struct onnx_bytes *raw, int type, double x) {
  float f = (float)x;
  _Float16 half = (_Float16)f;
  uint32_t bits;
  memcpy(&bits, &f, 4);
  if (type == 1) onnx_put(raw, &f, 4);
  if (type == 10) onnx_put(raw, &half, 2);
  if (type == 16) onnx_put(raw, &(uint16_t){(uint16_t)(bits >> 16)}, 2);
  if (type == 3) onnx_put(raw, &(int8_t){(int8_t)x}, 1);
  if (type == 2) onnx_put(raw, &(uint8_t){(uint8_t)x}, 1);
  if (type == 7) onnx_put(raw, &(int64_t){(int64_t)x}, 8);
}

/* The :type of a statement, taken from its words. */
static inline int onnx_type(char **word, int *n) {
  if (*n < 1 || word[*n - 1][0] != ':') return 1;
  --*n;
  for (size_t i = 0; i < sizeof onnx_elements / sizeof *onnx_elements; i++)
    if (strcmp(word[*n] + 1, onnx_elements[i].name) == 0) return onnx_elements[i].type;
  assert(0);
  return 0;
}

static inline void onnx_weight(struct onnx_bytes *graph, char **word, int n) {
  struct onnx_bytes tensor = {0}, raw = {0};
  int type = onnx_type(word, &n), i = 2;
  double count = 1;
  for (; i < n && strcmp(word[i], "=") != 0; i++) {
    onnx_number(&tensor, 1, strtoll(word[i], NULL, 10));
    count *= strtod(word[i], NULL);
  }
  onnx_number(&tensor, 2, type);
  onnx_text(&tensor, 8, word[1]);
  if (i < n)
    for (i++; i < n; i++) onnx_element(&raw, type, strtod(word[i], NULL));
  else
    for (int k = 0; k < count && k < 100000; k++) onnx_element(&raw, type, type == 1 || type == 10 || type == 16 ? 0.5 : 1);
  onnx_inside(&tensor, 9, &raw);
  onnx_inside(graph, 5, &tensor);
}

static inline void onnx_value_info(struct onnx_bytes *graph, unsigned field, char **word, int n) {
  struct onnx_bytes info = {0}, type = {0}, tensor = {0}, shape = {0}, dim = {0};
  onnx_number(&tensor, 1, onnx_type(word, &n));
  for (int i = 2; i < n; i++) {
    if (word[i][0] == '?')
      onnx_text(&dim, 2, "N");
    else
      onnx_number(&dim, 1, strtoll(word[i], NULL, 10));
    onnx_inside(&shape, 1, &dim);
  }
  if (n > 2) onnx_inside(&tensor, 2, &shape);
  onnx_inside(&type, 1, &tensor);
  onnx_text(&info, 1, word[1]);
  onnx_inside(&info, 2, &type);
  onnx_inside(graph, field, &info);
}

static inline void onnx_attribute(struct onnx_bytes *node, char *word) {
  struct onnx_bytes a = {0};
  char *value = strchr(word, '='), *end;
  *value++ = 0;
  onnx_text(&a, 1, word);
  bool number = (*value >= '0' && *value <= '9') || *value == '-';
  float f = strtof(value, &end);
  if (number && *end == ',') {
    for (char *p = value; *p; p = *end ? end + 1 : end) onnx_number(&a, 8, strtoll(p, &end, 10));
    onnx_number(&a, 20, 7);
  } else if (number && strchr(value, '.')) {
    onnx_varint(&a, 2 << 3 | 5);
    onnx_put(&a, &f, 4);
    onnx_number(&a, 20, 1);
  } else if (number) {
    onnx_number(&a, 3, strtoll(value, NULL, 10));
    onnx_number(&a, 20, 2);
  } else {
    onnx_text(&a, 4, value);
    onnx_number(&a, 20, 3);
  }
  onnx_inside(node, 5, &a);
}

static inline void onnx_node(struct onnx_bytes *graph, char **word, int n) {
  struct onnx_bytes node = {0};
  int i = 2;
  for (; i < n && strcmp(word[i], "->") != 0; i++) onnx_text(&node, 1, strcmp(word[i], ",") == 0 ? "" : word[i]);
  for (i++; i < n && !strchr(word[i], '='); i++) onnx_text(&node, 2, word[i]);
  onnx_text(&node, 4, word[1]);
  for (; i < n; i++) onnx_attribute(&node, word[i]);
  onnx_inside(graph, 1, &node);
}

/* A model around a graph. */
static inline struct onnx_bytes onnx_model(struct onnx_bytes *graph, int64_t opset) {
  struct onnx_bytes model = {0}, import = {0};
  onnx_text(&import, 1, "");
  onnx_number(&import, 2, opset);
  onnx_number(&model, 1, 8);
  onnx_inside(&model, 8, &import);
  onnx_inside(&model, 7, graph);
  return model;
}

/* The file that the text describes; data is the caller's, for free(). */
static inline struct onnx_bytes onnx_case(const char *text) {
  struct onnx_bytes graph = {0};
  char *copy = strdup(text), *rest = copy;
  int64_t opset = 17;
  for (char *statement; (statement = strsep(&rest, ";"));) {
    char *word[256], *p;
    int n = 0;
    while ((p = strsep(&statement, " ")))
      if (*p) word[n++] = p;
    if (n == 0) continue;
    if (strcmp(word[0], "opset") == 0) opset = strtoll(word[1], NULL, 10);
    if (strcmp(word[0], "in") == 0) onnx_value_info(&graph, 11, word, n);
    if (strcmp(word[0], "out") == 0) onnx_value_info(&graph, 12, word, n);
    if (strcmp(word[0], "w") == 0) onnx_weight(&graph, word, n);
    if (strcmp(word[0], "n") == 0) onnx_node(&graph, word, n);
  }
  free(copy);
  return onnx_model(&graph, opset);
}

static inline void onnx_write_bytes(const struct onnx_bytes *bytes, const char *path) {
  FILE *file = fopen(path, "wb");
  assert(file && fwrite(bytes->data, 1, bytes->n, file) == bytes->n);
  fclose(file);
}

#endif
