/* npy:IMAGES.npy,LABELS.npy: samples that someone made into arrays. Images are u1 or f4 of N x H x W, N x H x W x C or N x C (vectors: 1 x 1
 * pictures of C channels); labels are N whole numbers from 0. There is one array, so a fifth of it, drawn by chance, is the test part. */
#include "source.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/store/npy.h>

#include <string.h>

enum { MOST_SIDE = 1 << 20, MOST_CLASSES = 1 << 20 };

/* Small samples are held in memory, up to so much: a system call for each would cost more than training on it does. */
enum { SMALL_SAMPLE = 4096, HELD_AT_MOST = 256 << 20 };

struct array {
  struct br__file file;
  size_t offset, sample_bytes;
  unsigned char *held; /* all samples of the file; NULL: they are read where they lie */
  uint64_t *index; /* of the samples of this part in the file */
  int32_t *labels; /* of these */
  const char **names;
};

static void array_close(struct br_dataset *dataset) {
  struct array *array = dataset->state;
  if (!array) return;
  br__file_close(&array->file);
  br_memory_free(array->held);
  br_memory_free(array->index);
  br_memory_free(array->labels);
  br_memory_free(array->names);
  br_memory_free(array);
}

static int open_images(const char *path, struct br_dataset *dataset, uint64_t *count) {
  struct array *array = dataset->state;
  struct br_dataset_info *info = &dataset->info;
  struct br_npy npy;
  BR_TRY(br__file_open(path, &array->file));
  size_t bytes = array->file.bytes < BR_NPY_MAX_HEADER ? (size_t)array->file.bytes : BR_NPY_MAX_HEADER;
  void *start;
  BR_TRY(br_memory_alloc(bytes, 1, path, &start));
  int status = br__file_read_at(&array->file, 0, start, bytes);
  if (status == BR_OK) status = br_npy_parse(path, start, bytes, array->file.bytes, &npy);
  br_memory_free(start);
  BR_TRY(status);
  if (npy.type != BR_NPY_U8 && npy.type != BR_NPY_F32) BR_FAIL(BR_ERROR_DATA, "%s: images are u1 (0 to 255) or f4; convert it with astype", path);
  if (npy.dims < 2 || npy.dims > 4) BR_FAIL(BR_ERROR_DATA, "%s: has %d dimensions; images are N,H,W or N,H,W,C, vectors N,C", path, npy.dims);
  for (int i = 1; i < npy.dims; i++)
    if (npy.shape[i] == 0 || npy.shape[i] > MOST_SIDE) BR_FAIL(BR_ERROR_DATA, "%s: dimension %d is %zu; 1 to %d are possible", path, i, npy.shape[i], MOST_SIDE);
  if (npy.shape[0] == 0) BR_FAIL(BR_ERROR_DATA, "%s: has no image", path);
  *count = npy.shape[0];
  info->H = npy.dims == 2 ? 1 : (int)npy.shape[1];
  info->W = npy.dims == 2 ? 1 : (int)npy.shape[2];
  info->C = npy.dims == 2 ? (int)npy.shape[1] : npy.dims == 3 ? 1 : (int)npy.shape[3];
  info->type = npy.type == BR_NPY_U8 ? BR_SAMPLE_U8 : BR_SAMPLE_F32;
  array->offset = npy.data_offset;
  array->sample_bytes = (size_t)info->H * (size_t)info->W * (size_t)info->C * npy.element_bytes; /* fits: the file is that long */
  return BR_OK;
}

static int64_t label_at(const struct br_npy *npy, const void *elements, uint64_t i) {
  return npy->type == BR_NPY_U8 ? ((const uint8_t *)elements)[i] : npy->type == BR_NPY_I32 ? ((const int32_t *)elements)[i] : ((const int64_t *)elements)[i];
}

/* Takes the samples of this part with their labels. The number of classes comes from all labels, so that both parts agree. */
static int choose(const char *path, const struct br_npy *npy, const void *elements, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct array *array = dataset->state;
  struct br_dataset_info *info = &dataset->info;
  BR_TRY(br_memory_alloc(npy->count, sizeof *array->index, "samples", &array->index));
  BR_TRY(br_memory_alloc(npy->count, sizeof *array->labels, "labels", &array->labels));
  for (uint64_t i = 0; i < npy->count; i++) {
    int64_t label = label_at(npy, elements, i);
    if (label < 0 || label >= MOST_CLASSES) BR_FAIL(BR_ERROR_DATA, "%s: label %lld at row %llu, labels are 0 to %d", path, (long long)label, (unsigned long long)i, MOST_CLASSES - 1);
    if (label >= info->classes) info->classes = (int)label + 1;
    if (!(options->whole || br__in_part(options->part, i)) || (options->limit && info->count == options->limit)) continue;
    array->index[info->count] = i;
    array->labels[info->count++] = (int32_t)label;
  }
  return br__class_names_numbered(info->classes, &array->names);
}

static int open_labels(const char *path, uint64_t count, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct br_npy npy;
  void *elements;
  BR_TRY(br_npy_read(path, &npy, &elements));
  int status;
  if (npy.dims != 1 || (npy.type != BR_NPY_U8 && npy.type != BR_NPY_I32 && npy.type != BR_NPY_I64))
    status = br_error_set(BR_ERROR_DATA, "%s: labels are one dimension of u1, i4 or i8", path);
  else if (npy.count != count)
    status = br_error_set(BR_ERROR_DATA, "%s: has %zu labels for %llu images", path, npy.count, (unsigned long long)count);
  else
    status = choose(path, &npy, elements, options, dataset);
  br_memory_free(elements);
  return status;
}

/* The images' bytes are too many to be hashed at every start: sizes, labels and one sample in 64 stand for them. */
static int hash(struct br_dataset *dataset) {
  const struct array *array = dataset->state;
  struct br_dataset_info *info = &dataset->info;
  const uint64_t sizes[] = {info->count, array->file.bytes, array->sample_bytes};
  uint64_t h = br_hash64(br_hash64(0, sizes, sizeof sizes), array->labels, info->count * sizeof *array->labels);
  void *sample;
  BR_TRY(br_memory_alloc(array->sample_bytes, 1, "a sample", &sample));
  int status = BR_OK;
  for (uint64_t i = 0; i < info->count && status == BR_OK; i += 64) {
    status = br__file_read_at(&array->file, array->offset + array->index[i] * array->sample_bytes, sample, array->sample_bytes);
    h = br_hash64(h, sample, array->sample_bytes);
  }
  br_memory_free(sample);
  info->fingerprint = h;
  return status;
}

static int hold(struct br_dataset *dataset, uint64_t count) {
  struct array *array = dataset->state;
  size_t bytes = (size_t)count * array->sample_bytes; /* fits: the file is that long */
  if (array->sample_bytes > SMALL_SAMPLE || bytes > HELD_AT_MOST) return BR_OK;
  BR_TRY(br_memory_alloc(bytes, 1, "samples", &array->held));
  dataset->info.memory_bytes += bytes;
  return br__file_read_at(&array->file, array->offset, array->held, bytes);
}

static int array_open(const char *argument, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct array *array;
  BR_TRY(br_memory_alloc(1, sizeof *array, "npy", &array));
  array->file.fd = -1;
  dataset->state = array;
  const char *comma = strchr(argument, ',');
  if (!comma || comma - argument >= BR__PATH || strchr(comma + 1, ',')) BR_FAIL(BR_ERROR_USAGE, "data 'npy:%s': write it as npy:IMAGES.npy,LABELS.npy", argument);
  char images[BR__PATH] = {0};
  memcpy(images, argument, (size_t)(comma - argument));
  uint64_t count = 0;
  BR_TRY(open_images(images, dataset, &count));
  BR_TRY(open_labels(comma + 1, count, options, dataset));
  dataset->info.class_names = array->names;
  dataset->info.memory_bytes = (size_t)count * (sizeof *array->index + sizeof *array->labels);
  BR_TRY(hold(dataset, count));
  return hash(dataset);
}

static int array_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  const struct array *array = dataset->state;
  const struct br_dataset_info *info = &dataset->info;
  BR_TRY(br__sample_shape(sample, info->H, info->W, info->C, info->type));
  size_t place = array->index[index] * array->sample_bytes;
  if (!array->held) return br__file_read_at(&array->file, array->offset + place, sample->pixels, array->sample_bytes);
  memcpy(sample->pixels, array->held + place, array->sample_bytes);
  return BR_OK;
}

static const void *array_pixels(const struct br_dataset *dataset, uint64_t index) {
  const struct array *array = dataset->state;
  return array->held ? array->held + array->index[index] * array->sample_bytes : NULL;
}

static int32_t array_label(const struct br_dataset *dataset, uint64_t index) { return ((const struct array *)dataset->state)->labels[index]; }

const struct br__source br__source_npy = {.name = "npy", .argument = "IMAGES.npy,LABELS.npy", .open = array_open, .read = array_read, .label = array_label, .pixels = array_pixels, .close = array_close};
