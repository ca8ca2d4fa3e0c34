#!/bin/bash
# The kernels of arm64, cross-compiled and run under qemu-user, give the bits that this machine's give.
. "$(dirname "$0")/arm64.bash"
both -O1 "$here/tests/kernel_hash.c" "$here"/src/kernel/*.c $(printf "$here/src/base/%s.c " clock cpu error log memory random thread)
"$work/here" 2 | tee "$work/all"
qemu-aarch64 "$work/arm64" 2 | tee -a "$work/all"
agree
