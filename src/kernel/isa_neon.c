/* The kernels for arm64: 4 floats a vector, 32 registers; A is loaded four values at a time and used by lane, which is one
 * fmla v.s[lane] each. */
#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>
#include <bramble/base/memory.h>

#include "kernels.h"

#define VL 4
#define MR 8 /* 8 x 2 vectors of sums, 8 of A (4 steps of k), 2 of B */
#define A_STEPS 4 /* steps of k for which A is loaded at once */
#define MASKED_LOADS 0
#define HALF 0
#define INSIDE_TOGETHER 8 /* outputs of a depthwise convolution at once */
#define PRODUCT_TILE 4 /* rows of digits that are multiplied with as many others at once */
#define TABLE br__kernels_neon
#define TABLE_NAME "neon"

typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
typedef int64_t vl __attribute__((vector_size(16)));
typedef uint64_t vw __attribute__((vector_size(16)));
typedef float vf_loose __attribute__((vector_size(16), aligned(4), may_alias));
typedef size_t vmask;
typedef vf va; /* four values of A */

static inline vmask v_mask(size_t n) { return n; }
/* Not inline: only the last channels of a count that is no multiple of four need these, and they are much code. */
static __attribute__((noinline)) vf v_load_mask(const float *p, vmask n) {
  vf x = {n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
  return x;
}
static __attribute__((noinline)) void v_store_mask(float *p, vmask n, vf x) {
  for (size_t i = 0; i < n; i++) p[i] = x[i];
}
static inline vf v_set1(float x) { return (vf)vdupq_n_f32(x); }
static inline vf v_fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
static inline vf v_where_gt(vf a, vf b, vf x, vf y) { return (vf)vbslq_f32(vcgtq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)x, (float32x4_t)y); }
static inline vf v_where_eq(vf a, vf b, vf x, vf y) { return (vf)vbslq_f32(vceqq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)x, (float32x4_t)y); }
static inline vf v_max(vf a, vf b) { return v_where_gt(a, b, a, b); }
static inline vf v_min(vf a, vf b) { return v_where_gt(b, a, a, b); }
static inline vf v_sqrt(vf a) { return (vf)vsqrtq_f32((float32x4_t)a); }
static inline va va_load(const float *p) { return (vf)vld1q_f32(p); }
static inline vf v_fma_lane(va a, int lane, vf b, vf c) {
  switch (lane) {
    case 0: return (vf)vfmaq_laneq_f32((float32x4_t)c, (float32x4_t)b, (float32x4_t)a, 0);
    case 1: return (vf)vfmaq_laneq_f32((float32x4_t)c, (float32x4_t)b, (float32x4_t)a, 1);
    case 2: return (vf)vfmaq_laneq_f32((float32x4_t)c, (float32x4_t)b, (float32x4_t)a, 2);
    default: return (vf)vfmaq_laneq_f32((float32x4_t)c, (float32x4_t)b, (float32x4_t)a, 3);
  }
}
static inline vf v_load_bytes(const uint8_t *p) { return (vf){p[0], p[1], p[2], p[3]}; }

static inline vu v_multiply_wide(vu a, uint32_t b, vu *high) {
  const uint32x4_t low = (uint32x4_t)vmull_n_u32(vget_low_u32((uint32x4_t)a), b), up = (uint32x4_t)vmull_n_u32(vget_high_u32((uint32x4_t)a), b);
  *high = (vu)vuzp2q_u32(low, up);
  return (vu)vuzp1q_u32(low, up);
}

static inline vl v_dot_add(vl sum, vi a, vi b) {
  return (vl)vmlal_high_s32(vmlal_s32((int64x2_t)sum, vget_low_s32((int32x4_t)a), vget_low_s32((int32x4_t)b)), (int32x4_t)a, (int32x4_t)b);
}

static inline void v_grid_add(int64_t *sum, const int64_t *before, vf x, double factor) {
  float64x2_t f = vdupq_n_f64(factor);
  int64x2_t low = vcvtnq_s64_f64(vmulq_f64(vcvt_f64_f32(vget_low_f32((float32x4_t)x)), f));
  int64x2_t high = vcvtnq_s64_f64(vmulq_f64(vcvt_high_f64_f32((float32x4_t)x), f));
  vst1q_s64(sum, vaddq_s64(vld1q_s64(before), low));
  vst1q_s64(sum + 2, vaddq_s64(vld1q_s64(before + 2), high));
}

static inline vf v_grid_get(const int64_t *sum, double factor) {
  float64x2_t f = vdupq_n_f64(factor);
  float32x2_t low = vcvt_f32_f64(vmulq_f64(vcvtq_f64_s64(vld1q_s64(sum)), f));
  return (vf)vcvt_high_f32_f64(low, vmulq_f64(vcvtq_f64_s64(vld1q_s64(sum + 2)), f));
}

#include "table.inc"
#endif
