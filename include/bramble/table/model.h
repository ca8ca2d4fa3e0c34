/* Models of tables as files and in memory: what kind, what columns they were trained on, and their answer for one row. */
#ifndef BRAMBLE_TABLE_MODEL_H
#define BRAMBLE_TABLE_MODEL_H

#include <bramble/table/table.h>

#include <jansson.h>

enum br_table_model_kind { BR_TABLE_LINEAR, BR_TABLE_LOGISTIC, BR_TABLE_TREE, BR_TABLE_FOREST, BR_TABLE_BOOST, BR_TABLE_KMEANS, BR_TABLE_BAYES, BR_TABLE_MLP, BR_TABLE_KINDS };
/* "linear", "logistic", ... and back (BR_ERROR_USAGE). */
const char *br_table_model_kind_name(enum br_table_model_kind kind);
int br_table_model_kind_parse(const char *name, enum br_table_model_kind *out);

/* A column as a model knows it. Categories are those of the training table, in its order of codes. */
struct br_table_model_column {
  char *name;
  enum br_column_type type;
  size_t n_categories;
  char **categories;
};

struct br_table_model;

/* Errors: BR_ERROR_DATA naming the file and what is wrong in it. Not collective. */
int br_table_model_open(const char *path, struct br_table_model **out);
void br_table_model_close(struct br_table_model *model); /* NULL does nothing */
/* Writes the file; the bytes depend on the model alone. */
int br_table_model_save(const struct br_table_model *model, const char *path);

enum br_table_model_kind br_table_model_kind(const struct br_table_model *model);
/* Numbers in one answer: 1 for a number, the number of classes (their probabilities) otherwise. */
size_t br_table_model_outputs(const struct br_table_model *model);

/* The answer for one row: x holds the features, numbers as they are and categories as codes, NaN where missing or unknown; out has room for the outputs. A linear or
 * logistic model, an mlp and k-means answer NaN where a number is missing; k-means answers the number of the nearest cluster, from 0. Thread-safe. */
void br_table_model_predict(const struct br_table_model *model, const double *x, double *out);
/* The same for n rows one after another: x [n, features], out [n, outputs]. */
void br_table_model_predict_rows(const struct br_table_model *model, const double *x, size_t n, double *out);

/* What there is to say about it: settings, coefficients or importances, sizes. The caller owns the object. NULL without memory. */
json_t *br_table_model_describe(const struct br_table_model *model);
/* The model as lines of text for people (trees); NULL for kinds that br_table_model_describe says all about. The caller frees it with free(). */
char *br_table_model_text(const struct br_table_model *model, size_t most_lines);

#endif
