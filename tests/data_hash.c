/* Prints one hash of drawn shapes and of loaded samples with every augmentation, for tests/data_arm64.sh. It is linked without the image libraries,
 * so it has the data set's front door itself. */
#include "data/source.h"

#include <bramble/base/cpu.h>
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/data/loader.h>
#include <bramble/store/file.h>

#include <stdio.h>
#include <stdlib.h>

const struct br_dataset_info *br_dataset_info(const struct br_dataset *dataset) { return &dataset->info; }

int br_dataset_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  BR_TRY(dataset->source->read(dataset, index, sample));
  sample->label = dataset->source->label(dataset, index);
  return BR_OK;
}

void br_sample_free(struct br_sample *sample) { (void)sample; }

int br_file_read(const char *path, size_t limit, unsigned char **data, size_t *bytes) {
  (void)limit, (void)data, (void)bytes;
  BR_FAIL(BR_ERROR_DATA, "%s: this test reads no files", path);
}

static uint64_t add_samples(uint64_t hash, struct br_dataset *dataset, int H, int W, float crop, bool colours) {
  struct br_loader_options options = {.dataset = dataset, .preprocess = {.H = H, .W = W, .C = 3, .mean = {0.5f, 0.4f, 0.3f}, .std = {0.25f, 0.2f, 0.5f}}, .seed = 5};
  options.augment = (struct br_augment){.flip = true, .crop_padding = 3, .cutout = 5, .resized_crop = crop};
  if (colours) options.augment.brightness = options.augment.contrast = options.augment.saturation = 0.4f;
  struct br_loader *loader;
  size_t values = (size_t)H * (size_t)W * 3;
  float *x = malloc(values * sizeof *x);
  int32_t label;
  if (!x || br_loader_open(&options, &loader) != BR_OK) abort();
  for (uint64_t i = 0; i < 40; i++) {
    if (br_loader_fill(loader, 1, &i, 1, x, &label) != BR_OK) abort();
    hash = br_hash64(hash, x, values * sizeof *x);
  }
  br_loader_close(loader);
  free(x);
  return hash;
}

int main(void) {
  const struct br_dataset_options options = {.part = BR_DATA_TRAIN, .seed = 1};
  struct br_dataset dataset = {.source = &br__source_shapes};
  if (br__source_shapes.open("300,10", &options, &dataset) != BR_OK) abort();
  uint64_t hash = 0;
  struct br_sample sample = {0};
  for (uint64_t i = 0; i < 300; i++) {
    if (br_dataset_read(&dataset, i, &sample) != BR_OK) abort();
    hash = br_hash64(hash, sample.pixels, 32 * 32 * 3);
  }
  hash = add_samples(hash, &dataset, 32, 32, 0, false);
  hash = add_samples(hash, &dataset, 128, 96, 0, true);
  hash = add_samples(hash, &dataset, 19, 45, 0.3f, true);
  printf("%016llx %s\n", (unsigned long long)hash, br_cpu_level_name(br_cpu_level()));
  return 0;
}
