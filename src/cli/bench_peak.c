/* What the multiply-add units of a team's processors do at most: the bound that bench train and bench predict set their figures beside. */
#include "cli/bench.h"

#include <bramble/base/clock.h>
#include <bramble/kernel/bench.h>

#define PEAK_STEPS 400000
#define TRIES 50 /* the machine may be busy during some */

static void run_peak(void *arg, struct br_part part) {
  float sink = 1;
  (void)part;
  double flops = br_peak_flops(PEAK_STEPS, &sink);
  if (part.index == 0) *(double *)arg = flops + (sink == 0);
}

double bench_peak(struct br_team *team) {
  double best = 0, flops;
  for (int i = 0; i < TRIES; i++) {
    double begin = br_clock_seconds();
    br_team_run(team, run_peak, &flops);
    double rate = flops / 2 * br_team_count(team) / (br_clock_seconds() - begin);
    best = rate > best ? rate : best;
  }
  return best;
}
