/* Output sizes and padding of windowed operators. */
#include "net/ops/window.h"

#include <bramble/base/error.h>

#include <string.h>

static bool has(const struct br_node *node, const char *name) {
  for (int i = 0; node->op->attributes[i].name; i++)
    if (strcmp(node->op->attributes[i].name, name) == 0) return true;
  return false;
}

int br_window_find(const struct br_node *node, int H, int W, struct br_window *window) {
  static const char *const side[] = {"height", "width"};
  const struct br_value *kernel = br_node_value(node, "kernel"), *stride = br_node_value(node, "stride"), *padding = br_node_value(node, "padding");
  bool ceil_mode = has(node, "ceil") && br_node_value(node, "ceil")->v[0] != 0;
  const int size[2] = {H, W};
  for (int i = 0; i < 2; i++) {
    window->kernel[i] = br_value_int(kernel, i);
    window->stride[i] = stride->v[0] == 0 ? window->kernel[i] : br_value_int(stride, i); /* pools: the default is the kernel */
    window->dilation[i] = has(node, "dilation") ? br_value_int(br_node_value(node, "dilation"), i) : 1;
    int reach = (window->kernel[i] - 1) * window->dilation[i] + 1, step = window->stride[i];
    if (padding->n == 1 && padding->v[0] < 0) {
      window->out[i] = (size[i] + step - 1) / step;
      int total = (window->out[i] - 1) * step + reach - size[i];
      if (total < 0) total = 0;
      window->before[i] = total / 2;
      window->after[i] = total - total / 2;
      continue;
    }
    window->before[i] = br_value_int(padding, i);
    window->after[i] = padding->n == 4 ? (int)padding->v[2 + i] : window->before[i];
    int room = size[i] + window->before[i] + window->after[i] - reach;
    if (room < 0) BR_FAIL(BR_ERROR_DATA, "a kernel that reaches over %d pixels does not fit in a padded %s of %d", reach, side[i], size[i] + window->before[i] + window->after[i]);
    window->out[i] = (ceil_mode ? room + step - 1 : room) / step + 1;
    if (ceil_mode && (window->out[i] - 1) * step >= size[i] + window->before[i]) window->out[i]--; /* a window must start inside */
  }
  return BR_OK;
}
