/* A board: sums over ranks of one machine through memory that all of them see. MPI copies such sums through small buffers, at 2 GB/s; here each rank puts
 * its numbers down once, adds up its share of all, and takes the sums. Private to the room; the MPI transport uses it where all ranks share a machine.
 * One thread of a rank at a time. */
#ifndef CLUSTER_BOARD_H
#define CLUSTER_BOARD_H

#include <bramble/cluster/comm.h>

struct br_board;

/* Bytes of memory, seen by all of them, that `size` ranks need. */
size_t br_board_bytes(int size);
/* `memory` stays the caller's, until after the close. One rank clears it before the first sum of any. */
int br_board_open(int rank, int size, void *memory, struct br_board **out);
void br_board_clear(struct br_board *board);
void br_board_close(struct br_board *board); /* NULL does nothing */

/* As br_comm_reduce_start; false where the numbers have no room, which is so on all ranks or none. `idle` is called while it waits for other ranks. */
bool br_board_start(struct br_board *board, void *x, size_t n, enum br_comm_type type, int request, void (*idle)(void *arg), void *arg);
/* Is this one of the board's requests? Then finishes it, and all begun before it. */
bool br_board_finish(struct br_board *board, int request, void (*idle)(void *arg), void *arg);
/* Is it begun and not finished? */
bool br_board_has(const struct br_board *board, int request);

#endif
