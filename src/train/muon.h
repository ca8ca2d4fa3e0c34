/* Muon (Jordan et al. 2024): the momentum of a matrix is made orthogonal before it is a step, so that what the batch says weakly moves as far as what it says strongly. Large
 * batches, which are few steps, need that. Private to the room. */
#ifndef TRAIN_MUON_H
#define TRAIN_MUON_H

#include <bramble/base/thread.h>
#include <bramble/net/graph.h>

/* Is it a matrix to Muon? Weights of dense layers and of convolutions that sum over channels are, all but their last axis as rows, where the shorter side is at most 1,024: the
 * work is its square times the longer one. */
bool br_muon_takes(const struct br_param *param);

/* Scratch for all matrices of a net and a team of so many threads; 0 where there are none. */
size_t br_muon_work_bytes(const struct br_graph *graph, int threads);

/* Work of a step, as the number of values that LAMB makes meanwhile. */
double br_muon_cost(const struct br_param *param);

struct br_muon {
  float lr, momentum, decay;
  struct br_barrier *barrier; /* of the team */
  void *work;                 /* BR_ALIGNMENT */
};

/* m = momentum m + g; u = orthogonal(g + momentum m); w = w - lr (|w| / |u| u + decay w), norms of Frobenius as in LAMB: a step is a share of the weights. g is lost. By every thread of the
 * team with its part; the bits do not depend on how many there are. A gradient of zeros changes nothing; weights of zeros take a step of lr u. */
void br_muon_step(const struct br_muon *muon, const struct br_param *param, float *w, float *g, float *m, struct br_part part);

#endif
