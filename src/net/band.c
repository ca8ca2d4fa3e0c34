/* Running a band (band.h). Each convolution but the last keeps the rows that the next one still needs; a band of the last one's rows asks backwards for the
 * rows that are new, and they are made forwards. To a kernel some rows of a picture are a lower picture, with padding above only at the real top. */
#include "net/band.h"

#include <bramble/base/clock.h>
#include <bramble/base/memory.h>

#include <string.h>

#define BAND_BYTES ((size_t)448 << 10) /* of rows kept, beside weights and what comes in, in a cache of 1 MB */

/* Output rows [first, last) of a convolution read these input rows. */
struct range {
  int first, last;
};

static struct range rows_read(const struct br_conv_shape *d, struct range out) {
  const int first = out.first * d->stride_h - d->pad_top, last = (out.last - 1) * d->stride_h - d->pad_top + (d->R - 1) * d->dilation_h + 1;
  return (struct range){first < 0 ? 0 : first, last > d->H ? d->H : last};
}

static size_t row_floats(const struct br_conv_shape *d) { return (size_t)d->Q * (size_t)d->K; }

bool br__band_takes(const struct br_conv_shape *d) { return d->N == 1 && d->pad_top <= (d->R - 1) * d->dilation_h && (d->P - 1) * d->stride_h - d->pad_top < d->H; }

/* Of the rows of convolution i that are kept for the next, when `rows` of the last are made at a time. */
static size_t kept_bytes(const struct br_infer_conv *convs, int n, int i, int rows) {
  for (int next = n - 1; next > i; next--) {
    const struct br_conv_shape *d = &convs[next].shape;
    rows = (rows - 1) * d->stride_h + (d->R - 1) * d->dilation_h + 1;
    if (rows > d->H) rows = d->H;
  }
  return br_size_align((size_t)rows * row_floats(&convs[i].shape) * sizeof(float));
}

static size_t all_kept_bytes(const struct br_infer_conv *convs, int n, int rows) {
  size_t bytes = 0;
  for (int i = 0; i + 1 < n; i++) bytes += kept_bytes(convs, n, i, rows);
  return bytes;
}

int br__band_rows(const struct br_infer_conv *convs, int n) {
  int rows = 0;
  while (rows < convs[n - 1].shape.P && all_kept_bytes(convs, n, rows + 1) <= BAND_BYTES) rows++;
  return rows;
}

size_t br__band_work_bytes(const struct br_infer_conv *convs, int n, int rows) {
  size_t most = 0;
  for (int i = 0; i < n; i++) {
    const size_t bytes = br_infer_conv_work_bytes(&convs[i].shape);
    most = bytes > most ? bytes : most;
  }
  return all_kept_bytes(convs, n, rows) + most;
}

struct band {
  const struct br_infer_conv *convs;
  int n;
  float *kept[BR_BAND_MOST];       /* per convolution but the last: its rows `have` */
  struct range have[BR_BAND_MOST]; /* of the last: the rows to be made now */
  struct range make[BR_BAND_MOST]; /* of these, what is new */
  void *work;
};

/* What has to be made for the last one's rows; forgets rows that are no longer needed. */
static void band_ask(struct band *b, struct range rows) {
  b->have[b->n - 1] = b->make[b->n - 1] = rows;
  for (int i = b->n - 2; i >= 0; i--) {
    struct range *have = &b->have[i];
    if (b->make[i + 1].first == b->make[i + 1].last) { /* nothing new there */
      b->make[i] = (struct range){have->last, have->last};
      continue;
    }
    const struct range need = rows_read(&b->convs[i + 1].shape, b->make[i + 1]);
    const size_t row = row_floats(&b->convs[i].shape);
    if (need.first >= have->last) *have = (struct range){need.first, need.first};
    memmove(b->kept[i], b->kept[i] + (size_t)(need.first - have->first) * row, (size_t)(have->last - need.first) * row * sizeof(float));
    b->make[i] = (struct range){have->last, need.last > have->last ? need.last : have->last};
    *have = (struct range){need.first, b->make[i].last};
  }
}

static void band_make(const struct band *b, int i) {
  struct br_infer_conv conv = b->convs[i];
  struct br_conv_shape *d = &conv.shape;
  const struct range out = b->make[i], in = rows_read(d, out);
  const size_t before = (size_t)out.first * row_floats(d), in_row = (size_t)d->W * (size_t)d->C;
  if (out.first == out.last) return;
  conv.x = i > 0 ? b->kept[i - 1] + (size_t)(in.first - b->have[i - 1].first) * in_row : conv.x + (size_t)in.first * in_row;
  if (i + 1 < b->n)
    conv.y = b->kept[i] + (size_t)(out.first - b->have[i].first) * row_floats(d), conv.y_pixel = (size_t)d->K;
  else
    conv.y += (size_t)out.first * (size_t)d->Q * conv.y_pixel;
  if (conv.epilogue.residual) conv.epilogue.residual += before;
  d->pad_top = in.first - (out.first * d->stride_h - d->pad_top);
  d->H = in.last - in.first, d->P = out.last - out.first;
  br_infer_conv(&conv, BR_PART_ALL, b->work);
}

void br__band_run(const struct br_infer_conv *convs, int n, int rows, struct br_part part, void *work, double *seconds) {
  struct band b = {.convs = convs, .n = n};
  size_t first, last;
  char *place = work;
  for (int i = 0; i + 1 < n; i++) {
    b.kept[i] = (float *)(void *)place;
    place += kept_bytes(convs, n, i, rows);
  }
  b.work = place;
  br_part_range(part, (size_t)convs[n - 1].shape.P, 1, &first, &last);
  for (int row = (int)first; row < (int)last; row += rows) {
    band_ask(&b, (struct range){row, row + rows < (int)last ? row + rows : (int)last});
    for (int i = 0; i < n; i++) {
      const double begin = seconds ? br_clock_seconds() : 0;
      band_make(&b, i);
      if (seconds) seconds[i] += br_clock_seconds() - begin;
    }
  }
}
