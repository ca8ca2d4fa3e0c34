/* Running ahead: threads that fill units into a ring of slots while the trainer computes. The order of the units is that of `next`, whoever fills
 * them; a unit that fails ends the stream where its turn comes, with its message. All memory is taken at the start. */
#include "loader_state.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>

#include <stdio.h>
#include <string.h>

enum slot_state { FREE, FILLING, READY, TAKEN };

struct slot {
  struct br_unit unit; /* first, so that a unit is its slot */
  uint64_t *index;
  uint64_t number; /* of the unit in the stream */
  enum slot_state state;
  int status;
  char message[512];
};

struct br__stream {
  struct br_loader *loader;
  int (*next)(void *arg, uint32_t *epoch, uint64_t *index);
  void *arg;
  int depth, threads;
  struct slot *slots;
  void *memory; /* pixels, labels and indices of all slots */
  pthread_t *thread;
  pthread_mutex_t mutex; /* of all that follows and of the slots' states */
  pthread_cond_t freed, filled;
  uint64_t begun, taken; /* units that were given to threads, to the consumer */
  bool ended, stop;
};

struct layout {
  size_t x_bytes, label_bytes, index_bytes, slot_bytes;
};

static bool lay_out(const struct br_loader *loader, int unit_samples, struct layout *layout) {
  const struct br_preprocess *p = &loader->options.preprocess;
  size_t n = (size_t)unit_samples, x;
  if (!br_size_mul(n, (size_t)p->H * (size_t)p->W, &x) || !br_size_mul(x, (size_t)p->C * sizeof(float), &x) || x > SIZE_MAX / 4) return false;
  layout->x_bytes = br_size_align(x);
  layout->label_bytes = br_size_align(n * sizeof(int32_t));
  layout->index_bytes = br_size_align(n * sizeof(uint64_t));
  layout->slot_bytes = layout->x_bytes + layout->label_bytes + layout->index_bytes;
  return true;
}

size_t br_loader_stream_bytes(const struct br_loader *loader, int unit_samples, int depth) {
  struct layout layout;
  size_t bytes;
  if (!lay_out(loader, unit_samples, &layout) || !br_size_mul(layout.slot_bytes + sizeof(struct slot), (size_t)depth, &bytes)) return SIZE_MAX;
  return bytes;
}

/* A free slot that holds the next unit's indices, or NULL at the end. Called with the mutex held. */
static struct slot *begin_unit(struct br__stream *stream) {
  for (;;) {
    if (stream->stop || stream->ended) return NULL;
    for (int i = 0; i < stream->depth; i++) {
      struct slot *slot = &stream->slots[i];
      if (slot->state != FREE) continue;
      slot->unit.n = stream->next(stream->arg, &slot->unit.epoch, slot->index);
      if (slot->unit.n <= 0) {
        stream->ended = true;
        pthread_cond_broadcast(&stream->filled);
        pthread_cond_broadcast(&stream->freed);
        return NULL;
      }
      slot->number = stream->begun++;
      slot->state = FILLING;
      return slot;
    }
    pthread_cond_wait(&stream->freed, &stream->mutex);
  }
}

static void *fill_units(void *arg) {
  struct br__stream *stream = arg;
  pthread_mutex_lock(&stream->mutex);
  for (struct slot *slot; (slot = begin_unit(stream));) {
    pthread_mutex_unlock(&stream->mutex);
    slot->status = br_loader_fill(stream->loader, slot->unit.epoch, slot->index, slot->unit.n, slot->unit.x, slot->unit.label);
    if (slot->status != BR_OK) snprintf(slot->message, sizeof slot->message, "%s", br_error_message());
    pthread_mutex_lock(&stream->mutex);
    slot->state = READY;
    if (slot->status != BR_OK) stream->ended = true;
    pthread_cond_broadcast(&stream->filled);
  }
  pthread_mutex_unlock(&stream->mutex);
  return NULL;
}

static int prepare_slots(struct br__stream *stream, int unit_samples) {
  struct layout layout;
  size_t bytes;
  if (!lay_out(stream->loader, unit_samples, &layout) || !br_size_mul(layout.slot_bytes, (size_t)stream->depth, &bytes))
    BR_FAIL(BR_ERROR_MEMORY, "%d units of %d samples do not fit in memory", stream->depth, unit_samples);
  BR_TRY(br_memory_alloc((size_t)stream->depth, sizeof *stream->slots, "units of the loader", &stream->slots));
  BR_TRY(br_memory_alloc(bytes, 1, "units of the loader", &stream->memory));
  for (int i = 0; i < stream->depth; i++) {
    char *at = (char *)stream->memory + (size_t)i * layout.slot_bytes;
    stream->slots[i].unit.x = (float *)(void *)at;
    stream->slots[i].unit.label = (int32_t *)(void *)(at + layout.x_bytes);
    stream->slots[i].index = (uint64_t *)(void *)(at + layout.x_bytes + layout.label_bytes);
  }
  return BR_OK;
}

int br_loader_start(struct br_loader *loader, int (*next)(void *arg, uint32_t *epoch, uint64_t *index), void *arg, int unit_samples, int depth, int threads) {
  if (loader->stream) BR_FAIL(BR_ERROR_USAGE, "this loader runs ahead already");
  if (unit_samples < 1 || depth < 1 || threads < 1 || threads > 256)
    BR_FAIL(BR_ERROR_USAGE, "a loader of %d samples a unit, %d units and %d threads; each must be 1 or more, threads at most 256", unit_samples, depth, threads);
  struct br__stream *stream;
  BR_TRY(br_memory_alloc(1, sizeof *stream, "loader", &stream));
  *stream = (struct br__stream){.loader = loader, .next = next, .arg = arg, .depth = depth};
  pthread_mutex_init(&stream->mutex, NULL);
  pthread_cond_init(&stream->freed, NULL);
  pthread_cond_init(&stream->filled, NULL);
  int status = prepare_slots(stream, unit_samples);
  if (status == BR_OK) status = br_memory_alloc((size_t)threads, sizeof *stream->thread, "loader", &stream->thread);
  while (status == BR_OK && stream->threads < threads) {
    if (pthread_create(&stream->thread[stream->threads], NULL, fill_units, stream) != 0)
      status = br_error_set(BR_ERROR_FAILED, "cannot start loader thread %d of %d", stream->threads + 1, threads);
    else
      stream->threads++;
  }
  if (status != BR_OK) {
    br__stream_close(stream);
    return status;
  }
  loader->stream = stream;
  return BR_OK;
}

static struct slot *unit_of_number(struct br__stream *stream, uint64_t number) {
  for (int i = 0; i < stream->depth; i++) {
    struct slot *slot = &stream->slots[i];
    if ((slot->state == READY || slot->state == FILLING) && slot->number == number) return slot;
  }
  return NULL;
}

int br_loader_next(struct br_loader *loader, struct br_unit **out) {
  *out = NULL;
  struct br__stream *stream = loader->stream;
  if (!stream) BR_FAIL(BR_ERROR_USAGE, "this loader does not run ahead; start it first");
  int status = BR_OK;
  pthread_mutex_lock(&stream->mutex);
  struct slot *slot;
  while ((!(slot = unit_of_number(stream, stream->taken)) && !stream->ended) || (slot && slot->state != READY)) pthread_cond_wait(&stream->filled, &stream->mutex);
  if (slot && slot->status != BR_OK) {
    status = br_error_set(slot->status, "%s", slot->message); /* stays: asked again, it fails again */
  } else if (slot) {
    slot->state = TAKEN;
    stream->taken++;
    *out = &slot->unit;
  }
  pthread_mutex_unlock(&stream->mutex);
  return status;
}

void br_loader_release(struct br_loader *loader, struct br_unit *unit) {
  struct br__stream *stream = loader->stream;
  pthread_mutex_lock(&stream->mutex);
  ((struct slot *)(void *)unit)->state = FREE;
  pthread_cond_signal(&stream->freed);
  pthread_mutex_unlock(&stream->mutex);
}

void br_loader_stop(struct br_loader *loader) {
  br__stream_close(loader->stream);
  loader->stream = NULL;
}

void br__stream_close(struct br__stream *stream) {
  if (!stream) return;
  pthread_mutex_lock(&stream->mutex);
  stream->stop = true;
  pthread_cond_broadcast(&stream->freed);
  pthread_mutex_unlock(&stream->mutex);
  for (int i = 0; i < stream->threads; i++) pthread_join(stream->thread[i], NULL);
  pthread_mutex_destroy(&stream->mutex);
  pthread_cond_destroy(&stream->freed);
  pthread_cond_destroy(&stream->filled);
  br_memory_free(stream->thread);
  br_memory_free(stream->slots);
  br_memory_free(stream->memory);
  br_memory_free(stream);
}
