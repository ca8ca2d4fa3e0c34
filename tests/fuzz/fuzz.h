/* What a fuzz target gives to its driver. */
#ifndef BRAMBLE_TESTS_FUZZ_H
#define BRAMBLE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes; must not crash, leak or read outside them. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
/* Writes good input number `which` into data and returns its length; 0 when there are no more. */
size_t fuzz_seed(int which, uint8_t *data, size_t capacity);

#endif
