/* What is done to a table's columns between the file and a model: dates become their parts, formulas new columns, missing values something known. A table
 * carries the steps it was made by, a model those its columns come from, so that new rows are prepared as the training's were. */
#ifndef BRAMBLE_SRC_TABLE_STEPS_H
#define BRAMBLE_SRC_TABLE_STEPS_H

#include <bramble/table/table.h>

#include <jansson.h>

enum br__step_kind { BR__STEP_DATE, BR__STEP_LET, BR__STEP_FILL };

struct br__step {
  enum br__step_kind kind;
  char *name;   /* the column: DATE its parts are made of it, LET it is made, FILL its missing values are filled */
  char *text;   /* DATE: its form, NULL: ISO; LET: the formula; FILL: the category, NULL: the number */
  double value; /* FILL */
  bool hour;    /* DATE: has a part hour */
};

/* A column of the file that a step reads, with the type it had. */
struct br__origin {
  char *name;
  enum br_column_type type;
};

struct br__steps {
  struct br__step *list;
  size_t n;
  struct br__origin *origins; /* of a model's steps */
  size_t n_origins;
};

void br__steps_free(struct br__steps *steps);
/* Those of a table's steps that make the named columns, or fill them, and the columns of its file that they read. */
int br__steps_copy(const struct br_table *table, const char *const *names, size_t n, struct br__steps *to);
int br__steps_add(struct br__steps *steps, enum br__step_kind kind, const char *name, const char *text, double value);
int br__steps_clone(const struct br__steps *from, struct br__steps *to);
/* Drops the fills, as they are those of other training rows. */
void br__steps_drop_fills(struct br__steps *steps);

/* "when=%d/%m/%Y,other" and "age=2019-year,far=odometer>100000" as steps; NULL: none. Errors: BR_ERROR_USAGE with the place. */
int br__steps_parse(const char *dates, const char *lets, struct br__steps *out);

/* A list of names, each once; the names are owned. Zeroed is empty. */
struct br__names {
  char **list;
  size_t n;
};
int br__names_add(struct br__names *names, const char *name);
void br__names_free(struct br__names *names);
/* Adds the names in a formula. Errors: those of reading it. */
int br__names_of(struct br__names *names, const char *formula);

/* Replaces the columns that steps make by those they are made of, so that columns of the file are left. */
int br__steps_sources(const struct br__steps *steps, struct br__names *names);

/* Does the dates and formulas to a table, in their order, and gives it the steps: *steps is empty then. `lenient`: those whose columns it lacks are
 * left out. Where `learns`, an ISO date gets a part hour if any row has one. Errors: BR_ERROR_USAGE, BR_ERROR_DATA, BR_ERROR_MEMORY. Collective. */
int br__steps_apply(struct br_comm *comm, struct br_team *team, struct br__steps *steps, bool lenient, bool learns, struct br_table *table);

/* As they are kept in a model file. */
json_t *br__steps_json(const struct br__steps *steps);
int br__steps_load(const json_t *json, struct br__steps *out);

#endif
