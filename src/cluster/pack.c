/* Each 64 numbers are a byte of width, then all numbers' four bytes, two bytes and one byte, as the width has these bits. Built with -O3, for its loops. */
#include "cluster/pack.h"

#include <string.h>

#define BLOCK ((size_t)64) /* numbers of one width */

size_t br_pack_bound(size_t n) { return 8 * n + (n + BLOCK - 1) / BLOCK; }

/* Bytes that hold all as signed numbers; 0 for zeros. */
static unsigned width_of(const int64_t *x, size_t n) {
  uint64_t bits = 0;
  for (size_t i = 0; i < n; i++) bits |= (uint64_t)x[i] ^ (uint64_t)(x[i] >> 63);
  if (bits) return (unsigned)(64 - __builtin_clzll(bits)) / 8 + 1;
  for (size_t i = 0; i < n; i++) bits |= (uint64_t)x[i];
  return bits != 0; /* 0 and -1 */
}

#define PUT(T, shift)                            \
  for (size_t i = 0; i < n; i++) {               \
    T part = (T)((uint64_t)x[i] >> (shift));     \
    memcpy(out + i * sizeof part, &part, sizeof part); \
  }                                              \
  out += n * sizeof(T)

static unsigned char *pack_block(const int64_t *x, size_t n, unsigned char *out) {
  const unsigned width = width_of(x, n);
  *out++ = (unsigned char)width;
  if (width == 8) {
    memcpy(out, x, 8 * n);
    return out + 8 * n;
  }
  if (width & 4) { PUT(uint32_t, 0); }
  if (width & 2) { PUT(uint16_t, 8 * (width & 4)); }
  if (width & 1) { PUT(uint8_t, 8 * (width & 6)); }
  return out;
}
#undef PUT

size_t br_pack(const int64_t *x, size_t n, unsigned char *out) {
  unsigned char *at = out;
  for (size_t i = 0; i < n; i += BLOCK) at = pack_block(x + i, n - i < BLOCK ? n - i : BLOCK, at);
  return (size_t)(at - out);
}

#define GET(T, shift)                                   \
  for (size_t i = 0; i < n; i++) {                      \
    T part;                                             \
    memcpy(&part, in + i * sizeof part, sizeof part);   \
    x[i] |= (uint64_t)part << (shift);                  \
  }                                                     \
  in += n * sizeof(T)

/* The block's numbers at x, which has BLOCK of them; NULL where `in` ends early. */
static const unsigned char *unpack_block(const unsigned char *in, const unsigned char *end, uint64_t *x, size_t n) {
  if (in == end || *in > 8 || (size_t)(end - in) < 1 + *in * n) return NULL;
  const unsigned width = *in++;
  if (width == 8) {
    memcpy(x, in, 8 * n);
    return in + 8 * n;
  }
  memset(x, 0, n * sizeof *x);
  if (width == 0) return in;
  if (width & 4) { GET(uint32_t, 0); }
  if (width & 2) { GET(uint16_t, 8 * (width & 4)); }
  if (width & 1) { GET(uint8_t, 8 * (width & 6)); }
  const uint64_t sign = (uint64_t)1 << (8 * width - 1);
  for (size_t i = 0; i < n; i++) x[i] = (x[i] ^ sign) - sign;
  return in;
}
#undef GET

static bool unpack(const unsigned char *in, size_t bytes, int64_t *x, size_t n, bool add) {
  const unsigned char *end = in + bytes;
  for (size_t first = 0; first < n; first += BLOCK) {
    uint64_t block[BLOCK];
    const size_t count = n - first < BLOCK ? n - first : BLOCK;
    in = unpack_block(in, end, block, count);
    if (!in) return false;
    for (size_t i = 0; i < count; i++) x[first + i] = (int64_t)(block[i] + (add ? (uint64_t)x[first + i] : 0));
  }
  return in == end;
}

bool br_unpack(const unsigned char *in, size_t bytes, int64_t *x, size_t n) { return unpack(in, bytes, x, n, false); }
bool br_unpack_add(const unsigned char *in, size_t bytes, int64_t *x, size_t n) { return unpack(in, bytes, x, n, true); }
