# The head of tests that train on several ranks and count their failures, sourced by them: $1 is the build folder, the test runs in a folder of its own that is gone at the end.
bramble=$(cd "$1" && pwd)/bramble
command -v mpiexec >/dev/null || { echo "skipped: no mpiexec"; exit 77; }
mpiexec --version 2>&1 | grep -q 'Open MPI\|OpenRTE' && oversubscribe=--oversubscribe
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failures=0
