/* Runs a fuzz target without libFuzzer: the target's own seeds, changed at random in the usual ways, N times (the first argument; 20,000). The
 * changes are pure functions of the run's number, so a crash comes again; with clang, -fsanitize=fuzzer takes this file's place. */
#include "fuzz.h"

#include <bramble/base/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 1 << 17 };

static const uint8_t interesting[] = {0, 1, 0x7F, 0x80, 0xFF, ' ', '0', '9', '(', '\n'};

static size_t mutate(struct br_random *random, uint8_t *data, size_t n) {
  for (uint32_t changes = 1 + br_random_below(random, 6); changes > 0; changes--) {
    uint32_t at = n ? br_random_below(random, (uint32_t)(br_random_u32(random) & 1 && n > 64 ? 64 : n)) : 0; /* headers more often */
    uint32_t length = 1 + br_random_below(random, 16);
    switch (br_random_below(random, 6)) {
      case 0: if (n) data[at] ^= (uint8_t)(1u << br_random_below(random, 8)); break;
      case 1: if (n) data[at] = interesting[br_random_below(random, sizeof interesting)]; break;
      case 2: if (n) data[at] = (uint8_t)br_random_u32(random); break;
      case 3: n = at; break; /* cut */
      case 4: /* a piece twice */
        if (n + length <= CAPACITY && at + length <= n) {
          memmove(data + at + length, data + at, n - at);
          n += length;
        }
        break;
      default: /* a piece out */
        if (at + length <= n) {
          memmove(data + at, data + at + length, n - at - length);
          n -= length;
        }
    }
  }
  return n;
}

int main(int argc, char **argv) {
  long runs = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
  static uint8_t data[CAPACITY];
  int seeds = 0;
  for (size_t n; (n = fuzz_seed(seeds, data, CAPACITY)) > 0; seeds++) LLVMFuzzerTestOneInput(data, n);
  if (seeds == 0) return fprintf(stderr, "no seeds\n"), 1;
  for (long run = 0; run < runs; run++) {
    struct br_random random = br_random_open(1, BR_RANDOM_TEST, 0, (uint64_t)run);
    size_t n = fuzz_seed((int)br_random_below(&random, (uint32_t)seeds), data, CAPACITY);
    LLVMFuzzerTestOneInput(data, mutate(&random, data, n));
  }
  printf("%ld runs from %d seeds\n", runs, seeds);
  return 0;
}
