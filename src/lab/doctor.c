/* Each rank examines itself, one rank a node its disk; links are tried pair by pair; doctor_judge.c compares. */
#include "lab/doctor.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/kernel/kernel.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SUM_BYTES ((size_t)3000000)
#define DISK_BYTES ((size_t)32 << 20)
#define DISK_BLOCK ((size_t)1 << 20)
#define SIDE 192 /* of the matrices whose product measures speed: at home in every cache */
#define SPEED_SECONDS 0.3

/* Multiply-adds of one thread, the best of many products, in GFLOP/s. */
int br_doctor_speed(double *gflops) {
  float *block;
  void *work;
  size_t n = (size_t)SIDE * SIDE;
  *gflops = 0;
  BR_TRY(br_memory_alloc(3 * n, sizeof *block, "speed", &block));
  int status = br_memory_alloc(br_gemm_work_bytes(SIDE, SIDE, SIDE), 1, "speed", &work);
  if (status != BR_OK) {
    br_memory_free(block);
    return status;
  }
  for (size_t i = 0; i < 2 * n; i++) block[i] = 1.0f / (float)(i % 7 + 1);
  struct br_gemm gemm = {.M = SIDE, .N = SIDE, .K = SIDE, .A = block, .lda = SIDE, .B = block + n, .ldb = SIDE, .C = block + 2 * n, .ldc = SIDE};
  for (double end = br_clock_seconds() + SPEED_SECONDS, now = 0; now < end;) {
    double start = br_clock_seconds();
    br_gemm(&gemm, BR_PART_ALL, work);
    now = br_clock_seconds();
    double speed = 2e-9 * SIDE * SIDE * SIDE / (now - start);
    if (speed > *gflops) *gflops = speed;
  }
  br_memory_free(work);
  br_memory_free(block);
  return BR_OK;
}

static bool write_blocks(int fd, char *block) {
  for (size_t done = 0; done < DISK_BYTES; done += DISK_BLOCK)
    if (write(fd, block, DISK_BLOCK) != (ssize_t)DISK_BLOCK) return false;
  return fdatasync(fd) == 0;
}

/* A file written, synced, dropped from memory, read and removed; speeds stay 0 where that is not possible. */
static void measure_disk(const char *folder, struct br_doctor_node *node) {
  char path[600];
  struct statvfs info;
  if (statvfs(folder, &info) == 0) node->disk_free = (double)info.f_bavail * (double)info.f_frsize;
  if (node->disk_free < 4.0 * (double)DISK_BYTES) return;
  char *block = calloc(1, DISK_BLOCK);
  snprintf(path, sizeof path, "%s/.bramble-doctor.%ld", folder, (long)getpid());
  int fd = block ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
  if (fd >= 0) {
    unlink(path); /* it goes with this process, whatever happens */
    double start = br_clock_seconds();
    if (write_blocks(fd, block)) node->disk_write = (double)DISK_BYTES / (br_clock_seconds() - start);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    start = br_clock_seconds();
    size_t got = 0;
    for (ssize_t n = 1; lseek(fd, (off_t)got, SEEK_SET) >= 0 && (n = read(fd, block, DISK_BLOCK)) > 0;) got += (size_t)n;
    if (got == DISK_BYTES) node->disk_read = (double)got / (br_clock_seconds() - start);
    close(fd);
  }
  free(block);
}

static int examine_self(struct br_comm *comm, const char *program, const char *folder, struct br_doctor_node *node) {
  memset(node, 0, sizeof *node);
  br_machine_read(&node->machine);
  snprintf(node->machine.host, sizeof node->machine.host, "%s", br_comm_host(comm));
  node->ranks = br_comm_node_size(comm);
  node->first_rank = br_comm_rank(comm);
  snprintf(node->mpi, sizeof node->mpi, "%s", br_comm_library(comm));
  if (br_hash_file(program, node->program) != BR_OK) snprintf(node->program, sizeof node->program, "unreadable");
  if (br_comm_node_rank(comm) == 0) measure_disk(folder, node);
  BR_TRY(br_comm_barrier(comm));
  BR_TRY(br_comm_agree(comm, br_doctor_speed(&node->gflops)));
  br_machine_state_read(&node->state);
  return BR_OK;
}

/* Ranks into nodes: a node is known by its name; the slowest of its ranks speaks for it. */
static void group_nodes(const struct br_doctor_node *ranks, int n, const struct br_link *links, const double *clocks, struct br_doctor_report *report) {
  for (int r = 0; r < n; r++) {
    struct br_doctor_node *node = NULL;
    for (int i = 0; i < report->n_nodes; i++)
      if (strcmp(report->nodes[i].machine.host, ranks[r].machine.host) == 0) node = &report->nodes[i];
    if (!node) {
      node = &report->nodes[report->n_nodes++];
      *node = ranks[r];
      node->clock_ahead = clocks[r];
    }
    if (ranks[r].gflops < node->gflops) node->gflops = ranks[r].gflops;
    if (ranks[r].disk_free > 0 && node->disk_free <= 0) node->disk_free = ranks[r].disk_free, node->disk_read = ranks[r].disk_read, node->disk_write = ranks[r].disk_write;
    bool leaves = strcmp(ranks[r].machine.host, ranks[(r + 1) % n].machine.host) != 0;
    if (leaves || n == node->ranks) node->link = links[r];
    if (strcmp(ranks[r].program, node->program) != 0) strcpy(node->program, "differs between its ranks");
  }
}

static int measure_sum(struct br_comm *comm, const struct br_link *links, struct br_doctor_report *report) {
  if (br_comm_size(comm) == 1) return BR_OK;
  BR_TRY(br_link_sum_seconds(comm, SUM_BYTES, 5, &report->sum_seconds));
  double bandwidth = INFINITY, latency = 0;
  for (int r = 0; r < br_comm_size(comm); r++) {
    bandwidth = fmin(bandwidth, fmin(links[r].to_next, links[r].from_next));
    latency = fmax(latency, links[r].latency);
  }
  report->sum_bytes = (double)SUM_BYTES;
  report->sum_limit = br_link_sum_model(br_comm_size(comm), (double)SUM_BYTES, latency, bandwidth);
  return BR_OK;
}

struct rooms {
  struct br_doctor_node *ranks;
  struct br_link *links;
  double *clocks;
};

static int open_rooms(int size, struct rooms *rooms, struct br_doctor_report *report) {
  size_t n = (size_t)size;
  report->room = 14 * size + 4 + BR_DOCTOR_HOSTS;
  BR_TRY(br_memory_alloc(n, sizeof *rooms->ranks, "doctor", &rooms->ranks));
  BR_TRY(br_memory_alloc(n, sizeof *rooms->links, "doctor", &rooms->links));
  BR_TRY(br_memory_alloc(n, sizeof *rooms->clocks, "doctor", &rooms->clocks));
  BR_TRY(br_memory_alloc(n, sizeof *report->nodes, "doctor", &report->nodes));
  return br_memory_alloc((size_t)report->room, sizeof *report->problems, "doctor", &report->problems);
}

/* The links, and on each rank through which interface that went. */
static int measure_links(struct br_comm *comm, struct br_link *links, struct br_doctor_node *mine) {
  struct br_doctor_traffic before, after;
  br_doctor_traffic_read(&before);
  BR_TRY(br_comm_barrier(comm)); /* all have read */
  BR_TRY(br_link_probe(comm, links));
  br_doctor_traffic_read(&after);
  br_doctor_traffic_judge(&before, &after, mine);
  return BR_OK;
}

static int examine(struct br_comm *comm, const char *program, const char *folder, const char *hosts, struct rooms *rooms, struct br_doctor_report *report) {
  struct br_doctor_node mine;
  BR_TRY(br_comm_agree(comm, open_rooms(br_comm_size(comm), rooms, report)));
  BR_TRY(examine_self(comm, program, folder, &mine));
  BR_TRY(br_comm_agree(comm, hosts && br_comm_rank(comm) == 0 ? br_doctor_reach(hosts, report) : BR_OK));
  BR_TRY(br_link_clock_offsets(comm, rooms->clocks));
  BR_TRY(measure_links(comm, rooms->links, &mine));
  BR_TRY(br_comm_allgather(comm, &mine, sizeof mine, rooms->ranks));
  BR_TRY(measure_sum(comm, rooms->links, report));
  group_nodes(rooms->ranks, br_comm_size(comm), rooms->links, rooms->clocks, report);
  return br_comm_agree(comm, br_doctor_judge(report));
}

int br_doctor_run(struct br_comm *comm, const char *program, const char *folder, const char *hosts, struct br_doctor_report *report) {
  *report = (struct br_doctor_report){.ranks = br_comm_size(comm)};
  struct rooms rooms = {0};
  int status = examine(comm, program, folder, hosts, &rooms, report);
  br_memory_free(rooms.ranks);
  br_memory_free(rooms.links);
  br_memory_free(rooms.clocks);
  if (status != BR_OK) br_doctor_free(report);
  return status;
}

void br_doctor_free(struct br_doctor_report *report) {
  br_memory_free(report->nodes);
  br_memory_free(report->problems);
  *report = (struct br_doctor_report){0};
}
