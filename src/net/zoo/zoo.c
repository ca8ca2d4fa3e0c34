/* The list of known nets, and building one from its options. */
#include <bramble/base/error.h>
#include <bramble/base/text.h>
#include <bramble/net/zoo.h>

#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct br_zoo_net br_zoo_##name;
#include "net/zoo/nets.def"
#undef X

static const struct br_zoo_net *const list[] = {
#define X(name) &br_zoo_##name,
#include "net/zoo/nets.def"
#undef X
};
#define N_NETS (sizeof list / sizeof *list)

const struct br_zoo_net *br_zoo_at(int i) { return i >= 0 && (size_t)i < N_NETS ? list[i] : NULL; }

const struct br_zoo_net *br_zoo_find(const char *name) {
  for (size_t i = 0; i < N_NETS; i++)
    if (strcmp(list[i]->name, name) == 0 || (list[i]->alias && strcmp(list[i]->alias, name) == 0)) return list[i];
  return NULL;
}

static struct br_zoo_options filled(const struct br_zoo_options *given, const struct br_zoo_options *fallback) {
  struct br_zoo_options o = *given;
  if (o.width == 0) o.width = fallback->width;
  if (o.H == 0) o.H = fallback->H;
  if (o.W == 0) o.W = fallback->W;
  if (o.C == 0) o.C = fallback->C;
  if (o.classes == 0) o.classes = fallback->classes;
  if (!o.hidden) o.hidden = fallback->hidden;
  if (o.stem_stride == 0) o.stem_stride = fallback->stem_stride;
  if (o.bn_momentum < 0) o.bn_momentum = fallback->bn_momentum;
  if (o.bn_eps < 0) o.bn_eps = fallback->bn_eps;
  if (o.dropout < 0) o.dropout = fallback->dropout;
  return o;
}

/* An option that the net would not look at is a mistake, not a setting. */
static int check_given(const struct br_zoo_net *net, const struct br_zoo_options *given) {
  const struct br_zoo_options *has = &net->fallback;
  const char *without = NULL;
  if (given->width != 0 && given->width != 1 && has->width == 0) without = "width";
  if (given->hidden && !has->hidden) without = "hidden layers";
  if (given->stem_stride != 0 && has->stem_stride == 0) without = "stride of its stem";
  if ((given->bn_momentum >= 0 || given->bn_eps >= 0) && has->bn_eps == 0) without = "batch norm";
  if (given->dropout > 0 && has->dropout < 0) without = "dropout";
  if (without) BR_FAIL(BR_ERROR_USAGE, "%s has no %s to choose; leave that option out", net->name, without);
  return BR_OK;
}

static int check_hidden(const char *name, const char *sizes) {
  for (const char *p = sizes;; p++) {
    char *end;
    long size = strtol(p, &end, 10);
    if (end == p || size < 1 || size > 100000000 || (*end && *end != ',')) BR_FAIL(BR_ERROR_USAGE, "%s: hidden layers of %s; sizes like 64,64,32 were expected", name, sizes);
    if (!*end) return BR_OK;
    p = end;
  }
}

int br_zoo_open(const char *name, const struct br_zoo_options *options, struct br_graph **out) {
  *out = NULL;
  const struct br_zoo_net *net = br_zoo_find(name);
  if (!net) {
    const char *names[N_NETS];
    for (size_t i = 0; i < N_NETS; i++) names[i] = list[i]->name;
    const char *nearest = br_text_nearest(name, names, N_NETS);
    if (nearest) BR_FAIL(BR_ERROR_USAGE, "%s is neither a net of the zoo nor a file; did you mean %s?", name, nearest);
    BR_FAIL(BR_ERROR_USAGE, "%s is neither a net of the zoo nor a file; bramble inspect --help says what can be named", name);
  }
  BR_TRY(check_given(net, options));
  struct br_zoo_options o = filled(options, &net->fallback);
  if (o.hidden) BR_TRY(check_hidden(name, o.hidden));
  if (o.width != 0 && !(o.width > 0 && o.width <= 64)) BR_FAIL(BR_ERROR_USAGE, "%s: a width of %g; above 0 and up to 64 is possible", name, o.width);
  if (o.classes < 1 || o.classes > 1000000) BR_FAIL(BR_ERROR_USAGE, "%s: %d classes; 1 to 1000000 are possible", name, o.classes);
  if (o.dropout >= 1) BR_FAIL(BR_ERROR_USAGE, "%s: a dropout of %g; 0 to below 1 is possible", name, o.dropout);
  struct br_net_text *text;
  BR_TRY(br_net_text_open(&text));
  net->build(text, &o);
  return br_net_text_graph(text, name, out);
}
