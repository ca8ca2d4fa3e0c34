/* files:FILE,FILE,...: pictures that nobody has labelled, so that one photo goes into a net the very way a data set's do. No classes, label 0, the
 * same in both parts. */
#include "pictures.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>

#include <string.h>

static int add_file(struct br_dataset *dataset, const char *path) {
  struct br__file file;
  BR_TRY(br__file_open(path, &file));
  const uint64_t facts[] = {file.bytes};
  br__file_close(&file);
  dataset->info.fingerprint = br_hash64(br_hash64(dataset->info.fingerprint, path, strlen(path)), facts, sizeof facts);
  return br__pictures_add(dataset->state, path, 0, 0, facts[0]);
}

static void describe(struct br_dataset *dataset) {
  const struct br__pictures *pictures = dataset->state;
  struct br_dataset_info *info = &dataset->info;
  info->count = pictures->count;
  info->C = 3;
  info->type = BR_SAMPLE_U8;
  info->memory_bytes = pictures->capacity * sizeof *pictures->entries + pictures->text_capacity;
}

static int files_open(const char *argument, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct br__pictures *pictures;
  BR_TRY(br_memory_alloc(1, sizeof *pictures, "files", &pictures));
  dataset->state = pictures;
  for (const char *start = argument, *end; start; start = *end ? end + 1 : NULL) {
    end = start + strcspn(start, ",");
    char path[BR__PATH];
    size_t n = (size_t)(end - start);
    if (n == 0 || n >= BR__PATH) BR_FAIL(BR_ERROR_USAGE, "data 'files:%.200s': write it as files:FILE or files:FILE,FILE,...", argument);
    if (options->limit && pictures->count == options->limit) break;
    memcpy(path, start, n);
    path[n] = 0;
    BR_TRY(add_file(dataset, path));
  }
  describe(dataset);
  return options->skip_bad ? br__pictures_skip_bad(pictures, dataset) : BR_OK;
}

static int files_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  const struct br__pictures *pictures = dataset->state;
  const char *path = br__picture_name(pictures, index);
  uint64_t bytes = pictures->entries[index].bytes;
  BR_TRY(br__sample_read_file(sample, path, bytes));
  return br__sample_decode(sample, path, (size_t)bytes);
}

static int32_t files_label(const struct br_dataset *dataset, uint64_t index) {
  (void)dataset, (void)index;
  return 0;
}

static const char *files_sample_name(const struct br_dataset *dataset, uint64_t index) { return br__picture_name(dataset->state, index); }

static void files_close(struct br_dataset *dataset) {
  struct br__pictures *pictures = dataset->state;
  if (!pictures) return;
  br__pictures_free(pictures);
  br_memory_free(pictures);
}

const struct br__source br__source_files = {.name = "files", .argument = "FILE,...", .open = files_open, .read = files_read, .label = files_label, .close = files_close, .sample_name = files_sample_name};

int br_dataset_open_file(const char *path, struct br_dataset **out) {
  struct br_dataset *dataset;
  *out = NULL;
  BR_TRY(br_memory_alloc(1, sizeof *dataset, "data set", &dataset));
  dataset->source = &br__source_files;
  dataset->info.name = br__source_files.name;
  int status = br_memory_alloc(1, sizeof(struct br__pictures), "files", &dataset->state);
  if (status == BR_OK) status = add_file(dataset, path);
  if (status == BR_OK) {
    describe(dataset);
    *out = dataset;
  } else
    br_dataset_close(dataset);
  return status;
}
