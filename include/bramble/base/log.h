/* What is said to people while something runs: warnings and notes, on stderr, from the rank that speaks (rank 0) only. The
 * library sends its text here; the command line decides where it goes. */
#ifndef BRAMBLE_BASE_LOG_H
#define BRAMBLE_BASE_LOG_H

enum br_log_level { BR_LOG_NOTE, BR_LOG_WARNING };

/* One line of text, without a line break at its end. */
void br_log(enum br_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define br_warn(...) br_log(BR_LOG_WARNING, __VA_ARGS__)
#define br_note(...) br_log(BR_LOG_NOTE, __VA_ARGS__)

/* Who receives the lines; NULL (the start value) drops them. Called by the command line before anything else runs. */
void br_log_to(void (*sink)(enum br_log_level level, const char *line));

#endif
