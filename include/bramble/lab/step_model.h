/* How long an epoch takes on so many nodes, before there are so many: the time of one unit, the units of a step dealt out to nodes and threads, and the sum
 * over the link after every step, of which a part hides behind the backward pass of the last units. Where weights are averaged, a part is a worker's work between two averages instead of a unit. */
#ifndef BRAMBLE_LAB_STEP_MODEL_H
#define BRAMBLE_LAB_STEP_MODEL_H

#include <bramble/train/plan.h>

struct br_step_model {
  double part_seconds; /* of one part on one thread */
  int64_t parts, sums; /* parts between two sums, sums of an epoch */
  double sum_bytes;
  double early;        /* share of a sum that can run while the last parts go backward */
  int threads;         /* of a node */
  double latency, bandwidth; /* seconds; bytes a second */
};

struct br_step_time {
  int nodes;
  double compute, communicate, epoch; /* seconds of an epoch; communicate: what is not hidden */
  double speedup, efficiency;         /* over one node; efficiency from 0 to 1 */
  double sent_bytes;                  /* a node a step */
};

/* The model of a planned run: times one unit here for a moment. The link is left for the caller (or br_step_model_link). Errors of br_train_plan_seconds. */
int br_step_model_open(const struct br_plan_request *request, struct br_step_model *model);
/* The same of a unit's time that is known, on one thread. */
void br_step_model_shape(const struct br_plan_request *request, const struct br_train_plan *plan, double unit_seconds, struct br_step_model *model);
/* Sets the link from "940Mbit,0.15ms" (bandwidth in bit, kbit, Mbit, Gbit a second; latency in us, ms, s). Errors: BR_ERROR_USAGE. */
int br_step_model_link(struct br_step_model *model, const char *text);
/* Makes the model that of another kind of node ("pi3", "pi4", "pi5", "here"), by speed of matrix products here and there: an estimate. Sets threads
 * to its cores. Errors: BR_ERROR_USAGE with the nearest name. */
int br_step_model_node(struct br_step_model *model, const char *name);

/* Seconds between two sums of a node that has so many parts; where they are fewer than threads, threads share one. */
double br_step_model_compute(const struct br_step_model *model, int64_t parts);
struct br_step_time br_step_model_time(const struct br_step_model *model, int nodes);

/* The number of nodes up to `most` with the shortest epoch, and the largest whose efficiency is still at least `efficiency` and that one node fewer would not do as
 * well as. */
int br_step_model_fastest(const struct br_step_model *model, int most);
int br_step_model_worth(const struct br_step_model *model, int most, double efficiency);

#endif
