/* Activations of one value, in the same operations as the arrays: for the reference, tests and scalars. */
#include "activation.h"

#include "scalar_math.h"

float br_expf(float x) { return br__exp1(x); }
float br_logf(float x) { return br__log1(x); }
float br_erff(float x) { return br__erf1(x); }

bool br_activation_needs_input(enum br_activation f) {
  switch (f) {
    case BR_ACTIVATION_LEAKYRELU: /* alpha may be negative */
    case BR_ACTIVATION_ELU:
    case BR_ACTIVATION_HARDSIGMOID:
    case BR_ACTIVATION_HARDSWISH:
    case BR_ACTIVATION_SILU:
    case BR_ACTIVATION_GELU:
    case BR_ACTIVATION_SOFTPLUS:
    case BR_ACTIVATION_LOG: return true;
    default: return false;
  }
}

static float hardsigmoid(float x) { return br__min1(6.0f, br__max1(0.0f, x + 3.0f)) * BR__SIXTH; }
static float normal_cdf(float x) { return fmaf(br__erf1(x * BR__SQRT_HALF), 0.5f, 0.5f); }

float br_activation_one(enum br_activation f, float alpha, float x) {
  switch (f) {
    case BR_ACTIVATION_RELU: return br__max1(0.0f, x);
    case BR_ACTIVATION_RELU6: return br__min1(6.0f, br__max1(0.0f, x));
    case BR_ACTIVATION_LEAKYRELU: return x < 0 ? alpha * x : x;
    case BR_ACTIVATION_SIGMOID: return br__sigmoid1(x);
    case BR_ACTIVATION_HARDSIGMOID: return hardsigmoid(x);
    case BR_ACTIVATION_HARDSWISH: return x * hardsigmoid(x);
    case BR_ACTIVATION_TANH: return br__tanh1(x);
    case BR_ACTIVATION_SILU: return x * br__sigmoid1(x);
    case BR_ACTIVATION_ELU: return x < 0 ? alpha * (br__exp1(x) - 1.0f) : x;
    case BR_ACTIVATION_GELU: return x * normal_cdf(x);
    case BR_ACTIVATION_SOFTPLUS: return br__max1(0.0f, x) + br__log1(1.0f + br__exp1(-fabsf(x)));
    case BR_ACTIVATION_EXP: return br__exp1(x);
    case BR_ACTIVATION_LOG: return br__log1(x);
    default: return x;
  }
}

float br__activation_slope(enum br_activation f, float alpha, float x, float y) {
  switch (f) {
    case BR_ACTIVATION_RELU: return y > 0 ? 1.0f : 0.0f;
    case BR_ACTIVATION_RELU6: return y > 0 && y < 6.0f ? 1.0f : 0.0f;
    case BR_ACTIVATION_LEAKYRELU: return x < 0 ? alpha : 1.0f;
    case BR_ACTIVATION_SIGMOID: return y * (1.0f - y);
    case BR_ACTIVATION_HARDSIGMOID: return x > -3.0f && x < 3.0f ? BR__SIXTH : 0.0f;
    case BR_ACTIVATION_HARDSWISH: {
      float inside = fmaf(x, 2.0f, 3.0f) * BR__SIXTH, above = x < 3.0f ? inside : 1.0f;
      return x > -3.0f ? above : 0.0f;
    }
    case BR_ACTIVATION_TANH: return fmaf(-y, y, 1.0f);
    case BR_ACTIVATION_SILU: {
      float s = br__sigmoid1(x);
      return s * fmaf(x, 1.0f - s, 1.0f);
    }
    case BR_ACTIVATION_ELU: return x < 0 ? alpha * br__exp1(x) : 1.0f;
    case BR_ACTIVATION_GELU: return fmaf(x * BR__NORMAL_DENSITY, br__exp1(-0.5f * (x * x)), normal_cdf(x));
    case BR_ACTIVATION_SOFTPLUS: return br__sigmoid1(x);
    case BR_ACTIVATION_EXP: return y;
    case BR_ACTIVATION_LOG: return 1.0f / x;
    default: return 1.0f;
  }
}
