/* ONNX files: every damage is an error in one line or a model whose metadata fit it, and nothing is left. */
#include "fuzz.h"

#include "../onnx_case.h"

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

/* Small nets as this program writes them, and as others do: shapes worked out from constants, attention, boxes. */
size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const char *const lines[] = {"x = input 8 8 3\nc = conv x out=4 kernel=3 padding=same\nb = batchnorm c\nr = relu6 b\ng = globalpool r\nf = flatten g\nd = dense f out=3\ns = softmax d\n",
                                      "x = input 6 4\nt = transpose x order=2x1\np = pad t before=1x0 after=0x1\ns = slice p start=0x1 size=3x4\nm = reducemean s axes=1\nq = concat s m axis=1\n",
                                      "x = input 4 4 2\nu = resize x sizes=8x8 mode=linear\na = plus u sizes=1x1x2\nl = prelu a\n"};
  static const char *const cases[] = {
      "in x ? 4 6 6; n Shape x -> s; w i 1 = 2 :i8; n Gather s i -> h; w a = 2 :i8; n Div h a -> k; w c 2 = 0 16 :i8; n Concat c k k -> t axis=0; n Reshape x t -> r; n Transpose r -> p perm=0,2,1,3; "
      "w f 4 = 0 1 1 1 :i8; w g 4 = 1 9 9 -1 :i8; n Slice p f g -> q; w d 8 = 0 0 1 1 0 0 1 1 :i8; n Pad q d -> v mode=reflect; n ReduceMean v -> y axes=2,3 keepdims=0; out y",
      "in x 1 4 6; w w 6 6; n MatMul x w -> q; n Transpose q -> k perm=0,2,1; n MatMul x k -> s; w m 4 4 = 0 1 1 1 0 0 1 1 0 0 0 1 0 0 0 0 :u1; n Cast m -> b to=9; w z = -9; n Where b z s -> t; n Softmax t -> p axis=-1; "
      "n Einsum p x -> o equation=bij,bjk->bik; n LayerNormalization o , -> y; w n 6; n LayerNormalization o n -> u; out u",
      "in b 1 6 4; in s 1 2 6; w n = 3 :i8; w i = 0.5; w t = 0.1; n NonMaxSuppression b s n i t -> y; n TopK s n -> v k; n ArgMax s -> a axis=2; w j 2 = 2 1 :i8; n Split b j -> e f axis=2; out y; out v; out k; out a",
      "in x 1 2 4 4; w w 2 3 2 2; n ConvTranspose x w -> c strides=2,2 output_padding=1,1; n MaxPool c -> p l kernel_shape=2,2 dilations=2,2 ceil_mode=1; w z 4 = 1 1 0.5 1.5; n Resize p , z -> r mode=cubic antialias=1; n HardSwish r -> y; out y; out l"};
  enum { LINES = sizeof lines / sizeof *lines, CASES = sizeof cases / sizeof *cases };
  static unsigned char *made[LINES]; /* kept: writing a file takes long */
  static size_t length[LINES];
  char path[64];
  if (which >= LINES + CASES) return 0;
  if (which >= LINES) {
    struct onnx_bytes bytes = onnx_case(cases[which - LINES]);
    size_t n = bytes.n < capacity ? bytes.n : capacity;
    memcpy(data, bytes.data, n);
    free(bytes.data);
    return n;
  }
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
