/* Kernels: the arithmetic of nets on float32, NHWC. This header is the wall between `kernel` and everything above it; the
 * table of function pointers per instruction set, the packing and the blocking are behind it.
 *
 * The one rule that makes the same bits on every machine: EVERY OUTPUT ELEMENT IS ONE CHAIN. A sum over k is
 * acc = 0; for k ascending: acc = fma(a_k, b_k, acc), whatever the blocking, the vector width or the thread; bias,
 * activation and residual come after the chain. Where one chain would be slow (sums over many rows), a fixed number of lanes,
 * combined in a fixed order, said at the function. exp, log, tanh and the like are our own. So the naive twin of each function
 * (br_ref_...) gives equal bits, and tests compare with memcmp.
 *
 * Every function computes the part `part` of its outputs; what it computes does not depend on how many parts there are.
 * Pointers are borrowed; outputs do not overlap inputs unless said. `work` is scratch of this thread, at least the bytes the
 * matching ..._work_bytes function says, aligned to BR_ALIGNMENT. No function allocates, fails or keeps state.
 * Thread-safe; Not collective. Shapes: N images, H x W, C channels in; P x Q, K channels out; R x S kernel. */
#ifndef BRAMBLE_KERNEL_KERNEL_H
#define BRAMBLE_KERNEL_KERNEL_H

#include <bramble/base/thread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Name of the table in use: "generic", "neon", "avx2", "avx512". */
const char *br_kernel_table_name(void);

/* --- activations --------------------------------------------------------------------------------------------------------- */

enum br_activation {
  BR_ACTIVATION_NONE,
  BR_ACTIVATION_RELU,
  BR_ACTIVATION_RELU6,
  BR_ACTIVATION_LEAKYRELU, /* alpha x below 0 */
  BR_ACTIVATION_SIGMOID,
  BR_ACTIVATION_HARDSIGMOID, /* min(max(x + 3, 0), 6) times the float nearest 1/6 */
  BR_ACTIVATION_HARDSWISH,   /* x times hardsigmoid(x) */
  BR_ACTIVATION_TANH,
  BR_ACTIVATION_SILU, /* x times sigmoid(x) */
  BR_ACTIVATION_ELU,  /* alpha (exp(x) - 1) below 0 */
  BR_ACTIVATION_GELU, /* x (1 + erf(x / sqrt 2)) / 2 */
  BR_ACTIVATION_SOFTPLUS,
  BR_ACTIVATION_EXP,
  BR_ACTIVATION_LOG,
  BR_ACTIVATION_COUNT
};

/* y[i] = f(x[i]); y may be x. */
void br_activation_forward(enum br_activation f, float alpha, const float *x, float *y, size_t n, struct br_part part);
/* dx[i] (+)= dy[i] f'(x[i]). x is read for the kinds where br_activation_needs_input says so, y for the others; the one not
 * read may be NULL. dx may be dy where `accumulate` is false. */
void br_activation_backward(enum br_activation f, float alpha, const float *x, const float *y, const float *dy, float *dx, bool accumulate, size_t n, struct br_part part);
bool br_activation_needs_input(enum br_activation f);
/* One value, the same bits as the arrays give; for tests and scalars. */
float br_activation_one(enum br_activation f, float alpha, float x);
float br_expf(float x);  /* within 1.02 ulp (all floats tried); 0 below -104, inf above 88.72 */
float br_logf(float x);  /* within 0.84 ulp (all floats tried); NaN below 0, -inf at 0 */
float br_erff(float x);

/* y[r,c] = x >= 0 ? x : alpha[c] x, and its gradients; dalpha[c] is summed over rows in 4 lanes (see br_column_sum).
 * dx and dalpha may be NULL: not wanted. */
void br_prelu_forward(const float *x, const float *alpha, float *y, size_t rows, size_t C, struct br_part part);
void br_prelu_backward(const float *x, const float *alpha, const float *dy, float *dx, bool accumulate, float *dalpha, size_t rows, size_t C, struct br_part part);

/* --- products ------------------------------------------------------------------------------------------------------------ */

/* What happens to a finished sum before it is stored: v = sum + bias[column]; v = v + residual[row, column]; v = f(v). */
struct br_epilogue {
  const float *bias;     /* one per column, or NULL */
  const float *residual; /* the shape and leading dimension of the output, or NULL */
  const float *mask;     /* likewise, for br_gemm without an activation: the output is 0 where it is not above 0 */
  enum br_activation activation;
  float alpha;
};

/* C[M,N] = epilogue(sum_k A[m,k] B[k,n]), or with `accumulate` C = fma chain continued from the old C (then no epilogue).
 * A is M x K with row stride lda, or K x M when trans_a; B is K x N with row stride ldb, or N x K when trans_b. */
struct br_gemm {
  size_t M, N, K;
  const float *A;
  size_t lda;
  bool trans_a;
  const float *B;
  size_t ldb;
  bool trans_b;
  float *C;
  size_t ldc;
  bool accumulate;
  struct br_epilogue epilogue; /* all zero: none */
};
size_t br_gemm_work_bytes(size_t M, size_t N, size_t K);
void br_gemm(const struct br_gemm *gemm, struct br_part part, void *work);

/* A 2-D convolution of x [N,H,W,C] with w [R,S,C/groups,K] to y [N,P,Q,K]. Rows below and to the right of the input that the
 * window reaches are zero, as are pad_top rows above and pad_left columns left of it. K-chain order: r, s, c ascending; padded
 * taps are part of the chain (fma with 0). Going back to the input, taps that fall between output pixels (stride) are not, those beyond
 * the output are; accumulating goes on from the old value. groups == C == K is depthwise (also groups == C with K = multiple of C). */
struct br_conv_shape {
  int N, H, W, C, K, R, S, P, Q;
  int stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, groups;
  int y_pixel; /* floats from pixel to pixel of y, its residual and its gradient: more than K where they are some channels of a wider tensor (not of a depthwise convolution); 0: K */
};
/* Scratch for any of the three functions below, per thread. */
size_t br_conv_work_bytes(const struct br_conv_shape *shape);
void br_conv_forward(const struct br_conv_shape *shape, const float *x, const float *w, float *y, const struct br_epilogue *epilogue, struct br_part part, void *work);
/* dx (+)= gradient. Chain per dx element: r, s ascending, k ascending within. */
void br_conv_backward_data(const struct br_conv_shape *shape, const float *dy, const float *w, float *dx, bool accumulate, struct br_part part, void *work);
/* dw = gradient, or its chain goes on from the old dw. Chain per dw element: output pixels n, p, q ascending. */
void br_conv_backward_weight(const struct br_conv_shape *shape, const float *x, const float *dy, float *dw, bool accumulate, struct br_part part, void *work);

/* --- sums over rows, batch norm ------------------------------------------------------------------------------------------ */

/* sum[c] = sum over rows of x[r,c], rows `row` floats apart: row r goes to lane r mod 4, each lane adds in row order, then (l0 + l1) + (l2 + l3). */
void br_column_sum(const float *x, size_t row, size_t rows, size_t C, float *sum, struct br_part part);
/* The lanes [4][C] of such a sum whose rows come in pieces: those of x follow `before` others, rows C floats apart. */
void br_column_lanes(const float *x, size_t rows, size_t C, size_t before, float *lanes, struct br_part part);

/* mean[c] and biased variance var[c] of the columns of x [rows, C]. mean = column sum / rows; var = column sum of
 * (x - mean)^2 (fma) / rows: two passes over data that should be in cache. */
void br_batchnorm_stats(const float *x, size_t rows, size_t C, float *mean, float *var, struct br_part part);
/* y = f((x - mean) scale + shift) with scale[c] = gamma / sqrt(var + eps), shift = beta; computed as fma(x - mean, scale, beta).
 * y may be x. (scale = gamma times inv_std, inv_std = 1 / sqrt(var + eps), so that the mask of the backward pass is the forward's.) */
void br_batchnorm_forward(const float *x, size_t rows, size_t C, const float *mean, const float *scale, const float *beta, enum br_activation f, float *y, struct br_part part);
/* With g = dy masked by the activation f (NONE, RELU or RELU6; the mask is taken from the recomputed output): dbeta[c] = sum g,
 * dgamma[c] = sum g xhat, xhat = (x - mean) inv_std. Lanes as br_column_sum. */
void br_batchnorm_backward_sums(const float *x, const float *dy, size_t rows, size_t C, const float *mean, const float *inv_std, const float *gamma, const float *beta, enum br_activation f, float *dgamma, float *dbeta, struct br_part part);
/* dx (+)= gamma inv_std (g - dbeta/rows - xhat dgamma/rows), g as above. dx may be dy where `accumulate` is false. */
void br_batchnorm_backward_data(const float *x, const float *dy, size_t rows, size_t C, const float *mean, const float *inv_std, const float *gamma, const float *beta, enum br_activation f, const float *dgamma, const float *dbeta, float *dx, bool accumulate, struct br_part part);

/* --- elementwise and broadcast ------------------------------------------------------------------------------------------- */

void br_copy(const float *x, float *y, bool accumulate, size_t n, struct br_part part); /* y (+)= x */
/* The gradient of what a relu has made: dy[r,c] = 0 where y[r,c] is not above 0, rows of both `row` floats apart. */
void br_relu_mask(const float *y, float *dy, size_t row, size_t rows, size_t C, struct br_part part);
void br_add(const float *a, const float *b, float *y, size_t n, struct br_part part);
void br_mul(const float *a, const float *b, float *y, bool accumulate, size_t n, struct br_part part);
void br_scale(const float *x, float factor, float *y, bool accumulate, size_t n, struct br_part part); /* y (+)= factor x */
/* Squeeze-excite: y[n,p,c] = x[n,p,c] s[n,c] for `rows` = pixels per image; gradients: dx (+)= dy s; ds (+)= sum over p of dy x
 * (4 lanes over p). */
void br_channel_mul(const float *x, const float *s, float *y, bool accumulate, size_t N, size_t rows, size_t C, struct br_part part);
void br_channel_mul_backward_scale(const float *x, const float *dy, float *ds, bool accumulate, size_t N, size_t rows, size_t C, struct br_part part);

/* --- pooling ------------------------------------------------------------------------------------------------------------- */

struct br_pool_shape {
  int N, H, W, C, R, S, P, Q;
  int stride_h, stride_w, pad_top, pad_left;
  bool count_include_pad; /* average: divide by R S, not by the pixels inside; a window that hangs over the padded edge (ceil mode) counts pads but not what lies beyond: */
  int pad_bottom, pad_right;
  bool relu; /* maximum: of max(x, 0), with R S at most 255; where none is above 0, argmax is BR_POOL_NONE, and so nothing goes back */
};
#define BR_POOL_NONE 255
/* Maximum; NaN wins. `argmax` (NULL in inference) gets r S + s of the first maximum as uint8 (R S at most 256). */
void br_maxpool_forward(const struct br_pool_shape *shape, const float *x, float *y, uint8_t *argmax, struct br_part part);
void br_maxpool_backward(const struct br_pool_shape *shape, const uint8_t *argmax, const float *dy, float *dx, bool accumulate, struct br_part part);
void br_avgpool_forward(const struct br_pool_shape *shape, const float *x, float *y, struct br_part part);
void br_avgpool_backward(const struct br_pool_shape *shape, const float *dy, float *dx, bool accumulate, struct br_part part);
/* y[n,c] = mean over the `rows` pixels of x[n,rows,c] (4 lanes over pixels), and back. */
void br_globalpool_forward(const float *x, float *y, size_t N, size_t rows, size_t C, struct br_part part);
void br_globalpool_backward(const float *dy, float *dx, bool accumulate, size_t N, size_t rows, size_t C, struct br_part part);

/* --- softmax and losses -------------------------------------------------------------------------------------------------- */

/* Rows of C: y = exp(x - max) / sum, the sum a single chain over c. y may be x. */
void br_softmax_forward(const float *x, float *y, size_t rows, size_t C, struct br_part part);
/* dx (+)= y (dy - sum_c dy y). */
void br_softmax_backward(const float *y, const float *dy, float *dx, bool accumulate, size_t rows, size_t C, struct br_part part);
/* Cross entropy of softmax(x) with label smoothing e: target = (1 - e) onehot + e / C; loss[r] = weight * -sum target log p,
 * weight = class_weight[label] (1 where NULL); dx[r,c] = scale weight (p - target) (NULL: not wanted). Labels are in range. */
void br_cross_entropy(const float *x, const int32_t *label, const float *class_weight, float smoothing, float scale, float *loss, float *dx, size_t rows, size_t C, struct br_part part);

/* --- training steps ------------------------------------------------------------------------------------------------------ */

/* sum[i] += round to nearest even(g[i] 2^shift) as int64, or without `more` sum[i] = that, whatever it was; returns the largest |g[i]| of the part, NaN if any is NaN. Where the
 * result is NaN or at least 2^(62 - shift) the sums are not to be used. shift 0 to 60. */
float br_grid_add(const float *g, int64_t *sum, bool more, int shift, size_t n, struct br_part part);
/* g[i] = (float)((double)sum[i] * factor); returns the largest |g[i]| of the part. */
float br_grid_get(const int64_t *sum, double factor, float *g, size_t n, struct br_part part);

/* One step of an optimiser over n values; decay is L2 added to the gradient for sgd and adam, decoupled for adamw. */
struct br_sgd {
  float lr, momentum, decay;
  bool nesterov;
};
/* v = momentum v + (g + decay w); w -= lr (nesterov ? g + decay w + momentum v : v). v may be NULL with momentum 0. (PyTorch's form.) */
void br_sgd_step(const struct br_sgd *sgd, float *w, const float *g, float *v, size_t n, struct br_part part);
struct br_adam {
  float lr, beta1, beta2, eps, decay;
  float correction1, correction2; /* 1 / (1 - beta^t), of the step t counted from 1 */
  bool decoupled;                 /* AdamW */
};
/* Kingma and Ba 2015; m, v of n. */
void br_adam_step(const struct br_adam *adam, float *w, const float *g, float *m, float *v, size_t n, struct br_part part);

/* LAMB's direction (You et al. 2020), which the tensor's norms then scale: m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) (g g);
 * g becomes m correction1 / (sqrt(v correction2) + eps) + decay w, nothing of it fused. lr and decoupled are not read. To squares[0] and [1] those of w
 * and of the direction are added, one after the other, which is why one thread does it all. */
void br_lamb_direction(const struct br_adam *adam, const float *w, float *g, float *m, float *v, double squares[2], size_t n);
/* w -= step g, not fused. */
void br_lamb_step(float step, float *w, const float *g, size_t n);

/* --- dropout ----------------------------------------------------------------------------------------------------------- */

/* Value i is at place p = place + i of the whole batch; its random word is number p mod 4 of br_random_block(seed, BR_RANDOM_DROPOUT, step, p / 4, 0). */
struct br_dropout {
  uint64_t seed, place;
  uint32_t step, threshold; /* values whose word is below it are dropped */
  float scale;              /* of the others */
};
/* y[i] (+)= 0 or x[i] scale. y may be x. */
void br_dropout(const struct br_dropout *dropout, const float *x, float *y, bool accumulate, size_t n, struct br_part part);

#endif
