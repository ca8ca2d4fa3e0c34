/* The team: members sleep on a condition variable between runs, after a short spin, because a step of a small net is over in
 * microseconds and waking a sleeping thread is not. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define SPINS 4000 /* about 20 to 60 microseconds */

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void br_barrier_wait(struct br_barrier *barrier, int count) {
  if (count == 1) return;
  int turn = atomic_load_explicit(&barrier->turn, memory_order_acquire);
  if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == count - 1) {
    atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&barrier->turn, turn + 1, memory_order_release);
    return;
  }
  for (int spin = 0; atomic_load_explicit(&barrier->turn, memory_order_acquire) == turn; spin++) {
    if (spin < SPINS)
      relax();
    else
      sched_yield();
  }
}

struct member {
  struct br_team *team;
  int index;
  pthread_t thread;
};

struct br_team {
  int count, started;
  struct member *members;
  void (*work)(void *arg, struct br_part part);
  void *arg;
  atomic_int run;     /* number of the newest run; -1 ends the members */
  atomic_int pending; /* members other than 0 that have not finished it */
  pthread_mutex_t mutex;
  pthread_cond_t wake;
};

static int next_run(struct br_team *team, int seen) {
  for (int spin = 0; spin < SPINS; spin++) {
    int run = atomic_load_explicit(&team->run, memory_order_acquire);
    if (run != seen) return run;
    relax();
  }
  pthread_mutex_lock(&team->mutex);
  int run;
  while ((run = atomic_load_explicit(&team->run, memory_order_acquire)) == seen) pthread_cond_wait(&team->wake, &team->mutex);
  pthread_mutex_unlock(&team->mutex);
  return run;
}

static void *member_main(void *arg) {
  struct member *member = arg;
  struct br_team *team = member->team;
  for (int seen = 0; (seen = next_run(team, seen)) >= 0;) {
    team->work(team->arg, (struct br_part){member->index, team->count});
    atomic_fetch_sub_explicit(&team->pending, 1, memory_order_release);
  }
  return NULL;
}

static void announce(struct br_team *team, int run) {
  pthread_mutex_lock(&team->mutex);
  atomic_store_explicit(&team->run, run, memory_order_release);
  pthread_cond_broadcast(&team->wake);
  pthread_mutex_unlock(&team->mutex);
}

int br_team_open(int count, struct br_team **out) {
  *out = NULL;
  if (count < 1 || count > 1024) BR_FAIL(BR_ERROR_USAGE, "a team of %d threads: 1 to 1024 are possible", count);
  struct br_team *team;
  BR_TRY(br_memory_alloc(1, sizeof *team, "thread team", &team));
  team->count = count;
  pthread_mutex_init(&team->mutex, NULL);
  pthread_cond_init(&team->wake, NULL);
  int status = br_memory_alloc((size_t)count, sizeof *team->members, "threads", &team->members);
  for (int i = 1; status == BR_OK && i < count; i++) {
    team->members[i] = (struct member){.team = team, .index = i};
    if (pthread_create(&team->members[i].thread, NULL, member_main, &team->members[i]) != 0)
      status = br_error_set(BR_ERROR_FAILED, "cannot start thread %d of %d; use fewer with --threads", i + 1, count);
    else
      team->started++;
  }
  if (status != BR_OK) {
    br_team_close(team);
    return status;
  }
  *out = team;
  return BR_OK;
}

void br_team_close(struct br_team *team) {
  if (!team) return;
  announce(team, -1);
  for (int i = 1; i <= team->started; i++) pthread_join(team->members[i].thread, NULL);
  pthread_cond_destroy(&team->wake);
  pthread_mutex_destroy(&team->mutex);
  br_memory_free(team->members);
  br_memory_free(team);
}

int br_team_count(const struct br_team *team) { return team->count; }

void br_team_run(struct br_team *team, void (*work)(void *arg, struct br_part part), void *arg) {
  if (team->count > 1) {
    team->work = work;
    team->arg = arg;
    atomic_store_explicit(&team->pending, team->count - 1, memory_order_relaxed);
    int run = atomic_load_explicit(&team->run, memory_order_relaxed);
    announce(team, run == INT32_MAX ? 0 : run + 1);
  }
  work(arg, (struct br_part){0, team->count});
  for (int spin = 0; atomic_load_explicit(&team->pending, memory_order_acquire) > 0; spin++) {
    if (spin < SPINS)
      relax();
    else
      sched_yield();
  }
}

int br_cpu_count(void) {
  cpu_set_t set;
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (file) {
    long quota, period;
    if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
      int limit = (int)((quota + period - 1) / period);
      if (limit < count) count = limit;
    }
    fclose(file);
  }
  return count < 1 ? 1 : count;
}
