/* bramble plan train: what a run would need, without running it: memory of a rank by kind, arithmetic, and about how long an epoch takes. */
#include "cli/setup.h"

#include <bramble/base/memory.h>
#include <bramble/base/text.h>

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

static int plan_train(struct cli *cli, struct setup_run *r) {
  BR_TRY(setup_open_run(cli, cli->options.subjects[1], r));
  struct br_plan_request request = setup_plan_request(cli, r);
  struct br_train_plan plan;
  double seconds;
  BR_TRY(br_train_plan(&request, &plan));
  BR_TRY(br_train_plan_seconds(&request, &plan, &seconds));
  double samples = (double)plan.units * r->options.micro_batch;
  if (!cli->speaks) return BR_OK;
  if (option_flag(&cli->options, "json"))
    cli_print_json(cli, plan_json(&plan, samples, seconds));
  else
    print_plan(&plan, r, samples, seconds);
  return option_given(&cli->options, "memory") ? br_train_plan_check(&request, setup_memory_limit(cli)) : BR_OK;
}

int cmd_plan(struct cli *cli) {
  if (cli->options.n_subjects != 2 || strcmp(cli->options.subjects[0], "train") != 0)
    BR_FAIL(BR_ERROR_USAGE, "bramble plan takes the verb train and a net or model, as in: bramble plan train mobilenetv2 --input 128 --batch 24");
  struct setup_run run = {0};
  int status = br_comm_agree(cli->comm, plan_train(cli, &run));
  setup_close_run(&run);
  return status;
}
