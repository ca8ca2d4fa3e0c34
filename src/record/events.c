/* Records of length, checksum, bytes, checksum (the TFRecord frame); the bytes are an Event, which protobuf-c makes of events.proto. */
#include <bramble/base/error.h>
#include <bramble/record/events.h>

#ifdef BR_HAVE_PROTOBUF

#include <bramble/store/file.h>

#include "events.pb-c.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLASSES 30
#define HEAD 12 /* of a record: its length, 8 bytes, and a checksum of that */

struct br_events {
  FILE *file;
  char path[700];
};

/* CRC-32C (Castagnoli) bit by bit: records are small and few. */
static uint32_t checksum(const void *data, size_t bytes) {
  const unsigned char *p = data;
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82F63B78u & -(crc & 1));
  }
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xA282EAD8u; /* masked, as the frame has it */
}

/* Dates the event and writes its record with one write, so that a reader never sees half of a header. */
static int write_record(struct br_events *events, Tensorboard__Event *event) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  event->wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  uint64_t length = tensorboard__event__get_packed_size(event);
  unsigned char *record = malloc(HEAD + length + sizeof(uint32_t));
  if (!record) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory for an event", events->path);
  tensorboard__event__pack(event, record + HEAD);
  uint32_t head = checksum(&length, sizeof length), body = checksum(record + HEAD, length);
  memcpy(record, &length, sizeof length); /* little-endian, as all machines this runs on */
  memcpy(record + sizeof length, &head, sizeof head);
  memcpy(record + HEAD + length, &body, sizeof body);
  bool full = fwrite(record, HEAD + length + sizeof body, 1, events->file) != 1 || fflush(events->file) != 0;
  int error = errno;
  free(record);
  if (full) BR_FAIL(BR_ERROR_FAILED, "%s: writing failed: %s", events->path, strerror(error));
  return BR_OK;
}

/* An event of one value, which is complete but for its tag. */
static int write_value(struct br_events *events, int64_t step, const char *tag, Tensorboard__Summary__Value *value) {
  Tensorboard__Event event = TENSORBOARD__EVENT__INIT;
  Tensorboard__Summary summary = TENSORBOARD__SUMMARY__INIT;
  value->tag = (char *)(uintptr_t)tag; /* is only read */
  summary.n_value = 1;
  summary.value = &value;
  event.step = step;
  event.what_case = TENSORBOARD__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  return write_record(events, &event);
}

int br_events_open(const char *folder, struct br_events **out) {
  *out = NULL;
  char host[64] = "node";
  struct br_events *events = calloc(1, sizeof *events);
  if (!events) BR_FAIL(BR_ERROR_MEMORY, "no memory for events");
  gethostname(host, sizeof host - 1);
  snprintf(events->path, sizeof events->path, "%.550s/events.out.tfevents.%lld.%s", folder, (long long)time(NULL), host);
  int made = br_folder_make(folder);
  if (made == BR_OK) events->file = fopen(events->path, "we");
  if (!events->file) {
    int error = errno;
    free(events);
    if (made != BR_OK) return BR_ERROR_USAGE; /* with its message */
    BR_FAIL(BR_ERROR_USAGE, "%s: events cannot be written there: %s", folder, strerror(error));
  }
  char version[] = "brain.Event:2";
  Tensorboard__Event event = TENSORBOARD__EVENT__INIT;
  event.what_case = TENSORBOARD__EVENT__WHAT_FILE_VERSION;
  event.file_version = version;
  int status = write_record(events, &event);
  if (status != BR_OK)
    br_events_close(events);
  else
    *out = events;
  return status;
}

void br_events_close(struct br_events *events) {
  if (!events) return;
  fclose(events->file);
  free(events);
}

int br_events_scalar(struct br_events *events, int64_t step, const char *tag, double x) {
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT;
  if (!isfinite(x)) return BR_OK;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
  value.simple_value = (float)x;
  return write_value(events, step, tag, &value);
}

int br_events_histogram(struct br_events *events, int64_t step, const char *tag, const float *x, size_t n) {
  double low = INFINITY, high = -INFINITY, sum = 0, squares = 0, limits[CLASSES], counts[CLASSES] = {0};
  for (size_t i = 0; i < n; i++) {
    low = fmin(low, x[i]);
    high = fmax(high, x[i]);
    sum += x[i];
    squares += (double)x[i] * x[i];
  }
  if (!(low <= high) || !isfinite(squares)) return BR_OK;
  double width = high > low ? (high - low) / CLASSES : 1;
  for (size_t i = 0; i < n; i++) {
    int c = (int)((x[i] - low) / width);
    counts[c < CLASSES ? c : CLASSES - 1]++;
  }
  for (int c = 0; c < CLASSES; c++) limits[c] = low + width * (c + 1);
  Tensorboard__HistogramProto histogram = TENSORBOARD__HISTOGRAM_PROTO__INIT;
  histogram.min = low;
  histogram.max = high;
  histogram.num = (double)n;
  histogram.sum = sum;
  histogram.sum_squares = squares;
  histogram.n_bucket_limit = histogram.n_bucket = CLASSES;
  histogram.bucket_limit = limits;
  histogram.bucket = counts;
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_HISTO;
  value.histo = &histogram;
  return write_value(events, step, tag, &value);
}

int br_events_image(struct br_events *events, int64_t step, const char *tag, int width, int height, int colours, const void *png, size_t bytes) {
  Tensorboard__Summary__Image image = TENSORBOARD__SUMMARY__IMAGE__INIT;
  image.height = height;
  image.width = width;
  image.colorspace = colours;
  image.encoded_image_string = (ProtobufCBinaryData){bytes, (uint8_t *)(uintptr_t)png}; /* is only read */
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_IMAGE;
  value.image = &image;
  return write_value(events, step, tag, &value);
}

#else /* without the library nothing is opened, so nothing of it is called */

int br_events_open(const char *folder, struct br_events **out) {
  *out = NULL;
  BR_FAIL(BR_ERROR_USAGE, "%s: this build is without protobuf-c, which TensorBoard's events need: install libprotobuf-c-dev protobuf-c-compiler and build again", folder);
}
void br_events_close(struct br_events *events) { (void)events; }
int br_events_scalar(struct br_events *events, int64_t step, const char *tag, double value) { return (void)events, (void)step, (void)tag, (void)value, BR_OK; }
int br_events_histogram(struct br_events *events, int64_t step, const char *tag, const float *x, size_t n) { return (void)events, (void)step, (void)tag, (void)x, (void)n, BR_OK; }
int br_events_image(struct br_events *events, int64_t step, const char *tag, int width, int height, int colours, const void *png, size_t bytes) {
  return (void)events, (void)step, (void)tag, (void)width, (void)height, (void)colours, (void)png, (void)bytes, BR_OK;
}

#endif
