/* Counter-based random numbers: every draw is a pure function of a key and a counter, so that it does not matter who
 * draws, when, or in which order. Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
 * No state is shared and nothing here depends on the machine. */
#ifndef BRAMBLE_BASE_RANDOM_H
#define BRAMBLE_BASE_RANDOM_H

#include <stdint.h>

/* What a stream of numbers is for: it keeps streams with the same seed apart. Values are part of the model (do not renumber). */
enum br_random_stream {
  BR_RANDOM_INIT = 1,      /* initial weights */
  BR_RANDOM_SHUFFLE = 2,   /* order of the samples in an epoch */
  BR_RANDOM_AUGMENT = 3,   /* augmentation of one sample in one epoch */
  BR_RANDOM_DROPOUT = 4,   /* dropout masks */
  BR_RANDOM_SHAPES = 5,    /* the embedded data set */
  BR_RANDOM_PARTITION = 6, /* which worker owns a sample; which clients take part in a round */
  BR_RANDOM_SPLIT = 7,     /* train/test split of table rows */
  BR_RANDOM_BOOTSTRAP = 8, /* rows and columns drawn by forests and boosting */
  BR_RANDOM_TABLES = 9,    /* generated tables */
  BR_RANDOM_KMEANS = 10,   /* k-means++ */
  BR_RANDOM_PERMUTE = 11,  /* a column's values exchanged between rows */
  BR_RANDOM_TEST = 99      /* tests and benches */
};

/* Four independent uniform 32-bit numbers: block `block` of item (a, b) in a stream of `seed`.
 * The usual meaning: a = epoch or step, b = sample index, block = 0, 1, 2, ... for more numbers. */
void br_random_block(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t b, uint32_t block, uint32_t out[4]);

/* A cursor over the numbers of one item, for code that wants them one by one; lives on the stack. */
struct br_random {
  uint64_t seed, b;
  uint32_t stream, a, block, used, word[4];
};
struct br_random br_random_open(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t b);
uint32_t br_random_u32(struct br_random *random);
/* Uniform in [0, n), n at least 1, without bias (Lemire 2019, with rejection). */
uint32_t br_random_below(struct br_random *random, uint32_t n);
/* Uniform in [0, 1): 24 bits. */
float br_random_float(struct br_random *random);
/* Uniform in [0, 1): 53 bits. */
double br_random_double(struct br_random *random);
/* Nearly normal with mean 0 and deviation 1: the sum of twelve uniforms less six, so that no libm is in the result. */
float br_random_normal(struct br_random *random);

/* Position `index` of a permutation of [0, n) that depends on (seed, stream, a) alone: a Feistel network on the smallest even
 * number of bits that holds n, walked until it falls inside (Black and Rogaway 2002). No storage; n at least 1, index < n. */
uint64_t br_random_permute(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t n, uint64_t index);
/* The same for many positions: opened once, since the rounds' keys take longer than the rounds. */
struct br_permutation {
  uint32_t key[4];
  unsigned half; /* bits of one side of the network */
  uint64_t n;
};
struct br_permutation br_permutation_open(uint64_t seed, enum br_random_stream stream, uint32_t a, uint64_t n);
uint64_t br_permutation_at(const struct br_permutation *permutation, uint64_t index);

#endif
