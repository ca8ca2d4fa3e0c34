/* Pieces of sums on their way. A request is cut into pieces; piece k has slot k % SLOTS on every rank, so ranks agree on tags without a word, and memory is
 * that of the slots, however long the sums. A piece first scatters (all shares but the own go to their owners), then gathers (the sums come back). Two ranks
 * send each other everything and need no gathering. */
#include "cluster/packed_mpi.h"

#include "cluster/pack.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SLOTS 8
#define LEAST_SHARE ((size_t)2048) /* numbers of a rank's share of a piece */
#define PIECE ((size_t)32768)      /* numbers of a piece of few ranks */
#define PAUSE 300000               /* nanoseconds between looks while the caller computes: it may have one core only */

struct request {
  int64_t *x;
  size_t n, begun; /* numbers, and those whose pieces are under way or done */
  int pieces;      /* under way */
  bool done;
};

/* One message from each rank and one to each, first of numbers, then of sums. */
struct slot {
  int request; /* -1: free */
  int64_t *x;
  size_t n;
  bool gathering;
  int summed, got;             /* ranks whose numbers are added, whose sums are here */
  unsigned char *out, *in;     /* [size][room] */
  MPI_Request *send, *receive; /* [size] */
};

struct br_packed {
  MPI_Comm world;
  int rank, size;
  bool crowded;
  size_t share, room; /* numbers of a rank's share of a piece, and their bytes at most */
  /* Of both threads, under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t work, finished;
  int waiting, status;
  bool closing;
  char message[256]; /* of the status */
  uint64_t sent;
  bool used[BR_COMM_PENDING]; /* the caller's alone */
  struct request request[BR_COMM_PENDING];
  int queue[BR_COMM_PENDING]; /* requests in the order they were begun */
  unsigned queued, taken;     /* counts, modulo the queue's size; taken: all its pieces are under way */
  /* The mover's. */
  int64_t piece; /* the next one's number */
  int under_way;
  struct slot slot[SLOTS];
  pthread_t mover;
};

static int check(const struct br_packed *p, int error) {
  if (error == MPI_SUCCESS) return BR_OK;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length;
  MPI_Error_string(error, text, &length);
  text[strcspn(text, "\n")] = 0;
  BR_FAIL(BR_ERROR_COMM, "rank %d: a sum failed: %s", p->rank, text);
}

/* --- pieces: by the mover ------------------------------------------------------------------------------------------------------------------------ */

static int tag_of(const struct br_packed *p, const struct slot *s, bool gathering) { return 2 * (int)(s - p->slot) + gathering; }

/* The part of a piece that `rank` sums. */
static int64_t *share_of(const struct br_packed *p, const struct slot *s, int rank, size_t *n) {
  size_t first, last;
  *n = s->n;
  if (p->size == 2) return s->x;
  br_part_range((struct br_part){rank, p->size}, s->n, 16, &first, &last);
  *n = last - first;
  return s->x + first;
}

static int send(struct br_packed *p, struct slot *s, int to, const unsigned char *data, size_t bytes) {
  __atomic_fetch_add(&p->sent, bytes, __ATOMIC_RELAXED);
  return check(p, MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag_of(p, s, s->gathering), p->world, &s->send[to]));
}

static int receive(struct br_packed *p, struct slot *s, int from, bool gathering) {
  return check(p, MPI_Irecv(s->in + (size_t)from * p->room, (int)p->room, MPI_BYTE, from, tag_of(p, s, gathering), p->world, &s->receive[from]));
}

/* The ranks after this one first, so that not all send to rank 0 at once. */
static int other(const struct br_packed *p, int i) { return (p->rank + i) % p->size; }

static int begin_piece(struct br_packed *p, struct slot *s, int request) {
  struct request *q = &p->request[request];
  const size_t most = p->size == 2 ? p->share : p->share / 16 * 16 * (size_t)p->size;
  *s = (struct slot){request, q->x + q->begun, q->n - q->begun < most ? q->n - q->begun : most, .out = s->out, .in = s->in, .send = s->send, .receive = s->receive};
  q->begun += s->n;
  q->pieces++;
  if (q->begun == q->n) { /* before it can be done, and its number another's */
    pthread_mutex_lock(&p->lock);
    p->taken++;
    pthread_mutex_unlock(&p->lock);
  }
  p->piece++;
  p->under_way++;
  for (int i = 1; i < p->size; i++) BR_TRY(receive(p, s, other(p, i), false));
  for (int i = 1; i < p->size; i++) {
    size_t n;
    const int r = other(p, i);
    const int64_t *x = share_of(p, s, r, &n);
    unsigned char *out = s->out + (size_t)r * p->room;
    BR_TRY(send(p, s, r, out, br_pack(x, n, out)));
  }
  return BR_OK;
}

/* All numbers of the own share are here: the sums go to all. */
static int begin_gather(struct br_packed *p, struct slot *s) {
  size_t n;
  const int64_t *x = share_of(p, s, p->rank, &n);
  unsigned char *out = s->out + (size_t)p->rank * p->room;
  const size_t bytes = br_pack(x, n, out);
  s->gathering = true;
  for (int i = 1; i < p->size; i++) BR_TRY(send(p, s, other(p, i), out, bytes));
  return BR_OK;
}

/* What rank `from` sent is here: its numbers for the own share at first, the sums of its share after that. */
static int take(struct br_packed *p, struct slot *s, int from, const MPI_Status *news) {
  const bool sums = news->MPI_TAG == tag_of(p, s, true);
  int bytes;
  size_t n;
  MPI_Get_count(news, MPI_BYTE, &bytes);
  int64_t *x = share_of(p, s, sums ? from : p->rank, &n);
  const unsigned char *in = s->in + (size_t)from * p->room;
  if (!(sums ? br_unpack(in, (size_t)bytes, x, n) : br_unpack_add(in, (size_t)bytes, x, n))) BR_FAIL(BR_ERROR_COMM, "rank %d sent rank %d %d bytes that are not %zu numbers", from, p->rank, bytes, n);
  if (sums)
    s->got++;
  else
    s->summed++;
  return sums || p->size == 2 ? BR_OK : receive(p, s, from, true);
}

static void end_piece(struct br_packed *p, struct slot *s) {
  struct request *q = &p->request[s->request];
  s->request = -1;
  p->under_way--;
  if (--q->pieces > 0 || q->begun < q->n) return;
  pthread_mutex_lock(&p->lock);
  q->done = true;
  pthread_cond_broadcast(&p->finished);
  pthread_mutex_unlock(&p->lock);
}

static int move_slot(struct br_packed *p, struct slot *s) {
  const int others = p->size - 1;
  MPI_Status news;
  int done, left = 0;
  for (int i = 1; i < p->size; i++) {
    const int r = other(p, i);
    if (s->receive[r] == MPI_REQUEST_NULL) continue;
    BR_TRY(check(p, MPI_Test(&s->receive[r], &done, &news)));
    if (done) BR_TRY(take(p, s, r, &news));
  }
  for (int r = 0; r < p->size; r++) {
    if (s->send[r] == MPI_REQUEST_NULL) continue;
    BR_TRY(check(p, MPI_Test(&s->send[r], &done, MPI_STATUS_IGNORE)));
    left += !done;
  }
  if (s->summed < others || left > 0) return BR_OK;
  if (p->size == 2 || (s->gathering && s->got == others))
    end_piece(p, s);
  else if (!s->gathering)
    return begin_gather(p, s);
  return BR_OK;
}

/* The request whose next piece is to begin; -1: none. */
static int next_request(struct br_packed *p) {
  pthread_mutex_lock(&p->lock);
  const int request = p->taken == p->queued ? -1 : p->queue[p->taken % BR_COMM_PENDING];
  pthread_mutex_unlock(&p->lock);
  return request;
}

static int move(struct br_packed *p) {
  for (int s = 0; s < SLOTS; s++)
    if (p->slot[s].request >= 0) BR_TRY(move_slot(p, &p->slot[s]));
  for (;;) {
    struct slot *slot = &p->slot[p->piece % SLOTS];
    const int request = slot->request < 0 ? next_request(p) : -1;
    if (request < 0) return BR_OK;
    BR_TRY(begin_piece(p, slot, request));
  }
}

/* Sleeps between looks; where the caller waits it has the core, if it need not share it. */
static void rest(const struct br_packed *p, bool waited_for) {
  if (waited_for && !p->crowded)
    sched_yield();
  else
    nanosleep(&(struct timespec){.tv_nsec = waited_for ? 50000 : PAUSE}, NULL);
}

static void *mover_main(void *arg) {
  struct br_packed *p = arg;
  pthread_mutex_lock(&p->lock);
  for (;;) {
    while (!p->closing && p->under_way == 0 && p->taken == p->queued) pthread_cond_wait(&p->work, &p->lock);
    if (p->closing || p->status != BR_OK) break;
    const bool waited_for = p->waiting > 0;
    pthread_mutex_unlock(&p->lock);
    int status = move(p);
    if (status == BR_OK && p->under_way > 0) rest(p, waited_for);
    pthread_mutex_lock(&p->lock);
    if (status == BR_OK) continue;
    p->status = status;
    snprintf(p->message, sizeof p->message, "%s", br_error_message());
    pthread_cond_broadcast(&p->finished);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* --- the caller's side --------------------------------------------------------------------------------------------------------------------------- */

static void free_slots(struct br_packed *p) {
  for (int s = 0; s < SLOTS; s++) {
    br_memory_free(p->slot[s].out);
    br_memory_free(p->slot[s].in);
    br_memory_free(p->slot[s].send);
    br_memory_free(p->slot[s].receive);
  }
}

static int open_slot(const struct br_packed *p, struct slot *s) {
  const size_t ranks = (size_t)p->size;
  s->request = -1;
  BR_TRY(br_memory_alloc(ranks, p->room, "packed sums", &s->out));
  BR_TRY(br_memory_alloc(ranks, p->room, "packed sums", &s->in));
  BR_TRY(br_memory_alloc(ranks, sizeof *s->send, "messages", &s->send));
  BR_TRY(br_memory_alloc(ranks, sizeof *s->receive, "messages", &s->receive));
  for (size_t r = 0; r < ranks; r++) s->send[r] = s->receive[r] = MPI_REQUEST_NULL;
  return BR_OK;
}

static int start_mover(struct br_packed *p) {
  if (pthread_create(&p->mover, NULL, mover_main, p) == 0) return BR_OK;
  BR_FAIL(BR_ERROR_FAILED, "the thread that moves sums cannot be started");
}

int br_packed_open(MPI_Comm world, bool crowded, struct br_packed **out) {
  struct br_packed *p;
  int level, mine, all = 0;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *p, "packed sums", &p));
  MPI_Query_thread(&level);
  mine = level == MPI_THREAD_MULTIPLE;
  MPI_Comm_dup(world, &p->world);
  MPI_Comm_rank(world, &p->rank);
  MPI_Comm_size(world, &p->size);
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, world);
  p->crowded = crowded;
  p->share = PIECE / (size_t)p->size > LEAST_SHARE ? PIECE / (size_t)p->size : LEAST_SHARE;
  p->room = br_pack_bound(p->share);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->work, NULL);
  pthread_cond_init(&p->finished, NULL);
  int status = BR_OK;
  for (int s = 0; s < SLOTS && status == BR_OK && all; s++) status = open_slot(p, &p->slot[s]);
  if (status == BR_OK && all) status = start_mover(p);
  if (status == BR_OK && all) {
    *out = p;
    return BR_OK;
  }
  free_slots(p);
  MPI_Comm_free(&p->world);
  br_memory_free(p);
  return status;
}

void br_packed_close(struct br_packed *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  p->closing = true;
  pthread_cond_signal(&p->work);
  pthread_mutex_unlock(&p->lock);
  pthread_join(p->mover, NULL);
  free_slots(p);
  MPI_Comm_free(&p->world);
  br_memory_free(p);
}

void br_packed_start(struct br_packed *p, int64_t *x, size_t n, int request) {
  pthread_mutex_lock(&p->lock);
  p->used[request] = true;
  p->request[request] = (struct request){.x = x, .n = n};
  p->queue[p->queued++ % BR_COMM_PENDING] = request;
  pthread_cond_signal(&p->work);
  pthread_mutex_unlock(&p->lock);
}

bool br_packed_has(const struct br_packed *p, int request) { return p->used[request]; }

int br_packed_wait(struct br_packed *p, int request) {
  int status = BR_OK;
  pthread_mutex_lock(&p->lock);
  p->waiting++;
  while (!p->request[request].done && p->status == BR_OK) pthread_cond_wait(&p->finished, &p->lock);
  p->waiting--;
  if (!p->request[request].done) status = br_error_set(p->status, "%s", p->message);
  p->used[request] = false;
  pthread_mutex_unlock(&p->lock);
  return status;
}

uint64_t br_packed_sent(struct br_packed *p) { return __atomic_exchange_n(&p->sent, 0, __ATOMIC_RELAXED); }
