/* A net made ready for inference, once: batch norm folded into the weights before it (in double), weights packed for the kernels in use, and the nodes that
 * then run as one step. Any number of execs run it (br_exec_options.prepared). What it computes follows from the net and these options, never from the machine. */
#ifndef BRAMBLE_NET_PREPARE_H
#define BRAMBLE_NET_PREPARE_H

#include <bramble/net/model.h>

struct br_prepare_options {
  bool exact;  /* the arithmetic of training, bit for bit: batch norms are not folded, convolutions not made by Winograd's method */
  bool stream; /* weights are not kept: each step packs its own when it runs. Slow, and hardly any memory where the model is mapped */
};

struct br_prepared;

/* The model is borrowed and must outlive *out. Its parameters are not read again unless `stream`: br_model_drop may free them. Errors: BR_ERROR_MEMORY, and
 * those of br_model_values. */
int br_prepared_open(const struct br_model *model, const struct br_prepare_options *options, struct br_prepared **out);
void br_prepared_close(struct br_prepared *prepared); /* NULL does nothing */
bool br_prepared_streams(const struct br_prepared *prepared);

/* What it would take, without taking it: what is kept, what only the preparing needs, and an exec of up to N samples and `members` threads. */
struct br_prepared_bytes {
  size_t kept, preparing, exec;
};
int br_prepared_plan(const struct br_graph *graph, const struct br_prepare_options *options, int N, int members, struct br_prepared_bytes *bytes);

/* Bytes that each node's parameters take once they are packed, those of a group at its first node: bytes[n_nodes]. The graph is inferred. Errors: BR_ERROR_MEMORY. */
int br_prepared_weights(const struct br_graph *graph, const struct br_prepare_options *options, size_t *bytes);

const struct br_graph *br_prepared_graph(const struct br_prepared *prepared);
/* Of the packed weights and of the parameters that are kept as they are. */
size_t br_prepared_bytes(const struct br_prepared *prepared);

#endif
