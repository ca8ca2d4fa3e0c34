/* Trees, or parts of one, that each rank has grown some of come to all ranks: the tree's subtrees, the forest's trees. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "trees.h"

#include <string.h>

/* This rank's lists as bytes: number, sizes, arrays. */
static int pack(const struct br__nodes *lists, size_t n_lists, unsigned char **out, size_t *bytes) {
  size_t total = 0, at = 0;
  for (size_t k = 0; k < n_lists; k++) {
    const struct br__nodes *n = &lists[k];
    if (n->n) total += 4 * sizeof(uint64_t) + n->n * sizeof *n->node + n->n_counts * sizeof *n->count + n->set_bytes;
  }
  BR_TRY(br_memory_alloc(total, 1, "parts of a tree", out));
  for (size_t k = 0; k < n_lists; k++) {
    const struct br__nodes *n = &lists[k];
    if (!n->n) continue;
    uint64_t head[4] = {k, n->n, n->n_counts, n->set_bytes};
    memcpy(*out + at, head, sizeof head), at += sizeof head;
    memcpy(*out + at, n->node, n->n * sizeof *n->node), at += n->n * sizeof *n->node;
    if (n->n_counts) memcpy(*out + at, n->count, n->n_counts * sizeof *n->count);
    at += n->n_counts * sizeof *n->count;
    if (n->set_bytes) memcpy(*out + at, n->sets, n->set_bytes);
    at += n->set_bytes;
  }
  *bytes = total;
  return BR_OK;
}

static int unpack(struct br__nodes *lists, const unsigned char *in, size_t bytes) {
  for (size_t at = 0; at < bytes;) {
    uint64_t head[4];
    memcpy(head, in + at, sizeof head), at += sizeof head;
    struct br__nodes *n = &lists[head[0]];
    bool mine = n->n != 0;
    size_t nodes = head[1] * sizeof *n->node, counts = head[2] * sizeof *n->count;
    if (!mine) {
      BR_TRY(br_memory_alloc(head[1], sizeof *n->node, "tree", &n->node));
      BR_TRY(br_memory_alloc(head[2], sizeof *n->count, "tree", &n->count));
      BR_TRY(br_memory_alloc(head[3], 1, "tree", &n->sets));
      memcpy(n->node, in + at, nodes);
      memcpy(n->count, in + at + nodes, counts);
      memcpy(n->sets, in + at + nodes + counts, head[3]);
      n->n = head[1], n->n_counts = head[2], n->set_bytes = head[3];
    }
    at += nodes + counts + head[3];
  }
  return BR_OK;
}

int br__nodes_share(struct br_comm *comm, struct br__nodes *lists, size_t n_lists) {
  int ranks = br_comm_size(comm), rank = br_comm_rank(comm);
  if (ranks == 1) return BR_OK;
  unsigned char *mine = NULL, *all = NULL;
  size_t bytes = 0, *sizes = NULL;
  int status = pack(lists, n_lists, &mine, &bytes);
  if (status == BR_OK) status = br_memory_alloc((size_t)ranks, sizeof *sizes, "ranks", &sizes);
  status = br_comm_agree(comm, status);
  if (status == BR_OK) status = br_comm_gather(comm, mine, bytes, 0, &all, sizes);
  uint64_t total = 0;
  for (int r = 0; status == BR_OK && rank == 0 && r < ranks; r++) total += sizes[r];
  if (status == BR_OK) status = br_comm_broadcast(comm, &total, sizeof total, 0);
  if (status == BR_OK) {
    if (rank != 0) status = br_memory_alloc((size_t)total, 1, "parts of a tree", &all);
    status = br_comm_agree(comm, status);
  }
  if (status == BR_OK && total) status = br_comm_broadcast(comm, all, (size_t)total, 0);
  if (status == BR_OK) status = unpack(lists, all, (size_t)total);
  br_memory_free(all);
  br_memory_free(mine);
  br_memory_free(sizes);
  return br_comm_agree(comm, status);
}
