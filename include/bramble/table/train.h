/* Training: from rows of a table to a model. Every function here is Collective; models and reports are the same bits on any number of
 * ranks and threads. The caller owns *out (br_table_model_close); facts for people are added to `report` (NULL: not wanted). */
#ifndef BRAMBLE_TABLE_TRAIN_H
#define BRAMBLE_TABLE_TRAIN_H

#include <bramble/table/model.h>
#include <bramble/table/rows.h>

#define BR_MOST_CLASSES 65535

/* What to learn from. Borrowed for the call. A target has at most BR_MOST_CLASSES classes. */
struct br_task {
  const struct br_table *table;
  const size_t *features;
  size_t n_features;
  size_t target;
  const struct br_rows *rows; /* those with role TRAIN are learned from */
  uint64_t seed;
  size_t memory_bytes;        /* what training may take beside the table; 0: no limit */
};

/* Checkpoints of forests and boosting: the trees so far in the file `path`.checkpoint, removed at the end. Going on from one gives the bytes of a run that
 * was never stopped, on any number of ranks. Borrowed for the call. */
struct br_checkpoint_settings {
  const char *path; /* of the result; NULL: none are made */
  uint64_t every;   /* trees of a forest or rounds between two; 0: by time alone */
  double seconds;   /* between two; 0: by count alone */
  bool resume;      /* begin with the trees of the checkpoint, if there is one */
};

/* Least squares with an intercept. ridge: |y - Xb|^2 + ridge |b|^2; lasso > 0: |y - Xb|^2 / 2n + lasso (l1_ratio |b|_1 + (1 - l1_ratio) |b|^2 / 2),
 * the elastic net (l1_ratio 1: the lasso). The intercept is never penalised; categories become 0/1 columns, the first one is the base.
 * Report: rows, coefficients, intercept, standard_errors, t, p and intercept_standard_error, _t, _p (without penalty; else null or not there), excluded (collinear columns), r2, rmse, and
 * test.r2, test.rmse where there are test rows, from the exact sums. */
struct br_linear_settings {
  double ridge, lasso, l1_ratio;
};
int br_linear_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_linear_settings *settings, struct br_table_model **out, json_t *report);

/* Logistic regression: the smallest sum of log losses + l2 |w|^2 / 2 + l1 |w|_1, w the weights of columns scaled to mean 0 and deviation 1 (the intercept is not
 * penalised), by Newton's method. The first class is the base; every other one has weights against it. Categories become 0/1
 * columns, the first one is the base. Rows must not lack a feature. Report: rows, steps, base_class, against_base {class: intercept,
 * coefficients, odds, standard_errors}; the errors are those of the (penalised) likelihood's curvature, null with l1. Errors: BR_ERROR_DATA for one class, or more than 1,000 weights. */
struct br_logistic_settings {
  double l1, l2;
};
int br_logistic_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_logistic_settings *settings, struct br_table_model **out, json_t *report);

/* A decision tree. Splits are searched at every distinct value of a column with at most 65,535 of them, otherwise at up to 4,096
 * quantiles; categories by sets, as they are; missing values go to the side that learns best. Ties: the first feature, then the lower
 * threshold, then missing values to the right. Classes are predicted where the target is a category, numbers otherwise. Every rank holds
 * all training rows in bins while it trains.
 * Report: rows, leaves, depth, nodes, importances. Errors: BR_ERROR_MEMORY where that does not fit in task->memory_bytes, with the numbers. */
enum br_tree_criterion { BR_TREE_AUTO, BR_TREE_GINI, BR_TREE_ENTROPY, BR_TREE_MSE };
struct br_tree_settings {
  enum br_tree_criterion criterion; /* AUTO: gini for classes, mse for numbers */
  int max_depth;                    /* 1 to 200 */
  uint64_t min_rows;                /* of a leaf; 0: 1, in forests of classes 5 */
  double min_gain;                  /* of a split: what it takes off the impurity, per row of the node (bits for entropy) */
  size_t max_leaves;                /* 0: any number; otherwise the splits of the largest gain times rows, from the root down */
  double prune;                     /* 0: none; otherwise impurity per row that each leaf more must take off, all told (cost-complexity pruning) */
};
int br_tree_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_tree_settings *settings, struct br_table_model **out, json_t *report);

/* A random forest (Breiman 2001): trees on bootstrap samples of the rows, with features drawn at each node; the answer is the mean of the trees'.
 * `extra`: extremely randomised trees (Geurts 2006): all rows, and one random cut a feature. Trees are shared out over ranks and
 * threads, and every rank holds all training rows in bins. Report: as for trees, and out of the rows each tree did not see (not with `extra`)
 * oob.rows, oob.accuracy or oob.rmse, and with permutations oob.permutation as br_table_permute (r2 is against the deviation of all training rows). Errors: as for trees. */
struct br_forest_settings {
  struct br_tree_settings tree;
  int trees;
  double columns_share; /* of the features, tried at each node; 0: the square root of their number for classes, a third for numbers */
  bool extra;
  int permutations;     /* of each feature among the rows out of bag: 0 to BR_PERMUTATIONS (evaluate.h) */
  struct br_checkpoint_settings checkpoint;
};
int br_forest_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_forest_settings *settings, struct br_table_model **out, json_t *report);

/* Gradient boosting of second order (Chen and Guestrin, "XGBoost", KDD 2016): two classes by logistic loss, more by softmax with one tree a class and
 * round, numbers by squared error or the loss asked for. Features are cut into bins (categories as they are, by sets), derivatives are
 * rounded once a round to 2^-30 of the largest, and all sums are of integers. Starts from the mean, the quantile, or the classes' log odds. Rows
 * stay on their ranks.
 * Report: rows, rounds, and as for trees. With patience > 0, training stops after so many rounds without a lower loss on the validation part (or,
 * without one, on the test rows, if there are any), and the best round is the last of the model. Errors: as for trees. */
enum br_boost_loss {
  BR_BOOST_AUTO,     /* log loss of classes, squared error of numbers */
  BR_BOOST_SQUARES,
  BR_BOOST_POISSON,  /* of counts: the score is the logarithm of the expected count */
  BR_BOOST_QUANTILE  /* the pinball loss; a leaf's value is that quantile of what is left of its rows' targets */
};
struct br_boost_settings {
  int trees;           /* rounds */
  int max_depth;       /* 1 to 200; above 16 only with max_leaves */
  size_t max_leaves;   /* 0: level by level; otherwise the best leaf is split next, up to so many leaves (65,536 at most) */
  uint64_t min_rows;   /* of a leaf */
  double min_gain;     /* what a split must take off the loss */
  double rate, l1, l2;
  double rows_share, columns_share; /* drawn for each round, above 0 to 1 */
  uint32_t bins;       /* of a number column, 2 to 65,535; 0: 255 */
  int patience;
  double validation;   /* share of the training rows, drawn by row number, that is only for stopping: 0 to below 1 */
  enum br_boost_loss loss;
  double quantile;     /* above 0 and below 1 */
  const double *class_weight; /* [class], above 0; NULL: all 1 */
  bool balanced;       /* instead: every class the same weight in all */
  const signed char *monotone; /* [feature]: 1 the answer must not fall where the feature rises, -1 not rise, 0 free; NULL: all free */
  struct br_checkpoint_settings checkpoint;
};
int br_boost_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_boost_settings *settings, struct br_table_model **out, json_t *report);

/* K-means (Lloyd) from a k-means++ start (Arthur and Vassilvitskii 2007), on number columns; rows must not lack a value. Every rank holds its own rows
 * as doubles. Report: rows, iterations, inertia (the sum of squared scaled distances), clusters [{cluster, rows, centre}]. */
struct br_kmeans_settings {
  size_t clusters;
  int iterations; /* at most */
  bool unscaled;  /* distances in the columns' own units; otherwise every column is scaled to deviation 1 */
};
int br_kmeans_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, const struct br_kmeans_settings *settings, struct br_table_model **out, json_t *report);

/* Naive Bayes: normal densities for numbers, shares of categories with one added to each count. Missing values are left out of the sums, and of the
 * answer. Report: rows, by_class {class: share, columns}. Errors: BR_ERROR_DATA for one class, infinite values. */
int br_bayes_train(struct br_comm *comm, struct br_team *team, const struct br_task *task, struct br_table_model **out, json_t *report);

#endif
