/* Texts to numbers: each thread collects the texts it meets in its own dictionary, without locks; afterwards all dictionaries of all
 * ranks become one sorted list of categories, and a map from each thread's numbers to codes. So codes depend on the texts alone. */
#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>

#include "table.h"

#include <stdlib.h>
#include <string.h>

static int grow(void *block, size_t used, size_t *capacity, size_t element, size_t least) {
  size_t larger = *capacity ? *capacity * 2 : 64;
  while (larger < least) larger *= 2;
  void *fresh, **old = block;
  BR_TRY(br_memory_alloc(larger, element, "category names", &fresh));
  if (used) memcpy(fresh, *old, used * element);
  br_memory_free(*old);
  *old = fresh;
  *capacity = larger;
  return BR_OK;
}

static int rehash(struct br__dictionary *d) {
  size_t slots = d->slots ? d->slots * 2 : 128;
  uint32_t *slot;
  BR_TRY(br_memory_alloc(slots, sizeof *slot, "category table", &slot));
  br_memory_free(d->slot);
  d->slot = slot;
  d->slots = slots;
  for (size_t i = 0; i < d->n; i++) {
    size_t s = (size_t)br_hash64(0, d->text + d->at[i], strlen(d->text + d->at[i])) & (slots - 1);
    while (slot[s]) s = (s + 1) & (slots - 1);
    slot[s] = (uint32_t)i + 1;
  }
  return BR_OK;
}

int br__dictionary_add(struct br__dictionary *d, const char *text, size_t length, uint32_t *id) {
  if (2 * d->n >= d->slots) BR_TRY(rehash(d));
  size_t s = (size_t)br_hash64(0, text, length) & (d->slots - 1);
  for (; d->slot[s]; s = (s + 1) & (d->slots - 1)) {
    uint32_t i = d->slot[s] - 1;
    size_t end = i + 1 < d->n ? d->at[i + 1] : d->text_used;
    if (end - d->at[i] == length + 1 && memcmp(d->text + d->at[i], text, length) == 0) {
      *id = i;
      return BR_OK;
    }
  }
  *id = UINT32_MAX;
  if (d->n > BR_CATEGORY_LIMIT) return BR_OK;
  if (d->text_used + length + 1 > d->text_capacity) BR_TRY(grow(&d->text, d->text_used, &d->text_capacity, 1, d->text_used + length + 1));
  if (d->n == d->capacity) BR_TRY(grow(&d->at, d->n, &d->capacity, sizeof *d->at, 0));
  d->at[d->n] = d->text_used;
  memcpy(d->text + d->text_used, text, length);
  d->text[d->text_used + length] = 0;
  d->text_used += length + 1;
  d->slot[s] = (uint32_t)++d->n;
  *id = (uint32_t)d->n - 1;
  return BR_OK;
}

void br__dictionary_free(struct br__dictionary *d) {
  br_memory_free(d->text);
  br_memory_free(d->at);
  br_memory_free(d->slot);
  *d = (struct br__dictionary){0};
}

/* --- merging ------------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Sorts texts and removes repeats; returns how many are left. */
static size_t sort_unique(const char **list, size_t n) {
  if (n) qsort(list, n, sizeof *list, compare);
  size_t kept = 0;
  for (size_t i = 0; i < n; i++)
    if (kept == 0 || strcmp(list[kept - 1], list[i]) != 0) list[kept++] = list[i];
  return kept;
}

/* The texts one after another with a 0 behind each. */
static int join(const char *const *list, size_t n, char **out, size_t *bytes) {
  size_t total = 0;
  for (size_t i = 0; i < n; i++) total += strlen(list[i]) + 1;
  BR_TRY(br_memory_alloc(total + 1, 1, "category names", out));
  char *p = *out;
  for (size_t i = 0; i < n; i++) {
    size_t length = strlen(list[i]) + 1;
    memcpy(p, list[i], length);
    p += length;
  }
  *bytes = total;
  return BR_OK;
}

static int split(const char *text, size_t bytes, const char ***list, size_t *n) {
  *n = 0;
  for (size_t i = 0; i < bytes; i++) *n += text[i] == 0;
  BR_TRY(br_memory_alloc(*n, sizeof **list, "category names", list));
  size_t k = 0;
  for (size_t i = 0; i < bytes; i += strlen(text + i) + 1) (*list)[k++] = text + i;
  return BR_OK;
}

/* This rank's texts, joined. */
static int collect(struct br__dictionary *const *dictionaries, unsigned char *const *used, size_t threads, char **text, size_t *bytes) {
  size_t n = 0;
  const char **list;
  for (size_t t = 0; t < threads; t++) n += dictionaries[t]->n;
  BR_TRY(br_memory_alloc(n, sizeof *list, "category names", &list));
  n = 0;
  for (size_t t = 0; t < threads; t++)
    for (size_t i = 0; i < dictionaries[t]->n; i++)
      if (!used || used[t][i]) list[n++] = dictionaries[t]->text + dictionaries[t]->at[i];
  n = sort_unique(list, n);
  int status = join(list, n, text, bytes);
  br_memory_free(list);
  return status;
}

/* On rank 0: the union of all ranks' texts. */
static int unite(char *all, size_t bytes, char **text, size_t *united) {
  const char **list;
  size_t n;
  BR_TRY(split(all, bytes, &list, &n));
  n = sort_unique(list, n);
  int status = join(list, n, text, united);
  br_memory_free(list);
  return status;
}

static int everyones(struct br_comm *comm, char *mine, size_t bytes, char **text, uint64_t *total) {
  unsigned char *all = NULL;
  size_t sizes_here[1024], *sizes = sizes_here, sum = 0;
  int ranks = br_comm_size(comm), status = BR_OK;
  *text = NULL;
  if (ranks > 1024) BR_TRY(br_memory_alloc((size_t)ranks, sizeof *sizes, "sizes of ranks", &sizes));
  BR_TRY(br_comm_gather(comm, mine, bytes, 0, &all, sizes));
  if (br_comm_rank(comm) == 0) {
    for (int r = 0; r < ranks; r++) sum += sizes[r];
    size_t united;
    status = unite((char *)all, sum, text, &united);
    *total = united;
    br_memory_free(all);
  }
  if (sizes != sizes_here) br_memory_free(sizes);
  BR_TRY(br_comm_agree(comm, status));
  BR_TRY(br_comm_broadcast(comm, total, sizeof *total, 0));
  if (br_comm_rank(comm) != 0) status = br_memory_alloc(*total + 1, 1, "category names", text);
  BR_TRY(br_comm_agree(comm, status));
  return *total ? br_comm_broadcast(comm, *text, *total, 0) : BR_OK;
}

static int32_t find(const struct br__categories *c, const char *text) {
  size_t low = 0, high = c->n;
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = strcmp(c->text + c->at[middle], text);
    if (order == 0) return (int32_t)middle;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

int br__categories_merge(struct br_comm *comm, struct br__dictionary *const *dictionaries, unsigned char *const *used, size_t threads, struct br__categories *out, bool *full) {
  *out = (struct br__categories){0};
  char *mine = NULL;
  size_t bytes = 0;
  uint64_t total = 0;
  int status = br_comm_agree(comm, collect(dictionaries, used, threads, &mine, &bytes));
  if (status == BR_OK) status = everyones(comm, mine, bytes, &out->text, &total);
  br_memory_free(mine);
  BR_TRY(status);
  const char **list;
  BR_TRY(split(out->text, total, &list, &out->n));
  *full = out->n > BR_CATEGORY_LIMIT;
  status = br_memory_alloc(out->n, sizeof *out->at, "category names", &out->at);
  for (size_t i = 0; status == BR_OK && i < out->n; i++) out->at[i] = (uint64_t)(list[i] - out->text);
  br_memory_free(list);
  if (status == BR_OK) status = br_memory_alloc(threads, sizeof *out->map, "category codes", &out->map);
  for (size_t t = 0; status == BR_OK && t < threads; t++) {
    status = br_memory_alloc(dictionaries[t]->n, sizeof **out->map, "category codes", &out->map[t]);
    for (size_t i = 0; status == BR_OK && i < dictionaries[t]->n; i++) out->map[t][i] = find(out, dictionaries[t]->text + dictionaries[t]->at[i]);
  }
  return status;
}

void br__categories_free(struct br__categories *c, size_t threads) {
  for (size_t t = 0; c->map && t < threads; t++) br_memory_free(c->map[t]);
  br_memory_free(c->map);
  br_memory_free(c->text);
  br_memory_free(c->at);
  *c = (struct br__categories){0};
}
