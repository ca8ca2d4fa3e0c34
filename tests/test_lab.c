/* The lab's inner pieces: formulas, words of commands, programs that are run, and every file of experiments/ read and checked. */
#include "lab/doctor.h"
#include "lab/experiment.h"
#include "lab/process.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/link.h>
#include <bramble/lab/simulate.h>
#include <bramble/lab/step_model.h>

#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool names(void *arg, const char *name, bool base, struct br_value_or_text *value) {
  (void)arg;
  if (strcmp(name, "nodes") == 0) return *value = (struct br_value_or_text){base ? 2 : 8, NULL}, true;
  if (strcmp(name, "how") == 0) return *value = (struct br_value_or_text){NAN, "moving averages"}, true;
  if (strcmp(name, "missing") == 0) return *value = (struct br_value_or_text){NAN, NULL}, true;
  return false;
}

static void formulas(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double value;
  } good[] = {{"1 + 2 * 3", 7}, {"(1 + 2) * 3", 9}, {"-nodes / 4", -2}, {"100 * base(nodes) / nodes", 25}, {"nodes >= 8 and how = 'moving averages'", 1}, {"nodes < 8 or not nodes = 8", 0}, {"how != 'x'", 1},
                {"2 - 1 - 1", 0}, {"8 / 2 / 2", 2}, {"nodes = '8'", 1}, {"how < 3", 0}, {"1e3 * .5", 500}, {"missing = missing", 0}};
  static const struct {
    const char *text, *says;
  } bad[] = {{"nodse + 1", "column 1: nothing is called nodse"}, {"1 +", "column 4: a name"}, {"(1", "column 3: ) was expected"}, {"how = 'x", "column 7: the quote"}, {"1 2", "column 3: was not expected"}, {"2x", "is not a number"},
             {"((((((((((((((((((((((((((((((((((((((((((((((((((((1", "nested"}};
  struct br_value_or_text v;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(br_expression_evaluate(good[i].text, names, NULL, &v), BR_OK);
    assert_true(v.number == good[i].value);
  }
  assert_int_equal(br_expression_evaluate("missing * 2", names, NULL, &v), BR_OK);
  assert_true(isnan(v.number));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(br_expression_evaluate(bad[i].text, names, NULL, &v), BR_ERROR_USAGE);
    if (!strstr(br_error_message(), bad[i].says)) fail_msg("%s: %s", bad[i].text, br_error_message());
  }
}

static void words(void **state) {
  (void)state;
  char **w;
  int n;
  assert_int_equal(br_words_split("  a 'b c'  d\"e f\"g ''\n", &w, &n), BR_OK);
  assert_int_equal(n, 4);
  assert_string_equal(w[1], "b c");
  assert_string_equal(w[2], "de fg");
  assert_string_equal(w[3], "");
  assert_null(w[4]);
  br_memory_free(w);
  assert_int_equal(br_words_split("a 'b", &w, &n), BR_ERROR_USAGE);
  assert_int_equal(br_words_split("  ", &w, &n), BR_ERROR_USAGE);
}

static struct br_process_result run(const char *command, double timeout) {
  char **w;
  struct br_process_result result;
  assert_int_equal(br_words_split(command, &w, NULL), BR_OK);
  assert_int_equal(br_process_run(&(struct br_process_options){.argv = w, .timeout = timeout, .cores = 1}, &result), BR_OK);
  br_memory_free(w);
  return result;
}

static void programs(void **state) {
  (void)state;
  struct br_process_result r = run("sh -c 'echo out; echo first >&2; echo last >&2; nproc; exit 3'", 0);
  assert_int_equal(r.exit_code, 3);
  assert_string_equal(r.out, "out\n1\n"); /* held to one core */
  assert_string_equal(r.last_words, "last");
  assert_true(r.peak_rss_bytes > 1e5 && r.wall_seconds > 0);
  br_process_free(&r);
  r = run("no-such-program-here", 0);
  assert_true(r.missing && r.exit_code == 127);
  br_process_free(&r);
  r = run("sh -c 'sleep 30 & sleep 30'", 0.3); /* all of the group goes */
  assert_true(r.timed_out && r.wall_seconds < 5);
  br_process_free(&r);
  r = run("sh -c 'head -c 3000000 /dev/zero | tr \"\\\\0\" x'", 0); /* more than a pipe holds */
  assert_int_equal(r.out_bytes, 3000000);
  br_process_free(&r);
}

static void experiment_files(void **state) {
  (void)state;
#ifdef BR_HAVE_YAML
  glob_t found;
  assert_int_equal(glob(BRAMBLE_TESTS "/../experiments/*.yaml", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++)
    for (int smoke = 0; smoke < 2; smoke++) {
      struct br_experiment *e;
      if (br_experiment_open(found.gl_pathv[i], smoke, NULL, 0, &e) != BR_OK) fail_msg("%s", br_error_message());
      const char *name = strrchr(found.gl_pathv[i], '/') + 1;
      assert_memory_equal(e->name, name, strlen(e->name)); /* results are found by the file's name */
      assert_true(e->n_cases > 0 && e->n_plots > 0 && e->n_published > 0);
      br_experiment_close(e);
    }
  globfree(&found);
#else
  skip();
#endif
}

static void expect_problem(const struct br_doctor_report *r, const char *host, const char *says) {
  int found = 0;
  for (int i = 0; i < r->n_problems; i++) found += strcmp(r->problems[i].host, host) == 0 && strstr(r->problems[i].what, says) && r->problems[i].mend[0];
  if (found != 1) fail_msg("%s: %s was found %d times", host, says, found);
}

static void doctor(void **state) {
  (void)state;
  struct br_doctor_node nodes[4];
  struct br_doctor_problem problems[40];
  for (int i = 0; i < 4; i++) {
    nodes[i] = (struct br_doctor_node){.machine = {.cores = 4, .bits = 64, .memory_bytes = 4e9, .free_bytes = 3e9}, .state = {.mhz = 1500, .mhz_limit = 1500, .celsius = 50, .throttled = 0}, .ranks = 2, .gflops = 12,
                                       .disk_write = 2e7, .disk_read = 4e7, .disk_free = 1e10, .program = "abc", .mpi = "MPICH 4.2.0", .link = {1.5e-4, 1.1e8, 1.1e8}};
    snprintf(nodes[i].machine.host, sizeof nodes[i].machine.host, "pi%d", i + 1);
  }
  struct br_doctor_report r = {.nodes = nodes, .n_nodes = 4, .problems = problems, .room = 40, .ranks = 8, .sum_seconds = 0.05, .sum_limit = 0.045};
  assert_int_equal(br_doctor_judge(&r), BR_OK);
  assert_int_equal(r.n_problems, 0);
  nodes[1].gflops = 10.5;
  nodes[1].state.throttled = 0x50005;
  nodes[2].link.to_next = 1.15e7;
  nodes[2].clock_ahead = -40;
  strcpy(nodes[2].machine.swap_device, "/dev/mmcblk0p3");
  strcpy(nodes[3].program, "abd");
  strcpy(nodes[3].mpi, "Open MPI v4.1.4");
  nodes[3].ranks = 5;
  nodes[3].link.from_next = 5e7;
  strcpy(nodes[1].interface, "wlan0");
  nodes[1].wireless = true;
  strcpy(nodes[2].interface, "eth0");
  nodes[2].interface_mbit = 100;
  strcpy(nodes[2].machine.libc, "glibc 2.31");
  r.sum_seconds = 0.5;
  assert_int_equal(br_doctor_judge(&r), BR_OK);
  expect_problem(&r, "pi2", "12 % slower than the others (10.5 against 12.0");
  expect_problem(&r, "pi2", "MPI goes over WLAN (wlan0)");
  expect_problem(&r, "pi3", "eth0 runs at 100 Mbit/s");
  expect_problem(&r, "pi3", "glibc 2.31, but pi1 has ");
  expect_problem(&r, "pi2", "under-voltage now, throttled now");
  expect_problem(&r, "pi3", "12 MB a second to pi4: a link of 100 Mbit/s");
  expect_problem(&r, "pi3", "its clock is 40.0 s behind that of pi1");
  expect_problem(&r, "pi3", "swaps to the SD card");
  expect_problem(&r, "pi4", "another build of the program than on pi1");
  expect_problem(&r, "pi4", "Open MPI v4.1.4, but pi1 has MPICH 4.2.0");
  expect_problem(&r, "pi4", "5 ranks share 4 cores");
  expect_problem(&r, "pi4", "50 MB a second to pi1, much less");
  expect_problem(&r, "all", "a sum of 3 MB over all ranks takes 500.0 ms");
  assert_int_equal(r.n_problems, 13);
}

static void link_model(void **state) {
  (void)state;
  const double latency = 1e-4, bandwidth = 1e8, bytes = 8e6;
  assert_true(br_link_sum_model(1, bytes, latency, bandwidth) == 0);
  assert_true(fabs(br_link_sum_model(2, bytes, latency, bandwidth) - (2 * latency + bytes / bandwidth)) < 1e-12);
  assert_true(fabs(br_link_sum_model(4, bytes, latency, bandwidth) - (4 * latency + 1.5 * bytes / bandwidth)) < 1e-12); /* halving: fewer messages, the same bytes */
  assert_true(fabs(br_link_sum_model(5, bytes, latency, bandwidth) - (8 * latency + 1.6 * bytes / bandwidth)) < 1e-12); /* ring: no extra ranks to fold in */
  for (int p = 2; p < 64; p++) assert_true(br_link_sum_model(p, bytes, latency, bandwidth) < 2.5 * bytes / bandwidth + 20 * latency);
}

static void step_model(void **state) {
  (void)state;
  struct br_step_model m = {.part_seconds = 0.1, .parts = 48, .sums = 10, .sum_bytes = 8e6, .threads = 4};
  assert_int_equal(br_step_model_link(&m, "800Mbit,0.1ms"), BR_OK);
  assert_true(m.bandwidth == 1e8 && fabs(m.latency - 1e-4) < 1e-18);
  struct br_step_time one = br_step_model_time(&m, 1), two = br_step_model_time(&m, 2), five = br_step_model_time(&m, 5);
  assert_true(fabs(one.epoch - 12) < 1e-9 && one.speedup == 1 && one.communicate == 0); /* 12 rounds of 4 units, ten times */
  assert_true(fabs(two.compute - 6) < 1e-9 && fabs(two.communicate - 10 * (2e-4 + 0.08)) < 1e-9);
  assert_true(fabs(five.compute - 3) < 1e-9); /* the node with 10 units: 3 rounds */
  assert_true(fabs(two.efficiency - 12 / two.epoch / 2) < 1e-12 && two.sent_bytes == 8e6);
  assert_int_equal(br_step_model_worth(&m, 2, 0.7), 2);
  assert_int_equal(br_step_model_worth(&m, 12, 0.99), 1);
  struct br_step_model eight = {.part_seconds = 0.1, .parts = 8, .sums = 1, .threads = 1, .bandwidth = 1e8}; /* 5, 6 and 7 nodes have 2 parts as 4 have */
  assert_int_equal(br_step_model_worth(&eight, 7, 0.7), 4);
  assert_int_equal(br_step_model_worth(&eight, 24, 0.7), 8);
  m.early = 0.75; /* hidden: 0.75 of the sum, but no more than goes over the link in half of two thirds of the last unit */
  assert_true(fabs(br_step_model_time(&m, 2).communicate - 10 * (2e-4 + 0.08 - fmin(0.75 * (2e-4 + 0.08), 0.1 / 3))) < 1e-9);
  m.bandwidth *= 100;
  assert_true(fabs(br_step_model_time(&m, 2).communicate - 10 * 0.25 * (2e-4 + 0.0008)) < 1e-9);
  m.bandwidth /= 100;
  m.early = 0;
  m.parts = 2; /* fewer than threads: they share */
  assert_true(fabs(br_step_model_time(&m, 1).epoch - 10 * 0.1 / 2) < 1e-9);
  assert_true(fabs(br_step_model_time(&m, 2).compute - 10 * 0.1 / 4) < 1e-9);
  assert_int_equal(br_step_model_fastest(&m, 8), 1); /* the sum costs more than it saves */
  static const char *const bad[] = {"940", "940Mbit,", "Mbit,1ms", "940Mbit,0.1", "0Mbit,1ms", "1Mbit,1ms,"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(br_step_model_link(&m, bad[i]), BR_ERROR_USAGE);
  assert_int_equal(br_step_model_node(&m, "pi44"), BR_ERROR_USAGE);
  assert_non_null(strstr(br_error_message(), "did you mean pi4?"));
}

static void simulation(void **state) {
  (void)state;
  struct br_rank_times ranks[5] = {{0}}, here = {.load = 1, .compute = 11};
  struct br_simulation s = {.model = {.parts = 48, .sums = 10, .sum_bytes = 8e6, .threads = 4, .latency = 1e-4, .bandwidth = 1e8}, .nodes = 5, .slower = 2, .here_threads = 2, .units = 480, .node_bytes = 7e6, .ranks = ranks, .delayed = 1e9}; /* as if nothing had been lost to other programs */
  struct br_epoch_result measured = {.epoch = 3, .loss = 0.5, .seconds = 13, .samples = 1000, .n_ranks = 1, .ranks = &here}, there;
  br_simulation_epoch(&s, &measured, &there);
  /* 24 thread-seconds here are 48 there, 0.1 a part; the slowest node has 10 of 48 parts in 3 rounds of 4; the second that is neither loading nor computing is 2 there. */
  double sums = 10 * br_link_sum_model(5, 8e6, 1e-4, 1e8);
  assert_true(fabs(there.seconds - (10 * 0.3 + sums + 2)) < 1e-9 && s.seconds == there.seconds);
  assert_true(there.n_ranks == 5 && there.loss == 0.5 && fabs(there.images_per_second - 1000 / there.seconds) < 1e-9);
  double units = 0;
  for (int r = 0; r < 5; r++) {
    const struct br_rank_times *t = &there.ranks[r];
    assert_true(fabs(t->load + t->compute + t->wait + t->communicate - there.seconds) < 1e-9);
    assert_true(fabs(t->load * 11 - t->compute) < 1e-9 && t->peak_rss_bytes == 7e6);
    units += t->units;
  }
  assert_true(fabs(units - 480) < 1e-9);
  double sent = there.ranks[4].bytes_sent;
  s.delayed = 1e9;
  br_simulation_epoch(&s, &measured, &there);
  assert_true(sent == 10 * 1.6 * 8e6 && there.ranks[4].bytes_sent == 2 * sent && fabs(s.seconds - 2 * there.seconds) < 1e-9);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(formulas), cmocka_unit_test(words), cmocka_unit_test(programs), cmocka_unit_test(experiment_files), cmocka_unit_test(doctor), cmocka_unit_test(link_model), cmocka_unit_test(step_model), cmocka_unit_test(simulation)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
