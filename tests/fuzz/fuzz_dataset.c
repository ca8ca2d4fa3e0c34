/* Files of data sets: the first byte says which kind the others are: tar, idx pictures, idx labels, CIFAR records. Opened from a file and read. */
#include "../data_files.h"
#include "fuzz.h"

#include <bramble/data/pack.h>

#include <zlib.h>

enum { TAR, IMAGES, LABELS, CIFAR, KINDS, CIFAR_BYTES = 3073 * 10000 };

static uint8_t seeds[KINDS][1 << 17];
static size_t seed_bytes[KINDS];

static void make_seeds(void) {
  struct br_pack pack;
  test_folder_make();
  atexit(test_folder_remove);
  if (br_pack_write("shapes:12,8", &(struct br_dataset_options){0}, test_path("seed"), 0, &pack) != 0) abort();
  FILE *file = fopen(test_path("seed-00000.tar"), "rb");
  if (!file) abort();
  seeds[TAR][0] = TAR;
  seed_bytes[TAR] = 1 + fread(seeds[TAR] + 1, 1, sizeof seeds[TAR] - 1, file);
  fclose(file);
  memcpy(seeds[IMAGES], "\x01\0\0\x08\x03\0\0\0\x05\0\0\0\x03\0\0\0\x02", 17);
  seed_bytes[IMAGES] = 17 + 30;
  memcpy(seeds[LABELS], "\x02\0\0\x08\x01\0\0\0\x05\1\2\3\4\5", 14);
  seed_bytes[LABELS] = 14;
  seeds[CIFAR][0] = CIFAR;
  seed_bytes[CIFAR] = 1 + 4 * 3073;
}

static void read_all(const char *kind, const char *name, enum br_data_part part) {
  char spec[600];
  struct br_dataset *dataset;
  snprintf(spec, sizeof spec, "%s:%s/%s", kind, test_folder, name);
  if (br_dataset_open(spec, &(struct br_dataset_options){.part = part, .limit = 20}, &dataset) != 0) return;
  const struct br_dataset_info *info = br_dataset_info(dataset);
  struct br_sample sample = {0};
  for (uint64_t i = 0; i < info->count; i++) {
    int32_t label = br_dataset_label(dataset, i);
    if (label < 0 || label >= info->classes) __builtin_trap();
    br_dataset_read(dataset, i, &sample);
  }
  br_sample_free(&sample);
  br_dataset_close(dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  if (!seed_bytes[TAR]) make_seeds();
  if (bytes == 0) return 0;
  int kind = data[0] % KINDS;
  data++, bytes--;
  if (kind == TAR) {
    test_write("a.tar", data, bytes);
    read_all("tar", "a.tar", BR_DATA_TRAIN);
  } else if (kind == CIFAR) {
    test_write("test_batch.bin", data, bytes);
    if (bytes % 2 == 0 && truncate(test_path("test_batch.bin"), CIFAR_BYTES) != 0) abort();
    read_all("cifar10", ".", BR_DATA_TEST);
  } else {
    bool images = kind == IMAGES;
    test_write("t10k-images-idx3-ubyte", images ? data : seeds[IMAGES] + 1, images ? bytes : seed_bytes[IMAGES] - 1);
    test_write("t10k-labels-idx1-ubyte", images ? seeds[LABELS] + 1 : data, images ? seed_bytes[LABELS] - 1 : bytes);
    read_all("mnist", ".", BR_DATA_TEST);
  }
  return 0;
}

size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  if (!seed_bytes[TAR]) make_seeds();
  if (which >= KINDS || seed_bytes[which] > capacity) return 0;
  memcpy(data, seeds[which], seed_bytes[which]);
  return seed_bytes[which];
}
