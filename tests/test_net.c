/* Nets: every operator's gradient by central differences, and what must not be seen in the bits: fusing, threads, the room left in a
 * micro-batch, frozen neighbours. The text and the zoo have tests of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/ops/activation.h"
#include "net_case.h"

#include <bramble/kernel/kernel.h>

#include <math.h>
#include <stdio.h>

enum { N = 3, H = 5, W = 7, C = 3 };

/* --- gradients ----------------------------------------------------------------------------------------------------------- */

/* Each case gets t, u: 5x7x3 pictures that are parameters themselves: rows of dense layers behind a one-hot input, so that their gradient, element by
 * element, is the operator's for its input. The case ends with the node y, whose values go to mse. */
static const char *const cases[] = {
    "y = conv t out=4 kernel=3",
    "y = conv t out=5 kernel=3x1 stride=2x1 padding=1x0 bias=no",
    "y = conv t out=2 kernel=3 stride=2 padding=same",
    "y = conv t out=2 kernel=2x4 stride=3x2 padding=same dilation=1x2",
    "y = conv t out=2 kernel=3 dilation=2 padding=2",
    "y = conv t out=6 kernel=3 groups=3 padding=1",
    "y = conv t kernel=3 groups=3 padding=1 stride=2",
    "y = conv t out=6 kernel=3 groups=0",
    "y = conv t out=2 kernel=2 padding=0x1x2x0",
    "y = conv t out=9 stride=2",
    "y = conv t out=2 kernel=5 padding=4",
    "c = conv t out=4\ny = conv c out=6 groups=2 kernel=3 stride=2x3",
    "y = dense t out=4",
    "a = flatten t\ny = dense a out=11 bias=no",
    "y = batchnorm t",
    "a = flatten t\ny = batchnorm a eps=0.1",
    "y = relu t",
    "y = relu6 t",
    "y = leakyrelu t alpha=0.3",
    "y = sigmoid t",
    "y = hardsigmoid t",
    "y = hardswish t",
    "y = tanh t",
    "y = silu t",
    "y = elu t alpha=0.7",
    "y = gelu t",
    "y = softplus t",
    "y = prelu t",
    "y = maxpool t kernel=2",
    "y = maxpool t kernel=3 stride=2 padding=1",
    "y = maxpool t kernel=3x2 stride=2 ceil=yes",
    "y = maxpool t kernel=2 stride=2 padding=same",
    "y = avgpool t kernel=2",
    "y = avgpool t kernel=3 stride=1 padding=1",
    "y = avgpool t kernel=3 stride=2 padding=1 countpadding=no ceil=yes",
    "y = avgpool t kernel=2x3 stride=2 padding=same",
    "y = globalpool t",
    "y = add t u",
    "y = add t t u",
    "y = mul t u",
    "y = mul t t",
    "s = globalpool u\ny = mul t s",
    "s = globalpool t\ny = mul t s",
    "y = concat t u t",
    "y = reshape t sizes=7x0x5",
    "y = dropout t rate=0.4",
    "y = softmax t",
    /* Values that several read, and chains in place. */
    "a = tanh t\nb = sigmoid a\nc = conv a out=3\ny = add b c a",
    "a = softmax t\nb = flatten a\ny = dropout b rate=0.3",
    "a = sigmoid t\nb = flatten a\nc = reshape b sizes=35x3\ny = tanh c",
    "c = conv t out=3\na = tanh c\nb = dropout a rate=0.2\nd = dense b out=2\ny = sigmoid d",
    "a = add t u\nb = sigmoid a\ny = add b a t",
    "a = batchnorm t\nb = silu a\nc = batchnorm b\ny = mul c b",
    /* What the loss does not depend on. */
    "y = tanh t\nd1 = conv y out=2\nd2 = relu d1\nd3 = batchnorm u",
};

static struct br_graph *open_case(const char *body) {
  char text[1024];
  snprintf(text, sizeof text, "x = input %d\ndt = dense x out=%d bias=no\ndu = dense x out=%d bias=no\nt = reshape dt sizes=%dx%dx%d\nu = reshape du sizes=%dx%dx%d\n%s\nf = flatten y\nl = mse f\n", N, H * W * C, H * W * C, H, W, C,
           H, W, C, body);
  return net_open(text);
}

static const float one_hot[N * N] = {1, 0, 0, 0, 1, 0, 0, 0, 1};

/* t and u: all values of -7.9, -7.85 ... 7.9 but the multiples of 0.1, in a random order, so that no kink and no tie is nearer than half the
 * distance of two values. The others between -1 and 1. */
static float *fill_case(const struct br_graph *graph) {
  float *trained = net_random_block(11, graph->trained_floats);
  for (int p = 0; p < graph->n_params; p++) {
    const struct br_param *param = &graph->params[p];
    if (strcmp(param->name, "dt.weight") != 0 && strcmp(param->name, "du.weight") != 0) continue;
    for (size_t i = 0; i < param->count; i++)
      trained[param->offset + i] = 0.05f * ((float)br_random_permute((uint64_t)p, BR_RANDOM_TEST, 1, param->count, i) - (float)(param->count / 2) + 0.5f);
  }
  return trained;
}

struct difference {
  const struct br_graph *graph;
  struct br_exec *exec;
  struct br_run run;
  float *trained;
};

/* The loss in double from what the net gives out. */
static double loss_of(struct difference *d) {
  br_exec_run(d->exec, &d->run, BR_PART_ALL);
  size_t n = net_sample_floats(d->graph, d->graph->output);
  double sum = 0;
  if (d->run.label) {
    for (int i = 0; i < d->run.n; i++) sum += br_exec_losses(d->exec)[i];
    return sum * d->run.loss_scale;
  }
  for (size_t i = 0; i < n * (size_t)d->run.n; i++) {
    double e = (double)br_exec_output(d->exec)[i] - d->run.target[i];
    sum += e * e;
  }
  return sum / (double)n * d->run.loss_scale;
}

static void check_param(struct difference *d, const struct br_param *param, const char *body) {
  const float step = 0.02f;
  float *gradient = net_copy(br_exec_gradient(d->exec) + param->offset, param->count);
  double square = 0;
  for (size_t i = 0; i < param->count; i++) square += (double)gradient[i] * gradient[i];
  double usual = sqrt(square / (double)param->count);
  for (size_t i = 0; i < param->count; i++) {
    float *w = &d->trained[param->offset + i], old = *w;
    *w = old + step;
    double high = loss_of(d), up = *w;
    *w = old - step;
    double low = loss_of(d), down = *w;
    *w = old;
    double numeric = (high - low) / (up - down);
    if (!(fabs(numeric - gradient[i]) <= 0.005 * (fabs(numeric) + usual) + 1e-6))
      fail_msg("%s: %s element %zu: %.6g by differences, %.6g by the backward pass", body, param->name, i, numeric, (double)gradient[i]);
  }
  loss_of(d);
  free(gradient);
}

static void check_case(struct br_graph *graph, const char *body, struct br_run run) {
  struct difference d = {.graph = graph, .run = run, .trained = fill_case(graph)};
  float *statistics = net_random_block(12, graph->statistic_floats);
  d.run.trained = d.trained, d.run.statistics = statistics;
  if (br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = N, .members = 1, .fuse = true}, &d.exec) != BR_OK) fail_msg("%s: %s", body, br_error_message());
  loss_of(&d);
  for (int p = 0; p < graph->n_params; p++)
    if (!graph->params[p].statistic) check_param(&d, &graph->params[p], body);
  br_exec_close(d.exec);
  free(d.trained);
  free(statistics);
}

static void test_gradients(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct br_graph *graph = open_case(cases[i]);
    float *target = net_random_block(13, N * net_sample_floats(graph, graph->output));
    check_case(graph, cases[i], (struct br_run){.x = one_hot, .n = N, .target = target, .loss_scale = 1.5f, .seed = 5, .step = 2, .position = 3});
    free(target);
    br_graph_close(graph);
  }
}

/* What an activation keeps for its backward pass is what the kernel reads there. */
static void test_activations_keep_what_is_read(void **state) {
  (void)state;
  for (int i = 0; br_op_at(i); i++) {
    enum br_activation f = br_op_activation(br_op_at(i));
    if (f != BR_ACTIVATION_NONE && (br_op_at(i)->flags & (BR_OP_BACKWARD_IN | BR_OP_BACKWARD_OUT)) != (br_activation_needs_input(f) ? BR_OP_BACKWARD_IN : BR_OP_BACKWARD_OUT)) fail_msg("%s", br_op_at(i)->name);
  }
}

static void test_cross_entropy(void **state) {
  (void)state;
  const int32_t label[N] = {2, 0, 6};
  const float weight[7] = {1, 0.5f, 2, 1, 1, 1, 0.25f};
  for (int k = 0; k < 8; k++) { /* with and without weights, smoothing of the run or the node, and a loss node */
    char text[256];
    snprintf(text, sizeof text, "x = input 3\nd = dense x out=7\n%s", k & 4 ? (k & 2 ? "l = crossentropy d smoothing=0.2" : "l = crossentropy d") : "t = tanh d");
    struct br_graph *graph = net_open(text);
    check_case(graph, text, (struct br_run){.x = one_hot, .n = N, .label = label, .class_weight = k & 1 ? weight : NULL, .smoothing = k & 2 ? 0.1f : 0, .loss_scale = 0.5f});
    br_graph_close(graph);
  }
}

/* What a prediction costs, worked out on paper: softmax of (0, ln 3) is (1/4, 3/4). */
static void test_known_losses(void **state) {
  (void)state;
  struct br_graph *graph = net_open("x = input 2\ny = dense x out=2 bias=no");
  float trained[16] = {1, 0, 0, 1}, x[2] = {0, 1.0986123f};
  const int32_t label[1] = {0};
  struct br_run run = {.trained = trained, .x = x, .n = 1, .label = label, .loss_scale = 1};
  struct net_result r = net_run(graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = 1, .members = 1, .fuse = true}, &run);
  assert_true(fabsf(r.losses[0] - 1.3862944f) < 1e-6f);
  assert_true(fabsf(r.gradient[2] - -0.75f * x[1]) < 1e-6f && fabsf(r.gradient[3] - 0.75f * x[1]) < 1e-6f);
  net_result_free(&r);
  br_graph_close(graph);
}

/* --- equal bits ---------------------------------------------------------------------------------------------------------- */

/* A net with all that fuses, runs in place or is shared; then all the cases above again. */
static const char *const mixed =
    "x = input 9 11 3\nc1 = conv x out=17 kernel=3 stride=2 padding=1 bias=no\nb1 = batchnorm c1\nr1 = relu6 b1\n"
    "c2 = conv r1 kernel=3 padding=same groups=0 bias=no\nb2 = batchnorm c2\nr2 = relu b2\ns = globalpool r2\ns1 = conv s out=5\ns2 = relu s1\ns3 = conv s2 out=17\ns4 = hardsigmoid s3\n"
    "m = mul r2 s4\nc3 = conv m out=17\nb3 = batchnorm c3\na = add b3 r1\nq = prelu a\np = maxpool q kernel=2\nk = concat p p\nc4 = conv k out=8\nr4 = hardswish c4\nv = avgpool r4 kernel=2 stride=1\n"
    "f = flatten v\nd = dropout f rate=0.3\nd1 = dense d out=19\nr5 = leakyrelu d1\nd2 = dense r5 out=6";

/* Inverted residuals, which training runs as one step each: with and without an expansion, the first behind the input, a residual around the second,
 * two epsilons that keep one from being fused. */
static const char *const blocks =
    "x = input 9 7 5\ne1 = conv x out=19 bias=no\nf1 = batchnorm e1\ng1 = relu6 f1\nd1 = conv g1 groups=0 kernel=3 stride=2 padding=1 bias=no\nh1 = batchnorm d1\ni1 = relu6 h1\np1 = conv i1 out=6 bias=no\nb1 = batchnorm p1\n"
    "e2 = conv b1 out=33 bias=no\nf2 = batchnorm e2\ng2 = relu6 f2\nd2 = conv g2 groups=0 kernel=3x5 padding=1x2 bias=no\nh2 = batchnorm d2\ni2 = relu6 h2\np2 = conv i2 out=6 bias=no\nb2 = batchnorm p2\nr2 = add b1 b2\n"
    "d3 = conv r2 groups=0 kernel=3 padding=same bias=no\nh3 = batchnorm d3\ni3 = relu6 h3\np3 = conv i3 out=4 bias=no\nb3 = batchnorm p3\n"
    "e4 = conv b3 out=8 bias=no\nf4 = batchnorm e4 eps=0.01\ng4 = relu6 f4\nd4 = conv g4 groups=0 kernel=3 padding=1 bias=no\nh4 = batchnorm d4\ni4 = relu6 h4\np4 = conv i4 out=6 bias=no\nv = globalpool p4\nf = flatten v";

/* Convolution, relu and maxpool, which training runs as one step each: behind the input and inside, padded, strided, windows that leave pixels over, an
 * input with two readers; and three that must stay apart: a relu with two readers, windows that overlap, few windows. */
static const char *const pools =
    "x = input 23 19 3\nc1 = conv x out=6 kernel=5\nr1 = relu c1\np1 = maxpool r1 kernel=2\nc2 = conv p1 out=18 kernel=3x4 stride=1 padding=2x1 bias=no\nr2 = relu c2\np2 = maxpool r2 kernel=2x1\n"
    "c3 = conv p1 out=18 kernel=3 padding=1\nr3 = relu c3\np3 = maxpool r3 kernel=2x1\nc4 = conv p2 out=6 kernel=3 padding=1\nr4 = relu c4\np4 = maxpool r4 kernel=2 stride=1\nc5 = conv p3 out=6 kernel=2\n"
    "r5 = relu c5\np5 = maxpool r5 kernel=3\nv4 = globalpool p4\nv5 = globalpool p5\nv6 = globalpool r5\na = add v4 v5\nb = add a v6\nf = flatten b";

/* Concats of relus on convolutions, which are made and have their gradients in place: of two, with three readers; of three in front of a maxpool, which masks
 * their gradient; and others: one of rows, one whose relu has another reader, one of a sum and a convolution. */
static const char *const fires =
    "x = input 8 6 3\ns1 = conv x out=5\nt1 = relu s1\na1 = conv t1 out=7\nb1 = relu a1\nc1 = conv t1 out=18 kernel=3 padding=1\nd1 = relu c1\nf1 = concat b1 d1\n"
    "a2 = conv f1 out=4\nb2 = relu a2\nc2 = conv f1 out=33\nd2 = relu c2\ne2 = conv f1 out=1\ng2 = relu e2\nf2 = concat g2 d2 b2\nm2 = maxpool f2 kernel=3 stride=2 ceil=yes\n"
    "a3 = conv m2 out=6\nb3 = relu a3\nc3 = conv m2 out=6\nd3 = relu c3\nf3 = concat b3 d3\na4 = conv f3 out=6\nb4 = relu a4\nc4 = add b4 b3\nd4 = conv f3 out=2\nf4 = concat c4 d4\n"
    "a5 = conv f4 out=6\nb5 = relu a5\nc5 = conv f4 out=6\nd5 = relu c5\nf5 = concat b5 d5 axis=1\nv = globalpool f5\nf = flatten v";

/* The same of large pictures, in bands: windows that overlap and hang over the edge, few channels, pixels that no window reaches. */
static const char *const bands =
    "x = input 90 120 2\nc1 = conv x out=67 kernel=3 padding=1x0\nr1 = relu c1\np1 = maxpool r1 kernel=3 stride=2 ceil=yes\nc2 = conv x out=11 kernel=4x5 padding=2 bias=no\nr2 = relu c2\n"
    "p2 = maxpool r2 kernel=4x2 stride=3x2\nv1 = globalpool p1\nv2 = globalpool p2\nv = concat v1 v2\nf = flatten v";

struct fixture {
  struct br_graph *graph;
  float *trained, *statistics, *x, *target;
  int32_t label[8];
  struct br_run run;
};

static struct fixture fixture_open(const char *text, int n) {
  struct fixture f = {.graph = net_open(text), .label = {5, 0, 1, 3, 2, 4, 1, 1}};
  f.trained = net_random_block(21, f.graph->trained_floats);
  f.statistics = net_random_block(22, f.graph->statistic_floats);
  for (size_t i = 0; i < f.graph->statistic_floats; i++) f.statistics[i] = fabsf(f.statistics[i]) + 0.1f;
  f.x = net_random_block(23, (size_t)n * net_sample_floats(f.graph, 0));
  f.target = net_random_block(24, (size_t)n * net_sample_floats(f.graph, f.graph->output));
  f.run = (struct br_run){.trained = f.trained, .statistics = f.statistics, .x = f.x, .n = n, .loss_scale = 1, .seed = 9, .step = 1, .position = 4};
  if (f.graph->loss >= 0)
    f.run.target = f.target;
  return f;
}

static void fixture_close(struct fixture *f) {
  br_graph_close(f->graph);
  free(f->trained);
  free(f->statistics);
  free(f->x);
  free(f->target);
}

static void assert_same(const struct net_result *a, const struct net_result *b, const char *what, const char *text) {
  bool same = a->n_output == b->n_output && a->n_gradient == b->n_gradient && a->n_statistics == b->n_statistics && memcmp(a->output, b->output, a->n_output * sizeof(float)) == 0 &&
              memcmp(a->losses, b->losses, a->n_losses * sizeof(float)) == 0 && memcmp(a->gradient, b->gradient, a->n_gradient * sizeof(float)) == 0 &&
              memcmp(a->statistics, b->statistics, a->n_statistics * sizeof(float)) == 0;
  if (!same) fail_msg("%s changes the bits of:\n%s", what, text);
}

static void check_same_bits(struct fixture *f, const char *text) {
  static const struct {
    const char *what;
    bool fuse;
    int members, room;
  } others[] = {{"not fusing", false, 1, 0}, {"a second thread", true, 2, 0}, {"a third thread", true, 3, 0}, {"threads without fusing", false, 3, 0}, {"room for more samples", true, 2, 4}};
  for (enum br_exec_mode mode = BR_EXEC_INFER; mode <= BR_EXEC_TRAIN; mode++) {
    struct net_result base = net_run(f->graph, &(struct br_exec_options){.mode = mode, .N = f->run.n, .members = 1, .fuse = true}, &f->run);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
      struct net_result r = net_run(f->graph, &(struct br_exec_options){.mode = mode, .N = f->run.n + others[i].room, .members = others[i].members, .fuse = others[i].fuse}, &f->run);
      assert_same(&base, &r, others[i].what, text);
      net_result_free(&r);
    }
    net_result_free(&base);
  }
}

static void test_same_bits(void **state) {
  (void)state;
  struct fixture f;
  const char *const nets[] = {mixed, blocks, pools, bands, fires};
  for (int k = 0; k < 5; k++) {
    f = fixture_open(nets[k], 5);
    f.run.label = f.label;
    check_same_bits(&f, nets[k]);
    fixture_close(&f);
  }
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct br_graph *graph = open_case(cases[i]);
    char *text = NULL;
    assert_int_equal(br_graph_print(graph, &text), BR_OK);
    f = fixture_open(text, N);
    check_same_bits(&f, text);
    fixture_close(&f);
    br_memory_free(text);
    br_graph_close(graph);
  }
}

/* A block of few channels on a large picture, which training computes in another way (kernel/inverted_residual.h): the bits are the same for any threads, and near
 * those of its parts. */
static const char *const narrow =
    "x = input 47 50 3\nc = conv x out=7 kernel=3 padding=1 bias=no\na = batchnorm c\nb = relu a\ne1 = conv b out=40 bias=no\nf1 = batchnorm e1\ng1 = relu6 f1\nd1 = conv g1 groups=0 kernel=3 stride=2 padding=1 bias=no\n"
    "h1 = batchnorm d1\ni1 = relu6 h1\np1 = conv i1 out=16 bias=no\nb1 = batchnorm p1\nv = globalpool b1\nf = flatten v\ny = dense f out=6";

static void assert_near(const float *a, const float *b, size_t n, const char *what) {
  double most = 0, apart = 0;
  for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)b[i])), apart = fmax(apart, fabs((double)a[i] - (double)b[i]));
  if (!(apart <= 2e-4 * most)) fail_msg("%s: %g apart, the largest is %g", what, apart, most);
}

static void test_narrow_block(void **state) {
  (void)state;
  struct fixture f = fixture_open(narrow, 5);
  f.run.label = f.label;
  for (enum br_exec_mode mode = BR_EXEC_STATS; mode <= BR_EXEC_TRAIN; mode++) {
    struct net_result base = net_run(f.graph, &(struct br_exec_options){.mode = mode, .N = 5, .members = 1, .fuse = true}, &f.run);
    for (int members = 2; members <= 3; members++) {
      struct net_result r = net_run(f.graph, &(struct br_exec_options){.mode = mode, .N = 5 + 4 * (members - 2), .members = members, .fuse = true}, &f.run);
      assert_same(&base, &r, "a narrow block's threads", narrow);
      net_result_free(&r);
    }
    struct net_result parts = net_run(f.graph, &(struct br_exec_options){.mode = mode, .N = 5, .members = 1, .fuse = false}, &f.run);
    assert_near(base.output, parts.output, base.n_output, "output");
    assert_near(base.statistics, parts.statistics, base.n_statistics, "statistics");
    for (int p = 0; mode == BR_EXEC_TRAIN && p < f.graph->n_params; p++) {
      const struct br_param *param = &f.graph->params[p];
      if (!param->statistic) assert_near(base.gradient + param->offset, parts.gradient + param->offset, br_shape_count(&param->shape), param->name);
    }
    assert_int_not_equal(memcmp(base.statistics, parts.statistics, base.n_statistics * sizeof(float)), 0); /* it was the other way */
    net_result_free(&parts);
    net_result_free(&base);
  }
  fixture_close(&f);
}

/* --- a run that is watched ------------------------------------------------------------------------------------------------ */

struct early {
  struct br_exec_watch watch;
  struct br_exec *exec;
  float *gradient, *statistics; /* as they were when they were said to be final */
  size_t n_gradient, n_statistics, from;
  int told; /* how often something became final */
};

static void keep_early(void *arg) {
  struct early *e = arg;
  size_t settled = e->watch.settled;
  if (e->told == 0) assert_int_equal(settled, e->n_gradient);
  assert_true(settled <= e->from);
  if (e->told == 0 && e->n_statistics > 0) memcpy(e->statistics, br_exec_batch_statistics(e->exec), e->n_statistics * sizeof(float));
  if (settled < e->from && settled < e->n_gradient) memcpy(e->gradient + settled, br_exec_gradient(e->exec) + settled, (e->from - settled) * sizeof(float));
  e->told += settled < e->from || e->told == 0;
  e->from = settled;
}

/* What is said to be final is: after the forward pass the statistics, then the gradients from the last on. */
static void check_watch(const char *text, int members, bool fuse, bool freezes) {
  struct fixture f = fixture_open(text, 4);
  f.run.label = f.label;
  bool *frozen = calloc((size_t)f.graph->n_params + 1, sizeof *frozen);
  for (int p = 0; freezes && p < f.graph->n_params; p++) frozen[p] = p % 3 == 0;
  struct early e = {.n_gradient = f.graph->trained_floats, .n_statistics = f.graph->statistic_floats, .from = f.graph->trained_floats};
  e.gradient = calloc(e.n_gradient + 1, sizeof(float));
  e.statistics = calloc(e.n_statistics + 1, sizeof(float));
  e.watch = (struct br_exec_watch){.settled = SIZE_MAX, .step = keep_early, .arg = &e};
  f.run.watch = &e.watch;
  struct br_team *team = NULL;
  assert_int_equal(br_exec_open(f.graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = 4, .members = members, .fuse = fuse, .frozen = frozen}, &e.exec), BR_OK);
  assert_int_equal(br_team_open(members, &team), BR_OK);
  br_team_run(team, net_call, &(struct net_call){e.exec, &f.run});
  assert_int_equal(e.from, 0);
  assert_true(e.told > 4);
  assert_memory_equal(e.gradient, br_exec_gradient(e.exec), e.n_gradient * sizeof(float));
  assert_memory_equal(e.statistics, br_exec_batch_statistics(e.exec), e.n_statistics * sizeof(float));
  br_team_close(team);
  br_exec_close(e.exec);
  free(e.gradient);
  free(e.statistics);
  free(frozen);
  fixture_close(&f);
}

static void test_watch(void **state) {
  (void)state;
  const char *const nets[] = {mixed, blocks, pools};
  for (int k = 0; k < 3; k++)
    for (int way = 0; way < 4; way++) check_watch(nets[k], 1 + way % 2, way != 1, way == 3);
}

/* The batch of inference cannot be seen either: sample by sample gives the same. In training, dropout goes by the place in the whole batch. */
static void test_samples_are_alone(void **state) {
  (void)state;
  struct fixture f = fixture_open(mixed, 5);
  struct net_result all = net_run(f.graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 5, .members = 1, .fuse = true}, &f.run);
  for (int i = 0; i < 5; i++) {
    struct br_run one = f.run;
    one.n = 1;
    one.x += (size_t)i * net_sample_floats(f.graph, 0);
    struct net_result r = net_run(f.graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true}, &one);
    assert_memory_equal(r.output, all.output + (size_t)i * r.n_output, r.n_output * sizeof(float));
    net_result_free(&r);
  }
  net_result_free(&all);
  fixture_close(&f);
  f = fixture_open("x = input 7\nd = dropout x rate=0.5\nl = mse d", 5);
  struct br_exec_options options = {.mode = BR_EXEC_TRAIN, .N = 5, .members = 2, .fuse = true};
  all = net_run(f.graph, &options, &f.run);
  struct br_run part = f.run;
  part.n = 3, part.x += 2 * 7, part.position += 2;
  struct net_result r = net_run(f.graph, &options, &part);
  assert_memory_equal(r.output, all.output + 2 * 7, r.n_output * sizeof(float));
  int dropped = 0;
  for (size_t i = 0; i < all.n_output; i++) {
    assert_true(all.output[i] == 0 || all.output[i] == 2 * f.x[i]);
    dropped += all.output[i] == 0;
  }
  assert_true(dropped > 7 && dropped < 28);
  net_result_free(&r);
  part.step++;
  r = net_run(f.graph, &options, &part);
  assert_memory_not_equal(r.output, all.output + 2 * 7, r.n_output * sizeof(float));
  net_result_free(&r);
  net_result_free(&all);
  fixture_close(&f);
}

/* A frozen parameter gets no gradient, and the others the very bits they had. */
static void check_frozen(const char *text) {
  struct fixture f = fixture_open(text, 4);
  f.run.label = f.label;
  struct br_exec_options options = {.mode = BR_EXEC_TRAIN, .N = 4, .members = 2, .fuse = true};
  struct net_result base = net_run(f.graph, &options, &f.run);
  int n = f.graph->n_params;
  bool *frozen = calloc((size_t)n, sizeof *frozen);
  options.frozen = frozen;
  for (int k = 0; k <= n + 2; k++) { /* each alone, then all before the middle, all, every other */
    for (int p = 0; p < n; p++) frozen[p] = k < n ? p == k : k == n ? p < n / 2 : k == n + 1 || p % 2;
    struct net_result r = net_run(f.graph, &options, &f.run);
    assert_memory_equal(r.output, base.output, r.n_output * sizeof(float));
    assert_memory_equal(r.statistics, base.statistics, r.n_statistics * sizeof(float));
    for (int p = 0; p < n; p++) {
      const struct br_param *param = &f.graph->params[p];
      if (param->statistic) continue;
      for (size_t i = 0; i < param->count; i++)
        if (memcmp(&r.gradient[param->offset + i], frozen[p] ? &(float){0} : &base.gradient[param->offset + i], sizeof(float)) != 0) fail_msg("%s with freezing %d", param->name, k);
    }
    net_result_free(&r);
  }
  free(frozen);
  net_result_free(&base);
  fixture_close(&f);
}

static void test_frozen(void **state) {
  (void)state;
  check_frozen(mixed);
  check_frozen(blocks);
}

/* A softmax at the end is what the net gives, but the loss takes the scores: it has a softmax of its own. */
static void test_last_softmax(void **state) {
  (void)state;
  static const char *const texts[] = {"x = input 9\nd1 = dense x out=7\nr = relu d1\nd2 = dense r out=6", "x = input 9\nd1 = dense x out=7\nr = relu d1\nd2 = dense r out=6\ns = softmax d2"};
  struct net_result r[2];
  for (enum br_exec_mode mode = BR_EXEC_INFER; mode <= BR_EXEC_TRAIN; mode++) {
    for (int k = 0; k < 2; k++) {
      struct fixture f = fixture_open(texts[k], 4);
      f.run.label = f.label;
      r[k] = net_run(f.graph, &(struct br_exec_options){.mode = mode, .N = 4, .members = 1, .fuse = true}, &f.run);
      fixture_close(&f);
    }
    assert_memory_equal(r[0].losses, r[1].losses, 4 * sizeof(float));
    assert_memory_equal(r[0].gradient, r[1].gradient, r[0].n_gradient * sizeof(float));
    for (int i = 0; i < 4; i++) {
      float sum = 0;
      for (int c = 0; c < 6; c++) sum += r[1].output[6 * i + c];
      assert_true(fabsf(sum - 1) < 1e-6f);
    }
    net_result_free(&r[0]);
    net_result_free(&r[1]);
  }
}

/* Training and recalibration see the same batch statistics; predicting with just those statistics gives the recalibration's output. */
static void test_modes(void **state) {
  (void)state;
  struct fixture f = fixture_open(mixed, 5);
  f.run.label = f.label;
  struct br_exec_options options = {.mode = BR_EXEC_TRAIN, .N = 5, .members = 1, .fuse = true};
  struct net_result train = net_run(f.graph, &options, &f.run);
  options.mode = BR_EXEC_STATS;
  struct net_result stats = net_run(f.graph, &options, &f.run);
  assert_memory_equal(train.statistics, stats.statistics, stats.n_statistics * sizeof(float));
  assert_memory_not_equal(train.output, stats.output, stats.n_output * sizeof(float)); /* dropout */
  options.mode = BR_EXEC_INFER;
  f.run.statistics = stats.statistics;
  struct net_result infer = net_run(f.graph, &options, &f.run);
  assert_memory_equal(infer.output, stats.output, stats.n_output * sizeof(float));
  assert_memory_equal(infer.losses, stats.losses, stats.n_losses * sizeof(float));
  net_result_free(&train);
  net_result_free(&stats);
  net_result_free(&infer);
  fixture_close(&f);
}

/* What an exec holds is what its plan says, and closing gives all of it back. */
static void test_plan_is_true(void **state) {
  (void)state;
  struct br_graph *graph = net_open(mixed);
  for (enum br_exec_mode mode = BR_EXEC_INFER; mode <= BR_EXEC_TRAIN; mode++) {
    struct br_exec_options options = {.mode = mode, .N = 16, .members = 2, .fuse = true};
    struct br_exec_bytes bytes;
    struct br_exec *exec;
    size_t before = br_memory_held_bytes();
    assert_int_equal(br_exec_plan(graph, &options, &bytes), BR_OK);
    assert_int_equal(br_memory_held_bytes(), before);
    assert_int_equal(br_exec_open(graph, &options, &exec), BR_OK);
    size_t held = br_memory_held_bytes() - before;
    assert_true(held >= bytes.total && held < bytes.total + 65536);
    br_exec_close(exec);
    assert_int_equal(br_memory_held_bytes(), before);
  }
  br_graph_close(graph);
}

static void test_refusals(void **state) {
  (void)state;
  struct br_exec *exec;
  struct br_graph *graph = net_open("x = input 8 8 3\nc = conv x out=4");
  assert_int_equal(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = 2, .members = 1}, &exec), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "globalpool or flatten"));
  assert_int_equal(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 0, .members = 1}, &exec), BR_ERROR_USAGE);
  assert_int_equal(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 2, .members = 1}, &exec), BR_OK);
  br_exec_close(exec);
  br_graph_close(graph);
  graph = net_open("x = input 1000 1000 3\nc = conv x out=600");
  assert_int_equal(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 4, .members = 1}, &exec), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "node c is too large for 4 samples"));
  br_graph_close(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_gradients), cmocka_unit_test(test_activations_keep_what_is_read),        cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_known_losses), cmocka_unit_test(test_same_bits),        cmocka_unit_test(test_narrow_block),
      cmocka_unit_test(test_samples_are_alone), cmocka_unit_test(test_frozen), cmocka_unit_test(test_last_softmax),        cmocka_unit_test(test_modes),        cmocka_unit_test(test_plan_is_true),
      cmocka_unit_test(test_refusals), cmocka_unit_test(test_watch),
  };
  return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
