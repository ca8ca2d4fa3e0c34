/* Server optimisers, element by element on mean - weights, the direction that the round found. */
#include "train/server.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <math.h>
#include <string.h>

#define ADAM_BETA2 0.99f /* as in Reddi et al.; their tau too, and no correction of the first steps */
#define ADAM_TAU 1e-3f

size_t br_server_state_floats(const struct br_worker_options *options, size_t floats) {
  static const size_t moments[] = {[BR_SERVER_FEDAVG] = 0, [BR_SERVER_FEDAVGM] = 1, [BR_SERVER_FEDADAM] = 2};
  return moments[options->server] * floats;
}

int br_server_open(struct br_server *server, const struct br_worker_options *options, size_t floats) {
  *server = (struct br_server){.options = options, .floats = floats};
  return br_memory_alloc(br_server_state_floats(options, floats), sizeof(float), "server state", &server->state);
}

void br_server_close(struct br_server *server) {
  br_memory_free(server->state);
  *server = (struct br_server){0};
}

void br_server_apply(const struct br_server *server, float *weights, const float *mean, struct br_part part) {
  const struct br_worker_options *o = server->options;
  float *m = server->state, *v = server->state + server->floats, lr = o->server_lr, beta = o->server_momentum;
  size_t first, last;
  br_part_range(part, server->floats, 16, &first, &last);
  switch (o->server) {
    case BR_SERVER_FEDAVG:
      if (lr == 1)
        memcpy(weights + first, mean + first, (last - first) * sizeof *weights);
      else
        for (size_t i = first; i < last; i++) weights[i] = fmaf(lr, mean[i] - weights[i], weights[i]);
      break;
    case BR_SERVER_FEDAVGM:
      for (size_t i = first; i < last; i++) {
        m[i] = fmaf(beta, m[i], mean[i] - weights[i]);
        weights[i] = fmaf(lr, m[i], weights[i]);
      }
      break;
    case BR_SERVER_FEDADAM:
      for (size_t i = first; i < last; i++) {
        float d = mean[i] - weights[i];
        m[i] = fmaf(beta, m[i], (1 - beta) * d);
        v[i] = fmaf(ADAM_BETA2, v[i], (1 - ADAM_BETA2) * (d * d));
        weights[i] = fmaf(lr, m[i] / (sqrtf(v[i]) + ADAM_TAU), weights[i]);
      }
      break;
  }
}
