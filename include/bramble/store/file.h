/* Files: whole reads, maps, and writes that are either complete or not there. */
#ifndef BRAMBLE_STORE_FILE_H
#define BRAMBLE_STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A read-only view of a whole file, mapped where it can be, read where it cannot (pipes). */
struct br_map {
  const unsigned char *data;
  size_t bytes;
  bool mapped;
};
/* Errors: BR_ERROR_DATA naming the path and the reason. */
int br_map_open(const char *path, struct br_map *map);
void br_map_close(struct br_map *map); /* zeroed map: nothing */
/* These bytes of the view are not needed now: their pages leave this process's memory, and come back from the file when they are read again. */
void br_map_forget(const struct br_map *map, const void *at, size_t bytes);

/* The whole content of a file, decompressed when it starts as gzip does, in a block of br_memory_alloc with a 0 after the last byte; at most
 * `limit` bytes (0: no limit). Errors: BR_ERROR_DATA. */
int br_file_read(const char *path, size_t limit, unsigned char **data, size_t *bytes);

/* A file that appears under its name only when it is complete: written to "path.tmp.PID", flushed to disk, renamed. A pipe or a device that is there is
 * written to as it is, never replaced. */
struct br_writer;
int br_writer_open(const char *path, struct br_writer **out);
int br_writer_write(struct br_writer *writer, const void *data, size_t bytes);
int br_writer_printf(struct br_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Flushes, renames, frees; on failure the temporary file is removed and the old file, if any, is untouched. */
int br_writer_commit(struct br_writer *writer);
/* Removes the temporary file and frees; NULL does nothing. */
void br_writer_abandon(struct br_writer *writer);
/* Removes the temporary files of all open writers, for a process about to end by a signal: async-signal-safe, and no writer may be used after it. */
void br_writer_remove_unfinished(void);

/* Fails unless a file could be written at `path` now: the folder exists and allows it, and path is no folder. */
int br_file_check_writable(const char *path);
/* Makes a folder and those above it that are missing; one that is there is fine. Errors: BR_ERROR_FAILED, BR_ERROR_USAGE. */
int br_folder_make(const char *path);
bool br_file_exists(const char *path);
/* True where both paths lead to one file or folder, by whatever names; pipes and devices are not meant. */
bool br_file_same(const char *a, const char *b);

#endif
