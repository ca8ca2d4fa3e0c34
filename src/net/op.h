/* What an operator is. Adding one: a file in ops/ that defines a `const struct br_op br_op_NAME`, and a row in ops/ops.def. Private to the
 * room; the importer of ONNX finds its mapping by the operator's name. */
#ifndef NET_OP_H
#define NET_OP_H

#include <bramble/net/graph.h>
#include <bramble/base/thread.h>

enum br_attribute_kind {
  BR_ATTRIBUTE_NUMBERS, /* one or more whole numbers: 3, 3x5, 8x8x16 */
  BR_ATTRIBUTE_REAL,    /* one number: 0.9, 1e-5 */
  BR_ATTRIBUTE_BOOL,    /* yes, no */
  BR_ATTRIBUTE_PADDING, /* same, valid, or numbers: p, hxw, topxleftxbottomxright; same is v[0] = -1 with n = 1 */
  BR_ATTRIBUTE_WORD,    /* one of `words`; its number is v[0] */
};

struct br_attribute {
  const char *name; /* NULL ends the list */
  enum br_attribute_kind kind;
  double fallback; /* default; NAN: it must be given */
  double min, max; /* of each number */
  int max_numbers;
  const char *words; /* WORD: "this|that" */
};

/* The inference of one node: what is known, and what the shape rule finds. */
struct br_inference {
  struct br_graph *graph;
  struct br_node *node;
  const struct br_shape *in[64];
  int next_param; /* how many br_op_param has declared */
};

/* One operator of a run, with pointers to everything it reads and writes. */
struct br_op_args {
  const struct br_node *node;
  const struct br_shape *in_shape, *out_shape; /* in_shape[n_inputs], for the n of this run */
  int n_inputs;
  const float **in;
  float *out;
  size_t out_pixel;          /* floats from pixel to pixel of `out` and `dout`: its channels, or those of the concat that it is a part of (packed steps and conv) */
  const float **param;       /* trained parameters and statistics in declaration order */
  float **dparam;            /* gradients; for statistics the batch statistics; NULL entries: not wanted */
  float *dout;               /* backward may write over it */
  float **din;               /* NULL entries: not wanted */
  bool *din_accumulate;      /* add to what is there */
  void *saved;               /* save_bytes kept from forward to backward */
  void *work;                /* this member's own */
  void *shared;              /* shared_bytes, common to all members of the exec */
  struct br_barrier *barrier;
  int members; /* threads that run the exec together */
  enum { BR_RUN_INFER, BR_RUN_STATS, BR_RUN_TRAIN } mode;
  const struct br_run *run;
  float *losses;             /* loss operators write one per sample */
  int activation;            /* enum br_activation fused behind this operator; 0: none */
  float activation_alpha;
  bool masked;     /* dout is 0 already where this step's relu gave 0 */
  bool masks_in;   /* the first input is what a relu gives: its gradient is to be 0 where that is 0 */
};

#define BR_OP_BACKWARD_IN 1u   /* backward reads its inputs' values */
#define BR_OP_BACKWARD_OUT 2u  /* backward reads its output's values */
#define BR_OP_LOSS 4u          /* ends the net: takes predictions, gives losses */
#define BR_OP_IN_PLACE 8u      /* forward may write over its first input; backward over dout */
#define BR_OP_OUTPUTS 16u      /* ends a net of several answers: its inputs are they */

struct br_op {
  const char *name;
  int min_inputs, max_inputs;
  unsigned flags;
  struct br_attribute attributes[BR_MAX_ATTRIBUTES + 1];
  /* Sets node->shape from inference->in and the attributes, and declares parameters. Errors name what does not meet (the caller adds the place). */
  int (*shape)(struct br_inference *inference);
  size_t (*work_bytes)(const struct br_op_args *args);   /* NULL: none; args has shapes and node only, as in the two below */
  size_t (*saved_bytes)(const struct br_op_args *args);
  size_t (*shared_bytes)(const struct br_op_args *args);
  void (*forward)(const struct br_op_args *args, struct br_part part);
  void (*backward)(const struct br_op_args *args, struct br_part part); /* NULL: a net with this operator can be used, not trained */
  double (*macs)(const struct br_node *node, const struct br_shape *in); /* NULL: none counted */
};

/* Declares a parameter of the node being inferred. Called in the same order at every inference; the first creates, later ones check. */
int br_op_param(struct br_inference *inference, const char *suffix, struct br_shape shape, enum br_init init, float fan_in, bool decay, bool statistic);

/* The operator of that name, NULL if there is none; and the whole list, NULL at its end. */
const struct br_op *br_op_find(const char *name);
const struct br_op *br_op_at(int i);
/* Value of attribute `name` of the node; it exists (assert). */
const struct br_value *br_node_value(const struct br_node *node, const char *name);
static inline int br_value_int(const struct br_value *value, int i) { return (int)value->v[value->n == 1 ? 0 : i]; }
static inline struct br_shape br_shape1(int a) { return (struct br_shape){1, {a}}; }
static inline struct br_shape br_shape2(int a, int b) { return (struct br_shape){2, {a, b}}; }
static inline struct br_shape br_shape4(int a, int b, int c, int d) { return (struct br_shape){4, {a, b, c, d}}; }

#endif
