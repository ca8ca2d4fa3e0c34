/* Inception v3 (Szegedy et al. 2016) as torchvision builds it, without the auxiliary head: branches of factored convolutions beside each other,
 * batch norm with eps 1e-3; 23,834,568 parameters at 1,000 classes. The input has at least 75 x 75 pixels. */
#include "net/zoo/brick.h"

/* What all builders need: where to write, and the module whose branches are named. */
struct module {
  struct br_net_text *text;
  const struct br_zoo_options *o;
  struct br__at name;
};

static struct br__at conv(const struct module *m, struct br__at in, const char *name, struct br__brick brick) {
  brick.activation = "relu";
  return br__zoo_brick(m->text, m->o, in, br__at("%.40s.%.20s", m->name.name, name), brick);
}

static struct br__at pool(const struct module *m, struct br__at in, const char *op, const char *window) {
  br_net_text_add(m->text, "%s.pool = %s %s %s", m->name.name, op, in.name, window);
  return br__at("%.48s.pool", m->name.name);
}
static struct br__at mean_3x3(const struct module *m, struct br__at in) { return pool(m, in, "avgpool", "kernel=3 stride=1 padding=1"); }
static struct br__at max_halving(const struct module *m, struct br__at in) { return pool(m, in, "maxpool", "kernel=3 stride=2"); }

/* 35 x 35: 1x1; 5x5; two 3x3; the mean. */
static struct br__at add_a(const struct module *m, struct br__at x, int pool_out) {
  struct br__at b1 = conv(m, x, "b1", (struct br__brick){.out = 64});
  struct br__at b5 = conv(m, conv(m, x, "b5a", (struct br__brick){.out = 48}), "b5b", (struct br__brick){.out = 64, .R = 5});
  struct br__at b3 = conv(m, conv(m, x, "b3a", (struct br__brick){.out = 64}), "b3b", (struct br__brick){.out = 96, .R = 3});
  b3 = conv(m, b3, "b3c", (struct br__brick){.out = 96, .R = 3});
  struct br__at bp = conv(m, mean_3x3(m, x), "bp", (struct br__brick){.out = pool_out});
  br_net_text_add(m->text, "%s = concat %s %s %s %s", m->name.name, b1.name, b5.name, b3.name, bp.name);
  return m->name;
}

/* 35 x 35 to 17 x 17. */
static struct br__at add_b(const struct module *m, struct br__at x) {
  struct br__at b3 = conv(m, x, "b3", (struct br__brick){.out = 384, .R = 3, .stride = 2, .valid = true});
  struct br__at bd = conv(m, conv(m, x, "bda", (struct br__brick){.out = 64}), "bdb", (struct br__brick){.out = 96, .R = 3});
  bd = conv(m, bd, "bdc", (struct br__brick){.out = 96, .R = 3, .stride = 2, .valid = true});
  br_net_text_add(m->text, "%s = concat %s %s %s", m->name.name, b3.name, bd.name, max_halving(m, x).name);
  return m->name;
}

/* 17 x 17: 7x7 convolutions as 1x7 and 7x1, by way of `deep` channels. */
static struct br__at add_c(const struct module *m, struct br__at x, int deep) {
  struct br__brick row = {.out = deep, .R = 1, .S = 7}, column = {.out = deep, .R = 7, .S = 1}, last_row = row, last_column = column;
  last_row.out = last_column.out = 192;
  struct br__at b1 = conv(m, x, "b1", (struct br__brick){.out = 192});
  struct br__at b7 = conv(m, conv(m, x, "b7a", (struct br__brick){.out = deep}), "b7b", row);
  b7 = conv(m, b7, "b7c", last_column);
  struct br__at bd = conv(m, conv(m, x, "bda", (struct br__brick){.out = deep}), "bdb", column);
  bd = conv(m, conv(m, bd, "bdc", row), "bdd", column);
  bd = conv(m, bd, "bde", last_row);
  struct br__at bp = conv(m, mean_3x3(m, x), "bp", (struct br__brick){.out = 192});
  br_net_text_add(m->text, "%s = concat %s %s %s %s", m->name.name, b1.name, b7.name, bd.name, bp.name);
  return m->name;
}

/* 17 x 17 to 8 x 8. */
static struct br__at add_d(const struct module *m, struct br__at x) {
  struct br__at b3 = conv(m, conv(m, x, "b3a", (struct br__brick){.out = 192}), "b3b", (struct br__brick){.out = 320, .R = 3, .stride = 2, .valid = true});
  struct br__at b7 = conv(m, conv(m, x, "b7a", (struct br__brick){.out = 192}), "b7b", (struct br__brick){.out = 192, .R = 1, .S = 7});
  b7 = conv(m, b7, "b7c", (struct br__brick){.out = 192, .R = 7, .S = 1});
  b7 = conv(m, b7, "b7d", (struct br__brick){.out = 192, .R = 3, .stride = 2, .valid = true});
  br_net_text_add(m->text, "%s = concat %s %s %s", m->name.name, b3.name, b7.name, max_halving(m, x).name);
  return m->name;
}

/* 8 x 8: 1x3 and 3x1 beside each other. */
static struct br__at add_e(const struct module *m, struct br__at x) {
  struct br__brick row = {.out = 384, .R = 1, .S = 3}, column = {.out = 384, .R = 3, .S = 1};
  struct br__at b1 = conv(m, x, "b1", (struct br__brick){.out = 320});
  struct br__at b3 = conv(m, x, "b3a", (struct br__brick){.out = 384});
  struct br__at b3r = conv(m, b3, "b3b", row), b3c = conv(m, b3, "b3c", column);
  struct br__at bd = conv(m, conv(m, x, "bda", (struct br__brick){.out = 448}), "bdb", (struct br__brick){.out = 384, .R = 3});
  struct br__at bdr = conv(m, bd, "bdc", row), bdc = conv(m, bd, "bdd", column);
  struct br__at bp = conv(m, mean_3x3(m, x), "bp", (struct br__brick){.out = 192});
  br_net_text_add(m->text, "%s = concat %s %s %s %s %s %s", m->name.name, b1.name, b3r.name, b3c.name, bdr.name, bdc.name, bp.name);
  return m->name;
}

static struct br__at add_stem(struct br_net_text *text, const struct br_zoo_options *o) {
  struct module m = {text, o, br__at("stem")};
  struct br__at at = conv(&m, br__at("x"), "conv1", (struct br__brick){.out = 32, .R = 3, .stride = o->stem_stride, .valid = true});
  at = conv(&m, at, "conv2", (struct br__brick){.out = 32, .R = 3, .valid = true});
  at = conv(&m, at, "conv3", (struct br__brick){.out = 64, .R = 3});
  br_net_text_add(text, "stem.pool1 = maxpool %s kernel=3 stride=2", at.name);
  at = conv(&m, br__at("stem.pool1"), "conv4", (struct br__brick){.out = 80});
  at = conv(&m, at, "conv5", (struct br__brick){.out = 192, .R = 3, .valid = true});
  br_net_text_add(text, "stem.pool2 = maxpool %s kernel=3 stride=2", at.name);
  return br__at("stem.pool2");
}

static void build(struct br_net_text *text, const struct br_zoo_options *o) {
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  struct br__at at = add_stem(text, o);
  int number = 0;
#define MODULE (&(struct module){text, o, br__at("mixed%d", ++number)})
  at = add_a(MODULE, at, 32);
  at = add_a(MODULE, at, 64);
  at = add_a(MODULE, at, 64);
  at = add_b(MODULE, at);
  at = add_c(MODULE, at, 128);
  at = add_c(MODULE, at, 160);
  at = add_c(MODULE, at, 160);
  at = add_c(MODULE, at, 192);
  at = add_d(MODULE, at);
  at = add_e(MODULE, at);
  at = add_e(MODULE, at);
#undef MODULE
  br_net_text_add(text, "pool = globalpool %s", at.name);
  br_net_text_add(text, "flat = flatten pool");
  if (o->dropout > 0) br_net_text_add(text, "drop = dropout flat rate=%.17g", o->dropout);
  br_net_text_add(text, "fc = dense %s out=%d", o->dropout > 0 ? "drop" : "flat", o->classes);
}

const struct br_zoo_net br_zoo_inceptionv3 = {
    .name = "inceptionv3",
    .about = "branches of factored convolutions, no auxiliary head (23,834,568 parameters)",
    .fallback = {.H = 299, .W = 299, .C = 3, .classes = 1000, .stem_stride = 2, .bn_momentum = 0.9, .bn_eps = 1e-3, .dropout = 0.5},
    .recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "flip", .source = "Szegedy et al. 2016 with SGD and a cosine schedule instead of RMSprop's 100 epochs; label smoothing 0.1 as there", .lr = 0.02, .momentum = 0.9, .weight_decay = 4e-5, .label_smoothing = 0.1, .warmup_epochs = 0.5, .batch = 32, .micro_batch = 8, .epochs = 10},
    .build = build,
};
