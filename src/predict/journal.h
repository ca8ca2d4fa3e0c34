/* What a run has answered so far, kept beside its result so that a run that was cut short can go on: each rank appends the chunks it has done to a file of its
 * own, PATH.part.RANK. Private to the room. */
#ifndef PREDICT_JOURNAL_H
#define PREDICT_JOURNAL_H

#include <bramble/predict/predict.h>

struct br_journal;

/* Begins a journal of `chunks` chunks of at most `together` samples. Where options->resume, the files that this rank can see are read first, and
 * of the chunks in them that are of the same run (its key) each is taken over by one rank: *found [*n_found] are this rank's answers from them, appended. Otherwise
 * what is left of earlier runs is removed. Errors: BR_ERROR_FAILED, BR_ERROR_MEMORY, BR_ERROR_COMM, on all ranks alike. Collective. */
int br__journal_open(struct br_comm *comm, const struct br_journal_options *options, uint64_t chunks, int together, struct br_answer *found, size_t *n_found, struct br_journal **out);
void br__journal_close(struct br_journal *journal); /* NULL does nothing; the files stay */
/* Whether some rank has the chunk from an earlier run. */
bool br__journal_has(const struct br_journal *journal, uint64_t chunk);
/* Appends a chunk's answers. Thread-safe. Errors: BR_ERROR_FAILED. */
int br__journal_add(struct br_journal *journal, uint64_t chunk, const struct br_answer *answers, int n);

#endif
