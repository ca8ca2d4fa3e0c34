/* One rank of a machine carries its meter; rank 0 writes all of it. */
#include "cli/watch.h"

#include <bramble/base/memory.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

int watch_start(struct cli *cli, struct br_sampler **sampler) {
  bool meters = br_comm_node_rank(cli->comm) == 0;
  return br_sampler_open(meters, option_text(&cli->options, "watts"), sampler);
}

/* As many digits as are read. */
static json_t *rounded(double x) {
  if (!isfinite(x)) return json_null();
  return fabs(x) >= 1000 ? json_integer((json_int_t)floor(x + 0.5)) : json_real(floor(x * 1000 + 0.5) / 1000);
}

static json_t *state_json(const struct br_machine_state *s) {
  return json_pack("{s:o,s:o,s:o,s:I,s:I}", "mhz", rounded(s->mhz), "mhz_limit", rounded(s->mhz_limit), "celsius", rounded(s->celsius), "throttled", (json_int_t)s->throttled, "throttle_count", (json_int_t)s->throttle_count);
}

static json_t *rank_json(int rank, const struct br_sampler_record *r) {
  char changes[200];
  json_t *points = json_array();
  for (int i = 0; i < r->n_points; i++) {
    json_t *point = json_array();
#define X(member, name) json_array_append_new(point, rounded(r->point[i].member));
    BR_RANK_POINT_LIST(X)
#undef X
    json_array_append_new(points, point);
  }
  return json_pack("{s:i,s:s,s:s,s:o,s:o,s:o}", "rank", rank, "host", r->host, "changes", br_sampler_changes(r, changes), "before", state_json(&r->before), "after", state_json(&r->after), "points", points);
}

/* Of all machines; NULL where no machine has a meter. */
static json_t *energy_json(const struct br_sampler_record *const *records, int ranks, double samples) {
  double joules = 0;
  const char *meter = NULL;
  int n_marks = 0, meters = 0, readings = 0;
  for (int r = 0; r < ranks; r++) {
    if (!records[r]->meter[0]) continue;
    meter = records[r]->meter;
    readings = meters++ == 0 || records[r]->n_readings < readings ? records[r]->n_readings : readings;
    joules += records[r]->joules;
    if (records[r]->n_marks > n_marks) n_marks = records[r]->n_marks;
  }
  if (!meter) return NULL;
  json_t *epochs = json_array();
  for (int e = 0; e < n_marks; e++) {
    double epoch = 0;
    for (int r = 0; r < ranks; r++)
      if (e < records[r]->n_marks && records[r]->meter[0]) epoch += records[r]->mark[e] - (e ? records[r]->mark[e - 1] : 0);
    json_array_append_new(epochs, rounded(epoch));
  }
  return json_pack("{s:s,s:i,s:i,s:o,s:o,s:o}", "meter", meter, "machines", meters, "readings", readings, "joules", rounded(joules), "joules_per_image", samples > 0 ? json_real(joules / samples) : json_null(), "joules_per_epoch", epochs);
}

static json_t *machine_json(const struct br_sampler_record *const *records, int ranks, double samples) {
  json_t *columns = json_array(), *list = json_array();
#define X(member, name) json_array_append_new(columns, json_string(name));
  BR_RANK_POINT_LIST(X)
#undef X
  for (int r = 0; r < ranks; r++) json_array_append_new(list, rank_json(r, records[r]));
  json_t *machine = json_pack("{s:o,s:o}", "columns", columns, "ranks", list), *energy = energy_json(records, ranks, samples);
  if (energy) json_object_set_new(machine, "energy", energy);
  return json_pack("{s:o}", "machine", machine);
}

void watch_show(struct cli *cli, struct br_sampler *sampler, struct br_view *view) {
  struct second {
    char host[64];
    bool there;
    struct br_rank_point point;
  } mine = {.there = false}, *all;
  int ranks = br_comm_size(cli->comm);
  snprintf(mine.host, sizeof mine.host, "%s", br_comm_host(cli->comm));
  mine.there = br_sampler_last(sampler, &mine.point);
  bool room = br_memory_alloc((size_t)ranks, sizeof *all, "ranks to show", &all) == BR_OK;
  if (br_comm_agree(cli->comm, room ? BR_OK : BR_ERROR_MEMORY) == BR_OK && br_comm_allgather(cli->comm, &mine, sizeof mine, all) == BR_OK)
    for (int r = 0; view && r < ranks; r++)
      if (all[r].there) br_view_rank(view, r, all[r].host, &all[r].point);
  if (room) br_memory_free(all);
}

int watch_finish(struct cli *cli, struct br_sampler *sampler, double samples, json_t **line) {
  const struct br_sampler_record *record = br_sampler_stop(sampler), **records = NULL;
  size_t ranks = (size_t)br_comm_size(cli->comm), *sizes = NULL;
  unsigned char *all = NULL;
  *line = NULL;
  int status = br_memory_alloc(ranks, sizeof *sizes, "samples of the machines", &sizes);
  if (status == BR_OK) status = br_memory_alloc(ranks, sizeof *records, "samples of the machines", &records);
  status = br_comm_agree(cli->comm, status);
  if (status == BR_OK) status = br_comm_gather(cli->comm, record, br_sampler_record_bytes(record), 0, &all, sizes);
  if (status == BR_OK && cli->speaks) {
    size_t at = 0;
    for (size_t r = 0; r < ranks; at += sizes[r++]) records[r] = (const struct br_sampler_record *)(const void *)(all + at);
    *line = machine_json(records, (int)ranks, samples);
  }
  br_memory_free(all);
  br_memory_free(records);
  br_memory_free(sizes);
  return status;
}
