/* The brick most nets of the zoo are made of: a convolution without bias, batch norm, and maybe an activation; and names of nodes as values,
 * so that the builders read like the papers' tables. Private to the zoo. */
#ifndef NET_ZOO_BRICK_H
#define NET_ZOO_BRICK_H

#include <bramble/net/zoo.h>

/* A node, by its name. */
struct br__at {
  char name[64];
};
struct br__at br__at(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct br__brick {
  int out;                /* channels */
  int R, S;               /* kernel; 0: 1, and S as R */
  int stride;             /* 0: 1 */
  int groups;             /* 0: 1 */
  bool valid;             /* no padding; else half the kernel, so that stride 1 keeps the size */
  const char *activation; /* an operator's name, or NULL: none */
};
/* Adds NAME (the convolution), NAME.bn and NAME.act; returns the last of them. */
struct br__at br__zoo_brick(struct br_net_text *text, const struct br_zoo_options *o, struct br__at in, struct br__at name, struct br__brick brick);

/* Channels scaled by the width and rounded to the nearest multiple of 8, never by more than a tenth down: the rule of all MobileNets. */
int br__zoo_scaled(double channels, double width);

#endif
