/* Parts of a net: a run of its nodes as a net of its own, whose inputs are the values that earlier nodes give it and whose outputs are those that later
 * nodes need. Values that only pass by are inputs and outputs at once. The parts one after the other are the net, bit for bit. */
#ifndef BRAMBLE_NET_CUT_H
#define BRAMBLE_NET_CUT_H

#include <bramble/net/model.h>

/* Where a cut may be: before node n, for n from graph->n_inputs + 1 to br_cut_end(graph) - 1. The part's nodes are n_inputs .. end - 1; a loss is none. */
int br_cut_end(const struct br_graph *graph);
/* Values that cross a cut before node `at`, in ascending order, into list (n_nodes long); returns their number. */
int br_cut_values(const struct br_graph *graph, int at, int *list);

/* allowed[at], n_nodes long: whether a cut before node `at` leaves together what inference folds into one step (net/prepare.h), so that the parts prepared
 * are the prepared net, bit for bit. Errors: BR_ERROR_MEMORY. */
int br_cut_allowed(const struct br_graph *graph, bool *allowed);

/* Nodes first .. last - 1 as a net. Errors: BR_ERROR_MEMORY, BR_ERROR_DATA where more values cross than a net can have outputs. */
int br_graph_cut(const struct br_graph *graph, int first, int last, struct br_graph **out);
/* The same of a model file, mapped: only the parameters of the part are read. And the graph alone. */
int br_model_map_part(const char *path, int first, int last, struct br_model **out);
int br_model_load_graph(const char *path, struct br_graph **out);

#endif
