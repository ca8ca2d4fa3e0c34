/* conv, relu and maxpool of large pictures as one step, where the plan finds them one behind the other in training and nobody wants the input's
 * gradient: what a net like SqueezeNet begins with. It is no word of the net text. Each picture goes through in bands of pool rows, so that what lies
 * between stays in a near cache; going back, a band's gradient is made from the pool's and what it had chosen, and used at once. All sums are the
 * chains of the three steps one by one: bands go on where the one before ended. (ops/conv_pool.c is for small pictures and windows side by side.) */
#include "net/ops/conv.h"
#include "net/ops/conv_pool.h"
#include "net/ops/pool.h"

#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

#include <string.h>

#define BAND_BYTES ((size_t)256 << 10) /* of the convolution's rows */
#define UNIT_BYTES ((size_t)2 << 20)   /* less of it needs no bands */

/* The step's nodes lie one behind the other: conv, relu, maxpool. */
struct block {
  struct br_conv_shape conv; /* of one picture */
  struct br_pool_shape pool; /* likewise */
  int N, rows;               /* pictures; pool rows of a band */
  size_t conv_row, x_row, x_image, y_row; /* floats */
};

static struct block block_of(const struct br_node *node, const struct br_shape *in, int N) {
  struct br_shape one = *in, between = node->shape, out = node[2].shape;
  one.d[0] = between.d[0] = out.d[0] = 1;
  struct block b = {.conv = br_op_conv_shape(node, &one, &between), .N = N};
  b.pool = br_op_pool_shape(node + 2, &between, &out), b.pool.relu = true;
  b.x_row = (size_t)b.conv.W * (size_t)b.conv.C, b.x_image = (size_t)b.conv.H * b.x_row;
  b.conv_row = (size_t)b.conv.Q * (size_t)b.conv.K, b.y_row = (size_t)b.pool.Q * (size_t)b.pool.C;
  const int fit = (int)(BAND_BYTES / sizeof(float) / b.conv_row);
  b.rows = fit <= b.pool.R ? 1 : (fit - b.pool.R) / b.pool.stride_h + 1;
  return b;
}

bool br_conv_maxpool_fits(const struct br_node *node, const struct br_shape *in) {
  const struct block b = block_of(node, in, in->d[0]);
  return b.pool.R * b.pool.S <= BR_POOL_NONE && b.pool.pad_top == 0 && b.pool.pad_left == 0 && b.pool.R >= b.pool.stride_h && (b.conv.P - 1) * b.conv.stride_h - b.conv.pad_top < b.conv.H &&
         (size_t)b.N * (size_t)b.conv.P * b.conv_row * sizeof(float) > UNIT_BYTES;
}

static size_t band_floats(const struct block *b) {
  const int forward = (b->rows - 1) * b->pool.stride_h + b->pool.R, backward = b->rows * b->pool.stride_h + b->pool.R; /* the last has what windows leave too */
  return br_size_align((size_t)(forward > backward ? forward : backward) * b->conv_row * sizeof(float)) / sizeof(float);
}

static size_t work_bytes(const struct br_op_args *args) {
  const struct block b = block_of(args->node, &args->in_shape[0], args->in_shape[0].d[0]);
  return band_floats(&b) * sizeof(float) + br_conv_work_bytes(&b.conv);
}

static size_t saved_bytes(const struct br_op_args *args) { return br_shape_count(args->out_shape); }

/* Rows [u0, u1) of the convolution as one of their own; *x_row is the first row of the picture that it reads. */
static struct br_conv_shape conv_rows(const struct block *b, int u0, int u1, size_t *x_row) {
  struct br_conv_shape d = b->conv;
  const int first = u0 * d.stride_h - d.pad_top;
  d.pad_top = first < 0 ? -first : 0, d.H -= first < 0 ? 0 : first, d.P = u1 - u0;
  *x_row = first < 0 ? 0 : (size_t)first;
  return d;
}

static void forward_picture(const struct br_op_args *args, const struct block *b, size_t n) {
  float *const band = args->work;
  const struct br_epilogue epilogue = {.bias = br_node_value(args->node, "bias")->v[0] != 0 ? args->param[1] : NULL};
  for (int p0 = 0, first = 0, have = 0; p0 < b->pool.P; p0 += b->rows) { /* the band has rows [first, have) */
    const int p1 = p0 + b->rows < b->pool.P ? p0 + b->rows : b->pool.P, top = p0 * b->pool.stride_h, reach = (p1 - 1) * b->pool.stride_h + b->pool.R, end = reach < b->conv.P ? reach : b->conv.P;
    if (have > top) memmove(band, band + (size_t)(top - first) * b->conv_row, (size_t)(have - top) * b->conv_row * sizeof(float));
    first = top, have = have > top ? have : top;
    if (have < end) {
      size_t x_row;
      const struct br_conv_shape conv = conv_rows(b, have, end, &x_row);
      br_conv_forward(&conv, args->in[0] + n * b->x_image + x_row * b->x_row, args->param[0], band + (size_t)(have - top) * b->conv_row, &epilogue, BR_PART_ALL, band + band_floats(b));
      have = end;
    }
    struct br_pool_shape pool = b->pool;
    pool.H = end - top, pool.P = p1 - p0;
    const size_t at = (n * (size_t)b->pool.P + (size_t)p0) * b->y_row;
    br_maxpool_forward(&pool, band, args->out + at, (uint8_t *)args->saved + at, BR_PART_ALL);
  }
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct block b = block_of(args->node, &args->in_shape[0], args->in_shape[0].d[0]);
  size_t first, last;
  br_part_range(part, (size_t)b.N, 1, &first, &last);
  for (size_t n = first; n < last; n++) forward_picture(args, &b, n);
}

/* The gradient of the convolution's rows [u0, u1) of picture n; windows from p1 on do not reach them. */
static void band_gradient(const struct br_op_args *args, const struct block *b, size_t n, int u0, int u1, int p1, float *band) {
  const int before = u0 - b->pool.R + b->pool.stride_h, p0 = before < 0 ? 0 : before / b->pool.stride_h;
  struct br_pool_shape pool = b->pool;
  pool.H = u1 - u0, pool.P = p1 - p0, pool.pad_top = u0 - p0 * b->pool.stride_h;
  const size_t at = (n * (size_t)b->pool.P + (size_t)p0) * b->y_row;
  br_maxpool_backward(&pool, (const uint8_t *)args->saved + at, args->dout + at, band, false, BR_PART_ALL);
}

static size_t shared_bytes(const struct br_op_args *args) { return 4 * (size_t)args->node->shape.d[3] * sizeof(float); }

/* Every part makes every band for itself; it has the weights of some channels. */
static void backward(const struct br_op_args *args, struct br_part part) {
  const struct block b = block_of(args->node, &args->in_shape[0], args->in_shape[0].d[0]);
  const size_t K = (size_t)b.conv.K;
  float *const band = args->work, *const dw = args->dparam[0], *const dbias = br_node_value(args->node, "bias")->v[0] != 0 ? args->dparam[1] : NULL, *const lanes = args->shared;
  size_t pixels = 0;
  if (part.index == 0) memset(lanes, 0, 4 * K * sizeof *lanes);
  br_barrier_wait(args->barrier, part.count);
  for (size_t n = 0; n < (size_t)b.N; n++)
    for (int p0 = 0; p0 < b.pool.P; p0 += b.rows) {
      const bool ends = p0 + b.rows >= b.pool.P;
      const int p1 = ends ? b.pool.P : p0 + b.rows, u0 = p0 * b.pool.stride_h, u1 = ends ? b.conv.P : p1 * b.pool.stride_h;
      const size_t here = (size_t)(u1 - u0) * (size_t)b.conv.Q;
      size_t x_row;
      const struct br_conv_shape conv = conv_rows(&b, u0, u1, &x_row);
      band_gradient(args, &b, n, u0, u1, p1, band);
      if (dw) br_conv_backward_weight(&conv, args->in[0] + n * b.x_image + x_row * b.x_row, band, dw, pixels > 0, part, band + band_floats(&b));
      if (dbias) br_column_lanes(band, here, K, pixels, lanes, part);
      pixels += here;
    }
  br_barrier_wait(args->barrier, part.count);
  for (size_t k = 0; dbias && part.index == 0 && k < K; k++) dbias[k] = (lanes[k] + lanes[K + k]) + (lanes[2 * K + k] + lanes[3 * K + k]);
}

const struct br_op br_op_conv_maxpool = {.name = "conv maxpool", .min_inputs = 1, .max_inputs = 1, .flags = BR_OP_BACKWARD_IN, .work_bytes = work_bytes, .saved_bytes = saved_bytes, .shared_bytes = shared_bytes, .forward = forward, .backward = backward};
