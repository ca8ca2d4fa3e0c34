/* The small things that several kinds of data sets share: samples that grow, class names, paths, files read at offsets. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int br__sample_shape(struct br_sample *sample, int H, int W, int C, enum br_sample_type type) {
  size_t bytes = type == BR_SAMPLE_F32 ? sizeof(float) : 1;
  if (!br_size_mul(bytes, (size_t)H, &bytes) || !br_size_mul(bytes, (size_t)W, &bytes) || !br_size_mul(bytes, (size_t)C, &bytes))
    BR_FAIL(BR_ERROR_MEMORY, "a sample of %d x %d x %d does not fit in memory", H, W, C);
  if (bytes > sample->capacity_bytes) {
    br_memory_free(sample->pixels);
    sample->pixels = NULL;
    sample->capacity_bytes = 0;
    BR_TRY(br_memory_alloc(bytes, 1, "a sample", &sample->pixels));
    sample->capacity_bytes = bytes;
  }
  sample->H = H, sample->W = W, sample->C = C, sample->type = type;
  return BR_OK;
}

uint64_t br__limited(uint64_t count, uint64_t limit) { return limit && limit < count ? limit : count; }

bool br__in_part(enum br_data_part part, uint64_t index) {
  struct br_random random = br_random_open(0, BR_RANDOM_SPLIT, 0, index);
  return (br_random_double(&random) < 0.2) == (part == BR_DATA_TEST);
}

int br__class_names_numbered(int classes, const char ***names) {
  enum { DIGITS = 12 };
  size_t n = (size_t)classes;
  char *block;
  BR_TRY(br_memory_alloc(n, sizeof(char *) + DIGITS, "class names", &block));
  *names = (const char **)(void *)block;
  char *text = block + n * sizeof(char *);
  for (int i = 0; i < classes; i++, text += DIGITS) {
    snprintf(text, DIGITS, "%d", i);
    (*names)[i] = text;
  }
  return BR_OK;
}

int br__class_names_read(const char *path, int classes, const char ***names) {
  unsigned char *text;
  size_t bytes, n = (size_t)classes * sizeof(char *);
  BR_TRY(br_file_read(path, 1 << 20, &text, &bytes));
  char *block;
  int status = br_memory_alloc(n + bytes + 1, 1, "class names", &block);
  if (status == BR_OK) memcpy(block + n, text, bytes);
  br_memory_free(text);
  BR_TRY(status);
  *names = (const char **)(void *)block;
  char *rest = block + n, *line;
  for (int i = 0; i < classes; i++) {
    do line = strsep(&rest, "\r\n");
    while (line && !*line);
    if (!line) {
      br_memory_free(block);
      *names = NULL;
      BR_FAIL(BR_ERROR_DATA, "%s: %d class names, %d are needed; copy the file again", path, i, classes);
    }
    (*names)[i] = line;
  }
  return BR_OK;
}

int br__path_join(char path[BR__PATH], const char *folder, const char *name) {
  int n = snprintf(path, BR__PATH, "%s/%s", folder, name);
  if (n < 0 || n >= BR__PATH) BR_FAIL(BR_ERROR_DATA, "%.60s...: a path of more than %d bytes", folder, BR__PATH - 1);
  return BR_OK;
}

int br__file_open(const char *path, struct br__file *file) {
  *file = (struct br__file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
  struct stat info;
  if (file->fd < 0 || fstat(file->fd, &info) != 0 || !(file->path = strdup(path))) {
    int error = errno;
    br__file_close(file);
    BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(error));
  }
  if (!S_ISREG(info.st_mode)) {
    br__file_close(file);
    BR_FAIL(BR_ERROR_DATA, "%s: is not a file", path);
  }
  file->bytes = (uint64_t)info.st_size;
  return BR_OK;
}

int br__file_read_at(const struct br__file *file, uint64_t offset, void *data, size_t bytes) {
  char *to = data;
  while (bytes) {
    ssize_t n = pread(file->fd, to, bytes, (off_t)offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) BR_FAIL(BR_ERROR_DATA, "%s: reading at byte %llu failed: %s", file->path, (unsigned long long)offset, strerror(errno));
    if (n == 0) BR_FAIL(BR_ERROR_DATA, "%s: ends at byte %llu, within a sample; copy the file again", file->path, (unsigned long long)offset);
    to += n, offset += (uint64_t)n, bytes -= (size_t)n;
  }
  return BR_OK;
}

void br__file_close(struct br__file *file) {
  if (file->fd >= 0) close(file->fd);
  free(file->path);
  *file = (struct br__file){.fd = -1};
}
