/* fork and exec, without a shell: stdout is kept, of stderr the last line, and wait4 gives time and memory. The child is killed when this
 * process dies, so that no run is left behind that nobody watches. */
#include "lab/process.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_SECONDS 0.2
#define GRACE_SECONDS 10 /* between asking a program to end and ending it */
#define MAX_OUTPUT ((size_t)64 << 20)
#define MAX_WORDS 4096

int br_words_split(const char *command, char ***out, int *n_out) {
  size_t length = strlen(command), slots = length / 2 + 2;
  if (slots > MAX_WORDS) slots = MAX_WORDS;
  char **words;
  BR_TRY(br_memory_alloc(slots * sizeof(char *) + length + 1, 1, "words", &words));
  char *text = (char *)(words + slots);
  size_t n = 0;
  for (const char *p = command; *p;) {
    while (*p == ' ' || *p == '\n' || *p == '\t') p++;
    if (!*p) break;
    if (n + 1 == slots) {
      br_memory_free(words);
      BR_FAIL(BR_ERROR_USAGE, "the command has more than %d words", MAX_WORDS);
    }
    words[n++] = text;
    for (char quote = 0; *p && (quote || (*p != ' ' && *p != '\n' && *p != '\t')); p++) {
      if (quote ? *p == quote : *p == '\'' || *p == '"')
        quote = quote ? 0 : *p;
      else
        *text++ = *p;
      if (!p[1] && quote) {
        br_memory_free(words);
        BR_FAIL(BR_ERROR_USAGE, "the quote %c does not end in: %.200s", quote, command);
      }
    }
    *text++ = 0;
  }
  words[n] = NULL;
  if (n == 0) {
    br_memory_free(words);
    BR_FAIL(BR_ERROR_USAGE, "the command is empty");
  }
  *out = words;
  if (n_out) *n_out = (int)n;
  return BR_OK;
}

struct stream {
  int fd;
  char *data;
  size_t used, room;
};

struct running {
  const struct br_process_options *options;
  struct br_process_result *result;
  pid_t pid;
  struct stream out;
  int error_fd;
  char line[512]; /* of stderr, as far as it came */
  size_t line_used;
  double start, asked; /* when it was asked to end, 0: not yet */
};

static void limit_cores(int cores) {
  cpu_set_t allowed, fewer;
  CPU_ZERO(&fewer);
  if (cores < 1 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int i = 0; i < CPU_SETSIZE && cores > 0; i++)
    if (CPU_ISSET(i, &allowed)) {
      CPU_SET(i, &fewer);
      cores--;
    }
  sched_setaffinity(0, sizeof fewer, &fewer);
}

static void enter_group(const char *group) {
  char path[700];
  if (!group || !*group) return;
  snprintf(path, sizeof path, "%s/cgroup.procs", group);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) _exit(126); /* a run that is not held to what its case says is none */
  close(fd);
}

/* In the child. `failure` closes by itself when exec succeeds and tells errno when it does not. */
static _Noreturn void become(const struct br_process_options *options, int out, int error, int failure, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  limit_cores(options->cores);
  enter_group(options->group);
  int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  struct sigaction normal = {.sa_handler = SIG_DFL};
  sigaction(SIGPIPE, &normal, NULL);
  execvp(options->argv[0], options->argv);
  int why = errno;
  if (write(failure, &why, sizeof why) < 0) _exit(126);
  _exit(127);
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static int start(struct running *r) {
  int out[2] = {-1, -1}, error[2] = {-1, -1}, failure[2] = {-1, -1};
  pid_t parent = getpid();
  bool made = pipe2(out, O_CLOEXEC) == 0 && pipe2(error, O_CLOEXEC) == 0 && pipe2(failure, O_CLOEXEC) == 0;
  r->start = br_clock_seconds();
  r->pid = made ? fork() : -1;
  if (r->pid == 0) become(r->options, out[1], error[1], failure[1], parent);
  int why = errno;
  if (r->pid > 0) setpgid(r->pid, r->pid);
  close_fd(&out[1]);
  close_fd(&error[1]);
  close_fd(&failure[1]);
  r->out.fd = out[0];
  r->error_fd = error[0];
  int status = r->pid > 0 ? BR_OK : br_error_set(BR_ERROR_FAILED, "%s cannot be started: %s", r->options->argv[0], strerror(why));
  if (r->pid > 0 && read(failure[0], &why, sizeof why) == (ssize_t)sizeof why) {
    r->result->missing = why == ENOENT || why == EACCES;
    strcpy(r->result->last_words, strerror(why));
  }
  close_fd(&failure[0]);
  return status;
}

static int keep_output(struct stream *s, const char *data, size_t bytes) {
  if (s->used + bytes > MAX_OUTPUT) return BR_OK; /* what is more than that is not a list of figures */
  if (s->used + bytes + 1 > s->room) {
    size_t room = 2 * (s->used + bytes) + 4096;
    char *larger = realloc(s->data, room);
    if (!larger) BR_FAIL(BR_ERROR_MEMORY, "no memory for the output of a program");
    s->data = larger;
    s->room = room;
  }
  memcpy(s->data + s->used, data, bytes);
  s->used += bytes;
  s->data[s->used] = 0;
  return BR_OK;
}

static void keep_last_line(struct running *r, const char *data, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    if (data[i] != '\n' && data[i] != '\r') {
      if (r->line_used + 1 < sizeof r->line) r->line[r->line_used++] = data[i];
      continue;
    }
    r->line[r->line_used] = 0;
    if (r->line_used) memcpy(r->result->last_words, r->line, r->line_used + 1);
    r->line_used = 0;
  }
}

/* Reads what is there; closes a stream that ended. */
static int read_streams(struct running *r, int wait_ms) {
  struct pollfd polled[2] = {{r->out.fd, POLLIN, 0}, {r->error_fd, POLLIN, 0}};
  char block[16384];
  if (poll(polled, 2, wait_ms) <= 0) return BR_OK;
  if (polled[0].revents) {
    ssize_t n = read(r->out.fd, block, sizeof block);
    if (n > 0) BR_TRY(keep_output(&r->out, block, (size_t)n));
    if (n == 0 || (n < 0 && errno != EINTR)) close_fd(&r->out.fd);
  }
  if (polled[1].revents) {
    ssize_t n = read(r->error_fd, block, sizeof block);
    if (n > 0) keep_last_line(r, block, (size_t)n);
    if (n == 0 || (n < 0 && errno != EINTR)) close_fd(&r->error_fd);
  }
  return BR_OK;
}

/* Asks a program to end that takes too long or is not wanted any more, and ends it when it does not listen. */
static void watch_over(struct running *r, double now) {
  const struct br_process_options *o = r->options;
  if (!r->result->stopped && o->stop && o->stop(o->arg)) r->result->stopped = true;
  if (!r->result->timed_out && !r->result->stopped && o->timeout > 0 && now - r->start > o->timeout) r->result->timed_out = true;
  if (!r->result->stopped && !r->result->timed_out) return;
  if (r->asked == 0) {
    r->asked = now;
    kill(-r->pid, SIGTERM);
  } else if (now - r->asked > GRACE_SECONDS) {
    kill(-r->pid, SIGKILL);
  }
}

static int watch(struct running *r) {
  struct rusage usage;
  int wait_status, status = BR_OK;
  double last_tick = r->start;
  for (;;) {
    pid_t ended = wait4(r->pid, &wait_status, WNOHANG, &usage);
    double now = br_clock_seconds();
    if (ended == r->pid) break;
    if (r->out.fd >= 0 || r->error_fd >= 0) {
      int read_status = read_streams(r, 20);
      if (status == BR_OK) status = read_status;
    } else {
      poll(NULL, 0, 1);
    }
    if (now - last_tick < TICK_SECONDS) continue;
    last_tick = now;
    watch_over(r, now);
    if (r->options->tick) r->options->tick(r->options->arg, now - r->start);
  }
  struct br_process_result *result = r->result;
  result->wall_seconds = br_clock_seconds() - r->start;
  result->cpu_seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec + 1e-6 * ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec);
  result->peak_rss_bytes = 1024.0 * (double)usage.ru_maxrss;
  result->exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  kill(-r->pid, SIGKILL); /* what it left behind */
  for (double end = br_clock_seconds() + 1; status == BR_OK && (r->out.fd >= 0 || r->error_fd >= 0) && br_clock_seconds() < end;) status = read_streams(r, 50);
  return status;
}

int br_process_run(const struct br_process_options *options, struct br_process_result *result) {
  *result = (struct br_process_result){0};
  struct running r = {.options = options, .result = result, .out.fd = -1, .error_fd = -1};
  int status = start(&r);
  if (status == BR_OK) status = watch(&r);
  keep_last_line(&r, "\n", 1);
  close_fd(&r.out.fd);
  close_fd(&r.error_fd);
  if (status == BR_OK && !r.out.data) status = keep_output(&r.out, "", 0);
  result->out = r.out.data;
  result->out_bytes = r.out.used;
  if (status != BR_OK) br_process_free(result);
  return status;
}

void br_process_free(struct br_process_result *result) {
  free(result->out);
  result->out = NULL;
}
