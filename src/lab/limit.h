/* Holding a run to so much memory: a control group made for it, or a scope of systemd. Where neither is allowed the run goes on without, and that is recorded. Private
 * to the room. */
#ifndef LAB_LIMIT_H
#define LAB_LIMIT_H

#include <stdbool.h>

struct br_limit {
  char group[600];  /* folder whose cgroup.procs the run enters; "" for none */
  char prefix[120]; /* words in front of the command; "" for none */
  char why[200];    /* not held, and why; "" where it is */
};

/* Makes the group for `bytes` of memory. Never fails: limit->why says what is the matter. */
void br_limit_open(double bytes, struct br_limit *limit);
/* True if the kernel ended something in the group because its memory was used up. */
bool br_limit_exceeded(const struct br_limit *limit);
/* Removes the group, which must be empty by now. */
void br_limit_close(struct br_limit *limit);

#endif
