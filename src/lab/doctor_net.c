/* The network as the doctor sees it: through which interface the ranks' messages really went, by the kernel's counters; and which hosts of a file answer. */
#include "lab/doctor.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEAST_BYTES 4e6 /* of the probe's tens of megabytes; less was something else */
#define REACH_SECONDS 3.0

void br_doctor_traffic_read(struct br_doctor_traffic *t) {
  FILE *file = fopen("/proc/net/dev", "re");
  char line[512];
  t->n = 0;
  while (file && t->n < BR_DOCTOR_INTERFACES && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    double received, sent;
    if (!colon || sscanf(colon + 1, "%lf %*f %*f %*f %*f %*f %*f %*f %lf", &received, &sent) != 2) continue;
    *colon = 0;
    snprintf(t->name[t->n], sizeof t->name[0], "%.31s", line + strspn(line, " "));
    t->bytes[t->n++] = received + sent;
  }
  if (file) fclose(file);
}

void br_doctor_traffic_judge(const struct br_doctor_traffic *before, const struct br_doctor_traffic *after, struct br_doctor_node *node) {
  double most = LEAST_BYTES, mbit = 0;
  char path[96];
  node->interface[0] = 0;
  for (int i = 0; i < after->n; i++)
    for (int k = 0; k < before->n; k++) {
      double moved = after->bytes[i] - before->bytes[k];
      if (strcmp(after->name[i], before->name[k]) != 0 || moved < most) continue;
      most = moved;
      snprintf(node->interface, sizeof node->interface, "%s", after->name[i]);
    }
  snprintf(path, sizeof path, "/sys/class/net/%s/wireless", node->interface);
  node->wireless = node->interface[0] && access(path, F_OK) == 0;
  snprintf(path, sizeof path, "/sys/class/net/%s/speed", node->interface);
  FILE *file = node->interface[0] ? fopen(path, "re") : NULL;
  if (file && fscanf(file, "%lf", &mbit) == 1 && mbit > 0) node->interface_mbit = mbit;
  if (file) fclose(file);
}

/* --- hosts --- */

/* The next host of a hosts file: the first word of a line, without the number of ranks behind it. False at the end. */
static bool next_host(const char **at, char host[64]) {
  for (;;) {
    *at += strspn(*at, " \t\r\n");
    if (!**at) return false;
    size_t word = strcspn(*at, " \t\r\n:#");
    snprintf(host, 64, "%.*s", (int)(word < 63 ? word : 63), *at);
    *at += strcspn(*at, "\n");
    if (host[0]) return true;
  }
}

/* A connection that has begun; -1 with *why where it cannot. */
static int begin_connection(const char *host, const char **why) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int code = getaddrinfo(host, "22", &hints, &found);
  if (code != 0) {
    *why = gai_strerror(code);
    return -1;
  }
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS ? 0 : errno;
  freeaddrinfo(found);
  if (fd >= 0 && !error) return fd;
  *why = strerror(fd < 0 ? errno : error);
  if (fd >= 0) close(fd);
  return -1;
}

static void end_connection(struct br_doctor_report *report, const char *host, int fd, double end) {
  struct pollfd wait = {.fd = fd, .events = POLLOUT};
  double left = end - br_clock_seconds();
  int error = 0;
  socklen_t size = sizeof error;
  if (poll(&wait, 1, left > 0 ? (int)(1000 * left) : 0) <= 0)
    error = ETIMEDOUT;
  else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
    error = errno;
  close(fd);
  if (error == ECONNREFUSED)
    br_doctor_problem_add(report, host, "sudo systemctl enable --now ssh", "is there, but has no ssh, by which mpiexec starts ranks");
  else if (error)
    br_doctor_problem_add(report, host, "look at its power and its cable", "cannot be reached: %s", strerror(error));
}

int br_doctor_reach(const char *path, struct br_doctor_report *report) {
  unsigned char *text;
  size_t bytes;
  int n = 0;
  BR_TRY(br_file_read(path, (size_t)1 << 20, &text, &bytes));
  char host[BR_DOCTOR_HOSTS][64];
  const char *at = (const char *)text;
  while (n < BR_DOCTOR_HOSTS && next_host(&at, host[n])) n++;
  br_memory_free(text);
  if (n == 0) BR_FAIL(BR_ERROR_USAGE, "--hosts %s: has no hosts; one a line was expected", path);
  int fd[BR_DOCTOR_HOSTS];
  for (int i = 0; i < n; i++) { /* all at once, so that many that are off cost one wait */
    const char *why = "";
    fd[i] = begin_connection(host[i], &why);
    if (fd[i] < 0) br_doctor_problem_add(report, host[i], "look at its name in the file and in /etc/hosts, and at the network", "cannot be reached: %s", why);
  }
  double end = br_clock_seconds() + REACH_SECONDS;
  for (int i = 0; i < n; i++)
    if (fd[i] >= 0) end_connection(report, host[i], fd[i], end);
  return BR_OK;
}
