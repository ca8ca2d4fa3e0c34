/* Writing and reading safetensors. The reader trusts nothing: every number is checked against the file's length before it is used. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/safetensors.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT ((uint64_t)100 << 20)

static const struct {
  const char *name;
  size_t bytes;
} dtypes[BR_DTYPE_COUNT] = {{"F32", 4}, {"F64", 8}, {"I32", 4}, {"I64", 8}, {"U8", 1}};

size_t br_dtype_bytes(enum br_dtype type) { return dtypes[type].bytes; }

static size_t tensor_bytes(const struct br_tensor_entry *t) {
  size_t bytes = dtypes[t->type].bytes;
  for (int d = 0; d < t->dims; d++) bytes *= (size_t)t->shape[d];
  return bytes;
}

/* jansson keeps insertion order, so the header's bytes follow from the entries alone. NULL: a name or a value is not UTF-8 text. */
static char *header_text(const struct br_tensor_entry *tensors, size_t n_tensors, const struct br_metadata_entry *metadata, size_t n_metadata) {
  json_t *root = json_object(), *meta = json_object();
  bool sound = true;
  for (size_t i = 0; i < n_metadata; i++) sound &= json_object_set_new(meta, metadata[i].key, json_string(metadata[i].value)) == 0;
  json_object_set_new(root, "__metadata__", meta);
  size_t offset = 0;
  for (size_t i = 0; i < n_tensors; i++) {
    json_t *shape = json_array();
    for (int d = 0; d < tensors[i].dims; d++) json_array_append_new(shape, json_integer((json_int_t)tensors[i].shape[d]));
    size_t end = offset + tensor_bytes(&tensors[i]);
    sound &= json_object_set_new(root, tensors[i].name,
                                 json_pack("{s:s,s:o,s:[I,I]}", "dtype", dtypes[tensors[i].type].name, "shape", shape, "data_offsets", (json_int_t)offset, (json_int_t)end)) == 0;
    offset = end;
  }
  char *text = sound ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  return text;
}

static int write_header(struct br_writer *writer, const char *text) {
  size_t length = strlen(text), padded = (length + 7) & ~(size_t)7;
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)((uint64_t)padded >> (8 * i));
  BR_TRY(br_writer_write(writer, size, 8));
  BR_TRY(br_writer_write(writer, text, length));
  return br_writer_write(writer, "       ", padded - length);
}

int br_safetensors_begin(const char *path, const struct br_tensor_entry *tensors, size_t n_tensors, const struct br_metadata_entry *metadata, size_t n_metadata, struct br_writer **out) {
  *out = NULL;
  char *text = header_text(tensors, n_tensors, metadata, n_metadata);
  if (!text) BR_FAIL(BR_ERROR_FAILED, "%s: a name or a metadata value is not UTF-8 text", path);
  struct br_writer *writer = NULL;
  int status = br_writer_open(path, &writer);
  if (status == BR_OK) status = write_header(writer, text);
  free(text);
  if (status == BR_OK)
    *out = writer;
  else
    br_writer_abandon(writer);
  return status;
}

int br_safetensors_write(const char *path, const struct br_tensor_entry *tensors, size_t n_tensors, const struct br_metadata_entry *metadata, size_t n_metadata) {
  struct br_writer *writer;
  BR_TRY(br_safetensors_begin(path, tensors, n_tensors, metadata, n_metadata, &writer));
  int status = BR_OK;
  for (size_t i = 0; status == BR_OK && i < n_tensors; i++) status = br_writer_write(writer, tensors[i].data, tensor_bytes(&tensors[i]));
  if (status == BR_OK) return br_writer_commit(writer);
  br_writer_abandon(writer);
  return status;
}

struct br_safetensors {
  struct br_map map;
  json_t *header;
  struct br_tensor_entry *tensors;
  size_t count;
  unsigned char *copy; /* of all tensors, where the file has them at odd places */
};

/* The JSON of one tensor into an entry whose data lies in [base, base + bytes). */
static int read_entry(const char *path, const char *name, json_t *value, const unsigned char *base, size_t bytes, struct br_tensor_entry *out, uint64_t *begin, uint64_t *end) {
  const char *dtype;
  json_t *shape, *offsets;
  json_int_t from, to;
  if (!json_is_object(value) || json_unpack(value, "{s:s,s:o,s:o}", "dtype", &dtype, "shape", &shape, "data_offsets", &offsets) != 0 || !json_is_array(shape) ||
      json_unpack(offsets, "[I,I!]", &from, &to) != 0)
    BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: dtype, shape or data_offsets are missing or malformed", path, name);
  int type = 0;
  while (type < BR_DTYPE_COUNT && strcmp(dtype, dtypes[type].name) != 0) type++;
  if (type == BR_DTYPE_COUNT) BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: type %s is not one of F32, F64, I32, I64, U8", path, name, dtype);
  if (from < 0 || to < from || (uint64_t)to > bytes)
    BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: its bytes %lld to %lld are not inside the file's %zu; copy the file again", path, name, (long long)from, (long long)to, bytes);
  *out = (struct br_tensor_entry){.name = name, .type = (enum br_dtype)type, .dims = (int)json_array_size(shape), .data = base + from};
  if (json_array_size(shape) > BR_MAX_DIMS) BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: more than %d dimensions", path, name, BR_MAX_DIMS);
  size_t total = dtypes[type].bytes;
  for (int d = 0; d < out->dims; d++) {
    json_t *dim = json_array_get(shape, (size_t)d);
    if (!json_is_integer(dim) || json_integer_value(dim) < 0 || !br_size_mul(total, (size_t)json_integer_value(dim), &total))
      BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: dimension %d is not a sound size", path, name, d);
    out->shape[d] = (uint64_t)json_integer_value(dim);
  }
  if (total != (size_t)(to - from))
    BR_FAIL(BR_ERROR_DATA, "%s: tensor %s: its shape needs %zu bytes, its offsets give %lld", path, name, total, (long long)(to - from));
  *begin = (uint64_t)from;
  *end = (uint64_t)to;
  return BR_OK;
}

struct extent {
  uint64_t begin, end;
};

static int by_begin(const void *a, const void *b) {
  const struct extent *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

static int read_tensors(struct br_safetensors *file, const char *path, const unsigned char *base, size_t bytes) {
  size_t n = json_object_size(file->header);
  BR_TRY(br_memory_alloc(n, sizeof *file->tensors, "tensor list", &file->tensors));
  struct extent *extents;
  BR_TRY(br_memory_alloc(n + 1, sizeof *extents, "tensor list", &extents));
  int status = BR_OK;
  const char *name;
  json_t *value;
  json_object_foreach(file->header, name, value) {
    if (strcmp(name, "__metadata__") == 0) continue;
    struct extent *e = &extents[file->count];
    status = read_entry(path, name, value, base, bytes, &file->tensors[file->count], &e->begin, &e->end);
    if (status != BR_OK) break;
    file->count++;
  }
  qsort(extents, file->count, sizeof *extents, by_begin);
  uint64_t expected = 0;
  for (size_t i = 0; status == BR_OK && i < file->count; expected = extents[i++].end)
    if (extents[i].begin != expected) status = br_error_set(BR_ERROR_DATA, "%s: the tensors overlap or leave a gap at byte %llu of the data", path, (unsigned long long)expected);
  if (status == BR_OK && expected != bytes)
    status = br_error_set(BR_ERROR_DATA, "%s: holds %zu bytes of tensors, its header speaks of %llu; copy the file again", path, bytes, (unsigned long long)expected);
  br_memory_free(extents);
  return status;
}

/* Other writers may put tensors at odd places: then all of them are copied, each to a multiple of 8 bytes. */
static int align_tensors(struct br_safetensors *file, const char *path) {
  size_t total = 0;
  bool odd = false;
  for (size_t i = 0; i < file->count; i++) {
    odd |= (uintptr_t)file->tensors[i].data % dtypes[file->tensors[i].type].bytes != 0;
    total += (tensor_bytes(&file->tensors[i]) + 7) & ~(size_t)7;
  }
  if (!odd) return BR_OK;
  BR_TRY(br_memory_alloc(total, 1, path, &file->copy));
  unsigned char *to = file->copy;
  for (size_t i = 0; i < file->count; i++) {
    size_t bytes = tensor_bytes(&file->tensors[i]);
    memcpy(to, file->tensors[i].data, bytes);
    file->tensors[i].data = to;
    to += (bytes + 7) & ~(size_t)7;
  }
  return BR_OK;
}

static int open_mapped(struct br_safetensors *file, const char *path) {
  if (file->map.bytes < 8) BR_FAIL(BR_ERROR_DATA, "%s: %zu bytes are too few for a model file", path, file->map.bytes);
  uint64_t length = 0;
  for (int i = 0; i < 8; i++) length |= (uint64_t)file->map.data[i] << (8 * i);
  if (length > HEADER_LIMIT || length > file->map.bytes - 8)
    BR_FAIL(BR_ERROR_DATA, "%s: a header of %llu bytes does not fit in the file's %zu: not a model file, or cut short", path, (unsigned long long)length, file->map.bytes);
  json_error_t error;
  file->header = json_loadb((const char *)file->map.data + 8, (size_t)length, JSON_REJECT_DUPLICATES, &error);
  if (!file->header || !json_is_object(file->header))
    BR_FAIL(BR_ERROR_DATA, "%s: byte %d: the header is not sound JSON: %s", path, 8 + error.position, file->header ? "not an object" : error.text);
  json_t *meta = json_object_get(file->header, "__metadata__"), *value;
  const char *key;
  if (meta && !json_is_object(meta)) BR_FAIL(BR_ERROR_DATA, "%s: __metadata__ is not an object", path);
  if (meta) json_object_foreach(meta, key, value)
    if (!json_is_string(value)) BR_FAIL(BR_ERROR_DATA, "%s: metadata %s is not text", path, key);
  size_t start = 8 + (size_t)length, bytes = file->map.bytes - start;
  const unsigned char *base = file->map.data + start;
  BR_TRY(read_tensors(file, path, base, bytes));
  return align_tensors(file, path);
}

int br_safetensors_open(const char *path, struct br_safetensors **out) {
  *out = NULL;
  struct br_safetensors *file;
  BR_TRY(br_memory_alloc(1, sizeof *file, path, &file));
  int status = br_map_open(path, &file->map);
  if (status == BR_OK) status = open_mapped(file, path);
  if (status == BR_OK)
    *out = file;
  else
    br_safetensors_close(file);
  return status;
}

void br_safetensors_close(struct br_safetensors *file) {
  if (!file) return;
  json_decref(file->header);
  br_map_close(&file->map);
  br_memory_free(file->tensors);
  br_memory_free(file->copy);
  br_memory_free(file);
}

size_t br_safetensors_count(const struct br_safetensors *file) { return file->count; }
const struct br_tensor_entry *br_safetensors_tensor(const struct br_safetensors *file, size_t i) { return &file->tensors[i]; }

void br_safetensors_forget(const struct br_safetensors *file, const struct br_tensor_entry *tensor) {
  if (!file->copy) br_map_forget(&file->map, tensor->data, tensor_bytes(tensor));
}

const struct br_tensor_entry *br_safetensors_find(const struct br_safetensors *file, const char *name) {
  for (size_t i = 0; i < file->count; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

const char *br_safetensors_metadata(const struct br_safetensors *file, const char *key) {
  return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

bool br_safetensors_metadata_at(const struct br_safetensors *file, size_t i, const char **key, const char **value) {
  void *at = json_object_iter(json_object_get(file->header, "__metadata__"));
  json_t *meta = json_object_get(file->header, "__metadata__");
  for (; at && i > 0; i--) at = json_object_iter_next(meta, at);
  if (!at) return false;
  *key = json_object_iter_key(at);
  *value = json_string_value(json_object_iter_value(at));
  return true;
}
