/* resize x sizes=HxW [mode=nearest|linear|cubic] [coords=halfpixel|asymmetric|corners|halfpixelone|halfpixelsymmetric]
 * [round=preferfloor|preferceil|floor|ceil] [scales=hxw] [cubic=-0.75] [exclude=no]: pictures of another size, in the words of ONNX's Resize. scales are what the coordinates are
 * worked out from where they are not simply out / in. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

enum coords { HALF_PIXEL, ASYMMETRIC, CORNERS, HALF_PIXEL_ONE, HALF_PIXEL_SYMMETRIC };

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  if (in->rank != 4) BR_FAIL(BR_ERROR_DATA, "resize needs pictures (height, width, channels)");
  const struct br_value *sizes = br_node_value(node, "sizes");
  node->shape = br_shape4(in->d[0], br_value_int(sizes, 0), br_value_int(sizes, 1), in->d[3]);
  return BR_OK;
}

static double scale_of(const struct br_node *node, int axis, int in, int out) {
  const struct br_value *scales = br_node_value(node, "scales");
  double given = scales->v[scales->n == 1 ? 0 : axis];
  return given > 0 ? given : (double)out / (double)in;
}

/* The place in the input that output index o looks at. */
static double place(const struct br_node *node, int axis, int o, int in, int out) {
  double scale = scale_of(node, axis, in, out);
  switch ((enum coords)br_node_value(node, "coords")->v[0]) {
    case ASYMMETRIC: return o / scale;
    case CORNERS: return scale * in == 1 ? 0 : o * (in - 1) / (scale * in - 1);
    case HALF_PIXEL_ONE: return out == 1 ? 0 : (o + 0.5) / scale - 0.5;
    case HALF_PIXEL_SYMMETRIC: return in / 2.0 * (1 - out / (scale * in)) + (o + 0.5) / scale - 0.5;
    case HALF_PIXEL: break;
  }
  return (o + 0.5) / scale - 0.5;
}

/* Up to four input places and their shares for one output index. */
struct taps {
  int n, at[4];
  float share[4];
};

static int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static int nearest(const struct br_node *node, double x) {
  switch ((int)br_node_value(node, "round")->v[0]) {
    case 1: return (int)floor(x + 0.5);
    case 2: return (int)floor(x);
    case 3: return (int)ceil(x);
    default: return (int)ceil(x - 0.5);
  }
}

/* Keys' kernel (1981). */
static double keys(double t, double a) {
  t = fabs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? a * (((t - 5) * t + 8) * t - 4) : 0;
}

static struct taps taps(const struct br_node *node, int axis, int o, int in, int out) {
  double x = place(node, axis, o, in, out);
  int mode = (int)br_node_value(node, "mode")->v[0];
  struct taps t = {.n = mode == 0 ? 1 : mode == 1 ? 2 : 4, .share = {1}};
  int base = mode == 0 ? nearest(node, x) : (int)floor(x) - (mode == 2);
  double a = br_node_value(node, "cubic")->v[0], total = 0, share[4] = {1};
  bool exclude = br_node_value(node, "exclude")->v[0] != 0;
  for (int i = 0; i < t.n; i++) {
    t.at[i] = clamp(base + i, in);
    if (mode == 1) share[i] = 1 - fabs(x - (base + i));
    if (mode == 2) share[i] = exclude && (base + i < 0 || base + i >= in) ? 0 : keys(x - (base + i), a);
    total += share[i];
  }
  for (int i = 0; i < t.n; i++) t.share[i] = (float)(exclude ? share[i] / total : share[i]);
  return t;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  size_t C = (size_t)in->d[3], first, last, row_floats = (size_t)in->d[2] * C;
  br_part_range(part, (size_t)out->d[0] * (size_t)out->d[1], 1, &first, &last);
  for (size_t row = first; row < last; row++) {
    const float *picture = args->in[0] + row / (size_t)out->d[1] * (size_t)in->d[1] * row_floats;
    struct taps v = taps(args->node, 0, (int)(row % (size_t)out->d[1]), in->d[1], out->d[1]);
    float *y = args->out + row * (size_t)out->d[2] * C;
    for (int q = 0; q < out->d[2]; q++, y += C) {
      struct taps h = taps(args->node, 1, q, in->d[2], out->d[2]);
      for (size_t c = 0; c < C; c++) y[c] = 0;
      for (int i = 0; i < v.n; i++)
        for (int j = 0; j < h.n; j++) {
          const float *x = picture + (size_t)v.at[i] * row_floats + (size_t)h.at[j] * C;
          float share = v.share[i] * h.share[j];
          for (size_t c = 0; c < C; c++) y[c] = fmaf(share, x[c], y[c]);
        }
    }
  }
}

const struct br_op br_op_resize = {.name = "resize",
                                   .min_inputs = 1,
                                   .max_inputs = 1,
                                   .attributes = {{"sizes", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e6, 2, NULL},
                                                  {"mode", BR_ATTRIBUTE_WORD, 0, 0, 2, 1, "nearest|linear|cubic"},
                                                  {"coords", BR_ATTRIBUTE_WORD, 0, 0, 4, 1, "halfpixel|asymmetric|corners|halfpixelone|halfpixelsymmetric"},
                                                  {"round", BR_ATTRIBUTE_WORD, 0, 0, 3, 1, "preferfloor|preferceil|floor|ceil"},
                                                  {"scales", BR_ATTRIBUTE_REAL, 0, 0, 1e6, 2, NULL},
                                                  {"cubic", BR_ATTRIBUTE_REAL, -0.75, -10, 10, 1, NULL},
                                                  {"exclude", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}},
                                   .shape = shape,
                                   .forward = forward};
