/* Keeps the last error message of each thread. Called everywhere; must never allocate, so that running out of memory can
 * be reported. */
#include <bramble/base/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

int br_status_exit_code(int status) {
  switch (status) {
#define X(name, value, exit_code, text) \
  case name:                            \
    return exit_code;
    BR_STATUS_LIST(X)
#undef X
  }
  return 1;
}

int br_error_set(int status, const char *format, ...) {
  char text[sizeof message]; /* the arguments may point into the old message */
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  memcpy(message, text, sizeof message);
  return status;
}

int br_error_prefix(int status, const char *format, ...) {
  char text[sizeof message];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  size_t n = strlen(text), room = sizeof text - 1 - n, old = strlen(message);
  if (room > 2) {
    memcpy(text + n, ": ", 2);
    if (old > room - 2) old = room - 2;
    memcpy(text + n + 2, message, old);
    text[n + 2 + old] = 0;
  }
  memcpy(message, text, sizeof message);
  return status;
}

const char *br_error_message(void) { return message; }
