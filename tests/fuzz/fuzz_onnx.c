/* ONNX files: every damage is an error in one line or a model whose metadata fit it, and nothing is left. */
#include "fuzz.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/net/onnx.h>
#include <bramble/net/zoo.h>
#include <bramble/store/file.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  char path[64];
  int file = memfd_create("fuzz", 0);
  if (file < 0) return 0;
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  if (write(file, data, bytes) == (ssize_t)bytes) {
    size_t held = br_memory_held_bytes();
    struct br_model *model = NULL;
    struct br_border border = {0};
    int status = br_onnx_read(path, &(struct br_onnx_options){.H = 16, .W = 16}, &model);
    if (status == BR_OK) {
      if (br_border_open(model, &border) != BR_OK) __builtin_trap();
    } else if (model || strchr(br_error_message(), '\n') || !br_error_message()[0]) {
      __builtin_trap();
    }
    br_border_free(&border);
    br_model_close(model);
    if (br_memory_held_bytes() != held) __builtin_trap();
  }
  close(file);
  return 0;
}

/* Small nets as this program writes them. */
size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const char *const lines[] = {"x = input 8 8 3\nc = conv x out=4 kernel=3 padding=same\nb = batchnorm c\nr = relu6 b\ng = globalpool r\nf = flatten g\nd = dense f out=3\ns = softmax d\n",
                                      "x = input 6 4\nt = transpose x order=2x1\np = pad t before=1x0 after=0x1\ns = slice p start=0x1 size=3x4\nm = reducemean s axes=1\nq = concat s m axis=1\n",
                                      "x = input 4 4 2\nu = resize x sizes=8x8 mode=linear\na = plus u sizes=1x1x2\nl = prelu a\n"};
  static unsigned char *made[3]; /* kept: writing a file takes long */
  static size_t length[3];
  char path[64];
  if (which >= (int)(sizeof lines / sizeof *lines)) return 0;
  if (made[which]) {
    memcpy(data, made[which], length[which]);
    return length[which];
  }
  struct br_graph *graph;
  struct br_model *model;
  unsigned char *bytes = NULL;
  size_t n = 0;
  snprintf(path, sizeof path, "fuzz_onnx.%d.%d", (int)getpid(), which);
  if (br_graph_parse("seed", lines[which], &graph) != BR_OK || br_model_open(graph, &model) != BR_OK) __builtin_trap();
  br_graph_init(graph, 1, model->trained, model->statistics);
  int status = br_onnx_write(model, path);
  br_model_close(model);
  if (status == BR_ERROR_FAILED) return 0; /* a build without ONNX */
  if (status != BR_OK || br_file_read(path, capacity, &bytes, &n) != BR_OK) __builtin_trap();
  unlink(path);
  memcpy(data, bytes, n);
  made[which] = bytes;
  length[which] = n;
  return n;
}
