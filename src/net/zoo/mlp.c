/* A multilayer perceptron of any sizes: --hidden 64,64,32. Pictures are flattened. */
#include <bramble/net/zoo.h>

#include <stdlib.h>
#include <string.h>

static void build(struct br_net_text *text, const struct br_zoo_options *o) {
  if (o->H > 1 || o->W > 1) {
    br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
    br_net_text_add(text, "h0 = flatten x");
  } else {
    br_net_text_add(text, "h0 = input %d", o->C);
  }
  int layer = 0;
  for (const char *p = o->hidden; p; layer++) {
    br_net_text_add(text, "fc%d = dense h%d out=%ld", layer + 1, layer, strtol(p, NULL, 10));
    br_net_text_add(text, "h%d = relu fc%d", layer + 1, layer + 1);
    p = strchr(p, ',');
    if (p) p++;
  }
  br_net_text_add(text, "fc%d = dense h%d out=%d", layer + 1, layer, o->classes);
}

const struct br_zoo_net br_zoo_mlp = {
    .name = "mlp",
    .about = "dense layers of the sizes of --hidden",
    .fallback = {.H = 1, .W = 1, .C = 6, .classes = 3, .hidden = "64,64,32", .dropout = -1},
    .recipe = {.optimiser = "adam", .schedule = "cosine", .augment = "none", .source = "Adam's defaults (Kingma and Ba 2015) with a cosine schedule", .lr = 0.001, .momentum = 0.9, .batch = 1024, .micro_batch = 512, .epochs = 100},
    .build = build,
};
