/* The wall's functions: each calls its entry of the table that suits this processor. */
#include <bramble/base/cpu.h>

#include "kernels.h"

const struct br_kernels *br__kernels(void) { return &br__kernels_reference; }

const char *br_kernel_table_name(void) { return br__kernels()->name; }

#define KERNEL(result, name, parameters, arguments) \
  result br_##name parameters { return br__kernels()->name arguments; }
#include "kernels.def"
#undef KERNEL
