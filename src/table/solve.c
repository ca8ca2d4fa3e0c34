/* Pivoted Cholesky of the matrix scaled to a unit diagonal. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "solve.h"

#include <math.h>

#define REST 1e-24

/* Of a positive number; those whose double would be 0 or infinite are brought near by powers of four. */
static br__wide wide_sqrt(br__wide x) {
  if (x > 0x1p1000) return wide_sqrt(x * 0x1p-1000) * 0x1p500;
  if (x < 0x1p-1000) return wide_sqrt(x * 0x1p1000) * 0x1p-500;
  br__wide r = sqrt((double)x);
  for (int i = 0; i < 3; i++) r = (r + x / r) / 2; /* Newton: 53, 106, 113 bits */
  return r;
}

static void swap_rows(br__wide *L, size_t n, size_t a, size_t b, size_t *order, br__wide *scale, br__wide *rest) {
  size_t o = order[a];
  br__wide s = scale[a], d = rest[a];
  order[a] = order[b], order[b] = o;
  scale[a] = scale[b], scale[b] = s;
  rest[a] = rest[b], rest[b] = d;
  for (size_t k = 0; k < a; k++) {
    br__wide t = L[a * n + k];
    L[a * n + k] = L[b * n + k];
    L[b * n + k] = t;
  }
}

/* Row by row of L on the permuted, scaled matrix; returns the rank. */
static size_t factor(const br__wide *A, size_t stride, size_t n, double ridge, br__wide *L, size_t *order, br__wide *scale, br__wide *rest) {
  for (size_t i = 0; i < n; i++) {
    br__wide diagonal = A[i * stride + i] + (br__wide)ridge;
    order[i] = i;
    scale[i] = diagonal > 0 ? 1 / wide_sqrt(diagonal) : 0;
    rest[i] = diagonal > 0 ? 1 : 0;
  }
  for (size_t k = 0; k < n; k++) {
    size_t best = k;
    for (size_t i = k + 1; i < n; i++)
      if (rest[i] > rest[best] || (rest[i] == rest[best] && order[i] < order[best])) best = i;
    if (!(rest[best] > REST)) return k;
    if (best != k) swap_rows(L, n, k, best, order, scale, rest);
    br__wide pivot = wide_sqrt(rest[k]);
    L[k * n + k] = pivot;
    for (size_t i = k + 1; i < n; i++) {
      br__wide sum = A[order[i] * stride + order[k]] * scale[i] * scale[k];
      for (size_t j = 0; j < k; j++) sum -= L[i * n + j] * L[k * n + j];
      L[i * n + k] = sum / pivot;
      rest[i] -= L[i * n + k] * L[i * n + k];
    }
  }
  return n;
}

int br__solve(const br__wide *A, size_t stride, size_t n, const br__wide *c, double ridge, br__wide *b, br__wide *inverse_diagonal, bool *excluded) {
  br__wide *L, *scale, *rest, *y;
  size_t *order;
  BR_TRY(br_memory_alloc(n * n + 3 * n, sizeof *L, "normal equations", &L));
  int status = br_memory_alloc(n, sizeof *order, "normal equations", &order);
  if (status != BR_OK) {
    br_memory_free(L);
    return status;
  }
  scale = L + n * n, rest = scale + n, y = rest + n;
  size_t rank = factor(A, stride, n, ridge, L, order, scale, rest);
  for (size_t i = 0; i < n; i++) excluded[order[i]] = i >= rank, b[order[i]] = 0;
  for (size_t i = 0; inverse_diagonal && i < n; i++) inverse_diagonal[i] = 0;
  for (size_t i = 0; i < rank; i++) { /* L y = scaled c */
    br__wide sum = c[order[i]] * scale[i];
    for (size_t j = 0; j < i; j++) sum -= L[i * n + j] * y[j];
    y[i] = sum / L[i * n + i];
  }
  for (size_t i = rank; i-- > 0;) { /* L' b = y */
    br__wide sum = y[i];
    for (size_t j = i + 1; j < rank; j++) sum -= L[j * n + i] * (b[order[j]] / scale[j]);
    b[order[i]] = sum / L[i * n + i] * scale[i];
  }
  for (size_t k = 0; inverse_diagonal && k < rank; k++) { /* column k of the inverse of L, whose squares add up to the diagonal of the inverse */
    for (size_t i = k; i < rank; i++) {
      br__wide sum = i == k;
      for (size_t j = k; j < i; j++) sum -= L[i * n + j] * y[j];
      y[i] = sum / L[i * n + i];
      inverse_diagonal[order[k]] += y[i] * y[i] * scale[k] * scale[k];
    }
  }
  br_memory_free(order);
  br_memory_free(L);
  return BR_OK;
}
