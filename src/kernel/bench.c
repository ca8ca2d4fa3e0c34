/* The bench of bench.h: each row runs one kernel again and again for the time it is given and takes the best of ten rounds. */
#include <bramble/base/clock.h>
#include <bramble/base/cpu.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/base/thread.h>
#include <bramble/kernel/bench.h>

#include <stdio.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "kernels.h"

#define ROUNDS 10
#define LEVELS 4
static const size_t level_bytes[LEVELS] = {16384, 262144, 4194304, 67108864};
static const size_t level_most[LEVELS] = {32768, 1048576, 16777216, SIZE_MAX}; /* data up to here is taken to be in it */
static const char *const level_names[LEVELS] = {"L1", "L2", "L3", "memory"};

struct bench {
  const struct br_kernels *kernels;
  double seconds;
  void (*row)(void *arg, const struct br_bench_row *row);
  void *arg;
  double peak, bandwidth[LEVELS]; /* flops and bytes a second */
  float *a, *b, *c;               /* level_bytes[LEVELS - 1] each */
  void *work;
  struct br_gemm gemm;
  struct br_conv_shape conv;
  struct br_inverted_residual block;
  size_t rows, channels;
  struct br_team *team; /* of all cores */
  struct br_barrier barrier;
};

/* Seconds of one run of `run`. */
static double best_seconds(struct bench *k, void (*run)(struct bench *k)) {
  double best = 0;
  run(k);
  double begin = br_clock_seconds();
  run(k);
  double once = br_clock_seconds() - begin;
  long repeats = once > 0 ? (long)(k->seconds / ROUNDS / once) + 1 : 1000;
  for (int round = 0; round < ROUNDS; round++) {
    begin = br_clock_seconds();
    for (long i = 0; i < repeats; i++) run(k);
    double seconds = (br_clock_seconds() - begin) / (double)repeats;
    if (round == 0 || seconds < best) best = seconds;
  }
  return best;
}

static void report(struct bench *k, const char *name, const char *shape, double seconds, double flops, double bytes, double share) {
  const struct br_bench_row row = {k->kernels->name, name, shape, seconds, flops, bytes, share};
  k->row(k->arg, &row);
}

/* The row of a kernel that does `flops` and touches `bytes`. */
static void report_kernel(struct bench *k, const char *name, const char *shape, void (*run)(struct bench *k), double flops, double bytes) {
  int level = 0;
  while (bytes > (double)level_most[level]) level++;
  double seconds = best_seconds(k, run), computing = flops / k->peak, moving = bytes / k->bandwidth[level];
  report(k, name, shape, seconds, flops, bytes, (computing > moving ? computing : moving) / seconds);
}

#define PEAK_STEPS 20000
static void run_peak(struct bench *k) { k->kernels->peak_flops(PEAK_STEPS, k->c); }
static void run_read(struct bench *k) { k->kernels->column_sum(k->a, k->channels, k->rows, k->channels, k->c, BR_PART_ALL); }
static void run_copy(struct bench *k) { k->kernels->copy(k->a, k->b, false, k->rows * k->channels, BR_PART_ALL); }

/* A copy whose stores go past the caches, so that what is overwritten is not read first. */
#if defined(__x86_64__)
#define COPIES_PAST
static void run_copy_past(struct bench *k) {
  const __m128i *from = (const __m128i *)(const void *)k->a;
  __m128i *to = (__m128i *)(void *)k->b;
  for (size_t i = 0; i < k->rows * k->channels / 4; i++) _mm_stream_si128(to + i, _mm_loadu_si128(from + i));
  _mm_sfence();
}
#endif

/* What all cores do together: each a part of its own. */
static void peak_member(void *arg, struct br_part part) {
  struct bench *k = arg;
  k->kernels->peak_flops(PEAK_STEPS, k->c + 64 * part.index);
}
static void read_member(void *arg, struct br_part part) {
  struct bench *k = arg;
  size_t first, last;
  br_part_range(part, k->rows, 1, &first, &last);
  k->kernels->column_sum(k->a + first * k->channels, k->channels, last - first, k->channels, k->c + 64 * part.index, BR_PART_ALL);
}
static void copy_member(void *arg, struct br_part part) {
  struct bench *k = arg;
  k->kernels->copy(k->a, k->b, false, k->rows * k->channels, part);
}
#define MEETINGS 1000
static void barrier_member(void *arg, struct br_part part) {
  for (int i = 0; i < MEETINGS; i++) br_barrier_wait(&((struct bench *)arg)->barrier, part.count);
}
static void run_peak_together(struct bench *k) { br_team_run(k->team, peak_member, k); }
static void run_read_together(struct bench *k) { br_team_run(k->team, read_member, k); }
static void run_copy_together(struct bench *k) { br_team_run(k->team, copy_member, k); }
static void run_barrier(struct bench *k) { br_team_run(k->team, barrier_member, k); }

static int measure_together(struct bench *k) {
  char threads[32];
  int cores = br_cpu_count();
  BR_TRY(br_team_open(cores, &k->team));
  snprintf(threads, sizeof threads, "%d threads", cores);
  for (int i = 0; i < cores; i++) k->c[64 * i] = 0.5f;
  report(k, "peak fma", threads, best_seconds(k, run_peak_together), cores * k->kernels->peak_flops(1, k->c) * PEAK_STEPS, 0, 0);
  snprintf(threads, sizeof threads, "memory, %d threads", cores);
  k->channels = 16, k->rows = level_bytes[LEVELS - 1] / 64;
  report(k, "read", threads, best_seconds(k, run_read_together), 0, (double)level_bytes[LEVELS - 1], 0);
  k->rows /= 2;
  report(k, "copy", threads, best_seconds(k, run_copy_together), 0, (double)level_bytes[LEVELS - 1], 0);
  snprintf(threads, sizeof threads, "%d threads", cores);
  report(k, "barrier", threads, best_seconds(k, run_barrier) / MEETINGS, 0, 0, 0);
  br_team_close(k->team);
  return BR_OK;
}

static void measure_bounds(struct bench *k, bool tell) {
  k->c[0] = 0.5f;
  double seconds = best_seconds(k, run_peak), flops = k->kernels->peak_flops(1, k->c) * PEAK_STEPS;
  k->peak = flops / seconds;
  if (tell) report(k, "peak fma", "", seconds, flops, 0, 0);
  for (int level = 0; level < LEVELS; level++) {
    k->channels = 16, k->rows = level_bytes[level] / 64;
    double read = best_seconds(k, run_read), bytes = (double)level_bytes[level];
    if (tell) report(k, "read", level_names[level], read, 0, bytes, 0);
    k->rows /= 2; /* both blocks together fill the level */
    double copy = best_seconds(k, run_copy);
    if (tell) report(k, "copy", level_names[level], copy, 0, bytes, 0);
#ifdef COPIES_PAST
    if (tell) report(k, "copy past the caches", level_names[level], best_seconds(k, run_copy_past), 0, bytes, 0);
#endif
    k->bandwidth[level] = bytes / (read < copy ? read : copy);
  }
}

static int bench_open(struct bench *k) {
  const size_t count = level_bytes[LEVELS - 1] / sizeof(float);
  BR_TRY(br_memory_alloc(count, sizeof(float), "bench block", &k->a));
  BR_TRY(br_memory_alloc(count, sizeof(float), "bench block", &k->b));
  BR_TRY(br_memory_alloc(count, sizeof(float), "bench block", &k->c));
  BR_TRY(br_memory_alloc(32 << 20, 1, "bench scratch", &k->work));
  struct br_random random = br_random_open(1, BR_RANDOM_TEST, 0, 0);
  for (size_t i = 0; i < count; i++) k->a[i] = br_random_float(&random) - 0.5f, k->b[i] = k->a[i];
  return BR_OK;
}

static void bench_close(struct bench *k) {
  br_memory_free(k->a);
  br_memory_free(k->b);
  br_memory_free(k->c);
  br_memory_free(k->work);
}

int br_bench_machine(double seconds, void (*row)(void *arg, const struct br_bench_row *row), void *arg) {
  struct bench k = {.kernels = br__kernels(), .seconds = seconds, .row = row, .arg = arg};
  int status = bench_open(&k);
  for (const struct br_kernels *const *table = br__kernels_all(); status == BR_OK && *table && *table != k.kernels; table++) {
    struct bench other = k;
    other.kernels = *table;
    other.c[0] = 0.5f;
    double best = best_seconds(&other, run_peak);
    report(&other, "peak fma", "", best, other.kernels->peak_flops(1, other.c) * PEAK_STEPS, 0, 0);
  }
  if (status == BR_OK) measure_bounds(&k, true);
  if (status == BR_OK) status = measure_together(&k);
  bench_close(&k);
  return status;
}

/* --- kernels --- */

static void run_gemm(struct bench *k) { k->kernels->gemm(&k->gemm, BR_PART_ALL, k->work); }
static void run_conv_forward(struct bench *k) { k->kernels->conv_forward(&k->conv, k->a, k->b, k->c, NULL, BR_PART_ALL, k->work); }
static void run_conv_data(struct bench *k) { k->kernels->conv_backward_data(&k->conv, k->a, k->b, k->c, false, BR_PART_ALL, k->work); }
static void run_conv_weight(struct bench *k) { k->kernels->conv_backward_weight(&k->conv, k->a, k->b, k->c, false, BR_PART_ALL, k->work); }
static void run_stats(struct bench *k) { k->kernels->batchnorm_stats(k->a, k->rows, k->channels, k->c, k->c + k->channels, BR_PART_ALL); }
static void run_norm(struct bench *k) { k->kernels->batchnorm_forward(k->a, k->rows, k->channels, k->b, k->b, k->b, BR_ACTIVATION_RELU6, k->c, BR_PART_ALL); }
static void run_relu(struct bench *k) { k->kernels->activation_forward(BR_ACTIVATION_RELU, 0, k->a, k->c, k->rows * k->channels, BR_PART_ALL); }
static void run_add(struct bench *k) { k->kernels->add(k->a, k->b, k->c, k->rows * k->channels, BR_PART_ALL); }

static void bench_gemms(struct bench *k) {
  static const struct {
    size_t M, N, K;
    bool trans_a, trans_b;
  } shapes[] = {{1024, 1024, 1024, 0, 0}, {12288, 96, 16, 0, 0}, {12288, 16, 96, 0, 0}, {768, 192, 32, 0, 0}, {192, 480, 80, 0, 0}, {12288, 16, 96, 0, 1}, {16, 96, 12288, 1, 0}, {32, 64, 64, 0, 0}, {32, 64, 64, 0, 1}, {64, 64, 32, 1, 0}, {32, 120, 400, 0, 0}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const size_t M = shapes[i].M, N = shapes[i].N, K = shapes[i].K;
    char shape[80];
    snprintf(shape, sizeof shape, "%zu x %zu x %zu%s%s", M, N, K, shapes[i].trans_a ? " A'" : "", shapes[i].trans_b ? " B'" : "");
    k->gemm = (struct br_gemm){.M = M, .N = N, .K = K, .A = k->a, .lda = shapes[i].trans_a ? M : K, .trans_a = shapes[i].trans_a, .B = k->b, .ldb = shapes[i].trans_b ? K : N, .trans_b = shapes[i].trans_b, .C = k->c, .ldc = N};
    report_kernel(k, "gemm", shape, run_gemm, 2.0 * (double)M * (double)N * (double)K, 4.0 * (double)(M * N + M * K + N * K));
  }
}

static void bench_convs(struct bench *k) {
  static const struct br_conv_shape shapes[] = {
      /* N, H, W, C, K, R, S, P, Q, strides, dilations, pads, groups, y_pixel */
      {12, 128, 128, 3, 16, 3, 3, 64, 64, 2, 2, 1, 1, 1, 1, 1, 0},  {12, 64, 64, 16, 16, 3, 3, 64, 64, 1, 1, 1, 1, 1, 1, 16, 0}, {12, 32, 32, 96, 96, 3, 3, 16, 16, 2, 2, 1, 1, 1, 1, 96, 0},
      {12, 8, 8, 192, 192, 3, 3, 8, 8, 1, 1, 1, 1, 1, 1, 192, 0},   {32, 32, 32, 3, 6, 5, 5, 28, 28, 1, 1, 1, 1, 0, 0, 1, 0},    {32, 14, 14, 6, 16, 5, 5, 10, 10, 1, 1, 1, 1, 0, 0, 1, 0},
      {12, 31, 31, 16, 64, 3, 3, 31, 31, 1, 1, 1, 1, 1, 1, 1, 0},   {2, 14, 14, 256, 256, 3, 3, 14, 14, 1, 1, 1, 1, 1, 1, 1, 0}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const struct br_conv_shape *d = &shapes[i];
    const double x = (double)d->N * d->H * d->W * d->C, y = (double)d->N * d->P * d->Q * d->K, taps = (double)d->R * d->S * (d->C / d->groups);
    char shape[80];
    k->conv = *d;
    snprintf(shape, sizeof shape, "%dx%dx%dx%d %dx%d/%d to %d%s", d->N, d->H, d->W, d->C, d->R, d->S, d->stride_h, d->K, d->groups > 1 ? " depthwise" : "");
    report_kernel(k, "conv forward", shape, run_conv_forward, 2 * y * taps, 4 * (x + y));
    report_kernel(k, "conv backward data", shape, run_conv_data, 2 * y * taps, 4 * (x + y));
    report_kernel(k, "conv backward weight", shape, run_conv_weight, 2 * y * taps, 4 * (x + y));
  }
}

static void bench_rows(struct bench *k) {
  static const size_t shapes[][2] = {{1024, 16}, {12288, 16}, {12288, 96}, {768, 192}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    k->rows = shapes[i][0], k->channels = shapes[i][1];
    double bytes = 4.0 * (double)k->rows * (double)k->channels;
    char shape[80];
    snprintf(shape, sizeof shape, "%zu x %zu", k->rows, k->channels);
    report_kernel(k, "batchnorm stats", shape, run_stats, 0, 2 * bytes);
    report_kernel(k, "batchnorm forward", shape, run_norm, 0, 2 * bytes);
    report_kernel(k, "relu", shape, run_relu, 0, 2 * bytes);
    report_kernel(k, "add", shape, run_add, 0, 3 * bytes);
  }
}

static void run_block_forward(struct bench *k) { k->kernels->inverted_residual_forward(&k->block, BR_PART_ALL, k->work); }
static void run_block_backward(struct bench *k) { k->kernels->inverted_residual_backward(&k->block, BR_PART_ALL, k->work); }

/* The next `count` floats of a block. */
static float *take(float **from, size_t count) {
  float *p = *from;
  *from += br_size_align(count * sizeof(float)) / sizeof(float);
  return p;
}

/* A block whose arrays lie in a (read), b (kept) and c (written). Statistics are read and written. */
static void block_place(struct bench *k, int side, int C, int E, int stride, int K) {
  const int N = 12, out = (side - 1) / stride + 1;
  const size_t pixels = (size_t)(N * side * side), outer = (size_t)(N * out * out);
  float *read = k->a, *written = k->c;
  struct br_inverted_residual *b = &k->block;
  *b = (struct br_inverted_residual){.depthwise = {N, side, side, E, E, 3, 3, out, out, stride, stride, 1, 1, 1, 1, E}, .C = C, .K = K, .expand = C != E, .eps = 1e-5f};
  b->x = take(&read, pixels * (size_t)C), b->dy = take(&read, outer * (size_t)K);
  b->w_expand = take(&read, (size_t)(C * E)), b->w_depthwise = take(&read, (size_t)(9 * E)), b->w_project = take(&read, (size_t)(E * K));
  const float **const channels[] = {&b->gamma1, &b->beta1, &b->gamma2, &b->beta2};
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) *channels[i] = take(&read, (size_t)E);
  b->y = take(&written, outer * (size_t)K), b->dx = take(&written, pixels * (size_t)C);
  b->dw_expand = take(&written, (size_t)(C * E)), b->dw_depthwise = take(&written, (size_t)(9 * E)), b->dw_project = take(&written, (size_t)(E * K));
  float **const results[] = {&b->mean1, &b->var1, &b->mean2, &b->var2, &b->dgamma1, &b->dbeta1, &b->dgamma2, &b->dbeta2};
  for (size_t i = 0; i < sizeof results / sizeof *results; i++) *results[i] = take(&written, (size_t)E);
  b->moments = (double *)(void *)take(&written, 2 * br_inverted_residual_moments(b));
  b->keep = C >= 48 && C != E ? k->b : NULL; /* as the operator does */
}

/* The blocks of mobilenetv2 0.5 at 128x128. Flops are those of the products, none counted twice; bytes those of x, y and their gradients. */
static void bench_blocks(struct bench *k) {
  static const int shapes[][5] = {{64, 16, 16, 1, 8},  {64, 8, 48, 2, 16},  {32, 16, 96, 1, 16}, {32, 16, 96, 2, 16}, {16, 16, 96, 1, 16}, {16, 16, 96, 2, 32},  {8, 32, 192, 1, 32},
                                  {8, 32, 192, 1, 48}, {8, 48, 288, 1, 48}, {8, 48, 288, 2, 80}, {4, 80, 480, 1, 80}, {4, 80, 480, 1, 160}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const int side = shapes[i][0], C = shapes[i][1], E = shapes[i][2], stride = shapes[i][3], K = shapes[i][4];
    block_place(k, side, C, E, stride, K);
    const double pixels = 12.0 * side * side, outer = pixels / (stride * stride), macs = (C == E ? 0 : pixels * C * E) + outer * E * (9 + K);
    char shape[80];
    snprintf(shape, sizeof shape, "12x%dx%dx%d, %d, 3x3/%d, to %d", side, side, C, E, stride, K);
    report_kernel(k, "block forward", shape, run_block_forward, 2 * macs, 4 * (pixels * C + outer * K));
    report_kernel(k, "block backward", shape, run_block_backward, 4 * macs, 8 * (pixels * C + outer * K));
  }
}

int br_bench_kernels(double seconds, void (*row)(void *arg, const struct br_bench_row *row), void *arg) {
  struct bench k = {.kernels = br__kernels(), .seconds = seconds, .row = row, .arg = arg};
  int status = bench_open(&k);
  if (status == BR_OK) {
    measure_bounds(&k, false);
    bench_gemms(&k);
    bench_convs(&k);
    bench_blocks(&k);
    bench_rows(&k);
  }
  bench_close(&k);
  return status;
}
