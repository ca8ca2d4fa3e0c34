/* Launchers say that a process was killed, but not which rank it was. The dead cannot say it either; so a small process beside each rank does. */
#include "cli/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_COMMUNICATION 4

static volatile pid_t child;

static void pass_on(int signal_number) {
  if (child > 0) kill(child, signal_number);
}

static int launched_size(void) {
  static const char *const names[] = {"PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_NTASKS"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (getenv(names[i])) return atoi(getenv(names[i]));
  return 1;
}

static int wait_for_child(void) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return status;
}

void guard_rank(int rank, const char *hint) {
  struct sigaction action = {.sa_handler = pass_on};
  char host[256] = "";
  if (launched_size() < 2) return;
  pid_t guard = getpid();
  fflush(NULL);
  child = fork();
  if (child < 0) return; /* unguarded, then */
  if (child == 0) {
    setpgid(0, 0); /* signals to the group come through the guard, once */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guard) _exit(EXIT_COMMUNICATION);
    return;
  }
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  int status = wait_for_child();
  if (status >= 0 && WIFEXITED(status)) _exit(WEXITSTATUS(status));
  gethostname(host, sizeof host - 1);
  int number = status >= 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  dprintf(2, "bramble: rank %d (%s) was ended by signal %d (%s)%s\n", rank, host, number, strsignal(number), hint);
  _exit(EXIT_COMMUNICATION);
}
