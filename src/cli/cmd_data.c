/* bramble data: making and moving data sets. data pack SPEC writes tar shards, or of a table a folder of columns; data show SPEC INDEX writes one picture; data make KIND
 * writes a generated table. */
#include "cli/setup.h"
#include "cli/table.h"

#include <bramble/base/text.h>
#include <bramble/data/image.h>
#include <bramble/data/pack.h>
#include <bramble/table/generate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct br_dataset_options dataset_options(const struct cli *cli) {
  const struct options *o = &cli->options;
  return (struct br_dataset_options){.part = option_choice(o, "part") == 0 ? BR_DATA_TRAIN : BR_DATA_TEST, .limit = (uint64_t)option_int(o, "limit"), .skip_bad = option_flag(o, "skip-bad"), .seed = 1};
}

static int need_out(const struct cli *cli, const char **out) {
  *out = option_text(&cli->options, "out");
  if (!*out) BR_FAIL(BR_ERROR_USAGE, "bramble data %s needs --out", cli->options.subjects[0]);
  return BR_OK;
}

static int pack(struct cli *cli) {
  const char *out, *const *subjects = cli->options.subjects;
  if (cli->options.n_subjects == 3 && table_is_csv(subjects[1])) return table_pack(cli, subjects[1], subjects[2]);
  BR_TRY(need_out(cli, &out));
  if (cli->options.n_subjects == 2 && table_is_csv(subjects[1])) return table_pack(cli, subjects[1], out);
  if (cli->options.n_subjects != 2) BR_FAIL(BR_ERROR_USAGE, "bramble data pack takes one data set, as in: bramble data pack folder:photos --out shards/photos, or a table and a folder: bramble data pack cars.csv cars");
  struct br_dataset_options options = dataset_options(cli);
  struct br_pack result;
  BR_TRY(br_pack_write(cli->options.subjects[1], &options, out, (uint64_t)option_size(&cli->options, "shard"), &result));
  char size[32];
  if (option_flag(&cli->options, "json"))
    cli_print_json(cli, json_pack("{s:I,s:I,s:I}", "samples", (json_int_t)result.samples, "shards", (json_int_t)result.shards, "bytes", (json_int_t)result.bytes));
  else
    printf("%llu samples in %llu shards of %s in all\n", (unsigned long long)result.samples, (unsigned long long)result.shards, br_text_bytes((double)result.bytes, size));
  return BR_OK;
}

static int show_sample(struct cli *cli, struct br_dataset *data, uint64_t index, const char *out) {
  struct br_sample sample = {0};
  int status = br_dataset_read(data, index, &sample);
  if (status == BR_OK && (sample.type != BR_SAMPLE_U8 || (sample.C != 1 && sample.C != 3))) status = br_error_set(BR_ERROR_USAGE, "the samples of %s are no pictures", cli->options.subjects[1]);
  struct br_image image = {.H = sample.H, .W = sample.W, .C = sample.C, .pixels = sample.pixels};
  if (status == BR_OK) status = br_image_write_png(out, &image);
  if (status == BR_OK) printf("%s: sample %llu, %s, %dx%d\n", out, (unsigned long long)index, br_dataset_info(data)->class_names[sample.label], sample.H, sample.W);
  br_sample_free(&sample);
  return status;
}

static int show(struct cli *cli) {
  const char *out;
  BR_TRY(need_out(cli, &out));
  char *end = NULL;
  if (cli->options.n_subjects != 3) BR_FAIL(BR_ERROR_USAGE, "bramble data show takes a data set and a number, as in: bramble data show shapes 7 --out picture.png");
  unsigned long long index = strtoull(cli->options.subjects[2], &end, 10);
  if (*end || cli->options.subjects[2][0] == '-' || end == cli->options.subjects[2]) BR_FAIL(BR_ERROR_USAGE, "%s is not a sample's number", cli->options.subjects[2]);
  struct br_dataset_options options = dataset_options(cli);
  struct br_dataset *data;
  BR_TRY(br_dataset_open(cli->options.subjects[1], &options, &data));
  int status = index < br_dataset_info(data)->count ? show_sample(cli, data, index, out)
                                                    : br_error_set(BR_ERROR_USAGE, "sample %llu of %llu: the first is 0", index, (unsigned long long)br_dataset_info(data)->count);
  br_dataset_close(data);
  return status;
}

static int make(struct cli *cli) {
  const struct options *o = &cli->options;
  const char *out;
  BR_TRY(need_out(cli, &out));
  if (o->n_subjects != 2) BR_FAIL(BR_ERROR_USAGE, "bramble data make takes one kind of table, as in: bramble data make cars --rows 1000 --out cars.csv");
  BR_TRY(br_table_generate(o->subjects[1], (uint64_t)option_int(o, "rows"), (uint64_t)option_int(o, "seed"), out));
  if (option_flag(o, "json"))
    cli_print_json(cli, json_pack("{s:s,s:I}", "file", out, "rows", (json_int_t)option_int(o, "rows")));
  else
    printf("%s: %lld rows\n", out, (long long)option_int(o, "rows"));
  return BR_OK;
}

int cmd_data(struct cli *cli) {
  if (!cli->speaks) return BR_OK;
  const char *what = cli->options.n_subjects ? cli->options.subjects[0] : "";
  if (strcmp(what, "pack") == 0) return pack(cli);
  if (strcmp(what, "show") == 0) return show(cli);
  if (strcmp(what, "make") == 0) return make(cli);
  BR_FAIL(BR_ERROR_USAGE, "bramble data%s%s: pack, show and make are possible", *what ? " " : "", what);
}
