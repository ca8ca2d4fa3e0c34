/* Permutation importances (Breiman 2001; on rows that were not learned from): how much worse a model measures when one feature's values are exchanged between
 * rows at random, which takes what it says of the target away and keeps its distribution. Permutations are by row number, measures are exact: the same
 * on any number of ranks. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include "evaluate.h"
#include "gather.h"
#include "model.h"

#include <math.h>
#include <string.h>

struct permuting {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_table_model *model;
  const struct br_table *table;
  const struct br_rows *rows;
  struct br__encoder encoder;
  size_t mine, *first; /* this rank's measured rows; those before each block, on all ranks */
  uint64_t all;
};

/* Collective. */
static int number_rows(struct permuting *p) {
  size_t blocks = br_table_blocks(p->table);
  int64_t *each = NULL, mine = 0;
  int status = br_memory_alloc(blocks, sizeof *p->first, "rows of blocks", &p->first);
  if (status == BR_OK) status = br_memory_alloc((size_t)br_comm_size(p->comm), sizeof *each, "ranks", &each);
  for (size_t b = 0; status == BR_OK && b < blocks; b++) {
    p->first[b] = (size_t)mine;
    for (size_t i = 0; i < br_table_block_rows(p->table, b); i++) mine += br__is_measured(p->rows, b, i);
  }
  p->mine = (size_t)mine;
  status = br_comm_agree(p->comm, status);
  if (status == BR_OK) status = br_comm_allgather(p->comm, &mine, sizeof mine, each);
  for (int r = 0; status == BR_OK && r < br_comm_size(p->comm); r++) {
    p->all += (uint64_t)each[r];
    for (size_t b = 0; r < br_comm_rank(p->comm) && b < blocks; b++) p->first[b] += (size_t)each[r];
  }
  br_memory_free(each);
  return status;
}

/* The measures of one feature's permutations, as a fall of `name` from `whole`. */
static int permute_feature(const struct permuting *p, size_t feature, uint64_t seed, int repeats, const char *name, double whole, double *mean, double *deviation) {
  double *value = NULL, fall[BR_PERMUTATIONS] = {0}, squares = 0;
  int status = br_memory_alloc(p->mine, sizeof *value, "values of a column", &value);
  if (status == BR_OK) status = br__encoder_feature(&p->encoder, p->rows, BR_ROW_TEST, feature, value);
  status = br_comm_agree(p->comm, status);
  if (status == BR_OK) status = br__join_ranks(p->comm, &value, p->mine, (size_t)p->all, sizeof *value);
  *mean = 0;
  for (int k = 0; status == BR_OK && k < repeats; k++) {
    struct br__exchange exchange = {.feature = feature, .value = value, .first = p->first, .rows = p->all, .seed = seed, .which = (uint32_t)(feature * BR_PERMUTATIONS) + (uint32_t)k};
    json_t *report = json_object();
    status = br__evaluate(p->comm, p->team, p->model, p->table, p->rows, &exchange, report);
    fall[k] = whole - json_number_value(json_object_get(report, name));
    *mean += fall[k] / repeats;
    json_decref(report);
  }
  for (int k = 0; k < repeats; k++) squares += (fall[k] - *mean) * (fall[k] - *mean);
  *deviation = repeats > 1 ? sqrt(squares / (repeats - 1)) : 0;
  br_memory_free(value);
  return status;
}

static int permute_all(struct permuting *p, uint64_t seed, int repeats, json_t *measures) {
  const char *name = p->model->target.type == BR_COLUMN_CATEGORY ? "accuracy" : "r2";
  const json_t *whole = json_object_get(measures, name);
  if (!json_is_number(whole)) BR_FAIL(BR_ERROR_DATA, "the target is the same in all rows that are measured; no column can matter");
  BR_TRY(number_rows(p));
  BR_TRY(br_comm_agree(p->comm, br__encoder_open(p->model, p->table, true, &p->encoder)));
  json_t *of = json_object(), *mean = json_object(), *deviation = json_object();
  json_object_set_new(measures, "permutation", of);
  json_object_set_new(of, "measure", json_string(name));
  json_object_set_new(of, "repeats", json_integer(repeats));
  json_object_set_new(of, "fall", mean);
  json_object_set_new(of, "deviation", deviation);
  for (size_t f = 0; f < p->model->n_features; f++) {
    double m, d;
    BR_TRY(permute_feature(p, f, seed, repeats, name, json_number_value(whole), &m, &d));
    json_object_set_new(mean, p->model->features[f].name, json_real(m));
    json_object_set_new(deviation, p->model->features[f].name, json_real(d));
  }
  return BR_OK;
}

int br_table_permute(struct br_comm *comm, struct br_team *team, const struct br_table_model *model, const struct br_table *table, const struct br_rows *rows, uint64_t seed, int repeats, json_t *measures) {
  if (!model->target.name) BR_FAIL(BR_ERROR_USAGE, "permutation importances are of models that predict a column, and k-means has none");
  if (repeats < 1 || repeats > BR_PERMUTATIONS) BR_FAIL(BR_ERROR_USAGE, "%d permutations of each column: 1 to %d are possible", repeats, BR_PERMUTATIONS);
  struct permuting p = {.comm = comm, .team = team, .model = model, .table = table, .rows = rows};
  int status = permute_all(&p, seed, repeats, measures);
  br__encoder_close(&p.encoder);
  br_memory_free(p.first);
  return status;
}
