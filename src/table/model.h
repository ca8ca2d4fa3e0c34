/* How a kind of model plugs in: its body, its tensors, its answer. */
#ifndef BRAMBLE_SRC_TABLE_MODEL_H
#define BRAMBLE_SRC_TABLE_MODEL_H

#include "steps.h"

#include <bramble/store/safetensors.h>
#include <bramble/table/model.h>
#include <bramble/table/rows.h>

struct br_table_model {
  enum br_table_model_kind kind;
  struct br_table_model_column *features, target;
  size_t n_features, outputs;
  json_t *settings; /* of the training, and facts worth keeping; owned */
  struct br__steps steps; /* that make its columns of those of a file */
  void *body;
  struct br_safetensors *file; /* it was read from: bodies may point into it; NULL for a new model */
};

#define BR__MODEL_TENSORS 96
struct br__model_class {
  const char *name;
  /* Lists the body's tensors (borrowed); returns how many. */
  size_t (*tensors)(const struct br_table_model *model, struct br_tensor_entry *entries);
  /* Makes the body from a file's tensors; everything in them is checked. */
  int (*load)(struct br_table_model *model, const struct br_safetensors *file);
  void (*predict)(const struct br_table_model *model, const double *x, double *out);
  void (*describe)(const struct br_table_model *model, json_t *into);
  char *(*text)(const struct br_table_model *model, size_t most_lines); /* or NULL */
  void (*free)(struct br_table_model *model);
  void (*predict_rows)(const struct br_table_model *model, const double *x, size_t n, double *out); /* many at once; NULL: one after another */
  const struct br__trees *(*trees)(const struct br_table_model *model); /* or NULL */
};
struct br__trees;
/* The trees of a tree, forest or boosted model; NULL for other kinds. */
const struct br__trees *br__model_trees(const struct br_table_model *model);
extern const struct br__model_class br__linear_class, br__logistic_class, br__tree_class, br__forest_class, br__boost_class, br__kmeans_class, br__bayes_class, br__mlp_class;

/* What kinds of models have in common. Numbers a feature takes in a list of weights: one, or one a category. */
size_t br__feature_width(const struct br_table_model_column *feature);
/* Copies every tensor of the model's kind from a file to where the (new) body has it. */
int br__model_load_body(const struct br_table_model *model, const struct br_safetensors *file);
/* Frees the n blocks of a body, and the body. */
void br__model_free_body(struct br_table_model *model, void *const *blocks, size_t n);
/* The end of a training: gives `status` back, and has closed *model where that is a failure. */
int br__model_end(int status, struct br_table_model **model);

/* The squared scaled distance of a row from a cluster's centre. */
double br__kmeans_distance(const struct br_table_model *model, const double *x, size_t cluster);

/* An empty model of a kind for these columns of a table; target SIZE_MAX: none. */
int br__model_create(enum br_table_model_kind kind, const struct br_table *table, const size_t *features, size_t n_features, size_t target, struct br_table_model **out);
/* The tensors of its file (borrowed), at most BR__MODEL_TENSORS; returns how many. */
size_t br__model_tensors(const struct br_table_model *model, struct br_tensor_entry *entries);
/* A tensor that must be there with that type and number of elements (SIZE_MAX: any). */
int br__model_tensor(const struct br_safetensors *file, const char *name, enum br_dtype type, size_t count, const void **data, size_t *elements);

/* Rows of a table as a model wants them: columns found by name, categories translated to the model's codes. */
struct br__encoder {
  const struct br_table *table;
  size_t n_features;
  size_t *column;
  int32_t **code; /* [feature][table code] = model code, -1 unknown; NULL for numbers */
  double *fill;   /* [feature]: what missing and unknown values are taken for; NaN: they stay missing */
  size_t target;  /* column, SIZE_MAX if the table has none */
  int32_t *class_code;
};
#define BR__ROWS_AT_ONCE 128 /* that callers of br_table_model_predict_rows find room for */
/* Errors: BR_ERROR_DATA naming every feature the table lacks. `need_target`: the target must be there too. */
int br__encoder_open(const struct br_table_model *model, const struct br_table *table, bool need_target, struct br__encoder *out);
void br__encoder_close(struct br__encoder *encoder);
/* The features of a block's rows, one row after another; scratch: doubles for the block's rows. *unknown counts categories the model has not seen. */
void br__encoder_rows(const struct br__encoder *encoder, size_t block, double *x, double *scratch, uint64_t *unknown);
/* One feature of this rank's rows with that role (`rows` NULL: of all), one after another. Errors: BR_ERROR_MEMORY. */
int br__encoder_feature(const struct br__encoder *encoder, const struct br_rows *rows, enum br_role role, size_t feature, double *out);
/* The target of a block's rows: numbers, or the model's class codes (-1 unseen class, NaN missing). */
void br__encoder_target(const struct br__encoder *encoder, size_t block, double *y);

#endif
