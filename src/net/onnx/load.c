/* The file as a message of protobuf-c. That library builds whatever it reads; so the bytes are walked first, by the same descriptors, and files with
 * messages nested too deep or too many of them are refused before anything is allocated. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>
#include <bramble/store/file.h>

#define MAX_DEPTH 32
#define MAX_MESSAGES 600000

struct walk {
  const char *path;
  const unsigned char *start;
  size_t messages;
};

static bool read_varint(const unsigned char **at, const unsigned char *end, uint64_t *out) {
  *out = 0;
  for (int shift = 0; shift < 70 && *at < end; shift += 7) {
    unsigned char byte = *(*at)++;
    if (shift < 64) *out |= (uint64_t)(byte & 127) << shift;
    if (!(byte & 128)) return true;
  }
  return false;
}

static int walk_message(struct walk *w, const ProtobufCMessageDescriptor *descriptor, const unsigned char *at, const unsigned char *end, int depth) {
  if (depth > MAX_DEPTH) BR_FAIL(BR_ERROR_DATA, "%s: byte %zu: graphs nested more than %d deep", w->path, (size_t)(at - w->start), MAX_DEPTH);
  if (++w->messages > MAX_MESSAGES) BR_FAIL(BR_ERROR_DATA, "%s: byte %zu: more than %d parts", w->path, (size_t)(at - w->start), MAX_MESSAGES);
  while (at < end) {
    const unsigned char *place = at;
    uint64_t tag, length = 0;
    bool sound = read_varint(&at, end, &tag);
    int wire = (int)(tag & 7);
    if (sound && wire == 0)
      sound = read_varint(&at, end, &length), length = 0;
    else if (sound && wire == 2)
      sound = read_varint(&at, end, &length);
    else if (sound)
      length = wire == 1 ? 8 : wire == 5 ? 4 : SIZE_MAX;
    if (!sound || length > (uint64_t)(end - at)) BR_FAIL(BR_ERROR_DATA, "%s: byte %zu: is no ONNX model, or the file is damaged or cut short; copy it again", w->path, (size_t)(place - w->start));
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
    if (wire == 2 && field && field->type == PROTOBUF_C_TYPE_MESSAGE) BR_TRY(walk_message(w, field->descriptor, at, at + length, depth + 1));
    at += length;
  }
  return BR_OK;
}

int br__onnx_load(const char *path, Onnx__ModelProto **out, size_t *bytes) {
  struct br_map map;
  *out = NULL;
  BR_TRY(br_map_open(path, &map));
  struct walk walk = {path, map.data, 0};
  int status = walk_message(&walk, &onnx__model_proto__descriptor, map.data, map.data + map.bytes, 0);
  if (status == BR_OK) {
    *out = onnx__model_proto__unpack(NULL, map.bytes, map.data);
    if (!*out) status = br_error_set(BR_ERROR_DATA, "%s: is no ONNX model, or a field of it has the wrong kind", path);
  }
  *bytes = map.bytes;
  br_map_close(&map);
  if (status == BR_OK && (!(*out)->graph || (*out)->graph->n_node == 0)) {
    br__onnx_unload(*out);
    *out = NULL;
    BR_FAIL(BR_ERROR_DATA, "%s: is no ONNX model: it has no graph with nodes", path);
  }
  return status;
}

void br__onnx_unload(Onnx__ModelProto *model) {
  if (model) onnx__model_proto__free_unpacked(model, NULL);
}
