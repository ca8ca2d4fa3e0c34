/* The reader of tables, as CSV or LIBSVM text: any bytes are a table or an error, and the same one however small the slices are that the file is read in. */
#include "fuzz.h"

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/table/table.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A hash of types and values, row after row, whatever the blocks are. */
static uint64_t print_of(const struct br_table *table) {
  uint64_t print = br_table_rows(table) + 1;
  double values[4096];
  if (br_table_largest_block(table) > sizeof values / sizeof *values) return print;
  for (size_t c = 0; c < br_table_columns(table); c++) {
    print = br_hash64(print + br_table_type(table, c), br_table_name(table, c), strlen(br_table_name(table, c)));
    if (br_table_type(table, c) == BR_COLUMN_TEXT) continue;
    for (size_t b = 0; b < br_table_blocks(table); b++) {
      br_table_numbers(table, c, b, values);
      for (size_t i = 0; i < br_table_block_rows(table, b); i++) print = isnan(values[i]) ? print * 31 + 1 : br_hash64(print, &values[i], sizeof values[i]);
    }
  }
  return print;
}

static int read_in_slices(struct br_comm *comm, struct br_team *team, const char *path, size_t slice, uint64_t *print) {
  struct br_csv_options options = {.path = path, .header = -1, .skip_bad_rows = true, .slice_bytes = slice};
  struct br_table *table = NULL;
  int status = br_table_read_csv(comm, team, &options, &table);
  if (status == BR_OK) *print = print_of(table);
  br_table_close(table);
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static struct br_comm *comm;
  static struct br_team *team;
  char path[64];
  uint64_t whole = 0, sliced = 0;
  if (!comm && (br_comm_open_self(&comm) != BR_OK || br_team_open(2, &team) != BR_OK)) __builtin_trap();
  int file = memfd_create("fuzz.csv", 0);
  if (file < 0 || write(file, data, bytes) != (ssize_t)bytes) __builtin_trap();
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  if (bytes > 1 && data[0] % 8 == 3) memmove(path + 7, path, strlen(path) + 1), memcpy(path, "libsvm:", 7);
  int status = read_in_slices(comm, team, path, 0, &whole);
  if (read_in_slices(comm, team, path, 16 + bytes % 48, &sliced) != status || whole != sliced) __builtin_trap();
  close(file);
  return 0;
}

size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const char *const texts[] = {
      "a,b,c\n1,2.5,x\n,NA,\"y, \"\"z\"\"\"\n-3e4,0.001,\"two\nlines\"\n", "\xEF\xBB\xBFname;day;n\r\nanna;2018-06-23;1\r\nbob;2018-06-24 17:05:30;?\r\n", "1\t2\t3\n4\t5\t6\n7\t8\n", "k,v\nred,1\nred,2\nblue,9007199254740993\n\"\",1e400\n",
      "+1 1:0.5 3:2 # x\n-1 2:1e3\n\n1 3:nan 40:-7.25\n",
  };
  if (which >= 5) return 0;
  size_t n = strlen(texts[which]) < capacity ? strlen(texts[which]) : capacity;
  memcpy(data, texts[which], n);
  return n;
}
