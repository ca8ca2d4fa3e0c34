/* --times: where the time of a verb on tables went, part by part, and what the machines did meanwhile. A report of its own, behind the verb's, whose bytes
 * do not depend on the machines. */
#ifndef CLI_TABLE_TIMES_H
#define CLI_TABLE_TIMES_H

#include "cli/watch.h"

struct table_times {
  struct br_sampler *sampler; /* NULL without --times, and then all below does nothing */
  json_t *parts;
  double last; /* clock at the end of the last part */
};

/* Starts; the first part, from the start of the process to here, is "start". Collective. */
int table_times_open(struct cli *cli, struct table_times *times);
/* The time since the last part belongs to `part`; a part that comes again goes on. */
void table_times_mark(struct table_times *times, const char *part);
/* Of the time that is not marked yet, so many seconds. */
void table_times_take(struct table_times *times, const char *part, double seconds);
/* Says it: with --json a line {"times": ..., "machine": ...}. `rows`: gone through, for energy. Collective. */
int table_times_report(struct cli *cli, struct table_times *times, double rows);
void table_times_close(struct table_times *times);

#endif
