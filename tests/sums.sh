#!/usr/bin/env bash
# Sums over ranks of one machine, through shared memory, and over ranks that MPICH is told to take for machines of their own, packed.
command -v mpiexec > /dev/null || { echo "skipped: no mpiexec"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpiexec --version 2>&1 | grep -q 'Open MPI\|OpenRTE' && oversubscribe=--oversubscribe
out=$(mktemp)
trap 'rm -f "$out"' EXIT
# As in a container that has little memory to share: sums go by messages instead of ending the ranks.
if unshare -m sh -c 'mount -t tmpfs -o size=20m tmpfs /dev/shm' 2> /dev/null; then
  unshare -m sh -c "mount -t tmpfs -o size=20m tmpfs /dev/shm && timeout -k 5 100 mpiexec -n 3 $oversubscribe '$1/test_sums'" > "$out" 2>&1 || { tail -5 "$out"; echo "FAIL: little memory to share"; exit 1; }
fi
for apart in 0 1; do
  for ranks in 1 2 3 7; do
    MPIR_CVAR_NOLOCAL=$apart timeout -k 5 100 mpiexec -n $ranks $oversubscribe "$1/test_sums" > "$out" 2>&1 || { tail -5 "$out"; echo "FAIL: $ranks ranks, apart $apart"; exit 1; }
    grep 'machines' "$out"
  done
done
