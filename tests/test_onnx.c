/* Real ONNX files against the answers of another program, the same answers after they were kept as models, and files that are not sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/exec.h>
#include <bramble/net/onnx.h>
#include <bramble/net/zoo.h>
#include <bramble/store/file.h>
#include <bramble/store/npy.h>

#include "data_files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char shared[1024];

/* The files and the names of their outputs; "" where there is one. */
static const struct {
  const char *file, *vectors, *outputs[4];
} models[] = {
    {"models/squeezenet1_1.onnx", "squeezenet1_1", {""}},
    {"models/mobilenet_v2_1.0_224.onnx", "mobilenet_v2_1.0_224", {""}},
    {"models/mobilenet_v3_small.onnx", "mobilenet_v3_small", {""}},
    {"models/mtcnn_pnet.onnx", "mtcnn_pnet", {"prob", "boxes"}},
    {"models/mtcnn_rnet.onnx", "mtcnn_rnet", {"prob", "boxes"}},
    {"models/mtcnn_onet.onnx", "mtcnn_onet", {"prob", "boxes", "landmarks"}},
    {"models/retinaface_mnet025.onnx", "retinaface_mnet025", {"boxes", "scores", "landmarks"}},
    {"models/yoloface_500k_v2.onnx", "yoloface_500k_v2", {"head0", "head1", "head2"}},
    {"faces/weights/version-RFB-320.onnx", "version-RFB-320", {"scores", "boxes"}},
    {"faces/weights/version-slim-320.onnx", "version-slim-320", {"scores", "boxes"}},
};

/* Runs the model on the test vector and compares every output with the file's. */
static void compare(const struct br_model *model, int number, const float *input, int n) {
  struct br_border border;
  struct br_exec *exec;
  assert_int_equal(br_graph_infer(model->graph, n), BR_OK);
  assert_int_equal(br_border_open(model, &border), BR_OK);
  assert_int_equal(br_exec_open(model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = n, .members = 1, .fuse = true}, &exec), BR_OK);
  float *inside;
  assert_int_equal(br_memory_alloc(br_shape_count(&model->graph->nodes[0].shape), sizeof *inside, "input", &inside), BR_OK);
  br_border_in(&border.inputs[0], border.batched, input, inside, (size_t)n);
  br_exec_run(exec, &(struct br_run){.trained = model->trained, .statistics = model->statistics, .x = inside, .n = n}, BR_PART_ALL);
  for (int i = 0; i < 4 && models[number].outputs[i]; i++) {
    char path[1200];
    const char *name = models[number].outputs[i];
    int at = 0;
    while (name[0] && strcmp(border.outputs[at].name, name) != 0) assert_true(++at < border.n_outputs);
    snprintf(path, sizeof path, "%s/models/%s.output%s%s.npy", shared, models[number].vectors, name[0] ? "_" : "", name);
    struct br_npy npy;
    float *expected, *found, largest = 0, difference = 0;
    assert_int_equal(br_npy_read(path, &npy, (void **)&expected), BR_OK);
    size_t count = br_shape_count(&model->graph->nodes[model->graph->outputs[at]].shape);
    assert_int_equal(count, npy.count);
    assert_int_equal(br_memory_alloc(count, sizeof *found, "output", &found), BR_OK);
    br_border_out(&border.outputs[at], border.batched, br_exec_output_at(exec, at), found, (size_t)n);
    for (size_t k = 0; k < count; k++) {
      largest = fmaxf(largest, fabsf(expected[k]));
      difference = fmaxf(difference, fabsf(expected[k] - found[k]));
    }
    if (!(difference <= 1e-4f * largest)) fail_msg("%s, output %s: difference %g of %g", models[number].file, name, difference, largest);
    br_memory_free(expected);
    br_memory_free(found);
  }
  br_memory_free(inside);
  br_exec_close(exec);
  br_border_free(&border);
}

static void test_vectors(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
    char path[1200], kept[64];
    struct br_npy npy;
    float *input;
    snprintf(path, sizeof path, "%s/models/%s.input.npy", shared, models[i].vectors);
    assert_int_equal(br_npy_read(path, &npy, (void **)&input), BR_OK);
    struct br_onnx_size size = {.rank = npy.dims};
    for (int k = 0; k < npy.dims; k++) size.d[k] = (int64_t)npy.shape[k];
    snprintf(path, sizeof path, "%s/%s", shared, models[i].file);
    struct br_model *model, *again;
    if (br_onnx_read(path, &(struct br_onnx_options){.sizes = &size, .n_sizes = 1}, &model) != BR_OK) fail_msg("%s", br_error_message());
    compare(model, (int)i, input, (int)npy.shape[0]);
    snprintf(kept, sizeof kept, "test_onnx.%d.safetensors", (int)getpid());
    assert_int_equal(br_model_save(model, kept), BR_OK);
    if (br_model_load(kept, &again) != BR_OK) fail_msg("%s", br_error_message());
    compare(again, (int)i, input, (int)npy.shape[0]);
    unlink(kept);
    br_model_close(model);
    br_model_close(again);
    br_memory_free(input);
  }
}

/* Nets of the zoo, written and read back, answer with the same bits. */
static void test_written(void **state) {
  (void)state;
  static const char *const zoo[] = {"lenet", "mlp", "resnet20", "squeezenet1.1", "mobilenetv2", "mobilenetv3-small"};
  for (size_t i = 0; i < sizeof zoo / sizeof *zoo; i++) {
    struct br_graph *graph;
    struct br_model *model, *again;
    struct br_exec *exec[2];
    struct br_border border;
    char path[64];
    if (br_zoo_open(zoo[i], &(struct br_zoo_options){.bn_momentum = -1, .bn_eps = -1, .dropout = -1}, &graph) != BR_OK) fail_msg("%s", br_error_message());
    assert_int_equal(br_model_open(graph, &model), BR_OK);
    br_graph_init(graph, 1, model->trained, model->statistics);
    assert_int_equal(br_model_set(model, "classes", "[\"a\",\"b\"]"), BR_OK);
    snprintf(path, sizeof path, "test_onnx.%d.onnx", (int)getpid());
    if (br_onnx_write(model, path) != BR_OK) fail_msg("%s: %s", zoo[i], br_error_message());
    if (br_onnx_read(path, NULL, &again) != BR_OK) fail_msg("%s: %s", zoo[i], br_error_message());
    unlink(path);
    assert_string_equal(br_model_get(again, "classes"), "[\"a\",\"b\"]");
    size_t inputs = br_shape_count(&graph->nodes[0].shape), outputs = br_shape_count(&graph->nodes[graph->output].shape);
    float *x, *y[2];
    assert_int_equal(br_memory_alloc(inputs, sizeof *x, "input", &x), BR_OK);
    for (size_t k = 0; k < inputs; k++) x[k] = (float)(k * 2654435761u % 1000) / 500 - 1;
    struct br_model *models2[] = {model, again};
    assert_int_equal(br_border_open(again, &border), BR_OK);
    assert_true(border.batched && border.inputs[0].d[1] == br_shape_channels(&graph->nodes[0].shape));
    br_border_free(&border);
    for (int m = 0; m < 2; m++) {
      assert_int_equal(br_exec_open(models2[m]->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true}, &exec[m]), BR_OK);
      assert_int_equal(br_memory_alloc(outputs, sizeof(float), "output", &y[m]), BR_OK);
      assert_int_equal(br_shape_count(&models2[m]->graph->nodes[models2[m]->graph->output].shape), outputs);
      br_exec_run(exec[m], &(struct br_run){.trained = models2[m]->trained, .statistics = models2[m]->statistics, .x = x, .n = 1}, BR_PART_ALL);
      memcpy(y[m], br_exec_output(exec[m]), outputs * sizeof(float));
      br_exec_close(exec[m]);
    }
    if (memcmp(y[0], y[1], outputs * sizeof(float)) != 0) fail_msg("%s gives other bits after it was written and read", zoo[i]);
    br_memory_free(x);
    for (int m = 0; m < 2; m++) br_memory_free(y[m]);
    br_model_close(model);
    br_model_close(again);
  }
}

/* A file of these bytes is refused as bad data, in one line, quickly; or, where the damage cannot be seen, read. */
static bool refused(const unsigned char *bytes, size_t n) {
  char path[64];
  snprintf(path, sizeof path, "test_onnx.%d.onnx", (int)getpid());
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, n, file), n);
  fclose(file);
  struct br_model *model = NULL;
  double start = br_clock_seconds();
  int status = br_onnx_read(path, &(struct br_onnx_options){.H = 24, .W = 24}, &model);
  assert_true(br_clock_seconds() - start < 1);
  unlink(path);
  assert_true(status == BR_OK || status == BR_ERROR_DATA);
  if (status != BR_OK) {
    assert_null(model);
    assert_null(strchr(br_error_message(), '\n'));
    assert_true(strlen(br_error_message()) > 10);
  }
  br_model_close(model);
  return status != BR_OK;
}

/* Cut short anywhere, and with bytes changed. */
static void test_damaged(void **state) {
  (void)state;
  char path[1200];
  unsigned char *bytes;
  size_t n;
  snprintf(path, sizeof path, "%s/models/mtcnn_pnet.onnx", shared);
  assert_int_equal(br_file_read(path, 0, &bytes, &n), BR_OK);
  assert_false(refused(bytes, n));
  for (size_t cut = 0; cut < n; cut += cut < 200 ? 1 : 211) assert_true(refused(bytes, cut));
  unsigned seed = 1;
  for (int round = 0; round < 400; round++) {
    seed = seed * 1664525u + 1013904223u;
    size_t at = (seed >> 8) % n;
    unsigned char old = bytes[at];
    bytes[at] = (unsigned char)(seed >> 3);
    refused(bytes, n);
    bytes[at] = old;
  }
  br_memory_free(bytes);
}

int main(void) {
  struct br_model *model;
  if (br_onnx_read("/dev/null", NULL, &model) == BR_ERROR_FAILED) {
    printf("1..0 # SKIP test_onnx: %s\n", br_error_message());
    return 0;
  }
  const char *found = test_shared("data");
  snprintf(shared, sizeof shared, "%s", found ? found : "");
  const struct CMUnitTest with_data[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_damaged)}, alone[] = {cmocka_unit_test(test_written)};
  if (!found)
    printf("# SKIP test_vectors, test_damaged: the shared data are missing (set BRAMBLE_SHARED)\n");
  else if (cmocka_run_group_tests(with_data, NULL, NULL) != 0)
    return 1;
  return cmocka_run_group_tests(alone, NULL, NULL);
}
