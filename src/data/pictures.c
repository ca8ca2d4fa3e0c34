/* Names into classes, parts and labels; and from an encoded picture to a sample. Used by folder.c, files.c and tar.c. */
#include "pictures.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/base/thread.h>
#include <bramble/data/image.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_ENCODED = 1 << 30, WARNINGS = 10 };

void br__pictures_free(struct br__pictures *pictures) {
  br_memory_free(pictures->entries);
  br_memory_free(pictures->text);
  br_memory_free(pictures->class_names);
  *pictures = (struct br__pictures){0};
}

bool br__is_picture_name(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 || strcasecmp(dot, ".png") == 0);
}

/* Makes *block hold `need` elements, at least twice as many as before when it must grow. */
static int grow(void *block, size_t *capacity, size_t need, size_t element_bytes) {
  if (need <= *capacity) return BR_OK;
  size_t more = need > 2 * *capacity ? need : 2 * *capacity;
  void *larger, **old = block;
  BR_TRY(br_memory_alloc(more, element_bytes, "list of pictures", &larger));
  if (*old) memcpy(larger, *old, *capacity * element_bytes);
  br_memory_free(*old);
  *old = larger;
  *capacity = more;
  return BR_OK;
}

int br__pictures_add(struct br__pictures *pictures, const char *name, uint32_t file, uint64_t offset, uint64_t bytes) {
  size_t n = strlen(name) + 1;
  BR_TRY(grow(&pictures->entries, &pictures->capacity, pictures->count + 1, sizeof *pictures->entries));
  BR_TRY(grow(&pictures->text, &pictures->text_capacity, pictures->text_bytes + n, 1));
  pictures->entries[pictures->count++] = (struct br__entry){.name = pictures->text_bytes, .offset = offset, .bytes = bytes, .file = file};
  memcpy(pictures->text + pictures->text_bytes, name, n);
  pictures->text_bytes += n;
  return BR_OK;
}

void br__pictures_pass(struct br__pictures *pictures, const char *name) {
  if (pictures->passed++ == 0) snprintf(pictures->first_passed, sizeof pictures->first_passed, "%s", name);
}

void br__pictures_say_passed(const struct br__pictures *pictures, const char *root, const char *others) {
  static uint64_t said; /* of whom last: a run opens its data once for each part */
  const uint64_t now = br_hash64(br_hash64(pictures->passed, root, strlen(root)), pictures->first_passed, strlen(pictures->first_passed));
  if (pictures->passed == 0 || __atomic_exchange_n(&said, now, __ATOMIC_RELAXED) == now) return;
  br_warn("%s: %zu file%s left out, the first %s; read are .jpg, .jpeg and .png %s", root, pictures->passed, pictures->passed > 1 ? "s or folders are" : " or folder is", pictures->first_passed, others);
}

/* --- names ---------------------------------------------------------------------------------------------------------------- */

static bool is_number(const char *text) { return *text && text[strspn(text, "0123456789")] == 0; }

int br__class_compare(const void *first, const void *second) {
  const char *a = *(const char *const *)first, *b = *(const char *const *)second;
  bool a_number = is_number(a), b_number = is_number(b);
  if (a_number != b_number) return a_number ? -1 : 1;
  if (a_number) {
    const char *x = a + strspn(a, "0"), *y = b + strspn(b, "0");
    size_t n_x = strlen(x), n_y = strlen(y);
    if (n_x != n_y) return n_x < n_y ? -1 : 1;
    int order = strcmp(x, y);
    if (order != 0) return order;
  }
  return strcmp(a, b);
}

/* The part of a name that ends before `end` (and its slash) and begins after the slash before: *length may be 0. */
static const char *component_before(const char *name, const char *end, size_t *length) {
  if (end > name) end--; /* the slash */
  const char *start = end;
  while (start > name && start[-1] != '/') start--;
  *length = (size_t)(end - start);
  return start;
}

static const char *file_of(const char *name) {
  const char *slash = strrchr(name, '/');
  return slash ? slash + 1 : name;
}

/* -1: no part is named. */
static int part_of(const char *name) {
  static const struct {
    const char *word;
    enum br_data_part part;
  } words[] = {{"train", BR_DATA_TRAIN}, {"test", BR_DATA_TEST}, {"val", BR_DATA_TEST}, {"valid", BR_DATA_TEST}, {"validation", BR_DATA_TEST}};
  size_t n;
  const char *class_name = component_before(name, file_of(name), &n), *word = component_before(name, class_name, &n);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i].word) == n && memcmp(words[i].word, word, n) == 0) return (int)words[i].part;
  return -1;
}

/* --- classes -------------------------------------------------------------------------------------------------------------- */

struct class_list {
  char **names; /* each its own block, sorted by br__class_compare */
  int count;
  size_t capacity;
};

static void class_list_free(struct class_list *list) {
  for (int i = 0; i < list->count; i++) br_memory_free(list->names[i]);
  br_memory_free(list->names);
}

/* The class folder of a name in `text`. */
static int class_of(const char *root, const char *name, char text[256]) {
  size_t n;
  const char *start = component_before(name, file_of(name), &n);
  if (n == 0 || (n == 1 && *start == '.')) BR_FAIL(BR_ERROR_DATA, "%s: the picture %s lies in no class folder", root, name);
  if (n > 255) BR_FAIL(BR_ERROR_DATA, "%s: a class name of more than 255 bytes: %.60s...", root, name);
  memcpy(text, start, n);
  text[n] = 0;
  return BR_OK;
}

/* Where `name` is or would be. */
static int class_position(const struct class_list *list, const char *name, bool *found) {
  int low = 0, high = list->count;
  *found = false;
  while (low < high) {
    int middle = (low + high) / 2, order = br__class_compare(&name, &list->names[middle]);
    if (order == 0) *found = true;
    if (order <= 0)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static int class_list_add(struct class_list *list, const char *name) {
  bool found;
  int at = class_position(list, name, &found);
  if (found) return BR_OK;
  BR_TRY(grow(&list->names, &list->capacity, (size_t)list->count + 1, sizeof *list->names));
  char *copy;
  BR_TRY(br_memory_alloc(strlen(name) + 1, 1, "class names", &copy));
  strcpy(copy, name);
  memmove(list->names + at + 1, list->names + at, (size_t)(list->count - at) * sizeof *list->names);
  list->names[at] = copy;
  list->count++;
  return BR_OK;
}

/* Class names into one block, in the order of the labels. */
static int keep_names(struct br__pictures *pictures, const char *const *names, int count) {
  size_t bytes = (size_t)count * sizeof(char *);
  for (int i = 0; i < count; i++) bytes += strlen(names[i]) + 1;
  char *block;
  BR_TRY(br_memory_alloc(bytes, 1, "class names", &block));
  pictures->class_names = (const char **)(void *)block;
  pictures->classes = count;
  char *text = block + (size_t)count * sizeof(char *);
  for (int i = 0; i < count; i++) {
    strcpy(text, names[i]);
    pictures->class_names[i] = text;
    text += strlen(text) + 1;
  }
  return BR_OK;
}

/* Labels by position in `sorted`; `rank` turns that into the stored order (NULL: the same). */
static int set_labels(struct br__pictures *pictures, const char *root, const struct class_list *sorted, const int32_t *rank) {
  for (size_t i = 0; i < pictures->count; i++) {
    char name[256];
    bool found;
    BR_TRY(class_of(root, br__picture_name(pictures, i), name));
    int at = class_position(sorted, name, &found);
    if (!found) BR_FAIL(BR_ERROR_DATA, "%s: %s is of class '%s', which is none of the %d classes; remove it", root, br__picture_name(pictures, i), name, sorted->count);
    pictures->entries[i].label = rank ? rank[at] : at;
  }
  return BR_OK;
}

static int label_in_order(struct br__pictures *pictures, const char *root, struct class_list *sorted, const char *const *order, int n_order) {
  for (int i = 0; i < n_order; i++) BR_TRY(class_list_add(sorted, order[i]));
  if (sorted->count != n_order) BR_FAIL(BR_ERROR_DATA, "%s: its list of classes names one twice", root);
  int32_t *rank;
  BR_TRY(br_memory_alloc((size_t)n_order, sizeof *rank, "class names", &rank));
  for (int i = 0; i < n_order; i++) {
    bool found;
    rank[class_position(sorted, order[i], &found)] = i;
  }
  int status = set_labels(pictures, root, sorted, rank);
  br_memory_free(rank);
  return status == BR_OK ? keep_names(pictures, order, n_order) : status;
}

/* Without a list the classes are those of the training pictures (of all, where none is named so). */
static int label_by_name(struct br__pictures *pictures, const char *root, struct class_list *sorted, bool parts) {
  bool train = false;
  for (size_t i = 0; parts && i < pictures->count && !train; i++) train = part_of(br__picture_name(pictures, i)) == BR_DATA_TRAIN;
  for (size_t i = 0; i < pictures->count; i++) {
    const char *name = br__picture_name(pictures, i);
    if (train && part_of(name) != BR_DATA_TRAIN) continue;
    char text[256];
    BR_TRY(class_of(root, name, text));
    BR_TRY(class_list_add(sorted, text));
  }
  BR_TRY(set_labels(pictures, root, sorted, NULL));
  return keep_names(pictures, (const char *const *)sorted->names, sorted->count);
}

int br__pictures_finish(struct br__pictures *pictures, const char *root, bool classed, const char *const *order, int n_order, const struct br_dataset_options *options, struct br_dataset_info *info) {
  if (pictures->count == 0) BR_FAIL(BR_ERROR_DATA, "%s: has no JPEG or PNG picture in class folders", root);
  bool parts = classed;
  for (size_t i = 0; i < pictures->count && parts; i++) parts = part_of(br__picture_name(pictures, i)) >= 0;
  struct class_list sorted = {0};
  int status = !classed ? BR_OK : order ? label_in_order(pictures, root, &sorted, order, n_order) : label_by_name(pictures, root, &sorted, parts);
  class_list_free(&sorted);
  BR_TRY(status);

  size_t kept = 0;
  uint64_t hash = 0;
  for (size_t i = 0; i < pictures->count; i++) {
    const struct br__entry entry = pictures->entries[i];
    const char *name = pictures->text + entry.name;
    bool mine = parts ? part_of(name) == (int)options->part : options->whole || br__in_part(options->part, i);
    if (!mine || (options->limit && kept == options->limit)) continue;
    const uint64_t facts[] = {entry.bytes, (uint64_t)entry.label};
    hash = br_hash64(br_hash64(hash, name, strlen(name)), facts, sizeof facts);
    pictures->entries[kept++] = entry;
  }
  pictures->count = kept;
  info->count = kept;
  info->classes = pictures->classes;
  info->class_names = pictures->class_names;
  info->C = 3;
  info->type = BR_SAMPLE_U8;
  info->fingerprint = hash;
  info->memory_bytes = pictures->capacity * sizeof *pictures->entries + pictures->text_capacity;
  return BR_OK;
}

/* --- bad ones ------------------------------------------------------------------------------------------------------------- */

struct trial {
  struct br_dataset *dataset;
  uint8_t *bad; /* of each sample */
  int *status;  /* of each thread: what is not the picture's fault */
};

static void try_samples(void *arg, struct br_part part) {
  struct trial *trial = arg;
  size_t first, last;
  br_part_range(part, (size_t)trial->dataset->info.count, 1, &first, &last);
  struct br_sample sample = {0};
  for (size_t i = first; i < last; i++) {
    int status = trial->dataset->source->read(trial->dataset, i, &sample);
    trial->bad[i] = status == BR_ERROR_DATA;
    if (status != BR_OK && status != BR_ERROR_DATA) trial->status[part.index] = status;
  }
  br_sample_free(&sample);
}

static int run_trial(struct trial *trial) {
  int threads = br_cpu_count() < 64 ? br_cpu_count() : 64, status = BR_OK;
  struct br_team *team;
  BR_TRY(br_team_open(threads, &team));
  int results[64] = {0};
  trial->status = results;
  br_team_run(team, try_samples, trial);
  br_team_close(team);
  for (int i = 0; i < threads; i++)
    if (results[i] != BR_OK) status = br_error_set(results[i], "%s: no memory to try its pictures", trial->dataset->info.name);
  return status;
}

int br__pictures_skip_bad(struct br__pictures *pictures, struct br_dataset *dataset) {
  struct trial trial = {.dataset = dataset};
  BR_TRY(br_memory_alloc(pictures->count, 1, "list of pictures", &trial.bad));
  int status = run_trial(&trial);
  struct br_sample sample = {0};
  size_t kept = 0;
  for (size_t i = 0; status == BR_OK && i < pictures->count; i++) {
    if (!trial.bad[i]) {
      pictures->entries[kept++] = pictures->entries[i];
      continue;
    }
    if (dataset->info.skipped++ < WARNINGS && dataset->source->read(dataset, i, &sample) != BR_OK) br_warn("left out: %s", br_error_message());
    dataset->info.fingerprint = br_hash64(dataset->info.fingerprint, &i, sizeof i);
  }
  br_sample_free(&sample);
  br_memory_free(trial.bad);
  if (status == BR_OK) dataset->info.count = pictures->count = kept;
  return status;
}

/* --- samples -------------------------------------------------------------------------------------------------------------- */

int br__sample_encoded(struct br_sample *sample, const char *name, uint64_t bytes) {
  if (bytes > MOST_ENCODED) BR_FAIL(BR_ERROR_DATA, "%s: a picture of %llu bytes; at most 2^30 are read", name, (unsigned long long)bytes);
  return grow(&sample->encoded, &sample->encoded_capacity, (size_t)bytes, 1);
}

int br__sample_read_file(struct br_sample *sample, const char *path, uint64_t bytes) {
  struct br__file file;
  BR_TRY(br__file_open(path, &file));
  int status;
  if (file.bytes != bytes)
    status = br_error_set(BR_ERROR_DATA, "%s: has %llu bytes, %llu when it was listed; start again", path, (unsigned long long)file.bytes, (unsigned long long)bytes);
  else
    status = br__sample_encoded(sample, path, bytes);
  if (status == BR_OK) status = br__file_read_at(&file, 0, sample->encoded, (size_t)bytes);
  br__file_close(&file);
  return status;
}

int br__sample_decode(struct br_sample *sample, const char *name, size_t bytes) {
  struct br_image image = {.pixels = sample->pixels, .capacity_bytes = sample->capacity_bytes};
  int status = br_image_decode(name, sample->encoded, bytes, sample->shorter_at_least, &image);
  sample->pixels = image.pixels;
  sample->capacity_bytes = image.capacity_bytes;
  sample->H = image.H, sample->W = image.W, sample->C = 3, sample->type = BR_SAMPLE_U8;
  return status;
}
