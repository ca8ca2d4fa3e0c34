/* The inverted residual block of MobileNetV2 and its relatives, in training, as one kernel: expand 1x1, batch norm, ReLU6, depthwise
 * convolution, batch norm, ReLU6, project 1x1. (The last batch norm and the residual stay outside.)
 *
 * Everything between expand and project happens to each expanded channel alone, so a tile of channels of the whole micro-batch is
 * expanded, its exact statistics taken, normalised, filtered, normalised and added to the projection while it is in cache; the
 * backward pass computes it again. Memory sees x, y and their gradients only. The results have the bits of the same chain of
 * functions of kernel.h: with inv_std = 1 / sqrt(var + eps),
 *   h = gemm(x, w_expand); stats(h); a = batchnorm_forward(h, scale = gamma inv_std, RELU6); and so on.
 *
 * Where x has at most BR_NARROW_CHANNELS and at least BR_NARROW_PIXELS, so that the matrices between would be far larger than any cache, the first batch norm goes
 * another way, with other last bits: they are never written. From the mean m of x
 * (a column sum / rows) and its covariance S (float chains of (x - m) (x - m)' over BR_NARROW_ROWS rows each, summed in double, / rows), in double and ascending:
 *   u = S w_expand; mean1 = m w_expand; var1[e] = sum over c of w_expand[c,e] u[c,e], at least 0;
 *   v = w_expand scale; a = RELU6 of the chain that begins with fma(-mean1, scale, beta) and goes on with x v; and so on. Going back, with d the gradient of a:
 *   g = d where 0 < a < 6; dbeta1 = column sum of g; z = gemm(x', g) - m dbeta1; dgamma1[e] = inv_std sum over c of w_expand[c,e] z[c,e];
 *   dw_expand = scale (z - dgamma1 inv_std u); dx = gemm(g, v'), whose chain goes on with - (x - m) M, less a constant k, with
 *   M[d,c] = sum over e of w_expand[d,e] w_expand[c,e] scale inv_std dgamma1 / rows, k[c] = sum over e of w_expand[c,e] scale dbeta1 / rows.
 * Thread-safe; not collective; allocates nothing and cannot fail. */
#ifndef BRAMBLE_KERNEL_INVERTED_RESIDUAL_H
#define BRAMBLE_KERNEL_INVERTED_RESIDUAL_H

#include <bramble/kernel/kernel.h>

#define BR_NARROW_CHANNELS 16
#define BR_NARROW_PIXELS 2048 /* H W */
#define BR_NARROW_ROWS 128

struct br_inverted_residual {
  /* The depthwise convolution, C = K = groups = E the expanded channels, no dilation, kernel up to 11 x 11; its N, H, W, P, Q are the block's. */
  struct br_conv_shape depthwise;
  int C, K;    /* channels of x and y */
  bool expand; /* false: no expand and no first batch norm; x [N,H,W,E] goes to the depthwise convolution as it is, C = E */
  float eps;
  const float *x;           /* [N,H,W,C] */
  const float *w_expand;    /* [C,E] */
  const float *w_depthwise; /* [R,S,1,E] */
  const float *w_project;   /* [E,K] */
  const float *gamma1, *beta1, *gamma2, *beta2; /* [E] */
  float *mean1, *var1, *mean2, *var2;           /* [E]: batch statistics, written by forward, read by backward */
  float *y;                                     /* [N,P,Q,K], forward only */
  /* Narrow blocks: br_inverted_residual_moments doubles (m, S), written by forward, read by backward. */
  double *moments;
  /* NULL, and where the block is narrow: backward computes the tiles again from x. Else forward leaves them here and backward reads them: faster, where (N H W +
   * N P Q) E floats stay in cache or memory does not matter. The same bits either way. */
  float *keep;

  /* backward only; gradients of weights are not accumulated */
  const float *dy; /* [N,P,Q,K] */
  float *dx;       /* [N,H,W,C]; added to where accumulate_dx */
  bool accumulate_dx;
  float *dw_expand, *dgamma1, *dbeta1, *dw_depthwise, *dgamma2, *dbeta2, *dw_project;

  /* Where several threads share the work they call at the same time with the same contents, the same `work`, and one barrier for
   * part.count; NULL for one. */
  struct br_barrier *barrier;
};

/* Does the first batch norm go the other way? And the doubles of its moments, 0 where it does not. */
static inline bool br_inverted_residual_is_narrow(const struct br_inverted_residual *block) {
  return block->expand && block->C <= BR_NARROW_CHANNELS && (int64_t)block->depthwise.H * block->depthwise.W >= BR_NARROW_PIXELS;
}
static inline size_t br_inverted_residual_moments(const struct br_inverted_residual *block) {
  return br_inverted_residual_is_narrow(block) ? (size_t)block->C * ((size_t)block->C + 1) : 0;
}

/* Scratch shared by all `parts` threads of a call. Without the expand's pointers: only shapes are read. */
size_t br_inverted_residual_work_bytes(const struct br_inverted_residual *block, int parts);
void br_inverted_residual_forward(const struct br_inverted_residual *block, struct br_part part, void *work);
void br_inverted_residual_backward(const struct br_inverted_residual *block, struct br_part part, void *work);

#endif
