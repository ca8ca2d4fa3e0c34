/* The pipeline: each rank receives a batch's values while it works on the one before, and sends what it has made while it works on the next. Two buffers at
 * each end. The last rank keeps the journal. */
#include "predict/answer.h"
#include "predict/journal.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>
#include <bramble/net/exec.h>
#include <bramble/predict/stages.h>

#include <string.h>

#define BATCH 1 /* what lives at once is what must fit */

int br_stages_batch(void) { return BATCH; }

struct pipeline {
  struct br_comm *comm;
  struct br_team *team;
  const struct br_prepared *part;
  struct br_dataset *dataset;
  struct br_loader *loader;
  struct br_exec *exec;
  int rank, ranks;
  uint64_t count;  /* samples to answer in this run */
  uint64_t *todo;  /* their numbers, ascending, by whole chunks of the journal */
  struct br_journal *journal;
  const float *inputs[64]; /* of this run */
  size_t in_floats, out_floats; /* a sample, of all values together; behind a message's values one float more: whether a sample of it could not be read */
  bool lost, chunk_lost; /* that, of this batch and of the chunk so far */
  size_t n_chunk;        /* answers of the chunk so far */
  float *in[2], *out[2], *scores;
  int receiving[2], sending[2]; /* requests; -1: none */
  struct br_answer *found;
  size_t n_found;
  struct br_run run;
};

static size_t sample_floats(const struct br_graph *graph, int node) { return br_shape_count(&graph->nodes[node].shape) / (size_t)graph->nodes[node].shape.d[0]; }

static int open_pipeline(struct pipeline *p) {
  const struct br_graph *graph = br_prepared_graph(p->part);
  for (int i = 0; i < graph->n_inputs; i++) p->in_floats += sample_floats(graph, i);
  for (int i = 0; i < graph->n_outputs; i++) p->out_floats += sample_floats(graph, graph->outputs[i]);
  if (graph->n_inputs > 64 || (p->rank == p->ranks - 1 && graph->n_outputs != 1)) BR_FAIL(BR_ERROR_USAGE, "--stages needs a net with one output");
  BR_TRY(br_exec_open(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = BATCH, .members = br_team_count(p->team), .fuse = true, .prepared = p->part}, &p->exec));
  for (int b = 0; b < 2; b++) {
    BR_TRY(br_memory_alloc(BATCH * p->in_floats + 1, sizeof(float), "pipeline", &p->in[b]));
    if (p->rank + 1 < p->ranks) BR_TRY(br_memory_alloc(BATCH * p->out_floats + 1, sizeof(float), "pipeline", &p->out[b]));
  }
  const size_t all = (size_t)br_dataset_info(p->dataset)->count;
  BR_TRY(br_memory_alloc(all, sizeof *p->todo, "samples", &p->todo));
  BR_TRY(br_memory_alloc(all, sizeof *p->found, "answers", &p->found));
  return p->rank + 1 < p->ranks ? BR_OK : br_memory_alloc(BATCH * p->out_floats, sizeof(float), "scores", &p->scores);
}

/* What is to be done: all that no journal has. */
static int open_work(struct pipeline *p, const struct br_journal_options *options) {
  const uint64_t all = br_dataset_info(p->dataset)->count, chunk = (uint64_t)br_predictor_chunk();
  if (options) BR_TRY(br__journal_open(p->comm, options, (all + chunk - 1) / chunk, (int)chunk, p->found, &p->n_found, &p->journal));
  for (uint64_t i = 0; i < all; i++)
    if (!p->journal || !br__journal_has(p->journal, i / chunk)) p->todo[p->count++] = i;
  return BR_OK;
}

static int samples_of(const struct pipeline *p, uint64_t batch) { return p->count - batch * BATCH < BATCH ? (int)(p->count - batch * BATCH) : BATCH; }

/* Begins what brings the input of a batch here, into buffer batch mod 2. Rank 0 reads it when it is wanted. */
static int begin_input(struct pipeline *p, uint64_t batch) {
  if (p->rank == 0 || batch * BATCH >= p->count) return BR_OK;
  return br_comm_receive_start(p->comm, p->in[batch % 2], ((size_t)samples_of(p, batch) * p->in_floats + 1) * sizeof(float), p->rank - 1, &p->receiving[batch % 2]);
}

static int finish(struct pipeline *p, int *request) {
  if (*request < 0) return BR_OK;
  int number = *request;
  *request = -1;
  return br_comm_wait(p->comm, number);
}

static void run_exec(void *arg, struct br_part part) {
  struct pipeline *p = arg;
  br_exec_run(p->exec, &p->run, part);
}

/* Values lie one behind the other in a message, each for all samples of the batch. */
static void work(struct pipeline *p, float *in, int n) {
  const struct br_graph *graph = br_prepared_graph(p->part);
  for (int i = 0; i < graph->n_inputs; i++) {
    p->inputs[i] = in;
    in += (size_t)n * sample_floats(graph, i);
  }
  p->run = (struct br_run){.x = p->inputs[0], .more = p->inputs + 1, .n = n};
  br_team_run(p->team, run_exec, p);
}

static int send(struct pipeline *p, uint64_t batch, int n) {
  const struct br_graph *graph = br_prepared_graph(p->part);
  float *out = p->out[batch % 2];
  BR_TRY(finish(p, &p->sending[batch % 2]));
  for (int i = 0; i < graph->n_outputs; i++) {
    size_t floats = (size_t)n * sample_floats(graph, graph->outputs[i]);
    memcpy(out, graph->outputs[i] < graph->n_inputs ? p->inputs[graph->outputs[i]] : br_exec_output_at(p->exec, i), floats * sizeof(float));
    out += floats;
  }
  *out = p->lost;
  return br_comm_send_start(p->comm, p->out[batch % 2], ((size_t)n * p->out_floats + 1) * sizeof(float), p->rank + 1, &p->sending[batch % 2]);
}

/* A chunk is written when its last sample is answered. */
static int keep(struct pipeline *p, uint64_t sample) {
  const uint64_t chunk = (uint64_t)br_predictor_chunk(), all = br_dataset_info(p->dataset)->count;
  p->n_chunk++;
  p->chunk_lost |= p->lost;
  if ((sample + 1) % chunk != 0 && sample + 1 != all) return BR_OK;
  const int status = p->journal && !p->chunk_lost ? br__journal_add(p->journal, sample / chunk, p->found + p->n_found - p->n_chunk, (int)p->n_chunk) : BR_OK;
  p->n_chunk = 0, p->chunk_lost = false;
  return status;
}

static int answer(struct pipeline *p, uint64_t batch, int n) {
  const struct br_graph *graph = br_prepared_graph(p->part);
  const float *scores = br_exec_output(p->exec);
  int classes = (int)p->out_floats;
  if (strcmp(br_node_op(&graph->nodes[graph->output]), "softmax") != 0) {
    br_softmax_forward(scores, p->scores, (size_t)n, (size_t)classes, BR_PART_ALL);
    scores = p->scores;
  }
  for (int i = 0; i < n; i++) {
    const uint64_t sample = p->todo[batch * BATCH + (uint64_t)i];
    struct br_answer *a = &p->found[p->n_found++];
    *a = (struct br_answer){.sample = (int64_t)sample, .label = br_dataset_label(p->dataset, sample)};
    br__answer_pick(scores + (size_t)i * (size_t)classes, classes, a);
    BR_TRY(keep(p, sample));
  }
  return BR_OK;
}

/* A sample that cannot be read leaves what was there, and is marked as lost, so that the ranks behind are not left waiting; the failure is told at the end. */
static int flow(struct pipeline *p) {
  int failure = BR_OK;
  BR_TRY(begin_input(p, 0));
  for (uint64_t batch = 0; batch * BATCH < p->count; batch++) {
    int n = samples_of(p, batch), status = BR_OK;
    if (p->rank == 0) {
      uint64_t index[BATCH];
      int32_t label[BATCH];
      for (int i = 0; i < n; i++) index[i] = p->todo[batch * BATCH + (uint64_t)i];
      status = br_loader_fill(p->loader, 0, index, n, p->in[batch % 2], label);
      p->in[batch % 2][(size_t)n * p->in_floats] = status != BR_OK;
      if (status != BR_OK && failure == BR_OK) failure = status;
    }
    BR_TRY(begin_input(p, batch + 1));
    BR_TRY(finish(p, &p->receiving[batch % 2]));
    p->lost = p->in[batch % 2][(size_t)n * p->in_floats] != 0;
    work(p, p->in[batch % 2], n);
    if (p->rank + 1 < p->ranks)
      BR_TRY(send(p, batch, n));
    else if (failure == BR_OK)
      failure = answer(p, batch, n);
  }
  for (int b = 0; b < 2; b++) BR_TRY(finish(p, &p->sending[b]));
  return failure;
}

int br_stages_run(struct br_comm *comm, struct br_team *team, const struct br_prepared *part, struct br_dataset *dataset, struct br_loader *loader, const struct br_journal_options *journal, struct br_answer **answers, double *seconds) {
  struct pipeline *p;
  *answers = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *p, "pipeline", &p));
  *p = (struct pipeline){.comm = comm, .team = team, .part = part, .dataset = dataset, .loader = loader, .rank = br_comm_rank(comm), .ranks = br_comm_size(comm), .receiving = {-1, -1}, .sending = {-1, -1}};
  int status = br_comm_agree(comm, open_pipeline(p));
  if (status == BR_OK) status = open_work(p, journal);
  double start = br_clock_seconds();
  if (status == BR_OK) status = br_comm_agree(comm, flow(p));
  *seconds = br_clock_seconds() - start;
  if (status == BR_OK) status = br_comm_agree(comm, br__answers_collect(comm, p->found, p->n_found, (size_t)br_dataset_info(dataset)->count, answers));
  br__journal_close(p->journal);
  br_exec_close(p->exec);
  for (int b = 0; b < 2; b++) {
    br_memory_free(p->in[b]);
    br_memory_free(p->out[b]);
  }
  br_memory_free(p->scores);
  br_memory_free(p->todo);
  br_memory_free(p->found);
  br_memory_free(p);
  return status;
}
