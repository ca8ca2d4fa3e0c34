/* Threads: a fixed team that runs one function on all its members, and a barrier for those inside it. A result must never
 * depend on how many members a team has: split outputs or units between them, never one sum. */
#ifndef BRAMBLE_BASE_THREAD_H
#define BRAMBLE_BASE_THREAD_H

#include <stdatomic.h>
#include <stddef.h>

/* This thread's share of some work: part `index` of `count`. {0, 1} is all of it. */
struct br_part {
  int index, count;
};
#define BR_PART_ALL ((struct br_part){0, 1})

/* The half-open range [*first, *last) of `n` items that is this part's, in multiples of `grain` (the last range may end short). */
static inline void br_part_range(struct br_part part, size_t n, size_t grain, size_t *first, size_t *last) {
  size_t blocks = (n + grain - 1) / grain, index = (size_t)part.index, count = (size_t)part.count;
  size_t low = blocks * index / count * grain, high = blocks * (index + 1) / count * grain;
  *first = low < n ? low : n;
  *last = high < n ? high : n;
}

/* A barrier for `count` threads; spins a little, then yields. Zero-initialised is ready for use. */
struct br_barrier {
  _Alignas(64) atomic_int arrived;
  atomic_int turn;
};
/* Waits until `count` threads are here; count 1 returns at once. Memory written before is visible to all after. */
void br_barrier_wait(struct br_barrier *barrier, int count);

struct br_team;

/* Starts a team of `count` members, 1 to 1024; the caller of br_team_run is member 0, so count - 1 threads are made.
 * Errors: BR_ERROR_FAILED, BR_ERROR_MEMORY. */
int br_team_open(int count, struct br_team **out);
/* Ends the threads; NULL does nothing. */
void br_team_close(struct br_team *team);
int br_team_count(const struct br_team *team);

/* Runs work(arg, part) on every member at once and returns when all are done. Not reentrant; one caller at a time. */
void br_team_run(struct br_team *team, void (*work)(void *arg, struct br_part part), void *arg);

/* Cores this process may use (affinity mask and cgroup quota); at least 1. */
int br_cpu_count(void);

#endif
