/* ONNX files made by other rooms: a graph whose rows are the batch, put together from inputs, nodes and constants. Failures are kept: what comes after the first
 * does nothing, and br_onnx_graph_save returns it. Everything given is copied. */
#ifndef BRAMBLE_NET_ONNX_GRAPH_H
#define BRAMBLE_NET_ONNX_GRAPH_H

#include <stddef.h>
#include <stdint.h>

enum br_onnx_type { BR_ONNX_F32, BR_ONNX_F64, BR_ONNX_I64, BR_ONNX_TEXT };

struct br_onnx_graph;
struct br_onnx_node;

/* Errors: BR_ERROR_MEMORY; BR_ERROR_FAILED in a build without ONNX. */
int br_onnx_graph_open(struct br_onnx_graph **out);
void br_onnx_graph_close(struct br_onnx_graph *graph); /* NULL does nothing */

/* Inputs and outputs have the sizes [rows, columns], with 0 columns [rows]. */
void br_onnx_graph_input(struct br_onnx_graph *graph, const char *name, enum br_onnx_type type, int64_t columns);
void br_onnx_graph_output(struct br_onnx_graph *graph, const char *name, enum br_onnx_type type, int64_t columns);
/* A constant; values are doubles, floats, int64 or pointers to texts, by its type. Returns its name. */
const char *br_onnx_graph_values(struct br_onnx_graph *graph, const char *name, enum br_onnx_type type, int rank, const int64_t *sizes, const void *values);
/* A node with one output; `op` is of opset 17, or "ml:Op" of ai.onnx.ml 3; NULL ends the inputs. */
struct br_onnx_node *br_onnx_graph_node(struct br_onnx_graph *graph, const char *op, const char *output, const char *const *inputs);

void br_onnx_node_int(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, int64_t value);
void br_onnx_node_ints(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const int64_t *values, size_t n);
void br_onnx_node_word(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const char *word);
void br_onnx_node_words(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const char *const *words, size_t n);
/* A tensor of doubles, [n]. */
void br_onnx_node_doubles(struct br_onnx_graph *graph, struct br_onnx_node *node, const char *name, const double *values, size_t n);

/* Errors: BR_ERROR_FAILED for what cannot be written or is more than 2 GB; the first failure of the calls before. */
int br_onnx_graph_save(struct br_onnx_graph *graph, const char *path);

#endif
