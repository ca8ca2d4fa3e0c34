/* CPU features by the compiler's own CPUID reader, which checks that the system saves the registers too. */
#include <bramble/base/cpu.h>
#include <bramble/base/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *br_cpu_level_name(enum br_cpu_level level) {
  static const char *const names[] = {"generic", "neon", "avx2", "avx512"};
  return names[level];
}

static enum br_cpu_level machine_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
    return BR_CPU_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return BR_CPU_AVX2;
  return BR_CPU_GENERIC;
#elif defined(__aarch64__)
  return BR_CPU_NEON;
#else
  return BR_CPU_GENERIC;
#endif
}

static enum br_cpu_level find_level(void) {
  enum br_cpu_level level = machine_level();
  const char *cap = getenv("BRAMBLE_CPU");
  if (!cap || !*cap) return level;
  for (enum br_cpu_level l = BR_CPU_GENERIC; l <= BR_CPU_AVX512; l++)
    if (strcmp(cap, br_cpu_level_name(l)) == 0) {
      int same_family = l == BR_CPU_GENERIC || (l == BR_CPU_NEON) == (level == BR_CPU_NEON);
      return same_family && l < level ? l : level;
    }
  br_warn("BRAMBLE_CPU=%s is not one of generic, neon, avx2, avx512; using %s", cap, br_cpu_level_name(level));
  return level;
}

enum br_cpu_level br_cpu_level(void) {
  static int level = -1; /* the same value whoever writes it first */
  int known = __atomic_load_n(&level, __ATOMIC_RELAXED);
  if (known < 0) {
    known = (int)find_level();
    __atomic_store_n(&level, known, __ATOMIC_RELAXED);
  }
  return (enum br_cpu_level)known;
}

const char *br_cpu_name(void) {
  static char name[128];
  if (name[0]) return name;
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[256];
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (colon && (strncmp(line, "model name", 10) == 0 || strncmp(line, "Model", 5) == 0)) {
      snprintf(name, sizeof name, "%s", colon + 2);
      name[strcspn(name, "\n")] = 0;
      break;
    }
  }
  if (file) fclose(file);
  if (!name[0]) strcpy(name, "unknown");
  return name;
}
