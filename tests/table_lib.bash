# Sourced by tests/table_*.sh with the build folder: the command, an empty folder to work in, and how a test says that something is wrong. They end with
# `exit $bad`.
bramble=$(cd "$1" && pwd)/bramble
[ -x "$bramble" ] || { echo "no command in $1"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
bad=0
fail() { echo "FAILED: $*"; bad=1; }

# The places to run at, as "ranks,threads ...": those given, or those of one rank where nothing starts several.
places() {
  if command -v mpiexec >/dev/null; then echo "$*"; else echo "no mpiexec: one rank only" >&2; echo "1,1 1,3"; fi
}
# The command on that many ranks.
on_ranks() { # ranks, arguments
  local n=$1
  shift
  if [ "$n" = 1 ]; then "$bramble" "$@" </dev/null; else mpiexec -n "$n" "$bramble" "$@" </dev/null; fi
}
