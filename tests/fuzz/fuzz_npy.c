/* The header parser of .npy files. */
#include "fuzz.h"

#include <bramble/store/npy.h>

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  struct br_npy npy;
  if (br_npy_parse("fuzz.npy", data, bytes, bytes, &npy) == 0 && npy.data_offset + npy.count * npy.element_bytes != bytes) __builtin_trap();
  return 0;
}

size_t fuzz_seed(int which, uint8_t *data, size_t capacity) {
  static const char *const headers[] = {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (48,), }\n",
                                        "{'shape': (), 'descr': '<i8', 'fortran_order': False}", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 3, 1), }   \n"};
  static const size_t elements[] = {48, 48, 8, 48};
  if (which >= 4) return 0;
  size_t n = strlen(headers[which]);
  memset(data, 0, capacity < 512 ? capacity : 512);
  memcpy(data, "\x93NUMPY\x01\x00", 8);
  data[8] = (uint8_t)n;
  memcpy(data + 10, headers[which], n);
  return 10 + n + elements[which];
}
