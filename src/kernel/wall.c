/* The wall's functions: each calls its entry of the table that suits this processor. */
#include <bramble/base/cpu.h>
#include <bramble/kernel/bench.h>

#include <string.h>

#include "kernels.h"

const struct br_kernels *const *br__kernels_all(void) {
  static const struct br_kernels *const all[] = {
      &br__kernels_generic,
#if defined(__aarch64__)
      &br__kernels_neon,
#elif defined(__x86_64__)
      &br__kernels_avx2, &br__kernels_avx512,
#endif
      NULL};
  return all;
}

const struct br_kernels *br__kernels(void) {
  static const struct br_kernels *chosen; /* the same value whoever writes it first */
  const struct br_kernels *kernels = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
  if (kernels) return kernels;
  const char *name = br_cpu_level_name(br_cpu_level());
  const struct br_kernels *const *all = br__kernels_all();
  while (strcmp((*all)->name, name) != 0) all++;
  __atomic_store_n(&chosen, *all, __ATOMIC_RELAXED);
  return *all;
}

const char *br_kernel_table_name(void) { return br__kernels()->name; }

#define KERNEL(result, name, parameters, arguments) \
  result br_##name parameters { return br__kernels()->name arguments; }
#include "kernels.def"
#undef KERNEL
