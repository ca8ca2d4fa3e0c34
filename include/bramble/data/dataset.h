/* Data sets: numbered samples with a label, whatever they lie in. A sample is a pure function of (data set, index): opening the
 * same files on any rank gives the same numbering, the same bytes and the same fingerprint.
 *
 * Sources (SPEC):  shapes[:TRAIN,TEST]  cifar10:DIR  cifar100:DIR  mnist:DIR  folder:DIR  tar:FILE...(comma separated)
 *                  npy:IMAGES.npy,LABELS.npy  files:FILE... (pictures without labels, comma separated: for prediction)
 * Parts: shapes, cifar and mnist have them; so have folder and tar where train/ and test/ (or val/) stand above the class folders. Else
 * the test part is every sample whose draw in [0, 1) is below 0.2 (BR_RANDOM_SPLIT, seed 0, counter = stored index): a fifth, the same
 * in every run, whatever its seed. */
#ifndef BRAMBLE_DATA_DATASET_H
#define BRAMBLE_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum br_data_part { BR_DATA_TRAIN, BR_DATA_TEST };
enum br_sample_type { BR_SAMPLE_U8, BR_SAMPLE_F32 };

struct br_dataset; /* opaque; all functions on an open data set are thread-safe */

struct br_dataset_options {
  enum br_data_part part;
  uint64_t limit; /* only the first `limit` samples in stored order; 0: all */
  bool whole;     /* where the test part would be drawn by chance: all samples instead */
  bool skip_bad;  /* a picture that does not decode is left out and counted, not an error; opening then decodes every picture once */
  uint64_t seed;  /* of generated data */
};

struct br_dataset_info {
  const char *name;               /* the SPEC's first word: "cifar10" */
  uint64_t count;                 /* samples */
  int classes;                    /* labels are 0 .. classes - 1; 0: labels are not classes */
  const char *const *class_names; /* `classes` of them, in the order of the labels */
  bool numbers;                   /* labels are numbers to be predicted, as the bits of a float (br_label_number) */
  int H, W, C;                    /* of every sample; H = W = 0 where pictures differ in size (folder, tar) */
  enum br_sample_type type;
  uint64_t skipped;     /* bad pictures left out (skip_bad) */
  uint64_t fingerprint; /* hash of what was opened: names, sizes, labels and (where they are in memory) the bytes */
  size_t memory_bytes;  /* what the open data set holds in memory */
};

/* Opens the part `options->part` of the data set `spec`. *out is the caller's, closed with br_dataset_close.
 * Errors: BR_ERROR_USAGE for an unknown source (with the nearest known one), BR_ERROR_DATA naming file, byte and mend. */
int br_dataset_open(const char *spec, const struct br_dataset_options *options, struct br_dataset **out);
/* Whether `spec` begins with the word of a source: "folder:photos", "shapes". Opens nothing. */
bool br_dataset_known(const char *spec);
/* One picture, whatever characters its name has: the data set files:PATH. */
int br_dataset_open_file(const char *path, struct br_dataset **out);
/* Rows that the caller has made in memory, all of them one part. Errors: BR_ERROR_MEMORY. */
struct br_dataset_rows {
  uint64_t count;
  int C;                          /* numbers of a row: samples are 1 x 1 x C floats */
  float *x;                       /* [count, C], of br_memory_alloc; taken, also on failure */
  int32_t *label;                 /* [count]; taken likewise */
  int classes;
  const char *const *class_names; /* borrowed: must outlive the data set */
  bool numbers;                   /* labels are numbers, then classes is ignored */
};
int br_dataset_open_rows(const struct br_dataset_rows *rows, struct br_dataset **out);
void br_dataset_close(struct br_dataset *dataset); /* NULL does nothing */
const struct br_dataset_info *br_dataset_info(const struct br_dataset *dataset);

/* One decoded sample: H x W x C bytes or floats in rows, channels last, RGB. The caller keeps a br_sample (zero at first), which
 * grows as needed and is freed with br_sample_free; `pixels` is valid until the next read into it. */
struct br_sample {
  int H, W, C;
  enum br_sample_type type;
  void *pixels;
  size_t capacity_bytes;
  int32_t label;
  int shorter_at_least; /* set by the caller: JPEGs may be shrunk while decoding as long as the shorter side keeps this many pixels; 0: never */
  void *encoded;        /* the picture file while it is decoded; grows and is freed with the rest */
  size_t encoded_capacity;
};
int br_dataset_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample);
/* The label alone, without decoding. */
int32_t br_dataset_label(const struct br_dataset *dataset, uint64_t index);
/* A number that is to be predicted, as a label, and back. */
static inline int32_t br_number_label(float number) {
  int32_t label;
  memcpy(&label, &number, sizeof label);
  return label;
}
static inline float br_label_number(int32_t label) {
  float number;
  memcpy(&number, &label, sizeof number);
  return number;
}
/* The name of the sample's file within the data set ("cat/1.jpg"); NULL where samples are no files. Valid until the data set is closed. */
const char *br_dataset_sample_name(const struct br_dataset *dataset, uint64_t index);
void br_sample_free(struct br_sample *sample);

#endif
