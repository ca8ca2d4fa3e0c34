#!/bin/bash
# Pictures and samples have the same bits whatever the instruction set: the tests with known bits, once per table.
set -eu
for cpu in generic avx2; do
  for test in test_image test_loader test_data; do
    BRAMBLE_CPU=$cpu "$1/$test" > "$1/data_cpu.log" 2>&1 || { echo "BRAMBLE_CPU=$cpu $test failed"; cat "$1/data_cpu.log"; exit 1; }
  done
done
