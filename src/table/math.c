/* Elementary functions from their series, after reduction to a short interval. */
#include "math.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HIGH 0x1.62e42feep-1          /* 31 bits: k times it is exact for |k| < 2^21 */
#define LN2_LOW 0x1.a39ef35793c76p-33
#define INVERSE_LN2 0x1.71547652b82fep+0

/* 2^k for -1022 <= k <= 1023. */
static double power_of_two(int k) {
  uint64_t bits = (uint64_t)(k + 1023) << 52;
  double x;
  memcpy(&x, &bits, 8);
  return x;
}

double br__exp(double x) {
  if (isnan(x)) return x;
  if (x > 709.782712893384) return INFINITY;
  if (x < -745.2) return 0;
  double n = rint(x * INVERSE_LN2);
  double r = (x - n * LN2_HIGH) - n * LN2_LOW; /* |r| at most 0.35 */
  static const double c[] = {1. / 6227020800., 1. / 479001600., 1. / 39916800., 1. / 3628800., 1. / 362880., 1. / 40320., 1. / 5040., 1. / 720., 1. / 120., 1. / 24., 1. / 6., 0.5};
  double p = c[0];
  for (int i = 1; i < 12; i++) p = p * r + c[i];
  p = 1 + (r + r * r * p);
  int k = (int)n, half = k / 2;
  return p * power_of_two(half) * power_of_two(k - half);
}

double br__log(double x) {
  if (!(x > 0)) return x == 0 ? -INFINITY : NAN;
  if (isinf(x)) return x;
  int k;
  double m = frexp(x, &k);
  if (m < 0x1.6a09e667f3bcdp-1) m *= 2, k--; /* now between sqrt(1/2) and sqrt(2) */
  double f = m - 1, s = f / (2 + f), z = s * s, p = 0;
  for (int i = 21; i >= 3; i -= 2) p = p * z + 1. / i; /* log m = 2 s (1 + z/3 + z^2/5 + ...) */
  double tail = 2 * s * (z * p), dk = k; /* 2 s = f - s f */
  return dk * LN2_HIGH + (f - (s * f - (tail + dk * LN2_LOW)));
}

double br__log1p_exp(double x) {
  if (x > 36) return x;
  double e = br__exp(x);
  if (e < 1e-5) return e - e * e / 2 + e * e * e / 3;
  return br__log(1 + e);
}

/* log of the gamma function for x > 0: Stirling's series after moving x above 15. */
static double log_gamma(double x) {
  double shift = 1;
  for (; x < 15; x += 1) shift *= x;
  double z = 1 / (x * x);
  static const double c[] = {-691. / 360360., 1. / 1188., -1. / 1680., 1. / 1260., -1. / 360., 1. / 12.};
  double p = c[0];
  for (int i = 1; i < 6; i++) p = p * z + c[i];
  return (x - 0.5) * br__log(x) - x + 0.918938533204672741780 + p / x - br__log(shift);
}

/* Continued fraction of the incomplete beta function (Lentz's method). */
static double beta_fraction(double a, double b, double x) {
  const double tiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (fabs(d) < tiny ? tiny : d);
  double h = d;
  for (int m = 1; m < 10000; m++) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d, c = 1 + even / c;
    d = 1 / (fabs(d) < tiny ? tiny : d), c = fabs(c) < tiny ? tiny : c;
    h *= d * c;
    double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d, c = 1 + odd / c;
    d = 1 / (fabs(d) < tiny ? tiny : d), c = fabs(c) < tiny ? tiny : c;
    h *= d * c;
    if (fabs(d * c - 1) < 1e-15) break;
  }
  return h;
}

/* log(1 + u) for u >= 0 without losing small u: twice the artanh of u / (2 + u). */
static double log1p_of(double u) {
  if (u > 0.4) return br__log(1 + u);
  double s = u / (2 + u), z = s * s, p = 0;
  for (int i = 21; i >= 1; i -= 2) p = p * z + 1. / i;
  return 2 * s * p;
}

/* log of B(a, 1/2); for large a the gamma functions' quotient by its series, which the difference of their logarithms would lose. */
static double log_beta_half(double a) {
  const double half_log_pi = 0.572364942924700087072;
  if (a < 200) return log_gamma(a) + half_log_pi - log_gamma(a + 0.5);
  double r = 1 / a;
  return half_log_pi - 0.5 * br__log(a) + r * (1. / 8 - r * r * (1. / 192 - r * r / 640));
}

double br__student_p(double t, double freedom) {
  if (isnan(t) || freedom <= 0) return NAN;
  if (isinf(t)) return 0;
  double a = freedom / 2, u = t * t / freedom, x = 1 / (1 + u), y = u / (1 + u); /* I_x(a, 1/2), y = 1 - x */
  if (y == 0) return 1;
  double front = br__exp(0.5 * br__log(y) - a * log1p_of(u) - log_beta_half(a));
  if (x < (a + 1) / (a + 2.5)) return front * beta_fraction(a, 0.5, x) / a;
  return 1 - front * beta_fraction(0.5, a, y) / 0.5;
}
