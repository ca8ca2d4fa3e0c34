/* The zoo: known nets by name, as net text. */
#ifndef BRAMBLE_NET_ZOO_H
#define BRAMBLE_NET_ZOO_H

#include <bramble/net/graph.h>

/* What can be chosen of a zoo net; 0, NULL (and below 0 where it says so) take the net's own default. */
struct br_zoo_options {
  double width;        /* channel multiplier (mobilenetv2, mobilenetv3) */
  int H, W, C;         /* input; C may be given alone */
  int classes;         /* outputs */
  const char *hidden;  /* sizes of an mlp's hidden layers: "64,64,32" */
  int stem_stride;     /* of the first convolution: 2, or 1 for small pictures */
  double bn_momentum, bn_eps, dropout; /* below 0: the default */
};

/* The recipe that trains the net well when nothing else is said; where it comes from is `source`. */
struct br_recipe {
  const char *optimiser, *schedule, *augment, *source;
  double lr, momentum, weight_decay, label_smoothing, warmup_epochs;
  int batch, micro_batch, epochs;
};

struct br_zoo_net {
  const char *name, *about;
  const char *alias; /* a second name for the usual one of a family; NULL: none */
  struct br_zoo_options fallback; /* the defaults; what the net does not have is 0, NULL or (dropout) below 0, and giving it is an error */
  struct br_recipe recipe;
  /* Adds the net's lines; every option is filled in. */
  void (*build)(struct br_net_text *text, const struct br_zoo_options *options);
};

/* Entry i of the list, NULL past its end; the entry of that name, NULL if there is none. Versions are names of their own: "mobilenetv3-small",
 * "resnet50", "squeezenet1.0"; a family's name alone is its usual version. */
const struct br_zoo_net *br_zoo_at(int i);
const struct br_zoo_net *br_zoo_find(const char *name);

/* Builds the net. Errors: BR_ERROR_USAGE for a name that is not in the zoo (with the nearest), for options out of range and for those the net does not have; BR_ERROR_DATA when the
 * input is too small for it. */
int br_zoo_open(const char *name, const struct br_zoo_options *options, struct br_graph **out);

#endif
