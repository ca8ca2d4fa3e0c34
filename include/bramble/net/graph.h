/* The graph of a net: nodes in order, each made by an operator from earlier ones, with its shapes and parameters. It is read from
 * the net text (docs/nets.md), one line a node, and printed back in one canonical form:
 *
 *     x  = input 128 128 3
 *     c1 = conv x out=16 kernel=3 stride=2 padding=same bias=no
 *     b1 = batchnorm c1
 *     r1 = relu6 b1
 *
 * The first node is the input; where a net has several they are the first nodes. The last node is the output; it may be a loss, or `outputs`, which
 * names the answers of a net of several. Shapes have the batch first and channels last: N,H,W,C or N,C. */
#ifndef BRAMBLE_NET_GRAPH_H
#define BRAMBLE_NET_GRAPH_H

#include <bramble/net/shape.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BR_MAX_ATTRIBUTES 12 /* of an operator */
#define BR_NAME_BYTES 96     /* a node's name with its 0 */

struct br_op;

/* An attribute's value: up to 8 numbers ("3", "3x5", "1,2,3"). Keywords are numbers by their place in the operator's list. */
struct br_value {
  int n;
  double v[8];
};

struct br_node {
  char name[BR_NAME_BYTES];
  const struct br_op *op;
  int *inputs; /* node numbers, all smaller than this node's */
  int n_inputs;
  struct br_value attribute[BR_MAX_ATTRIBUTES]; /* in the order of the operator's list; defaults filled in */
  struct br_shape shape;                        /* of the output, for the batch of br_graph_infer */
  int first_param, n_params;                    /* its parameters: a run of br_graph.params */
  int line;                                     /* in the net text */
};

enum br_init { BR_INIT_ZERO, BR_INIT_ONE, BR_INIT_HE_UNIFORM, BR_INIT_CONSTANT };

/* A parameter: trained ones lie in one block, statistics (running mean and variance) in another. */
struct br_param {
  char name[BR_NAME_BYTES + 16]; /* "c1.weight" */
  struct br_shape shape;
  size_t offset, count; /* floats, in its block */
  bool statistic;       /* in the statistics block, not trained */
  bool decay;           /* weight decay applies (not to biases and batch norm) */
  enum br_init init;
  float fan_in; /* for BR_INIT_HE_UNIFORM; the value for BR_INIT_CONSTANT */
};

struct br_graph {
  char name[BR_NAME_BYTES];
  struct br_node *nodes;
  int n_nodes;
  int *by_name, by_name_size;              /* numbers of nodes, and 1, by the hash of the name: for br_graph_find */
  struct br_param *params;
  int n_params;
  size_t trained_floats, statistic_floats; /* of the two blocks; each parameter starts at a multiple of 16 floats */
  int n_inputs;                            /* nodes 0 .. n_inputs - 1 are the inputs */
  int output;                              /* the node whose values are the net's answer; of several, the first */
  const int *outputs;                      /* the answers' nodes: &output, or the inputs of the last node */
  int n_outputs;
  int loss;                                /* a loss node, -1 without */
};

/* Reads net text; `name` is for messages and kept. Shapes are inferred for batch 1. *out is the caller's.
 * Errors: BR_ERROR_DATA "NAME:LINE:COLUMN: ..." for syntax, unknown operators and attributes (with the nearest known),
 * repeated and unknown names, shapes that do not meet. */
int br_graph_parse(const char *name, const char *text, struct br_graph **out);
void br_graph_close(struct br_graph *graph); /* NULL does nothing */

/* Shapes for a batch of N samples, N from 1 to 2^20. Errors: BR_ERROR_DATA naming the node. */
int br_graph_infer(struct br_graph *graph, int N);

/* The canonical text (attributes at their defaults are left out), in a block the caller frees with br_memory_free. */
int br_graph_print(const struct br_graph *graph, char **text);

/* Start values of both blocks from `seed`: a pure function of (seed, parameter name, element). */
void br_graph_init(const struct br_graph *graph, uint64_t seed, float *trained, float *statistics);

/* Exact counts: trainable parameters and statistics, and the multiply-adds and bytes moved by one forward pass of the inferred batch. */
struct br_cost {
  double macs, bytes;
};
size_t br_graph_trained_count(const struct br_graph *graph);
size_t br_graph_statistic_count(const struct br_graph *graph);
struct br_cost br_graph_cost(const struct br_graph *graph);
struct br_cost br_node_cost(const struct br_graph *graph, int node);

/* The node's operator as the net text names it. */
const char *br_node_op(const struct br_node *node);

/* Number of the node or the parameter of that name; -1 if there is none. */
int br_graph_find(const struct br_graph *graph, const char *name);
int br_graph_find_param(const struct br_graph *graph, const char *name);

/* Builds a graph by adding lines; for the zoo and importers. Each call formats one line of net text. */
struct br_net_text;
int br_net_text_open(struct br_net_text **out);
void br_net_text_add(struct br_net_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Parses what was added and frees the text. */
int br_net_text_graph(struct br_net_text *text, const char *name, struct br_graph **out);

#endif
