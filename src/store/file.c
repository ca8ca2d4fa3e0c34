/* Whole files in, whole files out. Everything Bramble writes for keeps goes through br_writer, so that a full disk, a signal or a power
 * cut leaves the old file or none, never half of one. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Reads all of `file`, through gzip if it is compressed, into a growing block. */
static int read_all(const char *path, gzFile file, size_t limit, unsigned char **data, size_t *bytes) {
  size_t capacity = 1 << 16, used = 0;
  unsigned char *block;
  BR_TRY(br_memory_alloc(capacity + 1, 1, path, &block));
  for (;;) {
    size_t want = capacity - used;
    int n = gzread(file, block + used, (unsigned)(want > 1u << 30 ? 1u << 30 : want));
    int error;
    const char *text = n < 0 ? gzerror(file, &error) : NULL;
    if (n < 0) {
      br_memory_free(block);
      BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, text && *text ? text : strerror(errno));
    }
    if (n == 0) break;
    used += (size_t)n;
    if (limit && used > limit) {
      br_memory_free(block);
      BR_FAIL(BR_ERROR_DATA, "%s: is longer than the %zu bytes it should have", path, limit);
    }
    if (used == capacity) {
      unsigned char *larger;
      int status = br_memory_alloc(2 * capacity + 1, 1, path, &larger);
      if (status == BR_OK) memcpy(larger, block, used);
      br_memory_free(block);
      BR_TRY(status);
      block = larger;
      capacity *= 2;
    }
  }
  int closed_early; /* a gzip stream that ends in the middle */
  gzerror(file, &closed_early);
  if (closed_early == Z_BUF_ERROR) {
    br_memory_free(block);
    BR_FAIL(BR_ERROR_DATA, "%s: the compressed data ends in the middle; copy the file again", path);
  }
  block[used] = 0;
  *data = block;
  *bytes = used;
  return BR_OK;
}

static int refuse_folder(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  if (S_ISDIR(info.st_mode)) BR_FAIL(BR_ERROR_DATA, "%s: is a folder where a file was expected", path);
  return BR_OK;
}

int br_file_read(const char *path, size_t limit, unsigned char **data, size_t *bytes) {
  BR_TRY(refuse_folder(path));
  gzFile file = gzopen(path, "rb");
  if (!file) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  gzbuffer(file, 1 << 17);
  int status = read_all(path, file, limit, data, bytes);
  gzclose(file);
  return status;
}

int br_map_open(const char *path, struct br_map *map) {
  *map = (struct br_map){0};
  BR_TRY(refuse_folder(path));
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    int error = errno;
    if (fd >= 0) close(fd);
    BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(error));
  }
  void *data = MAP_FAILED;
  if (S_ISREG(info.st_mode) && info.st_size > 0) data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (data != MAP_FAILED) {
    *map = (struct br_map){data, (size_t)info.st_size, true};
    return BR_OK;
  }
  unsigned char *block;
  BR_TRY(br_file_read(path, 0, &block, &map->bytes));
  map->data = block;
  return BR_OK;
}

void br_map_close(struct br_map *map) {
  if (map->mapped)
    munmap((void *)(uintptr_t)map->data, map->bytes);
  else
    br_memory_free((void *)(uintptr_t)map->data);
  *map = (struct br_map){0};
}

void br_map_forget(const struct br_map *map, const void *at, size_t bytes) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = ((uintptr_t)at + page - 1) / page * page, last = ((uintptr_t)at + bytes) / page * page;
  if (map->mapped && last > first) madvise((void *)first, last - first, MADV_DONTNEED); /* a wish: nothing depends on it */
}

struct br_writer {
  FILE *file;
  char *path, *temporary; /* temporary NULL: what is there is no file (a pipe, a device), and is written to as it is */
};

/* The temporary files there are, for a signal's handler. More than there is room for stay where a signal finds them. */
static char *unfinished[64];
#define N_UNFINISHED (sizeof unfinished / sizeof *unfinished)

static void exchange_unfinished(char *from, char *to) {
  for (size_t i = 0; i < N_UNFINISHED; i++) {
    char *expected = from;
    if (__atomic_compare_exchange_n(&unfinished[i], &expected, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  }
}

void br_writer_remove_unfinished(void) {
  for (size_t i = 0; i < N_UNFINISHED; i++) {
    const char *path = __atomic_load_n(&unfinished[i], __ATOMIC_SEQ_CST);
    if (path) unlink(path);
  }
}

static void writer_free(struct br_writer *writer) {
  if (writer->temporary) exchange_unfinished(writer->temporary, NULL);
  free(writer->path);
  free(writer->temporary);
  free(writer);
}

int br_writer_open(const char *path, struct br_writer **out) {
  *out = NULL;
  struct br_writer *writer = calloc(1, sizeof *writer);
  struct stat info;
  bool in_place = stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
  if (!writer || !(writer->path = strdup(path)) || (!in_place && asprintf(&writer->temporary, "%s.tmp.%ld", path, (long)getpid()) < 0)) {
    if (writer) {
      writer->temporary = NULL;
      writer_free(writer);
    }
    BR_FAIL(BR_ERROR_MEMORY, "%s: no memory to write it", path);
  }
  if (writer->temporary) exchange_unfinished(NULL, writer->temporary);
  writer->file = fopen(in_place ? path : writer->temporary, "we");
  if (!writer->file) {
    int error = errno;
    writer_free(writer);
    BR_FAIL(BR_ERROR_FAILED, "%s: cannot be written: %s", path, strerror(error));
  }
  *out = writer;
  return BR_OK;
}

int br_writer_write(struct br_writer *writer, const void *data, size_t bytes) {
  if (bytes && fwrite(data, 1, bytes, writer->file) != bytes)
    BR_FAIL(BR_ERROR_FAILED, "%s: writing failed: %s", writer->path, strerror(errno));
  return BR_OK;
}

int br_writer_printf(struct br_writer *writer, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vfprintf(writer->file, format, args);
  va_end(args);
  if (n < 0) BR_FAIL(BR_ERROR_FAILED, "%s: writing failed: %s", writer->path, strerror(errno));
  return BR_OK;
}

/* Makes a rename last: the folder's own entry must reach the disk. */
static void sync_folder(const char *path) {
  char *folder = strdup(path);
  if (!folder) return;
  char *slash = strrchr(folder, '/');
  if (slash) *(slash == folder ? slash + 1 : slash) = 0;
  int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(folder);
}

int br_writer_commit(struct br_writer *writer) {
  int bad = fflush(writer->file) != 0 || (writer->temporary && fsync(fileno(writer->file)) != 0), error = errno;
  if (fclose(writer->file) != 0 && !bad) bad = 1, error = errno;
  writer->file = NULL;
  if (!bad && writer->temporary && rename(writer->temporary, writer->path) != 0) bad = 1, error = errno;
  int status = BR_OK;
  if (bad) {
    if (writer->temporary) unlink(writer->temporary);
    status = br_error_set(BR_ERROR_FAILED, "%s: writing failed: %s", writer->path, strerror(error));
  } else if (writer->temporary) {
    sync_folder(writer->path);
  }
  writer_free(writer);
  return status;
}

void br_writer_abandon(struct br_writer *writer) {
  if (!writer) return;
  fclose(writer->file);
  if (writer->temporary) unlink(writer->temporary);
  writer_free(writer);
}

int br_folder_make(const char *path) {
  char part[4096];
  for (const char *p = path;; p++) {
    if (*p != '/' && *p != 0) continue;
    size_t n = (size_t)(p - path);
    if (n >= sizeof part) BR_FAIL(BR_ERROR_USAGE, "%s: the path is too long", path);
    memcpy(part, path, n);
    part[n] = 0;
    if (n && mkdir(part, 0777) != 0 && errno != EEXIST) BR_FAIL(BR_ERROR_FAILED, "%s: the folder cannot be made: %s", part, strerror(errno));
    if (!*p) break;
  }
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) BR_FAIL(BR_ERROR_USAGE, "%s: is a file where a folder was to be made; choose another name", path);
  return BR_OK;
}

bool br_file_exists(const char *path) { return access(path, F_OK) == 0; }

bool br_file_same(const char *a, const char *b) {
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && (S_ISREG(x.st_mode) || S_ISDIR(x.st_mode)) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int br_file_check_writable(const char *path) {
  struct stat info;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) BR_FAIL(BR_ERROR_USAGE, "%s: is a folder; give a file name", path);
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) { /* to open a pipe is to begin with it */
    if (access(path, W_OK) != 0) BR_FAIL(BR_ERROR_USAGE, "%s: cannot be written: %s", path, strerror(errno));
    return BR_OK;
  }
  struct br_writer *writer;
  int status = br_writer_open(path, &writer);
  if (status == BR_OK) br_writer_abandon(writer);
  return status == BR_ERROR_FAILED ? BR_ERROR_USAGE : status;
}
