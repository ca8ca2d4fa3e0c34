/* Orthogonal by Newton and Schulz' iteration with Jordan's coefficients: five times x = p(s) x with s = x x' and p(s) = a + b s + c s s, or the same from the right for tall matrices,
 * which brings singular values from (0, 1] to between 0.7 and 1.2. All p(s) are polynomials of the first s, so that x is needed for that and at the end only: q = p(s) q and
 * s = p(s) s p(s) are squares of the shorter side, and symmetric, of which one half is made. Every number is one chain, as br_gemm's are. */
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
  return n + side * (1.5 * n + (2 * STEPS - 1.5) * side * side) / PRODUCTS_A_VALUE;
}

/* --- scratch: a matrix, four squares of its side, then each thread's for the products --------------------------------------------------------- */

enum { SQUARES = 4 };

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static size_t square_bytes(struct matrix x) { return br_size_align(x.side * x.side * sizeof(float)); }

static size_t product_bytes(struct matrix x) {
  const size_t squares = larger(br_gemm_work_bytes(x.side, x.side, larger(x.rows, x.columns)), br_gemm_work_bytes(x.side, x.side, x.side));
  return br_size_align(larger(squares, br_gemm_work_bytes(x.rows, x.columns, x.side)));
}

static size_t work_bytes(struct matrix x, int threads) { return br_size_align(x.rows * x.columns * sizeof(float)) + SQUARES * square_bytes(x) + (size_t)threads * product_bytes(x); }

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

/* An operand as br_gemm has it; `trans`: stored as columns. */
struct operand {
  const float *x;
  size_t stride;
  bool trans;
};

#define BAND 32 /* rows */

/* c (m x m) = a b, which is symmetric: what is right of the diagonal, by bands of rows, then mirrored. b is a itself or symmetric. */
static void multiply_symmetric(const struct team *team, size_t m, size_t K, struct operand a, struct operand b, float *c) {
  for (size_t top = BAND * (size_t)team->part.index; top < m; top += BAND * (size_t)team->part.count) {
    const size_t rows = m - top < BAND ? m - top : BAND;
    br_gemm(&(struct br_gemm){.M = rows, .N = m - top, .K = K, .A = a.x + top * (a.trans ? 1 : a.stride), .lda = a.stride, .trans_a = a.trans, .B = b.x + top * (b.trans ? b.stride : 1), .ldb = b.stride, .trans_b = b.trans,
                              .C = c + top * m + top, .ldc = m},
            BR_PART_ALL, team->work);
    for (size_t i = top; i < m; i++)
      for (size_t k = top; k < top + rows && k < i; k++) c[i * m + k] = c[k * m + i];
  }
  meet(team);
}

/* p = a + b s + c p, where p is s s. */
static void polynomial(const struct team *team, size_t m, const float *s, float *p) {
  size_t first, last;
  br_part_range(team->part, m, 1, &first, &last);
  for (size_t i = first; i < last; i++) {
    for (size_t k = i * m; k < i * m + m; k++) p[k] = CUBIC * s[k] + QUINTIC * p[k];
    p[i * m + i] += LINEAR;
  }
  meet(team);
}

/* x of norm 1 to y, which the squares follow. */
static void orthogonalise(const struct team *team, const float *x, struct matrix size, float *y) {
  const size_t n = size.rows * size.columns, m = size.side;
  const bool wide = size.rows <= size.columns;
  float *square[SQUARES];
  for (int i = 0; i < SQUARES; i++) square[i] = (float *)((char *)y + br_size_align(n * sizeof *y) + (size_t)i * square_bytes(size));
  float *s = square[0], *p = square[1], *q = square[2], *other = square[3];
  const struct operand as_rows = {x, size.columns, !wide}, as_columns = {x, size.columns, wide};
  multiply_symmetric(team, m, n / m, as_rows, as_columns, s);
  for (int step = 0; step < STEPS; step++) {
    float *factor = step > 0 ? p : q; /* the first is q itself */
    const struct operand S = {s, m, false}, P = {factor, m, false}, Q = {q, m, false};
    multiply_symmetric(team, m, m, S, S, factor);
    polynomial(team, m, s, factor);
    if (step > 0) {
      multiply_symmetric(team, m, m, P, Q, other);
      float *const old = q;
      q = other, other = old;
    }
    if (step == STEPS - 1) break;
    multiply_symmetric(team, m, m, P, S, other);
    multiply_symmetric(team, m, m, (struct operand){other, m, false}, P, s);
  }
  const struct br_gemm product = {.M = size.rows, .N = size.columns, .K = m, .A = wide ? q : x, .lda = wide ? m : size.columns, .B = wide ? x : q, .ldb = wide ? size.columns : m, .C = y, .ldc = size.columns};
  br_gemm(&product, team->part, team->work);
  meet(team);
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
  float *u = muon->work;
  orthogonalise(&team, g, size, u);
  const float step = muon->lr * (w_sum > 0 ? (float)(sqrt(w_sum) / sqrt(br_square_sum(u, n))) : 1), shrink = muon->lr * muon->decay;
  for (size_t i = first; i < last; i++) w[i] = w[i] - step * u[i] - shrink * w[i];
  meet(&team); /* the scratch may be another matrix's now */
}
