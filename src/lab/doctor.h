/* The second half of an examination. Private to the room. */
#ifndef LAB_DOCTOR_H
#define LAB_DOCTOR_H

#include <bramble/lab/doctor.h>

/* Adds the problems that the findings show: of each machine, between machines, of links. Not collective. */
int br_doctor_judge(struct br_doctor_report *report);

/* Speed of matrix products on one thread in GFLOP/s. Not collective. */
int br_doctor_speed(double *gflops);

#endif
