/* Between graph.c and the readers of graphs. Private to the room. */
#ifndef NET_GRAPH_H
#define NET_GRAPH_H

#include "net/op.h"

/* Makes the last node, which has its name, known to br_graph_find. */
int br__graph_add_name(struct br_graph *graph);

/* Runs the shape rule of node i, whose inputs are inferred. */
int br__graph_infer_node(struct br_graph *graph, int i);

/* A graph made line by line, as the importers do: an empty one, one more line (its shape is known at once), and the checks of the whole. */
int br__graph_open(const char *name, struct br_graph **out);
int br__graph_add(struct br_graph *graph, const char *line);
int br__graph_finish(struct br_graph *graph);

#endif
