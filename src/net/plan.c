/* From graph to plan: which operators ride on others, which values share memory, how long each lives, and where it lies. */
#include "net/band.h"
#include "net/plan.h"
#include "net/prepared.h"
#include "net/ops/activation.h"
#include "net/ops/conv_pool.h"
#include "net/ops/pool.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdlib.h>
#include <string.h>

extern const struct br_op br_op_crossentropy, br_op_softmax, br_op_batchnorm, br_op_conv, br_op_dense, br_op_inverted_residual, br_op_concat, br_op_conv_pool, br_op_conv_maxpool, br_op_relu, br_op_maxpool;

#define BAND_VALUE_BYTES ((size_t)512 << 10) /* a value as large as this leaves a near cache before it is read */

struct planner {
  struct br_plan *plan;
  const struct br_exec_options *options;
  bool train;
  int *consumers; /* per value: how many steps read it */
  int *maker;     /* per value: the step that makes it, -1 for the input */
  bool *frozen;   /* per parameter */
  bool *reached;  /* per value: the loss depends on it */
  bool *kept;     /* per value: a backward pass reads these bytes as its output */
};

static int n_values(const struct br_plan *plan) { return plan->graph->n_nodes + 1; }

/* May activation f ride on this operator? In training only batch norm undoes it in its backward pass. */
static bool carries(const struct br_op *op, enum br_activation f, bool train) {
  if (f == BR_ACTIVATION_NONE) return false;
  if (op == &br_op_batchnorm) return f == BR_ACTIVATION_RELU || f == BR_ACTIVATION_RELU6;
  return !train && (op == &br_op_conv || op == &br_op_dense);
}

static void count_consumers(struct planner *p) {
  const struct br_graph *graph = p->plan->graph;
  for (int i = 0; i < graph->n_nodes; i++)
    for (int k = 0; k < graph->nodes[i].n_inputs; k++) p->consumers[graph->nodes[i].inputs[k]]++;
}

/* conv 1x1 without groups or stride: a product of each pixel's channels. */
static bool is_product(const struct br_step *step) {
  const struct br_node *node = step->node;
  if (step->op != &br_op_conv) return false;
  const struct br_value *kernel = br_node_value(node, "kernel"), *stride = br_node_value(node, "stride"), *padding = br_node_value(node, "padding");
  return br_value_int(kernel, 0) == 1 && br_value_int(kernel, 1) == 1 && br_value_int(stride, 0) == 1 && br_value_int(stride, 1) == 1 && padding->n == 1 && padding->v[0] <= 0 &&
         br_node_value(node, "groups")->v[0] == 1;
}

static bool is_pointwise(const struct br_step *step) { return is_product(step) && !step->activation && br_node_value(step->node, "bias")->v[0] == 0; }

static bool is_depthwise(const struct planner *p, const struct br_step *step) {
  if (step->op != &br_op_conv || step->activation) return false;
  int C = p->plan->shapes[step->inputs[0]].d[3], groups = (int)br_node_value(step->node, "groups")->v[0];
  const struct br_value *dilation = br_node_value(step->node, "dilation"), *kernel = br_node_value(step->node, "kernel");
  return (groups == 0 || groups == C) && groups != 1 && step->node->shape.d[3] == C && br_node_value(step->node, "bias")->v[0] == 0 && br_value_int(dilation, 0) == 1 && br_value_int(dilation, 1) == 1 &&
         br_value_int(kernel, 0) <= 11 && br_value_int(kernel, 1) <= 11;
}

static bool is_norm_relu6(const struct br_step *step) { return step->op == &br_op_batchnorm && step->activation == BR_ACTIVATION_RELU6; }

/* How many steps from s on are one inverted residual block: 5 with its expansion, 3 without, 0 if they are none. Nobody else may see what is between,
 * the nodes must lie one behind the other, nothing may be frozen, in training the
 * input's gradient must be wanted (the kernel always makes it), and both batch norms have one eps. */
static int inverted_residual_at(const struct planner *p, int s) {
  const struct br_plan *plan = p->plan;
  const struct br_step *step = &plan->steps[s];
  int n = 0, left = plan->n_steps - s;
  if (left >= 5 && is_pointwise(&step[0]) && is_norm_relu6(&step[1]) && is_depthwise(p, &step[2]) && is_norm_relu6(&step[3]) && is_pointwise(&step[4])) n = 5;
  if (left >= 3 && is_depthwise(p, &step[0]) && is_norm_relu6(&step[1]) && is_pointwise(&step[2])) n = 3;
  for (int i = 0; i + 1 < n; i++)
    if (p->consumers[step[i].output] != 1 || step[i + 1].inputs[0] != step[i].output || step[i].output == plan->graph->output) return 0;
  if (n == 0 || step[n - 1].node - step[0].node != (n == 5 ? 6 : 3)) return 0;
  if (p->train && !plan->needs_gradient[step[0].inputs[0]]) return 0;
  if (n == 5 && br_node_value(step[1].node, "eps")->v[0] != br_node_value(step[3].node, "eps")->v[0]) return 0;
  for (int i = 0; i < n; i++)
    for (int q = 0; q < step[i].n_params; q++)
      if (p->frozen[step[i].node->first_param + q]) return 0;
  return n;
}

static void fuse_inverted_residuals(struct planner *p) {
  struct br_plan *plan = p->plan;
  int kept = 0;
  for (int s = 0; s < plan->n_steps;) {
    struct br_step step = plan->steps[s];
    int n = inverted_residual_at(p, s);
    for (int i = 1; i < n; i++) step.n_params += plan->steps[s + i].n_params;
    if (n > 0) {
      step.op = &br_op_inverted_residual;
      step.output = plan->steps[s + n - 1].output;
    }
    plan->steps[kept++] = step;
    s += n > 0 ? n : 1;
  }
  plan->n_steps = kept;
}

/* Is step s + 1 the only one that reads what step s makes? */
static bool only_reader(const struct planner *p, int s) {
  const struct br_step *step = &p->plan->steps[s];
  return s + 1 < p->plan->n_steps && p->consumers[step[0].output] == 1 && step[1].inputs[0] == step[0].output && step[0].output != p->plan->graph->output;
}

/* A convolution with the relu and the maxpool behind it becomes one step where the nodes lie one behind the other and it fits. */
static void fuse_pools(struct planner *p) {
  struct br_plan *plan = p->plan;
  int kept = 0;
  for (int s = 0; s < plan->n_steps;) {
    struct br_step *at = &plan->steps[s], step = *at;
    int n = 1;
    if (at[0].op == &br_op_conv && only_reader(p, s) && at[1].op == &br_op_relu && only_reader(p, s + 1) && at[2].op == &br_op_maxpool && at[1].node == at[0].node + 1 && at[2].node == at[0].node + 2) {
      const int in = at[0].inputs[0];
      if (br_conv_pool_fits(at[0].node, &plan->shapes[in]))
        step.op = &br_op_conv_pool, n = 3;
      else if (!plan->needs_gradient[in] && br_conv_maxpool_fits(at[0].node, &plan->shapes[in]))
        step.op = &br_op_conv_maxpool, n = 3;
    }
    step.output = at[n - 1].output;
    plan->steps[kept++] = step;
    s += n;
  }
  plan->n_steps = kept;
}

static void find_makers(struct planner *p) {
  for (int v = 0; v < n_values(p->plan); v++) p->maker[v] = -1;
  for (int s = 0; s < p->plan->n_steps; s++) p->maker[p->plan->steps[s].output] = s;
}

static bool is_output(const struct br_graph *graph, int value) {
  for (int i = 0; i < graph->n_outputs; i++)
    if (graph->outputs[i] == value) return true;
  return value == graph->output;
}

/* In training a relu rides on the convolution before it, if only it reads what that makes: forward it is a part of the epilogue, and going back the
 * gradient is masked by the relu's output, by the convolution or by who makes that gradient (find_masks). */
static void fuse_relus(struct planner *p) {
  struct br_plan *plan = p->plan;
  int kept = 0;
  find_makers(p);
  for (int s = 0; s < plan->n_steps; s++) {
    struct br_step *relu = &plan->steps[s];
    const int in = relu->inputs[0], maker = p->maker[in];
    if (relu->op != &br_op_relu || maker < 0 || plan->steps[maker].op != &br_op_conv || p->consumers[in] != 1 || is_output(plan->graph, in)) continue;
    plan->steps[maker].activation = BR_ACTIVATION_RELU, plan->steps[maker].output = relu->output;
    relu->op = NULL;
  }
  for (int s = 0; s < plan->n_steps; s++)
    if (plan->steps[s].op) plan->steps[kept++] = plan->steps[s];
  plan->n_steps = kept;
}

static void make_steps(struct planner *p) {
  struct br_plan *plan = p->plan;
  const struct br_graph *graph = plan->graph;
  for (int i = graph->n_inputs; i < graph->n_nodes; i++) {
    const struct br_node *node = &graph->nodes[i];
    if (node->op->flags & BR_OP_OUTPUTS) continue;
    const struct br_fold *fold = p->options->prepared ? &p->options->prepared->folds[i] : NULL;
    if (fold && fold->last) {
      plan->steps[plan->n_steps++] = (struct br_step){.op = p->options->prepared->winograd[i] ? &br_op_winograd : &br_op_packed, .node = node, .n_params = 2, .inputs = fold->inputs, .n_inputs = fold->n_inputs, .output = fold->last, .activation = fold->activation, .alpha = fold->alpha, .packed = true};
      i = fold->last;
      continue;
    }
    enum br_activation f = br_op_activation(node->op);
    struct br_step *last = plan->n_steps ? &plan->steps[plan->n_steps - 1] : NULL;
    if (p->options->fuse && last && last->output == node->inputs[0] && p->consumers[last->output] == 1 && last->output != graph->output && !last->activation && carries(last->op, f, p->train)) {
      last->activation = (int)f;
      last->alpha = br_op_alpha(node);
      last->output = i;
      continue;
    }
    plan->steps[plan->n_steps++] = (struct br_step){.op = node->op, .node = node, .n_params = node->n_params, .inputs = node->inputs, .n_inputs = node->n_inputs, .output = i, .loss = i == graph->loss};
  }
}

/* Cross entropy behind a net that has no loss and gives one row a sample. It has a softmax of its own, so it takes the scores before one that ends the net. */
static void add_loss(struct planner *p) {
  struct br_plan *plan = p->plan;
  const struct br_graph *graph = plan->graph;
  int value = graph->n_nodes, scores = graph->output;
  if (graph->loss >= 0 || br_shape_rows(&plan->shapes[scores]) != (size_t)plan->shapes[scores].d[0]) return;
  if (graph->nodes[scores].op == &br_op_softmax) scores = graph->nodes[scores].inputs[0];
  plan->loss_input = scores;
  plan->loss_node = (struct br_node){.name = "loss", .op = &br_op_crossentropy, .inputs = &plan->loss_input, .n_inputs = 1, .attribute[0] = {1, {0}}, .shape = br_shape1(p->options->N)};
  plan->shapes[value] = plan->loss_node.shape;
  p->consumers[scores]++;
  plan->steps[plan->n_steps++] = (struct br_step){.op = &br_op_crossentropy, .node = &plan->loss_node, .inputs = &plan->loss_input, .n_inputs = 1, .output = value, .loss = true};
}

static int find_gradients(struct planner *p) {
  struct br_plan *plan = p->plan;
  for (int s = 0; s < plan->n_steps && p->train; s++) {
    struct br_step *step = &plan->steps[s];
    for (int k = 0; k < step->n_inputs; k++) step->backward |= plan->needs_gradient[step->inputs[k]];
    for (int q = 0; q < step->n_params; q++) {
      int param = step->node->first_param + q;
      step->backward |= !plan->graph->params[param].statistic && !p->frozen[param];
    }
    plan->needs_gradient[step->output] = step->backward && !step->loss;
  }
  for (int s = plan->n_steps - 1; s >= 0; s--) { /* no gradient comes to what the loss does not depend on */
    struct br_step *step = &plan->steps[s];
    step->backward &= step->loss || p->reached[step->output];
    if (step->backward && !step->op->backward) BR_FAIL(BR_ERROR_DATA, "%s: %s has no gradient: a net with it can be used, not trained", step->node->name, step->op->name);
    for (int k = 0; k < step->n_inputs; k++) p->reached[step->inputs[k]] |= step->backward;
  }
  for (int v = 0; v < n_values(plan); v++) plan->needs_gradient[v] &= p->reached[v];
  return BR_OK;
}

static int new_storage(struct br_plan *plan, size_t bytes, int first, int last) {
  plan->storages[plan->n_storages] = (struct br_storage){br_size_align(bytes), 0, first, last};
  return plan->n_storages++;
}

static void lengthen(struct br_plan *plan, int storage, int time) {
  struct br_storage *s = &plan->storages[storage];
  if (time < s->first) s->first = time;
  if (time > s->last) s->last = time;
}

static bool keeps_content(const struct br_op *op) { return strcmp(op->name, "flatten") == 0 || strcmp(op->name, "reshape") == 0; }

/* May this step write its output over its first input? Nobody else may read that input then or later. */
static bool in_place(const struct planner *p, const struct br_step *step) {
  const struct br_plan *plan = p->plan;
  int in = step->inputs[0];
  if (!(step->op->flags & BR_OP_IN_PLACE) || p->maker[in] < 0 || p->consumers[in] != 1 || in == plan->graph->output) return false;
  if (plan->alone[in] != plan->alone[step->output]) return false;
  if (keeps_content(step->op)) return true;
  return !p->train || (!(step->op->flags & BR_OP_BACKWARD_IN) && !p->kept[in]);
}

static size_t value_bytes(const struct br_plan *plan, int v) {
  size_t bytes = br_shape_count(&plan->shapes[v]) * sizeof(float);
  return plan->alone[v] ? bytes / (size_t)plan->shapes[v].d[0] : bytes;
}

static size_t weight_bytes(const struct br_plan *plan, const struct br_step *step) {
  size_t floats = 0;
  for (int q = 0; q < step->node->n_params; q++) floats += plan->graph->params[step->node->first_param + q].count;
  return floats * sizeof(float);
}

static size_t sample_bytes(const struct br_plan *plan, const struct br_step *step) {
  size_t floats = br_shape_count(&plan->shapes[step->output]);
  for (int k = 0; k < step->n_inputs; k++) floats += br_shape_count(&plan->shapes[step->inputs[k]]);
  return floats / (size_t)plan->shapes[step->output].d[0] * sizeof(float);
}

/* The first layers of a net have large values and small weights, the last the other way round. So a batch goes through the first sample by sample, while its
 * values stay in cache, and through the last together, so that weights are read once: the change is where what is moved for it is least. */
static void find_early(struct planner *p) {
  struct br_plan *plan = p->plan;
  if (!p->options->prepared || p->options->N == 1) return;
  size_t cost = 0, least;
  for (int s = 0; s < plan->n_steps; s++) cost += sample_bytes(plan, &plan->steps[s]);
  least = cost;
  for (int s = 0; s < plan->n_steps && !plan->steps[s].loss; s++) {
    cost += weight_bytes(plan, &plan->steps[s]);
    cost -= sample_bytes(plan, &plan->steps[s]);
    if (cost < least) least = cost, plan->early = s + 1;
  }
  for (int s = 0; s < plan->early; s++) plan->alone[plan->steps[s].output] = true;
  for (int s = plan->early; s < plan->n_steps; s++)
    for (int k = 0; k < plan->steps[s].n_inputs; k++) plan->alone[plan->steps[s].inputs[k]] = false;
  for (int i = 0; i < plan->graph->n_outputs; i++) plan->alone[plan->graph->outputs[i]] = false;
}

/* Depthwise steps write whole pixels only. */
static bool writes_anywhere(const struct br_plan *plan, const struct br_step *step) {
  if (!step->packed) return step->op == &br_op_conv && br_node_value(step->node, "groups")->v[0] == 1;
  const struct br_conv_shape shape = br__packed_shape(step->node, &plan->shapes[step->inputs[0]], &plan->shapes[step->output]);
  return shape.groups == 1 || shape.groups != shape.C;
}

/* A concat of channels need not copy what a convolution can write to its place there, and in training neither the gradient. */
static void find_slices(struct planner *p) {
  struct br_plan *plan = p->plan;
  for (int v = 0; v < n_values(plan); v++) plan->slice_of[v] = -1;
  for (int s = 0; s < plan->n_steps; s++) {
    const struct br_step *step = &plan->steps[s];
    const struct br_shape *out = &plan->shapes[step->output];
    size_t channels = 0;
    if (step->op != &br_op_concat || br_shape_rows(out) != br_shape_rows(&plan->shapes[step->inputs[0]])) continue; /* along another axis */
    for (int k = 0; k < step->n_inputs; k++) {
      int in = step->inputs[k], maker = p->maker[in];
      if (maker >= 0 && writes_anywhere(plan, &plan->steps[maker]) && p->consumers[in] == 1 && !is_output(plan->graph, in)) plan->slice_of[in] = step->output, plan->slice_at[in] = channels;
      channels += (size_t)br_shape_channels(&plan->shapes[in]);
    }
  }
}

static bool is_relu(const struct planner *p, int v) { return p->maker[v] >= 0 && p->plan->steps[p->maker[v]].op == &br_op_conv && p->plan->steps[p->maker[v]].activation == BR_ACTIVATION_RELU; }

/* The concat of channels that makes v, if all of it is made in its place by relus on convolutions; NULL if not. */
static const struct br_step *joined_relus(const struct planner *p, int v) {
  const struct br_step *join = p->maker[v] < 0 ? NULL : &p->plan->steps[p->maker[v]];
  if (!join || join->op != &br_op_concat) return NULL;
  for (int k = 0; k < join->n_inputs; k++)
    if (p->plan->slice_of[join->inputs[k]] != v || !is_relu(p, join->inputs[k])) return NULL;
  return join;
}

/* The gradient of a relu's output, or of a concat of such, is masked where it is made, if that is one place that can. */
static void find_masks(struct planner *p) {
  struct br_plan *plan = p->plan;
  for (int s = 0; s < plan->n_steps; s++) {
    struct br_step *step = &plan->steps[s];
    const int in = step->inputs[0];
    const struct br_step *join = joined_relus(p, in);
    if (!step->backward || p->consumers[in] != 1 || is_output(plan->graph, in) || (!join && !is_relu(p, in))) continue;
    if (!is_product(step) && !(step->op == &br_op_maxpool && br_maxpool_masks(step->node))) continue;
    step->masks_in = true;
    for (int k = 0; join && k < join->n_inputs; k++) plan->steps[p->maker[join->inputs[k]]].masked = true;
    if (!join) plan->steps[p->maker[in]].masked = true;
  }
}

/* Step s as the kernels will take it. */
static struct br_infer_conv conv_at(const struct br_plan *plan, int s) {
  const struct br_step *step = &plan->steps[s];
  struct br_infer_conv conv = {.shape = br__packed_shape(step->node, &plan->shapes[step->inputs[0]], &plan->shapes[step->output])};
  if (s < plan->early) conv.shape.N = 1;
  return conv;
}

/* May step s be in a band? Then *conv is it. */
static bool bands(const struct br_plan *plan, int s, struct br_infer_conv *conv) {
  const struct br_step *step = &plan->steps[s];
  if (step->op != &br_op_packed || step->node->op != &br_op_conv) return false;
  *conv = conv_at(plan, s);
  return br__band_takes(&conv->shape);
}

/* Does only step s + 1 take what step s makes, and is that large? */
static bool hands_on(const struct planner *p, int s) {
  const struct br_plan *plan = p->plan;
  const int v = plan->steps[s].output;
  const size_t bytes = br_shape_count(&plan->shapes[v]) / (size_t)plan->shapes[v].d[0] * sizeof(float);
  return bytes >= BAND_VALUE_BYTES && p->consumers[v] == 1 && plan->steps[s + 1].inputs[0] == v && plan->slice_of[v] < 0 && !is_output(plan->graph, v);
}

/* Convolutions that hand on large values run as bands, as many together as are small enough. */
static void find_bands(struct planner *p) {
  struct br_plan *plan = p->plan;
  if (!p->options->prepared || p->options->prepared->stream) return;
  for (int s = 0, n; s < plan->n_steps; s += n) {
    struct br_infer_conv convs[BR_BAND_MOST];
    n = 1;
    if (!bands(plan, s, &convs[0])) continue;
    while (n < BR_BAND_MOST && s + n < plan->n_steps && hands_on(p, s + n - 1) && bands(plan, s + n, &convs[n])) {
      const int rows = br__band_rows(convs, n + 1);
      if (rows < 1) break;
      plan->steps[s].band = ++n, plan->steps[s].band_rows = rows;
    }
  }
}

/* The storage of a value that is made at step s; a concat's may be there already. */
static int storage_at(struct br_plan *plan, int v, int s) {
  if (plan->slice_of[v] >= 0) {
    int whole = plan->slice_of[v];
    if (plan->value[whole] == BR_NO_STORAGE) plan->value[whole] = new_storage(plan, value_bytes(plan, whole), s, s);
    return plan->value[whole];
  }
  return plan->value[v] != BR_NO_STORAGE ? plan->value[v] : new_storage(plan, value_bytes(plan, v), s, s);
}

static void place_values(struct planner *p) {
  struct br_plan *plan = p->plan;
  int S = plan->n_steps;
  for (int v = 0; v < n_values(plan); v++) plan->value[v] = plan->gradient[v] = BR_NO_STORAGE;
  for (int s = 0, first = 0, last = 0; s < S; s++) { /* first .. last: the band that step s is in, or s alone */
    struct br_step *step = &plan->steps[s];
    if (s > last || s == 0) first = s, last = s + (step->band ? step->band - 1 : 0);
    int back = 2 * S - 1 - s, out = step->output;
    if (!step->loss && s == last) { /* what a band makes between is nowhere */
      bool reuse = in_place(p, step);
      plan->value[out] = reuse ? plan->value[step->inputs[0]] : storage_at(plan, out, s);
      lengthen(plan, plan->value[out], first);
      lengthen(plan, plan->value[out], s);
      bool masks = step->op == &br_op_conv && step->activation && !step->masked;
      bool reads_out = step->backward && ((step->op->flags & BR_OP_BACKWARD_OUT) || masks);
      if (reads_out) lengthen(plan, plan->value[out], back);
      p->kept[out] |= reads_out || (reuse && p->kept[step->inputs[0]]);
      if (plan->slice_of[out] >= 0) p->kept[plan->slice_of[out]] |= p->kept[out];
      if (is_output(plan->graph, out)) lengthen(plan, plan->value[out], 2 * S);
      if (s < plan->early && !plan->alone[out]) { /* of other samples while this one is made */
        lengthen(plan, plan->value[out], 0);
        lengthen(plan, plan->value[out], plan->early - 1);
      }
    }
    for (int k = 0; k < step->n_inputs; k++) {
      int storage = plan->value[step->inputs[k]];
      if (storage == BR_NO_STORAGE) continue; /* the net's input lies outside */
      lengthen(plan, storage, last);
      if (step->backward && (step->op->flags & BR_OP_BACKWARD_IN)) lengthen(plan, storage, back);
    }
  }
}

/* Gradients are made in backward order; a step in place hands its output's gradient on as its input's, a concat the parts of it. */
static void place_gradients(struct planner *p) {
  struct br_plan *plan = p->plan;
  int S = plan->n_steps;
  for (int s = S - 1; s >= 0; s--) {
    struct br_step *step = &plan->steps[s];
    if (!step->backward) continue;
    int back = 2 * S - 1 - s;
    if (!step->loss && plan->gradient[step->output] != BR_NO_STORAGE) lengthen(plan, plan->gradient[step->output], back);
    for (int k = 0; k < step->n_inputs; k++) {
      int in = step->inputs[k];
      if (!plan->needs_gradient[in]) continue;
      if (plan->gradient[in] == BR_NO_STORAGE) {
        bool hand_on = (plan->slice_of[in] >= 0 || (k == 0 && (step->op->flags & BR_OP_IN_PLACE) && p->consumers[in] == 1)) && !step->loss && plan->gradient[step->output] != BR_NO_STORAGE;
        plan->gradient[in] = hand_on ? plan->gradient[step->output] : new_storage(plan, br_shape_count(&plan->shapes[in]) * sizeof(float), back, back);
      }
      lengthen(plan, plan->gradient[in], back);
    }
  }
}

static void place_scratch(struct planner *p) {
  struct br_plan *plan = p->plan;
  for (int s = 0; s < plan->n_steps; s++) {
    struct br_step *step = &plan->steps[s];
    struct br_shape in[64];
    for (int k = 0; k < step->n_inputs; k++) in[k] = plan->shapes[step->inputs[k]];
    struct br_op_args args = {.node = step->node, .in_shape = in, .n_inputs = step->n_inputs, .out_shape = &plan->shapes[step->output], .members = p->options->members, .mode = (int)p->options->mode};
    const struct br_op *op = step->op;
    size_t work = op->work_bytes ? op->work_bytes(&args) : 0, shared = op->shared_bytes ? op->shared_bytes(&args) : 0, saved = op->saved_bytes ? op->saved_bytes(&args) : 0;
    if (step->band) {
      struct br_infer_conv convs[BR_BAND_MOST];
      for (int i = 0; i < step->band; i++) convs[i] = conv_at(plan, s + i);
      work = br__band_work_bytes(convs, step->band, step->band_rows);
    }
    if (work > plan->work_bytes) plan->work_bytes = br_size_align(work);
    if (shared > plan->shared_bytes) plan->shared_bytes = br_size_align(shared);
    plan->saved[s] = saved ? new_storage(plan, saved, s, step->backward ? 2 * plan->n_steps - 1 - s : s) : BR_NO_STORAGE;
  }
}

static int by_size(const void *a, const void *b) {
  const struct br_storage *x = *(struct br_storage *const *)a, *y = *(struct br_storage *const *)b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  return (x > y) - (x < y);
}

/* Largest first, each at the lowest place where it meets nothing that lives at the same time. */
static int pack(struct br_plan *plan) {
  struct br_storage **order, **placed;
  size_t n = (size_t)plan->n_storages;
  BR_TRY(br_memory_alloc(2 * n + 1, sizeof *order, "memory plan", &order));
  placed = order + n;
  for (size_t i = 0; i < n; i++) order[i] = &plan->storages[i];
  qsort(order, n, sizeof *order, by_size);
  size_t n_placed = 0;
  for (size_t i = 0; i < n; i++) { /* placed[] is kept in order of offset */
    struct br_storage *now = order[i];
    size_t offset = 0;
    for (size_t j = 0; j < n_placed; j++) {
      if (placed[j]->last < now->first || placed[j]->first > now->last) continue;
      if (offset + now->bytes <= placed[j]->offset) break;
      if (placed[j]->offset + placed[j]->bytes > offset) offset = placed[j]->offset + placed[j]->bytes;
    }
    now->offset = offset;
    size_t at = n_placed++;
    for (; at > 0 && placed[at - 1]->offset > offset; at--) placed[at] = placed[at - 1];
    placed[at] = now;
    if (offset + now->bytes > plan->arena_bytes) plan->arena_bytes = offset + now->bytes;
  }
  br_memory_free(order);
  return BR_OK;
}

/* Shapes for N samples, whatever batch the graph was inferred for: only the first size differs. */
static int set_shapes(struct br_plan *plan, const struct br_exec_options *options) {
  const struct br_graph *graph = plan->graph;
  size_t N = (size_t)options->N;
  if (options->N < 1 || options->N > 1 << 20) BR_FAIL(BR_ERROR_USAGE, "%s: units of %d samples: 1 to 1048576 are possible", graph->name, options->N);
  for (int i = 0; i < graph->n_nodes; i++) {
    struct br_shape *shape = &plan->shapes[i];
    *shape = graph->nodes[i].shape;
    if (br_shape_count(shape) / (size_t)shape->d[0] > BR_MAX_ELEMENTS / N)
      BR_FAIL(BR_ERROR_DATA, "%s:%d: node %s is too large for %d samples at once; make the micro-batch smaller", graph->name, graph->nodes[i].line, graph->nodes[i].name, options->N);
    shape->d[0] = options->N;
  }
  const struct br_shape *out = &plan->shapes[graph->output];
  char text[80];
  if (options->mode == BR_EXEC_TRAIN && graph->loss < 0 && br_shape_rows(out) != N)
    BR_FAIL(BR_ERROR_DATA, "%s: its output of %s is not one row a sample, so it cannot be trained; end it with globalpool or flatten", graph->name, br_shape_text(out, text));
  return BR_OK;
}

int br_plan_make(struct br_plan *plan, const struct br_graph *graph, const struct br_exec_options *options) {
  *plan = (struct br_plan){.graph = graph};
  size_t nodes = (size_t)graph->n_nodes + 1;
  struct planner p = {.plan = plan, .options = options, .train = options->mode == BR_EXEC_TRAIN};
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->steps, "plan", &plan->steps));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->shapes, "plan", &plan->shapes));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->needs_gradient, "plan", &plan->needs_gradient));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->value, "plan", &plan->value));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->gradient, "plan", &plan->gradient));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->alone, "plan", &plan->alone));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->slice_of, "plan", &plan->slice_of));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->slice_at, "plan", &plan->slice_at));
  BR_TRY(br_memory_alloc(nodes, sizeof *plan->saved, "plan", &plan->saved));
  BR_TRY(br_memory_alloc(3 * nodes, sizeof *plan->storages, "plan", &plan->storages));
  BR_TRY(set_shapes(plan, options));
  int status = br_memory_alloc(2 * nodes, sizeof *p.consumers, "plan", &p.consumers);
  if (status == BR_OK) status = br_memory_alloc(2 * nodes, sizeof *p.reached, "plan", &p.reached);
  if (status == BR_OK) status = br_memory_alloc((size_t)graph->n_params + 1, sizeof *p.frozen, "plan", &p.frozen);
  if (status == BR_OK) {
    p.maker = p.consumers + nodes;
    p.kept = p.reached + nodes;
    for (int i = 0; options->frozen && i < graph->n_params; i++) p.frozen[i] = options->frozen[i];
    count_consumers(&p);
    make_steps(&p);
    add_loss(&p);
    status = find_gradients(&p);
  }
  if (status == BR_OK) {
    if (options->fuse && options->mode != BR_EXEC_INFER) fuse_inverted_residuals(&p);
    if (options->fuse && p.train) fuse_pools(&p);
    if (options->fuse && p.train) fuse_relus(&p);
    find_makers(&p);
    find_slices(&p);
    if (p.train) find_masks(&p);
    find_early(&p);
    find_bands(&p);
    place_values(&p);
    place_gradients(&p);
    place_scratch(&p);
    status = pack(plan);
  }
  br_memory_free(p.consumers);
  br_memory_free(p.frozen);
  br_memory_free(p.reached);
  return status;
}

void br_plan_free(struct br_plan *plan) {
  br_memory_free(plan->steps);
  br_memory_free(plan->shapes);
  br_memory_free(plan->needs_gradient);
  br_memory_free(plan->value);
  br_memory_free(plan->gradient);
  br_memory_free(plan->alone);
  br_memory_free(plan->slice_of);
  br_memory_free(plan->slice_at);
  br_memory_free(plan->saved);
  br_memory_free(plan->storages);
  *plan = (struct br_plan){0};
}
