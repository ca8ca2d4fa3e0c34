/* The monotonic clock as a double. */
#include <bramble/base/clock.h>

#include <stdio.h>
#include <time.h>

static double seconds(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double br_clock_seconds(void) { return seconds(CLOCK_MONOTONIC); }
double br_clock_cpu_seconds(void) { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

double br_clock_delayed_seconds(void) {
  FILE *file = fopen("/proc/thread-self/schedstat", "re");
  double ran, delayed; /* nanoseconds */
  if (!file || fscanf(file, "%lf %lf", &ran, &delayed) != 2) delayed = 0;
  if (file) fclose(file);
  return 1e-9 * delayed;
}
