/* Errors: every function that can fail returns a status, 0 for success and a negative br_status otherwise; the message
 * is kept per thread and read by whoever reports it (the command line). The library never prints, exits or aborts.
 *
 * A message is one line that names the thing, the place and the mend: "data_batch_3.bin: 17 bytes at offset 30730000 are
 * not a whole record of 3073; copy the file again". */
#ifndef BRAMBLE_BASE_ERROR_H
#define BRAMBLE_BASE_ERROR_H

/* One row per status: enum name, value, exit code of the command, meaning. */
#define BR_STATUS_LIST(X)                                                    \
  X(BR_OK, 0, 0, "done")                                                     \
  X(BR_ERROR_FAILED, -1, 1, "failed")                                        \
  X(BR_ERROR_USAGE, -2, 2, "wrong usage")                                    \
  X(BR_ERROR_DATA, -3, 3, "bad data or model file")                          \
  X(BR_ERROR_COMM, -4, 4, "communication between ranks failed")              \
  X(BR_ERROR_MEMORY, -5, 5, "does not fit in memory")

enum br_status {
#define X(name, value, exit_code, text) name = value,
  BR_STATUS_LIST(X)
#undef X
};

/* The exit code of the command for a status. */
int br_status_exit_code(int status);

/* Records a formatted message for this thread and returns `status`. The message is cut at 1,023 bytes. */
int br_error_set(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before this thread's message, to add a place on the way up; returns `status` unchanged. */
int br_error_prefix(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* This thread's last message; "" if none. Valid until the next error in this thread. */
const char *br_error_message(void);

/* Fails the calling function with one message. */
#define BR_FAIL(status, ...) return br_error_set((status), __VA_ARGS__)

/* Passes a failure on. */
#define BR_TRY(expr)                                \
  do {                                              \
    int br_try_status_ = (expr);                    \
    if (br_try_status_ != 0) return br_try_status_; \
  } while (0)

/* The same where something must be released first: sets `status` and goes to `label`. */
#define BR_TRY_GOTO(status, expr, label)      \
  do {                                        \
    if (((status) = (expr)) != 0) goto label; \
  } while (0)

#endif
