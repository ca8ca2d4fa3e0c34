/* A list of encoded pictures, each in the folder of its class, wherever they lie: what folder:, tar: and (without classes) files: have in common. A name is a path with
 * slashes whose last part is the file, the one before it the class and, where every picture has it, the one before that the part ("train"; "test",
 * "val", "valid" or "validation"). Private to src/data. */
#ifndef BRAMBLE_DATA_PICTURES_H
#define BRAMBLE_DATA_PICTURES_H

#include "source.h"

struct br__entry {
  size_t name;            /* offset in `text` */
  uint64_t offset, bytes; /* where the encoded picture lies in its file */
  int32_t label;
  uint32_t file; /* of several (tar) */
};

struct br__pictures {
  struct br__entry *entries;
  size_t count, capacity;
  char *text;
  size_t text_bytes, text_capacity;
  const char **class_names; /* in one block with their text */
  int classes;
  size_t passed; /* files and folders that were passed over */
  char first_passed[256];
};

bool br__is_picture_name(const char *name);
int br__pictures_add(struct br__pictures *pictures, const char *name, uint32_t file, uint64_t offset, uint64_t bytes);
static inline const char *br__picture_name(const struct br__pictures *pictures, uint64_t index) { return pictures->text + pictures->entries[index].name; }

/* Counts what is seen and not read, and after the last one says so in a line, once a run: `root` is where, `others` what would be read. */
void br__pictures_pass(struct br__pictures *pictures, const char *name);
void br__pictures_say_passed(const struct br__pictures *pictures, const char *root, const char *others);

/* Numbers before words and by value, words by their bytes. */
int br__class_compare(const void *a, const void *b); /* of two const char * */

/* After the last one: finds the classes (in the order of `order` [n_order], which may be NULL for that of br__class_compare; none without `classed`), takes the samples of
 * the part asked for, and fills `info`. `root` is for messages. With skip_bad the caller then calls br__pictures_skip_bad. */
int br__pictures_finish(struct br__pictures *pictures, const char *root, bool classed, const char *const *order, int n_order, const struct br_dataset_options *options, struct br_dataset_info *info);
/* Reads every sample once, on all cores, and takes out those that do not decode. */
int br__pictures_skip_bad(struct br__pictures *pictures, struct br_dataset *dataset);
void br__pictures_free(struct br__pictures *pictures);

/* Room for an encoded picture in the sample, and from there into its pixels. */
int br__sample_encoded(struct br_sample *sample, const char *name, uint64_t bytes);
int br__sample_read_file(struct br_sample *sample, const char *path, uint64_t bytes); /* a whole file that had `bytes` bytes when it was listed */
int br__sample_decode(struct br_sample *sample, const char *name, size_t bytes);

#endif
