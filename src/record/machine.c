/* Readings of /proc and /sys. One small reader for files of one value, and a loop for each table. */
#include <bramble/base/clock.h>
#include <bramble/base/cpu.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>
#include <bramble/record/machine.h>

#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

/* The first line of a file without its end; "" if it cannot be read. */
static bool read_line(const char *path, char *text, size_t bytes) {
  FILE *file = fopen(path, "re");
  text[0] = 0;
  bool read = file && fgets(text, (int)bytes, file);
  if (file) fclose(file);
  text[strcspn(text, "\n")] = 0;
  return read && text[0];
}

static double read_number(const char *path) {
  char text[64];
  return read_line(path, text, sizeof text) ? strtod(text, NULL) : NAN;
}

static double meminfo(const char *name) {
  FILE *file = fopen("/proc/meminfo", "re");
  char line[128];
  double value = NAN;
  size_t n = strlen(name);
  while (file && fgets(line, sizeof line, file))
    if (strncmp(line, name, n) == 0 && line[n] == ':') value = 1024 * strtod(line + n + 1, NULL);
  if (file) fclose(file);
  return value;
}

static void read_swap(struct br_machine *machine) {
  FILE *file = fopen("/proc/swaps", "re");
  char line[256];
  while (file && fgets(line, sizeof line, file)) {
    double kilobytes;
    char device[64];
    if (sscanf(line, "%63s %*s %lf", device, &kilobytes) != 2) continue; /* the heading */
    strcpy(machine->swap_device, device);
    machine->swap_bytes += 1024 * kilobytes;
  }
  if (file) fclose(file);
}

/* Of the words that the kernel tells of the processor those that say how fast it may be. */
static void read_features(char *text, size_t bytes) {
  static const char *const words[] = {"sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "asimdhp", "asimddp", "sve"};
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[8192];
  size_t used = 0;
  text[0] = 0;
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, "flags", 5) != 0 && strncmp(line, "Features", 8) != 0) continue;
    for (char *save, *word = strtok_r(line, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save))
      for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0 && used + strlen(word) + 2 < bytes) used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? " " : "", word);
    break;
  }
  if (file) fclose(file);
}

void br_machine_read(struct br_machine *machine) {
  *machine = (struct br_machine){.cores = br_cpu_count(), .bits = (int)(8 * sizeof(void *))};
  struct utsname name;
  if (uname(&name) == 0) {
    snprintf(machine->host, sizeof machine->host, "%.63s", name.nodename);
    snprintf(machine->kernel, sizeof machine->kernel, "%.40s %.60s %.20s", name.sysname, name.release, name.machine);
  }
#ifdef __GLIBC__
  snprintf(machine->libc, sizeof machine->libc, "glibc %s", gnu_get_libc_version());
#endif
  snprintf(machine->cpu, sizeof machine->cpu, "%s", br_cpu_name());
  snprintf(machine->isa, sizeof machine->isa, "%s", br_cpu_level_name(br_cpu_level()));
  read_features(machine->features, sizeof machine->features);
  read_line("/proc/device-tree/model", machine->cpu_model, sizeof machine->cpu_model);
  machine->memory_bytes = meminfo("MemTotal");
  machine->free_bytes = (double)br_memory_available_bytes();
  read_swap(machine);
}

/* The smallest, or with sign -1 the largest, of the numbers in the files of a pattern. */
static double extreme(const char *pattern, double sign) {
  glob_t found;
  double best = NAN;
  if (glob(pattern, 0, NULL, &found) != 0) return best;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    double value = read_number(found.gl_pathv[i]);
    if (!isnan(value) && (isnan(best) || sign * value < sign * best)) best = value;
  }
  globfree(&found);
  return best;
}

static double sum_of(const char *pattern) {
  glob_t found;
  double sum = NAN;
  if (glob(pattern, 0, NULL, &found) != 0) return sum;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    double value = read_number(found.gl_pathv[i]);
    if (!isnan(value)) sum = isnan(sum) ? value : sum + value;
  }
  globfree(&found);
  return sum;
}

/* "cpu MHz" of /proc/cpuinfo, where there is no cpufreq: the slowest. */
static double cpuinfo_mhz(void) {
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[1024];
  double best = NAN;
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "cpu MHz", 7) != 0 || !colon) continue;
    double value = strtod(colon + 1, NULL);
    if (isnan(best) || value < best) best = value;
  }
  if (file) fclose(file);
  return best;
}

void br_machine_state_read_quick(struct br_machine_state *state) {
  *state = (struct br_machine_state){.throttled = -1, .throttle_count = -1, .mhz_limit = NAN};
  state->mhz = extreme("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq", 1) / 1000;
  double zone = extreme("/sys/class/thermal/thermal_zone*/temp", -1), sensor = extreme("/sys/class/hwmon/hwmon*/temp*_input", -1);
  state->celsius = (isnan(zone) || sensor > zone ? sensor : zone) / 1000;
}

void br_machine_state_read(struct br_machine_state *state) {
  br_machine_state_read_quick(state);
  state->mhz_limit = extreme("/sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq", 1) / 1000;
  if (isnan(state->mhz)) state->mhz = cpuinfo_mhz();
  char text[64];
  if (read_line("/sys/devices/platform/soc/soc:firmware/get_throttled", text, sizeof text)) state->throttled = (int64_t)strtoll(text, NULL, 16);
  double count = sum_of("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count");
  if (!isnan(count)) state->throttle_count = (int64_t)count;
}

const char *br_machine_throttle_text(const struct br_machine_state *state, char *text) {
  static const char *const words[] = {"under-voltage", "frequency capped", "throttled", "too hot"};
  text[0] = 0;
  for (int bit = 0; state->throttled > 0 && bit < 4; bit++) {
    bool now = state->throttled >> bit & 1, earlier = state->throttled >> (bit + 16) & 1;
    if (now || earlier) snprintf(text + strlen(text), 160 - strlen(text), "%s%s%s", text[0] ? ", " : "", words[bit], now ? " now" : " earlier");
  }
  return text;
}

/* --- counters --- */

static void read_processors(struct br_counters *c) {
  FILE *file = fopen("/proc/stat", "re");
  double user, nice, system, idle, wait, interrupt, soft, steal;
  if (file && fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle, &wait, &interrupt, &soft, &steal) == 8) {
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    c->busy = tick * (user + nice + system + interrupt + soft);
    c->wait = tick * wait;
    c->all = c->busy + c->wait + tick * (idle + steal);
  }
  if (file) fclose(file);
}

/* Whole disks: a name that some earlier one begins is a partition of it. */
static void read_disks(struct br_counters *c) {
  FILE *file = fopen("/proc/diskstats", "re");
  char line[512], name[64], whole[64] = "";
  double read, written;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "%*d %*d %63s %*f %*f %lf %*f %*f %*f %lf", name, &read, &written) != 3) continue;
    if (strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0 || strncmp(name, "dm-", 3) == 0) continue;
    if (whole[0] && strncmp(name, whole, strlen(whole)) == 0) continue;
    strcpy(whole, name);
    c->disk_read += 512 * read;
    c->disk_written += 512 * written;
  }
  if (file) fclose(file);
}

static void read_network(struct br_counters *c) {
  FILE *file = fopen("/proc/net/dev", "re");
  char line[512];
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    double received, sent;
    if (!colon || sscanf(colon + 1, "%lf %*f %*f %*f %*f %*f %*f %*f %lf", &received, &sent) != 2) continue;
    *colon = 0;
    const char *name = line + strspn(line, " ");
    if (strcmp(name, "lo") == 0) continue;
    c->net_received += received;
    c->net_sent += sent;
  }
  if (file) fclose(file);
}

void br_counters_read(struct br_counters *counters) {
  *counters = (struct br_counters){.time = br_clock_seconds()};
  read_processors(counters);
  read_disks(counters);
  read_network(counters);
}

struct br_sample_point br_counters_between(const struct br_counters *from, const struct br_counters *to) {
  double seconds = to->time - from->time, all = to->all - from->all;
  struct br_sample_point p = {.seconds = to->time, .used_bytes = meminfo("MemTotal") - meminfo("MemAvailable")};
  if (all > 0) { /* the kernel says itself that waiting may run backwards a little */
    p.busy = fmin(fmax((to->busy - from->busy) / all, 0), 1);
    p.wait = fmin(fmax((to->wait - from->wait) / all, 0), 1);
  }
  if (seconds > 0) {
    p.disk_read = (to->disk_read - from->disk_read) / seconds;
    p.disk_written = (to->disk_written - from->disk_written) / seconds;
    p.net_received = (to->net_received - from->net_received) / seconds;
    p.net_sent = (to->net_sent - from->net_sent) / seconds;
  }
  return p;
}
