/* The first generation of cgroups has a hierarchy for memory alone, the second lets a group have limits where its parent hands the controller on. */
#include "lab/limit.h"
#include "lab/process.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct generation {
  const char *root, *limit, *swap, *events;
} generations[] = {{"/sys/fs/cgroup", "memory.max", "memory.swap.max", "memory.events"}, {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", NULL, "memory.oom_control"}};

/* This process' group in a hierarchy: the path behind "0::" or ":memory:" in /proc/self/cgroup. */
static bool own_group(int generation, char path[400]) {
  const char *before = generation == 0 ? "0::" : ":memory:";
  FILE *file = fopen("/proc/self/cgroup", "re");
  char line[512];
  bool found = false;
  while (!found && file && fgets(line, sizeof line, file)) {
    char *at = strstr(line, before);
    if (!at || (generation == 0 && at != line)) continue;
    snprintf(path, 400, "%.*s", (int)strcspn(at + strlen(before), "\n"), at + strlen(before));
    found = true;
  }
  if (file) fclose(file);
  return found;
}

static bool write_text(const char *folder, const char *name, const char *text) {
  char path[700];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "we");
  bool written = file && fputs(text, file) >= 0;
  if (file && fclose(file) != 0) written = false;
  return written;
}

static bool make_group(const struct generation *g, double bytes, const char *own, struct br_limit *limit) {
  char text[32];
  snprintf(limit->group, sizeof limit->group, "%s%s/bramble-%d", g->root, strcmp(own, "/") == 0 ? "" : own, (int)getpid());
  snprintf(text, sizeof text, "%.0f", bytes);
  bool held = (mkdir(limit->group, 0755) == 0 || errno == EEXIST) && write_text(limit->group, g->limit, text);
  if (held && g->swap) write_text(limit->group, g->swap, "0"); /* where swap is counted */
  if (held) return true;
  snprintf(limit->why, sizeof limit->why, "memory is not held: %.120s: %s", limit->group, strerror(errno));
  rmdir(limit->group);
  limit->group[0] = 0;
  return false;
}

static bool make_scope(double bytes, struct br_limit *limit) {
  char **split, probe[200];
  struct br_process_result result;
  snprintf(limit->prefix, sizeof limit->prefix, "systemd-run --quiet --collect --scope%s -p MemoryMax=%.0f -p MemorySwapMax=0 -- ", getuid() ? " --user" : "", bytes);
  snprintf(probe, sizeof probe, "%strue", limit->prefix);
  bool works = false;
  if (br_words_split(probe, &split, NULL) == BR_OK) {
    struct br_process_options options = {.argv = split, .timeout = 10};
    works = br_process_run(&options, &result) == BR_OK && result.exit_code == 0;
    br_process_free(&result);
    br_memory_free(split);
  }
  if (!works) limit->prefix[0] = 0;
  return works;
}

void br_limit_open(double bytes, struct br_limit *limit) {
  char own[400];
  *limit = (struct br_limit){.why = "memory is not held: this system has no control groups"};
  for (int generation = 1; generation >= 0; generation--)
    if (own_group(generation, own) && make_group(&generations[generation], bytes, own, limit)) {
      limit->why[0] = 0;
      return;
    }
  if (make_scope(bytes, limit)) limit->why[0] = 0;
}

bool br_limit_exceeded(const struct br_limit *limit) {
  unsigned long long killed = 0;
  for (int generation = 0; limit->group[0] && generation < 2; generation++) {
    char path[700], line[128];
    snprintf(path, sizeof path, "%s/%s", limit->group, generations[generation].events);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
      if (strncmp(line, "oom_kill ", 9) == 0) killed += strtoull(line + 9, NULL, 10);
    if (file) fclose(file);
  }
  return killed > 0;
}

void br_limit_close(struct br_limit *limit) {
  for (int tries = 0; limit->group[0] && rmdir(limit->group) != 0 && errno == EBUSY && tries < 50; tries++) usleep(20000); /* until what was killed is gone */
  limit->group[0] = 0;
}
