/* The model of gradient boosting: a row's score is the base plus its leaves' values in the order of trees, in training (boost.c) as here, so both have
 * the same bits. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "boost_model.h"
#include "math.h"

#include <math.h>
#include <string.h>

static size_t scores_of(const struct br_table_model *model) { return model->outputs > 2 ? model->outputs : 1; }

static size_t boost_tensors(const struct br_table_model *model, struct br_tensor_entry *entries) {
  const struct br__boost *body = model->body;
  entries[0] = (struct br_tensor_entry){.name = "base", .type = BR_F64, .dims = 1, .shape = {body->n_scores}, .data = body->base};
  return 1 + br__trees_tensors(body->trees, entries + 1);
}

static void boost_free(struct br_table_model *model) {
  struct br__boost *body = model->body;
  br__trees_free(body->trees);
  br_memory_free(body->base);
  br_memory_free(body);
  model->body = NULL;
}

int br__boost_body(struct br_table_model *model, struct br__boost **out) {
  struct br__boost *body;
  const char *loss = json_string_value(json_object_get(model->settings, "loss"));
  BR_TRY(br_memory_alloc(1, sizeof *body, "boosted trees", &body));
  model->body = *out = body;
  body->n_scores = scores_of(model);
  body->logarithms = loss && strcmp(loss, "poisson") == 0;
  return br_memory_alloc(body->n_scores, sizeof *body->base, "boosted trees", &body->base);
}

static int boost_load(struct br_table_model *model, const struct br_safetensors *file) {
  struct br__boost *body;
  const void *data;
  BR_TRY(br__boost_body(model, &body));
  BR_TRY(br__model_tensor(file, "base", BR_F64, body->n_scores, &data, NULL));
  memcpy(body->base, data, body->n_scores * sizeof *body->base);
  BR_TRY(br__trees_load(model, file, &body->trees));
  if (body->trees->n_trees % body->n_scores) BR_FAIL(BR_ERROR_DATA, "%zu trees are no whole number of rounds of %zu classes", body->trees->n_trees, body->n_scores);
  return BR_OK;
}

/* Scores of one row: [n_scores]. */
static void add_scores(const struct br__boost *body, const double *x, double *score) {
  for (size_t c = 0; c < body->n_scores; c++) score[c] = body->base[c];
  for (size_t t = 0; t < body->trees->n_trees; t++) score[t % body->n_scores] += body->trees->value[br__tree_leaf(body->trees, t, x)];
}

static void boost_predict(const struct br_table_model *model, const double *x, double *out) {
  const struct br__boost *body = model->body;
  add_scores(body, x, out);
  if (body->logarithms) out[0] = br__exp(out[0]);
  if (model->outputs > 2) br__softmax(out, model->outputs);
  if (model->outputs == 2) {
    out[1] = br__logistic(out[0]);
    out[0] = 1 - out[1];
  }
}

void br__boost_describe(const struct br_table_model *model, json_t *into) {
  const struct br__boost *body = model->body;
  json_object_set_new(into, "rounds", json_integer((json_int_t)(body->trees->n_trees / body->n_scores)));
  br__trees_describe(model, body->trees, into);
}

static const struct br__trees *boost_trees(const struct br_table_model *model) { return ((const struct br__boost *)model->body)->trees; }

const struct br__model_class br__boost_class = {.name = "boost", .tensors = boost_tensors, .load = boost_load, .predict = boost_predict, .describe = br__boost_describe, .free = boost_free, .trees = boost_trees};
