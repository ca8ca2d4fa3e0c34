/* Opening a data set by its SPEC, and what all kinds have in common. Called by train, predict and the command line. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include <stdio.h>
#include <string.h>

static const struct br__source *const sources[] = {&br__source_shapes, &br__source_cifar10, &br__source_cifar100, &br__source_mnist, &br__source_folder, &br__source_files, &br__source_tar, &br__source_npy};
enum { SOURCES = sizeof sources / sizeof *sources };

static int unknown_source(const char *spec, size_t n) {
  if (spec[n] == 0 && strchr(spec, '/'))
    BR_FAIL(BR_ERROR_USAGE, "data '%s': a path needs its kind before it, e.g. folder:%s or cifar10:%s", spec, spec, spec);
  const char *names[SOURCES];
  char word[64], known[SOURCES * 16];
  size_t used = 0;
  for (int i = 0; i < SOURCES; i++) {
    names[i] = sources[i]->name;
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%.13s", i ? ", " : "", names[i]);
  }
  snprintf(word, sizeof word, "%.*s", (int)(n > 40 ? 40 : n), spec);
  const char *nearest = br_text_nearest(word, names, SOURCES);
  if (nearest) BR_FAIL(BR_ERROR_USAGE, "data '%s': '%s' is no known kind of data; did you mean '%s'?", spec, word, nearest);
  BR_FAIL(BR_ERROR_USAGE, "data '%s': '%s' is no known kind of data; known are %s", spec, word, known);
}

static const struct br__source *find_source(const char *spec) {
  size_t n = strcspn(spec, ":");
  for (int i = 0; i < SOURCES; i++)
    if (strlen(sources[i]->name) == n && memcmp(sources[i]->name, spec, n) == 0) return sources[i];
  return NULL;
}

bool br_dataset_known(const char *spec) {
  const struct br__source *source = find_source(spec);
  return source && (spec[strlen(source->name)] || !source->argument);
}

int br_dataset_open(const char *spec, const struct br_dataset_options *options, struct br_dataset **out) {
  *out = NULL;
  size_t n = strcspn(spec, ":");
  const char *argument = spec[n] && spec[n + 1] ? spec + n + 1 : NULL;
  const struct br__source *source = find_source(spec);
  if (!source) return unknown_source(spec, n);
  if (!argument && source->argument)
    BR_FAIL(BR_ERROR_USAGE, "data '%s': say where it lies, as in %s:%s", spec, source->name, source->argument);

  struct br_dataset *dataset;
  BR_TRY(br_memory_alloc(1, sizeof *dataset, "data set", &dataset));
  dataset->source = source;
  dataset->info.name = source->name;
  int status = source->open(argument, options, dataset);
  if (status == BR_OK && dataset->info.count == 0)
    status = br_error_set(BR_ERROR_DATA, "data '%s': there is no sample in its %s part", spec, options->part == BR_DATA_TEST ? "test" : "train");
  if (status != BR_OK) {
    br_dataset_close(dataset);
    return status;
  }
  *out = dataset;
  return BR_OK;
}

void br_dataset_close(struct br_dataset *dataset) {
  if (!dataset) return;
  dataset->source->close(dataset);
  br_memory_free(dataset);
}

const struct br_dataset_info *br_dataset_info(const struct br_dataset *dataset) { return &dataset->info; }

int br_dataset_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  if (index >= dataset->info.count)
    BR_FAIL(BR_ERROR_USAGE, "%s: sample %llu of %llu was asked for", dataset->info.name, (unsigned long long)index, (unsigned long long)dataset->info.count);
  BR_TRY(dataset->source->read(dataset, index, sample));
  sample->label = dataset->source->label(dataset, index);
  return BR_OK;
}

int32_t br_dataset_label(const struct br_dataset *dataset, uint64_t index) { return dataset->source->label(dataset, index); }

const char *br_dataset_sample_name(const struct br_dataset *dataset, uint64_t index) {
  return dataset->source->sample_name && index < dataset->info.count ? dataset->source->sample_name(dataset, index) : NULL;
}

void br_sample_free(struct br_sample *sample) {
  if (!sample) return;
  br_memory_free(sample->pixels);
  br_memory_free(sample->encoded);
  *sample = (struct br_sample){0};
}
