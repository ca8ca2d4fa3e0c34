/* Generated tables: the same bytes everywhere (hashes written down here), longer files begin with shorter ones, seeds matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bramble/base/error.h>
#include <bramble/base/hash.h>
#include <bramble/base/memory.h>
#include <bramble/store/file.h>
#include <bramble/table/generate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/bramble-generate-XXXXXX", path[64];

static int setup(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/t.csv", folder);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  unlink(path);
  return rmdir(folder) || br_memory_held_bytes() != 0;
}

static const char *const kinds[] = {"cars", "checkins", "sdss"};

static void test_bytes(void **state) {
  (void)state;
  static const char *const hashes[] = {"4e43a438dfafb202f616a56711e1aecfe6aacc9ecc8042262f750d2b90080b00", "f318c349e3827d8664ad248ae60ba84adb1fe94482236349cff189606330ef58", "1426098cdfdbb3045ccf248f5afed6d9c9ca4ac1c53e1d0b863c911fac02a8da"};
  for (int k = 0; k < 3; k++) {
    char hash[65], other[65];
    assert_int_equal(br_table_generate(kinds[k], 5000, 1, path), BR_OK);
    assert_int_equal(br_hash_file(path, hash), BR_OK);
    assert_string_equal(hash, hashes[k]);
    assert_int_equal(br_table_generate(kinds[k], 5000, 2, path), BR_OK);
    assert_int_equal(br_hash_file(path, other), BR_OK);
    assert_string_not_equal(hash, other);
  }
}

static void test_rows_do_not_depend_on_their_number(void **state) {
  (void)state;
  for (int k = 0; k < 3; k++) {
    unsigned char *few, *many;
    size_t n_few, n_many, lines = 0;
    assert_int_equal(br_table_generate(kinds[k], 300, 7, path), BR_OK);
    assert_int_equal(br_file_read(path, 0, &few, &n_few), BR_OK);
    assert_int_equal(br_table_generate(kinds[k], 3000, 7, path), BR_OK);
    assert_int_equal(br_file_read(path, 0, &many, &n_many), BR_OK);
    assert_true(n_few < n_many);
    assert_memory_equal(few, many, n_few);
    for (size_t i = 0; i < n_many; i++) lines += many[i] == '\n';
    assert_int_equal(lines, 3001);
    br_memory_free(few);
    br_memory_free(many);
  }
}

static void test_refusals(void **state) {
  (void)state;
  char nowhere[128];
  snprintf(nowhere, sizeof nowhere, "%s/none/t.csv", folder);
  unlink(path);
  assert_int_equal(br_table_generate("planes", 1, 1, path), BR_ERROR_USAGE);
  assert_false(br_file_exists(path));
  assert_int_not_equal(br_table_generate("cars", 1, 1, nowhere), BR_OK);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes), cmocka_unit_test(test_rows_do_not_depend_on_their_number), cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
