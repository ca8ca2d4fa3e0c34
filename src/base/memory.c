/* Counted, aligned allocation, and the reading of /proc and cgroup limits. A block carries its size in the line before it. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static atomic_size_t held, peak, calls;

/* Blocks from here on are asked to lie in huge pages, where the system has them: then matrices that are read from memory in order miss fewer
 * translations. Only whole huge pages inside the block are touched by that, so nothing is wasted; where it fails nothing is lost. */
#define HUGE_LEAST ((size_t)4 << 20)

static void ask_for_huge_pages(char *block, size_t bytes) {
#ifdef MADV_HUGEPAGE
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), skip = -(uintptr_t)block % page;
  if (bytes >= HUGE_LEAST) (void)madvise(block + skip, (bytes - skip) / page * page, MADV_HUGEPAGE);
#else
  (void)block, (void)bytes;
#endif
}

int br_memory_alloc(size_t count, size_t element_bytes, const char *what, void *out) {
  size_t bytes;
  if (!br_size_mul(count, element_bytes, &bytes) || bytes > SIZE_MAX / 2)
    BR_FAIL(BR_ERROR_MEMORY, "%s: %zu elements of %zu bytes are more than an address space", what, count, element_bytes);
  size_t total = br_size_align(bytes) + BR_ALIGNMENT;
  char *block = aligned_alloc(BR_ALIGNMENT, total);
  if (!block) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory for %zu bytes", what, bytes);
  ask_for_huge_pages(block, total);
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

/* The two generations of cgroups say the same in other files. */
static const struct cgroup_kind {
  const char *root, *limit, *used, *cache;
} cgroup_kinds[] = {{"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "}, {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "}};

/* The number behind `key` ("": the first of all) in a file of a cgroup; SIZE_MAX for "max" or where there is none. */
static size_t cgroup_number(const struct cgroup_kind *kind, const char *group, const char *name, const char *key) {
  char path[600], line[128];
  unsigned long long value = SIZE_MAX;
  snprintf(path, sizeof path, "%s%s/%s", kind->root, group, name);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%llu", &value) == 1) break;
  if (file) fclose(file);
  return (size_t)value;
}

/* What the group and those around it have left, of which files that were read and are not needed can go. */
static size_t cgroup_left(const struct cgroup_kind *kind, char *group) {
  size_t least = SIZE_MAX;
  for (;;) {
    size_t limit = cgroup_number(kind, group, kind->limit, ""), used = cgroup_number(kind, group, kind->used, ""), cache = cgroup_number(kind, group, "memory.stat", kind->cache);
    if (limit != SIZE_MAX && used != SIZE_MAX) {
      if (cache != SIZE_MAX) used -= cache < used ? cache : used;
      size_t left = limit > used ? limit - used : 0;
      if (left < least) least = left;
    }
    char *slash = strrchr(group, '/');
    if (!slash) return least;
    *slash = 0;
  }
}

/* The same of this process' groups: of the second generation ("0::/path") and of the first one for memory ("4:memory:/path"). */
static size_t cgroups_left(void) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  char line[512];
  size_t least = SIZE_MAX;
  while (file && fgets(line, sizeof line, file)) {
    char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
    if (!path) continue;
    bool second = path == names + 1, first = strncmp(names, ":memory:", 8) == 0;
    path[1 + strcspn(path + 1, "\n")] = 0;
    if (!first && !second) continue;
    size_t left = cgroup_left(&cgroup_kinds[first], path + 1);
    if (left < least) least = left;
  }
  if (file) fclose(file);
  return least;
}

size_t br_memory_rss_bytes(void) { return proc_kb("/proc/self/status", "VmRSS:"); }
size_t br_memory_peak_rss_bytes(void) { return proc_kb("/proc/self/status", "VmHWM:"); }

size_t br_memory_available_bytes(void) {
  size_t available = proc_kb("/proc/meminfo", "MemAvailable:");
  size_t left = cgroups_left();
  if (left != SIZE_MAX && (available == 0 || left < available)) available = left;
  return available;
}

static size_t limit_left(int resource, const char *used_key) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  size_t used = proc_kb("/proc/self/status", used_key);
  return limit.rlim_cur > used ? (size_t)limit.rlim_cur - used : 0;
}

size_t br_memory_own_limit_bytes(void) {
  size_t space = limit_left(RLIMIT_AS, "VmSize:"), data = limit_left(RLIMIT_DATA, "VmData:");
  return space < data ? space : data;
}
