#!/bin/bash
# Drawn shapes and loaded samples, cross-compiled for arm64 and run under qemu-user, have the bits that this machine gives them.
. "$(dirname "$0")/arm64.bash"
# The 64-bit hash without libmd, which the cross compiler does not have.
sed '/sha2.h/d; /br_hash_file/,$d' "$here/src/base/hash.c" > "$work/hash.c"
both -O2 "$here/tests/data_hash.c" $(printf "$here/src/data/%s.c " loader resize rows shapes source stream) $(printf "$here/src/base/%s.c " cpu error log memory random) "$work/hash.c"
"$work/here" | tee "$work/all"
BRAMBLE_CPU=generic "$work/here" | tee -a "$work/all"
qemu-aarch64 "$work/arm64" | tee -a "$work/all"
agree
