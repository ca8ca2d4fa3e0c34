/* The net text: printing what was read gives text that reads as the same and prints as the same; every mistake is told with its line, its column and
 * the mend, and nothing is left of the graph. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net_case.h"

#include <bramble/net/zoo.h>

#include <stdio.h>

static char *printed(const struct br_graph *graph) {
  char *text = NULL;
  assert_int_equal(br_graph_print(graph, &text), BR_OK);
  return text;
}

/* What one writes, and how it comes back. */
static void test_canonical(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"y = conv x out=4 kernel=3x3 stride=1x1 padding=0x0 dilation=1 groups=1 bias=yes", "y = conv x out=4 kernel=3"},
      {"y=conv x kernel=1x1 out=3", "y = conv x out=3"},
      {"  y \t= conv x bias=no kernel=3,5 # comment", "y = conv x kernel=3x5 bias=no"},
      {"y = conv x kernel=3 padding=valid", "y = conv x kernel=3"},
      {"y = conv x kernel=3 padding=same groups=0", "y = conv x kernel=3 padding=same groups=0"},
      {"y = conv x kernel=3 padding=1x1x1x1", "y = conv x kernel=3 padding=1"},
      {"y = conv x kernel=3 padding=0x1x2x0", "y = conv x kernel=3 padding=0x1x2x0"},
      {"y = maxpool x kernel=2 stride=2", "y = maxpool x kernel=2 stride=2"},
      {"y = reshape x sizes=12x12", "y = reshape x sizes=12x12"},
      {"y = reshape x sizes=4x0x4", "y = reshape x sizes=4x0x4"},
      {"y = batchnorm x momentum=0.90 eps=0.00001", "y = batchnorm x"},
      {"y = batchnorm x momentum=0.999 eps=1e-3", "y = batchnorm x momentum=0.999 eps=0.001"},
      {"y = dropout x rate=0.1", "y = dropout x rate=0.1"},
      {"y = concat x x x", "y = concat x x x"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    char text[256], expected[256];
    snprintf(text, sizeof text, "\n# first\nx = input 8 6 3\r\n%s\n\n", pairs[i][0]);
    snprintf(expected, sizeof expected, "x = input 8 6 3\n%s\n", pairs[i][1]);
    struct br_graph *graph = net_open(text);
    char *out = printed(graph);
    assert_string_equal(out, expected);
    struct br_graph *again = net_open(out);
    char *twice = printed(again);
    assert_string_equal(twice, expected);
    assert_int_equal(again->trained_floats, graph->trained_floats);
    assert_true(br_shape_equal(&again->nodes[1].shape, &graph->nodes[1].shape));
    br_memory_free(out);
    br_memory_free(twice);
    br_graph_close(graph);
    br_graph_close(again);
  }
}

static void test_zoo_is_canonical(void **state) {
  (void)state;
  for (int i = 0; br_zoo_at(i); i++) {
    struct br_graph *graph = NULL;
    if (br_zoo_open(br_zoo_at(i)->name, &(struct br_zoo_options){.bn_momentum = -1, .bn_eps = -1, .dropout = -1}, &graph) != BR_OK) fail_msg("%s", br_error_message());
    char *once = printed(graph);
    struct br_graph *again = net_open(once);
    char *twice = printed(again);
    assert_string_equal(once, twice);
    assert_int_equal(br_graph_trained_count(graph), br_graph_trained_count(again));
    br_memory_free(once);
    br_memory_free(twice);
    br_graph_close(graph);
    br_graph_close(again);
  }
}

/* `say` is what follows "net:". */
static void test_mistakes(void **state) {
  (void)state;
  static const struct {
    const char *text, *say;
  } rows[] = {
      {"", "is an empty net"},
      {"# nothing\n\n", "is an empty net"},
      {"x = input 3", "nothing follows x"},
      {"y = relu x", "1:10: x is not a node above this line"},
      {"x = input 8 8 3\na = relu b\nb = relu a", "2:10: b is not a node above this line (nodes come in order; a net has no cycles)"},
      {"x = input 8 8 3\na = relu a", "2:10: a takes its own output; a net has no cycles"},
      {"x = input 8 8 3\na = relu x\na = relu x", "3:1: a is defined already, on line 2"},
      {"x = input 8 8 3\n  a = covn x", "2:7: covn is not an operator; did you mean conv?"},
      {"x = input 8 8 3\na = conv x kernle=3", "2:12: conv has no kernle; did you mean kernel?"},
      {"x = input 8 8 3\na = conv x kernel=3 kernel=3", "2:21: kernel is given twice"},
      {"x = input 8 8 3\na = conv x kernel=", "2:19: kernel= is followed by no value"},
      {"x = input 8 8 3\na = conv x kernel=three", "2:19: kernel=three: a number was expected"},
      {"x = input 8 8 3\na = conv x kernel=0x10", "2:19: kernel=0x10: 0 is not within 1 to 1000"},
      {"x = input 8 8 3\na = conv x kernel=3x", "2:19: kernel=3x: a number was expected"},
      {"x = input 8 8 3\na = conv x kernel=2.5", "2:19: kernel=2.5: a whole number was expected"},
      {"x = input 8 8 3\na = conv x kernel=3x3x3", "2:19: kernel=3x3x3: at most 2 numbers"},
      {"x = input 8 8 3\na = conv x out=0", "2:16: out=0: 0 is not within 1 to 1e+06"},
      {"x = input 8 8 3\na = conv x out=1000000000000", "2:16: out=1000000000000: 1e+12 is not within 1 to 1e+06"},
      {"x = input 8 8 3\na = conv x out=nan", "2:16: out=nan: a number was expected"},
      {"x = input 8 8 3\na = dropout x rate=inf", "2:20: rate=inf: a number was expected"},
      {"x = input 8 8 3\na = conv x bias=maybe", "2:17: bias=maybe: yes or no was expected"},
      {"x = input 8 8 3\na = conv x padding=1x2x3", "2:20: padding=1x2x3: give 1 number, 2"},
      {"x = input 8 8 3\na = conv x kernel=9", "2:1: node a: a kernel that reaches over 9 pixels does not fit in a padded height of 8"},
      {"x = input 8 8 3\na = conv x groups=2", "2:1: node a: groups=2 divides 3 input channels and 3 outputs unevenly"},
      {"x = input 8 8 3\na = maxpool x", "2:1: maxpool needs kernel="},
      {"x = input 8 8 3\na = add x", "2:1: add needs 2 inputs, 1 given"},
      {"x = input 8 8 3\na = relu x x", "2:12: relu takes at most 1 inputs"},
      {"x = input 8 8 3\na = maxpool x kernel=2\nb = add a x", "3:1: node b: add of 1x4x4x3 and 1x8x8x3: shapes must be equal"},
      {"x = input 8 8 3\na = maxpool x kernel=2\nb = concat a x", "3:1: node b: concat of 1x4x4x3 and 1x8x8x3"},
      {"x = input 8 8 3\na = flatten x\nb = mul x a", "3:1: node b: mul of 1x8x8x3 and 1x192"},
      {"x = input 8 8 3\na = flatten x\nb = conv a out=2", "3:1: node b: a convolution needs pictures"},
      {"x = input 8 8 3\na = reshape x sizes=5x5", "2:1: node a: a sample of 192 values does not have these sizes"},
      {"x = input 8 8 3\na = crossentropy x", "2:1: node a: a loss takes one row of values a sample"},
      {"x = input 8\na = mse x\nb = relu x", "3:1: a node after the loss a"},
      {"x = input 2 2 2 2 2 2 2 2 2 2", "1:25: at most 7 sizes"},
      {"x = input 0 8 3", "1:11: sizes=0: 0 is not within"},
      {"x = input 1000000 1000000 1000000", "1:1: node x: an output of 1x1000000x1000000x1000000 is not possible"},
      {"x = input 1000 1000 1000\na = flatten x\nb = dense a out=100000000", "3:1: node b: a weight of 1000000000x100000000 is more than a tensor can have"},
      {"x = input 8\nx = input 8", "2:1: x is defined already, on line 1"},
      {"x = input 8\n= relu x", "2:1: '=' where a node's name was expected"},
      {"x = input 8\ny relu x", "2:3: '=' was expected after the name y"},
      {"x = input 8\ny =", "2:4: the line ends where an operator was expected"},
      {"x = input 8\ny = relu \x01", "2:10: byte 1 where an input or an attribute was expected"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct br_graph *graph = (void *)1;
    char expected[256];
    size_t held = br_memory_held_bytes();
    snprintf(expected, sizeof expected, "net:%s%s", rows[i].say[0] >= '1' && rows[i].say[0] <= '9' ? "" : " ", rows[i].say);
    if (br_graph_parse("net", rows[i].text, &graph) != BR_ERROR_DATA) fail_msg("no mistake found in: %s", rows[i].text);
    assert_null(graph);
    assert_int_equal(br_memory_held_bytes(), held);
    if (strncmp(br_error_message(), expected, strlen(expected)) != 0) fail_msg("%s\nsays %s\nnot  %s", rows[i].text, br_error_message(), expected);
  }
}

/* Another batch changes the first size of every shape and nothing else; a kernel that fits no more is told by name. */
static void test_infer(void **state) {
  (void)state;
  struct br_graph *graph = net_open("x = input 9 9 2\na = conv x out=4 kernel=3 stride=2\nf = flatten a\ny = dense f out=3");
  size_t floats = graph->trained_floats;
  assert_int_equal(br_graph_infer(graph, 12), BR_OK);
  assert_true(br_shape_equal(&graph->nodes[1].shape, &(struct br_shape){4, {12, 4, 4, 4}}));
  assert_true(br_shape_equal(&graph->nodes[3].shape, &(struct br_shape){2, {12, 3}}));
  assert_int_equal(graph->trained_floats, floats);
  assert_true(br_graph_cost(graph).macs == 12.0 * (4 * 4 * 4 * 18 + 64 * 3));
  assert_int_equal(br_graph_infer(graph, 0), BR_ERROR_DATA);
  br_graph_close(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_canonical), cmocka_unit_test(test_zoo_is_canonical), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_infer)};
  return cmocka_run_group_tests_name("net text", tests, NULL, NULL);
}
