/* bramble bench data SPEC: how fast samples become the input of a net on one core: reading and decoding alone, and with resizing and normalising. */
#include "cli/bench.h"
#include "cli/setup.h"

#include <bramble/base/clock.h>
#include <bramble/base/memory.h>
#include <bramble/data/loader.h>

#include <stdio.h>
#include <stdlib.h>

#define REPEATS_MOST 1000
#define INPUT_FALLBACK 224 /* of pictures that differ in size */

struct data_bench {
  struct br_dataset *data;
  struct br_loader *loader;
  struct br_sample sample;
  float *x;
  uint64_t pixels; /* of all samples as they are stored */
};

static int open_bench(struct cli *cli, const char *spec, struct data_bench *b, struct br_preprocess *p) {
  const struct options *o = &cli->options;
  BR_TRY(br_dataset_open(spec, &(struct br_dataset_options){.whole = true, .limit = (uint64_t)option_int(o, "limit"), .skip_bad = option_flag(o, "skip-bad"), .seed = 1}, &b->data));
  const struct br_dataset_info *info = br_dataset_info(b->data);
  if (info->count == 0) BR_FAIL(BR_ERROR_DATA, "%s has no samples", spec);
  *p = (struct br_preprocess){.H = info->H ? info->H : INPUT_FALLBACK, .W = info->W ? info->W : INPUT_FALLBACK, .C = info->C, .std = {1, 1, 1, 1}};
  if (option_text(o, "input")) BR_TRY(setup_parse_input(option_text(o, "input"), &p->H, &p->W));
  BR_TRY(br_loader_open(&(struct br_loader_options){.dataset = b->data, .preprocess = *p}, &b->loader));
  return br_memory_alloc((size_t)p->H * (size_t)p->W * (size_t)p->C, sizeof *b->x, "input", &b->x);
}

/* Once through the data: seconds of reading alone, which also counts the pixels, or of the whole way. */
static int pass(struct data_bench *b, bool whole, double *seconds) {
  const uint64_t count = br_dataset_info(b->data)->count;
  int32_t label;
  b->pixels = 0;
  double begin = br_clock_seconds();
  for (uint64_t i = 0; i < count; i++) {
    if (whole)
      BR_TRY(br_loader_fill(b->loader, 0, &i, 1, b->x, &label));
    else
      BR_TRY(br_dataset_read(b->data, i, &b->sample));
    b->pixels += (uint64_t)b->sample.H * (uint64_t)b->sample.W;
  }
  *seconds = (br_clock_seconds() - begin) / (double)count;
  return BR_OK;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int measure(struct data_bench *b, bool whole, int repeats, double *median, double *least) {
  double seconds[REPEATS_MOST + 1];
  BR_TRY(pass(b, whole, &seconds[0])); /* a warm-up, not counted */
  for (int r = 0; r < repeats; r++) BR_TRY(pass(b, whole, &seconds[r]));
  qsort(seconds, (size_t)repeats, sizeof *seconds, by_value);
  *median = seconds[repeats / 2], *least = seconds[0];
  return BR_OK;
}

static int run(struct cli *cli, const char *spec, struct data_bench *b) {
  const int repeats = (int)option_int(&cli->options, "repeats");
  struct br_preprocess p;
  double whole, whole_least, read, read_least;
  BR_TRY(open_bench(cli, spec, b, &p));
  BR_TRY(measure(b, true, repeats, &whole, &whole_least));
  BR_TRY(measure(b, false, repeats, &read, &read_least));
  const double count = (double)br_dataset_info(b->data)->count, megapixels = 1e-6 * (double)b->pixels / count;
  if (option_flag(&cli->options, "json")) {
    cli_print_json(cli, json_pack("{s:s,s:I,s:f,s:i,s:i,s:f,s:f,s:f,s:f}", "data", spec, "samples", (json_int_t)br_dataset_info(b->data)->count, "megapixels", megapixels, "height", p.H, "width", p.W, "seconds_per_sample", whole,
                                  "best_seconds_per_sample", whole_least, "read_seconds_per_sample", read, "best_read_seconds_per_sample", read_least));
    return BR_OK;
  }
  printf("%s: %.0f samples of %.3f Mpx, one core\n", spec, count, megapixels);
  printf("read and decoded   %9.3f ms a sample median, %.3f best of %d\n", read * 1e3, read_least * 1e3, repeats);
  printf("to %4dx%-4d input %9.3f ms a sample median, %.3f best: %.0f samples/s, %.1f Mpx/s\n", p.H, p.W, whole * 1e3, whole_least * 1e3, 1 / whole, megapixels / whole);
  return BR_OK;
}

int bench_data(struct cli *cli) {
  if (cli->options.n_subjects != 2) BR_FAIL(BR_ERROR_USAGE, "bramble bench data takes a data set, as in: bramble bench data folder:photos --input 224");
  if (!cli->speaks) return BR_OK; /* one core of one rank: the others would disturb it */
  struct data_bench b = {0};
  int status = run(cli, cli->options.subjects[1], &b);
  br_sample_free(&b.sample);
  br_memory_free(b.x);
  br_loader_close(b.loader);
  br_dataset_close(b.data);
  return status;
}
