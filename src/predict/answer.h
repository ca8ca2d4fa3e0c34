/* Shared by the ways of predicting. Private to the room. */
#ifndef PREDICT_ANSWER_H
#define PREDICT_ANSWER_H

#include <bramble/predict/predict.h>

/* The likeliest classes; the first of equal scores is the better. */
void br__answer_pick(const float *scores, int classes, struct br_answer *answer);
/* On rank 0, *answers are all ranks' in the order of the samples; fails unless each of `count` samples is there once. Collective. */
int br__answers_collect(struct br_comm *comm, const struct br_answer *found, size_t n_found, size_t count, struct br_answer **answers);

#endif
