/* resize x sizes=HxW [mode=nearest|linear|cubic] [coords=halfpixel|asymmetric|corners|halfpixelone|halfpixelsymmetric|crop]
 * [round=preferfloor|preferceil|floor|ceil] [scales=hxw] [cubic=-0.75] [exclude=no] [antialias=no] [roi=topxleftxbottomxright] [fill=0]: pictures of
 * another size, in the words of ONNX's Resize. scales are what the coordinates are worked out from where they are not simply out / in. coords=crop looks
 * at the part `roi` of the picture (from 0 to 1), and what lies outside the picture is `fill`. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <math.h>

enum coords { HALF_PIXEL, ASYMMETRIC, CORNERS, HALF_PIXEL_ONE, HALF_PIXEL_SYMMETRIC, CROP };
enum mode { NEAREST, LINEAR, CUBIC };

static double value(const struct br_node *node, const char *name) { return br_node_value(node, name)->v[0]; }

static double scale_of(const struct br_node *node, int axis, int in, int out) {
  const struct br_value *scales = br_node_value(node, "scales");
  double given = scales->v[scales->n == 1 ? 0 : axis];
  return given > 0 ? given : (double)out / (double)in;
}

/* Where the footprint of one output pixel begins, from the pixel left of its place, and how many pixels it has. An antialiasing one is as much wider as the
 * picture gets smaller. */
static int footprint(const struct br_node *node, int axis, int in, int out, double *shrink, int *n) {
  enum mode mode = (enum mode)value(node, "mode");
  double scale = scale_of(node, axis, in, out);
  *shrink = value(node, "antialias") != 0 && scale < 1 ? scale : 1;
  if (mode == NEAREST) return *n = 1, 0;
  int reach = mode == LINEAR ? 1 : 2, start = (int)floor(-reach / *shrink) + 1;
  *n = 2 - 2 * start;
  return start;
}

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *in = inference->in[0];
  const struct br_value *roi = br_node_value(node, "roi");
  if (in->rank != 4) BR_FAIL(BR_ERROR_DATA, "resize needs pictures (height, width, channels)");
  if (value(node, "coords") == CROP && roi->n != 4) BR_FAIL(BR_ERROR_DATA, "coords=crop needs roi=topxleftxbottomxright");
  const struct br_value *sizes = br_node_value(node, "sizes");
  node->shape = br_shape4(in->d[0], br_value_int(sizes, 0), br_value_int(sizes, 1), in->d[3]);
  for (int axis = 0; axis < 2; axis++)
    if (scale_of(node, axis, in->d[1 + axis], node->shape.d[1 + axis]) < 1e-6) BR_FAIL(BR_ERROR_DATA, "a scale below a millionth");
  return BR_OK;
}

/* The place in the input that output index o looks at. */
static double place(const struct br_node *node, int axis, int o, int in, int out) {
  double scale = scale_of(node, axis, in, out);
  const double *roi = br_node_value(node, "roi")->v;
  switch ((enum coords)value(node, "coords")) {
    case ASYMMETRIC: return o / scale;
    case CORNERS: return scale * in == 1 ? 0 : o * (in - 1) / (scale * in - 1);
    case HALF_PIXEL_ONE: return out == 1 ? 0 : (o + 0.5) / scale - 0.5;
    case HALF_PIXEL_SYMMETRIC: return in / 2.0 * (1 - out / (scale * in)) + (o + 0.5) / scale - 0.5;
    case CROP: return (in - 1) * (out == 1 ? (roi[axis] + roi[2 + axis]) / 2 : roi[axis] + o * (roi[2 + axis] - roi[axis]) / (out - 1));
    case HALF_PIXEL: break;
  }
  return (o + 0.5) / scale - 0.5;
}

static int clamp(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static int nearest(const struct br_node *node, double x) {
  switch ((int)value(node, "round")) {
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

/* What the output indices of one axis take: n pixels of the input each, with their shares. A first pixel of -1: it lies outside, and is filled. */
struct taps {
  int n, *at;
  float *share;
};

static size_t taps_bytes(const struct br_node *node, int axis, int in, int out) {
  int n;
  double shrink;
  footprint(node, axis, in, out, &shrink, &n);
  return (size_t)n * (size_t)out * (sizeof(int) + sizeof(float));
}

static void find_taps(const struct br_node *node, int axis, int in, int out, char *memory, struct taps *t) {
  enum mode mode = (enum mode)value(node, "mode");
  bool exclude = value(node, "exclude") != 0, crop = value(node, "coords") == CROP;
  double shrink, a = value(node, "cubic");
  int start = footprint(node, axis, in, out, &shrink, &t->n);
  t->at = (int *)(void *)memory;
  t->share = (float *)(void *)(t->at + (size_t)t->n * (size_t)out);
  for (int o = 0; o < out; o++) {
    int *at = t->at + (size_t)o * (size_t)t->n;
    float *share = t->share + (size_t)o * (size_t)t->n;
    double x = place(node, axis, o, in, out), total = 0;
    int base = mode == NEAREST ? nearest(node, x) : (shrink < 1 ? (int)ceil(x) - 1 : (int)floor(x)) + start;
    for (int pass = 0; pass < 2; pass++) /* their sum, then the shares */
      for (int i = 0; i < t->n; i++) {
        double far = shrink * (x - (base + i)), s = mode == NEAREST ? 1 : mode == LINEAR ? fmax(0, 1 - fabs(far)) : keys(far, a);
        if (exclude && (base + i < 0 || base + i >= in)) s = 0;
        if (pass == 0) total += s;
        at[i] = clamp(base + i, in);
        share[i] = (float)(exclude || shrink < 1 ? s / total : s);
      }
    if (crop && (x < 0 || x > in - 1)) at[0] = -1;
  }
}

static size_t work_bytes(const struct br_op_args *args) {
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  return taps_bytes(args->node, 0, in->d[1], out->d[1]) + taps_bytes(args->node, 1, in->d[2], out->d[2]);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *in = &args->in_shape[0], *out = args->out_shape;
  size_t C = (size_t)in->d[3], first, last, row_floats = (size_t)in->d[2] * C;
  float fill = (float)value(args->node, "fill");
  struct taps v, h;
  br_part_range(part, (size_t)out->d[0] * (size_t)out->d[1], 1, &first, &last);
  find_taps(args->node, 0, in->d[1], out->d[1], args->work, &v);
  find_taps(args->node, 1, in->d[2], out->d[2], (char *)args->work + taps_bytes(args->node, 0, in->d[1], out->d[1]), &h);
  for (size_t row = first; row < last; row++) {
    const float *picture = args->in[0] + row / (size_t)out->d[1] * (size_t)in->d[1] * row_floats;
    size_t from_row = row % (size_t)out->d[1] * (size_t)v.n;
    float *y = args->out + row * (size_t)out->d[2] * C;
    for (size_t q = 0; q < (size_t)out->d[2]; q++, y += C) {
      bool outside = v.at[from_row] < 0 || h.at[q * (size_t)h.n] < 0;
      for (size_t c = 0; c < C; c++) y[c] = outside ? fill : 0;
      for (size_t i = from_row; i < from_row + (size_t)v.n && !outside; i++)
        for (size_t j = q * (size_t)h.n; j < (q + 1) * (size_t)h.n; j++) {
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
                                                  {"coords", BR_ATTRIBUTE_WORD, 0, 0, 5, 1, "halfpixel|asymmetric|corners|halfpixelone|halfpixelsymmetric|crop"},
                                                  {"round", BR_ATTRIBUTE_WORD, 0, 0, 3, 1, "preferfloor|preferceil|floor|ceil"},
                                                  {"scales", BR_ATTRIBUTE_REAL, 0, 0, 1e6, 2, NULL},
                                                  {"cubic", BR_ATTRIBUTE_REAL, -0.75, -10, 10, 1, NULL},
                                                  {"exclude", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL},
                                                  {"antialias", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL},
                                                  {"roi", BR_ATTRIBUTE_REAL, 0, -1000, 1000, 4, NULL},
                                                  {"fill", BR_ATTRIBUTE_REAL, 0, -1e38, 1e38, 1, NULL}},
                                   .shape = shape,
                                   .work_bytes = work_bytes,
                                   .forward = forward};
