/* A search byte by byte: numbers become integers of the same order, and eight passes count, for every leaf, how many of those that agree so far have
 * which next byte. Counts are summed over ranks, so nothing is gathered and the answer is that of all rows together. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "boost_quantile.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

struct search {
  const struct br__leaf_rows *leaf;
  size_t n_leaves;
  const double *target, *score;
  uint64_t *found; /* [leaf]: the bytes found so far, the rest 0 */
  int64_t *place;  /* [leaf]: how many of those that agree so far lie below the one sought */
  int64_t *count;  /* [leaf][256] */
  int byte;
  atomic_size_t next;
};

static void count_part(void *arg, struct br_part part) {
  struct search *s = arg;
  (void)part;
  for (size_t k; (k = atomic_fetch_add(&s->next, 1)) < s->n_leaves;) {
    int64_t *count = s->count + 256 * k;
    int shift = 8 * s->byte;
    uint64_t known = s->byte == 7 ? 0 : s->found[k] >> shift >> 8;
    for (size_t i = 0; i < s->leaf[k].n; i++) {
      uint32_t row = s->leaf[k].row[i];
      uint64_t key = br__ordered(s->target[row] - s->score[row]);
      if (s->byte == 7 || key >> shift >> 8 == known) count[key >> shift & 255]++;
    }
  }
}

static int find(struct br_comm *comm, struct br_team *team, struct search *s, double quantile) {
  for (s->byte = 7; s->byte >= 0; s->byte--) {
    memset(s->count, 0, 256 * s->n_leaves * sizeof *s->count);
    atomic_store(&s->next, 0);
    br_team_run(team, count_part, s);
    BR_TRY(br_comm_sum_i64(comm, s->count, 256 * s->n_leaves));
    for (size_t k = 0; k < s->n_leaves; k++) {
      const int64_t *count = s->count + 256 * k;
      int64_t all = 0, below = 0;
      for (int b = 0; b < 256; b++) all += count[b];
      if (s->byte == 7) s->place[k] = all ? (int64_t)ceil(quantile * (double)all) - 1 : 0;
      uint64_t b = 0;
      while (b < 255 && below + count[b] <= s->place[k]) below += count[b++];
      s->place[k] -= below;
      s->found[k] |= all ? b << (8 * s->byte) : 0;
    }
  }
  return BR_OK;
}

int br__leaf_quantiles(struct br_comm *comm, struct br_team *team, const struct br__leaf_rows *leaf, size_t n_leaves, const double *target, const double *score, double quantile, double *value) {
  struct search s = {.leaf = leaf, .n_leaves = n_leaves, .target = target, .score = score};
  int status = br_memory_alloc(n_leaves, sizeof *s.found, "quantiles", &s.found);
  if (status == BR_OK) status = br_memory_alloc(n_leaves, sizeof *s.place, "quantiles", &s.place);
  if (status == BR_OK) status = br_memory_alloc(256 * n_leaves, sizeof *s.count, "quantiles", &s.count);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = find(comm, team, &s, quantile);
  for (size_t k = 0; status == BR_OK && k < n_leaves; k++) value[k] = s.found[k] ? br__from_ordered(s.found[k]) : 0;
  br_memory_free(s.found);
  br_memory_free(s.place);
  br_memory_free(s.count);
  return status;
}
