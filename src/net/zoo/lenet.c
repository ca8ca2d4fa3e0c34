/* LeNet as the studies of CIFAR-10 on small clusters use it: two 5x5 convolutions with max pooling, three dense layers; 62,006 parameters at
 * 32x32x3 and 10 classes (after LeCun et al. 1998). */
#include <bramble/net/zoo.h>

static void build(struct br_net_text *text, const struct br_zoo_options *o) {
  br_net_text_add(text, "x = input %d %d %d", o->H, o->W, o->C);
  br_net_text_add(text, "conv1 = conv x out=6 kernel=5");
  br_net_text_add(text, "relu1 = relu conv1");
  br_net_text_add(text, "pool1 = maxpool relu1 kernel=2");
  br_net_text_add(text, "conv2 = conv pool1 out=16 kernel=5");
  br_net_text_add(text, "relu2 = relu conv2");
  br_net_text_add(text, "pool2 = maxpool relu2 kernel=2");
  br_net_text_add(text, "flat = flatten pool2");
  br_net_text_add(text, "fc1 = dense flat out=120");
  br_net_text_add(text, "relu3 = relu fc1");
  br_net_text_add(text, "fc2 = dense relu3 out=84");
  br_net_text_add(text, "relu4 = relu fc2");
  br_net_text_add(text, "fc3 = dense relu4 out=%d", o->classes);
}

const struct br_zoo_net br_zoo_lenet = {
    .name = "lenet",
    .about = "two convolutions, three dense layers (62,006 parameters)",
    .fallback = {.H = 32, .W = 32, .C = 3, .classes = 10, .dropout = -1},
    .recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "none", .source = "SGD with momentum as in PyTorch's CIFAR-10 tutorial, with warm-up and a cosine schedule; the decay chosen on shapes and CIFAR-10", .lr = 0.02, .momentum = 0.9, .weight_decay = 0.003, .warmup_epochs = 1, .batch = 32, .micro_batch = 8, .epochs = 12},
    .build = build,
};
