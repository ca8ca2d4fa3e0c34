/* From options to the settings of each kind of model, and its training: what train and bench table share. */
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/memory.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --checkpoint-every and --resume; files are beside --out. */
static int checkpoint_settings(const struct options *o, struct br_checkpoint_settings *out) {
  const char *every = option_text(o, "checkpoint-every");
  int64_t count;
  int unit;
  if (!setup_parse_count(every, "min", "trees", &count, &unit)) BR_FAIL(BR_ERROR_USAGE, "--checkpoint-every %s: a number of trees or of minutes was expected, as in 50 or 10min", every);
  *out = (struct br_checkpoint_settings){.path = option_text(o, "out"), .resume = option_flag(o, "resume")};
  if (unit == 0)
    out->seconds = 60 * (double)count;
  else
    out->every = (uint64_t)count;
  if (out->resume && !out->path) BR_FAIL(BR_ERROR_USAGE, "--resume needs --out: the checkpoint is beside the model");
  return BR_OK;
}

/* --monotone "year=1,odometer=-1" as one number a feature. */
static int parse_monotone(const char *text, const struct br_task *task, signed char *out) {
  while (*text) {
    char word[256];
    size_t n = strcspn(text, ","), column, f = 0;
    if (n >= sizeof word) BR_FAIL(BR_ERROR_USAGE, "--monotone: a name is longer than 250 letters");
    memcpy(word, text, n);
    word[n] = 0;
    text += n + (text[n] == ',');
    char *equal = strrchr(word, '=');
    long direction = equal ? strtol(equal + 1, NULL, 10) : 0;
    if (direction != 1 && direction != -1) BR_FAIL(BR_ERROR_USAGE, "--monotone %s: name=1 (rises) or name=-1 (falls) was expected", word);
    *equal = 0;
    BR_TRY(br_table_find(task->table, word, &column));
    while (f < task->n_features && task->features[f] != column) f++;
    if (f == task->n_features) BR_FAIL(BR_ERROR_USAGE, "--monotone: %s is none of the features", word);
    out[f] = (signed char)direction;
  }
  return BR_OK;
}

static int boost_settings(const struct options *o, struct br_boost_settings *out) {
  const char *loss = option_text(o, "loss"), *weights = option_text(o, "class-weights");
  *out = (struct br_boost_settings){
      .trees = (int)option_int(o, "trees"),
      .max_depth = option_given(o, "max-depth") ? (int)option_int(o, "max-depth") : option_given(o, "max-leaves") ? 200 : 6,
      .max_leaves = (size_t)option_int(o, "max-leaves"),
      .min_rows = option_given(o, "min-rows") ? (uint64_t)option_int(o, "min-rows") : 20,
      .min_gain = option_float(o, "min-gain"),
      .rate = option_given(o, "lr") ? option_float(o, "lr") : 0.1,
      .l1 = option_float(o, "l1"),
      .l2 = option_float(o, "l2"),
      .rows_share = option_float(o, "sample-rows"),
      .columns_share = option_float(o, "sample-columns"),
      .bins = (uint32_t)option_int(o, "bins"),
      .patience = (int)option_int(o, "patience"),
      .validation = option_float(o, "validation"),
      .quantile = option_float(o, "quantile"),
      .balanced = weights && strcmp(weights, "balanced") == 0,
  };
  if (loss) out->loss = strcmp(loss, "poisson") == 0 ? BR_BOOST_POISSON : strcmp(loss, "quantile") == 0 ? BR_BOOST_QUANTILE : strcmp(loss, "mse") == 0 ? BR_BOOST_SQUARES : BR_BOOST_AUTO;
  if (option_given(o, "quantile") && out->loss != BR_BOOST_QUANTILE) BR_FAIL(BR_ERROR_USAGE, "--quantile belongs to --loss quantile");
  bool all_learned_from = option_float(o, "split") == 1 && option_float(o, "validation") == 0 && (option_int(o, "folds") == 0 || option_given(o, "out"));
  if (out->patience && all_learned_from) BR_FAIL(BR_ERROR_USAGE, "--patience watches rows that are not learned from, and there are none; give --validation 0.1 or --split 0.7");
  return checkpoint_settings(o, &out->checkpoint);
}

static int learn_boost(struct cli *cli, struct br_team *team, const struct br_task *task, struct br_table_model **model, json_t *report) {
  const struct options *o = &cli->options;
  const char *weights = option_text(o, "class-weights"), *monotone = option_text(o, "monotone");
  size_t classes = br_table_categories(task->table, task->target);
  struct br_boost_settings settings;
  double *weight = NULL;
  signed char *directions = NULL;
  int status = boost_settings(o, &settings);
  if (status == BR_OK && weights && !settings.balanced) {
    status = br_memory_alloc(classes, sizeof *weight, "class weights", &weight);
    if (status == BR_OK) status = setup_parse_list("class-weights", weights, (int)classes, "classes", weight);
    settings.class_weight = weight;
  }
  if (status == BR_OK && monotone) {
    status = br_memory_alloc(task->n_features, sizeof *directions, "monotone features", &directions);
    if (status == BR_OK) status = parse_monotone(monotone, task, directions);
    settings.monotone = directions;
  }
  status = br_comm_agree(cli->comm, status);
  if (status == BR_OK) status = br_boost_train(cli->comm, team, task, &settings, model, report);
  br_memory_free(weight);
  br_memory_free(directions);
  return status;
}

static int learn_trees(struct cli *cli, struct br_team *team, bool forest, const struct br_task *task, struct br_table_model **model, json_t *report) {
  const struct options *o = &cli->options;
  struct br_tree_settings tree = {.criterion = (enum br_tree_criterion)option_choice(o, "criterion"), .max_depth = (int)option_int(o, "max-depth"), .min_rows = option_given(o, "min-rows") ? (uint64_t)option_int(o, "min-rows") : 0, .min_gain = option_float(o, "min-gain"), .max_leaves = (size_t)option_int(o, "max-leaves"), .prune = option_float(o, "prune")};
  if (!forest) return br_tree_train(cli->comm, team, task, &tree, model, report);
  struct br_forest_settings settings = {.tree = tree, .trees = (int)option_int(o, "trees"), .columns_share = option_given(o, "sample-columns") ? option_float(o, "sample-columns") : 0, .extra = option_flag(o, "extra")};
  if (option_float(o, "split") >= 1) settings.permutations = (int)option_int(o, "permutation"); /* else they are of the test part */
  BR_TRY(checkpoint_settings(o, &settings.checkpoint));
  return br_forest_train(cli->comm, team, task, &settings, model, report);
}

/* The words of docs/tables.md. */
#define ROWS " target features types split stratify folds where let date missing drop-missing header separator bad-rows permutation times "
#define ANY " data seed threads memory out json quiet help "
#define CRITERION " criterion " /* gini and entropy make a category of any target */
#define TREE " max-depth min-rows min-gain max-leaves prune "
#define LONG " checkpoint-every resume "
static const char *const own_words[] = {
    [BR_TABLE_LINEAR] = " ridge lasso l1-ratio ",
    [BR_TABLE_LOGISTIC] = " l1 l2 " CRITERION,
    [BR_TABLE_TREE] = TREE CRITERION,
    [BR_TABLE_FOREST] = TREE CRITERION " trees sample-columns extra " LONG,
    [BR_TABLE_BOOST] = " trees lr max-depth max-leaves l1 l2 min-rows min-gain bins sample-rows sample-columns loss quantile class-weights monotone patience validation " CRITERION LONG,
    [BR_TABLE_KMEANS] = " clusters iterations unscaled ",
    [BR_TABLE_BAYES] = CRITERION,
};
#define NO_NETS " ridge lasso l1-ratio l1 l2 trees sample-rows sample-columns extra bins quantile monotone validation clusters iterations unscaled " TREE

int table_check_options(const struct options *o, enum br_table_model_kind kind, bool table) {
  char words[800] = ROWS ANY;
  if (kind != BR_TABLE_MLP) snprintf(words + strlen(words), sizeof words - strlen(words), "%s", own_words[kind]);
  const char *name = kind != BR_TABLE_MLP ? option_first_given(o, false, words) : option_first_given(o, true, NO_NETS);
  if (name) BR_FAIL(BR_ERROR_USAGE, "--%s: is not for training %s; leave it out (docs/tables.md has the words of every kind)", name, o->subjects[0]);
  name = table ? NULL : option_first_given(o, true, ROWS CRITERION);
  if (name) BR_FAIL(BR_ERROR_USAGE, "--%s: is for tables, and %s is trained on a data set here; leave it out, or give a table by --data FILE.csv and --target COLUMN", name, o->subjects[0]);
  return BR_OK;
}

int table_check_use(const struct options *o, bool table) {
  const char *name = option_first_given(o, true, table ? " part limit skip-bad mean std resize-shorter input output classes resume exact stages runs top bn-recalibrate " : " row explain times probabilities where header separator bad-rows permutation ");
  if (name && table) BR_FAIL(BR_ERROR_USAGE, "--%s: is for nets, and %s is a model of a table; leave it out", name, o->subjects[0]);
  if (name) BR_FAIL(BR_ERROR_USAGE, "--%s: is for models of tables, and %s is none; leave it out", name, o->subjects[0]);
  return BR_OK;
}

int table_learn(struct cli *cli, struct br_team *team, enum br_table_model_kind kind, const struct br_task *task, struct br_table_model **model, json_t *report) {
  const struct options *o = &cli->options;
  struct br_linear_settings linear = {.ridge = option_float(o, "ridge"), .lasso = option_float(o, "lasso"), .l1_ratio = option_float(o, "l1-ratio")};
  struct br_logistic_settings logistic = {.l1 = option_float(o, "l1"), .l2 = option_float(o, "l2")};
  struct br_kmeans_settings kmeans = {.clusters = (size_t)option_int(o, "clusters"), .iterations = (int)option_int(o, "iterations"), .unscaled = option_flag(o, "unscaled")};
  switch (kind) {
    case BR_TABLE_LINEAR: return br_linear_train(cli->comm, team, task, &linear, model, report);
    case BR_TABLE_LOGISTIC: return br_logistic_train(cli->comm, team, task, &logistic, model, report);
    case BR_TABLE_KMEANS: return br_kmeans_train(cli->comm, team, task, &kmeans, model, report);
    case BR_TABLE_BAYES: return br_bayes_train(cli->comm, team, task, model, report);
    case BR_TABLE_BOOST: return learn_boost(cli, team, task, model, report);
    default: return learn_trees(cli, team, kind == BR_TABLE_FOREST, task, model, report);
  }
}
