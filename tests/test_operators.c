/* Operators that are used and not trained, on values worked out by hand: x holds 0, 1, 2 ... and the net's answer is compared. The onnx package's own cases for
 * them are run by onnx_conformance.sh where there is a Python with it; these are for everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net_case.h"

#include <bramble/net/exec.h>

#include <math.h>
#include <stdio.h>

static const struct {
  const char *net;
  int n;
  float y[16];
} cases[] = {
    /* pools with gaps, of 3 rows and 4 columns */
    {"x = input 3 4 1\ny = windowmax x kernel=2 dilation=2 stride=1", 2, {10, 11}},
    {"x = input 3 4 1\ny = windowmean x kernel=2 dilation=2 stride=1", 2, {5, 6}},
    {"x = input 3 4 1\ny = windowplace x kernel=2 stride=2", 2, {5, 7}},
    {"x = input 3 4 1\ny = windowplace x kernel=2 stride=2 columns=yes", 2, {4, 10}},
    {"x = input 1 2 2\ny = windowplace x kernel=1x2 stride=1", 2, {1, 3}},
    {"x = input 1 4 1\ny = windowmean x kernel=1x3 stride=3 padding=0x1x0x1 countpadding=no ceil=yes", 2, {0.5f, 2.5f}},
    {"x = input 1 4 1\ny = windowmean x kernel=1x3 stride=3 padding=0x1x0x1 countpadding=yes", 2, {1.0f / 3, 5.0f / 3}},
    /* sizes changed */
    {"x = input 1 4 1\ny = resize x sizes=1x2 mode=linear", 2, {0.5f, 2.5f}},
    {"x = input 1 4 1\ny = resize x sizes=1x2 mode=linear coords=corners", 2, {0, 3}},
    {"x = input 1 4 1\ny = resize x sizes=1x2 mode=linear coords=asymmetric", 2, {0, 2}},
    {"x = input 1 4 1\ny = resize x sizes=1x2 mode=linear antialias=yes", 2, {0.625f, 2.375f}}, /* shares 1/8 (outside, the edge again) 3/8 3/8 1/8 */
    {"x = input 1 4 1\ny = resize x sizes=1x2 mode=linear antialias=yes exclude=yes", 2, {5.0f / 7, 16.0f / 7}},
    {"x = input 1 4 1\ny = resize x sizes=1x3 mode=linear coords=crop roi=0x0.5x1x1.5 fill=9", 3, {1.5f, 3, 9}},
    {"x = input 1 4 1\ny = resize x sizes=1x1 mode=nearest coords=halfpixel round=ceil", 1, {2}},
    /* the first in order */
    {"x = input 4 1\ny = topk x axis=1 k=2", 2, {3, 2}},
    {"x = input 4 1\ny = topkindex x axis=1 k=2 smallest=yes", 2, {0, 1}},
    {"x = input 2 2\nn = neg x\ny = argmax n axis=1", 2, {0, 0}},
    /* values moved */
    {"x = input 2 3\ny = pad x before=0x2 after=0 mode=reflect", 10, {2, 1, 0, 1, 2, 5, 4, 3, 4, 5}},
    {"x = input 2 3\ny = slice x start=1x2 size=1x2 step=1x-2", 2, {5, 3}},
    {"x = input 1 4\ny = layernorm x eps=0", 4, {-1.3416408f, -0.4472136f, 0.4472136f, 1.3416408f}},
};

static void test_values(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct br_graph *graph = net_open(cases[i].net);
    float *trained = net_random_block(1, graph->trained_floats), x[64];
    struct br_exec *exec;
    for (int k = 0; k < 64; k++) x[k] = (float)k;
    br_graph_init(graph, 1, trained, NULL);
    assert_int_equal(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true}, &exec), BR_OK);
    br_exec_run(exec, &(struct br_run){.trained = trained, .x = x, .n = 1}, BR_PART_ALL);
    if ((int)net_sample_floats(graph, graph->output) != cases[i].n) fail_msg("%s: %zu values", cases[i].net, net_sample_floats(graph, graph->output));
    for (int k = 0; k < cases[i].n; k++)
      if (!(fabsf(br_exec_output(exec)[k] - cases[i].y[k]) <= 1e-5f)) fail_msg("%s: value %d is %g, not %g", cases[i].net, k, br_exec_output(exec)[k], cases[i].y[k]);
    br_exec_close(exec);
    free(trained);
    br_graph_close(graph);
  }
}

/* Boxes: 0 and 1 overlap by 0.6, 2 lies apart, 3 has a low score. Rows that are not there are -1. */
static void test_boxes(void **state) {
  (void)state;
  static const float boxes[2][4][4] = {{{0, 0, 1, 4}, {0, 1, 1, 5}, {4, 4, 3, 3}, {8, 8, 9, 9}}, {{0, 0, 1, 1}, {2, 0, 3, 1}, {4, 0, 5, 1}, {6, 0, 7, 1}}}, scores[2][1][4] = {{{0.5f, 0.9f, 0.7f, 0.1f}}, {{0.3f, 0.3f, 0.9f, 0}}};
  static const struct {
    const char *attributes;
    float y[2][3]; /* the boxes chosen in both samples */
  } wanted[] = {{"max=3 iou=0.5 score=0.2", {{1, 2, -1}, {2, 0, 1}}}, {"max=3 iou=0.7 score=0.2", {{1, 2, 0}, {2, 0, 1}}}, {"max=3 iou=0.5", {{1, 2, 3}, {2, 0, 1}}}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    char text[200];
    struct br_exec *exec;
    snprintf(text, sizeof text, "b = input 4 4\ns = input 1 4\ny = nms b s %s", wanted[i].attributes);
    struct br_graph *graph = net_open(text);
    const float *more[] = {scores[0][0]};
    assert_int_equal(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 2, .members = 1, .fuse = true}, &exec), BR_OK);
    br_exec_run(exec, &(struct br_run){.x = boxes[0][0], .more = more, .n = 2}, BR_PART_ALL);
    for (int r = 0; r < 6; r++) {
      const float *row = br_exec_output(exec) + 3 * r;
      assert_float_equal(row[2], wanted[i].y[r / 3][r % 3], 0);
      assert_float_equal(row[0], row[2] < 0 ? -1 : 0, 0);
    }
    br_exec_close(exec);
    br_graph_close(graph);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_boxes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
