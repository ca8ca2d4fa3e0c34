/* Training settings from the options, the recipe where they are silent. */
#include "cli/setup.h"

#include <bramble/base/memory.h>
#include <bramble/base/text.h>

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int chosen_word(struct cli *cli, const char *name, const char *recipe, const char *const *words) {
  if (option_given(&cli->options, name)) return option_choice(&cli->options, name);
  for (int i = 0; words[i]; i++)
    if (strcmp(recipe, words[i]) == 0) return i;
  return 0;
}

bool setup_parse_count(const char *text, const char *first, const char *second, int64_t *count, int *unit) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || !(value >= 0 && value <= 1e15) || value != floor(value)) return false;
  *count = (int64_t)value;
  *unit = *end == 0 ? -1 : strcmp(end, first) == 0 ? 0 : strcmp(end, second) == 0 ? 1 : -2;
  return *unit >= -1;
}

static int parse_partition(const char *text, struct br_worker_options *worker) {
  char *end;
  if (strcmp(text, "iid") == 0) {
    worker->partition = BR_PARTITION_IID;
  } else if (strcmp(text, "strided") == 0) {
    worker->partition = BR_PARTITION_STRIDED;
  } else if (strncmp(text, "dirichlet:", 10) == 0) {
    worker->partition = BR_PARTITION_DIRICHLET;
    worker->alpha = strtod(text + 10, &end);
    if (end == text + 10 || *end || !(worker->alpha >= 1e-3 && worker->alpha <= 1e6)) BR_FAIL(BR_ERROR_USAGE, "--partition %s: a number from 0.001 to 1e6 was expected, as in dirichlet:0.5", text);
  } else {
    BR_FAIL(BR_ERROR_USAGE, "--partition %s: choose one of iid, strided, dirichlet:A", text);
  }
  return BR_OK;
}

/* An option that only some ways of synchronising know is refused with the others. */
static int check_sync_options(struct cli *cli, enum br_sync_kind sync) {
  static const struct {
    const char *name;
    unsigned modes;
  } rows[] = {{"workers", 6}, {"every", 2}, {"optimiser-state", 2}, {"partition", 6}, {"fraction", 4}, {"local-epochs", 4}, {"prox", 4}, {"server", 4}, {"server-lr", 4}, {"server-momentum", 4}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (option_given(&cli->options, rows[i].name) && !(rows[i].modes & 1u << sync))
      BR_FAIL(BR_ERROR_USAGE, "--%s belongs to --sync %s; this run has --sync %s", rows[i].name, rows[i].modes == 2 ? "weights" : rows[i].modes == 4 ? "fedavg" : "weights and fedavg", br_sync_words[sync]);
  return BR_OK;
}

static int worker_options(struct cli *cli, struct br_train_options *train) {
  const struct options *o = &cli->options;
  struct br_worker_options *w = &train->worker;
  BR_TRY(check_sync_options(cli, train->sync));
  if (train->sync == BR_SYNC_GRADIENTS) return BR_OK;
  bool adam = option_choice(o, "server") == BR_SERVER_FEDADAM;
  *w = (struct br_worker_options){.workers = (int)option_int(o, "workers"), .reset_optimiser = option_choice(o, "optimiser-state") == 1, .fraction = option_float(o, "fraction"), .local_epochs = (int)option_int(o, "local-epochs"),
                                  .prox = (float)option_float(o, "prox"), .server = (enum br_server_kind)option_choice(o, "server"), .server_lr = chosen(cli, "server-lr", adam ? 0.01 : 1), .server_momentum = (float)option_float(o, "server-momentum")};
  const char *every = option_text(o, "every"), *partition = option_text(o, "partition");
  int unit;
  if (strcmp(every, "epoch") != 0 && (!setup_parse_count(every, "steps", "steps", &w->every, &unit) || w->every < 1)) BR_FAIL(BR_ERROR_USAGE, "--every %s: a number of steps or the word epoch was expected", every);
  return parse_partition(partition ? partition : train->sync == BR_SYNC_FEDAVG ? "iid" : "strided", w);
}

/* When the run is evaluated, saved and ended. */
static int event_options(struct cli *cli, struct br_train_options *train) {
  const struct options *o = &cli->options;
  const char *evaluations = option_text(o, "eval-every"), *saves = option_text(o, "checkpoint-every");
  int64_t count;
  int unit;
  if (!setup_parse_count(evaluations, "epochs", "steps", &count, &unit)) BR_FAIL(BR_ERROR_USAGE, "--eval-every %s: a number of epochs or of steps was expected, as in 2 or 500steps", evaluations);
  if (unit == 1)
    train->evaluation_steps = count;
  else
    train->evaluation_epochs = count > 1000000 ? 1000000 : (int)count;
  if (!setup_parse_count(saves, "min", "steps", &count, &unit)) BR_FAIL(BR_ERROR_USAGE, "--checkpoint-every %s: a number of steps or of minutes was expected, as in 1000 or 10min", saves);
  struct br_checkpoint_options *c = &train->checkpoint;
  *c = (struct br_checkpoint_options){.path = option_text(o, "out"), .keep = (int)option_int(o, "checkpoints"), .resume = option_flag(o, "resume")};
  if (unit == 0)
    c->every_seconds = 60 * (double)count;
  else
    c->every_steps = count;
  if (c->resume && !c->path) BR_FAIL(BR_ERROR_USAGE, "--resume needs --out: the checkpoints are beside the model");
  train->keep = (enum br_keep_kind)option_choice(o, "keep");
  if (train->keep != BR_KEEP_LAST && !c->path) BR_FAIL(BR_ERROR_USAGE, "--keep needs --out: models are kept there");
  train->patience = (int)option_int(o, "patience");
  train->until_accuracy = option_float(o, "until-accuracy");
  const bool evaluated = train->evaluation_steps > 0 || train->evaluation_epochs > 0;
  if (!evaluated && train->patience) BR_FAIL(BR_ERROR_USAGE, "--patience counts evaluations, and --eval-every 0 makes none before the end; leave one of them out");
  if (!evaluated && train->until_accuracy > 0) BR_FAIL(BR_ERROR_USAGE, "--until-accuracy is asked at evaluations, and --eval-every 0 makes none before the end; leave one of them out");
  return BR_OK;
}

/* The recipe's learning rate is for its batch and follows the square root of another one (Krizhevsky 2014; You et al. 2020): then noise per sample stays
 * about the same, and from 24 to 576 samples it is what trained mobilenetv2 best. It says nothing about another optimiser, which starts at its usual rate. */
static double recipe_rate(const struct br_recipe *recipe, enum br_optimiser_kind kind, int batch) {
  static const double usual[] = {[BR_OPTIMISER_SGD] = 0.02, [BR_OPTIMISER_ADAM] = 0.001, [BR_OPTIMISER_ADAMW] = 0.001, [BR_OPTIMISER_LARS] = 1, [BR_OPTIMISER_LAMB] = 0.005, [BR_OPTIMISER_RMSPROP] = 0.001, [BR_OPTIMISER_MUON] = 0.02};
  if (strcmp(recipe->optimiser, br_optimiser_words[kind]) == 0) return recipe->lr * sqrt((double)batch / recipe->batch);
  return usual[kind];
}

int setup_train_options(struct cli *cli, const struct br_recipe *recipe, struct br_train_options *train, struct br_augment *augment) {
  const struct options *o = &cli->options;
  *train = (struct br_train_options){.batch = (int)option_int(o, "batch"), .micro_batch = (int)option_int(o, "micro-batch"), .epochs = (int)option_int(o, "epochs"), .seed = (uint64_t)option_int(o, "seed")};
  if (train->epochs < 0) train->epochs = recipe->epochs;
  if (train->batch == 0) train->batch = train->micro_batch && recipe->batch % train->micro_batch ? train->micro_batch : recipe->batch;
  if (train->micro_batch == 0) train->micro_batch = train->batch % recipe->micro_batch == 0 ? recipe->micro_batch : train->batch;
  train->optimiser = (struct br_optimiser_options){
      .kind = (enum br_optimiser_kind)chosen_word(cli, "optimiser", recipe->optimiser, br_optimiser_words), .momentum = chosen(cli, "momentum", recipe->momentum), .beta2 = 0.999f, .eps = 1e-8f,
      .weight_decay = chosen(cli, "weight-decay", recipe->weight_decay), .nesterov = option_flag(o, "nesterov"), .decay_all = option_flag(o, "decay-all"), .clip = (float)option_float(o, "clip")};
  train->schedule = (struct br_schedule_options){.kind = (enum br_schedule_kind)chosen_word(cli, "schedule", recipe->schedule, br_schedule_words), .lr = chosen(cli, "lr", recipe_rate(recipe, train->optimiser.kind, train->batch)),
                                                 .warmup_epochs = chosen(cli, "warmup", recipe->warmup_epochs), .step_epochs = 30, .step_factor = 0.1f};
  if (option_int(o, "lr-per") > 0) train->schedule.lr = train->schedule.lr * (float)train->batch / (float)option_int(o, "lr-per");
  train->label_smoothing = chosen(cli, "label-smoothing", recipe->label_smoothing);
  train->bn_recalibrate = (int)option_int(o, "bn-recalibrate");
  train->ema = (float)option_float(o, "ema");
  train->sync = (enum br_sync_kind)option_choice(o, "sync");
  train->reduce = (enum br_reduce_kind)option_choice(o, "reduce");
  BR_TRY(worker_options(cli, train));
  BR_TRY(event_options(cli, train));
  return parse_augment(option_given(o, "augment") ? option_text(o, "augment") : recipe->augment, augment);
}

/* --- settings that are lists ------------------------------------------------------------------------------------------------- */

int setup_parse_list(const char *name, const char *text, int n, const char *what, double *out) {
  const char *p = text;
  int i = 0;
  for (;; p++) {
    char *end;
    double value = strtod(p, &end);
    if (end == p || !(value >= 0 && value <= 1e9) || (*end && *end != ',')) BR_FAIL(BR_ERROR_USAGE, "--%s %s: numbers of at least 0 with commas between were expected", name, text);
    if (i < n) out[i] = value;
    i++;
    p = end;
    if (!*p) break;
  }
  if (i != n) BR_FAIL(BR_ERROR_USAGE, "--%s %s: %d numbers for %d %s", name, text, i, n, what);
  double sum = 0;
  for (i = 0; i < n; i++) sum += out[i];
  if (!(sum > 0)) BR_FAIL(BR_ERROR_USAGE, "--%s %s: not all can be 0", name, text);
  return BR_OK;
}

/* balanced: the samples a class would have if all had the same, over those it has. */
static void balanced_weights(struct br_dataset *data, int classes, double *weight) {
  const struct br_dataset_info *info = br_dataset_info(data);
  for (uint64_t i = 0; i < info->count; i++) weight[br_dataset_label(data, i)]++;
  for (int c = 0; c < classes; c++) weight[c] = weight[c] > 0 ? (double)info->count / ((double)classes * weight[c]) : 1;
}

static int class_weights(struct cli *cli, struct br_dataset *data, struct setup_lists *lists) {
  const char *text = option_text(&cli->options, "class-weights");
  int classes = br_dataset_info(data)->classes;
  if (!text) return BR_OK;
  if (classes < 1) BR_FAIL(BR_ERROR_USAGE, "--class-weights: the data has no classes");
  double *weight;
  BR_TRY(br_memory_alloc((size_t)classes, sizeof *weight, "class weights", &weight));
  int status = br_memory_alloc((size_t)classes, sizeof(float), "class weights", &lists->class_weight);
  if (status == BR_OK && strcmp(text, "balanced") == 0)
    balanced_weights(data, classes, weight);
  else if (status == BR_OK)
    status = setup_parse_list("class-weights", text, classes, "classes", weight);
  for (int c = 0; status == BR_OK && c < classes; c++) lists->class_weight[c] = (float)weight[c];
  br_memory_free(weight);
  return status;
}

/* Patterns as of the shell, with commas between, on parameters' names; one that starts with ! means all that it does not fit. */
static int freeze(struct cli *cli, const struct br_graph *graph, struct setup_lists *lists) {
  const char *text = option_text(&cli->options, "freeze");
  if (!text) return BR_OK;
  BR_TRY(br_memory_alloc((size_t)graph->n_params, sizeof(bool), "frozen parameters", &lists->frozen));
  const char *example = "";
  int left = 0;
  for (const char *p = text; *p;) {
    char pattern[200];
    size_t n = strcspn(p, ",");
    snprintf(pattern, sizeof pattern, "%.*s", (int)n, p);
    bool inverse = pattern[0] == '!', any = false;
    for (int i = 0; i < graph->n_params; i++) {
      if (graph->params[i].statistic) continue;
      example = graph->params[i].name;
      if ((fnmatch(pattern + inverse, graph->params[i].name, 0) == 0) == inverse) continue;
      lists->frozen[i] = any = true;
    }
    if (!any) BR_FAIL(BR_ERROR_USAGE, "--freeze %s: fits no parameter; they have names like %s", pattern, example);
    p += n + (p[n] == ',');
  }
  for (int i = 0; i < graph->n_params; i++) left += !graph->params[i].statistic && !lists->frozen[i];
  if (left == 0) BR_FAIL(BR_ERROR_USAGE, "--freeze %s: nothing is left to be trained", text);
  return BR_OK;
}

static int balance(struct cli *cli, struct br_train_options *train, struct setup_lists *lists) {
  const char *text = option_text(&cli->options, "balance");
  int ranks = br_comm_size(cli->comm);
  train->balance = strcmp(text, "auto") == 0;
  if (train->balance || strcmp(text, "equal") == 0) return BR_OK;
  BR_TRY(br_memory_alloc((size_t)ranks, sizeof(double), "speeds", &lists->speed));
  return setup_parse_list("balance", text, ranks, "ranks", lists->speed);
}

/* What the loaders were opened with, for comparing runs. */
static int input_settings(const struct br_preprocess *p, const struct br_augment *a, struct setup_lists *lists) {
  size_t room = 800;
  BR_TRY(br_memory_alloc(room, 1, "settings", &lists->input_settings));
  snprintf(lists->input_settings, room, "input=%dx%dx%d\nmean=%.9g,%.9g,%.9g,%.9g\nstd=%.9g,%.9g,%.9g,%.9g\naugment=flip %d, crop %d, resizedcrop %.9g, cutout %d, jitter %.9g %.9g %.9g\n", p->H, p->W, p->C, p->mean[0], p->mean[1],
           p->mean[2], p->mean[3], p->std[0], p->std[1], p->std[2], p->std[3], a->flip, a->crop_padding, a->resized_crop, a->cutout, a->brightness, a->contrast, a->saturation);
  return BR_OK;
}

int setup_train_lists(struct cli *cli, const struct br_graph *graph, struct br_dataset *data, const struct br_preprocess *preprocess, const struct br_augment *augment, struct br_train_options *train, struct setup_lists *lists) {
  BR_TRY(class_weights(cli, data, lists));
  BR_TRY(freeze(cli, graph, lists));
  BR_TRY(balance(cli, train, lists));
  BR_TRY(input_settings(preprocess, augment, lists));
  train->class_weight = lists->class_weight;
  train->frozen = lists->frozen;
  train->speed = lists->speed;
  train->input_settings = lists->input_settings;
  return BR_OK;
}

void setup_lists_free(struct setup_lists *lists) {
  br_memory_free(lists->class_weight);
  br_memory_free(lists->frozen);
  br_memory_free(lists->speed);
  br_memory_free(lists->input_settings);
  *lists = (struct setup_lists){0};
}

/* --- a whole run ------------------------------------------------------------------------------------------------------------- */

int setup_open_run(struct cli *cli, const char *subject, struct setup_run *r) {
  if (!r->data[0]) {
    BR_TRY(setup_open_data(cli, BR_DATA_TRAIN, &r->data[0]));
    BR_TRY(setup_open_data(cli, BR_DATA_TEST, &r->data[1]));
  }
  const struct br_dataset_info *info = br_dataset_info(r->data[0]);
  BR_TRY(setup_open_model(cli, subject, info, &r->model, &r->recipe));
  struct br_augment augment;
  BR_TRY(setup_train_options(cli, r->recipe, &r->options, &augment));
  struct br_preprocess preprocess;
  BR_TRY(setup_preprocess(cli, r->model->graph, info->name, &preprocess));
  BR_TRY(setup_read_preprocess(r->model, &preprocess));
  struct br_loader_options loader = {.dataset = r->data[0], .preprocess = preprocess, .augment = augment, .seed = r->options.seed};
  BR_TRY(br_loader_open(&loader, &r->loader[0]));
  loader.dataset = r->data[1];
  loader.augment = (struct br_augment){0};
  if (r->data[1]) BR_TRY(br_loader_open(&loader, &r->loader[1]));
  BR_TRY(setup_store_preprocess(r->model, &preprocess));
  BR_TRY(setup_train_lists(cli, r->model->graph, r->data[0], &preprocess, &augment, &r->options, &r->lists));
  return r->team ? BR_OK : cli_open_team(cli, &r->team);
}

void setup_close_run(struct setup_run *r) {
  setup_lists_free(&r->lists);
  br_team_close(r->team);
  br_model_close(r->model);
  for (int i = 0; i < 2; i++) {
    br_loader_close(r->loader[i]);
    br_dataset_close(r->data[i]);
  }
  *r = (struct setup_run){0};
}

struct br_plan_request setup_plan_request(struct cli *cli, const struct setup_run *r) {
  return (struct br_plan_request){.graph = r->model->graph, .options = &r->options, .ranks = br_comm_size(cli->comm), .threads = br_team_count(r->team), .train = r->loader[0], .train_data = r->data[0], .test_data = r->data[1]};
}

double setup_memory_limit(struct cli *cli) {
  if (option_given(&cli->options, "memory")) return option_sizes(&cli->options, "memory", br_comm_rank(cli->comm));
  size_t free_bytes = br_memory_available_bytes() / (size_t)br_comm_node_size(cli->comm), own = br_memory_own_limit_bytes();
  if (own != SIZE_MAX && (free_bytes == 0 || own < free_bytes)) free_bytes = own;
  return free_bytes ? (double)free_bytes + (double)br_memory_rss_bytes() : 0;
}

const char *setup_plan_text(const struct br_train_plan *plan, char *text) {
  char size[32];
  size_t n = 0;
  for (int k = 0; k < BR_PLAN_KINDS; k++)
    if (plan->bytes[k] > 0) n += (size_t)snprintf(text + n, 600 - n, "%s %s, ", br_plan_kind_word((enum br_plan_kind)k), br_text_bytes((double)plan->bytes[k], size));
  snprintf(text + n, 600 - n, "together %s a rank", br_text_bytes((double)plan->total, size));
  return text;
}
