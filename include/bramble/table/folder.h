/* A table as a folder of columns: one .npy file a column, which any NumPy reads, and schema.json. Reading it parses nothing: br_table_read_csv takes such a
 * folder for its path, and the table is the same as that of the CSV file, to the bit, so models are too.
 *
 * schema.json: format "bramble.columns.1", rows, blocks (rows of each), and for every column name, type, file, and: of numbers and dates scale, one for
 * each block, of 10^-scale that its values are whole multiples of (-1: doubles); of categories their names. Numbers are <f8 with NaN where missing, or <i4
 * where all are there and whole; categories are <i4 codes, -1 where missing. */
#ifndef BRAMBLE_TABLE_FOLDER_H
#define BRAMBLE_TABLE_FOLDER_H

#include <bramble/table/table.h>

/* Writes all of the table, which one rank must hold alone; the folder is made, and is a table only when all of it is written (schema.json is the last file).
 * Columns of more texts than categories can be are left out. Errors: those of writing; BR_ERROR_DATA for names that are not UTF-8. Not collective. */
int br_table_write_folder(const struct br_table *table, const char *path);

/* Whether the path is a folder with a schema.json. */
bool br_table_is_folder(const char *path);

#endif
