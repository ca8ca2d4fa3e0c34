/* Files are read with pread, not mapped: a file that shrinks while it is read is then an error and not a signal, and pages already parsed
 * do not count as this process's memory. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_one(struct br__source *source, const char *path, bool alone) {
  source->fd = -1;
  source->path = strdup(path);
  if (!source->path) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory to open it", path);
  struct stat info;
  if (stat(path, &info) != 0) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  if (S_ISDIR(info.st_mode)) BR_FAIL(BR_ERROR_DATA, "%s: is a folder; name a file, or '%s/*.csv' for all in it", path, path);
  if (!S_ISREG(info.st_mode) && !alone) BR_FAIL(BR_ERROR_DATA, "%s: is a pipe, which only one rank can read; copy it to a file first", path);
  unsigned char magic[2] = {0, 0};
  if (S_ISREG(info.st_mode)) {
    source->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
    source->bytes = (uint64_t)info.st_size;
    source->changed[0] = info.st_mtim.tv_sec, source->changed[1] = info.st_mtim.tv_nsec;
    if (source->bytes >= 2) BR_TRY(br__source_read(source, 0, 2, magic));
    if (magic[0] != 0x1f || magic[1] != 0x8b) return BR_OK;
    close(source->fd);
    source->fd = -1;
  }
  size_t bytes;
  BR_TRY(br_file_read(path, 0, &source->memory, &bytes));
  source->bytes = bytes;
  return BR_OK;
}

int br__sources_open(const char *pattern, bool alone, struct br__sources *out) {
  *out = (struct br__sources){0};
  glob_t found;
  memset(&found, 0, sizeof found);
  bool is_pattern = !br_file_exists(pattern) && strpbrk(pattern, "*?[") != NULL;
  if (is_pattern && glob(pattern, 0, NULL, &found) != 0) BR_FAIL(BR_ERROR_DATA, "%s: no file has such a name", pattern);
  size_t n = is_pattern ? found.gl_pathc : 1;
  int status = br_memory_alloc(n, sizeof *out->list, "list of files", &out->list);
  for (size_t i = 0; status == BR_OK && i < n; i++) {
    out->n = i + 1;
    status = open_one(&out->list[i], is_pattern ? found.gl_pathv[i] : pattern, alone);
  }
  if (is_pattern) globfree(&found);
  if (status != BR_OK) br__sources_close(out);
  return status;
}

int br__sources_open_text(const char *name, const char *text, struct br__sources *out) {
  *out = (struct br__sources){0};
  size_t bytes = strlen(text);
  BR_TRY(br_memory_alloc(1, sizeof *out->list, "list of files", &out->list));
  out->n = 1;
  out->list[0] = (struct br__source){.fd = -1, .path = strdup(name), .bytes = bytes};
  int status = br_memory_alloc(bytes, 1, name, &out->list[0].memory);
  if (status == BR_OK && !out->list[0].path) status = br_error_set(BR_ERROR_MEMORY, "%s: no memory to open it", name);
  if (status == BR_OK) memcpy(out->list[0].memory, text, bytes);
  if (status != BR_OK) br__sources_close(out);
  return status;
}

void br__sources_close(struct br__sources *sources) {
  for (size_t i = 0; i < sources->n; i++) {
    if (sources->list[i].fd >= 0) close(sources->list[i].fd);
    br_memory_free(sources->list[i].memory);
    free(sources->list[i].path);
  }
  br_memory_free(sources->list);
  *sources = (struct br__sources){0};
}

int br__sources_check(const struct br__sources *sources) {
  for (size_t i = 0; i < sources->n; i++) {
    const struct br__source *s = &sources->list[i];
    struct stat info;
    if (s->fd < 0) continue;
    if (fstat(s->fd, &info) != 0 || (uint64_t)info.st_size != s->bytes || info.st_mtim.tv_sec != s->changed[0] || info.st_mtim.tv_nsec != s->changed[1])
      BR_FAIL(BR_ERROR_DATA, "%s: was changed while it was read; start again when it is complete", s->path);
  }
  return BR_OK;
}

int br__source_read(const struct br__source *source, uint64_t at, size_t n, unsigned char *out) {
  if (source->fd < 0) {
    memcpy(out, source->memory + at, n);
    return BR_OK;
  }
  for (size_t done = 0; done < n;) {
    ssize_t got = pread(source->fd, out + done, n - done, (off_t)(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) BR_FAIL(BR_ERROR_DATA, "%s: byte %llu cannot be read: %s", source->path, (unsigned long long)(at + done), strerror(errno));
    if (got == 0)
      BR_FAIL(BR_ERROR_DATA, "%s: ends at byte %llu of %llu: it became shorter while it was read; start again when it is complete", source->path, (unsigned long long)(at + done),
              (unsigned long long)source->bytes);
    done += (size_t)got;
  }
  return BR_OK;
}
