/* Prints, for each table this machine can run, a hash of all outputs of all kernels on fixed inputs: the same number on every
 * machine. Needs only src/base and src/kernel, so that it can be compiled for another processor by one line (kernel_arm64.sh). */
#include <bramble/base/cpu.h>

#include "kernel_checks.h"

int main(int argc, char **argv) {
  const struct br_kernels *const *tables = br__kernels_all();
  int rounds = argc > 1 ? atoi(argv[1]) : 40;
  for (size_t t = 0; tables[t]; t++) {
    check_table(tables[t], rounds);
    printf("%016llx %s\n", (unsigned long long)outputs_hash, tables[t]->name);
    if (tables[t] == br__kernels()) break;
  }
  return failures != 0;
}
