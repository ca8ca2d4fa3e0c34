/* One net in the many ways exporters and opsets write it: what is one operator here is read as one (patterns of PyTorch's exporters, tf2onnx, paddle2onnx), arguments
 * may be attributes or inputs, constants of any type; and files with open sizes, several inputs and outputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "onnx_case.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/exec.h>
#include <bramble/net/onnx.h>

#include <math.h>
#include <unistd.h>

static char path[64];

static struct br_model *read_case(const char *text, const struct br_onnx_options *options) {
  struct onnx_bytes bytes = onnx_case(text);
  struct br_model *model = NULL;
  onnx_write_bytes(&bytes, path);
  free(bytes.data);
  int status = br_onnx_read(path, options, &model);
  unlink(path);
  if (status != BR_OK) fail_msg("%s\n%s", text, br_error_message());
  return model;
}

/* Answers of one sample for inputs that are a function of their place, outside layout; *n values. */
static float *answers(const struct br_model *model, size_t *n) {
  struct br_border border;
  struct br_exec *exec;
  float *inside[8], *out;
  assert_int_equal(br_border_open(model, &border), BR_OK);
  for (int i = 0; i < border.n_inputs; i++) {
    size_t count = br_shape_count(&model->graph->nodes[i].shape);
    float *outside = malloc(count * sizeof *outside);
    inside[i] = malloc(count * sizeof(float));
    for (size_t k = 0; k < count; k++) outside[k] = (float)((k * 37 + (size_t)i * 11) % 100) / 12.5f - 4;
    br_border_in(&border.inputs[i], border.batched, outside, inside[i], 1);
    free(outside);
  }
  assert_int_equal(br_exec_open(model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true}, &exec), BR_OK);
  br_exec_run(exec, &(struct br_run){.trained = model->trained, .statistics = model->statistics, .x = inside[0], .more = (const float *const *)inside + 1, .n = 1}, BR_PART_ALL);
  *n = 0;
  for (int i = 0; i < border.n_outputs; i++) *n += br_shape_count(&model->graph->nodes[model->graph->outputs[i]].shape);
  out = malloc((*n + 1) * sizeof *out);
  size_t at = 0;
  for (int i = 0; i < border.n_outputs; i++) {
    br_border_out(&border.outputs[i], border.batched, br_exec_output_at(exec, i), out + at, 1);
    at += br_shape_count(&model->graph->nodes[model->graph->outputs[i]].shape);
  }
  for (int i = 0; i < border.n_inputs; i++) free(inside[i]);
  br_exec_close(exec);
  br_border_free(&border);
  return out;
}

/* Both give the same answers. */
static void same_answers(const char *a, const char *b, float tolerance) {
  struct br_model *model[2] = {read_case(a, NULL), read_case(b, NULL)};
  size_t n[2];
  float *y[2];
  for (int i = 0; i < 2; i++) y[i] = answers(model[i], &n[i]);
  if (n[0] != n[1]) fail_msg("%s\n%s\n%zu and %zu values", a, b, n[0], n[1]);
  for (size_t k = 0; k < n[0]; k++)
    if (!(fabsf(y[0][k] - y[1][k]) <= tolerance)) fail_msg("%s\n%s\nvalue %zu: %g and %g", a, b, k, y[0][k], y[1][k]);
  for (int i = 0; i < 2; i++) {
    free(y[i]);
    br_model_close(model[i]);
  }
}

#define X "in x 1 2 3 4; "
#define ROWS "in x 1 3 4; w w 4 = 1 2 0.5 -1; w b 4 = 0.1 0.2 0.3 0.4; w e = 1e-5; w two = 2.0; "
#define RELU6 "w zero = 0; w six = 6; w three = 3; "
#define ERF "w root = 1.41421356; w one = 1; w half = 0.5; "

/* A pattern, the same as one node, and the operators that must be left of it. */
static const struct {
  const char *pattern, *node, *left;
} patterns[] = {
    {X RELU6 "n Add x three -> a; n Clip a zero six -> c; n Mul x c -> m; n Div m six -> y; out y", X "n HardSwish x -> y; out y", "hardswish"},
    {X RELU6 "n Add x three -> a; n Clip a zero six -> c; n Div c six -> d; n Mul x d -> y; out y", X "n HardSwish x -> y; out y", "hardswish"},
    {"opset 10; " X RELU6 "w s = 0.16666667; n Add three x -> a; n Clip a -> c min=0.0 max=6.0; n Mul c x -> m; n Mul s m -> y; out y", X "n HardSwish x -> y; out y", "hardswish"},
    {X "n HardSigmoid x -> h alpha=0.16666667; n Mul x h -> y; out y", X "n HardSwish x -> y; out y", "hardswish"},
    {X RELU6 "n Add x three -> a; n Relu a -> r; n Min r six -> c; n Div x six -> d; n Mul d c -> y; out y", X "n HardSwish x -> y; out y", "hardswish"},
    {X "n Sigmoid x -> s; n Mul s x -> y; out y", X "n Swish x -> y; out y", "silu"},
    {X "n Softplus x -> s; n Tanh s -> t; n Mul x t -> y; out y", X "n Mish x -> y; out y", "mish"},
    {X "w one = 1; n Exp x -> e; n Add e one -> a; n Log a -> s; n Tanh s -> t; n Mul x t -> y; out y", X "n Mish x -> y; out y", "mish"},
    {X ERF "n Div x root -> d; n Erf d -> e; n Add e one -> a; n Mul x a -> m; n Mul m half -> y; out y", X "n Gelu x -> y; out y", "gelu"},
    {X ERF "w inverse = 0.70710678; n Mul x inverse -> d; n Erf d -> e; n Add one e -> a; n Mul half x -> h; n Mul h a -> y; out y", X "n Gelu x -> y; out y", "gelu"},
    {X ERF "n Div x root -> d; n Erf d -> e; n Add e one -> a; n Mul a half -> h; n Mul h x -> y; out y", X "n Gelu x -> y; out y", "gelu"},
    {ROWS "n ReduceMean x -> m axes=-1,; n Sub x m -> d; n Pow d two -> p; n ReduceMean p -> v axes=-1,; n Add v e -> a; n Sqrt a -> s; n Div d s -> q; n Mul q w -> g; n Add g b -> y; out y",
     ROWS "n LayerNormalization x w b -> y; out y", "layernorm"},
    {ROWS "n ReduceMean x -> m axes=-1,; n Sub x m -> d; n Mul d d -> p; n ReduceMean p -> v axes=-1,; n Add e v -> a; n Sqrt a -> s; n Reciprocal s -> r; n Mul r d -> q; n Mul w q -> g; n Add b g -> y; out y",
     ROWS "n LayerNormalization x w b -> y; out y", "layernorm"},
    {ROWS "w l 1 = -1 :i8; n ReduceMean x l -> m; n Sub x m -> d; n Pow d two -> p; n ReduceMean p l -> v; n Add v e -> a; n Sqrt a -> s; n Div d s -> q; n Mul q w -> y; out y", ROWS "n LayerNormalization x w -> y; out y", "layernorm"},
    {"in x 1 3 4; w w 4 2 = 1 2 3 4 5 6 7 8; w b 2 = 1 -1; n MatMul x w -> m; n Add b m -> y; out y", "in x 1 4 3; w w 2 4 1 = 1 3 5 7 2 4 6 8; w b 2 = 1 -1; n Conv x w b -> c; n Transpose c -> y perm=0,2,1; out y", "dense"},
    /* squeeze-excite: the gate is one factor per picture and channel */
    {X "w w 2 2 1 1 = 1 2 3 4; n GlobalAveragePool x -> g; n Conv g w -> c; n HardSigmoid c -> h alpha=0.16666667; n Mul x h -> y; out y",
     X "w w 2 2 1 1 = 1 2 3 4; n ReduceMean x -> g axes=2,3; n Conv g w -> c; n HardSigmoid c -> h alpha=0.16666667; n Mul h x -> y; out y", "globalpool conv hardsigmoid mul"},
};

/* The operators behind the inputs, in order, one space between. */
static void list_operators(const struct br_graph *graph, char *text, size_t room) {
  text[0] = 0;
  for (int i = graph->n_inputs; i < graph->n_nodes; i++) snprintf(text + strlen(text), room - strlen(text), "%s%s", i > graph->n_inputs ? " " : "", br_node_op(&graph->nodes[i]));
}

static void test_patterns(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
    char left[1000];
    struct br_model *model = read_case(patterns[i].pattern, NULL);
    list_operators(model->graph, left, sizeof left);
    if (strcmp(left, patterns[i].left) != 0) fail_msg("%s\nis %s\nnot %s", patterns[i].pattern, left, patterns[i].left);
    br_model_close(model);
    if (!strstr(patterns[i].pattern, "MatMul")) same_answers(patterns[i].pattern, patterns[i].node, 1e-5f);
  }
  same_answers("in x 1 4; w w 4 2 = 1 2 3 4 5 6 7 8; w b 2 = 1 -1; n MatMul x w -> m; n Add b m -> y; out y", "in x 1 4; w w 4 2 = 1 2 3 4 5 6 7 8; w b 2 = 1 -1; n Gemm x w b -> y; out y", 0);
}

/* What looks like a pattern and is none keeps its nodes. */
static void test_near_patterns(void **state) {
  (void)state;
  static const char *const cases[] = {
      X RELU6 "n Add x three -> a; n Clip a zero three -> c; n Mul x c -> m; n Div m six -> y; out y",
      X RELU6 "w four = 4; n Add x four -> a; n Clip a zero six -> c; n Mul x c -> m; n Div m six -> y; out y",
      X "n Sigmoid x -> s; n Abs x -> a; n Mul s a -> y; out y",
      X ERF "n Div x one -> d; n Erf d -> e; n Add e one -> a; n Mul x a -> m; n Mul m half -> y; out y",
      X "n HardSigmoid x -> h; n Mul x h -> y; out y",
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char left[1000];
    struct br_model *model = read_case(cases[i], NULL);
    list_operators(model->graph, left, sizeof left);
    if (strstr(left, "swish") || strstr(left, "gelu") || strstr(left, "silu")) fail_msg("%s\nis %s", cases[i], left);
    br_model_close(model);
  }
  /* a part that is an answer too is still made */
  same_answers(X "n Sigmoid x -> s; n Mul s x -> y; out y; out s", X "n Sigmoid x -> s; n Swish x -> y; out y; out s", 1e-6f);
}

/* Arguments as attributes (older opsets) and as inputs. */
static void test_opsets(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {"opset 7; " X "n Clip x -> y min=-1.0 max=2.0; out y", X "w a = -1; w b = 2; n Clip x a b -> y; out y"},
      {"opset 10; " X "n Clip x -> y max=2.0; out y", X "w b = 2; n Clip x , b -> y; out y"},
      {"opset 9; " X "n Pad x -> y pads=0,0,1,0,0,0,0,2 value=3.5; out y", X "w p 8 = 0 0 1 0 0 0 0 2 :i8; w v = 3.5; n Pad x p v -> y; out y"},
      {"opset 9; " X "n Pad x -> y pads=0,0,1,0,0,0,0,2 mode=edge; out y", "opset 18; " X "w p 4 = 1 0 0 2 :i8; w a 2 = 2 -1 :i8; n Pad x p , a -> y mode=edge; out y"},
      {"opset 9; " X "n Slice x -> y starts=1,-3 ends=3,-1 axes=2,3; out y", X "w s 2 = 1 -3 :i8; w e 2 = 3 -1 :i8; w a 2 = 2 3 :i8; n Slice x s e a -> y; out y"},
      {"opset 9; " X "n Slice x -> y starts=0,1 ends=1,2; out y", X "w s 2 = 0 1 :i8; w e 2 = 99 2 :i8; n Slice x s e -> y; out y"},
      {"opset 11; " X "n Unsqueeze x -> u axes=1,5; n Squeeze u -> y axes=1,5; out y", X "w a 2 = 1 5 :i8; n Unsqueeze x a -> u; n Squeeze u a -> y; out y"},
      {"opset 11; " X "n Split x -> a b axis=3 split=1,3; out b", X "w s 2 = 1 3 :i8; n Split x s -> a b axis=3; out b"},
      {"opset 11; " X "n Split x -> a b axis=3; out b", "opset 18; " X "n Split x -> a b axis=3 num_outputs=2; out b"},
      {"opset 11; " X "n ReduceSum x -> y axes=2, keepdims=0; out y", X "w a 1 = 2 :i8; n ReduceSum x a -> y keepdims=0; out y"},
      {"opset 11; " X "n ReduceMean x -> y axes=-1,2; out y", "opset 18; " X "w a 2 = 3 2 :i8; n ReduceMean x a -> y; out y"},
      {"opset 13; " X "n ReduceMax x -> y axes=1,; out y", "opset 18; " X "w a 1 = 1 :i8; n ReduceMax x a -> y; out y"},
      {"opset 9; " X "n TopK x -> y z k=2 axis=3; out y; out z", X "w k 1 = 2 :i8; n TopK x k -> y z axis=3; out y; out z"},
      {"opset 11; " X "n Softmax x -> y axis=3; out y", X "n Softmax x -> y; out y"},
      {"opset 7; " X "n Softmax x -> y; out y", X "n Flatten x -> f; n Softmax f -> s; w d 4 = 1 2 3 4 :i8; n Reshape s d -> y; out y"},
      {"opset 9; " X "w s 4 = 1 1 2 2; n Upsample x s -> y; out y", X "w s 4 = 1 1 2 2; n Resize x , s -> y coordinate_transformation_mode=asymmetric nearest_mode=floor; out y"},
      {"opset 10; " X "w s 4 = 1 1 2 2; n Resize x s -> y mode=linear; out y", X "w s 4 = 1 3 6 8 :i8; w t 4 = 1 2 6 8 :i8; n Resize x , , t -> y mode=linear coordinate_transformation_mode=asymmetric; out y"},
      {"opset 8; " X "w s 2 = 1 -1 :i8; n Expand x s -> e; n Reshape x s -> y; out y", X "n Flatten x -> y; out y"},
      {"opset 11; " X "n Dropout x -> y ratio=0.3; out y", X "w r = 0.3; n Dropout x r -> y; out y"},
      {"opset 10; " X "n Dropout x -> d m; n Relu d -> y; out y", X "n Relu x -> y; out y"},
      {"opset 7; " X "w s 2 = 1 2; w b 2 = 0 1; w m 2 = 0.5 1; w v 2 = 1 4; n BatchNormalization x s b m v -> y spatial=1; out y", "opset 15; " X "w s 2 = 1 2; w b 2 = 0 1; w m 2 = 0.5 1; w v 2 = 1 4; n BatchNormalization x s b m v -> y; out y"},
      {X "w c 1 2 1 1 = 2 3; n Mul x c -> y; out y", X "w c 2 1 1 = 2 3; n Mul c x -> y; out y"},
      {X "n Transpose x -> t perm=0,2,3,1; n Relu t -> r; n Transpose r -> y perm=0,3,1,2; out y", X "n Relu x -> y; out y"},
  };
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) same_answers(pairs[i][0], pairs[i][1], 1e-6f);
}

/* Constants in other types: small whole numbers and halves are the same in all. */
static void test_types(void **state) {
  (void)state;
  static const char *const types[] = {"f4", "f2", "b2"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    char text[400];
    snprintf(text, sizeof text, "in x 1 2 3 4; w w 2 2 1 1 = 1 -2 0.5 4 :%s; n Conv x w -> y; out y", types[i]);
    same_answers(text, "in x 1 2 3 4; w w 2 2 1 1 = 1 -2 0.5 4; n Conv x w -> y; out y", 0);
  }
  same_answers("in x 1 2 3 4; w q 2 2 1 1 = 2 -4 1 8 :i1; w h = 0.5; n Cast q -> f to=1; n Mul f h -> w; n Conv x w -> y; out y", "in x 1 2 3 4; w w 2 2 1 1 = 1 -2 0.5 4; n Conv x w -> y; out y", 0);
  /* computed from constants alone: GatherND, and a product with its bias */
  same_answers("in x 1 4; w t 3 2 = 1 2 3 4 5 6; w i 4 1 = 2 0 -1 1 :i8; n GatherND t i -> g; n Reshape g s -> w; w s 2 = 4 2 :i8; n MatMul x w -> y; out y", "in x 1 4; w w 4 2 = 5 6 1 2 5 6 3 4; n MatMul x w -> y; out y", 0);
  same_answers("in x 1 4; w t 2 2 = 1 2 3 4; w i 4 2 = 0 1 1 0 -1 -1 0 0 :i8; n GatherND t i -> g; n Add x g -> y; out y", "in x 1 4; w w 4 = 2 3 4 1; n Add x w -> y; out y", 0);
  same_answers("in x 1 2; w a 1 3 = 1 2 3; w c 3 2 = 1 2 3 4 5 6; w b 2 = 0.5 -1; n MatMul a c -> m; n Add m b -> p; n Add x p -> y; out y", "in x 1 2; w w 1 2 = 22.5 27; n Add x w -> y; out y", 0);
  same_answers("in x 1 4; w w 4 :u1; n Cast w -> f to=1; n Add x f -> y; out y", "in x 1 4; w w 4 = 1 1 1 1; n Add x w -> y; out y", 0);
}

/* Open sizes come from the caller; shapes worked out from them follow. */
static void test_open_sizes(void **state) {
  (void)state;
  static const char text[] = "in x ? 2 ? ?; n Shape x -> s; w i = 2 :i8; w j = 3 :i8; w z 1 = 0 :i8; n Gather s i -> h; n Gather s j -> v; n Mul h v -> p; n Unsqueeze p z -> q; w c 2 = 0 2 :i8; n Concat c q -> t axis=0; n Reshape x t -> y; out y";
  for (int H = 2; H <= 5; H += 3) {
    struct br_border border;
    struct br_model *model = read_case(text, &(struct br_onnx_options){.H = H, .W = 7});
    assert_int_equal(br_border_open(model, &border), BR_OK);
    assert_true(border.batched && border.outputs[0].rank == 3 && border.outputs[0].d[1] == 2 && border.outputs[0].d[2] == 7 * H);
    br_border_free(&border);
    br_model_close(model);
    struct br_onnx_size size = {.name = "x", .rank = 4, .d = {3, 2, H, 4}};
    model = read_case(text, &(struct br_onnx_options){.sizes = &size, .n_sizes = 1});
    assert_int_equal(br_border_open(model, &border), BR_OK);
    assert_true(border.outputs[0].d[2] == 4 * H);
    br_border_free(&border);
    br_model_close(model);
  }
}

/* Several inputs and outputs keep their names, layouts and types. */
static void test_names(void **state) {
  (void)state;
  struct br_border border;
  struct br_model *model = read_case("in a 1 2 3 4; in b 1 5; n Relu a -> p; n Abs b -> q; n ArgMax b -> k axis=1; w z = 0; n Greater b z -> g; out q; out p; out k; out g", NULL);
  assert_int_equal(br_border_open(model, &border), BR_OK);
  assert_int_equal(border.n_inputs, 2);
  assert_int_equal(border.n_outputs, 4);
  static const char *const names[] = {"q", "p", "k", "g"}, *const types[] = {"f4", "f4", "i8", "u1"};
  for (int i = 0; i < 4; i++) {
    assert_string_equal(border.outputs[i].name, names[i]);
    assert_string_equal(border.outputs[i].type, types[i]);
  }
  assert_string_equal(border.inputs[0].name, "a");
  assert_string_equal(border.inputs[1].name, "b");
  assert_int_equal(border.outputs[1].d[1], 2); /* channels outside where they were */
  br_border_free(&border);
  br_model_close(model);
  same_answers("in a 1 2 3 4; in b 1 2 3 4; n Sub a b -> y; out y", "in a 1 2 3 4; in b 1 2 3 4; n Neg b -> m; n Add a m -> y; out y", 1e-6f);
}

/* Attention as PyTorch exports it: the batch moves to the second axis, and is joined with the heads. Each sample of a batch gets its own answer. */
static void test_moved_batch(void **state) {
  (void)state;
  static const char text[] = "in x ? 3 4; w w 4 4; n Transpose x -> t perm=1,0,2; n MatMul t w -> q; w s 3 = 3 -1 2 :i8; n Reshape q s -> r; n Transpose r -> h perm=1,0,2; n Transpose h -> k perm=0,2,1; n MatMul h k -> a; "
                             "n Softmax a -> p; n MatMul p h -> o; n Transpose o -> u perm=1,0,2; w d 3 = 3 -1 4 :i8; n Reshape u d -> v; n Transpose v -> y perm=1,0,2; out y";
  static float x[2][12], y[2][24];
  struct br_border border;
  struct br_exec *exec;
  struct br_model *model = read_case(text, NULL);
  assert_int_equal(br_border_open(model, &border), BR_OK);
  assert_true(border.batched && border.outputs[0].rank == 3 && border.outputs[0].d[1] == 3 && border.outputs[0].d[2] == 4);
  br_border_free(&border);
  for (int k = 0; k < 24; k++) x[k / 12][k % 12] = (float)(k * 7 % 11) / 8;
  assert_int_equal(br_exec_open(model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 2, .members = 1, .fuse = true}, &exec), BR_OK);
  br_exec_run(exec, &(struct br_run){.trained = model->trained, .statistics = model->statistics, .x = x[0], .n = 2}, BR_PART_ALL);
  memcpy(y[0], br_exec_output(exec), 24 * sizeof(float));
  for (int s = 0; s < 2; s++) {
    br_exec_run(exec, &(struct br_run){.trained = model->trained, .statistics = model->statistics, .x = x[s], .n = 1}, BR_PART_ALL);
    assert_memory_equal(br_exec_output(exec), y[0] + 12 * s, 12 * sizeof(float));
  }
  br_exec_close(exec);
  br_model_close(model);
}

int main(void) {
  struct br_model *model;
  if (br_onnx_read("/dev/null", NULL, &model) == BR_ERROR_FAILED) {
    printf("1..0 # SKIP test_onnx_forms: %s\n", br_error_message());
    return 0;
  }
  snprintf(path, sizeof path, "test_onnx_forms.%d.onnx", (int)getpid());
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns), cmocka_unit_test(test_near_patterns), cmocka_unit_test(test_opsets), cmocka_unit_test(test_types),
                                     cmocka_unit_test(test_open_sizes), cmocka_unit_test(test_names), cmocka_unit_test(test_moved_batch)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
