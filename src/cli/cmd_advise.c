/* bramble advise train: how many nodes, which batch, which sync interval, and why; and what would go wrong. */
#include "cli/setup.h"

#include <bramble/base/text.h>
#include <bramble/lab/advise.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *lines_json(char (*lines)[320], int n) {
  json_t *array = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(array, json_string(lines[i]));
  return array;
}

static void print_advice(struct br_advice *a) {
  for (int i = 0; i < a->n_warnings; i++) printf("WARNING: %s\n", a->warning[i]);
  printf("%s--batch %d on %d node%s, --sync gradients; or --sync weights --every %lld\n", a->n_warnings ? "\n" : "", a->batch, a->nodes, a->nodes > 1 ? "s" : "", (long long)a->every);
  for (int i = 0; i < a->n_why; i++) printf("  %s\n", a->why[i]);
}

static int advise(struct cli *cli, struct setup_run *run) {
  const struct options *o = &cli->options;
  BR_TRY(br_comm_agree(cli->comm, setup_open_run(cli, o->subjects[1], run)));
  int nodes = (int)option_int(o, "nodes");
  double momentum = option_float(o, "bn-momentum");
  struct br_advise_request request = {.plan = setup_plan_request(cli, run), .model = run->model, .team = run->team, .train_seconds = option_float(o, "seconds"), .noise_units = 64, .most_nodes = nodes > 0 ? nodes : br_comm_size(cli->comm),
                                      .node = option_text(o, "node"), .link = option_given(o, "link") ? option_text(o, "link") : NULL, .bn_momentum = momentum < 0 ? 0.9 : momentum};
  struct br_advice advice;
  BR_TRY(br_advise_train(cli->comm, &request, &advice));
  if (!cli->speaks) return BR_OK;
  if (option_flag(o, "json"))
    cli_print_json(cli, json_pack("{s:o,s:i,s:f,s:i,s:I,s:o,s:o}", "noise_scale", cli_number(advice.noise_scale), "batch", advice.batch, "sample_efficiency", advice.efficiency, "nodes",
                                  advice.nodes, "every", (json_int_t)advice.every, "why", lines_json(advice.why, advice.n_why), "warnings", lines_json(advice.warning, advice.n_warnings)));
  else
    print_advice(&advice);
  return BR_OK;
}

int cmd_advise(struct cli *cli) {
  if (cli->options.n_subjects != 2 || strcmp(cli->options.subjects[0], "train") != 0)
    BR_FAIL(BR_ERROR_USAGE, "bramble advise takes the verb train and a net or model, as in: bramble advise train mobilenetv2 --data cifar10:DIR --nodes 24");
  struct setup_run run = {0};
  int status = advise(cli, &run);
  setup_close_run(&run);
  return status;
}
