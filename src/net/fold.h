/* Which nodes of a net run as one step in inference: a convolution or dense layer with the batch norm, residual sum and activation behind it. It follows
 * from the graph alone, so that every rank and every stage of a net finds the same. Private to the room. */
#ifndef NET_FOLD_H
#define NET_FOLD_H

#include <bramble/net/graph.h>

/* A group: nodes first .. last, of which nobody else sees the values between. */
struct br_fold {
  int last;       /* 0: no group begins at this node */
  int norm;       /* its batch norm, -1 without */
  int inputs[2];  /* x, residual */
  int n_inputs;
  int activation; /* enum br_activation, the last of all */
  float alpha;
};

/* The groups of `graph` into folds, n_nodes long and zeroed. With `exact` batch norms stay apart. Errors: BR_ERROR_MEMORY. */
int br__fold_find(const struct br_graph *graph, bool exact, struct br_fold *folds);

#endif
