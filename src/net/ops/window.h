/* Windows over height and width, as convolutions and pools have them: output sizes and padding from the attributes. */
#ifndef NET_OPS_WINDOW_H
#define NET_OPS_WINDOW_H

#include "net/op.h"

struct br_window {
  int kernel[2], stride[2], dilation[2]; /* rows, columns */
  int before[2], after[2];               /* padding above and below, left and right */
  int out[2];                            /* P, Q */
};

/* From the node's kernel, stride, dilation (absent: 1), padding and ceil (absent: no) attributes for an input of H x W. `same` pads as
 * TensorFlow does: the output is ceil(size / stride), what cannot be halved goes below and right. A number is PyTorch's padding, the
 * same on both sides. */
int br_window_find(const struct br_node *node, int H, int W, struct br_window *window);

#endif
