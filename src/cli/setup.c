/* Reading nets, data and settings from the options. */
#include "cli/setup.h"

#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/net/cut.h>
#include <bramble/net/onnx.h>
#include <bramble/store/file.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Means and deviations of the training parts, per channel, as the field uses them. */
static const struct known {
  const char *data;
  float mean[4], std[4];
} known[] = {
    {"cifar10", {0.4914f, 0.4822f, 0.4465f}, {0.2470f, 0.2435f, 0.2616f}},
    {"cifar100", {0.5071f, 0.4865f, 0.4409f}, {0.2673f, 0.2564f, 0.2762f}},
    {"mnist", {0.1307f}, {0.3081f}},
    {"folder", {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    {"tar", {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    {"files", {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    {"rows", {0, 0, 0, 0}, {1, 1, 1, 1}}, /* a table's, scaled already */
    {NULL, {0.5f, 0.5f, 0.5f, 0.5f}, {0.25f, 0.25f, 0.25f, 0.25f}},
};

static int parse_channels(const char *name, const char *text, int C, float out[4]) {
  const char *p = text;
  int n = 0;
  for (; n < 4; n++) {
    char *end;
    out[n] = strtof(p, &end);
    if (end == p || !isfinite(out[n])) BR_FAIL(BR_ERROR_USAGE, "--%s %s: numbers with commas between were expected", name, text);
    p = end;
    if (*p != ',') break;
    p++;
  }
  if (*p) BR_FAIL(BR_ERROR_USAGE, "--%s %s: %d numbers were expected", name, text, C);
  if (n == 0)
    for (int c = 1; c < 4; c++) out[c] = out[0];
  else if (n + 1 != C)
    BR_FAIL(BR_ERROR_USAGE, "--%s %s: the net's input has %d channels", name, text, C);
  return BR_OK;
}

int setup_preprocess(struct cli *cli, const struct br_graph *graph, const char *name, struct br_preprocess *preprocess) {
  const struct br_shape *in = &graph->nodes[0].shape;
  *preprocess = (struct br_preprocess){.H = 1, .W = 1, .C = br_shape_channels(in)};
  if (in->rank == 4) preprocess->H = in->d[1], preprocess->W = in->d[2];
  const struct known *k = known;
  while (k->data && strcmp(k->data, name) != 0) k++;
  memcpy(preprocess->mean, k->mean, sizeof k->mean);
  memcpy(preprocess->std, k->std, sizeof k->std);
  const char *mean = option_text(&cli->options, "mean"), *std = option_text(&cli->options, "std");
  if (mean) BR_TRY(parse_channels("mean", mean, preprocess->C, preprocess->mean));
  if (std) BR_TRY(parse_channels("std", std, preprocess->C, preprocess->std));
  for (int c = 0; c < preprocess->C && c < 4; c++) {
    if (preprocess->C == 1 || preprocess->std[c] > 0) continue;
    if (std) BR_FAIL(BR_ERROR_USAGE, "--std %s: deviations are above 0", std);
    preprocess->mean[c] = preprocess->mean[0], preprocess->std[c] = preprocess->std[0];
  }
  return BR_OK;
}

/* --resize-shorter, or what goes with an input of this size. */
static int resize_shorter(struct cli *cli, const struct br_preprocess *p) {
  const int given = (int)option_int(&cli->options, "resize-shorter"), side = p->H > p->W ? p->H : p->W;
  return given >= 0 ? given : (int)((int64_t)side * 8 / 7);
}

int setup_import_preprocess(struct cli *cli, const struct br_graph *graph, struct br_preprocess *preprocess) {
  BR_TRY(setup_preprocess(cli, graph, "files", preprocess));
  preprocess->resize_shorter = resize_shorter(cli, preprocess);
  return BR_OK;
}

int setup_model_preprocess(struct cli *cli, const struct br_model *model, const struct br_graph *graph, const struct br_dataset_info *info, struct br_preprocess *preprocess) {
  const struct options *o = &cli->options;
  const bool photos = info->H == 0;
  BR_TRY(setup_preprocess(cli, graph, info->name, preprocess));
  preprocess->resize_shorter = photos ? resize_shorter(cli, preprocess) : 0;
  if (!option_given(o, "mean") && !option_given(o, "std")) BR_TRY(setup_read_preprocess(model, preprocess));
  if (photos && option_int(o, "resize-shorter") >= 0) preprocess->resize_shorter = (int)option_int(o, "resize-shorter");
  return BR_OK;
}

int setup_store_preprocess(struct br_model *model, const struct br_preprocess *p) {
  char text[400];
  snprintf(text, sizeof text, "{\"mean\":[%.9g,%.9g,%.9g,%.9g],\"std\":[%.9g,%.9g,%.9g,%.9g],\"resize_shorter\":%d}", p->mean[0], p->mean[1], p->mean[2], p->mean[3], p->std[0], p->std[1], p->std[2],
           p->std[3], p->resize_shorter);
  return br_model_set(model, "preprocess", text);
}

static bool read_numbers(json_t *array, float out[4]) {
  if (json_array_size(array) != 4) return false;
  for (size_t i = 0; i < 4; i++) out[i] = (float)json_number_value(json_array_get(array, i));
  return true;
}

int setup_read_preprocess(const struct br_model *model, struct br_preprocess *preprocess) {
  const char *text = br_model_get(model, "preprocess");
  if (!text) return BR_OK;
  json_t *root = json_loads(text, 0, NULL);
  bool sound = root && read_numbers(json_object_get(root, "mean"), preprocess->mean) && read_numbers(json_object_get(root, "std"), preprocess->std);
  for (int c = 0; sound && c < preprocess->C && c < 4; c++) sound = preprocess->std[c] > 0;
  preprocess->resize_shorter = (int)json_integer_value(json_object_get(root, "resize_shorter"));
  json_decref(root);
  if (!sound || preprocess->resize_shorter < 0 || preprocess->resize_shorter > 1 << 15) BR_FAIL(BR_ERROR_DATA, "the model's preprocessing is not sound: %s", text);
  return BR_OK;
}

int setup_open_data(struct cli *cli, enum br_data_part part, struct br_dataset **data) {
  const char *spec = option_text(&cli->options, "data");
  struct br_dataset_options options = {.part = part, .limit = (uint64_t)option_int(&cli->options, "limit"), .skip_bad = option_flag(&cli->options, "skip-bad"), .seed = 1};
  return br_dataset_open(spec ? spec : "shapes", &options, data);
}

int setup_parse_input(const char *text, int *H, int *W) {
  char extra;
  int n = sscanf(text, "%dx%d%c", H, W, &extra);
  if (n == 1 && strchr(text, 'x') == NULL) *W = *H;
  if ((n != 1 && n != 2) || *H < 1 || *W < 1 || *H > 65536 || *W > 65536) BR_FAIL(BR_ERROR_USAGE, "--input %s: a size like 128 or 96x160 was expected", text);
  return BR_OK;
}

/* --classes, where it is given. */
static int read_classes(struct cli *cli, int *classes) {
  const char *text = option_text(&cli->options, "classes");
  if (!text) return BR_OK;
  *classes = atoi(text);
  if (*classes < 1 || *classes > 1000000) BR_FAIL(BR_ERROR_USAGE, "--classes %s: a number from 1 to 1000000 was expected", text);
  return BR_OK;
}

static int zoo_options(struct cli *cli, const struct br_dataset_info *info, struct br_zoo_options *zoo) {
  const struct options *o = &cli->options;
  *zoo = (struct br_zoo_options){.width = option_float(o, "width"), .hidden = option_text(o, "hidden"), .stem_stride = (int)option_int(o, "stem-stride"), .bn_momentum = option_float(o, "bn-momentum"),
                                 .bn_eps = option_float(o, "bn-eps"), .dropout = option_float(o, "dropout")};
  if (info) {
    zoo->classes = info->numbers ? 1 : info->classes;
    zoo->C = info->C;
  }
  const char *input = option_text(o, "input");
  BR_TRY(read_classes(cli, &zoo->classes));
  if (input) BR_TRY(setup_parse_input(input, &zoo->H, &zoo->W));
  return BR_OK;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

int setup_open_graph(struct cli *cli, const char *subject, struct br_graph **graph) {
  struct br_zoo_options zoo;
  if (ends_with(subject, ".onnx")) BR_FAIL(BR_ERROR_USAGE, "%s: stages read their parts from a model file; bramble import %s --out m.safetensors makes one", subject, subject);
  if (br_file_exists(subject) || !br_zoo_find(subject)) return br_model_load_graph(subject, graph);
  BR_TRY(zoo_options(cli, NULL, &zoo));
  return br_zoo_open(subject, &zoo, graph);
}

static const struct br_recipe plain_recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "none", .source = "plain", .lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .batch = 32, .micro_batch = 32, .epochs = 10};

/* The text of `graph` with "out=" of node `node` (-1: none) set to `classes`, and a line behind it (NULL: none), as a graph of its own. */
static int rewrite(const struct br_graph *graph, int node, int classes, const char *line, struct br_graph **out) {
  char *text;
  BR_TRY(br_graph_print(graph, &text));
  struct br_net_text *net;
  int status = br_net_text_open(&net);
  if (status == BR_OK) {
    char *at = text;
    for (int i = 0; *at; i++) {
      size_t n = strcspn(at, "\n");
      char *attribute = i == node ? memmem(at, n, " out=", 5) : NULL;
      if (attribute) {
        char *rest = attribute + 5 + strspn(attribute + 5, "0123456789");
        br_net_text_add(net, "%.*s out=%d%.*s", (int)(attribute - at), at, classes, (int)(at + n - rest), rest);
      } else {
        br_net_text_add(net, "%.*s", (int)n, at);
      }
      at += n + (at[n] == '\n');
    }
    if (line) br_net_text_add(net, "%s", line);
    status = br_net_text_graph(net, graph->name, out);
  }
  br_memory_free(text);
  return status;
}

/* --loss on a net that names none; numbers are always learned by mse. */
static int add_loss(struct cli *cli, const struct br_dataset_info *info, struct br_graph **graph) {
  const char *loss = option_text(&cli->options, "loss");
  if (info && info->numbers) {
    if (loss && strcmp(loss, "mse") != 0) BR_FAIL(BR_ERROR_USAGE, "--loss %s: the target is a number, which is learned by mse", loss);
    loss = "mse";
  }
  if (!loss) return BR_OK;
  if (option_choice(&cli->options, "loss") > 1) BR_FAIL(BR_ERROR_USAGE, "--loss %s: is for train boost; nets have crossentropy and mse", loss);
  if ((*graph)->loss >= 0) BR_FAIL(BR_ERROR_USAGE, "--loss %s: the net has a loss of its own, %s", loss, (*graph)->nodes[(*graph)->loss].name);
  char line[300];
  snprintf(line, sizeof line, "loss = %s %s", loss, (*graph)->nodes[(*graph)->output].name);
  struct br_graph *with;
  BR_TRY(rewrite(*graph, -1, 0, line, &with));
  br_graph_close(*graph);
  *graph = with;
  return BR_OK;
}

/* The node that makes the classes: the last one before the output that has as many channels of its own making. */
static int head_of(const struct br_graph *graph) {
  int classes = br_shape_channels(&graph->nodes[graph->output].shape);
  for (int i = graph->output; i > 0; i = graph->nodes[i].inputs[0]) {
    if (br_shape_channels(&graph->nodes[i].shape) != classes) return -1;
    if (graph->nodes[i].n_params > 0 && !graph->params[graph->nodes[i].first_param].statistic && graph->params[graph->nodes[i].first_param].decay) return i;
  }
  return -1;
}

/* A model file's weights under a head for other classes; the new head starts as a fresh net's. */
static int replace_head(struct cli *cli, int classes, struct br_model **model) {
  struct br_model *old = *model, *fresh;
  struct br_graph *graph;
  int head = head_of(old->graph), missing;
  if (head < 0) BR_FAIL(BR_ERROR_USAGE, "%s: its last layer cannot be given %d classes; train a net of that many", old->graph->name, classes);
  BR_TRY(rewrite(old->graph, head, classes, NULL, &graph));
  BR_TRY(br_model_open(graph, &fresh));
  br_graph_init(graph, (uint64_t)option_int(&cli->options, "seed"), fresh->trained, fresh->statistics);
  br_model_copy_params(fresh, old, &missing);
  const char *preprocess = br_model_get(old, "preprocess");
  int status = preprocess ? br_model_set(fresh, "preprocess", preprocess) : BR_OK;
  if (cli->speaks) br_note("the model has %d classes, now it is to have %d: its last layer, %s, starts anew", br_shape_channels(&old->graph->nodes[old->graph->output].shape), classes, graph->nodes[head].name);
  br_model_close(old);
  *model = fresh;
  return status;
}

static int open_model_file(struct cli *cli, const char *path, const struct br_dataset_info *info, struct br_model **model) {
  BR_TRY(br_model_load(path, model));
  const struct br_graph *graph = (*model)->graph;
  if (option_given(&cli->options, "loss")) BR_FAIL(BR_ERROR_USAGE, "--loss: a model file keeps the loss it was trained with; name a net to train with another");
  int classes = info ? info->classes : 0;
  BR_TRY(read_classes(cli, &classes));
  if (classes < 1 || classes == br_shape_channels(&graph->nodes[graph->output].shape)) return BR_OK;
  return replace_head(cli, classes, model);
}

int setup_read_onnx(struct cli *cli, const char *path, struct br_model **model) {
  struct br_onnx_options options = {0};
  const char *input = option_text(&cli->options, "input");
  if (input) BR_TRY(setup_parse_input(input, &options.H, &options.W));
  return br_onnx_read(path, &options, model);
}

/* What only a net of the zoo lets one choose must not be passed over in silence. */
static int check_whole(const struct cli *cli, const char *subject) {
  static const char *const zoo_only[] = {"width", "hidden", "stem-stride", "dropout", "bn-momentum", "bn-eps"};
  for (size_t i = 0; i < sizeof zoo_only / sizeof *zoo_only; i++)
    if (option_given(&cli->options, zoo_only[i])) BR_FAIL(BR_ERROR_USAGE, "--%s: is for nets of the zoo, and %s is a file; leave it out, or change the net's text", zoo_only[i], subject);
  return BR_OK;
}

int setup_open_model(struct cli *cli, const char *subject, const struct br_dataset_info *info, struct br_model **model, const struct br_recipe **recipe) {
  const struct br_zoo_net *zoo = br_zoo_find(subject);
  struct br_graph *graph = NULL;
  *recipe = zoo ? &zoo->recipe : &plain_recipe;
  if (!zoo && br_file_exists(subject)) BR_TRY(check_whole(cli, subject));
  if (ends_with(subject, ".safetensors")) return open_model_file(cli, subject, info, model);
  if (ends_with(subject, ".onnx")) return setup_read_onnx(cli, subject, model);
  if (!zoo && br_file_exists(subject)) {
    unsigned char *text;
    size_t bytes;
    BR_TRY(br_file_read(subject, 16 << 20, &text, &bytes));
    int status = strlen((char *)text) == bytes ? br_graph_parse(subject, (char *)text, &graph) : br_error_set(BR_ERROR_DATA, "%s: is not a text file", subject);
    br_memory_free(text);
    BR_TRY(status);
  } else {
    struct br_zoo_options options;
    BR_TRY(zoo_options(cli, info, &options));
    BR_TRY(br_zoo_open(subject, &options, &graph));
  }
  int status = add_loss(cli, info, &graph);
  if (status != BR_OK) {
    br_graph_close(graph);
    return status;
  }
  BR_TRY(br_model_open(graph, model));
  br_graph_init(graph, (uint64_t)option_int(&cli->options, "seed"), (*model)->trained, (*model)->statistics);
  return BR_OK;
}

#define BESIDE_BYTES 8e6 /* a data set's list, pictures on their way */

/* Bytes of the process when the net is open; the pages of a mapped file go while it is prepared. */
static int prepared_bytes(const struct br_graph *graph, const struct br_prepare_options *options, struct setup_use use, double *bytes) {
  struct br_prepared_bytes b;
  BR_TRY(br_prepared_plan(graph, options, use.N, options->stream ? use.members * use.execs : use.members, &b));
  const size_t execs = b.exec * (options->stream ? 1 : (size_t)use.execs);
  *bytes = BESIDE_BYTES + (double)br_memory_rss_bytes() + (double)b.kept + (double)(execs > b.preparing ? execs : b.preparing);
  return BR_OK;
}

static int choose_stream(struct cli *cli, struct setup_use use, const struct br_model *model, struct br_prepare_options *options) {
  const double limit = setup_memory_limit(cli);
  double whole, streamed;
  char a[32], b[32], c[32];
  if (limit <= 0) return BR_OK;
  BR_TRY(prepared_bytes(model->graph, options, use, &whole));
  if (whole <= limit) return BR_OK;
  br_text_bytes(whole, a), br_text_bytes(limit, b);
  if (!model->file) BR_FAIL(BR_ERROR_MEMORY, "%s needs %s and may take %s: import or save it as a model file, whose weights can be streamed with --memory, or use --stages on more ranks", model->graph->name, a, b);
  options->stream = true;
  BR_TRY(prepared_bytes(model->graph, options, use, &streamed));
  br_text_bytes(streamed, c);
  if (!option_given(&cli->options, "memory"))
    BR_FAIL(BR_ERROR_MEMORY, "%s needs %s and may take %s: --stages auto divides it over more ranks, or --memory of at least %s reads its weights from the file layer by layer, slowly", model->graph->name, a, b, c);
  if (streamed > limit) BR_FAIL(BR_ERROR_MEMORY, "%s needs %s, or %s with its weights read layer by layer, and --memory is %s: give more, or --stages auto on more ranks", model->graph->name, a, c, b);
  br_note("%s needs %s and may take %s: its weights are read from the file layer by layer, which is slow and needs %s", model->graph->name, a, b, c);
  return BR_OK;
}

int setup_prepare(struct cli *cli, struct setup_use use, struct br_model *model, struct br_prepared **net) {
  struct br_prepare_options options = {.exact = option_flag(&cli->options, "exact")};
  BR_TRY(choose_stream(cli, use, model, &options));
  BR_TRY(br_prepared_open(model, &options, net));
  if (!options.stream) br_model_drop(model);
  return BR_OK;
}

int setup_open_prepared(struct cli *cli, const char *subject, struct setup_use use, struct br_model **model, struct br_prepared **net) {
  const struct br_recipe *recipe;
  if (ends_with(subject, ".safetensors"))
    BR_TRY(br_model_map(subject, model));
  else
    BR_TRY(setup_open_model(cli, subject, NULL, model, &recipe));
  return setup_prepare(cli, use, *model, net);
}

int setup_set_class_names(struct br_model *model, const char *path) {
  unsigned char *text;
  size_t bytes;
  BR_TRY(br_file_read(path, 64 << 20, &text, &bytes));
  json_t *names = json_array();
  for (char *line = (char *)text; *line;) {
    size_t n = strcspn(line, "\n"), length = n;
    char *next = line + n + (line[n] == '\n');
    while (length && line[length - 1] == '\r') length--;
    line[length] = 0;
    if (length || *next) json_array_append_new(names, json_string(line));
    line = next;
  }
  int classes = br_shape_channels(&model->graph->nodes[model->graph->output].shape), status = BR_OK;
  size_t n = json_array_size(names);
  if (n + 1 == (size_t)classes) json_array_insert_new(names, 0, json_string("background")), n++; /* the usual extra class 0 */
  char *json = json_dumps(names, JSON_COMPACT);
  json_decref(names);
  br_memory_free(text);
  if (n != (size_t)classes || !json)
    status = br_error_set(BR_ERROR_DATA, "%s: has %zu names, or some are not UTF-8; the net has %d outputs", path, n, classes);
  else
    status = br_model_set(model, "classes", json);
  free(json);
  return status;
}

json_t *setup_class_names(const struct br_model *model) {
  const char *text = br_model_get(model, "classes");
  json_t *names = text ? json_loads(text, 0, NULL) : NULL;
  if (names && json_is_array(names)) return names;
  json_decref(names);
  return NULL;
}

const char *setup_class_name(json_t *names, int c, char *text) {
  const char *name = json_string_value(json_array_get(names, (size_t)c));
  if (name)
    snprintf(text, 100, "%s", name);
  else
    snprintf(text, 100, "class %d", c);
  return text;
}

/* "n01440764" names "n01440764 tench", "0 n01440764 tench" and itself. */
static bool is_named(const char *class_name, const char *word) {
  size_t n = strlen(word);
  for (const char *p = class_name; (p = strstr(p, word)); p += n)
    if ((p == class_name || p[-1] == ' ') && (p[n] == 0 || p[n] == ' ' || p[n] == ',')) return true;
  return false;
}

static bool is_number(const char *word) { return *word && word[strspn(word, "0123456789")] == 0; }

bool setup_match_classes(json_t *names, int classes, const struct br_dataset_info *info, int32_t *label_of) {
  int by_name = 0;
  char first[100];
  for (int d = 0; d < info->classes; d++) {
    label_of[d] = -1;
    for (int c = 0; names && label_of[d] < 0 && c < classes; c++) {
      const char *name = json_string_value(json_array_get(names, (size_t)c));
      if (name && is_named(name, info->class_names[d])) label_of[d] = c;
    }
    by_name += label_of[d] >= 0;
  }
  if (by_name > 0) return true;
  if (info->classes != classes) return false;
  for (int d = 0; d < classes; d++) label_of[d] = d;
  if (names && !is_number(info->class_names[0]))
    br_warn("the data's classes (%s, ...) are not those of the model (%s, ...), and are matched by number: is it the model's data? --data names it", info->class_names[0], setup_class_name(names, 0, first));
  return true;
}
