# The head of tests of the built command, sourced by them: $1 is the build folder, the test runs in a folder of its own that is gone at the end.
set -e
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "$(basename "$0"): $1"; exit 1; }
skip() { echo "skipped: $1"; exit 77; }
has_yaml() { ! "$build/bramble" sweep none.yaml 2>&1 | grep -q 'without YAML'; }
need_yaml() { has_yaml || skip "built without libyaml"; }
