/* One sample from its data set to the net's input: read, make its channels fit, resize, augment, normalise. Everything random is drawn from
 * (seed, epoch, index) in one fixed order. Scratch memory is kept between calls, so that a running loader allocates nothing. */
#include "loader_state.h"
#include "rows.h"
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include <math.h>
#include <string.h>

struct br__scratch {
  struct br__scratch *next;
  struct br_sample sample;
  struct br_sample converted; /* with the input's channels, where the sample has others */
  void *work;                 /* axes and resizing */
  size_t work_bytes;
};

/* What chance decides about one sample, in the order it is drawn. */
struct draws {
  bool flip;
  int shift_y, shift_x; /* where the padded crop puts the picture's first row and column */
  int hole_y, hole_x;   /* centre of the cutout */
  float brightness, contrast, saturation;
  struct br_random rest; /* for the resized crop, which needs a varying number of draws */
};

static int draw_shift(struct br_random *random, int padding) { return padding - (int)br_random_below(random, 2 * (uint32_t)padding + 1); }

static float draw_factor(struct br_random *random, float range) { return 1 + range * (2 * br_random_float(random) - 1); }

static struct draws draw(const struct br_loader_options *options, uint32_t epoch, uint64_t index) {
  const struct br_augment *augment = &options->augment;
  struct br_random random = br_random_open(options->seed, BR_RANDOM_AUGMENT, epoch, index);
  struct draws draws;
  draws.flip = (br_random_u32(&random) & 1) && augment->flip;
  draws.shift_y = draw_shift(&random, augment->crop_padding);
  draws.shift_x = draw_shift(&random, augment->crop_padding);
  draws.hole_y = (int)br_random_below(&random, (uint32_t)options->preprocess.H);
  draws.hole_x = (int)br_random_below(&random, (uint32_t)options->preprocess.W);
  draws.brightness = draw_factor(&random, augment->brightness);
  draws.contrast = draw_factor(&random, augment->contrast);
  draws.saturation = draw_factor(&random, augment->saturation);
  draws.rest = random;
  return draws;
}

/* --- which part of the picture becomes the input ---------------------------------------------------------------------------- */

/* One direction of it: `count` outputs from out_first of the out_all that cover [start, start + size). */
struct window {
  double start, size;
  int out_all, out_first, count;
};

static struct window stretched(int in, int out) { return (struct window){0, in, out, 0, out}; }

/* A random part of the area in [share, 1] and of a ratio in [3/4, 4/3] (a uniform number in [3/4, 1] or, half of the time, one over it); after ten
 * that do not fit, the middle of the picture. */
static void choose_crop(struct br_random *random, float share, const struct br__picture *picture, const struct br_preprocess *p, struct window *vertical, struct window *horizontal) {
  double H = picture->H, W = picture->W, h = 0, w = 0;
  bool found = false;
  for (int i = 0; i < 10 && !found; i++) {
    double area = H * W * (share + (1 - (double)share) * br_random_float(random));
    double ratio = 0.75 + 0.25 * br_random_float(random);
    if (br_random_u32(random) & 1) ratio = 1 / ratio;
    w = floor(sqrt(area * ratio) + 0.5);
    h = floor(sqrt(area / ratio) + 0.5);
    found = w >= 1 && h >= 1 && w <= W && h <= H;
  }
  if (!found) {
    w = W * 3 > H * 4 ? floor(H * 4 / 3 + 0.5) : W;
    h = H * 3 > W * 4 ? floor(W * 4 / 3 + 0.5) : H;
  }
  double top = found ? (double)br_random_below(random, (uint32_t)(H - h) + 1) : floor((H - h) / 2);
  double left = found ? (double)br_random_below(random, (uint32_t)(W - w) + 1) : floor((W - w) / 2);
  *vertical = (struct window){top, h, p->H, 0, p->H};
  *horizontal = (struct window){left, w, p->W, 0, p->W};
}

/* Half of a difference, a half rounded to the even number, as torchvision's CenterCrop does. */
static int half(int difference) { return (difference + (difference >> 1 & 1)) >> 1; }

/* A picture may be a line of a million pixels: then its middle is of a somewhat shorter one. */
static int resized_side(int64_t side, int64_t shorter_to, int64_t shorter) {
  int64_t all = side * shorter_to / shorter;
  return all < 1 << 30 ? (int)all : 1 << 30;
}

/* The shorter side becomes p->resize_shorter, the longer one as many pixels as fit it (rounded down), and of that the middle. */
static void choose_middle(const struct br__picture *picture, const struct br_preprocess *p, struct window *vertical, struct window *horizontal) {
  int64_t H = picture->H, W = picture->W, shorter = H < W ? H : W;
  int all_H = resized_side(H, p->resize_shorter, shorter), all_W = resized_side(W, p->resize_shorter, shorter);
  *vertical = (struct window){0, (double)H, all_H, half(all_H - p->H), p->H};
  *horizontal = (struct window){0, (double)W, all_W, half(all_W - p->W), p->W};
}

static size_t window_bytes(const struct window *window, int in) { return br__axis_bytes(in, window->size, window->out_all, window->count); }

static void plan(struct br__axis *axis, const struct window *window, int in, void *memory) {
  br__axis_plan(axis, in, window->start, window->size, window->out_all, window->out_first, window->count, memory);
}

/* --- channels ------------------------------------------------------------------------------------------------------------- */

static void grey_to_rgb(const struct br_sample *from, struct br_sample *to) {
  size_t n = (size_t)from->H * (size_t)from->W;
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < 3; c++) {
      if (from->type == BR_SAMPLE_U8)
        ((uint8_t *)to->pixels)[3 * i + c] = ((const uint8_t *)from->pixels)[i];
      else
        ((float *)to->pixels)[3 * i + c] = ((const float *)from->pixels)[i];
    }
}

/* ITU-R 601 luma; of bytes in 16 fractional bits and rounded. */
static void rgb_to_grey(const struct br_sample *from, struct br_sample *to) {
  size_t n = (size_t)from->H * (size_t)from->W;
  for (size_t i = 0; i < n; i++) {
    if (from->type == BR_SAMPLE_U8) {
      const uint8_t *p = (const uint8_t *)from->pixels + 3 * i;
      ((uint8_t *)to->pixels)[i] = (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
    } else {
      const float *p = (const float *)from->pixels + 3 * i;
      ((float *)to->pixels)[i] = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
    }
  }
}

/* *picture = the sample with C channels. */
static int fit_channels(struct br__scratch *scratch, int C, struct br__picture *picture) {
  struct br_sample *sample = &scratch->sample;
  if (sample->C != C) {
    BR_TRY(br__sample_shape(&scratch->converted, sample->H, sample->W, C, sample->type));
    if (C == 3)
      grey_to_rgb(sample, &scratch->converted);
    else
      rgb_to_grey(sample, &scratch->converted);
    sample = &scratch->converted;
  }
  *picture = (struct br__picture){sample->pixels, sample->type, sample->H, sample->W, C};
  return BR_OK;
}

/* --- values --------------------------------------------------------------------------------------------------------------- */

static float clamp(float v, float most) { return v < 0 ? 0 : v > most ? most : v; }

static float luma(const float *pixel, int C) { return C == 3 ? 0.299f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2] : pixel[0]; }

/* Brightness, contrast (towards the mean luma), saturation (towards the pixel's luma), in this order; values stay in [0, most]. */
static void jitter(const struct draws *draws, const struct br_augment *augment, float most, size_t pixels, int C, float *x) {
  if (augment->brightness > 0)
    for (size_t i = 0; i < pixels * (size_t)C; i++) x[i] = clamp(x[i] * draws->brightness, most);
  if (augment->contrast > 0) {
    double sum = 0;
    for (size_t i = 0; i < pixels; i++) sum += (double)luma(x + i * (size_t)C, C);
    float grey = (1 - draws->contrast) * (float)(sum / (double)pixels);
    for (size_t i = 0; i < pixels * (size_t)C; i++) x[i] = clamp(x[i] * draws->contrast + grey, most);
  }
  if (augment->saturation > 0 && C == 3)
    for (size_t i = 0; i < pixels; i++) {
      float grey = (1 - draws->saturation) * luma(x + 3 * i, 3);
      for (size_t c = 0; c < 3; c++) x[3 * i + c] = clamp(x[3 * i + c] * draws->saturation + grey, most);
    }
}

/* The mean is 0 after normalising. */
static void cut_out(const struct draws *draws, int side, int H, int W, int C, float *x) {
  int top = draws->hole_y - side / 2, left = draws->hole_x - side / 2;
  int bottom = top + side < H ? top + side : H, right = left + side < W ? left + side : W;
  if (left < 0) left = 0;
  for (int y = top < 0 ? 0 : top; y < bottom; y++)
    memset(x + ((size_t)y * (size_t)W + (size_t)left) * (size_t)C, 0, (size_t)(right - left) * (size_t)C * sizeof(float));
}

/* --- one sample ----------------------------------------------------------------------------------------------------------- */

struct target {
  const struct br_loader *loader;
  float *x;
  int shift_y, shift_x;
  bool raw; /* normalised later, after the colours are changed */
};

static void put_row(void *arg, int y, const float *row) {
  const struct target *to = arg;
  const struct br_preprocess *p = &to->loader->options.preprocess;
  y += to->shift_y;
  if (y < 0 || y >= p->H) return;
  size_t n = (size_t)p->W * (size_t)p->C, from = 0, at = 0;
  if (to->shift_x > 0) at = (size_t)to->shift_x * (size_t)p->C;
  if (to->shift_x < 0) from = (size_t)-to->shift_x * (size_t)p->C;
  float *out = to->x + (size_t)y * n + at;
  n -= at + from;
  if (to->raw)
    memcpy(out, row + from, n * sizeof(float));
  else
    br__rows()->normalise(row + from, to->loader->scale + at, to->loader->bias + at, out, n);
}

static int reserve_work(struct br__scratch *scratch, size_t bytes) {
  if (bytes <= scratch->work_bytes) return BR_OK;
  br_memory_free(scratch->work);
  scratch->work = NULL;
  scratch->work_bytes = 0;
  BR_TRY(br_memory_alloc(bytes, 1, "resizing", &scratch->work));
  scratch->work_bytes = bytes;
  return BR_OK;
}

/* Plans the axes for this picture unless that was done once for all, and makes room for resizing; *work is that room. */
static int plan_picture(const struct br_loader *loader, struct br__scratch *scratch, const struct br__picture *picture, struct draws *draws, struct br__axis axis[2], void **work) {
  const struct br_preprocess *p = &loader->options.preprocess;
  size_t vertical_bytes = 0, horizontal_bytes = 0;
  struct window vertical, horizontal;
  if (loader->axes) {
    axis[0] = loader->vertical;
    axis[1] = loader->horizontal;
  } else {
    vertical = stretched(picture->H, p->H), horizontal = stretched(picture->W, p->W);
    if (loader->options.augment.resized_crop > 0)
      choose_crop(&draws->rest, loader->options.augment.resized_crop, picture, p, &vertical, &horizontal);
    else if (p->resize_shorter)
      choose_middle(picture, p, &vertical, &horizontal);
    vertical_bytes = window_bytes(&vertical, picture->H);
    horizontal_bytes = window_bytes(&horizontal, picture->W);
    axis[0] = (struct br__axis){.taps = br__axis_taps(picture->H, vertical.size, vertical.out_all), .out = p->H};
    axis[1] = (struct br__axis){.out = p->W};
  }
  BR_TRY(reserve_work(scratch, vertical_bytes + horizontal_bytes + br__resize_work_bytes(picture, &axis[0], &axis[1])));
  if (!loader->axes) {
    plan(&axis[0], &vertical, picture->H, scratch->work);
    plan(&axis[1], &horizontal, picture->W, (char *)scratch->work + vertical_bytes);
  }
  *work = (char *)scratch->work + vertical_bytes + horizontal_bytes;
  return BR_OK;
}

static int fill_one(const struct br_loader *loader, struct br__scratch *scratch, uint32_t epoch, uint64_t index, float *x, int32_t *label) {
  const struct br_preprocess *p = &loader->options.preprocess;
  const struct br_augment *augment = &loader->options.augment;
  scratch->sample.shorter_at_least = loader->shorter_at_least;
  BR_TRY(br_dataset_read(loader->options.dataset, index, &scratch->sample));
  *label = scratch->sample.label;
  struct br__picture picture;
  BR_TRY(fit_channels(scratch, p->C, &picture));
  struct draws draws = draw(&loader->options, epoch, index);
  struct br__axis axis[2];
  void *work;
  BR_TRY(plan_picture(loader, scratch, &picture, &draws, axis, &work));

  size_t pixels = (size_t)p->H * (size_t)p->W, n_row = (size_t)p->W * (size_t)p->C;
  struct target target = {loader, x, draws.shift_y, draws.shift_x, augment->brightness > 0 || augment->contrast > 0 || augment->saturation > 0};
  if (draws.shift_y || draws.shift_x) { /* what the picture does not cover is black */
    for (int y = 0; y < p->H; y++) {
      if (target.raw)
        memset(x + (size_t)y * n_row, 0, n_row * sizeof(float));
      else
        memcpy(x + (size_t)y * n_row, loader->bias, n_row * sizeof(float));
    }
  }
  br__resize(&picture, &axis[0], &axis[1], draws.flip, work, put_row, &target);
  if (target.raw) {
    jitter(&draws, augment, picture.type == BR_SAMPLE_U8 ? 255 : 1, pixels, p->C, x);
    for (int y = 0; y < p->H; y++) br__rows()->normalise_in_place(x + (size_t)y * n_row, loader->scale, loader->bias, n_row);
  }
  if (augment->cutout) cut_out(&draws, augment->cutout, p->H, p->W, p->C, x);
  return BR_OK;
}

/* --- the loader ----------------------------------------------------------------------------------------------------------- */

static int take_scratch(struct br_loader *loader, struct br__scratch **out) {
  pthread_mutex_lock(&loader->mutex);
  *out = loader->free_scratch;
  if (*out) loader->free_scratch = (*out)->next;
  pthread_mutex_unlock(&loader->mutex);
  return *out ? BR_OK : br_memory_alloc(1, sizeof **out, "loader", out);
}

static void give_scratch(struct br_loader *loader, struct br__scratch *scratch) {
  pthread_mutex_lock(&loader->mutex);
  scratch->next = loader->free_scratch;
  loader->free_scratch = scratch;
  pthread_mutex_unlock(&loader->mutex);
}

enum { FETCH_AHEAD = 8, LINE = 64 }; /* samples, which lie anywhere, and memory takes its time; bytes that come at once */

/* Samples that lie in memory and have the input's size: normalised from where they are. */
static void fill_direct(const struct br_loader *loader, const uint64_t *index, int n, float *x, int32_t *label) {
  const struct br_preprocess *p = &loader->options.preprocess;
  const struct br_dataset *dataset = loader->options.dataset;
  const struct br__rows *rows = br__rows();
  const bool floats = dataset->info.type == BR_SAMPLE_F32;
  const size_t row = (size_t)p->W * (size_t)p->C, bytes = floats ? row * sizeof(float) : row;
  for (int i = 0; i < n; i++) {
    const char *from = dataset->source->pixels(dataset, index[i]), *next = i + FETCH_AHEAD < n ? dataset->source->pixels(dataset, index[i + FETCH_AHEAD]) : from;
    for (int y = 0; y < p->H; y++, x += row, from += bytes, next += bytes) {
      for (size_t at = 0; at < bytes; at += LINE) __builtin_prefetch(next + at);
      if (floats)
        rows->normalise((const float *)(const void *)from, loader->scale, loader->bias, x, row);
      else
        rows->normalise_bytes((const uint8_t *)from, loader->scale, loader->bias, x, row);
    }
    label[i] = dataset->source->label(dataset, index[i]);
  }
}

int br_loader_fill(struct br_loader *loader, uint32_t epoch, const uint64_t *index, int n, float *x, int32_t *label) {
  const struct br_preprocess *p = &loader->options.preprocess;
  size_t stride = (size_t)p->H * (size_t)p->W * (size_t)p->C;
  if (loader->direct) {
    for (int i = 0; i < n; i++)
      if (index[i] >= loader->info.count) BR_FAIL(BR_ERROR_USAGE, "%s: sample %llu of %llu was asked for", loader->info.name, (unsigned long long)index[i], (unsigned long long)loader->info.count);
    fill_direct(loader, index, n, x, label);
    return BR_OK;
  }
  struct br__scratch *scratch;
  BR_TRY(take_scratch(loader, &scratch));
  int status = BR_OK;
  for (int i = 0; i < n && status == BR_OK; i++) status = fill_one(loader, scratch, epoch, index[i], x + (size_t)i * stride, &label[i]);
  give_scratch(loader, scratch);
  return status;
}

bool br_loader_gives_numbers(const struct br_loader *loader) { return loader->info.numbers; }

/* Whether samples become the input by nothing but normalising. */
static bool is_direct(const struct br_loader *loader) {
  const struct br_augment *a = &loader->options.augment;
  const struct br_preprocess *p = &loader->options.preprocess;
  const struct br_dataset_info *info = &loader->info;
  const struct br_dataset *dataset = loader->options.dataset;
  bool same = info->H == p->H && info->W == p->W && info->C == p->C && p->resize_shorter == 0;
  bool drawn = a->flip || a->crop_padding || a->resized_crop > 0 || a->cutout || a->brightness > 0 || a->contrast > 0 || a->saturation > 0;
  return same && !drawn && info->count > 0 && dataset->source->pixels && dataset->source->pixels(dataset, 0);
}

bool br_loader_is_costly(const struct br_loader *loader) {
  const struct br_preprocess *p = &loader->options.preprocess;
  const struct br_augment *augment = &loader->options.augment;
  return loader->info.H != p->H || loader->info.W != p->W || augment->resized_crop > 0 || augment->brightness > 0 || augment->contrast > 0 || augment->saturation > 0;
}

static int check(const struct br_loader_options *options, const struct br_dataset_info *info) {
  const struct br_preprocess *p = &options->preprocess;
  const struct br_augment *augment = &options->augment;
  if (p->H < 1 || p->W < 1 || p->C < 1) BR_FAIL(BR_ERROR_USAGE, "an input of %d x %d x %d is none", p->H, p->W, p->C);
  if (info->C != p->C && !(info->C == 1 && p->C == 3) && !(info->C == 3 && p->C == 1))
    BR_FAIL(BR_ERROR_USAGE, "%s has %d channels, the net's input %d: change the net's input", info->name, info->C, p->C);
  for (int c = 0; c < (p->C < 4 ? p->C : 4); c++)
    if (!(p->std[c] > 0)) BR_FAIL(BR_ERROR_USAGE, "the standard deviation of channel %d is %g; it must be above 0", c, (double)p->std[c]);
  if (p->resize_shorter && (p->resize_shorter < p->H || p->resize_shorter < p->W))
    BR_FAIL(BR_ERROR_USAGE, "a shorter side of %d pixels does not cover the input of %d x %d; make it %d or more", p->resize_shorter, p->H, p->W, p->H > p->W ? p->H : p->W);
  if (augment->crop_padding < 0 || augment->crop_padding >= p->H || augment->crop_padding >= p->W)
    BR_FAIL(BR_ERROR_USAGE, "padding of %d pixels on an input of %d x %d; it must be 0 or more and smaller than the input", augment->crop_padding, p->H, p->W);
  if (!(augment->resized_crop >= 0 && augment->resized_crop <= 1)) BR_FAIL(BR_ERROR_USAGE, "a resized crop of %g of the area; it must be 0 (off) to 1", (double)augment->resized_crop);
  if (augment->cutout < 0 || augment->cutout > 2 * (p->H > p->W ? p->H : p->W)) BR_FAIL(BR_ERROR_USAGE, "a cutout of %d pixels on an input of %d x %d", augment->cutout, p->H, p->W);
  const float range[] = {augment->brightness, augment->contrast, augment->saturation};
  for (int i = 0; i < 3; i++)
    if (!(range[i] >= 0 && range[i] <= 1)) BR_FAIL(BR_ERROR_USAGE, "a colour change of %g; it must be 0 (off) to 1", (double)range[i]);
  return BR_OK;
}

/* Scale and bias of a row; the fifth channel and those after it take the first's. */
static int prepare_values(struct br_loader *loader) {
  const struct br_preprocess *p = &loader->options.preprocess;
  size_t n = (size_t)p->W * (size_t)p->C;
  BR_TRY(br_memory_alloc(n, sizeof(float), "loader", &loader->scale));
  BR_TRY(br_memory_alloc(n, sizeof(float), "loader", &loader->bias));
  double full = loader->info.type == BR_SAMPLE_U8 ? 255 : 1;
  for (size_t i = 0; i < n; i++) {
    size_t c = i % (size_t)p->C < 4 && p->C <= 4 ? i % (size_t)p->C : 0;
    loader->scale[i] = (float)(1 / (full * (double)p->std[c]));
    loader->bias[i] = (float)(-(double)p->mean[c] / (double)p->std[c]);
  }
  return BR_OK;
}

/* How far a JPEG may shrink while it is decoded: the smallest part that a crop can take must still have the input's pixels. */
static int least_shorter_side(const struct br_loader_options *options) {
  const struct br_preprocess *p = &options->preprocess;
  int side = p->H > p->W ? p->H : p->W;
  if (options->augment.resized_crop > 0) return (int)ceil(side / sqrt(0.75 * (double)options->augment.resized_crop));
  return p->resize_shorter ? p->resize_shorter : side;
}

/* Where all pictures have one size and none is cropped by chance, the axes are the same for all. */
static int prepare_axes(struct br_loader *loader) {
  const struct br_preprocess *p = &loader->options.preprocess;
  if (loader->info.H == 0 || loader->options.augment.resized_crop > 0) return BR_OK;
  struct br__picture picture = {.H = loader->info.H, .W = loader->info.W};
  struct window vertical = stretched(picture.H, p->H), horizontal = stretched(picture.W, p->W);
  if (p->resize_shorter) choose_middle(&picture, p, &vertical, &horizontal);
  size_t vertical_bytes = window_bytes(&vertical, picture.H);
  BR_TRY(br_memory_alloc(vertical_bytes + window_bytes(&horizontal, picture.W), 1, "loader", &loader->axes));
  plan(&loader->vertical, &vertical, picture.H, loader->axes);
  plan(&loader->horizontal, &horizontal, picture.W, (char *)loader->axes + vertical_bytes);
  return BR_OK;
}

int br_loader_open(const struct br_loader_options *options, struct br_loader **out) {
  *out = NULL;
  const struct br_dataset_info *info = br_dataset_info(options->dataset);
  BR_TRY(check(options, info));
  struct br_loader *loader;
  BR_TRY(br_memory_alloc(1, sizeof *loader, "loader", &loader));
  pthread_mutex_init(&loader->mutex, NULL);
  loader->options = *options;
  loader->info = *info;
  loader->shorter_at_least = least_shorter_side(options);
  loader->direct = is_direct(loader);
  int status = prepare_values(loader);
  if (status == BR_OK) status = prepare_axes(loader);
  if (status != BR_OK) {
    br_loader_close(loader);
    return status;
  }
  *out = loader;
  return BR_OK;
}

void br_loader_close(struct br_loader *loader) {
  if (!loader) return;
  br__stream_close(loader->stream);
  while (loader->free_scratch) {
    struct br__scratch *scratch = loader->free_scratch;
    loader->free_scratch = scratch->next;
    br_sample_free(&scratch->sample);
    br_sample_free(&scratch->converted);
    br_memory_free(scratch->work);
    br_memory_free(scratch);
  }
  pthread_mutex_destroy(&loader->mutex);
  br_memory_free(loader->axes);
  br_memory_free(loader->scale);
  br_memory_free(loader->bias);
  br_memory_free(loader);
}
