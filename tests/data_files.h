/* For the tests of the data room: a folder of their own, files in it, and the committed expected pictures. */
#ifndef BRAMBLE_TESTS_DATA_FILES_H
#define BRAMBLE_TESTS_DATA_FILES_H

#include <bramble/base/error.h>
#include <bramble/data/dataset.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char test_folder[256];

static inline void test_folder_make(void) {
  const char *base = getenv("TMPDIR");
  snprintf(test_folder, sizeof test_folder, "%s/bramble_test_XXXXXX", base && *base ? base : "/tmp");
  if (!mkdtemp(test_folder)) abort();
}

static inline void test_folder_remove(void) {
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", test_folder);
  if (system(command) != 0) abort();
}

/* The path of a file in it; eight of them live at once. */
static inline const char *test_path(const char *name) {
  static char paths[8][512];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", test_folder, name);
  return path;
}

static inline void test_make_folder(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s", test_path(name));
  for (char *p = path + strlen(test_folder) + 1; *p; p++)
    if (*p == '/') {
      *p = 0;
      mkdir(path, 0755);
      *p = '/';
    }
  mkdir(path, 0755);
}

static inline void test_write(const char *name, const void *data, size_t bytes) {
  unlink(test_path(name)); /* a file cut and written again is flushed to disk by some file systems, which is slow */
  FILE *file = fopen(test_path(name), "wb");
  if (!file || (bytes && fwrite(data, 1, bytes, file) != bytes) || fclose(file) != 0) abort();
}

/* A file of zeros that takes no room. */
static inline void test_write_zeros(const char *name, off_t bytes) {
  test_write(name, "", 0);
  if (truncate(test_path(name), bytes) != 0) abort();
}

static inline void test_write_at(const char *name, off_t at, const void *data, size_t bytes) {
  FILE *file = fopen(test_path(name), "r+b");
  if (!file || fseeko(file, at, SEEK_SET) != 0 || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) abort();
}

/* A file beside the tests' sources. */
static inline const char *test_reference(const char *name) {
  static char paths[4][1024];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/reference/data/%s", BRAMBLE_TESTS, name);
  return path;
}

/* The folder of real data, or NULL. */
static inline const char *test_shared(const char *name) {
  static char path[1024];
  const char *shared = getenv("BRAMBLE_SHARED");
  if (shared && *shared)
    snprintf(path, sizeof path, "%s/%s", shared, name);
  else
    snprintf(path, sizeof path, "%s/../../shared/%s", BRAMBLE_TESTS, name);
  return access(path, R_OK) == 0 ? path : NULL;
}

/* Opens "KIND:" + the test folder + "/" + name. */
static inline int test_open(const char *kind, const char *name, enum br_data_part part, struct br_dataset **out) {
  char spec[600];
  snprintf(spec, sizeof spec, "%s:%s/%s", kind, test_folder, name);
  return br_dataset_open(spec, &(struct br_dataset_options){.part = part, .seed = 1}, out);
}

#endif
