/* The .npy header is a line of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }. It is read with a parser for just that,
 * keys in any order and each once, so that nothing else passes. Used by data sets, tables and tests. */
#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>
#include <bramble/store/npy.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *descr;
  size_t bytes;
} types[] = {
#define X(name, descr, bytes) {descr, bytes},
    BR_NPY_TYPE_LIST(X)
#undef X
};
enum { TYPES = sizeof types / sizeof *types };

/* What is left of the header's text. */
struct cursor {
  const char *at, *end;
};

static void skip_spaces(struct cursor *c) {
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
}

/* Steps over `word` and the spaces around it; false (and no step) where something else is. */
static bool take(struct cursor *c, const char *word) {
  skip_spaces(c);
  size_t n = strlen(word);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
  c->at += n;
  skip_spaces(c);
  return true;
}

static bool take_number(struct cursor *c, size_t *out) {
  const char *start = c->at;
  size_t value = 0;
  for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
    if (!br_size_mul(value, 10, &value) || !br_size_add(value, (size_t)(*c->at - '0'), &value)) return false;
  *out = value;
  return c->at > start;
}

static bool take_type(struct cursor *c, enum br_npy_type *type) {
  for (int i = 0; i < TYPES; i++) {
    char single[8], twice[8];
    snprintf(single, sizeof single, "'%s'", types[i].descr);
    snprintf(twice, sizeof twice, "\"%s\"", types[i].descr);
    if (take(c, single) || take(c, twice)) {
      *type = (enum br_npy_type)i;
      return true;
    }
  }
  return false;
}

/* (), (3,), (3, 4) or (3, 4,) */
static bool take_shape(struct cursor *c, struct br_npy *npy) {
  if (!take(c, "(")) return false;
  npy->dims = 0;
  while (!take(c, ")")) {
    if (npy->dims == BR_NPY_MAX_DIMS || !take_number(c, &npy->shape[npy->dims])) return false;
    npy->dims++;
    bool comma = take(c, ",");
    if (!comma && (npy->dims == 1 || c->at == c->end || *c->at != ')')) return false;
  }
  return true;
}

/* NULL, or what is wrong with the text of the header. */
static const char *parse_text(struct cursor *c, struct br_npy *npy) {
  bool descr = false, order = false, shape = false;
  if (!take(c, "{")) return "does not begin with {";
  while (!take(c, "}")) {
    if (!descr && take(c, "'descr':")) {
      descr = true;
      if (!take_type(c, &npy->type)) return "has another type than f4, f8, i4, i8 or u1 in little-endian order; convert it with astype";
    } else if (!order && take(c, "'fortran_order':")) {
      order = true;
      if (!take(c, "False")) return "is not in C order; save numpy.ascontiguousarray of it";
    } else if (!shape && take(c, "'shape':")) {
      shape = true;
      if (!take_shape(c, npy)) return "has a shape that is no tuple of at most 8 numbers";
    } else {
      return "has something else than descr, fortran_order and shape, each once";
    }
    if (!take(c, ",") && (c->at == c->end || *c->at != '}')) return "has no comma between its entries";
  }
  if (!descr || !order || !shape) return "lacks one of descr, fortran_order and shape";
  skip_spaces(c);
  return c->at == c->end ? NULL : "goes on after its }";
}

int br_npy_parse(const char *name, const void *data, size_t bytes, uint64_t file_bytes, struct br_npy *npy) {
  const unsigned char *p = data;
  *npy = (struct br_npy){0};
  if (bytes < 10 || memcmp(p, "\x93NUMPY", 6) != 0) BR_FAIL(BR_ERROR_DATA, "%s: is no .npy file (its first bytes are not \\x93NUMPY)", name);
  int version = p[6];
  size_t start = version == 1 ? 10 : 12;
  if (version < 1 || version > 3 || p[7] != 0 || bytes < start) BR_FAIL(BR_ERROR_DATA, "%s: .npy version %d.%d is not known; save it again with NumPy", name, p[6], p[7]);
  size_t length = (size_t)p[8] | (size_t)p[9] << 8;
  if (version > 1) length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
  if (length > bytes - start) BR_FAIL(BR_ERROR_DATA, "%s: a header of %zu bytes at byte %zu goes beyond the file's beginning; copy the file again", name, length, start);
  struct cursor cursor = {(const char *)p + start, (const char *)p + start + length};
  const char *wrong = parse_text(&cursor, npy);
  if (wrong) BR_FAIL(BR_ERROR_DATA, "%s: the header %s (byte %zu)", name, wrong, (size_t)(cursor.at - (const char *)p));
  npy->element_bytes = types[npy->type].bytes;
  npy->data_offset = start + length;
  npy->count = 1;
  bool fits = true;
  for (int i = 0; i < npy->dims; i++) fits = fits && br_size_mul(npy->count, npy->shape[i], &npy->count);
  size_t want;
  fits = fits && br_size_mul(npy->count, npy->element_bytes, &want) && br_size_add(want, npy->data_offset, &want);
  if (!fits) BR_FAIL(BR_ERROR_DATA, "%s: its shape is larger than memory can be", name);
  if (want != file_bytes)
    BR_FAIL(BR_ERROR_DATA, "%s: has %llu bytes where its header asks for %zu; copy the file again", name, (unsigned long long)file_bytes, want);
  return BR_OK;
}

int br_npy_read(const char *path, struct br_npy *npy, void **elements) {
  *elements = NULL;
  struct br_map map;
  BR_TRY(br_map_open(path, &map));
  int status = br_npy_parse(path, map.data, map.bytes, map.bytes, npy);
  if (status == BR_OK) status = br_memory_alloc(npy->count, npy->element_bytes, path, elements);
  if (status == BR_OK && npy->count) memcpy(*elements, map.data + npy->data_offset, npy->count * npy->element_bytes);
  br_map_close(&map);
  return status;
}

int br_npy_write(const char *path, enum br_npy_type type, int dims, const size_t *shape, const void *elements) {
  char text[256] = {0};
  size_t count = 1, bytes;
  if (dims < 0 || dims > BR_NPY_MAX_DIMS) BR_FAIL(BR_ERROR_USAGE, "%s: an array of %d dimensions", path, dims);
  int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].descr);
  for (int i = 0; i < dims; i++) {
    n += snprintf(text + n, sizeof text - (size_t)n, dims == 1 ? "%zu," : i ? ", %zu" : "%zu", shape[i]);
    if (!br_size_mul(count, shape[i], &count)) BR_FAIL(BR_ERROR_USAGE, "%s: a shape larger than memory can be", path);
  }
  n += snprintf(text + n, sizeof text - (size_t)n, "), }");
  if (!br_size_mul(count, types[type].bytes, &bytes)) BR_FAIL(BR_ERROR_USAGE, "%s: a shape larger than memory can be", path);

  /* Spaces and a line break end the header at a multiple of 64. */
  size_t length = (((size_t)n + 1 + 10 + 63) & ~(size_t)63) - 10;
  unsigned char start[10] = "\x93NUMPY\x01";
  start[8] = (unsigned char)(length & 255);
  start[9] = (unsigned char)(length >> 8);
  char header[320];
  memset(header, ' ', sizeof header);
  memcpy(header, text, (size_t)n);
  header[length - 1] = '\n';

  struct br_writer *writer;
  BR_TRY(br_writer_open(path, &writer));
  int status = br_writer_write(writer, start, sizeof start);
  if (status == BR_OK) status = br_writer_write(writer, header, length);
  if (status == BR_OK) status = br_writer_write(writer, elements, bytes);
  if (status == BR_OK) return br_writer_commit(writer);
  br_writer_abandon(writer);
  return status;
}
