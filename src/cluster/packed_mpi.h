/* Sums of int64 between machines, packed (pack.h): about five bytes of eight for gradients, the sums of MPI_Allreduce. Each rank sums one share of the numbers: it is sent the
 * others' numbers there and sends all of them the sums, so that every rank sends and receives 2 (p - 1) / p of the numbers, for any p (Thakur, Rabenseifner,
 * Gropp 2005). A thread of its own moves the messages while the caller computes: without one, MPI stands still until it is called. Private to the room. */
#ifndef CLUSTER_PACKED_MPI_H
#define CLUSTER_PACKED_MPI_H

#include <bramble/cluster/comm.h>
#include <mpi.h>

struct br_packed;

/* With messages of its own beside those of `world`. *out is NULL where this MPI allows no second thread; `crowded`: ranks outnumber cores. Collective. */
int br_packed_open(MPI_Comm world, bool crowded, struct br_packed **out);
void br_packed_close(struct br_packed *packed); /* NULL does nothing */

/* As br_comm_reduce_start with BR_COMM_I64; `request` is the caller's number for it, 0 .. BR_COMM_PENDING - 1, not in use. */
void br_packed_start(struct br_packed *packed, int64_t *x, size_t n, int request);
/* Is it begun and not yet waited for? */
bool br_packed_has(const struct br_packed *packed, int request);
int br_packed_wait(struct br_packed *packed, int request);
/* Bytes sent since the last call. */
uint64_t br_packed_sent(struct br_packed *packed);

#endif
