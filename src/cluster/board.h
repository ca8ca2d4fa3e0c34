/* A board: sums over ranks of one machine through memory that all of them see. MPI copies such sums through small buffers, at 2 GB/s; here each rank puts
 * its numbers down once, adds up its share of all, and takes the sums. Private to the room; the MPI transport uses it where all ranks share a machine.
 * One thread of a rank at a time. */
#ifndef CLUSTER_BOARD_H
#define CLUSTER_BOARD_H

#include <bramble/cluster/comm.h>

struct br_board;

/* Where the first rank's memory is found by the others. */
struct br_board_place {
  int64_t process, file, inode; /* file -1: there is none */
};

/* The first rank makes the memory for `size` ranks and tells `place` to the others, who open it. Both may fail where a system does not allow it: then the
 * ranks do without. The first rank's descriptor stays open until br_board_opened, which all call when all have opened it. */
int br_board_make(int size, struct br_board_place *place, struct br_board **out);
int br_board_join(int rank, int size, const struct br_board_place *place, struct br_board **out);
void br_board_opened(struct br_board *board);
void br_board_close(struct br_board *board); /* NULL does nothing */

/* As br_comm_reduce_start; false where the numbers have no room, which is so on all ranks or none. `idle` is called while it waits for other ranks. */
bool br_board_start(struct br_board *board, void *x, size_t n, enum br_comm_type type, int request, void (*idle)(void *arg), void *arg);
/* Is this one of the board's requests? Then finishes it, and all begun before it. */
bool br_board_finish(struct br_board *board, int request, void (*idle)(void *arg), void *arg);
/* Is it begun and not finished? */
bool br_board_has(const struct br_board *board, int request);

#endif
