/* Small formulas in experiment files: conditions on cases ("nodes > 1 and sync != 'weights'") and metrics made of others
 * ("100 * base(seconds) / seconds"). Private to the room. */
#ifndef LAB_EXPRESSION_H
#define LAB_EXPRESSION_H

#include <stdbool.h>

/* A number, or a text where text is not NULL. A condition is 1 or 0. */
struct br_value_or_text {
  double number;
  const char *text;
};

/* Who knows the names. `base` is true inside base(...). Returns false for a name that is not known, with
 * value->text the one that may have been meant, or NULL; a value that is missing is NaN. NULL: no names. */
typedef bool br_expression_lookup(void *arg, const char *name, bool base, struct br_value_or_text *value);

/* Evaluates `text` (base/expression.h), in which base(name) is the one function. Texts are equal or not; a comparison where one side is no number is one
 * of texts. Errors: BR_ERROR_USAGE naming the column. */
int br_expression_evaluate(const char *text, br_expression_lookup *lookup, void *arg, struct br_value_or_text *value);

/* A text as a number if all of it is one. */
struct br_value_or_text br_expression_value(const char *text);

#endif
