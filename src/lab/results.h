/* The file of a sweep's runs: JSON lines that are only ever appended, each written and synced whole. Private to the room.
 *
 * A line is a run {"run": key, "series", "factors", "repeat", "status", "metrics", ...} or a session {"session": machine, ...} that all runs after
 * it were made in. */
#ifndef LAB_RESULTS_H
#define LAB_RESULTS_H

#include <jansson.h>
#include <stdbool.h>

struct br_results;
/* Opens or makes FOLDER/runs.jsonl for appending, one process at a time; a line torn by a crash is cut off. Errors: BR_ERROR_FAILED, BR_ERROR_USAGE
 * when another sweep writes there. */
int br_results_open(const char *folder, struct br_results **out);
void br_results_close(struct br_results *results);
/* Appends one line and syncs it; takes the reference to `line`. */
int br_results_append(struct br_results *results, json_t *line);
/* The newest run of that key and repeat, or NULL; borrowed. */
json_t *br_results_find(const struct br_results *results, const char *key, int repeat);

/* All lines of FOLDER/runs.jsonl as an array (the caller's reference); a torn last line is left out. Errors: BR_ERROR_DATA naming the line. */
int br_results_load(const char *folder, json_t **lines);

#endif
