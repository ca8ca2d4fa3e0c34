/* Model files: the safetensors format (8 bytes of header length, a JSON header, the tensors' bytes), which any Python reads. Bramble's
 * metadata are strings under "__metadata__". The same content always gives the same bytes: names are written in the order given,
 * offsets ascend without gaps. */
#ifndef BRAMBLE_STORE_SAFETENSORS_H
#define BRAMBLE_STORE_SAFETENSORS_H

#include <bramble/store/file.h>

enum br_dtype { BR_F32, BR_F64, BR_I32, BR_I64, BR_U8, BR_DTYPE_COUNT };
size_t br_dtype_bytes(enum br_dtype type);

#define BR_MAX_DIMS 8

/* To be written: everything is borrowed. */
struct br_tensor_entry {
  const char *name;
  enum br_dtype type;
  int dims;
  uint64_t shape[BR_MAX_DIMS];
  const void *data; /* product(shape) x dtype bytes, little endian as all our machines */
};
struct br_metadata_entry {
  const char *key, *value;
};
int br_safetensors_write(const char *path, const struct br_tensor_entry *tensors, size_t n_tensors, const struct br_metadata_entry *metadata, size_t n_metadata);

/* The same in pieces, for tensors that are not all in memory at once: writes the header (data is not looked at); the caller writes the bytes of each tensor in
 * turn and commits, or abandons. */
int br_safetensors_begin(const char *path, const struct br_tensor_entry *tensors, size_t n_tensors, const struct br_metadata_entry *metadata, size_t n_metadata, struct br_writer **out);

/* An open file, mapped: tensors are read where they lie. */
struct br_safetensors;
/* Errors: BR_ERROR_DATA for everything that is not a sound file, with the place: truncated, header longer than the file or than 100 MB, offsets that lie,
 * overlap or leave gaps, shapes that do not match their bytes, repeated names. */
int br_safetensors_open(const char *path, struct br_safetensors **out);
void br_safetensors_close(struct br_safetensors *file); /* NULL does nothing */
size_t br_safetensors_count(const struct br_safetensors *file);
/* Tensor i, in file order; pointers are valid until close. data is aligned to its type (files of other
 * writers are copied where they are not). */
const struct br_tensor_entry *br_safetensors_tensor(const struct br_safetensors *file, size_t i);
/* Its values are not needed now (br_map_forget). */
void br_safetensors_forget(const struct br_safetensors *file, const struct br_tensor_entry *tensor);
/* The tensor of that name, NULL if there is none. */
const struct br_tensor_entry *br_safetensors_find(const struct br_safetensors *file, const char *name);
/* Metadata value, NULL if there is none. */
const char *br_safetensors_metadata(const struct br_safetensors *file, const char *key);
/* Entry i of the metadata in file order; false past the end. */
bool br_safetensors_metadata_at(const struct br_safetensors *file, size_t i, const char **key, const char **value);

#endif
