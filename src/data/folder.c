/* folder:DIR: one folder per class with JPEG and PNG files in it. Where DIR has train/ and test/ (or val/, valid/, validation/), these hold the
 * class folders of the two parts; else a fifth of the pictures, drawn by chance, is the test part. Where there are no class folders but pictures, they
 * have no classes and can only be predicted. Hidden files are passed over; so are files of other kinds, deeper folders and pictures outside class folders,
 * which one line says. Pictures are read from their files when they are needed. */
#include "pictures.h"

#include <bramble/base/error.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct folder {
  struct br__pictures pictures;
  char root[BR__PATH];
};

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static int by_class(const struct dirent **a, const struct dirent **b) {
  const char *first = (*a)->d_name, *second = (*b)->d_name;
  return br__class_compare(&first, &second);
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void free_list(struct dirent **list, int n) {
  for (int i = 0; i < n; i++) free(list[i]);
  free(list);
}

/* `name` in the folder `relative` to the root, "" for the root itself; so in the result. */
static int join(char path[BR__PATH], const char *relative, const char *name) {
  if (*relative) return br__path_join(path, relative, name);
  size_t n = strlen(name);
  if (n >= BR__PATH) BR_FAIL(BR_ERROR_DATA, "%.60s...: a path of more than %d bytes", name, BR__PATH - 1);
  memcpy(path, name, n + 1);
  return BR_OK;
}

/* The pictures in the folder `relative` to the root, in the order of their names' bytes. */
static int add_pictures(struct folder *folder, const char *relative) {
  char path[BR__PATH], name[BR__PATH];
  BR_TRY(br__path_join(path, folder->root, relative));
  struct dirent **list;
  int n = scandir(path, &list, is_visible, by_bytes), status = BR_OK;
  if (n < 0) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  for (int i = 0; i < n && status == BR_OK; i++) {
    struct stat info;
    BR_TRY_GOTO(status, join(name, relative, list[i]->d_name), done);
    if (!br__is_picture_name(list[i]->d_name)) {
      br__pictures_pass(&folder->pictures, name);
      continue;
    }
    BR_TRY_GOTO(status, br__path_join(path, folder->root, name), done);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
      status = br_error_set(BR_ERROR_DATA, "%s: cannot be read as a file", path);
    else
      status = br__pictures_add(&folder->pictures, name, 0, 0, (uint64_t)info.st_size);
  }
done:
  free_list(list, n);
  return status;
}

static int add_class(struct folder *folder, const char *relative) {
  size_t before = folder->pictures.count;
  BR_TRY(add_pictures(folder, relative));
  if (folder->pictures.count == before) BR_FAIL(BR_ERROR_DATA, "%s/%s: no JPEG or PNG in this class folder; fill or remove it", folder->root, relative);
  return BR_OK;
}

/* All class folders in `relative` ("" for the root itself), in the order of their labels. */
static int add_classes(struct folder *folder, const char *relative) {
  char path[BR__PATH], name[BR__PATH];
  BR_TRY(br__path_join(path, folder->root, relative));
  struct dirent **list;
  int n = scandir(path, &list, is_visible, by_class), status = BR_OK;
  if (n < 0) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", path, strerror(errno));
  for (int i = 0; i < n && status == BR_OK; i++) {
    BR_TRY_GOTO(status, join(name, relative, list[i]->d_name), done);
    BR_TRY_GOTO(status, br__path_join(path, folder->root, name), done);
    if (is_folder(path))
      status = add_class(folder, name);
    else
      br__pictures_pass(&folder->pictures, name);
  }
done:
  free_list(list, n);
  return status;
}

/* The name of the folder with the test part, or NULL where the root is not divided. */
static int find_test_folder(const struct folder *folder, const char **name) {
  static const char *const names[] = {"test", "val", "valid", "validation"};
  char path[BR__PATH];
  *name = NULL;
  BR_TRY(br__path_join(path, folder->root, "train"));
  if (!is_folder(path)) return BR_OK;
  for (size_t i = 0; i < sizeof names / sizeof *names && !*name; i++) {
    BR_TRY(br__path_join(path, folder->root, names[i]));
    if (is_folder(path)) *name = names[i];
  }
  return BR_OK;
}

/* What lies beside the folders of the two parts. */
static int pass_others(struct folder *folder, const char *test) {
  struct dirent **list;
  int n = scandir(folder->root, &list, is_visible, by_bytes);
  if (n < 0) BR_FAIL(BR_ERROR_DATA, "%s: cannot be read: %s", folder->root, strerror(errno));
  for (int i = 0; i < n; i++)
    if (strcmp(list[i]->d_name, "train") != 0 && strcmp(list[i]->d_name, test) != 0) br__pictures_pass(&folder->pictures, list[i]->d_name);
  free_list(list, n);
  return BR_OK;
}

static int folder_open(const char *root, const struct br_dataset_options *options, struct br_dataset *dataset) {
  struct folder *folder;
  BR_TRY(br_memory_alloc(1, sizeof *folder, "folder", &folder));
  dataset->state = folder;
  size_t n = strlen(root);
  while (n > 1 && root[n - 1] == '/') n--;
  if (n >= BR__PATH) BR_FAIL(BR_ERROR_DATA, "%.60s...: a path of more than %d bytes", root, BR__PATH - 1);
  memcpy(folder->root, root, n);
  if (!is_folder(folder->root)) BR_FAIL(BR_ERROR_DATA, "%s: is no folder", folder->root);
  const char *test;
  BR_TRY(find_test_folder(folder, &test));
  if (test) {
    BR_TRY(add_classes(folder, "train"));
    BR_TRY(add_classes(folder, test));
    BR_TRY(pass_others(folder, test));
  } else {
    BR_TRY(add_classes(folder, ""));
  }
  bool classes = folder->pictures.count > 0;
  if (!classes) {
    folder->pictures.passed = 0; /* they were no class folders */
    BR_TRY(add_pictures(folder, ""));
    if (folder->pictures.count > 0 && !options->whole)
      BR_FAIL(BR_ERROR_DATA, "%s: holds pictures but no class folders; sort them into one folder a class (as it is, it can only be predicted)", folder->root);
  }
  BR_TRY(br__pictures_finish(&folder->pictures, folder->root, classes, NULL, 0, options, &dataset->info));
  br__pictures_say_passed(&folder->pictures, folder->root, classes ? "in class folders" : "in the folder itself");
  return options->skip_bad ? br__pictures_skip_bad(&folder->pictures, dataset) : BR_OK;
}

static int folder_path(const struct folder *folder, uint64_t index, char path[BR__PATH]) { return br__path_join(path, folder->root, br__picture_name(&folder->pictures, index)); }

static int folder_encoded(struct br_dataset *dataset, uint64_t index, struct br_sample *sample, size_t *bytes) {
  const struct folder *folder = dataset->state;
  char path[BR__PATH];
  BR_TRY(folder_path(folder, index, path));
  *bytes = (size_t)folder->pictures.entries[index].bytes;
  return br__sample_read_file(sample, path, *bytes);
}

static int folder_read(struct br_dataset *dataset, uint64_t index, struct br_sample *sample) {
  char path[BR__PATH];
  size_t bytes;
  BR_TRY(folder_encoded(dataset, index, sample, &bytes));
  BR_TRY(folder_path(dataset->state, index, path));
  return br__sample_decode(sample, path, bytes);
}

static int32_t folder_label(const struct br_dataset *dataset, uint64_t index) { return ((const struct folder *)dataset->state)->pictures.entries[index].label; }

static const char *folder_sample_name(const struct br_dataset *dataset, uint64_t index) { return br__picture_name(&((const struct folder *)dataset->state)->pictures, index); }

static void folder_close(struct br_dataset *dataset) {
  struct folder *folder = dataset->state;
  if (!folder) return;
  br__pictures_free(&folder->pictures);
  br_memory_free(folder);
}

const struct br__source br__source_folder = {.name = "folder", .argument = "DIR", .open = folder_open, .read = folder_read, .label = folder_label, .close = folder_close, .sample_name = folder_sample_name, .encoded = folder_encoded};
