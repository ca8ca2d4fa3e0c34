/* Records of length, checksum, bytes, checksum (the TFRecord frame); the bytes are an Event of TensorFlow's event.proto, of which few fields are
 * needed, so that they are put together here. */
#include <bramble/base/error.h>
#include <bramble/record/events.h>
#include <bramble/store/file.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLASSES 30

struct br_events {
  FILE *file;
  char path[700];
};

/* Field numbers of event.proto and summary.proto. */
enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SCALAR = 2, VALUE_IMAGE = 4, VALUE_HISTOGRAM = 5 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLOURS = 3, IMAGE_DATA = 4 };
enum { HISTOGRAM_MIN = 1, HISTOGRAM_MAX = 2, HISTOGRAM_COUNT = 3, HISTOGRAM_SUM = 4, HISTOGRAM_SQUARES = 5, HISTOGRAM_LIMITS = 6, HISTOGRAM_BUCKETS = 7 };

/* A message that is being put together; `bad` where there was no memory. */
struct message {
  unsigned char *data;
  size_t used, room;
  bool bad;
};

static void put_bytes(struct message *m, const void *data, size_t bytes) {
  if (m->used + bytes > m->room) {
    size_t room = 2 * (m->used + bytes) + 256;
    unsigned char *larger = realloc(m->data, room);
    if (!larger) m->bad = true;
    if (m->bad) return;
    m->data = larger;
    m->room = room;
  }
  memcpy(m->data + m->used, data, bytes);
  m->used += bytes;
}

static void put_varint(struct message *m, uint64_t v) {
  do {
    unsigned char byte = (unsigned char)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
    put_bytes(m, &byte, 1);
    v >>= 7;
  } while (v);
}

static void put_integer(struct message *m, int field, int64_t v) {
  put_varint(m, (uint64_t)field << 3);
  put_varint(m, (uint64_t)v);
}

static void put_double(struct message *m, int field, double v) {
  put_varint(m, (uint64_t)field << 3 | 1);
  put_bytes(m, &v, sizeof v); /* little-endian, as all machines this runs on */
}

static void put_float(struct message *m, int field, float v) {
  put_varint(m, (uint64_t)field << 3 | 5);
  put_bytes(m, &v, sizeof v);
}

static void put_block(struct message *m, int field, const void *data, size_t bytes) {
  put_varint(m, (uint64_t)field << 3 | 2);
  put_varint(m, bytes);
  put_bytes(m, data, bytes);
}

static void put_message(struct message *m, int field, struct message *inner) {
  put_block(m, field, inner->data, inner->used);
  m->bad = m->bad || inner->bad;
  free(inner->data);
  *inner = (struct message){0};
}

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

/* Writes a record with one write, so that a reader never sees half of a header; frees the message. */
static int write_record(struct br_events *events, struct message *event) {
  struct message frame = {0};
  uint64_t length = event->used;
  uint32_t sums[2] = {checksum(&length, sizeof length), checksum(event->data, event->used)};
  put_bytes(&frame, &length, sizeof length);
  put_bytes(&frame, &sums[0], 4);
  put_bytes(&frame, event->data, event->used);
  put_bytes(&frame, &sums[1], 4);
  bool bad = event->bad || frame.bad, full = !bad && (fwrite(frame.data, 1, frame.used, events->file) != frame.used || fflush(events->file) != 0);
  int error = errno;
  free(event->data);
  free(frame.data);
  if (bad) BR_FAIL(BR_ERROR_MEMORY, "%s: no memory for an event", events->path);
  if (full) BR_FAIL(BR_ERROR_FAILED, "%s: writing failed: %s", events->path, strerror(error));
  return BR_OK;
}

static void begin_event(struct message *event, int64_t step) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  put_double(event, EVENT_TIME, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
  put_integer(event, EVENT_STEP, step);
}

/* An event of one value, whose message is complete but for its tag. */
static int write_value(struct br_events *events, int64_t step, const char *tag, struct message *value) {
  struct message event = {0}, summary = {0};
  put_block(value, VALUE_TAG, tag, strlen(tag));
  put_message(&summary, SUMMARY_VALUE, value);
  begin_event(&event, step);
  put_message(&event, EVENT_SUMMARY, &summary);
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
  struct message event = {0};
  static const char version[] = "brain.Event:2";
  begin_event(&event, 0);
  put_block(&event, EVENT_VERSION, version, sizeof version - 1);
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

int br_events_scalar(struct br_events *events, int64_t step, const char *tag, double value) {
  struct message m = {0};
  if (!isfinite(value)) return BR_OK;
  put_float(&m, VALUE_SCALAR, (float)value);
  return write_value(events, step, tag, &m);
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
  struct message h = {0}, value = {0};
  put_double(&h, HISTOGRAM_MIN, low);
  put_double(&h, HISTOGRAM_MAX, high);
  put_double(&h, HISTOGRAM_COUNT, (double)n);
  put_double(&h, HISTOGRAM_SUM, sum);
  put_double(&h, HISTOGRAM_SQUARES, squares);
  put_block(&h, HISTOGRAM_LIMITS, limits, sizeof limits);
  put_block(&h, HISTOGRAM_BUCKETS, counts, sizeof counts);
  put_message(&value, VALUE_HISTOGRAM, &h);
  return write_value(events, step, tag, &value);
}

int br_events_image(struct br_events *events, int64_t step, const char *tag, int width, int height, int colours, const void *png, size_t bytes) {
  struct message image = {0}, value = {0};
  put_integer(&image, IMAGE_HEIGHT, height);
  put_integer(&image, IMAGE_WIDTH, width);
  put_integer(&image, IMAGE_COLOURS, colours);
  put_block(&image, IMAGE_DATA, png, bytes);
  put_message(&value, VALUE_IMAGE, &image);
  return write_value(events, step, tag, &value);
}
