/* An epoch's time on this one rank becomes seconds of a unit; the step model deals the units out to nodes. What follows the units of a step (the update, or the mean of
 * the workers) every node does by itself, as long as it takes here. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/cluster/place.h>
#include <bramble/lab/simulate.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_NODES, KEY_THREADS, KEY_NODE, KEY_LINK, KEYS };
static const char *const key_words[KEYS] = {"nodes", "threads", "node", "link"};

/* "key=value,key=value": a part without "=" belongs to the value before it, as the latency in link=940Mbit,0.15ms. Values of at most 39 letters. */
static int split(const char *text, char values[KEYS][40]) {
  int key = -1;
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, ","), name = strcspn(at, "=");
    char word[40];
    if (n >= sizeof word) BR_FAIL(BR_ERROR_USAGE, "--simulate %s: something like nodes=24,link=940Mbit,0.15ms was expected", text);
    snprintf(word, sizeof word, "%.*s", (int)(name < n ? name : n), at);
    if (name < n) {
      for (key = 0; key < KEYS && strcmp(word, key_words[key]) != 0;) key++;
      if (key == KEYS) {
        const char *nearest = br_text_nearest(word, key_words, KEYS);
        BR_FAIL(BR_ERROR_USAGE, "--simulate: %s is not known; possible are nodes, threads, node and link%s%s%s", word, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
      }
      snprintf(values[key], sizeof values[key], "%.*s", (int)(n - name - 1), at + name + 1);
    } else if (key == KEY_LINK && strlen(values[key]) + n + 2 <= sizeof values[key]) {
      strcat(strcat(values[key], ","), word);
    } else {
      BR_FAIL(BR_ERROR_USAGE, "--simulate: \"%s\" is not name=value, as in nodes=24,link=940Mbit,0.15ms", word);
    }
    at += n + (at[n] == ',');
  }
  return BR_OK;
}

static int read_count(const char *name, const char *text, int most, int *out) {
  char *end;
  long value = strtol(text, &end, 10);
  if (end == text || *end || value < 1 || value > most) BR_FAIL(BR_ERROR_USAGE, "--simulate: %s=%s is not a number from 1 to %d", name, text, most);
  *out = (int)value;
  return BR_OK;
}

/* What the options of the simulation say about the model, whose part_seconds are 1 before: afterwards they tell how much slower such a node is. */
static int set_model(struct br_simulation *s, const char *text) {
  char values[KEYS][40] = {"", "", "here", "940Mbit,0.15ms"};
  BR_TRY(split(text, values));
  if (!values[KEY_NODES][0]) BR_FAIL(BR_ERROR_USAGE, "--simulate %s: how many nodes? say nodes=24", text);
  BR_TRY(read_count("nodes", values[KEY_NODES], 100000, &s->nodes));
  BR_TRY(br_step_model_node(&s->model, values[KEY_NODE]));
  if (values[KEY_THREADS][0]) BR_TRY(read_count("threads", values[KEY_THREADS], 1024, &s->model.threads));
  if (!strchr(values[KEY_LINK], ',')) strcat(values[KEY_LINK], ",0.15ms");
  BR_TRY(br_step_model_link(&s->model, values[KEY_LINK]));
  snprintf(s->text, sizeof s->text, "nodes=%d,threads=%d,node=%.20s,link=%.39s", s->nodes, s->model.threads, values[KEY_NODE], values[KEY_LINK]);
  return BR_OK;
}

int br_simulation_open(const struct br_plan_request *request, const char *text, struct br_simulation *s) {
  struct br_train_plan plan;
  struct br_plan_request there = *request;
  *s = (struct br_simulation){.here_threads = request->threads};
  BR_TRY(br_train_plan(request, &plan));
  s->units = plan.units > 0 ? plan.units : 1;
  br_step_model_shape(request, &plan, 1, &s->model);
  s->model.part_seconds = 1;
  BR_TRY(set_model(s, text));
  s->slower = s->model.part_seconds;
  there.ranks = s->nodes;
  there.threads = s->model.threads;
  BR_TRY(br_train_plan(&there, &plan));
  s->node_bytes = (double)plan.total;
  s->last = br_clock_seconds();
  s->delayed = br_clock_delayed_seconds();
  return br_memory_alloc((size_t)s->nodes, sizeof *s->ranks, "simulated nodes", &s->ranks);
}

void br_simulation_close(struct br_simulation *s) {
  br_memory_free(s->ranks);
  *s = (struct br_simulation){0};
}

/* The share of the time since the last epoch in which this thread had a processor when it wanted one. */
static double our_share(struct br_simulation *s) {
  double now = br_clock_seconds(), delayed = br_clock_delayed_seconds(), passed = now - s->last, lost = delayed - s->delayed;
  s->last = now;
  s->delayed = delayed;
  return passed > 0 && lost > 0 && lost < passed ? 1 - lost / passed : 1;
}

void br_simulation_epoch(struct br_simulation *s, const struct br_epoch_result *measured, struct br_epoch_result *computed) {
  const struct br_rank_times *here = &measured->ranks[0];
  struct br_step_model *m = &s->model;
  double ours = our_share(s), busy = ours * (here->load + here->compute), load_share = busy > 0 ? ours * here->load / busy : 0, update = s->slower * fmax(ours * measured->seconds - busy, 0);
  m->part_seconds = s->slower * busy * s->here_threads / (double)(m->parts * m->sums);
  struct br_step_time time = br_step_model_time(m, s->nodes);
  for (int r = 0; r < s->nodes; r++) {
    int64_t first, last;
    br_place_units(m->parts, s->nodes, NULL, r, &first, &last);
    double mine = (double)m->sums * br_step_model_compute(m, last - first);
    s->ranks[r] = (struct br_rank_times){.load = mine * load_share, .compute = mine * (1 - load_share), .wait = time.compute - mine + update, .communicate = time.communicate, .peak_rss_bytes = s->node_bytes,
                                         .bytes_sent = s->ranks[r].bytes_sent + (double)m->sums * time.sent_bytes, .units = (double)(s->units * (last - first)) / (double)m->parts};
  }
  *computed = *measured;
  computed->seconds = time.epoch + update;
  computed->images_per_second = computed->seconds > 0 ? (double)measured->samples / computed->seconds : 0;
  computed->n_ranks = s->nodes;
  computed->ranks = s->ranks;
  s->seconds += computed->seconds;
}
