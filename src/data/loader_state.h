/* What loader.c (one sample) and stream.c (running ahead) both know of a loader. Private to src/data. */
#ifndef BRAMBLE_DATA_LOADER_STATE_H
#define BRAMBLE_DATA_LOADER_STATE_H

#include "resize.h"

#include <bramble/data/loader.h>
#include <pthread.h>

struct br__stream;

struct br_loader {
  struct br_loader_options options;
  struct br_dataset_info info;
  float *scale, *bias; /* of one row of the input, W x C: y = v * scale + bias */
  struct br__axis vertical, horizontal; /* planned once where all pictures have one size; else taps = 0 */
  void *axes;
  bool direct; /* samples lie in memory and only need normalising, and nothing is drawn by chance */
  int shorter_at_least; /* what a JPEG keeps while decoding */
  pthread_mutex_t mutex; /* of `free_scratch` */
  struct br__scratch *free_scratch;
  struct br__stream *stream; /* NULL: none runs */
};

void br__stream_close(struct br__stream *stream); /* NULL does nothing */

#endif
