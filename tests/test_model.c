/* Model files: what is saved comes back, the same content gives the same bytes, and every way in which a file can lie ends in BR_ERROR_DATA with one line
 * that names the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_files.h"

#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/net/model.h>
#include <bramble/store/safetensors.h>

#include <dirent.h>
#include <math.h>

static const char *const net = "x = input 4 4 1\nc = conv x out=2 kernel=3\nb = batchnorm c\nf = flatten b\nd = dense f out=3\n";

static struct br_model *make_model(const char *text) {
  struct br_graph *graph;
  struct br_model *model;
  if (br_graph_parse("net", text, &graph) != BR_OK || br_model_open(graph, &model) != BR_OK) fail_msg("%s", br_error_message());
  br_graph_init(graph, 3, model->trained, model->statistics);
  return model;
}

static void expect_bad(const char *path, const char *words) {
  struct br_model *model = (struct br_model *)1;
  size_t before = br_memory_held_bytes();
  int status = br_model_load(path, &model);
  if (status != BR_ERROR_DATA || model) fail_msg("%s: status %d where %s was expected", path, status, words);
  const char *message = br_error_message();
  if (!strstr(message, words) || strchr(message, '\n') || strncmp(message, path, strlen(path)) != 0) fail_msg("'%s' is not about '%s', one line, the file's name first", message, words);
  assert_int_equal(br_memory_held_bytes(), before);
}

static void test_round_trip(void **state) {
  (void)state;
  struct br_model *model = make_model(net), *again;
  assert_int_equal(br_model_set(model, "classes", "[\"a \\\" \xc3\xa9\"]"), BR_OK);
  assert_int_equal(br_model_set(model, "seed", "1"), BR_OK);
  assert_int_equal(br_model_set(model, "seed", "3"), BR_OK);
  assert_int_equal(br_model_save(model, test_path("a.safetensors")), BR_OK);
  assert_int_equal(br_model_load(test_path("a.safetensors"), &again), BR_OK);
  assert_string_equal(br_model_get(again, "classes"), br_model_get(model, "classes"));
  assert_string_equal(br_model_get(again, "seed"), "3");
  assert_int_equal(again->n_entries, 2);
  assert_null(br_model_get(again, "net"));
  for (int p = 0; p < model->graph->n_params; p++) {
    const struct br_param *param = &model->graph->params[p];
    const float *a = param->statistic ? model->statistics : model->trained, *b = param->statistic ? again->statistics : again->trained;
    assert_memory_equal(a + param->offset, b + param->offset, param->count * sizeof(float));
  }
  char first[65], second[65];
  assert_int_equal(br_model_save(again, test_path("b.safetensors")), BR_OK);
  assert_int_equal(br_hash_file(test_path("a.safetensors"), first), BR_OK);
  assert_int_equal(br_hash_file(test_path("b.safetensors"), second), BR_OK);
  assert_string_equal(first, second);
  br_model_close(model);
  br_model_close(again);
}

static void test_new_head(void **state) {
  (void)state;
  struct br_model *model = make_model("x = input 4 4 1\nc = conv x out=2 kernel=3\nb = batchnorm c\nf = flatten b\nd = dense f out=7\n"), *source = make_model(net);
  const struct br_param *weight = &source->graph->params[br_graph_find_param(source->graph, "c.weight")], *var = &source->graph->params[br_graph_find_param(source->graph, "b.running_var")];
  source->trained[weight->offset] = 42;
  source->statistics[var->offset] = 43;
  int missing;
  br_model_copy_params(model, source, &missing);
  assert_int_equal(missing, 2); /* d.weight and d.bias */
  assert_true(model->trained[weight->offset] == 42 && model->statistics[var->offset] == 43);
  br_model_close(model);
  br_model_close(source);
}

static size_t read_file(const char *name, unsigned char *data, size_t capacity) {
  FILE *file = fopen(test_path(name), "rb");
  assert_non_null(file);
  size_t n = fread(data, 1, capacity, file);
  fclose(file);
  return n;
}

/* Cut anywhere, or longer than it should be. */
static void test_truncated(void **state) {
  (void)state;
  static unsigned char data[8192];
  struct br_model *model = make_model(net);
  assert_int_equal(br_model_save(model, test_path("whole.safetensors")), BR_OK);
  br_model_close(model);
  size_t bytes = read_file("whole.safetensors", data, sizeof data);
  assert_true(bytes > 500 && bytes < sizeof data);
  for (size_t n = 0; n < bytes; n++) {
    test_write("cut.safetensors", data, n);
    expect_bad(test_path("cut.safetensors"), n < 8 ? "too few" : "");
  }
  test_write("long.safetensors", data, bytes + 1);
  expect_bad(test_path("long.safetensors"), "copy the file again");
  static const uint64_t lengths[] = {(uint64_t)1 << 60, UINT64_MAX, (uint64_t)1 << 63, 8192, 0};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    for (int k = 0; k < 8; k++) data[k] = (unsigned char)(lengths[i] >> (8 * k));
    test_write("header.safetensors", data, bytes);
    expect_bad(test_path("header.safetensors"), lengths[i] ? "does not fit" : "not sound JSON");
  }
  expect_bad(test_path("absent.safetensors"), "cannot be read");
  test_make_folder("folder.safetensors");
  expect_bad(test_path("folder.safetensors"), "is a folder");
}

/* A file of this header and `bytes` bytes of zeros. */
static const char *write_header(const char *header, size_t bytes) {
  static unsigned char data[8192];
  size_t n = strlen(header);
  memset(data, 0, sizeof data);
  data[0] = (unsigned char)n, data[1] = (unsigned char)(n >> 8);
  memcpy(data + 8, header, n);
  test_write("made.safetensors", data, 8 + n + bytes);
  return test_path("made.safetensors");
}

#define META "\"__metadata__\":{\"format\":\"bramble net 1\",\"net\":\"x = input 2\\nd = dense x out=2 bias=no\"}"
#define WEIGHT(dtype, shape, offsets) "\"d.weight\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_lies(void **state) {
  (void)state;
  struct br_model *model;
  assert_int_equal(br_model_load(write_header("{" META "," WEIGHT("F32", "[2,2]", "[0,16]") "}", 16), &model), BR_OK);
  br_model_close(model);
  static const struct {
    const char *header;
    size_t bytes;
    const char *words;
  } lies[] = {
      {"{" META "," WEIGHT("F32", "[2,2]", "[0,17]") "}", 16, "not inside the file's 16"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[16,0]") "}", 16, "not inside"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[-16,0]") "}", 16, "not inside"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[1152921504606846976,1152921504606846992]") "}", 16, "not inside"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[0,99999999999999999999]") "}", 16, "not sound JSON"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[0,16,3]") "}", 16, "malformed"},
      {"{" META "," WEIGHT("F32", "[2,2]", "\"0\"") "}", 16, "malformed"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[0,16]") "}", 24, "copy the file again"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[4,20]") "}", 20, "gap"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[0,16]") ",\"e\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[12,16]}}", 16, "overlap"},
      {"{" META "," WEIGHT("F32", "[2,3]", "[0,16]") "}", 16, "shape needs 24 bytes"},
      {"{" META "," WEIGHT("F32", "[4611686018427387904,4]", "[0,16]") "}", 16, "not a sound size"},
      {"{" META "," WEIGHT("F32", "[-2,-2]", "[0,16]") "}", 16, "not a sound size"},
      {"{" META "," WEIGHT("F32", "[2,2.5]", "[0,16]") "}", 16, "not a sound size"},
      {"{" META "," WEIGHT("F32", "[1,1,1,1,1,1,1,2,2]", "[0,16]") "}", 16, "dimensions"},
      {"{" META "," WEIGHT("F32", "[4]", "[0,16]") "}", 16, "is not float32 of 2x2"},
      {"{" META "," WEIGHT("I32", "[2,2]", "[0,16]") "}", 16, "is not float32 of 2x2"},
      {"{" META "," WEIGHT("BF16", "[2,2]", "[0,8]") "}", 8, "type BF16"},
      {"{" META "," WEIGHT("F32", "[2,2]", "[0,16]") "," WEIGHT("F32", "[2,2]", "[0,16]") "}", 16, "duplicate"},
      {"{" META "}", 0, "needs the tensor d.weight"},
      {"{" WEIGHT("F32", "[2,2]", "[0,16]") "}", 16, "not a net of Bramble's"},
      {"{\"__metadata__\":{\"format\":\"pt\"}}", 0, "not a net of Bramble's"},
      {"{\"__metadata__\":{\"format\":3}}", 0, "metadata format is not text"},
      {"{\"__metadata__\":[]}", 0, "not an object"},
      {"[1,2]", 0, "not an object"},
      {"{\"a\":1}", 0, "malformed"},
      {"{\"__metadata__\":{\"format\":\"bramble net 1\",\"net\":\"x = input 2\\ny = dense x out=1000000000000\"}}", 0, "made.safetensors:2:17: "},
      {"{\"__metadata__\":{\"format\":\"bramble net 1\",\"net\":\"x = input 2\\ny = add y x\"}}", 0, "no cycles"},
      {"{\"__metadata__\":{\"format\":\"bramble net 1\",\"net\":\"x = input 1000000\\ny = dense x out=2000\"}}", 0, "needs the tensor y.weight"},
  };
  for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) expect_bad(write_header(lies[i].header, lies[i].bytes), lies[i].words);
}

static void test_not_finite(void **state) {
  (void)state;
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 3; i++)
    for (int statistic = 0; statistic < 2; statistic++) {
      struct br_model *model = make_model(net);
      float *block = statistic ? model->statistics : model->trained;
      block[1] = bad[i];
      assert_int_equal(br_model_save(model, test_path("nan.safetensors")), BR_OK);
      expect_bad(test_path("nan.safetensors"), "element 1 is not a finite number");
      br_model_close(model);
    }
}

/* Tensors of other writers at odd places come out aligned to their types. */
static void test_odd_places(void **state) {
  (void)state;
  struct br_safetensors *file;
  const char *path = write_header("{\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[3,19]},\"f\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[19,23]}}", 23);
  assert_int_equal(br_safetensors_open(path, &file), BR_OK);
  assert_int_equal(br_safetensors_count(file), 3);
  for (size_t i = 0; i < 3; i++) {
    const struct br_tensor_entry *t = br_safetensors_tensor(file, i);
    assert_int_equal((uintptr_t)t->data % br_dtype_bytes(t->type), 0);
    assert_int_equal(((const unsigned char *)t->data)[0], 0);
  }
  assert_ptr_equal(br_safetensors_find(file, "d"), br_safetensors_tensor(file, 1));
  br_safetensors_close(file);
}

/* What cannot be written leaves nothing, and the old file as it was. */
static void test_unwritable(void **state) {
  (void)state;
  struct br_model *model = make_model(net);
  assert_int_not_equal(br_model_save(model, test_path("missing/m.safetensors")), BR_OK);
  assert_non_null(strstr(br_error_message(), "missing/m.safetensors"));
  test_make_folder("only");
  test_write("only/m.safetensors", "old", 3);
  assert_int_equal(br_model_set(model, "data", "\xff\xfe is no UTF-8"), BR_OK);
  assert_int_not_equal(br_model_save(model, test_path("only/m.safetensors")), BR_OK);
  unsigned char data[8];
  assert_int_equal(read_file("only/m.safetensors", data, sizeof data), 3);
  DIR *folder = opendir(test_path("only"));
  int files = 0;
  for (struct dirent *entry; (entry = readdir(folder));) files += entry->d_name[0] != '.';
  closedir(folder);
  assert_int_equal(files, 1);
  br_model_close(model);
}

static int setup(void **state) {
  (void)state;
  test_folder_make();
  return 0;
}
static int teardown(void **state) {
  (void)state;
  test_folder_remove();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_round_trip), cmocka_unit_test(test_new_head),   cmocka_unit_test(test_truncated),  cmocka_unit_test(test_lies),
      cmocka_unit_test(test_not_finite), cmocka_unit_test(test_odd_places), cmocka_unit_test(test_unwritable),
  };
  return cmocka_run_group_tests_name("model", tests, setup, teardown);
}
