/* Turning doubles into integers and back. Everything is exact but the one rounding that each function states. */
#include <bramble/cluster/exact.h>

#include <math.h>

#define POISON ((int64_t)1 << 54) /* above what finite numbers reach; the poison of 256 ranks still adds up */
#define POISONED(x) ((x) >= POISON / 2)

void br_pair_add(struct br_pair *pair, double x) {
  if (POISONED(pair->high)) return;
  if (!(fabs(x) < 0x1p36)) {
    pair->high = POISON;
    return;
  }
  double high = rint(x * 0x1p16);
  pair->high += (int64_t)high;
  pair->low += (int64_t)rint((x - high * 0x1p-16) * 0x1p62);
}

double br_pair_value(const struct br_pair *pair) {
  if (POISONED(pair->high)) return NAN;
  return (double)pair->high * 0x1p-16 + (double)pair->low * 0x1p-62;
}

void br_sum_add(struct br_sum *sum, double x) {
  if (POISONED(sum->limb[7])) return;
  if (!(fabs(x) < 0x1p126)) {
    sum->limb[7] = POISON;
    return;
  }
  int exponent;
  double mantissa = frexp(x, &exponent);             /* x = mantissa 2^exponent, |mantissa| in [0.5, 1) */
  int64_t bits = (int64_t)(mantissa * 0x1p53);       /* exact */
  int shift = exponent - 53 + 128;                   /* bits stands at 2^(shift - 128) */
  if (shift < 0) {
    if (shift < -60) return;
    int64_t half = (int64_t)1 << (-shift - 1), size = bits < 0 ? -bits : bits;
    size = (size + half) >> -shift; /* ties away from zero, so that x and -x cancel */
    bits = bits < 0 ? -size : size;
    shift = 0;
  }
  int limb = shift / 32, within = shift % 32; /* limb is at most 6, since |x| < 2^126 */
  __int128 wide = (__int128)bits * ((__int128)1 << within); /* at most 85 bits: three limbs, or what is left of them */
  sum->limb[limb] += (int64_t)(wide & 0xFFFFFFFF);
  wide >>= 32;
  if (limb == 6) {
    sum->limb[7] += (int64_t)wide;
    return;
  }
  sum->limb[limb + 1] += (int64_t)(wide & 0xFFFFFFFF);
  sum->limb[limb + 2] += (int64_t)(wide >> 32);
}

void br_sum_merge(struct br_sum *sum, const struct br_sum *other) {
  int poisoned = POISONED(sum->limb[7]) || POISONED(other->limb[7]);
  for (int i = 0; i < 8; i++) sum->limb[i] += other->limb[i];
  if (poisoned) sum->limb[7] = POISON;
}

void br_sum_carry(struct br_sum *sum) {
  if (POISONED(sum->limb[7])) return;
  for (int i = 0; i < 7; i++) {
    int64_t carry = sum->limb[i] >> 32; /* floor, so the rest is 0 .. 2^32 - 1 */
    sum->limb[i] -= carry * ((int64_t)1 << 32);
    sum->limb[i + 1] += carry;
  }
}

/* After carrying, the value is the top limb with the rest as a fraction below it: adding from the smallest up rounds at most twice. To make a
 * negative value (top limb -1, rest near 2^32) lose nothing, its magnitude is taken first. */
double br_sum_value(const struct br_sum *sum) {
  if (POISONED(sum->limb[7])) return NAN;
  struct br_sum s = *sum;
  br_sum_carry(&s);
  double sign = 1;
  if (s.limb[7] < 0) {
    for (int i = 0; i < 8; i++) s.limb[i] = -s.limb[i];
    br_sum_carry(&s);
    sign = -1;
  }
  int top = 7;
  while (top > 0 && s.limb[top] == 0) top--;
  /* The three highest limbs hold at least 65 significant bits; one sticky bit stands for what lies below. */
  unsigned __int128 head = (unsigned __int128)(uint64_t)s.limb[top] << 64;
  if (top >= 1) head |= (unsigned __int128)(uint64_t)s.limb[top - 1] << 32;
  if (top >= 2) head |= (uint64_t)s.limb[top - 2];
  for (int i = top - 3; i >= 0; i--)
    if (s.limb[i] != 0) head |= 1;
  return sign * ldexp((double)head, 32 * (top - 2) - 128);
}

int br_comm_sum_pairs(struct br_comm *comm, struct br_pair *pairs, size_t n) { return br_comm_sum_i64(comm, &pairs->high, 2 * n); }

int br_comm_sum_exact(struct br_comm *comm, struct br_sum *sums, size_t n) {
  for (size_t i = 0; i < n; i++) br_sum_carry(&sums[i]);
  return br_comm_sum_i64(comm, sums->limb, 8 * n);
}
