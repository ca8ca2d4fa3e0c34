/* Measures this machine and the kernels on it, each against its bound: the larger of flops / peak and bytes / bandwidth of the cache
 * level its data is in. Called by `bramble bench machine` and `bramble bench kernel`, which print the rows. */
#ifndef BRAMBLE_KERNEL_BENCH_H
#define BRAMBLE_KERNEL_BENCH_H

#include <stddef.h>

/* One measurement: the best of several repetitions. */
struct br_bench_row {
  const char *table;   /* "avx512", ... */
  const char *name;    /* "peak fma", "read L2", "gemm", ... */
  const char *shape;   /* "1024 x 1024 x 1024" or "" ; valid during the call */
  double seconds;      /* of one run */
  double flops, bytes; /* of one run; 0 where it is not what limits */
  double share;        /* of the bound, 0 to about 1; 0 for rows that measure a bound */
};

/* One thread's peak FMA rate (for every table of this machine up to the one in use), and bandwidths of read, copy and (x86) copy with stores past the caches, with data of 16 KB,
 * 256 KB, 4 MB and 64 MB; then all cores together: peak, bandwidth of memory, and a meeting at a barrier. `seconds` is spent on each row. Rows go to `row` in order. Errors: BR_ERROR_MEMORY.
 * Not thread-safe: it times. Not collective. */
int br_bench_machine(double seconds, void (*row)(void *arg, const struct br_bench_row *row), void *arg);
/* The same for the kernels of the table in use, on the shapes of small nets and of mobilenetv2 0.5 at 128x128, micro-batch 12. */
int br_bench_kernels(double seconds, void (*row)(void *arg, const struct br_bench_row *row), void *arg);

/* The loop behind "peak fma": independent chains in registers, begun and ended in *sink. Returns the flops done. */
double br_peak_flops(size_t steps, float *sink);

#endif
