/* The naive twins: every function of kernel.h as plainly as it can be written, one chain per output element. They are what the
 * fast kernels are tested against, and the definition where the words of kernel.h leave room (the tests compare bits). */
#include "reference.h"

#include <math.h>
#include <string.h>

#include "activation.h"
#include "kernels.h"
#include "scalar_math.h"

static float activate(enum br_activation f, float x) { return br_activation_one(f, 0, x); }

static float finish(const struct br_epilogue *e, float sum, size_t column, size_t index) {
  if (!e) return sum;
  if (e->bias) sum += e->bias[column];
  if (e->residual) sum += e->residual[index];
  if (e->mask && !(e->mask[index] > 0)) return 0;
  return br_activation_one(e->activation, e->alpha, sum);
}

/* What the four lanes of a sum over rows come to. */
static float lanes_sum(const float lane[4]) { return (lane[0] + lane[1]) + (lane[2] + lane[3]); }

static void put(float *place, float value, bool accumulate) { *place = accumulate ? *place + value : value; }

/* --- activations --- */

void br_ref_activation_forward(enum br_activation f, float alpha, const float *x, float *y, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) y[i] = br_activation_one(f, alpha, x[i]);
}

void br_ref_activation_backward(enum br_activation f, float alpha, const float *x, const float *y, const float *dy, float *dx, bool accumulate, size_t n, struct br_part part) {
  size_t first, last;
  bool input = br_activation_needs_input(f);
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    float slope = br__activation_slope(f, alpha, input ? x[i] : 0, input ? 0 : y[i]);
    dx[i] = accumulate ? fmaf(dy[i], slope, dx[i]) : dy[i] * slope;
  }
}

void br_ref_prelu_forward(const float *x, const float *alpha, float *y, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t c = 0; c < C; c++) y[r * C + c] = x[r * C + c] >= 0 ? x[r * C + c] : alpha[c] * x[r * C + c];
}

void br_ref_prelu_backward(const float *x, const float *alpha, const float *dy, float *dx, bool accumulate, float *dalpha, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, C, 1, &first, &last);
  for (size_t c = first; c < last; c++) {
    float lane[4] = {0};
    for (size_t r = 0; r < rows; r++) {
      size_t i = r * C + c;
      float slope = x[i] >= 0 ? 1.0f : alpha[c];
      lane[r % 4] = fmaf(dy[i], x[i] >= 0 ? 0.0f : x[i], lane[r % 4]);
      if (dx) dx[i] = accumulate ? fmaf(dy[i], slope, dx[i]) : dy[i] * slope;
    }
    if (dalpha) dalpha[c] = lanes_sum(lane);
  }
}

/* --- products --- */

size_t br_ref_gemm_work_bytes(size_t M, size_t N, size_t K) {
  (void)M, (void)N, (void)K;
  return 0;
}

void br_ref_gemm(const struct br_gemm *g, struct br_part part, void *work) {
  size_t first, last;
  (void)work;
  br_part_range(part, g->M, 1, &first, &last);
  for (size_t m = first; m < last; m++)
    for (size_t n = 0; n < g->N; n++) {
      float sum = g->accumulate ? g->C[m * g->ldc + n] : 0;
      for (size_t k = 0; k < g->K; k++)
        sum = fmaf(g->A[g->trans_a ? k * g->lda + m : m * g->lda + k], g->B[g->trans_b ? n * g->ldb + k : k * g->ldb + n], sum);
      g->C[m * g->ldc + n] = g->accumulate ? sum : finish(&g->epilogue, sum, n, m * g->ldc + n);
    }
}

size_t br_ref_conv_work_bytes(const struct br_conv_shape *shape) {
  (void)shape;
  return 0;
}

/* Element (n, h, w, c) of a tensor [.,H,W,C], 0 outside. */
static float pixel(const float *x, int H, int W, int C, int n, int h, int w, int c) {
  return h < 0 || w < 0 || h >= H || w >= W ? 0 : x[(((size_t)n * (size_t)H + (size_t)h) * (size_t)W + (size_t)w) * (size_t)C + (size_t)c];
}

/* Index of weight (r, s, c, k), c counted inside the group. */
static size_t weight(const struct br_conv_shape *d, int r, int s, int c, int k) {
  return (((size_t)r * (size_t)d->S + (size_t)s) * (size_t)(d->C / d->groups) + (size_t)c) * (size_t)d->K + (size_t)k;
}

static int y_pixel(const struct br_conv_shape *d) { return d->y_pixel ? d->y_pixel : d->K; }

void br_ref_conv_forward(const struct br_conv_shape *d, const float *x, const float *w, float *y, const struct br_epilogue *epilogue, struct br_part part, void *work) {
  size_t first, last;
  int Cg = d->C / d->groups, Kg = d->K / d->groups;
  (void)work;
  br_part_range(part, (size_t)d->N * (size_t)d->P * (size_t)d->Q, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    int n = (int)(i / (size_t)d->Q / (size_t)d->P), p = (int)(i / (size_t)d->Q) % d->P, q = (int)(i % (size_t)d->Q);
    for (int k = 0; k < d->K; k++) {
      float sum = 0;
      for (int r = 0; r < d->R; r++)
        for (int s = 0; s < d->S; s++)
          for (int c = 0; c < Cg; c++)
            sum = fmaf(pixel(x, d->H, d->W, d->C, n, p * d->stride_h - d->pad_top + r * d->dilation_h, q * d->stride_w - d->pad_left + s * d->dilation_w, k / Kg * Cg + c), w[weight(d, r, s, c, k)], sum);
      size_t out = i * (size_t)y_pixel(d) + (size_t)k;
      y[out] = finish(epilogue, sum, (size_t)k, out);
    }
  }
}

size_t br_ref_infer_packed_floats(const struct br_conv_shape *d) { return (size_t)d->R * (size_t)d->S * (size_t)(d->C / d->groups) * (size_t)d->K; }

void br_ref_infer_pack(const struct br_conv_shape *d, const float *w, float *packed, struct br_part part) {
  if (part.index == 0) memcpy(packed, w, br_ref_infer_packed_floats(d) * sizeof *packed);
}

size_t br_ref_infer_conv_work_bytes(const struct br_conv_shape *d) { return (size_t)d->N * (size_t)d->P * (size_t)d->Q * (size_t)d->K * sizeof(float); }

/* The ordinary convolution, its pixels put where they belong. */
void br_ref_infer_conv(const struct br_infer_conv *conv, struct br_part part, void *work) {
  const size_t pixels = br_ref_infer_conv_work_bytes(&conv->shape) / sizeof(float) / (size_t)conv->shape.K, K = (size_t)conv->shape.K;
  br_ref_conv_forward(&conv->shape, conv->x, conv->packed, work, &conv->epilogue, part, NULL);
  for (size_t i = 0; i < pixels; i++) memcpy(conv->y + i * conv->y_pixel, (float *)work + i * K, K * sizeof(float));
}

/* Winograd's transforms along one side of a tile, as matrices in the order of operations of winograd.inc. */
static void winograd_in(int side, float x[6]) {
  if (side == 4) {
    const float first = x[0] - x[2], last = x[1] - x[3], sum = x[1] + x[2], difference = x[2] - x[1];
    x[0] = first, x[1] = sum, x[2] = difference, x[3] = last;
    return;
  }
  const float a = fmaf(-4, x[2], x[4]), b = fmaf(-4, x[1], x[3]), c = x[4] - x[2], d = x[3] - x[1], first = fmaf(4, x[0], fmaf(-5, x[2], x[4])), last = fmaf(4, x[1], fmaf(-5, x[3], x[5]));
  x[0] = first, x[1] = a + b, x[2] = a - b, x[3] = fmaf(2, d, c), x[4] = fmaf(-2, d, c), x[5] = last;
}

static void winograd_out(struct br_winograd_form form, const float m[6], float y[4]) {
  const float s = m[1] + m[2], d = m[1] - m[2], t = m[3] + m[4], e = m[3] - m[4];
  if (form.side == 4)
    y[0] = m[0] + s, y[1] = d - m[3];
  else if (form.outputs == 2)
    y[0] = (m[0] + s) + t, y[1] = fmaf(2, e, d) + m[5];
  else
    y[0] = (m[0] + s) + t, y[1] = fmaf(2, e, d), y[2] = fmaf(4, t, s), y[3] = fmaf(8, e, d) + m[5];
}

static void winograd_weights(int side, int taps, const double g[5], double u[6]) {
  const double even = g[0] + g[2] + g[4], odd = g[1] + g[3], wide = g[0] / 24 + g[2] / 6 + g[4] * 2 / 3, far = g[1] / 12 + g[3] / 3;
  if (side == 4)
    u[0] = g[0], u[1] = (even + odd) / 2, u[2] = (even - odd) / 2, u[3] = g[2];
  else
    u[0] = g[0] / 4, u[1] = -(even + odd) / 6, u[2] = -(even - odd) / 6, u[3] = wide + far, u[4] = wide - far, u[5] = g[taps - 1];
}

size_t br_ref_winograd_packed_floats(const struct br_conv_shape *d) {
  const size_t side = (size_t)br_winograd_form(d).side;
  return side * side * (size_t)d->C * (size_t)d->K;
}

size_t br_ref_winograd_work_bytes(const struct br_conv_shape *d) { return 0 * (size_t)d->N; }

/* packed[place][c][k]. */
void br_ref_winograd_pack(const struct br_conv_shape *d, const float *w, float *packed, struct br_part part) {
  const int side = br_winograd_form(d).side;
  for (int c = 0; c < d->C && part.index == 0; c++)
    for (int k = 0; k < d->K; k++) {
      double half[6][5] = {{0}}, u[6]; /* [place along a row][kernel row] */
      for (int r = 0; r < d->R; r++) {
        double row[5] = {0};
        for (int s = 0; s < d->S; s++) row[s] = (double)w[weight(d, r, s, c, k)];
        winograd_weights(side, d->R, row, u);
        for (int s = 0; s < side; s++) half[s][r] = u[s];
      }
      for (int s = 0; s < side; s++) {
        winograd_weights(side, d->R, half[s], u);
        for (int r = 0; r < side; r++) packed[((size_t)(r * side + s) * (size_t)d->C + (size_t)c) * (size_t)d->K + (size_t)k] = (float)u[r];
      }
    }
}

/* One output channel of one tile, whose first output is (p, q). */
static void winograd_tile(const struct br_infer_conv *conv, struct br_winograd_form form, int n, int p, int q, int k) {
  const struct br_conv_shape *d = &conv->shape;
  const int side = form.side;
  float m[6][6] = {{0}}, half[4][6], v[6] = {0}, y[4];
  for (int c = 0; c < d->C; c++) {
    float t[6][6];
    for (int s = 0; s < side; s++) {
      for (int r = 0; r < side; r++) v[r] = pixel(conv->x, d->H, d->W, d->C, n, p - d->pad_top + r, q - d->pad_left + s, c);
      winograd_in(side, v);
      for (int r = 0; r < side; r++) t[r][s] = v[r];
    }
    for (int r = 0; r < side; r++) {
      winograd_in(side, t[r]);
      for (int s = 0; s < side; s++) m[r][s] = fmaf(t[r][s], conv->packed[((size_t)(r * side + s) * (size_t)d->C + (size_t)c) * (size_t)d->K + (size_t)k], m[r][s]);
    }
  }
  for (int s = 0; s < side; s++) {
    for (int r = 0; r < side; r++) v[r] = m[r][s];
    winograd_out(form, v, y);
    for (int r = 0; r < form.outputs; r++) half[r][s] = y[r];
  }
  for (int r = 0; r < form.outputs && p + r < d->P; r++) {
    winograd_out(form, half[r], y);
    for (int s = 0; s < form.outputs && q + s < d->Q; s++) {
      size_t at = ((size_t)n * (size_t)d->P + (size_t)(p + r)) * (size_t)d->Q + (size_t)(q + s);
      conv->y[at * conv->y_pixel + (size_t)k] = finish(&conv->epilogue, y[s], (size_t)k, at * (size_t)d->K + (size_t)k);
    }
  }
}

void br_ref_winograd_conv(const struct br_infer_conv *conv, struct br_part part, void *work) {
  const struct br_conv_shape *d = &conv->shape;
  const struct br_winograd_form form = br_winograd_form(d);
  (void)work;
  for (int n = 0; n < d->N && part.index == 0; n++)
    for (int p = 0; p < d->P; p += form.outputs)
      for (int q = 0; q < d->Q; q += form.outputs)
        for (int k = 0; k < d->K; k++) winograd_tile(conv, form, n, p, q, k);
}

void br_ref_conv_backward_data(const struct br_conv_shape *d, const float *dy, const float *w, float *dx, bool accumulate, struct br_part part, void *work) {
  size_t first, last;
  int Cg = d->C / d->groups, Kg = d->K / d->groups;
  (void)work;
  br_part_range(part, (size_t)d->N * (size_t)d->H * (size_t)d->W, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    int n = (int)(i / (size_t)d->W / (size_t)d->H), h = (int)(i / (size_t)d->W) % d->H, v = (int)(i % (size_t)d->W);
    for (int c = 0; c < d->C; c++) {
      float sum = accumulate ? dx[i * (size_t)d->C + (size_t)c] : 0;
      for (int r = 0; r < d->R; r++)
        for (int s = 0; s < d->S; s++) {
          int p = h + d->pad_top - r * d->dilation_h, q = v + d->pad_left - s * d->dilation_w;
          if (p % d->stride_h != 0 || q % d->stride_w != 0) continue; /* this tap never meets this pixel */
          for (int k = 0; k < Kg; k++)
            sum = fmaf(pixel(dy, d->P, d->Q, y_pixel(d), n, p / d->stride_h, q / d->stride_w, c / Cg * Kg + k), w[weight(d, r, s, c % Cg, c / Cg * Kg + k)], sum);
        }
      dx[i * (size_t)d->C + (size_t)c] = sum;
    }
  }
}

void br_ref_conv_backward_weight(const struct br_conv_shape *d, const float *x, const float *dy, float *dw, bool accumulate, struct br_part part, void *work) {
  size_t first, last;
  int Cg = d->C / d->groups, Kg = d->K / d->groups;
  (void)work;
  br_part_range(part, (size_t)d->K, 1, &first, &last);
  for (int r = 0; r < d->R; r++)
    for (int s = 0; s < d->S; s++)
      for (int c = 0; c < Cg; c++)
        for (int k = (int)first; k < (int)last; k++) {
          float sum = accumulate ? dw[weight(d, r, s, c, k)] : 0;
          for (int n = 0; n < d->N; n++)
            for (int p = 0; p < d->P; p++)
              for (int q = 0; q < d->Q; q++)
                sum = fmaf(pixel(x, d->H, d->W, d->C, n, p * d->stride_h - d->pad_top + r * d->dilation_h, q * d->stride_w - d->pad_left + s * d->dilation_w, k / Kg * Cg + c), pixel(dy, d->P, d->Q, y_pixel(d), n, p, q, k), sum);
          dw[weight(d, r, s, c, k)] = sum;
        }
}

/* --- sums over rows, batch norm --- */

void br_ref_column_sum(const float *x, size_t row, size_t rows, size_t C, float *sum, struct br_part part) {
  size_t first, last;
  br_part_range(part, C, 1, &first, &last);
  for (size_t c = first; c < last; c++) {
    float lane[4] = {0};
    for (size_t r = 0; r < rows; r++) lane[r % 4] += x[r * row + c];
    sum[c] = lanes_sum(lane);
  }
}

void br_ref_column_lanes(const float *x, size_t rows, size_t C, size_t before, float *lanes, struct br_part part) {
  size_t first, last;
  br_part_range(part, C, 1, &first, &last);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = first; c < last; c++) lanes[(before + r) % 4 * C + c] += x[r * C + c];
}

void br_ref_batchnorm_stats(const float *x, size_t rows, size_t C, float *mean, float *var, struct br_part part) {
  size_t first, last;
  br_part_range(part, C, 1, &first, &last);
  br_ref_column_sum(x, C, rows, C, mean, part);
  for (size_t c = first; c < last; c++) {
    float lane[4] = {0};
    mean[c] /= (float)rows;
    for (size_t r = 0; r < rows; r++) lane[r % 4] = fmaf(x[r * C + c] - mean[c], x[r * C + c] - mean[c], lane[r % 4]);
    var[c] = lanes_sum(lane) / (float)rows;
  }
}

void br_ref_batchnorm_forward(const float *x, size_t rows, size_t C, const float *mean, const float *scale, const float *beta, enum br_activation f, float *y, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t c = 0; c < C; c++) y[r * C + c] = activate(f, fmaf(x[r * C + c] - mean[c], scale[c], beta[c]));
}

/* dy where the activation let the value through, else 0. */
static float masked(enum br_activation f, float dy, float distance, float scale, float beta) {
  float z = fmaf(distance, scale, beta);
  if (f == BR_ACTIVATION_RELU) return z > 0 ? dy : 0;
  if (f == BR_ACTIVATION_RELU6) return z > 0 && z < 6.0f ? dy : 0;
  return dy;
}

void br_ref_batchnorm_backward_sums(const float *x, const float *dy, size_t rows, size_t C, const float *mean, const float *inv_std, const float *gamma, const float *beta, enum br_activation f, float *dgamma, float *dbeta, struct br_part part) {
  size_t first, last;
  br_part_range(part, C, 1, &first, &last);
  for (size_t c = first; c < last; c++) {
    float products[4] = {0}, sums[4] = {0};
    for (size_t r = 0; r < rows; r++) {
      float distance = x[r * C + c] - mean[c], g = masked(f, dy[r * C + c], distance, gamma[c] * inv_std[c], beta[c]);
      products[r % 4] = fmaf(g, distance, products[r % 4]);
      sums[r % 4] += g;
    }
    dgamma[c] = lanes_sum(products) * inv_std[c];
    dbeta[c] = lanes_sum(sums);
  }
}

void br_ref_batchnorm_backward_data(const float *x, const float *dy, size_t rows, size_t C, const float *mean, const float *inv_std, const float *gamma, const float *beta, enum br_activation f, const float *dgamma, const float *dbeta, float *dx, bool accumulate, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t c = 0; c < C; c++) {
      size_t i = r * C + c;
      float scale = gamma[c] * inv_std[c], offset = dbeta[c] / (float)rows, tilt = dgamma[c] / (float)rows * inv_std[c];
      float distance = x[i] - mean[c], g = masked(f, dy[i], distance, scale, beta[c]);
      float centred = fmaf(-distance, tilt, g - offset);
      dx[i] = accumulate ? fmaf(centred, scale, dx[i]) : centred * scale;
    }
}

/* --- elementwise and broadcast --- */

void br_ref_copy(const float *x, float *y, bool accumulate, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) put(&y[i], x[i], accumulate);
}

void br_ref_relu_mask(const float *y, float *dy, size_t row, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t c = 0; c < C; c++)
      if (!(y[r * row + c] > 0)) dy[r * row + c] = 0;
}

void br_ref_add(const float *a, const float *b, float *y, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) y[i] = a[i] + b[i];
}

void br_ref_mul(const float *a, const float *b, float *y, bool accumulate, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) y[i] = accumulate ? fmaf(a[i], b[i], y[i]) : a[i] * b[i];
}

void br_ref_scale(const float *x, float factor, float *y, bool accumulate, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) y[i] = accumulate ? fmaf(x[i], factor, y[i]) : x[i] * factor;
}

void br_ref_channel_mul(const float *x, const float *s, float *y, bool accumulate, size_t N, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, N * rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t c = 0; c < C; c++) {
      float factor = s[r / rows * C + c];
      y[r * C + c] = accumulate ? fmaf(x[r * C + c], factor, y[r * C + c]) : x[r * C + c] * factor;
    }
}

void br_ref_channel_mul_backward_scale(const float *x, const float *dy, float *ds, bool accumulate, size_t N, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, N * C, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    float lane[4] = {0};
    for (size_t r = 0; r < rows; r++) {
      size_t j = (i / C * rows + r) * C + i % C;
      lane[r % 4] = fmaf(dy[j], x[j], lane[r % 4]);
    }
    put(&ds[i], lanes_sum(lane), accumulate);
  }
}

/* --- pooling --- */

void br_ref_maxpool_forward(const struct br_pool_shape *d, const float *x, float *y, uint8_t *argmax, struct br_part part) {
  size_t first, last;
  br_part_range(part, (size_t)d->N * (size_t)d->P * (size_t)d->Q, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    int n = (int)(i / (size_t)d->Q / (size_t)d->P), p = (int)(i / (size_t)d->Q) % d->P, q = (int)(i % (size_t)d->Q);
    for (int c = 0; c < d->C; c++) {
      float best = -BR__INFINITY;
      int tap = -1;
      for (int r = 0; r < d->R; r++)
        for (int s = 0; s < d->S; s++) {
          int h = p * d->stride_h - d->pad_top + r, w = q * d->stride_w - d->pad_left + s;
          if (h < 0 || w < 0 || h >= d->H || w >= d->W) continue;
          float value = pixel(x, d->H, d->W, d->C, n, h, w, c);
          if (d->relu) value = activate(BR_ACTIVATION_RELU, value);
          if (tap >= 0 && !(value > best || value != value)) continue;
          best = value;
          tap = r * d->S + s;
        }
      y[i * (size_t)d->C + (size_t)c] = best;
      if (argmax) argmax[i * (size_t)d->C + (size_t)c] = d->relu && !(best > 0) ? BR_POOL_NONE : (uint8_t)tap;
    }
  }
}

/* The gradient of input element (n, h, w, c): what each window that covers it gives, in the order of the windows. */
static float pool_gradient(const struct br_pool_shape *d, const uint8_t *argmax, const float *dy, float sum, int n, int h, int w, int c);

static void pool_backward(const struct br_pool_shape *d, const uint8_t *argmax, const float *dy, float *dx, bool accumulate, struct br_part part) {
  size_t first, last;
  br_part_range(part, (size_t)d->N * (size_t)d->H * (size_t)d->W, 1, &first, &last);
  for (size_t i = first; i < last; i++)
    for (int c = 0; c < d->C; c++) {
      float *place = &dx[i * (size_t)d->C + (size_t)c];
      int n = (int)(i / (size_t)d->W / (size_t)d->H), h = (int)(i / (size_t)d->W) % d->H, w = (int)(i % (size_t)d->W);
      *place = pool_gradient(d, argmax, dy, accumulate ? *place : 0, n, h, w, c);
    }
}

/* How many pixels an average is over. */
static float pool_count(const struct br_pool_shape *d, int p, int q) {
  int top = p * d->stride_h - d->pad_top, left = q * d->stride_w - d->pad_left, bottom = top + d->R, right = left + d->S;
  int low_h = d->count_include_pad ? -d->pad_top : 0, high_h = d->count_include_pad ? d->H + d->pad_bottom : d->H;
  int low_w = d->count_include_pad ? -d->pad_left : 0, high_w = d->count_include_pad ? d->W + d->pad_right : d->W;
  int height = (bottom < high_h ? bottom : high_h) - (top > low_h ? top : low_h);
  int width = (right < high_w ? right : high_w) - (left > low_w ? left : low_w);
  return (float)(height * width);
}

static float pool_gradient(const struct br_pool_shape *d, const uint8_t *argmax, const float *dy, float sum, int n, int h, int w, int c) {
  for (int p = 0; p < d->P; p++)
    for (int q = 0; q < d->Q; q++) {
      int r = h + d->pad_top - p * d->stride_h, s = w + d->pad_left - q * d->stride_w;
      if (r < 0 || s < 0 || r >= d->R || s >= d->S) continue;
      size_t out = (((size_t)n * (size_t)d->P + (size_t)p) * (size_t)d->Q + (size_t)q) * (size_t)d->C + (size_t)c;
      sum += !argmax ? dy[out] / pool_count(d, p, q) : argmax[out] == r * d->S + s ? dy[out] : 0;
    }
  return sum;
}

void br_ref_maxpool_backward(const struct br_pool_shape *d, const uint8_t *argmax, const float *dy, float *dx, bool accumulate, struct br_part part) {
  pool_backward(d, argmax, dy, dx, accumulate, part);
}

void br_ref_avgpool_forward(const struct br_pool_shape *d, const float *x, float *y, struct br_part part) {
  size_t first, last;
  br_part_range(part, (size_t)d->N * (size_t)d->P * (size_t)d->Q, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    int n = (int)(i / (size_t)d->Q / (size_t)d->P), p = (int)(i / (size_t)d->Q) % d->P, q = (int)(i % (size_t)d->Q);
    for (int c = 0; c < d->C; c++) {
      float sum = 0;
      for (int r = 0; r < d->R; r++)
        for (int s = 0; s < d->S; s++) {
          int h = p * d->stride_h - d->pad_top + r, w = q * d->stride_w - d->pad_left + s;
          if (h >= 0 && w >= 0 && h < d->H && w < d->W) sum += pixel(x, d->H, d->W, d->C, n, h, w, c);
        }
      y[i * (size_t)d->C + (size_t)c] = sum / pool_count(d, p, q);
    }
  }
}

void br_ref_avgpool_backward(const struct br_pool_shape *d, const float *dy, float *dx, bool accumulate, struct br_part part) {
  pool_backward(d, NULL, dy, dx, accumulate, part);
}

void br_ref_globalpool_forward(const float *x, float *y, size_t N, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, N * C, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    float lane[4] = {0};
    for (size_t r = 0; r < rows; r++) lane[r % 4] += x[(i / C * rows + r) * C + i % C];
    y[i] = lanes_sum(lane) / (float)rows;
  }
}

void br_ref_globalpool_backward(const float *dy, float *dx, bool accumulate, size_t N, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, N * rows, 1, &first, &last);
  for (size_t r = first; r < last; r++)
    for (size_t c = 0; c < C; c++) put(&dx[r * C + c], dy[r / rows * C + c] / (float)rows, accumulate);
}

/* --- softmax and losses --- */

static float row_max(const float *x, size_t C) {
  float best = x[0];
  for (size_t c = 1; c < C; c++)
    if (x[c] > best || x[c] != x[c]) best = x[c];
  return best;
}

void br_ref_softmax_forward(const float *x, float *y, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++) {
    float top = row_max(&x[r * C], C), sum = 0;
    for (size_t c = 0; c < C; c++) y[r * C + c] = br__exp1(x[r * C + c] - top);
    for (size_t c = 0; c < C; c++) sum += y[r * C + c];
    for (size_t c = 0; c < C; c++) y[r * C + c] /= sum;
  }
}

void br_ref_softmax_backward(const float *y, const float *dy, float *dx, bool accumulate, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  for (size_t r = first; r < last; r++) {
    float dot = 0;
    for (size_t c = 0; c < C; c++) dot = fmaf(dy[r * C + c], y[r * C + c], dot);
    for (size_t i = r * C; i < r * C + C; i++) dx[i] = accumulate ? fmaf(y[i], dy[i] - dot, dx[i]) : y[i] * (dy[i] - dot);
  }
}

void br_ref_cross_entropy(const float *x, const int32_t *label, const float *class_weight, float smoothing, float scale, float *loss, float *dx, size_t rows, size_t C, struct br_part part) {
  size_t first, last;
  br_part_range(part, rows, 1, &first, &last);
  float off = smoothing / (float)C, on = 1.0f - smoothing;
  for (size_t r = first; r < last; r++) {
    const float *row = &x[r * C];
    float top = row_max(row, C), sum = 0, distances = 0, weight_of_label = class_weight ? class_weight[label[r]] : 1.0f;
    for (size_t c = 0; c < C; c++) sum += br__exp1(row[c] - top), distances += row[c] - top;
    float log_sum = br__log1(sum);
    /* -sum target log p, log p[c] = row[c] - top - log_sum */
    float cost = on * (log_sum - (row[label[r]] - top));
    cost = fmaf(off, fmaf((float)C, log_sum, -distances), cost);
    loss[r] = weight_of_label * cost;
    float factor = scale * weight_of_label;
    for (size_t c = 0; dx && c < C; c++) {
      float target = (int32_t)c == label[r] ? off + on : off;
      dx[r * C + c] = factor * (br__exp1(row[c] - top) / sum - target);
    }
  }
}

/* --- training steps --- */

float br_ref_grid_add(const float *g, int64_t *sum, bool more, int shift, size_t n, struct br_part part) {
  size_t first, last;
  float largest = 0;
  double factor = (double)((int64_t)1 << shift);
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    double value = (double)g[i] * factor;
    if (largest == largest && !(fabsf(g[i]) <= largest)) largest = fabsf(g[i]);
    if (!more) sum[i] = 0;
    if (fabs(value) < 0x1p62) sum[i] += llrint(value);
  }
  return largest;
}

float br_ref_grid_get(const int64_t *sum, double factor, float *g, size_t n, struct br_part part) {
  size_t first, last;
  float largest = 0;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    g[i] = (float)((double)sum[i] * factor);
    if (fabsf(g[i]) > largest) largest = fabsf(g[i]);
  }
  return largest;
}

void br_ref_sgd_step(const struct br_sgd *o, float *w, const float *g, float *v, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    float gradient = fmaf(o->decay, w[i], g[i]);
    float velocity = v ? fmaf(o->momentum, v[i], gradient) : gradient;
    if (v) v[i] = velocity;
    w[i] = fmaf(-o->lr, o->nesterov ? fmaf(o->momentum, velocity, gradient) : velocity, w[i]);
  }
}

void br_ref_adam_step(const struct br_adam *o, float *w, const float *g, float *m, float *v, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    float gradient = o->decoupled ? g[i] : fmaf(o->decay, w[i], g[i]);
    m[i] = fmaf(o->beta1, m[i], (1.0f - o->beta1) * gradient);
    v[i] = fmaf(o->beta2, v[i], (1.0f - o->beta2) * gradient * gradient);
    float base = o->decoupled ? fmaf(-(o->lr * o->decay), w[i], w[i]) : w[i];
    w[i] = fmaf(-o->lr, m[i] * o->correction1 / (sqrtf(v[i] * o->correction2) + o->eps), base);
  }
}

void br_ref_lamb_direction(const struct br_adam *o, const float *w, float *g, float *m, float *v, double squares[2], size_t n) {
  for (size_t i = 0; i < n; i++) {
    m[i] = o->beta1 * m[i] + (1 - o->beta1) * g[i];
    v[i] = o->beta2 * v[i] + (1 - o->beta2) * (g[i] * g[i]);
    g[i] = m[i] * o->correction1 / (sqrtf(v[i] * o->correction2) + o->eps) + o->decay * w[i];
    squares[0] += (double)w[i] * w[i];
    squares[1] += (double)g[i] * g[i];
  }
}

void br_ref_lamb_step(float step, float *w, const float *g, size_t n) {
  for (size_t i = 0; i < n; i++) w[i] -= step * g[i];
}

/* --- dropout --- */

void br_ref_dropout(const struct br_dropout *d, const float *x, float *y, bool accumulate, size_t n, struct br_part part) {
  size_t first, last;
  br_part_range(part, n, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    uint32_t word[4];
    br_random_block(d->seed, BR_RANDOM_DROPOUT, d->step, (d->place + i) / 4, 0, word);
    put(&y[i], word[(d->place + i) % 4] < d->threshold ? 0 : x[i] * d->scale, accumulate);
  }
}

/* --- convolution, ReLU and maximum pooling --- */

size_t br_ref_conv_pool_work_bytes(const struct br_conv_pool *block) {
  (void)block;
  return 0;
}

/* The convolution's sum for (n, p, q, k), with bias and ReLU. */
static float conv_relu(const struct br_conv_pool *b, int n, int p, int q, int k) {
  const struct br_conv_shape *d = &b->conv;
  float sum = 0;
  for (int r = 0; r < d->R; r++)
    for (int s = 0; s < d->S; s++)
      for (int c = 0; c < d->C; c++) sum = fmaf(pixel(b->x, d->H, d->W, d->C, n, p * d->stride_h - d->pad_top + r, q * d->stride_w - d->pad_left + s, c), b->w[weight(d, r, s, c, k)], sum);
  return activate(BR_ACTIVATION_RELU, b->bias ? sum + b->bias[k] : sum);
}

/* The window of output (n, p, q, k): its place in y, dy and `chosen`; -1 where the pool does not reach. */
static int window_of(const struct br_conv_pool *b, int n, int p, int q, int k) {
  const struct br_conv_shape *d = &b->conv;
  int rows = d->P / b->pool_h, columns = d->Q / b->pool_w, i = p / b->pool_h, j = q / b->pool_w;
  if (p < 0 || q < 0 || i >= rows || j >= columns) return -1;
  return ((n * rows + i) * columns + j) * d->K + k;
}

void br_ref_conv_pool_forward(const struct br_conv_pool *b, struct br_part part, void *work) {
  const struct br_conv_shape *d = &b->conv;
  (void)part, (void)work;
  for (int n = 0; n < d->N; n++)
    for (int i = 0; i < d->P / b->pool_h; i++)
      for (int j = 0; j < d->Q / b->pool_w; j++)
        for (int k = 0; k < d->K; k++) {
          int window = window_of(b, n, i * b->pool_h, j * b->pool_w, k), chosen = 0;
          float best = 0;
          for (int tap = 0; tap < b->pool_h * b->pool_w; tap++) {
            float v = conv_relu(b, n, i * b->pool_h + tap / b->pool_w, j * b->pool_w + tap % b->pool_w, k);
            if (tap > 0 && !(v > best || v != v)) continue;
            best = v;
            chosen = tap;
          }
          b->y[window] = best;
          b->chosen[window] = best > 0 ? (uint8_t)chosen : BR_POOL_NONE;
        }
}

/* Has (p, q) been chosen for channel k of picture n? Then *dy is its gradient. */
static bool was_chosen(const struct br_conv_pool *b, int n, int p, int q, int k, float *dy) {
  int window = window_of(b, n, p, q, k);
  if (window < 0 || b->chosen[window] != p % b->pool_h * b->pool_w + q % b->pool_w) return false;
  *dy = b->dy[window];
  return true;
}

static float conv_pool_dx(const struct br_conv_pool *b, float sum, int n, int h, int w, int c) {
  const struct br_conv_shape *d = &b->conv;
  float dy;
  for (int r = 0; r < d->R; r++)
    for (int s = 0; s < d->S; s++) {
      int p = h + d->pad_top - r, q = w + d->pad_left - s;
      if (p % d->stride_h != 0 || q % d->stride_w != 0) continue;
      for (int k = 0; k < d->K; k++)
        if (was_chosen(b, n, p / d->stride_h, q / d->stride_w, k, &dy)) sum = fmaf(dy, b->w[weight(d, r, s, c, k)], sum);
    }
  return sum;
}

/* dw (r, s, c, k), or, where r is negative, dbias k in the lanes of br_column_sum over all the convolution's outputs. */
static float conv_pool_dw(const struct br_conv_pool *b, int r, int s, int c, int k) {
  const struct br_conv_shape *d = &b->conv;
  float sum = 0, lane[4] = {0}, dy;
  for (int n = 0; n < d->N; n++)
    for (int p = 0; p < d->P; p++)
      for (int q = 0; q < d->Q; q++) {
        if (!was_chosen(b, n, p, q, k, &dy)) continue;
        if (r >= 0)
          sum = fmaf(pixel(b->x, d->H, d->W, d->C, n, p * d->stride_h - d->pad_top + r, q * d->stride_w - d->pad_left + s, c), dy, sum);
        else
          lane[((n * d->P + p) * d->Q + q) % 4] += dy;
      }
  return r >= 0 ? sum : lanes_sum(lane);
}

void br_ref_conv_pool_backward(const struct br_conv_pool *b, struct br_part part, void *work) {
  const struct br_conv_shape *d = &b->conv;
  (void)part, (void)work;
  for (int n = 0; b->dx && n < d->N; n++)
    for (int h = 0; h < d->H; h++)
      for (int w = 0; w < d->W; w++)
        for (int c = 0; c < d->C; c++) {
          float *dx = b->dx + ((n * d->H + h) * d->W + w) * d->C + c;
          *dx = conv_pool_dx(b, b->accumulate_dx ? *dx : 0, n, h, w, c);
        }
  for (int k = 0; k < d->K; k++) {
    for (int r = 0; b->dw && r < d->R; r++)
      for (int s = 0; s < d->S; s++)
        for (int c = 0; c < d->C; c++) b->dw[weight(d, r, s, c, k)] = conv_pool_dw(b, r, s, c, k);
    if (b->dbias) b->dbias[k] = conv_pool_dw(b, -1, 0, 0, k);
  }
}

/* --- the bench's loop --- */

double br_ref_peak_flops(size_t steps, float *sink) {
  float sum = *sink, term = *sink;
  for (size_t s = 0; s < steps; s++) sum = fmaf(sum, 0.999f, term);
  *sink = sum;
  return 2.0 * (double)steps;
}

const struct br_kernels br__kernels_reference = {
    .name = "reference",
#define KERNEL(result, name, parameters, arguments) .name = br_ref_##name,
#include "kernels.def"
#undef KERNEL
};
