/* Reading nets, data and settings from the options. */
#include "cli/setup.h"

#include <bramble/base/memory.h>
#include <bramble/base/text.h>
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

/* "128" or "96x160". */
static int parse_input(const char *text, int *H, int *W) {
  char extra;
  int n = sscanf(text, "%dx%d%c", H, W, &extra);
  if (n == 1 && strchr(text, 'x') == NULL) *W = *H;
  if ((n != 1 && n != 2) || *H < 1 || *W < 1 || *H > 65536 || *W > 65536) BR_FAIL(BR_ERROR_USAGE, "--input %s: a size like 128 or 96x160 was expected", text);
  return BR_OK;
}

static int zoo_options(struct cli *cli, const struct br_dataset_info *info, struct br_zoo_options *zoo) {
  const struct options *o = &cli->options;
  *zoo = (struct br_zoo_options){.width = option_float(o, "width"), .hidden = option_text(o, "hidden"), .stem_stride = (int)option_int(o, "stem-stride"), .bn_momentum = option_float(o, "bn-momentum"),
                                 .bn_eps = option_float(o, "bn-eps"), .dropout = option_float(o, "dropout")};
  if (info) {
    zoo->classes = info->classes;
    zoo->C = info->C;
  }
  const char *classes = option_text(o, "classes"), *input = option_text(o, "input");
  if (classes) {
    zoo->classes = atoi(classes);
    if (zoo->classes < 1 || zoo->classes > 1000000) BR_FAIL(BR_ERROR_USAGE, "--classes %s: a number from 1 to 1000000 was expected", classes);
  }
  if (input) BR_TRY(parse_input(input, &zoo->H, &zoo->W));
  return BR_OK;
}

static const struct br_recipe plain_recipe = {.optimiser = "sgd", .schedule = "cosine", .augment = "none", .source = "plain", .lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4, .batch = 32, .micro_batch = 32, .epochs = 10};

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

int setup_open_model(struct cli *cli, const char *subject, const struct br_dataset_info *info, struct br_model **model, const struct br_recipe **recipe) {
  const struct br_zoo_net *zoo = br_zoo_find(subject);
  struct br_graph *graph = NULL;
  *recipe = zoo ? &zoo->recipe : &plain_recipe;
  if (ends_with(subject, ".safetensors")) return br_model_load(subject, model);
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
  BR_TRY(br_model_open(graph, model));
  br_graph_init(graph, (uint64_t)option_int(&cli->options, "seed"), (*model)->trained, (*model)->statistics);
  return BR_OK;
}

static int parse_augment(const char *text, struct br_augment *augment) {
  *augment = (struct br_augment){0};
  static const char *const words[] = {"none", "flip", "crop", "resizedcrop", "cutout", "jitter"};
  for (const char *p = text; p && *p;) {
    char word[32];
    size_t n = strcspn(p, ",");
    if (n >= sizeof word) BR_FAIL(BR_ERROR_USAGE, "--augment %s: %.20s... is not known", text, p);
    memcpy(word, p, n);
    word[n] = 0;
    char *colon = strchr(word, ':');
    double value = colon ? strtod(colon + 1, NULL) : 0;
    if (colon) *colon = 0;
    bool takes_value = true, ok = value > 0 && value <= 4096;
    if (strcmp(word, "crop") == 0)
      augment->crop_padding = (int)value;
    else if (strcmp(word, "resizedcrop") == 0)
      augment->resized_crop = (float)value, ok = ok && value <= 1;
    else if (strcmp(word, "cutout") == 0)
      augment->cutout = (int)value;
    else if (strcmp(word, "jitter") == 0)
      augment->brightness = augment->contrast = augment->saturation = (float)value, ok = ok && value < 1;
    else if (strcmp(word, "flip") == 0)
      augment->flip = true, takes_value = false;
    else if (strcmp(word, "none") == 0)
      takes_value = false;
    else {
      const char *nearest = br_text_nearest(word, words, sizeof words / sizeof *words);
      BR_FAIL(BR_ERROR_USAGE, "--augment %s: %s is not known%s%s", text, word, nearest ? "; did you mean " : "", nearest ? nearest : "");
    }
    if (takes_value && !ok) BR_FAIL(BR_ERROR_USAGE, "--augment %s: %s needs a number, as in crop:4, resizedcrop:0.3, cutout:8, jitter:0.2", text, word);
    p += n + (p[n] == ',');
  }
  return BR_OK;
}

/* An option where given, the recipe's value otherwise. */
static float chosen(struct cli *cli, const char *name, double recipe) { return (float)(option_given(&cli->options, name) ? option_float(&cli->options, name) : recipe); }

static int word_number(const char *word, const char *const *words, int n) {
  for (int i = 0; i < n; i++)
    if (strcmp(word, words[i]) == 0) return i;
  return 0;
}

int setup_train_options(struct cli *cli, const struct br_recipe *recipe, const struct br_graph *graph, struct br_train_options *train, struct br_augment *augment) {
  (void)graph;
  const struct options *o = &cli->options;
  static const char *const optimisers[] = {"sgd", "adam", "adamw", "lars", "lamb", "rmsprop"}, *const schedules[] = {"constant", "step", "cosine", "onecycle"};
  *train = (struct br_train_options){.batch = (int)option_int(o, "batch"), .micro_batch = (int)option_int(o, "micro-batch"), .epochs = (int)option_int(o, "epochs"), .seed = (uint64_t)option_int(o, "seed")};
  if (train->epochs < 0) train->epochs = recipe->epochs;
  if (train->batch == 0) train->batch = train->micro_batch && recipe->batch % train->micro_batch ? train->micro_batch : recipe->batch;
  if (train->micro_batch == 0) train->micro_batch = train->batch % recipe->micro_batch == 0 ? recipe->micro_batch : train->batch;
  train->optimiser = (struct br_optimiser_options){
      .kind = (enum br_optimiser_kind)(option_given(o, "optimiser") ? option_choice(o, "optimiser") : word_number(recipe->optimiser, optimisers, 6)),
      .momentum = chosen(cli, "momentum", recipe->momentum), .beta2 = 0.999f, .eps = 1e-8f, .weight_decay = chosen(cli, "weight-decay", recipe->weight_decay),
      .nesterov = option_flag(o, "nesterov"), .decay_all = option_flag(o, "decay-all"), .clip = (float)option_float(o, "clip")};
  train->schedule = (struct br_schedule_options){.kind = (enum br_schedule_kind)(option_given(o, "schedule") ? option_choice(o, "schedule") : word_number(recipe->schedule, schedules, 4)),
                                                 .lr = chosen(cli, "lr", recipe->lr), .warmup_epochs = chosen(cli, "warmup", recipe->warmup_epochs), .step_epochs = 30, .step_factor = 0.1f};
  train->label_smoothing = chosen(cli, "label-smoothing", recipe->label_smoothing);
  train->bn_recalibrate = (int)option_int(o, "bn-recalibrate");
  return parse_augment(option_given(o, "augment") ? option_text(o, "augment") : recipe->augment, augment);
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
