/* Constants: tensors of the file, checked against their shapes, and their numbers. Float16, bfloat16, double and the integers are widened. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/store/file.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TYPE(word) ONNX__TENSOR_PROTO__DATA_TYPE__##word

/* Element types: bytes in raw data and what they become. */
static const struct elements {
  int type, bytes;
  enum onnx_type become;
} known[] = {
    {TYPE(FLOAT), 4, ONNX_FLOAT}, {TYPE(DOUBLE), 8, ONNX_FLOAT}, {TYPE(FLOAT16), 2, ONNX_FLOAT}, {TYPE(BFLOAT16), 2, ONNX_FLOAT}, {TYPE(INT8), 1, ONNX_INT},   {TYPE(UINT8), 1, ONNX_INT},
    {TYPE(INT16), 2, ONNX_INT},   {TYPE(UINT16), 2, ONNX_INT},   {TYPE(INT32), 4, ONNX_INT},     {TYPE(UINT32), 4, ONNX_INT},     {TYPE(INT64), 8, ONNX_INT},  {TYPE(UINT64), 8, ONNX_INT}, {TYPE(BOOL), 1, ONNX_BOOL},
};

static const struct elements *elements(int type) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].type == type) return &known[i];
  return NULL;
}

static const char *name_of(const Onnx__TensorProto *proto) { return proto->name && proto->name[0] ? proto->name : "a constant"; }

/* The file of that name beside the model: a plain file whose way, links followed, stays in the model's folder. */
static int external_path(const struct importer *imp, const Onnx__TensorProto *proto, const char *location, char *path, size_t room) {
  char folder[PATH_MAX], target[PATH_MAX];
  struct stat info;
  int n = snprintf(path, room, "%.*s%s", (int)(imp->folder_end - imp->path), imp->path, location);
  if (n < 0 || (size_t)n >= room) BR_FAIL(BR_ERROR_DATA, "%.80s: the path of its data is too long", name_of(proto));
  snprintf(target, sizeof target, "%.*s.", (int)(imp->folder_end - imp->path), imp->path);
  if (!realpath(target, folder) || !realpath(path, target)) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s; it has the data of %.80s", path, strerror(errno), name_of(proto));
  size_t length = strlen(folder);
  if (strncmp(target, folder, length) != 0 || (length > 1 && target[length] != '/')) BR_FAIL(BR_ERROR_DATA, "%s: is a link to %s; only files beside the model are read", path, target);
  if (stat(target, &info) != 0 || !S_ISREG(info.st_mode)) BR_FAIL(BR_ERROR_DATA, "%s: is no plain file", path);
  return BR_OK;
}

static int read_number(const char *key, const char *text, unsigned long long *out) {
  char *end;
  errno = 0;
  *out = strtoull(text, &end, 10);
  if (errno || *end || !isdigit((unsigned char)text[0])) BR_FAIL(BR_ERROR_DATA, "external data with %s \"%.40s\"", key, text);
  return BR_OK;
}

/* External data: only in the folder of the file or below it. */
static int read_external(struct importer *imp, struct tensor *t, size_t bytes) {
  const Onnx__TensorProto *proto = t->proto;
  const char *location = NULL;
  unsigned long long offset = 0, length = bytes;
  for (size_t i = 0; i < proto->n_external_data; i++) {
    const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
    if (!key || !value) continue;
    if (strcmp(key, "location") == 0) location = value;
    if (strcmp(key, "offset") == 0) BR_TRY(read_number(key, value, &offset));
    if (strcmp(key, "length") == 0) BR_TRY(read_number(key, value, &length));
  }
  if (!location || !location[0] || location[0] == '/' || strstr(location, "..") || strchr(location, '\\') || strlen(location) > 500)
    BR_FAIL(BR_ERROR_DATA, "%.80s: its data lie at \"%.200s\"; only files beside the model are read", name_of(proto), location ? location : "");
  char path[2048];
  BR_TRY(external_path(imp, proto, location, path, sizeof path));
  struct br_map map;
  BR_TRY(br_map_open(path, &map));
  int status = BR_OK;
  unsigned char *copy = NULL;
  if (length != bytes || offset > map.bytes || bytes > map.bytes - offset)
    status = br_error_set(BR_ERROR_DATA, "%s: %zu bytes at %llu are wanted by %.80s; the file has %zu", path, bytes, offset, name_of(proto), map.bytes);
  if (status == BR_OK) status = br__onnx_alloc(imp, bytes, 1, &copy);
  if (status == BR_OK) memcpy(copy, map.data + offset, bytes);
  t->raw = copy;
  imp->fold_room += 16 * bytes;
  br_map_close(&map);
  return status;
}

/* The bytes or numbers the message holds are as many as the shape says. */
static int check_data(struct importer *imp, struct tensor *t, const struct elements *e) {
  const Onnx__TensorProto *proto = t->proto;
  size_t have;
  if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) return read_external(imp, t, t->count * (size_t)e->bytes);
  if (proto->has_raw_data) {
    if (proto->raw_data.len != t->count * (size_t)e->bytes) BR_FAIL(BR_ERROR_DATA, "%.80s: its shape needs %zu bytes, the file has %zu", name_of(proto), t->count * (size_t)e->bytes, proto->raw_data.len);
    t->raw = proto->raw_data.data;
    return BR_OK;
  }
  if (e->type == TYPE(FLOAT))
    have = proto->n_float_data;
  else if (e->type == TYPE(DOUBLE))
    have = proto->n_double_data;
  else if (e->type == TYPE(INT64))
    have = proto->n_int64_data;
  else if (e->type == TYPE(UINT32) || e->type == TYPE(UINT64))
    have = proto->n_uint64_data;
  else
    have = proto->n_int32_data;
  if (have != t->count) BR_FAIL(BR_ERROR_DATA, "%.80s: its shape needs %zu numbers, the file has %zu", name_of(proto), t->count, have);
  return BR_OK;
}

int br__onnx_tensor(struct importer *imp, const Onnx__TensorProto *proto, struct tensor **out) {
  const struct elements *e = elements(proto->data_type);
  if (!e) BR_FAIL(BR_ERROR_DATA, "%.80s: element type %d is not supported", name_of(proto), proto->data_type);
  if (proto->segment) BR_FAIL(BR_ERROR_DATA, "%.80s: tensors in segments are not supported", name_of(proto));
  if (proto->n_dims > ONNX_RANK) BR_FAIL(BR_ERROR_DATA, "%.80s: %zu dimensions; at most %d are possible", name_of(proto), proto->n_dims, ONNX_RANK);
  struct tensor *t;
  BR_TRY(br__onnx_alloc(imp, 1, sizeof *t, &t));
  *t = (struct tensor){.rank = (int)proto->n_dims, .count = 1, .type = e->become, .proto = proto};
  for (int i = 0; i < t->rank; i++) {
    t->d[i] = proto->dims[i];
    if (t->d[i] < 0 || !br_size_mul(t->count, (size_t)t->d[i], &t->count) || t->count > BR_MAX_ELEMENTS) BR_FAIL(BR_ERROR_DATA, "%.80s: dimension %d is %lld", name_of(proto), i, (long long)t->d[i]);
  }
  *out = t;
  return check_data(imp, t, e);
}

static float from_half(uint16_t h) {
  _Float16 x;
  memcpy(&x, &h, sizeof x);
  return (float)x;
}

static float from_bfloat(uint16_t h) {
  uint32_t bits = (uint32_t)h << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Element i as a number. */
static double number(const struct tensor *t, size_t i) {
  if (t->v) return t->v[i];
  const Onnx__TensorProto *p = t->proto;
  const unsigned char *raw = t->raw;
#define RAW(type) ({ type x_; memcpy(&x_, raw + i * sizeof x_, sizeof x_); x_; })
  switch (p->data_type) {
    case TYPE(FLOAT): return raw ? RAW(float) : p->float_data[i];
    case TYPE(DOUBLE): return raw ? RAW(double) : p->double_data[i];
    case TYPE(FLOAT16): return from_half(raw ? RAW(uint16_t) : (uint16_t)p->int32_data[i]);
    case TYPE(BFLOAT16): return from_bfloat(raw ? RAW(uint16_t) : (uint16_t)p->int32_data[i]);
    case TYPE(INT8): return raw ? RAW(int8_t) : p->int32_data[i];
    case TYPE(UINT8):
    case TYPE(BOOL): return raw ? RAW(uint8_t) : p->int32_data[i];
    case TYPE(INT16): return raw ? RAW(int16_t) : p->int32_data[i];
    case TYPE(UINT16): return raw ? RAW(uint16_t) : p->int32_data[i];
    case TYPE(INT32): return raw ? RAW(int32_t) : p->int32_data[i];
    case TYPE(UINT32): return raw ? RAW(uint32_t) : (double)p->uint64_data[i];
    case TYPE(INT64): return (double)(raw ? RAW(int64_t) : p->int64_data[i]);
    default: return (double)(raw ? RAW(uint64_t) : p->uint64_data[i]);
  }
#undef RAW
}

int br__onnx_numbers(struct importer *imp, struct tensor *t) {
  if (t->v) return BR_OK;
  if (t->count > ONNX_FOLD_LIMIT) BR_FAIL(BR_ERROR_DATA, "a constant of %zu values is too large to be worked on", t->count);
  double *v;
  BR_TRY(br__onnx_alloc(imp, t->count, sizeof *v, &v));
  for (size_t i = 0; i < t->count; i++) v[i] = number(t, i);
  t->v = v;
  return BR_OK;
}

int br__onnx_new(struct importer *imp, enum onnx_type type, int rank, const int64_t *d, struct tensor **out) {
  size_t count = 1;
  if (rank > ONNX_RANK) BR_FAIL(BR_ERROR_DATA, "a constant of %d dimensions", rank);
  for (int i = 0; i < rank; i++)
    if (d[i] < 0 || !br_size_mul(count, (size_t)d[i], &count) || count > ONNX_FOLD_LIMIT) BR_FAIL(BR_ERROR_DATA, "a constant with a dimension of %lld", (long long)d[i]);
  char size[32];
  imp->folded_bytes += count * sizeof(double);
  if (imp->folded_bytes > imp->fold_room) BR_FAIL(BR_ERROR_DATA, "constants worked out from others would take more than %s", br_text_bytes((double)imp->fold_room, size));
  BR_TRY(br__onnx_alloc(imp, 1, sizeof **out, out));
  **out = (struct tensor){.rank = rank, .count = count, .type = type};
  for (int i = 0; i < rank; i++) (*out)->d[i] = d[i];
  return br__onnx_alloc(imp, count, sizeof(double), &(*out)->v);
}

int br__onnx_floats(struct importer *imp, struct tensor *t, size_t first, size_t n, float *out) {
  (void)imp;
  for (size_t i = 0; i < n; i++) out[i] = (float)number(t, first + i);
  return BR_OK;
}
