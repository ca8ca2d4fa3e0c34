/* Exact sums: numbers turned into integers once, so that adding them in any order, on any number of ranks, gives the same bits.
 *
 * Three forms, by need:
 *   grid  one int64 per value, 2^-BR_GRID_SHIFT apart: gradients, where there are millions (kernel/kernel.h has the loops);
 *   pair  two int64 per value, resolution 2^-62, range 2^36: batch-norm statistics, of which there are thousands;
 *   sum   eight int64, resolution 2^-128, range 2^126: losses, metrics, Gram matrices; doubles in that range add without any error.
 * The idea is that of the integer global sums of climate models and of ReproBLAS (Demmel, Ahrens, Nguyen 2016). */
#ifndef BRAMBLE_CLUSTER_EXACT_H
#define BRAMBLE_CLUSTER_EXACT_H

#include <bramble/cluster/comm.h>

#define BR_GRID_SHIFT 40

/* Largest |g| that `units` gradients may have so that their grid sum cannot overflow. */
static inline double br_grid_limit(int64_t units) { return (double)((int64_t)1 << (62 - BR_GRID_SHIFT)) / (double)(units < 1 ? 1 : units); }

struct br_pair {
  int64_t high, low; /* high 2^-16 + low 2^-62 */
};
/* Adds x, rounded once to 2^-62. The |x| of all additions together stay below 2^36, at most 2^16
 * additions; NaN, infinity or a single |x| of 2^36 poisons the pair: its value becomes NaN. */
void br_pair_add(struct br_pair *pair, double x);
double br_pair_value(const struct br_pair *pair);

struct br_sum {
  int64_t limb[8]; /* limb i counts 2^(32 i - 128) */
};
/* Adds x: exact for |x| < 2^126 down to its bits at 2^-128, which are rounded to nearest. NaN, infinity and more poison the sum: its
 * value becomes NaN. Up to 2^30 additions between all ranks; call br_sum_carry earlier if there are more. */
void br_sum_add(struct br_sum *sum, double x);
/* Adds another sum. */
void br_sum_merge(struct br_sum *sum, const struct br_sum *other);
/* Moves carries up, so that 2^30 more additions fit. The value is unchanged. */
void br_sum_carry(struct br_sum *sum);
/* The value rounded to double (error at most 1 ulp, the same bits for the same value); NaN if poisoned. */
double br_sum_value(const struct br_sum *sum);

/* Sums over ranks, in place. Collective. */
int br_comm_sum_pairs(struct br_comm *comm, struct br_pair *pairs, size_t n);
int br_comm_sum_exact(struct br_comm *comm, struct br_sum *sums, size_t n);

#endif
