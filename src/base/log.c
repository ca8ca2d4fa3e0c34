/* Formats a line and hands it to the sink. */
#include <bramble/base/log.h>

#include <stdarg.h>
#include <stdio.h>

static void (*receiver)(enum br_log_level level, const char *line);

void br_log_to(void (*sink)(enum br_log_level level, const char *line)) { receiver = sink; }

void br_log(enum br_log_level level, const char *format, ...) {
  if (!receiver) return;
  char line[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  receiver(level, line);
}
