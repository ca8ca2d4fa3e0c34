/* What is wrong with the nodes, and what mends it: limits are those of the field's small computers. */
#include "lab/doctor.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void br_doctor_problem_add(struct br_doctor_report *report, const char *host, const char *mend, const char *format, ...) {
  if (report->n_problems == report->room) return;
  struct br_doctor_problem *p = &report->problems[report->n_problems++];
  va_list args;
  va_start(args, format);
  vsnprintf(p->what, sizeof p->what, format, args);
  va_end(args);
  snprintf(p->host, sizeof p->host, "%s", host);
  snprintf(p->mend, sizeof p->mend, "%s", mend);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The upper one of the two in the middle, so that of two nodes the faster is the measure. */
static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_size);
  return x[n / 2];
}

static void judge_machine(struct br_doctor_report *report, const struct br_doctor_node *n) {
  char text[160], size[32];
  if (n->machine.bits != 64) br_doctor_problem_add(report, n->machine.host, "install the 64-bit system", "a %d-bit program: half the registers and no fast kernels", n->machine.bits);
  if (n->ranks > n->machine.cores) br_doctor_problem_add(report, n->machine.host, "start at most as many ranks as cores", "%d ranks share %d cores", n->ranks, n->machine.cores);
  if (n->machine.free_bytes > 0 && n->machine.free_bytes < 4e8) br_doctor_problem_add(report, n->machine.host, "end other programs, the desktop for one", "only %s of memory are free", br_text_bytes(n->machine.free_bytes, size));
  if (strstr(n->machine.swap_device, "mmcblk")) br_doctor_problem_add(report, n->machine.host, "sudo swapoff -a, or swap to zram", "swaps to the SD card %s: slow, and it wears out", n->machine.swap_device);
  if (br_machine_throttle_text(&n->state, text)[0]) br_doctor_problem_add(report, n->machine.host, "a stronger power supply (5.1 V, 3 A or more) and a fan", "%s", text);
  if (n->state.celsius > 80) br_doctor_problem_add(report, n->machine.host, "a heat sink or a fan", "%.0f degrees Celsius", n->state.celsius);
  if (n->state.mhz < 0.75 * n->state.mhz_limit) br_doctor_problem_add(report, n->machine.host, "set the governor: echo performance into cpufreq/scaling_governor; look at power and heat", "runs at %.0f of %.0f MHz under load", n->state.mhz, n->state.mhz_limit);
  if (n->disk_free < 1e9) br_doctor_problem_add(report, n->machine.host, "make room, or work in another folder", "only %s of disk are free here", br_text_bytes(n->disk_free, size));
  if (n->disk_write > 0 && n->disk_write < 8e6) br_doctor_problem_add(report, n->machine.host, "an SSD, or write checkpoints rarely", "the disk writes %s a second", br_text_bytes(n->disk_write, size));
  if (n->disk_free >= 1e9 && n->disk_write <= 0) br_doctor_problem_add(report, n->machine.host, "work in a folder that can be written", "nothing can be written here");
}

static void judge_differences(struct br_doctor_report *report, const struct br_doctor_node *n, double speed) {
  const struct br_doctor_node *first = &report->nodes[0];
  if (strcmp(n->program, first->program) != 0) br_doctor_problem_add(report, n->machine.host, "copy the same build to every node", "another build of the program than on %s", first->machine.host);
  if (strcmp(n->mpi, first->mpi) != 0) br_doctor_problem_add(report, n->machine.host, "install the same MPI everywhere", "%s, but %s has %s", n->mpi, first->machine.host, first->mpi);
  if (strcmp(n->machine.libc, first->machine.libc) != 0) br_doctor_problem_add(report, n->machine.host, "the same release of the system on every node", "%s, but %s has %s", n->machine.libc, first->machine.host, first->machine.libc);
  if (fabs(n->clock_ahead) > 1) br_doctor_problem_add(report, n->machine.host, "sudo timedatectl set-ntp true", "its clock is %.1f s %s that of %s", fabs(n->clock_ahead), n->clock_ahead > 0 ? "ahead of" : "behind", first->machine.host);
  if (n->gflops < 0.9 * speed) br_doctor_problem_add(report, n->machine.host, "look for other programs, heat and power; --balance auto gives it less work", "%.0f %% slower than the others (%.1f against %.1f GFLOP/s)", 100 - 100 * n->gflops / speed, n->gflops, speed);
}

static void judge_links(struct br_doctor_report *report, double bandwidth) {
  for (int i = 0; report->n_nodes > 1 && i < report->n_nodes; i++) {
    const struct br_doctor_node *n = &report->nodes[i], *next = &report->nodes[(i + 1) % report->n_nodes];
    double slower = n->link.to_next < n->link.from_next ? n->link.to_next : n->link.from_next;
    char size[32];
    if (slower < 13e6)
      br_doctor_problem_add(report, n->machine.host, "a cable of category 5e or better, a gigabit switch; look at ethtool", "only %s a second to %s: a link of 100 Mbit/s or WLAN", br_text_bytes(slower, size), next->machine.host);
    else if (slower < 0.6 * bandwidth)
      br_doctor_problem_add(report, n->machine.host, "look at its cable and its port of the switch", "only %s a second to %s, much less than other links", br_text_bytes(slower, size), next->machine.host);
    if (n->wireless) br_doctor_problem_add(report, n->machine.host, "mpiexec -iface eth0 (MPICH), --mca btl_tcp_if_include eth0 (Open MPI); a cable", "MPI goes over WLAN (%s)", n->interface);
    if (n->interface_mbit > 0 && n->interface_mbit < 1000) br_doctor_problem_add(report, n->machine.host, "a cable of category 5e or better, a gigabit switch; look at ethtool", "%s runs at %.0f Mbit/s", n->interface, n->interface_mbit);
    if (n->link.latency > 2e-3) br_doctor_problem_add(report, n->machine.host, "wired Ethernet; no WLAN, no VPN", "%.1f ms to %s", 1e3 * n->link.latency, next->machine.host);
  }
  if (report->n_nodes > 1 && report->sum_seconds > 3 * report->sum_limit)
    br_doctor_problem_add(report, "all", "mpiexec -iface eth0 (MPICH), --mca btl_tcp_if_include eth0 (Open MPI)", "a sum of 3 MB over all ranks takes %.1f ms, the links would allow %.1f ms: MPI may use another interface", 1e3 * report->sum_seconds, 1e3 * report->sum_limit);
}

int br_doctor_judge(struct br_doctor_report *report) {
  double *values;
  BR_TRY(br_memory_alloc((size_t)report->n_nodes, sizeof *values, "doctor", &values));
  for (int i = 0; i < report->n_nodes; i++) values[i] = report->nodes[i].gflops;
  double speed = median(values, report->n_nodes);
  for (int i = 0; i < report->n_nodes; i++) values[i] = report->nodes[i].link.to_next;
  double bandwidth = median(values, report->n_nodes);
  br_memory_free(values);
  for (int i = 0; i < report->n_nodes; i++) {
    judge_machine(report, &report->nodes[i]);
    judge_differences(report, &report->nodes[i], speed);
  }
  judge_links(report, bandwidth);
  return BR_OK;
}
