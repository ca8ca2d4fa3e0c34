/* From options to the things a run is made of: net, data, preprocessing, recipe. Shared by the verbs that train or run nets. */
#ifndef CLI_SETUP_H
#define CLI_SETUP_H

#include "cli/cli.h"

#include <bramble/data/loader.h>
#include <bramble/net/prepare.h>
#include <bramble/net/zoo.h>
#include <bramble/train/plan.h>

/* The size of --input: "128" or "96x160". Errors: BR_ERROR_USAGE. */
int setup_parse_input(const char *text, int *H, int *W);
/* Sets the preprocessing of data `name` for an input of `graph`: --mean and --std, else the known values of the data set. */
int setup_preprocess(struct cli *cli, const struct br_graph *graph, const char *name, struct br_preprocess *preprocess);
/* The same with the size that photos are brought to: of a net that is imported, and of samples of a data set that a model is to answer for: the options where they are given,
 * else what the model says, else what the data set is known by. */
int setup_import_preprocess(struct cli *cli, const struct br_graph *graph, struct br_preprocess *preprocess);
int setup_model_preprocess(struct cli *cli, const struct br_model *model, const struct br_graph *graph, const struct br_dataset_info *info, struct br_preprocess *preprocess);
/* Preprocessing as it is kept in a model, and back. A model without one gets the data's. */
int setup_store_preprocess(struct br_model *model, const struct br_preprocess *preprocess);
int setup_read_preprocess(const struct br_model *model, struct br_preprocess *preprocess);

/* Opens a part of --data (default: shapes). */
int setup_open_data(struct cli *cli, enum br_data_part part, struct br_dataset **data);

/* The net of the subject: a zoo name, a net text file, or a model file; in the last case *model is set instead of a fresh one. `info` gives classes and
 * channels where options are silent (may be NULL). *recipe: the zoo net's, or a plain one. */
int setup_open_model(struct cli *cli, const char *subject, const struct br_dataset_info *info, struct br_model **model, const struct br_recipe **recipe);

/* The net of the subject alone, without weights: a zoo name or a model file. The caller's, closed with br_graph_close. */
int setup_open_graph(struct cli *cli, const char *subject, struct br_graph **graph);

/* How a net will be run: `execs` of up to N samples, each by so many threads. */
struct setup_use {
  int N, members, execs;
};
/* A model to be used, not trained: setup_open_model's, prepared as --exact says; a model file's parameters are never in memory twice. *model keeps its graph
 * and metadata, and must outlive *net. Where it does not fit in memory, and --memory was given, a model file's weights are streamed; then one exec runs it.
 * Errors: BR_ERROR_MEMORY with the numbers. */
int setup_open_prepared(struct cli *cli, const char *subject, struct setup_use use, struct br_model **model, struct br_prepared **net);
/* The same of a model that is open. */
int setup_prepare(struct cli *cli, struct setup_use use, struct br_model *model, struct br_prepared **net);

/* An ONNX file as a model; --input gives the size of its pictures where it leaves it open. */
int setup_read_onnx(struct cli *cli, const char *path, struct br_model **model);

/* Training settings from options, the recipe where they are silent. */
int setup_train_options(struct cli *cli, const struct br_recipe *recipe, struct br_train_options *train, struct br_augment *augment);
/* Those that are lists (class weights, frozen parameters, speeds of ranks) and what the loaders were opened with: train points into *lists, which is
 * zero before and freed after the run. */
struct setup_lists {
  float *class_weight;
  bool *frozen;
  double *speed;
  char *input_settings;
};
int setup_train_lists(struct cli *cli, const struct br_graph *graph, struct br_dataset *data, const struct br_preprocess *preprocess, const struct br_augment *augment, struct br_train_options *train, struct setup_lists *lists);
void setup_lists_free(struct setup_lists *lists);

/* All that a training run is opened with; zero before, but for the data sets and the team where someone has them already. */
struct setup_run {
  struct br_dataset *data[2]; /* train, test (NULL: nothing to test on) */
  struct br_loader *loader[2];
  struct br_model *model;
  const struct br_recipe *recipe;
  struct br_train_options options;
  struct setup_lists lists;
  struct br_team *team;
};
int setup_open_run(struct cli *cli, const char *subject, struct setup_run *run);
void setup_close_run(struct setup_run *run);
/* The plan of the run, and the bytes that --memory, or what is free shared by the node's ranks, lets a rank take. */
struct br_plan_request setup_plan_request(struct cli *cli, const struct setup_run *run);
double setup_memory_limit(struct cli *cli);
/* "weights 2.8 MB, ..., together 87 MB a rank" into text (at least 600 bytes); returns text. */
const char *setup_plan_text(const struct br_train_plan *plan, char *text);

/* A whole number followed by nothing or one of two words: "500", "500steps". *unit: which (0, 1), -1 without. */
bool setup_parse_count(const char *text, const char *first, const char *second, int64_t *count, int *unit);
/* Numbers of at least 0 with commas between, exactly `n` of them; `what` says in messages what there is one for. */
int setup_parse_list(const char *name, const char *text, int n, const char *what, double *out);

/* Class names into the model, from a file with one a line. */
int setup_set_class_names(struct br_model *model, const char *path);
/* The class names kept in a model as a JSON array (new reference; NULL if there are none). */
json_t *setup_class_names(const struct br_model *model);
/* Name of class `c` into text (at least 100 bytes): from the array, or "class 7". */
const char *setup_class_name(json_t *names, int c, char *text);
/* For each class of the data the class of the net (`classes` of them, `names` or NULL), -1 where it has none, into `label_of`: by name, or by number where no name is known,
 * which is warned of if both sides have names. False where neither will do. */
bool setup_match_classes(json_t *names, int classes, const struct br_dataset_info *info, int32_t *label_of);

#endif
