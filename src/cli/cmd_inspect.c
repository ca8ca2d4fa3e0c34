/* bramble inspect: what a model, a net or a data set is. */
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/data/sheet.h>
#include <bramble/net/exec.h>

#include <stdio.h>
#include <string.h>

static int inspect_graph(struct cli *cli, struct br_model *model) {
  struct br_graph *graph = model->graph;
  char *text, shape[80], a[32];
  BR_TRY(br_graph_print(graph, &text));
  struct br_cost cost = br_graph_cost(graph);
  struct br_exec_bytes infer = {0}, train = {0};
  BR_TRY(br_exec_plan(graph, &(struct br_exec_options){.mode = BR_EXEC_INFER, .N = 1, .members = 1, .fuse = true}, &infer));
  int trains = br_exec_plan(graph, &(struct br_exec_options){.mode = BR_EXEC_TRAIN, .N = 1, .members = 1, .fuse = true}, &train);
  if (trains != BR_OK && trains != BR_ERROR_DATA) return trains;
  size_t trained = br_graph_trained_count(graph), statistics = br_graph_statistic_count(graph);
  if (option_flag(&cli->options, "json")) {
    json_t *nodes = json_array(), *metadata = json_object();
    for (int i = 0; i < graph->n_nodes; i++)
      json_array_append_new(nodes, json_pack("{s:s,s:s,s:f}", "name", graph->nodes[i].name, "shape", br_shape_text(&graph->nodes[i].shape, shape), "macs", br_node_cost(graph, i).macs));
    for (int i = 0; i < model->n_entries; i++) json_object_set_new(metadata, model->entries[i].key, json_string(model->entries[i].value));
    cli_print_json(cli, json_pack("{s:s,s:I,s:I,s:f,s:I,s:I,s:o,s:o}", "net", text, "parameters", (json_int_t)trained, "statistics", (json_int_t)statistics, "macs", cost.macs, "infer_bytes", (json_int_t)infer.total,
                                  "train_bytes", (json_int_t)train.total, "nodes", nodes, "metadata", metadata));
    br_memory_free(text);
    return BR_OK;
  }
  const char *line = text;
  for (int i = 0; i < graph->n_nodes; i++) {
    size_t n = strcspn(line, "\n");
    printf("%-64.*s # %s\n", (int)n, line, br_shape_text(&graph->nodes[i].shape, shape));
    line += n + (line[n] == '\n');
  }
  br_memory_free(text);
  printf("parameters %zu  statistics %zu  multiply-adds %.1f M a sample\n", trained, statistics, cost.macs / 1e6);
  printf("memory beside the parameters, one sample: %s to predict, ", br_text_bytes((double)infer.total, a));
  printf("%s to train\n", trains == BR_OK ? br_text_bytes((double)train.total, a) : br_error_message());
  for (int i = 0; i < model->n_entries; i++) printf("%s: %s\n", model->entries[i].key, model->entries[i].value);
  return BR_OK;
}

static int write_sheet(const char *path, struct br_dataset *data) {
  struct br_image sheet = {0};
  int status = br_sheet_draw(data, 20, 10, 64, &sheet);
  if (status == BR_OK) status = br_image_write_png(path, &sheet);
  br_image_free(&sheet);
  return status;
}

static int inspect_part(struct br_dataset *data, const char *name, bool as_json, json_t *parts) {
  const struct br_dataset_info *info = br_dataset_info(data);
  int64_t *counts;
  BR_TRY(br_memory_alloc((size_t)info->classes + 1, sizeof *counts, "counts", &counts));
  for (uint64_t i = 0; i < info->count && info->classes; i++) counts[br_dataset_label(data, i)]++;
  if (!as_json) {
    printf("%s %s: %llu samples ", info->name, name, (unsigned long long)info->count);
    if (info->H)
      printf("of %dx%dx%d", info->H, info->W, info->C);
    else
      printf("each of its own size");
    printf(", %d classes, %llu bad ones left out\n", info->classes, (unsigned long long)info->skipped);
  }
  json_t *classes = json_array();
  for (int c = 0; c < info->classes; c++) {
    if (!as_json) printf("  %3d %-24s %lld\n", c, info->class_names[c], (long long)counts[c]);
    json_array_append_new(classes, json_pack("{s:s,s:I}", "class", info->class_names[c], "samples", (json_int_t)counts[c]));
  }
  json_array_append_new(parts, json_pack("{s:s,s:I,s:i,s:i,s:i,s:o}", "part", name, "samples", (json_int_t)info->count, "height", info->H, "width", info->W, "channels", info->C, "classes", classes));
  br_memory_free(counts);
  return BR_OK;
}

static int inspect_data(struct cli *cli, const char *spec) {
  const struct options *o = &cli->options;
  const char *sheet = option_text(o, "out"); /* of the first part shown */
  static const char *const names[] = {"train", "test"};
  json_t *parts = json_array();
  int status = BR_OK;
  for (int part = 0; status == BR_OK && part < 2; part++) {
    if (option_given(o, "part") && part != option_choice(o, "part")) continue;
    struct br_dataset_options options = {.part = (enum br_data_part)part, .limit = (uint64_t)option_int(o, "limit"), .skip_bad = option_flag(o, "skip-bad"), .seed = 1};
    struct br_dataset *data;
    status = br_dataset_open(spec, &options, &data);
    if (status != BR_OK) break;
    status = inspect_part(data, names[part], option_flag(o, "json"), parts);
    if (status == BR_OK && sheet) status = write_sheet(sheet, data);
    sheet = NULL;
    br_dataset_close(data);
  }
  if (status == BR_OK && option_flag(o, "json"))
    cli_print_json(cli, parts);
  else
    json_decref(parts);
  return status;
}

int cmd_inspect(struct cli *cli) {
  if (cli->options.n_subjects != 1) BR_FAIL(BR_ERROR_USAGE, "bramble inspect takes one model, net or data set, as in: bramble inspect lenet");
  if (table_is_csv(cli->options.subjects[0]) || table_is_model(cli->options.subjects[0])) return table_inspect(cli);
  if (!cli->speaks) return BR_OK;
  const char *subject = cli->options.subjects[0];
  if (br_dataset_known(subject)) return inspect_data(cli, subject);
  struct br_model *model = NULL;
  const struct br_recipe *recipe;
  int status = setup_open_model(cli, subject, NULL, &model, &recipe);
  if (status == BR_OK) status = inspect_graph(cli, model);
  br_model_close(model);
  return status;
}
