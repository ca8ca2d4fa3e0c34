/* Philox4x32-10 and what is built on it. Everything is integer arithmetic but the last scaling, which is exact. */
#include <bramble/base/random.h>

static void philox(uint32_t counter[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * counter[0], p1 = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t c1 = counter[1], c3 = counter[3];
    counter[0] = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    counter[1] = (uint32_t)p1;
    counter[2] = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    counter[3] = (uint32_t)p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/* The counter holds a, b and the block; the stream is mixed into the key, which a multiplication by an odd number keeps apart. */
void br_random_block(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t b, uint32_t block, uint32_t out[4]) {
  out[0] = block;
  out[1] = a;
  out[2] = (uint32_t)b;
  out[3] = (uint32_t)(b >> 32);
  philox(out, (uint32_t)seed, (uint32_t)(seed >> 32) ^ (uint32_t)stream * 0x9E3779B1u);
}

struct br_random br_random_open(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t b) {
  return (struct br_random){.seed = seed, .b = b, .stream = (uint32_t)stream, .a = a, .used = 4};
}

uint32_t br_random_u32(struct br_random *random) {
  if (random->used == 4) {
    br_random_block(random->seed, (enum br_random_stream)random->stream, random->a, random->b, random->block++, random->word);
    random->used = 0;
  }
  return random->word[random->used++];
}

uint32_t br_random_below(struct br_random *random, uint32_t n) {
  uint64_t product = (uint64_t)br_random_u32(random) * n;
  if ((uint32_t)product < n) {
    uint32_t threshold = (0u - n) % n;
    while ((uint32_t)product < threshold) product = (uint64_t)br_random_u32(random) * n;
  }
  return (uint32_t)(product >> 32);
}

float br_random_float(struct br_random *random) { return (float)(br_random_u32(random) >> 8) * 0x1p-24f; }

double br_random_double(struct br_random *random) {
  uint64_t high = br_random_u32(random) >> 5, low = br_random_u32(random) >> 6;
  return (double)(high << 26 | low) * 0x1p-53;
}

float br_random_normal(struct br_random *random) {
  int64_t sum = 0; /* of twelve 24-bit integers: exact */
  for (int i = 0; i < 12; i++) sum += br_random_u32(random) >> 8;
  return (float)((double)(sum - 6 * ((int64_t)1 << 24)) * 0x1p-24);
}

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit of the output. */
static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

struct br_permutation br_permutation_open(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t n) {
  struct br_permutation p = {.half = 1, .n = n};
  br_random_block(seed, stream, a, n, 0xF0000000u, p.key);
  while (p.half < 32 && ((uint64_t)1 << (2 * p.half)) < n) p.half++;
  return p;
}

uint64_t br_permutation_at(const struct br_permutation *p, uint64_t index) {
  const uint64_t mask = p->half == 32 ? 0xFFFFFFFFu : ((uint64_t)1 << p->half) - 1;
  do {
    uint64_t left = index >> p->half, right = index & mask;
    for (int round = 0; round < 4; round++) {
      uint64_t next = left ^ (mix(right << 32 ^ p->key[round]) & mask);
      left = right;
      right = next;
    }
    index = left << p->half | right;
  } while (index >= p->n);
  return index;
}

uint64_t br_random_permute(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t n, uint64_t index) {
  const struct br_permutation p = br_permutation_open(seed, stream, a, n);
  return br_permutation_at(&p, index);
}
