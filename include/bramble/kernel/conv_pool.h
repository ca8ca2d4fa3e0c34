/* A convolution, ReLU and a maximum over windows side by side, in training, as one kernel: what small nets begin with.
 *
 * Only the pixel that a window has chosen gets a gradient, and only where it is above zero: of the convolution's output, pool_h pool_w times as
 * large as y, nothing is stored, and the backward pass does that much less arithmetic. The results have the bits of
 *   conv_forward with bias and RELU; maxpool_forward; and, going back, maxpool_backward; activation_backward; column_sum;
 *   conv_backward_weight; conv_backward_data
 * with the terms left out whose factor is the zero of a pixel not chosen (so a sum that underflows may be -0 for 0).
 * Thread-safe; not collective; allocates nothing and cannot fail. */
#ifndef BRAMBLE_KERNEL_CONV_POOL_H
#define BRAMBLE_KERNEL_CONV_POOL_H

#include <bramble/kernel/kernel.h>

#define BR_CONV_POOL_MOST 16 /* pixels of a window */

struct br_conv_pool {
  struct br_conv_shape conv; /* groups and dilations 1 */
  int pool_h, pool_w;        /* the window, which is also its stride; P / pool_h x Q / pool_w windows, no pixel beyond them is used */
  const float *x;            /* [N,H,W,C] */
  const float *w;            /* [R,S,C,K] */
  const float *bias;         /* [K] or NULL */
  float *y;                  /* [N, P / pool_h, Q / pool_w, K], forward only */
  uint8_t *chosen;           /* like y; written by forward, read by backward: a pool_w + b of the first maximum, BR_POOL_NONE where it is not above 0 */

  /* backward only; gradients of weights are not accumulated; NULL: not wanted */
  const float *dy;
  float *dx; /* [N,H,W,C]; added to where accumulate_dx */
  bool accumulate_dx;
  float *dw, *dbias;
};

/* Scratch of each thread. Only shapes are read. */
size_t br_conv_pool_work_bytes(const struct br_conv_pool *block);
void br_conv_pool_forward(const struct br_conv_pool *block, struct br_part part, void *work);
void br_conv_pool_backward(const struct br_conv_pool *block, struct br_part part, void *work);

#endif
