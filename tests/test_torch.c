/* A few training steps of nets of the zoo against PyTorch: tests/reference/torch_steps.py worked out the losses and the changes of all
 * parameters, in double, from the same weights, pictures and labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net_case.h"

#include <bramble/net/zoo.h>
#include <bramble/store/npy.h>

#include <math.h>
#include <stdio.h>

enum { STEPS = 2, BATCH = 4, CLASSES = 10 };

/* The script's formula. */
static float value(uint32_t tensor, uint32_t element) {
  uint32_t h = element * 2654435761u + tensor * 40503u + 12345u;
  h = (h ^ h >> 15) * 2246822519u;
  h = (h ^ h >> 13) * 3266489917u;
  h ^= h >> 16;
  return (float)(h >> 8) * 0x1p-23f - 1;
}

/* norm: around which batch norm's weights start, with biases around 1; 0: the usual start. */
static float start(const struct br_param *param, bool batchnorm, float norm, uint32_t index, uint32_t element) {
  float v = value(index, element);
  if (param->shape.rank > 1) return v * sqrtf(6.0f / (float)br_shape_rows(&param->shape));
  bool weight = strcmp(strrchr(param->name, '.'), ".weight") == 0;
  if (norm > 0 && batchnorm) return weight ? norm * (1.0f + 0.1f * v) : 1.0f + 0.1f * v;
  return weight ? 1.0f + 0.1f * v : 0.1f * v;
}

struct net {
  const char *name;
  int side;
  float lr;
  uint32_t salt; /* of the pictures */
  double width;
  double tolerance; /* of a parameter's change, relative to the norm of the change of its layer's parameters together */
  float norm;       /* see start */
};

struct walk {
  struct br_graph *graph;
  struct br_exec *exec;
  struct br_team *team;
  float *trained, *first, *statistics, *x;
};

static double one_step(struct walk *w, const struct net *net, uint32_t step) {
  int32_t label[BATCH];
  size_t n = BATCH * net_sample_floats(w->graph, 0);
  for (size_t i = 0; i < n; i++) w->x[i] = value(3000000u + 16 * net->salt + step, (uint32_t)i);
  for (int i = 0; i < BATCH; i++) label[i] = (7 * (int)step + 3 * i) % CLASSES;
  struct br_run run = {.trained = w->trained, .statistics = w->statistics, .x = w->x, .n = BATCH, .label = label, .loss_scale = 1.0f / BATCH};
  struct net_call call = {w->exec, &run};
  br_team_run(w->team, net_call, &call);
  double loss = 0;
  for (int i = 0; i < BATCH; i++) loss += br_exec_losses(w->exec)[i];
  for (size_t i = 0; i < w->graph->trained_floats; i++) w->trained[i] -= net->lr * br_exec_gradient(w->exec)[i];
  return loss / BATCH;
}

static void compare_layer(const struct walk *w, const struct net *net, const struct br_node *node, const double *expected, uint32_t index) {
  double layer = 0;
  for (int p = 0, i = 0; p < node->n_params; p++)
    if (!w->graph->params[node->first_param + p].statistic) layer = hypot(layer, expected[2 * i++ + 1]);
  for (int p = node->first_param; p < node->first_param + node->n_params; p++) {
    const struct br_param *param = &w->graph->params[p];
    if (param->statistic) continue;
    double dot = 0, square = 0;
    for (size_t i = 0; i < param->count; i++) {
      double change = (double)w->trained[param->offset + i] - w->first[param->offset + i];
      dot += change * value(2000000u + index, (uint32_t)i);
      square += change * change;
    }
    double norm = expected[1], bound = net->tolerance * layer + 1e-6 * sqrt((double)param->count);
    if (!(fabs(sqrt(square) - norm) <= bound && fabs(dot - expected[0]) <= bound))
      fail_msg("%s: %s changed by %.9g (along the check %.9g), PyTorch's by %.9g (%.9g)", net->name, param->name, sqrt(square), dot, norm, expected[0]);
    expected += 2;
    index++;
  }
}

static void compare_changes(const struct walk *w, const struct net *net, const double *expected) {
  uint32_t index = 0;
  for (int n = 0; n < w->graph->n_nodes; n++) {
    const struct br_node *node = &w->graph->nodes[n];
    compare_layer(w, net, node, expected + 2 * index, index);
    for (int p = 0; p < node->n_params; p++) index += !w->graph->params[node->first_param + p].statistic;
  }
}

static void check_net(const struct net *net) {
  char path[512];
  struct br_npy npy;
  double *expected = NULL;
  snprintf(path, sizeof path, "%s/reference/torch/%s.npy", BRAMBLE_TESTS, net->name);
  if (br_npy_read(path, &npy, (void **)&expected) != BR_OK) fail_msg("%s", br_error_message());
  struct walk w = {0};
  struct br_zoo_options options = {.width = net->width, .H = net->side, .W = net->side, .C = 3, .classes = CLASSES, .hidden = strcmp(net->name, "mlp") == 0 ? "33,17" : NULL, .bn_momentum = -1, .bn_eps = -1, .dropout = 0};
  if (br_zoo_open(net->name, &options, &w.graph) != BR_OK) fail_msg("%s", br_error_message());
  size_t n_trained = 0;
  w.trained = calloc(w.graph->trained_floats + 1, sizeof(float));
  w.statistics = calloc(w.graph->statistic_floats + 1, sizeof(float));
  w.x = calloc(BATCH * net_sample_floats(w.graph, 0), sizeof(float));
  for (int n = 0; n < w.graph->n_nodes; n++) {
    const struct br_node *node = &w.graph->nodes[n];
    bool batchnorm = node->n_params == 4; /* weight, bias, running mean and variance */
    for (int p = node->first_param; p < node->first_param + node->n_params; p++) {
      const struct br_param *param = &w.graph->params[p];
      if (param->statistic) continue;
      for (size_t i = 0; i < param->count; i++) w.trained[param->offset + i] = start(param, batchnorm, net->norm, (uint32_t)n_trained, (uint32_t)i);
      n_trained++;
    }
  }
  assert_int_equal(npy.type, BR_NPY_F64);
  assert_int_equal(npy.count, STEPS + 2 * n_trained);
  w.first = net_copy(w.trained, w.graph->trained_floats);
  struct br_exec_options exec = {.mode = BR_EXEC_TRAIN, .N = BATCH, .members = 2, .fuse = true};
  if (br_exec_open(w.graph, &exec, &w.exec) != BR_OK) fail_msg("%s", br_error_message());
  assert_int_equal(br_team_open(exec.members, &w.team), BR_OK);
  for (uint32_t step = 0; step < STEPS; step++) {
    double loss = one_step(&w, net, step);
    if (!(fabs(loss - expected[step]) <= 1e-3 * fabs(expected[step]))) fail_msg("%s: the loss of step %u is %.9g, PyTorch's %.9g", net->name, step, loss, expected[step]);
  }
  compare_changes(&w, net, expected + STEPS);
  br_team_close(w.team);
  br_exec_close(w.exec);
  br_graph_close(w.graph);
  br_memory_free(expected);
  free(w.trained);
  free(w.first);
  free(w.statistics);
  free(w.x);
}

static void test_plain(void **state) {
  (void)state;
  check_net(&(struct net){"lenet", 32, 0.02f, 0, 0, 1e-5, 0});
  check_net(&(struct net){"mlp", 8, 0.02f, 0, 0, 1e-5, 0});
  check_net(&(struct net){"squeezenet1.0", 64, 0.02f, 0, 0, 1e-4, 0});
  check_net(&(struct net){"squeezenet1.1", 64, 0.02f, 1, 0, 5e-4, 0});
}

static void test_mobile(void **state) {
  (void)state;
  check_net(&(struct net){"mobilenetv2", 64, 0.02f, 0, 0.5, 1e-3, 0.5f});
  check_net(&(struct net){"mobilenetv3-large", 64, 0.02f, 1, 0.35, 3e-4, 0});
  check_net(&(struct net){"mobilenetv3-small", 64, 0.02f, 0, 0.5, 3e-4, 0});
}

static void test_residual(void **state) {
  (void)state;
  check_net(&(struct net){"resnet9", 32, 0.001f, 1, 0, 3e-4, 0});
  check_net(&(struct net){"resnet20", 32, 0.02f, 0, 0, 3e-4, 0});
  check_net(&(struct net){"resnet18", 64, 0.02f, 0, 0, 3e-4, 0});
  check_net(&(struct net){"resnet50", 64, 0.001f, 0, 0, 1e-2, 0.5f});
}

static void test_inception(void **state) {
  (void)state;
  check_net(&(struct net){"inceptionv3", 96, 0.001f, 0, 0, 1e-2, 0.25f});
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_mobile), cmocka_unit_test(test_residual), cmocka_unit_test(test_inception)};
  return cmocka_run_group_tests_name("torch", tests, NULL, NULL);
}
