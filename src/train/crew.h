/* A crew: the threads of a rank divided into groups, each with an exec of its own, that take units of work side by side. Units go to
 * groups in turn; only when there are fewer units than threads do several threads share one. Private to the room, used by training,
 * recalibration and evaluation. */
#ifndef TRAIN_CREW_H
#define TRAIN_CREW_H

#include <bramble/base/thread.h>
#include <bramble/data/loader.h>
#include <bramble/net/exec.h>

struct br_feed;

struct br_crew {
  struct br_team *team;
  struct br_loader *loader;
  struct br_graph *graph;
  int groups, members, unit_samples;
  bool numbers; /* labels are numbers, not classes */
  struct br_exec **exec; /* per group */
  float *gradients;      /* TRAIN: of the groups, one behind the other, graph->trained_floats each */
  bool borrows_gradients;
  float **x;             /* per group: input of one unit */
  int32_t **label;
  uint64_t **index;
  float **target;             /* per group: 1 for the label, 0 for the rest, or the number to be predicted, where the net has a loss node; else NULL */
  int *n;                     /* per group: samples of the unit it holds, and its number */
  int64_t *unit;
  struct br_feed *feed;       /* where units are loaded ahead: they come from here; borrowed; NULL: loaded when their turn comes */
  struct br_unit **fed;       /* per group: the unit from the feed that it holds; NULL: none */
  struct br_barrier barrier;  /* of all threads */
  struct br_barrier *meeting; /* per group: of its members */
  bool later, final;          /* this is not the run's first round; this is its last */
  struct br_exec_watch *watch; /* per group: how far its backward pass of the last round is */
  double load_seconds, compute_seconds; /* of group 0, added up over runs */
  int status;                           /* first failure of a run, with its message */
  char message[1024];
};

/* As many groups as `units` units at once can use with so many threads. */
int br_crew_groups(int threads, int64_t units);
/* `gradients`: TRAIN: where the groups' gradients go, zeros at first; borrowed; NULL: memory of the crew's own. */
int br_crew_open(struct br_crew *crew, struct br_team *team, struct br_loader *loader, struct br_graph *graph, enum br_exec_mode mode, const bool *frozen, int unit_samples, int64_t units, float *gradients);
void br_crew_close(struct br_crew *crew); /* zeroed: nothing */
/* What br_crew_open would take, all groups together. */
struct br_crew_bytes {
  size_t activations, gradients, input; /* activations: with the scratch of the operators */
  int groups;
};
int br_crew_plan(struct br_graph *graph, enum br_exec_mode mode, const bool *frozen, int threads, int unit_samples, int64_t units, struct br_crew_bytes *bytes);

/* The n samples of index[group] into the group's input, and *run pointed to them; by the group's first thread. A failure is noted. */
void br_crew_load(struct br_crew *crew, int group, int64_t unit, uint32_t epoch, int n, struct br_run *run);
/* Keeps the first failure of a run, with this thread's message; any thread may call it. */
void br_crew_note_failure(struct br_crew *crew, int status);

/* A run of units [first, last). All functions are called with `arg`. */
struct br_crew_work {
  void *arg;
  int64_t first, last;
  struct br_run run; /* what all units have in common; x, n, label and position are filled in */
  uint32_t epoch;    /* for augmentation */
  /* Writes the samples of a unit and their number, at most unit_samples, and the position of the first in the batch. By a group's first thread. */
  int (*samples)(void *arg, int64_t unit, uint64_t *index, uint64_t *position);
  /* After each unit, by its group's first thread; may be NULL. */
  void (*done)(void *arg, struct br_crew *crew, int group, int64_t unit, int n);
  /* After each round of at most `groups` units, by all threads at once, groups 0 .. active - 1 having results; may be NULL. */
  void (*merge)(void *arg, struct br_crew *crew, int active, struct br_part part);
  /* During the last round, again and again by the calling thread alone: in groups 0 .. active - 1 the gradients from float `from` on are final. May be NULL. */
  void (*settled)(void *arg, struct br_crew *crew, int active, size_t from);
};
/* Returns the first failure of reading data, with its message in the calling thread. */
int br_crew_run(struct br_crew *crew, const struct br_crew_work *work);

#endif
