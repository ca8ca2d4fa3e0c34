/* The parts of an examination. Private to the room. */
#ifndef LAB_DOCTOR_H
#define LAB_DOCTOR_H

#include <bramble/lab/doctor.h>

/* Adds a problem while there is room; host "all": of no one machine. */
void br_doctor_problem_add(struct br_doctor_report *report, const char *host, const char *mend, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds the problems that the findings show: of each machine, between machines, of links. Not collective. */
int br_doctor_judge(struct br_doctor_report *report);

#define BR_DOCTOR_HOSTS 256 /* of a file that are tried */
/* Adds as problems the hosts of a file that do not answer, or have no ssh. Errors: BR_ERROR_DATA, BR_ERROR_USAGE for a file without hosts. Not collective. */
int br_doctor_reach(const char *path, struct br_doctor_report *report);

#define BR_DOCTOR_INTERFACES 32
/* Bytes that went through each network interface of this machine since it started. */
struct br_doctor_traffic {
  int n;
  char name[BR_DOCTOR_INTERFACES][32];
  double bytes[BR_DOCTOR_INTERFACES];
};
void br_doctor_traffic_read(struct br_doctor_traffic *traffic);
/* Which interface carried the messages between two readings, into the node. */
void br_doctor_traffic_judge(const struct br_doctor_traffic *before, const struct br_doctor_traffic *after, struct br_doctor_node *node);

/* Speed of matrix products on one thread in GFLOP/s. Not collective. */
int br_doctor_speed(double *gflops);

#endif
