/* cifar10:DIR and cifar100:DIR: Krizhevsky's binary layout. A record is 1 (coarse and fine: 2) label bytes and three planes of 32 x 32.
 * The files have 10,000 (cifar100: 50,000 and 10,000) records, neither more nor less, so that a cut copy is noticed. Opening reads
 * everything once, for the labels and the fingerprint; pixels are then read where they lie, one record at a time. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXELS = 3 * PLANE, FILES = 5, BLOCK_RECORDS = 256 };

struct layout {
  const char *folder; /* what the official archive unpacks to */
  const char *train[FILES], *test, *names;
  int label_bytes, classes;
  uint64_t train_records, test_records; /* per file */
};

static const struct layout cifar10 = {
    "cifar-10-batches-bin", {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
    "test_batch.bin", "batches.meta.txt", 1, 10, 10000, 10000};
static const struct layout cifar100 = {"cifar-100-binary", {"train.bin"}, "test.bin", "fine_label_names.txt", 2, 100, 50000, 10000};

struct cifar {
  const struct layout *layout;
  struct br__file file[FILES];
  uint64_t records; /* per file */
  const char **names;
  uint8_t *labels;
};

static void cifar_close(struct br_dataset *dataset) {
  struct cifar *cifar = dataset->state;
  if (!cifar) return;
  for (int i = 0; i < FILES; i++) br__file_close(&cifar->file[i]);
  br_memory_free(cifar->names);
  br_memory_free(cifar->labels);
  br_memory_free(cifar);
}

/* Reads the first `count` records of one file through `block`: labels are kept and checked, everything is hashed. */
static int scan(struct cifar *cifar, int index, uint64_t count, uint8_t *labels, uint8_t *block, uint64_t *hash) {
  const struct layout *layout = cifar->layout;
  const struct br__file *file = &cifar->file[index];
  size_t record = (size_t)layout->label_bytes + PIXELS;
  for (uint64_t first = 0; first < count; first += BLOCK_RECORDS) {
    size_t n = count - first < BLOCK_RECORDS ? (size_t)(count - first) : BLOCK_RECORDS;
    BR_TRY(br__file_read_at(file, first * record, block, n * record));
    *hash = br_hash64(*hash, block, n * record);
    for (size_t i = 0; i < n; i++) {
      labels[first + i] = block[i * record + (size_t)layout->label_bytes - 1];
      if (labels[first + i] >= layout->classes)
        BR_FAIL(BR_ERROR_DATA, "%s: label %d at byte %llu (record %llu), labels are 0 to %d; copy the file again", file->path, labels[first + i],
                (unsigned long long)((first + i) * record) + (unsigned long long)layout->label_bytes - 1, (unsigned long long)(first + i), layout->classes - 1);
    }
  }
  return BR_OK;
}

static int open_file(struct cifar *cifar, int index, const char *folder, const char *name) {
  char path[BR__PATH];
  BR_TRY(br__path_join(path, folder, name));
  BR_TRY(br__file_open(path, &cifar->file[index]));
  size_t record = (size_t)cifar->layout->label_bytes + PIXELS;
  if (cifar->file[index].bytes != cifar->records * record)
    BR_FAIL(BR_ERROR_DATA, "%s: has %llu bytes where %llu records of %zu make %llu; copy the file again", path, (unsigned long long)cifar->file[index].bytes,
            (unsigned long long)cifar->records, record, (unsigned long long)(cifar->records * record));
  return BR_OK;
}

static int scan_all(struct br_dataset *dataset, int files) {
  struct cifar *cifar = dataset->state;
  uint8_t *block;
  BR_TRY(br_memory_alloc(BLOCK_RECORDS, (size_t)cifar->layout->label_bytes + PIXELS, "reading block", &block));
  int status = BR_OK;
  uint64_t left = dataset->info.count, hash = (uint64_t)dataset->info.classes;
  for (int i = 0; i < files && left && status == BR_OK; i++) {
    uint64_t n = left < cifar->records ? left : cifar->records;
    status = scan(cifar, i, n, cifar->labels + (uint64_t)i * cifar->records, block, &hash);
    left -= n;
  }
  br_memory_free(block);
  dataset->info.fingerprint = hash;
  return status;
}

static int open_layout(const struct layout *layout, const char *folder, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct cifar *cifar;
  BR_TRY(br_memory_alloc(1, sizeof *cifar, dataset->info.name, &cifar));
  for (int i = 0; i < FILES; i++) cifar->file[i].fd = -1;
  dataset->state = cifar;
  cifar->layout = layout;
  char path[BR__PATH];
  BR_TRY(br__path_join(path, folder, layout->folder));
  if (!br_file_exists(path)) BR_TRY(br__path_join(path, folder, "."));
  char inner[BR__PATH];
  memcpy(inner, path, sizeof inner);

  int files = 0;
  bool test = options->part == BR_DATA_TEST;
  cifar->records = test ? layout->test_records : layout->train_records;
  if (test)
    BR_TRY(open_file(cifar, files++, inner, layout->test));
  else
    while (files < FILES && layout->train[files]) {
      BR_TRY(open_file(cifar, files, inner, layout->train[files]));
      files++;
    }

  BR_TRY(br__path_join(path, inner, layout->names));
  if (br_file_exists(path))
    BR_TRY(br__class_names_read(path, layout->classes, &cifar->names));
  else
    BR_TRY(br__class_names_numbered(layout->classes, &cifar->names));

  struct br_dataset_info *info = &dataset->info;
  info->count = br__limited((uint64_t)files * cifar->records, options->limit);
  info->classes = layout->classes;
  info->class_names = cifar->names;
  info->H = info->W = SIDE;
  info->C = 3;
  info->type = BR_SAMPLE_U8;
  info->memory_bytes = info->count;
  BR_TRY(br_memory_alloc(info->count, 1, "labels", &cifar->labels));
  return scan_all(dataset, files);
}

static int cifar10_open(const char *folder, const struct br_dataset_options *options, struct br_dataset *dataset) {
  return open_layout(&cifar10, folder, options, dataset);
}

static int cifar100_open(const char *folder, const struct br_dataset_options *options, struct br_dataset *dataset) {
  return open_layout(&cifar100, folder, options, dataset);
}

static int cifar_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  const struct cifar *cifar = dataset->state;
  BR_TRY(br__sample_shape(sample, SIDE, SIDE, 3, BR_SAMPLE_U8));
  uint8_t plane[PIXELS], *pixel = sample->pixels;
  size_t record = (size_t)cifar->layout->label_bytes + PIXELS;
  BR_TRY(br__file_read_at(&cifar->file[index / cifar->records], index % cifar->records * record + (size_t)cifar->layout->label_bytes, plane, PIXELS));
  for (int i = 0; i < PLANE; i++)
    for (int c = 0; c < 3; c++) pixel[3 * i + c] = plane[c * PLANE + i];
  return BR_OK;
}

static int32_t cifar_label(const struct br_dataset *dataset, uint64_t index) { return ((const struct cifar *)dataset->state)->labels[index]; }

const struct br__source br__source_cifar10 = {.name = "cifar10", .argument = "DIR", .open = cifar10_open, .read = cifar_read, .label = cifar_label, .close = cifar_close};
const struct br__source br__source_cifar100 = {.name = "cifar100", .argument = "DIR", .open = cifar100_open, .read = cifar_read, .label = cifar_label, .close = cifar_close};
