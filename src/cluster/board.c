/* Sums through shared memory. Each rank has a slot of numbers and three counts of requests: those whose numbers are written into its slot, those whose
 * share it has summed, and those whose sums it has read. The sums of a rank's share take the place of its own numbers there, which no other rank reads. */
#include "cluster/board.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#define ROOM ((size_t)8 << 20) /* bytes of a slot; what is not used takes no memory */
#define CHUNK 512              /* elements summed at a time */

/* Each count has a cache line of its own. */
struct counts {
  _Alignas(64) atomic_int_fast64_t written;
  _Alignas(64) atomic_int_fast64_t summed;
  _Alignas(64) atomic_int_fast64_t read;
};

struct request {
  int64_t number; /* 0: none */
  char *x;
  size_t n, at;
  enum br_comm_type type;
};

struct br_board {
  int rank, size;
  struct counts *counts; /* [size], then the slots */
  char *slots;
  int64_t begun, finished; /* requests */
  size_t at;               /* where the next one's numbers go */
  struct request request[BR_COMM_PENDING];
};

static size_t counts_bytes(int size) { return ((size_t)size * sizeof(struct counts) + 4095) / 4096 * 4096; }
size_t br_board_bytes(int size) { return counts_bytes(size) + (size_t)size * ROOM; }

int br_board_open(int rank, int size, void *memory, struct br_board **out) {
  struct br_board *board;
  BR_TRY(br_memory_alloc(1, sizeof *board, "board", &board));
  *board = (struct br_board){.rank = rank, .size = size, .counts = memory, .slots = (char *)memory + counts_bytes(size)};
  *out = board;
  return BR_OK;
}

void br_board_clear(struct br_board *board) { memset((void *)board->counts, 0, counts_bytes(board->size)); }

void br_board_close(struct br_board *board) { br_memory_free(board); }

enum count { WRITTEN, SUMMED, READ };

static atomic_int_fast64_t *count_of(const struct br_board *board, int rank, enum count which) {
  struct counts *c = &board->counts[rank];
  return which == WRITTEN ? &c->written : which == SUMMED ? &c->summed : &c->read;
}

static void tell(struct br_board *board, enum count which, int64_t number) { atomic_store_explicit(count_of(board, board->rank, which), number, memory_order_release); }

static void wait_for_all(const struct br_board *board, enum count which, int64_t number, void (*idle)(void *arg), void *arg) {
  for (int r = 0; r < board->size; r++)
    while (atomic_load_explicit(count_of(board, r, which), memory_order_acquire) < number) idle(arg);
}

static size_t element(enum br_comm_type type) { return type == BR_COMM_I64 || type == BR_COMM_I64_MAX ? 8 : 4; }
static char *numbers(const struct br_board *board, int rank, const struct request *q) { return board->slots + (size_t)rank * ROOM + q->at; }

bool br_board_has(const struct br_board *board, int request) { return board->request[request].number != 0; }

bool br_board_start(struct br_board *board, void *x, size_t n, enum br_comm_type type, int request, void (*idle)(void *arg), void *arg) {
  const bool first = board->begun == board->finished;
  if (first) board->at = 0;
  if (n > (ROOM - board->at) / element(type)) return false;
  if (first) wait_for_all(board, READ, board->begun, idle, arg); /* what was there is read everywhere */
  struct request *q = &board->request[request];
  *q = (struct request){.number = ++board->begun, .x = x, .n = n, .at = board->at, .type = type};
  memcpy(numbers(board, board->rank, q), x, n * element(type));
  board->at += (n * element(type) + 63) / 64 * 64;
  tell(board, WRITTEN, q->number);
  return true;
}

#define ADD(T, sum)                                    \
  {                                                    \
    T *a = to;                                         \
    const T *b = from;                                 \
    for (size_t i = 0; i < n; i++) a[i] = (sum);       \
  }                                                    \
  break

static void add(enum br_comm_type type, void *to, const void *from, size_t n) {
  switch (type) {
    case BR_COMM_I64: ADD(uint64_t, a[i] + b[i]);
    case BR_COMM_I32: ADD(uint32_t, a[i] + b[i]);
    case BR_COMM_F32: ADD(float, a[i] + b[i]);
    case BR_COMM_I64_MAX: ADD(int64_t, a[i] > b[i] ? a[i] : b[i]);
  }
}
#undef ADD

/* Elements [*first, *last) are summed by this rank. */
static void share(const struct br_board *board, int rank, const struct request *q, size_t *first, size_t *last) {
  br_part_range((struct br_part){rank, board->size}, q->n, 16, first, last);
}

/* In the order of ranks. */
static void sum_share(const struct br_board *board, const struct request *q) {
  const size_t bytes = element(q->type);
  size_t first, last;
  share(board, board->rank, q, &first, &last);
  for (size_t i = first; i < last; i += CHUNK) {
    _Alignas(64) char sum[CHUNK * 8];
    const size_t n = last - i < CHUNK ? last - i : CHUNK;
    memcpy(sum, numbers(board, 0, q) + i * bytes, n * bytes);
    for (int r = 1; r < board->size; r++) add(q->type, sum, numbers(board, r, q) + i * bytes, n);
    memcpy(numbers(board, board->rank, q) + i * bytes, sum, n * bytes);
  }
}

static void take_sums(const struct br_board *board, const struct request *q) {
  for (int r = 0; r < board->size; r++) {
    size_t first, last, bytes = element(q->type);
    share(board, r, q, &first, &last);
    memcpy(q->x + first * bytes, numbers(board, r, q) + first * bytes, (last - first) * bytes);
  }
}

static struct request *request_of(struct br_board *board, int64_t number) {
  int i = 0;
  while (board->request[i].number != number) assert(i + 1 < BR_COMM_PENDING), i++;
  return &board->request[i];
}

bool br_board_finish(struct br_board *board, int request, void (*idle)(void *arg), void *arg) {
  const int64_t wanted = board->request[request].number;
  if (wanted == 0) return false;
  while (board->finished < wanted) {
    struct request *q = request_of(board, board->finished + 1);
    wait_for_all(board, WRITTEN, q->number, idle, arg);
    sum_share(board, q);
    tell(board, SUMMED, q->number);
    wait_for_all(board, SUMMED, q->number, idle, arg);
    take_sums(board, q);
    tell(board, READ, q->number);
    board->finished = q->number;
    if (q->number != wanted) q->number = -q->number; /* done, its wait is still to come */
  }
  board->request[request].number = 0;
  return true;
}
