/* MPI as the transport. Everything waits by testing and yielding, so that ranks that share a core do not burn each other's time;
 * counts above INT_MAX go in pieces. */
#include "cluster/board.h"
#include "cluster/comm.h"
#include "cluster/packed_mpi.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>
#include <bramble/cluster/comm_mpi.h>

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define LATE 2e-4    /* seconds of a yield */
#define BELIEVED 100 /* waits */
#define PIECE ((size_t)1 << 28) /* elements or bytes of one MPI call */
#define LEAST_PACKED ((size_t)8192) /* numbers; fewer are sooner summed than packed */

struct mpi_comm {
  struct br_comm base;
  MPI_Comm world, node; /* all ranks; those of this machine */
  bool crowded; /* more ranks on this machine than cores */
  int wanted;   /* for so many waits more the cores count as wanted by others */
  MPI_Request pending[BR_COMM_PENDING];
  MPI_Win shared, common; /* memory of the board, and what the ranks of a machine have in common */
  size_t promised; /* bytes of the first, whose pages may still be untouched */
  struct meeting *met; /* of each rank of the machine, where they have memory in common */
  int64_t meetings; /* this rank's so far */
  struct br_board *board; /* NULL: ranks on several machines, or a system that allows none */
  struct br_packed *packed; /* where there is no board */
  int spins;
};

/* How often a rank has come to br_comm_common_meet; each has a cache line of its own. */
struct meeting {
  _Alignas(64) atomic_int_fast64_t count;
};

static struct mpi_comm *mpi(struct br_comm *comm) { return (struct mpi_comm *)(void *)comm; }

static int check(const struct br_comm *comm, int error, const char *doing) {
  if (error == MPI_SUCCESS) return BR_OK;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length;
  MPI_Error_string(error, text, &length);
  text[strcspn(text, "\n")] = 0;
  BR_FAIL(BR_ERROR_COMM, "rank %d (%s): %s failed: %s", comm->rank, comm->host, doing, text);
}

/* Spins a little, then gives the core away between tests. Where others want it, ranks beyond the cores or other programs, it sleeps instead: who yields gives up his share of
 * time, in newer Linux all of it, and who has slept is next. That others want it shows in a yield that comes back late, and is believed for some waits. */
static void rest(struct mpi_comm *comm, int spin) {
  if (spin < 200) return;
  if (spin == 200 && comm->wanted > 0) comm->wanted--;
  if ((comm->crowded && spin > 400) || comm->wanted > 0) {
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    return;
  }
  double start = br_clock_seconds();
  sched_yield();
  if (br_clock_seconds() - start > LATE) comm->wanted = BELIEVED;
}

static int finish(struct br_comm *comm, MPI_Request *request, const char *doing) {
  for (int spin = 0, done = 0; !done; spin++) {
    BR_TRY(check(comm, MPI_Test(request, &done, MPI_STATUS_IGNORE), doing));
    if (!done) rest(mpi(comm), spin);
  }
  return BR_OK;
}

/* Between looks at the board. Others may wait for messages that MPI moves only when it is called. */
static void idle(void *arg) {
  struct mpi_comm *comm = arg;
  int flag;
  if (comm->spins >= 200) MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm->world, &flag, MPI_STATUS_IGNORE);
  rest(comm, comm->spins++);
}

static int slot(struct br_comm *comm, int *request) {
  for (int i = 0; i < BR_COMM_PENDING; i++)
    if (mpi(comm)->pending[i] == MPI_REQUEST_NULL && !(mpi(comm)->board && br_board_has(mpi(comm)->board, i)) && !(mpi(comm)->packed && br_packed_has(mpi(comm)->packed, i))) {
      *request = i;
      return BR_OK;
    }
  BR_FAIL(BR_ERROR_COMM, "more than %d messages at once", BR_COMM_PENDING);
}

static int reduce_start(struct br_comm *comm, void *x, size_t n, enum br_comm_type type, int *request) {
  static const size_t bytes[] = {8, 4, 4, 8};
  const MPI_Datatype types[] = {MPI_INT64_T, MPI_INT32_T, MPI_FLOAT, MPI_INT64_T};
  MPI_Op op = type == BR_COMM_I64_MAX ? MPI_MAX : MPI_SUM;
  char *data = x;
  BR_TRY(slot(comm, request));
  mpi(comm)->spins = 0;
  if (mpi(comm)->packed && type == BR_COMM_I64 && n >= LEAST_PACKED) {
    br_packed_start(mpi(comm)->packed, x, n, *request);
    return BR_OK;
  }
  comm->bytes_sent += 2 * n * bytes[type] * (size_t)(comm->size - 1) / (size_t)comm->size;
  if (mpi(comm)->board && br_board_start(mpi(comm)->board, x, n, type, *request, idle, comm)) return BR_OK;
  for (; n > PIECE; n -= PIECE, data += PIECE * bytes[type]) {
    MPI_Request piece;
    BR_TRY(check(comm, MPI_Iallreduce(MPI_IN_PLACE, data, (int)PIECE, types[type], op, mpi(comm)->world, &piece), "all-reduce"));
    BR_TRY(finish(comm, &piece, "all-reduce"));
  }
  return check(comm, MPI_Iallreduce(MPI_IN_PLACE, data, (int)n, types[type], op, mpi(comm)->world, &mpi(comm)->pending[*request]), "all-reduce");
}

static int wait_for(struct br_comm *comm, int request) {
  mpi(comm)->spins = 0;
  if (mpi(comm)->packed && br_packed_has(mpi(comm)->packed, request)) {
    int status = br_packed_wait(mpi(comm)->packed, request);
    comm->bytes_sent += br_packed_sent(mpi(comm)->packed);
    return status;
  }
  if (mpi(comm)->board && br_board_finish(mpi(comm)->board, request, idle, comm)) return BR_OK;
  return finish(comm, &mpi(comm)->pending[request], "waiting for other ranks");
}

static int progress(struct br_comm *comm) {
  for (int i = 0, done = 1; i < BR_COMM_PENDING && done; i++) /* a request that is done already moves nothing */
    if (mpi(comm)->pending[i] != MPI_REQUEST_NULL) /* MPI_Request_get_status keeps it for the wait that will come */
      BR_TRY(check(comm, MPI_Request_get_status(mpi(comm)->pending[i], &done, MPI_STATUS_IGNORE), "progress"));
  return BR_OK;
}

static int broadcast(struct br_comm *comm, void *data, size_t bytes, int root) {
  for (size_t at = 0; at < bytes; at += PIECE) {
    size_t n = bytes - at < PIECE ? bytes - at : PIECE;
    MPI_Request request;
    BR_TRY(check(comm, MPI_Ibcast((char *)data + at, (int)n, MPI_BYTE, root, mpi(comm)->world, &request), "broadcast"));
    BR_TRY(finish(comm, &request, "broadcast"));
  }
  return BR_OK;
}

static int allgather(struct br_comm *comm, const void *mine, size_t bytes, void *all) {
  if (bytes > PIECE) BR_FAIL(BR_ERROR_COMM, "gathering %zu bytes from each rank is too much", bytes);
  MPI_Request request;
  BR_TRY(check(comm, MPI_Iallgather(mine, (int)bytes, MPI_BYTE, all, (int)bytes, MPI_BYTE, mpi(comm)->world, &request), "gathering"));
  return finish(comm, &request, "gathering");
}

static int send_start(struct br_comm *comm, const void *data, size_t bytes, int to, int *request) {
  if (bytes > INT_MAX) BR_FAIL(BR_ERROR_COMM, "a message of %zu bytes is too long", bytes);
  BR_TRY(slot(comm, request));
  return check(comm, MPI_Isend(data, (int)bytes, MPI_BYTE, to, 1, mpi(comm)->world, &mpi(comm)->pending[*request]), "sending");
}

static int receive_start(struct br_comm *comm, void *data, size_t bytes, int from, int *request) {
  if (bytes > INT_MAX) BR_FAIL(BR_ERROR_COMM, "a message of %zu bytes is too long", bytes);
  BR_TRY(slot(comm, request));
  return check(comm, MPI_Irecv(data, (int)bytes, MPI_BYTE, from, 1, mpi(comm)->world, &mpi(comm)->pending[*request]), "receiving");
}

/* Point to point in pieces rather than MPI_Gatherv, whose displacements are ints. */
static int gatherv(struct br_comm *comm, const void *mine, size_t bytes, int root, unsigned char *all, const size_t *sizes) {
  int request;
  if (comm->rank != root) {
    for (size_t at = 0; at < bytes; at += PIECE) {
      BR_TRY(send_start(comm, (const char *)mine + at, bytes - at < PIECE ? bytes - at : PIECE, root, &request));
      BR_TRY(wait_for(comm, request));
    }
    return BR_OK;
  }
  for (int r = 0; r < comm->size; all += sizes[r], r++) {
    if (r == root && bytes) memcpy(all, mine, bytes);
    for (size_t at = 0; r != root && at < sizes[r]; at += PIECE) {
      BR_TRY(receive_start(comm, all + at, sizes[r] - at < PIECE ? sizes[r] - at : PIECE, r, &request));
      BR_TRY(wait_for(comm, request));
    }
  }
  return BR_OK;
}

/* A counter in rank 0's memory. Ranks of one machine add to it there. Elsewhere MPI does, but most MPIs only while rank 0 is in a call of MPI, so a thread of rank
 * 0's is there now and then: without it the others would wait while rank 0 works. */
struct window {
  MPI_Win win;
  int64_t *value; /* where this rank sees it, or NULL */
  bool shared, answers; /* all see it; this rank's thread runs */
  atomic_bool over;
  MPI_Comm world;
  pthread_t thread;
};

#define ANSWER_PAUSE 200000 /* nanoseconds */

static void *answer_others(void *arg) {
  struct window *window = arg;
  int flag;
  while (!atomic_load(&window->over)) {
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, window->world, &flag, MPI_STATUS_IGNORE);
    nanosleep(&(struct timespec){.tv_nsec = ANSWER_PAUSE}, NULL);
  }
  return NULL;
}

static int open_window(struct br_comm *comm, struct window *window) {
  const MPI_Aint bytes = comm->rank == 0 ? (MPI_Aint)sizeof(int64_t) : 0;
  MPI_Aint there;
  int unit;
  window->world = mpi(comm)->world;
  window->shared = mpi(comm)->board != NULL;
  if (!window->shared) return check(comm, MPI_Win_allocate(bytes, sizeof(int64_t), MPI_INFO_NULL, window->world, &window->value, &window->win), "opening the counter");
  BR_TRY(check(comm, MPI_Win_allocate_shared(bytes, sizeof(int64_t), MPI_INFO_NULL, window->world, &window->value, &window->win), "opening the counter"));
  return check(comm, MPI_Win_shared_query(window->win, 0, &there, &unit, &window->value), "opening the counter");
}

static int counter_open(struct br_comm *comm, struct br_counter *counter) {
  struct window *window;
  int level;
  BR_TRY(br_memory_alloc(1, sizeof *window, "counter", &window));
  int status = open_window(comm, window);
  if (status != BR_OK) br_memory_free(window);
  BR_TRY(status);
  counter->state = window;
  if (comm->rank == 0) {
    MPI_Win_lock(MPI_LOCK_EXCLUSIVE, 0, 0, window->win);
    *window->value = 0;
    MPI_Win_unlock(0, window->win);
  }
  BR_TRY(br_comm_barrier(comm));
  MPI_Query_thread(&level);
  if (comm->rank == 0 && !window->shared && level == MPI_THREAD_MULTIPLE) window->answers = pthread_create(&window->thread, NULL, answer_others, window) == 0;
  return check(comm, MPI_Win_lock_all(0, window->win), "opening the counter");
}

static int counter_next(struct br_counter *counter, int64_t step, int64_t *old) {
  struct window *window = counter->state;
  if (window->shared) {
    *old = __atomic_fetch_add(window->value, step, __ATOMIC_RELAXED);
    return BR_OK;
  }
  BR_TRY(check(counter->comm, MPI_Fetch_and_op(&step, old, MPI_INT64_T, 0, 0, MPI_SUM, window->win), "drawing work"));
  return check(counter->comm, MPI_Win_flush(0, window->win), "drawing work");
}

static void counter_close(struct br_counter *counter) {
  struct window *window = counter->state;
  MPI_Win_unlock_all(window->win);
  br_comm_barrier(counter->comm); /* until then others may still draw */
  atomic_store(&window->over, true);
  if (window->answers) pthread_join(window->thread, NULL);
  MPI_Win_free(&window->win);
  br_memory_free(window);
}

#define SHARED_FILES "/dev/shm" /* where Linux keeps shared memory; containers often have little of it */

/* MPI takes its pages only as they are written, and a page that is not to be had then ends the process. */
static bool has_room(size_t bytes) {
  struct statvfs files;
  return statvfs(SHARED_FILES, &files) != 0 || bytes / files.f_frsize < files.f_bavail;
}

/* Memory of the machine's first rank that all its ranks see; false on all where one of them cannot have it. */
static bool open_shared(struct mpi_comm *comm, size_t bytes, MPI_Win *win, void **memory) {
  MPI_Aint there = 0;
  int unit, all = 0;
  *win = MPI_WIN_NULL;
  int have = has_room(bytes + comm->promised);
  if (MPI_Allreduce(&have, &all, 1, MPI_INT, MPI_MIN, comm->node) != MPI_SUCCESS || !all) return false;
  have = MPI_Win_allocate_shared(comm->base.node_rank == 0 ? (MPI_Aint)bytes : 0, 1, MPI_INFO_NULL, comm->node, memory, win) == MPI_SUCCESS;
  have = have && MPI_Win_shared_query(*win, 0, &there, &unit, memory) == MPI_SUCCESS && (size_t)there >= bytes;
  return MPI_Allreduce(&have, &all, 1, MPI_INT, MPI_MIN, comm->node) == MPI_SUCCESS && all;
}

static void close_shared(MPI_Win *win) {
  if (*win != MPI_WIN_NULL) MPI_Win_free(win);
}

/* Its pages are written at once, so that what is opened later knows the room that is left. */
static void *common_open(struct br_comm *comm, size_t bytes) {
  struct mpi_comm *m = mpi(comm);
  const size_t before = ((size_t)comm->node_size * sizeof *m->met + 4095) / 4096 * 4096;
  void *memory;
  close_shared(&m->common); /* of an opening before */
  if (comm->node_size == 1) return NULL;
  if (!open_shared(m, before + bytes, &m->common, &memory)) {
    close_shared(&m->common);
    return NULL;
  }
  if (comm->node_rank == 0) memset(memory, 0, before + bytes);
  m->met = memory;
  m->meetings = 0;
  if (MPI_Barrier(m->node) != MPI_SUCCESS) return NULL;
  return (char *)memory + before;
}

static void common_meet(struct br_comm *comm) {
  struct mpi_comm *m = mpi(comm);
  const int64_t meeting = ++m->meetings;
  atomic_store_explicit(&m->met[comm->node_rank].count, meeting, memory_order_release);
  m->spins = 0;
  for (int r = 0; r < comm->node_size; r++)
    while (atomic_load_explicit(&m->met[r].count, memory_order_acquire) < meeting) idle(comm);
}

static void close_mpi(struct br_comm *comm) {
  br_board_close(mpi(comm)->board);
  br_packed_close(mpi(comm)->packed);
  close_shared(&mpi(comm)->shared);
  close_shared(&mpi(comm)->common);
  MPI_Comm_free(&mpi(comm)->node);
  MPI_Comm_free(&mpi(comm)->world);
}

/* The ranks of one machine, if they are all. A board that one of them cannot have, none has. */
static void open_board(struct mpi_comm *comm) {
  const int rank = comm->base.rank, size = comm->base.size;
  const size_t bytes = br_board_bytes(size);
  void *memory = NULL;
  int all = 0;
  comm->shared = comm->common = MPI_WIN_NULL;
  if (size == 1 || comm->base.node_size != size || !open_shared(comm, bytes, &comm->shared, &memory)) return;
  int have = br_board_open(rank, size, memory, &comm->board) == BR_OK;
  if (have && rank == 0) br_board_clear(comm->board);
  comm->promised = bytes;
  if (MPI_Allreduce(&have, &all, 1, MPI_INT, MPI_MIN, comm->world) == MPI_SUCCESS && all) return;
  br_board_close(comm->board);
  comm->board = NULL;
}

static const struct br_comm_ops ops = {
    .reduce_start = reduce_start,
    .wait = wait_for,
    .progress = progress,
    .common_open = common_open,
    .common_meet = common_meet,
    .broadcast = broadcast,
    .allgather = allgather,
    .gatherv = gatherv,
    .send_start = send_start,
    .receive_start = receive_start,
    .counter_open = counter_open,
    .counter_next = counter_next,
    .counter_close = counter_close,
    .close = close_mpi,
};

/* "MPICH 4.0.2" of MPICH's lines "MPICH Version: 4.0.2 ...", "Open MPI v4.1.4" of Open MPI's line. */
static void read_library(char *text, size_t bytes) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(version, &length);
  version[strcspn(version, "\n,")] = 0;
  char *colon = strstr(version, " Version:");
  if (colon)
    snprintf(text, bytes, "%.*s %s", (int)(colon - version), version, colon + 9 + strspn(colon + 9, " \t"));
  else
    snprintf(text, bytes, "%s", version);
}

int br_comm_open_mpi(MPI_Comm world, struct br_comm **out) {
  struct mpi_comm *comm;
  BR_TRY(br_memory_alloc(1, sizeof *comm, "communicator", &comm));
  int length = 0;
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  MPI_Get_processor_name(name, &length);
  memcpy(comm->base.host, name, strnlen(name, sizeof comm->base.host - 1));
  read_library(comm->base.library, sizeof comm->base.library);
  for (int i = 0; i < BR_COMM_PENDING; i++) comm->pending[i] = MPI_REQUEST_NULL;
  int error = MPI_Comm_dup(world, &comm->world);
  if (error == MPI_SUCCESS) {
    MPI_Comm_set_errhandler(comm->world, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm->world, &comm->base.rank);
    MPI_Comm_size(comm->world, &comm->base.size);
    error = MPI_Comm_split_type(comm->world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comm->node);
  }
  if (error != MPI_SUCCESS) br_memory_free(comm);
  if (error != MPI_SUCCESS) BR_FAIL(BR_ERROR_COMM, "MPI could not make a communicator");
  MPI_Comm_set_errhandler(comm->node, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm->node, &comm->base.node_rank);
  MPI_Comm_size(comm->node, &comm->base.node_size);
  comm->crowded = comm->base.node_size > br_cpu_count();
  comm->base.ops = &ops;
  open_board(comm);
  int status = comm->board || comm->base.size == 1 ? BR_OK : br_packed_open(comm->world, comm->crowded, &comm->packed);
  if (status != BR_OK) br_comm_close(&comm->base);
  *out = status == BR_OK ? &comm->base : NULL;
  return status;
}
