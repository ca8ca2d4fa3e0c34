/* inspect of a table or a table's model, for people: a line a column, the first rows, what is worth doing about them. */
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDEST 24        /* of a cell, in bytes */
#define SHOWN_COLUMNS 12 /* of the first rows */

/* A value as text that fits a cell: long ones are cut, and stay on one line. */
static void cell(const json_t *value, char out[WIDEST + 4]) {
  if (json_is_real(value))
    snprintf(out, WIDEST, "%.9g", json_real_value(value));
  else if (json_is_integer(value))
    snprintf(out, WIDEST, "%lld", (long long)json_integer_value(value));
  else if (json_is_string(value)) {
    const char *text = json_string_value(value);
    size_t n = strlen(text), cut = n <= WIDEST ? n : WIDEST - 3;
    while (cut < n && cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80) cut--; /* not inside a letter */
    memcpy(out, text, cut);
    strcpy(out + cut, cut < n ? "..." : "");
    for (char *p = out; *p; p++)
      if ((unsigned char)*p < ' ') *p = ' ';
  } else {
    strcpy(out, "-");
  }
}

/* How many columns of a terminal a text takes, if each letter takes one. */
static int letters(const char *text) {
  int n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
  return n;
}

/* Lines of cells of the same number, in columns as wide as they need; the first one's cells are heads. */
static void print_grid(char (*cells)[WIDEST + 4], size_t lines, size_t columns) {
  for (size_t r = 0; r < lines; r++)
    for (size_t c = 0; c < columns; c++) {
      int widest = 0;
      for (size_t k = 0; k < lines; k++) widest = letters(cells[k * columns + c]) > widest ? letters(cells[k * columns + c]) : widest;
      bool last = c + 1 == columns;
      printf("%s%*s%s", cells[r * columns + c], last ? 0 : widest - letters(cells[r * columns + c]) + 2, "", last ? "\n" : "");
    }
}

/* "red 40, blue 3" of the commonest categories, as far as they fit. */
static void commonest(const json_t *most, char out[WIDEST + 4]) {
  size_t i, used = 0;
  json_t *item;
  out[0] = 0;
  json_array_foreach((json_t *)(uintptr_t)most, i, item) {
    char name[WIDEST + 4], one[2 * WIDEST];
    cell(json_object_get(item, "value"), name);
    int n = snprintf(one, sizeof one, "%s%s %lld", i ? ", " : "", name, (long long)json_integer_value(json_object_get(item, "rows")));
    if (used + (size_t)n > WIDEST) break;
    memcpy(out + used, one, (size_t)n + 1);
    used += (size_t)n;
  }
}

static void print_columns(const json_t *columns) {
  static const char *const heads[] = {"column", "type", "missing", "distinct", "low", "high", "mean"}, *const keys[] = {"name", "type", "missing", "distinct", "low", "high", "mean"};
  enum { N = sizeof keys / sizeof *keys };
  size_t n = json_array_size(columns), i;
  char(*cells)[WIDEST + 4] = calloc((n + 1) * N, sizeof *cells);
  json_t *column;
  if (!cells) return;
  for (size_t k = 0; k < N; k++) strcpy(cells[k], heads[k]);
  json_array_foreach((json_t *)(uintptr_t)columns, i, column) {
    for (size_t k = 0; k < N; k++) cell(json_object_get(column, keys[k]), cells[(i + 1) * N + k]);
    if (json_object_get(column, "most")) commonest(json_object_get(column, "most"), cells[(i + 1) * N + 4]);
  }
  print_grid(cells, n + 1, N);
  free(cells);
}

static void print_rows(const json_t *columns, const json_t *rows) {
  size_t n = json_array_size(columns), shown = n < SHOWN_COLUMNS ? n : SHOWN_COLUMNS, lines = json_array_size(rows);
  char(*cells)[WIDEST + 4] = calloc((lines + 1) * shown, sizeof *cells);
  if (!cells) return;
  for (size_t c = 0; c < shown; c++) cell(json_object_get(json_array_get(columns, c), "name"), cells[c]);
  for (size_t r = 0; r < lines; r++)
    for (size_t c = 0; c < shown; c++) cell(json_array_get(json_array_get(rows, r), c), cells[(r + 1) * shown + c]);
  printf(shown < n ? "\nThe first rows, %zu of %zu columns\n" : "\nThe first rows\n", shown, n);
  print_grid(cells, lines + 1, shown);
  free(cells);
}

static void print_table(const char *path, const json_t *report) {
  const char *separator = json_string_value(json_object_get(report, "separator"));
  const json_t *columns = json_object_get(report, "columns"), *suggestions = json_object_get(report, "suggestions"), *bad = json_object_get(report, "bad_rows");
  size_t i;
  json_t *line;
  printf("%s: %lld rows, %zu columns, ", path, (long long)json_integer_value(json_object_get(report, "rows")), json_array_size(columns));
  if (json_object_get(report, "format"))
    printf("LIBSVM text");
  else
    printf("separator %s, %s", separator[0] == '\t' ? "tab" : separator[0] == ' ' ? "blank" : separator[0] == ',' ? "comma" : separator, json_is_true(json_object_get(report, "header")) ? "with a header" : "no header");
  if (bad) printf("; %lld bad rows left out", (long long)json_integer_value(bad));
  printf("\n\n");
  print_columns(columns);
  print_rows(columns, json_object_get(report, "first_rows"));
  if (json_array_size(suggestions)) printf("\nSuggestions\n");
  json_array_foreach((json_t *)(uintptr_t)suggestions, i, line) printf("%s\n", json_string_value(line));
  fflush(stdout);
}

static int inspect_model(struct cli *cli) {
  struct br_table_model *model;
  BR_TRY(br_table_model_open(cli->options.subjects[0], &model));
  json_t *report = br_table_model_describe(model);
  char *text = option_flag(&cli->options, "json") ? NULL : br_table_model_text(model, 200);
  if (report) table_report(cli, report);
  if (text) printf("\n%s", text);
  free(text);
  br_table_model_close(model);
  return BR_OK;
}

int table_inspect(struct cli *cli) {
  const char *path = cli->options.subjects[0];
  if (table_is_model(path)) return br_comm_agree(cli->comm, cli->speaks ? inspect_model(cli) : BR_OK);
  struct br_csv_options csv;
  struct br_team *team = NULL;
  json_t *report = NULL;
  int status = table_csv_options(cli, path, &csv);
  if (status == BR_OK) status = cli_open_team(cli, &team);
  status = br_comm_agree(cli->comm, status);
  if (status == BR_OK) status = br_table_inspect(cli->comm, team, &csv, &report);
  if (status == BR_OK && cli->speaks && !option_flag(&cli->options, "json")) {
    print_table(path, report);
    json_decref(report);
  } else if (status == BR_OK) {
    table_report(cli, report);
  }
  br_team_close(team);
  return status;
}
