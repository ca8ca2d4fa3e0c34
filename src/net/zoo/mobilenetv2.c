/* MobileNetV2 (Sandler et al. 2018) as torchvision builds it: inverted residuals, batch norm everywhere, channels rounded to multiples of 8;
 * 3,504,872 parameters at width 1 and 1,000 classes. */
#include <bramble/net/zoo.h>

#include <stdio.h>

/* Channels scaled by the width and rounded to the nearest multiple of 8, never by more than a tenth down. */
static int scaled(double channels, double width) {
  double v = channels * width;
  int n = (int)(v + 4) / 8 * 8;
  if (n < 8) n = 8;
  return n < 0.9 * v ? n + 8 : n;
}

static void add_norm(struct br_net_text *text, const struct br_zoo_options *o, const char *name, const char *part) {
  br_net_text_add(text, "%s.%sbn = batchnorm %s.%s momentum=%.17g eps=%.17g", name, part, name, part, o->bn_momentum, o->bn_eps);
}

/* 1x1 up to `expand` times the channels, 3x3 depthwise, 1x1 down; the input added where shapes allow. Returns via `at` the name of the output. */
static void add_block(struct br_net_text *text, const struct br_zoo_options *o, const char *name, char at[32], int in, int out, int stride, int expand) {
  char deep[64];
  snprintf(deep, sizeof deep, "%s", at);
  if (expand != 1) {
    br_net_text_add(text, "%s.expand = conv %s out=%d bias=no", name, at, in * expand);
    add_norm(text, o, name, "expand");
    br_net_text_add(text, "%s.expandact = relu6 %s.expandbn", name, name);
    snprintf(deep, sizeof deep, "%s.expandact", name);
  }
  br_net_text_add(text, "%s.depthwise = conv %s out=%d kernel=3 stride=%d padding=1 groups=%d bias=no", name, deep, in * expand, stride, in * expand);
  add_norm(text, o, name, "depthwise");
  br_net_text_add(text, "%s.depthwiseact = relu6 %s.depthwisebn", name, name);
  br_net_text_add(text, "%s.project = conv %s.depthwiseact out=%d bias=no", name, name, out);
  add_norm(text, o, name, "project");
  if (stride == 1 && in == out) {
    br_net_text_add(text, "%s = add %s %s.projectbn", name, at, name);
    snprintf(at, 32, "%s", name);
  } else {
    snprintf(at, 32, "%s.projectbn", name);
  }
}

static void build(struct br_net_text *text, const struct br_zoo_options *o) {
  static const struct {
    int expand, out, repeat, stride;
  } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  int in = scaled(32, o->width), number = 0;
  char at[32] = "stem.act";
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  br_net_text_add(text, "stem.conv = conv x out=%d kernel=3 stride=%d padding=1 bias=no", in, o->stem_stride);
  br_net_text_add(text, "stem.bn = batchnorm stem.conv momentum=%.17g eps=%.17g", o->bn_momentum, o->bn_eps);
  br_net_text_add(text, "stem.act = relu6 stem.bn");
  for (size_t s = 0; s < sizeof stages / sizeof *stages; s++)
    for (int i = 0; i < stages[s].repeat; i++) {
      int out = scaled(stages[s].out, o->width);
      char name[16];
      snprintf(name, sizeof name, "block%d", ++number);
      add_block(text, o, name, at, in, out, i == 0 ? stages[s].stride : 1, stages[s].expand);
      in = out;
    }
  br_net_text_add(text, "head.conv = conv %s out=%d bias=no", at, scaled(1280, o->width > 1 ? o->width : 1));
  br_net_text_add(text, "head.bn = batchnorm head.conv momentum=%.17g eps=%.17g", o->bn_momentum, o->bn_eps);
  br_net_text_add(text, "head.act = relu6 head.bn");
  br_net_text_add(text, "pool = globalpool head.act");
  br_net_text_add(text, "flat = flatten pool");
  if (o->dropout > 0) br_net_text_add(text, "drop = dropout flat rate=%.17g", o->dropout);
  br_net_text_add(text, "fc = dense %s out=%d", o->dropout > 0 ? "drop" : "flat", o->classes);
}

const struct br_zoo_net br_zoo_mobilenetv2 = {
    .name = "mobilenetv2",
    .about = "inverted residuals with linear bottlenecks",
    .fallback = {.width = 1, .H = 224, .W = 224, .C = 3, .classes = 1000, .stem_stride = 2, .bn_momentum = 0.9, .bn_eps = 1e-5, .dropout = 0},
    .recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "flip,crop:4", .source = "torchvision's SGD and cosine recipe, scaled to short runs", .lr = 0.05, .momentum = 0.9, .weight_decay = 4e-5, .warmup_epochs = 0.5, .batch = 96, .micro_batch = 12, .epochs = 10},
    .build = build,
};
