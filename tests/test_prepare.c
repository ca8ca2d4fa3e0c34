/* Prepared nets: with `exact` they give the bits of the ordinary exec; folded they are as near as rounding allows; and any batch, any number of members, kept
 * or streamed weights and any allowed cut give the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net_case.h"

#include <bramble/net/cut.h>
#include <bramble/net/prepare.h>
#include <bramble/net/zoo.h>

#include <math.h>
#include <stdio.h>

#define BATCH 3

/* Every kind of group, and what must not become one. */
static const char *const text =
    "x = input 23 21 5\n"
    "c1 = conv x out=24 kernel=3 stride=2 padding=1 bias=no\n" /* norm and hardswish */
    "b1 = batchnorm c1 eps=0.001\n"
    "r1 = hardswish b1\n"
    "d1 = conv r1 groups=0 kernel=5 padding=2 bias=no\n" /* depthwise */
    "b2 = batchnorm d1\n"
    "r2 = relu6 b2\n"
    "p = globalpool r2\n" /* squeeze and excite */
    "f1 = conv p out=8\n"
    "g1 = relu f1\n"
    "f2 = conv g1 out=24\n"
    "g2 = hardsigmoid f2\n"
    "m = mul r2 g2\n"
    "c2 = conv m out=24 bias=yes\n" /* bias, norm, residual, activation */
    "b3 = batchnorm c2\n"
    "a = add r1 b3\n"
    "r3 = leakyrelu a alpha=0.2\n" /* its readers: Winograd's method, of 3x3 outputs enough */
    "e1 = conv r3 out=17 kernel=3 padding=same\n" /* three that a concat takes, one of them seen elsewhere too */
    "t1 = tanh e1\n"
    "e2 = conv r3 out=32 kernel=3x1 padding=1x0 dilation=1\n"
    "e3 = conv r3 out=9 kernel=3 padding=2 dilation=2\n"
    "k = concat t1 r3 e2 e3 axis=3\n"
    "n1 = batchnorm k\n" /* a norm of its own */
    "n2 = relu n1\n"
    "c3 = conv n2 out=12 groups=2 kernel=2 bias=no\n"
    "s = add c3 c3\n" /* both operands are one: no residual */
    "b4 = batchnorm s\n"
    "l = flatten b4\n"
    "h1 = dense l out=20\n"
    "h2 = dropout h1 rate=0.5\n"
    "h3 = gelu h2\n"
    "h4 = dense h3 out=20 bias=no\n"
    "z = add h4 h3\n"
    "y = dense z out=7\n";

/* Pictures large enough for bands: three of them, with windows of every kind, strides as long as the window and longer, dilation, a residual, and rows that no
 * window reads. */
static const char *const large =
    "x = input 151 130 3\n"
    "c1 = conv x out=32 kernel=3 padding=1\n"
    "r1 = relu c1\n"
    "d1 = conv r1 groups=0 kernel=5 padding=2 bias=no\n"
    "b1 = batchnorm d1\n"
    "r2 = hardswish b1\n"
    "p1 = conv r2 out=16 bias=no\n"
    "e1 = conv p1 out=40\n"
    "r3 = relu6 e1\n"
    "d2 = conv r3 groups=0 kernel=3 stride=2 padding=1\n"
    "p2 = conv d2 out=24\n" /* read twice */
    "e2 = conv p2 out=64\n"
    "r4 = relu e2\n"
    "d3 = conv r4 groups=0 kernel=3 padding=1\n"
    "p3 = conv d3 out=24\n"
    "a = add p3 p2\n"
    "r5 = elu a\n"
    "e3 = conv r5 out=70 kernel=3 padding=2 dilation=2\n"
    "c2 = conv e3 out=33 kernel=2 stride=3\n"
    "g = globalpool c2\n"
    "y = dense g out=7\n";

struct net {
  struct br_model *model;
  float *x;
};

static struct net open_net(struct br_graph *graph, uint64_t seed) {
  struct net net;
  assert_int_equal(br_model_open(graph, &net.model), BR_OK);
  br_graph_init(graph, seed, net.model->trained, net.model->statistics);
  for (int q = 0; q < graph->n_params; q++) { /* batch norms that do something */
    const struct br_param *p = &graph->params[q];
    if (p->shape.rank != 1) continue;
    float *v = (p->statistic ? net.model->statistics : net.model->trained) + p->offset;
    for (size_t i = 0; i < p->count; i++) v[i] = strstr(p->name, "var") || strstr(p->name, "weight") ? 1 + 0.5f * net_random((uint64_t)q, i) : 0.3f * net_random((uint64_t)q, i);
  }
  net.x = net_random_block(seed, BATCH * net_sample_floats(graph, 0));
  return net;
}

static void close_net(struct net *net) {
  br_model_close(net->model);
  free(net->x);
}

static struct br_prepared *prepare(const struct br_model *model, struct br_prepare_options options) {
  struct br_prepared *net;
  if (br_prepared_open(model, &options, &net) != BR_OK) fail_msg("%s", br_error_message());
  return net;
}

static struct net_result run(const struct net *net, const struct br_prepared *prepared, int members, int n) {
  struct br_exec_options options = {.mode = BR_EXEC_INFER, .N = n < BATCH ? n + 1 : n, .members = members, .fuse = true, .prepared = prepared};
  struct br_run all = {.trained = prepared ? NULL : net->model->trained, .statistics = prepared ? NULL : net->model->statistics, .x = net->x, .n = n};
  return net_run(net->model->graph, &options, &all);
}

static void check(const struct net *net, int most_members) {
  struct br_prepared *exact = prepare(net->model, (struct br_prepare_options){.exact = true}), *folded = prepare(net->model, (struct br_prepare_options){0});
  struct br_prepared *streamed = prepare(net->model, (struct br_prepare_options){.stream = true});
  struct net_result plain = run(net, NULL, 1, BATCH), first = run(net, folded, 1, BATCH);
  double largest = 0;
  for (size_t i = 0; i < plain.n_output; i++) largest = fmax(largest, fabs((double)plain.output[i]));
  for (size_t i = 0; i < plain.n_output; i++)
    if (!(fabs((double)first.output[i] - (double)plain.output[i]) <= 1e-4 * largest)) fail_msg("%s: folded %g is far from %g", net->model->graph->name, (double)first.output[i], (double)plain.output[i]);
  for (int members = most_members > 2 ? 1 : most_members; members <= most_members; members++)
    for (int n = 1; n <= BATCH; n += 2) {
      struct net_result a = run(net, exact, members, n), b = run(net, folded, members, n), c = run(net, streamed, members, n);
      assert_memory_equal(a.output, plain.output, a.n_output * sizeof(float));
      assert_memory_equal(b.output, first.output, b.n_output * sizeof(float));
      assert_memory_equal(c.output, first.output, c.n_output * sizeof(float));
      net_result_free(&a), net_result_free(&b), net_result_free(&c);
    }
  net_result_free(&plain), net_result_free(&first);
  br_prepared_close(exact), br_prepared_close(folded), br_prepared_close(streamed);
}

static void test_groups(void **state) {
  (void)state;
  struct net net = open_net(net_open(text), 3);
  check(&net, 3);
  close_net(&net);
}

/* What a band makes between is never a whole tensor: the largest of these alone would be more than all that a run has. */
static void test_bands(void **state) {
  (void)state;
  struct net net = open_net(net_open(large), 3);
  check(&net, 3);
  struct br_prepared *folded = prepare(net.model, (struct br_prepare_options){0});
  struct br_exec_bytes bytes, plain;
  assert_int_equal(br_exec_plan(net.model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true, .prepared = folded}, &bytes), BR_OK);
  assert_int_equal(br_exec_plan(net.model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true}, &plain), BR_OK);
  assert_true(bytes.activations < (size_t)151 * 130 * 40 * sizeof(float) / 2 && plain.activations > (size_t)151 * 130 * 40 * sizeof(float));
  br_prepared_close(folded);
  close_net(&net);
}

static void test_zoo(void **state) {
  (void)state;
  static const char *const names[] = {"lenet", "mlp", "mobilenetv2", "mobilenetv3-small", "squeezenet1.1", "resnet18"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct br_zoo_options o = {.bn_momentum = -1, .bn_eps = -1, .dropout = -1, .H = strncmp(names[i], "le", 2) == 0 || names[i][1] == 'l' ? 0 : 48, .classes = 10};
    struct br_graph *graph;
    o.W = o.H;
    if (br_zoo_open(names[i], &o, &graph) != BR_OK) fail_msg("%s", br_error_message());
    struct net net = open_net(graph, 5);
    check(&net, 2);
    close_net(&net);
  }
}

/* Runs nodes first .. last - 1 of the model file, prepared by themselves, on the values that come in; they are replaced by those that go out. */
static void run_part(const char *path, int first, int last, float **values, int *n_values) {
  struct br_model *part;
  if (br_model_map_part(path, first, last, &part) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(part->graph->n_inputs, *n_values);
  struct br_prepared *net = prepare(part, (struct br_prepare_options){0});
  br_model_drop(part); /* a prepared net needs the parameters no more */
  struct br_exec *exec;
  assert_int_equal(br_exec_open(part->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true, .prepared = net}, &exec), BR_OK);
  br_exec_run(exec, &(struct br_run){.x = values[0], .more = (const float *const *)values + 1, .n = 1}, BR_PART_ALL);
  float *out[64];
  for (int i = 0; i < part->graph->n_outputs; i++) {
    int v = part->graph->outputs[i];
    out[i] = net_copy(v < part->graph->n_inputs ? values[v] : br_exec_output_at(exec, i), net_sample_floats(part->graph, v));
  }
  for (int i = 0; i < *n_values; i++) free(values[i]);
  *n_values = part->graph->n_outputs;
  memcpy(values, out, (size_t)*n_values * sizeof *out);
  br_exec_close(exec);
  br_prepared_close(net);
  br_model_close(part);
}

/* At every allowed place: two parts are the whole. */
static void test_cuts(void **state) {
  (void)state;
  struct net net = open_net(net_open(text), 3);
  const struct br_graph *graph = net.model->graph;
  const char *path = "prepare_cut.safetensors";
  assert_int_equal(br_model_save(net.model, path), BR_OK);
  struct br_prepared *prepared = prepare(net.model, (struct br_prepare_options){0});
  struct net_result whole = run(&net, prepared, 1, 1);
  bool allowed[64];
  int cuts = 0;
  assert_int_equal(br_cut_allowed(graph, allowed), BR_OK);
  assert_false(allowed[br_graph_find(graph, "b1")] || allowed[br_graph_find(graph, "r3")] || allowed[br_graph_find(graph, "h3")]);
  for (int at = graph->n_inputs + 1; at < br_cut_end(graph); at++) {
    if (!allowed[at]) continue;
    float *values[64] = {net_copy(net.x, net_sample_floats(graph, 0))};
    int n = 1;
    cuts++;
    run_part(path, graph->n_inputs, at, values, &n);
    run_part(path, at, br_cut_end(graph), values, &n);
    assert_memory_equal(values[0], whole.output, whole.n_output * sizeof(float));
    free(values[0]);
  }
  assert_true(cuts > 12);
  net_result_free(&whole);
  br_prepared_close(prepared);
  close_net(&net);
  remove(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups), cmocka_unit_test(test_bands), cmocka_unit_test(test_zoo), cmocka_unit_test(test_cuts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
