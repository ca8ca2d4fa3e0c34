/* What every test of tables sets up: one rank, three threads, a folder with a CSV file `path` and a model file `model_path`, removed at the end; and
 * that no memory is held then. */
#ifndef TABLE_FIXTURE_H
#define TABLE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/table/evaluate.h>
#include <bramble/table/generate.h>
#include <bramble/table/task.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct br_comm *comm;
static struct br_team *team;
static char folder[] = "/tmp/bramble-table-XXXXXX", path[64], model_path[64];

static int setup(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/t.csv", folder);
  snprintf(model_path, sizeof model_path, "%s/m.safetensors", folder);
  return br_comm_open_self(&comm) || br_team_open(3, &team);
}

static int teardown(void **state) {
  (void)state;
  unlink(path);
  unlink(model_path);
  rmdir(folder);
  br_team_close(team);
  br_comm_close(comm);
  return br_memory_held_bytes() != 0;
}

/* A number of a report: report[group][name], or report[name] where group is NULL. */
static inline double fact(const json_t *report, const char *group, const char *name) {
  const json_t *value = json_object_get(group ? json_object_get(report, group) : report, name);
  if (!value) fail_msg("the report has no %s %s", group ? group : "", name);
  return json_number_value(value);
}

static inline void near(double got, double wanted, double relative) {
  if (!(fabs(got - wanted) <= relative * fabs(wanted))) fail_msg("%.17g where %.17g is right", got, wanted);
}

/* The model saved and opened again. */
static inline struct br_table_model *reopened(const struct br_table_model *model) {
  struct br_table_model *again;
  assert_int_equal(br_table_model_save(model, model_path), BR_OK);
  if (br_table_model_open(model_path, &again) != BR_OK) fail_msg("%s", br_error_message());
  return again;
}

#endif
