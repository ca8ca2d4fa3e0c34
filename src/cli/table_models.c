/* From options to the settings of each kind of model, and its training: what train and bench table share. */
#include "cli/table.h"

static struct br_boost_settings boost_settings(const struct options *o) {
  return (struct br_boost_settings){
      .trees = (int)option_int(o, "trees"),
      .max_depth = option_given(o, "max-depth") ? (int)option_int(o, "max-depth") : option_given(o, "max-leaves") ? 200 : 6,
      .max_leaves = (size_t)option_int(o, "max-leaves"),
      .min_rows = option_given(o, "min-rows") ? (uint64_t)option_int(o, "min-rows") : 20,
      .min_gain = option_float(o, "min-gain"),
      .rate = option_given(o, "lr") ? option_float(o, "lr") : 0.1,
      .l2 = option_float(o, "l2"),
      .rows_share = option_float(o, "sample-rows"),
      .columns_share = option_float(o, "sample-columns"),
      .patience = (int)option_int(o, "patience"),
  };
}

int table_learn(struct cli *cli, struct br_team *team, enum br_table_model_kind kind, const struct br_task *task, struct br_table_model **model, json_t *report) {
  const struct options *o = &cli->options;
  if (kind == BR_TABLE_LINEAR) {
    struct br_linear_settings settings = {.ridge = option_float(o, "ridge"), .lasso = option_float(o, "lasso"), .l1_ratio = option_float(o, "l1-ratio")};
    return br_linear_train(cli->comm, team, task, &settings, model, report);
  }
  if (kind == BR_TABLE_LOGISTIC) {
    struct br_logistic_settings settings = {.l2 = option_float(o, "l2")};
    return br_logistic_train(cli->comm, team, task, &settings, model, report);
  }
  if (kind == BR_TABLE_KMEANS) {
    struct br_kmeans_settings settings = {.clusters = (size_t)option_int(o, "clusters"), .iterations = (int)option_int(o, "iterations"), .unscaled = option_flag(o, "unscaled")};
    return br_kmeans_train(cli->comm, team, task, &settings, model, report);
  }
  if (kind == BR_TABLE_BAYES) return br_bayes_train(cli->comm, team, task, model, report);
  if (kind == BR_TABLE_BOOST) {
    struct br_boost_settings settings = boost_settings(o);
    return br_boost_train(cli->comm, team, task, &settings, model, report);
  }
  struct br_tree_settings settings = {.criterion = (enum br_tree_criterion)option_choice(o, "criterion"), .max_depth = (int)option_int(o, "max-depth"), .min_rows = (uint64_t)option_int(o, "min-rows"), .min_gain = option_float(o, "min-gain")};
  if (kind == BR_TABLE_TREE) return br_tree_train(cli->comm, team, task, &settings, model, report);
  struct br_forest_settings forest = {.tree = settings, .trees = (int)option_int(o, "trees"), .columns_share = option_given(o, "sample-columns") ? option_float(o, "sample-columns") : 0, .extra = option_flag(o, "extra")};
  return br_forest_train(cli->comm, team, task, &forest, model, report);
}
