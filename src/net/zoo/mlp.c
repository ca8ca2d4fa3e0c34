/* A multilayer perceptron of any sizes: --hidden 64,64,32. Pictures are flattened. */
#include <bramble/net/zoo.h>

#include <stdlib.h>

static void build(struct br_net_text *text, const struct br_zoo_options *o) {
  if (o->H > 1 || o->W > 1) {
    br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
    br_net_text_add(text, "h0 = flatten x");
  } else {
    br_net_text_add(text, "h0 = input %d", o->C);
  }
  int layer = 0;
  for (const char *p = o->hidden; *p;) {
    char *end;
    long size = strtol(p, &end, 10);
    br_net_text_add(text, "fc%d = dense h%d out=%ld", layer + 1, layer, end == p ? 0 : size); /* what is no size fails as out=0 does */
    br_net_text_add(text, "h%d = relu fc%d", layer + 1, layer + 1);
    layer++;
    if (end == p || (*end && *end != ',')) break;
    p = *end ? end + 1 : end;
  }
  br_net_text_add(text, "fc%d = dense h%d out=%d", layer + 1, layer, o->classes);
}

const struct br_zoo_net br_zoo_mlp = {
    .name = "mlp",
    .about = "dense layers of the sizes of --hidden",
    .fallback = {.width = 1, .H = 1, .W = 1, .C = 6, .classes = 3, .hidden = "64,64,32"},
    .recipe = {.optimiser = "adam", .schedule = "cosine", .augment = "none", .source = "Adam's defaults (Kingma and Ba 2015) with a cosine schedule", .lr = 0.001, .momentum = 0.9, .batch = 1024, .micro_batch = 512, .epochs = 100},
    .build = build,
};
