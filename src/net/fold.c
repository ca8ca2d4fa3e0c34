/* Finding the groups of inference. Nodes of a group lie one behind the other in the net, as people and exporters write them. */
#include "net/fold.h"
#include "net/op.h"
#include "net/ops/activation.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

extern const struct br_op br_op_conv, br_op_dense, br_op_batchnorm, br_op_add, br_op_dropout;

/* The operand of a sum of two that is not `value`, if it is there before node `first`; -1 otherwise. */
static int residual_of(const struct br_node *add, int value, int first) {
  if (add->n_inputs != 2 || add->inputs[0] == add->inputs[1]) return -1;
  int other = add->inputs[0] == value ? add->inputs[1] : add->inputs[0];
  return other < first ? other : -1;
}

/* May node `next` join the group, whose last value is `value`? Then it has. */
static bool join(const struct br_graph *graph, int first, int value, int next, bool exact, struct br_fold *fold) {
  const struct br_node *node = &graph->nodes[next];
  enum br_activation f = br_op_activation(node->op);
  if (node->op == &br_op_dropout) return true; /* inference passes everything */
  if (fold->activation != BR_ACTIVATION_NONE) return false;
  if (node->op == &br_op_batchnorm) {
    if (exact || fold->norm >= 0 || fold->n_inputs == 2) return false;
    fold->norm = next;
    return true;
  }
  if (node->op == &br_op_add) {
    int residual = fold->n_inputs == 1 ? residual_of(node, value, first) : -1;
    if (residual < 0) return false;
    fold->inputs[fold->n_inputs++] = residual;
    return true;
  }
  if (f == BR_ACTIVATION_NONE) return false;
  fold->activation = (int)f;
  fold->alpha = br_op_alpha(node);
  return true;
}

static bool reads(const struct br_node *node, int value) {
  for (int k = 0; k < node->n_inputs; k++)
    if (node->inputs[k] == value) return true;
  return false;
}

int br__fold_find(const struct br_graph *graph, bool exact, struct br_fold *folds) {
  int *readers;
  BR_TRY(br_memory_alloc((size_t)graph->n_nodes, sizeof *readers, "groups of nodes", &readers));
  for (int i = 0; i < graph->n_nodes; i++)
    for (int k = 0; k < graph->nodes[i].n_inputs; k++) readers[graph->nodes[i].inputs[k]]++;
  for (int i = 0; i < graph->n_outputs; i++) readers[graph->outputs[i]] += 2; /* an answer is seen from outside */
  for (int i = graph->n_inputs; i < graph->n_nodes; i++) {
    const struct br_node *node = &graph->nodes[i];
    if (node->op != &br_op_conv && node->op != &br_op_dense) continue;
    struct br_fold fold = {.last = i, .norm = -1, .inputs = {node->inputs[0]}, .n_inputs = 1};
    while (fold.last + 1 < graph->n_nodes && readers[fold.last] == 1 && reads(&graph->nodes[fold.last + 1], fold.last) && join(graph, i, fold.last, fold.last + 1, exact, &fold)) fold.last++;
    folds[i] = fold;
    i = fold.last;
  }
  br_memory_free(readers);
  return BR_OK;
}
