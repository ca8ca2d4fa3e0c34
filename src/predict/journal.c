/* Journals are records of one size, each with a hash that begins with the run's key: records of other runs, and the torn end of a file whose writer was killed, are
 * passed over. */
#include "predict/journal.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOGETHER_MOST 16

struct record {
  uint64_t check; /* of what follows */
  uint64_t chunk;
  int64_t n;
  struct br_answer answers[TOGETHER_MOST];
};

struct br_journal {
  char path[1024];
  uint64_t key, chunks;
  int together, file;
  size_t record_bytes;
  int64_t *owner; /* per chunk: ranks minus the rank that has it from an earlier run, 0: none */
  pthread_mutex_t lock;
};

static uint64_t check_of(const struct br_journal *j, const struct record *r) { return br_hash64(j->key, &r->chunk, j->record_bytes - offsetof(struct record, chunk)); }

/* All journals beside the result that this rank can see. */
static bool list_files(const char *path, glob_t *found) {
  char pattern[2100];
  size_t n = 0;
  for (const char *p = path; *p && n < 2000; p++) { /* a name is no pattern */
    if (strchr("*?[\\", *p)) pattern[n++] = '\\';
    pattern[n++] = *p;
  }
  snprintf(pattern + n, sizeof pattern - n, ".part.*");
  return glob(pattern, 0, NULL, found) == 0;
}

void br_journal_remove(const char *path) {
  glob_t files;
  if (list_files(path, &files)) {
    for (size_t i = 0; i < files.gl_pathc; i++) unlink(files.gl_pathv[i]);
    globfree(&files);
  }
}

/* Every sound record of a file not seen before: marked, and its answers appended. */
static void read_file(struct br_journal *j, const char *path, int64_t mark, struct br_answer *found, size_t *n_found, size_t *strange) {
  struct record r;
  FILE *file = fopen(path, "rbe");
  while (file && fread(&r, j->record_bytes, 1, file) == 1) {
    if (r.check != check_of(j, &r) || r.chunk >= j->chunks || r.n < 1 || r.n > j->together) {
      ++*strange;
      continue;
    }
    if (j->owner[r.chunk]) continue;
    j->owner[r.chunk] = mark;
    memcpy(found + *n_found, r.answers, (size_t)r.n * sizeof *found);
    *n_found += (size_t)r.n;
  }
  if (file) fclose(file);
}

/* The lowest rank that has a chunk keeps its answers. */
static int resume(struct br_journal *j, struct br_comm *comm, struct br_answer *found, size_t *n_found) {
  glob_t files;
  size_t strange = 0, kept = 0, done = 0;
  const int64_t mark = br_comm_size(comm) - br_comm_rank(comm);
  if (list_files(j->path, &files)) {
    for (size_t i = 0; i < files.gl_pathc; i++) read_file(j, files.gl_pathv[i], mark, found, n_found, &strange);
    globfree(&files);
  }
  if (strange > 0 && br_comm_rank(comm) == 0) br_warn("%s.part.*: %zu records are not of this model, data and settings, and were not used", j->path, strange);
  BR_TRY(br_comm_max_i64(comm, j->owner, (size_t)j->chunks));
  for (uint64_t c = 0; c < j->chunks; c++) done += j->owner[c] != 0;
  if (br_comm_rank(comm) == 0) br_note("%s: %zu of %llu chunks were answered before", j->path, done, (unsigned long long)j->chunks);
  for (size_t i = 0; i < *n_found; i++)
    if (j->owner[(uint64_t)found[i].sample / (uint64_t)j->together] == mark) found[kept++] = found[i];
  *n_found = kept;
  return BR_OK;
}

/* This rank's own file, behind the last whole record. */
static int open_file(struct br_journal *j, int rank) {
  char path[1100];
  snprintf(path, sizeof path, "%s.part.%d", j->path, rank);
  j->file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  off_t bytes = j->file < 0 ? -1 : lseek(j->file, 0, SEEK_END);
  off_t whole = bytes < 0 ? 0 : bytes / (off_t)j->record_bytes * (off_t)j->record_bytes;
  if (bytes < 0 || ftruncate(j->file, whole) != 0 || lseek(j->file, whole, SEEK_SET) < 0) BR_FAIL(BR_ERROR_FAILED, "%s: cannot be written: %s", path, strerror(errno));
  return BR_OK;
}

int br__journal_open(struct br_comm *comm, const struct br_journal_options *options, uint64_t chunks, int together, struct br_answer *found, size_t *n_found, struct br_journal **out) {
  struct br_journal *j;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *j, "journal", &j));
  *j = (struct br_journal){.key = options->key, .chunks = chunks, .together = together, .file = -1, .record_bytes = offsetof(struct record, answers) + (size_t)together * sizeof(struct br_answer)};
  pthread_mutex_init(&j->lock, NULL);
  int status = (size_t)snprintf(j->path, sizeof j->path, "%s", options->path) < sizeof j->path && together <= TOGETHER_MOST ? BR_OK : br_error_set(BR_ERROR_USAGE, "%s: the name is too long", options->path);
  if (status == BR_OK) status = br_memory_alloc((size_t)chunks, sizeof *j->owner, "journal", &j->owner);
  status = br_comm_agree(comm, status);
  if (status == BR_OK && options->resume) status = resume(j, comm, found, n_found);
  if (status == BR_OK && !options->resume) br_journal_remove(j->path);
  if (status == BR_OK) status = br_comm_barrier(comm); /* all have read, or removed, before anyone writes */
  if (status == BR_OK) status = br_comm_agree(comm, open_file(j, br_comm_rank(comm)));
  if (status == BR_OK)
    *out = j;
  else
    br__journal_close(j);
  return status;
}

void br__journal_close(struct br_journal *j) {
  if (!j) return;
  if (j->file >= 0) close(j->file);
  pthread_mutex_destroy(&j->lock);
  br_memory_free(j->owner);
  br_memory_free(j);
}

bool br__journal_has(const struct br_journal *j, uint64_t chunk) { return j->owner[chunk] != 0; }

int br__journal_add(struct br_journal *j, uint64_t chunk, const struct br_answer *answers, int n) {
  struct record r;
  memset(&r, 0, sizeof r);
  r.chunk = chunk, r.n = n;
  memcpy(r.answers, answers, (size_t)n * sizeof *answers);
  r.check = check_of(j, &r);
  pthread_mutex_lock(&j->lock);
  ssize_t written = write(j->file, &r, j->record_bytes);
  pthread_mutex_unlock(&j->lock);
  if (written != (ssize_t)j->record_bytes) BR_FAIL(BR_ERROR_FAILED, "%s.part.*: cannot be written: %s", j->path, written < 0 ? strerror(errno) : "no space left");
  return BR_OK;
}
