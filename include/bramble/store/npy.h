/* Arrays in NumPy's .npy files: little-endian numbers in C order, read strictly, written as NumPy writes them. Whoever wants all of an
 * array calls br_npy_read; whoever reads parts of a large file parses its beginning with br_npy_parse. */
#ifndef BRAMBLE_STORE_NPY_H
#define BRAMBLE_STORE_NPY_H

#include <stddef.h>
#include <stdint.h>

/* One row per type: enum name, descr, bytes of an element. */
#define BR_NPY_TYPE_LIST(X)  \
  X(BR_NPY_F32, "<f4", 4)    \
  X(BR_NPY_F64, "<f8", 8)    \
  X(BR_NPY_U8, "|u1", 1)     \
  X(BR_NPY_I32, "<i4", 4)    \
  X(BR_NPY_I64, "<i8", 8)

enum br_npy_type {
#define X(name, descr, bytes) name,
  BR_NPY_TYPE_LIST(X)
#undef X
};

#define BR_NPY_MAX_DIMS 8
#define BR_NPY_MAX_HEADER 65548 /* bytes that are enough for br_npy_parse */

struct br_npy {
  enum br_npy_type type;
  int dims; /* 0: one number */
  size_t shape[BR_NPY_MAX_DIMS];
  size_t count;         /* elements: the product of shape */
  size_t element_bytes;
  size_t data_offset;   /* where the elements start in the file */
};

/* Parses the header in the first `bytes` (all, or at least BR_NPY_MAX_HEADER) bytes of a file of `file_bytes` bytes, and checks that the
 * file is just as long as the header says. `name` is for messages. Errors: BR_ERROR_DATA. Thread-safe. */
int br_npy_parse(const char *name, const void *data, size_t bytes, uint64_t file_bytes, struct br_npy *npy);

/* Reads a whole file; *elements (count * element_bytes) is the caller's, freed with br_memory_free. Errors: BR_ERROR_DATA, BR_ERROR_MEMORY. */
int br_npy_read(const char *path, struct br_npy *npy, void **elements);

/* Writes `elements` of `type` and `shape` to `path`, whole or not at all. Errors: BR_ERROR_FAILED. */
int br_npy_write(const char *path, enum br_npy_type type, int dims, const size_t *shape, const void *elements);

#endif
