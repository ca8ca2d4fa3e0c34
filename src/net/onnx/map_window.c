/* Convolutions, pools, normalisations and resizing: the operators of pictures. Their input is wanted with channels last; sequences (N,C,L) are pictures
 * of one row. */
#include "net/onnx/onnx.h"

#include <bramble/base/error.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The input as pictures: rank 4, channels last. */
static int pictures(const struct call *call, struct value *v, struct value *picture, int *node) {
  int order[BR_MAX_RANK];
  BR_TRY(call_as_node(call, v));
  if (v->rank != 4 && v->rank != 3) BR_FAIL(BR_ERROR_DATA, "works on %d dimensions; 3 and 4 are supported", v->rank);
  *picture = *v;
  if (v->rank == 3) BR_TRY(call_reshaped(call, v, 4, (int64_t[]){v->d[0], v->d[1], 1, v->d[2]}, picture));
  order_channels_last(4, order);
  BR_TRY(call_ordered(call, v->rank == 3 ? picture : v, order, node));
  if (call->imp->batched) return BR_OK;
  if (picture->d[0] != 1) BR_FAIL(BR_ERROR_DATA, "works on %lld pictures of one sample; 1 is supported", (long long)picture->d[0]);
  return call_resized(call, node, 3, (int64_t[]){picture->d[2], picture->d[3], picture->d[1]});
}

/* The net's node as output i: pictures, or the sequence they were. */
static int finish_output(const struct call *call, int i, int node, int rank, enum onnx_type type) {
  int order[BR_MAX_RANK];
  struct value v, out;
  const struct br_shape *made = &call->imp->graph->nodes[node].shape;
  order_channels_last(4, order);
  if (!call->imp->batched) BR_TRY(call_resized(call, &node, 4, (int64_t[]){1, made->d[1], made->d[2], made->d[3]}));
  if (rank == 4) return call_result(call, i, node, 4, order, type);
  BR_TRY(call_value(call, node, 4, order, type, &v));
  BR_TRY(call_reshaped(call, &v, 3, (int64_t[]){v.d[0], v.d[1], v.d[3]}, &out));
  return call_result_same(call, i, &out);
}
static int finish(const struct call *call, int node, int rank, enum onnx_type type) { return finish_output(call, 0, node, rank, type); }

/* Two numbers (rows, columns) of an attribute; a sequence gives one, for its columns. */
static int pair(const struct call *call, const char *name, int rank, int64_t fallback, int64_t out[2]) {
  int n;
  int64_t list[2] = {fallback, fallback};
  BR_TRY(call_ints(call, name, list, 2, &n));
  if (n >= 0 && n != rank - 2) BR_FAIL(BR_ERROR_DATA, "%s has %d numbers, %d were expected", name, n, rank - 2);
  out[0] = rank == 3 ? fallback : list[0], out[1] = rank == 3 ? list[0] : list[1];
  for (int i = 0; i < 2; i++)
    if (out[i] < 0 || out[i] > 1000000) BR_FAIL(BR_ERROR_DATA, "%s of %lld", name, (long long)out[i]);
  return BR_OK;
}

/* Padding as net text has it, into text of 160 bytes. */
static int padding(const struct call *call, int rank, const int64_t in[2], const int64_t kernel[2], const int64_t stride[2], const int64_t dilation[2], char *text) {
  const char *automatic = call_word(call, "auto_pad", "NOTSET");
  int64_t p[4] = {0}, list[4] = {0};
  int n;
  if (strcmp(automatic, "SAME_UPPER") == 0 || strcmp(automatic, "SAME_LOWER") == 0) {
    bool upper = automatic[5] == 'U';
    for (int i = 0; i < 2; i++) {
      int64_t out = (in[i] + stride[i] - 1) / stride[i], total = (out - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - in[i];
      if (total < 0) total = 0;
      p[i] = upper ? total / 2 : total - total / 2;
      p[2 + i] = total - p[i];
    }
  } else if (strcmp(automatic, "VALID") != 0) {
    if (strcmp(automatic, "NOTSET") != 0) BR_FAIL(BR_ERROR_DATA, "auto_pad=%s is not known", automatic);
    BR_TRY(call_ints(call, "pads", list, 4, &n));
    if (n >= 0 && n != 2 * (rank - 2)) BR_FAIL(BR_ERROR_DATA, "pads has %d numbers, %d were expected", n, 2 * (rank - 2));
    if (rank == 4)
      memcpy(p, list, sizeof p);
    else
      p[1] = list[0], p[3] = list[1];
  }
  call_numbers(p, 4, text);
  return BR_OK;
}

/* What a convolution takes from its weights [K, C, R, S] (or [K, C, S]). */
static int window_weight(const struct call *call, int rank, struct tensor **w, int64_t d[4]) {
  BR_TRY(call_weight(call, 1, w));
  if ((*w)->rank != rank) BR_FAIL(BR_ERROR_DATA, "weights of %d dimensions for an input of %d", (*w)->rank, rank);
  d[0] = (*w)->d[0], d[1] = (*w)->d[1], d[2] = rank == 4 ? (*w)->d[2] : 1, d[3] = (*w)->d[rank - 1];
  for (int i = 0; i < 4; i++)
    if (d[i] < 1 || d[i] > 1000000) BR_FAIL(BR_ERROR_DATA, "weights with a dimension of %lld", (long long)d[i]);
  return BR_OK;
}

static int fill_bias(const struct call *call, int i, int node, int param) {
  struct tensor *t;
  BR_TRY(call_weight(call, i, &t));
  return call_fill(call, node, param, t, t->rank, t->d, NULL, 1);
}

int map_conv(const struct call *call) {
  struct value x;
  struct tensor *w;
  int node, rank = 0;
  int64_t d[4], stride[2], dilation[2];
  char pads[160];
  BR_TRY(pictures(call, call->in[0], &x, &node));
  rank = call->in[0]->rank;
  BR_TRY(window_weight(call, rank, &w, d));
  BR_TRY(pair(call, "strides", rank, 1, stride));
  BR_TRY(pair(call, "dilations", rank, 1, dilation));
  if (stride[0] < 1 || stride[1] < 1) BR_FAIL(BR_ERROR_DATA, "strides below 1");
  BR_TRY(padding(call, rank, x.d + 2, d + 2, stride, dilation, pads));
  int64_t groups = call_int(call, "group", 1);
  bool bias = call_has(call, 2);
  if (groups < 1 || x.d[1] != d[1] * groups) BR_FAIL(BR_ERROR_DATA, "%lld channels, but weights for %lld in %lld groups", (long long)x.d[1], (long long)d[1], (long long)groups);
  BR_TRY(call_line(call, &node, "conv %s out=%lld kernel=%lldx%lld stride=%lldx%lld padding=%s dilation=%lldx%lld groups=%lld bias=%s", call_node_name(call, node), (long long)d[0], (long long)d[2], (long long)d[3],
                   (long long)stride[0], (long long)stride[1], pads, (long long)dilation[0], (long long)dilation[1], (long long)groups, bias ? "yes" : "no"));
  BR_TRY(call_fill(call, node, 0, w, 4, d, (int[]){2, 3, 1, 0}, 1));
  if (bias) BR_TRY(fill_bias(call, 2, node, 1));
  return finish(call, node, rank, ONNX_FLOAT);
}

int map_convtranspose(const struct call *call) {
  struct value x;
  struct tensor *w;
  int node, rank, n;
  int64_t d[4], stride[2], dilation[2], extra[2], p[4] = {0}, shape[4], list[4] = {0};
  char pads[160];
  BR_TRY(pictures(call, call->in[0], &x, &node));
  rank = call->in[0]->rank;
  BR_TRY(window_weight(call, rank, &w, d));
  BR_TRY(pair(call, "strides", rank, 1, stride));
  BR_TRY(pair(call, "dilations", rank, 1, dilation));
  BR_TRY(pair(call, "output_padding", rank, 0, extra));
  BR_TRY(call_ints(call, "output_shape", shape, 4, &n));
  char automatic[16];
  snprintf(automatic, sizeof automatic, "%s", call_word(call, "auto_pad", "NOTSET"));
  bool upper = strcmp(automatic, "SAME_UPPER") == 0;
  for (int i = 0; i < n; i++)
    if (shape[i] < 1 || shape[i] > 1 << 24) BR_FAIL(BR_ERROR_DATA, "an output of %lld", (long long)shape[i]);
  if (n >= 0 || upper || strcmp(automatic, "SAME_LOWER") == 0) {
    for (int i = 0; i < 2; i++) {
      int64_t wanted = n >= 0 ? (n - 2 + i >= 0 && (rank == 4 || i == 1) ? shape[n - 2 + i] : 1) : x.d[2 + i] * stride[i];
      int64_t total = stride[i] * (x.d[2 + i] - 1) + extra[i] + (d[2 + i] - 1) * dilation[i] + 1 - wanted;
      if (total < 0) extra[i] -= total, total = 0;
      p[i] = upper ? total / 2 : total - total / 2;
      p[2 + i] = total - p[i];
    }
  } else {
    BR_TRY(call_ints(call, "pads", list, 4, &n));
    if (n >= 0 && n != 2 * (rank - 2)) BR_FAIL(BR_ERROR_DATA, "pads has %d numbers", n);
    if (rank == 4)
      memcpy(p, list, sizeof p);
    else
      p[1] = list[0], p[3] = list[1];
  }
  int64_t groups = call_int(call, "group", 1);
  bool bias = call_has(call, 2);
  if (groups < 1 || groups > d[0] || x.d[1] != d[0]) BR_FAIL(BR_ERROR_DATA, "%lld channels, but weights for %lld in %lld groups", (long long)x.d[1], (long long)d[0], (long long)groups);
  BR_TRY(call_line(call, &node, "convtranspose %s out=%lld kernel=%lldx%lld stride=%lldx%lld padding=%s dilation=%lldx%lld groups=%lld extra=%lldx%lld bias=%s", call_node_name(call, node),
                   (long long)(d[1] * groups), (long long)d[2], (long long)d[3], (long long)stride[0], (long long)stride[1], call_numbers(p, 4, pads), (long long)dilation[0], (long long)dilation[1], (long long)groups,
                   (long long)extra[0], (long long)extra[1], bias ? "yes" : "no"));
  BR_TRY(call_fill(call, node, 0, w, 4, d, (int[]){2, 3, 1, 0}, 1));
  if (bias) BR_TRY(fill_bias(call, 2, node, 1));
  return finish(call, node, rank, ONNX_FLOAT);
}

/* maxpool and avgpool where they can, else the pools of windowpool.c; the places of the maxima as a second output. */
int map_pool(const struct call *call) {
  struct value x;
  int from, node, rank;
  int64_t kernel[2], stride[2], dilation[2];
  char pads[160], window[400];
  bool average = strcmp(call->node->op_type, "AveragePool") == 0, places = call->node->n_output > 1 && call->node->output[1][0];
  BR_TRY(pictures(call, call->in[0], &x, &from));
  rank = call->in[0]->rank;
  BR_TRY(pair(call, "kernel_shape", rank, 1, kernel));
  BR_TRY(pair(call, "strides", rank, 1, stride));
  BR_TRY(pair(call, "dilations", rank, 1, dilation));
  if (stride[0] < 1 || stride[1] < 1 || dilation[0] < 1 || dilation[1] < 1) BR_FAIL(BR_ERROR_DATA, "strides or dilations below 1");
  BR_TRY(padding(call, rank, x.d + 2, kernel, stride, dilation, pads));
  bool plain = dilation[0] == 1 && dilation[1] == 1 && (average || kernel[0] * kernel[1] <= 256);
  int used = snprintf(window, sizeof window, " kernel=%lldx%lld stride=%lldx%lld padding=%s ceil=%s", (long long)kernel[0], (long long)kernel[1], (long long)stride[0], (long long)stride[1], pads,
                      call_int(call, "ceil_mode", 0) ? "yes" : "no");
  if (!plain || places) snprintf(window + used, sizeof window - (size_t)used, " dilation=%lldx%lld", (long long)dilation[0], (long long)dilation[1]);
  if (places) {
    BR_TRY(call_line(call, &node, "windowplace %s%s columns=%s", call_node_name(call, from), window, call_int(call, "storage_order", 0) ? "yes" : "no"));
    BR_TRY(finish_output(call, 1, node, rank, ONNX_INT));
  }
  if (plain) window[used] = 0;
  const char *count = !average ? "" : call_int(call, "count_include_pad", 0) ? " countpadding=yes" : " countpadding=no";
  BR_TRY(call_line(call, &node, "%s %s%s%s", plain ? average ? "avgpool" : "maxpool" : average ? "windowmean" : "windowmax", call_node_name(call, from), window, count));
  return finish(call, node, rank, call->in[0]->type);
}

static int global(const struct call *call, const char *op) {
  struct value *v = call->in[0];
  int order[BR_MAX_RANK], node;
  int64_t axes[BR_MAX_RANK];
  char text[160];
  BR_TRY(call_as_node(call, v));
  if (v->rank < 3) BR_FAIL(BR_ERROR_DATA, "works on %d dimensions", v->rank);
  order_channels_last(v->rank, order);
  BR_TRY(call_ordered(call, v, order, &node));
  for (int i = 2; i < v->rank; i++) axes[i - 2] = i - 1 + call->imp->lead;
  if (v->rank == 4 && strcmp(op, "reducemean") == 0 && call->imp->batched)
    BR_TRY(call_line(call, &node, "globalpool %s", call_node_name(call, node)));
  else
    BR_TRY(call_line(call, &node, "%s %s axes=%s", op, call_node_name(call, node), call_numbers(axes, v->rank - 2, text)));
  return call_result(call, 0, node, v->rank, order, v->type);
}
int map_globalpool(const struct call *call) { return global(call, "reducemean"); }
int map_globalmax(const struct call *call) { return global(call, "reducemax"); }

/* An operator with parameters per channel. */
static int per_channel(const struct call *call, const char *op, int n_params) {
  struct value *v = call->in[0];
  int order[BR_MAX_RANK], node;
  BR_TRY(call_as_node(call, v));
  if (v->rank < 2) BR_FAIL(BR_ERROR_DATA, "works on %d dimensions", v->rank);
  order_channels_last(v->rank, order);
  BR_TRY(call_ordered(call, v, order, &node));
  BR_TRY(call_line(call, &node, "%s %s eps=%.9g", op, call_node_name(call, node), call_float(call, "epsilon", 1e-5)));
  for (int i = 0; i < n_params; i++) BR_TRY(fill_bias(call, 1 + i, node, i));
  return call_result(call, 0, node, v->rank, order, ONNX_FLOAT);
}

int map_batchnorm(const struct call *call) { return call_int(call, "training_mode", 0) ? call_batch_statistics(call) : per_channel(call, "batchnorm", 4); }
int map_instancenorm(const struct call *call) { return per_channel(call, "instancenorm", 2); }

int map_lrn(const struct call *call) {
  struct value *v = call->in[0];
  int order[BR_MAX_RANK], node;
  BR_TRY(call_as_node(call, v));
  order_channels_last(v->rank, order);
  BR_TRY(call_ordered(call, v, order, &node));
  BR_TRY(call_line(call, &node, "lrn %s size=%lld alpha=%.9g beta=%.9g bias=%.9g", call_node_name(call, node), (long long)call_int(call, "size", 1), call_float(call, "alpha", 1e-4), call_float(call, "beta", 0.75),
                   call_float(call, "bias", 1)));
  return call_result(call, 0, node, v->rank, order, ONNX_FLOAT);
}

int map_layernorm(const struct call *call) {
  struct value *v = call->in[0], merged, out;
  int axis, order[BR_MAX_RANK], node;
  int64_t d[BR_MAX_RANK], width = 1;
  BR_TRY(call_as_node(call, v));
  BR_TRY(call_axis(call_int(call, "axis", -1), v->rank, &axis));
  if (call->node->n_output > 1) BR_TRY(call_row_statistics(call, v, axis));
  for (int i = 0; i < v->rank; i++) {
    d[i < axis ? i : axis] = v->d[i];
    if (i >= axis) width *= v->d[i];
  }
  if (v->batch >= axis) BR_FAIL(BR_ERROR_DATA, "works along the batch");
  d[axis] = width;
  BR_TRY(call_reshaped(call, v, axis + 1, d, &merged));
  order_plain(axis + 1, order);
  BR_TRY(call_ordered(call, &merged, order, &node));
  BR_TRY(call_line(call, &node, "layernorm %s eps=%.9g", call_node_name(call, node), call_float(call, "epsilon", 1e-5)));
  BR_TRY(fill_bias(call, 1, node, 0));
  if (call_has(call, 2)) BR_TRY(fill_bias(call, 2, node, 1));
  BR_TRY(call_value(call, node, axis + 1, order, ONNX_FLOAT, &merged));
  BR_TRY(call_reshaped(call, &merged, v->rank, v->d, &out));
  return call_result_same(call, 0, &out);
}

/* What Resize makes of an input of 3 or 4 axes: per axis its scale (0: size over the input's), its new size, and the part of the input that is looked at. */
struct target {
  double scale[4], roi[8];
  int64_t size[4];
};

static int resize_target(const struct call *call, const struct value *x, bool upsample, bool crop, struct target *out) {
  int axes[4] = {0, 1, 2, 3}, n_axes = x->rank, n;
  int64_t list[4];
  const Onnx__AttributeProto *a = call_attribute(call, "scales");
  int at_scales = upsample ? 1 : 2;
  BR_TRY(call_ints(call, "axes", list, 4, &n));
  if (n >= 0) n_axes = n;
  for (int i = 0; i < n; i++) BR_TRY(call_axis(list[i], x->rank, &axes[i]));
  for (int i = 0; i < 4; i++) out->scale[i] = 0, out->roi[i] = 0, out->roi[4 + i] = 1, out->size[i] = i < x->rank ? x->d[i] : 1;
  struct tensor *t = NULL;
  if (crop) {
    BR_TRY(call_constant(call, 1, &t));
    if (t->count != 2 * (size_t)n_axes) BR_FAIL(BR_ERROR_DATA, "a roi of %zu numbers for %d axes", t->count, n_axes);
    for (int i = 0; i < n_axes; i++) out->roi[axes[i]] = t->v[i], out->roi[4 + axes[i]] = t->v[n_axes + i];
    t = NULL;
  }
  if (!a && call_has(call, at_scales)) BR_TRY(call_constant(call, at_scales, &t));
  if (a || (t && t->count)) {
    size_t count = a ? a->n_floats : t->count;
    if (count != (size_t)n_axes) BR_FAIL(BR_ERROR_DATA, "%zu scales for %d axes", count, n_axes);
    for (int i = 0; i < n_axes; i++) {
      double s = a ? (double)a->floats[i] : t->v[i], part = out->roi[4 + axes[i]] - out->roi[axes[i]];
      if (!(s > 0 && s <= 1e6)) BR_FAIL(BR_ERROR_DATA, "a scale of %g", s);
      if (!(part > 0 && part <= 1e6)) BR_FAIL(BR_ERROR_DATA, "a roi from %g to %g", out->roi[axes[i]], out->roi[4 + axes[i]]);
      out->scale[axes[i]] = s;
      out->size[axes[i]] = (int64_t)floor((double)x->d[axes[i]] * part * s + 1e-9);
    }
    return BR_OK;
  }
  BR_TRY(call_list(call, "sizes", 3, list, 4, &n));
  if (n != n_axes) BR_FAIL(BR_ERROR_DATA, "%d sizes for %d axes", n, n_axes);
  const char *policy = call_word(call, "keep_aspect_ratio_policy", "stretch");
  double common = 0;
  for (int i = 0; i < n_axes; i++) {
    double s = (double)list[i] / (double)x->d[axes[i]];
    if (list[i] < 1) BR_FAIL(BR_ERROR_DATA, "a size of %lld", (long long)list[i]);
    if (common == 0 || (strcmp(policy, "not_larger") == 0 ? s < common : s > common)) common = s;
  }
  for (int i = 0; i < n_axes; i++) {
    out->size[axes[i]] = list[i];
    if (strcmp(policy, "stretch") == 0) continue;
    out->size[axes[i]] = (int64_t)floor((double)x->d[axes[i]] * common + 0.5);
    out->scale[axes[i]] = common;
  }
  return BR_OK;
}

/* The word of net text for the attribute's; NULL: it is none of them. */
static const char *translated(const char *const words[][2], size_t n, const char *word) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(word, words[i][0]) == 0) return words[i][1];
  return NULL;
}

int map_resize(const struct call *call) {
  static const char *const coords[][2] = {{"half_pixel", "halfpixel"}, {"asymmetric", "asymmetric"}, {"align_corners", "corners"}, {"pytorch_half_pixel", "halfpixelone"}, {"half_pixel_symmetric", "halfpixelsymmetric"}, {"tf_crop_and_resize", "crop"}};
  static const char *const rounds[][2] = {{"round_prefer_floor", "preferfloor"}, {"round_prefer_ceil", "preferceil"}, {"floor", "floor"}, {"ceil", "ceil"}};
  static const char *const modes[][2] = {{"nearest", "nearest"}, {"linear", "linear"}, {"bilinear", "linear"}, {"cubic", "cubic"}};
  struct value x;
  struct target t;
  int node, rank = call->in[0]->rank, row = rank == 4 ? 2 : 3; /* a sequence is a picture of one row: axis 3 here is one that it does not have */
  char crop[200] = "";
  bool upsample = strcmp(call->node->op_type, "Upsample") == 0 || call->imp->opset < 11;
  BR_TRY(pictures(call, call->in[0], &x, &node));
  const char *word = call_word(call, "coordinate_transformation_mode", upsample ? "asymmetric" : "half_pixel"), *coord = translated(coords, 6, word);
  if (!coord) BR_FAIL(BR_ERROR_DATA, "coordinate_transformation_mode=%s is not known", word);
  const char *round = translated(rounds, 4, word = call_word(call, "nearest_mode", upsample ? "floor" : "round_prefer_floor"));
  if (!round) BR_FAIL(BR_ERROR_DATA, "nearest_mode=%s is not known", word);
  const char *mode = translated(modes, 4, word = call_word(call, "mode", "nearest"));
  if (!mode) BR_FAIL(BR_ERROR_DATA, "mode=%s is not known", word);
  BR_TRY(resize_target(call, call->in[0], upsample, strcmp(coord, "crop") == 0, &t));
  if (t.size[0] != x.d[0] || t.size[1] != x.d[1]) BR_FAIL(BR_ERROR_DATA, "changes batch or channels");
  if (strcmp(coord, "crop") == 0)
    snprintf(crop, sizeof crop, " roi=%.17gx%.17gx%.17gx%.17g fill=%.9g", t.roi[row], t.roi[rank - 1], t.roi[4 + row], t.roi[4 + rank - 1], call_float(call, "extrapolation_value", 0));
  BR_TRY(call_line(call, &node, "resize %s sizes=%lldx%lld mode=%s coords=%s round=%s scales=%.17gx%.17g cubic=%.9g exclude=%s antialias=%s%s", call_node_name(call, node), (long long)t.size[row], (long long)t.size[rank - 1], mode,
                   coord, round, t.scale[row], t.scale[rank - 1], call_float(call, "cubic_coeff_a", -0.75), call_int(call, "exclude_outside", 0) ? "yes" : "no", call_int(call, "antialias", 0) ? "yes" : "no", crop));
  return finish(call, node, rank, call->in[0]->type);
}

/* Reshape, transpose, reshape. */
static int shuffle(const struct call *call, struct value *v, const int64_t wide[6], const int turn[6], const int64_t d[4]) {
  struct value a, b, c;
  BR_TRY(call_reshaped(call, v, 6, wide, &a));
  b = a;
  int at[6];
  for (int i = 0; i < 6; i++) at[turn[i]] = i, b.d[i] = a.d[turn[i]];
  for (int i = 0; i < 6; i++) b.order[i] = at[a.order[i]];
  b.other = -1;
  BR_TRY(call_reshaped(call, &b, 4, d, &c));
  return call_result_same(call, 0, &c);
}

int map_depthtospace(const struct call *call) {
  struct value *v = call->in[0];
  int64_t b = call_int(call, "blocksize", 0);
  BR_TRY(call_as_node(call, v));
  if (v->rank != 4 || b < 1 || b > 10000 || v->d[1] % (b * b)) BR_FAIL(BR_ERROR_DATA, "blocksize=%lld does not fit its input", (long long)b);
  int64_t C = v->d[1] / (b * b), H = v->d[2], W = v->d[3], d[4] = {v->d[0], C, H * b, W * b};
  if (strcmp(call_word(call, "mode", "DCR"), "CRD") == 0) return shuffle(call, v, (int64_t[]){v->d[0], C, b, b, H, W}, (int[]){0, 1, 4, 2, 5, 3}, d);
  return shuffle(call, v, (int64_t[]){v->d[0], b, b, C, H, W}, (int[]){0, 3, 4, 1, 5, 2}, d);
}

int map_spacetodepth(const struct call *call) {
  struct value *v = call->in[0];
  int64_t b = call_int(call, "blocksize", 0);
  BR_TRY(call_as_node(call, v));
  if (v->rank != 4 || b < 1 || b > 10000 || v->d[2] % b || v->d[3] % b) BR_FAIL(BR_ERROR_DATA, "blocksize=%lld does not fit its input", (long long)b);
  int64_t C = v->d[1], H = v->d[2] / b, W = v->d[3] / b, wide[6] = {v->d[0], C, H, b, W, b}, d[4] = {v->d[0], C * b * b, H, W};
  if (strcmp(call_word(call, "mode", "DCR"), "CRD") == 0) return shuffle(call, v, wide, (int[]){0, 1, 3, 5, 2, 4}, d);
  return shuffle(call, v, wide, (int[]){0, 3, 5, 1, 2, 4}, d);
}

/* The number of boxes is only known when the net has run: the answer has a row for each that there may be, and border.c leaves out those that are -1. */
int map_nms(const struct call *call) {
  struct value *boxes = call->in[0], *scores;
  int order[BR_MAX_RANK], a, b, node;
  double max, iou, score;
  if (!call_has(call, 1)) BR_FAIL(BR_ERROR_DATA, "input 1 is missing");
  scores = call->in[1];
  BR_TRY(call_number(call, "", 2, 0, &max));
  BR_TRY(call_number(call, "", 3, 0, &iou));
  BR_TRY(call_number(call, "", 4, -3e38, &score));
  if (!(max >= 1)) BR_FAIL(BR_ERROR_DATA, "max_output_boxes_per_class=%g takes no box", max);
  order_plain(BR_MAX_RANK, order);
  BR_TRY(call_ordered(call, boxes, order, &a));
  BR_TRY(call_ordered(call, scores, order, &b));
  if (boxes->rank != 3 || scores->rank != 3) BR_FAIL(BR_ERROR_DATA, "boxes of %d and scores of %d dimensions; 3 were expected", boxes->rank, scores->rank);
  BR_TRY(call_line(call, &node, "nms %s %s max=%.0f iou=%.9g score=%.9g center=%s", call_node_name(call, a), call_node_name(call, b), max < 1e9 ? max : 1e9, iou, score, call_int(call, "center_point_box", 0) ? "yes" : "no"));
  BR_TRY(call_result(call, 0, node, call->imp->batched ? 3 : 2, order, ONNX_INT));
  struct value *made = br__onnx_find(call->imp, call->node->output[0]);
  made->chosen = true;
  return BR_OK;
}
