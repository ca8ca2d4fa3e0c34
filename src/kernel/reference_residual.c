/* The naive twin of the inverted residual block: the functions of reference.c, one after the other, by the first part alone. */
#include "reference.h"

#include <math.h>

#include "activation.h"

size_t br_ref_inverted_residual_work_bytes(const struct br_inverted_residual *b, int parts) {
  const struct br_conv_shape *d = &b->depthwise;
  size_t inner = (size_t)d->N * (size_t)(d->H * d->W) * (size_t)d->C, outer = (size_t)d->N * (size_t)(d->P * d->Q) * (size_t)d->C;
  (void)parts;
  return (3 * inner + 3 * outer + (2 + (size_t)b->C) * (size_t)d->C) * sizeof(float);
}

/* Scale and inv_std of every channel. */
static void scales(const float *gamma, const float *var, float eps, size_t C, float *scale, float *inv_std) {
  for (size_t c = 0; c < C; c++) {
    inv_std[c] = 1.0f / sqrtf(var[c] + eps);
    scale[c] = gamma[c] * inv_std[c];
  }
}

struct block_buffers {
  float *h1, *a1, *d1, *h2, *a2, *d2, *scale, *inv_std, *scaled;
  size_t inner, outer, E; /* rows before and after the filter; channels */
};

static struct block_buffers block_open(const struct br_inverted_residual *b, void *work) {
  const struct br_conv_shape *d = &b->depthwise;
  struct block_buffers o = {.E = (size_t)d->C, .inner = (size_t)(d->N * d->H * d->W), .outer = (size_t)(d->N * d->P * d->Q)};
  o.h1 = work, o.a1 = o.h1 + o.inner * o.E, o.d1 = o.a1 + o.inner * o.E;
  o.h2 = o.d1 + o.inner * o.E, o.a2 = o.h2 + o.outer * o.E, o.d2 = o.a2 + o.outer * o.E;
  o.scale = o.d2 + o.outer * o.E, o.inv_std = o.scale + o.E, o.scaled = o.inv_std + o.E;
  return o;
}

/* --- the first batch norm of narrow blocks --- */

static float less(float x, float y) { return (x - y) + 0.0f; } /* no -0 */

static void narrow_moments(const struct br_inverted_residual *b, const struct block_buffers *o) {
  const size_t C = (size_t)b->C;
  float mean[BR_NARROW_CHANNELS], unused[BR_NARROW_CHANNELS];
  br_ref_batchnorm_stats(b->x, o->inner, C, mean, unused, BR_PART_ALL);
  for (size_t c = 0; c < C; c++) b->moments[c] = (double)mean[c];
  for (size_t c = 0; c < C; c++)
    for (size_t d = 0; d < C; d++) {
      double sum = 0;
      for (size_t row = 0; row < o->inner; row += BR_NARROW_ROWS) {
        float chain = 0;
        for (size_t r = row; r < o->inner && r < row + BR_NARROW_ROWS; r++) chain = fmaf(less(b->x[r * C + c], mean[c]), less(b->x[r * C + d], mean[d]), chain);
        sum += (double)chain;
      }
      b->moments[C + c * C + d] = sum / (double)o->inner;
    }
}

/* u of channel c of x and expanded channel e. */
static double narrow_spread(const struct br_inverted_residual *b, size_t E, size_t c, size_t e) {
  double u = 0;
  for (size_t d = 0; d < (size_t)b->C; d++) u += b->moments[(size_t)b->C * (1 + c) + d] * (double)b->w_expand[d * E + e];
  return u;
}

static void narrow_statistics(const struct br_inverted_residual *b, size_t E) {
  for (size_t e = 0; e < E; e++) {
    double mean = 0, var = 0;
    for (size_t c = 0; c < (size_t)b->C; c++) {
      mean += b->moments[c] * (double)b->w_expand[c * E + e];
      var += (double)b->w_expand[c * E + e] * narrow_spread(b, E, c, e);
    }
    b->mean1[e] = (float)mean, b->var1[e] = (float)(var < 0 ? 0 : var);
  }
}

/* a1 and the weights with their scale. */
static void narrow_activate(const struct br_inverted_residual *b, const struct block_buffers *o) {
  const size_t C = (size_t)b->C;
  for (size_t i = 0; i < C * o->E; i++) o->scaled[i] = b->w_expand[i] * o->scale[i % o->E];
  for (size_t r = 0; r < o->inner; r++)
    for (size_t e = 0; e < o->E; e++) {
      float sum = fmaf(-b->mean1[e], o->scale[e], b->beta1[e]);
      for (size_t c = 0; c < C; c++) sum = fmaf(b->x[r * C + c], o->scaled[c * o->E + e], sum);
      o->a1[r * o->E + e] = br_activation_one(BR_ACTIVATION_RELU6, 0, sum);
    }
}

/* From d1, the gradient of a1: all that lies before it. */
static void narrow_backward(const struct br_inverted_residual *b, const struct block_buffers *o) {
  const size_t C = (size_t)b->C, E = o->E;
  const double rows = (double)o->inner;
  float *const g = o->d1;
  for (size_t i = 0; i < o->inner * E; i++) g[i] = o->a1[i] > 0 && o->a1[i] < 6 ? o->d1[i] : 0;
  br_ref_column_sum(g, E, o->inner, E, b->dbeta1, BR_PART_ALL);
  struct br_gemm product = {.M = C, .N = E, .K = o->inner, .A = b->x, .lda = C, .trans_a = true, .B = g, .ldb = E, .C = b->dw_expand, .ldc = E};
  br_ref_gemm(&product, BR_PART_ALL, NULL);
  for (size_t e = 0; e < E; e++) {
    double sum = 0;
    for (size_t c = 0; c < C; c++) sum += (double)b->w_expand[c * E + e] * ((double)b->dw_expand[c * E + e] - b->moments[c] * (double)b->dbeta1[e]);
    b->dgamma1[e] = (float)(sum * (double)o->inv_std[e]);
    for (size_t c = 0; c < C; c++) {
      const double z = (double)b->dw_expand[c * E + e] - b->moments[c] * (double)b->dbeta1[e];
      b->dw_expand[c * E + e] = (float)((double)o->scale[e] * (z - (double)b->dgamma1[e] * (double)o->inv_std[e] * narrow_spread(b, E, c, e)));
    }
  }
  struct br_gemm dx = {.M = o->inner, .N = C, .K = E, .A = g, .lda = E, .B = o->scaled, .ldb = E, .trans_b = true, .C = b->dx, .ldc = C, .accumulate = b->accumulate_dx};
  br_ref_gemm(&dx, BR_PART_ALL, NULL);
  for (size_t c = 0; c < C; c++) {
    double matrix[BR_NARROW_CHANNELS] = {0}, constant = 0;
    for (size_t e = 0; e < E; e++) {
      const double scale = (double)o->scale[e], w = (double)b->w_expand[c * E + e];
      for (size_t d = 0; d < C; d++) matrix[d] += (double)b->w_expand[d * E + e] * (scale * (double)o->inv_std[e] * (double)b->dgamma1[e] / rows) * w;
      constant += w * (scale * (double)b->dbeta1[e] / rows);
    }
    for (size_t r = 0; r < o->inner; r++) {
      float sum = b->dx[r * C + c];
      for (size_t d = 0; d < C; d++) sum = fmaf(less(b->x[r * C + d], (float)b->moments[d]), (float)-matrix[d], sum);
      b->dx[r * C + c] = less(sum, (float)constant);
    }
  }
}

/* --- the block --- */

/* h1, a1, h2, a2; with statistics where forward. */
static void block_inner(const struct br_inverted_residual *b, const struct block_buffers *o, bool forward) {
  const float *in = b->x;
  if (br_inverted_residual_is_narrow(b)) {
    if (forward) narrow_moments(b, o), narrow_statistics(b, o->E);
    scales(b->gamma1, b->var1, b->eps, o->E, o->scale, o->inv_std);
    narrow_activate(b, o);
    in = o->a1;
  } else if (b->expand) {
    struct br_gemm g = {.M = o->inner, .N = o->E, .K = (size_t)b->C, .A = b->x, .lda = (size_t)b->C, .B = b->w_expand, .ldb = o->E, .C = o->h1, .ldc = o->E};
    br_ref_gemm(&g, BR_PART_ALL, NULL);
    if (forward) br_ref_batchnorm_stats(o->h1, o->inner, o->E, b->mean1, b->var1, BR_PART_ALL);
    scales(b->gamma1, b->var1, b->eps, o->E, o->scale, o->inv_std);
    br_ref_batchnorm_forward(o->h1, o->inner, o->E, b->mean1, o->scale, b->beta1, BR_ACTIVATION_RELU6, o->a1, BR_PART_ALL);
    in = o->a1;
  }
  br_ref_conv_forward(&b->depthwise, in, b->w_depthwise, o->h2, NULL, BR_PART_ALL, NULL);
  if (forward) br_ref_batchnorm_stats(o->h2, o->outer, o->E, b->mean2, b->var2, BR_PART_ALL);
  scales(b->gamma2, b->var2, b->eps, o->E, o->scale, o->inv_std);
  br_ref_batchnorm_forward(o->h2, o->outer, o->E, b->mean2, o->scale, b->beta2, BR_ACTIVATION_RELU6, o->a2, BR_PART_ALL);
}

void br_ref_inverted_residual_forward(const struct br_inverted_residual *b, struct br_part part, void *work) {
  if (part.index > 0) return;
  struct block_buffers o = block_open(b, work);
  size_t K = (size_t)b->K;
  block_inner(b, &o, true);
  struct br_gemm g = {.M = o.outer, .N = K, .K = o.E, .A = o.a2, .lda = o.E, .B = b->w_project, .ldb = K, .C = b->y, .ldc = K};
  br_ref_gemm(&g, BR_PART_ALL, NULL);
}

void br_ref_inverted_residual_backward(const struct br_inverted_residual *b, struct br_part part, void *work) {
  if (part.index > 0) return;
  struct block_buffers o = block_open(b, work);
  size_t K = (size_t)b->K, C = (size_t)b->C;
  block_inner(b, &o, false);
  struct br_gemm dw = {.M = o.E, .N = K, .K = o.outer, .A = o.a2, .lda = o.E, .trans_a = true, .B = b->dy, .ldb = K, .C = b->dw_project, .ldc = K};
  br_ref_gemm(&dw, BR_PART_ALL, NULL);
  struct br_gemm da = {.M = o.outer, .N = o.E, .K = K, .A = b->dy, .lda = K, .B = b->w_project, .ldb = K, .trans_b = true, .C = o.d2, .ldc = o.E};
  br_ref_gemm(&da, BR_PART_ALL, NULL);
  scales(b->gamma2, b->var2, b->eps, o.E, o.scale, o.inv_std);
  br_ref_batchnorm_backward_sums(o.h2, o.d2, o.outer, o.E, b->mean2, o.inv_std, b->gamma2, b->beta2, BR_ACTIVATION_RELU6, b->dgamma2, b->dbeta2, BR_PART_ALL);
  br_ref_batchnorm_backward_data(o.h2, o.d2, o.outer, o.E, b->mean2, o.inv_std, b->gamma2, b->beta2, BR_ACTIVATION_RELU6, b->dgamma2, b->dbeta2, o.d2, false, BR_PART_ALL);
  br_ref_conv_backward_weight(&b->depthwise, b->expand ? o.a1 : b->x, o.d2, b->dw_depthwise, false, BR_PART_ALL, NULL);
  if (!b->expand) {
    br_ref_conv_backward_data(&b->depthwise, o.d2, b->w_depthwise, b->dx, b->accumulate_dx, BR_PART_ALL, NULL);
    return;
  }
  br_ref_conv_backward_data(&b->depthwise, o.d2, b->w_depthwise, o.d1, false, BR_PART_ALL, NULL);
  scales(b->gamma1, b->var1, b->eps, o.E, o.scale, o.inv_std);
  if (br_inverted_residual_is_narrow(b)) {
    narrow_backward(b, &o);
    return;
  }
  br_ref_batchnorm_backward_sums(o.h1, o.d1, o.inner, o.E, b->mean1, o.inv_std, b->gamma1, b->beta1, BR_ACTIVATION_RELU6, b->dgamma1, b->dbeta1, BR_PART_ALL);
  br_ref_batchnorm_backward_data(o.h1, o.d1, o.inner, o.E, b->mean1, o.inv_std, b->gamma1, b->beta1, BR_ACTIVATION_RELU6, b->dgamma1, b->dbeta1, o.d1, false, BR_PART_ALL);
  struct br_gemm de = {.M = C, .N = o.E, .K = o.inner, .A = b->x, .lda = C, .trans_a = true, .B = o.d1, .ldb = o.E, .C = b->dw_expand, .ldc = o.E};
  br_ref_gemm(&de, BR_PART_ALL, NULL);
  struct br_gemm dx = {.M = o.inner, .N = C, .K = o.E, .A = o.d1, .lda = o.E, .B = b->w_expand, .ldb = o.E, .trans_b = true, .C = b->dx, .ldc = C, .accumulate = b->accumulate_dx};
  br_ref_gemm(&dx, BR_PART_ALL, NULL);
}
