/* What a process and its machine do, once a second, from a thread of its own while the process works: what top would show, to be kept. The command line opens one
 * on every rank of a run. */
#ifndef BRAMBLE_RECORD_SAMPLER_H
#define BRAMBLE_RECORD_SAMPLER_H

#include <bramble/record/machine.h>

#include <stdbool.h>
#include <stddef.h>

#define BR_SAMPLER_POINTS 600 /* when it is full every second point goes, and the time between points doubles */
#define BR_SAMPLER_MARKS 1024 /* later epochs are not told apart */

/* One row per number of a point, in the order in which they are kept: member, name in JSON. */
#define BR_RANK_POINT_LIST(X)                                       \
  X(seconds, "seconds")           /* since the start */             \
  X(user, "user")                 /* cores this process used */     \
  X(system, "system")             /* the same, in the kernel */     \
  X(idle, "idle")                 /* share of all cores, 0 to 1 */  \
  X(disk_wait, "disk_wait")       /* share of all cores, 0 to 1 */  \
  X(rss_bytes, "rss_bytes")       /* of this process */             \
  X(disk_read, "disk_read")       /* bytes a second, the machine */ \
  X(disk_written, "disk_written") /* the same */                    \
  X(net_received, "net_received") /* the same, without lo */        \
  X(net_sent, "net_sent")         /* the same */                    \
  X(mhz, "mhz")                   /* slowest core; NaN: no cpufreq */ \
  X(celsius, "celsius")           /* NaN: no sensor */              \
  X(watts, "watts")               /* NaN: no meter */

struct br_rank_point {
#define X(member, name) double member;
  BR_RANK_POINT_LIST(X)
#undef X
};

/* Plain data, the points at its end: its first br_sampler_record_bytes are sent between ranks as they are. */
struct br_sampler_record {
  char host[64], meter[24];       /* meter: "" for none */
  struct br_machine_state before, after;
  double mhz_low, mhz_high;       /* under load; NaN where unknown */
  double joules;                  /* of the whole record; NaN without a meter */
  double mark[BR_SAMPLER_MARKS];  /* joules at the end of each epoch */
  int n_readings;                 /* of the meter, the first at the start, the last at the end */
  int n_marks, n_points;
  struct br_rank_point point[BR_SAMPLER_POINTS];
};

static inline size_t br_sampler_record_bytes(const struct br_sampler_record *record) { return offsetof(struct br_sampler_record, point) + (size_t)record->n_points * sizeof record->point[0]; }

struct br_sampler;
/* Starts sampling. `meters`: also energy, by `watts` (may be NULL) or what the machine has; one process of a machine is to. Errors: BR_ERROR_USAGE for a `watts` that
 * prints no number, BR_ERROR_FAILED, BR_ERROR_MEMORY. */
int br_sampler_open(bool meters, const char *watts, struct br_sampler **out);
/* An epoch has ended. Thread-safe. */
void br_sampler_mark(struct br_sampler *sampler);
/* The newest point; false while there is none. Thread-safe. */
bool br_sampler_last(struct br_sampler *sampler, struct br_rank_point *point);
/* Ends the thread; the record, with a last point for what is left of a second, stays until close. */
const struct br_sampler_record *br_sampler_stop(struct br_sampler *sampler);
void br_sampler_close(struct br_sampler *sampler); /* NULL does nothing */

/* What about the machine was not the same all the time, in words, into text (at least 200 bytes): throttled, or a clock below nine tenths of its highest. "" if all was well. */
const char *br_sampler_changes(const struct br_sampler_record *record, char *text);

#endif
