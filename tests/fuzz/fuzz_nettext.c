/* Net text: what reads prints as text that reads and prints as the same; what does not leaves nothing. Nets that ask for much memory are not run, only
 * read, which must take little. */
#include "fuzz.h"

#include <bramble/base/memory.h>
#include <bramble/net/graph.h>

#include <stdlib.h>
#include <string.h>

static void check_again(const struct br_graph *graph) {
  char *once = NULL, *twice = NULL;
  struct br_graph *again = NULL;
  if (br_graph_print(graph, &once) != 0 || br_graph_parse("again", once, &again) != 0 || br_graph_print(again, &twice) != 0) __builtin_trap();
  if (strcmp(once, twice) != 0 || again->trained_floats != graph->trained_floats) __builtin_trap();
  br_graph_close(again);
  br_memory_free(once);
  br_memory_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  char *text = malloc(bytes + 1);
  if (!text) return 0;
  memcpy(text, data, bytes);
  text[bytes] = 0;
  size_t held = br_memory_held_bytes();
  struct br_graph *graph = NULL;
  if (br_graph_parse("fuzz", text, &graph) == 0) {
    check_again(graph);
    br_graph_cost(graph);
    br_graph_infer(graph, 7);
  }
  br_graph_close(graph);
  free(text);
  if (br_memory_held_bytes() != held) __builtin_trap();
  return 0;
}

size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const char *const seeds[] = {
      "x = input 32 32 3\nc = conv x out=6 kernel=5x3 stride=2 padding=same groups=3 bias=no dilation=2\nb = batchnorm c momentum=0.99 eps=1e-3\nr = relu6 b\np = maxpool r kernel=3 stride=2 padding=1x0 ceil=yes\n"
      "f = flatten p\nd = dropout f rate=0.3\ny = dense d out=10\nl = crossentropy y smoothing=0.1\n",
      "# squeeze-excite\nx = input 8 8 4\na = avgpool x kernel=2 countpadding=no\ng = globalpool a\ns = hardsigmoid g\nm = mul a s\nk = concat m a m\nq = prelu k\nt = add q q\nr = reshape t sizes=16x0\no = softmax r\n",
      "x = input 6\nh = dense x out=64\nt = tanh h\ne = elu t alpha=0.5\ny = dense e out=3 bias=no\nl = mse y\n",
  };
  if (which >= (int)(sizeof seeds / sizeof *seeds)) return 0;
  size_t n = strlen(seeds[which]);
  if (n > capacity) return 0;
  memcpy(data, seeds[which], n);
  return n;
}
