/* MobileNetV3, small and large (Howard et al. 2019), as torchvision builds them: inverted residuals with squeeze-excite and hard swish, batch
 * norm with eps 1e-3; 2,542,856 and 5,483,032 parameters at width 1 and 1,000 classes. */
#include "net/zoo/brick.h"

struct stage {
  int kernel, deep, out;
  bool squeeze;
  const char *activation;
  int stride;
};

/* Each channel times a factor between 0 and 1 that is worked out from all channels' means. */
static struct br__at add_squeeze(struct br_net_text *text, struct br__at x, struct br__at name, int channels) {
  const char *n = name.name;
  br_net_text_add(text, "%s.pool = globalpool %s", n, x.name);
  br_net_text_add(text, "%s.fc1 = conv %s.pool out=%d", n, n, br__zoo_scaled(channels / 4, 1));
  br_net_text_add(text, "%s.relu = relu %s.fc1", n, n);
  br_net_text_add(text, "%s.fc2 = conv %s.relu out=%d", n, n, channels);
  br_net_text_add(text, "%s.gate = hardsigmoid %s.fc2", n, n);
  br_net_text_add(text, "%s = mul %s %s.gate", n, x.name, n);
  return name;
}

static struct br__at add_block(struct br_net_text *text, const struct br_zoo_options *o, struct br__at name, struct br__at x, int in, const struct stage *stage) {
  struct br__at at = x;
  int deep = br__zoo_scaled(stage->deep, o->width), out = br__zoo_scaled(stage->out, o->width);
  if (deep != in) at = br__zoo_brick(text, o, at, br__at("%.48s.expand", name.name), (struct br__brick){.out = deep, .activation = stage->activation});
  at = br__zoo_brick(text, o, at, br__at("%.48s.depthwise", name.name), (struct br__brick){.out = deep, .R = stage->kernel, .stride = stage->stride, .groups = deep, .activation = stage->activation});
  if (stage->squeeze) at = add_squeeze(text, at, br__at("%.48s.squeeze", name.name), deep);
  at = br__zoo_brick(text, o, at, br__at("%.48s.project", name.name), (struct br__brick){.out = out});
  if (stage->stride != 1 || in != out) return at;
  br_net_text_add(text, "%s = add %s %s", name.name, x.name, at.name);
  return name;
}

static void build(struct br_net_text *text, const struct br_zoo_options *o, const struct stage *stages, size_t n, int hidden) {
  int in = br__zoo_scaled(16, o->width);
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  struct br__at at = br__zoo_brick(text, o, br__at("x"), br__at("stem"), (struct br__brick){.out = in, .R = 3, .stride = o->stem_stride, .activation = "hardswish"});
  for (size_t s = 0; s < n; s++) {
    at = add_block(text, o, br__at("block%zu", s + 1), at, in, &stages[s]);
    in = br__zoo_scaled(stages[s].out, o->width);
  }
  at = br__zoo_brick(text, o, at, br__at("head"), (struct br__brick){.out = 6 * in, .activation = "hardswish"});
  br_net_text_add(text, "pool = globalpool %s", at.name);
  br_net_text_add(text, "flat = flatten pool");
  br_net_text_add(text, "fc1 = dense flat out=%d", br__zoo_scaled(hidden, o->width));
  br_net_text_add(text, "act = hardswish fc1");
  if (o->dropout > 0) br_net_text_add(text, "drop = dropout act rate=%.17g", o->dropout);
  br_net_text_add(text, "fc2 = dense %s out=%d", o->dropout > 0 ? "drop" : "act", o->classes);
}

static void build_small(struct br_net_text *text, const struct br_zoo_options *o) {
  static const struct stage stages[] = {
      {3, 16, 16, true, "relu", 2},        {3, 72, 24, false, "relu", 2},       {3, 88, 24, false, "relu", 1},       {5, 96, 40, true, "hardswish", 2},
      {5, 240, 40, true, "hardswish", 1},  {5, 240, 40, true, "hardswish", 1},  {5, 120, 48, true, "hardswish", 1},  {5, 144, 48, true, "hardswish", 1},
      {5, 288, 96, true, "hardswish", 2},  {5, 576, 96, true, "hardswish", 1},  {5, 576, 96, true, "hardswish", 1},
  };
  build(text, o, stages, sizeof stages / sizeof *stages, 1024);
}

static void build_large(struct br_net_text *text, const struct br_zoo_options *o) {
  static const struct stage stages[] = {
      {3, 16, 16, false, "relu", 1},       {3, 64, 24, false, "relu", 2},       {3, 72, 24, false, "relu", 1},       {5, 72, 40, true, "relu", 2},
      {5, 120, 40, true, "relu", 1},       {5, 120, 40, true, "relu", 1},       {3, 240, 80, false, "hardswish", 2}, {3, 200, 80, false, "hardswish", 1},
      {3, 184, 80, false, "hardswish", 1}, {3, 184, 80, false, "hardswish", 1}, {3, 480, 112, true, "hardswish", 1}, {3, 672, 112, true, "hardswish", 1},
      {5, 672, 160, true, "hardswish", 2}, {5, 960, 160, true, "hardswish", 1}, {5, 960, 160, true, "hardswish", 1},
  };
  build(text, o, stages, sizeof stages / sizeof *stages, 1280);
}

#define FALLBACK {.width = 1, .H = 224, .W = 224, .C = 3, .classes = 1000, .stem_stride = 2, .bn_momentum = 0.99, .bn_eps = 1e-3, .dropout = 0.2}
#define RECIPE                                                                                                                                                                                       \
  {.optimiser = "lamb", .schedule = "cosine", .augment = "flip,crop:4", .source = "our MobileNetV2 recipe; torchvision's own (RMSprop, 600 epochs) is for long runs", .lr = 0.01, .momentum = 0.9, \
   .weight_decay = 4e-5, .warmup_epochs = 0.5, .batch = 96, .micro_batch = 12, .epochs = 10}

const struct br_zoo_net br_zoo_mobilenetv3_large = {
    .name = "mobilenetv3-large", .alias = "mobilenetv3", .about = "inverted residuals, squeeze-excite, hard swish (5,483,032 parameters)", .fallback = FALLBACK, .recipe = RECIPE, .build = build_large};
const struct br_zoo_net br_zoo_mobilenetv3_small = {
    .name = "mobilenetv3-small", .about = "the same, small (2,542,856 parameters)", .fallback = FALLBACK, .recipe = RECIPE, .build = build_small};
