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
/* A block whose sums need no copies: `memory`, seen by all ranks and the caller's until after the close, has the numbers of each rank, br_board_block_place(bytes, rank) from
 * its start, and after them their sums. A sum begun on a part of the own numbers then leaves them as they are; the sums stand until that part's next sum is begun. At most one. */
size_t br_board_block_place(size_t bytes, int rank);
size_t br_board_block_bytes(int size, size_t bytes);
void br_board_lend(struct br_board *board, void *memory, size_t bytes);
/* Is this one of the board's requests? Then finishes it, and all begun before it. */
bool br_board_finish(struct br_board *board, int request, void (*idle)(void *arg), void *arg);
/* Is it begun and not finished? */
bool br_board_has(const struct br_board *board, int request);

#endif
