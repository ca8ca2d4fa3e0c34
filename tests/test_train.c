/* Training from inside: shards, settings, no allocation in a step, the plan against the memory really taken. With the argument "memory N" it is one
 * of those measurements, in a process of its own; with "flip" it is no test but a run for mpiexec whose last rank has bad memory: a bit of a weight flips, which the checksum of the epoch must find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/buckets.h"
#include "train/partition.h"
#include "train/settings.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/cluster/start.h>
#include <bramble/net/zoo.h>
#include <bramble/train/plan.h>

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_MALLOC 1
extern void *__libc_malloc(size_t bytes);
static atomic_size_t mallocs;
void *malloc(size_t bytes) {
  atomic_fetch_add(&mallocs, 1);
  return __libc_malloc(bytes);
}
#else
#define COUNTS_MALLOC 0
static atomic_size_t mallocs;
#endif

#define OK(call)                                                    \
  do {                                                              \
    if ((call) != BR_OK) fail_msg("%s: %s", #call, br_error_message()); \
  } while (0)

/* A net of the zoo on shapes, ready to be trained. */
struct bench {
  struct br_comm *comm;
  struct br_team *team;
  struct br_dataset *data[2];
  struct br_loader *loader[2];
  struct br_model *model;
  struct br_train_options options;
};

static void bench_open(struct bench *b, struct br_comm *comm, const char *net, const struct br_zoo_options *zoo, int threads, uint64_t samples) {
  *b = (struct bench){.comm = comm};
  if (!comm) OK(br_comm_open_self(&b->comm));
  OK(br_team_open(threads, &b->team));
  struct br_graph *graph;
  OK(br_zoo_open(net, zoo, &graph));
  struct br_loader_options loader = {.preprocess = {.H = graph->nodes[0].shape.d[1], .W = graph->nodes[0].shape.d[2], .C = 3, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.25f, 0.25f, 0.25f}}, .seed = 1};
  for (int part = 0; part < 2; part++) {
    struct br_dataset_options options = {.part = (enum br_data_part)part, .limit = part ? samples / 4 : samples, .seed = 1};
    OK(br_dataset_open("shapes", &options, &b->data[part]));
    loader.dataset = b->data[part];
    OK(br_loader_open(&loader, &b->loader[part]));
  }
  OK(br_model_open(graph, &b->model));
  br_graph_init(graph, 1, b->model->trained, b->model->statistics);
  b->options = (struct br_train_options){.batch = 24, .micro_batch = 12, .epochs = 2, .seed = 1, .evaluation_epochs = 1, .bn_recalibrate = 48, .optimiser = {.momentum = 0.9f}, .schedule = {.lr = 0.01f}};
}

static int bench_train(struct bench *b, const struct br_train_watch *watch) {
  return br_train(b->comm, b->team, b->model, b->loader[0], b->data[0], b->loader[1], b->data[1], &b->options, watch);
}

static void bench_close(struct bench *b) {
  br_model_close(b->model);
  for (int part = 0; part < 2; part++) {
    br_loader_close(b->loader[part]);
    br_dataset_close(b->data[part]);
  }
  br_team_close(b->team);
  br_comm_close(b->comm);
}

/* --- shards ------------------------------------------------------------------------------------------------------------------ */

static void every_sample_once(const struct br_partition *partition, uint64_t samples, int workers) {
  unsigned char *seen = calloc(samples, 1);
  assert_int_equal(partition->start[0], 0);
  assert_int_equal(partition->start[workers], samples);
  for (uint64_t i = 0; i < samples; i++) {
    assert_true(partition->samples[i] < samples);
    assert_int_equal(seen[partition->samples[i]]++, 0);
  }
  free(seen);
}

static void test_partitions(void **state) {
  (void)state;
  struct br_dataset *data;
  OK(br_dataset_open("shapes", &(struct br_dataset_options){.limit = 997, .seed = 1}, &data));
  static const int counts[] = {1, 2, 7, 48, 997};
  for (int k = 0; k < 3 * 5; k++) {
    struct br_worker_options options = {.workers = counts[k / 3], .partition = (enum br_partition_kind)(k % 3), .alpha = 0.3};
    struct br_partition partition;
    OK(br_partition_open(&partition, data, &options, 5));
    every_sample_once(&partition, 997, options.workers);
    for (int r = 0; r < options.workers; r++) {
      uint64_t n = br_partition_count(&partition, r), W = (uint64_t)options.workers;
      const uint64_t *shard = partition.samples + partition.start[r];
      if (options.partition != BR_PARTITION_DIRICHLET) assert_true(n == 997 / W || n == 997 / W + 1);
      if (options.partition == BR_PARTITION_STRIDED)
        for (uint64_t i = 0; i < n; i++) assert_int_equal(shard[i], i * W + (uint64_t)r);
    }
    br_partition_close(&partition);
  }
  br_dataset_close(data);
}

/* The largest share that one worker has of one class, on average over classes. */
static double unevenness(struct br_dataset *data, double alpha) {
  struct br_partition partition;
  OK(br_partition_open(&partition, data, &(struct br_worker_options){.workers = 10, .partition = BR_PARTITION_DIRICHLET, .alpha = alpha}, 1));
  double sum = 0;
  for (int c = 0; c < 10; c++) {
    double most = 0, all = 0;
    for (int r = 0; r < 10; r++) {
      double mine = 0;
      for (uint64_t i = partition.start[r]; i < partition.start[r + 1]; i++) mine += br_dataset_label(data, partition.samples[i]) == c;
      all += mine;
      if (mine > most) most = mine;
    }
    sum += most / all;
  }
  br_partition_close(&partition);
  return sum / 10;
}

/* Every gradient is in one bucket; buckets go down, are not too many, not too large, and the last is small where there are several. */
static void test_buckets_cover_all(void **state) {
  (void)state;
  size_t border[BR_BUCKETS];
  for (size_t n = 1; n < (size_t)1 << 31; n += n / 3 + 7) {
    int count = br_buckets_cut(n, border);
    assert_true(count >= 1 && count < BR_BUCKETS - 3); /* statistics, scalars, largest values */
    assert_int_equal(border[0], n);
    assert_int_equal(border[count], 0);
    for (int k = 0; k < count; k++) {
      assert_true(border[k + 1] < border[k] && border[k + 1] % 16 == 0);
      assert_true(border[k] - border[k + 1] <= (n >> 17 < 32 ? (size_t)1 << 17 : n / 32) + 16);
    }
    if (n <= (size_t)1 << 17) assert_int_equal(count, 1);
    if (count > 1) assert_true(border[count - 1] <= (size_t)1 << 15);
  }
}

static void test_dirichlet_follows_alpha(void **state) {
  (void)state;
  struct br_dataset *data;
  OK(br_dataset_open("shapes", &(struct br_dataset_options){.limit = 4000, .seed = 1}, &data));
  assert_true(unevenness(data, 0.01) > 0.85); /* nearly all of a class is one worker's */
  double middle = unevenness(data, 1);
  assert_true(middle > 0.2 && middle < 0.5); /* the expected largest of 10 uniform spacings is 0.29 */
  assert_true(unevenness(data, 1000) < 0.15);
  br_dataset_close(data);
}

/* --- settings ---------------------------------------------------------------------------------------------------------------- */

static void test_settings_are_compared_by_name(void **state) {
  (void)state;
  assert_int_equal(br_settings_compare("lr=0.1\nema=0\n", "lr=0.1\nema=0\n", "it", "mend it"), BR_OK);
  assert_int_equal(br_settings_compare("lr=0.1\nweight_decay=0\n", "lr=0.1\nweight_decay=0.5\n", "it", "mend it"), BR_ERROR_USAGE);
  assert_non_null(strstr(br_error_message(), "it has --weight-decay 0.5, here it is 0; mend it"));
  assert_int_equal(br_settings_compare("lr=0.1\nfreeze=a\n", "lr=0.1\n", "it", "mend it"), BR_ERROR_USAGE);
  assert_non_null(strstr(br_error_message(), "it has no --freeze, here it is a"));
  assert_int_equal(br_settings_compare("lr=0.1\n", "lr=0.1\nfreeze=a\n", "it", "mend it"), BR_ERROR_USAGE);
  assert_non_null(strstr(br_error_message(), "it has --freeze, which is not given here"));
  assert_int_equal(br_settings_compare("the net=1\n", "the net=2\n", "it", "mend it"), BR_ERROR_USAGE);
  assert_non_null(strstr(br_error_message(), "it has the net 2, here it is 1"));
}

/* --- allocations ------------------------------------------------------------------------------------------------------------- */

struct counts {
  size_t calls[64], mallocs[64];
  int n;
};

/* Called before every step. */
static bool count_allocations(void *arg) {
  struct counts *counts = arg;
  counts->calls[counts->n] = br_memory_alloc_calls();
  counts->mallocs[counts->n] = atomic_load(&mallocs);
  counts->n++;
  return false;
}

static void no_allocation(const char *net, const struct br_zoo_options *zoo, enum br_sync_kind sync, int threads) {
  struct bench b;
  struct counts counts = {0};
  bench_open(&b, NULL, net, zoo, threads, 240);
  b.options.epochs = 1;
  b.options.sync = sync;
  b.options.ema = 0.9f;
  b.options.worker = (struct br_worker_options){.workers = 2, .partition = BR_PARTITION_STRIDED, .every = 1, .fraction = 1, .local_epochs = 1};
  OK(bench_train(&b, &(struct br_train_watch){.arg = &counts, .stop = count_allocations}));
  assert_true(counts.n >= 5);
  for (int i = 2; i < counts.n && threads == 1; i++) { /* the first step takes the loader's scratch */
    assert_int_equal(counts.calls[i], counts.calls[1]);
    assert_int_equal(counts.mallocs[i], counts.mallocs[1]);
  }
  /* Other threads take theirs when they first load at the same time as another: at any step, but once. */
  assert_true(counts.calls[counts.n - 1] - counts.calls[1] <= 3 * ((size_t)threads - 1));
  bench_close(&b);
}

static void test_no_allocation_in_a_step(void **state) {
  (void)state;
  struct br_zoo_options own = {.bn_momentum = -1, .bn_eps = -1, .dropout = -1}, narrow = {.width = 0.25, .H = 32, .W = 32, .classes = 10, .bn_momentum = -1, .bn_eps = -1, .dropout = -1};
  no_allocation("lenet", &own, BR_SYNC_GRADIENTS, 1);
  no_allocation("lenet", &own, BR_SYNC_GRADIENTS, 2);
  no_allocation("mobilenetv2", &narrow, BR_SYNC_GRADIENTS, 2);
  no_allocation("mobilenetv2", &narrow, BR_SYNC_WEIGHTS, 1);
  if (!COUNTS_MALLOC) print_message("malloc itself is not counted in this build\n");
}

/* --- memory ------------------------------------------------------------------------------------------------------------------ */

struct memory_case {
  const char *net;
  struct br_zoo_options zoo;
  int batch, micro_batch, threads, workers;
  uint64_t samples;
};

/* In a process of its own: planned over measured growth. */
static double measure(const struct memory_case *c) {
  size_t before = br_memory_rss_bytes();
  struct bench b;
  bench_open(&b, NULL, c->net, &c->zoo, c->threads, c->samples);
  b.options.batch = c->batch;
  b.options.micro_batch = c->micro_batch;
  b.options.epochs = 1;
  if (c->workers) {
    b.options.sync = BR_SYNC_WEIGHTS;
    b.options.worker = (struct br_worker_options){.workers = c->workers, .partition = BR_PARTITION_STRIDED};
  }
  struct br_plan_request request = {.graph = b.model->graph, .options = &b.options, .ranks = 1, .threads = c->threads, .train = b.loader[0], .train_data = b.data[0], .test_data = b.data[1]};
  struct br_train_plan plan;
  OK(br_train_plan(&request, &plan));
  OK(bench_train(&b, NULL));
  double grown = (double)(br_memory_peak_rss_bytes() - before), planned = (double)(plan.total - plan.bytes[BR_PLAN_PROGRAM]);
  printf("%s, micro-batch %d, %d threads, %d workers: planned %.1f MB, grown by %.1f MB\n", c->net, c->micro_batch, c->threads, c->workers, planned / 1e6, grown / 1e6);
  return planned / grown;
}

static const struct memory_case memory_cases[] = {
    {"mobilenetv2", {.width = 0.5, .H = 128, .W = 128, .C = 3, .classes = 10, .bn_momentum = -1, .bn_eps = -1, .dropout = -1}, 24, 12, 1, 0, 48},
    {"mobilenetv2", {.width = 0.5, .H = 128, .W = 128, .C = 3, .classes = 10, .bn_momentum = -1, .bn_eps = -1, .dropout = -1}, 24, 12, 2, 0, 48},
    {"mobilenetv2", {.width = 0.5, .H = 64, .W = 64, .C = 3, .classes = 10, .bn_momentum = -1, .bn_eps = -1, .dropout = -1}, 12, 12, 2, 4, 96},
    {"lenet", {.classes = 10, .bn_momentum = -1, .bn_eps = -1, .dropout = -1}, 64, 32, 2, 0, 4000},
};

static void test_plan_is_what_is_taken(void **state) {
  (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  skip();
#endif
  char self[4096], number[16];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  assert_true(n > 0);
  self[n] = 0;
  for (size_t i = 0; i < sizeof memory_cases / sizeof *memory_cases; i++) {
    snprintf(number, sizeof number, "%zu", i);
    pid_t child = fork();
    if (child == 0) {
      execl(self, self, "memory", number, (char *)NULL);
      _exit(2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

/* --- a rank with bad memory ---------------------------------------------------------------------------------------------------- */

static bool flip_a_bit(void *arg) {
  struct bench *b = arg;
  if (br_comm_rank(b->comm) == br_comm_size(b->comm) - 1) {
    uint32_t bits;
    memcpy(&bits, &b->model->trained[7], sizeof bits);
    bits ^= 1;
    memcpy(&b->model->trained[7], &bits, sizeof bits);
  }
  return false;
}

static int run_with_bad_memory(int argc, char **argv) {
  struct br_comm *comm;
  if (br_cluster_start(&argc, &argv, &comm) != BR_OK) return 1;
  struct bench b;
  bench_open(&b, comm, "lenet", &(struct br_zoo_options){.bn_momentum = -1, .bn_eps = -1, .dropout = -1}, 1, 96);
  int status = bench_train(&b, &(struct br_train_watch){.arg = &b, .stop = flip_a_bit});
  if (br_comm_rank(comm) == 0) printf("%s\n", status == BR_OK ? "nothing was noticed" : br_error_message());
  fflush(stdout);
  b.comm = NULL;
  bench_close(&b);
  br_cluster_stop(comm, br_status_exit_code(status));
  return br_status_exit_code(status);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "flip") == 0) return run_with_bad_memory(argc, argv);
  if (argc > 2 && strcmp(argv[1], "memory") == 0) {
    double ratio = measure(&memory_cases[atoi(argv[2])]);
    return ratio > 0.9 && ratio < 1.1 ? 0 : 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_partitions),
      cmocka_unit_test(test_buckets_cover_all),
      cmocka_unit_test(test_dirichlet_follows_alpha),
      cmocka_unit_test(test_settings_are_compared_by_name),
      cmocka_unit_test(test_no_allocation_in_a_step),
      cmocka_unit_test(test_plan_is_what_is_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
