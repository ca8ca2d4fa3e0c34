/* The communicator's public face: what is the same for every transport, and the case of one rank, which needs none. */
#include "cluster/comm.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int br_comm_open_self(struct br_comm **out) {
  BR_TRY(br_memory_alloc(1, sizeof **out, "communicator", out));
  (*out)->size = (*out)->node_size = 1;
  if (gethostname((*out)->host, sizeof (*out)->host - 1) != 0) strcpy((*out)->host, "localhost");
  return BR_OK;
}

void br_comm_close(struct br_comm *comm) {
  if (!comm) return;
  if (comm->ops) comm->ops->close(comm);
  br_memory_free(comm);
}

int br_comm_rank(const struct br_comm *comm) { return comm->rank; }
int br_comm_size(const struct br_comm *comm) { return comm->size; }
const char *br_comm_host(const struct br_comm *comm) { return comm->host; }
const char *br_comm_library(const struct br_comm *comm) { return comm->ops ? comm->library : "alone"; }
int br_comm_node_size(const struct br_comm *comm) { return comm->node_size; }
int br_comm_node_rank(const struct br_comm *comm) { return comm->node_rank; }
uint64_t br_comm_bytes_sent(const struct br_comm *comm) { return comm->bytes_sent; }

int br_comm_reduce_start(struct br_comm *comm, void *x, size_t n, enum br_comm_type type, int *request) {
  *request = -1;
  if (!comm->ops || n == 0) return BR_OK;
  return comm->ops->reduce_start(comm, x, n, type, request);
}

static int reduce(struct br_comm *comm, void *x, size_t n, enum br_comm_type type) {
  int request;
  BR_TRY(br_comm_reduce_start(comm, x, n, type, &request));
  return br_comm_wait(comm, request);
}

int br_comm_sum_i64(struct br_comm *comm, int64_t *x, size_t n) { return reduce(comm, x, n, BR_COMM_I64); }
int br_comm_sum_i32(struct br_comm *comm, int32_t *x, size_t n) { return reduce(comm, x, n, BR_COMM_I32); }
int br_comm_max_i64(struct br_comm *comm, int64_t *x, size_t n) { return reduce(comm, x, n, BR_COMM_I64_MAX); }

int br_comm_wait(struct br_comm *comm, int request) { return request < 0 ? BR_OK : comm->ops->wait(comm, request); }
int br_comm_progress(struct br_comm *comm) { return comm->ops ? comm->ops->progress(comm) : BR_OK; }

struct br_comm_common br_comm_common_open(struct br_comm *comm, size_t bytes) {
  struct br_comm_common common = {.part = BR_PART_ALL, .comm = comm};
  if (comm->ops) common.memory = comm->ops->common_open(comm, bytes);
  if (common.memory) common.part = (struct br_part){comm->node_rank, comm->node_size};
  return common;
}

void br_comm_common_meet(const struct br_comm_common *common) {
  if (common->memory) common->comm->ops->common_meet(common->comm);
}

int br_comm_broadcast(struct br_comm *comm, void *data, size_t bytes, int root) {
  if (!comm->ops || bytes == 0) return BR_OK;
  if (comm->rank == root) comm->bytes_sent += bytes;
  return comm->ops->broadcast(comm, data, bytes, root);
}

int br_comm_allgather(struct br_comm *comm, const void *mine, size_t bytes, void *all) {
  if (comm->ops && bytes) {
    comm->bytes_sent += bytes * (size_t)(comm->size - 1);
    return comm->ops->allgather(comm, mine, bytes, all);
  }
  if (bytes) memcpy(all, mine, bytes);
  return BR_OK;
}

int br_comm_gather(struct br_comm *comm, const void *mine, size_t bytes, int root, unsigned char **all, size_t *sizes) {
  size_t ranks = (size_t)comm->size, total = 0, *every;
  *all = NULL;
  BR_TRY(br_memory_alloc(ranks, sizeof *every, "sizes to gather", &every));
  int status = br_comm_allgather(comm, &bytes, sizeof bytes, every);
  for (size_t r = 0; r < ranks; r++) total += every[r];
  if (status == BR_OK && comm->rank == root) {
    status = br_memory_alloc(total, 1, "gathered data", all);
    if (sizes) memcpy(sizes, every, ranks * sizeof *every);
  }
  if (comm->ops) {
    status = br_comm_agree(comm, status);
    if (status == BR_OK) status = comm->ops->gatherv(comm, mine, bytes, root, *all, every);
    if (comm->rank != root) comm->bytes_sent += bytes;
  } else if (status == BR_OK && bytes) {
    memcpy(*all, mine, bytes);
  }
  br_memory_free(every);
  if (status != BR_OK) {
    br_memory_free(*all);
    *all = NULL;
  }
  return status;
}

int br_comm_barrier(struct br_comm *comm) {
  int64_t nothing = 0;
  return br_comm_sum_i64(comm, &nothing, 1);
}

/* One maximum tells everybody of the lowest rank that failed; only then is its message sent. Where all fail alike, or the place is in the
 * message already, no rank is named. */
int br_comm_agree(struct br_comm *comm, int status) {
  if (comm->size == 1) return status;
  int64_t first = status == BR_OK ? 0 : comm->size - comm->rank, failed = status != BR_OK;
  BR_TRY(br_comm_max_i64(comm, &first, 1));
  if (first == 0) return BR_OK;
  BR_TRY(br_comm_sum_i64(comm, &failed, 1));
  struct {
    int32_t status;
    char host[64], message[900];
  } news = {.status = status};
  int root = comm->size - (int)first;
  snprintf(news.host, sizeof news.host, "%s", comm->host);
  snprintf(news.message, sizeof news.message, "%.899s", br_error_message());
  BR_TRY(br_comm_broadcast(comm, &news, sizeof news, root));
  comm->agreed_failure = true;
  if (failed == comm->size || strncmp(news.message, "rank ", 5) == 0) return br_error_set(news.status, "%s", news.message);
  return br_error_set(news.status, "rank %d (%s): %s", root, news.host, news.message);
}

bool br_comm_agreed_failure(const struct br_comm *comm) { return comm->agreed_failure; }

int br_comm_agree_equal(struct br_comm *comm, uint64_t value, const char *what) {
  if (comm->size == 1) return BR_OK;
  uint64_t first = value;
  BR_TRY(br_comm_broadcast(comm, &first, sizeof first, 0));
  int status = BR_OK;
  if (first != value)
    status = br_error_set(BR_ERROR_COMM, "%s differs from rank 0's; give every rank the same (check copies of files and programs)", what);
  return br_comm_agree(comm, status);
}

int br_comm_send_start(struct br_comm *comm, const void *data, size_t bytes, int to, int *request) {
  if (!comm->ops) BR_FAIL(BR_ERROR_COMM, "one rank alone cannot send to rank %d", to);
  comm->bytes_sent += bytes;
  return comm->ops->send_start(comm, data, bytes, to, request);
}

int br_comm_receive_start(struct br_comm *comm, void *data, size_t bytes, int from, int *request) {
  if (!comm->ops) BR_FAIL(BR_ERROR_COMM, "one rank alone cannot receive from rank %d", from);
  return comm->ops->receive_start(comm, data, bytes, from, request);
}

int br_comm_send(struct br_comm *comm, const void *data, size_t bytes, int to) {
  int request;
  BR_TRY(br_comm_send_start(comm, data, bytes, to, &request));
  return br_comm_wait(comm, request);
}

int br_comm_receive(struct br_comm *comm, void *data, size_t bytes, int from) {
  int request;
  BR_TRY(br_comm_receive_start(comm, data, bytes, from, &request));
  return br_comm_wait(comm, request);
}

int br_counter_open(struct br_comm *comm, struct br_counter **out) {
  struct br_counter *counter;
  BR_TRY(br_memory_alloc(1, sizeof *counter, "counter", &counter));
  counter->comm = comm;
  int status = comm->ops ? comm->ops->counter_open(comm, counter) : BR_OK;
  if (status != BR_OK) br_memory_free(counter);
  *out = status == BR_OK ? counter : NULL;
  return status;
}

int br_counter_next(struct br_counter *counter, int64_t step, int64_t *old) {
  if (counter->comm->ops) return counter->comm->ops->counter_next(counter, step, old);
  *old = counter->value;
  counter->value += step;
  return BR_OK;
}

void br_counter_close(struct br_counter *counter) {
  if (!counter) return;
  if (counter->comm->ops) counter->comm->ops->counter_close(counter);
  br_memory_free(counter);
}
