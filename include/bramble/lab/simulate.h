/* A cluster that is not there: the virtual units of a run are computed here, one after the other, and the times of an epoch on so many nodes follow from the
 * units' measured time and the link. What the run learns is what it would learn there, since the model depends on settings only; its times are computed. */
#ifndef BRAMBLE_LAB_SIMULATE_H
#define BRAMBLE_LAB_SIMULATE_H

#include <bramble/lab/step_model.h>

struct br_simulation {
  struct br_step_model model; /* its part_seconds are those of the last epoch */
  int nodes;
  double slower;              /* how many times as long a node of that kind computes as this machine */
  int here_threads;           /* with which the units are measured */
  int64_t units;              /* of an epoch, on all nodes */
  double node_bytes;          /* memory that a node would need */
  double seconds;             /* of all epochs so far, as computed */
  double last, delayed;       /* clocks at the last epoch's end: time, and time in which other programs had the processor */
  char text[96];              /* what was asked for, in full: "nodes=4,threads=2,node=here,link=940Mbit,0.15ms" */
  struct br_rank_times *ranks; /* of the last epoch */
};

/* *simulation = that of "nodes=24,link=940Mbit,0.15ms,node=pi4,threads=4", all but nodes optional: a gigabit link, machines like this one, as many threads as here or
 * as the kind of node has cores. The request is that of the run on one rank and is not kept. Errors: BR_ERROR_USAGE. Not collective. */
int br_simulation_open(const struct br_plan_request *request, const char *text, struct br_simulation *simulation);
void br_simulation_close(struct br_simulation *simulation);

/* *computed = an epoch as it would have gone on the nodes, from how it went here, less the time in which other programs had the processor; to be called by the thread that trains, at each epoch's end; its ranks are the simulation's, good until the next epoch. */
void br_simulation_epoch(struct br_simulation *simulation, const struct br_epoch_result *measured, struct br_epoch_result *computed);

#endif
