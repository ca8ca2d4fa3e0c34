#!/usr/bin/env bash
# Every command block of the documents that is marked sh runs, in order, and docs/cli.md is what the options table prints.
here=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PATH="$1:$PATH"
failures=0
diff <(bramble help options) <(sed -n '/^| option/,$p' "$here/docs/cli.md") >"$dir/diff" || { echo "docs/cli.md is not what bramble help options prints:"; head -5 "$dir/diff"; failures=1; }
for doc in "$here"/README.md "$here"/docs/*.md; do
  mkdir -p "$dir/$(basename "$doc")" && cd "$dir/$(basename "$doc")" || exit 1
  # A net given as an example is the file that the following commands name.
  awk '/^```$/ && !inside {inside=1; text=""; next} /^```/ && inside {if (text ~ /^x +=/ && !done) {printf "%s", text > "small.net"; done=1} inside=0; next} inside {text=text $0 "\n"}' "$doc"
  awk '/^```sh$/ {inside=1; next} /^```/ {inside=0} inside' "$doc" >commands
  [ -s commands ] || continue
  if ! bash -e -x commands >log 2>&1; then
    echo "FAIL: a command of $doc:"
    tail -5 log
    failures=$((failures + 1))
  fi
done
exit $((failures > 0))
