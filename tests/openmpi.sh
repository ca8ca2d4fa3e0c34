#!/usr/bin/env bash
# Open MPI gives the bytes that MPICH gives, and an mpiexec of the other MPI is caught, not believed.
here=$(cd "$(dirname "$0")/.." && pwd)
for tool in mpicc.openmpi mpiexec.openmpi mpiexec.mpich; do
  command -v $tool >/dev/null || { echo "skipped: $tool is not installed (libopenmpi-dev, openmpi-bin, mpich)"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
launcher=$(command -v ccache >/dev/null && echo -DCMAKE_C_COMPILER_LAUNCHER=ccache)
cmake -S "$here" -B "$dir/build" -G Ninja $launcher -DMPI_C_COMPILER=/usr/bin/mpicc.openmpi -DBRAMBLE_TESTS=OFF >"$dir/log" 2>&1 && ninja -C "$dir/build" >>"$dir/log" 2>&1 || { tail -5 "$dir/log"; exit 1; }
train="train lenet --limit 96 --epochs 1 --batch 32 --micro-batch 8 --quiet"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
mpiexec.mpich -n 3 "$1/bramble" $train --out "$dir/mpich" || exit 1
mpiexec.openmpi --oversubscribe -n 3 "$dir/build/bramble" $train --out "$dir/openmpi" || exit 1
cmp "$dir/mpich" "$dir/openmpi" || exit 1
if mpiexec.openmpi --oversubscribe -n 3 "$1/bramble" $train --out "$dir/mixed" >"$dir/err" 2>&1; then
  echo "a foreign mpiexec was believed"
  exit 1
fi
grep -q 'another MPI' "$dir/err" && [ "$(grep -c 'another MPI' "$dir/err")" = 1 ] && [ ! -e "$dir/mixed" ] || { cat "$dir/err"; exit 1; }
