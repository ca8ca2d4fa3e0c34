/* Runs a plan. All pointers are worked out when the exec is opened; a run walks the steps, with a barrier behind each where several
 * members share it. */
#include "net/band.h"
#include "net/plan.h"
#include "net/prepared.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdlib.h>
#include <string.h>

struct br_exec {
  struct br_plan plan;
  struct br_exec_options options;
  struct br_op_args *args;     /* per step */
  struct br_shape *in_shapes;  /* of all steps' inputs, one run per step */
  struct br_shape *out_shapes; /* per step */
  size_t *in_sample, *out_sample; /* likewise: floats to the same of the next sample, where steps run sample by sample */
  const float **in, **param;   /* likewise */
  float **din, **dparam;
  bool *accumulate;
  size_t *settled; /* per step: gradients from this float on are final once it has run backward */
  char *arena, *shared, *work; /* work: one piece per member */
  float *gradient, *batch_statistics, *losses;
  float *streamed; /* of a streamed net: one step's weights, and scratch to fold them */
  int n; /* samples the shapes stand for now */
  const float *trained, *statistics; /* that param[] points into now */
  struct br_barrier barrier;
};

static size_t gradient_floats(const struct br_graph *graph, const struct br_exec_options *options) { return options->mode == BR_EXEC_TRAIN ? graph->trained_floats : 0; }
static size_t streamed_floats(const struct br_exec_options *options) { return options->prepared && options->prepared->stream ? options->prepared->stream_floats + options->prepared->scratch_floats : 0; }
static size_t statistic_floats(const struct br_graph *graph, const struct br_exec_options *options) { return options->mode == BR_EXEC_INFER ? 0 : graph->statistic_floats; }

int br_exec_plan(const struct br_graph *graph, const struct br_exec_options *options, struct br_exec_bytes *bytes) {
  struct br_plan plan;
  int status = br_plan_make(&plan, graph, options);
  size_t gradients = 4 * (gradient_floats(graph, options) + statistic_floats(graph, options)), work = plan.work_bytes * (size_t)options->members + plan.shared_bytes + streamed_floats(options) * sizeof(float);
  *bytes = (struct br_exec_bytes){plan.arena_bytes, gradients, work, plan.arena_bytes + gradients + work};
  br_plan_free(&plan);
  return status;
}

/* A value made as a part of a concat's lies inside that one's. */
static float *value_at(const struct br_exec *exec, int v) {
  int storage = exec->plan.value[v];
  if (storage == BR_NO_STORAGE) return NULL;
  float *whole = (float *)(void *)(exec->arena + exec->plan.storages[storage].offset);
  return exec->plan.slice_of[v] >= 0 ? whole + exec->plan.slice_at[v] : whole;
}

static float *gradient_at(const struct br_exec *exec, int v) {
  int storage = exec->plan.gradient[v];
  if (storage == BR_NO_STORAGE) return NULL;
  float *whole = (float *)(void *)(exec->arena + exec->plan.storages[storage].offset);
  return exec->plan.slice_of[v] >= 0 ? whole + exec->plan.slice_at[v] : whole;
}

static size_t pixel_of(const struct br_plan *plan, int v) { return (size_t)br_shape_channels(&plan->shapes[plan->slice_of[v] >= 0 ? plan->slice_of[v] : v]); }

static void *at(const struct br_exec *exec, int storage) { return storage == BR_NO_STORAGE ? NULL : exec->arena + exec->plan.storages[storage].offset; }

/* A gradient that several steps write is begun by the first in backward order and added to by the others. */
static int link_gradients(struct br_exec *exec) {
  struct br_plan *plan = &exec->plan;
  bool *begun; /* per value */
  BR_TRY(br_memory_alloc((size_t)plan->graph->n_nodes + 1, sizeof *begun, "steps", &begun));
  for (int s = plan->n_steps - 1; s >= 0; s--) {
    struct br_op_args *args = &exec->args[s];
    for (int k = 0; k < plan->steps[s].n_inputs; k++) {
      int in = plan->steps[s].inputs[k];
      bool wanted = plan->steps[s].backward && plan->needs_gradient[in];
      args->din[k] = wanted ? gradient_at(exec, in) : NULL;
      args->din_accumulate[k] = begun[in];
      begun[in] |= wanted;
    }
  }
  br_memory_free(begun);
  return BR_OK;
}

/* From sample to sample of a value; of one that has room for one sample only, 0. */
static size_t sample_floats(const struct br_plan *plan, int v) {
  const int whole = plan->slice_of[v] >= 0 ? plan->slice_of[v] : v;
  return plan->alone[whole] ? 0 : br_shape_count(&plan->shapes[whole]) / (size_t)plan->shapes[whole].d[0];
}

/* Running backward, what steps before s have is still to come. */
static void find_settled(struct br_exec *exec) {
  const struct br_plan *plan = &exec->plan;
  size_t end = 0;
  for (int s = 0; s < plan->n_steps; s++) {
    exec->settled[s] = end;
    for (int q = 0; plan->steps[s].backward && q < plan->steps[s].n_params; q++) {
      const struct br_param *param = &plan->graph->params[plan->steps[s].node->first_param + q];
      if (!param->statistic && exec->args[s].dparam[q] && param->offset + param->count > end) end = param->offset + param->count;
    }
  }
}

/* A prepared net has its parameters at hand. */
static void link_prepared(struct br_exec *exec, int s) {
  const struct br_prepared *prepared = exec->options.prepared;
  const struct br_step *step = &exec->plan.steps[s];
  const float **param = exec->args[s].param;
  if (step->packed) {
    int node = (int)(step->node - exec->plan.graph->nodes);
    const float *place = prepared->stream ? exec->streamed : prepared->block;
    param[0] = place + prepared->weights[node];
    param[1] = prepared->bias[node] == BR_NOT_KEPT ? NULL : place + prepared->bias[node];
    return;
  }
  for (int q = 0; q < step->n_params; q++) param[q] = prepared->block + prepared->kept[step->node->first_param + q];
}

static void link_step(struct br_exec *exec, int s, size_t first_input, size_t first_param) {
  const struct br_plan *plan = &exec->plan;
  const struct br_step *step = &plan->steps[s];
  struct br_op_args *args = &exec->args[s];
  *args = (struct br_op_args){
      .node = step->node, .in_shape = exec->in_shapes + first_input, .n_inputs = step->n_inputs, .in = exec->in + first_input, .din = exec->din + first_input,
      .din_accumulate = exec->accumulate + first_input, .param = exec->param + first_param, .dparam = exec->dparam + first_param,
      .out_shape = &exec->out_shapes[s], .out = step->loss ? NULL : value_at(exec, step->output), .out_pixel = pixel_of(plan, step->output),
      .dout = step->loss ? NULL : gradient_at(exec, step->output), .saved = at(exec, plan->saved[s]), .shared = exec->shared, .barrier = &exec->barrier, .members = exec->options.members,
      .mode = (int)exec->options.mode, .losses = exec->losses, .activation = step->activation, .activation_alpha = step->alpha, .masked = step->masked, .masks_in = step->masks_in};
  for (int k = 0; k < step->n_inputs; k++) {
    exec->in[first_input + (size_t)k] = value_at(exec, step->inputs[k]);
    exec->in_sample[first_input + (size_t)k] = sample_floats(plan, step->inputs[k]);
  }
  exec->out_sample[s] = sample_floats(plan, step->output);
  if (exec->options.prepared) {
    link_prepared(exec, s);
    return;
  }
  for (int q = 0; q < step->n_params; q++) {
    int number = step->node->first_param + q;
    const struct br_param *param = &plan->graph->params[number];
    float *block = param->statistic ? exec->batch_statistics : exec->gradient;
    bool wanted = block && (param->statistic || !(exec->options.frozen && exec->options.frozen[number]));
    exec->dparam[first_param + (size_t)q] = wanted ? block + param->offset : NULL;
  }
}

static int allocate(struct br_exec *exec) {
  const struct br_plan *plan = &exec->plan;
  const struct br_graph *graph = plan->graph;
  size_t steps = (size_t)plan->n_steps, inputs = 0, params = 0;
  for (size_t s = 0; s < steps; s++) inputs += (size_t)plan->steps[s].n_inputs, params += (size_t)plan->steps[s].n_params;
  BR_TRY(br_memory_alloc(steps, sizeof *exec->args, "steps", &exec->args));
  BR_TRY(br_memory_alloc(inputs, sizeof *exec->in_shapes, "steps", &exec->in_shapes));
  BR_TRY(br_memory_alloc(steps, sizeof *exec->out_shapes, "steps", &exec->out_shapes));
  BR_TRY(br_memory_alloc(inputs, sizeof *exec->in_sample, "steps", &exec->in_sample));
  BR_TRY(br_memory_alloc(steps, sizeof *exec->out_sample, "steps", &exec->out_sample));
  BR_TRY(br_memory_alloc(inputs, sizeof *exec->in, "steps", &exec->in));
  BR_TRY(br_memory_alloc(inputs, sizeof *exec->din, "steps", &exec->din));
  BR_TRY(br_memory_alloc(inputs, sizeof *exec->accumulate, "steps", &exec->accumulate));
  BR_TRY(br_memory_alloc(steps, sizeof *exec->settled, "steps", &exec->settled));
  BR_TRY(br_memory_alloc(params, sizeof *exec->param, "steps", &exec->param));
  BR_TRY(br_memory_alloc(params, sizeof *exec->dparam, "steps", &exec->dparam));
  BR_TRY(br_memory_alloc(plan->arena_bytes, 1, "activations", &exec->arena));
  BR_TRY(br_memory_alloc(plan->shared_bytes, 1, "scratch", &exec->shared));
  BR_TRY(br_memory_alloc(plan->work_bytes, (size_t)exec->options.members, "scratch", &exec->work));
  BR_TRY(br_memory_alloc((size_t)exec->options.N, sizeof(float), "losses", &exec->losses));
  exec->gradient = exec->options.gradient;
  if (!exec->gradient && gradient_floats(graph, &exec->options)) BR_TRY(br_memory_alloc(graph->trained_floats, sizeof(float), "gradients", &exec->gradient));
  if (statistic_floats(graph, &exec->options)) BR_TRY(br_memory_alloc(graph->statistic_floats, sizeof(float), "batch statistics", &exec->batch_statistics));
  if (streamed_floats(&exec->options)) BR_TRY(br_memory_alloc(streamed_floats(&exec->options), sizeof(float), "weights", &exec->streamed));
  size_t input = 0, param = 0;
  for (size_t s = 0; s < steps; s++) {
    link_step(exec, (int)s, input, param);
    input += (size_t)plan->steps[s].n_inputs;
    param += (size_t)plan->steps[s].n_params;
  }
  if (exec->options.mode == BR_EXEC_TRAIN) find_settled(exec);
  return link_gradients(exec);
}

int br_exec_open(const struct br_graph *graph, const struct br_exec_options *options, struct br_exec **out) {
  *out = NULL;
  struct br_exec *exec;
  BR_TRY(br_memory_alloc(1, sizeof *exec, "exec", &exec));
  exec->options = *options;
  int status = br_plan_make(&exec->plan, graph, options);
  if (status == BR_OK) status = allocate(exec);
  exec->options.frozen = NULL;
  if (status == BR_OK)
    *out = exec;
  else
    br_exec_close(exec);
  return status;
}

void br_exec_close(struct br_exec *exec) {
  if (!exec) return;
  br_plan_free(&exec->plan);
  br_memory_free(exec->args);
  br_memory_free(exec->in_shapes);
  br_memory_free(exec->out_shapes);
  br_memory_free(exec->in_sample);
  br_memory_free(exec->out_sample);
  br_memory_free(exec->in);
  br_memory_free(exec->din);
  br_memory_free(exec->accumulate);
  br_memory_free(exec->settled);
  br_memory_free(exec->param);
  br_memory_free(exec->dparam);
  br_memory_free(exec->arena);
  br_memory_free(exec->shared);
  br_memory_free(exec->work);
  br_memory_free(exec->losses);
  br_memory_free(exec->streamed);
  if (!exec->options.gradient) br_memory_free(exec->gradient);
  br_memory_free(exec->batch_statistics);
  br_memory_free(exec);
}

static void set_batch(struct br_exec *exec, int n) {
  struct br_plan *plan = &exec->plan;
  for (int v = 0; v <= plan->graph->n_nodes; v++) plan->shapes[v].d[0] = n;
  for (int s = 0; s < plan->n_steps; s++) {
    for (int k = 0; k < plan->steps[s].n_inputs; k++) {
      size_t place = (size_t)(exec->args[s].in_shape - exec->in_shapes) + (size_t)k;
      exec->in_shapes[place] = plan->shapes[plan->steps[s].inputs[k]];
      if (s < plan->early) exec->in_shapes[place].d[0] = 1;
    }
    exec->out_shapes[s] = plan->shapes[plan->steps[s].output];
    if (s < plan->early) exec->out_shapes[s].d[0] = 1;
  }
  exec->n = n;
}

static void set_params(struct br_exec *exec, const struct br_run *run) {
  const struct br_plan *plan = &exec->plan;
  for (int s = 0; s < plan->n_steps; s++) {
    const struct br_step *step = &plan->steps[s];
    for (int q = 0; q < step->n_params; q++) {
      const struct br_param *param = &plan->graph->params[step->node->first_param + q];
      exec->args[s].param[q] = (param->statistic ? run->statistics : run->trained) + param->offset;
    }
  }
  exec->trained = run->trained;
  exec->statistics = run->statistics;
}

/* By one member, before the others go on: what differs between runs. */
static void prepare(struct br_exec *exec, const struct br_run *run) {
  const struct br_plan *plan = &exec->plan;
  if (exec->n != run->n) set_batch(exec, run->n);
  if (!exec->options.prepared && (exec->trained != run->trained || exec->statistics != run->statistics)) set_params(exec, run);
  for (int s = 0; s < plan->n_steps; s++) {
    exec->args[s].run = run;
    for (int k = 0; k < plan->steps[s].n_inputs; k++)
      if (plan->steps[s].inputs[k] < plan->graph->n_inputs) exec->args[s].in[k] = plan->steps[s].inputs[k] == 0 ? run->x : run->more[plan->steps[s].inputs[k] - 1];
  }
}

/* Weights that are not kept come when their step does. Packing them cannot fail: it has been done when the net was prepared. */
static void stream(struct br_exec *exec, const struct br_step *step, struct br_part part) {
  const struct br_prepared *prepared = exec->options.prepared;
  if (part.index == 0) br__prepared_pack(prepared, (int)(step->node - exec->plan.graph->nodes), exec->streamed, exec->streamed + prepared->stream_floats);
  br_barrier_wait(&exec->barrier, part.count);
}

static void forward(struct br_exec *exec, int s, struct br_op_args args, void *work, struct br_part part) {
  args.work = work;
  double *seconds = part.index == 0 && args.run->step_seconds ? &args.run->step_seconds[s] : NULL, begin = seconds ? br_clock_seconds() : 0;
  if (exec->streamed && exec->plan.steps[s].packed) stream(exec, &exec->plan.steps[s], part);
  exec->plan.steps[s].op->forward(&args, part);
  br_barrier_wait(&exec->barrier, part.count);
  if (seconds) *seconds += br_clock_seconds() - begin;
}

/* The arguments of step s for one sample of the batch; `in` has room for its inputs. What a band makes between has no place, so no pointers either. */
static struct br_op_args args_of_sample(const struct br_exec *exec, int s, size_t sample, const float **in) {
  struct br_op_args args = exec->args[s];
  const size_t *step = exec->in_sample + (args.in - exec->in);
  for (int k = 0; k < args.n_inputs; k++) in[k] = args.in[k] ? args.in[k] + sample * step[k] : NULL;
  args.in = in;
  if (args.out) args.out += sample * exec->out_sample[s];
  return args;
}

static void run_band(struct br_exec *exec, int s, size_t sample, void *work, struct br_part part) {
  const struct br_step *step = &exec->plan.steps[s];
  struct br_infer_conv convs[BR_BAND_MOST];
  for (int i = 0; i < step->band; i++) {
    const float *in[2];
    const struct br_op_args args = args_of_sample(exec, s + i, sample, in);
    convs[i] = br__packed_conv(&args);
  }
  double *seconds = part.index == 0 ? exec->args[s].run->step_seconds : NULL;
  br__band_run(convs, step->band, step->band_rows, part, work, seconds ? seconds + s : NULL);
  br_barrier_wait(&exec->barrier, part.count);
}

/* Step s on one sample of the batch, or the band that begins with it. Returns how many steps that were. */
static int forward_sample(struct br_exec *exec, int s, size_t sample, void *work, struct br_part part) {
  if (exec->plan.steps[s].band) {
    run_band(exec, s, sample, work, part);
    return exec->plan.steps[s].band;
  }
  const float *in[64];
  forward(exec, s, args_of_sample(exec, s, sample, in), work, part);
  return 1;
}

static void backward(struct br_exec *exec, int s, void *work, struct br_part part) {
  struct br_op_args args = exec->args[s];
  args.work = work;
  double *seconds = part.index == 0 && args.run->step_seconds ? &args.run->step_seconds[exec->plan.n_steps + s] : NULL, begin = seconds ? br_clock_seconds() : 0;
  exec->plan.steps[s].op->backward(&args, part);
  br_barrier_wait(&exec->barrier, part.count);
  if (seconds) *seconds += br_clock_seconds() - begin;
}

static void tell(const struct br_run *run, size_t settled, struct br_part part) {
  struct br_exec_watch *watch = run->watch;
  if (!watch || part.index != 0) return;
  __atomic_store_n(&watch->settled, settled, __ATOMIC_RELEASE);
  if (watch->step) watch->step(watch->arg);
}

void br_exec_run(struct br_exec *exec, const struct br_run *run, struct br_part part) {
  const struct br_plan *plan = &exec->plan;
  if (part.index == 0) prepare(exec, run);
  br_barrier_wait(&exec->barrier, part.count);
  void *work = exec->work + plan->work_bytes * (size_t)part.index;
  for (int i = 0; i < run->n; i++)
    for (int s = 0; s < plan->early;) s += forward_sample(exec, s, (size_t)i, work, part);
  for (int s = plan->early; s < plan->n_steps;) {
    if (plan->steps[s].band) {
      s += forward_sample(exec, s, 0, work, part);
    } else {
      forward(exec, s, exec->args[s], work, part);
      s++;
    }
  }
  if (exec->options.mode != BR_EXEC_TRAIN) return;
  tell(run, plan->graph->trained_floats, part);
  for (int s = plan->n_steps - 1; s >= 0; s--) {
    if (!plan->steps[s].backward) continue;
    backward(exec, s, work, part);
    tell(run, exec->settled[s], part);
  }
  tell(run, 0, part); /* also where all is frozen */
}

int br_exec_steps(const struct br_exec *exec) { return exec->plan.n_steps; }

struct br_exec_step br_exec_step(const struct br_exec *exec, int s) {
  const struct br_plan *plan = &exec->plan;
  const struct br_step *step = &plan->steps[s];
  if (step->node == &plan->loss_node) return (struct br_exec_step){.name = "(loss)", .op = step->node->op->name, .how = "", .out = &exec->out_shapes[s]};
  struct br_exec_step told = {.name = step->node->name, .op = step->node->op->name, .how = !step->packed ? "" : step->op == &br_op_winograd ? "winograd" : "direct", .out = &exec->out_shapes[s]};
  const struct br_node *end = s + 1 < plan->n_steps && step[1].node != &plan->loss_node ? step[1].node : plan->graph->nodes + plan->graph->n_nodes;
  for (const struct br_node *node = step->node; node < end; node++) told.macs += br_node_cost(plan->graph, (int)(node - plan->graph->nodes)).macs / node->shape.d[0];
  if (step->backward) told.backward_macs = plan->needs_gradient[step->inputs[0]] ? 2 * told.macs : told.macs; /* of the weights and of the input */
  return told;
}

const float *br_exec_output(const struct br_exec *exec) { return br_exec_output_at(exec, 0); }
const float *br_exec_output_at(const struct br_exec *exec, int i) { return value_at(exec, exec->plan.graph->outputs[i]); }
const float *br_exec_losses(const struct br_exec *exec) { return exec->losses; }
const float *br_exec_gradient(const struct br_exec *exec) { return exec->gradient; }
const float *br_exec_batch_statistics(const struct br_exec *exec) { return exec->batch_statistics; }
