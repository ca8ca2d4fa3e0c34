/* Generated tables. `bramble data make` calls this. Every number of a row comes from the random stream of (seed, kind, row), by additions,
 * multiplications and divisions alone, and is printed from a rounded integer: no library function can make it differ between machines. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/store/file.h>
#include <bramble/table/generate.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define ROW_BYTES 512      /* more than any row takes */
#define BUFFER_BYTES 65536

#define VENUES 320
#define CLUSTERS 3 /* of each kind of venue */
#define MEASURES 12

struct cluster {
  double centre[MEASURES]; /* in deviations of the column */
};

struct generator {
  const char *name, *header;
  char *(*row)(const struct generator *generator, struct br_random *random, char *out);
  struct cluster *clusters;
};

/* --- text ---------------------------------------------------------------------------------------------------------------- */

static char *put_text(char *out, const char *text) {
  size_t n = strlen(text);
  memcpy(out, text, n);
  return out + n;
}

/* x rounded to `places` digits behind the point. */
static char *put_number(char *out, double x, int places) {
  char digits[24];
  int n = 0;
  for (int k = 0; k < places; k++) x *= 10;
  int64_t whole = (int64_t)rint(x);
  if (whole < 0) *out++ = '-', whole = -whole;
  for (; n <= places || whole; whole /= 10) digits[n++] = (char)('0' + whole % 10);
  while (n) {
    *out++ = digits[--n];
    if (n == places && places) *out++ = '.';
  }
  return out;
}

static double limit(double x, double low, double high) { return x < low ? low : x > high ? high : x; }

/* --- cars ---------------------------------------------------------------------------------------------------------------- */

/* Few cars are old; each is driven its own number of miles a year, and loses value by the year, by the mile, and by luck. */
static char *car(const struct generator *generator, struct br_random *random, char *out) {
  (void)generator;
  double age = rint(30 * br_random_double(random) * (0.2 + 0.8 * br_random_double(random)));
  double yearly = 4000 + 14000 * br_random_double(random);
  double odometer = limit(rint((age + br_random_double(random)) * yearly * (1 - age / 80)), 5, 400000);
  double price = 27000 - 800 * age - 0.05 * odometer + 3500 * (double)br_random_normal(random);
  bool missing = br_random_below(random, 200) == 0;
  out = put_number(out, 2020 - age, 0);
  *out++ = ',';
  if (!missing) out = put_number(out, odometer, 0);
  *out++ = ',';
  return put_number(out, limit(price, 300, 90000), 0);
}

/* --- check-ins ----------------------------------------------------------------------------------------------------------- */

static const struct {
  double middle, deviation, low, high;
  int places;
} measures[MEASURES] = {
    {40.73, 0.09, 40.4, 41.1, 6},  {-73.95, 0.1, -74.4, -73.5, 6}, {14, 5, 0, 23, 0},     {4, 1.7, 1, 7, 0},
    {6.5, 3, 1, 12, 0},            {64, 17, 5, 105, 1},            {48, 16, -10, 85, 1},  {0.12, 0.2, 0, 4, 2},
    {5.6, 2.4, 0, 25, 2},          {47, 20, 1, 240, 1},            {2.4, 1.3, 1, 9, 0},   {3.1, 1.6, 0, 20, 3},
};
static const char *const styles[20] = {"American", "Asian", "Brazilian", "Caribbean", "Chinese", "Cuban", "Ethiopian", "French", "German", "Greek", "Indian", "Italian", "Japanese", "Korean", "Mexican", "Spanish", "Thai", "Turkish", "Vegan", "Vietnamese"};
static const char *const places[VENUES / 20] = {"Restaurant", "Bakery", "Bar", "Cafe", "Club", "Deli", "Diner", "Food Truck", "Gallery", "Grocery", "Hotel", "Market", "Music Venue", "Salon", "School", "Theater"};

static int make_clusters(struct generator *generator, uint64_t seed, uint32_t stream) {
  BR_TRY(br_memory_alloc((size_t)VENUES * CLUSTERS, sizeof *generator->clusters, "clusters", &generator->clusters));
  for (size_t k = 0; k < (size_t)VENUES * CLUSTERS; k++) {
    struct br_random random = br_random_open(seed, BR_RANDOM_TABLES, stream, k);
    for (int m = 0; m < MEASURES; m++) generator->clusters[k].centre[m] = (double)br_random_normal(&random);
  }
  return BR_OK;
}

static char *checkin(const struct generator *generator, struct br_random *random, char *out) {
  double share = br_random_double(random);
  uint32_t venue = (uint32_t)(VENUES * share * share); /* the first kinds are the common ones */
  const struct cluster *cluster = &generator->clusters[venue * CLUSTERS + br_random_below(random, CLUSTERS)];
  if (br_random_below(random, 100) < 8) venue = br_random_below(random, VENUES);
  for (int m = 0; m < MEASURES; m++) {
    double x = cluster->centre[m] + 0.5 * (double)br_random_normal(random);
    out = put_number(out, limit(measures[m].middle + measures[m].deviation * x, measures[m].low, measures[m].high), measures[m].places);
    *out++ = ',';
  }
  out = put_text(out, styles[venue % 20]);
  *out++ = ' ';
  return put_text(out, places[venue / 20]);
}

/* --- stars --------------------------------------------------------------------------------------------------------------- */

/* The colours u-g, g-r, r-i, i-z of a class: at redshift 0, what redshift adds, and the spread. */
static const struct {
  const char *name;
  double colour[4], reddening[4], spread;
} bodies[3] = {
    {"GALAXY", {1.55, 0.72, 0.36, 0.26}, {0.9, 1.7, 0.5, 0.3}, 0.26},
    {"QSO", {0.28, 0.24, 0.16, 0.1}, {0.12, 0.02, 0.03, 0.02}, 0.34},
    {"STAR", {1.3, 0.52, 0.22, 0.12}, {0, 0, 0, 0}, 0.12},
};

static char *star(const struct generator *generator, struct br_random *random, char *out) {
  (void)generator;
  uint32_t draw = br_random_below(random, 100);
  int body = draw < 50 ? 0 : draw < 62 ? 1 : 2;
  double u = br_random_double(random), v = br_random_double(random);
  double redshift = body == 0 ? 0.0006 + 0.9 * u * v : body == 1 ? 0.02 + 2 * u + 0.9 * u * v : 0.0012 * (double)br_random_normal(random);
  double temperature = (double)br_random_normal(random); /* shifts all colours together, most in stars */
  double magnitude[5];
  magnitude[2] = 15.2 + 2.6 * br_random_double(random) + (body == 1 ? 1.3 : 0) + 2 * u * (body == 0);
  double colour[4];
  for (int k = 0; k < 4; k++)
    colour[k] = bodies[body].colour[k] + bodies[body].reddening[k] * redshift + bodies[body].spread * (double)br_random_normal(random) * (k ? 0.5 : 1) + temperature * (body == 2 ? 0.28 : 0.05) / (k + 1);
  magnitude[1] = magnitude[2] + colour[1];
  magnitude[0] = magnitude[1] + colour[0];
  magnitude[3] = magnitude[2] - colour[2];
  magnitude[4] = magnitude[3] - colour[3];
  for (int k = 0; k < 5; k++) {
    out = put_number(out, magnitude[k], 5);
    *out++ = ',';
  }
  out = put_number(out, redshift, 7);
  *out++ = ',';
  return put_text(out, bodies[body].name);
}

/* --- the file ------------------------------------------------------------------------------------------------------------ */

/* The place in this list is the number of a kind's random stream. */
static const struct generator generators[] = {
    {"cars", "model_year,odometer,price\n", car, NULL},
    {"checkins", "latitude,longitude,hour,day_of_week,month,temperature_high,temperature_low,rain,wind,minutes,people,distance,venue\n", checkin, NULL},
    {"sdss", "u,g,r,i,z,redshift,class\n", star, NULL},
};
#define N_GENERATORS (sizeof generators / sizeof *generators)

static int write_rows(const struct generator *generator, uint32_t stream, uint64_t rows, uint64_t seed, struct br_writer *writer) {
  char *buffer, *at;
  BR_TRY(br_memory_alloc(BUFFER_BYTES, 1, "rows", &buffer));
  at = put_text(buffer, generator->header);
  int status = BR_OK;
  for (uint64_t r = 0; status == BR_OK && r < rows; r++) {
    struct br_random random = br_random_open(seed, BR_RANDOM_TABLES, stream, r);
    at = generator->row(generator, &random, at);
    *at++ = '\n';
    if (at - buffer < BUFFER_BYTES - ROW_BYTES) continue;
    status = br_writer_write(writer, buffer, (size_t)(at - buffer));
    at = buffer;
  }
  if (status == BR_OK) status = br_writer_write(writer, buffer, (size_t)(at - buffer));
  br_memory_free(buffer);
  return status;
}

int br_table_generate(const char *kind, uint64_t rows, uint64_t seed, const char *path) {
  uint32_t stream = 0;
  while (stream < N_GENERATORS && strcmp(generators[stream].name, kind) != 0) stream++;
  if (stream == N_GENERATORS) BR_FAIL(BR_ERROR_USAGE, "%s is no table that can be made; there are cars, checkins and sdss", kind);
  struct generator generator = generators[stream];
  struct br_writer *writer = NULL;
  int status = generator.row == checkin ? make_clusters(&generator, seed, N_GENERATORS + stream) : BR_OK;
  if (status == BR_OK) status = br_writer_open(path, &writer);
  if (status == BR_OK) status = write_rows(&generator, stream, rows, seed, writer);
  if (status == BR_OK)
    status = br_writer_commit(writer);
  else
    br_writer_abandon(writer);
  br_memory_free(generator.clusters);
  return status;
}
