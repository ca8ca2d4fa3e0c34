/* Models of tables as files of other programs. */
#ifndef BRAMBLE_TABLE_EXPORT_H
#define BRAMBLE_TABLE_EXPORT_H

#include <bramble/table/model.h>

/* Writes the model as ONNX (opset 17 and ai.onnx.ml 3): an input [rows, 1] a feature under its name, doubles for numbers and dates, texts for categories (NaN and ""
 * where missing); outputs `prediction` [rows] and, for classes, `probabilities` [rows, classes]. Linear and logistic models answer in doubles, trees in floats.
 * Errors: BR_ERROR_DATA for a kind without a counterpart, features that are named like an output, and splits of so many categories that their tables would take
 * more than 256 MB; BR_ERROR_FAILED in a build without ONNX, and those of writing. Not collective. */
int br_table_model_write_onnx(const struct br_table_model *model, const char *path);

#endif
