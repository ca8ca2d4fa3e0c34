/* The plan of an exec: the graph as steps (operators with what rides on them) and where every tensor lies in the arena. Private to
 * the room; made once when an exec is opened or only asked about. */
#ifndef NET_PLAN_H
#define NET_PLAN_H

#include "net/op.h"
#include <bramble/net/exec.h>

/* One operator to run. Values are numbered like the nodes that make them; a step with an activation riding on it makes the
 * activation's value. */
struct br_step {
  const struct br_op *op;
  const struct br_node *node; /* of a step that stands for several nodes the first; the others lie behind it */
  int n_params;               /* from node->first_param on; a packed step has two of its own */
  const int *inputs; /* values */
  int n_inputs;
  int output; /* value */
  int activation;
  float alpha;
  bool backward;  /* some gradient passes or is wanted */
  bool loss;
  bool masked, masks_in; /* as in struct br_op_args */
  bool packed;    /* a group of a prepared net (net/fold.h) */
  int band;       /* steps from here on that run as a band (net/band.h), 0 where none begins */
  int band_rows;  /* rows of its last output at a time */
};

/* A stretch of the arena and the times it is in use: step s runs forward at time s and backward at 2 S - 1 - s. */
struct br_storage {
  size_t bytes, offset;
  int first, last;
};

#define BR_NO_STORAGE (-1)

struct br_plan {
  const struct br_graph *graph;
  struct br_node loss_node; /* cross entropy behind nets that have no loss of their own */
  int loss_input;
  struct br_step *steps;
  int n_steps;
  int early;                 /* steps [0, early) run sample by sample, the others with the batch together (plan.c: find_early) */
  bool *alone;               /* per value: only early steps see it, so there is room for one sample */
  struct br_shape *shapes;   /* per value, for N samples; the loss node's at the end */
  bool *needs_gradient;      /* per value */
  int *value, *gradient;     /* per value: its storages, BR_NO_STORAGE for none */
  int *slice_of;             /* per value: the concat's value that it is made a part of, -1 for none */
  size_t *slice_at;          /* and at which of its channels it begins */
  int *saved;                /* per step */
  struct br_storage *storages;
  int n_storages;
  size_t arena_bytes, work_bytes /* of one member */, shared_bytes;
};

/* Freed with br_plan_free also after a failure. Errors: BR_ERROR_USAGE, BR_ERROR_DATA, BR_ERROR_MEMORY. */
int br_plan_make(struct br_plan *plan, const struct br_graph *graph, const struct br_exec_options *options);
void br_plan_free(struct br_plan *plan);

#endif
