#!/bin/bash
# Drawn shapes and loaded samples, cross-compiled for arm64 and run under qemu-user, have the bits that this machine gives them.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cross=aarch64-linux-gnu-gcc
for tool in $cross qemu-aarch64; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=gnu11 -O2 -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -I$here/include -I$here/src"
sources="$here/tests/data_hash.c $(printf "$here/src/data/%s.c " loader resize rows shapes source stream) $(printf "$here/src/base/%s.c " cpu error log memory random)"
# The 64-bit hash without libmd, which the cross compiler does not have.
sed '/sha2.h/d; /br_hash_file/,$d' "$here/src/base/hash.c" > "$work/hash.c"
gcc $flags $sources "$work/hash.c" -o "$work/here" -lm -lpthread &
$cross $flags -static $sources "$work/hash.c" -o "$work/arm64" -lm -lpthread
wait $!
"$work/here" | tee "$work/all"
BRAMBLE_CPU=generic "$work/here" | tee -a "$work/all"
qemu-aarch64 "$work/arm64" | tee -a "$work/all"
test "$(cut -d' ' -f1 "$work/all" | sort -u | wc -l)" = 1 || { echo "the hashes differ"; exit 1; }
grep -q neon "$work/all"
