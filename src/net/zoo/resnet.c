/* Residual nets: 18 and 50 for large pictures (He et al. 2016, as torchvision builds them: the stride of a bottleneck is in its 3x3), 20 for
 * CIFAR (the same paper's section 4.2, with projections where shapes change), and the 9-layer one that was made to train fast on CIFAR
 * (Page 2018, "How to train your ResNet", without its fixed factor before the loss). */
#include "net/zoo/brick.h"

/* Two 3x3 convolutions, or 1x1, 3x3, 1x1 with the outer four times as wide; the input, projected where shapes change, is added. */
static struct br__at add_block(struct br_net_text *text, const struct br_zoo_options *o, struct br__at name, struct br__at x, int *channels, int width, int stride, bool bottleneck) {
  int out = bottleneck ? 4 * width : width;
  struct br__at at = x, shortcut = x;
  if (bottleneck) at = br__zoo_brick(text, o, at, br__at("%.48s.reduce", name.name), (struct br__brick){.out = width, .activation = "relu"});
  at = br__zoo_brick(text, o, at, br__at("%.48s.conv1", name.name), (struct br__brick){.out = width, .R = 3, .stride = stride, .activation = "relu"});
  if (bottleneck)
    at = br__zoo_brick(text, o, at, br__at("%.48s.expand", name.name), (struct br__brick){.out = out});
  else
    at = br__zoo_brick(text, o, at, br__at("%.48s.conv2", name.name), (struct br__brick){.out = out, .R = 3});
  if (stride != 1 || *channels != out) shortcut = br__zoo_brick(text, o, x, br__at("%.48s.shortcut", name.name), (struct br__brick){.out = out, .stride = stride});
  *channels = out;
  br_net_text_add(text, "%s.sum = add %s %s", name.name, at.name, shortcut.name);
  br_net_text_add(text, "%s = relu %s.sum", name.name, name.name);
  return name;
}

/* Stages of widths w, 2 w, 4 w ... with `blocks` each; all but the first halve the picture. Then the mean and one dense layer. */
static void add_stages(struct br_net_text *text, const struct br_zoo_options *o, struct br__at at, int channels, int width, const int *blocks, int n_stages, bool bottleneck) {
  for (int s = 0; s < n_stages; s++)
    for (int i = 0; i < blocks[s]; i++) at = add_block(text, o, br__at("stage%d.%d", s + 1, i + 1), at, &channels, width << s, s > 0 && i == 0 ? 2 : 1, bottleneck);
  br_net_text_add(text, "pool = globalpool %s", at.name);
  br_net_text_add(text, "flat = flatten pool");
  br_net_text_add(text, "fc = dense flat out=%d", o->classes);
}

static void build_large(struct br_net_text *text, const struct br_zoo_options *o, const int blocks[4], bool bottleneck) {
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  struct br__at at = br__zoo_brick(text, o, br__at("x"), br__at("stem"), (struct br__brick){.out = 64, .R = 7, .stride = o->stem_stride, .activation = "relu"});
  br_net_text_add(text, "stem.pool = maxpool %s kernel=3 stride=2 padding=1", at.name);
  add_stages(text, o, br__at("stem.pool"), 64, 64, blocks, 4, bottleneck);
}

static void build_18(struct br_net_text *text, const struct br_zoo_options *o) { build_large(text, o, (const int[]){2, 2, 2, 2}, false); }
static void build_50(struct br_net_text *text, const struct br_zoo_options *o) { build_large(text, o, (const int[]){3, 4, 6, 3}, true); }

static void build_20(struct br_net_text *text, const struct br_zoo_options *o) {
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  struct br__at at = br__zoo_brick(text, o, br__at("x"), br__at("stem"), (struct br__brick){.out = 16, .R = 3, .activation = "relu"});
  add_stages(text, o, at, 16, 16, (const int[]){3, 3, 3}, 3, false);
}

/* 3x3 to `out` channels and a pool that halves; then maybe two 3x3 with the input added behind their activations. */
static struct br__at add_9(struct br_net_text *text, const struct br_zoo_options *o, struct br__at name, struct br__at at, int out, bool residual) {
  const char *n = name.name;
  at = br__zoo_brick(text, o, at, br__at("%.48s.conv", n), (struct br__brick){.out = out, .R = 3, .activation = "relu"});
  br_net_text_add(text, "%s.pool = maxpool %s kernel=2", n, at.name);
  at = br__at("%.48s.pool", n);
  if (!residual) return at;
  at = br__zoo_brick(text, o, at, br__at("%.48s.conv1", n), (struct br__brick){.out = out, .R = 3, .activation = "relu"});
  at = br__zoo_brick(text, o, at, br__at("%.48s.conv2", n), (struct br__brick){.out = out, .R = 3, .activation = "relu"});
  br_net_text_add(text, "%s = add %s.pool %s", n, n, at.name);
  return name;
}

static void build_9(struct br_net_text *text, const struct br_zoo_options *o) {
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  struct br__at at = br__zoo_brick(text, o, br__at("x"), br__at("stem"), (struct br__brick){.out = 64, .R = 3, .activation = "relu"});
  at = add_9(text, o, br__at("stage1"), at, 128, true);
  at = add_9(text, o, br__at("stage2"), at, 256, false);
  at = add_9(text, o, br__at("stage3"), at, 512, true);
  br_net_text_add(text, "pool = maxpool %s kernel=4", at.name);
  br_net_text_add(text, "flat = flatten pool");
  br_net_text_add(text, "fc = dense flat out=%d bias=no", o->classes);
}

#define LARGE {.dropout = -1, .H = 224, .W = 224, .C = 3, .classes = 1000, .stem_stride = 2, .bn_momentum = 0.9, .bn_eps = 1e-5}
#define CIFAR {.dropout = -1, .H = 32, .W = 32, .C = 3, .classes = 10, .bn_momentum = 0.9, .bn_eps = 1e-5}

const struct br_zoo_net br_zoo_resnet18 = {
    .name = "resnet18",
    .about = "residual blocks of two 3x3 convolutions (11,689,512 parameters)",
    .fallback = LARGE,
    .recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "flip,crop:4", .source = "He et al. 2016: SGD 0.1 at batch 256, scaled down with the batch, and a cosine schedule", .lr = 0.025, .momentum = 0.9, .weight_decay = 1e-4, .warmup_epochs = 0.5, .batch = 64, .micro_batch = 16, .epochs = 10},
    .build = build_18,
};
const struct br_zoo_net br_zoo_resnet20 = {
    .name = "resnet20",
    .about = "the small residual net for CIFAR (272,474 parameters)",
    .fallback = CIFAR,
    .recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "flip,crop:4", .source = "He et al. 2016, section 4.2: SGD 0.1 at batch 128, weight decay 1e-4; a cosine schedule for fewer epochs", .lr = 0.1, .momentum = 0.9, .weight_decay = 1e-4, .warmup_epochs = 1, .batch = 128, .micro_batch = 32, .epochs = 30},
    .build = build_20,
};
const struct br_zoo_net br_zoo_resnet50 = {
    .name = "resnet50",
    .alias = "resnet",
    .about = "bottleneck residual blocks (25,557,032 parameters)",
    .fallback = LARGE,
    .recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "flip,crop:4", .source = "He et al. 2016: SGD 0.1 at batch 256, scaled down with the batch, and a cosine schedule", .lr = 0.025, .momentum = 0.9, .weight_decay = 1e-4, .warmup_epochs = 0.5, .batch = 64, .micro_batch = 16, .epochs = 10},
    .build = build_50,
};
const struct br_zoo_net br_zoo_resnet9 = {
    .name = "resnet9",
    .about = "the fast one for CIFAR (6,573,120 parameters)",
    .fallback = CIFAR,
    .recipe = {.optimiser = "sgd", .schedule = "onecycle", .augment = "flip,crop:4,cutout:8", .source = "Page 2018 (DAWNBench): one cycle up to 0.4 at batch 512, scaled down with the batch; weight decay 5e-4", .lr = 0.1, .momentum = 0.9, .weight_decay = 5e-4, .batch = 128, .micro_batch = 32, .epochs = 24},
    .build = build_9,
};
