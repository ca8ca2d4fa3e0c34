/* The bytes of a table's files, and how they are cut into slices. */
#ifndef BRAMBLE_SRC_TABLE_SOURCE_H
#define BRAMBLE_SRC_TABLE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct br__source {
  char *path;
  int fd;                /* -1: in memory */
  int64_t changed[2];    /* when it was last changed, as it was opened */
  unsigned char *memory; /* the content of compressed files and pipes */
  uint64_t bytes;
  uint64_t body;         /* where the records begin: after the byte order mark and the header */
};
struct br__sources {
  struct br__source *list;
  size_t n;
};

/* Opens the files a path or pattern names, in the order of their names. `alone`: one rank, which may read a pipe. */
int br__sources_open(const char *pattern, bool alone, struct br__sources *out);
/* One file that is a text in memory, copied; `name` is for messages. */
int br__sources_open_text(const char *name, const char *text, struct br__sources *out);
void br__sources_close(struct br__sources *sources);
/* BR_OK if the files are what they were when they were opened; else BR_ERROR_DATA. */
int br__sources_check(const struct br__sources *sources);
/* Copies bytes [at, at + n) to `out`. Errors: BR_ERROR_DATA where the file has shrunk or cannot be read. */
int br__source_read(const struct br__source *source, uint64_t at, size_t n, unsigned char *out);

#endif
