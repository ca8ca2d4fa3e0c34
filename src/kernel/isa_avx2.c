/* The kernels for x86-64 with AVX2 and FMA: 8 floats a vector, 16 registers. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include <bramble/base/memory.h>

#include "kernels.h"
#pragma GCC target("avx2,fma")

#define VL 8
#define MR 6 /* 6 x 2 vectors of sums, 2 of B, 1 of A */
#define A_STEPS 1 /* steps of k for which A is loaded at once */
#define MASKED_LOADS 0
#define HALF 0
#define INSIDE_TOGETHER 4 /* outputs of a depthwise convolution at once */
#define PRODUCT_TILE 2 /* rows of digits that are multiplied with as many others at once */
#define TABLE br__kernels_avx2
#define TABLE_NAME "avx2"

typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef uint32_t vu __attribute__((vector_size(32)));
typedef int64_t vl __attribute__((vector_size(32)));
typedef uint64_t vw __attribute__((vector_size(32)));
typedef float vf_loose __attribute__((vector_size(32), aligned(4), may_alias));
typedef __m256i vmask;
typedef const float *va; /* where the values of A are */

static inline vmask v_mask(size_t n) { return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
static inline vf v_load_mask(const float *p, vmask m) { return _mm256_maskload_ps(p, m); }
static inline void v_store_mask(float *p, vmask m, vf x) { _mm256_maskstore_ps(p, m, x); }
static inline vf v_set1(float x) { return _mm256_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf v_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf v_where_gt(vf a, vf b, vf x, vf y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
static inline vf v_where_eq(vf a, vf b, vf x, vf y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
static inline va va_load(const float *p) { return p; }
static inline vf v_fma_lane(va a, int lane, vf b, vf c) { return _mm256_fmadd_ps(_mm256_set1_ps(a[lane]), b, c); }
static inline vf v_load_bytes(const uint8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p))); }

static inline vu v_multiply_wide(vu a, uint32_t b, vu *high) {
  const __m256i factor = _mm256_set1_epi32((int)b), even = _mm256_mul_epu32((__m256i)a, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);
  *high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  return (vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* sum + the products of the even lanes + those of the odd ones. */
static inline vl v_dot_add(vl sum, vi a, vi b) {
  const __m256i even = _mm256_mul_epi32((__m256i)a, (__m256i)b), odd = _mm256_mul_epi32(_mm256_srli_epi64((__m256i)a, 32), _mm256_srli_epi64((__m256i)b, 32));
  return sum + (vl)even + (vl)odd;
}

/* Four floats to the nearest int64: below 2^30 by the 32-bit conversion, above it the mantissa shifted (an integer already). */
static inline __m256i grid_round(__m128 x) {
  __m256i near = _mm256_cvtepi32_epi64(_mm_cvtps_epi32(x));
  __m128i bits = _mm_castps_si128(x);
  __m128i mantissa = _mm_or_si128(_mm_and_si128(bits, _mm_set1_epi32(0x7fffff)), _mm_set1_epi32(0x800000));
  __m128i shift = _mm_sub_epi32(_mm_and_si128(_mm_srli_epi32(bits, 23), _mm_set1_epi32(255)), _mm_set1_epi32(150));
  __m256i far = _mm256_sllv_epi64(_mm256_cvtepu32_epi64(mantissa), _mm256_cvtepi32_epi64(shift));
  __m256i sign = _mm256_cvtepi32_epi64(_mm_srai_epi32(bits, 31));
  far = _mm256_sub_epi64(_mm256_xor_si256(far, sign), sign);
  __m256i large = _mm256_cvtepi32_epi64(_mm_cmpgt_epi32(shift, _mm_set1_epi32(6)));
  return _mm256_blendv_epi8(near, far, large);
}

static inline void v_grid_add(int64_t *sum, const int64_t *before, vf x, double factor) {
  vf scaled = x * (float)factor;
  __m256i *s = (__m256i *)(void *)sum;
  const __m256i *b = (const __m256i *)(const void *)before;
  _mm256_storeu_si256(s, _mm256_add_epi64(_mm256_loadu_si256(b), grid_round(_mm256_castps256_ps128(scaled))));
  _mm256_storeu_si256(s + 1, _mm256_add_epi64(_mm256_loadu_si256(b + 1), grid_round(_mm256_extractf128_ps(scaled, 1))));
}

static inline vf v_grid_get(const int64_t *sum, double factor) {
  vf y;
  for (int i = 0; i < VL; i++) y[i] = (float)((double)sum[i] * factor);
  return y;
}

#include "table.inc"
#endif
