/* bramble doctor: is this cluster fit? Problems first, then a table, one row a node. */
#include "cli/cli.h"

#include <bramble/base/text.h>
#include <bramble/lab/doctor.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *node_json(const struct br_doctor_node *n) {
  char throttled[160];
  br_machine_throttle_text(&n->state, throttled);
  json_t *link = json_pack("{s:f,s:f,s:f}", "latency_seconds", n->link.latency, "to_next_bytes_per_second", n->link.to_next, "from_next_bytes_per_second", n->link.from_next);
  json_t *node = json_pack("{s:s,s:i,s:i,s:s,s:s,s:s,s:s,s:s,s:i,s:o,s:o,s:f,s:s}", "host", n->machine.host, "ranks", n->ranks, "cores", n->machine.cores, "cpu", n->machine.cpu, "board", n->machine.cpu_model, "kernels", n->machine.isa,
                           "kernel", n->machine.kernel, "libc", n->machine.libc, "bits", n->machine.bits, "memory_bytes", cli_number(n->machine.memory_bytes), "free_bytes", cli_number(n->machine.free_bytes), "swap_bytes", n->machine.swap_bytes,
                           "swap_device", n->machine.swap_device);
  json_t *more = json_pack("{s:f,s:f,s:f,s:f,s:o,s:o,s:o,s:s,s:f,s:s,s:s,s:o}", "gflops", n->gflops, "disk_write_bytes_per_second", n->disk_write, "disk_read_bytes_per_second", n->disk_read, "disk_free_bytes", n->disk_free, "mhz",
                           cli_number(n->state.mhz), "mhz_limit", cli_number(n->state.mhz_limit), "celsius", cli_number(n->state.celsius), "throttled", throttled, "clock_ahead_seconds", n->clock_ahead, "program_sha256", n->program, "mpi", n->mpi, "link",
                           link);
  json_object_update(node, more);
  json_object_set_new(node, "features", json_string(n->machine.features));
  json_object_set_new(node, "interface", json_string(n->interface));
  json_object_set_new(node, "interface_mbit", n->interface_mbit > 0 ? json_real(n->interface_mbit) : json_null());
  json_decref(more);
  return node;
}

static json_t *report_json(const struct br_doctor_report *r) {
  json_t *nodes = json_array(), *problems = json_array();
  for (int i = 0; i < r->n_nodes; i++) json_array_append_new(nodes, node_json(&r->nodes[i]));
  for (int i = 0; i < r->n_problems; i++) json_array_append_new(problems, json_pack("{s:s,s:s,s:s}", "host", r->problems[i].host, "problem", r->problems[i].what, "mend", r->problems[i].mend));
  return json_pack("{s:i,s:o,s:o,s:f,s:f,s:f}", "ranks", r->ranks, "problems", problems, "nodes", nodes, "sum_bytes", r->sum_bytes, "sum_seconds", r->sum_seconds, "sum_limit_seconds", r->sum_limit);
}

static void print_table(const struct br_doctor_report *r) {
  printf("%-16s %5s %5s %-8s %8s %7s %10s %12s %6s %8s", "node", "ranks", "cores", "kernels", "GFLOP/s", "MHz", "free", "disk r/w", "deg C", "clock");
  if (r->ranks > 1) printf(" %9s %19s %-10s", "latency", "to/from next, MB/s", "through");
  printf("\n");
  for (int i = 0; i < r->n_nodes; i++) {
    const struct br_doctor_node *n = &r->nodes[i];
    char bytes[32], disk[40], heat[16] = "-", mhz[16] = "-";
    if (isfinite(n->state.celsius)) snprintf(heat, sizeof heat, "%.0f", n->state.celsius);
    if (isfinite(n->state.mhz)) snprintf(mhz, sizeof mhz, "%.0f", n->state.mhz);
    snprintf(disk, sizeof disk, "%.0f/%.0f", n->disk_read / 1e6, n->disk_write / 1e6);
    printf("%-16.16s %5d %5d %-8s %8.1f %7s %10s %12s %6s %+7.3fs", n->machine.host, n->ranks, n->machine.cores, n->machine.isa, n->gflops, mhz, br_text_bytes(n->machine.free_bytes, bytes), disk, heat, n->clock_ahead);
    if (r->ranks > 1) printf(" %6.0f us %10.0f / %6.0f %-10s", 1e6 * n->link.latency, n->link.to_next / 1e6, n->link.from_next / 1e6, n->interface[0] ? n->interface : "memory");
    printf("\n");
  }
  if (r->ranks > 1) printf("sum of 3 MB over %d ranks: %.2f ms; the links allow %.2f ms\n", r->ranks, 1e3 * r->sum_seconds, 1e3 * r->sum_limit);
  for (int i = 0; i < r->n_nodes; i++) { /* once for all that are alike */
    const struct br_doctor_node *n = &r->nodes[i], *first = &r->nodes[0];
    if (i > 0 && strcmp(n->machine.cpu, first->machine.cpu) == 0 && strcmp(n->machine.kernel, first->machine.kernel) == 0 && strcmp(n->machine.libc, first->machine.libc) == 0) continue;
    printf("%s: %s (%s), %d bits, %s, %s, %s; program %.12s\n", n->machine.host, n->machine.cpu, n->machine.features, n->machine.bits, n->machine.kernel, n->machine.libc, n->mpi, n->program);
  }
}

int cmd_doctor(struct cli *cli) {
  char program[4096];
  struct br_doctor_report report;
  if (cli->options.n_subjects) BR_FAIL(BR_ERROR_USAGE, "bramble doctor takes no subject; start it alone, or with mpiexec on the hosts to examine");
  BR_TRY(cli_find_self(program, sizeof program));
  BR_TRY(br_doctor_run(cli->comm, program, ".", option_text(&cli->options, "hosts"), &report));
  if (cli->speaks && option_flag(&cli->options, "json")) {
    cli_print_json(cli, report_json(&report));
  } else if (cli->speaks) {
    for (int i = 0; i < report.n_problems; i++) printf("problem: %s: %s\n   mend: %s\n", report.problems[i].host, report.problems[i].what, report.problems[i].mend);
    if (report.n_problems == 0) printf("all is well\n");
    printf("\n");
    print_table(&report);
  }
  br_doctor_free(&report);
  return BR_OK;
}
