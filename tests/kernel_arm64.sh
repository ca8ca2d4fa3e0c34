#!/bin/bash
# The kernels of arm64, cross-compiled and run under qemu-user, give the bits that this machine's give.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cross=aarch64-linux-gnu-gcc
for tool in $cross qemu-aarch64; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -O1 -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -I$here/include -I$here/src"
base=$(printf "$here/src/base/%s.c " clock cpu error log memory random thread)
gcc $flags "$here/tests/kernel_hash.c" "$here"/src/kernel/*.c $base -o "$work/here" -lm -lpthread &
$cross $flags -static "$here/tests/kernel_hash.c" "$here"/src/kernel/*.c $base -o "$work/arm64" -lm -lpthread
wait $!
"$work/here" 2 | tee "$work/all"
qemu-aarch64 "$work/arm64" 2 | tee -a "$work/all"
test "$(cut -d' ' -f1 "$work/all" | sort -u | wc -l)" = 1 || { echo "the hashes differ"; exit 1; }
grep -q neon "$work/all"
