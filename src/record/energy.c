/* Three kinds of meter behind one question. RAPL counts energy in microjoules and starts again at 0 at its range's end; the others give watts, which are added up. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/record/energy.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASK_SECONDS 2.0 /* after which a command is ended: the run must not wait for its meter */
#define RAPL "/sys/class/powercap/intel-rapl:[0-9]*" /* packages; their parts have a second colon */
#define MAX_PACKAGES 16
#define PI_COMMAND "vcgencmd pmic_read_adc 2>/dev/null"

enum meter_kind { METER_RAPL, METER_RAILS, METER_COMMAND };

struct br_meter {
  enum meter_kind kind;
  char command[512];
  char package[MAX_PACKAGES][96]; /* folders */
  double last[MAX_PACKAGES], range[MAX_PACKAGES];
  int n_packages;
  double joules, watts, time; /* so far; of the last reading */
};

static double read_number(const char *folder, const char *name) {
  char path[160];
  double value;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "re");
  if (!file || fscanf(file, "%lf", &value) != 1) value = NAN;
  if (file) fclose(file);
  return value;
}

static bool find_packages(struct br_meter *m) {
  glob_t found;
  if (glob(RAPL, 0, NULL, &found) != 0) return false;
  for (size_t i = 0; i < found.gl_pathc && m->n_packages < MAX_PACKAGES; i++) {
    const char *folder = found.gl_pathv[i], *name = strrchr(folder, '/') + 1;
    double now = read_number(folder, "energy_uj");
    if (strchr(strchr(name, ':') + 1, ':') || isnan(now) || strlen(folder) >= sizeof m->package[0]) continue;
    strcpy(m->package[m->n_packages], folder);
    m->range[m->n_packages] = read_number(folder, "max_energy_range_uj");
    m->last[m->n_packages++] = now;
  }
  globfree(&found);
  return m->n_packages > 0;
}

static void add_packages(struct br_meter *m) {
  for (int i = 0; i < m->n_packages; i++) {
    double now = read_number(m->package[i], "energy_uj"), used = now - m->last[i];
    if (isnan(now)) continue;
    if (used < 0) used += m->range[i];
    if (used > 0) m->joules += 1e-6 * used;
    m->last[i] = now;
  }
}

/* A rail's name ends in _A or _V; "3V3_SYS_A current(1)=0.0517A" and "3V3_SYS_V volt(9)=3.3V" are of one. */
double br_meter_rails(const char *text) {
  double watts = NAN;
  for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    char name[40];
    if (sscanf(line, " %39s", name) != 1) continue;
    size_t n = strlen(name);
    const char *equals = memchr(line, '=', strcspn(line, "\n"));
    if (n < 3 || strcmp(name + n - 2, "_A") != 0 || !equals) continue;
    name[n - 1] = 'V';
    const char *volts = strstr(text, name), *is = volts ? memchr(volts, '=', strcspn(volts, "\n")) : NULL;
    if (is) watts = (isnan(watts) ? 0 : watts) + strtod(equals + 1, NULL) * strtod(is + 1, NULL);
  }
  return watts;
}

/* The first number in a text, as "P = 4.2 W" has one. */
static double first_number(const char *text) {
  const char *digit = strpbrk(text, "0123456789");
  if (!digit) return NAN;
  if (digit > text && digit[-1] == '.') digit--;
  return strtod(digit, NULL);
}

/* The shell with a command, in a process group of its own, its output into `to`; 0 if it cannot be started. */
static pid_t start_shell(const char *command, int to) {
  char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL}; /* is only read */
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid = 0;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to, 1);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  if (posix_spawn(&pid, "/bin/sh", &actions, &attributes, argv, environ) != 0) pid = 0;
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return pid;
}

/* What a command prints until it closes its output, or its time is over; text ends with a 0. */
static void ask(const char *command, char *text, size_t room) {
  int ends[2];
  size_t n = 0;
  text[0] = 0;
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  pid_t pid = start_shell(command, ends[1]);
  close(ends[1]);
  for (double end = br_clock_seconds() + ASK_SECONDS; pid && n + 1 < room;) {
    struct pollfd wait = {.fd = ends[0], .events = POLLIN};
    double left = end - br_clock_seconds();
    if (left <= 0 || poll(&wait, 1, (int)(1000 * left) + 1) == 0) break;
    ssize_t got = read(ends[0], text + n, room - 1 - n);
    if (got > 0) n += (size_t)got;
    if (got == 0 || (got < 0 && errno != EINTR)) break;
  }
  text[n] = 0;
  close(ends[0]);
  if (!pid) return;
  kill(-pid, SIGKILL); /* what is left of it */
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static double ask_watts(const struct br_meter *m) {
  char text[4096];
  ask(m->command, text, sizeof text);
  return m->kind == METER_RAILS ? br_meter_rails(text) : first_number(text);
}

int br_meter_open(const char *command, struct br_meter **out) {
  *out = NULL;
  struct br_meter *m = calloc(1, sizeof *m);
  if (!m) BR_FAIL(BR_ERROR_MEMORY, "no memory for a meter");
  m->kind = command ? METER_COMMAND : METER_RAPL;
  snprintf(m->command, sizeof m->command, "%s", command ? command : PI_COMMAND);
  bool found = !command && find_packages(m);
  if (!found) {
    if (!command) m->kind = METER_RAILS;
    m->watts = ask_watts(m);
    found = isfinite(m->watts);
  }
  m->time = br_clock_seconds();
  if (found)
    *out = m;
  else
    free(m);
  if (!found && command) BR_FAIL(BR_ERROR_USAGE, "--watts %s: printed no number within 2 s; it is to print the watts that the machine takes now", command);
  return BR_OK;
}

void br_meter_close(struct br_meter *m) { free(m); }

const char *br_meter_name(const struct br_meter *m) {
  static const char *const names[] = {"RAPL", "Pi 5 power chip", "command"};
  return m ? names[m->kind] : "";
}

double br_meter_joules(struct br_meter *m) {
  if (!m) return NAN;
  if (m->kind == METER_RAPL) {
    add_packages(m);
    return m->joules;
  }
  double watts = ask_watts(m), now = br_clock_seconds();
  if (!isfinite(watts)) watts = m->watts;
  m->joules += 0.5 * (watts + m->watts) * (now - m->time);
  m->watts = watts;
  m->time = now;
  return m->joules;
}
