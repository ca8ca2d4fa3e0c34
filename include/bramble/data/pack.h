/* Tar shards: a data set in a few large files, which cards, network disks and page caches read far faster than many small ones. */
#ifndef BRAMBLE_DATA_PACK_H
#define BRAMBLE_DATA_PACK_H

#include <bramble/data/dataset.h>

struct br_pack {
  uint64_t samples, shards, bytes;
};

/* Writes both parts of the data set `spec` into PREFIX-00000.tar, PREFIX-00001.tar, ... of about `shard_bytes` bytes each (0: one shard), to be read
 * as tar:PREFIX-00000.tar,...: the same samples in the same order with the same labels. Picture files are copied as they are; other pictures of
 * bytes are written as PNG. options->part is ignored. The files depend on the data alone. On failure no shard is left.
 * Errors: those of br_dataset_open and reading; BR_ERROR_USAGE for samples that are no pictures; BR_ERROR_FAILED. Thread-safe. */
int br_pack_write(const char *spec, const struct br_dataset_options *options, const char *prefix, uint64_t shard_bytes, struct br_pack *pack);

#endif
