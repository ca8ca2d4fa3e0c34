/* Settings as "name=value" lines, numbers with all their digits. */
#include "train/settings.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const br_optimiser_words[] = {"sgd", "adam", "adamw", "lars", "lamb", "rmsprop", "muon", NULL};
const char *const br_schedule_words[] = {"constant", "step", "cosine", "onecycle", NULL};
const char *const br_sync_words[] = {"gradients", "weights", "fedavg", NULL};
const char *const br_reduce_words[] = {"exact", "float", "fixed32", "fixed16", NULL};
static const char *const partition_words[] = {"iid", "strided", "dirichlet"}, *const server_words[] = {"fedavg", "fedavgm", "fedadam"}, *const keep_words[] = {"last", "best", "all"};

struct text {
  char *to;
  size_t length, room;
};

static void add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text->to ? text->to + text->length : NULL, text->room > text->length ? text->room - text->length : 0, format, args);
  va_end(args);
  text->length += (size_t)n;
}

/* The fewest digits that give the same float again. */
static void add_float(struct text *text, const char *name, float value) {
  char digits[32];
  for (int n = 1; n <= 9; n++) {
    snprintf(digits, sizeof digits, "%.*g", n, (double)value);
    if (strtof(digits, NULL) == value) break;
  }
  add(text, "%s=%s\n", name, digits);
}

static void add_workers(struct text *t, const struct br_train_options *o) {
  const struct br_worker_options *w = &o->worker;
  add(t, "workers=%d\npartition=%s", w->workers, partition_words[w->partition]);
  if (w->partition == BR_PARTITION_DIRICHLET) add(t, ":%.9g", w->alpha);
  add(t, "\n");
  if (o->sync == BR_SYNC_WEIGHTS) {
    add(t, "every=%lld\noptimiser_state=%s\n", (long long)w->every, w->reset_optimiser ? "reset" : "keep");
    return;
  }
  add(t, "fraction=%.12g\nlocal_epochs=%d\nserver=%s\n", w->fraction, w->local_epochs, server_words[w->server]);
  add_float(t, "prox", w->prox);
  add_float(t, "server_lr", w->server_lr);
  add_float(t, "server_momentum", w->server_momentum);
}

static uint64_t hash_of(const void *data, size_t bytes) { return data ? br_hash64(0, data, bytes) : 0; }

static void add_all(struct text *t, const struct br_train_options *o, const struct br_graph *graph, int classes) {
  const struct br_optimiser_options *p = &o->optimiser;
  const struct br_schedule_options *s = &o->schedule;
  add(t, "batch=%d\nmicro_batch=%d\nepochs=%d\nseed=%llu\n", o->batch, o->micro_batch, o->epochs, (unsigned long long)o->seed);
  add(t, "optimiser=%s\nnesterov=%d\ndecay_all=%d\n", br_optimiser_words[p->kind], p->nesterov, p->decay_all);
  add_float(t, "momentum", p->momentum);
  add_float(t, "weight_decay", p->weight_decay);
  add_float(t, "clip", p->clip);
  add(t, "schedule=%s\n", br_schedule_words[s->kind]);
  add_float(t, "lr", s->lr);
  add_float(t, "warmup", s->warmup_epochs);
  add_float(t, "label_smoothing", o->label_smoothing);
  add(t, "bn_recalibrate=%d\n", o->bn_recalibrate);
  add_float(t, "ema", o->ema);
  if (o->class_weight) add(t, "class_weights=%016llx\n", (unsigned long long)hash_of(o->class_weight, (size_t)classes * sizeof(float)));
  if (o->frozen) add(t, "freeze=%016llx\n", (unsigned long long)hash_of(o->frozen, (size_t)graph->n_params * sizeof(bool)));
  add(t, "sync=%s\n", br_sync_words[o->sync]);
  if (o->sync != BR_SYNC_GRADIENTS) add_workers(t, o);
  if (o->reduce != BR_REDUCE_EXACT) add(t, "reduce=%s\n", br_reduce_words[o->reduce]);
  add(t, "keep=%s\n", keep_words[o->keep]);
  if (o->evaluation_epochs != 1 || o->evaluation_steps) add(t, "eval_every=%d epochs, %lld steps\n", o->evaluation_epochs, (long long)o->evaluation_steps);
  if (o->patience) add(t, "patience=%d\n", o->patience);
  if (o->until_accuracy > 0) add(t, "until_accuracy=%.12g\n", o->until_accuracy);
  if (o->input_settings) add(t, "%s", o->input_settings);
}

int br_train_settings(const struct br_train_options *options, const struct br_graph *graph, char **out) {
  int classes = br_shape_channels(&graph->nodes[graph->output].shape);
  struct text text = {0};
  add_all(&text, options, graph, classes);
  text.room = text.length + 1;
  BR_TRY(br_memory_alloc(text.room, 1, "settings", &text.to));
  text.length = 0;
  add_all(&text, options, graph, classes);
  *out = text.to;
  return BR_OK;
}

/* The line of `lines` that starts with the same name as `line` does; NULL if there is none. */
static const char *same_name(const char *lines, const char *line) {
  size_t n = strcspn(line, "=") + 1;
  for (const char *at = lines; at && *at; at = strchr(at, '\n'), at += at != NULL)
    if (strncmp(at, line, n) == 0) return at;
  return NULL;
}

/* "--lr" of "lr=0.1"; what is no option ("the net=...") stays as it is. */
static void option_name(const char *line, char *name, size_t room) {
  int n = (int)strcspn(line, "=");
  snprintf(name, room, "%s%.*s", memchr(line, ' ', (size_t)n) ? "" : "--", n, line);
  for (char *p = name; *p; p++)
    if (*p == '_') *p = '-';
}

int br_settings_compare(const char *mine, const char *lines, const char *whose, const char *mend) {
  char name[80];
  for (const char *at = mine; *at; at += strcspn(at, "\n") + 1) {
    const char *other = same_name(lines, at);
    size_t n = strcspn(at, "\n"), equals = strcspn(at, "=") + 1;
    option_name(at, name, sizeof name);
    if (!other) BR_FAIL(BR_ERROR_USAGE, "%s has no %s, here it is %.*s; %s", whose, name, (int)(n - equals), at + equals, mend);
    size_t m = strcspn(other, "\n");
    if (n != m || strncmp(at, other, n) != 0) BR_FAIL(BR_ERROR_USAGE, "%s has %s %.*s, here it is %.*s; %s", whose, name, (int)(m - equals), other + equals, (int)(n - equals), at + equals, mend);
  }
  for (const char *at = lines; *at; at += strcspn(at, "\n") + 1) {
    if (same_name(mine, at)) continue;
    option_name(at, name, sizeof name);
    BR_FAIL(BR_ERROR_USAGE, "%s has %s, which is not given here; %s", whose, name, mend);
  }
  return BR_OK;
}
