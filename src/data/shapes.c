/* shapes: the embedded data set, so that everything can be tried without a file. Ten kinds of drawn shapes at any place, size, angle and
 * colour, with noise. A picture is a pure function of (seed, part, index), in integers only, so that its bytes are the same on every
 * machine: do not change what is drawn without renaming the data set. Lengths are in 1/64 of a pixel; a shape is a function of the
 * distance of each pixel to its edge (negative inside), which also smooths the edge. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  SIDE = 32,
  PIXELS = 3 * SIDE * SIDE,
  CLASSES = 10,
  NOISE = 56,             /* largest change of a value by noise */
  KEPT = 20000,           /* pictures kept once drawn; later ones are drawn each time */
  MOST = 1000000000,      /* pictures of a part */
  TRAIN = 8000, TEST = 2000
};

/* d[x] = distance to the shape's edge of the SIDE points (u[x], v[x]) in the shape's own frame, r its outer radius. */
typedef void draw_function(const int32_t *u, const int32_t *v, int32_t r, int32_t *d);

static inline int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
static inline int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t size_of(int32_t a) { return a < 0 ? -a : a; }

/* (|p|^2 - r^2) / 2r: near the edge the distance to a circle of radius r. */
static inline int32_t disc(int32_t u, int32_t v, int32_t r, int32_t inverse) { return ((u * u + v * v - r * r) >> 4) * inverse >> 11; }
static inline int32_t disc_inverse(int32_t r) { return (1 << 14) / r; }
static inline int32_t box(int32_t u, int32_t v, int32_t half_u, int32_t half_v) { return larger(size_of(u) - half_u, size_of(v) - half_v); }

#define EACH(expression)                                \
  for (int x = 0; x < SIDE; x++) {                      \
    int32_t a = u[x], b = v[x];                         \
    d[x] = (expression);                                \
  }

static void draw_disc(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  int32_t inverse = disc_inverse(r);
  EACH(disc(a, b, r, inverse))
}

static void draw_ring(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  int32_t outer = disc_inverse(r), hole = r * 5 / 9, inner = disc_inverse(hole);
  EACH(larger(disc(a, b, r, outer), -disc(a, b, hole, inner)))
}

static void draw_crescent(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  int32_t outer = disc_inverse(r), hole = r * 4 / 5, inner = disc_inverse(hole), shift = r / 2;
  EACH(larger(disc(a, b, r, outer), -disc(a - shift, b, hole, inner)))
}

static void draw_triangle(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  EACH(larger(b, larger((3547 * a >> 12) - b / 2, (-3547 * a >> 12) - b / 2)) - r / 2)
}

static void draw_square(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) { EACH(box(a, b, r * 4 / 5, r * 4 / 5)) }

static void draw_bar(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) { EACH(box(a, b, r, r / 4)) }

static void draw_cross(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) { EACH(smaller(box(a, b, r, r / 4), box(a, b, r / 4, r))) }

static void draw_angle(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  int32_t side = r * 5 / 6, thin = r / 4, shift = side - thin;
  EACH(smaller(box(a, b - shift, side, thin), box(a + shift, b, thin, side)))
}

static void draw_pair(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  int32_t radius = r * 2 / 5, inverse = disc_inverse(radius), shift = r * 3 / 5;
  EACH(smaller(disc(a - shift, b, radius, inverse), disc(a + shift, b, radius, inverse)))
}

/* A five-pointed star is where at least four of five half-planes hold, so its edge is the second largest of five distances. */
static void draw_star(const int32_t *u, const int32_t *v, int32_t r, int32_t *d) {
  static const int32_t normal[5][2] = {{4096, 0}, {1266, 3896}, {-3314, 2408}, {-3314, -2408}, {1266, -3896}}; /* 4096 cos, sin of 72 degrees */
  int32_t largest[SIDE];
  for (int x = 0; x < SIDE; x++) largest[x] = d[x] = -(1 << 20);
  for (int i = 0; i < 5; i++)
    for (int x = 0; x < SIDE; x++) {
      int32_t distance = (normal[i][0] * u[x] + normal[i][1] * v[x]) >> 12;
      d[x] = larger(d[x], smaller(largest[x], distance));
      largest[x] = larger(largest[x], distance);
    }
  for (int x = 0; x < SIDE; x++) d[x] -= r * 5 / 16;
}

static const char *const names[CLASSES] = {"disc", "ring", "crescent", "triangle", "square", "bar", "cross", "angle", "pair", "star"};
static draw_function *const draw[CLASSES] = {draw_disc, draw_ring, draw_crescent, draw_triangle, draw_square,
                                             draw_bar,  draw_cross, draw_angle,   draw_pair,     draw_star};

struct scene {
  int32_t x, y, radius;     /* place and size */
  int32_t cosine, sine;     /* times 4096 */
  int32_t stretch;          /* of one axis, times 256; negative: mirrored */
  int32_t back[3], fore[3]; /* colours */
  int32_t slope_x, slope_y; /* of the light over the picture, per pixel, times 16 */
};

/* A whole number in [low, high]. */
static int32_t between(struct br_random *random, int32_t low, int32_t high) { return low + (int32_t)br_random_below(random, (uint32_t)(high - low + 1)); }

/* An angle without sine tables: t in [-tan 22.5, tan 22.5] gives the unit vector ((1 - t^2) / (1 + t^2), 2t / (1 + t^2)). */
static void choose_angle(struct br_random *random, struct scene *scene) {
  int64_t t = between(random, -1697, 1697), one = 4096, length = one * one + t * t;
  int32_t c = (int32_t)(one * (one * one - t * t) / length), s = (int32_t)(one * 2 * t * one / length);
  scene->cosine = c, scene->sine = s;
}

static struct scene choose(struct br_random *random) {
  struct scene scene;
  scene.radius = between(random, 8 * 64, 13 * 64);
  int32_t free_space = 17 * 64 - scene.radius;
  scene.x = 16 * 64 + between(random, -free_space, free_space);
  scene.y = 16 * 64 + between(random, -free_space, free_space);
  choose_angle(random, &scene);
  scene.stretch = between(random, 224, 288) * (between(random, 0, 1) ? 1 : -1);
  for (int c = 0; c < 3; c++) {
    scene.back[c] = between(random, 16, 128);
    scene.fore[c] = scene.back[c] + between(random, 32, 120);
  }
  scene.slope_x = between(random, -24, 24);
  scene.slope_y = between(random, -24, 24);
  return scene;
}

static void render(uint64_t seed, enum br_data_part part, uint64_t index, uint8_t *pixels) {
  struct br_random random = br_random_open(seed, BR_RANDOM_SHAPES, (uint32_t)part, index);
  struct scene scene = choose(&random);
  draw_function *shape = draw[index % CLASSES];
  uint32_t noise[3 * SIDE / 4], first_block = random.block;
  uint8_t *out = pixels;
  for (int y = 0; y < SIDE; y++) {
    int32_t u[SIDE], v[SIDE], d[SIDE], dy = 64 * y + 32 - scene.y;
    for (int x = 0; x < SIDE; x++) {
      int32_t dx = 64 * x + 32 - scene.x;
      u[x] = ((scene.cosine * dx + scene.sine * dy) >> 12) * scene.stretch >> 8;
      v[x] = (scene.cosine * dy - scene.sine * dx) >> 12;
    }
    shape(u, v, scene.radius, d);
    for (uint32_t i = 0; i < 3 * SIDE / 16; i++)
      br_random_block(seed, BR_RANDOM_SHAPES, (uint32_t)part, index, first_block + (uint32_t)y * (3 * SIDE / 16) + i, noise + 4 * i);
    for (int x = 0; x < SIDE; x++) {
      int32_t cover = smaller(larger(32 - d[x], 0), 64);
      int32_t light = (scene.slope_x * (x - SIDE / 2) + scene.slope_y * (y - SIDE / 2)) >> 4;
      for (int c = 0; c < 3; c++) {
        int i = 3 * x + c;
        int32_t grain = (int32_t)(noise[i / 4] >> (8 * (i % 4)) & 255) - 128;
        int32_t value = scene.back[c] + ((scene.fore[c] - scene.back[c]) * cover >> 6) + light + (grain * NOISE >> 7);
        *out++ = (uint8_t)smaller(larger(value, 0), 255);
      }
    }
  }
}

enum { MISSING, DRAWING, THERE };

struct shapes {
  uint64_t seed, kept;
  enum br_data_part part;
  uint8_t *pixels;       /* of the first `kept` pictures */
  atomic_uchar *present; /* MISSING, DRAWING by some thread, THERE */
};

static int parse_counts(const char *argument, uint64_t count[2]) {
  count[0] = TRAIN, count[1] = TEST;
  if (!argument) return BR_OK;
  const char *text = argument;
  for (int i = 0; i < 2; i++) {
    char *end;
    unsigned long long n = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (n == 0 || n > MOST || *end != (i == 0 ? ',' : 0))
      BR_FAIL(BR_ERROR_USAGE, "data 'shapes:%s': write it as shapes:TRAIN,TEST with two numbers from 1 to %d", argument, MOST);
    count[i] = n;
    text = end + 1;
  }
  return BR_OK;
}

static int shapes_open(const char *argument, const struct br_dataset_options *options, struct br_dataset *dataset) {
  uint64_t count[2];
  BR_TRY(parse_counts(argument, count));
  struct shapes *shapes;
  BR_TRY(br_memory_alloc(1, sizeof *shapes, "shapes", &shapes));
  dataset->state = shapes;
  struct br_dataset_info *info = &dataset->info;
  info->count = br__limited(count[options->part == BR_DATA_TEST], options->limit);
  info->classes = CLASSES;
  info->class_names = names;
  info->H = info->W = SIDE;
  info->C = 3;
  info->type = BR_SAMPLE_U8;
  shapes->seed = options->seed;
  shapes->part = options->part;
  shapes->kept = br__limited(info->count, KEPT);
  BR_TRY(br_memory_alloc(shapes->kept, PIXELS, "shapes", &shapes->pixels));
  BR_TRY(br_memory_alloc(shapes->kept, sizeof *shapes->present, "shapes", &shapes->present));
  info->memory_bytes = (size_t)shapes->kept * (PIXELS + 1);
  const uint64_t identity[] = {options->seed, (uint64_t)options->part, info->count};
  info->fingerprint = br_hash64(CLASSES, identity, sizeof identity);
  return BR_OK;
}

static int shapes_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  struct shapes *shapes = dataset->state;
  BR_TRY(br__sample_shape(sample, SIDE, SIDE, 3, BR_SAMPLE_U8));
  uint8_t *kept = index < shapes->kept ? shapes->pixels + index * PIXELS : NULL;
  if (kept && atomic_load_explicit(&shapes->present[index], memory_order_acquire) == THERE) {
    memcpy(sample->pixels, kept, PIXELS);
    return BR_OK;
  }
  render(shapes->seed, shapes->part, index, sample->pixels);
  unsigned char missing = MISSING;
  if (kept && atomic_compare_exchange_strong(&shapes->present[index], &missing, DRAWING)) {
    memcpy(kept, sample->pixels, PIXELS);
    atomic_store_explicit(&shapes->present[index], THERE, memory_order_release);
  }
  return BR_OK;
}

static int32_t shapes_label(const struct br_dataset *dataset, uint64_t index) {
  (void)dataset;
  return (int32_t)(index % CLASSES);
}

static void shapes_close(struct br_dataset *dataset) {
  struct shapes *shapes = dataset->state;
  if (!shapes) return;
  br_memory_free(shapes->pixels);
  br_memory_free(shapes->present);
  br_memory_free(shapes);
}

const struct br__source br__source_shapes = {.name = "shapes", .open = shapes_open, .read = shapes_read, .label = shapes_label, .close = shapes_close};
