/* Convolutions and products of inference: the weights are packed once, when a net is prepared, for the table in use, and bias, residual and activation are
 * applied before a sum leaves its registers. A dense layer is a 1 x 1 convolution of an H x W of its rows. The bits are those of br_conv_forward with the same
 * epilogue; those of Winograd's method, which has a chain of its own, are within about 1e-5 of the largest output of them.
 * Thread-safe; not collective; allocates nothing and cannot fail. */
#ifndef BRAMBLE_KERNEL_INFER_H
#define BRAMBLE_KERNEL_INFER_H

#include <bramble/kernel/kernel.h>

struct br_infer_conv {
  struct br_conv_shape shape;
  const float *packed; /* by br_infer_pack, for the same shape; N does not matter */
  const float *x;
  float *y;
  size_t y_pixel; /* floats from output pixel to pixel: K, or more where y is some channels of a wider tensor. Depthwise convolutions: K */
  /* bias [K] or NULL; residual [N,P,Q,K] or NULL, pixels K floats apart; it does not overlap y. */
  struct br_epilogue epilogue;
};

/* Floats of the packed weights, and the packing of w [R,S,C/groups,K]: this part's share of it. */
size_t br_infer_packed_floats(const struct br_conv_shape *shape);
void br_infer_pack(const struct br_conv_shape *shape, const float *w, float *packed, struct br_part part);
/* Scratch of one thread. */
size_t br_infer_conv_work_bytes(const struct br_conv_shape *shape);
void br_infer_conv(const struct br_infer_conv *conv, struct br_part part, void *work);

/* The same by Winograd's method, for kernels of 3 x 3 and 5 x 5 without stride, dilation and groups. `side` x `side` inputs make `outputs` x `outputs` outputs with
 * side x side products of each channel. With U = G w G' rounded once from double, per tile: V = B' x B, first along columns, then along rows; M = chain over c of V U;
 * y = A' M A, likewise; then the epilogue.
 *
 * 3 x 3: F(4 x 4), a quarter of the direct way's products and four times its weights; where a picture has fewer than 9 tiles of that, F(2 x 2), four ninths of the
 * products and 16/9 of the weights, which are read for few pixels. 5 x 5: F(2 x 2), 36 products for 100. The form follows from the picture's size alone. */
struct br_winograd_form {
  int side, outputs;
};
static inline struct br_winograd_form br_winograd_form(const struct br_conv_shape *shape) {
  if (shape->R == 5) return (struct br_winograd_form){6, 2};
  return (shape->P + 3) / 4 * ((shape->Q + 3) / 4) >= 9 ? (struct br_winograd_form){6, 4} : (struct br_winograd_form){4, 2};
}
size_t br_winograd_packed_floats(const struct br_conv_shape *shape);
void br_winograd_pack(const struct br_conv_shape *shape, const float *w, float *packed, struct br_part part);
size_t br_winograd_work_bytes(const struct br_conv_shape *shape);
void br_winograd_conv(const struct br_infer_conv *conv, struct br_part part, void *work);

#endif
