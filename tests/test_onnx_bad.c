/* ONNX files that are not sound: each is refused as bad data, in one line that says what is wrong, in under a second and with little memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "onnx_case.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/onnx.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 10 /* of time and memory that a sanitizer takes */
#else
#define SHARE 1
#endif

static char path[96];

/* Reads it; the message stays behind. */
static int read_bytes(const struct onnx_bytes *bytes) {
  struct br_model *model = NULL;
  onnx_write_bytes(bytes, path);
  size_t held = br_memory_held_bytes();
  clock_t start = clock();
  int status = br_onnx_read(path, NULL, &model);
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  if (seconds >= SHARE) fail_msg("%g seconds of the processor", seconds);
  if (status != BR_OK) {
    assert_null(model);
    assert_null(strchr(br_error_message(), '\n'));
    assert_non_null(strstr(br_error_message(), path)); /* the place */
  }
  br_model_close(model);
  assert_int_equal(br_memory_held_bytes(), held);
  return status;
}

static int read_case(const char *text) {
  struct onnx_bytes bytes = onnx_case(text);
  int status = read_bytes(&bytes);
  free(bytes.data);
  return status;
}

#define GOOD "in x 1 3 8 8; w w 4 3 3 3; n Conv x w -> y; out y"
#define BIG "1099511627776" /* 2^40 */

static const struct {
  const char *text, *says;
} cases[] = {
    /* sizes */
    {"in x 1 3 8 8; w w 4 3 3 -3; n Conv x w -> y; out y", "dimension 3 is -3"},
    {"in x 1 3 8 8; w w 4 3 3 0; n Conv x w -> y; out y", "dimension of 0"},
    {"in x 1 3 8 8; w w 4 3 3 " BIG "; n Conv x w -> y; out y", "dimension 3 is " BIG},
    {"in x 1 3 8 8; w w " BIG " " BIG " " BIG " " BIG "; n Conv x w -> y; out y", "dimension 0 is"},
    {"in x 1 3 8 8; w w 4 3 3 3 = 1 2 3; n Conv x w -> y; out y", "needs 432 bytes, the file has 12"},
    {"in x 1 3 8 8; w w 1 = 1 2 3 4; n Add x w -> y; out y", "needs 4 bytes, the file has 16"},
    {"in x 1 3 8 -8; w w 4 3 3 3; n Conv x w -> y; out y", "dimension 3 is -8"},
    {"in x 1 3 8 " BIG "; w w 4 3 3 3; n Conv x w -> y; out y", "dimension 3 is " BIG},
    {"in x 1 1000000000 1000000000 1000000000; n Relu x -> y; out y", "not possible"},
    {"in x 1 3 8 8 8 8 8 8 8 8 8 8; n Relu x -> y; out y", "more than"},
    {"in x; n Relu x -> y; out y", "no shape"},
    {"in x ? 3 ? ?; n Relu x -> y; out y", "dimension 2 is open"},
    {"in x 1 3 8 8; w w 4 3 9 9; n Conv x w -> y; out y", "does not fit"},
    {"in x 1 4 8 8; w w 4 3 3 3; n Conv x w -> y; out y", "4 channels"},
    {"in x 1 3 8 8; w w 4 3 3 3; n Conv x w -> y group=0; out y", "0 groups"},
    {"in x 1 3 8 8; w w 4 3 3 3; n Conv x w -> y strides=0,1; out y", "strides"},
    {"in x 1 3 8 8; w w 4 3 3 3; n Conv x w -> y strides=" BIG ",1; out y", "strides of " BIG},
    {"in x 1 3 8 8; w w 4 3 3 3; n Conv x w -> y pads=" BIG ",1,1,1; out y", "padding"},
    {"in x 1 3 8 8; w w 4 3 3 3; n Conv x w -> y pads=1,1; out y", "pads has 2 numbers"},
    {"in x 1 3 8 8; n MaxPool x -> y kernel_shape=" BIG ",2; out y", "kernel_shape of " BIG},
    {"in x 1 3 8 8; n MaxPool x -> y kernel_shape=0,0; out y", "kernel"},
    {"in x 1 3 8 8; w s 4 = 1 3 8 " BIG " :i8; n Reshape x s -> y; out y", "do not have the sizes"},
    {"in x 1 3 8 8; w s 2 = -1 -1 :i8; n Reshape x s -> y; out y", "size of -1"},
    {"in x 1 3 8 8; w s 4 = " BIG " " BIG " " BIG " " BIG " :i8; n Reshape x s -> y; out y", "size of " BIG},
    {"in x 1 3 1 1; w s 4 = 1 3 " BIG " " BIG " :i8; n Expand x s -> y; out y", BIG},
    {"in x 1 3 8 8; w s 4 = 1 1 1 " BIG " :i8; n Tile x s -> y; out y", "repeats"},
    {"in x 1 3 8 8; w s 4 = 1 1 1 -2 :i8; n Tile x s -> y; out y", "-2 repeats"},
    {"in x 1 3 8 8; w p 8 = 0 0 0 0 0 0 0 " BIG " :i8; n Pad x p -> y; out y", "after"},
    {"in x 1 3 8 8; w p 8 = 0 0 -8 0 0 0 0 0 :i8; n Pad x p -> y; out y", "nothing is left"},
    {"in x 1 3 8 8; w p 8 = 0 0 -9223372036854775808 0 0 0 0 0 :i8; n Pad x p -> y; out y", "nothing is left"},
    {"in x 1 3 8 8; w w 3 4 3 3; n ConvTranspose x w -> y output_shape=-9223372036854775808,9223372036854775807; out y", "an output of"},
    {"in x 1 3 8 8; w s 4 = 1 1 1e30 1; n Resize x , s -> y; out y", "a scale of"},
    {"in x 1 3 8 8; w s 4 = 1 1 0 1; n Resize x , s -> y; out y", "a scale of 0"},
    {"in x 1 3 8 8; w s 4 = 1 3 8 " BIG " :i8; n Resize x , , s -> y; out y", "sizes"},
    {"in x 1 3 8 8; w k 1 = " BIG " :i8; n TopK x k -> y z; out y", "k="},
    {"in x 1 3 8 8; w k 1 = 0 :i8; n TopK x k -> y z; out y", "the first 0"},
    {"in x 1 4; w s 2 = " BIG " 1 :i8; n ConstantOfShape s -> c; n Add x c -> y; out y", "a dimension of " BIG},
    {"in x 1 4; w s 2 = -1 1 :i8; n ConstantOfShape s -> c; n Add x c -> y; out y", "a dimension of -1"},
    {"in x 1 4; w a = 0 :i8; w b = " BIG " :i8; w c = 1 :i8; n Range a b c -> r; n Add x r -> y; out y", "values"},
    {"in x 1 4; w a = 0 :i8; w b = 1 :i8; w c = 0 :i8; n Range a b c -> r; n Add x r -> y; out y", "the step not 0"},
    {"in x 1 3 8 8; w s 1 = 9 :i8; w e 1 = 12 :i8; w a 1 = 2 :i8; n Slice x s e a -> y; out y", "nothing is left of axis 2"},
    {"in x 1 3 8 8; w s 1 = 0 :i8; w e 1 = 9 :i8; w a 1 = 2 :i8; w t 1 = 0 :i8; n Slice x s e a t -> y; out y", "step of 0"},
    {"in x 1 3 8 8; w s 2 = 1 9 :i8; n Split x s -> y z axis=1; out y; out z", "part 1 has 9"},
    {"in x 1 3 8 8; w i 1 = 3 :i8; n Gather x i -> y axis=1; out y", "index 3 of 3"},
    {"in x 1 3 8 8; w i 1 = -4 :i8; n Gather x i -> y axis=1; out y", "index -4 of 3"},
    {"in x 1 3 8 8; n Transpose x -> y perm=0,1,1,3; out y", "every axis once"},
    {"in x 1 3 8 8; n Transpose x -> y perm=0,1,2,9; out y", "every axis once"},
    {"in x 1 3 8 8; n Softmax x -> y axis=4; out y", "axis 4 of 4"},
    {"in x 1 3 8 8; n Concat x x -> y axis=-5; out y", "axis -5 of 4"},
    {"in x 1 3 8 8; n DepthToSpace x -> y blocksize=2; out y", "blocksize=2"},
    {"in x 1 3 8 8; n LRN x -> y size=" BIG "; out y", "size="},
    {"in x 1 5; w w 4 3; n Gemm x w -> y; out y", "5 values times weights for 4"},
    {"in x 1 5; w w 4 3; n MatMul x w -> y; out y", "5 values times weights for 4"},
    {"in x 1 5; w w 5 0; n MatMul x w -> y; out y", "out=0"},
    {"in x 1 5; w w 6; n Add x w -> y; out y", "sizes must be equal or 1"},
    {"in x 1 5; in z 1 6; n Add x z -> y; out y", "sizes must be equal or 1"},
    {"in x 1 5; n BatchNormalization x x x x x -> y; out y", "must be a constant"},
    {"in x 1 5; w w 4; n BatchNormalization x w w w w -> y; out y", "4 values where 5"},
    /* graphs */
    {"in x 1 5; n Relu z -> y; n Relu y -> z; out z", "a cycle, or nodes out of order"},
    {"in x 1 5; n Relu y -> y; out y", "a cycle"},
    {"in x 1 5; n Relu z -> y; out y", "takes z, which nothing before it makes"},
    {"in x 1 5; n Relu x -> y; out z", "z is made by no node"},
    {"in x 1 5; n Relu x -> y; n Abs x -> y; out y", "given twice"},
    {"in x 1 5; w w 5; w w 5; n Add x w -> y; out y", "given twice"},
    {"in x 1 5; in x 1 5; n Add x x -> y; out y", "given twice"},
    {"in x 1 5; w w 5; n Add x w -> w; out w", "given twice"},
    {"in x 1 5; n Relu x -> y", "0 outputs"},
    {"n Relu x -> y; out y", "the graph has no input"},
    {"in x 1 5; out x", "no graph with nodes"},
    {"in x 1 5; n Relu -> y; out y", "input"},
    {"in x 1 5; n Relu x , -> y; n Add y -> z; out z", "input 1 is missing"},
    {"in x 1 5; n Frobnicate x -> y; out y", "(Frobnicate, opset 17): operator Frobnicate of opset 17 is not supported"},
    {"in x 1 5; n LSTM x -> y; out y", "LSTM"},
    {"opset 6; in x 1 5; n Relu x -> y; out y", "opset 6; 7 to 28"},
    {"opset 99; in x 1 5; n Relu x -> y; out y", "opset 99"},
    {"opset -1; in x 1 5; n Relu x -> y; out y", "opset -1"},
};

static void test_cases(void **state) {
  (void)state;
  if (read_case(GOOD) != BR_OK) fail_msg("%s", br_error_message());
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int status = read_case(cases[i].text);
    if (status != BR_ERROR_DATA) fail_msg("%s: status %d", cases[i].text, status);
    if (!strstr(br_error_message(), cases[i].says)) fail_msg("%s\nsays %s\nnot  %s", cases[i].text, br_error_message(), cases[i].says);
  }
}

/* Cut short at every byte; and every byte with every other value: wrong wire types, lengths, fields and names. */
static void test_every_byte(void **state) {
  (void)state;
  struct onnx_bytes bytes = onnx_case("in x 1 2 3 3; w w 1 2 2 2; w s 2 = 1 4 :i8; n Conv x w -> c strides=1,1; n Reshape c s -> y; out y"), part = bytes;
  assert_int_equal(read_bytes(&bytes), BR_OK);
  for (part.n = 0; part.n < bytes.n; part.n++) assert_int_equal(read_bytes(&part), BR_ERROR_DATA);
  for (size_t at = 0; at < bytes.n; at++) {
    unsigned char old = bytes.data[at];
    for (int bit = 0; bit < 8; bit++) {
      bytes.data[at] = (unsigned char)(old ^ 1 << bit);
      int status = read_bytes(&bytes);
      assert_true(status == BR_OK || status == BR_ERROR_DATA);
    }
    for (int wire = 0; wire < 8; wire++) {
      bytes.data[at] = (unsigned char)((old & ~7) | wire);
      int status = read_bytes(&bytes);
      assert_true(status == BR_OK || status == BR_ERROR_DATA);
    }
    bytes.data[at] = old;
  }
  free(bytes.data);
}

/* A graph in an attribute of a node in a graph, a thousand times. */
static void test_nested(void **state) {
  (void)state;
  struct onnx_bytes graph = {0};
  for (int level = 0; level < 1000; level++) {
    struct onnx_bytes attribute = {0}, node = {0};
    onnx_inside(&attribute, 6, &graph);
    onnx_inside(&node, 5, &attribute);
    onnx_inside(&graph, 1, &node);
  }
  struct onnx_bytes model = onnx_model(&graph, 17);
  assert_int_equal(read_bytes(&model), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "deep"));
  free(model.data);
}

/* Very many nodes, and constants that grow from node to node. */
static void test_large(void **state) {
  (void)state;
  struct onnx_bytes graph = {0};
  char text[64];
  char *in[] = {(char *)"in", (char *)"x0", (char *)"1", (char *)"5"}, *out[] = {(char *)"out", text};
  onnx_value_info(&graph, 11, in, 4);
  for (int i = 0; i < 30000; i++) {
    char from[16], to[16], *node[] = {(char *)"n", (char *)"Relu", from, (char *)"->", to};
    snprintf(from, sizeof from, "x%d", i);
    snprintf(to, sizeof to, "x%d", i + 1);
    onnx_node(&graph, node, 5);
  }
  strcpy(text, "x30000");
  onnx_value_info(&graph, 12, out, 2);
  struct onnx_bytes model = onnx_model(&graph, 17);
  assert_int_equal(read_bytes(&model), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "nodes"));
  free(model.data);
  char more[4096] = "in x 1 4; w s 1 = 4000000 :i8; n ConstantOfShape s -> c0";
  for (int i = 0; i < 40; i++) snprintf(more + strlen(more), sizeof more - strlen(more), "; n Add c%d c%d -> c%d", i, i, i + 1);
  strcat(more, "; n ReduceProd c40 -> c; n Add x c -> y; out y");
  assert_int_equal(read_case(more), BR_ERROR_DATA);
  assert_non_null(strstr(br_error_message(), "constants"));
}

/* Data beside the file: only from its own folder, as long as is said, from a plain file. */
static void test_external(void **state) {
  (void)state;
  static const struct {
    const char *location, *offset, *length, *says;
  } places[] = {{"../outside", NULL, NULL, "only files beside"}, {"/etc/hostname", NULL, NULL, "only files beside"}, {"sub/../../outside", NULL, NULL, "only files beside"}, {"", NULL, NULL, "only files beside"},
                {"link", NULL, NULL, "link"},                    {"sublink/data", NULL, NULL, "link"},                {"none", NULL, NULL, "none"},                               {"data", NULL, "8", "16 bytes"},
                {"data", "8", NULL, "16 bytes"},                 {"data", "18446744073709551615", NULL, "16 bytes"},  {"data", "x", NULL, "offset"},                              {"pipe", NULL, NULL, "pipe"},
                {".", NULL, NULL, "."},                          {"data", "0", "16", NULL}};
  char folder[64], name[128], link_name[128];
  snprintf(folder, sizeof folder, "test_onnx_bad.%d.folder", (int)getpid());
  assert_int_equal(mkdir(folder, 0700), 0);
  static const struct onnx_bytes sixteen = {(unsigned char *)(uintptr_t) "0123456789abcdef", 16, 16};
  snprintf(name, sizeof name, "%s/data", folder);
  onnx_write_bytes(&sixteen, name);
  snprintf(name, sizeof name, "%s/link", folder);
  assert_int_equal(symlink("/etc/hostname", name), 0);
  snprintf(name, sizeof name, "%s/sublink", folder);
  assert_int_equal(symlink("/etc", name), 0);
  snprintf(link_name, sizeof link_name, "%s/pipe", folder);
  assert_int_equal(mkfifo(link_name, 0600), 0);
  char kept[sizeof path];
  strcpy(kept, path);
  snprintf(path, sizeof path, "%s/m.onnx", folder);
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    struct onnx_bytes graph = {0}, tensor = {0};
    const char *const keys[] = {"location", "offset", "length"}, *const values[] = {places[i].location, places[i].offset, places[i].length};
    char *in[] = {(char *)"in", (char *)"x", (char *)"1", (char *)"4"}, *out[] = {(char *)"out", (char *)"y"}, *node[] = {(char *)"n", (char *)"Add", (char *)"x", (char *)"w", (char *)"->", (char *)"y"};
    onnx_value_info(&graph, 11, in, 4);
    onnx_value_info(&graph, 12, out, 2);
    onnx_node(&graph, node, 6);
    onnx_number(&tensor, 1, 4);
    onnx_number(&tensor, 2, 1);
    onnx_text(&tensor, 8, "w");
    for (int k = 0; k < 3; k++) {
      struct onnx_bytes entry = {0};
      if (!values[k]) continue;
      onnx_text(&entry, 1, keys[k]);
      onnx_text(&entry, 2, values[k]);
      onnx_inside(&tensor, 13, &entry);
    }
    onnx_number(&tensor, 14, 1);
    onnx_inside(&graph, 5, &tensor);
    struct onnx_bytes model = onnx_model(&graph, 17);
    int status = read_bytes(&model);
    if (status != (places[i].says ? BR_ERROR_DATA : BR_OK)) fail_msg("%s: status %d: %s", places[i].location, status, status ? br_error_message() : "");
    if (places[i].says && !strstr(br_error_message(), places[i].says)) fail_msg("%s: %s", places[i].location, br_error_message());
    free(model.data);
  }
  static const char *const made[] = {"data", "link", "sublink", "pipe", "m.onnx"};
  for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
    snprintf(name, sizeof name, "%s/%s", folder, made[i]);
    unlink(name);
  }
  rmdir(folder);
  strcpy(path, kept);
}

static void test_memory(void **state) {
  (void)state;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  if (usage.ru_maxrss >= SHARE * 200 * 1024) fail_msg("%ld KB", usage.ru_maxrss);
}

int main(void) {
  struct br_model *model;
  if (br_onnx_read("/dev/null", NULL, &model) == BR_ERROR_FAILED) {
    printf("1..0 # SKIP test_onnx_bad: %s\n", br_error_message());
    return 0;
  }
  snprintf(path, sizeof path, "/tmp/test_onnx_bad.%d.onnx", (int)getpid());
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_every_byte), cmocka_unit_test(test_nested), cmocka_unit_test(test_large), cmocka_unit_test(test_external), cmocka_unit_test(test_memory)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
