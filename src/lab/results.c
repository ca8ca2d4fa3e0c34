/* Appending and reading runs.jsonl. */
#include "lab/results.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct br_results {
  int fd;
  char path[600];
  json_t *lines; /* all of them, those of earlier sweeps too */
};

/* Parses the whole lines of `text`; *whole = bytes up to the last line break. */
static int parse_lines(const char *path, const char *text, size_t bytes, json_t *lines, size_t *whole) {
  *whole = 0;
  for (int number = 1;; number++) {
    const char *line = text + *whole, *end = memchr(line, '\n', bytes - *whole);
    if (!end) return BR_OK;
    json_error_t error;
    json_t *object = json_loadb(line, (size_t)(end - line), 0, &error);
    if (!json_is_object(object)) {
      json_decref(object);
      BR_FAIL(BR_ERROR_DATA, "%s:%d:%d: %s; take the line out", path, number, error.column > 0 ? error.column : 1, object ? "is not an object" : error.text);
    }
    if (json_array_append_new(lines, object) != 0) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory to read it", path);
    *whole = (size_t)(end - text) + 1;
  }
}

static int load(const char *path, json_t *lines, size_t *whole) {
  unsigned char *text;
  size_t bytes;
  BR_TRY(br_file_read(path, (size_t)1 << 30, &text, &bytes));
  int status = parse_lines(path, (const char *)text, bytes, lines, whole);
  br_memory_free(text);
  return status;
}

int br_results_load(const char *folder, json_t **lines) {
  char path[600];
  size_t whole;
  snprintf(path, sizeof path, "%s/runs.jsonl", folder);
  *lines = json_array();
  int status = load(path, *lines, &whole);
  if (status == BR_OK) return BR_OK;
  json_decref(*lines);
  *lines = NULL;
  return status;
}

static int open_file(const char *folder, struct br_results *r) {
  snprintf(r->path, sizeof r->path, "%s/runs.jsonl", folder);
  r->fd = open(r->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (r->fd < 0) BR_FAIL(BR_ERROR_FAILED, "%s: cannot be written: %s", r->path, strerror(errno));
  if (flock(r->fd, LOCK_EX | LOCK_NB) != 0) BR_FAIL(BR_ERROR_USAGE, "%s: another sweep is writing there; wait for its end", r->path);
  size_t whole;
  BR_TRY(load(r->path, r->lines, &whole));
  if (ftruncate(r->fd, (off_t)whole) != 0) BR_FAIL(BR_ERROR_FAILED, "%s: the torn last line cannot be cut off: %s", r->path, strerror(errno));
  return BR_OK;
}

int br_results_open(const char *folder, struct br_results **out) {
  *out = NULL;
  struct br_results *r = calloc(1, sizeof *r);
  if (!r) BR_FAIL(BR_ERROR_MEMORY, "no memory for results");
  r->fd = -1;
  r->lines = json_array();
  int status = open_file(folder, r);
  if (status != BR_OK)
    br_results_close(r);
  else
    *out = r;
  return status;
}

void br_results_close(struct br_results *r) {
  if (!r) return;
  if (r->fd >= 0) close(r->fd);
  json_decref(r->lines);
  free(r);
}

int br_results_append(struct br_results *r, json_t *line) {
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
  int status = text ? BR_OK : br_error_set(BR_ERROR_FAILED, "%s: a result that is not UTF-8 text cannot be kept", r->path);
  size_t n = text ? strlen(text) : 0;
  if (text) {
    text[n] = '\n'; /* in the place of the 0: one write, one line */
    ssize_t written = write(r->fd, text, n + 1);
    if (written != (ssize_t)n + 1 || fdatasync(r->fd) != 0) {
      status = br_error_set(BR_ERROR_FAILED, "%s: writing failed: %s", r->path, written < 0 ? strerror(errno) : "the disk is full");
      off_t end = lseek(r->fd, 0, SEEK_END);
      if (written > 0 && written < (ssize_t)n + 1 && ftruncate(r->fd, end - written) != 0) status = BR_ERROR_FAILED;
    }
  }
  free(text);
  if (status == BR_OK) json_array_append(r->lines, line);
  json_decref(line);
  return status;
}

json_t *br_results_find(const struct br_results *r, const char *key, int repeat) {
  for (size_t i = json_array_size(r->lines); i-- > 0;) {
    json_t *line = json_array_get(r->lines, i);
    const char *name = json_string_value(json_object_get(line, "run"));
    if (name && strcmp(name, key) == 0 && json_integer_value(json_object_get(line, "repeat")) == repeat) return line;
  }
  return NULL;
}
