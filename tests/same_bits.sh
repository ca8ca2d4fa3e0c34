#!/usr/bin/env bash
# One model on every instruction set: the whole command trains lenet and a narrow mobilenetv2, on small and large pictures, with each BRAMBLE_CPU value, and cross-compiled for
# arm64 under qemu-user where gcc-aarch64-linux-gnu, qemu-user and the :arm64 libraries are installed.
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
lenet="train lenet --limit 64 --epochs 1 --quiet"
mobilenet="train mobilenetv2 --width 0.25 --input 32 --batch 16 --micro-batch 8 --limit 32 --epochs 1 --bn-recalibrate 16 --quiet"
large="train mobilenetv2 --width 0.25 --input 96 --batch 4 --micro-batch 2 --limit 4 --epochs 1 --bn-recalibrate 4 --quiet"
hashes() { # name, command...
  local name=$1
  shift
  echo "$name:"
  for net in lenet mobilenet large; do
    "$@" ${!net} --out "$dir/$name.$net" >/dev/null || { echo "$net does not run"; exit 1; }
    sha256sum <"$dir/$name.$net" >>"$dir/$net"
    echo "  $net $(sha256sum <"$dir/$name.$net" | cut -c1-16)"
  done
}
for cpu in generic avx2 avx512 neon; do hashes $cpu env BRAMBLE_CPU=$cpu "$1/bramble"; done
cross="cmake -S $here -B $dir/arm64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=$here/cmake/arm64.cmake -DBRAMBLE_MPI=OFF -DBRAMBLE_TESTS=OFF"
if command -v aarch64-linux-gnu-gcc qemu-aarch64 >/dev/null && $cross >"$dir/log" 2>&1 && ninja -C "$dir/arm64" >>"$dir/log" 2>&1; then
  hashes arm64 qemu-aarch64 "$dir/arm64/bramble"
else
  echo "skipped: arm64 (needs gcc-aarch64-linux-gnu, qemu-user and the :arm64 development packages)"
fi
for net in lenet mobilenet large; do [ "$(sort -u "$dir/$net" | wc -l)" = 1 ] || { echo "the models of $net differ"; exit 1; }; done
