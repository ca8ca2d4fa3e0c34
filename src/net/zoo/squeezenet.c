/* SqueezeNet 1.0 and 1.1 (Iandola et al. 2016) as torchvision builds them: fire modules, no batch norm, no dense layer; 1,248,424 and
 * 1,235,496 parameters at 1,000 classes. */
#include "net/zoo/brick.h"

/* 1x1 to few channels, then 1x1 and 3x3 beside each other to `out` channels. */
static void add_fire(struct br_net_text *text, const char *in, int number, int squeeze, int out) {
  br_net_text_add(text, "fire%d.squeeze = conv %s out=%d", number, in, squeeze);
  br_net_text_add(text, "fire%d.act = relu fire%d.squeeze", number, number);
  br_net_text_add(text, "fire%d.expand1 = conv fire%d.act out=%d", number, number, out / 2);
  br_net_text_add(text, "fire%d.act1 = relu fire%d.expand1", number, number);
  br_net_text_add(text, "fire%d.expand3 = conv fire%d.act out=%d kernel=3 padding=1", number, number, out / 2);
  br_net_text_add(text, "fire%d.act3 = relu fire%d.expand3", number, number);
  br_net_text_add(text, "fire%d = concat fire%d.act1 fire%d.act3", number, number, number);
}

/* `pools`: a bit per fire module (2 to 9) that a pool follows. */
static void build(struct br_net_text *text, const struct br_zoo_options *o, int stem_out, int stem_kernel, unsigned pools) {
  static const struct {
    int squeeze, out;
  } fire[] = {[2] = {16, 128}, {16, 128}, {32, 256}, {32, 256}, {48, 384}, {48, 384}, {64, 512}, {64, 512}};
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  br_net_text_add(text, "stem = conv x out=%d kernel=%d stride=%d", stem_out, stem_kernel, o->stem_stride);
  br_net_text_add(text, "stem.act = relu stem");
  br_net_text_add(text, "pool1 = maxpool stem.act kernel=3 stride=2 ceil=yes");
  struct br__at at = br__at("pool1");
  for (int i = 2; i <= 9; i++) {
    add_fire(text, at.name, i, fire[i].squeeze, fire[i].out);
    at = br__at("fire%d", i);
    if (!(pools >> i & 1)) continue;
    br_net_text_add(text, "pool%d = maxpool fire%d kernel=3 stride=2 ceil=yes", i, i);
    at = br__at("pool%d", i);
  }
  if (o->dropout > 0) {
    br_net_text_add(text, "drop = dropout %s rate=%.17g", at.name, o->dropout);
    at = br__at("drop");
  }
  br_net_text_add(text, "head = conv %s out=%d", at.name, o->classes);
  br_net_text_add(text, "head.act = relu head");
  br_net_text_add(text, "pool = globalpool head.act");
  br_net_text_add(text, "flat = flatten pool");
}

static void build_1_0(struct br_net_text *text, const struct br_zoo_options *o) { build(text, o, 96, 7, 1u << 4 | 1u << 8); }
static void build_1_1(struct br_net_text *text, const struct br_zoo_options *o) { build(text, o, 64, 3, 1u << 3 | 1u << 5); }

#define FALLBACK {.H = 224, .W = 224, .C = 3, .classes = 1000, .stem_stride = 2, .dropout = 0.5}
#define RECIPE                                                                                                                                                                                     \
  {.optimiser = "adam", .schedule = "cosine", .augment = "flip,crop:4", .source = "Adam instead of the paper's SGD with linear decay: without batch norm short runs need it", .lr = 5e-4, .momentum = 0.9, \
   .weight_decay = 0, .warmup_epochs = 0.5, .batch = 64, .micro_batch = 16, .epochs = 10}

const struct br_zoo_net br_zoo_squeezenet1_0 = {
    .name = "squeezenet1.0", .about = "fire modules (1,248,424 parameters)", .fallback = FALLBACK, .recipe = RECIPE, .build = build_1_0};
const struct br_zoo_net br_zoo_squeezenet1_1 = {
    .name = "squeezenet1.1", .alias = "squeezenet", .about = "the same for less than half the work (1,235,496 parameters)", .fallback = FALLBACK, .recipe = RECIPE, .build = build_1_1};
