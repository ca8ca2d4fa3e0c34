/* tar:FILE,FILE,...: shards with the layout of a folder in them (CLASS/picture.jpg or train/CLASS/picture.jpg), few large files where a card or a
 * network does badly with many small ones. Opening walks the headers once, in order, and keeps where each picture lies; it is then read from there.
 * POSIX ustar with the long names of pax and GNU. An archive without its closing block is taken for a cut copy. A member "classes.txt", one name
 * per line, gives the order of the labels (pack.c writes it). */
#include "pictures.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, MOST_EXTRA = 1 << 20 };

struct tar {
  struct br__pictures pictures;
  struct br__file *files;
  uint32_t n_files;
  char *class_text;    /* of classes.txt, NULL: none */
  const char **order;  /* its lines */
  int n_order;
};

static void tar_close(struct br_dataset *dataset) {
  struct tar *tar = dataset->state;
  if (!tar) return;
  for (uint32_t i = 0; i < tar->n_files; i++) br__file_close(&tar->files[i]);
  br__pictures_free(&tar->pictures);
  br_memory_free(tar->files);
  br_memory_free(tar->class_text);
  br_memory_free(tar->order);
  br_memory_free(tar);
}

/* --- one archive ---------------------------------------------------------------------------------------------------------- */

struct header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* Octal digits ended by a space, a 0 or the field's end; or, with the first bit set, a binary number. */
static bool number(const char *field, size_t n, uint64_t *out) {
  const unsigned char *p = (const unsigned char *)field;
  uint64_t value = 0;
  size_t i = 0;
  if (p[0] == 0x80) {
    for (i = 1; i < n; i++) {
      if (value >> 55) return false;
      value = value << 8 | p[i];
    }
  } else {
    while (i < n && p[i] == ' ') i++;
    for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) value = value << 3 | (uint64_t)(p[i] - '0');
    if (i < n && p[i] != ' ' && p[i] != 0) return false;
  }
  *out = value;
  return true;
}

static bool checksum_fits(const struct header *header) {
  const unsigned char *p = (const unsigned char *)header;
  uint64_t want, sum = 0;
  size_t at = offsetof(struct header, checksum);
  for (size_t i = 0; i < BLOCK; i++) sum += i >= at && i < at + 8 ? ' ' : p[i];
  return number(header->checksum, 8, &want) && sum == want;
}

static bool is_zero(const struct header *header) {
  const unsigned char *p = (const unsigned char *)header;
  for (size_t i = 0; i < BLOCK; i++)
    if (p[i]) return false;
  return true;
}

/* Where a walk through one archive stands. */
struct walk {
  struct tar *tar;
  uint32_t file;
  uint64_t at;
  char name[BR__PATH]; /* of the next member, where a block before it tells it */
};

/* The text of a member that is about the next one, or of classes.txt; the caller frees it. */
static int read_text(const struct walk *walk, uint64_t bytes, char **text) {
  const struct br__file *file = &walk->tar->files[walk->file];
  if (bytes > MOST_EXTRA) BR_FAIL(BR_ERROR_DATA, "%s: %llu bytes of names at byte %llu; write the archive again", file->path, (unsigned long long)bytes, (unsigned long long)walk->at);
  BR_TRY(br_memory_alloc((size_t)bytes + 1, 1, "tar", text));
  int status = br__file_read_at(file, walk->at, *text, (size_t)bytes);
  if (status != BR_OK) {
    br_memory_free(*text);
    *text = NULL;
  }
  return status;
}

static void set_name(struct walk *walk, const char *name, size_t n) {
  if (n >= BR__PATH) n = BR__PATH - 1;
  memcpy(walk->name, name, n);
  walk->name[n] = 0;
}

/* Records "LENGTH key=value\n"; only the path counts. */
static void take_pax(struct walk *walk, const char *text, size_t bytes) {
  for (size_t at = 0; at < bytes;) {
    char *key;
    unsigned long length = strtoul(text + at, &key, 10);
    size_t digits = (size_t)(key - (text + at));
    if (digits == 0 || length > bytes - at || length < digits + 2 || *key != ' ') return;
    size_t n = length - digits - 2; /* without the space and the line break */
    if (n > 5 && memcmp(key + 1, "path=", 5) == 0) set_name(walk, key + 6, n - 5);
    at += length;
  }
}

static int take_classes(struct walk *walk, uint64_t bytes) {
  struct tar *tar = walk->tar;
  char *text;
  BR_TRY(read_text(walk, bytes, &text));
  if (tar->class_text) { /* every shard has it, the same */
    bool same = strcmp(tar->class_text, text) == 0;
    br_memory_free(text);
    if (!same) BR_FAIL(BR_ERROR_DATA, "%s: its classes.txt differs from the other shards'; these were not packed together", tar->files[walk->file].path);
    return BR_OK;
  }
  tar->class_text = text;
  return BR_OK;
}

static int take_member(struct walk *walk, const struct header *header, uint64_t bytes) {
  struct tar *tar = walk->tar;
  if (header->type == 'L' || header->type == 'x') {
    char *text;
    BR_TRY(read_text(walk, bytes, &text));
    if (header->type == 'L')
      set_name(walk, text, strlen(text));
    else
      take_pax(walk, text, (size_t)bytes);
    br_memory_free(text);
    return BR_OK;
  }
  if (!walk->name[0]) {
    bool prefixed = memcmp(header->magic, "ustar", 6) == 0 && header->prefix[0];
    snprintf(walk->name, sizeof walk->name, "%.*s%s%.*s", prefixed ? (int)sizeof header->prefix : 0, header->prefix, prefixed ? "/" : "", (int)sizeof header->name, header->name);
  }
  int status = BR_OK;
  if (header->type == '0' || header->type == 0) {
    const char *slash = strrchr(walk->name, '/'), *last = slash ? slash + 1 : walk->name;
    if (strcmp(last, "classes.txt") == 0)
      status = take_classes(walk, bytes);
    else if (last[0] != '.' && br__is_picture_name(last))
      status = br__pictures_add(&tar->pictures, walk->name, walk->file, walk->at, bytes);
    else if (last[0] != '.')
      br__pictures_pass(&tar->pictures, walk->name);
  }
  walk->name[0] = 0;
  return status;
}

static int walk_archive(struct tar *tar, uint32_t index) {
  const struct br__file *file = &tar->files[index];
  struct walk walk = {.tar = tar, .file = index};
  for (;;) {
    struct header header;
    uint64_t start = walk.at, bytes;
    if (file->bytes - walk.at < BLOCK) BR_FAIL(BR_ERROR_DATA, "%s: ends at byte %llu without the block that closes an archive; copy the file again", file->path, (unsigned long long)file->bytes);
    BR_TRY(br__file_read_at(file, walk.at, &header, BLOCK));
    if (is_zero(&header)) return BR_OK;
    if (!checksum_fits(&header) || !number(header.size, sizeof header.size, &bytes))
      BR_FAIL(BR_ERROR_DATA, "%s: no tar header at byte %llu; copy the file again", file->path, (unsigned long long)start);
    walk.at += BLOCK;
    uint64_t padded = bytes / BLOCK * BLOCK + (bytes % BLOCK ? BLOCK : 0);
    if (padded > file->bytes - walk.at)
      BR_FAIL(BR_ERROR_DATA, "%s: the member at byte %llu has %llu bytes, the file ends before; copy the file again", file->path, (unsigned long long)start, (unsigned long long)bytes);
    BR_TRY(take_member(&walk, &header, bytes));
    walk.at += padded;
  }
}

/* --- the data set --------------------------------------------------------------------------------------------------------- */

static int open_files(struct tar *tar, const char *argument) {
  uint32_t n = 1;
  for (const char *p = argument; *p; p++) n += *p == ',';
  BR_TRY(br_memory_alloc(n, sizeof *tar->files, "tar", &tar->files));
  for (const char *start = argument; tar->n_files < n; start += strcspn(start, ",") + 1) {
    char path[BR__PATH];
    size_t length = strcspn(start, ",");
    if (length == 0 || length >= BR__PATH) BR_FAIL(BR_ERROR_USAGE, "data 'tar:%.200s': write it as tar:FILE or tar:FILE,FILE,...", argument);
    memcpy(path, start, length);
    path[length] = 0;
    BR_TRY(br__file_open(path, &tar->files[tar->n_files]));
    tar->n_files++;
  }
  return BR_OK;
}

static int split_classes(struct tar *tar) {
  size_t lines = 1;
  for (const char *p = tar->class_text; *p; p++) lines += *p == '\n';
  BR_TRY(br_memory_alloc(lines, sizeof *tar->order, "class names", &tar->order));
  for (char *rest = tar->class_text, *line; (line = strsep(&rest, "\r\n"));)
    if (*line) tar->order[tar->n_order++] = line;
  return BR_OK;
}

static int tar_open(const char *argument, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct tar *tar;
  BR_TRY(br_memory_alloc(1, sizeof *tar, "tar", &tar));
  dataset->state = tar;
  BR_TRY(open_files(tar, argument));
  for (uint32_t i = 0; i < tar->n_files; i++) BR_TRY(walk_archive(tar, i));
  if (tar->class_text) BR_TRY(split_classes(tar));
  BR_TRY(br__pictures_finish(&tar->pictures, tar->files[0].path, true, tar->order, tar->n_order, options, &dataset->info));
  br__pictures_say_passed(&tar->pictures, tar->files[0].path, "in class folders");
  return options->skip_bad ? br__pictures_skip_bad(&tar->pictures, dataset) : BR_OK;
}

static int tar_encoded(struct br_dataset *dataset, uint64_t index, struct br_sample *sample, size_t *bytes) {
  const struct tar *tar = dataset->state;
  const struct br__entry *entry = &tar->pictures.entries[index];
  BR_TRY(br__sample_encoded(sample, br__picture_name(&tar->pictures, index), entry->bytes));
  *bytes = (size_t)entry->bytes;
  return br__file_read_at(&tar->files[entry->file], entry->offset, sample->encoded, *bytes);
}

static int tar_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  const struct tar *tar = dataset->state;
  size_t bytes;
  BR_TRY(tar_encoded(dataset, index, sample, &bytes));
  int status = br__sample_decode(sample, br__picture_name(&tar->pictures, index), bytes);
  return status == BR_OK ? BR_OK : br_error_prefix(status, "%s", tar->files[tar->pictures.entries[index].file].path);
}

static int32_t tar_label(const struct br_dataset *dataset, uint64_t index) { return ((const struct tar *)dataset->state)->pictures.entries[index].label; }

static const char *tar_sample_name(const struct br_dataset *dataset, uint64_t index) { return br__picture_name(&((const struct tar *)dataset->state)->pictures, index); }

const struct br__source br__source_tar = {.name = "tar", .argument = "FILE,...", .open = tar_open, .read = tar_read, .label = tar_label, .close = tar_close, .sample_name = tar_sample_name, .encoded = tar_encoded};
