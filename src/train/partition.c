/* Cutting a data set into shards. Strided: sample i is worker (i mod W)'s. Iid: the same after a permutation. Dirichlet (Hsu et al. 2019): of each
 * class, worker r owns a share drawn from a symmetric Dirichlet distribution. */
#include "train/partition.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/random.h>
#include <bramble/kernel/kernel.h>

#include <math.h>

size_t br_partition_bytes(uint64_t samples, int workers) { return sizeof(uint64_t) * ((size_t)samples + (size_t)workers + 1); }

/* log of a Gamma(alpha, 1) draw (Marsaglia and Tsang 2000, with their boost below 1): logarithms, since a small alpha gives values below the
 * smallest float. */
static double log_gamma_draw(struct br_random *random, double alpha) {
  double boost = 0;
  if (alpha < 1) {
    boost = (double)br_logf(1 - br_random_float(random)) / alpha;
    alpha += 1;
  }
  double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = br_random_normal(random), root = 1 + c * x, v = root * root * root;
    if (root <= 0) continue;
    double u = 1 - (double)br_random_float(random), log_v = br_logf((float)v);
    if (br_logf((float)u) < 0.5 * x * x + d - d * v + d * log_v) return (double)br_logf((float)d) + log_v + boost;
  }
}

/* share[r] = the part of class `c` that workers 0 .. r own together. */
static void draw_shares(uint64_t seed, int c, double alpha, int workers, double *share) {
  double largest = -INFINITY, sum = 0;
  for (int r = 0; r < workers; r++) {
    struct br_random random = br_random_open(seed, BR_RANDOM_PARTITION, (uint32_t)c + 1, (uint64_t)r + (UINT64_C(1) << 32));
    share[r] = log_gamma_draw(&random, alpha);
    if (share[r] > largest) largest = share[r];
  }
  for (int r = 0; r < workers; r++) sum += br_expf((float)(share[r] - largest));
  double below = 0;
  for (int r = 0; r < workers; r++) {
    below += br_expf((float)(share[r] - largest));
    share[r] = below / sum;
  }
}

/* The worker of each sample: its class's shares, at a place in the class that is its own draw. */
static int dirichlet(struct br_partition *partition, struct br_dataset *data, double alpha, uint64_t seed, int32_t *owner) {
  const struct br_dataset_info *info = br_dataset_info(data);
  int workers = partition->workers, classes = info->classes > 0 ? info->classes : 1;
  double *share;
  size_t count;
  if (!br_size_mul((size_t)classes, (size_t)workers, &count)) BR_FAIL(BR_ERROR_MEMORY, "%d workers of %d classes do not fit in memory", workers, classes);
  BR_TRY(br_memory_alloc(count, sizeof *share, "shares of the workers", &share));
  for (int c = 0; c < classes; c++) draw_shares(seed, c, alpha, workers, share + (size_t)c * (size_t)workers);
  for (uint64_t i = 0; i < info->count; i++) {
    const double *mine = share + (info->classes > 0 ? (size_t)br_dataset_label(data, i) : 0) * (size_t)workers;
    struct br_random random = br_random_open(seed, BR_RANDOM_PARTITION, 0, i);
    double place = br_random_double(&random);
    int low = 0, high = workers - 1; /* the first worker whose shares reach beyond the place */
    while (low < high) {
      int middle = low + (high - low) / 2;
      if (mine[middle] > place)
        high = middle;
      else
        low = middle + 1;
    }
    owner[i] = low;
  }
  br_memory_free(share);
  return BR_OK;
}

static int assign(struct br_partition *partition, struct br_dataset *data, const struct br_worker_options *options, uint64_t seed, int32_t *owner) {
  uint64_t count = br_dataset_info(data)->count, W = (uint64_t)options->workers;
  if (options->partition == BR_PARTITION_DIRICHLET) return dirichlet(partition, data, options->alpha, seed, owner);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t sample = options->partition == BR_PARTITION_IID ? br_random_permute(seed, BR_RANDOM_PARTITION, 0, count, i) : i;
    owner[sample] = (int32_t)(i % W);
  }
  return BR_OK;
}

int br_partition_open(struct br_partition *partition, struct br_dataset *data, const struct br_worker_options *options, uint64_t seed) {
  *partition = (struct br_partition){.workers = options->workers};
  uint64_t count = br_dataset_info(data)->count;
  int32_t *owner;
  BR_TRY(br_memory_alloc((size_t)count, sizeof *partition->samples, "shards", &partition->samples));
  BR_TRY(br_memory_alloc((size_t)options->workers + 1, sizeof *partition->start, "shards", &partition->start));
  BR_TRY(br_memory_alloc((size_t)count, sizeof *owner, "shards", &owner));
  int status = assign(partition, data, options, seed, owner);
  if (status == BR_OK) { /* counting sort: start[r + 1] walks from the shard's begin to its end */
    uint64_t *start = partition->start, before = 0;
    for (uint64_t i = 0; i < count; i++) start[owner[i] + 1]++;
    for (int r = 1; r <= options->workers; r++) {
      uint64_t mine = start[r];
      start[r] = before;
      before += mine;
    }
    for (uint64_t i = 0; i < count; i++) partition->samples[start[owner[i] + 1]++] = i;
  }
  br_memory_free(owner);
  return status;
}

void br_partition_close(struct br_partition *partition) {
  br_memory_free(partition->samples);
  br_memory_free(partition->start);
  *partition = (struct br_partition){0};
}
