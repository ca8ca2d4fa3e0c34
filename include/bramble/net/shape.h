/* Shapes of tensors: up to eight sizes, the batch first, channels last, float32 in row-major order. */
#ifndef BRAMBLE_NET_SHAPE_H
#define BRAMBLE_NET_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#define BR_MAX_RANK 8
#define BR_MAX_ELEMENTS ((size_t)1 << 31) /* of one tensor: what is larger is refused when shapes are inferred */

struct br_shape {
  int rank;
  int d[BR_MAX_RANK];
};

/* Elements; sizes are known to be sound once a graph has been inferred. */
static inline size_t br_shape_count(const struct br_shape *s) {
  size_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= (size_t)s->d[i];
  return n;
}
/* The last size: channels. */
static inline int br_shape_channels(const struct br_shape *s) { return s->rank ? s->d[s->rank - 1] : 1; }
/* All sizes but the last multiplied: rows of channels. */
static inline size_t br_shape_rows(const struct br_shape *s) {
  size_t n = 1;
  for (int i = 0; i + 1 < s->rank; i++) n *= (size_t)s->d[i];
  return n;
}
static inline bool br_shape_equal(const struct br_shape *a, const struct br_shape *b) {
  if (a->rank != b->rank) return false;
  for (int i = 0; i < a->rank; i++)
    if (a->d[i] != b->d[i]) return false;
  return true;
}
/* "12x64x64x16" into text (of at least 80 bytes); returns text. */
const char *br_shape_text(const struct br_shape *shape, char *text);

#endif
