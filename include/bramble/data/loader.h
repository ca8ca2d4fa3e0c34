/* From numbered samples to the float32 NHWC input of a net: decode, resize, augment, normalise; ahead of time in its own threads
 * where that costs something. What comes out for (seed, epoch, sample index) never depends on who asked or when. */
#ifndef BRAMBLE_DATA_LOADER_H
#define BRAMBLE_DATA_LOADER_H

#include <bramble/data/dataset.h>

/* Augmentation, each a pure function of (seed, epoch, sample index); all zero: none. In this order: resized crop, resize, flip, padded crop, colours
 * (brightness, contrast, saturation), normalise, cutout. */
struct br_augment {
  bool flip;                 /* left-right, half of the time */
  int crop_padding;          /* pad this many zero pixels (of the input size) on each side and crop back at a random place */
  float resized_crop;        /* random resized crop: smallest share of the area (torchvision's scale[0]); 0: off; ratio 3/4 to 4/3 */
  int cutout;                /* side of a square set to the mean at a random place; 0: off */
  float brightness, contrast, saturation; /* colour jitter: factor uniform in [1 - v, 1 + v]; 0: off */
};

struct br_preprocess {
  int H, W, C;             /* the net's input */
  float mean[4], std[4];   /* per channel: y = (v / 255 - mean) / std of bytes, y = (v - mean) / std of floats; with more than 4 channels the first for all */
  int resize_shorter;      /* shorter side to this many pixels, then the centre H x W (where resized_crop is off); 0: stretch to H x W */
};

struct br_loader_options {
  struct br_dataset *dataset; /* borrowed; must outlive the loader */
  struct br_preprocess preprocess;
  struct br_augment augment;
  uint64_t seed;
};

struct br_loader;
/* Errors: BR_ERROR_USAGE when the data set's channels cannot become the input's (1 to 3 is a copy, 3 to 1 luma; else refused), or a setting is out
 * of its range. */
int br_loader_open(const struct br_loader_options *options, struct br_loader **out);
void br_loader_close(struct br_loader *loader); /* stops a running stream; NULL does nothing */

/* The samples index[0..n) of epoch `epoch` into x [n,H,W,C] and label [n]. Thread-safe; used directly where filling is cheap. */
int br_loader_fill(struct br_loader *loader, uint32_t epoch, const uint64_t *index, int n, float *x, int32_t *label);
/* True where decoding or resizing makes it worth running ahead. */
bool br_loader_is_costly(const struct br_loader *loader);

/* True where the data set's labels are numbers to be predicted, not classes. */
bool br_loader_gives_numbers(const struct br_loader *loader);

/* A unit of samples, ready. */
struct br_unit {
  float *x;       /* [n,H,W,C], aligned */
  int32_t *label; /* [n] */
  int n;
  uint32_t epoch;
};
/* Runs ahead: `next` is called (from one thread at a time, in order) for the samples of each unit in turn, at most `unit_samples` of them; it
 * writes epoch and indices and returns their number, 0 at the end. At most `depth` units are in work, ready or not yet released, filled by `threads`
 * threads: who holds several at once needs a larger depth. All memory is taken here. One stream per loader, until it is closed. */
int br_loader_start(struct br_loader *loader, int (*next)(void *arg, uint32_t *epoch, uint64_t *index), void *arg, int unit_samples, int depth, int threads);
/* The next unit in order, waiting for it; *out = NULL at the end. One consumer at a time may call it. An error of reading comes out where its unit
 * would, and again whenever it is asked. */
int br_loader_next(struct br_loader *loader, struct br_unit **out);
/* Gives a unit's buffer back. Thread-safe. */
void br_loader_release(struct br_loader *loader, struct br_unit *unit);
/* Ends the running ahead, wherever it is; it can be started again. No unit may be in use. Nothing where none runs. */
void br_loader_stop(struct br_loader *loader);
/* Bytes that a stream of these settings takes beside the data set. */
size_t br_loader_stream_bytes(const struct br_loader *loader, int unit_samples, int depth);

#endif
