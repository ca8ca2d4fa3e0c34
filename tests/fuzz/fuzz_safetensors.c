/* Safetensors files, and models in them: a file that opens has tensors inside the file, a model that loads saves to one that loads. */
#include "fuzz.h"

#include <bramble/base/memory.h>
#include <bramble/net/model.h>
#include <bramble/store/safetensors.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of this process, in the working folder. */
static const char *file_name(void) {
  static char name[64];
  snprintf(name, sizeof name, "fuzz_safetensors.%ld.tmp", (long)getpid());
  return name;
}

static unsigned sum_of(const struct br_safetensors *file) {
  unsigned sum = 0;
  for (size_t i = 0; i < br_safetensors_count(file); i++) {
    const struct br_tensor_entry *tensor = br_safetensors_tensor(file, i);
    uint64_t bytes = br_dtype_bytes(tensor->type);
    for (int d = 0; d < tensor->dims; d++) bytes *= tensor->shape[d];
    for (uint64_t b = 0; b < bytes; b++) sum += ((const uint8_t *)tensor->data)[b];
    if (!br_safetensors_find(file, tensor->name)) __builtin_trap();
  }
  const char *key, *value;
  for (size_t i = 0; br_safetensors_metadata_at(file, i, &key, &value); i++) sum += (unsigned)strlen(key) + (unsigned)strlen(value);
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static volatile unsigned seen;
  size_t held = br_memory_held_bytes();
  FILE *out = fopen(file_name(), "wb");
  if (!out) return 0;
  bool whole = fwrite(data, 1, bytes, out) == bytes;
  if (fclose(out) != 0 || !whole) return 0;
  struct br_safetensors *file = NULL;
  if (br_safetensors_open(file_name(), &file) == 0) seen = seen + sum_of(file);
  br_safetensors_close(file);
  struct br_model *model = NULL, *again = NULL;
  if (br_model_load(file_name(), &model) == 0 && (br_model_save(model, file_name()) != 0 || br_model_load(file_name(), &again) != 0)) __builtin_trap();
  br_model_close(model);
  br_model_close(again);
  remove(file_name());
  if (br_memory_held_bytes() != held) __builtin_trap();
  return 0;
}

/* Saves a small model and reads it back as bytes. */
static size_t model_seed(uint8_t *data, size_t capacity) {
  struct br_graph *graph = NULL;
  struct br_model *model = NULL;
  size_t n = 0;
  if (br_graph_parse("seed", "x = input 4 4 2\nc = conv x out=3 kernel=3\nb = batchnorm c\nf = flatten b\ny = dense f out=2\n", &graph) != 0 || br_model_open(graph, &model) != 0) return 0;
  br_graph_init(graph, 1, model->trained, model->statistics);
  FILE *file = NULL;
  if (br_model_set(model, "classes", "[\"cat\", \"dog\"]") == 0 && br_model_save(model, file_name()) == 0 && (file = fopen(file_name(), "rb"))) {
    n = fread(data, 1, capacity, file);
    fclose(file);
  }
  br_model_close(model);
  remove(file_name());
  return n;
}

static size_t plain_seed(uint8_t *data, const char *header, size_t tail) {
  uint64_t length = strlen(header);
  memcpy(data, &length, sizeof length);
  memcpy(data + sizeof length, header, length);
  memset(data + sizeof length + length, 1, tail);
  return sizeof length + length + tail;
}

size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  if (capacity < 4096) return 0;
  switch (which) {
    case 0: return model_seed(data, capacity);
    case 1: return plain_seed(data, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[24,32]}}", 32);
    case 2: return plain_seed(data, "{\"__metadata__\":{\"k\":\"v\\u00e9\"},\"empty\":{\"dtype\":\"U8\",\"shape\":[0,5],\"data_offsets\":[0,0]}}", 0);
    default: return 0;
  }
}
