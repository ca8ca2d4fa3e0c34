/* TensorBoard's event files: scalars, histograms and pictures over steps, in a folder that `tensorboard --logdir` opens while the run goes on. Only rank 0
 * writes. */
#ifndef BRAMBLE_RECORD_EVENTS_H
#define BRAMBLE_RECORD_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct br_events;
/* Makes FOLDER where it is missing and a new file in it. Errors: BR_ERROR_USAGE naming the path. */
int br_events_open(const char *folder, struct br_events **out);
void br_events_close(struct br_events *events); /* NULL does nothing */

/* Each is one whole record. Values that are no numbers are left out. Errors: BR_ERROR_FAILED for a full disk. */
int br_events_scalar(struct br_events *events, int64_t step, const char *tag, double value);
/* Spread of x[0 .. n) in 30 equal classes. */
int br_events_histogram(struct br_events *events, int64_t step, const char *tag, const float *x, size_t n);
/* A picture as PNG; colours: 1 grey, 3 RGB. */
int br_events_image(struct br_events *events, int64_t step, const char *tag, int width, int height, int colours, const void *png, size_t bytes);

#endif
