/* Running a net: forward, and forward with backward, on batches of up to N samples. An exec is one copy of everything that a run needs
 * beside the parameters: activations in one planned arena, gradients, scratch. Several execs share one parameter block and run side by
 * side; inside one exec the members of a thread team share the outputs of each operator. No call allocates. */
#ifndef BRAMBLE_NET_EXEC_H
#define BRAMBLE_NET_EXEC_H

#include <bramble/base/thread.h>
#include <bramble/net/graph.h>

enum br_exec_mode {
  BR_EXEC_INFER, /* batch norm from the statistics block, no dropout, nothing kept for a backward pass */
  BR_EXEC_STATS, /* as training runs forward (batch statistics per unit, no dropout): to recalibrate statistics */
  BR_EXEC_TRAIN  /* forward and backward */
};

struct br_prepared;

struct br_exec_options {
  enum br_exec_mode mode;
  int N;            /* largest batch of one run: the micro-batch */
  int members;      /* threads that will run it together, at least 1 */
  bool fuse;        /* let operators ride on each other; the bits are the same, but for blocks of few channels on large pictures (kernel/inverted_residual.h). Off only to test that */
  const bool *frozen; /* per parameter of the graph: its gradient is not wanted (NULL: none is frozen); borrowed until open returns */
  float *gradient;    /* TRAIN: where the gradients go, trained_floats of them, zeros at first; borrowed; NULL: memory of its own */
  const struct br_prepared *prepared; /* INFER: run this net's prepared form (net/prepare.h), borrowed; NULL: the graph as it is */
};

struct br_exec_bytes {
  size_t activations, gradients, work, total;
};

struct br_exec;
/* What an exec would take, without taking it. The graph may have been inferred for any batch. */
int br_exec_plan(const struct br_graph *graph, const struct br_exec_options *options, struct br_exec_bytes *bytes);
/* The graph is borrowed and must outlive the exec. Errors: BR_ERROR_MEMORY; BR_ERROR_USAGE for an N that is not 1 to 2^20; BR_ERROR_DATA for a node too large for N
 * samples, and in TRAIN for a net without a loss node whose output is not one row a sample. */
int br_exec_open(const struct br_graph *graph, const struct br_exec_options *options, struct br_exec **out);
void br_exec_close(struct br_exec *exec); /* NULL does nothing */

/* How far a run in TRAIN is, for those who want its results before it ends. */
struct br_exec_watch {
  size_t settled; /* written (released) by the run: the gradients from this float of the trained block on are final; all of trained_floats: the forward pass is over */
  void (*step)(void *arg); /* called by member 0 whenever it was written; may be NULL */
  void *arg;
};

/* One run, filled by the caller. */
struct br_run {
  const float *trained, *statistics; /* parameter blocks; not read where the exec runs a prepared net */
  const float *x;                    /* input, n samples */
  const float *const *more;          /* the second input and so on, where the net has several */
  int n;                             /* 1 .. N */
  /* Training and losses: */
  const int32_t *label;      /* n class labels (cross entropy), or NULL */
  const float *target;       /* n rows like the output (mse), or NULL */
  const float *class_weight; /* per class, or NULL */
  float smoothing;           /* label smoothing, where the net has no loss node of its own */
  float loss_scale;          /* the gradient is of loss_scale times the sum of the samples' losses */
  /* Dropout's counter: seed, optimiser step, and the position of the first sample in the whole batch. */
  uint64_t seed;
  uint32_t step;
  uint64_t position;
  double *step_seconds;        /* member 0 adds the time of each of the br_exec_steps forward steps, and with TRAIN behind those that of each backward one; NULL: nobody measures */
  struct br_exec_watch *watch; /* TRAIN: kept up to date; borrowed; NULL: nobody watches */
};

/* Runs forward (INFER, STATS) or forward and backward (TRAIN). Every member calls it with its part of {index, members} and the
 * same run; on return of all, the results below are valid until the next run. */
void br_exec_run(struct br_exec *exec, const struct br_run *run, struct br_part part);

/* The steps of a run, in their forward order: operators with what rides on them. */
struct br_exec_step {
  const char *name, *op;      /* the first node and what it is; of the graph */
  const char *how;            /* a prepared convolution: direct or winograd; else "" */
  const struct br_shape *out; /* of the last run's batch; steps that run picture by picture have 1 */
  double macs;                /* for one sample, by the direct way */
  double backward_macs;       /* TRAIN: likewise, of the gradients that are wanted */
};
/* How many steps a run has, and what step s is, 0 <= s < br_exec_steps; its strings are the graph's. */
int br_exec_steps(const struct br_exec *exec);
struct br_exec_step br_exec_step(const struct br_exec *exec, int s);

/* Output values [n, ...], losses [n] (when labels or targets were given), the parameters' gradients in the trained block's layout, and the batch
 * statistics (mean, biased variance) in the statistics block's layout (TRAIN, STATS). */
const float *br_exec_output(const struct br_exec *exec);
const float *br_exec_output_at(const struct br_exec *exec, int i); /* answer i of several */
const float *br_exec_losses(const struct br_exec *exec);
const float *br_exec_gradient(const struct br_exec *exec);
const float *br_exec_batch_statistics(const struct br_exec *exec);

#endif
