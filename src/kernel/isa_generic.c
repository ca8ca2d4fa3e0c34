/* The kernels for any processor: vectors of 4 floats as the compiler can make them, every fma by the C library's fmaf. Slow
 * where the processor has no fma, and the same bits. */
#include <math.h>
#include <string.h>
#include <bramble/base/memory.h>

#include "kernels.h"

#define VL 4
#define MR 2
#define A_STEPS 1 /* steps of k for which A is loaded at once */
#define MASKED_LOADS 0
#define UNROLL(n)
#define SHARED static __attribute__((noinline)) /* thousands of places use these, and there are four calls of fmaf behind each */
#define HALF 0
#define INSIDE_TOGETHER 4 /* outputs of a depthwise convolution at once */
#define PRODUCT_TILE 2 /* rows of digits that are multiplied with as many others at once */
#define TABLE br__kernels_generic
#define TABLE_NAME "generic"

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
typedef int64_t vl __attribute__((vector_size(16)));
typedef uint64_t vw __attribute__((vector_size(16)));
typedef float vf_loose __attribute__((vector_size(16), aligned(4), may_alias));
typedef size_t vmask;
typedef const float *va; /* where the values of A are */

static inline vmask v_mask(size_t n) { return n; }
SHARED vf v_load_mask(const float *p, vmask n) {
  vf x = {n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
  return x;
}
SHARED void v_store_mask(float *p, vmask n, vf x) {
  for (size_t i = 0; i < n; i++) p[i] = x[i];
}
static inline vf v_set1(float x) { return (vf){x, x, x, x}; }
SHARED vf v_fma(vf a, vf b, vf c) { return (vf){fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]), fmaf(a[3], b[3], c[3])}; }
static inline vf where(vi mask, vf x, vf y) { return (vf)(((vi)x & mask) | ((vi)y & ~mask)); }
static inline vf v_where_gt(vf a, vf b, vf x, vf y) { return where((vi)(a > b), x, y); }
static inline vf v_where_eq(vf a, vf b, vf x, vf y) { return where((vi)(a == b), x, y); }
static inline vf v_max(vf a, vf b) { return v_where_gt(a, b, a, b); }
static inline vf v_min(vf a, vf b) { return v_where_gt(b, a, a, b); }
static inline vf v_sqrt(vf a) { return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
static inline va va_load(const float *p) { return p; }
static inline vf v_fma_lane(va a, int lane, vf b, vf c) { return v_fma(v_set1(a[lane]), b, c); }
static inline vf v_load_bytes(const uint8_t *p) { return (vf){p[0], p[1], p[2], p[3]}; }

SHARED vu v_multiply_wide(vu a, uint32_t b, vu *high) {
  vu low;
  for (int i = 0; i < VL; i++) {
    const uint64_t product = (uint64_t)a[i] * b;
    low[i] = (uint32_t)product, (*high)[i] = (uint32_t)(product >> 32);
  }
  return low;
}

static inline vl v_dot_add(vl sum, vi a, vi b) {
  return (vl){sum[0] + (int64_t)a[0] * b[0] + (int64_t)a[2] * b[2], sum[1] + (int64_t)a[1] * b[1] + (int64_t)a[3] * b[3]};
}

static inline void v_grid_add(int64_t *sum, const int64_t *before, vf x, double factor) {
  for (int i = 0; i < VL; i++) {
    double value = (double)x[i] * factor;
    sum[i] = before[i] + (fabs(value) < 0x1p62 ? llrint(value) : 0);
  }
}

static inline vf v_grid_get(const int64_t *sum, double factor) {
  vf y;
  for (int i = 0; i < VL; i++) y[i] = (float)((double)sum[i] * factor);
  return y;
}

#include "table.inc"
