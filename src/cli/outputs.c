/* Outputs that would replace what is read, or cannot be written: asked once, before any verb runs. */
#include "cli/outputs.h"

#include <bramble/store/file.h>

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

/* Files stand in a list with commas between, behind a kind or a name: "x.csv", "libsvm:x.svm", "a=x.npy,b=y.npy", "part-*.csv". */
static const char *next_file(const char **list, char *file, size_t bytes) {
  size_t n = strcspn(*list, ","), before = strcspn(*list, "=:");
  if (!**list) return NULL;
  snprintf(file, bytes, "%.*s", (int)n, *list);
  *list += n + ((*list)[n] == ',');
  return before < n && n < bytes ? file + before + 1 : file;
}

static bool is_read(const char *list, const char *out) {
  char file[4096];
  if (br_file_same(list, out)) return true; /* a name may have commas and colons */
  for (const char *path; (path = next_file(&list, file, sizeof file));)
    if (br_file_same(path, out) || br_file_same(file, out) || (br_file_exists(out) && fnmatch(path, out, FNM_PATHNAME) == 0)) return true;
  return false;
}

static bool goes_on_in_place(const struct options *o, const char *subject) {
  size_t n = strlen(subject);
  return o->verb_bit == FOR_TRAIN && n > 12 && strcmp(subject + n - 12, ".safetensors") == 0;
}

/* data pack makes a folder, or files whose names begin with --out. */
static bool writes_parts(const struct options *o) { return o->verb_bit == FOR_DATA && o->n_subjects && strcmp(o->subjects[0], "pack") == 0; }

static int check_file(const struct options *o, const char *option, const char *out) {
  static const char *const inputs[] = {"data", "input", "classes"};
  for (int i = 0; i < o->n_subjects; i++)
    if (is_read(o->subjects[i], out) && !goes_on_in_place(o, o->subjects[i])) BR_FAIL(BR_ERROR_USAGE, "--%s %s: is the file that is read; choose another name", option, out);
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
    if (option_given(o, inputs[i]) && is_read(option_text(o, inputs[i]), out)) BR_FAIL(BR_ERROR_USAGE, "--%s %s: is a file that --%s reads; choose another name", option, out, inputs[i]);
  return writes_parts(o) ? BR_OK : br_file_check_writable(out);
}

static int check_all(const struct options *o) {
  char file[4096];
  if (option_given(o, "out")) BR_TRY(check_file(o, "out", option_text(o, "out")));
  if (!option_given(o, "output")) return BR_OK;
  const char *list = option_text(o, "output");
  for (const char *path; (path = next_file(&list, file, sizeof file));) BR_TRY(check_file(o, "output", path));
  return BR_OK;
}

int outputs_check(struct cli *cli) { return br_comm_agree(cli->comm, cli->speaks ? check_all(&cli->options) : BR_OK); }
