/* Checks of every kernel of a table against its naive twin, on inputs drawn from a seed: odd sizes, odd alignment, denormals and
 * zeros, guard bands around every output, any number of parts. Used by test_kernel.c, where a difference fails, and by
 * kernel_hash.c, which prints a hash of all outputs so that machines can be compared. */
#ifndef BRAMBLE_TESTS_KERNEL_CHECKS_H
#define BRAMBLE_TESTS_KERNEL_CHECKS_H

#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/thread.h>
#include <kernel/kernels.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 32 /* floats */
#define GUARD_BITS 0x7fc0deadu
#define ARENA_FLOATS (8u << 20)

static float *arena;
static size_t arena_used;
static struct br_random draw;
static struct {
  uint32_t *guard;
} guards[128];
static int n_guards;
static uint64_t outputs_hash;
static int failures;
static const char *checking; /* what is being checked, for messages */
static const struct br_kernels *table;

static int below(int n) { return (int)br_random_below(&draw, (uint32_t)n); }
static int between(int low, int high) { return low + below(high - low + 1); }
static bool coin(void) { return below(2) == 0; }

static void checks_open(uint64_t seed, uint64_t item) {
  if (!arena) arena = aligned_alloc(64, ARENA_FLOATS * sizeof(float));
  arena_used = 0, n_guards = 0;
  draw = br_random_open(seed, BR_RANDOM_TEST, 1, item);
}

static void put_guard(float *at) {
  guards[n_guards++].guard = (uint32_t *)(void *)at;
  for (int i = 0; i < GUARD; i++) memcpy(at + i, &(uint32_t){GUARD_BITS}, sizeof(float));
}

/* n floats at an odd place between guards. */
static float *take(size_t n) {
  size_t begin = (arena_used + 15) / 16 * 16;
  float *p = arena + begin + GUARD + (size_t)below(16);
  put_guard(p - GUARD);
  put_guard(p + n);
  arena_used = (size_t)(p + n + GUARD - arena);
  if (arena_used > ARENA_FLOATS) abort();
  return p;
}

static float value(float scale) {
  switch (below(40)) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return br_random_normal(&draw) * 1e-39f;
    case 3: return br_random_normal(&draw) * 10 * scale;
    default: return br_random_normal(&draw) * scale;
  }
}

static float *input(size_t n, float scale) {
  float *p = take(n);
  for (size_t i = 0; i < n; i++) p[i] = value(scale);
  return p;
}

/* Two equal blocks: what the table writes, and what the twin writes. */
struct pair {
  float *got, *want;
  size_t n;
};

static struct pair output(size_t n) {
  struct pair p = {take(n), take(n), n};
  for (size_t i = 0; i < n; i++) p.got[i] = p.want[i] = value(1);
  return p;
}

static void *work_of(size_t bytes) {
  arena_used = (arena_used + GUARD + 15) / 16 * 16;
  void *p = arena + arena_used;
  memset(p, 0xff, bytes); /* NaN: nothing may be read before it is written */
  put_guard(arena + arena_used + bytes / sizeof(float));
  arena_used += bytes / sizeof(float) + GUARD;
  if (arena_used > ARENA_FLOATS) abort();
  return p;
}

/* Adds to the hash of all outputs (FNV-1a; nothing here may need a library that arm64's compiler lacks). */
static void hash_outputs(const void *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) outputs_hash = (outputs_hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
}

static void differs(const char *what, size_t at) {
  if (failures++ < 20) fprintf(stderr, "%s %s: %s differs at %zu\n", table->name, checking, what, at);
}

static void same_bytes(const char *what, const void *got, const void *want, size_t bytes) {
  hash_outputs(got, bytes);
  if (memcmp(got, want, bytes) == 0) return;
  size_t at = 0;
  while (((const char *)got)[at] == ((const char *)want)[at]) at++;
  differs(what, at);
}

/* Equal bits, except that one NaN is as good as another. */
static void same(const char *what, struct pair p) {
  for (size_t i = 0; i < p.n; i++) {
    if (p.got[i] != p.got[i]) p.got[i] = __builtin_nanf("");
    if (p.want[i] != p.want[i]) p.want[i] = __builtin_nanf("");
    if (memcmp(&p.got[i], &p.want[i], sizeof(float)) != 0) {
      if (failures < 20) fprintf(stderr, "%a is not %a: ", (double)p.got[i], (double)p.want[i]);
      differs(what, i);
      return;
    }
  }
  hash_outputs(p.got, p.n * sizeof *p.got);
}

static void guards_hold(void) {
  for (int g = 0; g < n_guards; g++)
    for (int i = 0; i < GUARD; i++)
      if (guards[g].guard[i] != GUARD_BITS) {
        differs("guard band", (size_t)g);
        return;
      }
}

/* Runs a statement for each part of a random number of parts. */
#define IN_PARTS(statement)                                                                     \
  do {                                                                                          \
    int parts_ = between(1, 5);                                                                 \
    for (struct br_part part = {0, parts_}; part.index < parts_; part.index++) { statement; }   \
  } while (0)

static size_t any_size(void) {
  static const int sizes[] = {1, 2, 3, 5, 7, 8, 10, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 100, 130, 200, 260};
  return (size_t)sizes[below(22)];
}

static void check_activation_forward(void) {
  size_t n = any_size() * 3;
  enum br_activation f = (enum br_activation)below(BR_ACTIVATION_COUNT);
  float alpha = value(1), *x = input(n, below(4) == 0 ? 60.0f : 2.0f);
  struct pair y = output(n);
  br__kernels_reference.activation_forward(f, alpha, x, y.want, n, BR_PART_ALL);
  IN_PARTS(table->activation_forward(f, alpha, x, y.got, n, part));
  same("y", y);
}

static void check_activation_backward(void) {
  size_t n = any_size() * 3;
  enum br_activation f = (enum br_activation)below(BR_ACTIVATION_COUNT);
  bool accumulate = coin(), needs = br_activation_needs_input(f);
  float alpha = value(1), *x = input(n, 3), *y = input(n, 3), *dy = input(n, 1);
  struct pair dx = output(n);
  br__kernels_reference.activation_backward(f, alpha, needs ? x : NULL, needs ? NULL : y, dy, dx.want, accumulate, n, BR_PART_ALL);
  IN_PARTS(table->activation_backward(f, alpha, needs ? x : NULL, needs ? NULL : y, dy, dx.got, accumulate, n, part));
  same("dx", dx);
}

static void check_prelu_forward(void) {
  size_t rows = any_size(), C = any_size();
  float *x = input(rows * C, 1), *alpha = input(C, 1);
  struct pair y = output(rows * C);
  br__kernels_reference.prelu_forward(x, alpha, y.want, rows, C, BR_PART_ALL);
  IN_PARTS(table->prelu_forward(x, alpha, y.got, rows, C, part));
  same("y", y);
}

static void check_prelu_backward(void) {
  size_t rows = any_size(), C = any_size();
  bool accumulate = coin();
  float *x = input(rows * C, 1), *alpha = input(C, 1), *dy = input(rows * C, 1);
  struct pair dx = output(rows * C), dalpha = output(C);
  br__kernels_reference.prelu_backward(x, alpha, dy, dx.want, accumulate, dalpha.want, rows, C, BR_PART_ALL);
  IN_PARTS(table->prelu_backward(x, alpha, dy, dx.got, accumulate, dalpha.got, rows, C, part));
  same("dx", dx), same("dalpha", dalpha);
}

static enum br_activation any_activation(void) { return coin() ? (enum br_activation)below(3) : (enum br_activation)below(BR_ACTIVATION_COUNT); }

static void check_gemm(void) {
  size_t M = any_size(), N = any_size(), K = below(8) == 0 ? any_size() * 9 : any_size();
  if (below(30) == 0) K = 0;
  struct br_gemm g = {.M = M, .N = N, .K = K, .trans_a = coin(), .trans_b = coin(), .accumulate = coin()};
  g.lda = (g.trans_a ? M : K) + (size_t)below(3), g.ldb = (g.trans_b ? K : N) + (size_t)below(3), g.ldc = N + (size_t)below(3);
  if (below(6) == 0) g.lda = 1024 * (1 + g.lda / 1024);
  if (M * N * K > 3000000) g.K = K = 20;
  g.A = input((g.trans_a ? K : M) * g.lda, 1), g.B = input((g.trans_b ? N : K) * g.ldb, 1);
  struct pair c = output(M * g.ldc);
  if (!g.accumulate) {
    g.epilogue.bias = coin() ? input(N, 1) : NULL;
    g.epilogue.residual = coin() ? input(M * g.ldc, 1) : NULL;
    g.epilogue.activation = any_activation(), g.epilogue.alpha = value(1);
    if (g.epilogue.activation == BR_ACTIVATION_NONE) g.epilogue.mask = coin() ? input(M * g.ldc, 1) : NULL;
  }
  struct br_gemm twin = g;
  twin.C = c.want, g.C = c.got;
  void *work = work_of(table->gemm_work_bytes(M, N, K));
  br__kernels_reference.gemm(&twin, BR_PART_ALL, NULL);
  IN_PARTS(table->gemm(&g, part, work));
  same("C", c);
}

static void check_peak_flops(void) { /* for the bench: it counts what it does */
  float one = 1;
  if (!(table->peak_flops(10, &one) >= 20)) differs("flops", 0);
}

static void check_gemm_work_bytes(void) {} /* its worth is checked by gemm, within its guard */

static struct br_conv_shape any_conv(void) {
  struct br_conv_shape d = {.N = between(1, 3), .H = between(1, 14), .W = between(1, 14), .R = between(1, 5), .S = between(1, 5)};
  d.groups = 1, d.C = (int)any_size() % 40 + 1, d.K = (int)any_size() % 70 + 1;
  d.stride_h = between(1, 3), d.stride_w = coin() ? d.stride_h : between(1, 3), d.dilation_h = d.dilation_w = 1;
  if (coin()) d.S = d.R;
  switch (below(6)) {
    case 0: d.dilation_h = between(1, 3), d.dilation_w = between(1, 3); break;
    case 1: d.groups = between(2, 4), d.C = d.groups * between(1, 9), d.K = d.groups * between(1, 9); break;
    case 2: /* depthwise, the usual ones */
      d.groups = d.C = d.K = (int)any_size() % 70 + 1, d.R = d.S = coin() ? 3 : 5, d.stride_h = d.stride_w = between(1, 2), d.H += 5, d.W += 5;
      break;
    case 3: d.groups = d.C, d.K = d.C * (coin() ? 1 : 2); break;
    case 4:
      if (coin()) d.R = d.S = d.stride_h = d.stride_w = 1;
      break;
    default: break;
  }
  int reach_h = (d.R - 1) * d.dilation_h + 1, reach_w = (d.S - 1) * d.dilation_w + 1;
  d.pad_top = below(d.R), d.pad_left = below(d.S);
  if (d.H + 2 * d.pad_top < reach_h) d.H = reach_h;
  if (d.W + 2 * d.pad_left < reach_w) d.W = reach_w;
  d.P = (d.H + d.pad_top + below(d.R) - reach_h) / d.stride_h + 1, d.Q = (d.W + d.pad_left + below(d.S) - reach_w) / d.stride_w + 1;
  if (d.P < 1) d.P = 1;
  if (d.Q < 1) d.Q = 1;
  return d;
}

/* One whose y is some channels of a wider tensor, now and then; depthwise ones have their own. */
static struct br_conv_shape any_wide_conv(void) {
  struct br_conv_shape d = any_conv();
  if (d.groups == 1 && coin()) d.y_pixel = d.K + below(40);
  return d;
}

static size_t x_size(const struct br_conv_shape *d) { return (size_t)(d->N * d->H * d->W * d->C); }
static size_t y_size(const struct br_conv_shape *d) { return (size_t)(d->N * d->P * d->Q * (d->y_pixel ? d->y_pixel : d->K)); }
static size_t w_size(const struct br_conv_shape *d) { return (size_t)(d->R * d->S * (d->C / d->groups) * d->K); }

static void check_conv_forward(void) {
  struct br_conv_shape d = any_wide_conv();
  float *x = input(x_size(&d), 1), *w = input(w_size(&d), 1);
  struct pair y = output(y_size(&d));
  struct br_epilogue e = {.bias = coin() ? input((size_t)d.K, 1) : NULL, .residual = coin() ? input(y.n, 1) : NULL, .activation = any_activation(), .alpha = value(1)};
  bool none = below(3) == 0;
  void *work = work_of(table->conv_work_bytes(&d));
  br__kernels_reference.conv_forward(&d, x, w, y.want, none ? NULL : &e, BR_PART_ALL, NULL);
  IN_PARTS(table->conv_forward(&d, x, w, y.got, none ? NULL : &e, part, work));
  same("y", y);
}

static void check_conv_backward_data(void) {
  struct br_conv_shape d = any_wide_conv();
  bool accumulate = coin();
  float *dy = input(y_size(&d), 1), *w = input(w_size(&d), 1);
  struct pair dx = output(x_size(&d));
  void *work = work_of(table->conv_work_bytes(&d));
  br__kernels_reference.conv_backward_data(&d, dy, w, dx.want, accumulate, BR_PART_ALL, NULL);
  IN_PARTS(table->conv_backward_data(&d, dy, w, dx.got, accumulate, part, work));
  same("dx", dx);
}

static void check_conv_backward_weight(void) {
  struct br_conv_shape d = any_wide_conv();
  float *x = input(x_size(&d), 1), *dy = input(y_size(&d), 1);
  bool accumulate = coin();
  struct pair dw = output(w_size(&d));
  void *work = work_of(table->conv_work_bytes(&d));
  br__kernels_reference.conv_backward_weight(&d, x, dy, dw.want, accumulate, BR_PART_ALL, NULL);
  IN_PARTS(table->conv_backward_weight(&d, x, dy, dw.got, accumulate, part, work));
  same("dw", dw);
}

static void check_conv_work_bytes(void) {} /* its worth is checked by the convolutions, within its guard */

static void check_column_sum(void) {
  size_t rows = any_size(), C = any_size() * (below(4) == 0 ? 5 : 1), row = C + (coin() ? 0 : any_size());
  float *x = input(rows * row, 1);
  struct pair sum = output(C);
  br__kernels_reference.column_sum(x, row, rows, C, sum.want, BR_PART_ALL);
  IN_PARTS(table->column_sum(x, row, rows, C, sum.got, part));
  same("sum", sum);
}

static void check_column_lanes(void) {
  size_t rows = any_size(), C = any_size() * (below(4) == 0 ? 5 : 1), before = any_size();
  float *x = input(rows * C, 1);
  struct pair lanes = output(4 * C);
  br__kernels_reference.column_lanes(x, rows, C, before, lanes.want, BR_PART_ALL);
  IN_PARTS(table->column_lanes(x, rows, C, before, lanes.got, part));
  same("lanes", lanes);
}

static void check_batchnorm_stats(void) {
  size_t rows = any_size(), C = any_size() * (below(4) == 0 ? 5 : 1);
  float *x = input(rows * C, 1);
  struct pair mean = output(C), var = output(C);
  br__kernels_reference.batchnorm_stats(x, rows, C, mean.want, var.want, BR_PART_ALL);
  IN_PARTS(table->batchnorm_stats(x, rows, C, mean.got, var.got, part));
  same("mean", mean), same("var", var);
}

static void check_batchnorm_forward(void) {
  size_t rows = any_size(), C = any_size() * (below(4) == 0 ? 5 : 1);
  enum br_activation f = any_activation();
  float *x = input(rows * C, 1), *mean = input(C, 1), *scale = input(C, 1), *beta = input(C, 1);
  struct pair y = output(rows * C);
  br__kernels_reference.batchnorm_forward(x, rows, C, mean, scale, beta, f, y.want, BR_PART_ALL);
  IN_PARTS(table->batchnorm_forward(x, rows, C, mean, scale, beta, f, y.got, part));
  same("y", y);
}

static void check_batchnorm_backward_sums(void) {
  size_t rows = any_size(), C = any_size() * (below(4) == 0 ? 5 : 1);
  enum br_activation f = (enum br_activation)below(3);
  float *x = input(rows * C, 1), *dy = input(rows * C, 1), *mean = input(C, 1), *inv_std = input(C, 1), *gamma = input(C, 2), *beta = input(C, 1);
  struct pair dgamma = output(C), dbeta = output(C);
  br__kernels_reference.batchnorm_backward_sums(x, dy, rows, C, mean, inv_std, gamma, beta, f, dgamma.want, dbeta.want, BR_PART_ALL);
  IN_PARTS(table->batchnorm_backward_sums(x, dy, rows, C, mean, inv_std, gamma, beta, f, dgamma.got, dbeta.got, part));
  same("dgamma", dgamma), same("dbeta", dbeta);
}

static void check_batchnorm_backward_data(void) {
  size_t rows = any_size(), C = any_size() * (below(4) == 0 ? 5 : 1);
  enum br_activation f = (enum br_activation)below(3);
  bool accumulate = coin();
  float *x = input(rows * C, 1), *dy = input(rows * C, 1), *mean = input(C, 1), *inv_std = input(C, 1), *gamma = input(C, 2), *beta = input(C, 1);
  float *dgamma = input(C, 1), *dbeta = input(C, 1);
  struct pair dx = output(rows * C);
  br__kernels_reference.batchnorm_backward_data(x, dy, rows, C, mean, inv_std, gamma, beta, f, dgamma, dbeta, dx.want, accumulate, BR_PART_ALL);
  IN_PARTS(table->batchnorm_backward_data(x, dy, rows, C, mean, inv_std, gamma, beta, f, dgamma, dbeta, dx.got, accumulate, part));
  same("dx", dx);
}

static void check_copy(void) {
  size_t n = any_size() * 3;
  bool accumulate = coin();
  float *x = input(n, 1);
  struct pair y = output(n);
  br__kernels_reference.copy(x, y.want, accumulate, n, BR_PART_ALL);
  IN_PARTS(table->copy(x, y.got, accumulate, n, part));
  same("y", y);
}

static void check_relu_mask(void) {
  size_t rows = any_size(), C = any_size(), row = C + (coin() ? 0 : any_size());
  float *y = input(rows * row, 1);
  struct pair dy = output(rows * row);
  br__kernels_reference.relu_mask(y, dy.want, row, rows, C, BR_PART_ALL);
  IN_PARTS(table->relu_mask(y, dy.got, row, rows, C, part));
  same("dy", dy);
}

static void check_add(void) {
  size_t n = any_size() * 3;
  float *a = input(n, 1), *b = input(n, 1);
  struct pair y = output(n);
  br__kernels_reference.add(a, b, y.want, n, BR_PART_ALL);
  IN_PARTS(table->add(a, b, y.got, n, part));
  same("y", y);
}

static void check_mul(void) {
  size_t n = any_size() * 3;
  bool accumulate = coin();
  float *a = input(n, 1), *b = input(n, 1);
  struct pair y = output(n);
  br__kernels_reference.mul(a, b, y.want, accumulate, n, BR_PART_ALL);
  IN_PARTS(table->mul(a, b, y.got, accumulate, n, part));
  same("y", y);
}

static void check_scale(void) {
  size_t n = any_size() * 3;
  bool accumulate = coin();
  float *x = input(n, 1), factor = value(1);
  struct pair y = output(n);
  br__kernels_reference.scale(x, factor, y.want, accumulate, n, BR_PART_ALL);
  IN_PARTS(table->scale(x, factor, y.got, accumulate, n, part));
  same("y", y);
}

static void check_channel_mul(void) {
  size_t N = (size_t)between(1, 4), rows = any_size(), C = any_size();
  bool accumulate = coin();
  float *x = input(N * rows * C, 1), *s = input(N * C, 1);
  struct pair y = output(N * rows * C);
  br__kernels_reference.channel_mul(x, s, y.want, accumulate, N, rows, C, BR_PART_ALL);
  IN_PARTS(table->channel_mul(x, s, y.got, accumulate, N, rows, C, part));
  same("y", y);
}

static void check_channel_mul_backward_scale(void) {
  size_t N = (size_t)between(1, 4), rows = any_size(), C = any_size();
  bool accumulate = coin();
  float *x = input(N * rows * C, 1), *dy = input(N * rows * C, 1);
  struct pair ds = output(N * C);
  br__kernels_reference.channel_mul_backward_scale(x, dy, ds.want, accumulate, N, rows, C, BR_PART_ALL);
  IN_PARTS(table->channel_mul_backward_scale(x, dy, ds.got, accumulate, N, rows, C, part));
  same("ds", ds);
}

static struct br_pool_shape any_pool(void) {
  struct br_pool_shape d = {.N = between(1, 3), .H = between(3, 12), .W = between(3, 12), .C = (int)any_size(), .R = between(1, 3), .S = between(1, 3)};
  d.stride_h = between(1, 3), d.stride_w = between(1, 3), d.pad_top = below(d.R), d.pad_left = below(d.S), d.pad_bottom = below(d.R), d.pad_right = below(d.S);
  d.count_include_pad = coin(), d.relu = coin();
  if (coin()) { /* windows side by side */
    d.stride_h = d.R, d.stride_w = d.S, d.H = d.R * between(1, 4), d.W = d.S * between(1, 4);
    d.pad_top = d.pad_left = d.pad_bottom = d.pad_right = 0;
  }
  d.P = (d.H + d.pad_top + d.pad_bottom - d.R) / d.stride_h + 1, d.Q = (d.W + d.pad_left + d.pad_right - d.S) / d.stride_w + 1;
  if (coin() && d.P * d.stride_h - d.pad_top < d.H) d.P++; /* ceil mode: one more window that hangs over */
  return d;
}

static void check_maxpool_forward(void) {
  struct br_pool_shape d = any_pool();
  float *x = input((size_t)(d.N * d.H * d.W * d.C), 1);
  struct pair y = output((size_t)(d.N * d.P * d.Q * d.C)), taps = output((y.n + 3) / 4);
  if (coin()) x[below(d.H)] = __builtin_nanf("");
  br__kernels_reference.maxpool_forward(&d, x, y.want, (uint8_t *)taps.want, BR_PART_ALL);
  IN_PARTS(table->maxpool_forward(&d, x, y.got, (uint8_t *)taps.got, part));
  same("y", y), same_bytes("argmax", taps.got, taps.want, y.n);
  IN_PARTS(table->maxpool_forward(&d, x, y.got, NULL, part));
  same("y without argmax", y);
}

static void check_maxpool_backward(void) {
  struct br_pool_shape d = any_pool();
  bool accumulate = coin();
  size_t n = (size_t)(d.N * d.P * d.Q * d.C);
  uint8_t *argmax = (uint8_t *)take((n + 3) / 4);
  float *dy = input(n, 1);
  struct pair dx = output((size_t)(d.N * d.H * d.W * d.C));
  for (size_t i = 0; i < n; i++) argmax[i] = coin() ? (uint8_t)below(d.R * d.S) : BR_POOL_NONE;
  br__kernels_reference.maxpool_backward(&d, argmax, dy, dx.want, accumulate, BR_PART_ALL);
  IN_PARTS(table->maxpool_backward(&d, argmax, dy, dx.got, accumulate, part));
  same("dx", dx);
}

static void check_avgpool_forward(void) {
  struct br_pool_shape d = any_pool();
  float *x = input((size_t)(d.N * d.H * d.W * d.C), 1);
  struct pair y = output((size_t)(d.N * d.P * d.Q * d.C));
  br__kernels_reference.avgpool_forward(&d, x, y.want, BR_PART_ALL);
  IN_PARTS(table->avgpool_forward(&d, x, y.got, part));
  same("y", y);
}

static void check_avgpool_backward(void) {
  struct br_pool_shape d = any_pool();
  bool accumulate = coin();
  float *dy = input((size_t)(d.N * d.P * d.Q * d.C), 1);
  struct pair dx = output((size_t)(d.N * d.H * d.W * d.C));
  br__kernels_reference.avgpool_backward(&d, dy, dx.want, accumulate, BR_PART_ALL);
  IN_PARTS(table->avgpool_backward(&d, dy, dx.got, accumulate, part));
  same("dx", dx);
}

static void check_globalpool_forward(void) {
  size_t N = (size_t)between(1, 4), rows = any_size(), C = any_size();
  float *x = input(N * rows * C, 1);
  struct pair y = output(N * C);
  br__kernels_reference.globalpool_forward(x, y.want, N, rows, C, BR_PART_ALL);
  IN_PARTS(table->globalpool_forward(x, y.got, N, rows, C, part));
  same("y", y);
}

static void check_globalpool_backward(void) {
  size_t N = (size_t)between(1, 4), rows = any_size(), C = any_size();
  bool accumulate = coin();
  float *dy = input(N * C, 1);
  struct pair dx = output(N * rows * C);
  br__kernels_reference.globalpool_backward(dy, dx.want, accumulate, N, rows, C, BR_PART_ALL);
  IN_PARTS(table->globalpool_backward(dy, dx.got, accumulate, N, rows, C, part));
  same("dx", dx);
}

static void check_softmax_forward(void) {
  size_t rows = any_size(), C = any_size();
  float *x = input(rows * C, 5);
  struct pair y = output(rows * C);
  br__kernels_reference.softmax_forward(x, y.want, rows, C, BR_PART_ALL);
  IN_PARTS(table->softmax_forward(x, y.got, rows, C, part));
  same("y", y);
}

static void check_softmax_backward(void) {
  size_t rows = any_size(), C = any_size();
  bool accumulate = coin();
  float *y = input(rows * C, 1), *dy = input(rows * C, 1);
  struct pair dx = output(rows * C);
  br__kernels_reference.softmax_backward(y, dy, dx.want, accumulate, rows, C, BR_PART_ALL);
  IN_PARTS(table->softmax_backward(y, dy, dx.got, accumulate, rows, C, part));
  same("dx", dx);
}

static void check_cross_entropy(void) {
  size_t rows = any_size(), C = any_size();
  float *x = input(rows * C, 5), smoothing = coin() ? 0 : 0.1f, scale = value(1), *weights = coin() ? input(C, 1) : NULL;
  int32_t *label = (int32_t *)take(rows);
  struct pair loss = output(rows), dx = output(rows * C);
  bool gradient = below(3) > 0;
  for (size_t r = 0; r < rows; r++) label[r] = below((int)C);
  br__kernels_reference.cross_entropy(x, label, weights, smoothing, scale, loss.want, gradient ? dx.want : NULL, rows, C, BR_PART_ALL);
  IN_PARTS(table->cross_entropy(x, label, weights, smoothing, scale, loss.got, gradient ? dx.got : NULL, rows, C, part));
  same("loss", loss), same("dx", dx);
}

static void check_grid_add(void) {
  size_t n = any_size() * 3;
  int shift = below(61);
  float scale = coin() ? 1 : 1 / (float)((int64_t)1 << below(61)), most = 0;
  float *g = input(n, shift > 55 ? 0.1f * scale : scale);
  int64_t *got = (int64_t *)(void *)(arena + (arena_used + 63) / 16 * 16), *want = got + n;
  arena_used += 4 * n + 128;
  for (size_t i = 0; i < n; i++) got[i] = want[i] = (int64_t)below(1000) - 500;
  const bool more = coin();
  float top = br__kernels_reference.grid_add(g, want, more, shift, n, BR_PART_ALL);
  IN_PARTS(float m = table->grid_add(g, got, more, shift, n, part); if (m > most) most = m);
  same_bytes("sum", got, want, n * sizeof *got);
  same_bytes("largest", &most, &top, sizeof top);
  g[below((int)n)] = __builtin_nanf("");
  float nan = table->grid_add(g, got, more, shift, n, BR_PART_ALL);
  if (nan == nan) differs("NaN", 0);
}

static void check_grid_get(void) {
  size_t n = any_size() * 3;
  struct pair g = output(n);
  int64_t *sum = (int64_t *)(void *)(arena + (arena_used + 63) / 16 * 16);
  for (size_t i = 0; i < n; i++) sum[i] = (int64_t)(((uint64_t)br_random_u32(&draw) << 32) | br_random_u32(&draw)) >> below(64);
  double factor = 1.0 / (double)((int64_t)1 << below(50)) / 3;
  float most = 0, top = br__kernels_reference.grid_get(sum, factor, g.want, n, BR_PART_ALL);
  IN_PARTS(float m = table->grid_get(sum, factor, g.got, n, part); if (m > most) most = m);
  same_bytes("largest", &most, &top, sizeof top);
  same("g", g);
}

/* n numbers of a kind of their own each, and two rows of digits for the table and for its twin, with guards. */
struct digits_case {
  size_t n, room;
  uint8_t *kind;
  struct pair low, high;
};

static struct digits_case digits_case(void) {
  struct digits_case c = {.n = any_size() * 3};
  c.room = (c.n + BR_DIGIT_GROUP - 1) / BR_DIGIT_GROUP * BR_DIGIT_GROUP;
  c.kind = (uint8_t *)take(c.n);
  const int kinds = between(1, 3);
  for (size_t i = 0; i < c.n; i++) c.kind[i] = (uint8_t)below(kinds);
  c.low = output(c.room), c.high = output(c.room);
  return c;
}

static void same_digits(const struct digits_case *c) {
  same_bytes("low", c->low.got, c->low.want, c->room * sizeof(int32_t));
  same_bytes("high", c->high.got, c->high.want, c->room * sizeof(int32_t));
}

/* Doubles or int64, n of them, without guards. */
static void *take_wide(size_t n) {
  void *place = arena + (arena_used + 63) / 16 * 16;
  arena_used += 2 * n + 128;
  return place;
}

static uint64_t any_bits(void) {
  const uint64_t upper = br_random_u32(&draw);
  return upper << 32 | br_random_u32(&draw);
}

static void check_digits_of_stored(void) {
  static const int sizes[] = {0, 1, 2, 4};
  struct digits_case c = digits_case();
  const bool two = coin();
  struct br_stored stored = {.bytes = sizes[below(4)]};
  uint8_t *items = (uint8_t *)take(c.n + 1) + 1;
  for (size_t i = 0; i < c.n * (size_t)stored.bytes; i++) items[i] = (uint8_t)br_random_u32(&draw);
  if (stored.bytes) stored.items = items;
  const int room = (two ? 53 : 26) - 8 * stored.bytes; /* bits that are left for the factor */
  stored.factor = room > 1 ? (int64_t)(any_bits() >> (64 - room + 1)) : 0;
  stored.offset = room > 1 ? (int64_t)any_bits() >> (two ? 12 : 39) : 0;
  table->digits_of_stored(&stored, c.kind, 1, (int32_t *)c.low.got, two ? (int32_t *)c.high.got : NULL, c.n);
  br__kernels_reference.digits_of_stored(&stored, c.kind, 1, (int32_t *)c.low.want, two ? (int32_t *)c.high.want : NULL, c.n);
  same_digits(&c);
}

static void check_digits_of_doubles(void) {
  struct digits_case c = digits_case();
  double *x = take_wide(c.n);
  const int top = below(3) == 0 ? -1073 : below(2000) - 1000, shift = 53 - top; /* all of at most 2^top, as small as they get */
  for (size_t i = 0; i < c.n; i++) {
    x[i] = __builtin_ldexp((double)((int64_t)any_bits() >> 10), top - 53);
    if (below(6) == 0) x[i] = __builtin_ldexp((double)((int64_t)any_bits() >> (below(53) + 10)) + 0.5, top - 53); /* ties, and those that are small */
    if (below(9) == 0) x[i] = coin() ? __builtin_ldexp(1, top) : -__builtin_ldexp(1, top);
    if (c.kind[i] != 1 && coin()) x[i] = coin() ? __builtin_nan("") : __builtin_inf();
  }
  const double up = __builtin_ldexp(1, shift > 1000 ? 1000 : shift), more = __builtin_ldexp(1, shift > 1000 ? shift - 1000 : 0);
  table->digits_of_doubles(x, up, more, c.kind, 1, (int32_t *)c.low.got, (int32_t *)c.high.got, c.n);
  br__kernels_reference.digits_of_doubles(x, up, more, c.kind, 1, (int32_t *)c.low.want, (int32_t *)c.high.want, c.n);
  same_digits(&c);
}

static void check_digit_products(void) {
  const size_t n = (size_t)between(1, 14), rows = BR_DIGIT_GROUP * (size_t)between(1, BR_DIGIT_ROWS / BR_DIGIT_GROUP), stride = rows + BR_DIGIT_GROUP * (size_t)below(3), sums = n * (n + 1) / 2;
  const bool extreme = below(4) == 0; /* the greatest digits there are, everywhere: the sums are just below 2^63 */
  const int32_t most = (1 << (BR_DIGIT_BITS - 1)) + 1;
  int32_t *x = (int32_t *)take(n * stride);
  for (size_t i = 0; i < n * stride; i++) x[i] = extreme ? (i / stride % 2 ? most : -most) : (int32_t)br_random_below(&draw, 2 * (uint32_t)most + 1) - most;
  int64_t *got = take_wide(sums), *want = take_wide(sums);
  table->digit_products(x, stride, n, rows, got);
  br__kernels_reference.digit_products(x, stride, n, rows, want);
  same_bytes("sum", got, want, sums * sizeof *got);
}

static void check_sgd_step(void) {
  size_t n = any_size() * 3;
  struct br_sgd o = {0.1f, coin() ? 0.9f : 0, coin() ? 1e-4f : 0, coin()};
  float *g = input(n, 1);
  struct pair w = output(n), v = output(n);
  bool momentum = o.momentum != 0 || coin();
  br__kernels_reference.sgd_step(&o, w.want, g, momentum ? v.want : NULL, n, BR_PART_ALL);
  IN_PARTS(table->sgd_step(&o, w.got, g, momentum ? v.got : NULL, n, part));
  same("w", w), same("v", v);
}

static void check_adam_step(void) {
  size_t n = any_size() * 3;
  struct br_adam o = {1e-3f, 0.9f, 0.999f, 1e-8f, coin() ? 1e-2f : 0, 10, 1000, coin()};
  float *g = input(n, 1);
  struct pair w = output(n), m = output(n), v = output(n);
  for (size_t i = 0; i < n; i++) v.got[i] = v.want[i] = v.got[i] * v.got[i];
  br__kernels_reference.adam_step(&o, w.want, g, m.want, v.want, n, BR_PART_ALL);
  IN_PARTS(table->adam_step(&o, w.got, g, m.got, v.got, n, part));
  same("w", w), same("m", m), same("v", v);
}

static void check_lamb_direction(void) {
  size_t n = any_size() * 3;
  struct br_adam o = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-6f, .decay = coin() ? 1e-2f : 0, .correction1 = 10, .correction2 = 1000};
  float *w = input(n, 1);
  struct pair g = output(n), m = output(n), v = output(n);
  for (size_t i = 0; i < n; i++) v.got[i] = v.want[i] = v.got[i] * v.got[i];
  double want[2] = {1, 2};
  double got[2] = {1, 2};
  br__kernels_reference.lamb_direction(&o, w, g.want, m.want, v.want, want, n);
  table->lamb_direction(&o, w, g.got, m.got, v.got, got, n);
  same("g", g), same("m", m), same("v", v);
  same_bytes("squares", got, want, sizeof got);
}

static void check_lamb_step(void) {
  size_t n = any_size() * 3;
  float *g = input(n, 1);
  struct pair w = output(n);
  br__kernels_reference.lamb_step(0.01f, w.want, g, n);
  table->lamb_step(0.01f, w.got, g, n);
  same("w", w);
}

static void check_infer_packed_floats(void) {} /* these three are checked by infer_conv, within its guards */
static void check_infer_pack(void) {}
static void check_infer_conv_work_bytes(void) {}

static void check_infer_conv(void) {
  struct br_conv_shape d = any_conv();
  bool depthwise = d.groups == d.C && d.K == d.C;
  size_t K = (size_t)d.K, pixels = y_size(&d) / K, floats = table->infer_packed_floats(&d);
  struct br_infer_conv conv = {.shape = d, .x = input(x_size(&d), 1), .y_pixel = K + (depthwise || coin() ? 0 : (size_t)below(9))};
  float *w = input(w_size(&d), 1), *packed = take(floats), *twin_work = take(y_size(&d));
  struct pair y = output(pixels * conv.y_pixel);
  conv.epilogue = (struct br_epilogue){.bias = coin() ? input(K, 1) : NULL, .residual = coin() ? input(y_size(&d), 1) : NULL, .activation = below(4) == 0 ? BR_ACTIVATION_HARDSWISH : any_activation(), .alpha = value(1)};
  conv.packed = w, conv.y = y.want;
  br__kernels_reference.infer_conv(&conv, BR_PART_ALL, twin_work);
  IN_PARTS(table->infer_pack(&d, w, packed, part));
  void *work = work_of(table->infer_conv_work_bytes(&d));
  conv.packed = packed, conv.y = y.got;
  IN_PARTS(table->infer_conv(&conv, part, work));
  same("y", y);
}

static void check_dropout(void) {
  const size_t n = any_size() * any_size();
  const struct br_dropout d = {.seed = (uint64_t)br_random_u32(&draw) << 32 | br_random_u32(&draw), .place = (coin() ? 0 : (uint64_t)1 << 34) - (coin() ? 0 : 50) + (uint64_t)below(1000) + 100, .step = br_random_u32(&draw),
                               .threshold = br_random_u32(&draw), .scale = value(2)};
  const bool accumulate = coin();
  float *x = input(n, 1);
  struct pair y = output(n);
  br__kernels_reference.dropout(&d, x, y.want, accumulate, n, BR_PART_ALL);
  IN_PARTS(table->dropout(&d, x, y.got, accumulate, n, part));
  same("y", y);
}

static void check_conv_pool_work_bytes(void) {} /* its worth is checked by the two below, within its guard */

static void check_conv_pool(bool backward) {
  struct br_conv_pool b = {.pool_h = between(1, 3), .pool_w = between(1, 4), .accumulate_dx = coin()};
  struct br_conv_shape d = any_conv();
  d.groups = d.dilation_h = d.dilation_w = 1;
  d.C = between(1, 9), d.K = between(1, 30), d.R = between(1, 7), d.H += b.pool_h * d.stride_h + d.R, d.W += b.pool_w * d.stride_w + d.S;
  d.P = (d.H + d.pad_top + below(3) - d.R) / d.stride_h + 1, d.Q = (d.W + d.pad_left + below(3) - d.S) / d.stride_w + 1;
  b.conv = d;
  const size_t windows = (size_t)(d.P / b.pool_h * (d.Q / b.pool_w)), chosen_bytes = (size_t)(d.N * d.K) * windows;
  b.x = input(x_size(&d), 1), b.w = input(w_size(&d), 1), b.bias = coin() ? input((size_t)d.K, 1) : NULL, b.dy = input(chosen_bytes, 1);
  struct br_conv_pool twin = b;
  struct pair y = output(chosen_bytes), dx = output(x_size(&d)), dw = output(w_size(&d)), dbias = output((size_t)d.K);
  uint8_t *chosen = (uint8_t *)take(chosen_bytes / 4 + 1), *chosen_twin = (uint8_t *)take(chosen_bytes / 4 + 1);
  const bool want_dx = coin(), want_dbias = coin();
  b.y = y.got, b.chosen = chosen, b.dx = want_dx ? dx.got : NULL, b.dw = dw.got, b.dbias = want_dbias ? dbias.got : NULL;
  twin.y = y.want, twin.chosen = chosen_twin, twin.dx = want_dx ? dx.want : NULL, twin.dw = dw.want, twin.dbias = want_dbias ? dbias.want : NULL;
  void *work = work_of(table->conv_pool_work_bytes(&b));
  br__kernels_reference.conv_pool_forward(&twin, BR_PART_ALL, NULL);
  IN_PARTS(table->conv_pool_forward(&b, part, work));
  same("y", y), same_bytes("chosen", chosen, chosen_twin, chosen_bytes);
  if (!backward) return;
  br__kernels_reference.conv_pool_backward(&twin, BR_PART_ALL, NULL);
  IN_PARTS(table->conv_pool_backward(&b, part, work));
  same("dx", dx), same("dw", dw), same("dbias", dbias);
}

static void check_conv_pool_forward(void) { check_conv_pool(false); }
static void check_conv_pool_backward(void) { check_conv_pool(true); }

static void check_winograd_packed_floats(void) {} /* checked by winograd_conv */
static void check_winograd_pack(void) {}
static void check_winograd_work_bytes(void) {}

/* The bits of its twin, and near the direct way. */
static void check_winograd_conv(void) {
  struct br_conv_shape d = {.N = between(1, 2), .H = between(3, 19), .W = between(3, 19), .C = (int)any_size() % 70 + 1, .K = (int)any_size() % 70 + 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
  d.R = d.S = coin() ? 3 : 5;
  d.pad_top = d.R - 3 + below(3), d.pad_left = d.R - 3 + below(3);
  d.P = d.H - d.R + 1 + 2 * d.pad_top - (d.pad_top ? below(2) : 0), d.Q = d.W - d.S + 1 + 2 * d.pad_left;
  size_t K = (size_t)d.K, pixels = y_size(&d) / K;
  struct br_infer_conv conv = {.shape = d, .x = input(x_size(&d), 1), .y_pixel = K + (coin() ? 0 : (size_t)below(9))};
  float *w = input(w_size(&d), 0.2f), *twin = take(br__kernels_reference.winograd_packed_floats(&d)), *packed = take(table->winograd_packed_floats(&d)), *direct = take(y_size(&d));
  struct pair y = output(pixels * conv.y_pixel);
  conv.epilogue = (struct br_epilogue){.bias = coin() ? input(K, 1) : NULL, .residual = coin() ? input(y_size(&d), 1) : NULL, .activation = below(4) == 0 ? BR_ACTIVATION_HARDSWISH : any_activation()};
  br__kernels_reference.winograd_pack(&d, w, twin, BR_PART_ALL);
  conv.packed = twin, conv.y = y.want;
  br__kernels_reference.winograd_conv(&conv, BR_PART_ALL, NULL);
  IN_PARTS(table->winograd_pack(&d, w, packed, part));
  void *work = work_of(table->winograd_work_bytes(&d));
  conv.packed = packed, conv.y = y.got;
  IN_PARTS(table->winograd_conv(&conv, part, work));
  same("y", y);
  if (conv.epilogue.activation > BR_ACTIVATION_RELU6) return; /* a slope may be steep */
  float largest = 1;
  br__kernels_reference.conv_forward(&d, conv.x, w, direct, &conv.epilogue, BR_PART_ALL, NULL);
  for (size_t i = 0; i < y_size(&d); i++) largest = __builtin_fabsf(direct[i]) > largest ? __builtin_fabsf(direct[i]) : largest;
  for (size_t i = 0; i < y_size(&d); i++)
    if (__builtin_fabsf(y.got[i / K * conv.y_pixel + i % K] - direct[i]) > 1e-4f * largest) {
      differs("the direct way", i);
      return;
    }
}

static void check_inverted_residual_work_bytes(void) {} /* its worth is checked by the two below, within its guard */

struct team_call {
  struct br_inverted_residual block;
  void *work;
  bool backward;
};

static void team_member(void *arg, struct br_part part) {
  struct team_call *call = arg;
  (call->backward ? table->inverted_residual_backward : table->inverted_residual_forward)(&call->block, part, call->work);
}

/* The same block twice, once for the table and once for the twin, each with its own outputs; the table's in a team. */
static void check_block(bool backward) {
  const bool large = below(8) == 0; /* narrow, if it has few channels */
  const int E = large ? between(1, 40) : (int)any_size(), stride = between(1, 2), R = coin() ? 3 : 5, N = large ? between(1, 2) : between(1, 9);
  struct br_conv_shape d = {.N = N, .H = large ? between(41, 52) : between(2, 11), .W = large ? between(45, 53) : between(2, 11), .C = E, .K = E, .R = R, .S = R, .stride_h = stride, .stride_w = stride, .dilation_h = 1, .dilation_w = 1, .groups = E};
  d.pad_top = between(R / 2 - 1, R / 2), d.pad_left = between(R / 2 - 1, R / 2);
  d.P = (d.H - 1) / stride + 1, d.Q = (d.W - 1) / stride + 1;
  struct br_inverted_residual b = {.depthwise = d, .expand = below(4) > 0, .C = large && coin() ? 8 * between(1, 2) : below(large ? 20 : 60) + 1, .K = below(60) + 1, .eps = 1e-5f, .accumulate_dx = coin()};
  if (!b.expand) b.C = E;
  const size_t inner = (size_t)(N * d.H * d.W), outer = (size_t)(N * d.P * d.Q), e = (size_t)E, C = (size_t)b.C, K = (size_t)b.K;
  b.x = input(inner * C, 1), b.w_expand = b.expand ? input(C * e, 1) : NULL, b.w_depthwise = input((size_t)(R * R) * e, 1), b.w_project = input(e * K, 1);
  b.gamma1 = input(e, 2), b.beta1 = input(e, 2), b.gamma2 = input(e, 2), b.beta2 = input(e, 2), b.dy = input(outer * K, 1);
  struct br_inverted_residual twin = b;
  const size_t moments = br_inverted_residual_moments(&b);
  b.moments = malloc(moments * sizeof(double) + 1), twin.moments = malloc(moments * sizeof(double) + 1);
  struct pair outputs[14];
  float **const got[] = {&b.mean1, &b.var1, &b.mean2, &b.var2, &b.y, &b.dx, &b.dw_expand, &b.dgamma1, &b.dbeta1, &b.dw_depthwise, &b.dgamma2, &b.dbeta2, &b.dw_project};
  float **const want[] = {&twin.mean1, &twin.var1, &twin.mean2, &twin.var2, &twin.y, &twin.dx, &twin.dw_expand, &twin.dgamma1, &twin.dbeta1, &twin.dw_depthwise, &twin.dgamma2, &twin.dbeta2, &twin.dw_project};
  const size_t sizes[] = {e, e, e, e, outer * K, inner * C, C * e, e, e, (size_t)(R * R) * e, e, e, e * K};
  static const char *const names[] = {"mean1", "var1", "mean2", "var2", "y", "dx", "dw_expand", "dgamma1", "dbeta1", "dw_depthwise", "dgamma2", "dbeta2", "dw_project"};
  const size_t count = sizeof sizes / sizeof *sizes;
  for (size_t i = 0; i < count; i++) {
    outputs[i] = output(sizes[i]);
    *got[i] = outputs[i].got, *want[i] = outputs[i].want;
  }
  struct br_barrier barrier = {0};
  struct br_team *team;
  const int parts = between(1, 3);
  b.barrier = &barrier;
  b.keep = coin() ? take((inner + outer) * e) : NULL;
  struct team_call call = {b, work_of(table->inverted_residual_work_bytes(&b, parts)), false};
  void *work = malloc(br__kernels_reference.inverted_residual_work_bytes(&twin, 1));
  if (br_team_open(parts, &team) != 0) abort();
  br_team_run(team, team_member, &call);
  br__kernels_reference.inverted_residual_forward(&twin, BR_PART_ALL, work);
  if (backward) {
    call.backward = true;
    br_team_run(team, team_member, &call);
    br__kernels_reference.inverted_residual_backward(&twin, BR_PART_ALL, work);
  }
  br_team_close(team);
  free(work);
  for (size_t i = 0; i < count; i++) same(names[i], outputs[i]);
  for (size_t i = 0; i < moments; i++)
    if (b.moments[i] != twin.moments[i] && !(b.moments[i] != b.moments[i] && twin.moments[i] != twin.moments[i])) differs("moments", i);
  free(b.moments);
  free(twin.moments);
}

static void check_inverted_residual_forward(void) { check_block(false); }
static void check_inverted_residual_backward(void) { check_block(true); }

/* All kernels of the list, `rounds` times each; a kernel without a check does not compile. */
static void check_table(const struct br_kernels *kernels, int rounds) {
  static const struct {
    const char *name;
    void (*check)(void);
  } checks[] = {
#define KERNEL(result, name, parameters, arguments) {#name, check_##name},
#include <kernel/kernels.def>
#undef KERNEL
  };
  table = kernels;
  outputs_hash = 0xcbf29ce484222325u;
  for (size_t c = 0; c < sizeof checks / sizeof *checks; c++)
    for (int round = 0; round < rounds; round++) {
      checks_open(c, (uint64_t)round);
      checking = checks[c].name;
      checks[c].check();
      guards_hold();
    }
}

#endif
