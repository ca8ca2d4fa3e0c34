/* Writing tar shards, for `bramble data pack`. Members are PART/CLASS/FILE in POSIX ustar with no time, owner or place in them; each shard begins
 * with classes.txt, so that labels stay what they were. tar.c reads them. */
#include "codec.h"
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/data/pack.h>
#include <bramble/store/file.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512 };

struct packing {
  const char *prefix;
  uint64_t shard_bytes, used; /* of the open shard */
  struct br_writer *writer;   /* NULL: no shard is open */
  struct br_pack *pack;
  char *classes; /* the content of classes.txt */
  struct br_sample sample;
  uint8_t *png; /* an encoded sample */
  size_t png_bytes, png_capacity;
};

static int shard_path(const struct packing *packing, uint64_t index, char path[BR__PATH]) {
  int n = snprintf(path, BR__PATH, "%s-%05llu.tar", packing->prefix, (unsigned long long)index);
  if (n < 0 || n >= BR__PATH) BR_FAIL(BR_ERROR_USAGE, "%.60s...: a path of more than %d bytes", packing->prefix, BR__PATH - 1);
  return BR_OK;
}

/* --- members -------------------------------------------------------------------------------------------------------------- */

/* Name and, where it is longer than 100 bytes, its folder apart. */
static int set_name(char *header, const char *name) {
  size_t n = strlen(name);
  if (n <= 100) {
    memcpy(header, name, n);
    return BR_OK;
  }
  const char *slash = strrchr(name, '/');
  size_t folder = slash ? (size_t)(slash - name) : 0, file = slash ? n - folder - 1 : n;
  if (folder > 155 || file > 100) BR_FAIL(BR_ERROR_DATA, "%s: the name is too long for a tar header (155 bytes for folders, 100 for the file)", name);
  memcpy(header + 345, name, folder);
  memcpy(header, slash + 1, file);
  return BR_OK;
}

static int write_member(struct packing *packing, const char *name, const void *data, size_t bytes) {
  static const char zeros[BLOCK];
  char header[BLOCK] = {0};
  BR_TRY(set_name(header, name));
  if (bytes > 077777777777u) BR_FAIL(BR_ERROR_DATA, "%s: %zu bytes are too many for a tar member", name, bytes);
  memcpy(header + 100, "0000644\0000000000\0000000000", 24);
  snprintf(header + 124, 12, "%011llo", (unsigned long long)bytes);
  memcpy(header + 136, "00000000000\0        0", 21);
  memcpy(header + 257, "ustar\00000", 8);
  unsigned sum = 0;
  for (int i = 0; i < BLOCK; i++) sum += (unsigned char)header[i];
  snprintf(header + 148, 8, "%06o", sum);
  size_t padding = (BLOCK - bytes % BLOCK) % BLOCK;
  BR_TRY(br_writer_write(packing->writer, header, BLOCK));
  BR_TRY(br_writer_write(packing->writer, data, bytes));
  BR_TRY(br_writer_write(packing->writer, zeros, padding));
  packing->used += BLOCK + bytes + padding;
  return BR_OK;
}

/* Two blocks of zeros end an archive. */
static int close_shard(struct packing *packing) {
  static const char zeros[2 * BLOCK];
  if (!packing->writer) return BR_OK;
  BR_TRY(br_writer_write(packing->writer, zeros, sizeof zeros));
  int status = br_writer_commit(packing->writer);
  packing->writer = NULL;
  if (status != BR_OK) return status;
  packing->pack->bytes += packing->used + sizeof zeros;
  packing->pack->shards++;
  return BR_OK;
}

static int open_shard(struct packing *packing) {
  char path[BR__PATH];
  BR_TRY(shard_path(packing, packing->pack->shards, path));
  BR_TRY(br_writer_open(path, &packing->writer));
  packing->used = 0;
  return write_member(packing, "classes.txt", packing->classes, strlen(packing->classes));
}

/* --- samples -------------------------------------------------------------------------------------------------------------- */

static int keep_piece(void *arg, const void *data, size_t bytes) {
  struct packing *packing = arg;
  size_t need = packing->png_bytes + bytes;
  if (need > packing->png_capacity) {
    uint8_t *larger;
    BR_TRY(br_memory_alloc(2 * need, 1, "a PNG picture", &larger));
    if (packing->png_bytes) memcpy(larger, packing->png, packing->png_bytes);
    br_memory_free(packing->png);
    packing->png = larger;
    packing->png_capacity = 2 * need;
  }
  memcpy(packing->png + packing->png_bytes, data, bytes);
  packing->png_bytes = need;
  return BR_OK;
}

/* The sample as a file: as it is, or as PNG. */
static int encoded(struct packing *packing, struct br_dataset *dataset, uint64_t index, const char *name, const void **data, size_t *bytes) {
  if (dataset->source->encoded) {
    BR_TRY(dataset->source->encoded(dataset, index, &packing->sample, bytes));
    *data = packing->sample.encoded;
    return BR_OK;
  }
  BR_TRY(br_dataset_read(dataset, index, &packing->sample));
  struct br_image image = {packing->sample.H, packing->sample.W, packing->sample.C, packing->sample.pixels, 0};
  packing->png_bytes = 0;
  BR_TRY(br__png_encode(name, &image, keep_piece, packing));
  *data = packing->png;
  *bytes = packing->png_bytes;
  return BR_OK;
}

static int pack_sample(struct packing *packing, struct br_dataset *dataset, const char *part, uint64_t index) {
  char name[BR__PATH], number[32];
  const char *class_name = dataset->info.class_names[br_dataset_label(dataset, index)], *file = br_dataset_sample_name(dataset, index);
  snprintf(number, sizeof number, "%08llu.png", (unsigned long long)index);
  if (file && strrchr(file, '/')) file = strrchr(file, '/') + 1;
  int n = snprintf(name, sizeof name, "%s/%s/%s", part, class_name, file ? file : number);
  if (n < 0 || n >= BR__PATH) BR_FAIL(BR_ERROR_DATA, "%.60s...: the name is too long", name);
  const void *data;
  size_t bytes;
  BR_TRY(encoded(packing, dataset, index, name, &data, &bytes));
  if (packing->writer && packing->shard_bytes && packing->used + bytes + 3 * BLOCK > packing->shard_bytes) BR_TRY(close_shard(packing));
  if (!packing->writer) BR_TRY(open_shard(packing));
  BR_TRY(write_member(packing, name, data, bytes));
  packing->pack->samples++;
  return BR_OK;
}

static int list_classes(struct packing *packing, const struct br_dataset_info *info) {
  size_t bytes = 1;
  for (int i = 0; i < info->classes; i++) {
    if (strpbrk(info->class_names[i], "/\r\n")) BR_FAIL(BR_ERROR_DATA, "the class name '%s' cannot be a folder's", info->class_names[i]);
    bytes += strlen(info->class_names[i]) + 1;
  }
  BR_TRY(br_memory_alloc(bytes, 1, "class names", &packing->classes));
  char *to = packing->classes;
  for (int i = 0; i < info->classes; i++) to += sprintf(to, "%s\n", info->class_names[i]);
  return BR_OK;
}

static int pack_part(struct packing *packing, const char *spec, const struct br_dataset_options *options, enum br_data_part part) {
  struct br_dataset_options own = *options;
  own.part = part;
  struct br_dataset *dataset;
  BR_TRY(br_dataset_open(spec, &own, &dataset));
  const struct br_dataset_info *info = &dataset->info;
  int status = BR_OK;
  if (info->type != BR_SAMPLE_U8 || (info->C != 1 && info->C != 3) || info->classes == 0)
    status = br_error_set(BR_ERROR_USAGE, "data '%s': only pictures of bytes in 1 or 3 channels with classes can be packed", spec);
  if (status == BR_OK && !packing->classes) status = list_classes(packing, info);
  for (uint64_t i = 0; i < info->count && status == BR_OK; i++) status = pack_sample(packing, dataset, part == BR_DATA_TEST ? "test" : "train", i);
  br_dataset_close(dataset);
  return status;
}

int br_pack_write(const char *spec, const struct br_dataset_options *options, const char *prefix, uint64_t shard_bytes, struct br_pack *pack) {
  *pack = (struct br_pack){0};
  struct packing packing = {.prefix = prefix, .shard_bytes = shard_bytes, .pack = pack};
  int status = pack_part(&packing, spec, options, BR_DATA_TRAIN);
  if (status == BR_OK) status = pack_part(&packing, spec, options, BR_DATA_TEST);
  if (status == BR_OK) status = close_shard(&packing);
  if (status != BR_OK) {
    br_writer_abandon(packing.writer);
    for (uint64_t i = 0; i < pack->shards; i++) {
      char path[BR__PATH];
      if (shard_path(&packing, i, path) == BR_OK) unlink(path);
    }
  }
  br_memory_free(packing.classes);
  br_memory_free(packing.png);
  br_sample_free(&packing.sample);
  return status;
}
