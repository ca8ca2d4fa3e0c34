/* Einsum of two values: their axes are put in the order shared, own, summed; then it is one product of matrices, whose axes are put in the order wanted. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

#include <ctype.h>
#include <string.h>

/* "bij,jk->bik": the labels of both inputs and of the output. */
struct equation {
  char in[2][BR_MAX_RANK + 1], out[BR_MAX_RANK + 1];
};

/* Labels up to one of `ends`; each once. */
static int read_labels(const char **at, const char *ends, char *labels) {
  int n = 0;
  for (; **at && !strchr(ends, **at); ++*at) {
    if (**at == ' ') continue;
    if (!isalpha((unsigned char)**at)) BR_FAIL(BR_ERROR_DATA, "an equation with %c is not supported", **at);
    if (n == BR_MAX_RANK || memchr(labels, **at, (size_t)n)) BR_FAIL(BR_ERROR_DATA, "an equation with a label twice in one place, or more than %d, is not supported", BR_MAX_RANK);
    labels[n++] = **at;
  }
  labels[n] = 0;
  return BR_OK;
}

static int read_equation(const struct call *call, struct equation *e) {
  const char *at = call_word(call, "equation", "");
  BR_TRY(read_labels(&at, ",", e->in[0]));
  if (*at++ != ',') BR_FAIL(BR_ERROR_DATA, "only equations of two inputs are supported");
  BR_TRY(read_labels(&at, ",-", e->in[1]));
  if (strncmp(at, "->", 2) != 0) BR_FAIL(BR_ERROR_DATA, "an equation needs two inputs and an output, as in ij,jk->ik");
  at += 2;
  return read_labels(&at, "", e->out);
}

/* The labels of `from` that are (or are not) in a and in b, behind those that `to` has; their number. */
static int pick(const char *from, const char *a, bool in_a, const char *b, bool in_b, char *to) {
  int n = 0;
  for (; *from; from++)
    if ((strchr(a, *from) != NULL) == in_a && (strchr(b, *from) != NULL) == in_b) to[strlen(to) + 1] = 0, to[strlen(to)] = *from, n++;
  return n;
}

/* The value with its axes (labels `from`) in the order `to`, then made three: n[0], n[1] and n[2] of them joined. */
static int matrices(const struct call *call, struct value *v, const char *from, const char *to, const int n[3], struct value *out) {
  struct value turned;
  int64_t d[3] = {1, 1, 1};
  int perm[BR_MAX_RANK], axis = 0;
  BR_TRY(call_as_node(call, v));
  if (v->rank != (int)strlen(from)) BR_FAIL(BR_ERROR_DATA, "%s for %d dimensions", from, v->rank);
  for (int i = 0; to[i]; i++) perm[i] = (int)(strchr(from, to[i]) - from);
  BR_TRY(call_turned(call, v, perm, &turned));
  for (int k = 0; k < 3; k++)
    for (int i = 0; i < n[k]; i++) d[k] *= turned.d[axis++];
  return call_reshaped(call, &turned, 3, d, out);
}

int map_einsum(const struct call *call) {
  struct equation e;
  struct value a, b, product, wide, out;
  char order[2][2 * BR_MAX_RANK + 2] = {"", ""}, made[2 * BR_MAX_RANK + 2] = "";
  int n[3], m[3], perm[BR_MAX_RANK], rank = 0;
  int64_t d[2 * BR_MAX_RANK];
  if (call->n_in != 2 || !call_has(call, 1)) BR_FAIL(BR_ERROR_DATA, "%d inputs; 2 are supported", call->n_in);
  BR_TRY(read_equation(call, &e));
  n[0] = pick(e.in[0], e.in[1], true, e.out, true, order[0]);
  strcpy(order[1], order[0]);
  strcpy(made, order[0]);
  n[1] = pick(e.in[0], e.in[1], false, e.out, true, order[0]);
  n[2] = pick(e.in[0], e.in[1], true, e.out, false, order[0]);
  m[0] = n[0];
  m[1] = pick(e.in[0], e.in[1], true, e.out, false, order[1]);
  m[2] = pick(e.in[1], e.in[0], false, e.out, true, order[1]);
  pick(e.in[0], e.in[1], false, e.out, true, made);
  pick(e.in[1], e.in[0], false, e.out, true, made);
  if (strlen(order[0]) != strlen(e.in[0]) || strlen(order[1]) != strlen(e.in[1]) || strlen(made) != strlen(e.out)) BR_FAIL(BR_ERROR_DATA, "an equation that sums over an axis of one input is not supported");
  BR_TRY(matrices(call, call->in[0], e.in[0], order[0], n, &a));
  BR_TRY(matrices(call, call->in[1], e.in[1], order[1], m, &b));
  BR_TRY(call_product(call, &a, &b, &product));
  for (int i = 0; made[i]; i++) {
    const char *place = strchr(e.in[0], made[i]);
    d[rank++] = place ? call->in[0]->d[place - e.in[0]] : call->in[1]->d[strchr(e.in[1], made[i]) - e.in[1]];
  }
  BR_TRY(call_reshaped(call, &product, rank, d, &wide));
  for (int i = 0; i < rank; i++) perm[i] = (int)(strchr(made, e.out[i]) - made);
  BR_TRY(call_turned(call, &wide, perm, &out));
  return call_result_same(call, 0, &out);
}
