/* The body of a boosted model: what boost.c makes and boost_model.c uses. */
#ifndef BRAMBLE_SRC_TABLE_BOOST_MODEL_H
#define BRAMBLE_SRC_TABLE_BOOST_MODEL_H

#include "boost_loss.h"
#include "trees.h"

struct br__boost {
  struct br__trees *trees; /* round after round, of n_scores trees each */
  size_t n_scores;         /* 1, or the classes where there are more than two */
  double *base;            /* [n_scores] */
  bool logarithms;         /* the answer is e to the score */
};
/* An empty body, by the model's outputs and settings; owned by the model. */
int br__boost_body(struct br_table_model *model, struct br__boost **out);
void br__boost_describe(const struct br_table_model *model, json_t *into);

#endif
