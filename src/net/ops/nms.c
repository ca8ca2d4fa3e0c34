/* nms boxes scores max= [iou=] [score=] [center=no]: non-maximum suppression as ONNX has it. boxes (N,B,4) are two opposite corners (y, x, y, x), or with
 * center=yes middle and size (x, y, width, height); scores (N,C,B). Of every class up to `max` boxes are taken by falling score (above `score`), each that does
 * not overlap one taken before by more than `iou`. Out come rows of (0, class, box), C x max of them a sample; those that were not taken are -1, -1, -1. One
 * more axis in front of boxes and scores is the picture, and the first number of a row says which. It can be used, not trained. */
#include "net/op.h"

#include <bramble/base/error.h>
#include <bramble/net/exec.h>

#include <math.h>

static size_t rows_of_class(const struct br_node *node, const struct br_shape *boxes) {
  double max = br_node_value(node, "max")->v[0], all = boxes->d[boxes->rank - 2];
  return (size_t)(max < all ? max : all);
}

static int shape(struct br_inference *inference) {
  const struct br_shape *b = inference->in[0], *s = inference->in[1];
  int r = b->rank;
  char left[80], right[80];
  if ((r != 3 && r != 4) || s->rank != r || b->d[r - 1] != 4 || s->d[r - 1] != b->d[r - 2] || (r == 4 && s->d[1] != b->d[1]))
    BR_FAIL(BR_ERROR_DATA, "boxes of %s and scores of %s: N x boxes x 4 and N x classes x boxes were expected", br_shape_text(b, left), br_shape_text(s, right));
  if (b->d[r - 2] > 1 << 24) BR_FAIL(BR_ERROR_DATA, "%d boxes; at most 16,777,216 are possible", b->d[r - 2]); /* their numbers are floats */
  size_t rows = rows_of_class(inference->node, b) * (size_t)s->d[r - 2] * (r == 4 ? (size_t)b->d[1] : 1);
  if (rows > BR_MAX_ELEMENTS / 3) BR_FAIL(BR_ERROR_DATA, "%zu boxes are too many", rows);
  inference->node->shape = (struct br_shape){3, {b->d[0], (int)rows, 3}};
  return BR_OK;
}

static size_t work_bytes(const struct br_op_args *args) { return (size_t)args->in_shape[0].d[args->in_shape[0].rank - 2] * sizeof(int); }

struct box {
  float top, left, bottom, right;
};

static struct box corners(const float *b, bool center) {
  if (center) return (struct box){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
  return (struct box){fminf(b[0], b[2]), fminf(b[1], b[3]), fmaxf(b[0], b[2]), fmaxf(b[1], b[3])};
}

static bool overlap(const float *pa, const float *pb, bool center, float limit) {
  struct box a = corners(pa, center), b = corners(pb, center);
  float height = fminf(a.bottom, b.bottom) - fmaxf(a.top, b.top), width = fminf(a.right, b.right) - fmaxf(a.left, b.left);
  if (height <= 0 || width <= 0) return false;
  float common = height * width, both = (a.bottom - a.top) * (a.right - a.left) + (b.bottom - b.top) * (b.right - b.left) - common;
  return both > 0 && common / both > limit;
}

/* Is box i taken before box j: the higher score, then the lower number. */
static bool before(const float *score, int i, int j) { return score[i] > score[j] || (score[i] == score[j] && i < j); }

/* A heap whose first is taken before all others: lets the one at `at` sink. */
static void sink(const float *score, int *heap, int n, int at) {
  for (int child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && before(score, heap[child + 1], heap[child])) child++;
    if (!before(score, heap[child], heap[at])) return;
    int t = heap[at];
    heap[at] = heap[child], heap[child] = t;
  }
}

/* One class of one picture into its rows. */
static void choose(const struct br_node *node, const float *boxes, const float *score, int n_boxes, int *heap, float *out, size_t rows, float picture, float class) {
  bool center = br_node_value(node, "center")->v[0] != 0;
  float limit = (float)br_node_value(node, "iou")->v[0], least = (float)br_node_value(node, "score")->v[0];
  size_t taken = 0;
  int n = 0;
  for (int i = 0; i < n_boxes; i++)
    if (score[i] > least) heap[n++] = i;
  for (int i = n / 2; i-- > 0;) sink(score, heap, n, i);
  for (; n > 0 && taken < rows; heap[0] = heap[--n], sink(score, heap, n, 0)) {
    bool free = true;
    for (size_t k = 0; k < taken && free; k++) free = !overlap(boxes + 4 * heap[0], boxes + 4 * (size_t)out[3 * k + 2], center, limit);
    if (!free) continue;
    out[3 * taken] = picture, out[3 * taken + 1] = class, out[3 * taken + 2] = (float)heap[0];
    taken++;
  }
  for (size_t i = 3 * taken; i < 3 * rows; i++) out[i] = -1;
}

static void forward(const struct br_op_args *args, struct br_part part) {
  const struct br_shape *b = &args->in_shape[0], *s = &args->in_shape[1];
  int r = b->rank;
  size_t classes = (size_t)s->d[r - 2], n_boxes = (size_t)b->d[r - 2], pictures = br_shape_count(s) / classes / n_boxes, rows = rows_of_class(args->node, b), first, last;
  br_part_range(part, pictures * classes, 1, &first, &last);
  for (size_t i = first; i < last; i++)
    choose(args->node, args->in[0] + i / classes * n_boxes * 4, args->in[1] + i * n_boxes, (int)n_boxes, args->work, args->out + i * rows * 3, rows, r == 4 ? (float)(i / classes % (size_t)b->d[1]) : 0, (float)(i % classes));
}

const struct br_op br_op_nms = {.name = "nms",
                                .min_inputs = 2,
                                .max_inputs = 2,
                                .attributes = {{"max", BR_ATTRIBUTE_NUMBERS, NAN, 1, 1e9, 1, NULL}, {"iou", BR_ATTRIBUTE_REAL, 0, 0, 1, 1, NULL}, {"score", BR_ATTRIBUTE_REAL, -3e38, -3.5e38, 3.5e38, 1, NULL}, {"center", BR_ATTRIBUTE_BOOL, 0, 0, 1, 1, NULL}},
                                .shape = shape,
                                .work_bytes = work_bytes,
                                .forward = forward};
