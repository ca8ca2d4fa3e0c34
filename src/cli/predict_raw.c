/* bramble predict MODEL --input x.npy --output y.npy: raw tensors in the model's own layout, without preprocessing. */
#include "cli/setup.h"
#include "cli/predict_raw.h"

#include <bramble/base/memory.h>
#include <bramble/net/exec.h>
#include <bramble/net/onnx.h>
#include <bramble/store/npy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TENSORS 64

/* "a=x.npy,b=y.npy" or "x.npy": names are NULL where none is given. */
struct list {
  char *text;
  int n;
  const char *name[MAX_TENSORS], *path[MAX_TENSORS];
};

static int read_list(const char *option, const char *text, struct list *list) {
  list->text = strdup(text);
  if (!list->text) BR_FAIL(BR_ERROR_MEMORY, "no memory for --%s", option);
  for (char *p = list->text; p; list->n++) {
    if (list->n == MAX_TENSORS) BR_FAIL(BR_ERROR_USAGE, "--%s: at most %d files", option, MAX_TENSORS);
    char *comma = strchr(p, ',');
    if (comma) *comma = 0;
    char *equal = strchr(p, '=');
    if (equal) *equal = 0;
    list->name[list->n] = equal ? p : NULL;
    list->path[list->n] = equal ? equal + 1 : p;
    if (!*list->path[list->n]) BR_FAIL(BR_ERROR_USAGE, "--%s %s: a file name is missing", option, text);
    p = comma ? comma + 1 : NULL;
  }
  return BR_OK;
}

struct raw {
  struct list in, out;
  struct br_npy npy[MAX_TENSORS]; /* per --input */
  float *values[MAX_TENSORS];     /* likewise, as in the file */
  float *inside[MAX_TENSORS];     /* per input of the net */
  struct br_model *model;
  struct br_prepared *net;
  struct br_border border;
  struct br_exec *exec;
  struct br_team *team;
  struct br_run run;
};

static int read_floats(const char *path, struct br_npy *npy, float **out) {
  void *elements;
  BR_TRY(br_npy_read(path, npy, &elements));
  int status = br_memory_alloc(npy->count, sizeof **out, "input", out);
  for (size_t i = 0; status == BR_OK && i < npy->count; i++) switch (npy->type) {
      case BR_NPY_F32: (*out)[i] = ((float *)elements)[i]; break;
      case BR_NPY_F64: (*out)[i] = (float)((double *)elements)[i]; break;
      case BR_NPY_U8: (*out)[i] = ((uint8_t *)elements)[i]; break;
      case BR_NPY_I32: (*out)[i] = (float)((int32_t *)elements)[i]; break;
      case BR_NPY_I64: (*out)[i] = (float)((int64_t *)elements)[i]; break;
    }
  br_memory_free(elements);
  return status;
}

static int open_model(struct raw *raw, const char *path) {
  struct br_onnx_size sizes[MAX_TENSORS];
  size_t n = strlen(path);
  if (n < 5 || strcmp(path + n - 5, ".onnx") != 0) return br_model_map(path, &raw->model);
  for (int i = 0; i < raw->in.n; i++) {
    if (raw->npy[i].dims > BR_MAX_RANK) BR_FAIL(BR_ERROR_DATA, "%s: %d dimensions; at most %d are possible", raw->in.path[i], raw->npy[i].dims, BR_MAX_RANK);
    sizes[i] = (struct br_onnx_size){.name = raw->in.name[i], .rank = raw->npy[i].dims};
    for (int k = 0; k < raw->npy[i].dims; k++) sizes[i].d[k] = (int64_t)raw->npy[i].shape[k];
  }
  return br_onnx_read(path, &(struct br_onnx_options){.sizes = sizes, .n_sizes = raw->in.n}, &raw->model);
}

static int find(const char *option, const struct list *list, int i, const struct br_border_tensor *tensors, int n, int *out) {
  *out = i;
  if (!list->name[i] && i < n && list->n == n) return BR_OK;
  for (*out = 0; list->name[i] && *out < n; ++*out)
    if (strcmp(tensors[*out].name, list->name[i]) == 0) return BR_OK;
  char names[400] = "";
  for (int k = 0; k < n; k++) snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", k ? ", " : "", tensors[k].name);
  BR_FAIL(BR_ERROR_USAGE, "--%s %s: the model has %s", option, list->name[i] ? list->name[i] : list->path[i], names);
}

/* The file's sizes are the tensor's, apart from the batch. */
static int check_shape(const struct raw *raw, int i, const struct br_border_tensor *t, size_t *n) {
  const struct br_npy *npy = &raw->npy[i];
  int first = raw->border.batched;
  bool fits = npy->dims == t->rank;
  for (int k = first; fits && k < t->rank; k++) fits = npy->shape[k] == (size_t)t->d[k];
  size_t samples = raw->border.batched && npy->dims ? npy->shape[0] : 1;
  if (!fits || samples < 1 || samples > 1 << 20 || (*n && *n != samples)) {
    char text[160] = "";
    for (int k = 0; k < t->rank; k++) snprintf(text + strlen(text), sizeof text - strlen(text), k == 0 && first ? "N" : k ? "x%lld" : "%lld", (long long)t->d[k]);
    BR_FAIL(BR_ERROR_DATA, "%s: its sizes are not the model's %s of input %s", raw->in.path[i], text, t->name);
  }
  *n = samples;
  return BR_OK;
}

static int take_inputs(struct raw *raw) {
  size_t n = 0;
  int at;
  if (raw->in.n != raw->border.n_inputs) BR_FAIL(BR_ERROR_USAGE, "--input: the model has %d inputs, %d are given", raw->border.n_inputs, raw->in.n);
  for (int i = 0; i < raw->in.n; i++) {
    BR_TRY(find("input", &raw->in, i, raw->border.inputs, raw->border.n_inputs, &at));
    if (raw->inside[at]) BR_FAIL(BR_ERROR_USAGE, "--input: %s is given twice", raw->border.inputs[at].name);
    BR_TRY(check_shape(raw, i, &raw->border.inputs[at], &n));
    BR_TRY(br_memory_alloc(raw->npy[i].count, sizeof(float), "input", &raw->inside[at]));
    br_border_in(&raw->border.inputs[at], raw->border.batched, raw->values[i], raw->inside[at], n);
  }
  raw->run = (struct br_run){.x = raw->inside[0], .more = (const float *const *)raw->inside + 1, .n = (int)n};
  return br_graph_infer(raw->model->graph, (int)n);
}

static int write_output(const struct raw *raw, int number, const char *path) {
  const struct br_border_tensor *t = &raw->border.outputs[number];
  size_t shape[BR_NPY_MAX_DIMS], n = (size_t)raw->run.n, count = n;
  int rank = t->rank;
  for (int i = 0; i < t->rank; i++) shape[i] = i == 0 && raw->border.batched ? n : (size_t)t->d[i];
  for (int i = raw->border.batched; i < t->rank; i++) count *= (size_t)t->d[i];
  float *values;
  union {
    void *any;
    int64_t *whole;
    uint8_t *truth;
  } other = {NULL};
  BR_TRY(br_memory_alloc(count, sizeof *values, "output", &values));
  br_border_out(t, raw->border.batched, br_exec_output_at(raw->exec, number), values, n);
  if (t->chosen) rank = 2, shape[0] = br_border_choose(t, raw->border.batched, values, n), shape[1] = 3, count = 3 * shape[0];
  bool is_whole = strcmp(t->type, "i8") == 0, is_truth = strcmp(t->type, "u1") == 0;
  int status = is_whole || is_truth ? br_memory_alloc(count, is_whole ? sizeof(int64_t) : 1, "output", &other.any) : BR_OK;
  for (size_t i = 0; status == BR_OK && i < count; i++) {
    if (is_whole) other.whole[i] = values[i] > -9e18f && values[i] < 9e18f ? (int64_t)values[i] : 0;
    if (is_truth) other.truth[i] = values[i] != 0;
  }
  if (status == BR_OK) status = br_npy_write(path, is_whole ? BR_NPY_I64 : is_truth ? BR_NPY_U8 : BR_NPY_F32, rank, shape, other.any ? other.any : values);
  br_memory_free(values);
  br_memory_free(other.any);
  return status;
}

static void run_net(void *arg, struct br_part part) {
  struct raw *raw = arg;
  br_exec_run(raw->exec, &raw->run, part);
}

static int run(struct cli *cli, struct raw *raw) {
  const char *output = option_text(&cli->options, "output");
  if (!output) BR_FAIL(BR_ERROR_USAGE, "--input needs --output FILE.npy");
  BR_TRY(read_list("input", option_text(&cli->options, "input"), &raw->in));
  BR_TRY(read_list("output", output, &raw->out));
  for (int i = 0; i < raw->in.n; i++) BR_TRY(read_floats(raw->in.path[i], &raw->npy[i], &raw->values[i]));
  BR_TRY(open_model(raw, cli->options.subjects[0]));
  BR_TRY(br_border_open(raw->model, &raw->border));
  BR_TRY(take_inputs(raw));
  BR_TRY(cli_open_team(cli, &raw->team));
  BR_TRY(setup_prepare(cli, (struct setup_use){raw->run.n, br_team_count(raw->team), 1}, raw->model, &raw->net));
  BR_TRY(br_exec_open(raw->model->graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = raw->run.n, .members = br_team_count(raw->team), .fuse = true, .prepared = raw->net}, &raw->exec));
  br_team_run(raw->team, run_net, raw);
  for (int i = 0; i < raw->out.n; i++) {
    int number;
    BR_TRY(find("output", &raw->out, i, raw->border.outputs, raw->border.n_outputs, &number));
    BR_TRY(write_output(raw, number, raw->out.path[i]));
  }
  return BR_OK;
}

int predict_raw(struct cli *cli) {
  struct raw *raw;
  BR_TRY(br_memory_alloc(1, sizeof *raw, "predict", &raw));
  int status = run(cli, raw);
  for (int i = 0; i < MAX_TENSORS; i++) {
    br_memory_free(raw->values[i]);
    br_memory_free(raw->inside[i]);
  }
  free(raw->in.text);
  free(raw->out.text);
  br_exec_close(raw->exec);
  br_prepared_close(raw->net);
  br_team_close(raw->team);
  br_border_free(&raw->border);
  br_model_close(raw->model);
  br_memory_free(raw);
  return status;
}
