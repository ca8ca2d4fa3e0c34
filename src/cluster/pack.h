/* 64-bit integers in the bytes they need. A gradient on the grid of 2^-40 fills about half of its eight bytes, a count of rows a quarter, so each 64 numbers are
 * kept as the low half bytes that hold the largest of them. Nothing is lost. Private to the room: sums between machines travel so. */
#ifndef CLUSTER_PACK_H
#define CLUSTER_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Most bytes of n packed numbers. */
size_t br_pack_bound(size_t n);
/* The n numbers at x packed to `out`, which has room for br_pack_bound(n) bytes: the bytes used. */
size_t br_pack(const int64_t *x, size_t n, unsigned char *out);
/* x[i] = or += (modulo 2^64) the packed numbers; false where `bytes` bytes are not n numbers, with some of x changed. */
bool br_unpack(const unsigned char *in, size_t bytes, int64_t *x, size_t n);
bool br_unpack_add(const unsigned char *in, size_t bytes, int64_t *x, size_t n);

#endif
