/* bramble plan train: what a run would need, without running it: memory of a rank by kind, arithmetic, and about how long an epoch takes. */
#include "cli/stages.h"
#include "cli/setup.h"

#include <bramble/base/memory.h>
#include <bramble/base/text.h>
#include <bramble/lab/step_model.h>

#include <stdio.h>
#include <string.h>

static json_t *plan_json(const struct br_train_plan *plan, double samples, double seconds) {
  json_t *bytes = json_object();
  for (int k = 0; k < BR_PLAN_KINDS; k++) {
    char key[64];
    snprintf(key, sizeof key, "%s_bytes", br_plan_kind_word((enum br_plan_kind)k));
    for (char *p = key; *p; p++)
      if (*p == ' ') *p = '_';
    json_object_set_new(bytes, key, json_integer((json_int_t)plan->bytes[k]));
  }
  return json_pack("{s:o,s:I,s:f,s:f,s:I,s:I,s:f}", "memory", bytes, "total_bytes", (json_int_t)plan->total, "macs", plan->macs, "epoch_macs", 3 * plan->macs * samples, "units", (json_int_t)plan->units, "steps", (json_int_t)plan->steps,
                   "seconds_per_epoch", seconds);
}

static void print_plan(const struct br_train_plan *plan, const struct setup_run *r, double samples, double seconds) {
  char text[32];
  printf("memory of a rank\n");
  for (int k = 0; k < BR_PLAN_KINDS; k++)
    if (plan->bytes[k] > 0) printf("  %-14s %10s\n", br_plan_kind_word((enum br_plan_kind)k), br_text_bytes((double)plan->bytes[k], text));
  printf("  %-14s %10s\n", "together", br_text_bytes((double)plan->total, text));
  printf("an epoch: %lld units of %d samples in %lld steps, %.1f M multiply-adds a sample forward, %.1f G in all\n", (long long)plan->units, r->options.micro_batch, (long long)plan->steps, plan->macs / 1e6, 3 * plan->macs * samples / 1e9);
  printf("about %s an epoch on machines like this one, %lld units side by side, communication not counted\n", br_text_seconds(seconds, text), (long long)plan->side_by_side);
}

/* Largest number of rows: of more nodes than that only some are shown. */
#define NODE_ROWS 64

static json_t *time_json(const struct br_step_time *t, double memory) {
  return json_pack("{s:i,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "nodes", t->nodes, "seconds_per_epoch", t->epoch, "compute_seconds", t->compute, "communicate_seconds", t->communicate, "speedup", t->speedup, "efficiency", t->efficiency,
                   "bytes_per_step", t->sent_bytes, "memory_bytes", memory);
}

static void print_time(const struct br_step_time *t, double memory) {
  char epoch[32], sum[32], sent[32], size[32];
  printf("%6d %12s %12s %9.2f %10.0f %% %12s %12s\n", t->nodes, br_text_seconds(t->epoch, epoch), br_text_seconds(t->communicate, sum), t->speedup, 100 * t->efficiency, br_text_bytes(t->sent_bytes, sent), br_text_bytes(memory, size));
}

/* The table over 1 to --nodes nodes, and where another one stops paying. */
static int plan_nodes(struct cli *cli, struct br_plan_request *request, json_t *rows) {
  struct br_step_model model;
  int most = (int)option_int(&cli->options, "nodes"), stride = (most + NODE_ROWS - 1) / NODE_ROWS;
  bool as_json = option_flag(&cli->options, "json");
  BR_TRY(br_step_model_open(request, &model));
  BR_TRY(br_step_model_node(&model, option_text(&cli->options, "node")));
  BR_TRY(br_step_model_link(&model, option_text(&cli->options, "link")));
  if (!as_json && cli->speaks) printf("\non nodes of kind %s with %d threads, linked by %s\n%6s %12s %12s %9s %12s %12s %12s\n", option_text(&cli->options, "node"), model.threads, option_text(&cli->options, "link"), "nodes", "epoch", "of it sums", "speedup", "efficiency", "sent/step", "memory/node");
  request->threads = model.threads;
  for (int n = 1; n <= most; n += stride) {
    struct br_step_time time = br_step_model_time(&model, n);
    struct br_train_plan plan;
    request->ranks = n;
    BR_TRY(br_train_plan(request, &plan));
    if (as_json)
      json_array_append_new(rows, time_json(&time, (double)plan.total));
    else if (cli->speaks)
      print_time(&time, (double)plan.total);
  }
  int fastest = br_step_model_fastest(&model, most), worth = br_step_model_worth(&model, most, 0.7);
  if (as_json || !cli->speaks) return BR_OK;
  printf("the shortest epoch: %d node%s; each node is used to 70 %% or more up to %d\n", fastest, fastest == 1 ? "" : "s", worth);
  if (model.parts < most) printf("there are only %lld parts between two sums, so more than %lld nodes cannot help: a smaller --micro-batch or a larger --batch makes more\n", (long long)model.parts, (long long)model.parts);
  return BR_OK;
}

static int plan_train(struct cli *cli, struct setup_run *r) {
  if (option_int(&cli->options, "nodes") == 0 && (option_given(&cli->options, "node") || option_given(&cli->options, "link")))
    BR_FAIL(BR_ERROR_USAGE, "--node and --link describe a cluster: say of how many nodes, as in --nodes 4");
  BR_TRY(setup_open_run(cli, cli->options.subjects[1], r));
  struct br_plan_request request = setup_plan_request(cli, r);
  struct br_train_plan plan;
  double seconds;
  BR_TRY(br_train_plan(&request, &plan));
  BR_TRY(br_train_plan_seconds(&request, &plan, &seconds));
  double samples = (double)plan.units * r->options.micro_batch;
  bool as_json = option_flag(&cli->options, "json");
  if (!as_json && cli->speaks) print_plan(&plan, r, samples, seconds);
  json_t *rows = json_array();
  struct br_plan_request nodes = request;
  int status = option_int(&cli->options, "nodes") > 0 ? plan_nodes(cli, &nodes, rows) : BR_OK;
  json_t *object = as_json ? plan_json(&plan, samples, seconds) : NULL;
  if (json_array_size(rows)) json_object_set(object, "nodes", rows);
  json_decref(rows);
  if (as_json && status == BR_OK)
    cli_print_json(cli, object);
  else
    json_decref(object);
  BR_TRY(status);
  return option_given(&cli->options, "memory") ? br_train_plan_check(&request, setup_memory_limit(cli)) : BR_OK;
}

int cmd_plan(struct cli *cli) {
  if (cli->options.n_subjects == 2 && strcmp(cli->options.subjects[0], "predict") == 0) return br_comm_agree(cli->comm, stages_print_plan(cli));
  if (cli->options.n_subjects != 2 || strcmp(cli->options.subjects[0], "train") != 0)
    BR_FAIL(BR_ERROR_USAGE, "bramble plan takes train or predict and a net or model, as in: bramble plan train mobilenetv2 --input 128 --batch 24; bramble plan predict m.safetensors --nodes 3");
  struct setup_run run = {0};
  int status = br_comm_agree(cli->comm, plan_train(cli, &run));
  setup_close_run(&run);
  return status;
}
