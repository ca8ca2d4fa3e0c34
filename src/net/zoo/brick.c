/* Convolution, batch norm, activation; and the MobileNets' rounding of channels. */
#include "net/zoo/brick.h"

#include <stdarg.h>
#include <stdio.h>

struct br__at br__at(const char *format, ...) {
  struct br__at at;
  va_list args;
  va_start(args, format);
  vsnprintf(at.name, sizeof at.name, format, args);
  va_end(args);
  return at;
}

struct br__at br__zoo_brick(struct br_net_text *text, const struct br_zoo_options *o, struct br__at in, struct br__at name, struct br__brick b) {
  int R = b.R ? b.R : 1, S = b.S ? b.S : R;
  br_net_text_add(text, "%s = conv %s out=%d kernel=%dx%d stride=%d padding=%dx%d groups=%d bias=no", name.name, in.name, b.out, R, S, b.stride ? b.stride : 1, b.valid ? 0 : R / 2, b.valid ? 0 : S / 2,
                  b.groups ? b.groups : 1);
  br_net_text_add(text, "%s.bn = batchnorm %s momentum=%.17g eps=%.17g", name.name, name.name, o->bn_momentum, o->bn_eps);
  if (!b.activation) return br__at("%.60s.bn", name.name);
  br_net_text_add(text, "%s.act = %s %s.bn", name.name, b.activation, name.name);
  return br__at("%.59s.act", name.name);
}

int br__zoo_scaled(double channels, double width) {
  double v = channels * width;
  int n = (int)(v + 4) / 8 * 8;
  if (n < 8) n = 8;
  return n < 0.9 * v ? n + 8 : n;
}
