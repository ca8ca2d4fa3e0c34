/* Orthogonal by Newton and Schulz' iteration with Jordan's coefficients: five times x = a x + (b s + c s s) x, where s = x x', or the same from the right for
 * tall matrices. Its polynomial brings singular values from (0, 1] to between 0.7 and 1.2. Every number is one chain, as br_gemm's are. */
#include "train/muon.h"
#include "train/optimiser.h"

#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>

#include <math.h>

#define LONGEST_SHORT_SIDE 1024
#define STEPS 5
#define LINEAR 3.4445f
#define CUBIC -4.7750f
#define QUINTIC 2.0315f

struct matrix {
  size_t rows, columns, side; /* side: the shorter one */
};

static struct matrix matrix_of(const struct br_param *param) {
  const size_t columns = (size_t)br_shape_channels(&param->shape), rows = param->count / columns;
  return (struct matrix){rows, columns, rows < columns ? rows : columns};
}

bool br_muon_takes(const struct br_param *param) {
  const struct br_shape *s = &param->shape;
  if (param->statistic || !param->decay || s->rank < 2 || s->d[s->rank - 2] < 2) return false;
  const struct matrix x = matrix_of(param);
  return x.side > 1 && x.side <= LONGEST_SHORT_SIDE;
}

#define PRODUCTS_A_VALUE 32.0 /* multiply-adds, about */

double br_muon_cost(const struct br_param *param) {
  const double n = (double)param->count, side = (double)matrix_of(param).side;
  return n + STEPS * side * (2 * n + side * side) / PRODUCTS_A_VALUE;
}

/* --- scratch: a matrix, two squares of its side, then each thread's for the products ---------------------------------------------------------- */

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t product_bytes(struct matrix x) {
  const size_t squares = larger(br_gemm_work_bytes(x.side, x.side, larger(x.rows, x.columns)), br_gemm_work_bytes(x.side, x.side, x.side));
  return br_size_align(larger(squares, br_gemm_work_bytes(x.rows, x.columns, x.side)));
}

static size_t work_bytes(struct matrix x, int threads) {
  return br_size_align(x.rows * x.columns * sizeof(float)) + 2 * br_size_align(x.side * x.side * sizeof(float)) + (size_t)threads * product_bytes(x);
}

size_t br_muon_work_bytes(const struct br_graph *graph, int threads) {
  size_t bytes = 0;
  for (int p = 0; p < graph->n_params; p++)
    if (br_muon_takes(&graph->params[p])) bytes = larger(bytes, work_bytes(matrix_of(&graph->params[p]), threads));
  return bytes;
}

/* --- the iteration, by a team ------------------------------------------------------------------------------------------------------------------ */

struct team {
  struct br_barrier *barrier;
  struct br_part part;
  void *work; /* the thread's own, for products */
};

static void meet(const struct team *team) { br_barrier_wait(team->barrier, team->part.count); }

/* c (M x N) = a b, where a or b may be stored as columns. */
static void multiply(const struct team *team, size_t M, size_t N, size_t K, const float *a, bool trans_a, const float *b, bool trans_b, float *c) {
  br_gemm(&(struct br_gemm){.M = M, .N = N, .K = K, .A = a, .lda = trans_a ? M : K, .trans_a = trans_a, .B = b, .ldb = trans_b ? K : N, .trans_b = trans_b, .C = c, .ldc = N}, team->part, team->work);
  meet(team);
}

/* x = a x + b y */
static void blend(const struct team *team, float a, float *x, float b, const float *y, size_t n) {
  size_t first, last;
  br_part_range(team->part, n, 16, &first, &last);
  for (size_t i = first; i < last; i++) x[i] = a * x[i] + b * y[i];
  meet(team);
}

/* x in place, of norm 1 at first. y: the matrix of the scratch, and after it the squares. */
static void orthogonalise(const struct team *team, float *x, struct matrix size, float *y) {
  const size_t n = size.rows * size.columns, m = size.side;
  const bool wide = size.rows <= size.columns;
  float *square = (float *)((char *)y + br_size_align(n * sizeof *y)), *fourth = (float *)((char *)square + br_size_align(m * m * sizeof *square));
  for (int step = 0; step < STEPS; step++) {
    multiply(team, m, m, n / m, x, !wide, x, wide, square);
    multiply(team, m, m, m, square, false, square, false, fourth);
    blend(team, CUBIC, square, QUINTIC, fourth, m * m);
    if (wide)
      multiply(team, m, size.columns, m, square, false, x, false, y);
    else
      multiply(team, size.rows, m, m, x, false, square, false, y);
    blend(team, LINEAR, x, 1, y, n);
  }
}

void br_muon_step(const struct br_muon *muon, const struct br_param *param, float *w, float *g, float *m, struct br_part part) {
  const struct matrix size = matrix_of(param);
  const size_t n = param->count, own = product_bytes(size);
  const struct team team = {muon->barrier, part, (char *)muon->work + work_bytes(size, 0) + (size_t)part.index * own};
  size_t first, last;
  br_part_range(part, n, 16, &first, &last);
  for (size_t i = first; i < last; i++) {
    m[i] = muon->momentum * m[i] + g[i];
    g[i] = g[i] + muon->momentum * m[i];
  }
  meet(&team);
  const double g_sum = br_square_sum(g, n), w_sum = br_square_sum(w, n);
  meet(&team);
  if (!(g_sum > 0)) return;
  const float scale = (float)(1 / sqrt(g_sum));
  for (size_t i = first; i < last; i++) g[i] *= scale;
  meet(&team);
  orthogonalise(&team, g, size, muon->work);
  const float step = muon->lr * (w_sum > 0 ? (float)(sqrt(w_sum) / sqrt(br_square_sum(g, n))) : 1), shrink = muon->lr * muon->decay;
  for (size_t i = first; i < last; i++) w[i] = w[i] - step * g[i] - shrink * w[i];
}
