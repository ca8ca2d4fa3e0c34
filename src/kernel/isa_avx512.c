/* The kernels for x86-64 with AVX-512 F, BW, DQ and VL: 16 floats a vector, 32 registers, a mask for the odd end of a row. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>
#include <bramble/base/memory.h>

#include "kernels.h"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")

#define VL 16
#define MR 12          /* rows of a GEMM tile: 12 x 2 vectors of sums, 2 of B and broadcasts from memory */
#define A_STEPS 1 /* steps of k for which A is loaded at once */
#define MASKED_LOADS 1 /* B may be read in place whatever its width */
#define HALF 8         /* floats of a half vector, which runs twice as often */
#define SKEW 3 /* steps of a tile of inference by which its two vectors end one after the other */
#define INSIDE_TOGETHER 8 /* outputs of a depthwise convolution at once */
#define PRODUCT_TILE 4 /* rows of digits that are multiplied with as many others at once */
#define TABLE br__kernels_avx512
#define TABLE_NAME "avx512"

typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef int64_t vl __attribute__((vector_size(64)));
typedef uint64_t vw __attribute__((vector_size(64)));
typedef float vf_loose __attribute__((vector_size(64), aligned(4), may_alias));
typedef __mmask16 vmask;
typedef const float *va; /* where the values of A are */

static inline vmask v_mask(size_t n) { return (vmask)((1u << n) - 1u); }
static inline vf v_load_mask(const float *p, vmask m) { return _mm512_maskz_loadu_ps(m, p); }
static inline void v_store_mask(float *p, vmask m, vf x) { _mm512_mask_storeu_ps(p, m, x); }
static inline vf v_set1(float x) { return _mm512_set1_ps(x); }
static inline vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf v_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf v_where_gt(vf a, vf b, vf x, vf y) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x); }
static inline vf v_where_eq(vf a, vf b, vf x, vf y) { return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ), y, x); }
typedef __m256 vh;
static inline vh h_set1(float x) { return _mm256_set1_ps(x); }
static inline vh h_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void h_store(float *p, vh x) { _mm256_storeu_ps(p, x); }
static inline vh h_low(vf x) { return _mm512_castps512_ps256(x); }
static inline vf h_widen(vh x) { return _mm512_zextps256_ps512(x); }
static inline vh h_load_mask(const float *p, vmask m) { return _mm256_maskz_loadu_ps((__mmask8)m, p); }
static inline void h_store_mask(float *p, vmask m, vh x) { _mm256_mask_storeu_ps(p, (__mmask8)m, x); }
static inline vh h_fma(vh a, vh b, vh c) { return _mm256_fmadd_ps(a, b, c); }
static inline va va_load(const float *p) { return p; }
static inline vf v_fma_lane(va a, int lane, vf b, vf c) { return _mm512_fmadd_ps(_mm512_set1_ps(a[lane]), b, c); }
static inline vf v_load_bytes(const uint8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p))); }
static inline vf v_load_bytes_mask(const uint8_t *p, vmask m) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, p))); }
static inline void v_store_bytes_mask(uint8_t *p, vmask m, vf x) { _mm512_mask_cvtepi32_storeu_epi8(p, m, _mm512_cvtps_epi32(x)); }

static inline vu v_multiply_wide(vu a, uint32_t b, vu *high) {
  const __m512i factor = _mm512_set1_epi32((int)b), even = _mm512_mul_epu32((__m512i)a, factor), odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
  *high = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  return (vu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

/* sum + the products of the even lanes + those of the odd ones. */
static inline vl v_dot_add(vl sum, vi a, vi b) {
  const __m512i even = _mm512_mul_epi32((__m512i)a, (__m512i)b), odd = _mm512_mul_epi32(_mm512_srli_epi64((__m512i)a, 32), _mm512_srli_epi64((__m512i)b, 32));
  return sum + (vl)even + (vl)odd;
}

#define V_KEEP_GT
static inline size_t v_keep_gt(float *to, int32_t *places, vf x, vf place, vf a, vf b, size_t n) {
  const vmask keep = _mm512_mask_cmp_ps_mask(v_mask(n), a, b, _CMP_GT_OQ);
  _mm512_storeu_ps(to, _mm512_maskz_compress_ps(keep, x));
  _mm512_storeu_si512(places, _mm512_maskz_compress_epi32(keep, _mm512_cvttps_epi32(place)));
  return (size_t)__builtin_popcount(keep);
}

static inline void v_grid_add(int64_t *sum, const int64_t *before, vf x, double factor) {
  vf scaled = x * (float)factor;
  __m512i low = _mm512_cvtps_epi64(_mm512_castps512_ps256(scaled)), high = _mm512_cvtps_epi64(_mm512_extractf32x8_ps(scaled, 1));
  _mm512_storeu_si512(sum, _mm512_add_epi64(_mm512_loadu_si512(before), low));
  _mm512_storeu_si512(sum + 8, _mm512_add_epi64(_mm512_loadu_si512(before + 8), high));
}

static inline vf v_grid_get(const int64_t *sum, double factor) {
  __m512d f = _mm512_set1_pd(factor);
  __m256 low = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_loadu_si512(sum)), f));
  __m256 high = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_loadu_si512(sum + 8)), f));
  return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

#include "table.inc"
#endif
