/* The server's side of federated averaging: how the common weights follow the mean of the clients' (McMahan et al. 2017; fedavgm: Hsu et al. 2019;
 * fedadam: Reddi et al. 2021). Private to the room. */
#ifndef TRAIN_SERVER_H
#define TRAIN_SERVER_H

#include <bramble/train/train.h>

struct br_server {
  const struct br_worker_options *options;
  float *state;  /* moments, each a block of `floats` */
  size_t floats; /* of the weights */
};

int br_server_open(struct br_server *server, const struct br_worker_options *options, size_t floats);
void br_server_close(struct br_server *server);
size_t br_server_state_floats(const struct br_worker_options *options, size_t floats);
/* Moves `weights` towards `mean`: the part's share of the block. */
void br_server_apply(const struct br_server *server, float *weights, const float *mean, struct br_part part);

#endif
