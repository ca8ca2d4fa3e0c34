/* The slope of an activation, shared by the reference and its tests. */
#ifndef BRAMBLE_KERNEL_ACTIVATION_H
#define BRAMBLE_KERNEL_ACTIVATION_H

#include <bramble/kernel/kernel.h>

/* f'(x) with y = f(x); of x and y only the one that br_activation_needs_input names is looked at. */
float br__activation_slope(enum br_activation f, float alpha, float x, float y);

#endif
