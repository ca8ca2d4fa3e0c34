/* The tables of row functions: what every machine has (which on arm64 is NEON), and AVX2. */
#include "rows.h"

#include <bramble/base/cpu.h>

#include <string.h>

/* -O2 makes vectors only where nothing is left over; here rows are long and of any length. */
#pragma GCC optimize("tree-vectorize", "vect-cost-model=dynamic")

typedef float vector4 __attribute__((vector_size(16)));

#define ROWS(name) generic_##name
#include "rows.inc"
#undef ROWS

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx2")
#define ROWS(name) avx2_##name
#include "rows.inc"
#undef ROWS
#pragma GCC pop_options
#endif

const struct br__rows *br__rows(void) {
#if defined(__x86_64__)
  if (br_cpu_level() >= BR_CPU_AVX2) return &avx2_table;
#endif
  return &generic_table;
}
