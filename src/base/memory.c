/* Counted, aligned allocation, and the reading of /proc and cgroup limits. A block carries its size in the line before it. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_size_t held, peak, calls;

int br_memory_alloc(size_t count, size_t element_bytes, const char *what, void *out) {
  size_t bytes;
  if (!br_size_mul(count, element_bytes, &bytes) || bytes > SIZE_MAX / 2)
    BR_FAIL(BR_ERROR_MEMORY, "%s: %zu elements of %zu bytes are more than an address space", what, count, element_bytes);
  size_t total = br_size_align(bytes) + BR_ALIGNMENT;
  char *block = aligned_alloc(BR_ALIGNMENT, total);
  if (!block) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory for %zu bytes", what, bytes);
  memset(block, 0, total);
  *(size_t *)(void *)block = total;
  size_t now = atomic_fetch_add(&held, total) + total, old = atomic_load(&peak);
  while (now > old && !atomic_compare_exchange_weak(&peak, &old, now)) {
  }
  atomic_fetch_add(&calls, 1);
  *(void **)out = block + BR_ALIGNMENT;
  return BR_OK;
}

void br_memory_free(void *block) {
  if (!block) return;
  char *start = (char *)block - BR_ALIGNMENT;
  atomic_fetch_sub(&held, *(size_t *)(void *)start);
  free(start);
}

size_t br_memory_held_bytes(void) { return atomic_load(&held); }
size_t br_memory_peak_bytes(void) { return atomic_load(&peak); }
size_t br_memory_alloc_calls(void) { return atomic_load(&calls); }

/* The kB value of one "key:   123 kB" line of a /proc file, in bytes. */
static size_t proc_kb(const char *path, const char *key) {
  FILE *file = fopen(path, "re");
  if (!file) return 0;
  char line[256];
  size_t value = 0, n = strlen(key);
  while (fgets(line, sizeof line, file))
    if (strncmp(line, key, n) == 0) {
      value = (size_t)strtoull(line + n, NULL, 10) * 1024;
      break;
    }
  fclose(file);
  return value;
}

/* The one number in a cgroup file; SIZE_MAX for "max" or where the file is missing. */
static size_t cgroup_number(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) return SIZE_MAX;
  unsigned long long value;
  int n = fscanf(file, "%llu", &value);
  fclose(file);
  return n == 1 ? (size_t)value : SIZE_MAX;
}

size_t br_memory_rss_bytes(void) { return proc_kb("/proc/self/status", "VmRSS:"); }
size_t br_memory_peak_rss_bytes(void) { return proc_kb("/proc/self/status", "VmHWM:"); }

size_t br_memory_available_bytes(void) {
  size_t available = proc_kb("/proc/meminfo", "MemAvailable:");
  size_t limit = cgroup_number("/sys/fs/cgroup/memory.max");
  size_t used = cgroup_number("/sys/fs/cgroup/memory.current");
  if (limit != SIZE_MAX && used != SIZE_MAX) {
    size_t left = limit > used ? limit - used : 0;
    if (available == 0 || left < available) available = left;
  }
  return available;
}
