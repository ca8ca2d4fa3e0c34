/* Each 64 numbers are a byte of width in half bytes, then all numbers' four bytes, two bytes, one byte and half a byte, as the width has these bits; the half bytes of the
 * first and the second half of the numbers share bytes. Built with -O3, for its loops. */
#include "cluster/pack.h"

#include <string.h>

#define BLOCK ((size_t)64) /* numbers of one width */

size_t br_pack_bound(size_t n) { return 8 * n + (n + BLOCK - 1) / BLOCK; }

#define WHOLE 16 /* the width of numbers that are kept as they are */

/* Half bytes that hold all as signed numbers; 0 for zeros. */
static unsigned width_of(const int64_t *x, size_t n) {
  uint64_t bits = 0;
  for (size_t i = 0; i < n; i++) bits |= (uint64_t)x[i] ^ (uint64_t)(x[i] >> 63);
  if (bits) return (unsigned)(64 - __builtin_clzll(bits)) / 4 + 1;
  for (size_t i = 0; i < n; i++) bits |= (uint64_t)x[i];
  return bits != 0; /* 0 and -1 */
}

static size_t bytes_of(unsigned width, size_t n) { return width / 2 * n + (width & 1) * ((n + 1) / 2); }

#define PUT(T, shift)                            \
  for (size_t i = 0; i < n; i++) {               \
    T part = (T)((uint64_t)x[i] >> (shift));     \
    memcpy(out + i * sizeof part, &part, sizeof part); \
  }                                              \
  out += n * sizeof(T)

static void put_halves(const int64_t *x, size_t n, unsigned shift, unsigned char *out) {
  const size_t half = (n + 1) / 2;
  for (size_t i = 0; i < n - half; i++) out[i] = (unsigned char)(((uint64_t)x[i] >> shift & 15) | ((uint64_t)x[half + i] >> shift & 15) << 4);
  if (n % 2) out[half - 1] = (unsigned char)((uint64_t)x[half - 1] >> shift & 15);
}

static unsigned char *pack_block(const int64_t *x, size_t n, unsigned char *out) {
  const unsigned width = width_of(x, n);
  unsigned char *const end = out + 1 + bytes_of(width, n);
  *out++ = (unsigned char)width;
  if (width == WHOLE) {
    memcpy(out, x, 8 * n);
    return end;
  }
  if (width & 8) { PUT(uint32_t, 0); }
  if (width & 4) { PUT(uint16_t, 4 * (width & 8)); }
  if (width & 2) { PUT(uint8_t, 4 * (width & 12)); }
  if (width & 1) put_halves(x, n, 4 * (width & 14), out);
  return end;
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

static void get_halves(const unsigned char *in, size_t n, unsigned shift, uint64_t *x) {
  const size_t half = (n + 1) / 2;
  for (size_t i = 0; i < half; i++) x[i] |= (uint64_t)(in[i] & 15) << shift;
  for (size_t i = half; i < n; i++) x[i] |= (uint64_t)(in[i - half] >> 4) << shift;
}

/* The block's numbers at x, which has BLOCK of them; NULL where `in` ends early. */
static const unsigned char *unpack_block(const unsigned char *in, const unsigned char *end, uint64_t *x, size_t n) {
  if (in == end || *in > WHOLE || (size_t)(end - in) < 1 + bytes_of(*in, n)) return NULL;
  const unsigned width = *in++;
  end = in + bytes_of(width, n);
  if (width == WHOLE) {
    memcpy(x, in, 8 * n);
    return end;
  }
  memset(x, 0, n * sizeof *x);
  if (width == 0) return end;
  if (width & 8) { GET(uint32_t, 0); }
  if (width & 4) { GET(uint16_t, 4 * (width & 8)); }
  if (width & 2) { GET(uint8_t, 4 * (width & 12)); }
  if (width & 1) get_halves(in, n, 4 * (width & 14), x);
  const uint64_t sign = (uint64_t)1 << (4 * width - 1);
  for (size_t i = 0; i < n; i++) x[i] = (x[i] ^ sign) - sign;
  return end;
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
