/* Running another program: its output, its time, its memory, on so many cores. Private to the room. */
#ifndef LAB_PROCESS_H
#define LAB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

/* Cuts a command into words at spaces; '...' and "..." hold spaces, \ nothing special. *out ends with NULL and is freed, words and all, by one
 * br_memory_free. Errors: BR_ERROR_USAGE for a quote that does not end or no word at all. */
int br_words_split(const char *command, char ***out, int *n);

struct br_process_options {
  char *const *argv;  /* ends with NULL; argv[0] is looked for in PATH */
  int cores;          /* the first so many of the cores this process may use; 0: all */
  const char *group;  /* folder of a control group to enter; NULL or "": none */
  double timeout;     /* seconds; 0: none */
  void *arg;          /* of the functions */
  bool (*stop)(void *arg);                 /* asked a few times a second; true ends the program. May be NULL */
  void (*tick)(void *arg, double seconds); /* a few times a second. May be NULL */
};

struct br_process_result {
  int exit_code; /* 128 + signal where a signal ended it */
  bool stopped, timed_out, missing; /* missing: there is no such program */
  double wall_seconds, cpu_seconds, peak_rss_bytes; /* of it and all its descendants; peak of the largest one */
  char *out; /* what it wrote on stdout, with a 0 at its end; free with br_process_free */
  size_t out_bytes;
  char last_words[512]; /* the last line of stderr that says something */
};

/* Runs to the end. A program that fails is no error here. The program is in a group of its own, which is ended as one. Errors: BR_ERROR_FAILED,
 * BR_ERROR_MEMORY. */
int br_process_run(const struct br_process_options *options, struct br_process_result *result);
void br_process_free(struct br_process_result *result);

#endif
