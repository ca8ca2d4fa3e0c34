/* What boosting makes small: losses, their derivatives as integers, and the scores to begin with. */
#ifndef BRAMBLE_SRC_TABLE_BOOST_LOSS_H
#define BRAMBLE_SRC_TABLE_BOOST_LOSS_H

#include "boost_sums.h"

struct br__loss {
  enum br_boost_loss kind; /* not AUTO */
  size_t n_classes;        /* 0: numbers */
  size_t n_scores;         /* 1, or the classes where there are more than two */
  double quantile;
  const double *weight;    /* [class]; NULL: all 1 */
  double top_weight;       /* the largest */
  struct br__cell_form form;
  double unit_g, unit_h;   /* of the derivatives, until the next br__loss_units */
};

/* One rank's rows: score c of row i is score[c * n + i]; the first n_train are learned from. target: numbers, or codes of classes. */
struct br__loss_rows {
  size_t n, n_train;
  const double *target;
  double *score;
};

/* Fills the scores to begin with, base[n_scores]. Errors: BR_ERROR_DATA for one class, or targets the loss cannot have. Collective. */
int br__loss_base(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br__loss *loss, const struct br__loss_rows *rows, double *base);
/* Chooses the units for the present scores, from the largest derivatives of all ranks. Collective. */
int br__loss_units(struct br_comm *comm, struct br__loss *loss, const struct br__loss_rows *rows);
/* Derivatives of rows [first, last): derivative[c * n_train + i]. */
void br__loss_derive(const struct br__loss *loss, const struct br__loss_rows *rows, size_t first, size_t last, struct br__derivative *derivative);
/* The loss of row i. */
double br__loss_of(const struct br__loss *loss, const struct br__loss_rows *rows, size_t i);

/* Scores to probabilities, in place; and of one score. */
void br__softmax(double *score, size_t n);
double br__logistic(double score);

#endif
