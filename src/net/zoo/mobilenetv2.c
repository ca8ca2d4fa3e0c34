/* MobileNetV2 (Sandler et al. 2018) as torchvision builds it: inverted residuals, batch norm everywhere, channels rounded to multiples of 8;
 * 3,504,872 parameters at width 1 and 1,000 classes. */
#include "net/zoo/brick.h"

/* 1x1 up to `expand` times the channels, 3x3 depthwise, 1x1 down; the input added where shapes allow. */
static struct br__at add_block(struct br_net_text *text, const struct br_zoo_options *o, struct br__at name, struct br__at x, int in, int out, int stride, int expand) {
  struct br__at at = x;
  int deep = in * expand;
  if (expand != 1) at = br__zoo_brick(text, o, at, br__at("%.48s.expand", name.name), (struct br__brick){.out = deep, .activation = "relu6"});
  at = br__zoo_brick(text, o, at, br__at("%.48s.depthwise", name.name), (struct br__brick){.out = deep, .R = 3, .stride = stride, .groups = deep, .activation = "relu6"});
  at = br__zoo_brick(text, o, at, br__at("%.48s.project", name.name), (struct br__brick){.out = out});
  if (stride != 1 || in != out) return at;
  br_net_text_add(text, "%s = add %s %s", name.name, x.name, at.name);
  return name;
}

static void build(struct br_net_text *text, const struct br_zoo_options *o) {
  static const struct {
    int expand, out, repeat, stride;
  } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  int in = br__zoo_scaled(32, o->width), number = 0;
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  struct br__at at = br__zoo_brick(text, o, br__at("x"), br__at("stem"), (struct br__brick){.out = in, .R = 3, .stride = o->stem_stride, .activation = "relu6"});
  for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
    for (int i = 0; i < stages[s].repeat; i++) {
      int out = br__zoo_scaled(stages[s].out, o->width);
      at = add_block(text, o, br__at("block%d", ++number), at, in, out, i == 0 ? stages[s].stride : 1, stages[s].expand);
      in = out;
    }
  at = br__zoo_brick(text, o, at, br__at("head"), (struct br__brick){.out = br__zoo_scaled(1280, o->width > 1 ? o->width : 1), .activation = "relu6"});
  br_net_text_add(text, "pool = globalpool %s", at.name);
  br_net_text_add(text, "flat = flatten pool");
  if (o->dropout > 0) br_net_text_add(text, "drop = dropout flat rate=%.17g", o->dropout);
  br_net_text_add(text, "fc = dense %s out=%d", o->dropout > 0 ? "drop" : "flat", o->classes);
}

const struct br_zoo_net br_zoo_mobilenetv2 = {
    .name = "mobilenetv2",
    .about = "inverted residuals with linear bottlenecks",
    .fallback = {.width = 1, .H = 224, .W = 224, .C = 3, .classes = 1000, .stem_stride = 2, .bn_momentum = 0.9, .bn_eps = 1e-5, .dropout = 0},
    .recipe = {.optimiser = "muon", .schedule = "cosine", .augment = "flip,crop:4", .source = "Muon (Jordan et al. 2024) and a cosine schedule: on CIFAR-10 better than LAMB, which was better than SGD and Adam, with batches of 24 as of 576", .lr = 0.014, .momentum = 0.9, .weight_decay = 4e-5, .warmup_epochs = 0.5, .batch = 96, .micro_batch = 12, .epochs = 10},
    .build = build,
};
