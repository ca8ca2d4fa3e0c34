/* Reading a folder of columns, for reader.c. */
#ifndef BRAMBLE_SRC_TABLE_FOLDER_H
#define BRAMBLE_SRC_TABLE_FOLDER_H

#include "table.h"

#include <bramble/table/folder.h>

/* As br_table_read_csv, of a folder. Types that are asked for must be those it was written with. */
int br__folder_read(struct br_comm *comm, struct br_team *team, const struct br_csv_options *options, struct br_table **out);

#endif
