/* Between graph.c and the readers of graphs. Private to the room. */
#ifndef NET_GRAPH_H
#define NET_GRAPH_H

#include "net/op.h"

/* Runs the shape rule of node i, whose inputs are inferred. */
int br__graph_infer_node(struct br_graph *graph, int i);

#endif
