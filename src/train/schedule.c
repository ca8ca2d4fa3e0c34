/* Learning rates over a run: warm-up, then constant, steps, a half cosine, or one cycle (Smith and Topin 2019). */
#include "train/optimiser.h"

/* cos(pi x) for x in [0, 1], by its Taylor series around the nearer of 0 and 1/2: libm's differs between machines. */
static double cos_pi(double x) {
  const double pi = 3.14159265358979323846;
  int flip = x > 0.5;
  double t = pi * (flip ? 1 - x : x), term = 1, sum = 1;
  for (int k = 1; k <= 12; k++) {
    term = -term * (t * t) / ((2 * k - 1) * (2.0 * k));
    sum += term;
  }
  return flip ? -sum : sum;
}

static double cosine(double from, double to, double share) { return to + (from - to) * (1 + cos_pi(share)) / 2; }

float br_schedule_lr(const struct br_schedule_options *s, int64_t step, int64_t steps_per_epoch, int epochs) {
  double total = (double)steps_per_epoch * epochs, warmup = (double)s->warmup_epochs * (double)steps_per_epoch, at = (double)step;
  if (at < warmup) return (float)(s->lr * (at + 1) / warmup > s->lr ? s->lr : s->lr * (at + 1) / warmup);
  double share = total > warmup ? (at - warmup) / (total - warmup) : 1;
  if (share > 1) share = 1;
  switch (s->kind) {
    case BR_SCHEDULE_CONSTANT: break;
    case BR_SCHEDULE_STEP: {
      double lr = s->lr;
      for (int64_t drops = s->step_epochs > 0 ? (int64_t)(at / ((double)s->step_epochs * (double)steps_per_epoch)) : 0; drops > 0; drops--) lr *= s->step_factor;
      return (float)lr;
    }
    case BR_SCHEDULE_COSINE: return (float)cosine(s->lr, s->final_lr, share);
    case BR_SCHEDULE_ONECYCLE: { /* up over the first 30 %, from 1/25 of the peak; then down to final_lr */
      double run = at / total;
      return (float)(run < 0.3 ? cosine(s->lr / 25, s->lr, run / 0.3) : cosine(s->lr, s->final_lr, (run - 0.3) / 0.7));
    }
  }
  return s->lr;
}
