/* Checkpoint files. The last tensor is the SHA-256 of the list of all tensors' own SHA-256 and of the metadata: a file that a crash tore or a disk
 * spoilt is known by it, and the one before is taken. */
#include "train/checkpoint.h"
#include "train/settings.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/log.h>
#include <bramble/base/memory.h>
#include <bramble/store/safetensors.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "bramble checkpoint 1"
#define MARK ".ckpt-"
#define HASH_BYTES 64

/* --- the hash -------------------------------------------------------------------------------------------------------------- */

/* hash = SHA-256 of (hash before, name, SHA-256 of the bytes). */
static void extend_hash(char hash[65], const char *name, const void *data, size_t bytes) {
  char text[65 + 65 + 100], own[65];
  br_hash_memory(data, bytes, own);
  int n = snprintf(text, sizeof text, "%s %.90s %s", hash, name, own);
  br_hash_memory(text, (size_t)n, hash);
}

static void start_hash(char hash[65], const char *settings) { br_hash_memory(settings, strlen(settings), hash); }

/* --- the files of a run ---------------------------------------------------------------------------------------------------- */

struct found {
  char *path;
  struct timespec time;
};

static int newest_first(const void *a, const void *b) {
  const struct found *x = a, *y = b;
  if (x->time.tv_sec != y->time.tv_sec) return x->time.tv_sec < y->time.tv_sec ? 1 : -1;
  if (x->time.tv_nsec != y->time.tv_nsec) return x->time.tv_nsec < y->time.tv_nsec ? 1 : -1;
  return strcmp(y->path, x->path);
}

static void free_list(struct found *list, size_t n) {
  for (size_t i = 0; i < n; i++) free(list[i].path);
  free(list);
}

/* Files named PATH.ckpt-..., newest first; temporary ones of a run that was killed are removed on the way where `clean`. */
static int list_files(const char *path, bool clean, struct found **out, size_t *n) {
  *out = NULL;
  *n = 0;
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  size_t length = strlen(base);
  char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("");
  DIR *dir = folder ? opendir(slash ? folder : ".") : NULL;
  int status = BR_OK;
  for (struct dirent *entry; dir && status == BR_OK && (entry = readdir(dir));) {
    if (strncmp(entry->d_name, base, length) != 0 || strncmp(entry->d_name + length, MARK, strlen(MARK)) != 0) continue;
    struct found *grown = realloc(*out, (*n + 1) * sizeof *grown);
    if (grown) *out = grown;
    struct found file = {0};
    struct stat info;
    if (!grown || asprintf(&file.path, "%s%s", folder, entry->d_name) < 0) {
      status = br_error_set(BR_ERROR_MEMORY, "%s: no memory to list the checkpoints", path);
    } else if (strstr(entry->d_name + length, ".tmp.")) {
      long writer = strtol(strstr(entry->d_name + length, ".tmp.") + 5, NULL, 10);
      if (clean && writer > 0 && kill((pid_t)writer, 0) != 0 && errno == ESRCH) unlink(file.path);
      free(file.path);
    } else if (stat(file.path, &info) != 0) {
      free(file.path);
    } else {
      file.time = info.st_mtim;
      (*out)[(*n)++] = file;
    }
  }
  if (dir) closedir(dir);
  free(folder);
  if (*n > 1) qsort(*out, *n, sizeof **out, newest_first);
  if (status != BR_OK) {
    free_list(*out, *n);
    *out = NULL;
    *n = 0;
  }
  return status;
}

static int remove_old(const struct br_checkpoint_options *options) {
  struct found *list;
  size_t n;
  BR_TRY(list_files(options->path, true, &list, &n));
  for (size_t i = (size_t)options->keep; i < n; i++) unlink(list[i].path);
  free_list(list, n);
  return BR_OK;
}

/* --- writing --------------------------------------------------------------------------------------------------------------- */

static int64_t kept_workers(const struct br_checkpoint *c) { return c->state_floats > 0 ? c->workers : 0; }

static size_t tensor_count(const struct br_checkpoint *c) { return (size_t)c->n_blocks + (size_t)kept_workers(c) + 2; }

/* Names and shapes in the order of the file: position, blocks, workers, hash. Names of workers lie in `names`, 32 bytes each. */
static void describe(const struct br_checkpoint *c, struct br_tensor_entry *tensors, char *names) {
  size_t n = 0;
  tensors[n++] = (struct br_tensor_entry){.name = "position", .type = BR_I64, .dims = 1, .shape = {c->position_count}};
  for (int b = 0; b < c->n_blocks; b++) tensors[n++] = (struct br_tensor_entry){.name = c->block[b].name, .type = BR_F32, .dims = 1, .shape = {c->block[b].count}};
  for (int64_t k = 0; k < kept_workers(c); k++, names += 32) {
    snprintf(names, 32, "worker.%lld", (long long)k);
    tensors[n++] = (struct br_tensor_entry){.name = names, .type = BR_F32, .dims = 1, .shape = {c->state_floats}};
  }
  tensors[n] = (struct br_tensor_entry){.name = "sha256", .type = BR_U8, .dims = 1, .shape = {HASH_BYTES}};
}

static int put(struct br_writer *writer, char hash[65], const char *name, const void *data, size_t bytes) {
  extend_hash(hash, name, data, bytes);
  return br_writer_write(writer, data, bytes);
}

/* owner[k]: the rank that has worker k. */
static int find_owners(const struct br_checkpoint *c, int64_t *owner) {
  int64_t mine[2] = {c->first_kept, c->last_kept}, *all;
  int ranks = br_comm_size(c->comm);
  BR_TRY(br_memory_alloc((size_t)ranks * 2, sizeof *all, "workers", &all));
  int status = br_comm_allgather(c->comm, mine, sizeof mine, all);
  for (int r = 0; status == BR_OK && r < ranks; r++)
    for (int64_t k = all[2 * r]; k < all[2 * r + 1]; k++) owner[k] = r;
  br_memory_free(all);
  return status;
}

/* Rank 0's part. The states of other ranks are taken also after a failure, since those ranks are sending. */
static int write_tensors(const struct br_checkpoint *c, struct br_writer *writer, const struct br_tensor_entry *tensors, const int64_t *owner, float *buffer, int status) {
  char hash[65];
  start_hash(hash, c->settings);
  if (status == BR_OK) status = put(writer, hash, "position", c->position, c->position_count * sizeof *c->position);
  for (int b = 0; status == BR_OK && b < c->n_blocks; b++) status = put(writer, hash, c->block[b].name, c->block[b].data, c->block[b].count * sizeof(float));
  size_t bytes = c->state_floats * sizeof(float);
  for (int64_t k = 0; k < kept_workers(c); k++) {
    const float *state = buffer;
    if (owner[k] == 0)
      state = c->optimiser[k - c->first_kept].state;
    else
      BR_TRY(br_comm_receive(c->comm, buffer, bytes, (int)owner[k]));
    if (status == BR_OK) status = put(writer, hash, tensors[1 + c->n_blocks + k].name, state, bytes);
  }
  return status == BR_OK ? br_writer_write(writer, hash, HASH_BYTES) : status;
}

static int write_file(const struct br_checkpoint *c, int64_t step, const int64_t *owner) {
  struct br_tensor_entry *tensors = NULL;
  char *names = NULL, path[4096];
  float *buffer = NULL;
  struct br_writer *writer = NULL;
  snprintf(path, sizeof path, "%s" MARK "%010lld", c->options->path, (long long)step);
  int status = br_memory_alloc(tensor_count(c), sizeof *tensors, "checkpoint", &tensors);
  if (status == BR_OK) status = br_memory_alloc((size_t)kept_workers(c), 32, "checkpoint", &names);
  if (status == BR_OK) status = br_memory_alloc(c->state_floats, sizeof(float), "checkpoint", &buffer);
  if (status == BR_OK) describe(c, tensors, names);
  if (br_comm_agree(c->comm, status) == BR_OK) { /* from here on the others send */
    struct br_metadata_entry metadata[] = {{"format", FORMAT}, {"settings", c->settings}};
    status = br_safetensors_begin(path, tensors, tensor_count(c), metadata, 2, &writer);
    status = write_tensors(c, writer, tensors, owner, buffer, status);
    if (status == BR_OK)
      status = br_writer_commit(writer);
    else
      br_writer_abandon(writer);
  }
  br_memory_free(buffer);
  br_memory_free(names);
  br_memory_free(tensors);
  return status == BR_OK ? remove_old(c->options) : status;
}

int br_checkpoint_save(const struct br_checkpoint *c, int64_t step) {
  int64_t *owner;
  BR_TRY(br_comm_agree(c->comm, br_memory_alloc((size_t)kept_workers(c), sizeof *owner, "workers", &owner)));
  int status = kept_workers(c) > 0 ? find_owners(c, owner) : BR_OK;
  if (status != BR_OK) {
    br_memory_free(owner);
    return status;
  }
  if (br_comm_rank(c->comm) == 0) {
    status = write_file(c, step, owner);
  } else if (br_comm_agree(c->comm, BR_OK) == BR_OK) {
    for (int64_t k = c->first_kept; status == BR_OK && c->state_floats > 0 && k < c->last_kept; k++)
      status = br_comm_send(c->comm, c->optimiser[k - c->first_kept].state, c->state_floats * sizeof(float), 0);
  }
  br_memory_free(owner);
  return br_comm_agree(c->comm, status);
}

/* --- reading --------------------------------------------------------------------------------------------------------------- */

/* A file that is whole: its hash is that of its content. Its path is in the message of a failure. */
static int verify(const struct br_safetensors *file, const char *path) {
  const char *format = br_safetensors_metadata(file, "format"), *settings = br_safetensors_metadata(file, "settings");
  size_t n = br_safetensors_count(file);
  if (!format || strcmp(format, FORMAT) != 0 || !settings || n < 2) BR_FAIL(BR_ERROR_DATA, "%s: is not a checkpoint of this version", path);
  char hash[65];
  start_hash(hash, settings);
  for (size_t i = 0; i + 1 < n; i++) {
    const struct br_tensor_entry *t = br_safetensors_tensor(file, i);
    if (t->dims != 1) BR_FAIL(BR_ERROR_DATA, "%s: tensor %s is not flat", path, t->name);
    extend_hash(hash, t->name, t->data, (size_t)t->shape[0] * br_dtype_bytes(t->type));
  }
  const struct br_tensor_entry *last = br_safetensors_tensor(file, n - 1);
  if (strcmp(last->name, "sha256") != 0 || last->dims != 1 || last->shape[0] != HASH_BYTES || memcmp(last->data, hash, HASH_BYTES) != 0)
    BR_FAIL(BR_ERROR_DATA, "%s: its content is not what was written", path);
  return BR_OK;
}

static int open_newest(const struct br_checkpoint *c, struct br_safetensors **out, char path[4096]) {
  *out = NULL;
  struct found *list;
  size_t n;
  BR_TRY(list_files(c->options->path, false, &list, &n));
  for (size_t i = 0; i < n && !*out; i++) {
    struct br_safetensors *file;
    int status = br_safetensors_open(list[i].path, &file);
    if (status == BR_OK) status = verify(file, list[i].path);
    if (status == BR_OK) {
      *out = file;
      snprintf(path, 4096, "%s", list[i].path);
    } else {
      br_warn("%s; %s", br_error_message(), i + 1 < n ? "the checkpoint before it is taken" : "there is none before it");
      br_safetensors_close(file);
    }
  }
  free_list(list, n);
  return BR_OK;
}

static int same_shape(const struct br_safetensors *file, const char *path, const char *name, enum br_dtype type, size_t count, const struct br_tensor_entry **out) {
  *out = br_safetensors_find(file, name);
  if (!*out || (*out)->type != type || (*out)->dims != 1 || (*out)->shape[0] != count) BR_FAIL(BR_ERROR_DATA, "%s: has no tensor %s of %zu elements, as this run needs", path, name, count);
  return BR_OK;
}

static int read_common(const struct br_checkpoint *c, const struct br_safetensors *file, const char *path) {
  const struct br_tensor_entry *tensor;
  char name[32];
  BR_TRY(br_settings_compare(c->settings, br_safetensors_metadata(file, "settings"), path, "give the same settings, or start anew without --resume"));
  BR_TRY(same_shape(file, path, "position", BR_I64, c->position_count, &tensor));
  memcpy(c->position, tensor->data, c->position_count * sizeof *c->position);
  for (int b = 0; b < c->n_blocks; b++) {
    BR_TRY(same_shape(file, path, c->block[b].name, BR_F32, c->block[b].count, &tensor));
    memcpy(c->block[b].data, tensor->data, c->block[b].count * sizeof(float));
  }
  for (int64_t k = 0; k < kept_workers(c); k++) {
    snprintf(name, sizeof name, "worker.%lld", (long long)k);
    BR_TRY(same_shape(file, path, name, BR_F32, c->state_floats, &tensor));
  }
  return BR_OK;
}

/* Each worker's state from rank 0 to the rank that has it. */
static int deal_states(const struct br_checkpoint *c, const struct br_safetensors *file, const int64_t *owner) {
  size_t bytes = c->state_floats * sizeof(float);
  int rank = br_comm_rank(c->comm);
  char name[32];
  for (int64_t k = 0; k < kept_workers(c); k++) {
    snprintf(name, sizeof name, "worker.%lld", (long long)k);
    const void *data = rank == 0 ? br_safetensors_find(file, name)->data : NULL;
    if (owner[k] == rank && rank == 0)
      memcpy(c->optimiser[k - c->first_kept].state, data, bytes);
    else if (rank == 0)
      BR_TRY(br_comm_send(c->comm, data, bytes, (int)owner[k]));
    else if (owner[k] == rank)
      BR_TRY(br_comm_receive(c->comm, c->optimiser[k - c->first_kept].state, bytes, 0));
  }
  return BR_OK;
}

static int load_from(const struct br_checkpoint *c, const struct br_safetensors *file, const char *path, const int64_t *owner) {
  BR_TRY(br_comm_agree(c->comm, file ? read_common(c, file, path) : BR_OK));
  BR_TRY(br_comm_broadcast(c->comm, c->position, c->position_count * sizeof *c->position, 0));
  for (int b = 0; b < c->n_blocks; b++) BR_TRY(br_comm_broadcast(c->comm, c->block[b].data, c->block[b].count * sizeof(float), 0));
  return deal_states(c, file, owner);
}

int br_checkpoint_load(const struct br_checkpoint *c, bool *found) {
  *found = false;
  struct br_safetensors *file = NULL;
  char path[4096] = "";
  int64_t *owner = NULL, there;
  int status = br_memory_alloc((size_t)kept_workers(c), sizeof *owner, "workers", &owner);
  if (status == BR_OK && br_comm_rank(c->comm) == 0) status = open_newest(c, &file, path);
  status = br_comm_agree(c->comm, status);
  if (status == BR_OK && kept_workers(c) > 0) status = find_owners(c, owner);
  there = file != NULL;
  if (status == BR_OK) status = br_comm_broadcast(c->comm, &there, sizeof there, 0);
  if (status == BR_OK && there) {
    status = load_from(c, file, path, owner);
    *found = status == BR_OK;
    if (*found && br_comm_rank(c->comm) == 0) br_note("going on from %s", path);
  }
  br_safetensors_close(file);
  br_memory_free(owner);
  return status;
}
