/* The communicator: ranks that work together. One rank alone needs no MPI (br_comm_open_self); many come from comm_mpi.h. All sums
 * here are of integers, so they are the same bits for any number of ranks and any order.
 *
 * Functions marked Collective must be called by every rank in the same order. All are called from one thread of a rank at a
 * time. Errors are BR_ERROR_COMM. */
#ifndef BRAMBLE_CLUSTER_COMM_H
#define BRAMBLE_CLUSTER_COMM_H

#include <bramble/base/thread.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct br_comm;

/* One rank, no communication. Not collective. */
int br_comm_open_self(struct br_comm **out);
/* Collective; NULL does nothing. */
void br_comm_close(struct br_comm *comm);

int br_comm_rank(const struct br_comm *comm);
int br_comm_size(const struct br_comm *comm);
/* Name of this rank's machine. */
const char *br_comm_host(const struct br_comm *comm);
/* The library that carries messages, as in "MPICH 4.0.2"; "alone" without one. */
const char *br_comm_library(const struct br_comm *comm);
/* Ranks on this machine, and this one's number among them: the node's cores are shared between them. */
int br_comm_node_size(const struct br_comm *comm);
int br_comm_node_rank(const struct br_comm *comm);

/* x[i] = sum over ranks of x[i]. Collective. */
int br_comm_sum_i64(struct br_comm *comm, int64_t *x, size_t n);
/* The same for 32-bit integers; overflow is the caller's business. */
int br_comm_sum_i32(struct br_comm *comm, int32_t *x, size_t n);
/* x[i] = maximum over ranks. Collective. */
int br_comm_max_i64(struct br_comm *comm, int64_t *x, size_t n);

/* These again, begun now and finished by br_comm_wait; x is not to be touched between. At most BR_COMM_PENDING at once.
 * br_comm_progress moves the begun ones on without waiting. Collective: begun and waited for in the same order by all. */
#define BR_COMM_PENDING 64
enum br_comm_type { BR_COMM_I64, BR_COMM_I32, BR_COMM_F32, BR_COMM_I64_MAX };
int br_comm_reduce_start(struct br_comm *comm, void *x, size_t n, enum br_comm_type type, int *request);
int br_comm_wait(struct br_comm *comm, int request);
int br_comm_progress(struct br_comm *comm);

/* Memory that the ranks of a machine have in common: the same bytes on all of them, zeros at first. One a communicator; it stays until the communicator's end or the next opening,
 * which is Collective. */
struct br_comm_common {
  void *memory;        /* NULL: this rank has none with others; it is alone on its machine, or there is no room for it */
  struct br_part part; /* this rank among those that have it; BR_PART_ALL without */
  struct br_comm *comm;
};
struct br_comm_common br_comm_common_open(struct br_comm *comm, size_t bytes);
/* Waits for the others that have it: what they wrote there before is seen after. By all of them; without memory it returns at once. */
void br_comm_common_meet(const struct br_comm_common *common);

/* `bytes` bytes from rank `root` to all. Collective. */
int br_comm_broadcast(struct br_comm *comm, void *data, size_t bytes, int root);
/* all[r] = rank r's `bytes` bytes, on every rank. Collective. */
int br_comm_allgather(struct br_comm *comm, const void *mine, size_t bytes, void *all);
/* Blocks of different sizes to `root`: on root, *all (br_memory_alloc, the caller frees) holds the blocks in rank order and
 * sizes[r] (size ranks, may be NULL elsewhere) their bytes. Collective. */
int br_comm_gather(struct br_comm *comm, const void *mine, size_t bytes, int root, unsigned char **all, size_t *sizes);
int br_comm_barrier(struct br_comm *comm);

/* A point where ranks agree whether all goes well: returns 0 on all when `status` is 0 on all; otherwise every rank returns the
 * status of the lowest rank that failed and has its message, with "rank R (HOST)" in front when there are several. Collective. */
int br_comm_agree(struct br_comm *comm, int status);
/* True once the ranks have agreed on a failure: all know of it, so each can leave in order; without, some may still wait for others. */
bool br_comm_agreed_failure(const struct br_comm *comm);
/* Fails on all ranks, naming the first that differs from rank 0, unless `value` is equal on all; `what` says what it is. Collective. */
int br_comm_agree_equal(struct br_comm *comm, uint64_t value, const char *what);

/* Messages between two ranks (stages of a split net). Blocking; the matching call is made by the other. */
int br_comm_send(struct br_comm *comm, const void *data, size_t bytes, int to);
int br_comm_receive(struct br_comm *comm, void *data, size_t bytes, int from);
/* Begun now, finished by br_comm_wait. */
int br_comm_send_start(struct br_comm *comm, const void *data, size_t bytes, int to, int *request);
int br_comm_receive_start(struct br_comm *comm, void *data, size_t bytes, int from, int *request);

/* A number that all ranks draw from: each call gives the old value and adds `step`, one-sided, without rank 0's help.
 * Opening and closing are Collective, drawing is Not. */
struct br_counter;
int br_counter_open(struct br_comm *comm, struct br_counter **out);
int br_counter_next(struct br_counter *counter, int64_t step, int64_t *old);
void br_counter_close(struct br_counter *counter);

/* Payload bytes this rank has sent so far (for reports). Sums count 2 (p - 1) / p of their size; long ones of int64 between machines what was sent of them,
 * which is fewer: see src/cluster/pack.h. */
uint64_t br_comm_bytes_sent(const struct br_comm *comm);

#endif
