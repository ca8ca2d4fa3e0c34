/* exp, log, tanh, sigmoid, erf of one float: our own, so that every machine gives the same bits. Each is a fixed sequence of
 * IEEE operations (fma, +, *, /, comparisons, integer shifts); vector_math.inc does the same sequence on vectors. The
 * polynomials are minimax fits (Remez). Called by the reference kernels and by the wall's scalar functions. */
#ifndef BRAMBLE_KERNEL_SCALAR_MATH_H
#define BRAMBLE_KERNEL_SCALAR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "math_constants.h"

static inline float br__float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline uint32_t br__bits_of_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* The comparisons of x86 maxps and minps: the second operand where they are unordered. */
static inline float br__max1(float a, float b) { return a > b ? a : b; }
static inline float br__min1(float a, float b) { return a < b ? a : b; }

/* exp(x) = 2^n exp(r), n = round(x / ln 2); 2^n in two factors, so that results below FLT_MIN come out right. */
static inline float br__exp1(float x) {
  x = br__max1(BR__EXP_LOW, br__min1(BR__EXP_HIGH, x));
  float shifted = fmaf(x, BR__LOG2_E, BR__ROUND_MAGIC);
  float n = shifted - BR__ROUND_MAGIC;
  float r = fmaf(n, -BR__LN2_NEAR, x);
  r = fmaf(n, -BR__LN2_REST, r);
  float p = BR__EXP_4;
  p = fmaf(p, r, BR__EXP_3);
  p = fmaf(p, r, BR__EXP_2);
  p = fmaf(p, r, BR__EXP_1);
  p = fmaf(p, r, BR__EXP_0);
  p = fmaf(p, r * r, r) + 1.0f;
  int32_t k = (int32_t)(br__bits_of_float(shifted) - BR__ROUND_MAGIC_BITS);
  int32_t half = k >> 1;
  float low = br__float_of_bits((uint32_t)(half + 127) << 23);
  float high = br__float_of_bits((uint32_t)(k - half + 127) << 23);
  return p * low * high;
}

/* log(x) = e ln 2 + log(1 + f), 1 + f in [sqrt 1/2, sqrt 2). */
static inline float br__log1(float x) {
  float scaled = x < BR__FLOAT_MIN ? x * BR__TWO_23 : x;
  float shift = x < BR__FLOAT_MIN ? -23.0f : 0.0f;
  uint32_t bits = br__bits_of_float(scaled);
  int32_t e = (int32_t)(bits - BR__SQRT_HALF_BITS) >> 23;
  float f = br__float_of_bits(bits - ((uint32_t)e << 23)) - 1.0f;
  float n = (float)e + shift;
  float p = BR__LOG_8;
  p = fmaf(p, f, BR__LOG_7);
  p = fmaf(p, f, BR__LOG_6);
  p = fmaf(p, f, BR__LOG_5);
  p = fmaf(p, f, BR__LOG_4);
  p = fmaf(p, f, BR__LOG_3);
  p = fmaf(p, f, BR__LOG_2);
  p = fmaf(p, f, BR__LOG_1);
  p = fmaf(p, f, BR__LOG_0);
  float square = f * f;
  float t = fmaf(square * f, p, n * BR__LN2_LOW);
  t = fmaf(-0.5f, square, t);
  float y = fmaf(n, BR__LN2_HIGH, f + t);
  y = x < BR__INFINITY ? y : x; /* inf is its own logarithm */
  float other = x == 0 ? -BR__INFINITY : BR__NAN;
  return x > 0 ? y : other;
}

static inline float br__sigmoid1(float x) { return 1.0f / (1.0f + br__exp1(-x)); }

static inline float br__tanh1(float x) {
  float a = fabsf(x), z = x * x;
  float p = BR__TANH_4;
  p = fmaf(p, z, BR__TANH_3);
  p = fmaf(p, z, BR__TANH_2);
  p = fmaf(p, z, BR__TANH_1);
  p = fmaf(p, z, BR__TANH_0);
  float small = fmaf(p * z, a, a);
  float e = br__exp1(-2.0f * a);
  float large = (1.0f - e) / (1.0f + e);
  return copysignf(a < BR__TANH_SMALL ? small : large, x);
}

static inline float br__erf1(float x) {
  float a = fabsf(x), z = x * x;
  float p = BR__ERF_6;
  p = fmaf(p, z, BR__ERF_5);
  p = fmaf(p, z, BR__ERF_4);
  p = fmaf(p, z, BR__ERF_3);
  p = fmaf(p, z, BR__ERF_2);
  p = fmaf(p, z, BR__ERF_1);
  p = fmaf(p, z, BR__ERF_0);
  float small = fmaf(p, a, a);
  float b = br__min1(4.0f, a); /* erf(4) rounds to 1 */
  float q = BR__ERFC_6;
  q = fmaf(q, b, BR__ERFC_5);
  q = fmaf(q, b, BR__ERFC_4);
  q = fmaf(q, b, BR__ERFC_3);
  q = fmaf(q, b, BR__ERFC_2);
  q = fmaf(q, b, BR__ERFC_1);
  q = fmaf(q, b, BR__ERFC_0);
  float large = 1.0f - br__exp1(-b * q);
  return copysignf(a < 1.0f ? small : large, x);
}

#endif
