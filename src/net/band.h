/* Bands: convolutions of a prepared net one behind the other, run a few rows of the picture at a time, so that what one makes for the next is still in cache
 * and is never a whole tensor. Every output is made once by the same chain of operations, so the bits are those of the steps one after another. Private to the room. */
#ifndef NET_BAND_H
#define NET_BAND_H

#include <bramble/kernel/infer.h>

enum { BR_BAND_MOST = 8 }; /* convolutions */

/* May this convolution of one picture be in a band? Every window must have some of the picture in it. */
bool br__band_takes(const struct br_conv_shape *shape);
/* Rows of the last output that are made at a time where `n` convolutions run as a band; 0 where no such band is small enough for a near cache. In this and the
 * next only the shapes are read. */
int br__band_rows(const struct br_infer_conv *convs, int n);
/* Scratch of one thread. */
size_t br__band_work_bytes(const struct br_infer_conv *convs, int n, int rows);
/* This part's rows of the last convolution's y. Only the first's x, the last's y and the residuals are tensors; x and y of those between are not read. `seconds`: n
 * sums that get the time of each, or NULL. */
void br__band_run(const struct br_infer_conv *convs, int n, int rows, struct br_part part, void *work, double *seconds);

#endif
