/* YAML as a small tree that remembers where everything stood, so that every message can name file, line and column. Read with libyaml's
 * parser (the one inside libcyaml, whose schemas have no room for names that the user chooses, such as factors). Private to the room. */
#ifndef LAB_YAML_H
#define LAB_YAML_H

#include <stdbool.h>
#include <stddef.h>

enum br_yaml_kind { BR_YAML_TEXT, BR_YAML_LIST, BR_YAML_MAP };

struct br_yaml {
  enum br_yaml_kind kind;
  const char *key;  /* its name in the map it is in, else NULL */
  const char *text; /* of BR_YAML_TEXT, else NULL */
  int line, column; /* of the key if there is one, from 1 */
  int text_line, text_column; /* of the text's first letter, where all its letters stand one after the other as in the file; else 0 */
  struct br_yaml *items;
  int n;
};

struct br_yaml_file;
/* Reads one document. *out owns the tree and everything of br_yaml_alloc. Errors: BR_ERROR_USAGE "PATH:LINE:COLUMN: ...". */
int br_yaml_open(const char *path, struct br_yaml_file **out);
void br_yaml_close(struct br_yaml_file *file); /* NULL does nothing */
const struct br_yaml *br_yaml_root(const struct br_yaml_file *file);

/* *out = zeroed memory that lives as long as the file. */
int br_yaml_alloc(struct br_yaml_file *file, size_t count, size_t element_bytes, void *out);

/* Sets "PATH:LINE:COLUMN: message" for the place of `node`; returns BR_ERROR_USAGE. */
int br_yaml_fail(const struct br_yaml_file *file, const struct br_yaml *node, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The place of the letter `at` of a node's text, for br_yaml_fail; the node's own where that is not known. */
struct br_yaml br_yaml_letter(const struct br_yaml *node, size_t at);

/* The item of that key, or NULL (also for a NULL map). */
const struct br_yaml *br_yaml_get(const struct br_yaml *map, const char *key);
/* Fails unless `node` is a map whose keys are all among keys[0 .. n); the message names the nearest. */
int br_yaml_check_keys(const struct br_yaml_file *file, const struct br_yaml *node, const char *const *keys, size_t n);
/* Values by key; a missing key leaves *out as it is. */
int br_yaml_text(const struct br_yaml_file *file, const struct br_yaml *map, const char *key, const char **out);
int br_yaml_number(const struct br_yaml_file *file, const struct br_yaml *map, const char *key, double min, double max, double *out);
/* The number of the word among words[0 .. n). */
int br_yaml_choice(const struct br_yaml_file *file, const struct br_yaml *map, const char *key, const char *const *words, int n, int *out);

#endif
