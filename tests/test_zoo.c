/* The zoo against what is published: trainable parameters and multiply-adds to the digit, names, recipes and bad options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/zoo.h>

#include <stdio.h>
#include <string.h>

#define DEFAULTS {.bn_momentum = -1, .bn_eps = -1, .dropout = -1}

static struct br_graph *open_net(const char *name, double width, int size, int classes) {
  struct br_zoo_options o = DEFAULTS;
  o.width = width, o.H = o.W = size, o.classes = classes;
  struct br_graph *graph;
  if (br_zoo_open(name, &o, &graph) != BR_OK) fail_msg("%s: %s", name, br_error_message());
  return graph;
}

/* Parameters: torchvision's, but for the last five, whose numbers follow from the papers' tables. Multiply-adds of convolutions and dense layers of one
 * picture: torch.utils.flop_counter of torch 2.15 on torchvision 0.29 halved; torchvision's rounded "_ops" (0.301, 0.217, 0.057, 0.819, 0.349, 1.814,
 * 4.089 and 5.713 thousand millions) agree. */
static void test_published_counts(void **state) {
  (void)state;
  static const struct {
    const char *name;
    double width;
    int size, classes;
    size_t params;
    double macs;
  } known[] = {
      {"mobilenetv2", 1, 224, 1000, 3504872, 300774272},
      {"mobilenetv2", 0.5, 224, 10, 700490, 95864640},
      {"mobilenetv3-large", 1, 224, 1000, 5483032, 216589760},
      {"mobilenetv3-small", 1, 224, 1000, 2542856, 56510400},
      {"squeezenet1.0", 0, 224, 1000, 1248424, 818924576},
      {"squeezenet1.1", 0, 224, 1000, 1235496, 349151936},
      {"resnet18", 0, 224, 1000, 11689512, 1814073344},
      {"resnet50", 0, 224, 1000, 25557032, 4089184256},
      {"inceptionv3", 0, 299, 1000, 23834568, 5713216096},
      {"lenet", 0, 32, 10, 62006, 651720},
      {"resnet20", 0, 32, 10, 272474, 40813184},
      {"resnet9", 0, 32, 10, 6573120, 379261952},
      {"mlp", 0, 1, 3, 64 * 6 + 64 + 64 * 64 + 64 + 32 * 64 + 32 + 3 * 32 + 3, 64 * 6 + 64 * 64 + 32 * 64 + 3 * 32},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    struct br_graph *graph = open_net(known[i].name, known[i].width, known[i].size, known[i].classes);
    if (br_graph_trained_count(graph) != known[i].params) fail_msg("%s: %zu parameters, %zu are published", known[i].name, br_graph_trained_count(graph), known[i].params);
    if (br_graph_cost(graph).macs != known[i].macs) fail_msg("%s: %.0f multiply-adds, %.0f are published", known[i].name, br_graph_cost(graph).macs, known[i].macs);
    br_graph_close(graph);
  }
}

/* Every net of the list: reads its own print back, is what its name and alias say, and has a recipe whose batch is made of whole micro-batches. */
static void test_every_net(void **state) {
  (void)state;
  const struct br_zoo_net *net;
  for (int i = 0; (net = br_zoo_at(i)); i++) {
    assert_ptr_equal(br_zoo_find(net->name), net);
    if (net->alias) assert_ptr_equal(br_zoo_find(net->alias), net);
    struct br_graph *graph = open_net(net->name, 0, 0, 0), *again;
    char *text, *text_again;
    assert_int_equal(br_graph_print(graph, &text), BR_OK);
    assert_int_equal(br_graph_parse("again", text, &again), BR_OK);
    assert_int_equal(br_graph_print(again, &text_again), BR_OK);
    assert_string_equal(text, text_again);
    assert_int_equal(br_graph_trained_count(graph), br_graph_trained_count(again));
    br_memory_free(text);
    br_memory_free(text_again);
    br_graph_close(graph);
    br_graph_close(again);
    const struct br_recipe *r = &net->recipe;
    assert_true(r->optimiser && r->schedule && r->augment && r->source && r->lr > 0 && r->epochs > 0);
    assert_true(r->micro_batch > 0 && r->batch % r->micro_batch == 0);
  }
  assert_null(br_zoo_at(-1));
  assert_null(br_zoo_find("resnet19"));
}

static void expect(const char *name, struct br_zoo_options o, int status, const char *words) {
  struct br_graph *graph;
  assert_int_equal(br_zoo_open(name, &o, &graph), status);
  assert_null(graph);
  if (!strstr(br_error_message(), words)) fail_msg("'%s' has no '%s'", br_error_message(), words);
}

static void test_bad_options(void **state) {
  (void)state;
  struct br_zoo_options o = DEFAULTS;
  expect("mobilenet2", o, BR_ERROR_USAGE, "did you mean mobilenetv2?");
  expect("nothing like it", o, BR_ERROR_USAGE, "neither a net of the zoo nor a file");
  o.width = 1e300;
  expect("mobilenetv2", o, BR_ERROR_USAGE, "width");
  o.width = -1;
  expect("mobilenetv3-small", o, BR_ERROR_USAGE, "width");
  o.width = 0, o.classes = -3;
  expect("resnet18", o, BR_ERROR_USAGE, "classes");
  o.classes = 0, o.dropout = 1;
  expect("squeezenet", o, BR_ERROR_USAGE, "dropout");
  o.dropout = -1, o.hidden = "64,x,3";
  expect("mlp", o, BR_ERROR_USAGE, "sizes like 64,64,32");
  o.hidden = "64,0";
  expect("mlp", o, BR_ERROR_USAGE, "sizes like 64,64,32");
  expect("lenet", o, BR_ERROR_USAGE, "has no hidden layers"); /* what a net does not have cannot be chosen */
  o.hidden = NULL, o.width = 0.5;
  expect("resnet18", o, BR_ERROR_USAGE, "has no width");
  o.width = 0, o.stem_stride = 1;
  expect("resnet20", o, BR_ERROR_USAGE, "has no stride");
  o.stem_stride = 0, o.dropout = 0.1;
  expect("resnet50", o, BR_ERROR_USAGE, "has no dropout");
  o.dropout = -1, o.bn_eps = 0.1;
  expect("squeezenet", o, BR_ERROR_USAGE, "has no batch norm");
  o.bn_eps = -1;
  o.H = o.W = 20;
  expect("inceptionv3", o, BR_ERROR_DATA, "does not fit");
  o.H = o.W = -5;
  expect("lenet", o, BR_ERROR_DATA, "-5");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_published_counts), cmocka_unit_test(test_every_net), cmocka_unit_test(test_bad_options)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
