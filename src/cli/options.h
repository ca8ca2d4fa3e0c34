/* Options as data: one row gives parser, help, docs/cli.md and the did-you-mean. One name means the same in every verb. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind { OPTION_FLAG, OPTION_INT, OPTION_FLOAT, OPTION_SIZE, OPTION_SIZES, OPTION_CHOICE, OPTION_TEXT };

/* The verbs an option belongs to. */
enum {
  FOR_TRAIN = 1,
  FOR_EVAL = 2,
  FOR_PREDICT = 4,
  FOR_INSPECT = 8,
  FOR_PLAN = 16,
  FOR_BENCH = 32,
  FOR_DATA = 64,
  FOR_IMPORT = 128,
  FOR_EXPORT = 256,
  FOR_SWEEP = 512,
  FOR_REPORT = 1024,
  FOR_DOCTOR = 2048,
  FOR_ADVISE = 4096,
  FOR_SERVE = 8192,
  FOR_ALL = 0x7FFFFFFF
};

struct option_row {
  const char *name;
  enum option_kind kind;
  const char *fallback; /* default as text; NULL: none, "" in help */
  double min, max;      /* INT, FLOAT, SIZE */
  const char *choices;  /* CHOICE: "a|b|c"; TEXT: what stands for the value in help */
  unsigned verbs;
  const char *help, *example;
};

extern const struct option_row option_rows[]; /* ends with a NULL name */

#define MAX_SUBJECTS 64

struct options {
  const char *verb;
  unsigned verb_bit;
  const char *subjects[MAX_SUBJECTS];
  int n_subjects;
  const char **values; /* per row; NULL: not given */
};

/* Reads the words after the verb; strings are borrowed from argv. Errors: BR_ERROR_USAGE with one line. */
int options_parse(struct options *options, const char *verb, unsigned verb_bit, int argc, char **argv);
void options_free(struct options *options);

/* Values by name; the name is a row's (assert). Without a value and a default: NULL, 0, NaN, false. */
bool option_given(const struct options *options, const char *name);
bool option_flag(const struct options *options, const char *name);
int64_t option_int(const struct options *options, const char *name);
double option_float(const struct options *options, const char *name);
double option_size(const struct options *options, const char *name);
double option_sizes(const struct options *options, const char *name, int i); /* of a list, its last for what lies behind; 0: not given */
const char *option_text(const struct options *options, const char *name);
/* Number of the chosen word in the row's choices. */
int option_choice(const struct options *options, const char *name);

/* The first option given that is (`among`), or that is not, one of the words, which have blanks around them; NULL: there is none. */
const char *option_first_given(const struct options *options, bool among, const char *words);

/* Help for one verb's options, on stdout; and all of them as the tables of docs/cli.md. */
void options_print_help(unsigned verb_bit);
void options_print_markdown(void);

#endif
