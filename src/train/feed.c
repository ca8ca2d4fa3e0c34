/* The running ahead asks for the rank's units step by step, as the trainer will; who takes which does not matter, since sums are exact. */
#include "train/feed.h"

#include <bramble/base/error.h>
#include <bramble/cluster/place.h>

/* Called by the loader's threads, one at a time: the samples of the unit after the last. */
static int next_unit(void *arg, uint32_t *epoch, uint64_t *index) {
  struct br_feed *feed = arg;
  const struct br_feed_plan *p = &feed->plan;
  while (feed->mine >= feed->mine_last) {
    if (feed->at >= p->units) return 0;
    int64_t count = p->units - feed->at < p->per_step ? p->units - feed->at : p->per_step, first, last;
    br_place_units(count, p->ranks, p->speed, p->rank, &first, &last);
    feed->mine = feed->at + first;
    feed->mine_last = feed->at + last;
    feed->at += count;
  }
  br_order_unit(&p->order, feed->mine++, index);
  *epoch = p->order.epoch;
  return p->order.micro_batch;
}

int br_feed_depth(int groups) { return 2 * groups + 1; }

int br_feed_start(struct br_feed *feed, struct br_loader *loader, const struct br_feed_plan *plan, int groups) {
  *feed = (struct br_feed){.loader = loader, .plan = *plan, .at = plan->first};
  BR_TRY(br_loader_start(loader, next_unit, feed, plan->order.micro_batch, br_feed_depth(groups), groups));
  pthread_mutex_init(&feed->taking, NULL);
  feed->runs = true;
  return BR_OK;
}

void br_feed_step(struct br_feed *feed, int64_t mine_first) { feed->next = mine_first; }

int br_feed_take(struct br_feed *feed, struct br_unit **unit, int64_t *number) {
  pthread_mutex_lock(&feed->taking);
  int status = br_loader_next(feed->loader, unit);
  *number = feed->next++;
  pthread_mutex_unlock(&feed->taking);
  return status;
}

void br_feed_stop(struct br_feed *feed) {
  if (!feed->runs) return;
  br_loader_stop(feed->loader);
  pthread_mutex_destroy(&feed->taking);
  feed->runs = false;
}
