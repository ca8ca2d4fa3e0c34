/* matmul a b: the product of the last two axes of both, for every place of the others, which are equal or 1. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>

static int shape(struct br_inference *inference) {
  struct br_node *node = inference->node;
  const struct br_shape *a = inference->in[0], *b = inference->in[1];
  int r = a->rank;
  bool meet = r >= 3 && b->rank == r && a->d[r - 1] == b->d[r - 2];
  node->shape = *a;
  for (int i = 0; meet && i < r - 2; i++) {
    meet = a->d[i] == b->d[i] || a->d[i] == 1 || b->d[i] == 1;
    if (b->d[i] > a->d[i]) node->shape.d[i] = b->d[i];
  }
  if (!meet) {
    char s[80], t[80];
    BR_FAIL(BR_ERROR_DATA, "matmul of %s and %s: the shapes do not meet", br_shape_text(a, s), br_shape_text(b, t));
  }
  node->shape.d[r - 1] = b->d[r - 1];
  return BR_OK;
}

static struct br_gemm product(const struct br_op_args *args) {
  const struct br_shape *a = &args->in_shape[0], *b = &args->in_shape[1];
  size_t M = (size_t)a->d[a->rank - 2], K = (size_t)a->d[a->rank - 1], N = (size_t)b->d[b->rank - 1];
  return (struct br_gemm){.M = M, .N = N, .K = K, .lda = K, .ldb = N, .ldc = N};
}

static size_t work_bytes(const struct br_op_args *args) {
  struct br_gemm g = product(args);
  return br_gemm_work_bytes(g.M, g.N, g.K);
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *a = &args->in_shape[0], *b = &args->in_shape[1], *out = args->out_shape;
  struct br_gemm g = product(args);
  size_t matrices = br_shape_count(out) / (g.M * g.N);
  for (size_t m = 0; m < matrices; m++) {
    size_t rest = m, at_a = 0, at_b = 0, step_a = 1, step_b = 1;
    for (int i = out->rank - 3; i >= 0; i--) {
      size_t place = rest % (size_t)out->d[i];
      rest /= (size_t)out->d[i];
      if (a->d[i] > 1) at_a += place * step_a;
      if (b->d[i] > 1) at_b += place * step_b;
      step_a *= (size_t)a->d[i], step_b *= (size_t)b->d[i];
    }
    g.A = args->in[0] + at_a * g.M * g.K;
    g.B = args->in[1] + at_b * g.K * g.N;
    g.C = args->out + m * g.M * g.N;
    br_gemm(&g, part, args->work);
  }
}

static double macs(const struct br_node *node, const struct br_shape *in) { return (double)br_shape_count(&node->shape) * br_shape_channels(in); }

const struct br_op br_op_matmul = {.name = "matmul", .min_inputs = 2, .max_inputs = 2, .shape = shape, .work_bytes = work_bytes, .forward = forward, .macs = macs};
