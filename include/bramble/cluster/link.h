/* What the wires between ranks carry: latency and bandwidth of neighbours, and a sum over all against what its wires allow. */
#ifndef BRAMBLE_CLUSTER_LINK_H
#define BRAMBLE_CLUSTER_LINK_H

#include <bramble/cluster/comm.h>

/* From one rank to the one after it (the last one's is rank 0). */
struct br_link {
  double latency;              /* seconds, half of the fastest round trip */
  double to_next, from_next;   /* bytes a second */
};
/* links[0 .. size), the same on every rank; one pair after the other, so that they do not share a wire. With one rank: all 0. Collective. */
int br_link_probe(struct br_comm *comm, struct br_link *links);

/* Seconds of a sum over all ranks of `bytes` bytes of int64, the best of `runs`. Collective. */
int br_link_sum_seconds(struct br_comm *comm, size_t bytes, int runs, double *seconds);

/* Seconds that such a sum takes at least on links of this latency and bandwidth: the cheaper of a ring and of recursive halving and doubling
 * (Thakur, Rabenseifner, Gropp 2005), without the additions. 0 for one rank. */
double br_link_sum_model(int ranks, double bytes, double latency, double bandwidth);

/* offsets[r] = seconds that rank r's clock of the day is ahead of rank 0's, known to about the latency. The same on every rank. Collective. */
int br_link_clock_offsets(struct br_comm *comm, double *offsets);

#endif
