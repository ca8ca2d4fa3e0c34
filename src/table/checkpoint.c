/* A checkpoint is a model file whose settings carry one entry more: what it was trained on, and where training stood. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/store/file.h>

#include "checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sum over rows, the same on any number of ranks, that other roles of rows would change: of 32 random bits a row. */
static int hash_roles(struct br_comm *comm, const struct br_task *task, uint64_t *out) {
  int64_t sum = 0;
  uint32_t word[4];
  for (size_t b = 0; b < br_table_blocks(task->table); b++)
    for (size_t i = 0; i < br_table_block_rows(task->table, b); i++) {
      br_random_block(0, BR_RANDOM_SPLIT, 3, br_table_block_first(task->table, b) + i, 0, word);
      sum += word[task->rows->role[b][i] & 3] & 0x7FFFFFFF;
    }
  BR_TRY(br_comm_sum_i64(comm, &sum, 1));
  *out = (uint64_t)sum;
  return BR_OK;
}

int br__checkpoint_open(struct br_comm *comm, const struct br_task *task, const struct br_checkpoint_settings *settings, struct br__checkpoint *out) {
  *out = (struct br__checkpoint){.settings = *settings, .seed = task->seed, .last_time = br_clock_seconds()};
  if (!settings->path) return BR_OK;
  size_t bytes = strlen(settings->path) + sizeof ".checkpoint";
  BR_TRY(br_comm_agree(comm, br_memory_alloc(bytes, 1, "name of the checkpoint", &out->path)));
  snprintf(out->path, bytes, "%s.checkpoint", settings->path);
  BR_TRY(hash_roles(comm, task, &out->rows));
  return br_table_fingerprint(comm, task->table, &out->table);
}

void br__checkpoint_close(struct br__checkpoint *c) {
  br_memory_free(c->path);
  *c = (struct br__checkpoint){0};
}

bool br__checkpoint_due(struct br__checkpoint *c, size_t count) {
  double now = br_clock_seconds();
  bool by_count = c->settings.every && count - c->last_count >= c->settings.every, by_time = c->settings.seconds > 0 && now - c->last_time >= c->settings.seconds;
  if (!c->path || !(by_count || by_time)) return false;
  c->last_count = count;
  c->last_time = now;
  return true;
}

static json_t *stamp(const struct br__checkpoint *c) {
  char table[17], seed[17];
  snprintf(table, sizeof table, "%016" PRIx64, c->table);
  snprintf(seed, sizeof seed, "%016" PRIx64, c->seed);
  return json_pack("{s:s,s:s,s:I}", "table", table, "seed", seed, "rows", (json_int_t)c->rows);
}

int br__checkpoint_save(const struct br__checkpoint *c, struct br_table_model *model, json_t *state) {
  json_t *entry = stamp(c);
  if (state) json_object_set_new(entry, "state", state);
  json_object_set_new(model->settings, "checkpoint", entry);
  int status = br_table_model_save(model, c->path);
  json_object_del(model->settings, "checkpoint");
  return status;
}

/* Whether two settings are the same apart from the number of trees. */
static bool same_settings(const json_t *a, const json_t *b) {
  json_t *x = json_deep_copy(a), *y = json_deep_copy(b);
  json_object_del(x, "trees");
  json_object_del(y, "trees");
  bool same = json_equal(x, y);
  json_decref(x);
  json_decref(y);
  return same;
}

static int take_trees(const struct br__checkpoint *c, const struct br_table_model *wanted, struct br_table_model *found, size_t most, struct br__nodes *lists, size_t *n_trees, json_t **state) {
  json_t *entry = json_incref(json_object_get(found->settings, "checkpoint")), *now = stamp(c);
  json_t *kept = json_incref(json_object_get(entry, "state"));
  json_object_del(found->settings, "checkpoint");
  json_object_del(entry, "state");
  bool same_data = json_equal(entry, now), same = found->kind == wanted->kind && found->n_features == wanted->n_features && same_settings(found->settings, wanted->settings);
  json_decref(entry);
  json_decref(now);
  *state = kept;
  for (size_t f = 0; same && f < wanted->n_features; f++) same = strcmp(found->features[f].name, wanted->features[f].name) == 0;
  if (!same_data) BR_FAIL(BR_ERROR_DATA, "%s: is of other data, rows or seed; give the ones it was made with, or leave out --resume", c->path);
  if (!same) BR_FAIL(BR_ERROR_DATA, "%s: was made with other settings; give the same ones, or leave out --resume", c->path);
  const struct br__trees *trees = br__model_trees(found);
  if (trees->n_trees > most) BR_FAIL(BR_ERROR_DATA, "%s: holds %zu trees, more than the %zu wanted; leave out --resume", c->path, trees->n_trees, most);
  for (size_t k = 0; k < trees->n_trees; k++) BR_TRY(br__trees_take(trees, k, &lists[k]));
  *n_trees = trees->n_trees;
  return BR_OK;
}

int br__checkpoint_resume(struct br_comm *comm, const struct br__checkpoint *c, const struct br_table_model *model, size_t most, struct br__nodes *lists, size_t *n_trees, json_t **state) {
  int status = BR_OK;
  *n_trees = 0;
  *state = NULL;
  if (!c->settings.resume || !c->path) return BR_OK;
  if (br_comm_rank(comm) == 0 && br_file_exists(c->path)) {
    struct br_table_model *found = NULL;
    status = br_table_model_open(c->path, &found);
    if (status == BR_OK) status = take_trees(c, model, found, most, lists, n_trees, state);
    br_table_model_close(found);
    if (status == BR_OK) br_note("going on from %s", c->path);
  } else if (br_comm_rank(comm) == 0)
    br_note("there is no checkpoint %s to go on from; the run starts at its beginning", c->path);
  BR_TRY(br_comm_agree(comm, status));
  uint64_t n = *n_trees;
  BR_TRY(br_comm_broadcast(comm, &n, sizeof n, 0));
  *n_trees = (size_t)n;
  return n ? br__nodes_share(comm, lists, (size_t)n) : BR_OK;
}

void br__checkpoint_remove(const struct br__checkpoint *c) {
  if (c->path) unlink(c->path);
}
