/* What a communicator is inside: the operations of one transport. Private to the room. */
#ifndef CLUSTER_COMM_H
#define CLUSTER_COMM_H

#include <bramble/cluster/comm.h>

struct br_comm_ops {
  int (*reduce_start)(struct br_comm *, void *x, size_t n, enum br_comm_type type, int *request);
  int (*wait)(struct br_comm *, int request);
  int (*progress)(struct br_comm *);
  void *(*common_open)(struct br_comm *, size_t bytes); /* NULL on all ranks of a machine where there is none */
  void (*common_meet)(struct br_comm *);
  int (*broadcast)(struct br_comm *, void *data, size_t bytes, int root);
  int (*allgather)(struct br_comm *, const void *mine, size_t bytes, void *all);
  int (*gatherv)(struct br_comm *, const void *mine, size_t bytes, int root, unsigned char *all, const size_t *sizes);
  int (*send_start)(struct br_comm *, const void *data, size_t bytes, int to, int *request);
  int (*receive_start)(struct br_comm *, void *data, size_t bytes, int from, int *request);
  int (*counter_open)(struct br_comm *, struct br_counter *);
  int (*counter_next)(struct br_counter *, int64_t step, int64_t *old);
  void (*counter_close)(struct br_counter *);
  void (*close)(struct br_comm *);
};

struct br_comm {
  const struct br_comm_ops *ops; /* NULL: alone */
  int rank, size, node_rank, node_size;
  uint64_t bytes_sent;
  bool agreed_failure;
  char host[64], library[64];
};

struct br_counter {
  struct br_comm *comm;
  int64_t value; /* alone */
  void *state;   /* the transport's */
};

#endif
