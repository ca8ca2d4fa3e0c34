/* What a kind of data set is to the rest of the room: one row of functions. A new kind is one file with a `br__source_x` and one row in
 * dataset.c. Helpers that several kinds share are declared here too. Private to src/data. */
#ifndef BRAMBLE_DATA_SOURCE_H
#define BRAMBLE_DATA_SOURCE_H

#include <bramble/data/dataset.h>

struct br__source {
  const char *name;     /* the SPEC's first word */
  const char *argument; /* what follows the colon, for messages: "DIR"; NULL: may be left out */
  /* Fills dataset->info (all but `name`) and dataset->state; on failure `close` is called with what is there. */
  int (*open)(const char *argument, const struct br_dataset_options *options, struct br_dataset *dataset);
  int (*read)(struct br_dataset *dataset, uint64_t index, struct br_sample *sample); /* index and label are the caller's care */
  int32_t (*label)(const struct br_dataset *dataset, uint64_t index);
  void (*close)(struct br_dataset *dataset); /* state may be NULL */
  /* Of samples in memory, else NULL (or a NULL from it): where their pixels lie, of info's type and one behind the other, so that nobody copies them. */
  const void *(*pixels)(const struct br_dataset *dataset, uint64_t index);
  /* Of data sets of picture files, else NULL: the name of a sample, and its file as it is, into sample->encoded. */
  const char *(*sample_name)(const struct br_dataset *dataset, uint64_t index);
  int (*encoded)(struct br_dataset *dataset, uint64_t index, struct br_sample *sample, size_t *bytes);
};

struct br_dataset {
  const struct br__source *source;
  struct br_dataset_info info;
  void *state;
};

extern const struct br__source br__source_shapes, br__source_cifar10, br__source_cifar100, br__source_mnist, br__source_folder, br__source_files, br__source_tar, br__source_npy;

/* Makes `sample` H x W x C of `type`, growing its block if needed. Errors: BR_ERROR_MEMORY. */
int br__sample_shape(struct br_sample *sample, int H, int W, int C, enum br_sample_type type);

/* min(count, limit), where limit 0 is none. */
uint64_t br__limited(uint64_t count, uint64_t limit);

/* Whether sample `index` of a data set without parts of its own belongs to `part`: a fifth, drawn from the index alone, is for testing. */
bool br__in_part(enum br_data_part part, uint64_t index);

/* Class names in one block (freed with br_memory_free): "0", "1", ... */
int br__class_names_numbered(int classes, const char ***names);
/* The same from a text file with one name per line, at least `classes` of them. */
int br__class_names_read(const char *path, int classes, const char ***names);

/* "folder/name" into path[BR__PATH]; a longer one is an error. */
#define BR__PATH 4096
int br__path_join(char path[BR__PATH], const char *folder, const char *name);

/* A file that stays open and is read at offsets, by any thread: what is read lives in the system's cache, not in our memory. */
struct br__file {
  int fd; /* -1: not open */
  uint64_t bytes;
  char *path;
};
int br__file_open(const char *path, struct br__file *file); /* on failure nothing is left open and fd is -1 */
int br__file_read_at(const struct br__file *file, uint64_t offset, void *data, size_t bytes);
void br__file_close(struct br__file *file); /* fd -1: nothing */

#endif
