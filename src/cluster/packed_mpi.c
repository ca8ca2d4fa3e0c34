/* Pieces of sums on their way. A request is cut into pieces; piece k has slot k % SLOTS on every rank, so ranks agree on tags without a word, and memory is
 * that of the slots, however long the sums. A piece first scatters (all shares but the own go to their owners), then gathers (the sums come back). A rank that
 * waits moves every piece, not only those of its own request. */
#include "cluster/packed_mpi.h"

#include "cluster/pack.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>

#include <string.h>

#define SLOTS 8
#define LEAST_SHARE ((size_t)2048) /* numbers of a rank's share of a piece */
#define PIECE ((size_t)32768)      /* numbers of a piece of few ranks */

struct request {
  int64_t *x;
  size_t n, begun; /* numbers, and those whose pieces are under way or done */
  int pieces;      /* under way */
  int next;        /* the request begun after it, or -1 */
  bool used;
};

/* One message from each rank and one to each, first of numbers, then of sums. */
struct slot {
  int request; /* -1: free */
  int64_t *x;
  size_t n;
  bool gathering;
  int summed, got, left; /* ranks whose numbers are added, whose sums are here; messages still to leave */
  unsigned char *out, *in; /* [size][room] */
  MPI_Request *send, *receive; /* [size] */
};

struct br_packed {
  MPI_Comm world;
  int rank, size;
  size_t share, room; /* numbers of a rank's share of a piece, and their bytes at most */
  int64_t piece;      /* the next one's number */
  int first;          /* request whose next piece is to begin; -1: none */
  int last;
  uint64_t sent;
  struct request request[BR_COMM_PENDING];
  struct slot slot[SLOTS];
};

static int check(const struct br_packed *p, int error) {
  if (error == MPI_SUCCESS) return BR_OK;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length;
  MPI_Error_string(error, text, &length);
  text[strcspn(text, "\n")] = 0;
  BR_FAIL(BR_ERROR_COMM, "rank %d: a sum failed: %s", p->rank, text);
}

void br_packed_close(struct br_packed *p) {
  if (!p) return;
  for (int s = 0; s < SLOTS; s++) {
    br_memory_free(p->slot[s].out);
    br_memory_free(p->slot[s].in);
    br_memory_free(p->slot[s].send);
    br_memory_free(p->slot[s].receive);
  }
  br_memory_free(p);
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

int br_packed_open(MPI_Comm world, struct br_packed **out) {
  struct br_packed *p;
  BR_TRY(br_memory_alloc(1, sizeof *p, "packed sums", &p));
  p->world = world;
  p->first = p->last = -1;
  MPI_Comm_rank(world, &p->rank);
  MPI_Comm_size(world, &p->size);
  p->share = PIECE / (size_t)p->size > LEAST_SHARE ? PIECE / (size_t)p->size : LEAST_SHARE;
  p->room = br_pack_bound(p->share);
  int status = BR_OK;
  for (int s = 0; s < SLOTS && status == BR_OK; s++) status = open_slot(p, &p->slot[s]);
  if (status != BR_OK) br_packed_close(p);
  *out = status == BR_OK ? p : NULL;
  return status;
}

static int tag_of(const struct br_packed *p, const struct slot *s, bool gathering) { return BR_PACKED_TAG + 2 * (int)(s - p->slot) + gathering; }

static int64_t *share_of(const struct slot *s, int size, int rank, size_t *n) {
  size_t first, last;
  br_part_range((struct br_part){rank, size}, s->n, 16, &first, &last);
  *n = last - first;
  return s->x + first;
}

static int send(struct br_packed *p, struct slot *s, int to, const unsigned char *data, size_t bytes) {
  p->sent += bytes;
  return check(p, MPI_Isend(data, (int)bytes, MPI_BYTE, to, tag_of(p, s, s->gathering), p->world, &s->send[to]));
}

static int receive(struct br_packed *p, struct slot *s, int from, bool gathering) {
  return check(p, MPI_Irecv(s->in + (size_t)from * p->room, (int)p->room, MPI_BYTE, from, tag_of(p, s, gathering), p->world, &s->receive[from]));
}

/* The ranks after this one first, so that not all send to rank 0 at once. */
static int other(const struct br_packed *p, int i) { return (p->rank + i) % p->size; }

static int begin_piece(struct br_packed *p, struct slot *s) {
  struct request *q = &p->request[p->first];
  const size_t most = p->share / 16 * 16 * (size_t)p->size;
  s->request = p->first;
  s->x = q->x + q->begun;
  s->n = q->n - q->begun < most ? q->n - q->begun : most;
  s->gathering = false;
  s->summed = s->got = 0;
  q->begun += s->n;
  q->pieces++;
  p->piece++;
  if (q->begun == q->n) p->first = q->next;
  if (p->first < 0) p->last = -1;
  for (int i = 1; i < p->size; i++) BR_TRY(receive(p, s, other(p, i), false));
  for (int i = 1; i < p->size; i++) {
    size_t n;
    const int r = other(p, i);
    const int64_t *x = share_of(s, p->size, r, &n);
    unsigned char *out = s->out + (size_t)r * p->room;
    BR_TRY(send(p, s, r, out, br_pack(x, n, out)));
  }
  return BR_OK;
}

/* All numbers of the own share are here: the sums go to all. */
static int begin_gather(struct br_packed *p, struct slot *s) {
  size_t n;
  const int64_t *x = share_of(s, p->size, p->rank, &n);
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
  int64_t *x = share_of(s, p->size, sums ? from : p->rank, &n);
  const unsigned char *in = s->in + (size_t)from * p->room;
  if (!(sums ? br_unpack(in, (size_t)bytes, x, n) : br_unpack_add(in, (size_t)bytes, x, n))) BR_FAIL(BR_ERROR_COMM, "rank %d sent rank %d %d bytes that are not %zu numbers", from, p->rank, bytes, n);
  if (sums)
    s->got++;
  else
    s->summed++;
  return sums ? BR_OK : receive(p, s, from, true);
}

static int move_slot(struct br_packed *p, struct slot *s) {
  const int others = p->size - 1;
  MPI_Status news;
  int done;
  for (int i = 1; i < p->size; i++) {
    const int r = other(p, i);
    if (s->receive[r] == MPI_REQUEST_NULL) continue;
    BR_TRY(check(p, MPI_Test(&s->receive[r], &done, &news)));
    if (done) BR_TRY(take(p, s, r, &news));
  }
  int left = 0;
  for (int r = 0; r < p->size; r++) {
    if (s->send[r] == MPI_REQUEST_NULL) continue;
    BR_TRY(check(p, MPI_Test(&s->send[r], &done, MPI_STATUS_IGNORE)));
    left += !done;
  }
  if (!s->gathering && s->summed == others && left == 0) return begin_gather(p, s);
  if (s->gathering && s->got == others && left == 0) {
    p->request[s->request].pieces--;
    s->request = -1;
  }
  return BR_OK;
}

static struct slot *next_slot(struct br_packed *p) { return &p->slot[p->piece % SLOTS]; }

int br_packed_progress(struct br_packed *p) {
  for (int s = 0; s < SLOTS; s++)
    if (p->slot[s].request >= 0) BR_TRY(move_slot(p, &p->slot[s]));
  while (p->first >= 0 && next_slot(p)->request < 0) BR_TRY(begin_piece(p, next_slot(p)));
  return BR_OK;
}

int br_packed_start(struct br_packed *p, int64_t *x, size_t n, int request) {
  p->request[request] = (struct request){.x = x, .n = n, .next = -1, .used = true};
  if (p->first < 0)
    p->first = request;
  else
    p->request[p->last].next = request;
  p->last = request;
  return br_packed_progress(p);
}

bool br_packed_has(const struct br_packed *p, int request) { return p->request[request].used; }

bool br_packed_done(struct br_packed *p, int request) {
  struct request *q = &p->request[request];
  if (q->begun < q->n || q->pieces > 0) return false;
  q->used = false;
  return true;
}

uint64_t br_packed_sent(struct br_packed *p) {
  const uint64_t sent = p->sent;
  p->sent = 0;
  return sent;
}
