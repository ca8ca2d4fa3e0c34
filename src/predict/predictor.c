/* Predictions over a data set. Every thread has an exec and takes a chunk of samples by itself: reading, resizing, net, answers. A rank draws as many chunks
 * from the counter as it has threads, and again when they are done. A net whose weights are streamed has one exec, and all threads work inside its pictures. */
#include "predict/answer.h"
#include "predict/journal.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>
#include <bramble/predict/predict.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 4 /* samples: enough to read the weights of a net's last layers seldom, few enough that the last round is short */

/* What one thread works with. */
struct seat {
  struct br_exec *exec;
  float *x, *scores;
  int32_t label[CHUNK];
  int status; /* of reading this chunk */
  struct br_barrier barrier;
};

int br_predictor_chunk(void) { return CHUNK; }

struct br_predictor {
  const struct br_prepared *net;
  struct br_dataset *dataset;
  struct br_loader *loader;
  struct br_team *team;
  struct seat *seats;
  int n_seats, classes; /* one seat a thread, or one for all */
  bool are_probabilities;
  struct br_barrier barrier;
  struct br_answer *found; /* by this rank in this run, in the order they were made; room for all samples */
  size_t n_found;
  struct br_counter *counter;
  struct br_journal *journal; /* NULL: none */
  int64_t first; /* chunk of this round */
  int status;    /* first failure of a run, with its message */
  char message[1024];
};

static int open_seats(struct br_predictor *p) {
  const struct br_graph *graph = br_prepared_graph(p->net);
  size_t floats = br_shape_count(&graph->nodes[0].shape) / (size_t)graph->nodes[0].shape.d[0];
  int members = br_prepared_streams(p->net) ? br_team_count(p->team) : 1;
  p->n_seats = br_team_count(p->team) / members;
  BR_TRY(br_memory_alloc((size_t)p->n_seats, sizeof *p->seats, "predict", &p->seats));
  for (int i = 0; i < p->n_seats; i++) {
    struct seat *seat = &p->seats[i];
    BR_TRY(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = CHUNK, .members = members, .fuse = true, .prepared = p->net}, &seat->exec));
    BR_TRY(br_memory_alloc(CHUNK * floats, sizeof *seat->x, "input", &seat->x));
    BR_TRY(br_memory_alloc((size_t)CHUNK * (size_t)p->classes, sizeof *seat->scores, "scores", &seat->scores));
  }
  return br_memory_alloc((size_t)br_dataset_info(p->dataset)->count, sizeof *p->found, "answers", &p->found);
}

int br_predictor_open(const struct br_prepared *net, struct br_dataset *dataset, struct br_loader *loader, struct br_team *team, struct br_predictor **out) {
  *out = NULL;
  const struct br_graph *graph = br_prepared_graph(net);
  const struct br_node *last = &graph->nodes[graph->output];
  if (graph->n_inputs != 1 || graph->n_outputs != 1 || br_shape_rows(&last->shape) != (size_t)last->shape.d[0]) {
    char text[80];
    BR_FAIL(BR_ERROR_USAGE, "predict over a data set needs a net that gives one row of scores a sample; this one gives %s for %d", br_shape_text(&last->shape, text), last->shape.d[0]);
  }
  struct br_predictor *p;
  BR_TRY(br_memory_alloc(1, sizeof *p, "predict", &p));
  *p = (struct br_predictor){.net = net, .dataset = dataset, .loader = loader, .team = team, .classes = br_shape_channels(&last->shape), .are_probabilities = strcmp(br_node_op(last), "softmax") == 0};
  int status = open_seats(p);
  if (status == BR_OK)
    *out = p;
  else
    br_predictor_close(p);
  return status;
}

void br_predictor_close(struct br_predictor *p) {
  if (!p) return;
  for (int i = 0; p->seats && i < p->n_seats; i++) {
    br_exec_close(p->seats[i].exec);
    br_memory_free(p->seats[i].x);
    br_memory_free(p->seats[i].scores);
  }
  br_memory_free(p->seats);
  br_memory_free(p->found);
  br_memory_free(p);
}

static void fail(struct br_predictor *p, int status) {
  int none = BR_OK;
  if (__atomic_compare_exchange_n(&p->status, &none, status, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) snprintf(p->message, sizeof p->message, "%s", br_error_message());
}

/* A chunk by the threads of a seat, of which this is `part`. */
static void do_chunk(struct br_predictor *p, struct seat *seat, struct br_part part, uint64_t first, uint64_t count) {
  uint64_t index[CHUNK];
  int n = count - first < CHUNK ? (int)(count - first) : CHUNK;
  for (int i = 0; i < n; i++) index[i] = first + (uint64_t)i;
  if (part.index == 0) {
    seat->status = br_loader_fill(p->loader, 0, index, n, seat->x, seat->label);
    if (seat->status != BR_OK) fail(p, seat->status);
  }
  br_barrier_wait(&seat->barrier, part.count);
  if (seat->status != BR_OK) return;
  br_exec_run(seat->exec, &(struct br_run){.x = seat->x, .n = n}, part);
  if (part.index != 0) return;
  const float *scores = br_exec_output(seat->exec);
  if (!p->are_probabilities) {
    br_softmax_forward(scores, seat->scores, (size_t)n, (size_t)p->classes, BR_PART_ALL);
    scores = seat->scores;
  }
  size_t at = __atomic_fetch_add(&p->n_found, (size_t)n, __ATOMIC_RELAXED);
  for (int i = 0; i < n; i++) {
    struct br_answer *answer = &p->found[at + (size_t)i];
    *answer = (struct br_answer){.sample = (int64_t)index[i], .label = seat->label[i]};
    br__answer_pick(scores + (size_t)i * (size_t)p->classes, p->classes, answer);
  }
  int status = p->journal ? br__journal_add(p->journal, first / CHUNK, p->found + at, n) : BR_OK;
  if (status != BR_OK) fail(p, status);
}

static void member(void *arg, struct br_part part) {
  struct br_predictor *p = arg;
  uint64_t count = br_dataset_info(p->dataset)->count;
  const int members = part.count / p->n_seats, seat = part.index / members;
  for (;;) {
    if (part.index == 0) { /* only this thread may talk to the other ranks */
      int status = br_counter_next(p->counter, p->n_seats, &p->first);
      if (status != BR_OK) fail(p, status);
    }
    br_barrier_wait(&p->barrier, part.count);
    bool over = p->status != BR_OK || (uint64_t)p->first * CHUNK >= count;
    uint64_t first = (uint64_t)(p->first + seat) * CHUNK;
    br_barrier_wait(&p->barrier, part.count); /* all have seen the same */
    if (over) return;
    if (first < count && !(p->journal && br__journal_has(p->journal, first / CHUNK))) do_chunk(p, &p->seats[seat], (struct br_part){part.index % members, members}, first, count);
    br_barrier_wait(&p->barrier, part.count);
  }
}

int br_predictor_run(struct br_predictor *p, struct br_comm *comm, const struct br_journal_options *journal, struct br_answer **answers, double *seconds) {
  const uint64_t count = br_dataset_info(p->dataset)->count;
  *answers = NULL;
  p->n_found = 0;
  p->status = BR_OK;
  p->journal = NULL;
  if (journal) BR_TRY(br__journal_open(comm, journal, (count + CHUNK - 1) / CHUNK, CHUNK, p->found, &p->n_found, &p->journal));
  int status = br_counter_open(comm, &p->counter);
  if (status == BR_OK) status = br_comm_barrier(comm);
  if (status == BR_OK) {
    double start = br_clock_seconds();
    br_team_run(p->team, member, p);
    status = br_comm_barrier(comm);
    *seconds = br_clock_seconds() - start;
    br_counter_close(p->counter);
  }
  br__journal_close(p->journal);
  BR_TRY(status);
  if (p->status != BR_OK) br_error_set(p->status, "%s", p->message);
  BR_TRY(br_comm_agree(comm, p->status));
  return br_comm_agree(comm, br__answers_collect(comm, p->found, p->n_found, (size_t)count, answers));
}
