/* Rank 0's clock: parts end where all ranks have done theirs. */
#include "cli/table_times.h"

#include "cli/table.h"

#include <bramble/base/clock.h>

#include <stdio.h>

int table_times_open(struct cli *cli, struct table_times *times) {
  *times = (struct table_times){0};
  if (!option_flag(&cli->options, "times")) return BR_OK;
  times->parts = json_object();
  times->last = cli->start;
  table_times_mark(times, "start");
  return br_comm_agree(cli->comm, watch_start(cli, &times->sampler));
}

void table_times_take(struct table_times *times, const char *part, double seconds) {
  char key[40];
  if (!times->parts) return;
  snprintf(key, sizeof key, "%s_seconds", part);
  json_object_set_new(times->parts, key, json_real(json_number_value(json_object_get(times->parts, key)) + seconds));
  times->last += seconds;
}

void table_times_mark(struct table_times *times, const char *part) { table_times_take(times, part, br_clock_seconds() - times->last); }

int table_times_report(struct cli *cli, struct table_times *times, double rows) {
  json_t *machine = NULL;
  if (!times->parts) return BR_OK;
  BR_TRY(watch_finish(cli, times->sampler, rows, &machine));
  json_t *report = json_pack("{s:O}", "times", times->parts);
  if (option_flag(&cli->options, "json")) json_object_update(report, machine);
  json_decref(machine);
  return table_report(cli, report);
}

void table_times_close(struct table_times *times) {
  br_sampler_close(times->sampler);
  json_decref(times->parts);
  *times = (struct table_times){0};
}
