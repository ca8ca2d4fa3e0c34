/* The thread, its points, and what is read for each. */
#include <bramble/base/clock.h>
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/record/energy.h>
#include <bramble/record/sampler.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LEAST_SECONDS 0.1 /* of a last point */

struct br_sampler {
  pthread_t thread;
  pthread_mutex_t lock; /* of all below */
  pthread_cond_t wake;
  bool runs, ends;
  struct br_meter *meter;
  double start, period, joules;
  struct br_counters counters; /* at the last point */
  double user, system;         /* processor seconds, then */
  struct br_sampler_record record;
};

static double seconds_of(struct timeval t) { return (double)t.tv_sec + 1e-6 * (double)t.tv_usec; }

static double read_meter(struct br_sampler *s) {
  s->record.n_readings += s->meter != NULL;
  return br_meter_joules(s->meter);
}

/* What happened since the last point. */
static struct br_rank_point take_point(struct br_sampler *s) {
  struct br_counters now;
  struct br_machine_state state;
  struct rusage usage;
  br_counters_read(&now);
  br_machine_state_read_quick(&state);
  getrusage(RUSAGE_SELF, &usage);
  double passed = now.time - s->counters.time, user = seconds_of(usage.ru_utime), system = seconds_of(usage.ru_stime), joules = read_meter(s);
  struct br_sample_point machine = br_counters_between(&s->counters, &now);
  struct br_rank_point p = {.seconds = now.time - s->start, .user = (user - s->user) / passed, .system = (system - s->system) / passed, .idle = fmax(1 - machine.busy - machine.wait, 0), .disk_wait = machine.wait,
                            .rss_bytes = (double)br_memory_rss_bytes(), .disk_read = machine.disk_read, .disk_written = machine.disk_written, .net_received = machine.net_received, .net_sent = machine.net_sent,
                            .mhz = state.mhz, .celsius = state.celsius, .watts = (joules - s->joules) / passed};
  s->counters = now;
  s->user = user;
  s->system = system;
  s->joules = joules;
  s->record.joules = joules;
  return p;
}

static void keep_point(struct br_sampler *s, const struct br_rank_point *p) {
  struct br_sampler_record *r = &s->record;
  if (r->n_points == BR_SAMPLER_POINTS) {
    for (int i = 0; i < BR_SAMPLER_POINTS / 2; i++) r->point[i] = r->point[2 * i + 1];
    r->n_points = BR_SAMPLER_POINTS / 2;
    s->period *= 2;
  }
  bool under_load = r->n_points > 0; /* the clock rises during the first */
  r->point[r->n_points++] = *p;
  if (!under_load) return;
  r->mhz_low = fmin(r->mhz_low, p->mhz);
  r->mhz_high = fmax(r->mhz_high, p->mhz);
}

static void *sample(void *arg) {
  struct br_sampler *s = arg;
  pthread_mutex_lock(&s->lock);
  while (!s->ends) {
    double next = s->counters.time + s->period;
    struct timespec until = {.tv_sec = (time_t)next, .tv_nsec = (long)((next - floor(next)) * 1e9)};
    pthread_cond_timedwait(&s->wake, &s->lock, &until);
    if (br_clock_seconds() < next) continue;
    struct br_rank_point p = take_point(s);
    keep_point(s, &p);
  }
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

static int start(struct br_sampler *s) {
  pthread_condattr_t monotonic;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  s->user = seconds_of(usage.ru_utime);
  s->system = seconds_of(usage.ru_stime);
  br_counters_read(&s->counters);
  s->start = s->counters.time;
  s->joules = read_meter(s);
  pthread_mutex_init(&s->lock, NULL);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC); /* as br_clock_seconds */
  pthread_cond_init(&s->wake, &monotonic);
  pthread_condattr_destroy(&monotonic);
  if (pthread_create(&s->thread, NULL, sample, s) != 0) BR_FAIL(BR_ERROR_FAILED, "the thread that watches the machine cannot be started");
  s->runs = true;
  return BR_OK;
}

int br_sampler_open(bool meters, const char *watts, struct br_sampler **out) {
  struct br_sampler *s;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *s, "samples of the machine", &s));
  s->period = 1;
  s->record.mhz_low = s->record.mhz_high = s->record.joules = NAN;
  gethostname(s->record.host, sizeof s->record.host - 1);
  br_machine_state_read(&s->record.before);
  int status = meters ? br_meter_open(watts, &s->meter) : BR_OK;
  snprintf(s->record.meter, sizeof s->record.meter, "%s", br_meter_name(s->meter));
  if (status == BR_OK) status = start(s);
  if (status != BR_OK)
    br_sampler_close(s);
  else
    *out = s;
  return status;
}

void br_sampler_mark(struct br_sampler *s) {
  pthread_mutex_lock(&s->lock);
  if (s->record.n_marks < BR_SAMPLER_MARKS) s->record.mark[s->record.n_marks++] = read_meter(s);
  pthread_mutex_unlock(&s->lock);
}

bool br_sampler_last(struct br_sampler *s, struct br_rank_point *point) {
  pthread_mutex_lock(&s->lock);
  bool there = s->record.n_points > 0;
  if (there) *point = s->record.point[s->record.n_points - 1];
  pthread_mutex_unlock(&s->lock);
  return there;
}

const struct br_sampler_record *br_sampler_stop(struct br_sampler *s) {
  if (!s->runs) return &s->record;
  pthread_mutex_lock(&s->lock);
  s->ends = true;
  pthread_cond_signal(&s->wake);
  pthread_mutex_unlock(&s->lock);
  pthread_join(s->thread, NULL);
  s->runs = false;
  if (br_clock_seconds() - s->counters.time >= LEAST_SECONDS) {
    struct br_rank_point p = take_point(s);
    keep_point(s, &p);
  } else {
    s->record.joules = read_meter(s); /* of a run however short: from its start to its end */
  }
  br_machine_state_read(&s->record.after);
  return &s->record;
}

void br_sampler_close(struct br_sampler *s) {
  if (!s) return;
  if (s->runs) br_sampler_stop(s);
  br_meter_close(s->meter);
  br_memory_free(s);
}

const char *br_sampler_changes(const struct br_sampler_record *r, char *text) {
  char flags[160];
  text[0] = 0;
  if (r->before.throttled != r->after.throttled)
    snprintf(text, 200, "%s", br_machine_throttle_text(&r->after, flags));
  else if (r->after.throttle_count > r->before.throttle_count)
    snprintf(text, 200, "throttled %lld times for heat", (long long)(r->after.throttle_count - r->before.throttle_count));
  else if (r->mhz_low < 0.9 * r->mhz_high)
    snprintf(text, 200, "the clock fell from %.0f to %.0f MHz", r->mhz_high, r->mhz_low);
  return text;
}
