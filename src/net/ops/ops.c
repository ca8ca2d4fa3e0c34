/* The list of operators. */
#include "net/op.h"

#include <string.h>

#define X(name) extern const struct br_op br_op_##name;
#include "net/ops/ops.def"
#undef X

static const struct br_op *const list[] = {
#define X(name) &br_op_##name,
#include "net/ops/ops.def"
#undef X
    NULL};

const struct br_op *br_op_at(int i) { return list[i]; }

const struct br_op *br_op_find(const char *name) {
  for (int i = 0; list[i]; i++)
    if (strcmp(list[i]->name, name) == 0) return list[i];
  return NULL;
}
