/* Is this cluster fit? Every node examined, problems with their mends. */
#ifndef BRAMBLE_LAB_DOCTOR_H
#define BRAMBLE_LAB_DOCTOR_H

#include <bramble/cluster/comm.h>
#include <bramble/cluster/link.h>
#include <bramble/record/machine.h>

#include <stdbool.h>

struct br_doctor_node {
  struct br_machine machine;
  struct br_machine_state state; /* while all its ranks computed */
  int ranks, first_rank;
  double gflops;                    /* of a rank's thread, all ranks at work: the slowest rank's */
  double disk_write, disk_read, disk_free; /* bytes a second; bytes: of the folder one works in */
  double clock_ahead;               /* seconds, of rank 0's clock */
  char program[65], mpi[64];        /* hash of the program, MPI library */
  char interface[32];               /* that carried the messages of the link probe; "": none, ranks of one machine share memory */
  double interface_mbit;            /* as its driver tells it; 0: unknown */
  bool wireless;
  struct br_link link;              /* from its last rank to the next node; zero where there is one node */
};

struct br_doctor_problem {
  char host[64], what[200], mend[200];
};

struct br_doctor_report {
  struct br_doctor_node *nodes;
  int n_nodes;
  struct br_doctor_problem *problems;
  int n_problems, room;
  int ranks;
  double sum_bytes, sum_seconds, sum_limit; /* an all-reduce of 3 MB over all ranks, and what the slowest link allows; 0 for one rank */
};

/* Examines all nodes; `program` is the running program's file, `folder` where the disk is tried, `hosts` a file of hosts that are tried to be reached (NULL: none). The
 * report is complete on rank 0. Errors: BR_ERROR_COMM, BR_ERROR_MEMORY, BR_ERROR_DATA for a file of hosts that cannot be read; what cannot be examined is a problem in the report, not an error. Collective. */
int br_doctor_run(struct br_comm *comm, const char *program, const char *folder, const char *hosts, struct br_doctor_report *report);
void br_doctor_free(struct br_doctor_report *report);

#endif
