/* The constants of scalar_math.h and vector_math.inc. */
#ifndef BRAMBLE_KERNEL_MATH_CONSTANTS_H
#define BRAMBLE_KERNEL_MATH_CONSTANTS_H

#define BR__INFINITY __builtin_inff()
#define BR__NAN __builtin_nanf("")
#define BR__FLOAT_MIN 0x1p-126f
#define BR__TWO_23 0x1p23f
#define BR__SQRT_HALF_BITS 0x3f3504f3u

/* 1.5 * 2^23: adding it rounds to an integer, which then lies in the low bits. */
#define BR__ROUND_MAGIC 0x1.8p23f
#define BR__ROUND_MAGIC_BITS 0x4b400000u

#define BR__LOG2_E 0x1.715476p+0f
#define BR__LN2_NEAR 0x1.62e43p-1f   /* ln 2 as a float, */
#define BR__LN2_REST (-0x1.05c61p-29f) /* and what is missing */
#define BR__LN2_HIGH 0x1.62e4p-1f    /* ln 2 in 15 bits, so that e LN2_HIGH is exact, */
#define BR__LN2_LOW 0x1.7f7d1cp-20f  /* and what is missing */

#define BR__EXP_LOW (-105.0f) /* exp is 0 there, */
#define BR__EXP_HIGH 89.0f    /* and infinite here */
#define BR__EXP_0 0x1.fffffcp-2f /* (exp(r) - 1 - r) / r^2 */
#define BR__EXP_1 0x1.555490p-3f
#define BR__EXP_2 0x1.5558f4p-5f
#define BR__EXP_3 0x1.123a6ap-7f
#define BR__EXP_4 0x1.6a2368p-10f

#define BR__LOG_0 0x1.555548p-2f /* (log(1 + f) - f + f^2 / 2) / f^3 */
#define BR__LOG_1 (-0x1.000006p-2f)
#define BR__LOG_2 0x1.99a4b6p-3f
#define BR__LOG_3 (-0x1.555c4ep-3f)
#define BR__LOG_4 0x1.23376ap-3f
#define BR__LOG_5 (-0x1.fc220ap-4f)
#define BR__LOG_6 0x1.e6f052p-4f
#define BR__LOG_7 (-0x1.de3bdep-4f)
#define BR__LOG_8 0x1.145780p-4f

#define BR__TANH_SMALL 0.625f
#define BR__TANH_0 (-0x1.555534p-2f) /* (tanh(x) / x - 1) / x^2 in x^2 */
#define BR__TANH_1 0x1.11076ap-3f
#define BR__TANH_2 (-0x1.b84452p-5f)
#define BR__TANH_3 0x1.525706p-6f
#define BR__TANH_4 (-0x1.76acd2p-8f)

#define BR__ERF_0 0x1.06eba8p-3f /* erf(x) / x - 1 in x^2, below 1 */
#define BR__ERF_1 (-0x1.81273ep-2f)
#define BR__ERF_2 0x1.ce2d20p-4f
#define BR__ERF_3 (-0x1.b7fbb4p-6f)
#define BR__ERF_4 0x1.5419f4p-8f
#define BR__ERF_5 (-0x1.a485e6p-11f)
#define BR__ERF_6 0x1.4ae4bap-14f
#define BR__ERFC_0 0x1.20f21cp+0f /* -log(1 - erf(x)) / x, from 1 to 4 */
#define BR__ERFC_1 0x1.451abcp-1f
#define BR__ERFC_2 0x1.b459a8p-4f
#define BR__ERFC_3 (-0x1.89615ap-6f)
#define BR__ERFC_4 0x1.ec7f5ep-9f
#define BR__ERFC_5 (-0x1.6f9e24p-12f)
#define BR__ERFC_6 0x1.d47ce2p-17f

#define BR__SQRT_HALF 0x1.6a09e6p-1f
#define BR__SIXTH 0x1.555556p-3f
#define BR__NORMAL_DENSITY 0x1.988454p-2f /* 1 / sqrt(2 pi) */

#endif
