/* Class predictions of a net over a data set, on the threads of many ranks. Chunks of samples are handed out as they are asked for, by a counter that every
 * rank draws from, so that unequal nodes finish together. Who worked on a chunk cannot be seen in the answers. */
#ifndef BRAMBLE_PREDICT_PREDICT_H
#define BRAMBLE_PREDICT_PREDICT_H

#include <bramble/base/thread.h>
#include <bramble/cluster/comm.h>
#include <bramble/data/loader.h>
#include <bramble/net/prepare.h>

#define BR_PREDICT_TOP 5

struct br_answer {
  int64_t sample;
  int32_t label;               /* the data set's */
  int32_t top[BR_PREDICT_TOP]; /* the likeliest classes; -1 behind the net's last */
  float probability[BR_PREDICT_TOP];
};

struct br_predictor;

/* Samples of a chunk, which are together in a run of the net. */
int br_predictor_chunk(void);

/* What one run needs, opened once: an exec per thread, or one for all threads where the net's weights are streamed. All that is given is borrowed. The net's output is one row of scores a sample; they are
 * made probabilities unless the net ends in softmax. Errors: BR_ERROR_USAGE for nets with other outputs, BR_ERROR_MEMORY. Not collective. */
int br_predictor_open(const struct br_prepared *net, struct br_dataset *dataset, struct br_loader *loader, struct br_team *team, struct br_predictor **out);
void br_predictor_close(struct br_predictor *predictor); /* NULL does nothing */

/* Where a run keeps what it has answered, so that it can go on when it was cut short: files PATH.part.RANK. `key` stands for everything that the answers follow
 * from (model, data, settings): what other keys have left is not used. */
struct br_journal_options {
  const char *path; /* of the result; borrowed */
  uint64_t key;
  bool resume; /* begin with what is there */
};
/* Removes the journals of a result that is complete. Not collective: each rank its own view of the folder. */
void br_journal_remove(const char *path);

/* One pass over the data set. On rank 0, *answers (count of the data set; br_memory_free) are the samples' in order; NULL elsewhere. `seconds` is the time of
 * all ranks together, without the gathering of the answers. `journal` may be NULL: none. Errors: those of reading, and BR_ERROR_COMM. Collective. */
int br_predictor_run(struct br_predictor *predictor, struct br_comm *comm, const struct br_journal_options *journal, struct br_answer **answers, double *seconds);

#endif
