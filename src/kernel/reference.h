/* The naive twin of every kernel: br_ref_x does what kernel.h says of br_x, one element at a time and as plainly as it can be
 * written. Tests compare with it bit by bit; nothing else calls it. */
#ifndef BRAMBLE_KERNEL_REFERENCE_H
#define BRAMBLE_KERNEL_REFERENCE_H

#include <bramble/kernel/conv_pool.h>
#include <bramble/kernel/digits.h>
#include <bramble/kernel/infer.h>
#include <bramble/kernel/inverted_residual.h>
#include <bramble/kernel/kernel.h>

#define KERNEL(result, name, parameters, arguments) result br_ref_##name parameters;
#include "kernels.def"
#undef KERNEL

#endif
