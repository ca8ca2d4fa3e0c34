/* The answer for one sample from its scores, and the answers of all ranks in order on rank 0. */
#include "predict/answer.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdlib.h>

/* The first of equal scores is the better. */
void br__answer_pick(const float *scores, int classes, struct br_answer *answer) {
  int n = 0;
  for (int k = 0; k < BR_PREDICT_TOP; k++) answer->top[k] = -1;
  for (int c = 0; c < classes; c++) {
    int at = n < BR_PREDICT_TOP ? n++ : BR_PREDICT_TOP;
    for (; at > 0 && scores[c] > answer->probability[at - 1]; at--)
      if (at < BR_PREDICT_TOP) answer->top[at] = answer->top[at - 1], answer->probability[at] = answer->probability[at - 1];
    if (at < BR_PREDICT_TOP) answer->top[at] = c, answer->probability[at] = scores[c];
  }
}

static int by_sample(const void *a, const void *b) {
  const struct br_answer *x = a, *y = b;
  return (x->sample > y->sample) - (x->sample < y->sample);
}

int br__answers_collect(struct br_comm *comm, const struct br_answer *found, size_t n_found, size_t count, struct br_answer **answers) {
  size_t *sizes, bytes = n_found * sizeof *found, total = 0;
  unsigned char *all = NULL;
  BR_TRY(br_memory_alloc((size_t)br_comm_size(comm), sizeof *sizes, "answers", &sizes));
  int status = br_comm_gather(comm, found, bytes, 0, &all, sizes);
  for (int r = 0; status == BR_OK && br_comm_rank(comm) == 0 && r < br_comm_size(comm); r++) total += sizes[r];
  br_memory_free(sizes);
  if (status == BR_OK && br_comm_rank(comm) == 0) {
    *answers = (struct br_answer *)all;
    qsort(*answers, total / sizeof **answers, sizeof **answers, by_sample);
    for (size_t i = 0; i < count && status == BR_OK; i++)
      if (total != count * sizeof **answers || (*answers)[i].sample != (int64_t)i) status = br_error_set(BR_ERROR_COMM, "sample %zu was not answered exactly once", i);
  }
  return status;
}
