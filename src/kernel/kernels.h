/* The dispatch table of the kernels, made from kernels.def: one table per instruction set, chosen once by br_cpu_level(). The
 * wall (wall.c) calls through it; tests and benches walk all tables this machine can run. */
#ifndef BRAMBLE_KERNEL_KERNELS_H
#define BRAMBLE_KERNEL_KERNELS_H

#include <bramble/base/random.h>
#include <bramble/kernel/conv_pool.h>
#include <bramble/kernel/digits.h>
#include <bramble/kernel/infer.h>
#include <bramble/kernel/inverted_residual.h>
#include <bramble/kernel/kernel.h>

struct br_kernels {
  const char *name;
#define KERNEL(result, name, parameters, arguments) result(*name) parameters;
#include "kernels.def"
#undef KERNEL
};

/* The naive twins of reference.c, as a table. */
extern const struct br_kernels br__kernels_reference;

extern const struct br_kernels br__kernels_generic;
#if defined(__aarch64__)
extern const struct br_kernels br__kernels_neon;
#elif defined(__x86_64__)
extern const struct br_kernels br__kernels_avx2, br__kernels_avx512;
#endif

/* Every table of this architecture, the plainest first, in the order of enum br_cpu_level; NULL at the end. Those above
 * br_cpu_level() must not be run. */
const struct br_kernels *const *br__kernels_all(void);

/* The table in use. Thread-safe. */
const struct br_kernels *br__kernels(void);

#endif
