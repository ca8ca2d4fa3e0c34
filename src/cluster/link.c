/* Ping-pong between neighbours. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/link.h>

#include <math.h>
#include <time.h>

#define PINGS 50
#define BLOCK ((size_t)1 << 20)
#define BLOCKS 4 /* of one measurement of bandwidth, the best of ROUNDS */
#define ROUNDS 3

/* One side sends, the other answers with one byte. */
static int send_blocks(struct br_comm *comm, char *block, int to, double *best) {
  char answer;
  *best = 0;
  for (int round = 0; round < ROUNDS; round++) {
    double start = br_clock_seconds();
    for (int i = 0; i < BLOCKS; i++) BR_TRY(br_comm_send(comm, block, BLOCK, to));
    BR_TRY(br_comm_receive(comm, &answer, 1, to));
    double speed = (double)(BLOCKS * BLOCK) / (br_clock_seconds() - start);
    if (speed > *best) *best = speed;
  }
  return BR_OK;
}

static int receive_blocks(struct br_comm *comm, char *block, int from) {
  char answer = 1;
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < BLOCKS; i++) BR_TRY(br_comm_receive(comm, block, BLOCK, from));
    BR_TRY(br_comm_send(comm, &answer, 1, from));
  }
  return BR_OK;
}

static int ping(struct br_comm *comm, int to, double *latency) {
  char byte = 1;
  *latency = INFINITY;
  for (int i = 0; i < PINGS; i++) {
    double start = br_clock_seconds();
    BR_TRY(br_comm_send(comm, &byte, 1, to));
    BR_TRY(br_comm_receive(comm, &byte, 1, to));
    double half = (br_clock_seconds() - start) / 2;
    if (half < *latency) *latency = half;
  }
  return BR_OK;
}

static int pong(struct br_comm *comm, int from) {
  char byte;
  for (int i = 0; i < PINGS; i++) {
    BR_TRY(br_comm_receive(comm, &byte, 1, from));
    BR_TRY(br_comm_send(comm, &byte, 1, from));
  }
  return BR_OK;
}

/* The part of rank `first` or `second` in measuring their link. */
static int probe_pair(struct br_comm *comm, char *block, int first, int second, struct br_link *link) {
  if (br_comm_rank(comm) == first) {
    BR_TRY(ping(comm, second, &link->latency));
    BR_TRY(send_blocks(comm, block, second, &link->to_next));
    BR_TRY(receive_blocks(comm, block, second));
    return br_comm_receive(comm, &link->from_next, sizeof link->from_next, second);
  }
  if (br_comm_rank(comm) != second) return BR_OK;
  double speed;
  BR_TRY(pong(comm, first));
  BR_TRY(receive_blocks(comm, block, first));
  BR_TRY(send_blocks(comm, block, first, &speed));
  return br_comm_send(comm, &speed, sizeof speed, first);
}

int br_link_probe(struct br_comm *comm, struct br_link *links) {
  int size = br_comm_size(comm);
  struct br_link mine = {0};
  links[0] = mine;
  if (size == 1) return BR_OK;
  char *block;
  int status = br_comm_agree(comm, br_memory_alloc(BLOCK, 1, "link probe", &block));
  if (status != BR_OK) return status;
  for (int r = 0; r < size && status == BR_OK; r++) {
    status = probe_pair(comm, block, r, (r + 1) % size, &mine);
    if (status == BR_OK) status = br_comm_barrier(comm);
  }
  br_memory_free(block);
  return status == BR_OK ? br_comm_allgather(comm, &mine, sizeof mine, links) : status;
}

int br_link_sum_seconds(struct br_comm *comm, size_t bytes, int runs, double *seconds) {
  int64_t *block;
  *seconds = INFINITY;
  BR_TRY(br_comm_agree(comm, br_memory_alloc(bytes / 8, 8, "link probe", &block)));
  int status = BR_OK;
  for (int i = 0; i <= runs && status == BR_OK; i++) { /* the first warms up */
    for (size_t k = 0; k < bytes / 8; k++) block[k] = (int64_t)((k + 1) * 0x9E3779B97F4A7C15u) >> 3; /* numbers that need all their bytes */
    status = br_comm_barrier(comm);
    double start = br_clock_seconds();
    if (status == BR_OK) status = br_comm_sum_i64(comm, block, bytes / 8);
    double took = br_clock_seconds() - start;
    if (i > 0 && took < *seconds) *seconds = took;
  }
  br_memory_free(block);
  return status;
}

double br_link_sum_model(int ranks, double bytes, double latency, double bandwidth) {
  if (ranks <= 1) return 0;
  double p = ranks, ring = 2 * (p - 1) * (latency + bytes / p / bandwidth);
  double levels = ceil(log2(p)), extra = exp2(levels) == p ? 0 : 2 * (latency + bytes / bandwidth); /* ranks beyond a power of two join and leave */
  double whole = exp2(floor(log2(p))), halving = 2 * floor(log2(p)) * latency + 2 * (whole - 1) / whole * bytes / bandwidth + extra;
  return ring < halving ? ring : halving;
}

static double day_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Of several questions the one that was answered fastest knows best. */
int br_link_clock_offsets(struct br_comm *comm, double *offsets) {
  int size = br_comm_size(comm), rank = br_comm_rank(comm);
  offsets[0] = 0;
  for (int r = 1; r < size; r++) {
    double fastest = INFINITY, theirs = 0;
    for (int i = 0; i < 10; i++) {
      if (rank == r) {
        BR_TRY(br_comm_receive(comm, &theirs, sizeof theirs, 0));
        theirs = day_seconds();
        BR_TRY(br_comm_send(comm, &theirs, sizeof theirs, 0));
      }
      if (rank != 0) continue;
      double start = day_seconds();
      BR_TRY(br_comm_send(comm, &start, sizeof start, r));
      BR_TRY(br_comm_receive(comm, &theirs, sizeof theirs, r));
      double end = day_seconds();
      if (end - start < fastest) fastest = end - start, offsets[r] = theirs - (start + end) / 2;
    }
  }
  return br_comm_broadcast(comm, offsets, (size_t)size * sizeof *offsets, 0);
}
