/* Cutting, beginning and finishing buckets. */
#include "train/buckets.h"

#include <bramble/base/clock.h>
#include <bramble/base/error.h>

#define LARGE ((size_t)1 << 17)
#define SMALL ((size_t)1 << 14) /* less is not worth a message of its own */
#define GRAIN ((size_t)16)

int br_buckets_cut(size_t n, size_t border[BR_BUCKETS]) {
  size_t large = n / 32 > LARGE ? n / 32 : LARGE; /* at most 32 of them, and the halvings below: fewer than BR_BUCKETS up to 2^31 parameters */
  int count = 0;
  border[0] = n;
  while (border[count] > 0) {
    size_t above = border[count], size = above / 2 < large ? above / 2 : large;
    if (above < 2 * SMALL || n <= LARGE) size = above;
    border[++count] = (above - size) / GRAIN * GRAIN;
  }
  return count;
}

void br_buckets_begin(struct br_buckets *b, struct br_comm *comm) {
  double start = br_clock_seconds();
  struct br_bucket *bucket = &b->bucket[b->begun];
  if (b->status == BR_OK) b->status = br_comm_reduce_start(comm, bucket->data, bucket->n, bucket->type, &b->request[b->begun]);
  b->begun++;
  b->seconds += br_clock_seconds() - start;
}

void br_buckets_progress(struct br_buckets *b, struct br_comm *comm) {
  if (b->begun == 0) return;
  double start = br_clock_seconds();
  if (b->status == BR_OK) b->status = br_comm_progress(comm);
  b->seconds += br_clock_seconds() - start;
}

int br_buckets_finish(struct br_buckets *b, struct br_comm *comm) {
  double start = br_clock_seconds();
  int status = b->status;
  for (int k = 0; status == BR_OK && k < b->begun; k++) status = br_comm_wait(comm, b->request[k]);
  b->begun = 0;
  b->status = BR_OK;
  b->seconds += br_clock_seconds() - start;
  return status;
}
