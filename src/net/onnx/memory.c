/* What an import allocates, and the table of its values by name. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>

#include <string.h>

/* In front of every block. */
struct block {
  struct block *next;
  char pad[BR_ALIGNMENT - sizeof(struct block *)];
};

int br__onnx_alloc(struct importer *imp, size_t count, size_t bytes, void *out) {
  struct block *block;
  size_t size;
  if (!br_size_mul(count, bytes, &size) || !br_size_add(size, sizeof *block, &size)) BR_FAIL(BR_ERROR_MEMORY, "%zu times %zu bytes do not fit", count, bytes);
  BR_TRY(br_memory_alloc(size, 1, "ONNX import", &block));
  block->next = imp->blocks;
  imp->blocks = block;
  *(void **)out = block + 1;
  return BR_OK;
}

void br__onnx_free(struct importer *imp) {
  while (imp->blocks) {
    struct block *next = imp->blocks->next;
    br_memory_free(imp->blocks);
    imp->blocks = next;
  }
  br_graph_close(imp->graph);
  imp->graph = NULL;
}

static size_t place(const struct importer *imp, const char *name) {
  size_t at = (size_t)br_hash64(0, name, strlen(name)) % imp->table_size;
  while (imp->table[at] && strcmp(imp->table[at]->name, name) != 0) at = (at + 1) % imp->table_size;
  return at;
}

struct value *br__onnx_find(const struct importer *imp, const char *name) { return imp->table[place(imp, name)]; }

int br__onnx_add(struct importer *imp, const char *name, struct value **out) {
  size_t at = place(imp, name);
  if (imp->table[at]) BR_FAIL(BR_ERROR_DATA, "the name %.80s is given twice", name);
  BR_TRY(br__onnx_alloc(imp, 1, sizeof **out, out));
  (*out)->name = name;
  (*out)->other = -1;
  imp->table[at] = *out;
  return BR_OK;
}
